"""Which operations of a cycle may go: asks planning.policy with what the store knows, and stages the rest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from muster.engine.holding import counted_held, find_holds
from muster.engine.parts import EngineStores, JobParts
from muster.engine.run import REMOVAL_WAVE, Run
from muster.model.directory import ObjectKind
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldState
from muster.model.job import CycleKind, StagedOperation, StagedState
from muster.model.operation import Operation
from muster.planning.policy import (
    Population,
    RemovalKind,
    RemovalThreshold,
    count_removals,
    decides,
    gate,
    removal_verdicts,
)
from muster.ports.cycles import Settlement
from muster.ports.world import Clock

PAGE = 500
DAY = timedelta(hours=24)


def release_removals(run: Run, stores: EngineStores, clock: Clock) -> bool:
    """Asks the gate about all removals of the cycle; returns whether it has just held some.

    The verdict over all of them is committed before the first is held, so that a death in between does not make the
    rest look few. Held objects wait for an administrator: `HoldStore` has them.
    """
    if run.cycle.options.get("removals") is not None:
        return False
    if "tripped" not in run.cycle.options:
        tripped = _verdicts(run, stores, clock)
        shown = json.dumps({kind.value: sentence for kind, sentence in tripped.items()})
        options = {**run.cycle.options, "tripped": shown}
        run.commit(replace(run.move(position=run.cycle.position), options=options))
    verdicts = {RemovalKind(kind): sentence for kind, sentence in json.loads(run.cycle.options["tripped"]).items()}
    held = _hold(run, stores, verdicts)
    outcome = "held" if held else "released"
    run.commit(replace(run.move(position=run.cycle.position), options={**run.cycle.options, "removals": outcome}))
    return held > 0


def removals_lately(stores: EngineStores, job_id: str, clock: Clock) -> int:
    """Returns how many accounts and groups a job has disabled or deleted in the last 24 hours."""
    counted = stores.cycles.counted_since(job_id, clock.now() - DAY)
    return counted.disabled + counted.deleted


def population_of(stores: EngineStores, job_id: str, *, members: int = 0) -> Population:
    """Returns how much a job has to lose."""
    return Population(
        linked=stores.links.count_links(job_id),
        groups=stores.links.count_links(job_id, ObjectKind.GROUP),
        members=members,
    )


def counts_anew(run: Run) -> bool:
    """Whether everybody is counted by this cycle, those who were held before, too."""
    return run.cycle.kind is CycleKind.INITIAL


def _verdicts(run: Run, stores: EngineStores, clock: Clock) -> Mapping[RemovalKind, str]:
    threshold: RemovalThreshold = run.parts.threshold
    if not threshold.enabled:
        return {}
    counted: dict[RemovalKind, int] = {}
    after = 0
    while page := _page(run, stores, after):
        after = page[-1].number
        operations = [item.operation for item in page]
        holds = find_holds(stores, run.cycle.job_id, operations)
        for kind, count in count_removals([each for each in operations if _counts(run, each, holds)]).items():
            counted[kind] = counted.get(kind, 0) + count
    return verdicts_on(counted, run.parts, stores, clock)


def verdicts_on(
    counted: Mapping[RemovalKind, int], parts: JobParts, stores: EngineStores, clock: Clock
) -> Mapping[RemovalKind, str]:
    """Returns, for kinds of removals that are counted over a whole pass, why they are held."""
    if not counted:
        return {}
    job_id = parts.job.id
    members = stores.links.count_members(job_id) if RemovalKind.MEMBER_REMOVAL in counted else 0
    population = population_of(stores, job_id, members=members)
    return removal_verdicts(counted, population, removals_lately(stores, job_id, clock), parts.threshold)


def _counts(run: Run, operation: Operation, holds: Mapping[tuple[ObjectKind, str], Hold]) -> bool:
    """Whether an operation counts towards the thresholds: what an administrator has decided does not."""
    hold = holds.get((operation.object_kind, operation.source_id))
    if hold is None:
        return True
    if decides(hold, operation):
        return False
    is_held = hold.state is HoldState.HELD and hold.code is HoldCode.TOO_MANY
    return counts_anew(run) or not is_held


def _hold(run: Run, stores: EngineStores, tripped: Mapping[RemovalKind, str]) -> int:
    held, after = 0, 0
    while page := _page(run, stores, after):
        after = page[-1].number
        operations = [item.operation for item in page]
        holds = find_holds(stores, run.cycle.job_id, operations)
        verdict = gate(
            operations,
            tripped=tripped,
            read_complete=run.cycle.complete,
            holds=holds,
            forced=run.cycle.options.get("forced") == "true",
            approval=run.parts.approval,
            counts_anew=counts_anew(run),
        )
        if verdict.held:
            numbers = {item.operation.change_id: item.number for item in page}
            _settle_held(run, stores, verdict.held, holds, numbers)
            held += len(verdict.held)
    return held


def _settle_held(
    run: Run,
    stores: EngineStores,
    held: Sequence[HeldOperation],
    holds: Mapping[tuple[ObjectKind, str], Hold],
    numbers: Mapping[str, int],
) -> None:
    """Writes down what is held and counts it."""
    settlements: list[Settlement] = []
    for item in held:
        operation = item.operation
        known = holds.get((operation.object_kind, operation.source_id))
        settlements.append(run.holding.settlement(item, run.cycle, known, number=numbers.get(operation.change_id)))
    cycle = replace(run.cycle, counters=counted_held(run.cycle.counters, settlements))
    stores.cycles.settle(cycle, settlements)
    run.cycle = cycle


def _page(run: Run, stores: EngineStores, after: int) -> Sequence[StagedOperation]:
    return stores.cycles.staged(run.cycle.id, StagedState.RELEASED, REMOVAL_WAVE, PAGE, after)
