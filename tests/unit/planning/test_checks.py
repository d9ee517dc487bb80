"""Mistakes in mappings that are found when rules are saved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.model.directory import AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition, ObjectDefinition, SynchronizationSchema
from muster.planning.checks import find_mapping_problems, find_role_problems
from unit.planning.making import GROUP, MEMBERS, USER_NAME, USER_ROWS, Row, only, row, schema

BOOLEAN, INTEGER, DATE = AttributeType.BOOLEAN, AttributeType.INTEGER, AttributeType.DATE_TIME
STRING, REFERENCE, BINARY = AttributeType.STRING, AttributeType.REFERENCE, AttributeType.BINARY


def problems(item: Row) -> tuple[str, ...]:
    return find_mapping_problems(schema((USER_NAME, item)))


def test_usual_mappings_have_no_problem() -> None:
    assert find_mapping_problems(schema(USER_ROWS)) == ()
    assert find_mapping_problems(schema((row("displayName", "[displayName]", matching=1), MEMBERS), kind=GROUP)) == ()


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (row("active", "[employeeHireDate]", kind=BOOLEAN), "gives a date and time ([employeeHireDate]); active takes"),
        (row("count", "[accountEnabled]", kind=INTEGER), "gives True or False"),
        (row("since", "[accountEnabled]", kind=DATE), "since takes a date and time"),
        (row("boss", "[manager]"), "gives a reference ([manager]); boss takes a text"),
        (row("mail", "[proxyAddresses]"), "gives many values ([proxyAddresses]); mail takes one"),
        (row("manager", "[department]", kind=REFERENCE), "manager is a reference: map [manager] or [members]"),
        (row("photo", "[accountEnabled]", kind=BINARY), "photo takes binary content"),
        (row("active", '"maybe"', kind=BOOLEAN), "gives the constant “maybe”; active takes True or False"),
        (row("count", '"four"', kind=INTEGER), "gives the constant “four”"),
        (row("since", '"yesterday"', kind=DATE), "gives the constant “yesterday”"),
        (row("count", "Not([IsSoftDeleted])", kind=INTEGER), "gives True or False (Not)"),
        (row("mail", 'Split([mail], ",")'), "gives many values (Split)"),
        (row("role", "AppRoleAssignmentsComplex([appRoleAssignments])"), "gives many values"),
        (
            row("active", "[mail]", kind=BOOLEAN, default="perhaps"),
            "default value “perhaps”; active takes True or False",
        ),
        (row("manager", "[manager]", kind=REFERENCE, default="boss"), "the default value “boss”"),
        (row("mail", "Join("), "cannot be read"),
        (
            row("mail", 'Replace([mail], , "(?=b)", , "x", , )'),
            "At character 19: Replace: the pattern (?=b) uses a look-ah",
        ),
        (
            row("mail", 'Trim(Replace([mail], , "a(", , "x", , ))'),
            "At character 24: Replace: the pattern a( cannot be read",
        ),
        (row("mail", 'Replace([mail], , "(?<n>b)", "m", "x", , )'), "At character 30: Replace"),
    ],
)
def test_a_mapping_that_never_gives_the_target_its_type_is_a_problem(item: Row, said: str) -> None:
    (problem,) = problems(item)
    assert item.mapping.target_attribute in problem and said in problem


@pytest.mark.parametrize(
    "item",
    [
        row("active", "[extensionAttribute1]", kind=BOOLEAN, default="true"),
        row("active", '"False"', kind=BOOLEAN),
        row("active", "[accountEnabled]", kind=BOOLEAN),
        row("active", "[accountEnabled]"),
        row("count", "[extension_0123456789abcdef0123456789abcdef_n]", kind=INTEGER, default="-4"),
        row("since", "[employeeHireDate]", kind=DATE, default="2026-01-05T08:00:00Z"),
        row("mail", "Item([proxyAddresses], 1)"),
        row("mails", "[proxyAddresses]", multivalued=True),
        row("mails", 'Split([mail], ",")', multivalued=True),
        row("manager", "[manager]", kind=REFERENCE),
        row("is", "Not([IsSoftDeleted])"),
        row("is", "Not([IsSoftDeleted])", kind=BOOLEAN),
        row("nothing", None, default="x"),
        row("mail", 'Replace([mail], , "(?<n>b)", "n", "x", , )'),
        row("mail", 'Replace([mail], , [jobTitle], "n", "x", , )'),
        row("mail", 'Replace([mail], , "(b)", [jobTitle], "x", , )'),
        row("mail", 'Replace([mail], "(?=b)", , , "x", , )'),
        row("photo", '"QUJD"', kind=BINARY),
    ],
)
def test_what_may_come_out_right_is_no_problem(item: Row) -> None:
    assert problems(item) == ()


def test_many_references_do_not_fit_into_one() -> None:
    owner = row("owner", "[members]", kind=REFERENCE)
    made = schema((row("displayName", "[displayName]", matching=1), owner), kind=GROUP)
    assert "gives many references" in find_mapping_problems(made)[0]


def test_attributes_of_another_source_have_the_types_that_its_schema_says() -> None:
    made = schema((USER_NAME, row("active", "[since]", kind=BOOLEAN)))
    rule = replace(made.rules[0], source_directory="Payroll")
    described = ObjectDefinition(name="User", attributes=(AttributeDefinition(name="since", type=DATE),))
    payroll = replace(made, rules=(rule,), directories={**made.directories, "Payroll": (described,)})
    assert "active takes True or False" in find_mapping_problems(payroll)[0]


def test_a_mapping_that_a_cycle_would_pass_over_is_a_problem() -> None:
    made = schema(USER_ROWS)
    (rule,) = made.rules
    (mapping,) = rule.object_mappings
    off = replace(rule, name="off", object_mappings=(replace(mapping, enabled=False),))
    groups = replace(rule, name="groups", object_mappings=(replace(mapping, source_object="Group"),))
    assert find_mapping_problems(replace(made, rules=(rule, off, groups))) == ()
    guests = replace(rule, name="guests", object_mappings=(replace(mapping, name="Guests", source_object="Guest"),))
    (problem,) = find_mapping_problems(replace(made, rules=(rule, guests)))
    assert f"“Guests” of rule guests would be ignored: “{mapping.name}” of rule {rule.name} comes before" in problem


def test_a_target_that_describes_nothing_takes_texts() -> None:
    made = schema((USER_NAME, row("active", "[mail]")))
    assert find_mapping_problems(replace(made, directories={})) == ()


def test_matching_on_what_the_target_cannot_be_searched_by_is_a_problem() -> None:
    made = schema((USER_NAME, row("mail", "[mail]", matching=2)))
    assert find_mapping_problems(made, {"Group": ("displayName",)}) == ()
    (problem,) = find_mapping_problems(made, {ObjectKind.USER: ("userName", "externalId")})
    assert "matches on mail, by which the target cannot be searched; it can by userName, externalId." in problem


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("SingleAppRoleAssignment([appRoleAssignments])", "SingleAppRoleAssignment"),
        ("Item(AppRoleAssignments([appRoleAssignments]), 1)", "AppRoleAssignments"),
        ("AppRoleAssignmentsComplex([appRoleAssignments])", "AppRoleAssignmentsComplex"),
        ("AssertiveAppRoleAssignmentsComplex ([appRoleAssignments])", "AssertiveAppRoleAssignmentsComplex"),
        ("Join([appRoleAssignments])", "[appRoleAssignments]"),
    ],
)
def test_role_functions_are_refused_when_everybody_is_in_scope(expression: str, named: str) -> None:
    made = schema((USER_NAME, row("roles", expression, multivalued=True)))
    (problem,) = find_role_problems(made)
    assert f"uses {named}, which needs assignments" in problem
    assert problem in find_mapping_problems(made, sync_all=True)
    assert problem not in find_mapping_problems(made)


def test_a_mapping_that_is_switched_off_may_name_roles() -> None:
    made: SynchronizationSchema = schema((USER_NAME, row("r", "[appRoleAssignments]", multivalued=True)), enabled=False)
    assert find_role_problems(made) == ()


# ---------------------------------------------------------------- clauses of scoping filters


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "said"),
    [
        ("department", "IS NULL", "x", "IS NULL takes no value; remove “x”"),
        ("accountEnabled", "is true", "yes", "IS TRUE takes no value"),
        ("accountEnabled", "ENDS_WITH", "e", "accountEnabled holds True or False, which ENDS_WITH does not test"),
        ("accountEnabled", "Greater_Than", "1", "use one of EQUALS, NOT EQUALS, IS TRUE"),
        ("employeeHireDate", "EQUALS", "2026-01-01", "IS NULL, IS NOT NULL, BEFORE, AFTER"),
        ("employeeHireDate", "ANY IS TRUE", "", "holds a date and time"),
    ],
)
def test_a_clause_that_never_says_what_is_meant_is_a_problem(
    attribute: str, operator: str, value: str, said: str
) -> None:
    (problem,) = find_mapping_problems(schema(scope=only(attribute, value, operator=operator)))
    assert problem.startswith(f"Scoping filter “{attribute} filter”, clause “") and said in problem


@pytest.mark.parametrize(
    ("attribute", "operator", "value"),
    [
        ("department", "IS NULL", ""),
        ("accountEnabled", "EQUALS", "True"),
        ("accountEnabled", "IS FALSE", ""),
        ("extensionAttribute1", "IS TRUE", ""),
        ("employeeHireDate", "BEFORE", "2026-01-01"),
        ("proxyAddresses", "ANY EQUALS", "a"),
        ("memberOf", "MEMBER_OF", "g1"),
        ("manager", "EQUALS", "x"),
        # What is not described, and what there is not, others look at.
        ("extension_0123456789abcdef0123456789abcdef_size", "ENDS_WITH", "1"),
        ("department", "NO SUCH", "a"),
    ],
)
def test_a_clause_that_fits_its_attribute_is_none(attribute: str, operator: str, value: str) -> None:
    assert find_mapping_problems(schema(scope=only(attribute, value, operator=operator))) == ()
