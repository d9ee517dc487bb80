"""The job of SCIM clients: its thresholds, its log, and the hours of it that count what clients take away.

There is one for all clients of an installation, made with it. It reads nothing and is never due:
clients write when they like. What they do within an hour is one cycle of it, so that what a day has taken away is known
after a restart and to every process.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from muster.administration.desk import Desk
from muster.administration.own_jobs import own_job_id
from muster.gallery.catalogue import clients_page
from muster.model.application import SecretKey
from muster.model.failures import Fenced
from muster.model.hold import HoldCode, HoldFilter
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    QuarantineReason,
    SynchronizationJob,
)
from muster.planning.notices import notice_of_quarantine, read_notification_settings
from muster.planning.policy import Population, RemovalKind
from muster.planning.safeguards import Safeguards, read_safeguards

DAY = timedelta(hours=24)
# What clients of one hour took away, by kind; and how much there was, as its first removal found it.
_REMOVED = "removed"
_POPULATION = "population"
# Of whom it was, as marks; more than so many in an hour are counted without being remembered.
_OF_WHOM = "ofWhom"
_REMEMBERED = 1_000
_MARK_LENGTH = 12
_FRESH = timedelta(minutes=1)
# A day has its hours, and the one in which it began.
_HOURS = 25


def is_of_clients(job: SynchronizationJob) -> bool:
    """Whether it is the job of SCIM clients."""
    return job.template_id == clients_page().job_template_id


def find_standing_job(desk: Desk) -> SynchronizationJob | None:
    """Returns the job of SCIM clients; None before the installation's own jobs are made."""
    return desk.stores.jobs.get(own_job_id(clients_page(), desk.tenant_id))


def standing_job(desk: Desk) -> SynchronizationJob:
    """Returns the job of SCIM clients, which was made with the installation."""
    found = find_standing_job(desk)
    if found is None:
        raise LookupError("The installation has no job of SCIM clients.")
    return found


def end_quarantine(desk: Desk) -> None:
    """Ends the quarantine of the job of SCIM clients if nothing of it waits for a decision any more."""
    job = find_standing_job(desk)
    if job is not None:
        lift_if_decided(desk, job)


def lift_if_decided(desk: Desk, job: SynchronizationJob) -> None:
    """Ends the quarantine once nothing waits for a decision any more."""
    kept = job.quarantine
    if kept is None or kept.reason is not QuarantineReason.TOO_MANY_DELETES:
        return
    waiting, _ = desk.stores.holds.list(job.id, HoldFilter(code=HoldCode.TOO_MANY), 1, None)
    if not waiting:
        notice = notice_of_quarantine(job, None, at=desk.now())
        desk.stores.jobs.set_quarantine(job.id, None, notice=notice)


def safeguards_of(desk: Desk, job: SynchronizationJob) -> Safeguards:
    """Returns what keeps clients from taking away too much."""
    secrets = desk.stores.secrets.get(job.service_principal_id)
    return read_safeguards(job.settings, read_notification_settings(secrets.get(SecretKey.SYNC_NOTIFICATION_SETTINGS)))


def hour_of(desk: Desk, job: SynchronizationJob) -> Cycle:
    """Returns the cycle of this hour, held for the transaction: whoever else counts waits for its end."""
    at = desk.now()
    cycle_id = f"{job.id}.{at:%Y%m%d%H}"
    if desk.stores.cycles.get(cycle_id) is None:
        hour = Cycle(
            id=cycle_id,
            job_id=job.id,
            kind=CycleKind.INCREMENTAL,
            state=CycleState.SUCCEEDED,
            phase=CyclePhase.DONE,
            position=None,
            window_after=0,
            window_until=0,
            epoch=1,
            counters=Counters(),
            began_at=at,
            ended_at=at,
        )
        try:
            desk.stores.cycles.begin(hour)
            desk.stores.cycles.close(hour, None)
        except Fenced:
            # Another process has just begun it.
            pass
    return desk.stores.cycles.take_over(cycle_id)


def close_hour(desk: Desk, cycle: Cycle) -> None:
    """Keeps the counters of an hour; it has lasted until now."""
    desk.stores.cycles.close(replace(cycle, ended_at=desk.now(), progressed_at=desk.now()), None)


def with_removed(cycle: Cycle, counted: Mapping[RemovalKind, int], of: str) -> Cycle:
    """Returns the hour with more that was taken away, and of whom: whoever is switched on and off again counts once."""
    removed = _add(_removed_in(cycle), counted)
    shown = json.dumps({kind.value: count for kind, count in removed.items()})
    of_whom = [*_of_whom(cycle), _mark(of)][-_REMEMBERED:]
    return replace(cycle, options={**cycle.options, _REMOVED: shown, _OF_WHOM: json.dumps(of_whom)})


def day_of(desk: Desk, hour: Cycle) -> list[Cycle]:
    """Returns the hours of the last 24 in which clients took something away; of its own the caller may know more."""
    since: datetime = desk.now() - DAY
    history = desk.stores.cycles.history(hour.job_id, _HOURS)
    recent = [each for each in history if each.ended_at is not None and each.ended_at > since]
    return [hour if each.id == hour.id else each for each in recent]


def was_counted(day: Iterable[Cycle], of: str) -> bool:
    """Whether the same was counted within a day already."""
    mark = _mark(of)
    return any(mark in _of_whom(each) for each in day)


def removed_in(day: Iterable[Cycle]) -> dict[RemovalKind, int]:
    """Returns what clients took away in a day without anybody's approval."""
    counted: dict[RemovalKind, int] = {}
    for each in day:
        counted = _add(counted, _removed_in(each))
    return counted


def with_population(
    desk: Desk, cycle: Cycle, gone: Mapping[RemovalKind, int], *, anew: bool = False
) -> tuple[Cycle, Population]:
    """Returns how much clients have to lose, and the hour with it: counted once an hour, or anew (a minute later).

    `gone`: what was taken away within the day. It counts: else the more are gone, the fewer may go.
    """
    kept = json.loads(cycle.options.get(_POPULATION, "[]"))
    # Counting everybody is dear: who is held by a share is held for a minute by the same one.
    is_stale = len(kept) < 4 or (anew and not 0 <= desk.now().timestamp() - kept[3] < _FRESH.total_seconds())
    if is_stale:
        given = desk.stores.inbound.given()
        groups = given.groups + gone.get(RemovalKind.GROUP_DELETE, 0)
        people = given.people + gone.get(RemovalKind.DELETE, 0)
        members = given.members + gone.get(RemovalKind.MEMBER_REMOVAL, 0)
        shown = json.dumps([people + groups, groups, members, int(desk.now().timestamp())])
        cycle = replace(cycle, options={**cycle.options, _POPULATION: shown})
    linked, groups, members, _ = json.loads(cycle.options[_POPULATION])
    # Somebody who is taken away is one of at least one, whoever gave them.
    return cycle, Population(linked=max(linked, 1), groups=max(groups, 1), members=max(members, 1))


def _of_whom(cycle: Cycle) -> list[str]:
    return list(json.loads(cycle.options.get(_OF_WHOM, "[]")))


def _mark(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:_MARK_LENGTH]


def _removed_in(cycle: Cycle) -> dict[RemovalKind, int]:
    return {RemovalKind(kind): count for kind, count in json.loads(cycle.options.get(_REMOVED, "{}")).items()}


def _add(one: Mapping[RemovalKind, int], other: Mapping[RemovalKind, int]) -> dict[RemovalKind, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in {**one, **other}}
