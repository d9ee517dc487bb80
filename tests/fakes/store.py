"""A fresh store for a test: SQLite in the test's folder, or any database that is given."""

from pathlib import Path

from muster.database import Database, open_database
from muster.sealing import Sealer, SealingKey
from muster.store.open import Store, open_store, prepare_tables

KEY = SealingKey(bytes(range(32)))


def fresh_store(folder: Path) -> Store:
    """Returns an empty store in a new SQLite file."""
    return store_on(open_database(folder / "muster.db"))


def store_on(database: Database) -> Store:
    """Returns the store on a database."""
    return open_store(database, Sealer(KEY, tenant=prepare_tables(database)))
