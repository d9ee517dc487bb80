"""Plans: a cycle read and decided whole, nothing sent; and the applying of exactly that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from muster.engine.closing import UNSTAGED
from muster.engine.gate import population_of, removals_lately
from muster.engine.holding import Holding, counted_held, find_holds
from muster.engine.journal import Journal, tally
from muster.engine.parts import EngineStores, JobOpener, JobParts, asked_by
from muster.engine.reading import Reading, read_world
from muster.engine.rollback import plan_rollback
from muster.engine.run import MAIN_WAVE
from muster.model.directory import ObjectKind
from muster.model.failures import Fenced, ProvisioningFailure
from muster.model.hold import HeldOperation, Hold, HoldCode
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, Plan, PlanKind
from muster.model.log import Initiator, SkipReason
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import difference_of_plans, plan_hash, requests_needed, time_needed
from muster.planning.policy import RemovalKind, count_removals, decides, gate, removal_verdicts
from muster.ports.cycles import NewOperation, Settlement
from muster.ports.source import RefreshedSource
from muster.ports.world import Clock, Ids

_LEFT = {SkipReason.PROTECTED: HoldCode.PROTECTED, SkipReason.GRACE_PERIOD: HoldCode.GRACE}
_DIFFERENCES_SHOWN = 10


class PlanRefused(ProvisioningFailure):
    """A plan cannot be applied: unknown, applied already, or the world has moved."""

    code = "PlanRefused"
    remedy = "Make a new plan, look at it, and apply that one."


class Planner:
    """Makes and applies plans."""

    def __init__(self, stores: EngineStores, open_job: JobOpener, clock: Clock, ids: Ids) -> None:
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids

    def make(self, job_id: str, options: Mapping[str, str] | None = None) -> Plan:
        """Returns a stored plan of what the next cycle would do. Raises JobFailure."""
        parts = self._open_job(job_id, options or {})
        if isinstance(parts.source, RefreshedSource):
            parts.source.refresh()
        plan = self._plan(parts, self._read(parts, options or {}))
        self._stores.plans.add(plan)
        return plan

    def make_rollback(self, job_id: str, cycle_id: str) -> Plan:
        """Returns a stored plan that takes back what a cycle has done. Raises JobFailure, RollbackRefused."""
        plan = plan_rollback(self._open_job(job_id, {}), self._stores, self._clock, self._ids, cycle_id)
        self._stores.plans.add(plan)
        return plan

    def apply(self, name: str, initiator: Initiator | None = None) -> Cycle:
        """Returns a new running cycle that holds exactly the plan's operations, staged; its log names who asked.

        Raises PlanRefused, telling the difference, when the world has moved since the plan was made.
        """
        plan = self._stores.plans.get(name)
        if plan is None:
            raise PlanRefused(f"There is no plan {name}.", remedy="List the plans, or make one with muster plan.")
        if plan.applied_at is not None:
            raise PlanRefused(f"Plan {plan.hash[:12]} was applied already, at {plan.applied_at:%Y-%m-%d %H:%M} UTC.")
        if self._stores.cycles.running(plan.job_id) is not None:
            raise PlanRefused(
                "A cycle of this job is running.", remedy="Wait for its end, or pause the job, then plan again."
            )
        parts = self._open_job(plan.job_id, {})
        if plan.kind is PlanKind.ROLLBACK:
            _check_unmoved(plan, plan_rollback(parts, self._stores, self._clock, self._ids, plan.cycle_id or ""))
            taking_back = _asked(self._rollback_cycle(plan, parts.source.latest()), initiator)
            return self._begin(plan, taking_back, lambda cycle: self._stage_rollback(cycle, plan))
        reading = self._read(parts, {})
        _check_unmoved(plan, self._plan(parts, reading))
        cycle = _asked(self._cycle_of(plan, reading), initiator)
        return self._begin(plan, cycle, lambda cycle: self._stage(cycle, plan, reading, parts))

    def _begin(self, plan: Plan, cycle: Cycle, stage: Callable[[Cycle], Cycle]) -> Cycle:
        try:
            self._stores.cycles.begin(replace(cycle, options={**cycle.options, UNSTAGED: "true"}))
            cycle = stage(cycle)
        except Fenced as fenced:
            raise PlanRefused(
                "Another cycle of this job has just begun.", remedy="Wait for its end, then plan again."
            ) from fenced
        self._stores.plans.mark_applied(plan.id, self._clock.now())
        return cycle

    def _stage_rollback(self, cycle: Cycle, plan: Plan) -> Cycle:
        """Stages what takes values back. References are wanted as they were: the second wave sends the difference."""
        sent = [item for item in plan.operations if item.kind is not OperationKind.REFER]
        staged = [NewOperation(operation=item, wave=MAIN_WAVE) for item in sent]
        settlements = [
            Settlement(kind=item.object_kind, source_id=item.source_id, wanted=item.references, shown=item.shown)
            for item in plan.operations
            if item.kind is OperationKind.REFER
        ]
        self._stores.cycles.stage(cycle, staged, settlements)
        return cycle

    def _rollback_cycle(self, plan: Plan, until: int) -> Cycle:
        """Returns the cycle that takes back; whoever leaves from `until` on is disabled by it as by any other."""
        return Cycle(
            id=self._ids.new_id(),
            job_id=plan.job_id,
            kind=CycleKind.ROLLBACK,
            state=CycleState.RUNNING,
            phase=CyclePhase.REMOVALS,
            position=None,
            window_after=until,
            window_until=until,
            epoch=1,
            counters=Counters(expected=len(plan.operations)),
            began_at=self._clock.now(),
            options={"removals": "released", "plan": plan.hash, "rollback": plan.cycle_id or ""},
        )

    def _read(self, parts: JobParts, options: Mapping[str, str]) -> Reading:
        return read_world(parts, self._stores, self._clock, self._ids, options)

    def _stage(self, cycle: Cycle, plan: Plan, reading: Reading, parts: JobParts) -> Cycle:
        """Stages what the plan sends and settles what it does not, as a cycle does with its pages."""
        journal = Journal(parts, self._clock, self._ids)
        # Read just now and the same but for ids: these are what the plan showed. References follow by themselves.
        sent = [item for item in plan.operations if item.kind.writes and item.kind is not OperationKind.REFER]
        staged = [NewOperation(operation=item, wave=MAIN_WAVE) for item in sent]
        settled = [journal.decided(item) for item in (*plan.operations, *reading.skipped) if not item.kind.writes]
        settlements = [journal.settlement(outcome, cycle) for outcome in settled]
        holding = Holding(parts, self._clock, self._ids)
        held = [item for item in plan.held if item.operation.removes]
        holds = find_holds(self._stores, plan.job_id, [item.operation for item in held])
        waiting = [
            holding.settlement(item, cycle, holds.get((item.operation.object_kind, item.operation.source_id)))
            for item in held
        ]
        settlements += waiting
        cycle = replace(cycle, counters=counted_held(tally(cycle.counters, settled), waiting))
        self._stores.cycles.stage(cycle, staged, settlements)
        return cycle

    def _plan(self, parts: JobParts, reading: Reading) -> Plan:
        operations = [*reading.operations, *reading.references]
        forced = parts.job.settings.get("ForceDeletes") == "true"
        holds = find_holds(self._stores, parts.job.id, [each for each in operations if each.removes])
        verdict = gate(
            operations,
            tripped={} if forced else self._tripped(parts, reading, holds),
            read_complete=reading.complete,
            holds=holds,
            forced=forced,
            counts_anew=reading.is_full,
        )
        # What is left alone is shown with what is held: whoever reads the plan looks for these people.
        left = [
            HeldOperation(operation=item, hold_code=_LEFT[item.skip_reason], reason=item.reason)
            for item in reading.skipped
            if item.skip_reason in _LEFT
        ]
        requests = requests_needed(verdict.released, members_per_request=parts.target.capabilities.members_per_request)
        return Plan(
            id=self._ids.new_id(),
            job_id=parts.job.id,
            hash=plan_hash(verdict.released, [held.operation for held in verdict.held]),
            made_at=self._clock.now(),
            operations=verdict.released,
            held=(*verdict.held, *left),
            counters=planned_counters(reading.counters, verdict.released, len(verdict.held)),
            requests=requests,
            duration=time_needed(requests, parts.target.capabilities.requests_per_second),
            window_after=reading.window_after,
            window_until=reading.window_until,
        )

    def _tripped(
        self, parts: JobParts, reading: Reading, holds: Mapping[tuple[ObjectKind, str], Hold]
    ) -> Mapping[RemovalKind, str]:
        """Returns by kind why removals would be held."""
        counted = count_removals(
            [
                each
                for each in (*reading.operations, *reading.references)
                if (hold := holds.get((each.object_kind, each.source_id))) is None or not decides(hold, each)
            ]
        )
        if not counted:
            return {}
        members = self._stores.links.count_members(parts.job.id) if RemovalKind.MEMBER_REMOVAL in counted else 0
        population = population_of(self._stores, parts.job.id, members=members)
        return removal_verdicts(
            counted, population, removals_lately(self._stores, parts.job.id, self._clock), parts.threshold
        )

    def _cycle_of(self, plan: Plan, reading: Reading) -> Cycle:
        held = [item for item in plan.held if item.operation.removes]
        return Cycle(
            id=self._ids.new_id(),
            job_id=plan.job_id,
            kind=CycleKind.INCREMENTAL if plan.window_after else CycleKind.INITIAL,
            state=CycleState.RUNNING,
            phase=CyclePhase.REMOVALS,
            position=None,
            window_after=plan.window_after,
            window_until=reading.window_until,
            epoch=1,
            counters=Counters(expected=len(plan.operations)),
            began_at=self._clock.now(),
            options={"removals": "held" if held else "released", "plan": plan.hash},
            complete=reading.complete,
        )


def _asked(cycle: Cycle, initiator: Initiator | None) -> Cycle:
    return replace(cycle, options={**cycle.options, **asked_by(initiator)})


def _check_unmoved(plan: Plan, now: Plan) -> None:
    """Raises PlanRefused, telling the difference, when the world has moved since the plan was made."""
    if now.hash == plan.hash:
        return
    differences = difference_of_plans(plan.operations, now.operations)
    shown = "; ".join(differences[:_DIFFERENCES_SHOWN])
    if len(differences) > _DIFFERENCES_SHOWN:
        shown += f"; and {len(differences) - _DIFFERENCES_SHOWN} more"
    raise PlanRefused(f"The world has moved since the plan was made: {shown or 'held operations differ'}.")


def planned_counters(counters: Counters, released: Sequence[Operation], held: int) -> Counters:
    """Returns the counters of a plan: what would be created, updated … if it were applied now."""
    kinds = [operation.kind for operation in released]
    return replace(
        counters,
        created=kinds.count(OperationKind.CREATE),
        updated=kinds.count(OperationKind.UPDATE),
        disabled=kinds.count(OperationKind.DISABLE),
        deleted=kinds.count(OperationKind.DELETE),
        references=kinds.count(OperationKind.REFER),
        held=held,
    )
