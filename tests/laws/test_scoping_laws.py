"""Scoping filters: what is compiled to one function says what each clause says by itself, joined by AND and OR."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laws.cases import cases
from muster.model.rules import MEMBER_OF, FilterClause, FilterGroup, ScopingFilter
from muster.planning.operators import OPERATORS, Kind, Operator
from muster.planning.scoping import compile_filter

WORDS = st.sampled_from(["a", "ab", "b", "7", "12", "2024-01-01", "A"])
IDS = ("g1", "g2", "g3")
VALUES = st.one_of(st.none(), st.just(""), WORDS, st.integers(0, 20), st.booleans(), st.lists(WORDS, max_size=3))


@st.composite
def clauses(draw: st.DrawFn) -> FilterClause:
    operator: Operator = draw(st.sampled_from(OPERATORS))
    if operator.kind is Kind.GROUPS:
        groups = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3))
        return FilterClause(attribute=MEMBER_OF, operator=operator.name, values=tuple(groups))
    count = {Kind.UNARY: 0, Kind.BINARY: 1}.get(operator.kind, 2)
    if operator.takes_dates:
        values: tuple[str, ...] = ("2024-01-01",)
    elif operator.name.startswith("Greater"):
        values = ("7",)
    else:
        values = tuple(draw(st.lists(WORDS, min_size=count, max_size=count)))
    reach = draw(st.sampled_from(["", "ANY "]))
    return FilterClause(attribute=draw(st.sampled_from("xyz")), operator=f"{reach}{operator.name}", values=values)


def holds(clause: FilterClause, attributes: Mapping[str, Any]) -> bool:
    """What a clause says: of groups by its meaning, of values by a filter that has no other clause."""
    if clause.attribute == MEMBER_OF:
        is_in = bool(set(clause.values) & set(attributes.get(MEMBER_OF) or ()))
        return is_in is (clause.operator == "MEMBER_OF")
    alone = ScopingFilter(groups=(FilterGroup(name="alone", clauses=(clause,)),))
    return compile_filter(alone).decide(attributes).in_scope


@cases(150)
@given(
    groups=st.lists(st.lists(clauses(), min_size=1, max_size=3), max_size=3),
    values=st.fixed_dictionaries({}, optional=dict.fromkeys("xyz", VALUES)),
    held=st.one_of(st.none(), st.lists(st.sampled_from((*IDS, "other")), unique=True)),
)
def test_a_compiled_filter_says_what_its_clauses_say(
    groups: list[list[FilterClause]], values: dict[str, Any], held: list[str] | None
) -> None:
    attributes = {**values, **({} if held is None else {MEMBER_OF: tuple(held)})}
    scoping = ScopingFilter(
        groups=tuple(FilterGroup(name=f"g{at}", clauses=tuple(each)) for at, each in enumerate(groups))
    )
    compiled = compile_filter(scoping, {"g1": "One", "g2": "Two"})
    decision = compiled.decide(attributes)
    answers = [[holds(clause, attributes) for clause in group] for group in groups]
    assert decision.in_scope is (not groups or any(all(group) for group in answers))
    if decision.missing_groups:
        # Whoever lacks nothing but membership comes in by being in one of these.
        assert not decision.in_scope
        assert all(
            group[said.index(False)].operator == "MEMBER_OF" for group, said in zip(groups, answers, strict=True)
        )
    named = {value for group in groups for clause in group if clause.attribute == MEMBER_OF for value in clause.values}
    assert compiled.named_groups == tuple(sorted(named))
