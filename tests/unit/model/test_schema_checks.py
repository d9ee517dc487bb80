from __future__ import annotations

from dataclasses import replace

import pytest

from muster.model.directory import AttributeType
from muster.model.rules import (
    AttributeDefinition,
    AttributeMapping,
    FilterClause,
    FilterGroup,
    Mutability,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
    ScopingFilter,
)
from muster.model.schema_checks import attributes_in, find_mapping_faults, repeated

USER_NAME = AttributeMapping(target_attribute="userName", expression="[userPrincipalName]", matching_priority=1)
TITLE = AttributeMapping(target_attribute="title", expression="[jobTitle]", clear_when_null=True)
USERS = ObjectMapping(
    name="Users",
    enabled=True,
    actions=frozenset(ObjectAction),
    source_object="User",
    target_object="User",
    scope=ScopingFilter(),
    attribute_mappings=(USER_NAME, TITLE),
)
ID = AttributeDefinition(name="id", anchor=True, required=True)
TARGET = (
    ID,
    AttributeDefinition(name="userName", required=True),
    AttributeDefinition(name="title"),
    AttributeDefinition(name="meta", required=True, mutability=Mutability.READ_ONLY),
)


def faults(mapping: ObjectMapping, *attributes: AttributeDefinition) -> list[str]:
    target = ObjectDefinition(name="User", attributes=(*TARGET, *attributes))
    return list(find_mapping_faults(mapping, "Directory", (), (target,)))


def test_mappings_that_both_directories_can_bear_have_no_fault() -> None:
    assert faults(USERS) == []
    assert list(find_mapping_faults(USERS, "Elsewhere", (), ())) == []


@pytest.mark.parametrize(
    ("expression", "is_fault"),
    [
        ('SelectUniqueValue([userPrincipalName], Append([userPrincipalName], "2"))', True),
        ('SelectUniqueValue ("a", [mail])', True),
        ('Append([userPrincipalName], "SelectUniqueValue(")', False),
        ("[mail]", False),
    ],
)
def test_a_matching_attribute_never_takes_a_value_chosen_to_be_free(expression: str, is_fault: bool) -> None:
    own, other = replace(USER_NAME, expression=expression), replace(TITLE, expression=expression)
    found = faults(replace(USERS, attribute_mappings=(own, TITLE)))
    assert [fault.partition(":")[0] for fault in found] == (
        ["userName is a matching attribute and cannot use SelectUniqueValue"] if is_fault else []
    )
    assert faults(replace(USERS, attribute_mappings=(USER_NAME, other))) == []


def test_groups_of_the_directory_are_asked_for_only_of_the_directory() -> None:
    clause = FilterClause(attribute="memberOf", operator="not member_of", values=("g1",))
    other = FilterClause(attribute="userPrincipalName", operator="IS NOT NULL")
    assert clause.tests_membership and not other.tests_membership
    groups = (FilterGroup(name="Staff", clauses=(other, clause)), FilterGroup(name="Others", clauses=(other,)))
    mapping = replace(USERS, scope=ScopingFilter(groups=groups))
    assert faults(mapping) == []
    (told,) = find_mapping_faults(mapping, "LDAP", (), ())
    assert told == (
        "Scoping filter “Staff” asks for groups of the directory, but the source is LDAP: "
        "compare one of its attributes instead."
    )
    compared = replace(clause, operator="EQUALS")
    mapping = replace(USERS, scope=ScopingFilter(groups=(FilterGroup(name="Staff", clauses=(compared,)),)))
    assert faults(mapping) == ["Scoping filter “Staff”: memberOf is tested by MEMBER_OF and NOT MEMBER_OF alone."]
    # In LDAP it is an attribute like others.
    assert list(find_mapping_faults(mapping, "LDAP", (), ())) == []


REQUIRED = AttributeDefinition(name="site", required=True)


def test_a_required_attribute_without_a_mapping_is_a_fault_only_where_objects_are_created() -> None:
    assert faults(USERS, REQUIRED) == ["“Users” has no mapping for site, which the target requires: add one."]
    assert faults(replace(USERS, actions=frozenset({ObjectAction.UPDATE})), REQUIRED) == []
    assert faults(replace(USERS, enabled=False), REQUIRED) == []


@pytest.mark.parametrize(
    "mapping", [replace(USER_NAME, clear_when_null=True), replace(USER_NAME, target_attribute="key")]
)
def test_what_must_have_a_value_cannot_be_cleared(mapping: AttributeMapping) -> None:
    key = AttributeDefinition(name="key", type=AttributeType.STRING)
    only = replace(USERS, attribute_mappings=(USER_NAME, replace(mapping, clear_when_null=True)))
    assert any("cannot be cleared" in fault for fault in faults(only, key))


def test_attributes_in_an_expression_are_named_once_and_texts_hold_none() -> None:
    assert attributes_in('Join("[x] \\" [y]", [a], [ b ], [a])') == ("a", "b")


def test_repeated_names_are_told_once_and_empty_ones_not_at_all() -> None:
    assert repeated(["a", "b", "a", "a", "", ""]) == ["a"]
