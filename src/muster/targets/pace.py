"""The pace of one target: so many requests a second, so many at once, and pauses that the target asks for.

Requests are let go one by one at the rate, never in a burst: a target that counts by the second would refuse one. The
rate is the dialect's, a little less, so that what the network delays meets no limit. Where the dialect names none, it
is not limited until the target refuses (429); then it is found by additive increase and multiplicative decrease, as is
the number of requests at once, from refusals and from answers that take longer the more are under way.
"""

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from muster.model.failures import Resting
from muster.ports.world import Clock
from muster.targets.rate_headers import LONGEST_PAUSE, read_budget, read_retry_after

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_GUESS = timedelta(minutes=1)
# Whoever is to wait for longer gives their place to others.
LONGEST_IN_PLACE = timedelta(minutes=1)
# Of the rate that is allowed: as a rule, and to make up for a wait between two batches. Then a little more goes for a
# moment, but never more in any second than as a rule; at a low rate one more would be too many.
_USED, _USED_TO_CATCH_UP = 0.965, 0.985
_HURRIES, _HURRIES_FROM, _HURRIES_TO = 1.2, 20.0, 2_000.0
_CATCHES_UP = timedelta(milliseconds=250)
# A second refusal within so long says that the dialect promises too much; one alone is chance.
_CHANCE = timedelta(seconds=10)
# What every application of the gallery must bear (Source: entra-docs, gallery requirements): no guess goes below.
_LEAST_GUESS = 25.0 * _USED
_DECREASE = 0.9
# Growth a second: quick far below the rate that was refused, slow near it, so that it is rarely met again.
_FAR, _NEAR, _NEAR_FROM = 0.02, 0.0002, 0.95
# A budget that is filled again so soon is kept by the rate; its reset is rounded to whole seconds.
_SHORT = timedelta(seconds=1)
# Answers that take so much longer than the quickest ones say that too many are under way.
_SLOWER, _SLACK = 4.0, 0.25
_LESS_AT_ONCE = 0.7
_SECOND = timedelta(seconds=1)
# What one process leases of a rate that several share.
_STRETCH = timedelta(milliseconds=250)


class Budget(Protocol):
    """One rate for all processes that call a target."""

    def lease(self, duration: timedelta) -> timedelta:
        """Returns how long to wait for a stretch of time of this length, in which nobody else sends."""
        ...

    def pause(self, duration: timedelta) -> None:
        """Gives nothing away for so long."""
        ...


class Pace:
    """Shared by all threads that call a target. Each request is `wait`, then one of `note`, `refuse`, `lost`."""

    def __init__(
        self,
        clock: Clock,
        requests_per_second: float | None = None,
        *,
        at_once: int = 8,
        most_at_once: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Args:
        budget: shares the rate with other processes; None: this one is alone.
        at_once: requests under way at the same time, at first.
        most_at_once: how many there may become; as many as at first unless given.
        """
        self._clock = clock
        self._budget = budget
        # The stretch that is ours: from and until when.
        self._ours: tuple[datetime, datetime] | None = None
        self._ceiling = requests_per_second
        self._rate = requests_per_second
        self._changed = threading.Condition()
        # When the next request is due at the rate, and when the last one went.
        self._due_at: datetime | None = None
        self._last_at: datetime | None = None
        self._went: deque[datetime] = deque(maxlen=int(_HURRIES_TO))
        self._paused_until: datetime | None = None
        # What an answer has said of the budget: so many may go until it is filled again.
        self._left = 0.0
        self._filled_at: datetime | None = None
        self._refusals = 0
        self._refused_at_rate: float | None = None
        self._refused_at: datetime | None = None
        self._decided_at: datetime | None = None
        self._grown_at: datetime | None = None
        self._answers = _Answers()
        self._limit = float(at_once)
        self._most = max(at_once, most_at_once or at_once)
        self._under_way = 0
        self._quickest: float | None = None
        self._usual: float | None = None

    @property
    def requests_per_second(self) -> float | None:
        """The rate that is kept to now, None for no limit."""
        return self._rate

    @property
    def at_once(self) -> int:
        """How many requests may be under way now."""
        return int(self._limit)

    def wait(self, longest: timedelta = LONGEST_IN_PLACE) -> None:
        """Returns when the next request may go; it is under way from then on, also if this raises.

        Raises: Resting when that is later than `longest` from now.
        """
        with self._changed:
            while self._under_way >= int(self._limit):
                self._changed.wait()
            self._under_way += 1
        while True:
            with self._changed:
                now = self._clock.now()
                held_until = self._held_until(now)
                at = self._take(now) if held_until is None else held_until
                # At a low rate those who wait for their turns wait for each other: that is no pause.
                turns = timedelta(0) if self._rate is None else self._under_way * _every(self._rate * _USED)
            if at - now > longest + turns:
                raise Resting(at)
            if at > now:
                self._clock.sleep(at - now)
            if held_until is not None:
                continue
            with self._changed:
                # A pause may have been asked for while this one waited for its turn.
                if self._paused_until is None or self._paused_until <= self._clock.now():
                    return

    def note(self, headers: Mapping[str, str], elapsed: timedelta = timedelta(0), *, is_busy: bool = False) -> None:
        """Notes an answer that was no refusal. `is_busy`: the target said that it has too much to do (503).

        Until a budget is filled again no more requests go than it has left (RateLimit-Remaining).
        """
        now = self._clock.now()
        budget = read_budget(headers, now) if any("ratelimit" in name for name in headers) else None
        with self._changed:
            self._leave()
            self._refusals = 0
            self._answers.add(now)
            if budget is not None and budget.reset > _SHORT:
                # Those under way use it up, too.
                self._left = budget.remaining - self._under_way
                self._filled_at = now + budget.reset
            elif budget is not None and budget.remaining <= 0 and self._ceiling is None:
                self._rate = min(self._rate or self._answers.rate(now), max(self._answers.rate(now), _LEAST_GUESS))
            self._grow(now)
            self._fit(elapsed.total_seconds(), now, is_busy=is_busy)

    def refuse(self, headers: Mapping[str, str]) -> timedelta:
        """Notes a 429: pauses every request for as long as the target asks, else for twice as long each time.

        Returns the pause.
        """
        now = self._clock.now()
        asked = read_retry_after(headers, now)
        with self._changed:
            self._leave()
            self._refusals += 1
            guess = min(FIRST_PAUSE * 2 ** min(self._refusals - 1, 10), LONGEST_GUESS)
            # Who asks for no pause, or for one until a time that is past, refuses the next request as well.
            pause = min(asked or guess, LONGEST_PAUSE)
            self._pause(now + pause)
            if self._budget is not None:
                self._budget.pause(pause)
            if self._decided_at is None or now >= self._decided_at:
                # Those that were under way are refused as well: one event, one decrease.
                self._decrease(now)
                self._limit = max(1.0, self._limit * _LESS_AT_ONCE)
                self._decided_at = now + pause + _SECOND
        return pause

    def lost(self, elapsed: timedelta = timedelta(0)) -> None:
        """Notes a request without an answer."""
        with self._changed:
            self._leave()
            self._fit(elapsed.total_seconds(), self._clock.now(), is_busy=True)

    # ------------------------------------------------------------ the rate

    def _held_until(self, now: datetime) -> datetime | None:
        """Returns until when nothing goes; None: the next may take its turn."""
        if self._paused_until is not None and self._paused_until > now:
            return self._paused_until
        if self._filled_at is not None and now < self._filled_at:
            if self._left < 1:
                return self._filled_at
            self._left -= 1
        return None

    def _take(self, now: datetime) -> datetime:
        """Takes the next turn and returns when it is."""
        rate = self._rate
        if rate is None:
            return now
        if self._budget is not None:
            return self._in_our_turn(self._budget, now, rate)
        due = max(self._due_at or now, now - _CATCHES_UP)
        hurries = _HURRIES_FROM <= rate <= _HURRIES_TO
        soonest = now
        if self._last_at is not None:
            soonest = self._last_at + _every(rate * (_HURRIES if hurries else _USED_TO_CATCH_UP))
        most = int(rate * _USED)
        if hurries and len(self._went) >= most:
            soonest = max(soonest, self._went[-most] + _SECOND)
        at = max(now, due, soonest)
        self._went.append(at)
        self._due_at, self._last_at = due + _every(rate * _USED), at
        return at

    def _in_our_turn(self, budget: Budget, now: datetime, rate: float) -> datetime:
        """Returns the next turn within a stretch of time that is ours alone; what was missed is not made up for."""
        every = _every(rate * _USED)
        at = now if self._last_at is None else max(now, self._last_at + every)
        if self._paused_until is not None:
            at = max(at, self._paused_until)
        if self._ours is None or at >= self._ours[1]:
            # Short, so that others need not wait for long; one request long at least.
            length = max(_STRETCH, every)
            begins_at = max(at, now + budget.lease(length))
            self._ours = (begins_at, begins_at + length)
        at = self._last_at = max(at, self._ours[0])
        return at

    def _decrease(self, now: datetime) -> None:
        answered = self._answers.rate(now)
        before, self._refused_at = self._refused_at, now
        if self._ceiling is not None and (before is None or now - before > _CHANCE):
            return
        if self._rate is None:
            self._rate = max(answered * _DECREASE, _LEAST_GUESS)
        else:
            least = _LEAST_GUESS if self._ceiling is None else self._ceiling / 2
            self._rate = max(self._rate * _DECREASE, min(least, self._rate))
        self._refused_at_rate = self._rate / _DECREASE
        self._grown_at = now

    def _grow(self, now: datetime) -> None:
        if self._rate is None or self._refused_at_rate is None or self._grown_at is None:
            return
        seconds = (now - self._grown_at).total_seconds()
        if seconds < 1:
            return
        # What the dialect names is known: back to it at once.
        is_near = self._ceiling is None and self._rate >= self._refused_at_rate * _NEAR_FROM
        grown = self._rate * (1 + (_NEAR if is_near else _FAR)) ** min(seconds, 60)
        self._rate = grown if self._ceiling is None else min(grown, self._ceiling)
        self._grown_at = now

    def _pause(self, until: datetime) -> None:
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until
        # The turns begin anew after it.
        self._due_at = max(self._due_at or until, until)

    # ------------------------------------------------------------ how many at once

    def _leave(self) -> None:
        self._under_way -= 1
        self._changed.notify()

    def _fit(self, seconds: float, now: datetime, *, is_busy: bool) -> None:
        """Fits the number under way to how the target bears it."""
        if not is_busy and seconds > 0:
            self._quickest = seconds if self._quickest is None else min(self._quickest * 1.001, seconds)
            self._usual = seconds if self._usual is None else self._usual * 0.9 + seconds * 0.1
        is_slow = (
            self._quickest is not None and self._usual is not None and self._usual > self._quickest * _SLOWER + _SLACK
        )
        if is_busy or is_slow:
            if self._decided_at is None or now >= self._decided_at:
                self._limit = max(1.0, self._limit * _LESS_AT_ONCE)
                self._decided_at = now + _SECOND
        elif self._limit < self._most and self._under_way + 1 >= int(self._limit):
            # One more once each of those under way has come through.
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            self._changed.notify()


class _Answers:
    """Counts answers by the second."""

    def __init__(self) -> None:
        self._second: datetime | None = None
        self._now = 0
        self._before = 0

    def add(self, at: datetime) -> None:
        """Counts one."""
        self._turn(at)
        self._now += 1

    def rate(self, at: datetime) -> float:
        """How many came in the best of the last two seconds."""
        self._turn(at)
        return float(max(self._now, self._before))

    def _turn(self, at: datetime) -> None:
        if self._second is None or at - self._second >= 2 * _SECOND:
            self._second, self._now, self._before = at, 0, 0
        elif at - self._second >= _SECOND:
            self._second, self._now, self._before = self._second + _SECOND, 0, self._now


def _every(rate: float) -> timedelta:
    return timedelta(seconds=1 / rate)
