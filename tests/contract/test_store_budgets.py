"""One rate for all engines: no two of them ever have the same stretch of time."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from muster.database.connection import Database
from muster.store.budgets import SqlBudget, Stretch
from muster.targets.pace import Pace

ADDRESS = "https://scim.example/v2"
LENGTH = timedelta(milliseconds=250)
MOMENT = timedelta(milliseconds=1)


def test_engines_that_lease_at_once_get_stretches_that_do_not_overlap(store_database: Database) -> None:
    leased: list[Stretch] = []

    def lease() -> None:
        # Another job of the same target: the slash and the case of its address are no difference.
        budget = SqlBudget(store_database, "HTTPS://scim.example/v2/")
        leased.extend(budget.lease_stretch(LENGTH) for _ in range(8))

    threads = [threading.Thread(target=lease) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leased) == 64
    ordered = sorted(leased, key=lambda stretch: stretch.begins_at)
    assert all(before.ends_at <= after.begins_at + 1e-6 for before, after in pairwise(ordered))
    assert all(stretch.begins_at >= stretch.asked_at for stretch in leased)


def test_a_pause_that_one_engine_was_asked_for_holds_for_all(store_database: Database) -> None:
    SqlBudget(store_database, ADDRESS).pause(timedelta(seconds=300))
    assert SqlBudget(store_database, ADDRESS).lease(LENGTH) > timedelta(seconds=200)
    assert SqlBudget(store_database, "https://other.example/v2").lease(LENGTH) < timedelta(seconds=200)


class Hour:
    """A clock that stands until somebody sleeps by it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 4, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, duration: timedelta) -> None:
        self.at += duration


class Turns:
    """A budget of two engines that take turns, by the time of one of them."""

    def __init__(self, clock: Hour) -> None:
        self._clock = clock
        self.due = clock.now()
        self.paused: list[timedelta] = []

    def lease(self, duration: timedelta) -> timedelta:
        begins_at = max(self.due, self._clock.now())
        # The other one takes the stretch after ours.
        self.due = begins_at + duration * 2
        return begins_at - self._clock.now()

    def pause(self, duration: timedelta) -> None:
        self.paused.append(duration)


def test_a_pace_that_shares_its_rate_sends_in_its_own_stretches_only() -> None:
    clock = Hour()
    budget = Turns(clock)
    pace = Pace(clock, 100.0, at_once=1, budget=budget)
    sent = []
    for _ in range(200):
        pace.wait()
        sent.append(clock.now())
        pace.note({})
    # Half of the rate is the other engine's.
    assert sent[-1] - sent[0] >= timedelta(seconds=3.5)
    assert pace.refuse({"retry-after": "7"}) == timedelta(seconds=7)
    assert budget.paused == [timedelta(seconds=7)]
