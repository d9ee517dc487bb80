"""The database kit's contract, over SQLite and, where one can be had, PostgreSQL."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    insert,
    inspect,
    literal,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.schema import CreateSchema, DropSchema

from muster.database.columns import Instant, Json
from muster.database.connection import (
    Database,
    DatabaseError,
    Synchronous,
    is_unique_violation,
    open_database,
    serialize,
    upsert,
)
from muster.database.migration import migrate
from played_postgres import NO_POSTGRES, PlayedServer

METADATA = MetaData()
PEOPLE = Table(
    "people",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("active", Boolean, nullable=False, default=True),
    Column("hired_at", Instant),
    Column("document", Json),
    Column("logins", Integer, nullable=False, server_default="0"),
)
BADGES = Table("badges", METADATA, Column("person_id", ForeignKey("people.id"), primary_key=True))
HIRED = datetime(2024, 2, 29, 12, 30, 15, 1, tzinfo=UTC)
SUBPROCESS_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, postgres: str | None) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(tmp_path / "data" / "muster.db", busy_timeout=timedelta(seconds=5))
        with opened.write() as connection:
            METADATA.create_all(connection)
        yield opened
        opened.close()
        return
    if postgres is None:
        pytest.skip("PostgreSQL is not installed and MUSTER_TEST_POSTGRES not set")
    schema = f"t{uuid.uuid4().hex}"
    opened = open_database(f"{postgres}{'&' if '?' in postgres else '?'}options=-csearch_path%3D{schema}")
    with opened.write() as connection:
        connection.execute(CreateSchema(schema))
        METADATA.create_all(connection)
    yield opened
    with opened.write() as connection:
        connection.execute(DropSchema(schema, cascade=True))
    opened.close()


def _add(database: Database, identifier: str, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(PEOPLE), {"id": identifier, "name": name})


def _count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(PEOPLE)) or 0)


def test_what_was_written_is_read_back_with_its_types(database: Database) -> None:
    given = {"id": "1", "name": "Ada", "active": False, "hired_at": HIRED, "document": {"emails": ["a@x", None]}}
    with database.write() as connection:
        connection.execute(insert(PEOPLE), given)
    with database.read() as connection:
        row = connection.execute(select(PEOPLE)).one()._asdict()
    assert row == {**given, "logins": 0}


def test_an_instant_of_another_zone_is_the_same_instant(database: Database) -> None:
    elsewhere = HIRED.astimezone(timezone(timedelta(hours=9)))
    with database.write() as connection:
        connection.execute(insert(PEOPLE), {"id": "1", "name": "Ada", "hired_at": elsewhere})
    with database.read() as connection:
        assert connection.scalar(select(PEOPLE.c.hired_at).where(PEOPLE.c.hired_at == HIRED)) == HIRED


def test_instants_sort_in_time_with_and_without_a_fraction(database: Database) -> None:
    instants = [HIRED.replace(microsecond=0), HIRED, HIRED + timedelta(seconds=1)]
    with database.write() as connection:
        connection.execute(
            insert(PEOPLE), [{"id": str(i), "name": str(i), "hired_at": at} for i, at in enumerate(instants)]
        )
    with database.read() as connection:
        assert list(connection.scalars(select(PEOPLE.c.hired_at).order_by(PEOPLE.c.hired_at))) == instants


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = HIRED.replace(tzinfo=None)
    with pytest.raises(StatementError, match="time zone"), database.write() as connection:
        connection.execute(insert(PEOPLE), {"id": "1", "name": "Ada", "hired_at": naive})


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(insert(PEOPLE), {"id": "1", "name": "Ada"})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _count(database) == 0


def test_writing_in_a_read_is_refused(database: Database) -> None:
    with pytest.raises(DBAPIError), database.read() as connection:
        connection.execute(insert(PEOPLE), {"id": "1", "name": "Ada"})
    _add(database, "1", "Ada")  # and the refusal does not stick to the connection


def test_a_read_sees_one_state_while_others_write(database: Database) -> None:
    _add(database, "1", "Ada")
    with database.read() as connection:
        before = connection.scalar(select(func.count()).select_from(PEOPLE))
        _add(database, "2", "Bo")
        assert connection.scalar(select(func.count()).select_from(PEOPLE)) == before
    assert _count(database) == 2


def test_a_reference_to_nothing_is_refused_and_is_no_unique_violation(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(BADGES), {"person_id": "nobody"})
    assert not is_unique_violation(caught.value)


def test_a_second_row_with_the_same_key_is_a_unique_violation(database: Database) -> None:
    _add(database, "1", "Ada")
    with pytest.raises(IntegrityError) as caught:
        _add(database, "2", "Ada")
    assert is_unique_violation(caught.value)


def test_threads_that_add_one_each_lose_none(database: Database) -> None:
    _add(database, "1", "Ada")

    def log_in() -> None:
        for _ in range(20):
            with database.write() as connection:
                serialize(connection, "logins")
                logins = connection.scalar(select(PEOPLE.c.logins))
                connection.execute(PEOPLE.update().values(logins=logins + 1))

    threads = [threading.Thread(target=log_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.scalar(select(PEOPLE.c.logins)) == 160


def _named(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(select(PEOPLE.c.name).order_by(PEOPLE.c.name)))


def test_what_is_done_together_is_kept_as_a_whole(database: Database) -> None:
    with database.together():
        _add(database, "1", "ada")
        _add(database, "2", "ben")
        assert _named(database) == ["ada", "ben"], "what was written is read"
        elsewhere: list[list[str]] = []
        thread = threading.Thread(target=lambda: elsewhere.append(_named(database)))
        thread.start()
        thread.join()
        assert elsewhere == [[]], "nobody else sees it yet"
    assert _named(database) == ["ada", "ben"]


def test_what_fails_together_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.together():
        _add(database, "1", "ada")
        raise ZeroDivisionError
    assert _named(database) == []
    _add(database, "2", "ben")
    assert _named(database) == ["ben"], "the thread writes by itself again"


def test_a_write_that_fails_amid_others_takes_only_itself_back(database: Database) -> None:
    with database.together():
        _add(database, "1", "ada")
        with pytest.raises(IntegrityError):
            _add(database, "1", "ada")
        _add(database, "2", "ben")
    assert _named(database) == ["ada", "ben"]


def test_a_transaction_that_holds_a_name_keeps_others_out_until_its_end(database: Database) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with database.write() as connection:
            serialize(connection, "sequence")
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with database.write() as connection:
        serialize(connection, "sequence")
        inside.set()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_an_upsert_inserts_then_updates(database: Database) -> None:
    with database.write() as connection:
        assert upsert(connection, PEOPLE, {"id": "1", "name": "Ada", "active": True}, keys=["id"]) == 1
        rows = [{"id": "1", "name": "Ada L.", "active": False}, {"id": "2", "name": "Bo", "active": True}]
        assert upsert(connection, PEOPLE, rows, keys=["id"]) == 2
        assert upsert(connection, PEOPLE, {"id": "1", "name": "nobody", "active": True}, keys=["id"], update=[]) == 0
        upsert(connection, PEOPLE, {"id": "2", "name": "Bob", "active": False}, keys=["id"], update=["active"])
        assert upsert(connection, PEOPLE, [], keys=["id"]) == 0
        found = connection.execute(select(PEOPLE.c.id, PEOPLE.c.name, PEOPLE.c.active).order_by(PEOPLE.c.id)).all()
    assert [tuple(row) for row in found] == [("1", "Ada L.", False), ("2", "Bo", False)]


def test_a_prepared_statement_gives_what_the_statement_gives(database: Database) -> None:
    add = database.prepare(
        insert(PEOPLE).values({name: bindparam(name) for name in ("id", "name", "active", "hired_at", "document")})
    )
    by_name = database.prepare(select(PEOPLE).where(PEOPLE.c.name == bindparam("wanted"), PEOPLE.c.logins == 0))
    document = {"a": [1, True, None, "ä"]}
    with database.write() as connection:
        row = {"id": "1", "name": "Ada", "active": False, "hired_at": HIRED, "document": document}
        assert add.execute(row, on=connection) == 1
        add.execute_many([{**row, "id": str(i), "name": str(i), "hired_at": None} for i in (2, 3)], on=connection)
        assert by_name.fetch_one({"wanted": "Ada"}, on=connection) == ("1", "Ada", False, HIRED, document, 0)
    with database.read() as connection:
        assert tuple(connection.execute(select(PEOPLE).where(PEOPLE.c.name == "Ada")).one()) == by_name.fetch_one(
            {"wanted": "Ada"}
        )
    assert by_name.fetch_one({"wanted": "Bo"}) is None
    assert by_name.fetch_all({"wanted": "2"}) == [("2", "2", False, None, document, 0)]


def test_rows_written_at_once_keep_values_that_are_equal_and_not_the_same(database: Database) -> None:
    names = ("id", "name", "active", "hired_at", "document")
    add = database.prepare(insert(PEOPLE).values({name: bindparam(name) for name in names}))
    documents: list[dict[str, object]] = [{"a": True}, {"a": 1}, {"a": 1.0}]
    with database.write() as connection:
        rows = [
            {"id": str(number), "name": f"n{number}", "active": True, "hired_at": HIRED, "document": document}
            for number, document in enumerate(documents)
        ]
        assert add.execute_many(rows, on=connection) == 3
        found = connection.execute(select(PEOPLE.c.active, PEOPLE.c.hired_at, PEOPLE.c.document).order_by(PEOPLE.c.id))
        kept = [tuple(row) for row in found]
    assert [row[:2] for row in kept] == [(True, HIRED)] * 3
    assert [type(row[2]["a"]) for row in kept] == [bool, int, float]


def test_a_prepared_statement_reports_a_unique_violation(database: Database) -> None:
    add = database.prepare(insert(PEOPLE).values(id=bindparam("id"), name=bindparam("name"), active=True))
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        add.execute_many([{"id": "1", "name": "Ada"}, {"id": "2", "name": "Ada"}], on=connection)
    assert is_unique_violation(caught.value)
    with pytest.raises(IntegrityError), database.write() as connection:
        add.execute({"id": "1", "name": "Ada"}, on=connection)
        add.execute({"id": "1", "name": "Bo"}, on=connection)
    assert _count(database) == 0


def test_a_prepared_read_leaves_no_transaction_behind(database: Database) -> None:
    count = database.prepare(select(func.count()).select_from(PEOPLE))
    assert count.fetch_one() == (0,)
    _add(database, "1", "Ada")
    assert count.fetch_one() == (1,)


def test_a_list_of_changing_length_cannot_be_prepared(database: Database) -> None:
    with pytest.raises(ValueError, match="changing length"):
        database.prepare(select(PEOPLE.c.id).where(PEOPLE.c.id.in_(["1", "2"])))


def _migrations(folder: Path, name: str, revisions: dict[str, str | None]) -> None:
    package = folder / name
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text('"""Migrations."""\n')
    for revision, before in revisions.items():
        (package / f"r{revision}.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision, down_revision = {revision!r}, {before!r}\n"
            f"def upgrade():\n    op.create_table('t{revision}', sa.Column('id', sa.Integer, primary_key=True))\n"
        )


def test_migrations_run_once_each_in_their_order(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"migrations_{uuid.uuid4().hex}"
    _migrations(tmp_path, name, {"0001": None})
    assert migrate(database, name) == "0001"
    _migrations(tmp_path, name, {"0001": None, "0002": "0001"})
    assert migrate(database, name) == "0002"
    assert migrate(database, name) == "0002"
    with database.read() as connection:
        assert {"t0001", "t0002"} <= set(inspect(connection).get_table_names())


def test_a_migration_that_fails_leaves_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"migrations_{uuid.uuid4().hex}"
    _migrations(tmp_path, name, {"0001": None, "0002": "0001"})
    broken = tmp_path / name / "r0002.py"
    broken.write_text(broken.read_text() + "    raise ArithmeticError\n")
    with pytest.raises(ArithmeticError):
        migrate(database, name)
    with database.read() as connection:
        assert "t0001" not in inspect(connection).get_table_names()


def test_a_database_of_a_newer_version_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    newer, older = f"newer_{uuid.uuid4().hex}", f"older_{uuid.uuid4().hex}"
    _migrations(tmp_path, newer, {"0001": None, "0002": "0001"})
    _migrations(tmp_path, older, {"0001": None})
    migrate(database, newer)
    with pytest.raises(DatabaseError, match="newer version of Muster"):
        migrate(database, older)


def test_a_database_that_does_not_answer_is_refused_with_a_sentence() -> None:
    away = open_database("postgresql://muster:hunter2@127.0.0.1:1/muster")
    with pytest.raises(DatabaseError, match="cannot be opened") as refused:
        migrate(away, "muster.store.migrations")
    # Whoever begins ends here: nothing goes on by itself.
    assert "Connection refused" in str(refused.value) and "by itself" not in str(refused.value)
    assert "hunter2" not in str(refused.value)
    away.close()


def test_a_disk_without_room_is_said_to_be_full_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(tmp_path / "muster.db")

    def full() -> None:
        raise OperationalError("PRAGMA", None, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(database, "read", full)
    with pytest.raises(DatabaseError, match="cannot be opened: the disk of the database cannot be written"):
        migrate(database, "muster.store.migrations")
    database.close()


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "muster.db").write_text("a shopping list, and not a short one: " * 100)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        migrate(open_database(tmp_path / "muster.db"), "muster.store.migrations")


def test_a_write_inside_a_write_is_an_error_on_sqlite_not_a_deadlock(tmp_path: Path) -> None:
    opened = open_database(tmp_path / "muster.db")
    with pytest.raises(RuntimeError, match="inside a write transaction"), opened.write(), opened.write():
        pass
    opened.close()


def test_writing_goes_on_after_a_file_that_was_busy_and_a_write_that_failed_on_sqlite(tmp_path: Path) -> None:
    opened = open_database(tmp_path / "muster.db", busy_timeout=timedelta(milliseconds=10))
    with opened.write() as connection:
        METADATA.create_all(connection)
    other = sqlite3.connect(tmp_path / "muster.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _add(opened, "1", "Ada")
    other.execute("COMMIT")
    _add(opened, "1", "Ada")
    with pytest.raises(IntegrityError):
        _add(opened, "2", "Ada")
    other.execute("BEGIN IMMEDIATE")  # no transaction is left open
    other.execute("COMMIT")
    _add(opened, "2", "Bob")
    opened.close()
    _add(opened, "3", "Cyd")
    assert _count(opened) == 3
    opened.close()
    other.close()


WRITER = """
import sys
from sqlalchemy import text
from muster.database.connection import open_database
database = open_database(sys.argv[1])
for _ in range(50):
    with database.write() as connection:
        value = connection.scalar(text("SELECT value FROM counter"))
        connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})
"""


def test_processes_that_add_one_each_lose_none_on_sqlite(tmp_path: Path) -> None:
    opened = open_database(tmp_path / "muster.db")
    counter = Table("counter", MetaData(), Column("value", Integer))
    with opened.write() as connection:
        counter.create(connection)
        connection.execute(insert(counter), {"value": 0})
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "muster.db")], env=SUBPROCESS_ENVIRONMENT)
        for _ in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    with opened.read() as connection:
        assert connection.scalar(select(counter.c.value)) == 150
    opened.close()


def test_the_files_of_an_sqlite_database_are_for_their_owner_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    opened = open_database(tmp_path / "people.db")
    with opened.write() as connection:
        connection.execute(DDL("CREATE TABLE t (x INTEGER)"))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    opened.close()
    assert modes == {"people.db": 0o600, "people.db-shm": 0o600, "people.db-wal": 0o600}


@pytest.mark.parametrize(("synchronous", "number"), [(Synchronous.NORMAL, 1), (Synchronous.FULL, 2)])
def test_sqlite_runs_in_wal_mode_with_the_synchronous_setting_asked_for(
    tmp_path: Path, synchronous: Synchronous, number: int
) -> None:
    opened = open_database(f"sqlite:///{tmp_path}/muster.db", synchronous=synchronous)
    with opened.write() as connection:
        answers = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    opened.close()
    assert answers == ["wal", number, 1]


@pytest.mark.parametrize(("asked", "kept"), [("off", "on"), ("local", "local"), ("on", "on")])
def test_postgresql_waits_for_a_commit_even_where_its_server_would_not(
    postgres: str | None, asked: str, kept: str
) -> None:
    if postgres is None:
        pytest.skip("PostgreSQL is not installed and MUSTER_TEST_POSTGRES not set")
    joint = "&" if "?" in postgres else "?"
    opened = open_database(f"{postgres}{joint}options=-csynchronous_commit%3D{asked}")
    told = opened.describe_durability()
    opened.close()
    assert told == f"synchronous_commit={kept}"


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("mysql://root@localhost/muster", "mysql is no database Muster can use"),
        ("sqlite://", "sqlite is no database Muster can use"),
        ("://", "cannot be read"),
    ],
)
def test_an_address_that_is_no_database_of_ours_is_refused_with_a_sentence(location: str, sentence: str) -> None:
    with pytest.raises(DatabaseError, match=sentence):
        open_database(location)


def test_the_password_is_in_no_representation() -> None:
    opened = open_database("postgresql://muster:hunter2@localhost/muster")
    assert "hunter2" not in repr(opened)
    assert "hunter2" in opened.url
    opened.close()


def test_a_postgresql_database_without_an_encoding_keeps_text_all_the_same(server: PlayedServer | None) -> None:
    if server is None:
        pytest.skip(NO_POSTGRES)
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server.url, autocommit=True) as there:
        kind = "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
        there.execute(f"CREATE DATABASE {name} {kind}".encode())
    database = open_database(server.url_of(name))
    try:
        with database.read() as connection:
            assert connection.scalar(select(literal("Zoë Łukasz"))) == "Zoë Łukasz"
    finally:
        database.close()
        server.drop(name)
