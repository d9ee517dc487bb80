"""The database opened: read and write transactions in two dialects. The only module that asks which."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    Table,
    bindparam,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.sql.expression import Select, UpdateBase

from muster.database.checkpoints import FALLBACK_PAGES, Checkpoints
from muster.database.postgresql import open_postgresql
from muster.database.sqlite import PRAGMAS, open_sqlite
from muster.database.statements import Drivers, Prepared, PreparedInsert, driver_of

_UNIQUE_VIOLATION = "23505"
_LOCK_NOT_AVAILABLE = "55P03"


class DatabaseError(Exception):
    """The database cannot be used as it is; the sentence says what to do."""


class Synchronous(StrEnum):
    """What SQLite does for the last commits: NORMAL may lose them in a power cut, FULL none."""

    NORMAL = "NORMAL"
    FULL = "FULL"


class Database:
    """An open database. Threads share it; after a fork it must be opened anew."""

    def __init__(
        self,
        *,
        url: URL,
        reading: Engine,
        writing: Engine,
        one_writer: bool,
        kept_drivers: int = 0,
        locking: Engine | None = None,
        checkpoints_apart: bool = False,
    ) -> None:
        self._url = url
        self._locking = locking
        self._holding: set[Connection] = set()
        self._reading = reading
        self._writing = writing
        self._one_writer = one_writer
        self._drivers = Drivers(reading, kept=kept_drivers)
        self._lock = threading.Lock()
        self._writer: int | None = None
        self._kept: Connection | None = None  # SQLite's one for writing, between two transactions
        self._checkpoints = Checkpoints(reading, self._lock) if checkpoints_apart else None

    def __repr__(self) -> str:
        return f"Database({self._url.render_as_string(hide_password=True)!r})"

    @property
    def url(self) -> str:
        """The address with its password: for opening the same database by another library, never for a log."""
        return self._url.render_as_string(hide_password=False)

    @property
    def folder(self) -> Path | None:
        """Where SQLite's file lies; None for a server's database."""
        return Path(str(self._url.database)).parent if self._one_writer else None

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect, for compiling statements."""
        return self._writing.dialect

    @property
    def has_one_writer(self) -> bool:
        """Whether write transactions follow each other: then it pays to let several pieces of work share one."""
        return self._one_writer

    def describe_durability(self) -> str:
        """How commits are kept, as the database itself says it."""
        statements = ("PRAGMA journal_mode", "PRAGMA synchronous") if self._one_writer else ("SHOW synchronous_commit",)
        with self.write() as connection:
            return ", ".join(f"{each.split()[-1]}={connection.exec_driver_sql(each).scalar()}" for each in statements)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a read-only transaction that sees one state of the data from its first statement on."""
        joint = self._joint_connection()
        if joint is not None:
            yield joint
            return
        with self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction. On SQLite the process's writers queue here; none may be nested."""
        joint = self._joint_connection()
        if joint is not None:
            with joint.begin_nested():
                yield joint
            return
        if not self._one_writer:
            with self._writing.begin() as connection:
                yield connection
            return
        if self._writer == threading.get_ident():
            raise RuntimeError("a write transaction inside a write transaction: pass the connection on instead")
        with self._lock:
            self._writer = threading.get_ident()
            try:
                # Taking it out of the pool for each and putting it back would be a twentieth of what 16 writers cost.
                connection = self._kept or self._writing.connect()
                self._kept = None
                try:
                    with connection.begin():
                        yield connection
                        rows = driver_of(connection).total_changes
                except BaseException:
                    connection.close()  # whatever it is left in, the pool ends it
                    raise
                self._kept = connection
                if self._checkpoints is not None:
                    self._checkpoints.note(rows)
            finally:
                self._writer = None

    @contextmanager
    def together(self) -> Iterator[Connection]:
        """One transaction for all that this thread reads and writes within: everything is kept, or nothing.

        A write inside is a savepoint of it: what fails there and is caught takes only itself back. Prepared statements
        take part too.
        """
        with self.write() as connection:
            before = self._joint_connection()
            self._drivers.join(connection)
            try:
                yield connection
            finally:
                self._drivers.join(before)

    @contextmanager
    def exclusive(self, name: str, *, patience: timedelta) -> Iterator[None]:
        """Holds a name over several transactions, before every other process on PostgreSQL.

        The server lets go of it when this process or its machine dies, or is silent for a quarter of a minute: who
        holds a name for longer calls `keep_holding` meanwhile. SQLite's file belongs to one installation on one
        machine, whose processes are kept apart by its folder's lock: nothing is held there.

        Raises: TimeoutError when another holds the name for as long as the patience.
        """
        if self._locking is None:
            yield
            return
        key = _number_of(name)
        with self._locking.connect() as connection:
            limit = max(1, int(patience.total_seconds() * 1000))
            try:
                connection.execute(text("SELECT set_config('lock_timeout', :limit, false)"), {"limit": str(limit)})
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                    raise
                raise TimeoutError(f"another process is at {name}") from None
            self._holding.add(connection)
            try:
                yield
            finally:
                self._holding.discard(connection)
                try:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
                except DBAPIError:
                    # With its connection the lock has gone.
                    connection.invalidate()

    def keep_holding(self) -> None:
        """Tells the server that this process is there, for the names that it holds; at least every ten seconds."""
        for connection in tuple(self._holding):
            # What is lost is noticed by whoever holds it. The driver is loaded only where it is used.
            with suppress(DBAPIError, connection.dialect.loaded_dbapi.Error, AttributeError):
                driver_of(connection).execute("SELECT 1")

    def _joint_connection(self) -> Connection | None:
        return self._drivers.joint.connection

    def prepare_insert(self, statement: Insert, key: Column[int]) -> PreparedInsert:
        """The insert of one row, whose `key` the database gives, compiled for the driver.

        SQLite's driver says the key of the last row by itself: having it returned costs as much again as the insert.
        """
        returns_key = not self._one_writer
        prepared = self.prepare(statement.returning(key) if returns_key else statement.inline())
        return PreparedInsert(prepared, returns_key=returns_key)

    def encoder_of(self, column: Column[Any]) -> Callable[[Any], Any]:
        """The function that makes a value of the column one of the driver's own types."""
        dialect = self.dialect
        return column.type.dialect_impl(dialect).bind_processor(dialect) or _same

    def prepare(self, statement: Select[Any] | UpdateBase) -> Prepared:
        """The statement compiled for the driver. Raises ValueError for one that cannot be."""
        return Prepared(self._drivers, statement)

    def prepare_upsert(
        self,
        table: Table,
        values: Mapping[str, Any] | None = None,
        *,
        keys: Sequence[str],
        update: Sequence[str] | None = None,
    ) -> Prepared:
        """`upsert` for one row of the table, compiled for the driver.

        Args:
            values: expressions by column; None means a parameter of its name for each column of the table.
        """
        given = values or {column.name: bindparam(column.name) for column in table.columns}
        insert = (sqlite if self._one_writer else postgresql).insert(table).values(given).inline()
        return self.prepare(_or_update(insert, list(given), keys, update))

    def close(self) -> None:
        """Closes every connection of this process."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._drivers.close()
        if self._lock.acquire(blocking=False):  # else somebody writes still, and goes on
            kept, self._kept = self._kept, None
            self._lock.release()
            if kept is not None:
                kept.close()
        if self._writing is not self._reading:
            self._reading.dispose()
        if self._locking is not None:
            self._locking.dispose()
        self._writing.dispose()


def open_database(
    location: str | Path,
    *,
    synchronous: Synchronous = Synchronous.NORMAL,
    busy_timeout: timedelta = timedelta(seconds=15),
    pool_size: int = 8,
    checkpoints_apart: bool = False,
) -> Database:
    """The database at a file path, `sqlite:///path` or `postgresql://…`; creates nothing but the file and its folder.

    Args:
        synchronous: SQLite only.
        busy_timeout: how long a writer waits for another process's transaction (SQLite) or for a free connection.
        pool_size: connections kept open for reading (SQLite) or for everything (PostgreSQL); twice as many may be open.
        checkpoints_apart: SQLite only: a thread makes the checkpoints, not whose commit finds them due; for a server.
    Raises: DatabaseError.
    """
    url = _parse_location(location)
    if url.get_backend_name() == "postgresql":
        engine = open_postgresql(url, busy_timeout=busy_timeout, pool_size=pool_size)
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        locking = open_postgresql(url, busy_timeout=busy_timeout, pool_size=pool_size, notices_silence=True)
        return Database(
            url=url,
            reading=reading,
            writing=engine,
            one_writer=False,
            locking=locking.execution_options(isolation_level="AUTOCOMMIT"),
        )
    path = Path(str(url.database))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # what is wrong with the file is told when it is opened
        # Who is in it is nobody else's affair, whatever the folder allows; SQLite makes the files beside it alike.
        path.touch(mode=0o600)
    pragmas: tuple[str, ...] = (*PRAGMAS, f"PRAGMA synchronous = {synchronous.value}")
    if checkpoints_apart:
        pragmas = (*pragmas, f"PRAGMA wal_autocheckpoint = {FALLBACK_PAGES}")
    return Database(
        url=url,
        reading=open_sqlite(
            url,
            (*pragmas, "PRAGMA query_only = ON"),
            "BEGIN",
            busy_timeout,
            pool_size=pool_size,
            overflow=pool_size,  # beside those that threads keep
        ),
        writing=open_sqlite(url, pragmas, "BEGIN IMMEDIATE", busy_timeout, pool_size=1, overflow=0),
        one_writer=True,
        kept_drivers=pool_size,
        checkpoints_apart=checkpoints_apart,
    )


def serialize(connection: Connection, name: str) -> None:
    """Waits until no other transaction holds this name, and holds it to the end of this one.

    An advisory lock on PostgreSQL; SQLite's write transactions follow each other anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _number_of(name)})


def upsert(
    connection: Connection,
    table: Table,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str],
    update: Sequence[str] | None = None,
) -> int:
    """How many rows were inserted or updated: the rows go in; one whose `keys` are there already updates it instead.

    Args:
        keys: the columns of a primary key or unique index.
        update: the columns to overwrite; None means all given but the keys, an empty sequence leaves the old row.
    """
    given = [dict(rows)] if isinstance(rows, Mapping) else [dict(row) for row in rows]
    if not given:
        return 0
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table).inline()
    statement = _or_update(insert, list(given[0]), keys, update)
    return int(connection.execute(statement, given, execution_options={"preserve_rowcount": True}).rowcount)


def _or_update(
    insert: sqlite.Insert | postgresql.Insert, columns: Sequence[str], keys: Sequence[str], update: Sequence[str] | None
) -> sqlite.Insert | postgresql.Insert:
    overwritten = [name for name in columns if name not in keys] if update is None else update
    if not overwritten:
        return insert.on_conflict_do_nothing(index_elements=list(keys))
    return insert.on_conflict_do_update(
        index_elements=list(keys), set_={name: insert.excluded[name] for name in overwritten}
    )


def is_unique_violation(error: IntegrityError) -> bool:
    """Whether a row with the same key was there already (else: a reference, a NULL or a check)."""
    code = getattr(error.orig, "sqlstate", None)
    return code == _UNIQUE_VIOLATION if code is not None else "UNIQUE constraint failed" in str(error.orig)


def _parse_location(location: str | Path) -> URL:
    if isinstance(location, Path) or "://" not in location:
        return URL.create("sqlite+pysqlite", database=str(Path(location).expanduser().absolute()))
    try:
        url = make_url(location)
    except ArgumentError:
        raise DatabaseError(
            "the database's address cannot be read: write postgresql://user@host/name or a path"
        ) from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite+pysqlite", database=str(Path(url.database).absolute()))
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case name:
            raise DatabaseError(
                f"{name} is no database Muster can use: write postgresql://user@host/name or a path to a file"
            )


def _number_of(name: str) -> int:
    """What a lock of this name is called by the server."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _same(value: Any) -> Any:
    return value
