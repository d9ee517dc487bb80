"""The deprovisioning matrix, row by row: what is sent for each event, and what becomes of the link.

Source: provisioning-service behaviour §1B (deprovisioning matrix), §1A (brownfield, target object actions).
"""

from dataclasses import dataclass, field

import pytest

from muster.model.copies import replace
from muster.model.directory import AttributeType, Lifecycle
from muster.model.failures import AmbiguousMatch, LinkedElsewhere, TargetBusy
from muster.model.log import SkipReason
from muster.model.operation import (
    Acknowledged,
    Change,
    Link,
    LinkState,
    MatchingValue,
    Operation,
    OperationKind,
    TargetObject,
    Verb,
)
from muster.model.rules import AttributeDefinition, FlowBehavior, ObjectAction
from muster.model.values import Attributes
from muster.planning.decision import is_as_wanted, plan_operation
from muster.planning.entitlement import EntitlementRules
from muster.planning.intent import JobTerms
from muster.planning.rules import KindRules
from unit.planning.making import (
    ACTIVE,
    DEFAULT_ROLE,
    EVERY_ACTION,
    GROUP,
    GROUP_ROWS,
    NOBODY,
    SITE,
    TERMS,
    THERE,
    TITLE,
    USER_NAME,
    changes_of,
    compiled,
    found,
    group,
    intend,
    link,
    linked,
    only,
    person,
    plan,
    resource,
    row,
    vanished,
)

MANAGED, ADOPTED, RELEASED, SEEN = LinkState.MANAGED, LinkState.ADOPTED, LinkState.RELEASED, LinkState.SEEN
CREATE, UPDATE, DISABLE = OperationKind.CREATE, OperationKind.UPDATE, OperationKind.DISABLE
DELETE, LINK, SKIP, FAIL = OperationKind.DELETE, OperationKind.LINK, OperationKind.SKIP, OperationKind.FAIL

OFF = {**THERE, "active": False}
BLOCKED = person(accountEnabled=False)
SOFT = person(Lifecycle.SOFT_DELETED)
HARD = person(Lifecycle.HARD_DELETED)
UNASSIGNED = person(grants=())
DEFAULT_ONLY = person(grants=(DEFAULT_ROLE,))
FILTERED = person(department="Finance")

SALES = only("department", "Sales")
NO_ADD, NO_UPDATE, NO_DELETE = (EVERY_ACTION - {action} for action in ObjectAction)
SKIPS = replace(TERMS, skip_out_of_scope_deletions=True)
IMPORT = JobTerms(
    entitlement=EntitlementRules(sync_all=True, accepts_default_access=True, carries_inactive=True), never_removes=True
)
EVERYBODY = JobTerms(entitlement=EntitlementRules(sync_all=True, accepts_default_access=False))


@dataclass(frozen=True, kw_only=True)
class Case:
    """An event at the source, what the target holds, and what must come of it."""

    name: str
    change: Change
    # None: no link, and nobody is found.
    link: Link | None = None
    # What the target holds: acknowledged in an incremental cycle, shown in a full one.
    holds: Attributes = field(default_factory=lambda: THERE)
    terms: JobTerms = TERMS
    actions: frozenset[ObjectAction] = EVERY_ACTION
    # Expected.
    kind: OperationKind
    sends: Attributes = field(default_factory=dict)
    state: LinkState | None = None
    owned: LinkState | None = None
    skip: SkipReason | None = None

    def __str__(self) -> str:
        return self.name


# Who holds an account that was put there before: its link, by what makes it different.
_MADE, _TAKEN_OVER, _LET_GO = link(MANAGED), link(ADOPTED), link(RELEASED, MANAGED)

USERS = [
    Case(name="hired", change=person(), kind=CREATE, sends=THERE, state=MANAGED, owned=MANAGED),
    Case(name="hired, all users in scope", change=UNASSIGNED, terms=EVERYBODY, kind=CREATE, sends=THERE, state=MANAGED,
         owned=MANAGED),
    Case(name="hired, Create off", change=person(), actions=NO_ADD, kind=SKIP, skip=SkipReason.ACTION_DISABLED),
    Case(name="hired with sign-in blocked", change=BLOCKED, kind=SKIP, skip=SkipReason.INACTIVE_AT_SOURCE),
    Case(name="unchanged", change=person(), link=_MADE, kind=SKIP, state=MANAGED, owned=MANAGED,
         skip=SkipReason.REDUNDANT_EXPORT),
    Case(name="unchanged, adopted", change=person(), link=_TAKEN_OVER, kind=SKIP, state=ADOPTED, owned=ADOPTED,
         skip=SkipReason.REDUNDANT_EXPORT),
    Case(name="promoted", change=person(jobTitle="Lead"), link=_MADE, kind=UPDATE, sends={"title": "Lead"},
         state=MANAGED, owned=MANAGED),
    Case(name="promoted, adopted", change=person(jobTitle="Lead"), link=_TAKEN_OVER, kind=UPDATE,
         sends={"title": "Lead"}, state=ADOPTED, owned=ADOPTED),
    Case(name="promoted, Update off", change=person(jobTitle="Lead"), link=_MADE, actions=NO_UPDATE, kind=SKIP,
         state=MANAGED, owned=MANAGED, skip=SkipReason.ACTION_DISABLED),
    Case(name="renamed on the same account", change=person(userPrincipalName="ada.king@example.com"), link=_MADE,
         kind=UPDATE, sends={"userName": "ada.king@example.com"}, state=MANAGED, owned=MANAGED),
    Case(name="moved: the site is for creation only", change=person(physicalDeliveryOfficeName="Paris"), link=_MADE,
         kind=SKIP, state=MANAGED, owned=MANAGED, skip=SkipReason.REDUNDANT_EXPORT),
    Case(name="title emptied: nothing is cleared", change=person(without=("jobTitle",)), link=_MADE, kind=SKIP,
         state=MANAGED, owned=MANAGED, skip=SkipReason.REDUNDANT_EXPORT),
    # Block sign-in: disabled, the link kept.
    Case(name="blocked", change=BLOCKED, link=_MADE, kind=DISABLE, sends={"active": False}, state=MANAGED,
         owned=MANAGED),
    Case(name="blocked, adopted", change=BLOCKED, link=_TAKEN_OVER, kind=DISABLE, sends={"active": False},
         state=ADOPTED, owned=ADOPTED),
    Case(name="blocked and renamed", change=person(accountEnabled=False, jobTitle="Lead"), link=_MADE, kind=DISABLE,
         sends={"active": False, "title": "Lead"}, state=MANAGED, owned=MANAGED),
    Case(name="blocked before, promoted now", change=person(accountEnabled=False, jobTitle="Lead"), link=_MADE,
         holds=OFF, kind=UPDATE, sends={"title": "Lead"}, state=MANAGED, owned=MANAGED),
    Case(name="blocked, Update off", change=BLOCKED, link=_MADE, actions=NO_UPDATE, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.ACTION_DISABLED),
    Case(name="blocked, skip out of scope deletions is no reason", change=BLOCKED, link=_MADE, terms=SKIPS,
         kind=DISABLE, sends={"active": False}, state=MANAGED, owned=MANAGED),
    Case(name="unblocked", change=person(), link=_MADE, holds=OFF, kind=UPDATE, sends={"active": True}, state=MANAGED,
         owned=MANAGED),
    # Leaves the scope: disabled once, then released.
    *(
        Case(name=f"{name}{suffix}", change=change, link=known, kind=DISABLE, sends={"active": False}, state=RELEASED,
             owned=known.owned)
        for name, change in (("unassigned", UNASSIGNED), ("Default Access only", DEFAULT_ONLY), ("filtered", FILTERED))
        for suffix, known in (("", _MADE), (", adopted", _TAKEN_OVER))
    ),
    *(
        Case(name=f"{name}, never there", change=change, kind=SKIP, skip=reason)
        for name, change, reason in (
            ("unassigned", UNASSIGNED, SkipReason.NOT_ASSIGNED),
            ("Default Access only", DEFAULT_ONLY, SkipReason.NOT_EFFECTIVELY_ENTITLED),
            ("filtered", FILTERED, SkipReason.OUT_OF_SCOPE_FILTER),
            ("soft-deleted", SOFT, SkipReason.INACTIVE_AT_SOURCE),
            ("hard-deleted", HARD, SkipReason.NOT_MANAGED),
        )
    ),
    *(
        Case(name=f"{name}, skip out of scope deletions", change=change, link=_MADE, terms=SKIPS, kind=SKIP,
             state=MANAGED, owned=MANAGED, skip=SkipReason.SKIP_OUT_OF_SCOPE_DELETION)
        for name, change in (("unassigned", UNASSIGNED), ("Default Access only", DEFAULT_ONLY), ("filtered", FILTERED))
    ),
    Case(name="unassigned, disabled already", change=UNASSIGNED, link=_MADE, holds=OFF, kind=LINK, state=RELEASED,
         owned=MANAGED),
    Case(name="unassigned, Update off", change=UNASSIGNED, link=_MADE, actions=NO_UPDATE, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.ACTION_DISABLED),
    Case(name="unassigned, Delete off is no reason", change=UNASSIGNED, link=_MADE, actions=NO_DELETE, kind=DISABLE,
         sends={"active": False}, state=RELEASED, owned=MANAGED),
    # Once released nothing is sent until they come back.
    *(
        Case(name=f"released, then {name}", change=change, link=_LET_GO, holds=holds, kind=SKIP, state=RELEASED,
             owned=MANAGED, skip=reason)
        for name, change, reason in (
            ("unassigned again", UNASSIGNED, SkipReason.NOT_ASSIGNED),
            ("soft-deleted", SOFT, SkipReason.INACTIVE_AT_SOURCE),
        )
        for holds in (OFF, THERE)
    ),
    Case(name="released, then hard-deleted: the link goes, nothing is sent", change=HARD, link=_LET_GO, kind=LINK),
    Case(name="released, then assigned again", change=person(), link=_LET_GO, holds=OFF, kind=UPDATE,
         sends={"active": True}, state=MANAGED, owned=MANAGED),
    Case(name="released, then assigned again, adopted before", change=person(), link=link(RELEASED, ADOPTED),
         holds=OFF, kind=UPDATE, sends={"active": True}, state=ADOPTED, owned=ADOPTED),
    Case(name="released, then assigned again, enabled already", change=person(), link=_LET_GO, kind=LINK,
         state=MANAGED, owned=MANAGED),
    Case(name="released, then assigned again, Update off", change=person(), link=_LET_GO, holds=OFF,
         actions=NO_UPDATE, kind=LINK, state=MANAGED, owned=MANAGED),
    Case(name="released, then assigned again while blocked", change=BLOCKED, link=_LET_GO, holds=OFF, kind=LINK,
         state=MANAGED, owned=MANAGED),
    # Only seen: never written before they are wanted there.
    Case(name="seen, unassigned", change=UNASSIGNED, link=link(SEEN), kind=SKIP, state=SEEN, owned=SEEN,
         skip=SkipReason.NOT_ASSIGNED),
    Case(name="seen, hard-deleted", change=HARD, link=link(SEEN), kind=LINK),
    Case(name="seen, assigned", change=person(jobTitle="Lead"), link=link(SEEN), kind=UPDATE, sends={"title": "Lead"},
         state=ADOPTED, owned=ADOPTED),
    Case(name="seen, assigned and equal", change=person(), link=link(SEEN), kind=LINK, state=ADOPTED, owned=ADOPTED),
    # Recycle bin: disabled, the link kept for the purge and the way back.
    Case(name="soft-deleted", change=SOFT, link=_MADE, kind=DISABLE, sends={"active": False}, state=MANAGED,
         owned=MANAGED),
    Case(name="soft-deleted, adopted", change=SOFT, link=_TAKEN_OVER, kind=DISABLE, sends={"active": False},
         state=ADOPTED, owned=ADOPTED),
    Case(name="soft-deleted, disabled already", change=SOFT, link=_MADE, holds=OFF, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.REDUNDANT_EXPORT),
    Case(name="soft-deleted, skip out of scope deletions is no reason", change=SOFT, link=_MADE, terms=SKIPS,
         kind=DISABLE, sends={"active": False}, state=MANAGED, owned=MANAGED),
    Case(name="soft-deleted, Update off", change=SOFT, link=_MADE, actions=NO_UPDATE, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.ACTION_DISABLED),
    Case(name="restored", change=person(), link=_MADE, holds=OFF, kind=UPDATE, sends={"active": True}, state=MANAGED,
         owned=MANAGED),
    # Purge: what we made is deleted, what was there before is disabled for good.
    Case(name="hard-deleted", change=HARD, link=_MADE, holds=OFF, kind=DELETE),
    Case(name="hard-deleted, Update off is no reason", change=HARD, link=_MADE, actions=NO_UPDATE, kind=DELETE),
    Case(name="hard-deleted, Delete off", change=HARD, link=_MADE, holds=OFF, actions=NO_DELETE, kind=LINK,
         state=RELEASED, owned=MANAGED),
    Case(name="hard-deleted while enabled, Delete off", change=HARD, link=_MADE, actions=NO_DELETE, kind=DISABLE,
         sends={"active": False}, state=RELEASED, owned=MANAGED),
    Case(name="hard-deleted while enabled, Update and Delete off", change=HARD, link=_MADE,
         actions=NO_UPDATE & NO_DELETE, kind=SKIP, state=MANAGED, owned=MANAGED, skip=SkipReason.ACTION_DISABLED),
    Case(name="hard-deleted, adopted", change=HARD, link=_TAKEN_OVER, kind=DISABLE, sends={"active": False},
         state=RELEASED, owned=ADOPTED),
    Case(name="hard-deleted, adopted, skip out of scope deletions is no reason", change=HARD, link=_TAKEN_OVER,
         terms=SKIPS, kind=DISABLE, sends={"active": False}, state=RELEASED, owned=ADOPTED),
    Case(name="hard-deleted, adopted, disabled already", change=HARD, link=_TAKEN_OVER, holds=OFF, kind=LINK,
         state=RELEASED, owned=ADOPTED),
    # Inbound imports add and update; switched-off accounts come along; nobody is ever removed.
    Case(name="import of a blocked person", change=BLOCKED, terms=IMPORT, kind=CREATE, sends=THERE, state=MANAGED,
         owned=MANAGED),
    Case(name="import of somebody soft-deleted", change=SOFT, link=_MADE, terms=IMPORT, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.INACTIVE_AT_SOURCE),
    Case(name="import of somebody filtered out", change=FILTERED, link=_MADE, terms=IMPORT, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.OUT_OF_SCOPE_FILTER),
    Case(name="import of somebody hard-deleted", change=HARD, link=_MADE, terms=IMPORT, kind=SKIP, state=MANAGED,
         owned=MANAGED, skip=SkipReason.NOT_MANAGED),
]  # fmt: skip


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("case", USERS, ids=str)
def test_a_users_row_of_the_matrix(case: Case, is_full: bool) -> None:
    rules = compiled(scope=SALES, actions=case.actions)
    target = NOBODY
    if case.link is not None:
        known = replace(case.link, acknowledged=Acknowledged(sent=case.holds))
        target = linked(known, case.holds if is_full else None)
    operation = plan(case.change, target, rules, case.terms)
    assert (operation.kind, operation.skip_reason) == (case.kind, case.skip)
    assert changes_of(operation) == case.sends
    assert (operation.link_state, operation.owned) == (case.state, case.owned)
    assert operation.target_id == (None if case.link is None else "t-1")
    assert operation.reason


STAFF = {"displayName": "Staff"}
GROUPS = [
    Case(name="new", change=group(), kind=CREATE, sends=STAFF, state=MANAGED, owned=MANAGED),
    Case(name="unchanged", change=group(), link=_MADE, kind=SKIP, state=MANAGED, owned=MANAGED,
         skip=SkipReason.REDUNDANT_EXPORT),
    *(
        Case(name=name, change=change, link=_MADE, kind=DELETE)
        for name, change in (
            ("unassigned", group(grants=())),
            ("soft-deleted", group(Lifecycle.SOFT_DELETED)),
            ("hard-deleted", group(Lifecycle.HARD_DELETED)),
        )
    ),
    *(
        Case(name=f"{name}, adopted", change=change, link=_TAKEN_OVER, kind=SKIP, state=ADOPTED, owned=ADOPTED,
             skip=SkipReason.NOT_MANAGED)
        for name, change in (
            ("unassigned", group(grants=())),
            ("soft-deleted", group(Lifecycle.SOFT_DELETED)),
            ("hard-deleted", group(Lifecycle.HARD_DELETED)),
        )
    ),
    *(
        Case(name=f"{name}, Delete off", change=change, link=_MADE, actions=NO_DELETE, kind=SKIP, state=MANAGED,
             owned=MANAGED, skip=SkipReason.ACTION_DISABLED)
        for name, change in (("unassigned", group(grants=())), ("hard-deleted", group(Lifecycle.HARD_DELETED)))
    ),
    Case(name="unassigned, Update off is no reason", change=group(grants=()), link=_MADE, actions=NO_UPDATE,
         kind=DELETE),
    Case(name="unassigned, skip out of scope deletions", change=group(grants=()), link=_MADE, terms=SKIPS, kind=SKIP,
         state=MANAGED, owned=MANAGED, skip=SkipReason.SKIP_OUT_OF_SCOPE_DELETION),
    Case(name="unassigned, never there", change=group(grants=()), kind=SKIP, skip=SkipReason.NOT_ASSIGNED),
    Case(name="import of a deleted one", change=group(Lifecycle.HARD_DELETED), link=_MADE, terms=IMPORT, kind=SKIP,
         state=MANAGED, owned=MANAGED, skip=SkipReason.NOT_MANAGED),
]  # fmt: skip


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("case", GROUPS, ids=str)
def test_a_groups_row_of_the_matrix(case: Case, is_full: bool) -> None:
    rules = compiled(GROUP_ROWS, kind=GROUP, actions=case.actions)
    if case.link is None:
        target = NOBODY
    else:
        known = link(case.link.state, case.link.owned, sent=STAFF, change=case.change)
        target = linked(known, STAFF if is_full else None)
    operation = plan(case.change, target, rules, case.terms)
    assert (operation.kind, operation.skip_reason) == (case.kind, case.skip)
    assert changes_of(operation) == case.sends
    assert (operation.link_state, operation.owned) == (case.state, case.owned)


def test_a_service_that_may_not_remove_says_why_for_each_reason() -> None:
    said = {
        name: plan(change, linked(link()), compiled(scope=SALES, actions=actions), terms).reason
        for name, change, actions, terms in (
            ("skipped", UNASSIGNED, EVERY_ACTION, SKIPS),
            ("update off", UNASSIGNED, NO_UPDATE, TERMS),
            ("delete off", HARD, NO_DELETE, TERMS),
            ("import", HARD, EVERY_ACTION, IMPORT),
        )
    }
    assert said["skipped"].endswith("The account stays as it is: SkipOutOfScopeDeletions is on.")
    assert said["update off"].endswith("Nothing is sent; the object action Update is switched off.")
    assert said["delete off"].endswith("The object action Delete is switched off.")
    assert said["import"].endswith("This job never removes anybody.")
    assert plan(HARD, linked(link(ADOPTED))).reason.endswith("not deleted until an administrator promotes it.")
    assert plan(HARD).reason.endswith("No account is linked.")
    assert "is no longer managed" in plan(HARD, linked(link(RELEASED))).reason
    assert "is no longer there" in plan(HARD, vanished(link())).reason


# ---------------------------------------------------------------- brownfield


@pytest.mark.parametrize(
    ("shows", "actions", "kind", "sends", "sentence"),
    [
        ({**THERE, "title": "Clerk"}, EVERY_ACTION, UPDATE, {"title": "Engineer"}, "assigned directly"),
        (THERE, EVERY_ACTION, LINK, {}, "was found at the target and linked; everything is equal there already."),
        ({**THERE, "title": "Clerk"}, NO_UPDATE, LINK, {}, "linked; the object action Update is switched off."),
    ],
)
def test_an_account_that_is_found_is_adopted(
    shows: Attributes, actions: frozenset[ObjectAction], kind: OperationKind, sends: Attributes, sentence: str
) -> None:
    operation = plan(person(), found(shows), compiled(actions=actions))
    assert (operation.kind, changes_of(operation)) == (kind, sends)
    assert (operation.link_state, operation.owned) == (ADOPTED, ADOPTED)
    assert (operation.target_id, operation.target_name) == ("t-1", "Ada at the target")
    assert sentence in operation.reason
    # Its projection is what was there: the next cycle compares with that.
    assert operation.acknowledged == Acknowledged(sent=shows)


def test_an_account_that_is_found_for_somebody_blocked_is_adopted_and_disabled() -> None:
    operation = plan(BLOCKED, found())
    assert (operation.kind, changes_of(operation)) == (DISABLE, {"active": False})
    assert operation.link_state is ADOPTED


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ('"False"', '. The mapping of active switches the account off: "False"'),
        ("[IsSoftDeleted]", ". The mapping of active switches the account off: [IsSoftDeleted]"),
        (
            'IIF([jobTitle] = "Engineer", [isOff], Not([IsSoftDeleted]))',
            " off by isOff, jobTitle: IIF([jobTitle] =",
        ),
        (f'IIF([jobTitle] = "{"x" * 300}", "True", "False")', f"{'x' * 180}…"),
        (None, " off, as it has no value there."),
    ],
)
@pytest.mark.parametrize("target", [linked(link(sent={**THERE, "active": True})), found()])
def test_whoever_is_wanted_and_switched_off_by_a_mapping_is_disabled_and_the_mapping_named(
    expression: str | None, why: str, target: TargetObject
) -> None:
    # Of somebody whose switch the target does not show it may be on.
    if expression is None:
        target = linked(link(sent={"userName": THERE["userName"]}))
    switch = row("active", expression, kind=AttributeType.BOOLEAN, default=None if expression else "False")
    operation = plan(person(isOff="False", jobTitle="Engineer"), target, compiled((USER_NAME, switch, TITLE)))
    assert (operation.kind, changes_of(operation)["active"]) == (DISABLE, False)
    assert why in operation.reason


def test_who_is_switched_off_already_is_updated_and_an_import_removes_nobody() -> None:
    rules = compiled((USER_NAME, row("active", '"False"', kind=AttributeType.BOOLEAN), TITLE))
    assert plan(person(jobTitle="Lead"), linked(link(sent=OFF)), rules).kind is UPDATE
    always = row("active", '"False"', kind=AttributeType.BOOLEAN, behavior=FlowBehavior.FLOW_ALWAYS)
    assert plan(person(), linked(link(sent=OFF)), compiled((USER_NAME, always, TITLE))).kind is UPDATE
    assert plan(person(), linked(link()), rules, terms=IMPORT).kind is UPDATE
    assert plan(person(), NOBODY, rules).kind is CREATE


def test_a_released_one_that_is_managed_again_says_so() -> None:
    assert plan(person(), linked(link(RELEASED))).reason == (
        "Ada Lovelace is managed again; everything is equal there already."
    )


# ---------------------------------------------------------------- gone at the target


@pytest.mark.parametrize(
    ("change", "state"),
    [(UNASSIGNED, MANAGED), (SOFT, MANAGED), (HARD, MANAGED), (HARD, ADOPTED)],
    ids=["unassigned", "soft-deleted", "hard-deleted", "hard-deleted, adopted"],
)
def test_a_leaver_whose_account_is_gone_is_forgotten(change: Change, state: LinkState) -> None:
    operation = plan(change, vanished(link(state)))
    assert (operation.kind, operation.link_state, operation.changes) == (LINK, None, ())
    assert "is no longer there, so the link is dropped" in operation.reason


def test_a_group_that_is_gone_already_is_not_deleted_again() -> None:
    change = group(grants=())
    operation = plan(change, vanished(link(change=change)), compiled(GROUP_ROWS, kind=GROUP))
    assert (operation.kind, operation.link_state) == (LINK, None)


def test_an_account_created_in_place_of_a_lost_one_starts_from_nothing() -> None:
    known = link(ADOPTED, sent={**THERE, "nickName": "Countess"}, seen={"title": None})
    operation = plan(person(), vanished(known))
    assert (operation.kind, operation.link_state, operation.owned) == (CREATE, MANAGED, MANAGED)
    assert (operation.acknowledged, operation.target_id) == (Acknowledged(), None)


# ---------------------------------------------------------------- what cannot be decided

FAILING = row("title", 'CDate("nonsense")')


def test_a_person_without_a_required_value_cannot_be_created_and_the_failure_names_what_is_missing() -> None:
    rules = compiled([USER_NAME, ACTIVE, row("mail", "[mail]", required=True), row("nick", "[nick]", required=True)])
    operation = plan(person(), NOBODY, rules)
    assert operation.kind is FAIL
    assert operation.failure is not None
    assert operation.failure.code == "MissingValues"
    assert operation.failure.sentence == "Ada Lovelace cannot be created: no value for the required mail, nick."
    assert operation.reason == operation.failure.sentence
    assert not operation.failure.retry


@pytest.mark.parametrize(
    "definition",
    [
        AttributeDefinition(name="id", required=True, anchor=True),
        AttributeDefinition(name="manager", required=True, type=AttributeType.REFERENCE),
    ],
    ids=["anchor", "reference"],
)
def test_what_only_the_target_or_a_later_wave_can_give_is_not_required(definition: AttributeDefinition) -> None:
    assert plan(person(), NOBODY, compiled(unmapped=[definition])).kind is CREATE


def test_a_required_value_that_is_missing_does_not_stop_an_update() -> None:
    rules = compiled([USER_NAME, ACTIVE, TITLE, row("mail", "[mail]", required=True)])
    assert plan(person(jobTitle="Lead"), linked(link()), rules).kind is UPDATE


def test_nobody_without_a_matching_value_is_created() -> None:
    operation = plan(person(without=("userPrincipalName",)))
    assert (operation.kind, operation.skip_reason) == (SKIP, SkipReason.MATCHING_ATTRIBUTE_MISSING)
    assert operation.skip_reason == "ImportSkipped"
    assert "has no value for a matching attribute" in operation.reason


@pytest.mark.parametrize(
    ("change", "actions"),
    [(BLOCKED, EVERY_ACTION), (person(), NO_ADD), (person(without=("userPrincipalName",)), EVERY_ACTION)],
    ids=["blocked", "Create off", "no matching value"],
)
def test_the_link_to_an_account_that_others_deleted_is_dropped_where_none_is_made_in_its_place(
    change: Change, actions: frozenset[ObjectAction]
) -> None:
    operation = plan(change, vanished(link()), compiled(actions=actions))
    assert (operation.kind, operation.link_state, operation.account_stays) == (LINK, None, False)
    assert "is no longer there" in operation.reason


def test_create_that_is_switched_off_comes_before_everything_that_is_wrong_with_the_values() -> None:
    assert plan(person(), NOBODY, compiled([USER_NAME, FAILING], actions=NO_ADD)).kind is SKIP


@pytest.mark.parametrize(
    "failure",
    [
        AmbiguousMatch(attribute="userName", value="ada@example.com", target_ids=["t-1", "t-2"]),
        LinkedElsewhere("The account t-1 at the target is managed for Ada Lovelace by job j-2."),
        TargetBusy("The target answered 503.", status=503),
    ],
    ids=["ambiguous", "linked elsewhere", "busy"],
)
@pytest.mark.parametrize("change", [person(), BLOCKED, UNASSIGNED, HARD], ids=["present", "blocked", "left", "purged"])
def test_nothing_is_done_when_it_is_not_known_what_is_at_the_target(
    failure: AmbiguousMatch | LinkedElsewhere | TargetBusy, change: Change
) -> None:
    known = link()
    operation = plan(change, TargetObject(link=known, exists=True, failure=failure.record()))
    assert (operation.kind, operation.changes) == (FAIL, ())
    assert operation.failure == failure.record()
    # The link stays as it is.
    assert (operation.link_state, operation.owned, operation.acknowledged) == (MANAGED, MANAGED, known.acknowledged)


# ---------------------------------------------------------------- failing mappings

FAILING_RULES = (USER_NAME, ACTIVE, FAILING)


@pytest.mark.parametrize("target", [NOBODY, linked(link()), found()], ids=["nobody", "linked", "found"])
def test_a_failing_mapping_stops_somebody_who_is_to_be_there(target: TargetObject) -> None:
    operation = plan(person(), target, compiled(FAILING_RULES))
    assert operation.kind is FAIL
    assert operation.failure is not None
    assert operation.failure.code == "MappingFailed"
    assert operation.failure.sentence.startswith("The mapping of title failed: ")


@pytest.mark.parametrize(
    ("change", "kind"),
    [(BLOCKED, DISABLE), (SOFT, DISABLE), (UNASSIGNED, DISABLE), (FILTERED, DISABLE), (HARD, DELETE)],
    ids=["blocked", "soft-deleted", "unassigned", "filtered", "hard-deleted"],
)
def test_a_failing_mapping_does_not_stop_a_leaver(change: Change, kind: OperationKind) -> None:
    operation = plan(change, linked(link()), compiled(FAILING_RULES, scope=SALES))
    assert operation.kind is kind
    assert changes_of(operation) == ({"active": False} if kind is DISABLE else {})


BROKEN_SIGN = row("note", 'IIF([IsSoftDeleted], CDate("nonsense"), "here")')
BROKEN_SWITCH = row("active", "IIF([IsSoftDeleted], CBool(\"maybe\"), True)", kind=AttributeType.BOOLEAN)  # fmt: skip


def test_a_life_sign_that_fails_does_not_keep_back_the_switch() -> None:
    operation = plan(UNASSIGNED, linked(link()), compiled([USER_NAME, BROKEN_SIGN, ACTIVE]))
    assert (operation.kind, changes_of(operation)) == (DISABLE, {"active": False})


@pytest.mark.parametrize("change", [UNASSIGNED, SOFT, BLOCKED], ids=["unassigned", "soft-deleted", "blocked"])
def test_a_switch_that_fails_is_a_failure_and_never_passes_for_disabled(change: Change) -> None:
    note = row("note", 'IIF([IsSoftDeleted], "left", "here")')
    operation = plan(change, linked(link()), compiled([USER_NAME, note, BROKEN_SWITCH]))
    assert operation.kind is FAIL
    assert operation.link_state is MANAGED


def test_somebody_to_be_deleted_needs_no_values() -> None:
    assert plan(HARD, linked(link()), compiled([USER_NAME, BROKEN_SWITCH])).kind is DELETE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (UNASSIGNED, SkipReason.NOT_ASSIGNED),
        (SOFT, SkipReason.INACTIVE_AT_SOURCE),
        (BLOCKED, SkipReason.INACTIVE_AT_SOURCE),
        (HARD, SkipReason.NOT_MANAGED),
    ],
)
def test_a_failing_life_sign_is_nobodys_business_when_there_is_no_account(change: Change, reason: SkipReason) -> None:
    operation = plan(change, NOBODY, compiled([USER_NAME, BROKEN_SWITCH]))
    assert (operation.kind, operation.skip_reason) == (SKIP, reason)


def test_without_a_life_sign_nobody_is_disabled() -> None:
    rules = compiled([USER_NAME, TITLE])
    assert plan(BLOCKED, linked(link()), rules).kind is SKIP
    assert plan(SOFT, linked(link()), rules).kind is SKIP
    released = plan(UNASSIGNED, linked(link()), rules)
    assert (released.kind, released.link_state, released.changes) == (LINK, RELEASED, ())


def test_an_object_that_a_mapping_leaves_out_is_left_alone_whatever_is_there() -> None:
    rules = compiled([USER_NAME, ACTIVE, row("title", 'IIF([jobTitle] = "Engineer", IgnoreObjectFlow, [jobTitle])')])
    for target in (NOBODY, linked(link(sent={}))):
        operation = plan(person(), target, rules)
        assert (operation.kind, operation.skip_reason, operation.changes) == (SKIP, SkipReason.LEFT_OUT, ())
        assert operation.reason == "The mapping of title asks to leave this object out (IgnoreObjectFlow)."
    assert plan(UNASSIGNED, linked(link()), rules).kind is DISABLE


# ---------------------------------------------------------------- what an operation carries


def test_an_operation_carries_what_sending_and_settling_it_need() -> None:
    change = person(references={"manager": ("s-boss",)})
    rules = compiled([USER_NAME, row("title", "Redact([jobTitle])"), row("tags", "[jobTitle]", multivalued=True)])
    create = plan(change, NOBODY, rules)
    assert (create.change_id, create.source_id, create.source_name, create.source_seq) == (
        "change-1",
        "s-ada",
        "Ada Lovelace",
        7,
    )
    assert create.matching == (MatchingValue(attribute="userName", value="ada@example.com"),)
    by_name = {item.attribute: item for item in create.changes}
    assert {item.verb for item in create.changes} == {Verb.ADD}
    assert (by_name["title"].new, by_name["title"].redacted) == ("Engineer", True)
    assert (by_name["tags"].new, by_name["tags"].multivalued) == (("Engineer",), True)
    assert not by_name["userName"].redacted
    assert not by_name["userName"].multivalued
    update = plan(change, linked(link(), {"userName": "ada@example.com", "title": "Clerk"}), rules)
    assert [(item.attribute, item.verb, item.old) for item in update.changes] == [
        ("title", Verb.REPLACE, "Clerk"),
        ("tags", Verb.ADD, None),
    ]


def test_wanted_references_travel_with_those_who_are_there_and_with_nobody_else() -> None:
    from_rules = compiled(GROUP_ROWS, kind=GROUP)
    wanted = plan(group(members=("s-1", "s-2")), NOBODY, from_rules).references
    assert [(item.attribute, item.multivalued, item.source_ids) for item in wanted] == [
        ("members", True, ("s-1", "s-2"))
    ]
    change = group(grants=(), members=("s-1",))
    assert plan(change, linked(link(change=change)), from_rules).references == ()


def test_what_the_target_showed_becomes_the_projection_but_not_over_what_it_rewrote() -> None:
    known = link(sent={**THERE, "title": "Engineer"}, seen={"title": "ENGR."})
    operation = plan(person(), linked(known, {**THERE, "title": "ENGR.", "site": "Paris"}))
    assert operation.kind is SKIP
    assert operation.acknowledged == Acknowledged(sent={**THERE, "site": "Paris"}, seen={"title": "ENGR."})


@pytest.mark.parametrize(
    ("change", "shows", "knows"),
    [(person(), THERE, {**THERE, "title": "Clerk"}), (SOFT, OFF, THERE)],
    ids=["present", "soft-deleted"],
)
def test_what_was_brought_into_line_at_the_target_is_noted_so_that_no_later_cycle_sends_it(
    change: Change, shows: Attributes, knows: Attributes
) -> None:
    operation = plan(change, linked(link(sent=knows), shows))
    assert (operation.kind, operation.changes) == (LINK, ())
    assert (operation.link_state, operation.owned) == (MANAGED, MANAGED)
    known = link(sent=operation.acknowledged.sent)
    assert plan(change, linked(known)).kind is SKIP


def test_an_attribute_that_always_flows_is_sent_even_when_it_is_equal() -> None:
    always = row("title", "[jobTitle]", behavior=FlowBehavior.FLOW_ALWAYS)
    assert changes_of(plan(person(), linked(link()), compiled([USER_NAME, always]))) == {"title": "Engineer"}


REST = person(), linked(link())


@pytest.mark.parametrize(
    ("change", "target", "rules", "rests"),
    [
        (*REST, compiled(), True),
        (person(), linked(link(ADOPTED)), compiled(), True),
        (person(references={"manager": ("s-boss",)}), linked(link()), compiled(), True),
        (person(jobTitle="Countess"), linked(link()), compiled(), False),
        (BLOCKED, linked(link()), compiled(), False),
        (UNASSIGNED, linked(link(sent=OFF)), compiled(), False),
        (person(), NOBODY, compiled(), False),
        (person(), vanished(link()), compiled(), False),
        (person(), linked(link(), THERE), compiled(), False),
        (person(), replace(linked(link()), failure=TargetBusy("Later.").record()), compiled(), False),
        (person(), linked(link(RELEASED)), compiled(), False),
        (person(), linked(link(SEEN)), compiled(), False),
        (*REST, compiled([USER_NAME, row("title", "[jobTitle]", behavior=FlowBehavior.FLOW_ALWAYS)]), False),
        (*REST, compiled([USER_NAME, ACTIVE, row("title", "Item([jobTitle], 0)")]), False),
    ],
)
def test_whoever_is_to_the_letter_as_wanted_is_known_without_an_operation(
    change: Change, target: TargetObject, rules: KindRules, rests: bool
) -> None:
    assert is_as_wanted(intend(change, rules), target) is rests
    assert not rests or plan(change, target, rules).skip_reason is SkipReason.REDUNDANT_EXPORT


def test_the_same_intent_gives_the_same_operation() -> None:
    intent = intend(person())
    rules: KindRules = compiled()

    def once() -> Operation:
        return plan_operation(intent, found(), rules, TERMS, change_id="c")

    assert once() == once()
    assert resource().target_id == once().target_id
    assert SITE.definition.name in rules.definitions
