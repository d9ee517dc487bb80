"""Who is wanted at the application, and what is said about it."""

from dataclasses import replace

import pytest

from muster.model.application import RoleGrant
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.log import SkipReason
from muster.model.operation import Change, Presence, WantedReference
from muster.planning.entitlement import EntitlementRules, decide_entitlement
from muster.planning.intent import with_computed
from unit.planning.making import (
    ACTIVE,
    DEFAULT_ROLE,
    GROUP,
    GROUP_ROWS,
    MANAGER,
    MEMBER,
    TERMS,
    USER_NAME,
    USER_ROWS,
    changes_of,
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

ASSIGNED = EntitlementRules(sync_all=False, accepts_default_access=False)
LENIENT = EntitlementRules(sync_all=False, accepts_default_access=True)
EVERYBODY = EntitlementRules(sync_all=True, accepts_default_access=False)
INBOUND = EntitlementRules(sync_all=True, accepts_default_access=True, carries_inactive=True)

BLOCKED = person(accountEnabled=False)
UNASSIGNED = person(grants=())
DEFAULT_ONLY = person(grants=(DEFAULT_ROLE,))
PRESENT, IF_LINKED, DISABLED, ABSENT = Presence.PRESENT, Presence.PRESENT_IF_LINKED, Presence.DISABLED, Presence.ABSENT


@pytest.mark.parametrize(
    ("change", "rules", "presence", "skip", "left_scope"),
    [
        (person(), ASSIGNED, PRESENT, None, False),
        (person(accountEnabled=None), ASSIGNED, PRESENT, None, False),
        (person(without=("accountEnabled",)), ASSIGNED, PRESENT, None, False),
        (group(), ASSIGNED, PRESENT, None, False),
        (UNASSIGNED, ASSIGNED, DISABLED, SkipReason.NOT_ASSIGNED, True),
        (UNASSIGNED, LENIENT, DISABLED, SkipReason.NOT_ASSIGNED, True),
        (UNASSIGNED, EVERYBODY, PRESENT, None, False),
        (DEFAULT_ONLY, ASSIGNED, DISABLED, SkipReason.NOT_EFFECTIVELY_ENTITLED, True),
        (DEFAULT_ONLY, LENIENT, PRESENT, None, False),
        (DEFAULT_ONLY, EVERYBODY, PRESENT, None, False),
        (person(grants=(DEFAULT_ROLE, MEMBER)), ASSIGNED, PRESENT, None, False),
        (BLOCKED, ASSIGNED, IF_LINKED, SkipReason.INACTIVE_AT_SOURCE, False),
        (BLOCKED, INBOUND, PRESENT, None, False),
        (person(accountEnabled=False, grants=()), ASSIGNED, DISABLED, SkipReason.NOT_ASSIGNED, True),
        (person(Lifecycle.SOFT_DELETED), ASSIGNED, DISABLED, SkipReason.INACTIVE_AT_SOURCE, False),
        (person(Lifecycle.SOFT_DELETED, grants=()), ASSIGNED, DISABLED, SkipReason.INACTIVE_AT_SOURCE, False),
        (person(Lifecycle.SOFT_DELETED), INBOUND, DISABLED, SkipReason.INACTIVE_AT_SOURCE, False),
        (person(Lifecycle.HARD_DELETED), ASSIGNED, ABSENT, SkipReason.INACTIVE_AT_SOURCE, False),
        (person(Lifecycle.HARD_DELETED, grants=()), EVERYBODY, ABSENT, SkipReason.INACTIVE_AT_SOURCE, False),
    ],
)
def test_who_is_wanted_before_the_scoping_filter_is_asked(
    change: Change, rules: EntitlementRules, presence: Presence, skip: SkipReason | None, left_scope: bool
) -> None:
    verdict = decide_entitlement(change, rules)
    assert (verdict.presence, verdict.skip_reason, verdict.left_scope) == (presence, skip, left_scope)
    assert verdict.is_soft_deleted is (presence is not PRESENT)
    assert verdict.reason.startswith(change.display_name) or change.display_name in verdict.reason


VIA_GROUP = RoleGrant(
    role_id="role-admin", role_value="Admin", role_display_name="Admin", via_group_id="g-1", via_group_name="Sales"
)


@pytest.mark.parametrize(
    ("change", "rules", "sentence"),
    [
        (person(), ASSIGNED, "Ada Lovelace is active and assigned directly with the role User."),
        (
            person(grants=(DEFAULT_ROLE, VIA_GROUP)),
            ASSIGNED,
            "Ada Lovelace is active and assigned as a member of Sales with the role Admin.",
        ),
        (DEFAULT_ONLY, LENIENT, "Ada Lovelace is active and assigned directly with the role Default Access."),
        (UNASSIGNED, EVERYBODY, "Ada Lovelace is active, and all users and groups are in scope."),
        (
            DEFAULT_ONLY,
            ASSIGNED,
            (
                "Ada Lovelace holds only the role Default Access, which this application does not provision: "
                "assign another role."
            ),
        ),
        (BLOCKED, ASSIGNED, "Ada Lovelace is blocked from sign-in in the directory."),
    ],
)
def test_the_reason_says_how_somebody_came_in_or_why_not(
    change: Change, rules: EntitlementRules, sentence: str
) -> None:
    assert decide_entitlement(change, rules).reason == sentence


@pytest.mark.parametrize(
    ("change", "active", "assigned", "entitled"),
    [
        (person(), "True", "True", "True"),
        (BLOCKED, "False", "True", "True"),
        (UNASSIGNED, "True", "False", "False"),
        (DEFAULT_ONLY, "True", "True", "False"),
        (person(Lifecycle.SOFT_DELETED), "False", "True", "True"),
    ],
)
def test_the_details_are_what_the_log_shows_of_scoping(
    change: Change, active: str, assigned: str, entitled: str
) -> None:
    assert decide_entitlement(change, ASSIGNED).details == {
        "Active in the source system": active,
        "Assigned to the application": assigned,
        "User has the required role": entitled,
    }


def test_assignment_and_filter_must_both_let_somebody_in() -> None:
    rules = compiled(scope=only("department", "Sales"))
    inside = intend(person(), rules).verdict
    assert inside.presence is PRESENT
    assert inside.details["Scoping filter evaluation passed"] == "True"
    assert inside.details["Assigned to the application"] == "True"
    assert inside.details["ScopeEvaluationResult"].endswith(":true}")
    outside = intend(person(department="Finance"), rules).verdict
    assert (outside.presence, outside.skip_reason, outside.left_scope) == (
        DISABLED,
        SkipReason.OUT_OF_SCOPE_FILTER,
        True,
    )
    assert outside.reason.startswith("Ada Lovelace does not pass the scoping filter: ")
    assert outside.details["Scoping filter evaluation passed"] == "False"
    assert outside.details["ScopeEvaluationResult"].endswith(":false}")
    unassigned = intend(UNASSIGNED, rules).verdict
    assert "Scoping filter evaluation passed" not in unassigned.details


def test_without_a_filter_there_is_no_clause_to_show() -> None:
    details = intend(person()).verdict.details
    assert details["Scoping filter evaluation passed"] == "True"
    assert "ScopeEvaluationResult" not in details


def test_a_blocked_person_outside_the_filter_has_left_the_scope() -> None:
    verdict = intend(person(accountEnabled=False, department="Finance"), compiled(scope=only("department", "Sales")))
    assert (verdict.verdict.presence, verdict.verdict.left_scope) == (DISABLED, True)


@pytest.mark.parametrize("change", [UNASSIGNED, person(Lifecycle.SOFT_DELETED), person(Lifecycle.HARD_DELETED)])
def test_a_leaver_gets_the_life_signs_and_nothing_else(change: Change) -> None:
    intent = intend(change, compiled((*USER_ROWS, MANAGER)))
    assert [(value.attribute, value.value, value.is_life_sign) for value in intent.values] == [("active", False, True)]
    assert (intent.matching, intent.references, intent.failure) == ((), (), None)


def test_a_blocked_person_keeps_all_attributes_up_to_date_but_no_references() -> None:
    intent = intend(person(accountEnabled=False, references={"manager": ("s-1",)}), compiled((*USER_ROWS, MANAGER)))
    assert {value.attribute: value.value for value in intent.values} == {
        "userName": "ada@example.com",
        "active": False,
        "title": "Engineer",
        "site": "London",
    }
    assert [item.attribute for item in intent.matching] == ["userName"]
    assert intent.references == ()


def test_a_blocked_person_whose_mapping_fails_still_gets_the_life_signs() -> None:
    rules = compiled([USER_NAME, ACTIVE, row("title", 'CDate("nonsense")')])
    intent = intend(BLOCKED, rules)
    assert [(value.attribute, value.value) for value in intent.values] == [("active", False)]
    assert intent.failure is None
    # There is nothing to switch off: then the failure is what there is to tell.
    bare = intend(BLOCKED, compiled([USER_NAME, row("title", 'CDate("nonsense")')]))
    assert bare.failure is not None
    assert bare.failure.code == "MappingFailed"


def test_a_blocked_person_whom_a_mapping_leaves_out_is_still_disabled() -> None:
    rules = compiled([USER_NAME, ACTIVE, row("title", "IgnoreObjectFlow")])
    assert intend(BLOCKED, rules).left_out is None
    assert changes_of(plan(BLOCKED, linked(link()), rules)) == {"active": False}


def test_a_life_sign_that_leaves_a_leaver_out_is_obeyed() -> None:
    sign = row("note", 'IIF([IsSoftDeleted], IgnoreObjectFlow, "here")')
    assert intend(UNASSIGNED, compiled([USER_NAME, sign, ACTIVE])).left_out is not None


def test_references_name_the_kind_of_their_other_end() -> None:
    user = intend(person(references={"manager": ("s-boss",)}), compiled((*USER_ROWS, MANAGER)))
    assert user.references == (
        WantedReference(attribute="manager", kind=ObjectKind.USER, multivalued=False, source_ids=("s-boss",)),
    )
    staff = intend(group(), compiled(GROUP_ROWS, kind=GROUP))
    assert staff.references == (
        WantedReference(attribute="members", kind=ObjectKind.USER, multivalued=True, source_ids=()),
    )
    nobody = intend(person(references={"manager": ()}), compiled((*USER_ROWS, MANAGER)))
    assert nobody.references[0].source_ids == ()
    # What a source says nothing of stays as it is.
    assert intend(person(references={}), compiled((*USER_ROWS, MANAGER))).references == ()


def test_expressions_can_name_what_is_computed_and_what_is_referred_to() -> None:
    change = person(grants=(DEFAULT_ROLE, MEMBER), references={"manager": ("s-1",), "directs": ("s-2", "s-3")})
    verdict = intend(change).verdict
    attributes = with_computed(change, verdict)
    assert attributes["jobTitle"] == "Engineer"
    assert attributes["IsSoftDeleted"] is False
    # Default Access has no value and is no role to show.
    assert attributes["appRoleAssignments"] == ({"id": "role-user", "value": "User", "displayName": "User"},)
    assert (attributes["manager"], attributes["directs"]) == ("s-1", ("s-2", "s-3"))
    assert with_computed(UNASSIGNED, intend(UNASSIGNED).verdict)["IsSoftDeleted"] is True


def test_an_import_carries_switched_off_accounts_with_all_their_attributes() -> None:
    terms = replace(TERMS, entitlement=INBOUND, never_removes=True)
    intent = intend(BLOCKED, compiled([USER_NAME, row("accountEnabled", "[accountEnabled]")]), terms)
    assert {value.attribute: value.value for value in intent.values} == {
        "userName": "ada@example.com",
        "accountEnabled": "False",
    }
