"""What happens when the target, the network or the process fails in the middle of a trip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from muster.engine.schedule import Schedule
from muster.model.exchange import ConnectionFailed, HttpRequest, HttpResponse, TransportTimeout
from muster.model.job import CycleState, QuarantineReason, ScheduleState
from muster.model.log import LogStatus
from muster.model.operation import LinkState

Fault = Callable[[HttpRequest, Callable[[], HttpResponse]], HttpResponse | None]


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=body, elapsed=timedelta())


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing of ours runs afterwards."""


def once(method: str, fault: Callable[[Callable[[], HttpResponse]], HttpResponse]) -> Fault:
    """Returns a fault that strikes the first request of a method."""
    struck: list[bool] = []

    def stand_between(request: HttpRequest, send: Callable[[], HttpResponse]) -> HttpResponse | None:
        if request.method != method or struck:
            return None
        struck.append(True)
        return fault(send)

    return stand_between


def lose_answer(send: Callable[[], HttpResponse]) -> HttpResponse:
    send()
    raise TransportTimeout("the deadline passed", sent=True)


def lose_request(_: Callable[[], HttpResponse]) -> HttpResponse:
    raise TransportTimeout("the deadline passed", sent=True)


def test_a_lost_answer_to_a_create_is_looked_up_and_the_account_is_ours(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.transport.fault = once("POST", lose_answer)
    trip.run()
    assert len(trip.at_target()) == 1
    assert trip.transport.writes == ["POST /Users"]
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.MANAGED
    entry = trip.log(ada)[0]
    assert entry.status is LogStatus.SUCCESS
    made, note = entry.steps[-2:]
    assert made.name == "EntryExportAdd" and "was created" in made.description
    assert made.details["ReportableIdentifier"] == link.target_id and "answer was lost" in note.description


def test_a_create_that_never_arrived_is_not_repeated_blindly_but_in_the_next_cycle(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.transport.fault = once("POST", lose_request)
    trip.run()
    assert trip.at_target() == {}
    assert trip.log(ada)[0].status is LogStatus.FAILURE
    trip.clock.advance(timedelta(minutes=40))
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}


def test_a_lost_answer_to_a_disable_counts_once_the_target_shows_it(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    trip.transport.fault = once("PATCH", lose_answer)
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.disabled, cycle.counters.failed) == (1, 0)
    assert [step.name for step in trip.log(ada)[0].steps[-2:]] == ["EntryExportDisable", "EntryExportUpdate"]
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


@pytest.mark.parametrize("arrives", [True, False])
def test_a_kill_during_the_request_makes_every_account_exactly_once(trip: Trip, arrives: bool) -> None:
    people = [trip.hire(f"P{number}") for number in range(8)]

    def kill(send: Callable[[], HttpResponse]) -> HttpResponse:
        if arrives:
            send()
        raise Killed

    trip.transport.fault = once("POST", kill)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    with pytest.raises(Killed):
        while trip.engine.advance(cycle.id):
            pass
    after = trip.new_engine()
    while after.advance(cycle.id):
        pass
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None
    assert ended.state is CycleState.SUCCEEDED
    assert len(trip.at_target()) == 8
    assert all(trip.link(person) is not None for person in people)
    assert ended.counters.created == 8


def test_the_one_who_was_thought_dead_is_fenced_out(trip: Trip) -> None:
    trip.hire("Ada")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.new_engine().advance(cycle.id)
    trip.transport.forget()
    assert trip.engine.advance(cycle.id) is False
    assert trip.transport.writes == []


def test_an_account_that_appeared_meanwhile_is_adopted_after_the_conflict(trip: Trip) -> None:
    ada = trip.hire("Ada")

    def appear(send: Callable[[], HttpResponse]) -> HttpResponse:
        trip.account("ada@lantaarn.example")
        return send()

    trip.transport.fault = once("POST", appear)
    cycle = trip.run()
    assert cycle is not None
    link = trip.link(ada)
    assert link is not None
    assert link.state is LinkState.ADOPTED
    assert trip.at_target()["ada@lantaarn.example"]["name"]["givenName"] == "Ada"
    assert cycle.counters.failed == 0


def test_a_conflict_that_no_lookup_settles_is_a_named_failure(trip: Trip) -> None:
    ada = trip.hire("Ada")
    body = b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"409","scimType":"uniqueness"}'
    trip.transport.fault = once("POST", lambda _: answer(409, body, content_type="application/scim+json"))
    trip.run()
    failure = trip.log(ada)[0].failure
    assert failure is not None
    assert failure.code == "EntryConflict"


def test_an_account_that_vanished_is_made_again(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    before = trip.link(ada)
    assert before is not None
    trip.service.repository.delete("User", before.target_id)
    trip.edit(ada, department="Sales")
    trip.run()
    after = trip.link(ada)
    assert after is not None
    assert after.target_id != before.target_id
    assert set(trip.at_target()) == {"ada@lantaarn.example"}


def test_two_people_who_map_to_one_account_do_not_both_get_it(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    document: Any = dict(trip.store.jobs.schema(JOB).document)
    mappings = document["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
    match = next(item for item in mappings if item["targetAttributeName"] == "userName")
    match["source"] = {"expression": "[department]", "name": "department", "type": "Attribute", "parameters": []}
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    ada, bob = trip.hire("Ada", department="shared"), trip.hire("Bob", department="shared")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.created, cycle.counters.failed) == (1, 1)
    assert len(trip.at_target()) == 1
    assert (trip.link(ada) is None) != (trip.link(bob) is None)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (answer(401), "InvalidCredentials"),
        (ConnectionFailed("connection refused", sent=False), "SystemUnreachable"),
        (answer(404, b"not here"), "SystemUnreachable"),
        (answer(200, b"<html>hello</html>", content_type="text/html"), "SystemUnreachable"),
        (answer(200, b""), "SystemUnreachable"),
    ],
)
def test_a_target_that_cannot_be_used_quarantines_the_job_and_removes_nobody(
    trip: Trip, fault: HttpResponse | Exception, code: str
) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    watermark = trip.store.jobs.get(JOB).watermark  # type: ignore[union-attr]  # it is there
    trip.hire("Bob")

    def broken(_request: HttpRequest, _send: Callable[[], HttpResponse]) -> HttpResponse | None:
        if isinstance(fault, Exception):
            raise fault
        return fault

    trip.transport.fault = broken
    trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.run()
    assert cycle is not None
    assert cycle.state is CycleState.FAILED
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert job.quarantine is not None
    assert job.quarantine.reason is QuarantineReason.QUARANTINE_EXCEPTION
    assert job.quarantine.failure.remedy
    assert job.quarantine.failure.code == code
    trip.transport.fault = None
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    trip.run()
    job = trip.store.jobs.get(JOB)
    assert job is not None
    assert job.quarantine is None
    assert watermark is not None
    assert {name: item["active"] for name, item in trip.at_target().items()} == {
        "ada@lantaarn.example": False,
        "bob@lantaarn.example": True,
    }


def test_a_busy_target_is_waited_for_as_it_asks(trip: Trip) -> None:
    trip.hire("Ada")
    trip.transport.fault = once("POST", lambda _: answer(429, retry_after="7"))
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.created, cycle.counters.failed) == (1, 0)
    assert sum(trip.clock.slept, timedelta()) >= timedelta(seconds=7)


def test_a_server_error_fails_one_person_until_the_next_cycle(trip: Trip) -> None:
    trip.hire("Ada")
    trip.hire("Bob")
    trip.transport.fault = once("POST", lambda _: answer(500, b"oops"))
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.created, cycle.counters.failed) == (1, 1)
    trip.clock.advance(timedelta(minutes=40))
    trip.run()
    assert len(trip.at_target()) == 2


def test_two_candidates_at_the_target_are_an_error_that_names_them(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    document: Any = dict(trip.store.jobs.schema(JOB).document)
    mappings = document["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
    for item in mappings:
        item["matchingPriority"] = 1 if item["targetAttributeName"] == "displayName" else 0
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    twins = [trip.service.make_user(f"twin{number}", displayName="Ada Tester") for number in range(2)]
    ada = trip.hire("Ada")
    trip.run()
    failure = trip.log(ada)[0].failure
    assert failure is not None
    assert failure.code == "DuplicateTargetEntries"
    assert all(twin in failure.sentence for twin in twins)
    assert trip.transport.writes == []


def test_a_server_that_ignores_filters_does_not_make_us_take_the_first_account(trip: Trip) -> None:
    stranger = trip.account("stranger@lantaarn.example")
    trip.hire("Ada")
    trip.run()
    bob = trip.hire("Bob")

    def ignore_filter(request: HttpRequest, _send: Callable[[], HttpResponse]) -> HttpResponse | None:
        if request.method == "GET" and "filter=" in request.url:
            return answer(200, trip.service.ask("GET", "/Users").body, content_type="application/scim+json")
        return None

    trip.transport.fault = ignore_filter
    trip.run()
    link = trip.link(bob)
    assert link is not None
    assert link.target_id != stranger
    assert len(trip.at_target()) == 3


def test_a_target_that_drops_an_attribute_gets_no_endless_update(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Engineer")

    def drop_title(request: HttpRequest, send: Callable[[], HttpResponse]) -> HttpResponse | None:
        got = send()
        return HttpResponse(
            status=got.status,
            headers=got.headers,
            body=got.body.replace(b'"title":"Engineer",', b"").replace(b',"title":"Engineer"', b""),
            elapsed=got.elapsed,
        )

    trip.transport.fault = drop_title
    trip.run()
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []
    assert trip.link(ada) is not None


def test_a_paused_job_stops_inside_the_cycle_and_goes_on_where_it_was(trip: Trip) -> None:
    for number in range(5):
        trip.hire(f"P{number}")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.advance(cycle.id)
    trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
    assert trip.engine.advance(cycle.id) is False
    assert trip.at_target() == {}
    trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)
    while trip.engine.advance(cycle.id):
        pass
    assert len(trip.at_target()) == 5


def test_a_fault_of_ours_ends_the_cycle_and_quarantines_the_job(trip: Trip) -> None:
    trip.hire("Ada")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.engine.crashed(cycle.id, "ZeroDivisionError: division by zero")
    ended, job = trip.store.cycles.get(cycle.id), trip.store.jobs.get(JOB)
    assert ended is not None
    assert ended.state is CycleState.FAILED
    assert job is not None
    assert job.quarantine is not None
    assert "ZeroDivisionError" in job.quarantine.failure.sentence
    assert trip.engine.advance(cycle.id) is False


def test_a_change_wakes_the_job_or_waits_for_the_interval_where_waking_is_off(trip: Trip) -> None:
    trip.hire("Ada")
    trip.run()
    schedule = Schedule(trip.stores, trip.clock, trip.store.feed.latest)
    assert schedule.due() == []
    trip.hire("Bob")
    assert schedule.due() == []
    trip.clock.advance(timedelta(seconds=2))
    assert [job.id for job, _ in schedule.due()] == [JOB]
    trip.store.jobs.set_settings(JOB, {"WakeUpOnChange": "false"})
    assert schedule.due() == []
    trip.clock.advance(timedelta(minutes=40))
    assert [job.id for job, _ in schedule.due()] == [JOB]


def test_a_leaver_whose_switching_off_was_swallowed_is_tried_again(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.transport.fault = lambda request, _: None if request.method == "GET" else answer(200)
    trip.soft_delete(ada)
    trip.run()
    assert trip.log(ada)[0].status is LogStatus.FAILURE
    trip.transport.fault = None
    trip.clock.advance(timedelta(minutes=40))
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
