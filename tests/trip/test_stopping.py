"""A stop takes effect within two seconds, whatever the target is at, and nothing is lost or done twice."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.engine.schedule import Schedule
from muster.engine.stopping import let_stop
from muster.model.copies import replace
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.job import CycleState, ScheduleState, SynchronizationJob
from waiting import eventually

PEOPLE = 12
Send = Callable[[], HttpResponse]


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    trip = Trip(tmp_path)
    # Each is asked for: looking them up is half of the work.
    trip.page = replace(trip.page, dialect=replace(trip.page.dialect, can_list=False))
    for number in range(PEOPLE):
        trip.hire(f"P{number}")
    return trip


class Stop:
    """Pauses the job when the n-th request of a method comes, and tells when."""

    def __init__(self, trip: Trip, method: str, at: int) -> None:
        self.trip, self.method, self.left = trip, method, at
        self.at: datetime | None = None
        self.lock = threading.Lock()

    def comes(self, request: HttpRequest) -> bool:
        # Several requests come at once: a second one would pause the job when it has been started again.
        with self.lock:
            if request.method != self.method or self.at is not None:
                return False
            self.left -= 1
            if self.left >= 0:
                return False
            self.trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
            self.at = self.trip.clock.now()
            return True


def run_until_stopped(trip: Trip, stop: Stop) -> str:
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    while trip.engine.advance(cycle.id):
        pass
    assert stop.at is not None
    assert trip.clock.now() - stop.at <= timedelta(seconds=2)
    kept = trip.store.cycles.get(cycle.id)
    assert kept is not None and kept.state is CycleState.RUNNING
    assert trip.store.jobs.get(JOB).quarantine is None  # type: ignore[union-attr]  # it is there
    return cycle.id


def go_on(trip: Trip, cycle_id: str) -> None:
    trip.transport.fault = None
    trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)

    def is_over() -> bool:
        while trip.engine.advance(cycle_id):
            pass
        kept = trip.store.cycles.get(cycle_id)
        return kept is not None and kept.state is not CycleState.RUNNING

    # Threads that were just stopped may move the clock while the store is looked at, as if the network hung: whoever
    # finds that sends nothing, and the cycle is taken up anew, as the engine does.
    assert eventually(is_over)
    ended = trip.store.cycles.get(cycle_id)
    assert ended is not None and ended.state is CycleState.SUCCEEDED
    assert ended.counters.created == PEOPLE
    assert len(trip.at_target()) == PEOPLE
    assert trip.run() is None


@pytest.mark.parametrize("seconds", [59, 3500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_while_the_target_asks_to_wait(trip: Trip, method: str, seconds: int) -> None:
    stop = Stop(trip, method, 2)
    trip.transport.fault = lambda request, send: busy(seconds) if stop.comes(request) else None
    go_on(trip, run_until_stopped(trip, stop))


def busy(seconds: int) -> HttpResponse:
    return HttpResponse(status=429, headers={"retry-after": str(seconds)}, body=b"", elapsed=timedelta())


def due(trip: Trip) -> list[str]:
    """The jobs that an engine would begin or carry on now, whichever engine looks."""
    return [job.id for job, _ in Schedule(trip.stores, trip.clock, trip.store.feed.latest).due()]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_target_that_wants_an_hour_of_rest_has_it_and_the_job_holds_no_place_meanwhile(
    trip: Trip, method: str
) -> None:
    answers = iter([None, None, busy(3600)])
    trip.transport.fault = lambda request, send: next(answers, None) if request.method == method else None
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    began_at = trip.clock.now()
    while trip.engine.advance(cycle.id):
        pass
    assert not trip.engine.holds(cycle.id)
    assert trip.clock.now() - began_at < timedelta(minutes=1)
    kept = trip.store.cycles.get(cycle.id)
    assert kept is not None and kept.state is CycleState.RUNNING
    assert trip.store.jobs.get(JOB).quarantine is None  # type: ignore[union-attr]  # it is there
    for _ in range(2):
        assert due(trip) == []
        # It can be stopped and started meanwhile, and still leaves the target alone.
        trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
        trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)
        trip.clock.advance(timedelta(minutes=29))
    trip.clock.advance(timedelta(minutes=3))
    assert due(trip) == [JOB]
    go_on(trip, cycle.id)


def test_a_target_that_answers_fewer_requests_an_hour_than_a_page_has_comes_to_an_end_all_the_same(trip: Trip) -> None:
    left = 5

    def five_an_hour(request: HttpRequest, send: Send) -> HttpResponse | None:
        nonlocal left
        left -= 1
        return busy(3600) if left < 0 else None

    trip.transport.fault = five_an_hour
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    for _ in range(40):
        while trip.engine.advance(cycle.id):
            pass
        kept = trip.store.cycles.get(cycle.id)
        assert kept is not None
        if kept.state is not CycleState.RUNNING:
            break
        trip.clock.advance(timedelta(hours=1, seconds=1))
        left = 5
    assert (kept.state, kept.counters.created) == (CycleState.SUCCEEDED, PEOPLE)
    assert len(trip.at_target()) == PEOPLE
    assert kept.counters.requests == len(trip.transport.requests)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_while_every_request_takes_long(trip: Trip, method: str) -> None:
    stop = Stop(trip, method, 1)
    sent_after: list[str] = []

    def slow(request: HttpRequest, send: Send) -> None:
        if stop.at is not None:
            sent_after.append(request.method)
        stop.comes(request)
        trip.clock.advance(timedelta(seconds=0.2))

    trip.transport.fault = slow
    cycle_id = run_until_stopped(trip, stop)
    # Those that were under way; nobody takes a further one.
    assert len(sent_after) <= 8
    go_on(trip, cycle_id)


def test_while_an_answer_is_lost_the_account_is_looked_up_when_it_goes_on(trip: Trip) -> None:
    stop = Stop(trip, "POST", 3)

    def lose(request: HttpRequest, send: Send) -> HttpResponse | None:
        if stop.comes(request):
            send()
            trip.clock.advance(timedelta(seconds=1))
            raise TransportTimeout("the deadline passed", sent=True)
        return None

    trip.transport.fault = lose
    go_on(trip, run_until_stopped(trip, stop))


def test_what_an_administrator_asks_for_by_hand_goes_on_while_the_job_is_stopped(trip: Trip) -> None:
    trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
    plan = trip.planner.make(JOB)
    cycle = trip.planner.apply(plan.id)
    trip.clock.advance(timedelta(seconds=5))
    while trip.engine.advance(cycle.id):
        trip.clock.advance(timedelta(seconds=5))
    assert len(trip.at_target()) == PEOPLE


@pytest.mark.parametrize("seconds", [0, 6], ids=["others say so", "for long enough"])
def test_a_process_that_hung_while_it_looked_and_was_given_up_meanwhile_sends_nothing_more(
    trip: Trip, seconds: int
) -> None:
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    overtaken: list[bool] = []

    class HangingJobs:
        """Answers when the network is there again."""

        def get(self, job_id: str) -> SynchronizationJob | None:
            trip.clock.advance(timedelta(seconds=seconds))
            overtaken[:] = [seconds == 0]
            return trip.store.jobs.get(job_id)

    asked: list[Callable[[], bool]] = []
    parts = trip.open_job(JOB, {})
    parts.target.stop_when = asked.append  # type: ignore[attr-defined]  # what the target would ask
    stores = replace(trip.stores, jobs=HangingJobs())  # type: ignore[arg-type]  # all that is asked of it here
    let_stop(cycle, parts, stores, trip.clock, lambda: any(overtaken))
    assert not asked[0]()
    trip.clock.advance(timedelta(seconds=1))
    assert asked[0]()
    # It shows that it lives again, too late.
    overtaken.clear()
    assert asked[0]()


def test_a_leaver_waits_for_a_few_requests_of_a_slow_target_and_not_for_a_page_of_them(trip: Trip) -> None:
    leaver = trip.hire("Leaver")
    trip.run()
    for number in range(5 * PEOPLE):
        trip.hire(f"New{number}")
    left = itertools.count(3, -1)
    waited: list[str] = []

    def slow(request: HttpRequest, send: Send) -> None:
        trip.clock.advance(timedelta(seconds=0.3))
        if request.method == "PATCH":
            trip.transport.fault = None
        elif (number := next(left)) < 0:
            waited.append(request.method)
        elif number == 0:
            trip.soft_delete(leaver)

    trip.transport.fault = slow
    trip.run()
    assert trip.transport.fault is None
    # Those looked up beside it, and the same made: no more go at once.
    assert len(waited) <= 2 * 8
