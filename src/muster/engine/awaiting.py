"""A cycle of a job that asks for approval: what it holds is kept as a plan, and somebody is told."""

from muster.engine.parts import EngineStores, JobParts
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldFilter
from muster.model.job import Counters, Cycle, Plan, PlanKind
from muster.model.notice import Cause
from muster.model.operation import Operation, OperationKind
from muster.planning.notices import CAUSES_SHOWN, notice_of_approval
from muster.planning.plan import lookups_needed, plan_hash, requests_needed, time_needed
from muster.ports.world import Clock

# More than that are read and decided by cause, not as one document.
OPERATIONS_LIMIT = 10_000
_PAGE = 500


def ask_for_approval(cycle: Cycle, parts: JobParts, stores: EngineStores, clock: Clock) -> None:
    """Keeps what waits for approval as a plan and tells of it, once a cycle, however often this is called for it."""
    if not cycle.counters.held:
        # Nothing new: whoever decides was told.
        return
    waiting = HoldFilter(code=HoldCode.APPROVAL)
    groups = stores.holds.groups(cycle.job_id, waiting)
    count = sum(group.count for group in groups)
    if not count:
        return
    if count <= OPERATIONS_LIMIT and stores.plans.get(_plan_id(cycle)) is None:
        held = [
            HeldOperation(operation=each.operation, hold_code=each.code, reason=each.reason)
            for each in _holds(stores, cycle.job_id, waiting)
        ]
        stores.plans.add(_plan(cycle, parts, clock, [item.operation for item in held]), held=held)
    causes = held_causes(stores, cycle.job_id, HoldCode.APPROVAL)
    stores.notifier.notify(notice_of_approval(parts.job, count, causes, clock.now(), cycle.id))


def held_causes(stores: EngineStores, job_id: str, code: HoldCode) -> tuple[Cause, ...]:
    """Returns what brought about most of what is held, as notices show it."""
    groups = stores.holds.groups(job_id, HoldFilter(code=code))[:CAUSES_SHOWN]
    return tuple(
        Cause(
            code=group.operation_kind,
            sentence=f"{group.cause.sentence if group.cause is not None else group.code.value}.",
            remedy="",
            count=group.count,
        )
        for group in groups
    )


def _plan_id(cycle: Cycle) -> str:
    return f"{cycle.id}.approval"


def _holds(stores: EngineStores, job_id: str, wanted: HoldFilter) -> list[Hold]:
    found: list[Hold] = []
    after: str | None = None
    while True:
        page, after = stores.holds.list(job_id, wanted, _PAGE, after)
        found += page
        if after is None:
            return found


def _plan(cycle: Cycle, parts: JobParts, clock: Clock, operations: list[Operation]) -> Plan:
    kinds = [operation.kind for operation in operations]
    # Once they are approved they are decided anew.
    members_per_request = parts.target.capabilities.members_per_request
    requests = requests_needed(operations, members_per_request=members_per_request) + lookups_needed(operations)
    return Plan(
        id=_plan_id(cycle),
        job_id=cycle.job_id,
        hash=plan_hash((), operations),
        made_at=clock.now(),
        counters=Counters(
            evaluated=cycle.counters.evaluated,
            created=kinds.count(OperationKind.CREATE),
            updated=kinds.count(OperationKind.UPDATE),
            disabled=kinds.count(OperationKind.DISABLE),
            deleted=kinds.count(OperationKind.DELETE),
            references=kinds.count(OperationKind.REFER),
            held=len(operations),
        ),
        requests=requests,
        duration=time_needed(requests, parts.target.capabilities.requests_per_second),
        window_after=cycle.window_after,
        window_until=cycle.window_until,
        kind=PlanKind.APPROVAL,
        cycle_id=cycle.id,
    )
