"""All rows of one database copied into another, of either dialect, and compared by digests."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

from muster.database.connection import Database, DatabaseError

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """A table that was copied: its rows and the digest over all of them, the same on both sides."""

    name: str
    rows: int
    digest: str


def copy_tables(source: Database, target: Database, metadata: MetaData) -> tuple[CopiedTable, ...]:
    """Returns what was copied: every row of every table, in one transaction of the target, which is emptied first.

    Raises: DatabaseError when what the target then holds is not what the source does; nothing is kept then.
    """
    with source.read() as reading, target.write() as writing:
        for table in reversed(metadata.sorted_tables):
            writing.execute(sa.delete(table))
        for table in metadata.sorted_tables:
            for rows in _batches(reading, table):
                writing.execute(sa.insert(table), rows)
            _go_on_counting(writing, table)
        return _compared(reading, writing, metadata)


def compare_tables(source: Database, target: Database, metadata: MetaData) -> tuple[CopiedTable, ...]:
    """Returns what both hold. Raises: DatabaseError where they differ."""
    with source.read() as reading, target.read() as there:
        return _compared(reading, there, metadata)


def _compared(source: Connection, target: Connection, metadata: MetaData) -> tuple[CopiedTable, ...]:
    copied = []
    for table in metadata.sorted_tables:
        there, here = _digest(source, table), _digest(target, table)
        if there != here:
            raise DatabaseError(f"the table {table.name} was not copied truly: nothing was kept, and all is as before")
        copied.append(there)
    return tuple(copied)


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[dict[str, Any]]]:
    statement = sa.select(table).execution_options(yield_per=_ROWS_AT_ONCE)
    for part in connection.execute(statement).mappings().partitions():
        yield [dict(row) for row in part]


def _digest(connection: Connection, table: Table) -> CopiedTable:
    """The digest over the rows in an order that both dialects share: each row's own digest, added up."""
    total, count = 0, 0
    names = [column.name for column in table.columns]
    for part in _batches(connection, table):
        for row in part:
            content = orjson.dumps([_as_json(row[name]) for name in names], option=orjson.OPT_SORT_KEYS)
            total += int.from_bytes(hashlib.sha256(content).digest(), "big")
            count += 1
    return CopiedTable(name=table.name, rows=count, digest=f"{total % 2**256:064x}")


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, datetime):
        return ["at", value.isoformat()]
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    return value


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Lets PostgreSQL give numbers after those that were copied; SQLite takes the next one by itself."""
    if connection.dialect.name != "postgresql":
        return
    column = table.autoincrement_column
    if column is None:
        return
    sequence = connection.execute(
        sa.text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    ).scalar()
    if sequence is None:
        return
    last = connection.execute(sa.select(sa.func.max(column))).scalar()
    if last is not None:
        connection.execute(sa.text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
