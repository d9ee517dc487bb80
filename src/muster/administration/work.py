"""Work for the running engine: plans, their application, cycles at once, on-demand provisioning, imports."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from muster.administration.applications import find_application, require_run
from muster.administration.desk import Change, Desk
from muster.administration.holds import DECIDED_AT_ONCE, approve
from muster.administration.jobs import find_job
from muster.administration.refusals import bad_request, conflict, not_found
from muster.gallery.catalogue import FILE_TEMPLATE_ID, find
from muster.model.directory import ObjectKind
from muster.model.hold import Hold, HoldFilter, HoldState
from muster.model.job import (
    CycleKind,
    CycleState,
    Plan,
    PlanGroup,
    PlanKind,
    PlannedOperation,
    PlanPart,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.log import LogEntry, LogStatus
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.model.schema_document import read_schema
from muster.ports.administration import Work, WorkKind
from muster.ports.cycles import LogQuery

CATEGORY = "ProvisioningManagement"
_NAMED = 10
# What a plan only tells: applied, nothing comes of it.
_TOLD = (OperationKind.SKIP, OperationKind.FAIL)
IMPORT_BYTES = 64 * 1024 * 1024
IMPORT_SUFFIXES = (".csv", ".json", ".ldif")
# Entra takes five; more than a group has is a mistake.
MEMBERS_ON_DEMAND = 10_000

# What a caller needs to look at a piece of work.
_NEEDED = {WorkKind.IMPORT: Permission.WRITE_DIRECTORY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody to provision on demand; a group with some of its members."""

    object_id: str
    kind: ObjectKind = ObjectKind.USER
    member_ids: tuple[str, ...] = ()


def ask_for_plan(desk: Desk, service_principal_id: str, job_id: str) -> Work:
    """Returns the queued making of a plan: what a cycle would do now. Raises: Refused."""
    job = _job_to_run(desk, service_principal_id, job_id)
    return _queue(desk, WorkKind.PLAN, job.id, {})


def ask_for_apply(desk: Desk, service_principal_id: str, job_id: str, name: str) -> Work:
    """Returns the queued application of a plan. Raises: Refused, also for one that was applied or does nothing."""
    _job_to_run(desk, service_principal_id, job_id)
    plan = find_plan(desk, service_principal_id, job_id, name)
    if plan.applied_at is not None:
        raise conflict(f"Plan {plan.hash} was applied at {plan.applied_at:%Y-%m-%dT%H:%M:%SZ}: make a new one.")
    if not does_anything(plan):
        raise conflict(f"There is nothing to do: plan {plan.hash} has nothing to apply.", code="NothingToApply")
    if plan.kind is PlanKind.APPROVAL:
        return _approve_plan(desk, service_principal_id, job_id, plan)
    changes: tuple[Change, ...] = ()
    if plan.kind is PlanKind.ROLLBACK:
        job = find_job(desk, service_principal_id, job_id)
        changes = (("cycle taken back", None, plan.cycle_id),)
        if job.schedule_state is ScheduleState.ACTIVE:
            # Else its next cycle does again what is taken back.
            desk.stores.jobs.set_schedule(job.id, ScheduleState.PAUSED)
            changes += (("schedule.state", ScheduleState.ACTIVE.value, ScheduleState.PAUSED.value),)
    desk.note("Apply plan", CATEGORY, target=("SynchronizationJob", plan.job_id, plan.hash), changes=changes)
    return _queue(desk, WorkKind.APPLY, plan.job_id, {"planId": plan.id, "hash": plan.hash})


def does_anything(plan: Plan) -> bool:
    """Whether anything comes of a plan once it is applied."""
    # Applied, what was held for approval is approved.
    part = PlanPart.HELD if plan.kind is PlanKind.APPROVAL else PlanPart.SENT
    return plan.sums.count(part, *(kind for kind in OperationKind if kind not in _TOLD)) > 0


def _approve_plan(desk: Desk, service_principal_id: str, job_id: str, plan: Plan) -> Work:
    """Approves what a plan of a job that asks for approval shows, and asks for the cycle that sends it.

    What was rejected one by one stays rejected. Raises: Refused when anything of it was sent or has changed since.
    """
    job = find_job(desk, service_principal_id, job_id)
    if job.schedule_state is not ScheduleState.ACTIVE:
        raise conflict("The job is not started: start provisioning, then apply the plan.")
    names = _held_in(desk, plan)
    ids = list(names)
    found = {hold.id: hold for hold in _holds(desk, job.id, ids)}
    unseen = _changed_since(desk, tuple(found.values()))
    moved = [name for change_id, name in names.items() if change_id not in found or change_id in unseen]
    if moved:
        more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
        raise conflict(
            f"The world has moved since the plan was made: {', '.join(moved[:_NAMED])}{more} went or have changed. "
            "Look at what is held after the next cycle.",
            code="HeldOperationChanged",
        )
    open_ids = [each for each in ids if found[each].state is HoldState.HELD]
    for start in range(0, len(open_ids), DECIDED_AT_ONCE):
        part = HoldFilter(ids=tuple(open_ids[start : start + DECIDED_AT_ONCE]))
        approve(desk, service_principal_id, job_id, part)
    desk.stores.plans.mark_applied(plan.id, desk.now())
    desk.note("Apply plan", CATEGORY, target=("SynchronizationJob", plan.job_id, plan.hash))
    return _queue(desk, WorkKind.RUN_CYCLE, job.id, {"hash": plan.hash})


def _held_in(desk: Desk, plan: Plan) -> Mapping[str, str]:
    """Returns change id -> name of what a plan holds."""
    found: dict[str, str] = {}
    after = 0
    while page := desk.stores.plans.operations(plan.id, PlanPart.HELD, DECIDED_AT_ONCE, after):
        found.update((each.operation.change_id, each.operation.source_name) for each in page)
        after = page[-1].number
    return found


def _holds(desk: Desk, job_id: str, ids: Sequence[str]) -> Iterator[Hold]:
    states = (HoldState.HELD, HoldState.APPROVED, HoldState.REJECTED)
    for start in range(0, len(ids), DECIDED_AT_ONCE):
        part = HoldFilter(ids=tuple(ids[start : start + DECIDED_AT_ONCE]), states=states)
        yield from desk.stores.holds.list(job_id, part, DECIDED_AT_ONCE, None)[0]


def _changed_since(desk: Desk, held: Sequence[Hold]) -> Collection[str]:
    """Returns the ids of holds whose object has changed after the cycle that last looked at it."""
    changed: set[str] = set()
    for start in range(0, len(held), DECIDED_AT_ONCE):
        part = held[start : start + DECIDED_AT_ONCE]
        now = {each.object_id: each.seq for each in desk.stores.directory.by_ids([hold.source_id for hold in part])}
        changed.update(hold.id for hold in part if now.get(hold.source_id, 0) > hold.operation.source_seq)
    return changed


def ask_for_rollback(desk: Desk, service_principal_id: str, job_id: str, cycle_id: str) -> Work:
    """Returns the queued making of a plan that takes back what a cycle has done. Raises: Refused."""
    job = _job_to_run(desk, service_principal_id, job_id)
    cycle = desk.stores.cycles.get(cycle_id)
    if cycle is None or cycle.job_id != job.id:
        raise not_found("Cycle", cycle_id)
    if cycle.state is CycleState.RUNNING:
        raise conflict("The cycle is running: wait for its end, or pause the job.")
    return _queue(desk, WorkKind.ROLLBACK, job.id, {"cycleId": cycle.id})


def ask_for_cycle(desk: Desk, service_principal_id: str, job_id: str, *, kind: CycleKind | None = None) -> Work:
    """Returns the queued wish for a cycle at once, without waiting for the interval: the next, or a reconciliation.

    Raises: Refused.
    """
    job = _job_to_run(desk, service_principal_id, job_id)
    if kind not in (None, CycleKind.RECONCILIATION):
        raise bad_request("A cycle is asked for as it comes, or as a reconciliation.")
    if kind is None:
        return _queue(desk, WorkKind.RUN_CYCLE, job.id, {})
    desk.note("Reconcile", CATEGORY, target=("SynchronizationJob", job.id, job.id))
    return _queue(desk, WorkKind.RUN_CYCLE, job.id, {"kind": kind.value})


def ask_for_provisioning(
    desk: Desk, service_principal_id: str, job_id: str, rule_id: str | None, subject: Subject, *, preview: bool = False
) -> Work:
    """Returns the queued provisioning of one user, or of a group with members of it; or of its preview.

    Raises: Refused.
    """
    job = _job_to_run(desk, service_principal_id, job_id)
    rules = read_schema(desk.stores.jobs.schema(job.id).document).rules
    if rule_id is not None and all(rule.id != rule_id for rule in rules):
        known = ", ".join(rule.id for rule in rules)
        raise bad_request(f"The job has no synchronization rule “{rule_id[:100]}”; it has {known}.")
    found = desk.stores.directory.get(subject.kind, subject.object_id)
    if found is None:
        raise not_found(subject.kind.value, subject.object_id)
    if len(subject.member_ids) > MEMBERS_ON_DEMAND:
        raise bad_request(f"At most {MEMBERS_ON_DEMAND:,} members can be named.")
    if subject.member_ids and subject.kind is not ObjectKind.GROUP:
        raise bad_request("Only a group has members that can be named.")
    payload = {
        "ruleId": rule_id or rules[0].id,
        "objectId": found.object_id,
        "objectTypeName": subject.kind.value,
        "memberIds": list(subject.member_ids),
        "preview": preview,
    }
    return _queue(desk, WorkKind.PROVISION_ON_DEMAND, job.id, payload)


def import_file(desk: Desk, file_name: str, content: bytes, *, preview: bool = False) -> Work:
    """Returns the queued import of an uploaded file into the directory, or of its plan only. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    name = file_name.replace("\\", "/").rpartition("/")[2]
    if not name.lower().endswith(IMPORT_SUFFIXES):
        raise bad_request(f"Files named {', '.join('*' + suffix for suffix in IMPORT_SUFFIXES)} can be imported.")
    if not content.strip():
        raise bad_request(f"The file {name} is empty.")
    if len(content) > IMPORT_BYTES:
        raise bad_request(f"{name} is larger than {IMPORT_BYTES // 1024 // 1024} MiB: split it.")
    path = desk.uploads.keep(desk.ids.new_id(), name, content)
    if not preview:
        desk.note("Import directory objects", "UserManagement", target=("File", name, name))
    payload = {"file": path, "fileName": name, "preview": preview, "notices": desk.uploads.notices(content)}
    return _queue(desk, WorkKind.IMPORT, import_job_id(desk), payload)


def find_work(desk: Desk, work_id: str) -> Work:
    """Returns a piece of work as it stands. Raises: Refused."""
    work = desk.stores.work.get(work_id)
    job = None if work is None else desk.stores.jobs.get(work.job_id)
    needed = Permission.READ_CONFIGURATION if work is None else _NEEDED.get(work.kind, Permission.READ_CONFIGURATION)
    is_open = desk.caller.may(needed) if job is None else desk.caller.may_on(needed, job.service_principal_id)
    # Who may not look at it does not learn that it exists.
    if work is None or not is_open:
        raise not_found("Work", work_id)
    return work


def find_plan(desk: Desk, service_principal_id: str, job_id: str, name: str) -> Plan:
    """Returns a plan by id, hash or the beginning of one. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    job = find_job(desk, service_principal_id, job_id)
    plan = desk.stores.plans.get(name)
    if plan is None or plan.job_id != job.id:
        raise not_found("Plan", name)
    return plan


def find_import_plan(desk: Desk, asked: Work) -> Plan | None:
    """Returns the plan of a file that was only looked at; None where there is none. Raises: Refused."""
    desk.require(_NEEDED[WorkKind.IMPORT])
    plan = desk.stores.plans.get(str((asked.answer or {}).get("planId")))
    return plan if plan is not None and plan.job_id == asked.job_id else None


def left_out(desk: Desk, asked: Work, limit: int) -> Sequence[LogEntry]:
    """Returns the first rows that an import has left out, as the log says why. Raises: Refused."""
    desk.require(_NEEDED[WorkKind.IMPORT])
    cycle_id = (asked.answer or {}).get("cycleId")
    if cycle_id is None:
        return ()
    query = LogQuery(cycle_id=cycle_id, status=LogStatus.FAILURE.value, ascending=True, limit=limit)
    return desk.stores.log.search(query)[0]


def planned(
    desk: Desk, plan: Plan, part: PlanPart, limit: int, after: int = 0, *, group: PlanGroup | None = None
) -> tuple[Sequence[PlannedOperation], int | None]:
    """Returns a page of a plan's operations (of one of its groups), and the number to go on after. Raises: Refused."""
    # What a file does to people is for whoever may import it, too.
    if plan.job_id != import_job_id(desk) or not desk.may(_NEEDED[WorkKind.IMPORT]):
        desk.require(Permission.READ_CONFIGURATION)
    others = _told_beside(plan, group)
    found = desk.stores.plans.operations(plan.id, part, limit + 1, after, group=group, besides=others)
    page = found[:limit]
    return page, page[-1].number if len(found) > limit else None


def _told_beside(plan: Plan, group: PlanGroup | None) -> Sequence[str]:
    """Returns the keys of the groups that are told beside the rest of a kind; none for what is no group of the plan."""
    groups = plan.sums.groups
    if group is None or group.key or group not in groups:
        return ()
    return [each.key for each in groups if each.key and (each.part, each.kind) == (group.part, group.kind)]


def failed_that_wait(desk: Desk, plan: Plan) -> tuple[int, datetime | None]:
    """Returns how many objects have failed and were not due when a plan was made, and when the first of them is."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.links.not_due(plan.job_id, plan.made_at)


def plans(
    desk: Desk, service_principal_id: str, job_id: str, limit: int, after: str | None = None
) -> tuple[Sequence[Plan], str | None]:
    """Returns the job's plans, newest first, and the key to go on after. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.plans.list(find_job(desk, service_principal_id, job_id).id, limit, after)


def import_job_id(desk: Desk) -> str:
    """Returns the installation's inbound job, which carries files and uploads into the directory."""
    page = find(FILE_TEMPLATE_ID)
    template_id = FILE_TEMPLATE_ID if page is None else page.job_template_id
    known = (job.id for job in desk.stores.jobs.list() if job.template_id == template_id)
    return next(known, template_id)


def _job_to_run(desk: Desk, service_principal_id: str, job_id: str) -> SynchronizationJob:
    """Returns a job that the caller may run; that of a source writes people, which they must be allowed as well."""
    desk.require(Permission.RUN_JOBS)
    job = find_job(desk, service_principal_id, job_id)
    page = find(job.template_id)
    if page is not None and page.is_source:
        desk.require(Permission.WRITE_DIRECTORY)
    require_run(desk, find_application(desk, job.service_principal_id))
    return job


def _queue(desk: Desk, kind: WorkKind, job_id: str, payload: Mapping[str, Any]) -> Work:
    work = Work(
        id=desk.ids.new_id(),
        kind=kind,
        job_id=job_id,
        payload=payload,
        asked_by=desk.caller.display_name,
        initiator=desk.initiator,
        asked_at=desk.now(),
        state="queued",
    )
    desk.stores.work.add(work)
    return work
