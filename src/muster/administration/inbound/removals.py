"""What SCIM clients take away: counted over 24 hours, held beyond the thresholds, carried out once it is approved.

The same gate decides as in a cycle. A client that is held gets a refusal that says why, and nothing of its request is
done; what it asked for waits for an administrator, and is done when they approve it, asked for again or not.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from muster.administration import groups, people
from muster.administration.desk import Desk
from muster.administration.inbound.standing import (
    close_hour,
    find_standing_job,
    hour_of,
    removed_lately,
    safeguards_of,
    standing_job,
    with_population,
    with_removed,
)
from muster.administration.provenance import require_unowned
from muster.administration.refusals import Refused
from muster.model.cause import Cause, CauseKind
from muster.model.directory import MEMBER_GROUPS, MEMBERS, DirectoryObject, Lifecycle, ObjectKind
from muster.model.failures import FailureRecord, TooManyDeletes
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldFilter, HoldState
from muster.model.job import Cycle, QuarantineReason, SynchronizationJob
from muster.model.log import LogStatus, SkipReason, Step, StepType
from muster.model.operation import AttributeChange, Change, Operation, OperationKind, Outcome, Verb
from muster.planning.health import quarantine
from muster.planning.notices import notice_of_quarantine
from muster.planning.plan import operation_hash
from muster.planning.policy import RemovalKind, count_removals, gate, removal_verdicts
from muster.planning.precedence import EXISTENCE
from muster.planning.safeguards import Safeguards
from muster.planning.trace import held_entry, log_entry
from muster.ports.cycles import Settlement

ENABLED = "accountEnabled"
_AT_ONCE = 200
_VERBS = {
    OperationKind.DISABLE: ("Disable", "disabled"),
    OperationKind.DELETE: ("Delete", "deleted"),
    OperationKind.REFER: ("Update", "updated"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a request takes away: somebody's access, an object, or members of a group (`members`: their ids)."""

    kind: OperationKind
    found: DirectoryObject
    members: tuple[str, ...] = ()


def weigh(desk: Desk, removal: Removal, *, is_logged: bool = True) -> str | None:
    """Returns why a removal is held, having noted it; None: it may go, and is counted. Within the caller's transaction.

    `is_logged`: the caller does it now; else it is done by a job that logs it itself.
    Raises: Refused for what another source supplies.
    """
    require_unowned(desk, removal.found, _claimed(desk, removal))
    job = standing_job(desk)
    hour = hour_of(desk, job)
    operation = _operation(desk, removal)
    known = _hold_of(desk, job, operation)
    safeguards = safeguards_of(desk, job)
    protected = _why_protected(desk, safeguards, removal)
    if protected is not None:
        operation = replace(operation, skip_reason=SkipReason.PROTECTED)
        reason = f"{protected}, so nothing is taken from it."
        held = HeldOperation(operation=operation, hold_code=HoldCode.PROTECTED, reason=reason)
        _hold(desk, job, hour, held, known)
        return reason
    counted = count_removals([operation])
    hour, tripped = _verdicts(desk, hour, counted, safeguards)
    verdict = gate(
        [operation],
        tripped=tripped,
        read_complete=True,
        holds={} if known is None else {(operation.object_kind, operation.source_id): known},
        approval=safeguards.approval,
        counts_anew=False,
    )
    if verdict.held:
        _hold(desk, job, hour, verdict.held[0], known)
        return verdict.held[0].reason
    if known is None or known.state is not HoldState.APPROVED:
        hour = with_removed(hour, counted)
    if is_logged:
        done = Outcome(operation=operation, status=LogStatus.SUCCESS, at=desk.now(), target_id=operation.target_id)
        _done(desk, job, hour, done)
    else:
        close_hour(desk, hour)
    return None


def take_back(desk: Desk, found: DirectoryObject, members: Collection[str] = ()) -> None:
    """Ends what is held of somebody whom a client keeps after all; of a group, the removal of these members.

    Within the caller's transaction.
    """
    job = find_standing_job(desk)
    if job is None:
        return
    known = desk.stores.holds.find(job.id, found.kind, [found.object_id]).get((found.object_id, ""))
    if known is None:
        return
    if known.operation.kind is OperationKind.REFER:
        staying = tuple(each for each in _members_of(known.operation) if each not in members)
        if len(staying) == len(_members_of(known.operation)):
            return
        if staying:
            operation = _with_members(known.operation, staying)
            hold = replace(known, operation=operation, essence=operation_hash(operation))
            desk.stores.cycles.settle(
                hour_of(desk, job), [Settlement(kind=found.kind, source_id=found.object_id, hold=hold)]
            )
            return
    desk.stores.cycles.settle(
        hour_of(desk, job), [Settlement(kind=found.kind, source_id=found.object_id, clear_escrow=True)]
    )
    _lift_if_decided(desk, job)


def carry_out(desk: Desk, job: SynchronizationJob) -> None:
    """Does what was approved, as the one who approved it: what is not as it was shown any more ends undone."""
    while True:
        approved, _ = desk.stores.holds.list(job.id, HoldFilter(states=(HoldState.APPROVED,)), _AT_ONCE, None)
        if not approved:
            return
        with desk.together():
            hour = hour_of(desk, job)
            for hold in approved:
                hour = _carry_out(desk, job, hour, hold)


def _carry_out(desk: Desk, job: SynchronizationJob, hour: Cycle, hold: Hold) -> Cycle:
    operation = hold.operation
    found = desk.stores.directory.get(operation.object_kind, operation.source_id)
    if found is None or found.lifecycle is not Lifecycle.PRESENT or not _is_due(desk, operation, found):
        desk.stores.cycles.settle(hour, [Settlement(kind=hold.kind, source_id=hold.source_id, clear_escrow=True)])
        return hour
    outcome = Outcome(operation=operation, status=LogStatus.SUCCESS, at=desk.now(), target_id=operation.target_id)
    try:
        with desk.together():
            _do(desk, operation)
    except Refused as refused:
        failure = FailureRecord(
            code=refused.code,
            sentence=refused.sentence,
            remedy="Nothing to do: the client that asked for it is told when it asks again.",
        )
        outcome = replace(outcome, status=LogStatus.FAILURE, failure=failure)
    return _done(desk, job, hour, outcome)


def _is_due(desk: Desk, operation: Operation, found: DirectoryObject) -> bool:
    """Whether there is still something to take away."""
    if operation.kind is OperationKind.DISABLE:
        return found.attributes.get(ENABLED) is not False
    if operation.kind is OperationKind.REFER:
        return bool(desk.stores.directory.groups_among([found.object_id], _members_of(operation)))
    return True


def _do(desk: Desk, operation: Operation) -> None:
    match operation.kind:
        case OperationKind.DISABLE:
            people.update_user(desk, operation.source_id, {ENABLED: False})
        case OperationKind.REFER:
            groups.remove_members(desk, operation.source_id, _members_of(operation))
        case _ if operation.object_kind is ObjectKind.GROUP:
            groups.delete_group(desk, operation.source_id)
        case _:
            people.delete_user(desk, operation.source_id)


# ---------------------------------------------------------------- what is weighed


def _claimed(desk: Desk, removal: Removal) -> Collection[str]:
    if removal.kind is OperationKind.DISABLE:
        return (ENABLED,)
    if removal.kind is OperationKind.REFER:
        kinds = {each.kind for each in desk.stores.directory.by_ids(removal.members)}
        return {MEMBER_GROUPS if kind is ObjectKind.GROUP else MEMBERS for kind in kinds}
    return (EXISTENCE,) if removal.found.kind is ObjectKind.USER else ()


def _operation(desk: Desk, removal: Removal) -> Operation:
    found, client = removal.found, desk.caller.display_name
    verb, done = _VERBS[removal.kind]
    changes: tuple[AttributeChange, ...] = ()
    what = f"{found.display_name} is to be {done}"
    if removal.kind is OperationKind.DISABLE:
        changes = (AttributeChange(attribute=ENABLED, verb=Verb.REPLACE, old=True, new=False),)
    if removal.kind is OperationKind.REFER:
        changes = (_leaving(removal.members),)
        what = f"{len(removal.members)} of the members of {found.display_name} are to be removed"
    sentence = f"Received {found.kind.value} '{found.display_name}' change of type ({verb}) from {client}."
    return Operation(
        change_id=desk.ids.new_id(),
        kind=removal.kind,
        object_kind=found.kind,
        source_id=found.object_id,
        source_name=found.display_name,
        target_id=found.object_id,
        target_name=found.display_name,
        reason=f"{what}: the SCIM client {client} asks for it.",
        changes=changes,
        steps=(Step(name="EntryImport", type=StepType.IMPORT, status=LogStatus.SUCCESS, description=sentence),),
        source_seq=found.seq,
        cause=Cause(
            kind=CauseKind.CLIENT_ASKED, subject=desk.caller.id, sentence=f"the SCIM client {client} asked for it"
        ),
    )


def _leaving(members: Collection[str]) -> AttributeChange:
    return AttributeChange(
        attribute=MEMBERS,
        verb=Verb.REMOVE,
        old=tuple(sorted(members)),
        new=None,
        is_reference=True,
        multivalued=True,
    )


def _with_members(operation: Operation, members: Collection[str]) -> Operation:
    return replace(operation, changes=(_leaving(members),))


def _members_of(operation: Operation) -> tuple[str, ...]:
    return tuple(str(each) for change in operation.changes for each in change.old)


def _hold_of(desk: Desk, job: SynchronizationJob, operation: Operation) -> Hold | None:
    """What is held of the same object already; of a group, of the same members."""
    known = desk.stores.holds.find(job.id, operation.object_kind, [operation.source_id]).get((operation.source_id, ""))
    if known is None or operation.kind is not OperationKind.REFER:
        return known
    if known.operation.kind is OperationKind.REFER and {*_members_of(known.operation)} & {*_members_of(operation)}:
        return known
    return None


def _why_protected(desk: Desk, safeguards: Safeguards, removal: Removal) -> str | None:
    found = removal.found
    if not safeguards.protections or removal.kind is OperationKind.REFER:
        return None
    change = Change(
        source_id=found.object_id,
        kind=found.kind,
        lifecycle=found.lifecycle,
        seq=found.seq,
        attributes=found.attributes,
    )
    within = desk.stores.directory.groups_of(found.object_id, transitive=True)
    return safeguards.protections.reason(change, [(each.object_id, each.display_name) for each in within])


def _verdicts(
    desk: Desk, hour: Cycle, counted: dict[RemovalKind, int], safeguards: Safeguards
) -> tuple[Cycle, dict[RemovalKind, str]]:
    lately = removed_lately(desk, hour)
    together = {kind: lately.get(kind, 0) + counted.get(kind, 0) for kind in {**lately, **counted}}
    threshold = safeguards.threshold.daily
    hour, population = with_population(desk, hour)
    tripped = removal_verdicts(together, population, 0, threshold)
    if any(kind in tripped for kind in counted):
        # Others may have come since the hour's first removal.
        hour, population = with_population(desk, hour, anew=True)
        tripped = removal_verdicts(together, population, 0, threshold)
    return hour, tripped


# ---------------------------------------------------------------- what is written


def _hold(desk: Desk, job: SynchronizationJob, hour: Cycle, held: HeldOperation, known: Hold | None) -> None:
    """Notes what is held: told once in the log, however often the client asks for it."""
    operation, at = held.operation, desk.now()
    if held.hold_code is HoldCode.REJECTED:
        return
    standing = desk.stores.holds.find(job.id, operation.object_kind, [operation.source_id]).get(
        (operation.source_id, "")
    )
    if operation.kind is OperationKind.REFER and standing is not None and standing.state is HoldState.HELD:
        if standing.operation.kind is not OperationKind.REFER:
            # The group is to go as a whole.
            return
        operation = _with_members(operation, {*_members_of(standing.operation), *_members_of(operation)})
        known = standing
    essence = operation_hash(operation)
    is_news = known is None or known.essence != essence or known.code is not held.hold_code
    if known is not None and not is_news and known.state is not HoldState.APPROVED:
        return
    hold = Hold(
        id=operation.change_id,
        kind=operation.object_kind,
        source_id=operation.source_id,
        operation=operation,
        code=held.hold_code,
        reason=held.reason,
        held_at=at,
        # Of whom is protected nobody has to decide.
        state=HoldState.WAITING if held.hold_code is HoldCode.PROTECTED else HoldState.HELD,
        essence=essence,
        cause=operation.cause,
        cycle_id=hour.id,
    )
    entry = held_entry(
        operation,
        held.reason,
        at,
        entry_id=desk.ids.new_id(),
        job_id=job.id,
        cycle_id=hour.id,
        service_principal_id=job.service_principal_id,
        initiator=desk.initiator,
    )
    counters = replace(hour.counters, evaluated=hour.counters.evaluated + 1, held=hour.counters.held + 1)
    hour = replace(hour, counters=counters)
    settled = Settlement(kind=operation.object_kind, source_id=operation.source_id, hold=hold, entry=entry)
    desk.stores.cycles.settle(hour, [settled])
    close_hour(desk, hour)
    if held.hold_code is HoldCode.TOO_MANY and job.quarantine is None:
        failure = TooManyDeletes(held.reason).record()
        after = quarantine(failure, QuarantineReason.TOO_MANY_DELETES, None, at)
        notice = notice_of_quarantine(job, after, at=at, cycle_id=hour.id, held=1)
        desk.stores.jobs.set_quarantine(job.id, after, notice=notice)


def _done(desk: Desk, job: SynchronizationJob, hour: Cycle, outcome: Outcome) -> Cycle:
    """Logs and counts what is done; what was held of the object ends. Returns the hour as it is kept."""
    operation, counters = outcome.operation, hour.counters
    verb, done = _VERBS[operation.kind]
    is_done = outcome.failure is None
    sentence = f"{operation.object_kind.value} '{operation.source_name}' was {done} in Directory."
    if outcome.failure is not None:
        sentence = outcome.failure.sentence
    step = Step(name=f"EntryExport{verb}", type=StepType.EXPORT, status=outcome.status, description=sentence)
    entry = log_entry(
        replace(outcome, steps=(step,)),
        entry_id=desk.ids.new_id(),
        job_id=job.id,
        cycle_id=hour.id,
        service_principal_id=job.service_principal_id,
        initiator=desk.initiator,
    )
    counters = replace(
        counters,
        evaluated=counters.evaluated + 1,
        disabled=counters.disabled + (is_done and operation.kind is OperationKind.DISABLE),
        deleted=counters.deleted + (is_done and operation.kind is OperationKind.DELETE),
        references=counters.references + (is_done and operation.kind is OperationKind.REFER),
        failed=counters.failed + (not is_done),
    )
    hour = replace(hour, counters=counters)
    # Other members of a group may be held still.
    keeps = operation.kind is OperationKind.REFER and _hold_of(desk, job, operation) is None
    settled = Settlement(
        kind=operation.object_kind,
        source_id=operation.source_id,
        entry=entry,
        clear_escrow=not keeps,
        keeps_hold=keeps,
    )
    desk.stores.cycles.settle(hour, [settled])
    close_hour(desk, hour)
    if not keeps:
        _lift_if_decided(desk, job)
    return hour


def _lift_if_decided(desk: Desk, job: SynchronizationJob) -> None:
    """Ends the quarantine once nothing waits for a decision any more."""
    kept = job.quarantine
    if kept is None or kept.reason is not QuarantineReason.TOO_MANY_DELETES:
        return
    if not desk.stores.holds.groups(job.id, HoldFilter(code=HoldCode.TOO_MANY)):
        notice = notice_of_quarantine(job, None, at=desk.now())
        desk.stores.jobs.set_quarantine(job.id, None, notice=notice)
