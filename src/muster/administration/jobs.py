"""Synchronization jobs: made from a template, started, paused, restarted, removed; their cycles."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import takewhile

from muster.administration.applications import (
    find_application,
    find_template,
    require_managed,
    stop_cycle,
    template_of,
)
from muster.administration.credentials import check_connection
from muster.administration.desk import Change, Desk
from muster.administration.provenance import standings
from muster.administration.refusals import bad_request, conflict, not_found
from muster.gallery.catalogue import own_pages
from muster.model.application import EnterpriseApplication, SecretKey
from muster.model.directory import ObjectKind
from muster.model.durations import write_duration
from muster.model.hold import HoldCode, HoldFilter, HoldState
from muster.model.job import (
    DEFAULT_DOMAIN_SETTING,
    DEFAULT_INTERVAL,
    TRANSITIVE_GROUPS_SETTING,
    Cycle,
    CycleKind,
    CycleState,
    JobCode,
    QuarantineReason,
    ResetScope,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.roles import Permission
from muster.model.wire import WIRE_LOG_UNTIL_SETTING
from muster.planning.health import standstill
from muster.planning.precedence import ORDER_SETTINGS
from muster.planning.safeguards import PROTECTION_SETTINGS, find_safeguard_problems
from muster.planning.safeguards import SETTINGS as SAFEGUARD_SETTINGS
from muster.planning.terms import find_setting_problems, setting_names

CATEGORY = "ProvisioningManagement"
SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(hours=24)
JOBS_AN_APPLICATION = 50
FORCE_DELETES_SETTING = "ForceDeletes"
_SETTING_LIMIT = 10_000

# Who is in scope, or what is mapped.
_SCOPE_SETTINGS = (TRANSITIVE_GROUPS_SETTING, DEFAULT_DOMAIN_SETTING)

_SETTINGS = frozenset(
    {*setting_names(), *SAFEGUARD_SETTINGS, *ORDER_SETTINGS, *_SCOPE_SETTINGS}
    | {FORCE_DELETES_SETTING, WIRE_LOG_UNTIL_SETTING}
)

_SCHEDULED = (CycleKind.INITIAL, CycleKind.INCREMENTAL, CycleKind.RECONCILIATION)
# What a restart forgets when it is not told (Graph: criteria missing or empty).
DEFAULT_SCOPES = frozenset({ResetScope.QUARANTINE_STATE, ResetScope.WATERMARK, ResetScope.ESCROWS})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job with what its status shows."""

    job: SynchronizationJob
    # Running or last, one that takes another back included.
    latest: Cycle | None
    # The same of those that the schedule brings, and the last that succeeded.
    newest: Cycle | None
    last: Cycle | None
    last_succeeded: Cycle | None
    last_with_exports: Cycle | None
    first_steady: Cycle | None
    last_steady: Cycle | None
    linked: Mapping[ObjectKind, int]
    escrowed: int
    # Operations that wait for an administrator's decision.
    held: int
    # Cycles that failed as a whole, one after the other, up to the last one that ended.
    successive_failures: int
    # Since when the running cycle has not come further, if that is longer than it should be.
    stands_since: datetime | None

    @property
    def code(self) -> JobCode:
        """The status code that Graph shows. What belongs to the installation is at work without being started."""
        is_own = any(page.job_template_id == self.job.template_id for page in own_pages())
        return JobCode.ACTIVE if is_own and self.job.code is JobCode.NOT_CONFIGURED else self.job.code


def create_job(desk: Desk, service_principal_id: str, template_id: str | None) -> SynchronizationJob:
    """Returns the new job, disabled until it is started. Raises: Refused.

    The same call again, before the job is started, gives the same job: an answer that was lost makes no second one.
    """
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    page = template_of(desk, application) if template_id is None else find_template(desk, application, template_id)
    if page.why_not_provisioned is not None:
        raise bad_request(page.why_not_provisioned, code="ProvisioningNotSupported")
    existing = {job.id: job for job in desk.stores.jobs.list(application.service_principal_id)}
    job_id = f"{page.job_template_id}.{desk.tenant_id.replace('-', '')}.{application.service_principal_id}"
    if job_id in existing:
        if existing[job_id].schedule_state is ScheduleState.DISABLED:
            return existing[job_id]
        job_id = next(
            f"{job_id}.{number}" for number in range(2, len(existing) + 3) if f"{job_id}.{number}" not in existing
        )
    if len(existing) >= JOBS_AN_APPLICATION:
        raise bad_request(f"An application has at most {JOBS_AN_APPLICATION} jobs: delete one that is not needed.")
    document = {**page.schema_document(), "id": job_id}
    job = SynchronizationJob(
        id=job_id,
        service_principal_id=application.service_principal_id,
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=desk.now(),
    )
    desk.stores.jobs.add(job, document, desk.caller.display_name)
    _note(desk, "Add provisioning configuration", application, job)
    return find_job(desk, application.service_principal_id, job_id)


def find_job(desk: Desk, service_principal_id: str | None, job_id: str) -> SynchronizationJob:
    """Returns a job; with a service principal only if it is one of it. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = desk.stores.jobs.get(job_id)
    if (
        job is None
        or service_principal_id not in (None, job.service_principal_id)
        or not desk.reaches(job.service_principal_id)
    ):
        raise not_found("Synchronization job", job_id)
    return job


def jobs(desk: Desk, service_principal_id: str | None = None) -> Sequence[SynchronizationJob]:
    """Returns the jobs of an application, or all that may be looked at. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return [job for job in desk.stores.jobs.list(service_principal_id) if desk.reaches(job.service_principal_id)]


def status_of(desk: Desk, job: SynchronizationJob) -> JobStatus:
    """Returns what a job's status shows. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    everything = desk.stores.cycles.history(job.id, 50)
    history = [cycle for cycle in everything if cycle.kind in _SCHEDULED]
    ended = [cycle for cycle in history if cycle.state is not CycleState.RUNNING]
    steady = [cycle for cycle in ended if cycle.state in (CycleState.SUCCEEDED, CycleState.ENTRY_LEVEL_ERRORS)]
    succeeded = [cycle for cycle in ended if cycle.state is CycleState.SUCCEEDED]
    return JobStatus(
        job=job,
        latest=next((cycle for cycle in everything if cycle.kind in (*_SCHEDULED, CycleKind.ROLLBACK)), None),
        newest=history[0] if history else None,
        last=ended[0] if ended else None,
        last_succeeded=succeeded[0] if succeeded else None,
        last_with_exports=next((cycle for cycle in succeeded if cycle.counters.writes), None),
        first_steady=steady[-1] if steady else None,
        last_steady=steady[0] if steady else None,
        linked={kind: desk.stores.links.count_links(job.id, kind) for kind in ObjectKind},
        escrowed=desk.stores.links.count_escrows(job.id),
        held=desk.stores.holds.count(job.id).get(HoldState.HELD, 0),
        successive_failures=len(list(takewhile(lambda cycle: cycle.state is CycleState.FAILED, ended))),
        stands_since=None if not history else standstill(job, history[0], desk.now()),
    )


def start(desk: Desk, service_principal_id: str, job_id: str) -> None:
    """Starts a job or lets a paused one go on; lifts a quarantine. Raises: Refused."""
    application, job = _to_run(desk, service_principal_id, job_id)
    secrets, page = desk.stores.secrets.get(job.service_principal_id), template_of(desk, application)
    if page.is_source:
        check_connection(page.connection, secrets)
    elif not secrets.get(SecretKey.BASE_ADDRESS):
        raise bad_request(
            "The job has no credentials: enter the Tenant URL and the secret token and test the connection first.",
            code="CredentialsMissing",
        )
    if job.quarantine is not None:
        desk.stores.jobs.set_quarantine(job.id, None)
    desk.stores.jobs.set_schedule(job.id, ScheduleState.ACTIVE)
    _note(desk, "Enable/start provisioning configuration", application, job, _schedule(job, ScheduleState.ACTIVE))


def pause(desk: Desk, service_principal_id: str, job_id: str) -> None:
    """Pauses a job: the cycle that runs is finished, the state is kept. Raises: Refused."""
    application, job = _to_run(desk, service_principal_id, job_id)
    desk.stores.jobs.set_schedule(job.id, ScheduleState.PAUSED)
    _note(desk, "Disable/pause provisioning configuration", application, job, _schedule(job, ScheduleState.PAUSED))


def restart(desk: Desk, service_principal_id: str, job_id: str, scopes: Collection[ResetScope]) -> None:
    """Restarts a job, forgetting what the scopes name; none given: as Graph does without criteria. Raises: Refused."""
    application, job = _to_run(desk, service_principal_id, job_id)
    reset = _expanded(scopes or DEFAULT_SCOPES)
    if ResetScope.CONNECTOR_DATA_STORE in reset:
        _require_decided(desk, job)
    if ResetScope.WATERMARK in reset or ResetScope.CONNECTOR_DATA_STORE in reset:
        stop_cycle(desk, job)
        desk.stores.jobs.set_watermark(job.id, None)
    drops_links = ResetScope.CONNECTOR_DATA_STORE in reset
    drops_escrows = ResetScope.ESCROWS in reset
    if drops_links or drops_escrows:
        desk.stores.links.reset(job.id, links=drops_links, escrows=drops_escrows)
    if ResetScope.QUARANTINE_STATE in reset:
        desk.stores.jobs.set_quarantine(job.id, None)
    if ResetScope.FORCE_DELETES in reset:
        desk.stores.jobs.set_settings(job.id, {FORCE_DELETES_SETTING: "true"})
        allowed = HoldFilter(code=HoldCode.TOO_MANY)
        desk.stores.holds.decide(job.id, allowed, HoldState.APPROVED, desk.caller.display_name, desk.now())
        if job.quarantine is not None and job.quarantine.reason is QuarantineReason.TOO_MANY_DELETES:
            desk.stores.jobs.set_quarantine(job.id, None)
    kept = find_job(desk, application.service_principal_id, job.id).quarantine
    if kept is not None:
        # Who asks for a restart does not wait for the next attempt.
        desk.stores.jobs.set_quarantine(job.id, replace(kept, next_attempt_at=desk.now()))
    desk.stores.jobs.set_schedule(job.id, ScheduleState.ACTIVE)
    shown = ", ".join(sorted(scope.value for scope in reset)) or ResetScope.NONE.value
    _note(desk, "Enable/restart provisioning configuration", application, job, (("resetScope", None, shown),))


def delete_job(desk: Desk, service_principal_id: str, job_id: str) -> None:
    """Removes a job with its links and cycles; accounts at the target stay. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    job = find_job(desk, application.service_principal_id, job_id)
    stop_cycle(desk, job)
    desk.stores.jobs.remove(job.id)
    _note(desk, "Delete provisioning configuration", application, job)


def set_settings(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    settings: Mapping[str, str],
    *,
    interval: timedelta | None = None,
) -> SynchronizationJob:
    """Returns the job with its settings merged and its interval set. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    job = find_job(desk, application.service_principal_id, job_id)
    merged = dict(settings)
    for name, value in merged.items():
        if len(name) > 100 or len(value) > _SETTING_LIMIT:
            raise bad_request("A setting has a name of up to 100 and a value of up to 10,000 characters.")
    unknown = [_unknown(name) for name, value in merged.items() if name not in _SETTINGS and name not in job.settings]
    problems = [*unknown, *find_setting_problems(merged), *find_safeguard_problems(merged)]
    if _turns(WIRE_LOG_UNTIL_SETTING, job, merged):
        problems.append(f"{WIRE_LOG_UNTIL_SETTING}: the wire log is switched by POST …/wireLog, for 24 hours at most.")
    if problems:
        raise bad_request(" ".join(problems), code="InvalidJobSetting")
    if interval is not None:
        if not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
            raise bad_request("The interval is from one minute (PT1M) to 24 hours (P1D).")
        desk.stores.jobs.set_interval(job.id, interval)
    if merged:
        desk.stores.jobs.set_settings(job.id, merged)
    if any(_turns(name, job, merged) for name in (*_SCOPE_SETTINGS, *PROTECTION_SETTINGS)):
        # Who is in scope, what is mapped, or who is protected is another question now: everybody is looked at again.
        desk.stores.jobs.set_watermark(job.id, None)
    if any(_turns(name, job, merged) for name in ORDER_SETTINGS):
        # Whose word counts is another question now: every source is asked again.
        for each in standings(desk.stores.jobs, desk.stores.applications):
            desk.stores.jobs.set_watermark(each, None)
    changes = [(name, job.settings.get(name), value) for name, value in sorted(merged.items())]
    if interval is not None and interval != job.interval:
        changes.append(("interval", write_duration(job.interval), write_duration(interval)))
    _note(desk, "Update provisioning setting or credentials", application, job, tuple(changes))
    return find_job(desk, application.service_principal_id, job_id)


def cycles(desk: Desk, service_principal_id: str, job_id: str, limit: int) -> Sequence[Cycle]:
    """Returns the job's cycles, newest first; one that runs has live counters. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.cycles.history(find_job(desk, service_principal_id, job_id).id, limit)


def find_cycle(desk: Desk, service_principal_id: str, job_id: str, cycle_id: str) -> Cycle:
    """Returns one cycle of a job. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    found = desk.stores.cycles.get(cycle_id)
    if found is None or found.job_id != job.id:
        raise not_found("Cycle", cycle_id)
    return found


def _unknown(name: str) -> str:
    """Why a setting is not kept that nothing reads: whoever misspells one would believe that it counts."""
    known = {each.lower(): each for each in _SETTINGS}
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    meant = f" Did you mean {known[near[0]]}?" if near else ""
    return f"There is no setting {name}.{meant}"


def _turns(name: str, job: SynchronizationJob, settings: Mapping[str, str]) -> bool:
    before = job.settings.get(name, "")
    return settings.get(name, before).lower() != before.lower()


def _to_run(desk: Desk, service_principal_id: str, job_id: str) -> tuple[EnterpriseApplication, SynchronizationJob]:
    desk.require(Permission.RUN_JOBS)
    application = find_application(desk, service_principal_id)
    require_managed(desk, application)
    return application, find_job(desk, application.service_principal_id, job_id)


def _require_decided(desk: Desk, job: SynchronizationJob) -> None:
    """Refuses to drop links while removals wait: without its link nobody finds a leaver's account again."""
    waiting = desk.stores.holds.count(job.id)
    count = waiting.get(HoldState.HELD, 0) + waiting.get(HoldState.APPROVED, 0)
    if count:
        raise conflict(
            f"Held operations that are undecided or not sent yet: {count}. They would be lost with the links: "
            "approve or reject them, and let a cycle send what is approved, before everything is forgotten.",
            code="HeldOperationsOpen",
        )


def _expanded(scopes: Collection[ResetScope]) -> frozenset[ResetScope]:
    if ResetScope.FULL in scopes:
        return frozenset(
            {*DEFAULT_SCOPES, ResetScope.CONNECTOR_DATA_STORE, *(set(scopes) & {ResetScope.FORCE_DELETES})}
        )
    return frozenset(scope for scope in scopes if scope is not ResetScope.NONE)


def _schedule(job: SynchronizationJob, state: ScheduleState) -> tuple[Change, ...]:
    return (("schedule.state", job.schedule_state.value, state.value),)


def _note(
    desk: Desk,
    activity: str,
    application: EnterpriseApplication,
    job: SynchronizationJob,
    changes: tuple[Change, ...] = (),
) -> None:
    desk.note(activity, CATEGORY, target=("SynchronizationJob", job.id, application.display_name), changes=changes)
