"""Hot statements: compiled once and run through the driver, two to three times as fast as through Core."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, Select, UpdateBase

Row = tuple[Any, ...]


class Prepared:
    """A statement compiled once and run through the driver: for the few statements that run at every request.

    Parameters are the statement's `bindparam` names and column types convert both ways; Python-side column defaults and
    `IN` lists of changing length do not work here. Rows are plain tuples.
    """

    def __init__(self, source: "Drivers", statement: Select[Any] | UpdateBase) -> None:
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
        self.parameters: Sequence[str] = self._names or list(compiled.params)
        # By place instead of by name, where the driver takes values so: what a row of many goes by.
        self._by_place = None if self._names is None else _row_reader(self._names)
        encoders = dict(self._encoders)
        self._encoders_by_place = [
            (place, encoders[name]) for place, name in enumerate(self._names or ()) if name in encoders
        ]
        self._decoders = _decoders(statement, dialect)

    def in_order(self, names: Sequence[str]) -> "Prepared":
        """Itself, for who gives values in the order of these parameters. Raises ValueError when theirs is another."""
        if list(self.parameters) != list(names):
            raise ValueError(f"the parameters are {self.parameters}")
        return self

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

    def fetch_values(self, values: Sequence[Any]) -> list[Row]:
        """All rows, by values of the driver's own types in the order of `parameters`, outside any transaction.

        The quickest way; for statements whose columns need no conversion.
        """
        given = values if self._names is not None else dict(zip(self.parameters, values, strict=True))
        own = self._source.own()
        if own is not None:
            rows: list[Row] = own.execute(self._sql, given).fetchall()
        else:
            with self._source.borrow() as driver:
                rows = driver.execute(self._sql, given).fetchall()
        return rows

    def execute(self, parameters: Mapping[str, Any] | None = None, *, on: Connection) -> int:
        """How many rows were changed. Raises IntegrityError as SQLAlchemy does."""
        return int(self._run(parameters, on, _changed))

    def execute_many(self, rows: Sequence[Mapping[str, Any]], *, on: Connection) -> int:
        """Runs the statement once a row: how many rows were changed. Raises IntegrityError as SQLAlchemy does."""
        if not rows:
            return 0
        arguments = self._arguments_of(rows)
        cursor = driver_of(on).cursor()
        try:
            cursor.executemany(self._sql, arguments)
            return int(cursor.rowcount)
        except self._integrity_error as error:
            raise IntegrityError(self._sql, None, error) from error
        finally:
            cursor.close()

    def execute_values(self, values: Sequence[Any], *, on: Connection) -> int:
        """How many rows were changed, by values of the driver's own types in the order of `parameters`.

        The quickest way.
        """
        return int(self.run_values(values, on=on).rowcount)

    def run_values(self, values: Sequence[Any], *, on: Connection) -> Any:
        """The driver's cursor after `execute_values`."""
        given = values if self._names is not None else dict(zip(self.parameters, values, strict=True))
        joint = self._source.joint
        driver = joint.driver if on is joint.connection else driver_of(on)
        try:
            return driver.execute(self._sql, given)
        except self._integrity_error as error:
            raise IntegrityError(self._sql, None, error) from error

    def _run(self, parameters: Mapping[str, Any] | None, on: Connection | None, take: Callable[[Any], Any]) -> Any:
        arguments = self._arguments(parameters)
        try:
            if on is not None:
                joint = self._source.joint
                driver = joint.driver if on is joint.connection else driver_of(on)
                return take(driver.execute(self._sql, arguments))
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

    def _arguments_of(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        if self._by_place is None or self._given:
            return [self._arguments(row) for row in rows]
        found = list(map(self._by_place, rows))
        if not self._encoders_by_place:
            return found
        columns = list(zip(*found, strict=True))
        for place, encode in self._encoders_by_place:
            column = columns[place]
            # The very same value all the way down, such as the instant of a batch, is written once.
            is_one = len(set(map(id, column))) == 1
            columns[place] = (encode(column[0]),) * len(column) if is_one else tuple(map(encode, column))
        return list(zip(*columns, strict=True))

    def _decode(self, row: Row) -> Row:
        if not self._decoders:
            return row
        values = list(row)
        for index, decode in self._decoders:
            values[index] = decode(values[index])
        return tuple(values)


class PreparedInsert:
    """An insert of one row that says which key the row got."""

    def __init__(self, prepared: Prepared, *, returns_key: bool) -> None:
        self._prepared = prepared
        self._returns_key = returns_key

    def insert(self, values: Sequence[Any], *, on: Connection) -> int:
        """The key of the new row; values as for `execute_values`. Raises IntegrityError as SQLAlchemy does."""
        cursor = self._prepared.run_values(values, on=on)
        return int(cursor.fetchone()[0] if self._returns_key else cursor.lastrowid)


class Drivers:
    """Connections of the driver for prepared statements that read by themselves.

    On SQLite a thread keeps one, as long as there are not more threads than the pool is meant for: taking one out of
    the pool costs more than such a statement. The rows of a statement are read at once, so nothing stays open.
    """

    def __init__(self, engine: Engine, *, kept: int) -> None:
        self.engine = engine
        self._left = threading.BoundedSemaphore(kept) if kept else None
        self._of_thread = threading.local()
        self.joint = _Joint()

    def own(self) -> Any:
        """The calling thread's own connection, or None when it must borrow one."""
        joint = self.joint.driver
        if joint is not None:
            return joint
        kept: _Kept | None = getattr(self._of_thread, "kept", None)
        if kept is not None:
            return kept.driver
        if self._left is None or not self._left.acquire(blocking=False):
            return None
        kept = self._of_thread.kept = _Kept(self.engine.raw_connection(), self._left)
        return kept.driver

    def join(self, connection: Connection | None) -> None:
        """Makes what this thread reads by itself part of a transaction, or (None) of none again."""
        self.joint.connection = connection
        self.joint.driver = None if connection is None else driver_of(connection)

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


class _Joint(threading.local):
    """The transaction in which a thread does everything, while there is one."""

    connection: Connection | None = None
    driver: Any = None


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


def _row_reader(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Row]:
    """Returns a function that takes the values of these names out of a row."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names) if names else lambda _: ()


def _first(cursor: Any) -> Any:
    return cursor.fetchone()


def _all(cursor: Any) -> Any:
    return cursor.fetchall()


def _changed(cursor: Any) -> Any:
    return cursor.rowcount


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
