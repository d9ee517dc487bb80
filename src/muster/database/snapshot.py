"""A copy of a SQLite database while it is in use, and what such a file must be to be taken back."""

import sqlite3
from contextlib import closing
from pathlib import Path

from muster.database.connection import DatabaseError


def take_snapshot(database: Path, copy: Path) -> None:
    """Writes the database as it is at one instant into a new file, whole or not at all; writers go on meanwhile.

    Raises: DatabaseError.
    """
    draft = copy.with_name(f"{copy.name}.part")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600, exist_ok=False)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            connection.execute("VACUUM INTO ?", (str(draft),))
        check_snapshot(draft)
        draft.replace(copy)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"the backup {copy} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def check_snapshot(path: Path) -> None:
    """Raises: DatabaseError unless the file is a whole SQLite database."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"{path} is no backup of Muster: {error}") from None
    if found is None or found[0] != "ok":
        raise DatabaseError(f"{path} is damaged: {found[0] if found else 'nothing can be read'}")


def has_table(path: Path, name: str) -> bool:
    """Whether a SQLite database has a table."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        statement = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return connection.execute(statement, (name,)).fetchone() is not None
