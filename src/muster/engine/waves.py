"""The later waves of a cycle: removals, released or held; then references."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from muster.engine.apply import Unsettled, failed
from muster.engine.decide import Decision
from muster.engine.journal import tally
from muster.engine.parts import EngineStores, JobParts
from muster.engine.run import REMOVAL_WAVE, URGENT_WAVE, Run
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, TooManyDeletes
from muster.model.job import Cycle, CycleKind, CyclePhase, Escrow, StagedState
from muster.model.operation import Operation, Outcome
from muster.planning.policy import gate, removal_verdict
from muster.planning.references import plan_references
from muster.planning.trace import held_entry
from muster.ports.cycles import OpenReference, ReferenceSettled, Settlement
from muster.ports.source import Window
from muster.ports.world import Clock, Ids

PAGE = 500
REFERENCES_A_BATCH = 200
# Removals are under way or over: the next cycle has them.
_LATE = (CyclePhase.REMOVALS, CyclePhase.REFERENCES, CyclePhase.CLOSING, CyclePhase.DONE)


def stage_leavers(run: Run, stores: EngineStores) -> bool:
    """Stages, before all else, those whom changes since the cycle began switch off; returns whether there are any.

    So a leaver never waits for a long cycle. The next cycle reads these changes again, with all others, and finds these
    people disabled. Too many at once are left to it and its gate.
    """
    options = run.cycle.options
    seen, latest = int(options.get("leavers", run.cycle.window_until)), run.parts.source.latest()
    if latest <= seen or run.cycle.phase in _LATE or ObjectKind.USER not in run.parts.rules.kinds:
        return False
    # Compared with what the target last confirmed: a leaver costs one request and no look first.
    asking = replace(run.cycle, kind=CycleKind.INCREMENTAL, options={})
    leavers: list[Decision] = []
    after: str | None = None
    while True:
        page = run.parts.source.read(ObjectKind.USER, Window(after=seen, until=latest), after, PAGE)
        # Who is not linked has nothing to lose, and would only be looked for.
        linked = stores.links.links(run.cycle.job_id, ObjectKind.USER, [change.source_id for change in page.changes])
        changes = [change for change in page.changes if change.source_id in linked]
        decisions = run.decider.decide(asking, ObjectKind.USER, changes)
        leavers += [decision for decision in decisions if decision.operation.removes]
        after = page.next_after
        if after is None:
            break
    gone = int(options.get("leaversGone", "0")) + len(leavers)
    if removal_verdict(gone, stores.links.count_links(run.cycle.job_id), run.parts.threshold) is not None:
        leavers = []
    place = replace(
        run.move(position=run.cycle.position), options={**options, "leavers": str(latest), "leaversGone": str(gone)}
    )
    run.set_aside({decision.operation.source_id for decision in leavers})
    run.stage(leavers, place, removal_wave=URGENT_WAVE)
    return bool(leavers)


def release_removals(run: Run, stores: EngineStores, clock: Clock, ids: Ids) -> bool:
    """Asks the gate once about all removals of the cycle; returns whether it held them.

    Held objects wait in escrow and are decided again in the next cycle, as the world may have moved; an administrator
    lets them go with a restart whose scope is ForceDeletes.
    """
    if run.cycle.options.get("removals") is not None:
        return False
    counts = stores.cycles.count_staged(run.cycle.id, StagedState.RELEASED, REMOVAL_WAVE)
    total = sum(counts.values())
    linked = stores.links.count_links(run.cycle.job_id)
    held = 0
    if total:
        sample = stores.cycles.staged(run.cycle.id, StagedState.RELEASED, REMOVAL_WAVE, 1)
        verdict = gate(
            [item.operation for item in sample],
            removals_so_far=total - len(sample),
            linked=linked,
            threshold=run.parts.threshold,
            read_complete=run.cycle.complete,
            forced=run.cycle.options.get("forced") == "true",
        )
        if verdict.held:
            held = _hold_all(run, stores, clock, ids, verdict.held[0].hold_code, verdict.held[0].reason)
    outcome = "held" if held else "released"
    run.commit(replace(run.move(position=run.cycle.position), options={**run.cycle.options, "removals": outcome}))
    return held > 0


def _hold_all(run: Run, stores: EngineStores, clock: Clock, ids: Ids, code: str, reason: str) -> int:
    held = 0
    while staged := stores.cycles.staged(run.cycle.id, StagedState.RELEASED, REMOVAL_WAVE, 500):
        now = clock.now()
        settlements = [
            held_settlement(item.operation, code, reason, run.cycle, run.parts, now, ids, number=item.number)
            for item in staged
        ]
        counters = replace(run.cycle.counters, held=run.cycle.counters.held + len(staged))
        cycle = replace(run.cycle, counters=counters)
        stores.cycles.settle(cycle, settlements)
        run.cycle = cycle
        held += len(staged)
    return held


def held_settlement(
    operation: Operation,
    code: str,
    reason: str,
    cycle: Cycle,
    parts: JobParts,
    now: datetime,
    ids: Ids,
    *,
    number: int | None = None,
) -> Settlement:
    """Returns what is written of a removal that is held: it waits in escrow, and the log says why."""
    failure = FailureRecord(code=code, sentence=reason, remedy=TooManyDeletes.remedy)
    return Settlement(
        kind=operation.object_kind,
        source_id=operation.source_id,
        number=number,
        state=StagedState.HELD,
        escrow=Escrow(
            source_id=operation.source_id,
            kind=operation.object_kind.value,
            failure=failure,
            attempts=1,
            first_failed_at=now,
            next_attempt_at=now + parts.job.interval,
        ),
        entry=held_entry(
            operation,
            reason,
            now,
            entry_id=ids.new_id(),
            job_id=cycle.job_id,
            cycle_id=cycle.id,
            service_principal_id=parts.job.service_principal_id,
        ),
    )


def send_references(run: Run, stores: EngineStores, ids: Ids) -> None:
    """Sends the next batch of references whose ends are both linked; moves on when there is none left."""
    found, after = stores.links.open_references(run.cycle.job_id, REFERENCES_A_BATCH, run.cycle.position)
    if found:
        size = run.parts.target.capabilities.members_per_request
        operations = {operation.change_id: (operation, item) for operation, item in _planned(found, size, ids)}
        answers, stopped = run.sender.send([operation for operation, _ in operations.values()])
        settlements, outcomes = [], []
        for answer in answers:
            outcome = answer if isinstance(answer, Outcome) else _unresolved(run, answer)
            outcomes.append(outcome)
            item = operations[outcome.operation.change_id][1]
            settlements.append(run.journal.reference_settlement(outcome, run.cycle, _settled(item)))
        cycle = run.move(position=run.cycle.position)
        counters = replace(tally(cycle.counters, outcomes), writes=cycle.counters.writes + len(answers))
        run.commit(replace(cycle, counters=counters), (), settlements)
        if stopped is not None:
            raise stopped
    if after is None:
        run.commit(run.move(phase=CyclePhase.CLOSING))
    else:
        run.commit(run.move(position=after))


def _unresolved(run: Run, answer: Unsettled) -> Outcome:
    # Setting a reference twice is harmless, so an open end needs no lookup: the next cycle tries again.
    return failed(answer.operation, answer.failure, run.parts, run.clock)


def _planned(found: Sequence[OpenReference], size: int, ids: Ids) -> list[tuple[Operation, OpenReference]]:
    return [
        (
            plan_references(
                change_id=ids.new_id(),
                kind=item.kind,
                source_id=item.source_id,
                source_name=item.source_name,
                target_id=item.target_id,
                attribute=item.attribute,
                multivalued=item.multivalued,
                add=item.add,
                remove=item.remove,
                members_per_request=size,
            ),
            item,
        )
        for item in found
    ]


def _settled(item: OpenReference) -> list[ReferenceSettled]:
    removed = [
        ReferenceSettled(attribute=item.attribute, source_id=source_id, target_id=None) for source_id, _ in item.remove
    ]
    added = [
        ReferenceSettled(attribute=item.attribute, source_id=source_id, target_id=target_id)
        for source_id, target_id in item.add
    ]
    return removed + added
