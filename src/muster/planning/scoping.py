"""Scoping filters: compiled once, they say of an object whether it is in scope, and which clause decided it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from muster.expression.date_formats import DateError, read_common_date
from muster.expression.letters import lower
from muster.expression.patterns import Pattern, PatternError, compile_pattern
from muster.expression.values import plain_text, read_number
from muster.model.rules import FilterClause, FilterGroup, ScopingFilter

MAX_GROUPS = 100
MAX_CLAUSES = 100
MAX_VALUES = 1_000
_MAX_REMEMBERED = 1_024

Test: TypeAlias = Callable[[Any], bool]


class FilterRefused(ValueError):
    """A scoping filter that cannot be run; the sentence names the clause and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Kind(StrEnum):
    """How many values an operator takes beside the attribute."""

    UNARY = "Unary"
    BINARY = "Binary"
    LIST = "List"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator of scoping filters; `build` makes the test of one single value, which is never null or empty."""

    name: str
    about: str
    kind: Kind
    types: tuple[str, ...]
    build: Callable[[tuple[str, ...]], Test]
    is_extension: bool = False
    takes_dates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeDecision:
    """Whether an object is in scope; `clause` is the text of what decided it, None where there is no filter."""

    in_scope: bool
    clause: str | None
    results: Mapping[str, bool]

    @property
    def reason(self) -> str:
        """The deciding clause in words."""
        if self.clause is None:
            return "there is no scoping filter"
        return f"{self.clause} is {'true' if self.in_scope else 'false'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompiledGroup:
    texts: tuple[str, ...]
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """A scoping filter ready to run."""

    tests: tuple[tuple[str, Test], ...]
    groups: tuple[_CompiledGroup, ...]
    # The same answers of the clauses always give the same decision: it is made once.
    _decisions: dict[tuple[bool, ...], ScopeDecision] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, attributes: Mapping[str, Any]) -> ScopeDecision:
        """Whether an object with these attributes is in scope, with the clause that decided it."""
        get = attributes.get
        answers = tuple([test(get(name)) for name, test in self.tests])
        decision = self._decisions.get(answers)
        if decision is None:
            decision = self._decided(answers)
            if len(self._decisions) < _MAX_REMEMBERED:
                self._decisions[answers] = decision
        return decision

    def _decided(self, answers: tuple[bool, ...]) -> ScopeDecision:
        results: dict[str, bool] = {}
        passed: str | None = None
        failed: list[str] = []
        for group in self.groups:
            held = answers[group.first : group.first + len(group.texts)]
            results.update(zip(group.texts, held, strict=True))
            if all(held):
                passed = passed or " AND ".join(group.texts)
            else:
                failed.append(group.texts[held.index(False)])
        return ScopeDecision(
            in_scope=passed is not None or not self.groups,
            clause=passed or ("; ".join(failed) or None),
            results=MappingProxyType(results),
        )


def compile_filter(scoping: ScopingFilter) -> CompiledFilter:
    """The filter ready to run.

    Raises:
        FilterRefused: names the clause with an unknown operator, an unsupported attribute or a value that is no good.
    """
    if len(scoping.groups) > MAX_GROUPS:
        raise FilterRefused(f"A job has at most {MAX_GROUPS} scoping filters for an object type; merge some of them.")
    tests: list[tuple[str, Test]] = []
    groups: list[_CompiledGroup] = []
    for group in scoping.groups:
        groups.append(_CompiledGroup(texts=_texts(group), first=len(tests)))
        tests += ((clause.attribute, _compile_clause(group, clause)) for clause in group.clauses)
    return CompiledFilter(tests=tuple(tests), groups=tuple(groups))


def render_clause(group: FilterGroup, clause: FilterClause) -> str:
    """The clause as logs show it: `Sales.department EQUALS 'Sales'`."""
    operator = find_operator(clause.operator)
    name = clause.operator if operator is None else _spelled(clause.operator, operator)
    if operator is not None and operator.kind is Kind.UNARY:
        return f"{group.name}.{clause.attribute} {name}"
    values = ", ".join(f"'{value}'" for value in clause.values)
    return f"{group.name}.{clause.attribute} {name} {values}"


def find_operator(name: str) -> Operator | None:
    """The operator of that name, `ANY` or `ALL` before it left aside; None if there is none."""
    return OPERATORS_BY_NAME.get(_normal(_without_reach(name)))


def _normal(name: str) -> str:
    return " ".join(name.upper().replace("_", " ").split())


def _reach(name: str) -> str | None:
    first = name.strip().partition(" ")[0].upper()
    return first if first in ("ANY", "ALL") else None


def _without_reach(name: str) -> str:
    return name if _reach(name) is None else name.strip().partition(" ")[2]


def _spelled(written: str, operator: Operator) -> str:
    reach = _reach(written)
    return operator.name if reach is None else f"{reach} {operator.name}"


def _texts(group: FilterGroup) -> tuple[str, ...]:
    if not group.clauses:
        raise FilterRefused(f"Scoping filter “{group.name}” has no clause; add one or remove the filter.")
    if len(group.clauses) > MAX_CLAUSES:
        raise FilterRefused(f"Scoping filter “{group.name}” has more than {MAX_CLAUSES} clauses; split it.")
    return tuple(render_clause(group, clause) for clause in group.clauses)


# Source: Microsoft's page on scoping filters, "unsupported attributes".
_UNSUPPORTED: Final = frozenset(("approleassignments", "usertype", "manager", "members"))
_DATES: Final = frozenset(("statushiredate", "startdate", "enddate", "statusterminationdate", "accountexpires"))


def _compile_clause(group: FilterGroup, clause: FilterClause) -> Test:
    where = f"Scoping filter “{group.name}”, clause “{render_clause(group, clause)}”"
    operator = find_operator(clause.operator)
    if operator is None:
        known = ", ".join(item.name for item in OPERATORS)
        raise FilterRefused(f"{where}: there is no operator {clause.operator!r}; use one of {known}.")
    if not clause.attribute:
        raise FilterRefused(f"{where}: the attribute is missing.")
    folded = clause.attribute.lower()
    if folded in _UNSUPPORTED:
        raise FilterRefused(f"{where}: scoping filters do not support the attribute {clause.attribute}.")
    if folded in _DATES and not operator.takes_dates:
        raise FilterRefused(f"{where}: {clause.attribute} is a date; use BEFORE or AFTER.")
    values = () if operator.kind is Kind.UNARY else clause.values
    if operator.kind is not Kind.UNARY:
        _check_values(where, operator, values)
    try:
        test = operator.build(values)
    except (PatternError, DateError, _BadValue) as failure:
        raise FilterRefused(f"{where}: {failure}.") from None
    return _spread(test, operator, any_of=_reach(clause.operator) == "ANY")


def _check_values(where: str, operator: Operator, values: tuple[str, ...]) -> None:
    if not values or any(not value for value in values):
        raise FilterRefused(f"{where}: {operator.name} needs a value; for an empty attribute use IS NULL.")
    if operator.kind is Kind.BINARY and len(values) > 1:
        raise FilterRefused(f"{where}: {operator.name} takes one value; for several use IN.")
    if len(values) > MAX_VALUES:
        raise FilterRefused(f"{where}: {operator.name} takes at most {MAX_VALUES:,} values.")


def _spread(test: Test, operator: Operator, *, any_of: bool) -> Test:
    """The test of what an attribute holds: null is tested by IS NULL alone, of a list all values, or any, must pass."""
    if operator.name == "IS NULL":
        return _is_null
    if operator.name == "IS NOT NULL":
        return _is_not_null
    quantifier: Callable[[Any], bool] = any if any_of or operator.name == "MEMBER_OF" else all
    # Who is a member of nothing is no member of these.
    without_value = operator.name == "NOT MEMBER_OF"

    def tested(value: Any) -> bool:
        if value is None or value == "":
            return without_value
        if value.__class__ is tuple or value.__class__ is list:
            present = [item for item in value if item is not None and item != ""]
            return quantifier([test(item) for item in present]) if present else without_value
        return test(value)

    return tested


def _is_null(value: Any) -> bool:
    return value is None or value == "" or value == () or value == []


def _is_not_null(value: Any) -> bool:
    return not _is_null(value)


# ---------------------------------------------------------------- tests of a single value


class _BadValue(ValueError):
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
            raise _BadValue(f"{values[0]!r} is no whole number")

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
    is_extension: bool = False,
    takes_dates: bool = False,
) -> Operator:
    return Operator(
        name=name,
        about=about,
        kind=kind,
        types=types,
        build=build,
        is_extension=is_extension,
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
    _operator("REGEX SEARCH", "The pattern is found in the value.", _matches(whole=False), is_extension=True),
    _operator("STARTS_WITH", "The value begins with the text.", _of_text(str.startswith), is_extension=True),
    _operator(
        "EQUALS IGNORE CASE", "The value is this in any case.", _of_text(str.__eq__, folds=True), is_extension=True
    ),
    _operator("IN", "The value is one of these.", _is_among, kind=Kind.LIST, is_extension=True),
    _operator("NOT IN", "The value is none of these.", _negated(_is_among), kind=Kind.LIST, is_extension=True),
    _operator("MEMBER_OF", "One of the values is one of these.", _is_among, kind=Kind.LIST, is_extension=True),
    _operator(
        "NOT MEMBER_OF", "None of the values is one of these.", _negated(_is_among), kind=Kind.LIST, is_extension=True
    ),
    _operator(
        "BEFORE",
        "The date is before this one.",
        _compares_date(before=True),
        types=("DateTime", "String"),
        is_extension=True,
        takes_dates=True,
    ),
    _operator(
        "AFTER",
        "The date is after this one.",
        _compares_date(before=False),
        types=("DateTime", "String"),
        is_extension=True,
        takes_dates=True,
    ),
)
OPERATORS_BY_NAME: Final[Mapping[str, Operator]] = MappingProxyType({_normal(item.name): item for item in OPERATORS})
