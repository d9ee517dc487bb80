"""A fresh store for a test: SQLite in the test's folder, or on PostgreSQL while a `Place` there is in use."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from muster.database.connection import Database, open_database
from muster.sealing import Sealer, SealingKey
from muster.store.access import SqlAccess
from muster.store.open import Store, open_store, prepare_tables
from muster.store.tables import METADATA, feed, installation
from played_postgres import PlayedServer

KEY = SealingKey(bytes(range(32)))
_FILLED = [table.name for table in reversed(METADATA.sorted_tables) if table not in (feed, installation)]
_EMPTYING = [
    *(f"DELETE FROM {name}" for name in _FILLED),  # noqa: S608 - our own tables
    "UPDATE feed SET seq = 0",
    "UPDATE installation SET sealing_key_id = NULL",
]


class Place:
    """Has fresh databases on a PostgreSQL server: those that earlier tests have left, emptied, else new ones."""

    def __init__(self, server: PlayedServer) -> None:
        self._server = server
        self._opened: dict[str, Database] = {}

    def open(self) -> Database:
        """Returns a database with the store's tables as they are when they are new."""
        is_left = bool(self._server.left)
        name = self._server.left.pop() if is_left else self._server.create(template=template_on(self._server))
        database = self._opened[name] = share_statements(open_database(self._server.url_of(name)))
        if is_left:
            empty(database)
        return database

    def close(self) -> None:
        """Leaves them to the tests that follow."""
        for name, database in self._opened.items():
            database.close()
            self._server.disconnect(name)
            self._server.left.append(name)


_place: Place | None = None


@contextmanager
def use_place(place: Place) -> Iterator[None]:
    """Has `fresh_database` make its databases there until the block ends."""
    global _place
    _place = place
    try:
        yield
    finally:
        _place = None
        place.close()


def place_in_use() -> Place | None:
    """Returns where databases are made now; None: in the test's folder."""
    return _place


def template_on(server: PlayedServer) -> str:
    """Returns the name of a database of the server that has the store's tables and nothing else."""
    made = server.templates.get("store")
    if made is None:
        made = server.templates["store"] = server.create()
        database = open_database(server.url_of(made))
        prepare_tables(database)
        database.close()
    return made


def empty(database: Database) -> None:
    """Leaves the store as it is when it is new. Row by row: to make a database, or to truncate sixty tables, takes
    thirty times as long."""
    with database.write() as connection:
        # A file takes them one at a time; a server gets them in one message.
        for statement in _EMPTYING if database.has_one_writer else ["; ".join(_EMPTYING)]:
            connection.exec_driver_sql(statement)


def fresh_store(folder: Path) -> Store:
    """Returns an empty store in a new SQLite file."""
    return store_on(fresh_database(folder))


def fresh_database(folder: Path) -> Database:
    """Returns a new SQLite file with the store's tables, or a database of the place in use."""
    if _place is not None:
        return _place.open()
    (folder / "muster.db").write_bytes(_empty_file())
    return share_statements(open_database(folder / "muster.db"))


def share_statements(database: Database) -> Database:
    """Returns the database, which takes statements as the first of its kind has compiled them: each database of its
    own compiles the same hundred anew, which is a fifth of a test's time."""
    for engine in (database._reading, database._writing):
        key = engine.dialect.name, engine is database._writing
        if key not in _first:
            with engine.connect():  # its dialect learns what the server can do
                _first[key] = engine
        engine.dialect, engine._compiled_cache = _first[key].dialect, _first[key]._compiled_cache
    return database


def store_on(database: Database) -> Store:
    """Returns the store on a database that has its tables."""
    return open_store(database, Sealer(KEY, tenant=SqlAccess(database).tenant_id()))


_first: dict[tuple[str, bool], Engine] = {}


@functools.cache
def _empty_file() -> bytes:
    """The file as the migrations leave it: made once for all tests of a run."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "empty.db")
        prepare_tables(database)
        database.close()
        return (Path(folder) / "empty.db").read_bytes()
