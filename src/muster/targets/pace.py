"""The pace of one target: a rate shared by all threads, and pauses that the target asks for."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from muster.ports.world import Clock

LONGEST_PAUSE = timedelta(hours=1)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_GUESS = timedelta(minutes=1)
# A reset above this many seconds is an instant since 1970 (X-RateLimit-Reset of some services), not a duration.
_EPOCH_FROM = 1_000_000_000


class Pace:
    """Lets requests through one by one at a rate, and none while the target has asked for a pause.

    A second's worth of requests may come at once; after that they are spread evenly.
    """

    def __init__(self, clock: Clock, requests_per_second: float | None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._interval = timedelta(seconds=1 / requests_per_second) if requests_per_second else None
        burst = max(1, int(requests_per_second or 1))
        self._tolerance = (self._interval or timedelta()) * (burst - 1)
        # When the next request is due if all before it had come evenly.
        self._due_at: datetime | None = None
        self._paused_until: datetime | None = None
        self._refusals = 0

    def wait(self) -> None:
        """Returns when the next request may go."""
        while (delay := self._take()) > timedelta():
            self._clock.sleep(delay)

    def refuse(self, headers: Mapping[str, str]) -> timedelta:
        """Notes a 429: pauses every request for as long as the target asks, else for twice as long each time.

        Returns the pause.
        """
        now = self._clock.now()
        asked = read_retry_after(headers, now)
        with self._lock:
            self._refusals += 1
            guess = min(FIRST_PAUSE * 2 ** min(self._refusals - 1, 10), LONGEST_GUESS)
            pause = guess if asked is None else asked
            self._pause(now + min(pause, LONGEST_PAUSE))
        return pause

    def note(self, headers: Mapping[str, str]) -> None:
        """Notes an answer that was no refusal: a spent budget (RateLimit-Remaining: 0) pauses until its reset."""
        reset = None
        if any("ratelimit" in name for name in headers):
            reset = read_spent_budget(headers, self._clock.now())
        if reset is None and not self._refusals:
            return
        with self._lock:
            self._refusals = 0
            if reset is not None:
                self._pause(self._clock.now() + min(reset, LONGEST_PAUSE))

    def _pause(self, until: datetime) -> None:
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until

    def _take(self) -> timedelta:
        """Takes the next place, or returns how long to wait before asking again."""
        with self._lock:
            now = self._clock.now()
            if self._paused_until is not None and self._paused_until > now:
                return self._paused_until - now
            self._paused_until = None
            if self._interval is None:
                return timedelta()
            due = max(now, self._due_at or now)
            if due - self._tolerance > now:
                return due - self._tolerance - now
            self._due_at = due + self._interval
            return timedelta()


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Returns how long a refused client should wait, from Retry-After (seconds or a date) or RateLimit-Reset.

    Source: RFC 9110 §10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return timedelta(seconds=min(seconds, LONGEST_PAUSE.total_seconds() * 24))
    if text:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return _reset(headers, now)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(at - now, timedelta())
    return _reset(headers, now)


def read_spent_budget(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Returns the time until the budget is filled again when an answer says that it is spent; else None.

    Source: draft-ietf-httpapi-ratelimit-headers; X-RateLimit-* as many services write them.
    """
    for name in ("ratelimit-remaining", "x-ratelimit-remaining"):
        remaining = _number(headers.get(name, ""))
        if remaining is not None:
            return _reset(headers, now) if remaining <= 0 else None
    # The newer single header: RateLimit: "default";r=0;t=30
    parts = dict(part.strip().partition("=")[::2] for part in headers.get("ratelimit", "").split(",")[0].split(";"))
    spent = _number(parts.get("r", ""))
    reset = _number(parts.get("t", ""))
    return timedelta(seconds=reset) if spent is not None and spent <= 0 and reset is not None else None


def _reset(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            pause = seconds - now.timestamp() if seconds >= _EPOCH_FROM else seconds
            return timedelta(seconds=min(max(pause, 0), LONGEST_PAUSE.total_seconds()))
    return None


def _number(text: str) -> float | None:
    plain = text.split(",")[0].split(";")[0].strip()
    return float(plain) if plain and plain.replace(".", "", 1).isdigit() and plain.isascii() else None
