"""A cycle is taken back: values, switches, members and managers; and what cannot be undone is told beforehand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from muster.engine.planner import PlanRefused
from muster.engine.rollback import RollbackRefused
from muster.model.copies import replace
from muster.model.exchange import HttpResponse, TransportTimeout
from muster.model.job import Cycle, CycleKind, CycleState, Plan, PlanKind
from muster.model.operation import LinkState, OperationKind
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.protection import Protections

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def cycle_of(trip: Trip) -> Cycle:
    cycle = trip.run()
    assert cycle is not None
    return cycle


def roll_back(trip: Trip, cycle: Cycle) -> Plan:
    """Plans the way back, applies it to its end, and returns the plan."""
    plan = trip.planner.make_rollback(JOB, cycle.id)
    trip.transport.forget()
    begun = trip.planner.apply(plan.hash)
    while trip.engine.advance(begun.id):
        pass
    ended = trip.store.cycles.get(begun.id)
    assert ended is not None
    assert (ended.kind, ended.state) == (CycleKind.ROLLBACK, CycleState.SUCCEEDED)
    return plan


def members(trip: Trip, name: str) -> set[str]:
    found = trip.at_target("Groups")[name]["id"]
    names = {item["id"]: item["displayName"] for item in trip.at_target().values()}
    return {names[member] for member in trip.service.repository._members[found]}


def said(plan: Plan) -> set[tuple[str, str | None]]:
    return {(item.source_name, item.attribute) for item in plan.irreversible}


def test_values_go_back_to_what_they_were(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk", department=None)
    trip.run()
    trip.edit(ada, jobTitle="Chief", department="Sales", surname="Long")
    wrong = cycle_of(trip)
    plan = trip.planner.make_rollback(JOB, wrong.id)
    assert plan.kind is PlanKind.ROLLBACK
    (operation,) = trip.planned(plan)
    shown = {change.attribute.rsplit(":", 1)[-1]: (change.old, change.new) for change in operation.changes}
    assert shown["title"] == ("Chief", "Clerk")
    assert shown["department"] == ("Sales", None)
    assert plan.irreversible == ()
    trip.transport.forget()
    begun = trip.planner.apply(plan.hash)
    while trip.engine.advance(begun.id):
        pass
    account = trip.at_target()["ada@lantaarn.example"]
    assert (account["title"], account["name"]["familyName"]) == ("Clerk", "Tester")
    assert "department" not in account.get(ENTERPRISE, {})
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["PATCH"]


def test_whoever_was_disabled_is_switched_on_and_is_ours_again(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob")]
    trip.run()
    for person in people:
        trip.unassign(person)
    wrong = cycle_of(trip)
    roll_back(trip, wrong)
    assert {item["active"] for item in trip.at_target().values()} == {True}
    link = trip.link(people[0])
    assert link is not None
    assert link.state is LinkState.MANAGED


def test_whoever_was_created_is_switched_off_and_not_deleted(trip: Trip) -> None:
    trip.hire("Ada")
    first = cycle_of(trip)
    plan = roll_back(trip, first)
    assert [operation.kind for operation in trip.planned(plan)] == [OperationKind.DISABLE]
    assert {item["active"] for item in trip.at_target().values()} == {False}


def test_a_group_that_was_created_is_deleted(trip: Trip) -> None:
    trip.found("Crew", [])
    first = cycle_of(trip)
    roll_back(trip, first)
    assert trip.at_target("Groups") == {}


def test_members_and_managers_go_back_until_the_next_cycle(trip: Trip) -> None:
    ada, bob, cy, boss = (trip.hire(name) for name in ("Ada", "Bob", "Cy", "Boss"))
    crew = trip.found("Crew", [ada, bob])
    trip.set_manager(ada, boss)
    trip.run()
    trip.store.directory.change_members(crew, add=[cy], remove=[ada])
    trip.set_manager(ada, bob)
    trip.set_manager(cy, boss)
    wrong = cycle_of(trip)
    assert members(trip, "Crew") == {"Bob Tester", "Cy Tester"}
    plan = roll_back(trip, wrong)
    assert {operation.kind for operation in trip.planned(plan)} == {OperationKind.REFER}
    assert plan.irreversible == ()
    assert members(trip, "Crew") == {"Ada Tester", "Bob Tester"}
    accounts = trip.at_target()
    chief = accounts["boss@lantaarn.example"]["id"]
    assert accounts["ada@lantaarn.example"][ENTERPRISE]["manager"]["value"] == chief
    assert "manager" not in accounts["cy@lantaarn.example"].get(ENTERPRISE, {})
    trip.clock.advance(timedelta(hours=2))
    trip.run()
    assert members(trip, "Crew") == {"Bob Tester", "Cy Tester"}


def test_what_cannot_be_undone_is_told_before(trip: Trip) -> None:
    ada, bob = trip.hire("Ada", jobTitle="Clerk"), trip.hire("Bob", jobTitle="Clerk")
    trip.run()
    trip.hard_delete(ada)
    trip.edit(bob, jobTitle="Chief", department="Sales")
    wrong = cycle_of(trip)
    trip.edit(bob, jobTitle="Boss")
    trip.run()
    plan = roll_back(trip, wrong)
    assert {(name, attribute and attribute.rsplit(":", 1)[-1]) for name, attribute in said(plan)} == {
        ("Ada Tester", None),
        ("Bob Tester", "title"),
    }
    assert trip.at_target()["bob@lantaarn.example"]["title"] == "Boss"


def test_what_an_account_had_before_us_and_never_showed_is_left(trip: Trip) -> None:
    trip.account("ada@lantaarn.example")
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, department="Sales")
    wrong = cycle_of(trip)
    plan = trip.planner.make_rollback(JOB, wrong.id)
    assert trip.planned(plan) == []
    (left,) = plan.irreversible
    assert "had not shown a value before" in left.reason


def test_a_plan_that_takes_back_is_refused_when_the_world_has_moved(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    plan = trip.planner.make_rollback(JOB, wrong.id)
    trip.edit(ada, jobTitle="Boss")
    trip.run()
    with pytest.raises(PlanRefused, match="no longer needed"):
        trip.planner.apply(plan.hash)


def test_a_rollback_asks_for_an_initial_cycle_and_can_itself_be_taken_back(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    roll_back(trip, wrong)
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert job.watermark is None
    back = trip.store.cycles.history(JOB, 1)[0]
    roll_back(trip, back)
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Chief"


def test_what_came_before_a_rollback_and_was_not_carried_yet_is_not_passed_over(trip: Trip) -> None:
    ada, bob = trip.hire("Ada", jobTitle="Clerk"), trip.hire("Bob", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    trip.edit(bob, jobTitle="Boss")
    roll_back(trip, wrong)
    trip.run()
    titles = {name: item["title"] for name, item in trip.at_target().items()}
    assert titles == {"ada@lantaarn.example": "Chief", "bob@lantaarn.example": "Boss"}


def test_the_next_cycle_does_again_what_was_taken_back_and_then_rests(trip: Trip) -> None:
    ada = trip.hire("Ada")
    bob = trip.hire("Bob", jobTitle="Clerk")
    trip.run()
    trip.unassign(ada)
    trip.edit(bob, jobTitle="Chief")
    wrong = cycle_of(trip)
    roll_back(trip, wrong)
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    plan = trip.planner.make(JOB)
    assert {(each.kind, each.source_name) for each in trip.planned(plan)} == {
        (OperationKind.DISABLE, "Ada Tester"),
        (OperationKind.UPDATE, "Bob Tester"),
    }
    again = cycle_of(trip)
    assert (again.kind, again.counters.disabled, again.counters.updated) == (CycleKind.INITIAL, 1, 1)
    accounts = trip.at_target()
    assert accounts["ada@lantaarn.example"]["active"] is False
    assert accounts["bob@lantaarn.example"]["title"] == "Chief"
    trip.transport.forget()
    trip.clock.advance(timedelta(hours=2))
    trip.run()
    assert trip.transport.writes == []


def test_a_rollback_that_could_not_go_on_asks_for_an_initial_cycle_too(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    begun = trip.planner.apply(trip.planner.make_rollback(JOB, wrong.id).hash)
    failed = replace(begun, state=CycleState.FAILED, ended_at=trip.clock.now())
    trip.store.cycles.close(failed, None)
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert job.watermark is None


def test_protected_accounts_are_not_switched_off_by_a_rollback_either(trip: Trip) -> None:
    trip.hire("Ada")
    first = cycle_of(trip)
    trip.protections = Protections(users=("ada@*",))
    plan = trip.planner.make_rollback(JOB, first.id)
    assert trip.planned(plan) == []
    assert "protected" in plan.irreversible[0].reason


def test_whoever_was_let_in_and_is_protected_since_is_not_switched_off_by_a_rollback(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.run()
    for enabled in (False, True):
        for person in (ada, bob):
            trip.edit(person, accountEnabled=enabled)
        last = cycle_of(trip)
    trip.protections = Protections(users=("ada@*",))
    plan = roll_back(trip, last)
    assert [operation.kind for operation in trip.planned(plan)] == [OperationKind.DISABLE]
    assert [(each.source_name, "protected" in each.reason) for each in plan.irreversible] == [("Ada Tester", True)]
    assert {name: each["active"] for name, each in trip.at_target().items()} == {
        "ada@lantaarn.example": True,
        "bob@lantaarn.example": False,
    }
    back = trip.store.cycles.history(JOB, 1)[0]
    assert (back.counters.disabled, back.counters.updated) == (1, 0)
    # Nor does the way back of that: they are wanted, and let in again.
    roll_back(trip, back)
    assert {each["active"] for each in trip.at_target().values()} == {True}


def test_whoever_was_deleted_or_unassigned_since_is_not_switched_on_by_a_rollback(trip: Trip) -> None:
    ada, bob, cy = (trip.hire(name) for name in ("Ada", "Bob", "Cy"))
    trip.run()
    trip.unassign(ada)
    trip.edit(bob, accountEnabled=False)
    trip.unassign(cy)
    wrong = cycle_of(trip)
    trip.soft_delete(ada)
    trip.run()
    trip.unassign(bob)
    plan = roll_back(trip, wrong)
    told = {each.source_name: (each.attribute, each.reason) for each in plan.irreversible}
    assert set(told) == {"Ada Tester", "Bob Tester"}
    attribute, why = told["Ada Tester"]
    assert attribute == "active"
    assert why.startswith("it would be switched on, and is kept out by now for another reason: Ada Tester is deleted")
    assert "Bob Tester is not assigned" in told["Bob Tester"][1]
    assert {name.partition("@")[0]: each["active"] for name, each in trip.at_target().items()} == {
        "ada": False,
        "bob": False,
        "cy": True,
    }


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer_while_taking_back_is_not_answered_by_the_rules(trip: Trip, arrives: bool) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    plan = trip.planner.make_rollback(JOB, wrong.id)
    lost: list[bool] = []

    def lose(request: Any, send: Any) -> HttpResponse | None:
        if request.method != "PATCH" or lost:
            return None
        lost.append(True)
        if arrives:
            send()
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = lose
    begun = trip.planner.apply(plan.hash)
    while trip.engine.advance(begun.id):
        pass
    assert trip.at_target()["ada@lantaarn.example"]["title"] == ("Clerk" if arrives else "Chief")
    assert trip.store.links.count_escrows(JOB) == 0


class Killed(BaseException):
    """The process ends here."""


def test_a_rollback_that_was_killed_goes_on_with_the_way_back(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    wrong = cycle_of(trip)
    begun = trip.planner.apply(trip.planner.make_rollback(JOB, wrong.id).hash)

    def die(request: Any, _send: Any) -> HttpResponse | None:
        if request.method == "PATCH":
            raise Killed
        return None

    trip.transport.fault = die
    with pytest.raises(Killed):
        while trip.engine.advance(begun.id):
            pass
    trip.transport.fault = None
    engine = trip.new_engine()
    while engine.advance(begun.id):
        pass
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Clerk"


def test_a_cycle_that_is_unknown_or_running_is_not_taken_back(trip: Trip) -> None:
    with pytest.raises(RollbackRefused, match="has no cycle nothing"):
        trip.planner.make_rollback(JOB, "nothing")
    trip.hire("Ada")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    with pytest.raises(RollbackRefused, match="is running"):
        trip.planner.make_rollback(JOB, cycle.id)


# ---------------------------------------------------------------- what is decided anew is not let go unseen


@pytest.mark.parametrize(
    ("threshold", "approval"),
    [(RemovalThreshold(count=0), Approval.NONE), (RemovalThreshold(enabled=False), Approval.REMOVALS)],
)
def test_a_lost_answer_lets_no_removal_go_that_the_gate_has_not_seen(
    trip: Trip, threshold: RemovalThreshold, approval: Approval
) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, jobTitle="Chief")
    trip.threshold, trip.approval = threshold, approval
    lost: list[bool] = []

    def leave_meanwhile(request: Any, _send: Any) -> HttpResponse | None:
        if request.method != "PATCH" or lost:
            return None
        lost.append(True)
        trip.unassign(ada)
        return HttpResponse(status=404, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = leave_meanwhile
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
