"""Accounts that go from somebody who is gone for good to whoever has their name now: what a cycle puts off for that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from muster.engine.apply import INTERRUPTED
from muster.engine.decide import Decision
from muster.model.job import Cycle, CycleKind, CyclePhase, Escrow
from muster.model.operation import Operation
from muster.ports.cycles import Settlement
from muster.ports.world import Clock

# Among a cycle's options: it has met somebody who is gone for good, or put somebody off.
FREED = "freed"
_WITH_REMOVALS = (CycleKind.INITIAL, CycleKind.INCREMENTAL, CycleKind.RECONCILIATION)
_BEFORE_REMOVALS = (CyclePhase.USERS, CyclePhase.GROUPS, CyclePhase.RETRIES)


def put_off(decisions: Sequence[Decision], cycle: Cycle) -> list[Decision]:
    """Returns those that wait for a removal which is still to come in this cycle: it decides them again after that."""
    if cycle.kind not in _WITH_REMOVALS or cycle.phase not in _BEFORE_REMOVALS:
        return []
    return [each for each in decisions if each.waits_for_another]


def losing(decisions: Sequence[Decision], held: Collection[str] = ()) -> set[str]:
    """Returns the source ids of those whose link is dropped; `held`: as for `quiet_operations`."""
    return {
        each.retires.source_id
        for each in decisions
        if each.retires is not None and each.operation.change_id not in held
    }


def quiet_operations(
    decisions: Sequence[Decision], waiting: Sequence[Decision], held: Collection[str]
) -> list[Operation]:
    """Returns the operations for which nothing is sent, first those that drop links; without those that are put off.

    `held`: change ids of what waits for an administrator. An account that one of these takes over keeps its link.
    """
    quiet = [each.retires for each in decisions if each.retires is not None and each.operation.change_id not in held]
    # Of who is gone and who comes in one page the link is dropped once.
    ids = {each.operation.change_id for each in waiting}
    ids |= {each.retires.change_id for each in decisions if each.retires is not None}
    return quiet + [
        each.operation for each in decisions if not each.operation.kind.writes and each.operation.change_id not in ids
    ]


def waiting_settlement(operation: Operation, escrows: Mapping[str, Escrow], clock: Clock) -> Settlement:
    """Returns what is written of somebody who is put off: they are due at once. Nothing is logged or counted yet."""
    now, before = clock.now(), escrows.get(operation.source_id)
    due = Escrow(
        source_id=operation.source_id,
        kind=operation.object_kind.value,
        failure=operation.failure or INTERRUPTED,
        attempts=0 if before is None else before.attempts,
        first_failed_at=now if before is None else before.first_failed_at,
        next_attempt_at=now,
    )
    return Settlement(kind=operation.object_kind, source_id=operation.source_id, escrow=due)


def freeing(cycle: Cycle) -> Cycle:
    """Notes that accounts become free for others, who are looked at once the removals are over."""
    return replace(cycle, options={**cycle.options, FREED: "true"})
