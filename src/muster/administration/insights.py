"""Insights: what provisioning did over a span of time, reckoned from its cycles and its failures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.administration.desk import Desk
from muster.administration.jobs import jobs
from muster.model.job import Cycle, CycleKind, CycleState
from muster.model.log import LogStatus
from muster.model.roles import Permission
from muster.ports.cycles import LogQuery

CYCLES_A_JOB = 2_000
FAILURES_LOOKED_AT = 5_000
_PAGE = 500
OUTCOMES = ("created", "updated", "disabled", "deleted", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What came of the cycles that began in one stretch of time; `took` over all of them."""

    at: datetime
    counts: dict[str, int]
    cycles: int
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TopError:
    """A failure's code with how often it came, one sentence of it, and what to do."""

    code: str
    count: int
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """Everything the charts show. `success_share` None: nothing was tried."""

    buckets: Sequence[Bucket]
    totals: dict[str, int]
    success_share: float | None
    skipped: int
    cycles: int
    median_took: timedelta | None
    errors: Sequence[TopError]
    # There were more cycles or failures than were looked at.
    is_partial: bool


def insights(desk: Desk, service_principal_id: str | None, since: datetime, step: timedelta) -> Insights:
    """Returns what an application's provisioning did (None: that of all), in stretches of `step`. Raises: Refused."""
    desk.require(Permission.READ_LOGS)
    found: list[Cycle] = []
    is_partial = False
    for job in _jobs(desk, service_principal_id):
        history = desk.stores.cycles.history(job, CYCLES_A_JOB)
        is_partial |= len(history) == CYCLES_A_JOB and history[-1].began_at >= since
        found += [each for each in history if each.began_at >= since and each.kind is not CycleKind.PLAN]
    errors, is_cut = _errors(desk, service_principal_id, since)
    totals = {name: sum(getattr(each.counters, name) for each in found) for name in OUTCOMES}
    tried = sum(totals.values())
    times = sorted(each.ended_at - each.began_at for each in found if each.ended_at and _did(each))
    return Insights(
        buckets=_buckets(found, since, desk.now(), step),
        totals=totals,
        success_share=None if not tried else (tried - totals["failed"]) / tried,
        skipped=sum(each.counters.skipped for each in found),
        cycles=len(found),
        median_took=times[len(times) // 2] if times else None,
        errors=errors,
        is_partial=is_partial or is_cut,
    )


def _jobs(desk: Desk, service_principal_id: str | None) -> Sequence[str]:
    if not desk.caller.may(Permission.READ_CONFIGURATION):
        # Who reads logs alone sees the same numbers there.
        return [job.id for job in desk.stores.jobs.list(service_principal_id)]
    return [job.id for job in jobs(desk, service_principal_id)]


def _did(cycle: Cycle) -> bool:
    return cycle.state is not CycleState.RUNNING and cycle.counters.evaluated > 0


def _buckets(cycles: Iterable[Cycle], since: datetime, until: datetime, step: timedelta) -> list[Bucket]:
    count = max(1, -(-(until - since) // step))
    sums: list[Counter[str]] = [Counter() for _ in range(count)]
    taken = [timedelta(0)] * count
    numbers = [0] * count
    for cycle in cycles:
        at = min(count - 1, (cycle.began_at - since) // step)
        sums[at].update({name: getattr(cycle.counters, name) for name in OUTCOMES})
        taken[at] += (cycle.ended_at or until) - cycle.began_at
        numbers[at] += 1
    return [
        Bucket(
            at=since + number * step,
            counts={name: sums[number][name] for name in OUTCOMES},
            cycles=numbers[number],
            took=taken[number],
        )
        for number in range(count)
    ]


def _errors(desk: Desk, service_principal_id: str | None, since: datetime) -> tuple[list[TopError], bool]:
    counts: Counter[str] = Counter()
    samples: dict[str, tuple[str, str]] = {}
    after: str | None = None
    looked_at = 0
    while looked_at < FAILURES_LOOKED_AT:
        query = LogQuery(
            service_principal_id=service_principal_id,
            status=LogStatus.FAILURE.value,
            since=since,
            after=after,
            limit=_PAGE,
        )
        page, after = desk.stores.log.search(query)
        looked_at += len(page)
        for entry in page:
            if entry.failure is not None:
                counts[entry.failure.code] += 1
                samples.setdefault(entry.failure.code, (entry.failure.sentence, entry.failure.remedy))
        if after is None:
            break
    top = [
        TopError(code=code, count=count, sentence=samples[code][0], remedy=samples[code][1])
        for code, count in counts.most_common(8)
    ]
    return top, after is not None
