"""What SCIM clients asked for and an administrator approved: done as it was shown, or held again."""

from dataclasses import dataclass

from muster.administration import groups, people
from muster.administration.desk import Desk
from muster.administration.inbound.asked import (
    ENABLED,
    Removal,
    members_of,
    shown_name,
)
from muster.administration.inbound.removals import kept_of, note_done, why_protected
from muster.administration.inbound.standing import (
    hour_of,
    safeguards_of,
)
from muster.administration.refusals import Refused, conflict
from muster.model.copies import replace
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import Hold, HoldFilter, HoldState
from muster.model.job import Cycle, SynchronizationJob
from muster.model.log import LogStatus
from muster.model.operation import Operation, OperationKind, Outcome
from muster.planning.plan import operation_hash
from muster.ports.cycles import Settlement

_AT_ONCE = 200
_CHANGED = "It has changed since it was held: look at it as it is now, and decide again."


@dataclass(frozen=True, slots=True)
class Stayed:
    """Who stays though it was approved, and why."""

    name: str
    reason: str


def carry_out(desk: Desk, job: SynchronizationJob) -> list[Stayed]:
    """Does what was approved, as the one who approved it, and returns who stays nevertheless.

    Whoever is not as they were shown any more is held again, as they are now.
    """
    stayed: list[Stayed] = []
    while True:
        approved, _ = desk.stores.holds.list(job.id, HoldFilter(states=(HoldState.APPROVED,)), _AT_ONCE, None)
        if not approved:
            return stayed
        with desk.together():
            hour = hour_of(desk, job)
            for hold in approved:
                hour = _carry_out(desk, job, hour, hold, stayed)


def _carry_out(desk: Desk, job: SynchronizationJob, hour: Cycle, hold: Hold, stayed: list[Stayed]) -> Cycle:
    operation = hold.operation
    found = desk.stores.directory.get(operation.object_kind, operation.source_id)
    if found is None or found.lifecycle is not Lifecycle.PRESENT or not _is_due(desk, operation, found):
        desk.stores.cycles.settle(hour, [Settlement(kind=hold.kind, source_id=hold.source_id, clear_escrow=True)])
        return hour
    if _has_changed(operation, found):
        stayed.append(Stayed(found.display_name, _CHANGED))
        _hold_again(desk, hour, hold, found)
        return hour
    outcome = Outcome(operation=operation, status=LogStatus.SUCCESS, at=desk.now(), target_id=operation.target_id)
    protected = why_protected(desk, safeguards_of(desk, job), Removal(kind=operation.kind, found=found))
    try:
        if protected is not None:
            raise conflict(f"{protected}, so nothing is taken from it.", code="ProtectedAccount")
        with desk.together():
            _do(desk, operation)
    except Refused as refused:
        failure = FailureRecord(
            code=refused.code,
            sentence=refused.sentence,
            remedy="Nothing to do: the client that asked for it is told when it asks again.",
        )
        outcome = replace(outcome, status=LogStatus.FAILURE, failure=failure)
        stayed.append(Stayed(found.display_name, refused.sentence))
    return note_done(desk, job, hour, outcome, kept_of(desk, job, operation))


def _has_changed(operation: Operation, found: DirectoryObject) -> bool:
    """Whether it is not as it was shown any more: before somebody goes everything counts, else what they are named."""
    if operation.kind is OperationKind.DELETE and found.seq != operation.source_seq:
        return True
    return (operation.source_name, operation.target_name) != (found.display_name, shown_name(found))


def _hold_again(desk: Desk, hour: Cycle, hold: Hold, found: DirectoryObject) -> None:
    operation = replace(
        hold.operation,
        change_id=desk.ids.new_id(),
        source_name=found.display_name,
        target_name=shown_name(found),
        source_seq=found.seq,
    )
    again = replace(
        hold,
        # Under the id that was shown nobody can approve it.
        id=operation.change_id,
        operation=operation,
        essence=operation_hash(operation),
        state=HoldState.HELD,
        held_at=desk.now(),
        decided_by=None,
        decided_at=None,
    )
    desk.stores.cycles.settle(hour, [Settlement(kind=hold.kind, source_id=hold.source_id, hold=again)])


def _is_due(desk: Desk, operation: Operation, found: DirectoryObject) -> bool:
    """Whether there is still something to take away."""
    if operation.kind is OperationKind.DISABLE:
        return found.attributes.get(ENABLED) is not False
    if operation.kind is OperationKind.REFER:
        return bool(desk.stores.directory.groups_among([found.object_id], members_of(operation)))
    return True


def _do(desk: Desk, operation: Operation) -> None:
    match operation.kind:
        case OperationKind.DISABLE:
            people.update_user(desk, operation.source_id, {ENABLED: False})
        case OperationKind.REFER:
            groups.remove_members(desk, operation.source_id, members_of(operation))
        case _ if operation.object_kind is ObjectKind.GROUP:
            groups.delete_group(desk, operation.source_id)
        case _:
            people.delete_user(desk, operation.source_id)
