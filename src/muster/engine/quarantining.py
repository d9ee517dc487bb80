"""A job's way into quarantine and out of it: what is kept, what is told, what the audit log says, all at once."""

from datetime import datetime

from muster.engine.awaiting import held_causes
from muster.engine.parts import EngineStores
from muster.model.hold import HoldCode, HoldFilter
from muster.model.job import Cycle, Quarantine, QuarantineReason, ScheduleState, SynchronizationJob
from muster.model.notice import Cause
from muster.model.roles import Caller, CallerKind
from muster.planning.health import LONGEST_QUARANTINE
from muster.planning.notices import CAUSES_SHOWN, notice_of_disabling, notice_of_quarantine
from muster.ports.administration import AuditEntry

CATEGORY = "ProvisioningManagement"
SERVICE = Caller(id="", display_name="Azure AD Provisioning Service", roles=frozenset(), kind=CallerKind.APPLICATION)


def change_quarantine(
    stores: EngineStores, job: SynchronizationJob, after: Quarantine | None, at: datetime, *, cycle: Cycle
) -> None:
    """Puts a job into quarantine, prolongs it, or lifts it, as the end of a cycle says."""
    if after is None and job.quarantine is None:
        return
    if job.schedule_state is not ScheduleState.ACTIVE:
        # An import, or a plan that somebody applies by hand: whoever asked for it is told there and then.
        stores.jobs.set_quarantine(job.id, after)
        return
    causes = _causes(stores, job, after)
    # What waits, however many cycles ago it was held; after a read that was not whole nothing waits for a decision.
    waiting = stores.holds.groups(job.id, HoldFilter(code=HoldCode.TOO_MANY))
    held = sum(group.count for group in waiting) or cycle.counters.held
    notice = notice_of_quarantine(job, after, at=at, cycle_id=cycle.id, causes=causes, held=held)
    entry = None
    if notice is not None:
        entry = _entry(job, cycle.id, at, _shown(job.quarantine), _shown(after))
    stores.jobs.set_quarantine(job.id, after, notice=notice, entry=entry)


def disable_if_overdue(stores: EngineStores, job: SynchronizationJob, at: datetime, entry_id: str) -> bool:
    """Disables a job whose quarantine has lasted for four weeks; returns whether it did.

    Source: entra-docs, application-provisioning-quarantine-status.
    """
    kept = job.quarantine
    if job.schedule_state is not ScheduleState.ACTIVE or kept is None:
        return False
    if at - kept.series_began_at < LONGEST_QUARANTINE:
        return False
    # The quarantine stays, so that the status goes on saying why.
    stores.jobs.set_quarantine(
        job.id,
        kept,
        notice=notice_of_disabling(job, kept, at),
        entry=_entry(job, entry_id, at, ScheduleState.ACTIVE.value, ScheduleState.DISABLED.value, "schedule.state"),
        state=ScheduleState.DISABLED,
    )
    return True


def _causes(stores: EngineStores, job: SynchronizationJob, after: Quarantine | None) -> tuple[Cause, ...]:
    """Returns the most frequent failures; when the job itself failed, it is the one that counts."""
    if after is None:
        return ()
    if after.reason is QuarantineReason.TOO_MANY_DELETES:
        return held_causes(stores, job.id, HoldCode.TOO_MANY)
    if not after.reason.counts_failures:
        return ()
    return tuple(stores.links.causes(job.id, CAUSES_SHOWN))


def _entry(
    job: SynchronizationJob,
    entry_id: str,
    at: datetime,
    before: str | None,
    after: str | None,
    name: str = "status.quarantine.reason",
) -> AuditEntry:
    return AuditEntry(
        id=entry_id,
        at=at,
        activity="Quarantine",
        category=CATEGORY,
        by=SERVICE,
        target_type="SynchronizationJob",
        target_id=job.id,
        target_name=job.id,
        changes=((name, before, after),),
    )


def _shown(quarantine: Quarantine | None) -> str | None:
    return None if quarantine is None else quarantine.reason.value
