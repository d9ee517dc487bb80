"""SQLite opened: a pool of connections that begin transactions as they are told."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from muster.database.columns import ENGINE_OPTIONS
from muster.database.statements import driver_of

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4000",
    "PRAGMA mmap_size = 20971520",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA wal_autocheckpoint = 4000",  # pages: a fifth of the work of writing was copying them back more often
)


def open_sqlite(
    url: URL, pragmas: Sequence[str], begin: str, timeout: timedelta, *, pool_size: int, overflow: int
) -> Engine:
    """Returns the pool. `pragmas` are run on each new connection, `begin` at the start of each transaction."""
    engine = create_engine(
        url,
        **ENGINE_OPTIONS,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=timeout.total_seconds(),
        connect_args={"timeout": timeout.total_seconds(), "cached_statements": 256},
    )

    def on_connect(driver: Any, _: Any) -> None:
        driver.isolation_level = None  # the driver would begin transactions by itself, late and deferred
        for pragma in pragmas:
            driver.execute(pragma)

    def on_begin(connection: Connection) -> None:
        driver_of(connection).execute(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine
