"""When failed objects are tried again, and when a job is slowed down (escrow and quarantine)."""

from datetime import datetime, timedelta

from muster.model.copies import replace
from muster.model.failures import FailureRecord, JobFailure, TooManyDeletes
from muster.model.job import (
    Counters,
    Cycle,
    CycleState,
    Escrow,
    Quarantine,
    QuarantineReason,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.operation import Operation
from muster.planning.progress import rests_until
from muster.planning.terms import DEFAULT_RETRY_TERMS, QuarantineTerms, RetryTerms, no_progress_after

# Source: a job that has been in quarantine for more than four weeks is disabled.
LONGEST_QUARANTINE = timedelta(weeks=4)

# So soon a source that could not be read is asked again.
UNREAD_RETRY = timedelta(minutes=2)

# Source: quarantined jobs slow down to one attempt a day.
QUARANTINE_LADDER = (
    timedelta(minutes=40),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)


def next_escrow(
    operation: Operation,
    failure: FailureRecord,
    before: Escrow | None,
    at: datetime,
    interval: timedelta,
    terms: RetryTerms = DEFAULT_RETRY_TERMS,
) -> Escrow | None:
    """Returns when a failed object is tried again: the next cycle a few times, then up the ladder; None: given up."""
    if before is not None and at - before.first_failed_at >= terms.give_up_after:
        return None
    attempts = 1 if before is None else before.attempts + 1
    if attempts <= terms.quick_attempts:
        wait = min(interval, terms.ladder[0])
    else:
        wait = terms.ladder[min(attempts - terms.quick_attempts - 1, len(terms.ladder) - 1)]
    return Escrow(
        source_id=operation.source_id,
        kind=operation.object_kind.value,
        failure=failure,
        attempts=attempts,
        # Never ahead: the clock was set back since, and it would count as due until it has come that far again.
        first_failed_at=at if before is None else min(before.first_failed_at, at),
        next_attempt_at=at + wait,
    )


def verdict_of_cycle(counters: Counters, terms: QuarantineTerms) -> QuarantineReason | None:
    """Returns why the cycle's failures quarantine the job, or None.

    Source: entra-docs, application-provisioning-quarantine-status: failures of references (manager, members) count in
    the total alone.
    """
    # A target that is asked too much is no reason to ask it once a day.
    failed = counters.failed - counters.failed_references - counters.throttled
    tried = counters.created + counters.updated + counters.disabled + counters.deleted + failed
    if failed > terms.base:
        return QuarantineReason.BASE_ESCROW_THRESHOLD
    if counters.failed - counters.throttled > terms.total:
        return QuarantineReason.TOTAL_ESCROW_THRESHOLD
    if failed >= terms.minimum_failures and tried and failed / tried > terms.proportion:
        return QuarantineReason.ESCROW_PROPORTION_THRESHOLD
    return None


def quarantine(
    failure: FailureRecord,
    reason: QuarantineReason,
    before: Quarantine | None,
    at: datetime,
    read_every: timedelta | None = None,
) -> Quarantine:
    """Returns the quarantine that a failure brings, or prolongs.

    An attempt before its time, such as that of what an administrator approved, puts off none that was told.
    A source that could not be read (`read_every`) climbs no ladder: it is asked again soon.
    """
    is_unread = reason is QuarantineReason.QUARANTINE_EXCEPTION
    soon = max(read_every, UNREAD_RETRY) if read_every is not None and is_unread else None
    same = before is not None and before.reason is reason
    if before is not None and same and soon is None and at < before.next_attempt_at <= at + QUARANTINE_LADDER[-1]:
        return replace(before, failure=failure)
    count = 1 if before is None else before.series_count + 1
    wait = soon or QUARANTINE_LADDER[min(count, len(QUARANTINE_LADDER)) - 1]
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


def standstill(job: SynchronizationJob, cycle: Cycle, at: datetime) -> datetime | None:
    """Returns since when a running cycle has not come further, once that is longer than the job's terms; else None.

    The pause that its application asked for is no standstill: it counts from the end of that.
    """
    if cycle.state is not CycleState.RUNNING or job.schedule_state is not ScheduleState.ACTIVE:
        return None
    rested = rests_until(cycle)
    since = cycle.progressed_at or cycle.began_at
    since = since if rested is None else max(since, rested)
    return since if at - since >= no_progress_after(job.settings) else None
