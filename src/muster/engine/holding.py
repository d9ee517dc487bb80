"""What is written of an operation that may not go yet: its hold, its log line, and when it is decided anew."""

from collections.abc import Sequence
from datetime import datetime

from muster.engine.parts import EngineStores, JobParts, initiator_of
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, TooManyDeletes
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldState
from muster.model.job import Counters, Cycle, Escrow, StagedState
from muster.model.log import SkipReason
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import operation_hash
from muster.planning.trace import held_entry
from muster.ports.cycles import Settlement
from muster.ports.world import Clock, Ids


class Holding:
    """Turns held operations into settlements."""

    def __init__(self, parts: JobParts, clock: Clock, ids: Ids) -> None:
        self._parts = parts
        self._clock = clock
        self._ids = ids

    def settlement(
        self, held: HeldOperation, cycle: Cycle, known: Hold | None, *, number: int | None = None, attribute: str = ""
    ) -> Settlement:
        """Returns what is written of a held operation. `known` is what was held of the object before.

        What is the same as before is not logged again; what an administrator has rejected stays as it is.
        """
        operation, now = held.operation, self._clock.now()
        base = Settlement(
            kind=operation.object_kind, source_id=operation.source_id, number=number, state=StagedState.HELD
        )
        # Under these names an account may have been made that nobody has linked: whoever looks for it next must know.
        waits = _escrow(held, now, now + self._parts.job.interval) if operation.tried else None
        if held.hold_code is HoldCode.REJECTED and known is not None:
            base = replace(base, state=StagedState.REJECTED, hold=known)
            return replace(base, escrow=waits, clear_escrow=waits is None and not attribute)
        essence = operation_hash(operation)
        is_news = known is None or known.essence != essence or known.code is not held.hold_code
        if known is not None and not is_news:
            # A name of its own for each thing that is asked: what has changed is not approved under the old one.
            operation = replace(operation, change_id=known.id)
        hold = Hold(
            id=operation.change_id,
            kind=operation.object_kind,
            source_id=operation.source_id,
            attribute=attribute,
            operation=operation,
            code=held.hold_code,
            reason=held.reason,
            held_at=known.held_at if known is not None and not is_news else now,
            essence=essence,
            cause=operation.cause,
            cycle_id=cycle.id,
        )
        entry = None
        if is_news or (known is not None and known.state is not HoldState.HELD):
            entry = held_entry(
                operation,
                held.reason,
                now,
                entry_id=self._ids.new_id(),
                job_id=cycle.job_id,
                cycle_id=cycle.id,
                service_principal_id=self._parts.job.service_principal_id,
                initiator=initiator_of(cycle.options),
            )
        if held.hold_code is HoldCode.INCOMPLETE_READ:
            # Nobody has to approve it: the next read that is whole decides.
            due = now + self._parts.job.interval
            waiting = replace(hold, state=HoldState.WAITING, due_at=due)
            return replace(base, hold=waiting, entry=entry, escrow=_escrow(held, now, due))
        return replace(base, hold=hold, entry=entry, escrow=waits, clear_escrow=waits is None and not attribute)


def standing_hold(operation: Operation, cycle: Cycle, at: datetime) -> tuple[Hold, Escrow | None] | None:
    """Returns the hold of what nobody has to decide about: a deletion in its grace period, with the end of its wait, or
    what would be taken from a protected account. None for any other operation."""
    since, until = operation.waits_since, operation.waits_until
    if operation.skip_reason is SkipReason.PROTECTED:
        code, since, until = HoldCode.PROTECTED, at, None
    elif since is not None and until is not None:
        code = HoldCode.GRACE
    else:
        return None
    deletion = replace(operation, kind=OperationKind.DELETE, changes=()) if until is not None else operation
    held = HeldOperation(operation=deletion, hold_code=code, reason=operation.reason)
    hold = Hold(
        id=operation.change_id,
        kind=operation.object_kind,
        source_id=operation.source_id,
        operation=deletion,
        code=code,
        reason=operation.reason,
        held_at=since,
        state=HoldState.WAITING,
        essence=operation_hash(deletion),
        cause=operation.cause,
        cycle_id=cycle.id,
        due_at=until,
    )
    return hold, None if until is None else _escrow(held, since, until)


def _escrow(held: HeldOperation, since: datetime, due_at: datetime) -> Escrow:
    operation = held.operation
    failure = FailureRecord(code=held.hold_code.value, sentence=held.reason, remedy=TooManyDeletes.remedy)
    return Escrow(
        source_id=operation.source_id,
        kind=operation.object_kind.value,
        failure=failure,
        attempts=1,
        first_failed_at=since,
        next_attempt_at=due_at,
        tried=operation.tried,
    )


def find_holds(
    stores: EngineStores, job_id: str, operations: Sequence[Operation]
) -> dict[tuple[ObjectKind, str], Hold]:
    """Returns what is held of the objects of these operations themselves."""
    found: dict[tuple[ObjectKind, str], Hold] = {}
    for kind in {operation.object_kind for operation in operations}:
        ids = [operation.source_id for operation in operations if operation.object_kind is kind]
        for (source_id, attribute), hold in stores.holds.find(job_id, kind, ids).items():
            if not attribute:
                found[kind, source_id] = hold
    return found


def counted_held(counters: Counters, settlements: Sequence[Settlement]) -> Counters:
    """Returns the counters with held operations added, as `Holding` settles them.

    Held is what the log tells of: what was held as before, or was rejected, is as it was. Everything that waits is
    counted where it is decided.
    """
    held = sum(each.entry is not None for each in settlements)
    # A reference is no object of its own.
    as_before = sum(each.entry is None and not (each.hold and each.hold.attribute) for each in settlements)
    return replace(counters, held=counters.held + held, unchanged=counters.unchanged + as_before)
