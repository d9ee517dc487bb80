"""How far a cycle is, how fast it goes, and when it will be done; counted in objects."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.model.job import RESTS_UNTIL, Cycle, CycleState

_LEAST_OBSERVED = timedelta(seconds=1)
_LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Objects done of all that are expected, as observed at an instant.

    `per_second` is the mean since the beginning, None while nothing can be said; `expected_end_at` is None once it is
    over.
    """

    done: int
    total: int
    observed_at: datetime
    per_second: float | None
    expected_end_at: datetime | None


def progress_of(cycle: Cycle) -> Progress:
    """Returns how far a cycle is."""
    counters = cycle.counters
    total = max(counters.expected, counters.evaluated)
    observed_at = cycle.ended_at or cycle.progressed_at or cycle.began_at
    is_running = cycle.state is CycleState.RUNNING
    # What the source could not give failed as well, and is no object.
    settled = min(counters.settled, total)
    done = settled if is_running else total
    elapsed = observed_at - cycle.began_at
    rate = None
    if settled and elapsed >= _LEAST_OBSERVED:
        rate = settled / elapsed.total_seconds()
    ends_at = None
    if is_running and rate is not None:
        ends_at = observed_at + min(timedelta(seconds=min((total - done) / rate, 1e9)), _LONGEST)
    return Progress(done=done, total=total, observed_at=observed_at, per_second=rate, expected_end_at=ends_at)


def rests_until(cycle: Cycle) -> datetime | None:
    """Returns until when the application of a running cycle wants to be left alone, as it said last; None: it has not
    said so."""
    until = cycle.options.get(RESTS_UNTIL) if cycle.state is CycleState.RUNNING else None
    return None if until is None else datetime.fromisoformat(until)
