"""When failed objects are tried again, and when a job is slowed down (escrow and quarantine)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.model.failures import FailureRecord, JobFailure, TooManyDeletes
from muster.model.job import Counters, Escrow, Quarantine, QuarantineReason
from muster.model.operation import Operation

# Source: documented ladder 6 h, 12 h, 24 h, then daily; given up after 28 days. Ours: three cycles come first.
QUICK_ATTEMPTS = 3
LADDER = (timedelta(hours=6), timedelta(hours=12), timedelta(hours=24))
GIVEN_UP_AFTER = timedelta(days=28)
# Source: a job that has been in quarantine for more than four weeks is disabled.
LONGEST_QUARANTINE = timedelta(weeks=4)

# Source: quarantined jobs slow down to one attempt a day.
QUARANTINE_LADDER = (
    timedelta(minutes=40),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineTerms:
    """From how many failures on, and from which share, a job is quarantined. Entra's are 5,000 and 40 %."""

    minimum_failures: int = 50
    proportion: float = 0.4
    total: int = 40_000


def next_escrow(
    operation: Operation, failure: FailureRecord, before: Escrow | None, at: datetime, interval: timedelta
) -> Escrow:
    """Returns when a failed object is tried again: the next cycle three times, then up the ladder."""
    attempts = 1 if before is None else before.attempts + 1
    if attempts <= QUICK_ATTEMPTS:
        wait = min(interval, LADDER[0])
    else:
        wait = LADDER[min(attempts - QUICK_ATTEMPTS - 1, len(LADDER) - 1)]
    return Escrow(
        source_id=operation.source_id,
        kind=operation.object_kind.value,
        failure=failure,
        attempts=attempts,
        first_failed_at=at if before is None else before.first_failed_at,
        next_attempt_at=at + wait,
    )


def verdict_of_cycle(counters: Counters, terms: QuarantineTerms) -> QuarantineReason | None:
    """Returns why the cycle's failures quarantine the job, or None."""
    tried = counters.created + counters.updated + counters.disabled + counters.deleted + counters.failed
    if counters.failed > terms.total:
        return QuarantineReason.BASE_ESCROW_THRESHOLD
    if counters.failed >= terms.minimum_failures and tried and counters.failed / tried > terms.proportion:
        return QuarantineReason.ESCROW_PROPORTION_THRESHOLD
    return None


def quarantine(failure: FailureRecord, reason: QuarantineReason, before: Quarantine | None, at: datetime) -> Quarantine:
    """Returns the quarantine that a failure brings, or prolongs."""
    count = 1 if before is None else before.series_count + 1
    wait = QUARANTINE_LADDER[min(count, len(QUARANTINE_LADDER)) - 1]
    same = before is not None and before.reason is reason
    return Quarantine(
        reason=reason,
        failure=failure,
        began_at=before.began_at if before is not None and same else at,
        series_began_at=at if before is None else before.series_began_at,
        series_count=count,
        next_attempt_at=at + wait,
    )


def reason_of(failure: JobFailure) -> QuarantineReason:
    """Returns the quarantine reason that Graph reports for a failure."""
    if isinstance(failure, TooManyDeletes):
        return QuarantineReason.TOO_MANY_DELETES
    return QuarantineReason.QUARANTINE_EXCEPTION
