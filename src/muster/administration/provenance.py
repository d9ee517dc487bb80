"""Where the values of a directory object come from, and what may be edited by hand: not what a source supplies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from muster.administration.desk import Desk
from muster.administration.inbound.documents import read_user
from muster.administration.refusals import bad_request
from muster.gallery.catalogue import find_inbound
from muster.model.directory import DirectoryObject, ObjectKind
from muster.model.log import LogEntry, LogStatus
from muster.model.roles import Permission
from muster.model.schema_document import read_schema
from muster.planning.precedence import EXISTENCE, Standing, owners, read_standing
from muster.ports.applications import ApplicationStore, JobStore
from muster.ports.cycles import LogQuery

_LOOKED_BACK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The source whose word counts for a value; a SCIM client has neither application nor job."""

    name: str
    source_id: str
    service_principal_id: str | None = None
    job_id: str | None = None
    # When the source last changed the value, or took it up as it was; None: longer ago than the log goes back, or who
    # asks may not read it.
    since: datetime | None = None


def standings(jobs: JobStore, applications: ApplicationStore) -> dict[str, Standing]:
    """Returns the standing of every source by job id."""
    found = {}
    for job in jobs.list():
        page = find_inbound(job.template_id)
        if page is None or not page.is_source:
            continue
        application = applications.get(job.service_principal_id)
        if application is not None:
            schema = read_schema(jobs.schema(job.id).document)
            since = job.created_at.isoformat()
            found[job.id] = read_standing(job.id, application.display_name, since, job.settings, schema)
    return found


def origins(desk: Desk, found: DirectoryObject) -> Mapping[str, Origin]:
    """Returns by attribute which source supplies it; what is not named was entered here. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    known = standings(desk.stores.jobs, desk.stores.applications)
    shown = _given_by_client(desk, found)
    if not known:
        return shown
    supplies = desk.stores.supplies.supplies(found.kind, [found.object_id]).get(found.object_id, ())
    by_job = {supply.job_id: supply for supply in supplies}
    edited = desk.stores.supplies.edited([found.object_id]).get(found.object_id, ())
    for attribute, owner in owners(known, supplies).items():
        job = desk.stores.jobs.get(owner.job_id)
        if job is None or (attribute in edited and owner.lets_edit(attribute)):
            continue
        shown[attribute] = Origin(
            name=owner.name,
            service_principal_id=job.service_principal_id,
            job_id=owner.job_id,
            source_id=by_job[owner.job_id].source_id,
        )
    return shown


def dated_origins(desk: Desk, found: DirectoryObject) -> Mapping[str, Origin]:
    """Returns the origins with since when each value stands, as far as the logs of sources tell. Raises: Refused."""
    shown = dict(origins(desk, found))
    changed: dict[tuple[str, str], Mapping[str, datetime]] = {}
    first: dict[tuple[str, str], datetime | None] = {}
    for attribute, origin in shown.items():
        sp, job_id = origin.service_principal_id, origin.job_id
        if sp is None or job_id is None or not desk.caller.may_on(Permission.READ_LOGS, sp):
            continue
        place = job_id, origin.source_id
        if place not in changed:
            query = LogQuery(job_id=job_id, source_id=origin.source_id, limit=_LOOKED_BACK)
            entries, more = desk.stores.log.search(query)
            done = [entry.at for entry in entries if entry.status is LogStatus.SUCCESS]
            changed[place] = last_changes(entries)
            # What was never changed was so when the source was first linked, if the log has that.
            first[place] = done[-1] if done and more is None else None
        shown[attribute] = replace(origin, since=changed[place].get(attribute, first[place]))
    return shown


def last_changes(entries: Sequence[LogEntry]) -> dict[str, datetime]:
    """Returns when each attribute was last changed at the target. Entries come newest first."""
    found: dict[str, datetime] = {}
    for entry in entries:
        if entry.status is LogStatus.SUCCESS:
            for changed in entry.modified:
                found.setdefault(changed.display_name, entry.at)
    return found


def _given_by_client(desk: Desk, found: DirectoryObject) -> dict[str, Origin]:
    """What stands as a SCIM client gave it."""
    place = desk.stores.inbound.get(found.kind, found.object_id)
    if place is None or place.record is None:
        return {}
    record = place.record
    document = orjson.loads(record.content)
    given = read_user(document) if found.kind is ObjectKind.USER else {"displayName": document.get("displayName")}
    origin = Origin(name=f"SCIM client {record.client_name}", source_id=record.external_id or found.object_id)
    return {name: origin for name, value in given.items() if value is not None and value == found.attributes.get(name)}


def claim(desk: Desk, found: DirectoryObject, names: Collection[str]) -> None:
    """Checks that attributes may be edited by hand, and notes that where it comes before sources. Raises: Refused."""
    known = require_unowned(desk, found, names)
    if any(standing.local_first for standing in known.values()):
        desk.stores.supplies.note_edits(found.object_id, names)


def require_unowned(desk: Desk, found: DirectoryObject, names: Collection[str]) -> Mapping[str, Standing]:
    """Checks that attributes may be edited by hand; returns the sources that were asked. Raises: Refused."""
    known = standings(desk.stores.jobs, desk.stores.applications)
    if not known or not names:
        return {}
    supplies = desk.stores.supplies.supplies(found.kind, [found.object_id]).get(found.object_id, ())
    # Whom a source no longer has may be removed here, too.
    owned = owners(known, supplies if set(names) != {EXISTENCE} else [each for each in supplies if each.is_live])
    for name in sorted(names):
        owner = owned.get(name)
        if owner is not None and not owner.lets_edit(name):
            what = found.display_name if name == EXISTENCE else f"{name} of {found.display_name}"
            raise bad_request(
                f"{what} comes from the source {owner.name}: change it there. (Or let edits by hand come first: "
                f"setting LocalEditsFirst of that source's job.)",
                code="SuppliedBySource",
            )
    return known
