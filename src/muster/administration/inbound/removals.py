"""What SCIM clients take away: counted over 24 hours, held beyond the thresholds, carried out once it is approved.

The same gate decides as in a cycle. A client that is held gets a refusal that says why, and nothing of its request is
done; what it asked for waits for an administrator, and is done when they approve it, asked for again or not.
"""

from collections.abc import Collection, Mapping

from muster.administration.desk import Desk
from muster.administration.inbound.asked import (
    VERBS,
    Removal,
    claimed,
    members_of,
    operation_of,
    with_members,
)
from muster.administration.inbound.standing import (
    close_hour,
    day_of,
    find_standing_job,
    hour_of,
    lift_if_decided,
    removed_in,
    safeguards_of,
    standing_job,
    was_counted,
    with_population,
    with_removed,
)
from muster.administration.provenance import require_unowned
from muster.model.copies import replace
from muster.model.directory import DirectoryObject
from muster.model.failures import TooManyAsked
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldState
from muster.model.job import Cycle, QuarantineReason, SynchronizationJob
from muster.model.log import LogEntry, LogStatus, SkipReason, Step, StepType
from muster.model.operation import Change, Operation, OperationKind, Outcome
from muster.planning.health import quarantine
from muster.planning.notices import notice_of_quarantine
from muster.planning.plan import operation_hash
from muster.planning.policy import Population, RemovalKind, count_removals, gate, removal_verdicts
from muster.planning.safeguards import Safeguards
from muster.planning.trace import held_entry, log_entry
from muster.ports.cycles import Settlement

# So many that no share of them is ever reached: what is held then is held for its number.
_COUNTLESS = Population(linked=2**62, groups=2**62, members=2**62)
# Where a rejection is kept once something else of the same object is held.
_REJECTED = "rejected {}"
_KEPT = "The SCIM client keeps it after all: it is held no longer."
_DONE = "It was done by hand meanwhile: it is held no longer."
_TOGETHER = "The same request asks for members whose removal was rejected."
# What is kept of one object, by its source id and the name it is kept under.
Kept = Mapping[tuple[str, str], Hold]


def weigh(desk: Desk, removal: Removal, *, is_logged: bool = True) -> str | None:
    """Returns why a removal is held, having noted it; None: it may go, and is counted. Within the caller's transaction.

    `is_logged`: the caller does it now; else it is done by a job that logs it itself.
    Raises: Refused for what another source supplies.
    """
    require_unowned(desk, removal.found, claimed(desk, removal))
    job = standing_job(desk)
    hour = hour_of(desk, job)
    operation = operation_of(desk, removal)
    kept = kept_of(desk, job, operation)
    known = _hold_of(kept, operation)
    safeguards = safeguards_of(desk, job)
    protected = why_protected(desk, safeguards, removal)
    if protected is not None:
        operation = replace(operation, skip_reason=SkipReason.PROTECTED)
        reason = f"{protected}, so nothing is taken from it."
        held = HeldOperation(operation=operation, hold_code=HoldCode.PROTECTED, reason=reason)
        _hold(desk, job, hour, held, kept)
        return reason
    rejection = _rejection_of(kept, operation)
    if operation.kind is OperationKind.REFER and rejection is not None:
        again = {*members_of(rejection.operation)} & {*removal.members}
        if again:
            return _weigh_others(desk, job, hour, operation, kept, rejection, again)
    counted = count_removals([operation])
    of = " ".join((operation.kind.value, operation.source_id, *sorted(removal.members)))
    day = day_of(desk, hour)
    if was_counted(day, of):
        counted = dict.fromkeys(counted, 0)
    hour, tripped = _verdicts(desk, hour, removed_in(day), counted, safeguards)
    verdict = gate(
        [operation],
        tripped=tripped,
        read_complete=True,
        holds={} if known is None else {(operation.object_kind, operation.source_id): known},
        approval=safeguards.approval,
        counts_anew=False,
    )
    if verdict.held:
        _hold(desk, job, hour, verdict.held[0], kept)
        return verdict.held[0].reason
    if known is None or known.state is not HoldState.APPROVED:
        hour = with_removed(hour, counted, of)
    if is_logged:
        done = Outcome(operation=operation, status=LogStatus.SUCCESS, at=desk.now(), target_id=operation.target_id)
        note_done(desk, job, hour, done, kept)
    else:
        close_hour(desk, hour)
    return None


def _weigh_others(
    desk: Desk,
    job: SynchronizationJob,
    hour: Cycle,
    operation: Operation,
    kept: Kept,
    rejection: Hold,
    again: Collection[str],
) -> str:
    """Refuses members whose removal was rejected; about the others of the request somebody can still decide."""
    others = [each for each in members_of(operation) if each not in again]
    if others:
        operation = with_members(operation, others)
        held = HeldOperation(operation=operation, hold_code=HoldCode.APPROVAL, reason=_TOGETHER)
        _hold(desk, job, hour, held, kept)
    return f"{rejection.decided_by or 'An administrator'} rejected it. {rejection.reason}"


def take_back(desk: Desk, found: DirectoryObject, members: Collection[str] = (), *, is_kept: bool = True) -> None:
    """Ends what is held of somebody whom a client keeps after all; of a group, the removal of these members.

    What an administrator has rejected stays rejected. `is_kept`: the client says that the object itself stays.
    Within the caller's transaction.
    """
    _end(desk, found, members, _KEPT, ends_others=is_kept)


def end_done(desk: Desk, removal: Removal) -> None:
    """Ends what is held of what was just done by hand: whoever is let in again is not taken out once more.

    In a transaction after that one: clients take the hour first and the object then, and each would wait for the other.
    """
    with desk.together():
        _end(desk, removal.found, removal.members, _DONE, ends_others=True, asked=removal.kind)


def _end(
    desk: Desk,
    found: DirectoryObject,
    members: Collection[str],
    why: str,
    *,
    ends_others: bool,
    asked: OperationKind | None = None,
) -> None:
    """Ends what is held of an object: of members these, of others if told to.

    Args:
        asked: nothing but this is ended, and what is being carried out now is left to whoever does it.
    """
    job = find_standing_job(desk)
    if job is None:
        return
    known = desk.stores.holds.find(job.id, found.kind, [found.object_id]).get((found.object_id, ""))
    if known is None or known.state is HoldState.REJECTED:
        return
    if asked is not None and (asked is not known.operation.kind or known.state is HoldState.APPROVED):
        return
    if known.operation.kind is OperationKind.REFER:
        staying = tuple(each for each in members_of(known.operation) if each not in members)
        if len(staying) == len(members_of(known.operation)):
            return
        if staying:
            operation = with_members(known.operation, staying)
            hold = replace(known, operation=operation, essence=operation_hash(operation))
            desk.stores.cycles.settle(
                hour_of(desk, job), [Settlement(kind=found.kind, source_id=found.object_id, hold=hold)]
            )
            return
    elif not ends_others:
        return
    hour = hour_of(desk, job)
    entry = _held_entry(desk, job, hour, known.operation, why)
    settled = Settlement(kind=found.kind, source_id=found.object_id, clear_escrow=True, entry=entry)
    desk.stores.cycles.settle(hour, [settled])
    lift_if_decided(desk, job)


# ---------------------------------------------------------------- what is weighed


def kept_of(desk: Desk, job: SynchronizationJob, operation: Operation) -> Kept:
    """Returns what is held and what was rejected of the object of an operation."""
    return desk.stores.holds.find(job.id, operation.object_kind, [operation.source_id])


def _hold_of(kept: Kept, operation: Operation) -> Hold | None:
    """What is held of the same object already; of a group, of the same members."""
    known = kept.get((operation.source_id, ""))
    if known is not None and known.state is HoldState.REJECTED:
        # Members have been looked for among what is rejected before.
        return None if operation.kind is OperationKind.REFER else _rejection_of(kept, operation)
    if known is None or operation.kind is not OperationKind.REFER:
        return known or _rejection_of(kept, operation)
    if known.operation.kind is OperationKind.REFER and {*members_of(known.operation)} & {*members_of(operation)}:
        return known
    return None


def _rejection_of(kept: Kept, operation: Operation) -> Hold | None:
    """What was rejected of the same kind; of a group's members, all whose removal was."""
    return _joined(
        [
            each
            for name in (_REJECTED.format(operation.kind.value), "")
            if (each := kept.get((operation.source_id, name))) is not None
            and each.state is HoldState.REJECTED
            and each.operation.kind is operation.kind
        ]
    )


def _joined(rejections: list[Hold]) -> Hold | None:
    if not rejections:
        return None
    latest = rejections[-1]
    if latest.operation.kind is not OperationKind.REFER:
        return latest
    members = {member for each in rejections for member in members_of(each.operation)}
    operation = with_members(latest.operation, members)
    return replace(latest, operation=operation, essence=operation_hash(operation))


def why_protected(desk: Desk, safeguards: Safeguards, removal: Removal) -> str | None:
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
    desk: Desk,
    hour: Cycle,
    lately: Mapping[RemovalKind, int],
    counted: Mapping[RemovalKind, int],
    safeguards: Safeguards,
) -> tuple[Cycle, dict[RemovalKind, str]]:
    together = {kind: lately.get(kind, 0) + counted.get(kind, 0) for kind in {**lately, **counted}}
    threshold = safeguards.threshold.daily
    hour, population = with_population(desk, hour, lately)
    tripped = removal_verdicts(together, population, 0, threshold)
    by_number = removal_verdicts(together, _COUNTLESS, 0, threshold)
    if any(kind in tripped and kind not in by_number for kind in counted):
        # A share decides, and others may have come since the hour's first removal.
        hour, population = with_population(desk, hour, lately, anew=True)
        tripped = removal_verdicts(together, population, 0, threshold)
    return hour, tripped


# ---------------------------------------------------------------- what is written


def _hold(desk: Desk, job: SynchronizationJob, hour: Cycle, held: HeldOperation, kept: Kept) -> None:
    """Notes what is held: told once in the log, however often the client asks for it."""
    operation, at = held.operation, desk.now()
    if held.hold_code is HoldCode.REJECTED:
        return
    known, standing = _hold_of(kept, operation), kept.get((operation.source_id, ""))
    if operation.kind is OperationKind.REFER and standing is not None and standing.state is HoldState.HELD:
        if standing.operation.kind is not OperationKind.REFER:
            # The group is to go as a whole.
            return
        operation = with_members(operation, {*members_of(standing.operation), *members_of(operation)})
        known = standing
    essence = operation_hash(operation)
    is_news = known is None or known.essence != essence or known.code is not held.hold_code
    if known is not None and not is_news and known.state not in (HoldState.APPROVED, HoldState.REJECTED):
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
    entry = _held_entry(desk, job, hour, operation, held.reason)
    counters = replace(hour.counters, evaluated=hour.counters.evaluated + 1, held=hour.counters.held + 1)
    hour = replace(hour, counters=counters)
    settled = Settlement(kind=operation.object_kind, source_id=operation.source_id, hold=hold, entry=entry)
    desk.stores.cycles.settle(hour, [settled])
    if standing is not None and standing.state is HoldState.REJECTED:
        _keep_rejection(desk, hour, kept, standing, operation)
    close_hour(desk, hour)
    if held.hold_code is HoldCode.TOO_MANY and job.quarantine is None:
        failure = TooManyAsked(held.reason).record()
        after = quarantine(failure, QuarantineReason.TOO_MANY_DELETES, None, at)
        notice = notice_of_quarantine(job, after, at=at, cycle_id=hour.id, held=1)
        desk.stores.jobs.set_quarantine(job.id, after, notice=notice)


def _held_entry(desk: Desk, job: SynchronizationJob, hour: Cycle, operation: Operation, reason: str) -> LogEntry:
    return held_entry(
        operation,
        reason,
        desk.now(),
        entry_id=desk.ids.new_id(),
        job_id=job.id,
        cycle_id=hour.id,
        service_principal_id=job.service_principal_id,
        initiator=desk.initiator,
    )


def _keep_rejection(desk: Desk, hour: Cycle, kept: Kept, standing: Hold, operation: Operation) -> None:
    """Keeps what was rejected apart, where something else of the object is held now."""
    if standing.operation.kind is operation.kind and operation.kind is not OperationKind.REFER:
        # It has changed since: it is decided anew.
        return
    # What was rejected now is among what was rejected before.
    rejection = _rejection_of(kept, standing.operation) or standing
    rejection = replace(rejection, id=desk.ids.new_id(), attribute=_REJECTED.format(rejection.operation.kind.value))
    desk.stores.cycles.settle(hour, [Settlement(kind=rejection.kind, source_id=rejection.source_id, hold=rejection)])


def note_done(desk: Desk, job: SynchronizationJob, hour: Cycle, outcome: Outcome, kept: Kept) -> Cycle:
    """Logs and counts what is done; what was held of the object ends. Returns the hour as it is kept.

    Args:
        kept: what `kept_of` returned within the same transaction.
    """
    operation, counters = outcome.operation, hour.counters
    verb, done = VERBS[operation.kind]
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
    keeps = operation.kind is OperationKind.REFER and _hold_of(kept, operation) is None
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
        lift_if_decided(desk, job)
    return hour
