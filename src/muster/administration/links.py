"""Links of a job: which accounts are whose, and making accounts that were there before us ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from muster.administration.applications import find_application, require_managed
from muster.administration.desk import Desk
from muster.administration.jobs import CATEGORY, find_cycle, find_job
from muster.administration.refusals import bad_request, conflict
from muster.model.directory import DirectoryObject, ObjectKind
from muster.model.job import Escrow
from muster.model.operation import Link, LinkState
from muster.model.roles import Permission
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryPage

PROMOTED_AT_ONCE = 1_000
# Of a cycle that has logged more, as an initial one may, nobody waits for whom it left alone.
_ENTRIES = 2_000
_NAMED = 10
# No try is put off for so long.
_EVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A failed object that waits, with what the directory knows of it; None: it is gone."""

    escrow: Escrow
    source: DirectoryObject | None


def links(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    state: str | None,
    after: str | None,
    limit: int,
    *,
    kind: ObjectKind | None = None,
) -> tuple[Sequence[Link], str | None]:
    """Returns a job's links, of one state and kind if named, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    known = {each.value: each for each in LinkState}
    if state is not None and state not in known:
        raise bad_request(f"There is no link state “{state[:100]}”; use one of {', '.join(known)}.")
    return desk.stores.links.list_links(job.id, None if state is None else known[state], limit, after, kind)


def left_alone(
    desk: Desk, service_principal_id: str, job_id: str, cycle_id: str, after: str | None, limit: int
) -> tuple[Sequence[Link], str | None] | None:
    """Returns those linked of whom a cycle has logged nothing, and the key to go on after.

    None: it has logged too much to tell them apart. Raises: Refused.
    """
    desk.require(Permission.READ_LOGS)
    cycle = find_cycle(desk, service_principal_id, job_id, cycle_id)
    entries, more = desk.stores.log.search(LogQuery(cycle_id=cycle.id, limit=_ENTRIES))
    if more is not None:
        return None
    logged = {entry.source_id for entry in entries}
    while True:
        page, after = links(desk, service_principal_id, job_id, None, after, limit)
        found = [link for link in page if link.source_id not in logged]
        if found or after is None:
            return found, after


def come_from(
    desk: Desk, service_principal_id: str, job_id: str, kind: ObjectKind, after: str | None, limit: int
) -> DirectoryPage:
    """Returns the objects of the directory that a source's job has brought in, in the order of their coming.

    Raises: Refused.
    """
    desk.require(Permission.READ_DIRECTORY)
    found, following = links(desk, service_principal_id, job_id, None, after, limit, kind=kind)
    known = {each.object_id: each for each in desk.stores.directory.by_ids([link.target_id for link in found])}
    present = (known[link.target_id] for link in found if link.target_id in known)
    return DirectoryPage(objects=tuple(present), next_after=following)


def waiting(
    desk: Desk, service_principal_id: str, job_id: str, after: str | None, limit: int
) -> tuple[Sequence[Waiting], str | None]:
    """Returns objects that failed and wait for their next try, by source id, and the key to go on after.

    Raises: Refused.
    """
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    found = desk.stores.links.due_escrows(job.id, desk.now() + _EVER, limit + 1, after)
    shown = [Waiting(escrow=each, source=_source_of(desk, each)) for each in found[:limit]]
    return shown, found[limit - 1].source_id if len(found) > limit else None


def promote(desk: Desk, service_principal_id: str, job_id: str, source_ids: Sequence[str] | None) -> Sequence[str]:
    """Makes adopted accounts managed, so that they may be deleted too: those of the source ids, or all with None.

    Returns the source ids of those it changed; who is managed already is left out. Raises: Refused.
    """
    desk.require(Permission.RUN_JOBS)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    job = find_job(desk, application.service_principal_id, job_id)
    if source_ids is not None:
        _check_linked(desk, job.id, source_ids)
    if desk.stores.cycles.running(job.id) is not None:
        # What it has decided already would write the old state over the new one.
        raise conflict("A cycle of this job is running: wait for its end, or pause the job, and promote then.")
    promoted = desk.stores.links.promote(job.id, source_ids)
    if promoted:
        more = f" and {len(promoted) - _NAMED} more" if len(promoted) > _NAMED else ""
        shown = f"{len(promoted)}: {', '.join(promoted[:_NAMED])}{more}"
        desk.note(
            "Promote linked accounts",
            CATEGORY,
            target=("SynchronizationJob", job.id, application.display_name),
            changes=(("managed", None, shown),),
        )
    return promoted


def _source_of(desk: Desk, escrow: Escrow) -> DirectoryObject | None:
    return next((desk.stores.directory.get(kind, escrow.source_id) for kind in ObjectKind if kind == escrow.kind), None)


def _check_linked(desk: Desk, job_id: str, source_ids: Sequence[str]) -> None:
    if not 1 <= len(source_ids) <= PROMOTED_AT_ONCE:
        raise bad_request(f"sourceIds takes 1 to {PROMOTED_AT_ONCE:,} ids of users and groups.")
    linked = {found for kind in ObjectKind for found in desk.stores.links.links(job_id, kind, source_ids)}
    missing = [source_id[:100] for source_id in source_ids if source_id not in linked]
    if missing:
        raise bad_request(f"The job has no account linked for {', '.join(missing[:_NAMED])}; GET …/links lists them.")
