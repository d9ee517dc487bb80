"""The trip of a change through the real engine, store, target and SCIM server, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from fakes.store import place_in_use
from muster.engine import drafting, reading
from muster.engine.planner import Planner, PlanRefused
from muster.model.directory import ObjectKind
from muster.model.job import CycleKind, CyclePhase, CycleState, QuarantineReason, StagedState
from muster.model.log import LogStatus, ProvisioningAction, SkipReason, StepType
from muster.model.operation import LinkState
from muster.planning.policy import RemovalThreshold


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def test_a_case_runs_on_the_database_that_it_names(trip: Trip, request: pytest.FixtureRequest) -> None:
    used = place_in_use()
    assert (used is not None and bool(used._opened)) is ("postgresql" in request.node.name)


def test_an_initial_cycle_creates_everyone_in_scope_once(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.hire("Cy", assigned=False)
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.kind, cycle.state, cycle.counters.created) == (CycleKind.INITIAL, CycleState.SUCCEEDED, 2)
    assert set(trip.at_target()) == {"ada@lantaarn.example", "bob@lantaarn.example"}
    assert trip.at_target()["ada@lantaarn.example"]["externalId"] == ada
    link = trip.link(bob)
    assert link is not None
    assert link.state is LinkState.MANAGED


def test_a_second_cycle_with_no_change_asks_and_writes_nothing_and_logs_nothing(trip: Trip) -> None:
    trip.hire("Ada")
    trip.run()
    before = len(trip.log())
    assert trip.run() is None
    assert trip.transport.requests == []
    assert len(trip.log()) == before


def test_a_full_pass_over_an_equal_target_writes_nothing(trip: Trip) -> None:
    trip.hire("Ada")
    trip.hire("Bob", accountEnabled=False)
    trip.run()
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.run()
    assert cycle is not None
    assert cycle.kind is CycleKind.INITIAL
    assert trip.transport.writes == []
    assert cycle.counters.unchanged == 1


@pytest.mark.parametrize(
    ("event", "active_after", "still_managed_after"),
    [
        ("unassign", False, False),
        ("block", False, True),
        ("soft_delete", False, True),
    ],
)
def test_who_loses_access_is_disabled_and_kept(
    trip: Trip, event: str, active_after: bool, still_managed_after: bool
) -> None:
    ada = trip.hire("Ada")
    trip.run()
    if event == "block":
        trip.edit(ada, accountEnabled=False)
    else:
        getattr(trip, event)(ada)
    cycle = trip.run()
    assert cycle is not None
    assert cycle.counters.disabled == 1
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["PATCH"]
    assert trip.at_target()["ada@lantaarn.example"]["active"] is active_after
    link = trip.link(ada)
    assert link is not None
    assert (link.state is LinkState.MANAGED) is still_managed_after
    assert trip.log(ada)[0].action is ProvisioningAction.DISABLE


def test_who_was_unassigned_and_is_then_deleted_causes_no_request(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.run()
    trip.soft_delete(ada)
    trip.run()
    assert trip.transport.writes == []
    trip.hard_delete(ada)
    trip.run()
    assert trip.transport.writes == []
    assert trip.link(ada) is None


def test_a_hard_delete_deletes_what_we_made(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.soft_delete(ada)
    trip.run()
    trip.hard_delete(ada)
    cycle = trip.run()
    assert cycle is not None
    assert cycle.counters.deleted == 1
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["DELETE"]
    assert trip.link(ada) is None


def test_somebody_restored_is_enabled_again_under_the_same_id(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    before = trip.at_target()["ada@lantaarn.example"]["id"]
    trip.soft_delete(ada)
    trip.run()
    trip.restore(ada)
    trip.run()
    after = trip.at_target()["ada@lantaarn.example"]
    assert (after["id"], after["active"]) == (before, True)


def test_somebody_assigned_again_is_enabled_again_under_the_same_id(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    before = trip.at_target()["ada@lantaarn.example"]["id"]
    trip.unassign(ada)
    trip.run()
    trip.assign(ada)
    trip.run()
    after = trip.at_target()["ada@lantaarn.example"]
    assert (after["id"], after["active"]) == (before, True)
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.MANAGED


def test_a_rename_goes_to_the_cached_id(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    before = trip.at_target()["ada@lantaarn.example"]["id"]
    trip.edit(ada, userPrincipalName="ada.king@lantaarn.example", surname="King")
    trip.run()
    assert trip.transport.writes == [f"PATCH /Users/{before}"]
    after = trip.at_target()["ada.king@lantaarn.example"]
    assert (after["id"], after["name"]["familyName"]) == (before, "King")


def test_the_site_is_sent_on_creation_only(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, physicalDeliveryOfficeName="Rotterdam HQ")
    cycle = trip.run()
    assert cycle is not None
    assert trip.transport.writes == []
    assert cycle.counters.unchanged == 1


def test_who_holds_only_default_access_is_skipped_with_the_reason(trip: Trip) -> None:
    ada = trip.hire("Ada", assigned=False)
    trip.assign(ada, role="00000000-0000-0000-0000-000000000000")
    trip.run()
    assert trip.at_target() == {}
    entry = trip.log(ada)[0]
    assert (entry.status, entry.skip_reason) == (LogStatus.SKIPPED, SkipReason.NOT_EFFECTIVELY_ENTITLED)


def test_who_is_blocked_from_the_start_is_not_created(trip: Trip) -> None:
    ada = trip.hire("Ada", accountEnabled=False)
    trip.run()
    assert trip.at_target() == {}
    assert trip.log(ada)[0].skip_reason is SkipReason.INACTIVE_AT_SOURCE
    trip.edit(ada, accountEnabled=True)
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}


def test_members_of_an_assigned_group_come_and_go_with_their_membership(trip: Trip) -> None:
    ada, bob = trip.hire("Ada", assigned=False), trip.hire("Bob", assigned=False)
    group = trip.found("8x8 licensed", [ada])
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    trip.store.directory.change_members(group, add=[bob], remove=[ada])
    trip.run()
    assert {name: item["active"] for name, item in trip.at_target().items()} == {
        "ada@lantaarn.example": False,
        "bob@lantaarn.example": True,
    }


def test_somebody_already_there_is_adopted_updated_and_never_deleted(trip: Trip) -> None:
    target_id = trip.account("ada@lantaarn.example")
    ada = trip.hire("Ada")
    trip.run()
    link = trip.link(ada)
    assert link is not None
    assert (link.target_id, link.state) == (target_id, LinkState.ADOPTED)
    assert trip.at_target()["ada@lantaarn.example"]["name"]["givenName"] == "Ada"
    trip.hard_delete(ada)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_an_account_that_was_there_before_is_deleted_once_it_was_promoted(trip: Trip) -> None:
    trip.account("ada@lantaarn.example")
    ada = trip.hire("Ada")
    trip.run()
    assert trip.store.links.promote(JOB, [ada]) == [ada]
    trip.hard_delete(ada)
    trip.run()
    assert trip.transport.writes[-1].startswith("DELETE /Users/")
    assert trip.link(ada) is None


def test_an_account_out_of_scope_at_the_target_is_never_touched(trip: Trip) -> None:
    trip.account("stranger@lantaarn.example")
    trip.hire("Stranger", assigned=False)
    trip.hire("Ada")
    trip.run()
    assert len(trip.transport.writes) == 1
    assert "POST /Users" in trip.transport.writes


def test_an_unknown_site_fails_one_person_and_no_other(trip: Trip) -> None:
    ada = trip.hire("Ada", physicalDeliveryOfficeName="Atlantis")
    trip.hire("Bob")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.state, cycle.counters.created, cycle.counters.failed) == (CycleState.ENTRY_LEVEL_ERRORS, 1, 1)
    failure = trip.log(ada)[0].failure
    assert failure is not None
    assert "Atlantis" in failure.sentence
    assert failure.remedy


def test_a_missing_mandatory_value_is_named_before_anything_is_sent(trip: Trip) -> None:
    ada = trip.hire("Ada", mail=None)
    trip.run()
    assert trip.transport.writes == []
    failure = trip.log(ada)[0].failure
    assert failure is not None
    assert (failure.code, "emails" in failure.sentence) == ("MissingValues", True)


def test_a_failed_person_is_tried_again_when_the_cause_is_gone(trip: Trip) -> None:
    ada = trip.hire("Ada", physicalDeliveryOfficeName="Atlantis")
    trip.run()
    trip.edit(ada, physicalDeliveryOfficeName="London")
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    assert trip.store.links.count_escrows(JOB) == 0


def test_a_failed_person_waits_in_escrow_and_is_tried_again_when_due(trip: Trip) -> None:
    trip.hire("Ada", physicalDeliveryOfficeName="Atlantis")
    trip.run()
    assert trip.run() is None
    trip.clock.advance(trip.store.jobs.get(JOB).interval)  # type: ignore[union-attr]  # it is there
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.failed, trip.transport.writes) == (1, ["POST /Users"])


def test_steps_tell_the_whole_trip(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    entry = trip.log(ada)[0]
    assert [step.type for step in entry.steps] == [
        StepType.IMPORT,
        StepType.SCOPING,
        StepType.MATCHING,
        StepType.PROCESSING,
        StepType.EXPORT,
    ]
    assert {item.display_name: item.new_value for item in entry.modified}["userName"] == "ada@lantaarn.example"


def test_too_many_removals_are_held_and_the_job_is_quarantined(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy", "Dee")]
    trip.run()
    trip.threshold = RemovalThreshold(count=2)
    for person in people[:3]:
        trip.unassign(person)
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.held, trip.transport.writes) == (3, [])
    assert all(item["active"] for item in trip.at_target().values())
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert job.quarantine is not None
    assert job.quarantine.reason is QuarantineReason.TOO_MANY_DELETES
    assert trip.log(people[0])[0].action is ProvisioningAction.STAGED_DELETE


def test_deletes_that_an_administrator_allows_go_out(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy")]
    trip.run()
    trip.threshold = RemovalThreshold(count=1)
    for person in people:
        trip.unassign(person)
    trip.run()
    trip.store.jobs.set_settings(JOB, {"ForceDeletes": "true"})
    trip.clock.advance(trip.store.jobs.get(JOB).interval)  # type: ignore[union-attr]  # it is there
    cycle = trip.run()
    assert cycle is not None
    assert cycle.counters.disabled == 3
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert (job.quarantine, job.settings["ForceDeletes"]) == (None, "false")


def test_managers_follow_in_the_second_wave(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    boss, ada = trip.hire("Boss"), trip.hire("Ada")
    trip.set_manager(ada, boss)
    trip.run()
    link = trip.link(boss)
    assert link is not None
    shown = trip.at_target()["ada@lantaarn.example"]
    assert shown["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["value"] == link.target_id
    assert trip.run() is None


def test_a_manager_who_comes_later_is_set_without_a_restart(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    boss, ada = trip.hire("Boss", assigned=False), trip.hire("Ada")
    trip.set_manager(ada, boss)
    trip.run()
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    assert "manager" not in trip.at_target()["ada@lantaarn.example"].get(enterprise, {})
    trip.assign(boss)
    trip.run()
    link = trip.link(boss)
    assert link is not None
    assert trip.at_target()["ada@lantaarn.example"][enterprise]["manager"]["value"] == link.target_id


def test_groups_and_their_members_are_provisioned_by_what_changed(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    group = trip.found("Crew", [ada])
    trip.run()
    shown = trip.at_target("Groups")["Crew"]
    first = trip.link(ada)
    assert first is not None
    assert [member["value"] for member in shown["members"]] == [first.target_id]
    trip.store.directory.change_members(group, add=[bob], remove=[ada])
    trip.run()
    second = trip.link(bob)
    assert second is not None
    assert [member["value"] for member in trip.at_target("Groups")["Crew"]["members"]] == [second.target_id]
    assert all(line.startswith("PATCH /Groups/") for line in trip.transport.writes)


def test_provision_on_demand_does_one_person_now(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.hire("Bob")
    done = trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    assert done.cycle.counters.created == 1
    assert trip.log(ada)[0].cycle_id == done.cycle.id


def test_a_plan_writes_nothing_and_is_applied_exactly(trip: Trip) -> None:
    trip.hire("Ada")
    plan = trip.planner.make(JOB)
    assert trip.transport.writes == []
    assert [operation.kind.value for operation in trip.planned(plan)] == ["create"]
    trip.transport.forget()
    cycle = trip.planner.apply(plan.hash)
    while trip.engine.advance(cycle.id):
        pass
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None
    assert (ended.counters.evaluated, ended.counters.created) == (1, 1)
    # Somebody is looked for before they are created: the plan tells both requests, and so does the cycle.
    assert plan.requests == ended.counters.requests == len(trip.transport.requests) == 2
    assert trip.run() is None


def test_a_plan_is_refused_when_the_world_has_moved(trip: Trip) -> None:
    trip.hire("Ada")
    plan = trip.planner.make(JOB)
    trip.hire("Bob")
    with pytest.raises(Exception, match="Bob Tester: create has come up since"):
        trip.planner.apply(plan.hash)
    assert trip.at_target() == {}


def test_a_leaver_does_not_wait_for_a_long_cycle(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    for number in range(3):
        trip.hire(f"P{number}")
    trip.store.jobs.set_watermark(JOB, None)
    trip.transport.forget()
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    trip.unassign(ada)
    while trip.engine.advance(cycle.id):
        pass
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["PATCH", "POST", "POST", "POST"]
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    trip.run()
    assert trip.transport.writes == []


def test_a_leaver_who_was_listed_before_is_switched_off_once(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.store.jobs.set_watermark(JOB, None)
    trip.transport.forget()
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    assert trip.engine.advance(cycle.id), "the target is listed"
    trip.edit(ada, accountEnabled=False)
    while trip.engine.advance(cycle.id):
        pass
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["PATCH"]
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    trip.run()
    assert trip.transport.writes == []


def test_who_leaves_before_being_created_is_not_created(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.engine.run.BATCH", 1)
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy")]
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    while not trip.store.cycles.count_staged(cycle.id, StagedState.RELEASED):
        assert trip.engine.advance(cycle.id)
    trip.unassign(people[1])
    trip.edit(people[2], department="Sales")
    while trip.engine.advance(cycle.id):
        pass
    assert set(trip.at_target()) == {"ada@lantaarn.example", "cy@lantaarn.example"}
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example", "cy@lantaarn.example"}
    assert trip.run() is None


def test_a_leaver_does_not_wait_for_the_references_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.engine.waves.REFERENCES_A_BATCH", 1)
    trip = Trip(tmp_path, page="Custom", sync_all=True)
    boss, *others = [trip.hire(name) for name in ("Ada", "Bob", "Cy", "Di")]
    for person in others:
        trip.set_manager(person, boss)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    while (now := trip.store.cycles.get(cycle.id)) is not None and now.phase is not CyclePhase.REFERENCES:
        assert trip.engine.advance(cycle.id)
    trip.edit(others[-1], accountEnabled=False)
    trip.transport.forget()
    while trip.engine.advance(cycle.id):
        pass
    leaver = trip.link(others[-1])
    assert leaver is not None
    assert trip.transport.writes[0].endswith(leaver.target_id)
    assert trip.at_target()["di@lantaarn.example"]["active"] is False
    assert [user["active"] for user in trip.at_target().values()].count(True) == 3


def test_too_many_leavers_at_once_are_left_to_the_gate(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy")]
    trip.run()
    trip.threshold = RemovalThreshold(count=1)
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    for person in people:
        trip.unassign(person)
    while trip.engine.advance(cycle.id):
        pass
    assert all(item["active"] for item in trip.at_target().values())


def test_what_was_decided_before_somebody_left_is_not_sent_after(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.run()
    trip.store.jobs.set_watermark(JOB, None)
    for person in (ada, bob):
        trip.edit(person, department="Sales")
    # A page that is more than a batch waits until it is sent.
    monkeypatch.setattr("muster.engine.run.BATCH", 1)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    # The census, then the page of users: the updates are staged and not sent yet.
    while not trip.store.cycles.count_staged(cycle.id, StagedState.RELEASED):
        assert trip.engine.advance(cycle.id)
    trip.unassign(ada)
    trip.transport.forget()
    while trip.engine.advance(cycle.id):
        pass
    assert len(trip.transport.writes) == len(set(trip.transport.writes)) == 2
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_nobody_carries_a_plan_on_while_it_is_staged(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (drafting, reading):
        monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        trip.hire(f"P{number}")
    held: list[str] = []
    seen: list[list[str]] = []
    stage = trip.store.cycles.stage

    @contextmanager
    def alone(job_id: str) -> Iterator[None]:
        held.append(job_id)
        yield
        held.clear()

    def look(*given: Any) -> int:
        seen.append(list(held))
        return stage(*given)

    monkeypatch.setattr(trip.store.cycles, "stage", look)
    planner = Planner(trip.stores, trip.open_job, trip.clock, trip.ids, alone=alone)
    planner.apply(planner.make(JOB).id)
    assert len(seen) > 2
    assert all(jobs == [JOB] for jobs in seen)


@pytest.mark.parametrize("is_rollback", [False, True], ids=["a plan", "a rollback"])
def test_nothing_is_sent_of_a_plan_whose_process_died_while_it_was_staged_and_it_is_applied_whole_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_rollback: bool
) -> None:
    trip = Trip(tmp_path, page="scim")
    for module in (drafting, reading):
        monkeypatch.setattr(module, "PAGE", 2)
    people = [trip.hire(f"P{number}") for number in range(5)]
    if is_rollback:
        boss = trip.hire("Boss")
        trip.run()
        for person in people:
            trip.edit(person, department="Sales")
            trip.set_manager(person, boss)
        wrong = trip.run()
        assert wrong is not None
        plan = trip.planner.make_rollback(JOB, wrong.id)
    else:
        plan = trip.planner.make(JOB)
    before, stage = trip.at_target(), trip.store.cycles.stage
    staged: list[Any] = []

    def die(*given: Any) -> int:
        staged.append(given)
        # Between the pages; those of references that a rollback sets back are its last.
        if len(staged) == (5 if is_rollback else 3):
            raise KeyboardInterrupt
        return stage(*given)

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(trip.store.cycles, "stage", die)
        trip.planner.apply(plan.id)
    left = trip.store.cycles.running(JOB)
    assert left is not None
    trip.transport.forget()
    engine = trip.new_engine()
    while engine.advance(left.id):
        pass
    ended = trip.store.cycles.get(left.id)
    assert ended is not None
    assert (ended.state, trip.transport.writes, trip.at_target()) == (CycleState.STOPPED, [], before)
    cycle = trip.planner.apply(plan.id)
    while engine.advance(cycle.id):
        pass
    done = trip.store.cycles.get(cycle.id)
    assert done is not None
    assert done.state is CycleState.SUCCEEDED
    assert len(trip.transport.writes) >= 5


def test_a_plan_of_many_pages_is_applied_as_it_was_read(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (drafting, reading):
        monkeypatch.setattr(module, "PAGE", 2)
    names = [f"P{number}" for number in range(5)]
    trip.found("Crew", [trip.hire(name) for name in names])
    first, second = trip.planner.make(JOB), trip.planner.make(JOB)
    # Equal worlds have equal hashes, however often they are read.
    assert first.hash == second.hash
    assert (first.operation_count, first.counters.created, first.requests) == (5, 5, 10)
    cycle = trip.planner.apply(first.id)
    while trip.engine.advance(cycle.id):
        pass
    assert len(trip.at_target()) == 5
    # What was read to compare is gone; the two plans are left.
    assert [each.id for each in trip.store.plans.list(JOB, 10)[0]] == [second.id, first.id]
    with pytest.raises(PlanRefused, match="The world has moved"):
        trip.planner.apply(second.id)
