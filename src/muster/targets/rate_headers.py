"""What a target's answers say of its limits: Retry-After, RateLimit-* and their kin."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_PAUSE = timedelta(hours=1)
# A reset above this many seconds is an instant since 1970 (X-RateLimit-Reset of some services), not a duration.
_EPOCH_FROM = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """So many requests are left until the budget is filled again, after so long."""

    remaining: float
    reset: timedelta


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
        except (ValueError, OverflowError):
            return _reset(headers, now)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(at - _their_time(headers, now), timedelta())
    return _reset(headers, now)


def read_budget(headers: Mapping[str, str], now: datetime) -> Budget | None:
    """Returns what an answer says is left of the budget, if it says so.

    Source: draft-ietf-httpapi-ratelimit-headers; X-RateLimit-* as many services write them.
    """
    for name in ("ratelimit-remaining", "x-ratelimit-remaining"):
        remaining = _number(headers.get(name, ""))
        if remaining is not None:
            reset = _reset(headers, now)
            return None if reset is None else Budget(remaining=remaining, reset=reset)
    # The newer single header: RateLimit: "default";r=0;t=30
    parts = dict(part.strip().partition("=")[::2] for part in headers.get("ratelimit", "").split(",")[0].split(";"))
    left, seconds = _number(parts.get("r", "")), _number(parts.get("t", ""))
    if left is None or seconds is None:
        return None
    return Budget(remaining=left, reset=min(timedelta(seconds=min(seconds, 86_400)), LONGEST_PAUSE))


def _reset(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            pause = seconds - _their_time(headers, now).timestamp() if seconds >= _EPOCH_FROM else seconds
            return timedelta(seconds=min(max(pause, 0), LONGEST_PAUSE.total_seconds()))
    return None


def _their_time(headers: Mapping[str, str], now: datetime) -> datetime:
    """Returns the instant by the target's own clock, if its answer has one: a span between two clocks is none."""
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return now
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    plain = text.split(",")[0].split(";")[0].strip()
    return float(plain) if plain and plain.replace(".", "", 1).isdigit() and plain.isascii() else None
