"""What is told of cycles to whoever runs Muster: log lines and spans with ids, and how long leavers kept their account.

No name and no value of an object is told, only ids and counts.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from muster.engine.parts import JobParts
from muster.model.directory import ObjectKind
from muster.model.job import Cycle, CycleKind, CyclePhase, Escrow
from muster.model.log import LogStatus
from muster.model.operation import Outcome
from muster.ports.source import DatedSource
from muster.telemetry.ids import bound
from muster.telemetry.measures import measure_leaver
from muster.telemetry.traces import span, tell_cycle

logger = logging.getLogger(__name__)

# From here on removals are those that the cycle itself has read; before, they are of whoever left meanwhile.
_OWN_REMOVALS = (CyclePhase.REMOVALS, CyclePhase.REFERENCES, CyclePhase.DISCOVERY, CyclePhase.CLOSING, CyclePhase.DONE)


@contextmanager
def piece_of(cycle: Cycle, *, helps: bool = False) -> Iterator[None]:
    """Traces the block as a piece of a cycle, whose ids it bears. `helps`: another engine carries the cycle."""
    with (
        bound(job_id=cycle.job_id, cycle_id=cycle.id),
        span("page", of_cycle=cycle.id, phase=cycle.phase.value, helps=helps),
    ):
        yield


def tell_begun(cycle: Cycle) -> None:
    """Tells that a cycle has begun."""
    ids = {"job_id": cycle.job_id, "cycle_id": cycle.id}
    logger.info("a cycle begins (%s, %d expected)", cycle.kind.value, cycle.counters.expected, extra=ids)


def tell_ended(cycle: Cycle) -> None:
    """Tells how a cycle has ended, and what it did."""
    ids = {"job_id": cycle.job_id, "cycle_id": cycle.id}
    counted = {name: count for name, count in asdict(cycle.counters).items() if count}
    ended_at = cycle.ended_at or cycle.began_at
    seconds = (ended_at - cycle.began_at).total_seconds()
    told = ", ".join(f"{name} {count}" for name, count in counted.items()) or "nothing to do"
    level = logging.INFO if cycle.failure is None else logging.WARNING
    code = "" if cycle.failure is None else f" [{cycle.failure.code}]"
    logger.log(
        level,
        "a cycle ended: %s%s after %.1f s (%s)",
        cycle.state.value,
        code,
        seconds,
        told,
        extra={**ids, "state": cycle.state.value, "seconds": seconds, "counters": counted},
    )
    with bound(**ids):
        tell_cycle(cycle.id, cycle.began_at, ended_at, kind=cycle.kind.value, state=cycle.state.value, **counted)


def measure_leavers(parts: JobParts, cycle: Cycle, outcomes: Sequence[Outcome], escrows: Mapping[str, Escrow]) -> None:
    """Measures how long those who left have kept their account, from the change in our directory on.

    Where the feed does not tell which change it was (an assignment taken away, a group left), it counts from the
    earliest that the cycle can have read: rather too long than too short. Whom a full pass finds is not measured.
    """
    own = cycle.phase in _OWN_REMOVALS
    if (own and cycle.kind is not CycleKind.INCREMENTAL) or not isinstance(parts.source, DatedSource):
        return
    gone = [
        outcome
        for outcome in outcomes
        if outcome.operation.removes
        and outcome.status is LogStatus.SUCCESS
        and outcome.operation.object_kind is ObjectKind.USER
    ]
    if not gone:
        return
    earliest = (cycle.window_after if own else cycle.window_until) + 1
    seqs = [max(outcome.operation.source_seq, earliest) for outcome in gone]
    changed_at = parts.source.changed_at(seqs)
    for outcome, seq in zip(gone, seqs, strict=True):
        escrow = escrows.get(outcome.operation.source_id)
        begins = [at for at in (changed_at.get(seq), escrow.first_failed_at if escrow else None) if at is not None]
        if begins:
            measure_leaver(cycle.job_id, outcome.at - min(begins))
