"""Provision on demand: one person or a group with members of it, previewed first, then done."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playing import JOB, Trip

from muster.engine.control import NobodyFound, previewed
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import Resting
from muster.model.job import CycleState
from muster.model.log import Initiator, InitiatorType, LogStatus
from muster.model.operation import OperationKind
from muster.store.tables import METADATA
from waiting import eventually

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def content(trip: Trip) -> dict[str, list[tuple[object, ...]]]:
    """Everything in every table."""
    with trip.store.cycles._database.read() as connection:  # type: ignore[attr-defined]  # the SQL store's
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }


def test_a_preview_tells_what_would_be_done_and_writes_nothing_anywhere(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    before = content(trip)
    done = trip.control.provision_on_demand(JOB, USER, ada, preview=True)
    assert (done.cycle, done.operation.kind) == (None, OperationKind.CREATE)
    shown = previewed(done.operation)
    assert (shown["action"], shown["status"]) == ("create", "success")
    assert {"displayName": "title", "oldValue": None, "newValue": "Clerk"} in shown["modifiedProperties"]
    assert [step["type"] for step in shown["steps"]] == ["import", "scoping", "matching", "processing"]
    assert trip.transport.writes == []
    assert content(trip) == before
    trip.control.provision_on_demand(JOB, USER, ada)
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    again = previewed(trip.control.provision_on_demand(JOB, USER, ada, preview=True).operation)
    assert (again["action"], again["skipReason"]) == ("other", "RedundantExport")


def test_a_group_comes_with_any_number_of_the_members_that_are_named(trip: Trip) -> None:
    people = [trip.hire(f"P{number}") for number in range(12)]
    other = trip.hire("Other")
    crew = trip.found("Crew", people)
    trip.found("Others", [other])
    preview = trip.control.provision_on_demand(JOB, GROUP, crew, member_ids=people[:8], preview=True)
    assert [each.kind for each in preview.members] == [OperationKind.CREATE] * 8
    done = trip.control.provision_on_demand(JOB, GROUP, crew, member_ids=people[:8])
    assert done.cycle is not None
    assert (done.cycle.counters.created, done.cycle.counters.failed) == (9, 0)
    links = [trip.link(person) for person in people[:8]]
    assert {member["value"] for member in trip.at_target("Groups")["Crew"]["members"]} == {
        link.target_id for link in links if link is not None
    }
    assert len(trip.at_target()) == 8 and set(trip.at_target("Groups")) == {"Crew"}
    # The cycle that follows does the rest, and nothing twice.
    cycle = trip.run()
    assert cycle is not None and cycle.counters.created == 6
    assert len(trip.at_target("Groups")["Crew"]["members"]) == 12


def test_on_demand_sends_no_references_of_others(trip: Trip) -> None:
    boss, ada, bob = trip.hire("Boss"), trip.hire("Ada"), trip.hire("Bob")
    trip.set_manager(ada, boss)
    trip.set_manager(bob, boss)
    for person in (ada, bob, boss):
        trip.control.provision_on_demand(JOB, USER, person)
    trip.transport.forget()
    trip.control.provision_on_demand(JOB, USER, ada)
    link = trip.link(ada)
    assert link is not None
    assert trip.transport.writes == [f"PATCH /Users/{link.target_id}"]


def test_whoever_is_no_member_cannot_be_named_as_one(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    with pytest.raises(NobodyFound, match="none of Crew"):
        trip.control.provision_on_demand(JOB, GROUP, crew, member_ids=[ada, bob])
    with pytest.raises(NobodyFound, match="has no User"):
        trip.control.provision_on_demand(JOB, USER, "nobody@x.example")
    assert trip.transport.writes == []


def test_the_log_names_who_asked(trip: Trip) -> None:
    ann = Initiator(type=InitiatorType.APPLICATION, id="app-1", display_name="Ann's script")
    trip.control.provision_on_demand(JOB, USER, trip.hire("Ada"), initiator=ann)
    assert {entry.initiator for entry in trip.log()} == {ann}
    plan = trip.planner.make(JOB) if trip.hire("Bob") else None
    assert plan is not None
    cycle = trip.planner.apply(plan.id, ann)
    while trip.engine.advance(cycle.id):
        pass
    assert trip.log()[0].initiator == ann


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whom_the_application_has_no_time_for_is_in_the_log_and_tried_after_the_pause(trip: Trip, method: str) -> None:
    trip.run()
    ada = trip.hire("Ada")
    busy = HttpResponse(status=429, headers={"retry-after": "1800"}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, _: busy if request.method == method else None
    ann = Initiator(type=InitiatorType.USER, id="ann", display_name="Ann")
    with pytest.raises(Resting):
        trip.control.provision_on_demand(JOB, USER, ada, initiator=ann)
    (entry,) = trip.log(ada)
    assert (entry.status, entry.initiator) == (LogStatus.FAILURE, ann)
    assert entry.failure is not None
    assert (entry.failure.code, entry.failure.status) == ("TooManyRequests", 429)
    until = trip.clock.now() + timedelta(minutes=30)
    assert f"{until:%Y-%m-%d %H:%M}" in entry.failure.sentence
    waiting = trip.store.links.escrow(JOB, USER, ada)
    assert waiting is not None
    assert abs(waiting.next_attempt_at - until) < timedelta(minutes=1)
    (asked, *_) = trip.store.cycles.history(JOB, 1)
    assert (asked.state, asked.counters.failed, asked.counters.throttled) == (CycleState.FAILED, 1, 1)
    if method == "GET":
        with pytest.raises(Resting):
            trip.control.provision_on_demand(JOB, USER, ada, preview=True)
    assert len(trip.log(ada)) == 1
    trip.transport.fault = None
    trip.clock.advance(timedelta(hours=3))
    trip.run()
    assert trip.link(ada) is not None
    assert trip.store.links.escrow(JOB, USER, ada) is None


def test_who_is_asked_for_by_hand_comes_before_the_next_step_of_a_cycle(trip: Trip) -> None:
    ada = trip.hire("Ada")
    asking = threading.Thread(target=trip.control.provision_on_demand, args=(JOB, USER, ada))
    with trip.engine.lock(JOB):
        asking.start()
        assert eventually(lambda: trip.engine._locks[JOB][0].locked())
    # As a cycle does: one step ends, and the next begins at once.
    with trip.engine.lock(JOB):
        assert trip.link(ada) is not None
    asking.join()
