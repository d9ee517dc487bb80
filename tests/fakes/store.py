"""A fresh store for a test: SQLite in the test's folder, or any database that is given."""

import functools
import tempfile
from pathlib import Path

from muster.database.connection import Database, open_database
from muster.sealing import Sealer, SealingKey
from muster.store.access import SqlAccess
from muster.store.open import Store, open_store, prepare_tables

KEY = SealingKey(bytes(range(32)))


def fresh_store(folder: Path) -> Store:
    """Returns an empty store in a new SQLite file."""
    return store_on(fresh_database(folder))


def fresh_database(folder: Path) -> Database:
    """Returns a new SQLite file with the store's tables."""
    (folder / "muster.db").write_bytes(_empty_file())
    return open_database(folder / "muster.db")


def store_on(database: Database) -> Store:
    """Returns the store on a database that has its tables."""
    return open_store(database, Sealer(KEY, tenant=SqlAccess(database).tenant_id()))


@functools.cache
def _empty_file() -> bytes:
    """The file as the migrations leave it: made once for all tests of a run."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "empty.db")
        prepare_tables(database)
        database.close()
        return (Path(folder) / "empty.db").read_bytes()
