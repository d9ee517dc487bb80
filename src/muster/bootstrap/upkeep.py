"""Backup, restore, migration and the move to PostgreSQL, the same for both parties.

A backup holds the database alone. The sealing key never goes into it: kept together they would be worth as much as the
credentials themselves in the clear.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError

from muster.bootstrap.folder import MOVING_NAME, StartRefused, take_folder
from muster.database.connection import Database, DatabaseError, open_database
from muster.database.copying import CopiedTable, compare_tables, copy_tables
from muster.database.migration import is_empty, migrate
from muster.database.snapshot import check_snapshot, has_table, take_snapshot

MOVED_SUFFIX = ".moved"
BEFORE_SUFFIX = ".before-restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What the two parties differ in."""

    folder: Path
    database_name: str
    migrations: str
    metadata: MetaData
    # A table that only this party's database has.
    mark: str
    # Called with the restored database before anything works on it.
    after_restore: Callable[[Database], None] = lambda _: None

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.folder / self.database_name


def back_up(party: Party, copy: Path) -> int:
    """Writes a copy of the database, which may be in use, and returns its size in bytes. Raises: StartRefused,
    DatabaseError."""
    _must_exist(party)
    if copy.exists():
        raise StartRefused(f"{copy} is there already: give another name")
    copy.parent.mkdir(parents=True, exist_ok=True)
    take_snapshot(party.file, copy)
    return copy.stat().st_size


def restore(party: Party, copy: Path, *, replaces: bool = False) -> Path | None:
    """Makes a backup the installation's database; returns where the one before was kept, None if there was none.

    Raises: StartRefused, DatabaseError. Then everything is as before.
    """
    if not copy.is_file():
        raise StartRefused(f"There is no backup {copy}.")
    check_snapshot(copy)
    if not has_table(copy, party.mark):
        raise DatabaseError(f"{copy} is the backup of another party, or of another program")
    with take_folder(party.folder, purpose="muster restore"):
        if party.file.exists() and not replaces:
            raise StartRefused(
                f"there is an installation in {party.folder}: give --replace to put the backup in its place"
            )
        draft = party.file.with_name(f"{party.file.name}.restoring")
        draft.unlink(missing_ok=True)
        take_snapshot(copy, draft)
        try:
            with closing(open_database(draft)) as database:
                migrate(database, party.migrations)
                party.after_restore(database)
            kept = _set_aside(party.file, BEFORE_SUFFIX)
            draft.replace(party.file)
        finally:
            for suffix in ("", "-wal", "-shm"):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
        return kept


def bring_up_to_date(party: Party, database: str | None) -> str:
    """Returns the revision after every migration that was still to run. Raises: StartRefused, DatabaseError."""
    if database is None:
        _must_exist(party)
    with ExitStack() as held:
        if database is None:
            held.enter_context(take_folder(party.folder, purpose="muster migrate"))
        opened = held.enter_context(closing(open_database(database or party.file)))
        return migrate(opened, party.migrations)


def move(party: Party, to: str) -> tuple[CopiedTable, ...]:
    """Copies an embedded installation into an empty PostgreSQL database and returns what was copied.

    The folder keeps its key, which the installation still needs; the file is set aside, so that nobody goes on with it.
    A move that was cut off is ended: of one whose rows are all there, the file alone is still to be set aside.

    Raises: StartRefused while it runs, or when the database holds something else; DatabaseError. Then everything is as
    before.
    """
    _must_exist(party)
    with take_folder(party.folder, purpose="muster migrate --to", ends_move=True):
        # Between the two the installation stands in both databases: nobody begins on either until the file is away.
        moving = party.folder / MOVING_NAME
        with closing(open_database(party.file)) as source, closing(open_database(to)) as target:
            if target.has_one_writer:
                raise StartRefused("an installation is moved to PostgreSQL: give --to postgresql://user@host/name")
            copied = _copy(party, source, target, moving) if is_empty(target) else _copied(party, source, target)
        _set_aside(party.file, MOVED_SUFFIX)
        moving.unlink(missing_ok=True)
    return copied


def _copy(party: Party, source: Database, target: Database, moving: Path) -> tuple[CopiedTable, ...]:
    migrate(source, party.migrations)
    moving.touch()
    try:
        # The tables come with their rows or not at all: what is cut off is begun again, in a database still empty.
        with target.together():
            migrate(target, party.migrations)
            return copy_tables(source, target, party.metadata)
    except DatabaseError:
        moving.unlink()
        raise


def _copied(party: Party, source: Database, target: Database) -> tuple[CopiedTable, ...]:
    try:
        return compare_tables(source, target, party.metadata)
    except (DatabaseError, DBAPIError):
        raise StartRefused(
            "the database that --to names is not empty, and does not hold what this installation does: "
            "give an empty one"
        ) from None


def _must_exist(party: Party) -> None:
    if not party.file.is_file():
        raise StartRefused(f"There is no installation in {party.folder}: name another with --data.")


def _set_aside(file: Path, suffix: str) -> Path | None:
    """Renames a database that nobody has open, with what SQLite keeps beside it."""
    if not file.exists():
        return None
    kept = file.with_name(file.name + suffix)
    number = 1
    while kept.exists():
        number += 1
        kept = file.with_name(f"{file.name}{suffix}-{number}")
    for beside in ("-wal", "-shm", ""):
        part = file.with_name(file.name + beside)
        if part.exists():
            part.replace(kept.with_name(kept.name + beside))
    return kept
