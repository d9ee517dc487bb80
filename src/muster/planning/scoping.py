"""Scoping filters: compiled once, they say of an object whether it is in scope, and which clause decided it."""

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from muster.expression.date_formats import DateError
from muster.expression.inline import Operand, constant, finished_function, has_class, load, read_attribute
from muster.expression.patterns import PatternError
from muster.model.rules import MEMBER_OF, FilterClause, FilterGroup, ScopingFilter
from muster.planning.operators import OPERATORS, OPERATORS_BY_NAME, BadValue, Kind, Operator, Test, normal_name

MAX_GROUPS = 100
MAX_CLAUSES = 100
MAX_VALUES = 1_000
_MAX_REMEMBERED = 1_024

Answers: TypeAlias = Callable[[Mapping[str, Any]], tuple[bool, ...]]


class FilterRefused(ValueError):
    """A scoping filter that cannot be run; the sentence names the clause and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeDecision:
    """Whether an object is in scope; `clause` is the text of what decided it, None where there is no filter."""

    in_scope: bool
    clause: str | None
    results: Mapping[str, bool]
    # What the scoping step of the log shows of it.
    details: Mapping[str, str]
    # What the clauses on memberships that decided mean, in words; nothing of other clauses.
    remarks: tuple[str, ...] = ()
    # Of somebody whom nothing but memberships keeps out: the ids of the groups that they would have to be in.
    missing_groups: tuple[str, ...] = ()
    _joined: dict[tuple[bool, ...], Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)

    def details_with(self, facts: tuple[bool, ...], others: Callable[..., Mapping[str, str]]) -> Mapping[str, str]:
        """What the scoping step shows of it together with what `others` says of facts; joined once for equal ones."""
        joined = self._joined.get(facts)
        if joined is None:
            joined = self._joined[facts] = {**others(*facts), **self.details}
        return joined

    @property
    def reason(self) -> str:
        """The deciding clause in words."""
        if self.clause is None:
            return "there is no scoping filter"
        remarks = f" ({'; '.join(self.remarks)})" if self.remarks else ""
        return f"{self.clause} is {'true' if self.in_scope else 'false'}{remarks}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CompiledGroup:
    texts: tuple[str, ...]
    first: int
    # By the place of a clause that asks for membership: what it means that it does not hold, and the groups asked for.
    memberships: Mapping[int, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """A scoping filter ready to run."""

    # What the clauses of all groups answer, in their order.
    answers: Answers
    groups: tuple[_CompiledGroup, ...]
    # The ids of all groups of the directory that clauses name, sorted.
    named_groups: tuple[str, ...] = ()
    # The same answers of the clauses always give the same decision: it is made once.
    _decisions: dict[tuple[bool, ...], ScopeDecision] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, attributes: Mapping[str, Any]) -> ScopeDecision:
        """Whether an object with these attributes is in scope, with the clause that decided it."""
        answers = self.answers(attributes)
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
        remarks: list[str] = []
        missing: list[tuple[str, ...]] = []
        for group in self.groups:
            held = answers[group.first : group.first + len(group.texts)]
            results.update(zip(group.texts, held, strict=True))
            if all(held):
                passed = passed or " AND ".join(group.texts)
            else:
                place = held.index(False)
                failed.append(group.texts[place])
                remark, asked_for = group.memberships.get(place, ("", ()))
                remarks += [remark] if remark else []
                missing.append(asked_for)
        in_scope = passed is not None or not self.groups
        details = {"Scoping filter evaluation passed": str(in_scope)}
        if results:
            shown = ", ".join(f'"{clause}":{str(held).lower()}' for clause, held in results.items())
            details["ScopeEvaluationResult"] = "{" + shown + "}"
        return ScopeDecision(
            in_scope=in_scope,
            clause=passed or ("; ".join(failed) or None),
            results=MappingProxyType(results),
            details=MappingProxyType(details),
            remarks=() if in_scope else tuple(remarks),
            missing_groups=tuple(each for groups in missing for each in groups)
            if missing and all(missing) and not in_scope
            else (),
        )


def compile_filter(scoping: ScopingFilter, group_names: Mapping[str, str] | None = None) -> CompiledFilter:
    """The filter ready to run.

    Args:
        group_names: by id, what groups of the directory are called; one that is absent is shown by its id.

    Raises:
        FilterRefused: names the clause with an unknown operator, an unsupported attribute or a value that is no good.
    """
    if len(scoping.groups) > MAX_GROUPS:
        raise FilterRefused(f"A job has at most {MAX_GROUPS} scoping filters for an object type; merge some of them.")
    tests: list[tuple[FilterClause, Test]] = []
    groups: list[_CompiledGroup] = []
    clauses = [clause for group in scoping.groups for clause in group.clauses if clause.tests_membership]
    named = {value for clause in clauses for value in clause.values}
    names = _told_apart(named, group_names or {})
    for group in scoping.groups:
        shown = FilterGroup(name=group.name, clauses=tuple(_with_names(clause, names) for clause in group.clauses))
        asked_for = {
            place: (_remark(told), clause.values if find_operator(clause.operator) is _MEMBER_OF else ())
            for place, (clause, told) in enumerate(zip(group.clauses, shown.clauses, strict=True))
            if clause.tests_membership
        }
        groups.append(_CompiledGroup(texts=_texts(shown), first=len(tests), memberships=MappingProxyType(asked_for)))
        tests += ((clause, _compile_clause(group, clause)) for clause in group.clauses)
    return CompiledFilter(answers=_write_answers(tests), groups=tuple(groups), named_groups=tuple(sorted(named)))


def _told_apart(ids: set[str], names: Mapping[str, str]) -> Mapping[str, str]:
    """By id, how each group is called in clauses: those of one name have their ids beside it."""
    called = {each: names[each] for each in ids if names.get(each)}
    often = {name for name, count in Counter(called.values()).items() if count > 1}
    return {each: f"{name} ({each})" if name in often else name for each, name in called.items()}


def _with_names(clause: FilterClause, names: Mapping[str, str]) -> FilterClause:
    if not clause.tests_membership:
        return clause
    return replace(clause, values=tuple(names.get(value, value) for value in clause.values))


def _remark(clause: FilterClause) -> str:
    """What it means that a clause on memberships does not hold, of a clause that shows groups by their names."""
    if find_operator(clause.operator) is not _MEMBER_OF:
        return f"is a member of {' or '.join(clause.values)}"
    return f"is no member of {' or '.join(clause.values)}"


def _write_answers(tests: Sequence[tuple[FilterClause, Test]]) -> Answers:
    """One function for the tests of all clauses; the simplest are written out instead of called."""
    names = {"str": str, **{f"T{index}": test for index, (_, test) in enumerate(tests)}}
    variables: dict[str, str] = {}
    results: list[ast.expr] = []
    for index, (clause, _) in enumerate(tests):
        variable = variables.setdefault(clause.attribute, f"a{len(variables)}")
        called = ast.Call(func=load(f"T{index}"), args=[load(variable)], keywords=[])
        operator = _WRITTEN_OUT.get(normal_name(clause.operator))
        if operator is None:
            results.append(called)
            continue
        wanted = "" if normal_name(clause.operator) in ("IS NULL", "IS NOT NULL") else clause.values[0]
        compared = ast.Compare(left=load(variable), ops=[operator()], comparators=[constant(wanted)])
        if isinstance(compared.ops[0], ast.NotEq) and wanted:
            # The empty text differs from every value, but is no value.
            compared = ast.Compare(
                left=constant(""), ops=[ast.NotEq(), ast.NotEq()], comparators=[load(variable), constant(wanted)]
            )
        results.append(
            ast.IfExp(test=has_class(Operand(expression=load(variable)), "str"), body=compared, orelse=called)
        )
    reads = [read_attribute(name, variable) for name, variable in variables.items()]
    body: list[ast.stmt] = [*reads, ast.Return(value=ast.Tuple(elts=results, ctx=ast.Load()))]
    written: Answers = finished_function(("attributes",), body, names)
    return written


_WRITTEN_OUT: Final[Mapping[str, type[ast.cmpop]]] = {
    "EQUALS": ast.Eq,
    "NOT EQUALS": ast.NotEq,
    "IS NULL": ast.Eq,
    "IS NOT NULL": ast.NotEq,
}


def render_clause(group: FilterGroup, clause: FilterClause) -> str:
    """The clause as logs show it: `Sales.department EQUALS 'Sales'`."""
    operator = find_operator(clause.operator)
    name = clause.operator if operator is None else _spelled(clause.operator, operator)
    if operator is not None and operator.kind is Kind.UNARY:
        return f"{group.name}.{clause.attribute} {name}"
    values = ", ".join(f"'{value}'" for value in clause.values)
    return f"{group.name}.{clause.attribute} {name} {values}"


_MEMBER_OF: Final = OPERATORS_BY_NAME[normal_name("MEMBER_OF")]


def find_operator(name: str) -> Operator | None:
    """The operator of that name, `ANY` or `ALL` before it left aside; None if there is none."""
    return OPERATORS_BY_NAME.get(normal_name(_without_reach(name)))


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
    if operator.kind is Kind.GROUPS:
        _check_membership(where, operator, clause)
    if folded == "issoftdeleted":
        raise FilterRefused(
            f"{where}: scoping filters do not support IsSoftDeleted: whoever leaves or is switched off is handled by "
            "entitlement, before any filter. Remove the clause; [IsSoftDeleted] belongs into the mapping of active."
        )
    if folded in _UNSUPPORTED:
        raise FilterRefused(f"{where}: scoping filters do not support the attribute {clause.attribute}.")
    if folded in _DATES and not operator.takes_dates:
        raise FilterRefused(f"{where}: {clause.attribute} is a date; use BEFORE or AFTER.")
    values = () if operator.kind is Kind.UNARY else clause.values
    if operator.kind is not Kind.UNARY:
        _check_values(where, operator, values)
    try:
        test = operator.build(values)
    except (PatternError, DateError, BadValue) as failure:
        raise FilterRefused(f"{where}: {failure}.") from None
    return _spread(test, operator, any_of=_reach(clause.operator) == "ANY")


def _check_membership(where: str, operator: Operator, clause: FilterClause) -> None:
    if clause.attribute != MEMBER_OF:
        raise FilterRefused(
            f"{where}: {operator.name} tests in which groups of the directory somebody is: its attribute is "
            f"{MEMBER_OF}. To compare an attribute with several values use IN, ANY IN or NOT IN."
        )
    if _reach(clause.operator) is not None:
        raise FilterRefused(
            f"{where}: {operator.name} takes no ANY and no ALL: one of the groups is enough. For all of several "
            "groups write a clause for each."
        )


def _check_values(where: str, operator: Operator, values: tuple[str, ...]) -> None:
    if operator.kind is Kind.GROUPS and not any(values):
        raise FilterRefused(f"{where}: {operator.name} needs a group, by its name or its id.")
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
    if operator.kind is Kind.GROUPS:
        return test
    quantifier: Callable[[Any], bool] = any if any_of else all

    def tested(value: Any) -> bool:
        if value is None or value == "":
            return False
        if value.__class__ is tuple or value.__class__ is list:
            present = [item for item in value if item is not None and item != ""]
            return bool(present) and quantifier([test(item) for item in present])
        return test(value)

    return tested


def _is_null(value: Any) -> bool:
    return value is None or value == "" or value == () or value == []


def _is_not_null(value: Any) -> bool:
    return not _is_null(value)
