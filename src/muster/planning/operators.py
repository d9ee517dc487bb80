"""The operators of scoping filters: one table, Microsoft's and ours, each with the test of a single value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from muster.expression.date_formats import DateError, read_common_date
from muster.expression.letters import lower
from muster.expression.patterns import Pattern, compile_pattern
from muster.expression.values import plain_text, read_number

Test: TypeAlias = Callable[[Any], bool]


class Kind(StrEnum):
    """How many values an operator takes beside the attribute."""

    UNARY = "Unary"
    BINARY = "Binary"
    LIST = "List"
    # Groups of the directory by their ids: what is tested is not one value, but the groups that somebody is in.
    GROUPS = "Groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator of scoping filters; `build` makes the test of one single value, which is never null or empty.

    Of kind GROUPS it makes the test of all groups, of the ids named, that an object is a member of.
    """

    name: str
    about: str
    kind: Kind
    types: tuple[str, ...]
    build: Callable[[tuple[str, ...]], Test]
    takes_dates: bool = False


class BadValue(ValueError):
    """A value an operator cannot take."""


def _equals(values: tuple[str, ...]) -> Test:
    (wanted,) = values
    folded, size = wanted.lower(), read_number(wanted.strip())

    def test(value: Any) -> bool:
        if value.__class__ is str:
            return bool(value == wanted)
        if isinstance(value, bool):
            return ("true" if value else "false") == folded
        if isinstance(value, (int, float)) and size is not None:
            return value == size
        return plain_text(value) == wanted

    return test


def _negated(build: Callable[[tuple[str, ...]], Test]) -> Callable[[tuple[str, ...]], Test]:
    def negated(values: tuple[str, ...]) -> Test:
        test = build(values)
        return lambda value: not test(value)

    return negated


def _matches(*, whole: bool) -> Callable[[tuple[str, ...]], Test]:
    def build(values: tuple[str, ...]) -> Test:
        pattern: Pattern = compile_pattern(values[0])
        if whole:
            # Lenient: the page's own samples only make sense when the pattern covers the whole value.
            return lambda value: pattern.matches_whole(plain_text(value))
        return lambda value: pattern.search(plain_text(value)) is not None

    return build


def _greater(*, or_equal: bool) -> Callable[[tuple[str, ...]], Test]:
    def build(values: tuple[str, ...]) -> Test:
        limit = _whole(values[0])
        if limit is None:
            raise BadValue(f"{values[0]!r} is no whole number")

        def test(value: Any) -> bool:
            size = _whole(value)
            return size is not None and (size >= limit if or_equal else size > limit)

        return test

    return build


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    found = value if isinstance(value, int) else read_number(plain_text(value).strip())
    return found if isinstance(found, int) else None


def _of_text(compare: Callable[[str, str], bool], *, folds: bool = False) -> Callable[[tuple[str, ...]], Test]:
    def build(values: tuple[str, ...]) -> Test:
        wanted = lower(values[0]) if folds else values[0]
        if folds:
            return lambda value: compare(lower(plain_text(value)), wanted)
        return lambda value: compare(value if value.__class__ is str else plain_text(value), wanted)

    return build


def _is_boolean(wanted: str) -> Callable[[tuple[str, ...]], Test]:
    return lambda _values: lambda value: plain_text(value).lower() == wanted


def _is_among(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    return lambda value: plain_text(value) in wanted


def _shares_group(values: tuple[str, ...]) -> Test:
    wanted = frozenset(values)
    # Who is in no group holds nothing.
    return lambda held: not wanted.isdisjoint(held or ())


def _compares_date(*, before: bool) -> Callable[[tuple[str, ...]], Test]:
    def build(values: tuple[str, ...]) -> Test:
        limit = read_common_date(values[0])

        def test(value: Any) -> bool:
            at = _date(value)
            return at is not None and (at < limit if before else at > limit)

        return test

    return build


def _date(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    try:
        return read_common_date(plain_text(value))
    except DateError:
        return None


def _never(_values: tuple[str, ...]) -> Test:
    return lambda _value: False


_TEXTS: Final = ("String", "Integer")
_ALL: Final = ("String", "Integer", "Boolean", "Reference", "Binary", "DateTime")


def _operator(
    name: str,
    about: str,
    build: Callable[[tuple[str, ...]], Test],
    *,
    kind: Kind = Kind.BINARY,
    types: tuple[str, ...] = _TEXTS,
    takes_dates: bool = False,
) -> Operator:
    return Operator(
        name=name,
        about=about,
        kind=kind,
        types=types,
        build=build,
        takes_dates=takes_dates,
    )


OPERATORS: Final = (
    _operator("EQUALS", "The value is exactly this, telling upper from lower case.", _equals),
    _operator("NOT EQUALS", "The value is another.", _negated(_equals)),
    _operator("IS TRUE", "The value is true.", _is_boolean("true"), kind=Kind.UNARY, types=("Boolean",)),
    _operator("IS FALSE", "The value is false.", _is_boolean("false"), kind=Kind.UNARY, types=("Boolean",)),
    _operator("IS NULL", "There is no value.", _never, kind=Kind.UNARY, types=_ALL),
    _operator("IS NOT NULL", "There is a value.", _never, kind=Kind.UNARY, types=_ALL),
    _operator("REGEX MATCH", "The whole value matches the pattern.", _matches(whole=True)),
    _operator("NOT REGEX MATCH", "There is a value, and it does not match.", _negated(_matches(whole=True))),
    _operator("Greater_Than", "The value is a greater whole number.", _greater(or_equal=False)),
    _operator("Greater_Than_OR_EQUALS", "The value is this whole number or greater.", _greater(or_equal=True)),
    _operator("Includes", "The value contains the text.", _of_text(lambda value, wanted: wanted in value)),
    _operator("ENDS_WITH", "The value ends with the text.", _of_text(str.endswith)),
    _operator("&", "The value stands somewhere in the text.", _of_text(lambda value, wanted: value in wanted)),
    _operator("!&", "The value stands nowhere in the text.", _of_text(lambda value, wanted: value not in wanted)),
    _operator("REGEX SEARCH", "The pattern is found in the value.", _matches(whole=False)),
    _operator("STARTS_WITH", "The value begins with the text.", _of_text(str.startswith)),
    _operator("EQUALS IGNORE CASE", "The value is this in any case.", _of_text(str.__eq__, folds=True)),
    _operator("IN", "The value is one of these.", _is_among, kind=Kind.LIST),
    _operator("NOT IN", "The value is none of these.", _negated(_is_among), kind=Kind.LIST),
    _operator(
        "MEMBER_OF",
        "The person is a member of one of these groups.",
        _shares_group,
        kind=Kind.GROUPS,
        types=("Reference",),
    ),
    _operator(
        "NOT MEMBER_OF",
        "The person is a member of none of these groups.",
        _negated(_shares_group),
        kind=Kind.GROUPS,
        types=("Reference",),
    ),
    _operator(
        "BEFORE",
        "The date is before this one.",
        _compares_date(before=True),
        types=("DateTime", "String"),
        takes_dates=True,
    ),
    _operator(
        "AFTER",
        "The date is after this one.",
        _compares_date(before=False),
        types=("DateTime", "String"),
        takes_dates=True,
    ),
)


def normal_name(name: str) -> str:
    """The operator's name in one spelling: upper case, words apart by one space."""
    return " ".join(name.upper().replace("_", " ").split())


OPERATORS_BY_NAME: Final[Mapping[str, Operator]] = MappingProxyType(
    {normal_name(item.name): item for item in OPERATORS}
)


def operators_as_graph() -> list[dict[str, Any]]:
    """All operators as `filterOperatorSchema`, Microsoft's first.

    Source: Microsoft Graph, filterOperatorSchema.
    """
    return [
        {
            "id": operator.name,
            "name": operator.name,
            "arity": (Kind.UNARY if operator.kind is Kind.UNARY else Kind.BINARY).value,
            "multivaluedComparisonType": "Any" if operator.kind is Kind.GROUPS else "All",
            "supportedAttributeTypes": list(operator.types),
        }
        for operator in OPERATORS
    ]
