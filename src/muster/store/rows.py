"""Reading rows: lists of any length in pieces, and directory rows as directory objects."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select

from muster.database.lists import as_list, one_of
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.store.encoding import frozen_attributes
from muster.store.tables import objects

T = TypeVar("T")

# SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
PIECE = 5_000

MANAGERS = objects.alias("managers")


def pieces(values: Iterable[T], size: int = PIECE) -> Iterator[list[T]]:
    """Returns the values in lists of a length that fits a statement."""
    given = list(values)
    for start in range(0, len(given), size):
        yield given[start : start + size]


def select_objects() -> Select[Any]:
    """Returns a query of directory objects with their managers' ids."""
    return sa.select(objects, MANAGERS.c.object_id.label("manager_id")).outerjoin(
        MANAGERS, MANAGERS.c.key == objects.c.manager_key
    )


def fetch_objects(connection: Connection, column: sa.ColumnElement[Any], values: Iterable[Any]) -> list[Row[Any]]:
    """Returns the rows of directory objects whose column has one of the values."""
    rows: list[Row[Any]] = []
    for piece in pieces(values):
        rows.extend(connection.execute(_objects_by(column), {"values": as_list(piece)}))
    return rows


@cache
def _objects_by(column: sa.ColumnElement[Any]) -> Select[Any]:
    """Made once for each of the few columns."""
    return select_objects().where(one_of(column, "values"))


def object_key(connection: Connection, object_id: str) -> int:
    """Returns an object's key. Raises LookupError."""
    key = connection.execute(sa.select(objects.c.key).where(objects.c.object_id == object_id)).scalar()
    if key is None:
        raise LookupError(f"the directory has no object {object_id}")
    return int(key)


def object_of(row: Row[Any]) -> DirectoryObject:
    """Returns a row of `select_objects` as a directory object."""
    return DirectoryObject(
        object_id=row.object_id,
        kind=ObjectKind(row.kind),
        lifecycle=Lifecycle(row.lifecycle),
        seq=row.seq,
        attributes=frozen_attributes(row.content),
        manager_id=row.manager_id,
        deleted_at=row.deleted_at,
        created_at=row.created_at,
    )


def objects_of(rows: Sequence[Row[Any]]) -> tuple[DirectoryObject, ...]:
    """Returns rows as directory objects."""
    return tuple(object_of(row) for row in rows)
