"""Plans: a cycle read and decided whole, nothing sent; and the applying of exactly that."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain

from muster.engine.closing import UNSTAGED
from muster.engine.drafting import Draft, drafting, planned_counters, planned_pages
from muster.engine.gate import verdicts_on
from muster.engine.holding import Holding, counted_held, find_holds
from muster.engine.journal import Journal, tally
from muster.engine.parts import Alone, EngineStores, JobOpener, JobParts, asked_by
from muster.engine.reading import Reading, read_world
from muster.engine.rollback import plan_rollback
from muster.engine.run import MAIN_WAVE
from muster.model.failures import Fenced, ProvisioningFailure
from muster.model.hold import HeldOperation, HoldCode
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Plan,
    PlanKind,
    PlannedOperation,
    PlanPart,
)
from muster.model.log import Initiator
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import difference_of_plans, time_needed
from muster.ports.cycles import NewOperation, Settlement
from muster.ports.source import RefreshedSource
from muster.ports.world import Clock, Ids

_DIFFERENCES_SHOWN = 10
_DIFFERENCES_COUNTED = 1_000


class PlanRefused(ProvisioningFailure):
    """A plan cannot be applied: unknown, applied already, or the world has moved."""

    code = "PlanRefused"
    remedy = "Make a new plan, look at it, and apply that one."


class Planner:
    """Makes and applies plans."""

    def __init__(self, stores: EngineStores, open_job: JobOpener, clock: Clock, ids: Ids, *, alone: Alone) -> None:
        """`alone`: holds a job while a plan of it is staged: nobody carries on meanwhile (see CycleEngine.lock)."""
        self._alone = alone
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids

    def make(self, job_id: str, options: Mapping[str, str] | None = None) -> Plan:
        """Returns a stored plan of what the next cycle would do. Raises JobFailure."""
        parts = self._open_job(job_id, options or {})
        if isinstance(parts.source, RefreshedSource):
            parts.source.refresh()
        with self._draft(parts, is_kept=True) as draft:
            plan = self._plan(parts, self._read(parts, options or {}, draft), draft)
            self._stores.plans.finish(plan)
        return plan

    def make_rollback(self, job_id: str, cycle_id: str) -> Plan:
        """Returns a stored plan that takes back what a cycle has done. Raises JobFailure, RollbackRefused."""
        parts = self._open_job(job_id, {})
        with self._draft(parts, is_kept=True) as draft:
            plan = self._plan_rollback(parts, cycle_id, draft)
            self._stores.plans.finish(plan)
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
        # The world as it is now, as another plan that nobody sees.
        with self._draft(parts, is_kept=False) as now:
            if plan.kind is PlanKind.ROLLBACK:
                self._check_unmoved(plan, self._plan_rollback(parts, plan.cycle_id or "", now))
                taking_back = _asked(self._rollback_cycle(plan, parts.source.latest()), initiator)
                return self._begin(plan, taking_back, lambda cycle: self._stage_rollback(cycle, plan))
            reading = self._read(parts, {}, now)
            self._check_unmoved(plan, self._plan(parts, reading, now))
            cycle = _asked(self._cycle_of(plan, reading), initiator)
            return self._begin(plan, cycle, lambda cycle: self._stage(cycle, plan, now.id, parts))

    def _begin(self, plan: Plan, cycle: Cycle, stage: Callable[[Cycle], Cycle]) -> Cycle:
        name, options = plan.id, cycle.options
        try:
            with self._alone(plan.job_id):
                unstaged = replace(cycle, options={**options, UNSTAGED: "true"})
                self._stores.cycles.begin(unstaged)
                cycle = replace(stage(unstaged), options=options)
                if self._stores.plans.get(name) is None:
                    # Dropped meanwhile for its age: not all of it may have been staged.
                    raise PlanRefused(f"There is no plan {name}.")
                # From here on the cycle is carried out; before, one that dies has done nothing.
                self._stores.cycles.stage(cycle, (), ())
        except Fenced as fenced:
            raise PlanRefused(
                "Another cycle of this job has just begun.", remedy="Wait for its end, then plan again."
            ) from fenced
        self._stores.plans.mark_applied(plan.id, self._clock.now())
        return cycle

    def _stage_rollback(self, cycle: Cycle, plan: Plan) -> Cycle:
        """Stages what takes values back. References are wanted as they were: the second wave sends the difference."""
        for page in planned_pages(self._stores.plans, plan.id, PlanPart.SENT):
            operations = [each.operation for each in page]
            settlements = [
                Settlement(kind=item.object_kind, source_id=item.source_id, wanted=item.references, shown=item.shown)
                for item in operations
                if item.kind is OperationKind.REFER
            ]
            self._stores.cycles.stage(cycle, _staged(operations), settlements)
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
            counters=Counters(expected=plan.operation_count),
            began_at=self._clock.now(),
            options={"removals": "released", "plan": plan.hash, "rollback": plan.cycle_id or ""},
        )

    def _draft(self, parts: JobParts, *, is_kept: bool) -> AbstractContextManager[Draft]:
        return drafting(parts, self._stores, self._clock, self._ids, is_kept=is_kept)

    def _read(self, parts: JobParts, options: Mapping[str, str], draft: Draft) -> Reading:
        return read_world(parts, self._stores, self._clock, self._ids, options, draft)

    def _plan_rollback(self, parts: JobParts, cycle_id: str, draft: Draft) -> Plan:
        return plan_rollback(parts, self._stores, self._clock, self._ids, cycle_id, draft)

    def _stage(self, cycle: Cycle, plan: Plan, now_id: str, parts: JobParts) -> Cycle:
        """Stages what the plan sends and settles what it does not, as a cycle does with its pages.

        `now_id`: the draft that was read just now, which is the same but for ids: it has what is passed over.
        """
        stores, journal = self._stores, Journal(parts, self._clock, self._ids)
        for page in chain(
            planned_pages(stores.plans, plan.id, PlanPart.SENT), planned_pages(stores.plans, now_id, PlanPart.PASSED)
        ):
            operations = [each.operation for each in page]
            settled = [journal.decided(item) for item in operations if not item.kind.writes]
            cycle = replace(cycle, counters=tally(cycle.counters, settled))
            # References follow by themselves.
            settlements = [journal.settlement(outcome, cycle) for outcome in settled]
            stores.cycles.stage(cycle, _staged(operations), settlements)
        holding = Holding(parts, self._clock, self._ids)
        for page in planned_pages(stores.plans, plan.id, PlanPart.HELD):
            held = [_as_held(each) for each in page if each.operation.removes]
            holds = find_holds(stores, plan.job_id, [item.operation for item in held])
            waiting = [
                holding.settlement(item, cycle, holds.get((item.operation.object_kind, item.operation.source_id)))
                for item in held
            ]
            cycle = replace(cycle, counters=counted_held(cycle.counters, waiting))
            stores.cycles.stage(cycle, (), waiting)
        return cycle

    def _plan(self, parts: JobParts, reading: Reading, draft: Draft) -> Plan:
        forced = parts.job.settings.get("ForceDeletes") == "true"
        draft.gate(
            {} if forced else verdicts_on(draft.removed, parts, self._stores, self._clock),
            read_complete=reading.complete,
            forced=forced,
            counts_anew=reading.is_full,
        )
        sums = draft.sum_up()
        # Whoever applies the plan reads the world again.
        requests = reading.counters.requests + draft.requests
        return Plan(
            id=draft.id,
            job_id=parts.job.id,
            hash=draft.hash,
            made_at=self._clock.now(),
            counters=planned_counters(reading.counters, sums, draft.held),
            requests=requests,
            duration=time_needed(requests, parts.target.capabilities.requests_per_second),
            window_after=reading.window_after,
            window_until=reading.window_until,
            sums=sums,
        )

    def _check_unmoved(self, plan: Plan, now: Plan) -> None:
        """Raises PlanRefused, telling the difference, when the world has moved since the plan was made."""
        if now.hash == plan.hash:
            return
        differences = self._differences(plan.id, now.id)
        shown = "; ".join(differences[:_DIFFERENCES_SHOWN])
        if len(differences) > _DIFFERENCES_SHOWN:
            least = "at least " if len(differences) >= _DIFFERENCES_COUNTED else ""
            shown += f"; and {least}{len(differences) - _DIFFERENCES_SHOWN} more"
        raise PlanRefused(f"The world has moved since the plan was made: {shown or 'held operations differ'}.")

    def _differences(self, *plan_ids: str) -> Sequence[str]:
        """Returns what may go in one of two plans and not in the other, up to as many as are counted."""
        found: dict[str, None] = {}
        for plan_id in plan_ids:
            for page in planned_pages(self._stores.plans, plan_id, PlanPart.SENT):
                ids = [each.operation.source_id for each in page]
                before, after = (
                    [each.operation for each in self._stores.plans.of_objects(one, ids) if each.part is PlanPart.SENT]
                    for one in plan_ids
                )
                found.update(dict.fromkeys(difference_of_plans(before, after)))
                if len(found) >= _DIFFERENCES_COUNTED:
                    return list(found)[:_DIFFERENCES_COUNTED]
        return list(found)

    def _cycle_of(self, plan: Plan, reading: Reading) -> Cycle:
        held = plan.sums.count(PlanPart.HELD, OperationKind.DISABLE, OperationKind.DELETE)
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
            counters=Counters(
                evaluated=reading.counters.evaluated,
                expected=plan.operation_count,
                requests=reading.counters.requests,
            ),
            began_at=self._clock.now(),
            options={"removals": "held" if held else "released", "plan": plan.hash},
            complete=reading.complete,
        )


def _asked(cycle: Cycle, initiator: Initiator | None) -> Cycle:
    return replace(cycle, options={**cycle.options, **asked_by(initiator)})


def _staged(operations: Sequence[Operation]) -> list[NewOperation]:
    sent = [item for item in operations if item.kind.writes and item.kind is not OperationKind.REFER]
    return [NewOperation(operation=item, wave=MAIN_WAVE) for item in sent]


def _as_held(planned: PlannedOperation) -> HeldOperation:
    code = planned.hold_code or HoldCode.TOO_MANY
    return HeldOperation(operation=planned.operation, hold_code=code, reason=planned.reason)
