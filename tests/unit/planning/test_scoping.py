"""Scoping filters: operators, null, lists, groups, refusals, and the peers' vectors where the suite is at hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from muster.model.rules import FilterClause, FilterGroup, ScopingFilter
from muster.planning.operators import OPERATORS, operators_as_graph
from muster.planning.scoping import (
    MAX_CLAUSES,
    MAX_GROUPS,
    MAX_VALUES,
    FilterRefused,
    ScopeDecision,
    compile_filter,
)
from unit.expression.expression_support import as_values, vectors


def a_clause(attribute: str, operator: str, *values: str) -> FilterClause:
    return FilterClause(attribute=attribute, operator=operator, values=values)


def a_filter(*groups: tuple[FilterClause, ...], names: tuple[str, ...] = ()) -> ScopingFilter:
    named = (*names, *(f"group {index}" for index in range(len(names), len(groups))))
    return ScopingFilter(
        groups=tuple(FilterGroup(name=name, clauses=clauses) for name, clauses in zip(named, groups, strict=True))
    )


def decision(clause: FilterClause, value: Any) -> ScopeDecision:
    attributes = {} if value is None else {clause.attribute: value}
    return compile_filter(a_filter((clause,))).decide(attributes)


@pytest.mark.parametrize("vector", vectors("scoping.jsonl"), ids=lambda vector: vector["id"])
def test_a_filter_of_the_peers_suite_gives_its_answer(vector: dict[str, Any]) -> None:
    if vector.get("ambiguous"):
        # Multi-valued attributes are an extension here; Microsoft refuses them.
        return
    groups = tuple(
        FilterGroup(
            name=group["title"],
            clauses=tuple(
                FilterClause(
                    attribute=clause["attribute"],
                    operator=clause["operator"],
                    values=() if clause.get("value") is None else (str(clause["value"]),),
                )
                for clause in group["clauses"]
            ),
        )
        for group in vector["filters"]
    )
    if vector.get("expect_error"):
        with pytest.raises(FilterRefused):
            compile_filter(ScopingFilter(groups=groups))
        return
    decided = compile_filter(ScopingFilter(groups=groups)).decide(as_values(vector["attrs"]))
    assert decided.in_scope is vector["in_scope"]


@pytest.mark.parametrize(
    ("operator", "values", "value", "expected"),
    [
        ("EQUALS", ("sales",), "sales", True),
        ("EQUALS", ("sales",), "Sales", False),
        ("EQUALS", ("5",), 5, True),
        ("EQUALS", ("05",), 5, True),
        ("EQUALS", ("5",), 5.0, True),
        ("EQUALS", ("x",), 5, False),
        ("EQUALS", ("True",), True, True),
        ("EQUALS", ("false",), True, False),
        ("NOT EQUALS", ("sales",), "Sales", True),
        ("NOT EQUALS", ("sales",), "sales", False),
        ("IS TRUE", (), True, True),
        ("IS TRUE", (), "true", True),
        ("IS TRUE", (), False, False),
        ("IS TRUE", ("ignored",), True, True),
        ("IS FALSE", (), False, True),
        ("IS FALSE", (), "x", False),
        ("IS NULL", (), "x", False),
        ("IS NULL", (), "", True),
        ("IS NULL", (), (), True),
        ("IS NOT NULL", (), ("a",), True),
        ("REGEX MATCH", (r".*\@domain.com",), "jo@domain.com", True),
        ("REGEX MATCH", (r"domain",), "jo@domain.com", False),
        ("REGEX MATCH", ("(1[0-9]{6})",), 1500000, True),
        ("NOT REGEX MATCH", (r".*\@domain.com",), "jo@other.com", True),
        ("REGEX SEARCH", ("domain",), "jo@domain.com", True),
        ("Greater_Than", ("5",), 6, True),
        ("Greater_Than", ("5",), "6", True),
        ("Greater_Than", ("5",), 5, False),
        ("Greater_Than", ("5",), "many", False),
        ("Greater_Than", ("5",), True, False),
        ("Greater_Than", ("5",), 5.5, False),
        ("Greater_Than_OR_EQUALS", ("5",), 5, True),
        ("Includes", ("Eng",), "Engineer", True),
        ("Includes", ("eng",), "Engineer", False),
        ("ENDS_WITH", ("@contoso.com",), "a@contoso.com", True),
        ("ENDS_WITH", ("@contoso.com",), "a@contoso.com.evil", False),
        ("&", ("NL,BE,DE",), "BE", True),
        ("&", ("NL,BE,DE",), "FR", False),
        ("!&", ("NL,BE,DE",), "FR", True),
        ("STARTS_WITH", ("a.",), "a.smith", True),
        ("EQUALS IGNORE CASE", ("SALES",), "sales", True),
        ("IN", ("NL", "BE"), "BE", True),
        ("IN", ("NL", "BE"), "FR", False),
        ("NOT IN", ("NL", "BE"), "FR", True),
        ("BEFORE", ("2024-01-01",), "2023-12-31", True),
        ("BEFORE", ("2024-01-01",), "soon", False),
        ("AFTER", ("2024-01-01",), datetime(2024, 1, 2, tzinfo=UTC), True),
        ("AFTER", ("2024-01-01",), datetime(2024, 1, 2), True),  # noqa: DTZ001  a naive date is taken as UTC
        ("not_equals", ("sales",), "hr", True),
        ("includes", ("a",), "abc", True),
    ],
)
def test_an_operator_decides(operator: str, values: tuple[str, ...], value: Any, expected: bool) -> None:
    assert decision(a_clause("x", operator, *values), value).in_scope is expected


@pytest.mark.parametrize("operator", [item.name for item in OPERATORS])
@pytest.mark.parametrize("nothing", [None, "", (), ("",), [None]])
def test_without_a_value_only_is_null_holds(operator: str, nothing: Any) -> None:
    if operator.endswith("MEMBER_OF"):
        # Of groups, which are no value: see below.
        return
    value = "2024-01-01" if operator in ("BEFORE", "AFTER") else "5"
    values = () if operator.startswith("IS ") else (value,)
    if nothing in (("",), [None]) and operator in ("IS NULL", "IS NOT NULL"):
        return
    expected = operator == "IS NULL"
    assert decision(a_clause("x", operator, *values), nothing).in_scope is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("EQUALS", ("a", "b"), False),
        ("EQUALS", ("a", "a"), True),
        ("EQUALS", ["a"], True),
        ("ANY EQUALS", ("a", "b"), True),
        ("ALL EQUALS", ("a", "b"), False),
        ("any equals", ("b", "c"), False),
        ("NOT EQUALS", ("b", "c"), True),
        ("NOT EQUALS", ("a", "b"), False),
        ("ANY IN", ("z", "a"), True),
        ("NOT IN", ("z", "a"), False),
        ("NOT IN", ("z",), True),
    ],
)
def test_of_a_list_all_values_must_pass_unless_any_is_asked_for(operator: str, value: Any, expected: bool) -> None:
    assert decision(a_clause("groups", operator, "a"), value).in_scope is expected


def test_without_a_filter_everybody_is_in_scope() -> None:
    decided = compile_filter(ScopingFilter()).decide({"x": "y"})
    assert decided == ScopeDecision(
        in_scope=True, clause=None, results={}, details={"Scoping filter evaluation passed": "True"}
    )
    assert decided.reason == "there is no scoping filter"


def test_the_answer_names_the_clauses_that_let_somebody_in() -> None:
    compiled = compile_filter(
        a_filter(
            (a_clause("department", "EQUALS", "Sales"),),
            (a_clause("country", "EQUALS", "NL"), a_clause("title", "IS NOT NULL")),
            names=("Marketing department filter", "NL"),
        )
    )
    decided = compiled.decide({"department": "HR", "country": "NL", "title": "x"})
    assert decided.in_scope
    assert decided.clause == "NL.country EQUALS 'NL' AND NL.title IS NOT NULL"
    assert decided.reason.endswith("is true")
    assert decided.results == {
        "Marketing department filter.department EQUALS 'Sales'": False,
        "NL.country EQUALS 'NL'": True,
        "NL.title IS NOT NULL": True,
    }


def test_the_answer_names_the_clause_of_every_filter_that_kept_somebody_out() -> None:
    compiled = compile_filter(
        a_filter(
            (a_clause("department", "EQUALS", "Sales"),),
            (a_clause("country", "ANY IN", "NL", "BE"), a_clause("title", "IS NOT NULL")),
            names=("A", "B"),
        )
    )
    decided = compiled.decide({"country": "NL"})
    assert not decided.in_scope
    assert decided.clause == "A.department EQUALS 'Sales'; B.title IS NOT NULL"
    assert "B.country ANY IN 'NL', 'BE'" in decided.results
    assert compiled.decide({"country": "BE"}) is decided


def test_more_combinations_than_are_remembered_are_still_decided() -> None:
    clauses = tuple(a_clause(f"a{index}", "IS NULL") for index in range(11))
    compiled = compile_filter(a_filter(clauses))
    for number in range(1100):
        attributes = {f"a{index}": "x" for index in range(11) if number >> index & 1}
        assert compiled.decide(attributes).in_scope is (number == 0)


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        (a_clause("x", "EQUALLS", "a"), "there is no operator 'EQUALLS'"),
        (a_clause("x", "MEMBER_OF", "a"), "its attribute is memberOf. To compare an attribute with several values"),
        (a_clause("memberOf", "ANY NOT MEMBER OF", "a"), "takes no ANY and no ALL: one of the groups is enough"),
        (a_clause("memberOf", "MEMBER_OF"), "MEMBER_OF needs a group, by its name or its id"),
        (a_clause("memberOf", "MEMBER_OF", "a", ""), "MEMBER_OF needs a value"),
        (a_clause("", "EQUALS", "a"), "the attribute is missing"),
        (a_clause("manager", "EQUALS", "a"), "do not support the attribute manager"),
        (a_clause("appRoleAssignments", "IS NULL"), "do not support"),
        (a_clause("IsSoftDeleted", "IS TRUE"), "leaves or is switched off is handled by entitlement"),
        (a_clause("isSoftDeleted", "EQUALS", "False"), "handled by entitlement"),
        (a_clause("startDate", "EQUALS", "2020"), "use BEFORE or AFTER"),
        (a_clause("x", "EQUALS"), "needs a value"),
        (a_clause("x", "EQUALS", ""), "use IS NULL"),
        (a_clause("x", "EQUALS", "a", "b"), "for several use IN"),
        (a_clause("x", "IN", *(str(number) for number in range(MAX_VALUES + 1))), "at most 1,000 values"),
        (a_clause("x", "REGEX MATCH", "("), "cannot be read"),
        (a_clause("x", "REGEX MATCH", "(?=a)"), "look-ahead"),
        (a_clause("x", "Greater_Than", "many"), "'many' is no whole number"),
        (a_clause("x", "Greater_Than", "1.5"), "no whole number"),
        (a_clause("x", "BEFORE", "soon"), "a date looks like"),
    ],
)
def test_a_bad_clause_is_refused_with_its_reason(clause: FilterClause, told: str) -> None:
    with pytest.raises(FilterRefused) as refusal:
        compile_filter(a_filter((clause,), names=("Staff",)))
    assert told in refusal.value.sentence
    assert "Scoping filter “Staff”" in str(refusal.value)


@pytest.mark.parametrize(
    ("scoping", "told"),
    [
        (a_filter(()), "has no clause"),
        (a_filter((a_clause("x", "IS NULL"),) * (MAX_CLAUSES + 1)), "more than 100 clauses"),
        (a_filter(*(((a_clause("x", "IS NULL"),),) * (MAX_GROUPS + 1))), "at most 100 scoping filters"),
    ],
)
def test_a_filter_out_of_limits_is_refused(scoping: ScopingFilter, told: str) -> None:
    with pytest.raises(FilterRefused, match=told):
        compile_filter(scoping)


def test_a_date_attribute_can_be_compared_as_a_date() -> None:
    assert decision(a_clause("startDate", "BEFORE", "2024-01-01"), "2023-05-01").in_scope


def test_every_operator_is_listed_for_graph() -> None:
    listed = operators_as_graph()
    assert [item["name"] for item in listed] == [item.name for item in OPERATORS]
    assert listed[0] == {
        "id": "EQUALS",
        "name": "EQUALS",
        "arity": "Binary",
        "multivaluedComparisonType": "All",
        "supportedAttributeTypes": ["String", "Integer"],
    }
    assert {item["arity"] for item in listed} == {"Unary", "Binary"}


# ---------------------------------------------------------------- memberships

NAMES = {"g-sales": "Sales", "g-north": "North", "g-twin": "North"}


@pytest.mark.parametrize(
    ("operator", "groups", "held", "expected"),
    [
        ("MEMBER_OF", ("g-sales",), ("g-sales",), True),
        ("member of", ("g-sales", "g-north"), ("g-north", "g-other"), True),
        ("MEMBER_OF", ("g-sales",), ("g-north",), False),
        ("MEMBER_OF", ("g-sales",), (), False),
        ("MEMBER_OF", ("g-sales",), None, False),
        ("NOT MEMBER_OF", ("g-sales",), ("g-north",), True),
        ("NOT_MEMBER_OF", ("g-sales", "g-north"), ("g-north",), False),
        ("NOT MEMBER_OF", ("g-sales",), (), True),
        ("NOT MEMBER_OF", ("g-sales",), None, True),
    ],
)
def test_membership_of_one_of_the_groups_is_tested(
    operator: str, groups: tuple[str, ...], held: tuple[str, ...] | None, expected: bool
) -> None:
    compiled = compile_filter(a_filter((a_clause("memberOf", operator, *groups),)))
    assert compiled.decide({"memberOf": held}).in_scope is expected
    assert compiled.named_groups == tuple(sorted(groups))
    if held is None:
        assert compiled.decide({}).in_scope is expected


def test_a_filter_that_asks_for_no_group_names_none() -> None:
    assert compile_filter(a_filter((a_clause("x", "EQUALS", "a"),))).named_groups == ()


def test_a_clause_on_memberships_is_told_with_the_names_of_groups() -> None:
    scoping = a_filter(
        (a_clause("memberOf", "MEMBER_OF", "g-sales", "g-gone"), a_clause("memberOf", "NOT MEMBER_OF", "g-north")),
        (a_clause("department", "EQUALS", "IT"),),
        names=("Staff", "IT"),
    )
    decide = compile_filter(scoping, NAMES).decide
    outside = decide({})
    assert outside.reason == (
        "Staff.memberOf MEMBER_OF 'Sales', 'g-gone'; IT.department EQUALS 'IT' is false "
        "(is no member of Sales or g-gone)"
    )
    # Another department would have let them in as well: that no group is what they lack is not sure.
    assert outside.missing_groups == ()
    north = decide({"memberOf": ("g-sales", "g-north")})
    assert north.clause == "Staff.memberOf NOT MEMBER_OF 'North'; IT.department EQUALS 'IT'"
    assert north.reason.endswith("is false (is a member of North)")
    inside = decide({"memberOf": ("g-sales",)})
    assert (inside.in_scope, inside.remarks, inside.missing_groups) == (True, (), ())


def test_who_lacks_nothing_but_membership_lacks_these_groups() -> None:
    scoping = a_filter(
        (a_clause("memberOf", "MEMBER_OF", "g-sales"),), (a_clause("memberOf", "MEMBER_OF", "g-north", "g-twin"),)
    )
    decision = compile_filter(scoping, NAMES).decide({"memberOf": ()})
    assert decision.missing_groups == ("g-sales", "g-north", "g-twin")
    # Two groups of one name are told apart by their ids.
    assert "'North (g-north)', 'North (g-twin)'" in decision.reason
    held = compile_filter(a_filter((a_clause("memberOf", "NOT MEMBER_OF", "g-sales"),))).decide(
        {"memberOf": ("g-sales",)}
    )
    assert held.missing_groups == ()


def test_filter_operators_list_memberships_as_groups_any_of_which_counts() -> None:
    listed = {each["id"]: each for each in operators_as_graph()}
    for name in ("MEMBER_OF", "NOT MEMBER_OF"):
        assert listed[name]["multivaluedComparisonType"] == "Any"
        assert listed[name]["supportedAttributeTypes"] == ["Reference"]
