"""The deletion firewall and approval: what is held, by which cause, who lets it go, and what is never taken away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import APP, JOB, Trip

from faults.administrators import desk_of
from muster.administration import jobs, work
from muster.administration.refusals import Refused
from muster.model.cause import CauseKind
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.hold import HoldCode, HoldState
from muster.model.job import PlanKind, QuarantineReason, ResetScope
from muster.model.log import LogStatus, ProvisioningAction, SkipReason
from muster.model.notice import NoticeKind
from muster.model.operation import LinkState, OperationKind
from muster.planning.policy import Approval, Limit, RemovalKind, RemovalThreshold
from muster.planning.protection import Protections
from muster.ports.cycles import LogQuery

FEW = RemovalThreshold(count=1)
LATER = timedelta(hours=25)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


@pytest.fixture
def groups(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def active(trip: Trip) -> dict[str, bool]:
    return {name.partition("@")[0]: item["active"] for name, item in trip.at_target().items()}


def quarantined(trip: Trip) -> QuarantineReason | None:
    job = trip.store.jobs.get(JOB)
    assert job is not None
    return None if job.quarantine is None else job.quarantine.reason


def leave(trip: Trip, *names: str) -> list[str]:
    """Hires, provisions and unassigns people under a threshold of one."""
    people = [trip.hire(name) for name in names]
    trip.run()
    trip.threshold = FEW
    for person in people:
        trip.unassign(person)
    trip.run()
    return people


# ---------------------------------------------------------------- approve and reject


def test_held_removals_wait_for_an_administrator_and_are_not_asked_again(trip: Trip) -> None:
    ada, _ = leave(trip, "Ada", "Bob")
    assert active(trip) == {"ada": True, "bob": True}
    assert [hold.code for hold in trip.holds()] == [HoldCode.TOO_MANY] * 2
    entries = len(trip.log(ada))
    trip.clock.advance(LATER)
    assert trip.run() is None
    assert (len(trip.log(ada)), quarantined(trip)) == (entries, QuarantineReason.TOO_MANY_DELETES)
    assert trip.log(ada)[0].action is ProvisioningAction.STAGED_DELETE


def test_the_quarantine_lasts_while_removals_wait_whatever_else_goes_well(trip: Trip) -> None:
    leave(trip, "Ada", "Bob")
    trip.hire("Cy")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.created, cycle.counters.held) == (1, 0)
    assert quarantined(trip) is QuarantineReason.TOO_MANY_DELETES
    trip.approve()
    trip.run()
    assert quarantined(trip) is None


def test_one_by_one_what_is_approved_goes_and_the_rest_stays(trip: Trip) -> None:
    ada, bob, cy = leave(trip, "Ada", "Bob", "Cy")
    held = {hold.source_id: hold.id for hold in trip.holds()}
    assert trip.approve(ids=(held[ada],)) == 1
    assert trip.approve(HoldState.REJECTED, ids=(held[cy],)) == 1
    trip.run()
    assert active(trip) == {"ada": False, "bob": True, "cy": True}
    assert {hold.source_id for hold in trip.holds()} == {bob}
    assert {hold.decided_by for hold in trip.holds(states=(HoldState.REJECTED,))} == {"anna"}
    assert trip.holds(states=(HoldState.APPROVED,)) == []


def test_what_was_rejected_is_asked_again_only_when_the_person_changes(trip: Trip) -> None:
    ada, bob = leave(trip, "Ada", "Bob")
    trip.approve(HoldState.REJECTED)
    trip.threshold = RemovalThreshold(enabled=False)
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.run()
    assert cycle is not None
    counted = cycle.counters
    # The decision stands: they are as they were, and the log has nothing new to tell of them.
    assert (counted.held, counted.skipped, counted.unchanged, trip.transport.writes) == (0, 0, 2, [])
    assert quarantined(trip) is None
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    assert active(trip) == {"ada": False, "bob": True}
    assert [hold.source_id for hold in trip.holds(states=(HoldState.REJECTED,))] == [bob]


def test_an_approval_is_for_what_was_shown_and_nothing_else(groups: Trip) -> None:
    ada, _ = leave(groups, "Ada", "Bob")
    groups.approve()
    # The account was made anew at the target meanwhile: another id.
    groups.service.ask("DELETE", f"/Users/{groups.at_target()['ada@lantaarn.example']['id']}")
    groups.account("ada@lantaarn.example")
    groups.run()
    assert active(groups) == {"ada": True, "bob": False}
    # By its name it is hers: the gate has its own look at this one, which alone is within what may go.
    groups.run()
    link = groups.link(ada)
    assert link is not None and link.owned is LinkState.ADOPTED
    assert active(groups) == {"ada": False, "bob": False}


def test_whoever_changes_after_the_approval_is_asked_about_again(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.approval = Approval.ALL
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    assert trip.approve() == 1
    trip.edit(ada, jobTitle="Chief")
    trip.run()
    assert (trip.transport.writes, [hold.state for hold in trip.holds()]) == ([], [HoldState.HELD])
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Clerk"


def test_who_came_back_is_no_longer_held(trip: Trip) -> None:
    ada, _ = leave(trip, "Ada", "Bob")
    trip.assign(ada)
    trip.run()
    assert [hold.operation.source_name for hold in trip.holds()] == ["Bob Tester"]


def test_the_next_to_leave_does_not_free_those_who_are_held(trip: Trip) -> None:
    ada, _ = leave(trip, "Ada", "Bob")
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    assert trip.transport.writes == []
    assert len(trip.holds()) == 2


def test_a_full_pass_counts_everybody_anew(trip: Trip) -> None:
    leave(trip, "Ada", "Bob")
    trip.threshold = RemovalThreshold(count=2)
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert active(trip) == {"ada": False, "bob": False}
    assert (trip.holds(), quarantined(trip)) == ([], None)


def test_allowing_deletes_lets_go_what_was_held_before(trip: Trip) -> None:
    leave(trip, "Ada", "Bob")
    trip.store.jobs.set_settings(JOB, {"ForceDeletes": "true"})
    cycle = trip.run()
    assert cycle is not None
    assert active(trip) == {"ada": False, "bob": False}
    assert trip.holds() == []


def test_an_approved_removal_that_fails_stays_approved(trip: Trip) -> None:
    ada, _ = leave(trip, "Ada", "Bob")
    trip.approve()
    busy = HttpResponse(status=503, headers={}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, send: busy if request.method == "PATCH" else None
    trip.run()
    assert trip.log(ada)[0].status is LogStatus.FAILURE
    trip.transport.fault = None
    trip.clock.advance(timedelta(hours=1))
    trip.run()
    assert active(trip) == {"ada": False, "bob": False}


# ---------------------------------------------------------------- causes


def test_removals_are_grouped_by_what_brought_them_about(trip: Trip) -> None:
    crew = [trip.hire(name, assigned=False) for name in ("Ada", "Bob", "Cy")]
    trip.found("Sales-Temp", crew[:2])
    other = trip.found("Sales", crew[2:])
    dee, eve = trip.hire("Dee"), trip.hire("Eve")
    trip.run()
    trip.threshold = FEW
    group = trip.store.directory.groups_of(crew[0])[0].object_id
    trip.store.directory.set_lifecycle(ObjectKind.GROUP, group, Lifecycle.SOFT_DELETED, trip.clock.now())
    trip.store.directory.change_members(other, add=[], remove=crew[2:])
    trip.unassign(dee)
    trip.edit(eve, accountEnabled=False)
    trip.run()
    found = {
        (group.cause.kind, group.cause.sentence, group.count)
        for group in trip.store.holds.groups(JOB, trip.filter())
        if group.cause is not None
    }
    assert found == {
        (CauseKind.GROUP_DELETED, "the group Sales-Temp was deleted", 2),
        (CauseKind.LEFT_GROUP, "no longer in the group Sales", 1),
        (CauseKind.UNASSIGNED, "the assignment to the application was removed", 1),
        (CauseKind.SIGN_IN_BLOCKED, "sign-in is blocked in the directory", 1),
    }
    assert trip.approve(cause=f"groupDeleted:{group}") == 2
    trip.run()
    assert active(trip) == {"ada": False, "bob": False, "cy": True, "dee": True, "eve": True}


def test_a_group_that_is_no_longer_assigned_is_the_cause(trip: Trip) -> None:
    ada = trip.hire("Ada", assigned=False)
    bob = trip.hire("Bob", assigned=False)
    group = trip.found("Sales", [ada, bob])
    trip.run()
    trip.threshold = FEW
    trip.unassign(group)
    trip.run()
    (found,) = trip.store.holds.groups(JOB, trip.filter())
    assert found.cause is not None
    assert (found.cause.key, found.count) == (f"groupUnassigned:{group}", 2)


def test_who_was_never_assigned_is_not_said_to_be_so_no_longer(trip: Trip) -> None:
    for name in ("Ada", "Bob", "Cy"):
        trip.hire(name, assigned=False)
    trip.terms = {**trip.terms, "sync_all": True}
    trip.run()
    trip.terms = {**trip.terms, "sync_all": False}
    trip.threshold = FEW
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    (found,) = trip.store.holds.groups(JOB, trip.filter())
    assert found.cause is not None
    assert (found.cause.sentence, found.count) == ("not assigned to the application", 3)


# ---------------------------------------------------------------- thresholds by kind and day


def test_a_day_of_small_cycles_is_counted_together(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy")]
    trip.run()
    trip.threshold = RemovalThreshold(count=10, rolling=Limit(count=2))
    for person in people:
        trip.unassign(person)
        trip.run()
    assert active(trip) == {"ada": False, "bob": False, "cy": True}
    (hold,) = trip.holds()
    assert "in the last 24 hours" in hold.reason


def test_after_a_day_removals_count_from_nothing(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob")]
    trip.run()
    trip.threshold = RemovalThreshold(count=10, rolling=Limit(count=1))
    for person in people:
        trip.unassign(person)
        trip.run()
        trip.clock.advance(LATER)
    assert active(trip) == {"ada": False, "bob": False}


def test_members_are_held_by_a_threshold_of_their_own_and_those_who_come_are_not(groups: Trip) -> None:
    people = [groups.hire(name) for name in ("Ada", "Bob", "Cy", "Dee")]
    crew = groups.found("Crew", people[:3])
    groups.run()
    groups.threshold = RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(count=1)})
    groups.store.directory.change_members(crew, add=[people[3]], remove=people[:2])
    cycle = groups.run()
    assert cycle is not None
    target = groups.at_target("Groups")["Crew"]["id"]
    assert len(groups.service.repository._members[target]) == 4
    (hold,) = groups.holds()
    assert (hold.attribute, hold.operation.kind, hold.cause and hold.cause.kind) == (
        "members",
        OperationKind.REFER,
        CauseKind.MEMBERS_LEFT,
    )
    assert cycle.counters.held == 1
    groups.clock.advance(LATER)
    groups.run()
    assert groups.transport.writes == []
    groups.approve()
    groups.run()
    assert len(groups.service.repository._members[target]) == 2
    assert groups.holds() == []


def test_members_who_came_back_are_not_asked_about_any_more(groups: Trip) -> None:
    people = [groups.hire(name) for name in ("Ada", "Bob")]
    crew = groups.found("Crew", people)
    groups.run()
    groups.threshold = RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(count=0)})
    groups.store.directory.change_members(crew, add=[], remove=people)
    groups.run()
    assert len(groups.holds()) == 1
    groups.store.directory.change_members(crew, add=people, remove=[])
    groups.run()
    assert groups.holds() == []
    assert groups.transport.writes == []


def test_members_that_were_rejected_stay_in_the_group(groups: Trip) -> None:
    people = [groups.hire(name) for name in ("Ada", "Bob", "Cy")]
    crew = groups.found("Crew", people)
    groups.run()
    groups.threshold = RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(count=1)})
    groups.store.directory.change_members(crew, add=[], remove=people[:2])
    groups.run()
    groups.approve(HoldState.REJECTED)
    groups.threshold = RemovalThreshold(enabled=False)
    groups.clock.advance(LATER)
    groups.run()
    assert groups.transport.writes == []


def test_groups_are_held_by_a_threshold_of_their_own(groups: Trip) -> None:
    crews = [groups.found(name, []) for name in ("Crew", "Staff")]
    ada = groups.hire("Ada")
    groups.run()
    groups.threshold = RemovalThreshold(by_kind={RemovalKind.GROUP_DELETE: Limit(count=1)})
    for crew in crews:
        groups.unassign(crew)
    groups.unassign(ada)
    groups.run()
    assert set(groups.at_target("Groups")) == {"Crew", "Staff"}
    assert active(groups) == {"ada": False}
    assert {hold.operation.kind for hold in groups.holds()} == {OperationKind.DELETE}


# ---------------------------------------------------------------- approval


def test_a_job_that_asks_for_approval_of_all_sends_nothing_that_nobody_approved(trip: Trip) -> None:
    trip.approval = Approval.ALL
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.held, trip.transport.writes, quarantined(trip)) == (2, [], None)
    assert trip.log(ada)[0].action is ProvisioningAction.CREATE
    held = {hold.source_id: hold for hold in trip.holds()}
    assert held[ada].cause is not None
    assert held[ada].cause.sentence == "assigned to the application"
    trip.approve(ids=(held[ada].id,))
    trip.approve(HoldState.REJECTED, ids=(held[bob].id,))
    trip.run()
    assert active(trip) == {"ada": True}
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    (hold,) = trip.holds()
    assert hold.cause is not None
    assert (hold.operation.kind, hold.cause.key) == (OperationKind.UPDATE, "attributesChanged:title")
    assert trip.transport.writes == []
    trip.approve()
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Lead"


def test_a_cycle_that_waits_for_approval_waits_as_a_plan_and_is_told_of_once(trip: Trip) -> None:
    trip.approval = Approval.ALL
    for name in ("Ada", "Bob"):
        trip.hire(name)
    cycle = trip.run()
    assert cycle is not None
    ((plan,), _) = trip.store.plans.list(JOB, 5)
    assert (plan.kind, plan.cycle_id, trip.planned(plan)) == (PlanKind.APPROVAL, cycle.id, [])
    assert [item.operation.kind for item in trip.held_in(plan)] == [OperationKind.CREATE] * 2
    # Both are looked for again before they are created.
    assert (plan.counters.created, plan.requests) == (2, 4)
    assert {item.operation.change_id for item in trip.held_in(plan)} == {hold.id for hold in trip.holds()}
    told = [each for each in trip.store.outbox.unaddressed(9) if each.kind is NoticeKind.APPROVAL_AWAITED]
    assert [(each.count, each.causes[0].sentence) for each in told] == [(2, "assigned to the application.")]
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert {item.operation.change_id for item in trip.held_in(plan)} == {hold.id for hold in trip.holds()}
    trip.approve()
    trip.run()
    assert len(trip.transport.requests) == plan.requests


def test_a_job_that_asks_for_approval_of_removals_lets_everything_else_go(groups: Trip) -> None:
    groups.approval = Approval.REMOVALS
    people = [groups.hire(name) for name in ("Ada", "Bob", "Cy")]
    crew = groups.found("Crew", people[:2])
    groups.run()
    assert active(groups) == {"ada": True, "bob": True, "cy": True}
    groups.store.directory.change_members(crew, add=[], remove=people[1:])
    groups.unassign(people[2])
    groups.run()
    assert groups.transport.writes == []
    assert {(hold.code, hold.operation.kind) for hold in groups.holds()} == {
        (HoldCode.APPROVAL, OperationKind.DISABLE),
        (HoldCode.APPROVAL, OperationKind.REFER),
    }
    assert quarantined(groups) is None


def test_approval_of_removals_does_not_keep_an_account_that_others_deleted_from_being_made_anew(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.approval = Approval.REMOVALS
    trip.service.repository.delete("User", trip.at_target()["ada@lantaarn.example"]["id"])
    trip.edit(ada, department="Sales")
    trip.run()
    assert active(trip) == {"ada": True}


def test_what_waits_as_a_plan_is_not_approved_once_somebody_of_it_has_changed_though_no_cycle_has_seen_it(
    trip: Trip,
) -> None:
    trip.hire("Ada")
    bob = trip.hire("Bob")
    trip.run()
    trip.approval = Approval.ALL
    trip.edit(bob, jobTitle="Baker")
    trip.run()
    trip.edit(bob, jobTitle="Brewer")
    ((stale,), _) = trip.store.plans.list(JOB, 1)
    with pytest.raises(Refused, match="Bob Tester went or have changed"):
        work.ask_for_apply(desk_of(trip), APP, JOB, stale.id)
    assert trip.store.plans.get(stale.id) == stale
    assert [hold.state for hold in trip.holds()] == [HoldState.HELD]
    trip.run()
    ((plan,), _) = trip.store.plans.list(JOB, 1)
    work.ask_for_apply(desk_of(trip), APP, JOB, plan.id)
    assert len(trip.holds(states=(HoldState.APPROVED,))) == 1


@pytest.mark.parametrize("scope", [ResetScope.FULL, ResetScope.CONNECTOR_DATA_STORE])
def test_links_are_not_dropped_while_removals_wait_for_an_administrator(trip: Trip, scope: ResetScope) -> None:
    leave(trip, "Ada", "Bob", "Cy")
    for decision in (HoldState.APPROVED, HoldState.REJECTED):
        with pytest.raises(Refused, match="not sent yet: 3"):
            jobs.restart(desk_of(trip), APP, JOB, frozenset({scope}))
        assert quarantined(trip) is QuarantineReason.TOO_MANY_DELETES
        assert trip.approve(decision, states=(HoldState.HELD, HoldState.APPROVED)) == 3
    jobs.restart(desk_of(trip), APP, JOB, frozenset({scope}))
    assert list(trip.holds()) == []


def test_a_plan_that_is_applied_has_been_approved(trip: Trip) -> None:
    trip.approval = Approval.ALL
    trip.hire("Ada")
    plan = trip.planner.make(JOB)
    cycle = trip.planner.apply(plan.hash)
    while trip.engine.advance(cycle.id):
        pass
    assert active(trip) == {"ada": True}


def test_somebody_whom_an_administrator_provisions_by_name_needs_no_further_approval(trip: Trip) -> None:
    trip.approval = Approval.ALL
    ada = trip.hire("Ada")
    trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    assert active(trip) == {"ada": True}


# ---------------------------------------------------------------- whom a rule or a value switches off


def map_active(trip: Trip, expression: str) -> None:
    """Maps the switch in another way, which everybody is looked at for."""
    document: Any = dict(trip.store.jobs.schema(JOB).document)
    for item in document["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]:
        if item["targetAttributeName"] == "active":
            item["source"] = {"expression": expression, "type": "Function", "name": "x", "parameters": []}
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    trip.store.jobs.set_watermark(JOB, None)


@pytest.mark.parametrize("expression", ["[IsSoftDeleted]", '"False"'])
def test_a_mapping_that_switches_off_those_who_are_assigned_passes_the_firewall(trip: Trip, expression: str) -> None:
    for name in ("Ada", "Bob", "Cy"):
        trip.hire(name)
    trip.run()
    trip.threshold, trip.protections = FEW, Protections(users=("cy@*",))
    map_active(trip, expression)
    cycle = trip.run()
    assert cycle is not None
    assert (trip.transport.writes, cycle.counters.held) == ([], 2)
    assert quarantined(trip) is QuarantineReason.TOO_MANY_DELETES
    (group,) = trip.store.holds.groups(JOB, trip.filter())
    assert group.cause is not None
    assert (group.cause.key, group.cause.sentence, group.count) == ("attributesChanged:active", "active changed", 2)
    assert {hold.operation.reason.partition(". ")[2] for hold in trip.holds()} == {
        f"The mapping of active switches the account off: {expression}"
    }
    trip.approve(cause=group.cause.key)
    wrong = trip.run()
    assert wrong is not None
    assert (active(trip), wrong.counters.disabled) == ({"ada": False, "bob": False, "cy": True}, 2)
    # The rule is still the same: nobody is asked about again.
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert (trip.transport.writes, trip.holds(), quarantined(trip)) == ([], [], None)
    begun = trip.planner.apply(trip.planner.make_rollback(JOB, wrong.id).hash)
    while trip.engine.advance(begun.id):
        pass
    assert active(trip) == {"ada": True, "bob": True, "cy": True}


def test_a_value_that_switches_somebody_off_waits_for_approval_as_every_removal_does(trip: Trip) -> None:
    map_active(trip, 'IIF([jobTitle] = "Former", "False", "True")')
    ada, bob = trip.hire("Ada"), trip.hire("Bob", jobTitle="Former")
    first = trip.run()
    assert first is not None
    # Whoever is created so has lost nothing.
    assert (active(trip), first.counters.created) == ({"ada": True, "bob": False}, 2)
    trip.approval = Approval.REMOVALS
    trip.edit(ada, jobTitle="Former", department="Sales")
    trip.edit(bob, department="Sales")
    trip.run()
    assert len(trip.transport.writes) == 1
    (hold,) = trip.holds()
    assert (hold.source_id, hold.code, hold.operation.kind) == (ada, HoldCode.APPROVAL, OperationKind.DISABLE)
    assert hold.cause is not None
    assert hold.cause.key == "attributesChanged:active"
    assert "The mapping of active switches the account off by jobTitle: IIF(" in hold.operation.reason
    trip.approve()
    trip.run()
    assert active(trip) == {"ada": False, "bob": False}


def test_whoever_is_blocked_is_disabled_where_the_switch_is_mapped_by_a_value(trip: Trip) -> None:
    map_active(trip, "[accountEnabled]")
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, accountEnabled=False)
    cycle = trip.run()
    assert cycle is not None
    assert (active(trip), cycle.counters.disabled, cycle.counters.updated) == ({"ada": False}, 1, 0)
    assert trip.log(ada)[0].action is ProvisioningAction.DISABLE
    trip.edit(ada, jobTitle="Lead")
    trip.run()
    assert trip.log(ada)[0].action is ProvisioningAction.UPDATE


def test_whom_a_value_switches_off_waits_for_no_long_cycle(trip: Trip) -> None:
    map_active(trip, "[accountEnabled]")
    ada = trip.hire("Ada")
    trip.run()
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.edit(ada, accountEnabled=False)
    trip.transport.forget()
    trip.engine.advance(cycle.id)
    trip.engine.advance(cycle.id)
    assert active(trip) == {"ada": False}


# ---------------------------------------------------------------- protected accounts, grace


@pytest.mark.parametrize("protections", [Protections(users=("ada@*",)), Protections(groups=("Break-Glass",))])
def test_protected_accounts_are_never_disabled_or_deleted(trip: Trip, protections: Protections) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.found("Break-Glass", [ada], assigned=False)
    trip.run()
    trip.protections = protections
    for person in (ada, bob):
        trip.unassign(person)
    trip.run()
    assert active(trip) == {"ada": True, "bob": False}
    entry = trip.log(ada)[0]
    assert (entry.status, entry.skip_reason) == (LogStatus.SKIPPED, SkipReason.PROTECTED)
    trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    trip.soft_delete(ada)
    trip.run()
    trip.hard_delete(ada)
    trip.run()
    assert active(trip)["ada"] is True
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.MANAGED


def test_protected_accounts_are_shown_in_a_plan(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.protections = Protections(users=("ada@*",))
    trip.unassign(ada)
    plan = trip.planner.make(JOB)
    assert trip.planned(plan) == []
    assert [item.hold_code for item in trip.held_in(plan)] == [HoldCode.PROTECTED]
    cycle = trip.planner.apply(plan.hash)
    while trip.engine.advance(cycle.id):
        pass
    assert active(trip) == {"ada": True}
    assert quarantined(trip) is None


def test_a_leaver_who_is_protected_is_not_disabled_in_passing(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.protections = Protections(users=("ada@*",))
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.unassign(ada)
    while trip.engine.advance(cycle.id):
        pass
    assert active(trip) == {"ada": True}


def test_a_hard_delete_waits_out_its_grace_and_the_account_is_disabled_meanwhile(groups: Trip) -> None:
    ada = groups.hire("Ada")
    groups.run()
    groups.delete_grace = timedelta(days=7)
    groups.hard_delete(ada)
    groups.run()
    assert active(groups) == {"ada": False}
    (waiting,) = groups.holds(states=(HoldState.WAITING,))
    assert (waiting.code, waiting.operation.kind) == (HoldCode.GRACE, OperationKind.DELETE)
    assert waiting.due_at == waiting.held_at + timedelta(days=7)
    groups.store.jobs.set_watermark(JOB, None)
    groups.clock.advance(timedelta(days=6))
    groups.run()
    assert active(groups) == {"ada": False}
    (still,) = groups.holds(states=(HoldState.WAITING,))
    assert still.due_at == waiting.due_at
    groups.clock.advance(timedelta(days=1))
    groups.run()
    assert active(groups) == {}
    assert (groups.link(ada), groups.holds(states=tuple(HoldState))) == (None, [])


def test_a_deletion_that_has_waited_and_is_held_then_does_not_wait_anew(groups: Trip) -> None:
    people = [groups.hire(name) for name in ("Ada", "Bob")]
    groups.run()
    groups.delete_grace = timedelta(days=7)
    for person in people:
        groups.hard_delete(person)
    groups.run()
    groups.threshold = FEW
    groups.clock.advance(timedelta(days=7))
    groups.run()
    assert [hold.code for hold in groups.holds()] == [HoldCode.TOO_MANY] * 2
    groups.approve()
    groups.run()
    assert active(groups) == {}


def test_a_group_waits_out_its_grace_too(groups: Trip) -> None:
    crew = groups.found("Crew", [])
    groups.run()
    groups.delete_grace = timedelta(days=1)
    groups.unassign(crew)
    groups.run()
    assert set(groups.at_target("Groups")) == {"Crew"}
    groups.clock.advance(timedelta(days=1))
    groups.run()
    assert groups.at_target("Groups") == {}


def test_what_is_held_again_as_before_is_not_counted_again(trip: Trip) -> None:
    """A cycle's number of held operations is that of its log entries; what waits is counted where it is decided."""
    leave(trip, "Ada", "Bob")
    (first, *_) = trip.store.cycles.history(JOB, 1)
    for held in (first.counters.held, 0):
        entries = trip.store.log.search(LogQuery(job_id=JOB, cycle_id=first.id, held=True, limit=100))[0]
        assert (first.counters.held, len(entries)) == (held, held)
        trip.store.jobs.set_watermark(JOB, None)
        again = trip.run()
        assert again is not None
        assert again.counters.unchanged == 2
        first = again
    assert len(trip.holds()) == 2
