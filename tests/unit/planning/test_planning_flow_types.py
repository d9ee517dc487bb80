"""What flows when: flow types, cleared values, immutable attributes, roles, and targets that cannot switch off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from muster.model.application import RoleGrant
from muster.model.directory import Lifecycle
from muster.model.log import SkipReason
from muster.model.operation import LinkState, OperationKind, Verb
from muster.model.rules import FlowBehavior, FlowType, Mutability, ObjectDefinition
from muster.planning.rules import KindRules, compile_rules
from unit.planning.making import (
    MEMBER,
    USER_NAME,
    Row,
    changes_of,
    compiled,
    link,
    linked,
    person,
    plan,
    row,
    schema,
)

AUDITOR = RoleGrant(role_id="role-auditor", role_value="Auditor", role_display_name="Auditor")


def clearing(name: str, expression: str, **others: Any) -> Row:
    made = row(name, expression, case_exact=True, **others)
    return replace(made, mapping=replace(made.mapping, clear_when_null=True))


def verbs_of(operation: Any) -> dict[str, Verb]:
    return {change.attribute: change.verb for change in operation.changes}


# ---------------------------------------------------------------- clearing


def test_an_empty_source_clears_the_target_only_where_the_mapping_asks_for_it() -> None:
    without = person(without=("jobTitle",))
    assert plan(without, linked(link())).kind is OperationKind.SKIP
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]")))
    operation = plan(without, linked(link()), rules)
    (change,) = operation.changes
    assert (change.attribute, change.verb, change.old, change.new) == ("title", Verb.REMOVE, "Engineer", None)
    assert operation.kind is OperationKind.UPDATE


@pytest.mark.parametrize("shown", [None, {}])
def test_what_is_empty_at_the_target_is_not_cleared_again(shown: dict[str, Any] | None) -> None:
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]")))
    sent = {"userName": "ada@example.com", "title": None}
    seen = None if shown is None else {"userName": "ada@example.com", **shown}
    operation = plan(person(without=("jobTitle",)), linked(link(sent=sent), seen), rules)
    assert operation.kind is OperationKind.SKIP


def test_a_target_that_keeps_what_was_cleared_is_asked_once() -> None:
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]")))
    sent, kept = {"userName": "ada@example.com", "title": None}, {"title": "Engineer"}
    shown = {"userName": "ada@example.com", "title": "Engineer"}
    operation = plan(person(without=("jobTitle",)), linked(link(sent=sent, seen=kept), shown), rules)
    assert operation.kind is OperationKind.SKIP


def test_nothing_empty_is_sent_on_creation() -> None:
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]")))
    assert changes_of(plan(person(without=("jobTitle",)), rules=rules)) == {"userName": "ada@example.com"}


def test_a_cleared_matching_value_finds_nobody() -> None:
    key = clearing("userName", "[mail]", matching=1)
    assert plan(person(), rules=compiled((key,))).skip_reason is SkipReason.MATCHING_ATTRIBUTE_MISSING


def test_a_default_takes_the_place_of_what_is_cleared_on_creation_and_update_alike() -> None:
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]", default="Unknown")))
    nobody = person(without=("jobTitle",))
    assert changes_of(plan(nobody, rules=rules))["title"] == "Unknown"
    assert changes_of(plan(nobody, linked(link()), rules)) == {"title": "Unknown"}


def test_what_is_sent_on_creation_only_or_told_to_be_ignored_is_never_cleared() -> None:
    once = clearing("title", "[jobTitle]", flow=FlowType.OBJECT_ADD_ONLY)
    ignored = clearing("site", "IgnoreFlowIfNullOrEmpty([jobTitle])")
    rules = compiled((USER_NAME, once, ignored))
    assert plan(person(without=("jobTitle",)), linked(link()), rules).kind is OperationKind.SKIP


def test_an_always_flowing_mapping_does_not_clear_what_is_empty_over_and_over() -> None:
    rules = compiled((USER_NAME, clearing("title", "[jobTitle]", behavior=FlowBehavior.FLOW_ALWAYS)))
    known = link(sent={"userName": "ada@example.com", "title": None})
    assert plan(person(without=("jobTitle",)), linked(known), rules).kind is OperationKind.SKIP


# ---------------------------------------------------------------- flow types

MANY = {"multivalued": True, "case_exact": True}


@pytest.mark.parametrize(
    ("flow", "multivalued", "before", "verb"),
    [
        (FlowType.ALWAYS, False, ("X",), Verb.REPLACE),
        (FlowType.ALWAYS, True, ("X",), Verb.REPLACE),
        (FlowType.OBJECT_ADD_ONLY, False, (), None),
        (FlowType.OBJECT_ADD_ONLY, True, (), None),
        # Added to an attribute that has nothing; what is there stays.
        (FlowType.ATTRIBUTE_ADD_ONLY, False, (), Verb.ADD),
        (FlowType.ATTRIBUTE_ADD_ONLY, False, ("X",), None),
        (FlowType.ATTRIBUTE_ADD_ONLY, True, ("X",), None),
        (FlowType.ATTRIBUTE_ADD_ONLY, True, (), Verb.ADD),
        # Values are added and none is replaced or taken away.
        (FlowType.VALUE_ADD_ONLY, False, (), Verb.ADD),
        (FlowType.VALUE_ADD_ONLY, False, ("X",), None),
        (FlowType.VALUE_ADD_ONLY, True, (), Verb.ADD),
        (FlowType.VALUE_ADD_ONLY, True, ("X",), Verb.ADD),
        (FlowType.VALUE_ADD_ONLY, True, ("X", "A", "B"), None),
        # The same, of many values only.
        (FlowType.MULTI_VALUE_ADD_ONLY, False, ("X",), Verb.REPLACE),
        (FlowType.MULTI_VALUE_ADD_ONLY, True, ("X", "A"), Verb.ADD),
        (FlowType.MULTI_VALUE_ADD_ONLY, True, ("B", "A", "X"), None),
    ],
)
def test_each_flow_type_changes_what_it_may(
    flow: FlowType, multivalued: bool, before: tuple[str, ...], verb: Verb | None
) -> None:
    expression = "[otherMails]" if multivalued else "Item([otherMails], 1)"
    rules = compiled((USER_NAME, row("tags", expression, flow=flow, multivalued=multivalued, case_exact=True)))
    ada = person(otherMails=("A", "B"))
    now = before if multivalued else next(iter(before), None)
    account = {"userName": "ada@example.com", **({"tags": now} if now else {})}
    for target in (linked(link(sent=account)), linked(link(sent=account), account)):
        assert verbs_of(plan(ada, target, rules)).get("tags") is verb
    # On creation every flow type sends what there is.
    assert "tags" in changes_of(plan(ada, rules=rules))


def test_values_that_are_only_added_name_what_is_there_and_what_is_wanted() -> None:
    rules = compiled((USER_NAME, row("tags", "[otherMails]", flow=FlowType.VALUE_ADD_ONLY, **MANY)))
    account = {"userName": "ada@example.com", "tags": ("X", "A")}
    (change,) = plan(person(otherMails=("A", "B")), linked(link(), account), rules).changes
    assert (change.old, change.new, change.multivalued) == (("X", "A"), ("A", "B"), True)


def test_an_immutable_attribute_is_sent_on_creation_only_whatever_the_flow_type_says() -> None:
    rules = compiled((USER_NAME, row("site", "[physicalDeliveryOfficeName]", mutability=Mutability.IMMUTABLE)))
    moved = person(physicalDeliveryOfficeName="Rotterdam")
    assert changes_of(plan(moved, rules=rules))["site"] == "Rotterdam"
    assert plan(moved, linked(link()), rules).kind is OperationKind.SKIP


# ---------------------------------------------------------------- roles

COMPLEX = row("roles", "AppRoleAssignmentsComplex([appRoleAssignments])", multivalued=True)
ASSERTIVE = row("roles", "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])", multivalued=True)
SHOWN_USER = {"value": "User", "display": "user", "primary": True}
SHOWN_AUDITOR = {"value": "Auditor"}


def roles_at(target: tuple[Any, ...], rules: KindRules, *grants: RoleGrant) -> Any:
    account = {"userName": "ada@example.com", "roles": target}
    operation = plan(person(grants=grants), linked(link(sent=account), account), rules)
    return next((change for change in operation.changes if change.attribute == "roles"), None)


@pytest.mark.parametrize("mapping", [COMPLEX, ASSERTIVE])
def test_roles_are_compared_as_sets_by_their_values(mapping: Row) -> None:
    rules = compiled((USER_NAME, mapping))
    assert roles_at((SHOWN_AUDITOR, SHOWN_USER), rules, MEMBER, AUDITOR) is None


def test_complex_roles_are_added_and_never_taken_away() -> None:
    rules = compiled((USER_NAME, COMPLEX))
    assert roles_at((SHOWN_USER, SHOWN_AUDITOR), rules, MEMBER) is None
    assert roles_at((SHOWN_USER,), rules, MEMBER, AUDITOR).verb is Verb.ADD


def test_assertive_roles_replace_those_of_the_target_so_that_a_removal_arrives() -> None:
    rules = compiled((USER_NAME, ASSERTIVE))
    change = roles_at((SHOWN_USER, SHOWN_AUDITOR), rules, MEMBER)
    assert change.verb is Verb.REPLACE
    assert [role["value"] for role in change.new] == ["User"]


def test_the_last_role_is_taken_away_too() -> None:
    rules = compiled((USER_NAME, ASSERTIVE))
    nameless = replace(MEMBER, role_value=None)
    change = roles_at((SHOWN_USER,), rules, nameless)
    assert (change.verb, change.new, change.multivalued) == (Verb.REMOVE, None, True)
    assert roles_at((SHOWN_USER,), compiled((USER_NAME, COMPLEX)), nameless) is None


def test_a_role_that_is_held_in_two_ways_is_sent_once() -> None:
    rules = compiled((USER_NAME, ASSERTIVE))
    via_group = replace(MEMBER, via_group_id="g", via_group_name="Staff")
    created = changes_of(plan(person(grants=(MEMBER, via_group)), rules=rules))
    assert [role["value"] for role in created["roles"]] == ["User"]


# ---------------------------------------------------------------- targets that cannot switch off


def no_switch() -> KindRules:
    made = schema((USER_NAME,))
    (users,) = made.directories["App"]
    directories = {"App": (ObjectDefinition(name=users.name, attributes=users.attributes, soft_deletes=False),)}
    return next(iter(compile_rules(replace(made, directories=directories)).kinds.values()))


@pytest.mark.parametrize(
    ("change", "state", "kind"),
    [
        (person(grants=()), LinkState.MANAGED, OperationKind.DELETE),
        (person(lifecycle=Lifecycle.SOFT_DELETED), LinkState.MANAGED, OperationKind.DELETE),
        (person(accountEnabled=False), LinkState.MANAGED, OperationKind.DELETE),
        (person(lifecycle=Lifecycle.HARD_DELETED), LinkState.MANAGED, OperationKind.DELETE),
        # What was there before us is never deleted.
        (person(grants=()), LinkState.ADOPTED, OperationKind.SKIP),
        (person(), LinkState.MANAGED, OperationKind.SKIP),
    ],
)
def test_who_leaves_a_target_without_a_switch_is_deleted(change: Any, state: LinkState, kind: OperationKind) -> None:
    operation = plan(change, linked(link(state)), no_switch())
    assert operation.kind is kind
    assert operation.removes is (kind is OperationKind.DELETE)


def test_who_is_blocked_and_has_no_account_there_gets_none() -> None:
    assert plan(person(accountEnabled=False), rules=no_switch()).kind is OperationKind.SKIP
