"""Migrations: a filled database of an older version comes up to a newer one whole, on both databases."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from muster.database.connection import Database, DatabaseError, open_database
from muster.database.migration import migrate
from played_postgres import NO_POSTGRES, PlayedServer

FIRST = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "0001", None
def upgrade():
    op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False))
"""
SECOND = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("people", sa.Column("site", sa.Text, nullable=False, server_default="London"))
    op.create_index("people_site", "people", ["site"])
"""
BROKEN = """
from alembic import op
revision, down_revision = "0003", "0002"
def upgrade():
    op.execute("UPDATE people SET site = 'nowhere'")
    op.execute("INSERT INTO nothing_of_this_name VALUES (1)")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, server: PlayedServer | None) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(tmp_path / "muster.db")
        yield opened
        opened.close()
        return
    if server is None:
        pytest.skip(NO_POSTGRES)
    name = server.create()
    opened = open_database(server.url_of(name))
    yield opened
    opened.close()
    server.drop(name)


def package(folder: Path, *revisions: str) -> str:
    """A package of migrations as a version of the program has it."""
    name = f"migrations_{uuid.uuid4().hex}"
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    for number, text in enumerate(revisions, 1):
        (folder / name / f"r{number:04}_step.py").write_text(text)
    return name


def people(database: Database) -> list[tuple[object, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.text("SELECT * FROM people ORDER BY id"))]


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def filled(database: Database, tmp_path: Path) -> None:
    assert migrate(database, package(tmp_path, FIRST)) == "0001"
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob')"))


def test_a_filled_database_of_the_version_before_comes_up_to_date_and_keeps_everybody(
    database: Database, tmp_path: Path
) -> None:
    filled(database, tmp_path)
    newer = package(tmp_path, FIRST, SECOND)
    assert migrate(database, newer) == "0002"
    assert people(database) == [(1, "Ada", "London"), (2, "Bob", "London")]
    assert migrate(database, newer) == "0002"


def test_a_migration_that_fails_leaves_the_database_as_it_was(database: Database, tmp_path: Path) -> None:
    filled(database, tmp_path)
    with pytest.raises(sa.exc.DBAPIError):
        migrate(database, package(tmp_path, FIRST, SECOND, BROKEN))
    assert people(database) == [(1, "Ada"), (2, "Bob")]
    assert migrate(database, package(tmp_path, FIRST, SECOND)) == "0002"


def test_an_older_program_refuses_what_a_newer_one_has_changed(database: Database, tmp_path: Path) -> None:
    assert migrate(database, package(tmp_path, FIRST, SECOND)) == "0002"
    with pytest.raises(DatabaseError, match="newer version of Muster"):
        migrate(database, package(tmp_path, FIRST))
