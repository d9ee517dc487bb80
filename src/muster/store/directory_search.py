"""Searching the directory: what SQL compares by its indexes, and what is left to be looked at object by object."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row, Select

from muster.model.conditions import Both, Comparison, Condition, Either, Negation, Operator, Scalar, conjuncts, holds
from muster.model.directory import Lifecycle
from muster.ports.directory import DirectoryQuery
from muster.store.tables import objects

_SCANNED_AT_ONCE = 1_000
# As many are sorted for a page.
_FEW = 2_000
# Columns that hold an attribute folded; comparisons with them need no look at the object.
_COLUMNS: dict[str, ColumnElement[Any]] = {
    "userPrincipalName": objects.c.principal_name,
    "mail": objects.c.mail,
    "employeeId": objects.c.employee_id,
    "displayName": objects.c.folded_name,
}
_NAMING = frozenset({"userPrincipalName", "mail", "employeeId", "objectId", "id"})
_INSTANTS: dict[str, ColumnElement[Any]] = {
    "createdDateTime": objects.c.created_at,
    "deletedDateTime": objects.c.deleted_at,
}
_ORDERS: dict[str, ColumnElement[Any]] = {
    "displayName": objects.c.folded_name,
    "userPrincipalName": objects.c.principal_name,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of a page (key and place), the key to go on after, and how many there are in all if it is known."""

    keys: tuple[int, ...]
    next_after: str | None
    total: int | None


def search_objects(connection: Connection, query: DirectoryQuery) -> Found:
    """Returns a page of objects in the query's order. Raises ValueError for an operator that does not exist."""
    wanted = [*(_comparison(each) for each in query.comparisons), *conjuncts(query.condition)]
    compared, remaining = _conditions(query, wanted)
    ways = [[*way, *compared] for way in _ways(connection, query, wanted)]
    order = _ORDERS[query.order_by]
    total = None
    if query.counted and remaining:
        total = sum(1 for way in ways for row in _scan(connection, query, order, way, None) if _matches(row, remaining))
    elif query.counted:
        total = sum(_count(connection, way) for way in ways)
    found: list[Row[Any]] = []
    step = None if remaining else query.limit + 1
    scans = [_scan(connection, query, order, way, query.after, step) for way in ways]
    for row in merge(*scans, key=lambda row: (row.place, row.key), reverse=query.descending):
        if _matches(row, remaining):
            found.append(row)
            if len(found) > query.limit:
                break
    page = found[: query.limit]
    more = len(found) > query.limit and page
    return Found(keys=tuple(row.key for row in page), next_after=_cursor(page[-1]) if more else None, total=total)


def _conditions(
    query: DirectoryQuery, wanted: Sequence[Condition]
) -> tuple[list[ColumnElement[bool]], list[Condition]]:
    """Returns what SQL compares, and the conditions that are left to do on each object."""
    conditions: list[ColumnElement[bool]] = []
    # The columns of a purged object are empty.
    has_purged = Lifecycle.HARD_DELETED in query.lifecycles
    remaining: list[Condition] = []
    for condition in wanted:
        compiled = None if has_purged else _compiled(condition)
        if compiled is None:
            remaining.append(condition)
        else:
            conditions.append(compiled)
    return conditions, remaining


def _ways(
    connection: Connection, query: DirectoryQuery, wanted: Sequence[Condition]
) -> list[list[ColumnElement[bool]]]:
    """The ways to the objects of the kind; no object is found by two of them.

    Of whoever is searched for, either name may begin so: each by its own index, for in one statement everybody is
    looked at. That one is for beginnings that many principal names have: a page of them is soon found in the order.
    """
    few = any(_names_few(condition) for condition in wanted)
    if not query.search:
        return [_of_kind(query, is_hidden=few)]
    beginning = query.search.casefold()
    shown = _starts(objects.c.folded_name, beginning)
    principal = _starts(objects.c.principal_name, beginning)
    probe = sa.select(sa.literal(1)).select_from(objects).where(principal).offset(_FEW).limit(1)
    if connection.execute(probe).first() is not None:
        return [[sa.or_(shown, principal), *_of_kind(query, is_hidden=few)]]
    return [[shown, *_of_kind(query, is_hidden=few)], [principal, sa.not_(shown), *_of_kind(query, is_hidden=True)]]


def _of_kind(query: DirectoryQuery, *, is_hidden: bool) -> list[ColumnElement[bool]]:
    """`is_hidden`: from the planner, which would go through all of the kind rather than the few that are named."""
    kind: ColumnElement[Any] = objects.c.kind
    lifecycle: ColumnElement[Any] = objects.c.lifecycle
    if is_hidden:
        kind, lifecycle = sa.func.coalesce(kind, ""), sa.func.coalesce(lifecycle, "")
    lifecycles = [each.value for each in query.lifecycles]
    return [kind == query.kind.value, lifecycle == lifecycles[0] if len(lifecycles) == 1 else lifecycle.in_(lifecycles)]


def _count(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(objects).where(*conditions)).scalar_one())


def _names_few(condition: Condition) -> bool:
    """Whether an index by itself leads to the few objects that are meant."""
    return (
        isinstance(condition, Comparison)
        and condition.operator in (Operator.EQUALS, Operator.ONE_OF)
        and condition.path in _NAMING
    )


def _comparison(given: tuple[str, str, object]) -> Comparison:
    name, operator, value = given
    try:
        return Comparison(path=name, operator=Operator(operator), value=value)  # type: ignore[arg-type]  # a scalar
    except ValueError:
        raise ValueError(f"the directory knows no comparison {operator}: use eq, ne, sw, co, ge or le") from None


def _compiled(condition: Condition, *, negated: bool = False) -> ColumnElement[bool] | None:
    """Returns a condition as SQL; None for what only the whole object tells.

    An empty column gives NULL, which counts as false; it is made false within a negation alone, for no index is used
    for what is made of a column.
    """
    match condition:
        case Comparison():
            return _compared(condition, negated=negated)
        case Negation(part=part):
            inner = _compiled(part, negated=True)
            return None if inner is None else sa.not_(inner)
        case Both(parts=parts) | Either(parts=parts):
            compiled = [each for part in parts if (each := _compiled(part, negated=negated)) is not None]
            if len(compiled) < len(parts):
                return None
            return sa.and_(*compiled) if isinstance(condition, Both) else sa.or_(*compiled)
        case _:
            return None


def _compared(comparison: Comparison, *, negated: bool) -> ColumnElement[bool] | None:
    name, operator, value = comparison.path, comparison.operator, comparison.value
    values = value if isinstance(value, tuple) else (value,)
    if name in ("objectId", "id") and operator in (Operator.EQUALS, Operator.ONE_OF):
        return objects.c.object_id.in_([str(each).lower() for each in values])
    if name in _INSTANTS and isinstance(value, datetime) and operator in _TESTS:
        return _settled(_TESTS[operator](_INSTANTS[name], value), operator, negated=negated)
    column = _COLUMNS.get(name)
    if column is None or not all(isinstance(each, str) for each in values):
        return None
    if operator is Operator.ONE_OF:
        return _settled(column.in_([str(each).casefold() for each in values]), operator, negated=negated)
    return _settled(_TESTS[operator](column, str(value).casefold()), operator, negated=negated)


def _settled(test: ColumnElement[bool], operator: Operator, *, negated: bool) -> ColumnElement[bool]:
    """An empty column differs from every value and compares with none."""
    if not negated and operator is not Operator.DIFFERS:
        return test
    return sa.func.coalesce(test, sa.true() if operator is Operator.DIFFERS else sa.false())


def _starts(column: ColumnElement[Any], beginning: str) -> ColumnElement[bool]:
    return sa.and_(column >= beginning, column < beginning + "\U0010ffff")


_TESTS: dict[Operator, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    Operator.EQUALS: lambda column, value: column == value,
    Operator.DIFFERS: lambda column, value: column != value,
    Operator.GREATER: lambda column, value: column > value,
    Operator.NOT_LESS: lambda column, value: column >= value,
    Operator.LESS: lambda column, value: column < value,
    Operator.NOT_GREATER: lambda column, value: column <= value,
    Operator.STARTS: _starts,
    Operator.ENDS: lambda column, value: column.endswith(value, autoescape=True),
    Operator.CONTAINS: lambda column, value: column.contains(value, autoescape=True),
    Operator.WORD: lambda column, value: sa.or_(
        column.startswith(value, autoescape=True), column.contains(f" {value}", autoescape=True)
    ),
}


def _scan(
    connection: Connection,
    query: DirectoryQuery,
    order: ColumnElement[Any],
    conditions: Sequence[ColumnElement[bool]],
    after: str | None,
    step: int | None = None,
) -> Iterator[Row[Any]]:
    # Without something to look at in Python the content is not read.
    columns = [objects.c.key, order.label("place")]
    if step is None:
        columns += [objects.c.object_id, objects.c.created_at, objects.c.deleted_at, objects.c.content]
    size = step or _SCANNED_AT_ONCE
    ordered = (order.desc(), objects.c.key.desc()) if query.descending else (order, objects.c.key)
    while True:
        statement: Select[Any] = sa.select(*columns).where(*conditions)
        if after is not None:
            key, _, name = after.partition(":")
            here, there = sa.tuple_(order, objects.c.key), sa.tuple_(name, int(key))
            statement = statement.where(here < there if query.descending else here > there)
        rows: Sequence[Row[Any]] = connection.execute(statement.order_by(*ordered).limit(size)).all()
        yield from rows
        if len(rows) < size:
            return
        after = _cursor(rows[-1])


def _cursor(row: Row[Any]) -> str:
    return f"{row.key}:{row.place}"


def _matches(row: Row[Any], remaining: Sequence[Condition]) -> bool:
    if not remaining:
        return True
    record: dict[str, Scalar] = {
        **row.content,
        "objectId": row.object_id,
        "id": row.object_id,
        "createdDateTime": row.created_at,
        "deletedDateTime": row.deleted_at,
    }
    return all(holds(condition, record) for condition in remaining)
