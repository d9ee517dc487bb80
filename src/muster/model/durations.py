"""Spans of time: whether one has passed, and how ISO 8601 writes them (PT40M, P1DT2H)."""

import re
from datetime import datetime, timedelta

# Requests served side by side come to be counted in another order than they took the time: that far ahead is no jump.
_CROSSING = timedelta(minutes=1)

_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,7})(?:\.\d+)?S)?)?", re.ASCII)


def read_duration(text: str) -> timedelta:
    """Returns the span of a duration of days to seconds. Raises: ValueError that says how one is written."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError("a span of time is written as an ISO 8601 duration such as PT40M")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def has_passed(span: timedelta, since: datetime, now: datetime) -> bool:
    """Returns whether a span has passed since an instant.

    Since one that lies more than a minute ahead it has, too: the clock was set back, and nothing is to wait until it
    has come that far.
    """
    return not -_CROSSING <= now - since < span


def write_duration(span: timedelta) -> str:
    """Returns a span in ISO 8601, to the second."""
    seconds = int(span.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    if not time and not days:
        return "PT0S"
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"
