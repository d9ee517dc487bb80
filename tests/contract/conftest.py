"""Stores for the contract suites: over SQLite, and over PostgreSQL where a server can be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.store import empty, fresh_database, store_on, template_on
from muster.database.connection import Database, open_database
from muster.store.open import Store
from played_postgres import NO_POSTGRES, PlayedServer


@pytest.fixture(scope="session")
def postgres_database(server: PlayedServer | None) -> Iterator[Database | None]:
    """A database of our own on the server, with the store's tables."""
    if server is None:
        yield None
        return
    name = server.create(template=template_on(server))
    opened = open_database(server.url_of(name))
    yield opened
    opened.close()
    server.drop(name)


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
        pytest.skip(NO_POSTGRES)
    yield postgres_database
    empty(postgres_database)


@pytest.fixture
def store(store_database: Database) -> Store:
    """An empty store."""
    return store_on(store_database)
