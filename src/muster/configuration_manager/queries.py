"""Filters and orders as SQL: on the indexed columns where they can be, on the documents for the rest.

A filter compiles to a clause and whether the clause is exact. What has no column makes it inexact: then the clause
finds at least every row the filter finds, and the filter's own predicate decides on the documents of those rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from muster.configuration_manager.tables import MEMBER_TYPES, members, resources
from muster.database.columns import position_of
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    Filter,
    FilterOperator,
    FilterValue,
    Not,
    Or,
    Presence,
    ValuePath,
)
from muster.scim.repository import ResourceQuery
from muster.scim.resources import ResourceType
from muster.scim.values import fold, parse_instant

Clause = ColumnElement[bool]
Name = tuple[str | None, str, str | None]
Row = tuple[Any, ...]

LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedColumn:
    """A column that holds one attribute's value, and how a filter's value is written to be compared with it."""

    column: ColumnElement[Any]
    encode: Callable[[Any], Any]
    is_text: bool
    like_is_exact: bool = False
    is_always_there: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """`clause` None finds everything. When not `is_exact` it finds too much and the predicate decides."""

    clause: Clause | None
    is_exact: bool


EVERYTHING = CompiledFilter(clause=None, is_exact=True)
UNKNOWN = CompiledFilter(clause=None, is_exact=False)


def _as_is(value: Any) -> Any:
    return value


Columns = Mapping[Name, IndexedColumn]

COLUMNS: Columns = {
    (None, "id", None): IndexedColumn(
        column=resources.c.resource_id, encode=_as_is, is_text=True, is_always_there=True
    ),
    # SQLite's LIKE, by which `ew` is found, is blind to the case of ASCII letters: exact where both sides are folded.
    # A user's unique name is the userName.
    (None, "userName", None): IndexedColumn(
        column=resources.c.unique_name, encode=fold, is_text=True, like_is_exact=True, is_always_there=True
    ),
    (None, "displayName", None): IndexedColumn(
        column=resources.c.display_name, encode=fold, is_text=True, like_is_exact=True
    ),
    (None, "externalId", None): IndexedColumn(column=resources.c.external_id, encode=_as_is, is_text=True),
    (None, "active", None): IndexedColumn(column=resources.c.active, encode=_as_is, is_text=False),
    (None, "meta", "created"): IndexedColumn(
        column=resources.c.created_at, encode=parse_instant, is_text=False, is_always_there=True
    ),
    (None, "meta", "lastModified"): IndexedColumn(
        column=resources.c.modified_at, encode=parse_instant, is_text=False, is_always_there=True
    ),
}

_OPPOSITES = {
    FilterOperator.GREATER: FilterOperator.LESS_OR_EQUAL,
    FilterOperator.GREATER_OR_EQUAL: FilterOperator.LESS,
    FilterOperator.LESS: FilterOperator.GREATER_OR_EQUAL,
    FilterOperator.LESS_OR_EQUAL: FilterOperator.GREATER,
}


def columns_of(resource_type: ResourceType) -> Columns:
    """The columns that hold what they say for a type: in one of an operator's own, names may mean something else."""
    shown = resource_type.by_name.get("displayname")
    others = set()
    if resource_type.unique_attributes[:1] != ("userName",) or resource_type.by_name["username"].case_exact:
        others.add("userName")
    if shown is not None and shown.case_exact:
        others.add("displayName")
    return {name: column for name, column in COLUMNS.items() if name[1] not in others}


def name_of(path: AttributePath) -> Name:
    """The path as a key of a table."""
    return path.schema, path.attribute, path.sub_attribute


def compile_clause(bound: Filter, columns: Columns = COLUMNS) -> CompiledFilter:
    """The bound filter as SQL over the table of resources."""
    match bound:
        case Comparison():
            return _compile_comparison(bound, columns)
        case Presence():
            return _compile_presence(bound, columns)
        case ValuePath():
            return _compile_value_path(bound)
        case Not():
            inner = compile_clause(bound.filter, columns)
            if inner.clause is None or not inner.is_exact:
                return UNKNOWN
            # A comparison with NULL is neither true nor false in SQL; in SCIM it is false.
            return CompiledFilter(clause=sa.not_(sa.func.coalesce(inner.clause, sa.false())), is_exact=True)
        case And():
            parts = [compile_clause(part, columns) for part in bound.filters]
            clauses = [part.clause for part in parts if part.clause is not None]
            return CompiledFilter(
                clause=sa.and_(*clauses) if clauses else None, is_exact=all(part.is_exact for part in parts)
            )
        case Or():
            parts = [compile_clause(part, columns) for part in bound.filters]
            clauses = [part.clause for part in parts if part.clause is not None]
            if len(clauses) < len(parts):
                return UNKNOWN
            return CompiledFilter(clause=sa.or_(*clauses), is_exact=all(part.is_exact for part in parts))
        case _:
            assert_never(bound)


def complement_of(bound: Filter | None, columns: Columns = COLUMNS) -> Clause | None:
    """What a comparison by order leaves out, where every resource has the attribute; None for any other filter."""
    if not isinstance(bound, Comparison):
        return None
    other = _OPPOSITES.get(bound.operator)
    indexed = columns.get(name_of(bound.attribute))
    if other is None or indexed is None or not indexed.is_always_there:
        return None
    return compile_clause(replace(bound, operator=other), columns).clause


def compile_beside_index(bound: Comparison, columns: Columns = COLUMNS) -> Clause:
    """A comparison that has a complement, as SQL that no index is used for: for what nearly everything satisfies.

    The databases would take all that they find by the index and sort it for the first hundred.
    """
    name = name_of(bound.attribute)
    column = columns[name].column
    clause = compile_clause(bound, {name: replace(columns[name], column=sa.func.coalesce(column, column))}).clause
    return sa.true() if clause is None else clause


def needs_relations(bound: Filter) -> bool:
    """Whether deciding the filter on a document needs its members or its groups, which are not in the stored JSON."""
    match bound:
        case Comparison() | Presence() | ValuePath():
            return bound.attribute.attribute in ("members", "groups")
        case Not():
            return needs_relations(bound.filter)
        case And() | Or():
            return any(needs_relations(part) for part in bound.filters)
        case _:
            assert_never(bound)


def needs_addresses(bound: Filter) -> bool:
    """Whether deciding the filter on a document needs where it or what it refers to is, which its address begins."""
    match bound:
        case Comparison() | Presence():
            return is_address(bound.attribute)
        case ValuePath() | Not():
            return needs_addresses(bound.filter)
        case And() | Or():
            return any(needs_addresses(part) for part in bound.filters)
        case _:
            assert_never(bound)


def is_address(path: AttributePath) -> bool:
    """Whether the attribute is `meta.location` or the `$ref` of a reference."""
    return (path.sub_attribute or path.attribute) in ("location", "$ref")


def order_by(
    path: AttributePath | None, columns: Columns = COLUMNS, *, descending: bool
) -> list[ColumnElement[Any]] | None:
    """The ORDER BY of a sort attribute (None: the order of creation), or None for one that has no column."""
    if path is None:
        return [resources.c.key.asc()]
    indexed = columns.get(name_of(path))
    if indexed is None:
        return None
    ordered = indexed.column.desc() if descending else indexed.column.asc()
    if not indexed.is_always_there:
        ordered = ordered.nulls_first() if descending else ordered.nulls_last()
    return [ordered, resources.c.key.asc()]


def turn_page(found: sa.Select[Any], query: ResourceQuery, order: Sequence[ColumnElement[Any]]) -> sa.Select[Any]:
    """The part of what is found that the query asks for; the part before a place comes backwards."""
    if query.after is not None:
        return found.where(resources.c.key > query.after).order_by(resources.c.key.asc()).limit(query.limit)
    if query.before is not None:
        return found.where(resources.c.key < query.before).order_by(resources.c.key.desc()).limit(query.limit)
    return found.order_by(*order).limit(query.limit).offset(query.start_index - 1)


def choose_rows(ordered: Sequence[Row], query: ResourceQuery) -> Sequence[Row]:
    """The same of rows that were read, each beginning with its key."""
    if query.after is not None:
        after = query.after
        return [row for row in ordered if row[0] > after][: query.limit]
    if query.before is not None:
        before = query.before
        return [row for row in ordered if row[0] < before][-query.limit :] if query.limit else []
    return ordered[query.start_index - 1 :][: query.limit]


def _compile_comparison(bound: Comparison, columns: Columns) -> CompiledFilter:
    name = name_of(bound.attribute)
    if name == (None, "members", "value"):
        return _compile_member(bound.operator, bound.value)
    indexed = columns.get(name)
    if indexed is None:
        return UNKNOWN
    column, value = indexed.column, bound.value
    if isinstance(value, str) and "\0" in value:
        return UNKNOWN  # no database compares it: PostgreSQL refuses the character, LIKE stops at it
    match bound.operator:
        case FilterOperator.CONTAINS | FilterOperator.STARTS_WITH | FilterOperator.ENDS_WITH:
            if not indexed.is_text or not isinstance(value, str):
                return UNKNOWN
            return _compile_part(indexed, bound.operator, indexed.encode(value))
        case FilterOperator.EQUAL:
            clause = column == indexed.encode(value)
        case FilterOperator.NOT_EQUAL:
            clause = sa.or_(column.is_(None), column != indexed.encode(value))
        case FilterOperator.GREATER:
            clause = column > indexed.encode(value)
        case FilterOperator.GREATER_OR_EQUAL:
            clause = column >= indexed.encode(value)
        case FilterOperator.LESS:
            clause = column < indexed.encode(value)
        case FilterOperator.LESS_OR_EQUAL:
            clause = column <= indexed.encode(value)
        case _:
            assert_never(bound.operator)
    return CompiledFilter(clause=clause, is_exact=True)


def _compile_part(indexed: IndexedColumn, operator: FilterOperator, value: str) -> CompiledFilter:
    column = indexed.column
    if operator is FilterOperator.STARTS_WITH:
        # A range, so that the index is used. Nothing that begins so sorts at or after the end of it.
        end = _end_of_prefix(value)
        clause = column >= value if end is None else sa.and_(column >= value, column < end)
        return CompiledFilter(clause=clause, is_exact=True)
    if operator is FilterOperator.CONTAINS:
        return CompiledFilter(clause=position_of(column, value) > 0, is_exact=True)
    return CompiledFilter(clause=column.endswith(value, autoescape=True), is_exact=indexed.like_is_exact)


def _end_of_prefix(prefix: str) -> str | None:
    """The first text after all that begin with the prefix, or None when there is none."""
    kept = prefix.rstrip(LAST_CHARACTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:
        following = 0xE000
    return kept[:-1] + chr(following)


def _compile_presence(bound: Presence, columns: Columns) -> CompiledFilter:
    name = name_of(bound.attribute)
    if name in ((None, "members", None), (None, "members", "value")):
        return CompiledFilter(
            clause=sa.exists().where(members.c.group_key == resources.c.key).correlate(resources), is_exact=True
        )
    indexed = columns.get(name)
    if indexed is None:
        return UNKNOWN
    there = indexed.column.is_not(None)
    return CompiledFilter(clause=sa.and_(there, indexed.column != "") if indexed.is_text else there, is_exact=True)


def _compile_value_path(bound: ValuePath) -> CompiledFilter:
    inner = bound.filter
    if (
        name_of(bound.attribute) == (None, "members", None)
        and isinstance(inner, Comparison)
        and inner.attribute.attribute == "value"
    ):
        return _compile_member(inner.operator, inner.value)
    return UNKNOWN


def _compile_member(operator: FilterOperator, value: FilterValue) -> CompiledFilter:
    if operator is not FilterOperator.EQUAL:
        return UNKNOWN
    member = resources.alias("member")
    found = (
        sa.exists()
        .where(members.c.group_key == resources.c.key)
        .where(members.c.member_key == member.c.key)
        .where(member.c.customer_key == resources.c.customer_key)
        .where(member.c.type.in_(MEMBER_TYPES))
        .where(member.c.resource_id == value)
        .correlate(resources)
    )
    return CompiledFilter(clause=found, is_exact=True)
