"""Sources of the directory's people: added with their connection, looked at, read anew, removed with or without people.

A source is an application whose gallery page has a connection, with one job; everything else that is done to a job is
done to it as to any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from muster.administration.applications import (
    applications,
    find_application,
    instantiate,
    remove_application,
    require_managed,
    source_templates,
    template_of,
)
from muster.administration.credentials import check_connection, put_secrets
from muster.administration.desk import Desk
from muster.administration.jobs import JobStatus, create_job, find_job, status_of
from muster.administration.provenance import standings
from muster.administration.refusals import bad_request, conflict, not_found
from muster.administration.secrets import MASK, checked_secrets
from muster.gallery.catalogue import GalleryPage, find
from muster.model.application import EnterpriseApplication
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import SynchronizationJob
from muster.model.mirror import MirrorState
from muster.model.roles import Permission
from muster.planning.precedence import Standing

CATEGORY = "ProvisioningManagement"
_PAGE = 500


class Leaving(StrEnum):
    """What becomes of a source's people when it is removed."""

    # They stay as they are, and are edited here from now on.
    KEEP = "keep"
    # Whom no other source has goes into the recycle bin.
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source with its job and its mirror."""

    application: EnterpriseApplication
    page: GalleryPage
    job: SynchronizationJob
    mirror: MirrorState
    standing: Standing


def sources(desk: Desk) -> Sequence[Source]:
    """Returns all sources in the order in which their word counts. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    known = standings(desk.stores.jobs, desk.stores.applications)
    found = []
    for application in applications(desk):
        page = template_of(desk, application)
        if page.is_source:
            found += [
                _source(desk, application, page, job, known[job.id])
                for job in desk.stores.jobs.list(application.service_principal_id)
                if job.id in known
            ]
    return sorted(found, key=lambda each: (each.standing.precedence, each.standing.since, each.job.id))


def find_source(desk: Desk, service_principal_id: str) -> Source:
    """Returns a source by the id of its application. Raises: Refused."""
    application = find_application(desk, service_principal_id)
    found = [
        each for each in sources(desk) if each.application.service_principal_id == application.service_principal_id
    ]
    if not found:
        raise not_found("Source", service_principal_id)
    return found[0]


def add_source(desk: Desk, kind: str, name: str | None, connection: Mapping[str, str]) -> Source:
    """Returns a new source with its job, which is started once its connection was tested.

    A connection is given whole, or not yet. Raises: Refused.
    """
    page = find(kind)
    if page is None or not page.is_source:
        kinds = ", ".join(each.job_template_id for each in source_templates(desk))
        if page is not None and page.is_managed:
            raise bad_request(f"{page.display_name} is an application, no source: the kinds are {kinds}.")
        raise bad_request(f"There is no kind of source “{kind[:60]}”: the kinds are {kinds}.")
    if connection:
        checked_secrets(connection, page.connection)
        check_connection(page.connection, {key: value for key, value in connection.items() if value != MASK})
    with desk.together():
        application = instantiate(desk, page.id, name)
        create_job(desk, application.service_principal_id, None)
        if connection:
            put_secrets(desk, application.service_principal_id, connection)
    return find_source(desk, application.service_principal_id)


def status(desk: Desk, source: Source) -> JobStatus:
    """Returns what the job's status shows. Raises: Refused."""
    return status_of(desk, source.job)


def mirror(desk: Desk, service_principal_id: str, job_id: str) -> MirrorState:
    """Returns how far a source was read and what that proves. Raises: Refused."""
    return desk.stores.mirrors.state(_source_job(desk, service_principal_id, job_id).id)


def accept_missing(desk: Desk, service_principal_id: str, job_id: str) -> int:
    """Has those leave whom the last read of everybody did not name; returns how many. Raises: Refused."""
    desk.require(Permission.RUN_JOBS)
    desk.require(Permission.WRITE_DIRECTORY)
    job = _source_job(desk, service_principal_id, job_id)
    gone = desk.stores.mirrors.accept_missing(job.id)
    if not gone:
        raise conflict("Nobody is missing from the last read of everybody.", code="NothingMissing")
    _note(desk, "Accept missing people of a source", job, (("missing", None, str(gone)),))
    return gone


def read_anew(desk: Desk, service_principal_id: str, job_id: str) -> None:
    """Has the next read be of everything. Raises: Refused."""
    desk.require(Permission.RUN_JOBS)
    desk.require(Permission.WRITE_DIRECTORY)
    job = _source_job(desk, service_principal_id, job_id)
    desk.stores.mirrors.forget_cursor(job.id)
    _note(desk, "Read a source anew", job, ())


def remove_source(desk: Desk, service_principal_id: str, people: Leaving) -> int:
    """Puts a source into the recycle bin; returns how many people went with it. Raises: Refused.

    What other sources supply of those who stay flows with their next cycle.
    """
    source = find_source(desk, service_principal_id)
    require_managed(desk, source.application)
    remove_application(desk, source.application.service_principal_id)
    gone = _remove_people(desk, source) if people is Leaving.DELETE else 0
    for job_id in standings(desk.stores.jobs, desk.stores.applications):
        desk.stores.jobs.set_watermark(job_id, None)
    _note(desk, "Remove source", source.job, (("people", people.value, str(gone)),))
    return gone


def _remove_people(desk: Desk, source: Source) -> int:
    """Soft-deletes whom this source alone has."""
    gone, after = 0, None
    while True:
        found, after = desk.stores.links.list_links(source.job.id, None, _PAGE, after)
        for kind in ObjectKind:
            ids = [link.target_id for link in found if link.kind is kind]
            supplies = desk.stores.supplies.supplies(kind, ids)
            for target_id in ids:
                known = supplies.get(target_id, ())
                mine = any(each.job_id == source.job.id and each.is_live for each in known)
                if not mine or any(each.job_id != source.job.id and each.is_live for each in known):
                    continue
                there = desk.stores.directory.get(kind, target_id)
                if there is not None and there.lifecycle is Lifecycle.PRESENT:
                    desk.stores.directory.set_lifecycle(kind, target_id, Lifecycle.SOFT_DELETED, desk.now())
                    gone += 1
        if after is None:
            return gone


def _source(
    desk: Desk, application: EnterpriseApplication, page: GalleryPage, job: SynchronizationJob, standing: Standing
) -> Source:
    state = desk.stores.mirrors.state(job.id)
    return Source(application=application, page=page, job=job, mirror=state, standing=standing)


def _source_job(desk: Desk, service_principal_id: str, job_id: str) -> SynchronizationJob:
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    application = find_application(desk, job.service_principal_id)
    if not template_of(desk, application).is_source:
        raise bad_request(f"{application.display_name} is an application, no source.")
    return job


def _note(
    desk: Desk, activity: str, job: SynchronizationJob, changes: tuple[tuple[str, str | None, str | None], ...]
) -> None:
    desk.note(activity, CATEGORY, target=("SynchronizationJob", job.id, job.id), changes=changes)
