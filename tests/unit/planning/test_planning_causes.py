"""What brought an operation about, in a form that groups operations."""

import pytest

from muster.model.application import RoleGrant
from muster.model.cause import Cause, CauseKind
from muster.model.directory import AttributeType, Lifecycle
from muster.model.operation import Change
from muster.planning.causes import cause_of, changed_attributes
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms
from muster.planning.protection import protect
from unit.planning.making import (
    DEFAULT_ROLE,
    MEMBER,
    NOBODY,
    TERMS,
    TITLE,
    USER_NAME,
    compiled,
    group,
    intend,
    link,
    linked,
    only,
    person,
    plan,
    row,
)

EVIDENCE = Cause(kind=CauseKind.GROUP_DELETED, subject="g1", sentence="the group Sales-Temp was deleted")
VIA = RoleGrant(role_id="r", role_value="v", role_display_name="User", via_group_id="g1", via_group_name="Sales")
ALL = JobTerms(entitlement=EntitlementRules(sync_all=True, accepts_default_access=False))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (person(Lifecycle.HARD_DELETED), "hardDeleted"),
        (person(Lifecycle.SOFT_DELETED), "softDeleted"),
        (person(accountEnabled=False), "signInBlocked"),
        (person(grants=(DEFAULT_ROLE,)), "roleNotEntitled"),
        (person(grants=()), "groupDeleted:g1"),
    ],
)
def test_a_removal_has_the_cause_that_the_directory_tells(change: Change, key: str) -> None:
    assert cause_of(intend(change), plan(change, linked(link())), EVIDENCE).key == key


def test_without_evidence_somebody_is_no_longer_assigned() -> None:
    change = person(grants=())
    assert cause_of(intend(change), plan(change, linked(link()))).key == "unassigned"


def test_the_clause_that_keeps_somebody_out_is_the_cause() -> None:
    rules = compiled(scope=only("department", "Sales"))
    change = person(department="Legal")
    cause = cause_of(intend(change, rules), plan(change, linked(link()), rules))
    assert cause.kind is CauseKind.SCOPING_FILTER
    assert "department" in cause.subject
    assert cause.subject in cause.sentence


def test_who_lacks_nothing_but_a_group_has_what_happened_to_that_group_as_cause() -> None:
    rules = compiled(scope=only("memberOf", "g1", operator="MEMBER_OF"))
    change = person(memberOf=())
    intent, operation = intend(change, rules), plan(change, linked(link()), rules)
    assert intent.verdict.missing_groups == ("g1",)
    assert cause_of(intent, operation, EVIDENCE) == EVIDENCE
    elsewhere = Cause(kind=CauseKind.LEFT_GROUP, subject="g2", sentence="no longer in the group Other")
    unassigned = Cause(kind=CauseKind.GROUP_UNASSIGNED, subject="g1", sentence="the group is not assigned")
    for other in (elsewhere, unassigned, None):
        assert cause_of(intent, operation, other).kind is CauseKind.SCOPING_FILTER


def test_a_protected_leaver_keeps_the_cause_of_leaving() -> None:
    change = person(Lifecycle.SOFT_DELETED)
    kept = protect(plan(change, linked(link())), link(), "protected")
    assert cause_of(intend(change), kept).kind is CauseKind.SOFT_DELETED


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (person(grants=(VIA, MEMBER)), "cameIntoScope:g1"),
        (person(grants=(MEMBER,)), "cameIntoScope:assigned"),
        (group(), "cameIntoScope:groups"),
    ],
)
def test_an_arrival_has_its_way_in_as_cause(change: Change, key: str) -> None:
    assert cause_of(intend(change), plan(person())).key == key


def test_where_everybody_is_in_scope_nobody_needs_a_way_in() -> None:
    change = person(grants=())
    assert cause_of(intend(change, terms=ALL), plan(change, NOBODY, terms=ALL)).key == "cameIntoScope:all"
    assert TERMS != ALL


def test_those_whom_one_mapping_switches_off_have_one_cause_whatever_else_changes() -> None:
    rules = compiled((USER_NAME, row("active", "[IsSoftDeleted]", kind=AttributeType.BOOLEAN), TITLE))
    for title in ("Engineer", "Lead"):
        change = person(jobTitle=title)
        assert cause_of(intend(change, rules), plan(change, linked(link()), rules)).key == "attributesChanged:active"


def test_an_update_is_named_by_its_attributes() -> None:
    change = person(jobTitle="Lead")
    assert cause_of(intend(change), plan(change, linked(link()))).key == "attributesChanged:title"
    many = changed_attributes([f"urn:x:{name}" for name in "gfedcba"])
    assert (many.subject, many.sentence) == ("a,b,c,d,e,f,g", "a, b, c, d, e and 2 more changed")
