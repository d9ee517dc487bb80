"""Scoping filters that ask for groups of the directory, on the whole way: who joins is created, who leaves disabled."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.model.cause import CauseKind
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import TRANSITIVE_GROUPS_SETTING, CycleKind, QuarantineReason
from muster.model.log import SkipReason
from muster.planning.policy import RemovalThreshold


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def ask_for(trip: Trip, *groups: str, operator: str = "MEMBER_OF") -> None:
    """Saves a filter that lets in who is in one of the groups."""
    document = copy.deepcopy(dict(trip.store.jobs.schema(JOB).document))
    clause = {"sourceOperandName": "memberOf", "operatorName": operator, "targetOperand": {"values": list(groups)}}
    document["synchronizationRules"][0]["objectMappings"][0]["scope"] = {
        "groups": [{"name": "Staff", "clauses": [clause]}]
    }
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())


def move(trip: Trip, group: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
    trip.store.directory.change_members(group, add=add, remove=remove)


def active(trip: Trip) -> dict[str, bool]:
    return {name.partition("@")[0]: item["active"] for name, item in trip.at_target().items()}


def test_who_joins_is_created_and_who_leaves_is_disabled_by_the_next_incremental_cycle(trip: Trip) -> None:
    ada, bob, cy = (trip.hire(name) for name in ("Ada", "Bob", "Cy"))
    sales = trip.found("Sales", [ada, bob], assigned=False)
    ask_for(trip, sales)
    trip.run()
    assert active(trip) == {"ada": True, "bob": True}
    move(trip, sales, add=(cy,), remove=(bob,))
    cycle = trip.run()
    assert cycle is not None and cycle.kind is CycleKind.INCREMENTAL
    assert (cycle.counters.evaluated, cycle.counters.created, cycle.counters.disabled) == (2, 1, 1)
    assert active(trip) == {"ada": True, "bob": False, "cy": True}
    entry = trip.log(bob)[0]
    assert "Staff.memberOf MEMBER_OF 'Sales' is false (is no member of Sales)" in str(entry.reason)
    move(trip, sales, add=(bob,))
    trip.run()
    assert active(trip)["bob"] is True
    assert trip.run() is None


def test_not_member_of_lets_in_who_leaves(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    robots = trip.found("Robots", [bob], assigned=False)
    ask_for(trip, robots, operator="NOT MEMBER_OF")
    trip.run()
    assert active(trip) == {"ada": True}
    move(trip, robots, add=(ada,), remove=(bob,))
    trip.run()
    assert active(trip) == {"ada": False, "bob": True}
    assert "is a member of Robots" in str(trip.log(ada)[0].reason)


def test_members_at_any_depth_count_where_the_job_says_so(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    north = trip.found("North", [bob], assigned=False)
    sales = trip.found("Sales", [ada, north], assigned=False)
    ask_for(trip, sales)
    trip.run()
    assert active(trip) == {"ada": True}
    trip.store.jobs.set_settings(JOB, {TRANSITIVE_GROUPS_SETTING: "true"})
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert active(trip) == {"ada": True, "bob": True}
    move(trip, sales, remove=(north,))
    cycle = trip.run()
    assert cycle is not None and cycle.kind is CycleKind.INCREMENTAL
    assert active(trip) == {"ada": True, "bob": False}


def test_the_members_of_a_deleted_group_are_held_by_the_deletion_firewall_as_one_cause(trip: Trip) -> None:
    people = [trip.hire(name) for name in ("Ada", "Bob", "Cy", "Di")]
    sales = trip.found("Sales", people, assigned=False)
    ask_for(trip, sales)
    trip.run()
    trip.threshold = RemovalThreshold(count=1)
    move(trip, sales, remove=(people[0],))
    trip.store.directory.set_lifecycle(ObjectKind.GROUP, sales, Lifecycle.SOFT_DELETED, trip.clock.now())
    trip.run()
    assert all(active(trip).values())
    job = trip.store.jobs.get(JOB)
    assert job is not None and job.quarantine is not None
    assert job.quarantine.reason is QuarantineReason.TOO_MANY_DELETES
    causes = {hold.operation.source_id: hold.operation.cause for hold in trip.holds()}
    told = {source_id: (cause.kind, cause.sentence) for source_id, cause in causes.items() if cause is not None}
    assert told == {
        people[0]: (CauseKind.LEFT_GROUP, "no longer in the group Sales"),
        **dict.fromkeys(people[1:], (CauseKind.GROUP_DELETED, "the group Sales was deleted")),
    }
    trip.store.directory.set_lifecycle(ObjectKind.GROUP, sales, Lifecycle.PRESENT, trip.clock.now())
    trip.clock.advance(timedelta(hours=25))
    trip.run()
    assert all(active(trip).values())
    assert [hold.operation.source_id for hold in trip.holds()] == [people[0]]


def test_somebody_who_is_out_by_another_clause_is_told_that_clause(trip: Trip) -> None:
    ada = trip.hire("Ada", department="Sales")
    sales = trip.found("Sales", [ada], assigned=False)
    document = copy.deepcopy(dict(trip.store.jobs.schema(JOB).document))
    clauses = [
        {"sourceOperandName": "department", "operatorName": "EQUALS", "targetOperand": {"values": ["Sales"]}},
        {"sourceOperandName": "memberOf", "operatorName": "MEMBER_OF", "targetOperand": {"values": [sales]}},
    ]
    document["synchronizationRules"][0]["objectMappings"][0]["scope"] = {"groups": [{"name": "S", "clauses": clauses}]}
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    trip.run()
    trip.threshold = RemovalThreshold(count=0)
    trip.edit(ada, department="IT")
    trip.run()
    causes = [hold.operation.cause for hold in trip.holds()]
    assert [(cause.kind, cause.subject) for cause in causes if cause is not None] == [
        (CauseKind.SCOPING_FILTER, "S.department EQUALS 'Sales'")
    ]


def test_a_leaver_of_the_group_does_not_wait_for_a_long_cycle(trip: Trip) -> None:
    ada = trip.hire("Ada")
    sales = trip.found("Sales", [ada], assigned=False)
    ask_for(trip, sales)
    trip.run()
    move(trip, sales, add=tuple(trip.hire(f"P{number}") for number in range(3)))
    trip.store.jobs.set_watermark(JOB, None)
    trip.transport.forget()
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    move(trip, sales, remove=(ada,))
    while trip.engine.advance(cycle.id):
        pass
    assert [line.split(" ")[0] for line in trip.transport.writes] == ["PATCH", "POST", "POST", "POST"]
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_the_scope_of_everybody_is_narrowed_by_a_group_too(tmp_path: Path) -> None:
    trip = Trip(tmp_path, sync_all=True)
    ada, bob = trip.hire("Ada", assigned=False), trip.hire("Bob", assigned=False)
    sales = trip.found("Sales", [ada], assigned=False)
    ask_for(trip, sales)
    trip.run()
    assert active(trip) == {"ada": True}
    move(trip, sales, add=(bob,), remove=(ada,))
    trip.run()
    assert active(trip) == {"ada": False, "bob": True}


def test_on_demand_says_who_is_no_member(trip: Trip) -> None:
    ada = trip.hire("Ada")
    ask_for(trip, trip.found("Sales", [], assigned=False))
    trip.run()
    done = trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    assert SkipReason.OUT_OF_SCOPE_FILTER.value in str(done)
    assert "is no member of Sales" in str(done)
