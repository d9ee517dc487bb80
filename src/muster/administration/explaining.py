"""Why a person is in or out, how it came to that and through whom, and when they will be done."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any

from muster.administration.desk import Change, Desk
from muster.administration.jobs import find_job
from muster.administration.provenance import dated_origins, last_changes
from muster.administration.refusals import not_found, refusal_of
from muster.gallery.catalogue import find_inbound
from muster.model.directory import ObjectKind
from muster.model.failures import ProvisioningFailure
from muster.model.hold import Hold, HoldState
from muster.model.job import Escrow, ScheduleState, SynchronizationJob
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.roles import Permission
from muster.model.schema_checks import attributes_in
from muster.planning.progress import progress_of
from muster.ports.administration import AuditEntry
from muster.ports.cycles import LogQuery

_LOOKED_BACK = 500
_AUDITS_LOOKED_AT = 2_000
_SHOWN = 20
_DEEPEST = 30
# What is computed for a mapping, by what it is made of.
_STORED_AS = {"originalUserPrincipalName": "userPrincipalName", "IsSoftDeleted": "isSoftDeleted"}
_REMOVALS = (ProvisioningAction.DISABLE, ProvisioningAction.DELETE, ProvisioningAction.STAGED_DELETE)
_ARRIVALS = (ProvisioningAction.CREATE, ProvisioningAction.UPDATE)


def explain(desk: Desk, service_principal_id: str, job_id: str, user: str) -> Mapping[str, Any]:
    """Returns why a person (or group) is in or out of a job, where each value comes from and when it was last sent.

    Besides: the chain from what was last done to the change in the directory and to who made it, and when the person
    will be done. What the log and the audit log tell is left out for who may not read them. Raises: Refused.
    """
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    try:
        explained = dict(desk.engine_room.explain(job.id, user))
    except ProvisioningFailure as failure:
        raise refusal_of(failure) from failure
    if not explained:
        raise not_found("User", user)
    source = explained["source"]
    explained["outlook"] = _outlook(desk, job, ObjectKind(source["type"]), source["id"], explained.get("seq", 0))
    _add_origins(desk, job, explained)
    explained["grants"] = [with_path(desk, source["id"], grant) for grant in explained.get("grants", ())]
    if desk.caller.may_on(Permission.READ_LOGS, job.service_principal_id):
        query = LogQuery(job_id=job.id, source_id=source["id"], limit=_LOOKED_BACK)
        entries = list(desk.stores.log.search(query)[0])
        sent = last_changes(entries)
        for row in explained.get("mappings", ()):
            at = sent.get(row["targetAttribute"])
            row["lastSentDateTime"] = None if at is None else _instant(at)
        explained["history"] = [_told(entry) for entry in entries[:_SHOWN]]
        explained["chain"] = _chain(desk, explained, entries)
    return explained


# ---------------------------------------------------------------- what has been done


def _add_origins(desk: Desk, job: SynchronizationJob, explained: Mapping[str, Any]) -> None:
    """Adds to each mapping where the values that it is made of come from, and since when; what was entered, or imported
    from a single file, comes from no source."""
    rows = explained.get("mappings", ())
    for row in rows:
        row["origins"] = []
    if find_inbound(job.template_id) is not None or not desk.caller.may(Permission.READ_DIRECTORY):
        # What a source has of its own comes from nowhere else.
        return
    source = explained["source"]
    found = desk.stores.directory.get(ObjectKind(source["type"]), source["id"])
    if found is None:
        return
    origins = dated_origins(desk, found)
    for row in rows:
        names = dict.fromkeys(_STORED_AS.get(name, name) for name in attributes_in(row.get("expression") or ""))
        row["origins"] = [
            {
                "attribute": name,
                "source": origin.name,
                "sourceId": origin.source_id,
                "servicePrincipalId": origin.service_principal_id,
                "sinceDateTime": None if origin.since is None else _instant(origin.since),
            }
            for name in names
            if (origin := origins.get(name)) is not None
        ]


def _told(entry: LogEntry) -> dict[str, Any]:
    return {
        "activityDateTime": _instant(entry.at),
        "action": entry.action.value,
        "status": entry.status.value,
        "reason": entry.reason if entry.failure is None else entry.failure.sentence,
        "id": entry.id,
        "cycleId": entry.cycle_id,
        "changeId": entry.change_id,
    }


def _chain(desk: Desk, explained: Mapping[str, Any], entries: list[LogEntry]) -> list[dict[str, Any]]:
    """Returns what was last taken from the person, what brought it about, and who did that; newest first."""
    # Whoever was let in since is out for another reason.
    since = takewhile(lambda entry: not _lets_in(entry), entries)
    removal = next((entry for entry in since if entry.action in _REMOVALS), None)
    if removal is None or explained.get("verdict", {}).get("presence") == "present":
        return []
    cause = explained.get("cause")
    links = [
        {"what": "application", "dateTime": _instant(removal.at), "sentence": removal.reason, "by": "Muster"},
        {
            "what": "decision",
            "dateTime": None,
            "sentence": explained["verdict"]["reason"] if cause is None else cause["sentence"],
            "by": None,
        },
    ]
    changes = [*_entered(desk, explained, removal.at), *_carried_in(desk, explained["source"], removal.at)]
    return [*links, *sorted(changes, key=itemgetter("dateTime"))[-1:]]


def _entered(desk: Desk, explained: Mapping[str, Any], before: datetime) -> Iterator[dict[str, Any]]:
    """Returns the last change by hand."""
    audited = next(_audits(desk, explained, before), None)
    if audited is not None:
        what = f"{audited.activity}: {audited.target_name}"
        yield _told_change(audited.at, what, audited.changes, audited.by.display_name)


def _carried_in(desk: Desk, source: Mapping[str, Any], before: datetime) -> Iterator[dict[str, Any]]:
    """Returns the last change to the person by each import or source that has them."""
    kind, object_id = ObjectKind(source["type"]), source["id"]
    for job in desk.stores.jobs.list():
        page = find_inbound(job.template_id)
        if page is None or not desk.caller.may_on(Permission.READ_LOGS, job.service_principal_id):
            continue
        _, source_id = desk.stores.links.owners(job.id, kind, [object_id]).get(object_id, (None, None))
        if source_id is None:
            continue
        query = LogQuery(job_id=job.id, source_id=source_id, until=before, limit=_LOOKED_BACK)
        done = (entry for entry in desk.stores.log.search(query)[0] if entry.status is LogStatus.SUCCESS)
        found = next((entry for entry in done if entry.action is not ProvisioningAction.OTHER), None)
        if found is not None:
            application = desk.stores.applications.get(job.service_principal_id)
            name = page.display_name if application is None else application.display_name
            changes = [(each.display_name, each.old_value, each.new_value) for each in found.modified]
            by = name if found.initiator is None else found.initiator.display_name
            yield _told_change(found.at, f"{name}: {found.source_name}", changes, by)


def _told_change(at: datetime, what: str, changes: Sequence[Change], by: str) -> dict[str, Any]:
    told = "; ".join(f"{name}: {before or '–'} → {after or '–'}" for name, before, after in changes[:5])
    return {
        "what": "directory",
        "dateTime": _instant(at),
        "sentence": f"{what} ({told})" if told else what,
        "by": by,
    }


def _lets_in(entry: LogEntry) -> bool:
    return entry.action in _ARRIVALS and entry.status is LogStatus.SUCCESS


def _audits(desk: Desk, explained: Mapping[str, Any], before: datetime) -> Iterator[AuditEntry]:
    """Returns, newest first, what administrators did to the person, or to what the person was in by."""
    source, cause = explained["source"], explained.get("cause") or {}
    ids = {source["id"], cause.get("subject") or source["id"]}
    # As an assignment, and the decision on held operations, name somebody.
    name = re.escape(str(source["displayName"]))
    named = re.compile(rf"{source['type']} {name}|(?:\d+: |.*, )\w+ {name}(?:, .*| and \d+ more)?", re.DOTALL)
    after: str | None = None
    seen = 0
    while seen < _AUDITS_LOOKED_AT:
        page, after = desk.stores.audit.search(after=after, limit=_LOOKED_BACK)
        seen += len(page)
        for entry in page:
            told = {part for change in entry.changes for part in change if part}
            is_about = entry.target_id in ids or bool(told & ids) or any(map(named.fullmatch, told))
            if entry.at <= before and is_about:
                yield entry
        if after is None:
            return


def with_path(desk: Desk, source_id: str, grant: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a grant with the way to it: the groups from the person's own up to the one that is assigned."""
    wanted = grant.get("viaId")
    if wanted is None:
        return dict(grant)
    paths: dict[str, list[str]] = {}
    ring: list[tuple[str, list[str]]] = [(source_id, [])]
    known = {source_id}
    for _ in range(_DEEPEST):
        further: list[tuple[str, list[str]]] = []
        for object_id, path in ring:
            for group in desk.stores.directory.groups_of(object_id):
                if group.object_id not in known:
                    known.add(group.object_id)
                    paths[group.object_id] = [*path, group.display_name]
                    further.append((group.object_id, paths[group.object_id]))
        if wanted in paths or not further:
            break
        ring = further
    return {**grant, "path": paths.get(wanted, [grant["via"]])}


# ---------------------------------------------------------------- what is to come


def _outlook(desk: Desk, job: SynchronizationJob, kind: ObjectKind, source_id: str, seq: int) -> dict[str, Any]:
    """Returns when the person will be done: state, expected time, next attempt, how many objects go before at most."""
    now = desk.now()
    escrow = _escrow(desk, job, kind, source_id)
    running = desk.stores.cycles.running(job.id)
    hold = desk.stores.holds.find(job.id, kind, [source_id]).get((source_id, ""))
    outlook: dict[str, Any] = {
        "state": "done",
        "expectedDateTime": None,
        "objectsBefore": None,
        "nextAttempt": None,
        "hold": None if hold is None else _told_hold(hold),
    }
    if escrow is not None:
        # No attempt comes before that of the job itself.
        attempt_at = escrow.next_attempt_at if job.quarantine is None else job.quarantine.next_attempt_at
        outlook["nextAttempt"] = {
            "dateTime": _instant(max(attempt_at, escrow.next_attempt_at, now)),
            "attempts": escrow.attempts,
            "firstFailedDateTime": _instant(escrow.first_failed_at),
            "code": escrow.failure.code,
            "reason": escrow.failure.sentence,
            "recommendedAction": escrow.failure.remedy,
        }
    if hold is not None and hold.state is HoldState.HELD:
        return {**outlook, "state": "held"}
    if job.schedule_state is not ScheduleState.ACTIVE:
        return {**outlook, "state": "stopped"}
    if escrow is not None:
        return {**outlook, "state": "waitsForRetry", "expectedDateTime": outlook["nextAttempt"]["dateTime"]}
    if running is not None and (job.watermark is None or seq > running.window_after):
        progress = progress_of(running)
        left = progress.total - progress.done
        ends_at = progress.expected_end_at if left else now
        return {
            **outlook,
            "state": "inCycle" if left else "done",
            "objectsBefore": left,
            "expectedDateTime": None if ends_at is None else _instant(max(ends_at, now)),
        }
    if job.watermark is not None and seq <= job.watermark:
        return outlook
    if job.quarantine is not None:
        return {**outlook, "state": "quarantine", "expectedDateTime": _instant(job.quarantine.next_attempt_at)}
    began = job.last_cycle_began_at
    waits = job.settings.get("WakeUpOnChange", "true").lower() == "false" and began is not None
    due = max(now, began + job.interval) if waits and began is not None else now + timedelta(seconds=1)
    return {**outlook, "state": "waitsForCycle", "expectedDateTime": _instant(due)}


def _told_hold(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "operation": hold.operation.kind.value,
        "code": hold.code.value,
        "state": hold.state.value,
        "reason": hold.reason,
        "heldDateTime": _instant(hold.held_at),
    }


def _escrow(desk: Desk, job: SynchronizationJob, kind: ObjectKind, source_id: str) -> Escrow | None:
    return desk.stores.links.escrow(job.id, kind, source_id)


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
