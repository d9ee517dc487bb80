"""What an error of the database means: whether it passes by itself, and the sentence to say of it."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Connection failures; shutdown and start; resources (disk full, memory, connections); what is to be done again.
_PASSING_CLASSES = ("08", "57P", "53")
_PASSING_STATES = frozenset({"40001", "40P01", "25006"})
_DISK_FULL = "53100"
# With less than this left nothing can be written that is worth it.
_ROOM_BYTES = 1_048_576
# What SQLite says; its codes are not told apart by every version of Python.
_PASSING_SENTENCES = {
    "database or disk is full": "the disk of the database is full: make room on it, and work goes on by itself",
    "disk i/o error": "the disk of the database cannot be written or read: look at it; work goes on by itself",
    "database is locked": "another process keeps the database locked",
    "unable to open database file": "the database's file cannot be opened: look at its folder's rights and disk",
    "attempt to write a readonly database": "the database may only be read: look at its file's rights and disk",
}


def outage_of(error: BaseException) -> str | None:
    """Returns a sentence for an error after which the same work may succeed later, None for any other.

    The database is away, full, locked or restarting: nothing of the transaction was kept, and nothing is wrong with
    what was asked.
    """
    for each in _chain(error):
        if isinstance(each, PoolTimeout):
            return "no connection to the database came free in time"
        cause = each.orig if isinstance(each, DBAPIError) else each
        found = _sentence(cause)
        if found is not None:
            return found
    return None


def full_disk_of(folder: Path) -> str | None:
    """Returns a sentence while the disk that the folder is on has no room to write, None while it has."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes >= _ROOM_BYTES:
        return None
    return f"the disk of {folder} is full ({free_bytes:,} bytes left): make room, and all goes on by itself"


def _sentence(error: BaseException | None) -> str | None:
    if type(error).__module__.partition(".")[0] == "psycopg":
        import psycopg  # the driver is loaded already, and nowhere but where it is used

        if not isinstance(error, psycopg.Error):
            return None
        state = error.sqlstate
        if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return "the database cannot be reached: look if it runs; work goes on by itself"
        if state == _DISK_FULL:
            return _PASSING_SENTENCES["database or disk is full"]
        if state is not None and (state.startswith(_PASSING_CLASSES) or state in _PASSING_STATES):
            return f"the database does not answer now ({state}): work goes on by itself"
        return None
    if isinstance(error, sqlite3.OperationalError):
        said = str(error).lower()
        return next((sentence for text, sentence in _PASSING_SENTENCES.items() if text in said), None)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
