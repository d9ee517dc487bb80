"""What came of a change of members or of a manager is not known: who may be there is taken away, who may not, added."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playing import JOB, Trip
from test_rollback import ENTERPRISE, members

from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.planning.policy import Approval
from muster.ports.directory import ObjectWrite
from muster.store.tables import reference_attributes

LATER = timedelta(minutes=41)
ADA, BOB = "Ada Tester", "Bob Tester"


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def lose_once(trip: Trip, path: str = "/Groups", *, arrives: bool = True, of: bytes = b"") -> None:
    """Has the next change that holds `of` arrive (or not even that), and its answer not."""

    def lose(request: HttpRequest, send: object) -> HttpResponse | None:
        if path not in request.url or request.method != "PATCH" or of not in (request.body or b"").lower():
            return None
        assert callable(send)
        if arrives:
            send()
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = lose
    trip.run()
    trip.transport.fault = None


def settle(trip: Trip) -> None:
    """Runs until nothing is sent any more."""
    for _ in range(3):
        trip.clock.advance(LATER)
        trip.run()
    assert trip.transport.writes == []
    assert trip.store.links.open_references(JOB, 10, None) == ([], None)


def test_a_member_whose_coming_was_lost_is_taken_away_once_he_has_left(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    lose_once(trip)
    assert members(trip, "Crew") == {ADA, BOB}
    trip.store.directory.change_members(crew, add=[], remove=[bob])
    settle(trip)
    assert members(trip, "Crew") == {ADA}


def test_a_member_whose_leaving_was_lost_is_added_once_he_is_back(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada, bob])
    trip.run()
    trip.store.directory.change_members(crew, add=[], remove=[bob])
    lose_once(trip)
    assert members(trip, "Crew") == {ADA}
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    settle(trip)
    assert members(trip, "Crew") == {ADA, BOB}


def test_a_member_whose_coming_was_lost_is_sent_again_and_not_taken_away_in_between(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    lose_once(trip)
    trip.clock.advance(LATER)
    trip.transport.forget()
    trip.run()
    (patch,) = [request for request in trip.transport.requests if request.method == "PATCH"]
    assert b'"remove"' not in (patch.body or b"").lower()
    settle(trip)
    assert members(trip, "Crew") == {ADA, BOB}


def test_a_manager_whose_answer_was_lost_is_taken_away_once_nobody_is_wanted(trip: Trip) -> None:
    ada, boss = trip.hire("Ada"), trip.hire("Boss")
    trip.run()
    trip.set_manager(ada, boss)
    lose_once(trip, "/Users")
    assert "manager" in trip.at_target()["ada@lantaarn.example"][ENTERPRISE]
    nobody = ObjectWrite(kind=ObjectKind.USER, object_id=ada, attributes={}, manager_id="", is_new=False)
    trip.store.directory.write([nobody], trip.clock.now())
    settle(trip)
    assert "manager" not in trip.at_target()["ada@lantaarn.example"].get(ENTERPRISE, {})


def test_a_manager_who_was_replaced_without_an_answer_comes_back(trip: Trip) -> None:
    ada, boss, chief = trip.hire("Ada"), trip.hire("Boss"), trip.hire("Chief")
    trip.set_manager(ada, boss)
    trip.run()
    before = trip.at_target()["ada@lantaarn.example"][ENTERPRISE]["manager"]
    trip.set_manager(ada, chief)
    lose_once(trip, "/Users")
    trip.set_manager(ada, boss)
    settle(trip)
    assert trip.at_target()["ada@lantaarn.example"][ENTERPRISE]["manager"] == before


@pytest.mark.parametrize("status", [400, 401])
def test_members_of_a_request_that_was_carried_out_before_another_failed_are_taken_away(
    trip: Trip, status: int
) -> None:
    people = [trip.hire(f"P{number:03}") for number in range(150)]
    crew = trip.found("Crew", [])
    trip.run()
    trip.store.directory.change_members(crew, add=people, remove=[])
    sent: list[str] = []

    def refuse(request: HttpRequest, _: object) -> HttpResponse | None:
        if "/Groups" not in request.url or request.method != "PATCH":
            return None
        sent.append(request.url)
        return None if len(sent) == 1 else HttpResponse(status=status, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = refuse
    trip.run()
    trip.transport.fault = None
    assert len(members(trip, "Crew")) == 100
    trip.store.directory.change_members(crew, add=[], remove=people[:2])
    settle(trip)
    assert len(members(trip, "Crew")) == 148
    assert not members(trip, "Crew") & {"P000 Tester", "P001 Tester"}


def die_once(trip: Trip, death: type[BaseException]) -> None:
    """Has a change of members arrive, and the process end before it has written that down."""

    def die(request: HttpRequest, send: object) -> HttpResponse | None:
        if "/Groups" not in request.url or request.method != "PATCH":
            return None
        assert callable(send)
        send()
        raise death

    trip.transport.fault = die


@pytest.mark.parametrize("death", ["killed", "killed on demand", "a fault of ours"])
def test_a_member_who_came_as_the_process_died_and_left_before_he_was_sent_again_is_taken_away(
    trip: Trip, death: str
) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    die_once(trip, ValueError if death == "a fault of ours" else KeyboardInterrupt)
    with pytest.raises((KeyboardInterrupt, ValueError)):
        if death == "killed on demand":
            trip.control.provision_on_demand(JOB, ObjectKind.GROUP, crew)
        else:
            trip.run()
    left = trip.store.cycles.running(JOB)
    trip.transport.fault = lambda request, _: (
        HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta()) if request.method == "PATCH" else None
    )
    if death == "a fault of ours":
        assert left is not None
        trip.engine.crashed(left.id, "ValueError")
    elif left is not None:
        assert not trip.new_engine().advance(left.id)
    assert members(trip, "Crew") == {ADA, BOB}
    trip.transport.fault = None
    trip.clock.advance(LATER)
    trip.store.directory.change_members(crew, add=[], remove=[bob])
    trip.engine = trip.new_engine()
    settle(trip)
    assert members(trip, "Crew") == {ADA}


def test_a_fault_that_hides_what_was_under_way_stops_the_job_all_the_same(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.found("Crew", [ada])
    die_once(trip, ValueError)
    with pytest.raises(ValueError):
        trip.run()
    left = trip.store.cycles.running(JOB)
    assert left is not None
    with trip.store.cycles._database.write() as connection:  # type: ignore[attr-defined]  # the SQL store's
        connection.execute(sa.update(reference_attributes).values(kind="Nobody"))
    with pytest.raises(ValueError, match="Nobody"):
        trip.engine.crashed(left.id, "ValueError")
    assert trip.store.cycles.running(JOB) is None
    job = trip.store.jobs.get(JOB)
    assert job is not None and job.quarantine is not None


def test_a_member_whose_account_was_replaced_without_an_answer_is_taken_away_by_both_ids(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada, bob])
    trip.run()
    account = trip.at_target()["bob@lantaarn.example"]["id"]
    trip.service.ask("DELETE", f"/Users/{account}")
    trip.control.provision_on_demand(JOB, ObjectKind.USER, bob)
    lose_once(trip, of=b'"add"')
    assert members(trip, "Crew") == {ADA, BOB}
    trip.store.directory.change_members(crew, add=[], remove=[bob])
    settle(trip)
    assert members(trip, "Crew") == {ADA}


def test_an_approval_outlasts_a_removal_whose_answer_was_lost(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada, bob])
    trip.run()
    trip.approval = Approval.REMOVALS
    trip.store.directory.change_members(crew, add=[], remove=[bob])
    trip.run()
    assert members(trip, "Crew") == {ADA, BOB}
    trip.approve()

    trip.clock.advance(LATER)
    lose_once(trip, arrives=False)
    settle(trip)
    assert members(trip, "Crew") == {ADA}


@pytest.mark.parametrize("arrives", [True, False])
def test_a_full_pass_looks_who_is_there_of_whom_nobody_knows(trip: Trip, arrives: bool) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    lose_once(trip, arrives=arrives)
    trip.store.jobs.set_watermark(JOB, None)
    planned = [change for operation in trip.planned(trip.planner.make(JOB)) for change in operation.changes]
    assert [change.new for change in planned] == ([] if arrives else [(BOB,)])


def test_whoever_came_in_with_half_of_a_refused_list_is_taken_away_once_they_have_left(trip: Trip) -> None:
    people = {f"{name} Tester": trip.hire(name) for name in ("Ada", "Bob", "Cem", "Dot")}
    crew = trip.found("Crew", [])
    trip.run()
    trip.store.directory.change_members(crew, add=list(people.values()), remove=[])
    # The last of the list, in whatever order they were created.
    refused: list[str] = []

    def refuse(request: HttpRequest, _: object) -> HttpResponse | None:
        if "/Groups" not in request.url or request.method != "PATCH":
            return None
        values = [each["value"] for each in json.loads(request.body or b"")["Operations"][0]["value"]]
        refused.extend(values[-1:] if not refused else ())
        return HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta()) if refused[0] in values else None

    trip.transport.fault = refuse
    trip.run()
    came = members(trip, "Crew")
    assert came and came < people.keys()
    trip.transport.fault = None
    left = min(came)
    trip.store.directory.change_members(crew, add=[], remove=[people[left]])
    settle(trip)
    assert members(trip, "Crew") == people.keys() - {left}
