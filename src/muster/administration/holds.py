"""Held operations of a job: listed, grouped by cause, approved and rejected by an administrator."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.administration.applications import find_application
from muster.administration.desk import Change, Desk
from muster.administration.inbound.approved import Stayed, carry_out
from muster.administration.inbound.standing import is_of_clients
from muster.administration.jobs import CATEGORY, find_job
from muster.administration.refusals import bad_request, conflict
from muster.model.hold import Hold, HoldCode, HoldFilter, HoldGroup, HoldState
from muster.model.job import QuarantineReason
from muster.model.roles import Permission

DECIDED_AT_ONCE = 1_000
_NAMED = 10
# Who has decided may think better of it until it is sent.
_OPEN = (HoldState.HELD, HoldState.APPROVED, HoldState.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a decision did: how many operations were decided, and how many still wait for one."""

    count: int
    undecided: int
    # Of those: who stays nevertheless, and why. Only what SCIM clients asked for is done at once.
    stayed: tuple[Stayed, ...] = ()


def held(
    desk: Desk, service_principal_id: str, job_id: str, wanted: HoldFilter, limit: int, after: str | None = None
) -> tuple[Sequence[Hold], str | None]:
    """Returns what is held, in the order in which it came, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    return desk.stores.holds.list(job.id, wanted, limit, after)


def causes(desk: Desk, service_principal_id: str, job_id: str, wanted: HoldFilter) -> Sequence[HoldGroup]:
    """Returns how many held operations have one cause, the largest groups first. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.holds.groups(find_job(desk, service_principal_id, job_id).id, wanted)


def approve(desk: Desk, service_principal_id: str, job_id: str, wanted: HoldFilter) -> Decided:
    """Lets held operations go: those named by id, or all that agree with the filter. Raises: Refused.

    The next cycle decides them anew and sends what is still exactly what was shown; else it asks again. What SCIM
    clients have asked for is done at once.
    """
    return _decide(desk, service_principal_id, job_id, wanted, HoldState.APPROVED)


def reject(desk: Desk, service_principal_id: str, job_id: str, wanted: HoldFilter) -> Decided:
    """Keeps held operations from going until their object changes. Raises: Refused."""
    return _decide(desk, service_principal_id, job_id, wanted, HoldState.REJECTED)


def _decide(desk: Desk, service_principal_id: str, job_id: str, wanted: HoldFilter, state: HoldState) -> Decided:
    desk.require(Permission.RUN_JOBS)
    application = find_application(desk, service_principal_id)
    job = find_job(desk, application.service_principal_id, job_id)
    # What clients asked for is not decided anew by a cycle: whoever approves it does it.
    does = is_of_clients(job) and state is HoldState.APPROVED
    if does:
        desk.require(Permission.WRITE_DIRECTORY)
    if wanted.ids is not None:
        wanted = replace(wanted, states=tuple(each for each in _OPEN if each is not state))
        _check_named(desk, job.id, wanted, state)
    by = desk.caller.display_name
    groups = desk.stores.holds.groups(job.id, wanted)
    shown, _ = desk.stores.holds.list(job.id, wanted, _NAMED, None)
    count = desk.stores.holds.decide(job.id, wanted, state, by, desk.now())
    if count:
        desk.note(
            "Approve held operations" if state is HoldState.APPROVED else "Reject held operations",
            CATEGORY,
            target=("SynchronizationJob", job.id, application.display_name),
            changes=_changes(count, groups, shown, state),
        )
    stayed: list[Stayed] = []
    if does:
        stayed = carry_out(desk, job)
        job = find_job(desk, application.service_principal_id, job_id)
    undecided = desk.stores.holds.count(job.id).get(HoldState.HELD, 0)
    if job.quarantine is not None and job.quarantine.reason is QuarantineReason.TOO_MANY_DELETES:
        waiting = desk.stores.holds.groups(job.id, HoldFilter(code=HoldCode.TOO_MANY))
        if not waiting:
            # Everything has been looked at: the job goes on as before.
            desk.stores.jobs.set_quarantine(job.id, None)
    return Decided(count=count - len(stayed), undecided=undecided, stayed=tuple(stayed))


def _check_named(desk: Desk, job_id: str, wanted: HoldFilter, state: HoldState) -> None:
    """Refuses ids of which nothing is held: whoever approves must know what he approves."""
    ids = wanted.ids or ()
    if not 1 <= len(ids) <= DECIDED_AT_ONCE:
        raise bad_request(f"ids takes 1 to {DECIDED_AT_ONCE:,} ids of held operations.")
    found, _ = desk.stores.holds.list(job_id, wanted, DECIDED_AT_ONCE, None)
    known = {hold.id for hold in found}
    missing = [each[:100] for each in dict.fromkeys(ids) if each not in known]
    if missing:
        raise conflict(
            f"Nothing to {'approve' if state is HoldState.APPROVED else 'reject'} under {', '.join(missing[:_NAMED])}: "
            "it was decided, sent or has changed since. List the held operations again.",
            code="HeldOperationChanged",
        )


def _changes(count: int, groups: Sequence[HoldGroup], shown: Sequence[Hold], state: HoldState) -> tuple[Change, ...]:
    names = ", ".join(f"{hold.operation.kind.value} {hold.operation.source_name}" for hold in shown)
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    causes = "; ".join(
        f"{group.count}: {group.cause.sentence if group.cause is not None else group.code.value}"
        for group in groups[:_NAMED]
    )
    return ((state.value, None, f"{count}: {names}{more}"), ("causes", None, causes))
