"""One connection to the database, in two dialects: SQLite in a file and PostgreSQL. The only module that asks which.

    database = open_database(folder / "muster.db")     # or open_database("postgresql://user@host/name")
    migrate(database, "muster.store.migrations")
    with database.read() as connection: ...     # a snapshot; writing in it is refused
    with database.write() as connection: ...    # one write transaction: commits, or rolls back on an exception

Tables are SQLAlchemy Core `Table`s; instants use the column type `Instant`, documents the type `Json`. Each party keeps
a package of migrations: a folder with an `__init__.py` and one file a revision, run in the order of `down_revision`:

    # src/muster/store/migrations/r0001_tables.py
    from alembic import op
    from muster.store.tables import METADATA
    revision, down_revision = "0001", None
    def upgrade() -> None:
        METADATA.create_all(op.get_bind())

No `env.py` and no `alembic.ini` are needed. Until the first release 0001 is the only revision; from then on 0001 is
frozen and each change of a table is a file of its own with `op.add_column` and its like.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, DateTime, Engine, Table, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Select, UpdateBase
from sqlalchemy.types import TEXT, TypeDecorator, TypeEngine

Row = tuple[Any, ...]
VERSION_TABLE = "muster_schema_version"
_UNIQUE_VIOLATION = "23505"
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8000",
    "PRAGMA mmap_size = 67108864",
    "PRAGMA journal_size_limit = 67108864",
)


class DatabaseError(Exception):
    """The database cannot be used as it is; the sentence says what to do."""


class Synchronous(StrEnum):
    """What SQLite does for the last commits: NORMAL may lose them in a power cut, FULL none."""

    NORMAL = "NORMAL"
    FULL = "FULL"


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC: `timestamptz` on PostgreSQL; on SQLite ISO 8601 text of fixed width: it sorts."""

    impl = TEXT
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else TEXT())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone cannot be stored")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (inherited)
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


Json = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
"""A JSON document: text on SQLite, `jsonb` on PostgreSQL (which does not keep the order of keys). None is NULL."""


class Prepared:
    """A statement compiled once and run through the driver: for the few statements that run at every request.

    Parameters are the statement's `bindparam` names and column types convert both ways; Python-side column defaults and
    `IN` lists of changing length do not work here. Rows are plain tuples.
    """

    def __init__(self, source: "_Drivers", statement: Select[Any] | UpdateBase) -> None:
        dialect = source.engine.dialect
        compiled = statement.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler) or compiled.post_compile_params or compiled.literal_execute_params:
            raise ValueError("a statement with a list of changing length cannot be prepared")
        self._source = source
        self._integrity_error: type[Exception] = dialect.loaded_dbapi.IntegrityError
        self._sql = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup
        self._given: dict[str, Any] = {name: value for name, value in compiled.params.items() if value is not None}
        self._encoders = [
            (compiled.bind_names[bind], encoder)
            for bind in compiled.bind_names
            if (encoder := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        ]
        self._decoders = _decoders(statement, dialect)

    def __repr__(self) -> str:
        return f"Prepared({self._sql!r})"

    def fetch_one(self, parameters: Mapping[str, Any] | None = None, *, on: Connection | None = None) -> Row | None:
        """The first row, or None. Without `on` the statement reads by itself, outside any transaction."""
        row = self._run(parameters, on, _first)
        return None if row is None else self._decode(row)

    def fetch_all(self, parameters: Mapping[str, Any] | None = None, *, on: Connection | None = None) -> list[Row]:
        """All rows. Without `on` the statement reads by itself, outside any transaction."""
        rows: list[Row] = self._run(parameters, on, _all)
        return [self._decode(row) for row in rows] if self._decoders else rows

    def execute(self, parameters: Mapping[str, Any] | None = None, *, on: Connection) -> int:
        """How many rows were changed. Raises IntegrityError as SQLAlchemy does."""
        return int(self._run(parameters, on, _changed))

    def execute_many(self, rows: Sequence[Mapping[str, Any]], *, on: Connection) -> None:
        """Runs the statement once a row. Raises IntegrityError as SQLAlchemy does."""
        arguments = [self._arguments(row) for row in rows]
        try:
            driver_of(on).cursor().executemany(self._sql, arguments)
        except self._integrity_error as error:
            raise IntegrityError(self._sql, None, error) from error

    def _run(self, parameters: Mapping[str, Any] | None, on: Connection | None, take: Callable[[Any], Any]) -> Any:
        arguments = self._arguments(parameters)
        try:
            if on is not None:
                return take(driver_of(on).execute(self._sql, arguments))
            own = self._source.own()
            if own is not None:
                return take(own.execute(self._sql, arguments))
            with self._source.borrow() as driver:
                return take(driver.execute(self._sql, arguments))
        except self._integrity_error as error:
            raise IntegrityError(self._sql, None, error) from error

    def _arguments(self, parameters: Mapping[str, Any] | None) -> Any:
        values = {**self._given, **parameters} if parameters else dict(self._given)
        for name, encode in self._encoders:
            if name in values:
                values[name] = encode(values[name])
        return values if self._names is None else [values[name] for name in self._names]

    def _decode(self, row: Row) -> Row:
        if not self._decoders:
            return row
        values = list(row)
        for index, decode in self._decoders:
            values[index] = decode(values[index])
        return tuple(values)


class _Drivers:
    """Connections of the driver for prepared statements that read by themselves.

    On SQLite a thread keeps one, as long as there are not more threads than the pool is meant for: taking one out of
    the pool costs more than such a statement. The rows of a statement are read at once, so nothing stays open.
    """

    def __init__(self, engine: Engine, *, kept: int) -> None:
        self.engine = engine
        self._left = threading.BoundedSemaphore(kept) if kept else None
        self._of_thread = threading.local()

    def own(self) -> Any:
        """The calling thread's own connection, or None when it must borrow one."""
        kept: _Kept | None = getattr(self._of_thread, "kept", None)
        if kept is not None:
            return kept.driver
        if self._left is None or not self._left.acquire(blocking=False):
            return None
        kept = self._of_thread.kept = _Kept(self.engine.raw_connection(), self._left)
        return kept.driver

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """A connection from the pool."""
        pooled = self.engine.raw_connection()
        try:
            yield pooled.driver_connection
        finally:
            pooled.close()

    def close(self) -> None:
        """Forgets the connections; those of other threads go back as the threads end."""
        self._of_thread = threading.local()
        self._left = None


class _Kept:
    """A pooled connection that one thread keeps until it ends."""

    def __init__(self, pooled: Any, left: threading.BoundedSemaphore) -> None:
        self._pooled = pooled
        self._left = left
        self.driver = pooled.driver_connection

    def __del__(self) -> None:
        self._pooled.close()
        self._left.release()


def driver_of(connection: Connection) -> Any:
    """The driver's connection below SQLAlchemy's, for statements that run as they are."""
    return connection.connection.driver_connection


def _first(cursor: Any) -> Any:
    return cursor.fetchone()


def _all(cursor: Any) -> Any:
    return cursor.fetchall()


def _changed(cursor: Any) -> Any:
    return cursor.rowcount


class Database:
    """An open database. Threads share it; after a fork it must be opened anew."""

    def __init__(self, *, url: URL, reading: Engine, writing: Engine, one_writer: bool, kept_drivers: int = 0) -> None:
        self._url = url
        self._reading = reading
        self._writing = writing
        self._one_writer = one_writer
        self._drivers = _Drivers(reading, kept=kept_drivers)
        self._lock = threading.Lock()
        self._writer: int | None = None

    def __repr__(self) -> str:
        return f"Database({self._url.render_as_string(hide_password=True)!r})"

    @property
    def url(self) -> str:
        """The address with its password: for opening the same database by another library, never for a log."""
        return self._url.render_as_string(hide_password=False)

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
        with self._writing.connect() as connection:
            return ", ".join(f"{each.split()[-1]}={connection.exec_driver_sql(each).scalar()}" for each in statements)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a read-only transaction that sees one state of the data from its first statement on."""
        with self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction. On SQLite the process's writers queue here; none may be nested."""
        if not self._one_writer:
            with self._writing.begin() as connection:
                yield connection
            return
        if self._writer == threading.get_ident():
            raise RuntimeError("a write transaction inside a write transaction: pass the connection on instead")
        with self._lock:
            self._writer = threading.get_ident()
            try:
                with self._writing.begin() as connection:
                    yield connection
            finally:
                self._writer = None

    def prepare(self, statement: Select[Any] | UpdateBase) -> Prepared:
        """The statement compiled for the driver. Raises ValueError for one that cannot be."""
        return Prepared(self._drivers, statement)

    def close(self) -> None:
        """Closes every connection of this process."""
        self._drivers.close()
        if self._writing is not self._reading:
            self._reading.dispose()
        self._writing.dispose()


def open_database(
    location: str | Path,
    *,
    synchronous: Synchronous = Synchronous.NORMAL,
    busy_timeout: timedelta = timedelta(seconds=15),
    pool_size: int = 8,
) -> Database:
    """The database at a file path, `sqlite:///path` or `postgresql://…`; creates nothing but the file and its folder.

    Args:
        synchronous: SQLite only.
        busy_timeout: how long a writer waits for another process's transaction (SQLite) or for a free connection.
        pool_size: connections kept open for reading (SQLite) or for everything (PostgreSQL); twice as many may be open.
    Raises: DatabaseError.
    """
    url = _parse_location(location)
    if url.get_backend_name() == "postgresql":
        engine = _open_postgresql(url, busy_timeout=busy_timeout, pool_size=pool_size)
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return Database(url=url, reading=reading, writing=engine, one_writer=False)
    path = Path(str(url.database))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # what is wrong with the file is told when it is opened
        # Who is in it is nobody else's affair, whatever the folder allows; SQLite makes the files beside it alike.
        path.touch(mode=0o600)
    pragmas = (*_PRAGMAS, f"PRAGMA synchronous = {synchronous.value}")
    return Database(
        url=url,
        reading=_open_sqlite(url, (*pragmas, "PRAGMA query_only = ON"), "BEGIN", busy_timeout, pool_size),
        writing=_open_sqlite(url, pragmas, "BEGIN IMMEDIATE", busy_timeout, 1),
        one_writer=True,
        kept_drivers=pool_size,
    )


def migrate(database: Database, package: str) -> str:
    """The schema's revision after running every migration of the package that is still to run, in one transaction.

    Raises: DatabaseError if it cannot be opened, or was written by a newer program.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(f"no package of migrations named {package}")
    folder = Path(spec.origin).parent
    newest = max(path.stem for path in folder.glob("r[0-9]*.py"))
    try:
        revision = _revision(database)
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()
        raise DatabaseError(f"the database cannot be opened: {said[0] if said else 'it said nothing'}") from None
    if revision == newest[1:5]:
        return revision
    # Alembic is a second of loading that a command on an up-to-date database need not spend.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    scripts = ScriptDirectory(str(folder), version_locations=[str(folder)])

    def steps(revision: Any, _: Any) -> list[Any]:
        return scripts._upgrade_revs("head", revision)

    with database.write() as connection:
        serialize(connection, f"migrate {package}")
        with EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head") as environment:
            environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
            try:
                environment.run_migrations()
            except CommandError as error:
                sentence = "the database was written by a newer version of Muster: install that one or restore a backup"
                raise DatabaseError(f"{sentence} ({error})") from error
        return str(scripts.get_current_head())


def _revision(database: Database) -> str | None:
    """The revision that the database says it is at; None for an empty one."""
    with database.read() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  our constant
        return None if found is None else str(found)


def serialize(connection: Connection, name: str) -> None:
    """Waits until no other transaction holds this name, and holds it to the end of this one.

    An advisory lock on PostgreSQL; SQLite's write transactions follow each other anyway.
    """
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


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
    columns = [name for name in given[0] if name not in keys] if update is None else list(update)
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table).inline()
    if columns:
        statement = insert.on_conflict_do_update(
            index_elements=list(keys), set_={name: insert.excluded[name] for name in columns}
        )
    else:
        statement = insert.on_conflict_do_nothing(index_elements=list(keys))
    return int(connection.execute(statement, given, execution_options={"preserve_rowcount": True}).rowcount)


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


def _open_sqlite(url: URL, pragmas: Sequence[str], begin: str, timeout: timedelta, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        hide_parameters=True,  # they are people's attributes and secrets, and errors are logged
        pool_size=pool_size,
        max_overflow=pool_size if pool_size > 1 else 0,
        pool_timeout=timeout.total_seconds(),
        connect_args={"timeout": timeout.total_seconds(), "cached_statements": 256},
    )

    def on_connect(driver: Any, _: Any) -> None:
        driver.isolation_level = None  # the driver would begin transactions by itself, late and deferred
        for pragma in pragmas:
            driver.execute(pragma)

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _open_postgresql(url: URL, *, busy_timeout: timedelta, pool_size: int) -> Engine:
    return create_engine(
        url,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        hide_parameters=True,  # they are people's attributes and secrets, and errors are logged
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_timeout.total_seconds(),
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "application_name": "muster"},
    )


def _decoders(statement: ClauseElement, dialect: Dialect) -> list[tuple[int, Callable[[Any], Any]]]:
    if isinstance(statement, Select):
        columns = list(statement.selected_columns)
    else:
        columns = list(getattr(statement, "_returning", ()))
    processors = (
        (index, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for index, column in enumerate(columns)
    )
    return [(index, processor) for index, processor in processors if processor is not None]


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()
