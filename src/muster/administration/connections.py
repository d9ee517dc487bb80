"""Object connections: one stored link between source and target at a time, looked at and forgotten."""

from dataclasses import dataclass

from muster.administration.desk import Desk
from muster.administration.jobs import CATEGORY, find_job
from muster.administration.refusals import conflict, not_found
from muster.model.directory import ObjectKind
from muster.model.job import ScheduleState, SynchronizationJob
from muster.model.operation import Link
from muster.model.roles import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A link under the id it was asked for by: that of the source or of the target object."""

    object_id: str
    link: Link


def find_connection(desk: Desk, service_principal_id: str, job_id: str, object_id: str) -> Connection:
    """Returns the link of an object, looked for as a source and then as a target. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    found = _find(desk, job, object_id)
    if found is None:
        raise not_found("Object connection", object_id)
    return Connection(object_id=object_id, link=found)


def forget_connection(desk: Desk, service_principal_id: str, job_id: str, object_id: str) -> None:
    """Forgets a link: the object is matched anew when it changes. Nothing for one that is gone. Raises: Refused.

    The account at the target stays as it is.
    """
    desk.require(Permission.RUN_JOBS)
    job = find_job(desk, service_principal_id, job_id)
    if job.schedule_state is ScheduleState.ACTIVE or desk.stores.cycles.running(job.id) is not None:
        raise conflict("The job is active: pause it, wait for its cycle to stop, and delete the connection then.")
    found = _find(desk, job, object_id)
    if found is None:
        return
    desk.stores.links.unlink(job.id, found.kind, found.source_id)
    desk.note(
        "Delete object connection",
        CATEGORY,
        target=("SynchronizationJob", job.id, job.template_id),
        changes=((found.display_name or found.source_id, found.target_id, None),),
    )


def _find(desk: Desk, job: SynchronizationJob, object_id: str) -> Link | None:
    for kind in ObjectKind:
        link = desk.stores.links.links(job.id, kind, [object_id]).get(object_id)
        if link is not None:
            return link
    for kind in ObjectKind:
        owner = desk.stores.links.owners(job.id, kind, [object_id]).get(object_id)
        if owner is not None and owner[0] == job.id:
            return desk.stores.links.links(job.id, kind, [owner[1]]).get(owner[1])
    return None
