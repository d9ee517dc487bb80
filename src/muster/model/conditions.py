"""Conditions on a record's properties: a tree of comparisons, and whether it holds of a record.

Texts are compared without case. A property that holds a list is met if one of its values is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Scalar = str | bool | int | float | datetime | None


class Operator(StrEnum):
    """What a comparison asks, in the spelling of OData and SCIM."""

    EQUALS = "eq"
    DIFFERS = "ne"
    GREATER = "gt"
    NOT_LESS = "ge"
    LESS = "lt"
    NOT_GREATER = "le"
    STARTS = "sw"
    ENDS = "ew"
    CONTAINS = "co"
    ONE_OF = "in"
    # One of the words of a text begins so ($search).
    WORD = "wd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`path operator value`; path "" is the record itself, within `Some` and `Every` of plain values."""

    path: str
    operator: Operator
    # A tuple for ONE_OF.
    value: Scalar | tuple[Scalar, ...]
    # Where it stands in the text it was read from, from 1.
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """All parts hold."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """One of the parts holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation:
    """The part does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """The list at the path has an item that the part holds of; without a part: it has one."""

    path: str
    part: "Condition | None" = None
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """The part holds of all items of the list at the path."""

    path: str
    part: "Condition"
    position: int = 0


Condition = Comparison | Both | Either | Negation | Some | Every


def holds(condition: Condition, record: Any) -> bool:
    """Whether a record, a mapping of names to values, meets a condition."""
    match condition:
        case Comparison():
            return _is_met(condition, value_at(record, condition.path))
        case Both(parts=parts):
            return all(holds(part, record) for part in parts)
        case Either(parts=parts):
            return any(holds(part, record) for part in parts)
        case Negation(part=part):
            return not holds(part, record)
        case Some(path=path, part=inner):
            return any(inner is None or holds(inner, item) for item in _items(value_at(record, path)))
    return all(holds(condition.part, item) for item in _items(value_at(record, condition.path)))


def value_at(record: Any, path: str) -> Any:
    """Returns what a record holds at a path of names joined by /; None where there is nothing."""
    for name in path.split("/") if path else ():
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def conjuncts(condition: Condition | None) -> Iterator[Condition]:
    """Returns the conditions that must all hold, as far as they can be told apart."""
    if isinstance(condition, Both):
        for part in condition.parts:
            yield from conjuncts(part)
    elif condition is not None:
        yield condition


def comparisons_in(condition: Condition | None) -> Iterator[Comparison]:
    """Returns all comparisons of a condition, those within lists under their whole path."""
    match condition:
        case Comparison():
            yield condition
        case Both(parts=parts) | Either(parts=parts):
            for part in parts:
                yield from comparisons_in(part)
        case Negation(part=part):
            yield from comparisons_in(part)
        case Some(path=path, part=inner) | Every(path=path, part=inner):
            for found in comparisons_in(inner):
                yield Comparison(
                    path="/".join(name for name in (path, found.path) if name),
                    operator=found.operator,
                    value=found.value,
                    position=found.position,
                )


def _items(value: Any) -> Sequence[Any]:
    """The values of a list; a value alone is a list of one."""
    if isinstance(value, list | tuple):
        return value
    return () if value is None else (value,)


def _is_met(comparison: Comparison, stored: Any) -> bool:
    if comparison.operator is Operator.DIFFERS:
        return not _is_one_met(stored, Operator.EQUALS, comparison.value)
    return _is_one_met(stored, comparison.operator, comparison.value)


def _is_one_met(stored: Any, operator: Operator, wanted: Scalar | tuple[Scalar, ...]) -> bool:
    if isinstance(wanted, tuple):
        return any(_is_one_met(stored, Operator.EQUALS, each) for each in wanted)
    if isinstance(stored, list | tuple):
        return any(_compares(item, operator, wanted) for item in stored)
    return _compares(stored, operator, wanted)


def _compares(stored: Any, operator: Operator, wanted: Scalar) -> bool:
    if stored is None or wanted is None:
        return operator is Operator.EQUALS and stored is None and wanted is None
    if isinstance(wanted, datetime):
        stored = _instant(stored)
    if _sort(stored) != _sort(wanted):
        return False
    if isinstance(wanted, str):
        stored, wanted = stored.casefold(), wanted.casefold()
    return _TESTS[operator](stored, wanted)


def _sort(value: Any) -> str:
    """Only values of one sort can be compared."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _has_word(stored: Any, wanted: Any) -> bool:
    return bool(stored.startswith(wanted) or f" {wanted}" in stored)


_TESTS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: lambda stored, wanted: bool(stored == wanted),
    Operator.GREATER: lambda stored, wanted: bool(stored > wanted),
    Operator.NOT_LESS: lambda stored, wanted: bool(stored >= wanted),
    Operator.LESS: lambda stored, wanted: bool(stored < wanted),
    Operator.NOT_GREATER: lambda stored, wanted: bool(stored <= wanted),
    Operator.STARTS: lambda stored, wanted: isinstance(stored, str) and stored.startswith(wanted),
    Operator.ENDS: lambda stored, wanted: isinstance(stored, str) and stored.endswith(wanted),
    Operator.CONTAINS: lambda stored, wanted: isinstance(stored, str) and wanted in stored,
    Operator.WORD: lambda stored, wanted: isinstance(stored, str) and _has_word(stored, wanted),
}
