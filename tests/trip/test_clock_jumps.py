"""The machine's clock is set: back or forward, by an hour or a day. Nothing waits until it has come that far again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.engine.chores import Chore, Chores
from muster.engine.schedule import DEBOUNCE, Schedule
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.job import WAKE_UP_SETTING
from muster.planning.health import QUARANTINE_LADDER
from muster.planning.terms import ESCROW_LADDER
from muster.ui.brake import Brake, Pressure
from muster.web.access import Budget, RateLimit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY], ids=["day back", "hour back", "hour on", "day on"])


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


@pytest.fixture
def ada(trip: Trip) -> str:
    """Somebody with an account."""
    person = trip.hire("Ada")
    trip.run()
    return person


@pytest.fixture
def schedule(trip: Trip, ada: str) -> Schedule:
    """One that has looked before: what it remembers is of the time before the jump."""
    made = Schedule(trip.stores, trip.clock, trip.store.feed.latest)
    assert made.due() == [], ada
    return made


def is_due(schedule: Schedule) -> bool:
    return [job.id for job, _ in schedule.due()] == [JOB]


@JUMPS
def test_a_leaver_is_disabled_as_soon_as_ever(trip: Trip, ada: str, schedule: Schedule, jump: timedelta) -> None:
    trip.edit(ada, accountEnabled=False)
    assert not is_due(schedule), "it waits for what comes with it"
    trip.clock.advance(jump)
    if jump < timedelta(0):
        schedule.due()
    trip.clock.advance(DEBOUNCE)
    assert is_due(schedule)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    assert not is_due(schedule), "and once"


@JUMPS
def test_a_job_that_no_change_wakes_runs_once_and_then_at_its_interval(
    trip: Trip, schedule: Schedule, jump: timedelta
) -> None:
    job = trip.store.jobs.get(JOB)
    assert job is not None
    trip.store.jobs.set_settings(JOB, {**job.settings, WAKE_UP_SETTING: "false"})
    trip.clock.advance(jump)
    trip.hire("Bram")
    schedule.due()
    trip.clock.advance(DEBOUNCE)
    ran = 0
    for _ in range(3):
        if is_due(schedule):
            trip.run()
            ran += 1
    trip.hire("Cem")
    for _ in range(2):
        trip.clock.advance(job.interval / 2 + DEBOUNCE)
        schedule.due()
    trip.clock.advance(DEBOUNCE)
    assert is_due(schedule)
    assert ran == 1


@JUMPS
def test_a_quarantined_job_is_tried_again_within_a_day(trip: Trip, schedule: Schedule, jump: timedelta) -> None:
    refused = HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta(0))
    trip.transport.fault = lambda *_: refused
    trip.hire("Bram")
    trip.run()
    trip.transport.fault = None
    assert not is_due(schedule)
    trip.clock.advance(jump)
    looks = 24
    while not is_due(schedule):
        looks -= 1
        assert looks
        trip.clock.advance(QUARANTINE_LADDER[-1] / 24)
    trip.run()
    assert "bram@lantaarn.example" in trip.at_target()


@JUMPS
def test_chores_are_done_at_their_span(trip: Trip, jump: timedelta) -> None:
    done: list[object] = []
    chores = Chores((Chore(name="one", every=HOUR, do=lambda: bool(done.append(1))),), trip.clock)
    chores.work()
    trip.clock.advance(jump)
    chores.work()
    chores.work()
    assert len(done) == 2
    trip.clock.advance(HOUR)
    chores.work()
    assert len(done) == 3


@JUMPS
def test_who_has_used_up_a_budget_gets_it_back_in_its_time(trip: Trip, jump: timedelta) -> None:
    budget, rate, brake = Budget(1, timedelta(seconds=10)), RateLimit(1), Brake()
    pressure = Pressure(free=1, longest=timedelta(minutes=5))
    now = trip.clock.now()
    budget.take("ada", now)
    for _ in range(11):
        rate.take("ada", now)
        brake.fail("ada", now)
    assert budget.take("ada", now) and rate.take("ada", now) and brake.wait("ada", pressure, now)
    now += jump
    budget.take("ada", now), rate.take("ada", now)
    now += timedelta(minutes=6)
    assert budget.take("ada", now) is None
    assert rate.take("ada", now) is None
    assert brake.wait("ada", pressure, now) is None


def test_requests_side_by_side_give_nobody_more_guesses_or_calls(trip: Trip) -> None:
    budget, brake = Budget(2, timedelta(seconds=10)), Brake()
    pressure = Pressure(free=4, longest=timedelta(minutes=5))
    now, earlier = trip.clock.now(), trip.clock.now() - timedelta(milliseconds=5)
    for at in (now, earlier) * 5:
        brake.fail("ada", at)
        budget.take("ada", at)
        assert brake.wait("bob", pressure, earlier) is None
    for at in (now, earlier):
        left = brake.wait("ada", pressure, at)
        assert left is not None
        assert left >= timedelta(seconds=2**6)
        assert budget.take("ada", at) is not None


@JUMPS
@pytest.mark.parametrize("ladder", [None, "P200D"])
def test_who_has_failed_is_tried_again_within_the_interval(
    trip: Trip, ada: str, schedule: Schedule, jump: timedelta, ladder: str | None
) -> None:
    job = trip.store.jobs.get(JOB)
    assert job is not None
    if ladder is not None:
        trip.store.jobs.set_settings(JOB, {**job.settings, ESCROW_LADDER: ladder})
    trip.edit(ada, accountEnabled=False)

    def refuse(request: HttpRequest, _: object) -> HttpResponse | None:
        refused = HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta())
        return refused if request.method in ("PATCH", "PUT") else None

    trip.transport.fault = refuse
    trip.run()
    assert trip.store.links.count_escrows(JOB) == 1
    trip.clock.advance(jump)
    trip.clock.advance(job.interval)
    assert is_due(schedule)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    assert not is_due(schedule), "it waits again"
    trip.transport.fault = None
    trip.clock.advance(job.interval)
    assert is_due(schedule)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    assert trip.store.links.count_escrows(JOB) == 0
