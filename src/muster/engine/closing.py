"""The end of a cycle: verdict, quarantine, watermark."""

from dataclasses import replace
from datetime import timedelta

from muster.engine.awaiting import ask_for_approval
from muster.engine.parts import EngineStores, JobParts
from muster.engine.quarantining import change_quarantine
from muster.engine.telling import tell_ended
from muster.model.counting import number_of
from muster.model.failures import JobFailure, TooManyDeletes
from muster.model.hold import HoldCode, HoldFilter, HoldState
from muster.model.job import LEARNED, Cycle, CyclePhase, CycleState, SynchronizationJob
from muster.model.values import canonical_json
from muster.planning.health import quarantine, reason_of, verdict_of_cycle
from muster.ports.target import LearningTarget
from muster.ports.world import Clock

# A plan's cycle whose operations are not staged yet: one that dies like that has done nothing.
UNSTAGED = "unstaged"


def close_finished(cycle: Cycle, parts: JobParts, stores: EngineStores, clock: Clock) -> Cycle:
    """Ends a cycle that went through: moves the watermark, lifts or sets the quarantine, and returns it."""
    if UNSTAGED in cycle.options:
        stopped = replace(cycle, state=CycleState.STOPPED, phase=CyclePhase.DONE, ended_at=clock.now())
        stores.cycles.close(stopped, None)
        return stopped
    if cycle.options.get("forced") == "true":
        # Before the end, so that no death between the two allows deletions to the next cycle as well.
        stores.jobs.set_settings(cycle.job_id, {"ForceDeletes": "false"})
    state = CycleState.ENTRY_LEVEL_ERRORS if cycle.counters.failed else CycleState.SUCCEEDED
    options = {**cycle.options, **_learned(parts)}
    ended = replace(cycle, state=state, phase=CyclePhase.DONE, ended_at=clock.now(), options=options)
    ask_for_approval(ended, parts, stores, clock)
    stores.cycles.close(ended, cycle.window_until)
    tell_ended(ended)
    failure = _failure_of(ended, parts, stores)
    # As it stands now: an administrator may have lifted it while the cycle ran.
    job = stores.jobs.get(cycle.job_id) or parts.job
    if failure is None:
        change_quarantine(stores, job, None, clock.now(), cycle=ended)
    else:
        reason = verdict_of_cycle(ended.counters, parts.quarantine_terms) or reason_of(failure)
        after = quarantine(failure.record(), reason, job.quarantine, clock.now())
        change_quarantine(stores, job, after, clock.now(), cycle=ended)
    return ended


def close_failed(
    cycle: Cycle,
    job: SynchronizationJob,
    failure: JobFailure,
    stores: EngineStores,
    clock: Clock,
    read_every: timedelta | None = None,
) -> None:
    """Ends a cycle that cannot go on: the watermark stays, so that nothing is lost, and the job is quarantined.

    Args: read_every: how often a source outside is asked for news; None: the job has none.
    """
    ended = replace(
        cycle, state=CycleState.FAILED, phase=CyclePhase.DONE, ended_at=clock.now(), failure=failure.record()
    )
    stores.cycles.close(ended, None)
    tell_ended(ended)
    after = quarantine(failure.record(), reason_of(failure), job.quarantine, clock.now(), read_every)
    change_quarantine(stores, job, after, clock.now(), cycle=ended)


def _learned(parts: JobParts) -> dict[str, str]:
    """Returns, as an option of the cycle, what the application turned out to do otherwise; nothing if it did not."""
    learned = parts.target.learned() if isinstance(parts.target, LearningTarget) else {}
    return {LEARNED: canonical_json(learned).decode()} if learned else {}


def _failure_of(cycle: Cycle, parts: JobParts, stores: EngineStores) -> JobFailure | None:
    """Returns why the job is quarantined: removals that nobody has decided about, or too many failures."""
    undecided = stores.holds.groups(cycle.job_id, HoldFilter(code=HoldCode.TOO_MANY))
    if undecided:
        count = sum(group.count for group in undecided)
        first = undecided[0].cause
        why = f" {undecided[0].count} because: {first.sentence}." if first is not None else ""
        return TooManyDeletes(
            f"{number_of(count, 'removal is', 'removals are')} held: more than the job's thresholds allow.{why}"
        )
    if not cycle.complete:
        unread = HoldFilter(states=(HoldState.WAITING,), code=HoldCode.INCOMPLETE_READ)
        count = sum(group.count for group in stores.holds.groups(cycle.job_id, unread))
        if count:
            return TooManyDeletes(
                f"{number_of(count, 'removal is', 'removals are')} held: the source could not be read whole."
            )
    if verdict_of_cycle(cycle.counters, parts.quarantine_terms) is not None:
        counters = cycle.counters
        return JobFailure(
            f"{counters.failed} of the objects of this cycle failed.",
            code="EncounteredEscrowProportionThreshold",
            remedy="Look at the provisioning log for the most frequent error, correct its cause, then restart.",
        )
    return None
