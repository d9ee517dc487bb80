"""Plans that take back a cycle: its log read, each object undone as far as it can be."""

from collections.abc import Iterator

from muster.engine.drafting import Draft, planned_counters
from muster.engine.parts import EngineStores, JobParts
from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import ProvisioningFailure
from muster.model.job import Counters, Cycle, CycleState, Irreversible, Plan, PlanKind
from muster.model.log import LogEntry
from muster.model.operation import Link, Operation, Presence, WantedReference
from muster.planning.entitlement import decide_entitlement
from muster.planning.plan import time_needed
from muster.planning.references import plan_references
from muster.planning.rollback import History, read_histories, undo, was_switched_off
from muster.ports.cycles import LogQuery
from muster.ports.source import EvidentSource
from muster.ports.world import Clock, Ids

PAGE = 1_000


class RollbackRefused(ProvisioningFailure):
    """A cycle cannot be taken back as a whole: unknown, running, or no longer in the log."""

    code = "RollbackRefused"
    remedy = "List the cycles of the job, and name one that has ended."


def plan_rollback(parts: JobParts, stores: EngineStores, clock: Clock, ids: Ids, cycle_id: str, draft: Draft) -> Plan:
    """Returns the plan that takes back a cycle, its operations in the draft. Raises: RollbackRefused."""
    cycle = _find_cycle(parts, stores, cycle_id)
    references = {
        kind: frozenset(item.attribute for item in rules.references) for kind, rules in parts.rules.kinds.items()
    }
    histories = read_histories(_read_entries(stores, parts.job.id, cycle), references)
    irreversible: list[Irreversible] = []
    for kind in ObjectKind:
        of_kind = [history for history in histories if history.kind is kind]
        for start in range(0, len(of_kind), PAGE):
            page = of_kind[start : start + PAGE]
            operations: list[Operation] = []
            followers: list[Operation] = []
            links = stores.links.links(parts.job.id, kind, [history.source_id for history in page])
            for history in page:
                undone = undo(
                    history,
                    links.get(history.source_id),
                    parts.rules.kinds.get(kind),
                    change_id=ids.new_id(),
                    cycle_id=cycle_id,
                    kept_out=_kept_out(parts, history),
                )
                irreversible += undone.irreversible
                kept = undone.operation and _unless_protected(parts, undone.operation, irreversible)
                if kept is not None:
                    operations.append(kept)
                followers += _references_back(parts, stores, ids, history, links.get(history.source_id), irreversible)
            draft.keep([*operations, *followers])
    draft.let_go()
    sums = draft.sum_up()
    return Plan(
        id=draft.id,
        job_id=parts.job.id,
        hash=draft.hash,
        made_at=clock.now(),
        counters=planned_counters(Counters(evaluated=len(histories)), sums, 0),
        requests=draft.requests,
        duration=time_needed(draft.requests, parts.target.capabilities.requests_per_second),
        kind=PlanKind.ROLLBACK,
        cycle_id=cycle_id,
        irreversible=tuple(irreversible),
        sums=sums,
    )


def _find_cycle(parts: JobParts, stores: EngineStores, cycle_id: str) -> Cycle:
    cycle = stores.cycles.get(cycle_id)
    if cycle is None or cycle.job_id != parts.job.id:
        raise RollbackRefused(f"The job has no cycle {cycle_id}.")
    if cycle.state is CycleState.RUNNING:
        raise RollbackRefused(f"The cycle {cycle_id} is running.", remedy="Wait for its end, or pause the job.")
    return cycle


def _read_entries(stores: EngineStores, job_id: str, cycle: Cycle) -> Iterator[LogEntry]:
    """Yields what the log says the cycle did, oldest first; a page of it is held at a time. Raises: RollbackRefused."""
    query = LogQuery(job_id=job_id, cycle_id=cycle.id, status="success", ascending=True, limit=PAGE)
    page, after = stores.log.search(query)
    if cycle.counters.writes and not page:
        raise RollbackRefused(
            f"The log no longer holds what the cycle {cycle.id} did.",
            remedy="Keep the log for longer; this cycle cannot be taken back.",
        )
    yield from page
    while after is not None:
        page, after = stores.log.search(replace(query, after=after))
        yield from page


def _kept_out(parts: JobParts, history: History) -> str | None:
    """Returns why somebody whom the cycle has switched off is not to be let in now, None if nothing keeps them out."""
    rules = parts.rules.kinds.get(history.kind)
    if rules is None or not any(was_switched_off(history, name) for name in history.values):
        return None
    change = parts.source.read_one(history.kind, history.source_id)
    if change is None:
        return f"{history.source_name} is no longer in the source."
    verdict = decide_entitlement(change, parts.terms.entitlement, rules.scope)
    return None if verdict.presence is Presence.PRESENT else verdict.reason


def _unless_protected(parts: JobParts, operation: Operation, irreversible: list[Irreversible]) -> Operation | None:
    """Returns the operation unless it would take something from a protected account."""
    if not operation.removes or not parts.protections:
        return operation
    change = parts.source.read_one(operation.object_kind, operation.source_id)
    if change is None:
        return operation
    source = parts.source
    groups = source.groups_of([change.source_id]) if isinstance(source, EvidentSource) else {}
    why = parts.protections.reason(change, groups.get(change.source_id, ()))
    if why is None:
        return operation
    irreversible.append(
        Irreversible(source_id=operation.source_id, source_name=operation.source_name, attribute=None, reason=why)
    )
    return None


def _references_back(
    parts: JobParts,
    stores: EngineStores,
    ids: Ids,
    history: History,
    link: Link | None,
    irreversible: list[Irreversible],
) -> list[Operation]:
    """Returns what takes references back: those that came go, those that went come, if the account has not moved on."""
    names = [name for name in {**history.came, **history.went} if history.came.get(name) or history.went.get(name)]
    rules = parts.rules.kinds.get(history.kind)
    if link is None or rules is None or history.is_created or history.is_deleted or not names:
        return []
    known = {
        each.attribute: each.acknowledged
        for each in stores.links.references(parts.job.id, history.kind, [history.source_id])
    }
    found: list[Operation] = []
    for reference in rules.references:
        if reference.attribute not in names:
            continue
        held = known.get(reference.attribute, {})
        came, went = history.came.get(reference.attribute, set()), history.went.get(reference.attribute, set())
        leaving = tuple((source_id, target_id) for source_id, target_id in held.items() if target_id in came)
        owners = stores.links.owners(parts.job.id, reference.kind, sorted(went))
        coming = tuple(
            (owner[1], target_id)
            for target_id in sorted(went)
            if (owner := owners.get(target_id)) is not None
            and owner[0] == parts.job.id
            and target_id not in held.values()
        )
        lost = len(went) - len(coming) + len(came) - len(leaving)
        if lost:
            reason = f"{lost} of what came or went was changed since, or is no longer there"
            irreversible.append(
                Irreversible(
                    source_id=history.source_id,
                    source_name=history.source_name,
                    attribute=reference.attribute,
                    reason=reason,
                )
            )
        if not leaving and not coming:
            continue
        gone = {source_id for source_id, _ in leaving}
        wanted = (*(each for each in held if each not in gone), *(source_id for source_id, _ in coming))
        operation = plan_references(
            change_id=ids.new_id(),
            kind=history.kind,
            source_id=history.source_id,
            source_name=history.source_name,
            target_id=link.target_id,
            attribute=reference.attribute,
            multivalued=reference.multivalued,
            add=coming,
            remove=leaving,
            members_per_request=parts.target.capabilities.members_per_request,
        )
        back = WantedReference(
            attribute=reference.attribute,
            kind=reference.kind,
            multivalued=reference.multivalued,
            source_ids=tuple(sorted(wanted)),
        )
        cause = Cause(kind=CauseKind.ROLLBACK, subject=reference.attribute, sentence="a cycle is taken back")
        found.append(replace(operation, references=(back,), cause=cause))
    return found
