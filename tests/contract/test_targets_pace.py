"""The pace of a target, on a clock that stands: how much of the allowed rate is used, and that nothing is refused."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Thread

import pytest

from fakes.world import EPOCH, StillClock
from muster.bootstrap import machine
from muster.bootstrap.machine import SteadyClock
from muster.targets.pace import FIRST_PAUSE, Pace
from muster.targets.rate_headers import LONGEST_PAUSE, read_retry_after
from waiting import eventually

SECOND = timedelta(seconds=1)
Limit = Callable[[datetime], bool]


def fixed_window(limit: int) -> Limit:
    """Counts by whole seconds."""
    counts: dict[int, int] = {}

    def grants(at: datetime) -> bool:
        second = int((at - EPOCH).total_seconds())
        counts[second] = counts.get(second, 0) + 1
        return counts[second] <= limit

    return grants


def sliding_window(limit: int) -> Limit:
    """Counts over the last second, whenever that began."""
    granted: deque[datetime] = deque()

    def grants(at: datetime) -> bool:
        while granted and granted[0] <= at - SECOND:
            granted.popleft()
        if len(granted) >= limit:
            return False
        granted.append(at)
        return True

    return grants


def token_bucket(limit: int, capacity: int) -> Limit:
    """Fills evenly up to a capacity."""
    state = {"tokens": float(capacity), "at": EPOCH}

    def grants(at: datetime) -> bool:
        seconds = (at - state["at"]).total_seconds()  # type: ignore[operator]  # an instant
        state["tokens"] = min(capacity, state["tokens"] + seconds * limit)  # type: ignore[operator]  # a number
        state["at"] = at
        if state["tokens"] < 1:
            return False
        state["tokens"] -= 1  # type: ignore[operator]  # a number
        return True

    return grants


def play(pace: Pace, clock: StillClock, grants: Limit, until: timedelta, *, jitter: bool = True) -> tuple[float, int]:
    """Sends until an instant, with a pause for the journal after each batch; returns granted a second, and refusals.

    Each request reaches the target a little later, and not evenly so.
    """
    chance, begun_at, granted, refused = random.Random(1), clock.now(), 0, 0
    arrived = clock.now()
    while clock.now() - EPOCH < until:
        if (granted + refused) % 36 == 35:
            clock.advance(timedelta(milliseconds=chance.randrange(5, 150)))
        pace.wait()
        late = timedelta(milliseconds=chance.uniform(1, 12) if jitter else 1)
        arrived = max(arrived, clock.now() + late)
        if grants(arrived):
            granted += 1
            pace.note({}, timedelta(milliseconds=20))
        else:
            refused += 1
            pace.refuse({"retry-after": "1"})
    return granted / (clock.now() - begun_at).total_seconds(), refused


@pytest.mark.parametrize(
    "limit",
    [fixed_window(25), sliding_window(25), token_bucket(25, 25), token_bucket(25, 5)],
    ids=["fixed window", "sliding window", "bucket", "small bucket"],
)
def test_at_25_requests_a_second_95_percent_are_used_and_none_is_refused(limit: Limit) -> None:
    clock = StillClock()
    rate, refused = play(Pace(clock, 25), clock, limit, timedelta(minutes=2))
    assert refused == 0
    assert rate >= 25 * 0.95


def test_a_rate_that_nobody_named_is_found_and_kept_with_few_refusals() -> None:
    clock = StillClock()
    pace, grants = Pace(clock), sliding_window(40)
    play(pace, clock, grants, timedelta(seconds=30))
    rate, refused = play(pace, clock, grants, timedelta(minutes=10))
    assert rate >= 40 * 0.85
    assert refused <= rate * 600 * 0.005


def test_chance_refusals_do_not_drive_the_rate_below_what_every_application_must_bear() -> None:
    clock, chance = StillClock(), random.Random(3)
    pace = Pace(clock)
    for _ in range(2_000):
        pace.wait()
        if chance.random() < 0.1:
            pace.refuse({"retry-after": "1"})
        else:
            pace.note({})
    assert (pace.requests_per_second or 0) >= 24


def test_no_request_goes_in_a_burst_even_after_a_rest() -> None:
    clock = StillClock()
    pace = Pace(clock, 25)
    went: list[datetime] = []
    for number in range(60):
        if number == 30:
            clock.advance(timedelta(minutes=5))
        pace.wait()
        went.append(clock.now())
        pace.note({})
    # A moment's lost turns are made up for, but no second has more than the rate.
    assert all(after - before >= timedelta(milliseconds=33) for before, after in pairwise(went))
    assert all(after - before >= SECOND for before, after in zip(went, went[24:], strict=False))


def test_one_event_is_one_decrease_however_many_are_refused() -> None:
    clock = StillClock()
    pace = Pace(clock, 100, at_once=8)
    for _ in range(8):
        pace.wait()
    for _ in range(8):
        pace.refuse({"retry-after": "2"})
    # The dialect names the rate: one refusal may be chance.
    assert pace.requests_per_second == pytest.approx(100)
    assert pace.at_once == 5
    for expected in (90, 81):
        clock.advance(timedelta(seconds=4))
        pace.wait()
        pace.refuse({"retry-after": "2"})
        assert pace.requests_per_second == pytest.approx(expected)


@pytest.mark.parametrize(
    ("asked", "pauses"),
    [
        ("Fri, 31 Dec 9999 23:59:59 GMT", [LONGEST_PAUSE, LONGEST_PAUSE]),
        ("Thu, 01 Jan 1970 00:00:00 GMT", [FIRST_PAUSE, FIRST_PAUSE * 2]),
        ("0", [FIRST_PAUSE, FIRST_PAUSE * 2]),
    ],
)
def test_a_pause_that_never_ends_or_is_over_already_is_bounded(asked: str, pauses: list[timedelta]) -> None:
    clock = StillClock()
    pace = Pace(clock)
    for pause in pauses:
        pace.wait(LONGEST_PAUSE)
        assert pace.refuse({"retry-after": asked}) == pause
        clock.advance(pause)


def test_the_rate_grows_back_to_what_the_dialect_names_and_not_beyond() -> None:
    clock = StillClock()
    pace = Pace(clock, 100)
    for _ in range(2):
        pace.wait()
        pace.refuse({"retry-after": "1"})
        clock.advance(timedelta(seconds=3))
    seen = []
    for _ in range(3_000):
        pace.wait()
        pace.note({})
        seen.append(pace.requests_per_second)
    assert 90 <= (seen[0] or 0) < 97
    assert max(rate or 0 for rate in seen) == pytest.approx(100)


def test_a_budget_is_not_overdrawn_by_those_under_way() -> None:
    clock = StillClock()
    pace = Pace(clock, at_once=8)
    for _ in range(3):
        pace.wait()
    # Four are left; two are under way and use them up, too.
    pace.note({"ratelimit-remaining": "4", "ratelimit-reset": "10"})
    pace.wait()
    pace.wait()
    assert clock.now() == EPOCH
    pace.wait()
    assert clock.now() - EPOCH == timedelta(seconds=10)


def test_a_budget_by_the_second_does_not_stop_the_flow() -> None:
    clock = StillClock()
    pace = Pace(clock, 25)
    for _ in range(50):
        pace.wait()
        pace.note({"ratelimit-remaining": "0", "ratelimit-reset": "1"})
    assert clock.now() - EPOCH < timedelta(seconds=2.2)


def test_an_unknown_rate_is_learned_from_a_budget_by_the_second() -> None:
    clock = StillClock()
    pace = Pace(clock)
    for number in range(60):
        pace.wait()
        clock.advance(timedelta(milliseconds=5))
        pace.note({"ratelimit-remaining": str(max(0, 59 - number)), "ratelimit-reset": "1"})
    assert pace.requests_per_second is not None and pace.requests_per_second <= 60


def test_fewer_go_at_once_when_answers_slow_down_and_more_when_they_do_not() -> None:
    clock = StillClock()
    pace = Pace(clock, at_once=8)

    def answer(milliseconds: int, count: int) -> None:
        for _ in range(count):
            clock.advance(timedelta(milliseconds=100))
            pace.wait()
            pace.note({}, timedelta(milliseconds=milliseconds))

    answer(20, 20)
    assert pace.at_once == 8
    answer(2_000, 60)
    assert pace.at_once == 1
    answer(20, 100)
    assert pace.at_once >= 2


def test_a_busy_target_and_a_lost_answer_count_once_a_second() -> None:
    clock = StillClock()
    pace = Pace(clock, at_once=8)
    for _ in range(4):
        pace.wait()
    pace.note({}, is_busy=True)
    pace.lost()
    assert pace.at_once == 5
    clock.advance(SECOND)
    pace.lost()
    assert pace.at_once == 3


def test_there_may_be_more_at_once_at_a_slow_target_whose_rate_is_known() -> None:
    clock = StillClock()
    pace = Pace(clock, 1_000, at_once=2, most_at_once=8)
    waiting: list[int] = []
    for _ in range(200):
        while len(waiting) < pace.at_once:
            pace.wait()
            waiting.append(1)
        waiting.pop()
        pace.note({}, timedelta(milliseconds=300))
    assert pace.at_once == 8


def test_who_finds_no_place_waits_for_one() -> None:
    pace = Pace(StillClock(), at_once=1)
    pace.wait()
    passed: list[int] = []
    thread = Thread(target=lambda: (pace.wait(), passed.append(1)))
    thread.start()
    assert passed == []
    pace.note({})
    assert eventually(lambda: passed == [1])
    thread.join()


@pytest.mark.parametrize("off", [timedelta(0), timedelta(hours=-5), timedelta(days=2)])
def test_a_pause_until_a_date_is_as_long_as_the_target_says_whatever_our_clock_shows(off: timedelta) -> None:
    told = {"date": "Mon, 05 Jan 2026 08:00:00 GMT", "retry-after": "Mon, 05 Jan 2026 08:00:07 GMT"}
    assert read_retry_after(told, EPOCH + off) == timedelta(seconds=7)
    reset = {"date": told["date"], "x-ratelimit-reset": str(int(EPOCH.timestamp()) + 9)}
    assert read_retry_after(reset, EPOCH + off) == timedelta(seconds=9)


@pytest.mark.parametrize("date", [{}, {"date": "some time"}])
def test_without_a_date_of_the_target_our_own_clock_counts(date: dict[str, str]) -> None:
    headers = {**date, "retry-after": "Mon, 05 Jan 2026 08:00:07 GMT"}
    assert read_retry_after(headers, EPOCH) == timedelta(seconds=7)


@pytest.mark.parametrize("name", ["date", "retry-after"])
def test_a_date_in_a_zone_that_no_clock_has_says_nothing(name: str) -> None:
    told = {"date": "Mon, 05 Jan 2026 08:00:00 GMT", "retry-after": "Mon, 05 Jan 2026 08:00:07 GMT"}
    odd = {**told, name: f"Mon, 05 Jan 2026 08:00:00 +{'9' * 18}"}
    assert read_retry_after(odd, EPOCH) == (None if name == "retry-after" else timedelta(seconds=7))


def test_the_clock_of_the_pace_goes_on_evenly_when_the_machines_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteadyClock()
    before = clock.now()
    monkeypatch.setattr(machine, "datetime", None)  # nobody asks the machine's clock again
    assert clock.now() >= before
