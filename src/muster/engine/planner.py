"""Plans: a cycle read and decided whole, nothing sent; and the applying of exactly that."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from muster.engine.closing import UNSTAGED
from muster.engine.decide import Decider
from muster.engine.journal import Journal, tally
from muster.engine.lookup import Lookup
from muster.engine.parts import EngineStores, JobOpener, JobParts, reads_everything
from muster.engine.run import MAIN_WAVE
from muster.engine.waves import held_settlement
from muster.model.failures import Fenced, ProvisioningFailure
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, Plan
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import difference_of_plans, plan_hash, requests_needed, time_needed
from muster.planning.policy import HELD_DELETIONS, HELD_INCOMPLETE_READ, gate
from muster.ports.cycles import NewOperation
from muster.ports.source import Window
from muster.ports.world import Clock, Ids

PAGE = 500


class PlanRefused(ProvisioningFailure):
    """A plan cannot be applied: unknown, applied already, or the world has moved."""

    code = "PlanRefused"
    remedy = "Make a new plan, look at it, and apply that one."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What one reading of the world decided."""

    operations: tuple[Operation, ...]
    # Nothing is sent for these, but their references may have changed.
    skipped: tuple[Operation, ...]
    counters: Counters
    window_after: int
    window_until: int
    complete: bool


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
        reading = self._read(parts, options or {})
        plan = self._plan(parts, reading)
        self._stores.plans.add(plan)
        return plan

    def apply(self, name: str) -> Cycle:
        """Returns a new running cycle that holds exactly the plan's operations, staged.

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
        reading = self._read(parts, {})
        now = self._plan(parts, reading)
        if now.hash != plan.hash:
            differences = difference_of_plans(plan.operations, now.operations)
            shown = "; ".join(differences[:10]) + (
                f"; and {len(differences) - 10} more" if len(differences) > 10 else ""
            )
            raise PlanRefused(f"The world has moved since the plan was made: {shown or 'held operations differ'}.")
        cycle = self._cycle_of(plan, reading)
        try:
            self._stores.cycles.begin(replace(cycle, options={**cycle.options, UNSTAGED: "true"}))
            cycle = self._stage(cycle, plan, reading, parts)
        except Fenced as fenced:
            raise PlanRefused(
                "Another cycle of this job has just begun.", remedy="Wait for its end, then plan again."
            ) from fenced
        self._stores.plans.mark_applied(plan.id, self._clock.now())
        return cycle

    def _stage(self, cycle: Cycle, plan: Plan, reading: _Reading, parts: JobParts) -> Cycle:
        """Stages what the plan sends and settles what it does not, as a cycle does with its pages."""
        journal = Journal(parts, self._clock, self._ids)
        # Read just now and the same but for ids: these are what the plan showed.
        staged = [NewOperation(operation=item, wave=MAIN_WAVE) for item in plan.operations if item.kind.writes]
        settled = [journal.decided(item) for item in (*plan.operations, *reading.skipped) if not item.kind.writes]
        cycle = replace(cycle, counters=tally(cycle.counters, settled))
        settlements = [journal.settlement(outcome, cycle) for outcome in settled]
        hold = HELD_DELETIONS if reading.complete else HELD_INCOMPLETE_READ
        settlements += [
            held_settlement(operation, hold, reason, cycle, parts, self._clock.now(), self._ids)
            for operation, reason in plan.held
        ]
        self._stores.cycles.stage(cycle, staged, settlements)
        return cycle

    def _read(self, parts: JobParts, options: Mapping[str, str]) -> _Reading:
        job = parts.job
        until = parts.source.latest()
        full = reads_everything(job, options)
        window = None if full else Window(after=job.watermark or 0, until=until)
        cycle = self._thought(parts, window, until, options)
        decided: list[Operation] = []
        skipped: list[Operation] = []
        counters, complete = Counters(), True
        with ThreadPoolExecutor(parts.target.capabilities.concurrency, thread_name_prefix="plan") as pool:
            decider = Decider(parts, Lookup(self._stores, parts, pool), self._clock, self._ids)
            journal = Journal(parts, self._clock, self._ids)
            for kind in parts.rules.kinds:
                after: str | None = None
                while True:
                    page = parts.source.read(kind, window, after, PAGE)
                    decisions = decider.decide(cycle, kind, page.changes)
                    operations = [decision.operation for decision in decisions]
                    counters = tally(counters, [journal.decided(item) for item in operations])
                    counters = replace(counters, evaluated=counters.evaluated + len(operations))
                    decided += [item for item in operations if item.kind is not OperationKind.SKIP]
                    skipped += [item for item in operations if item.kind is OperationKind.SKIP]
                    after = page.next_after
                    if after is None:
                        break
                complete = complete and parts.source.is_complete()
        return _Reading(
            operations=tuple(decided),
            skipped=tuple(skipped),
            counters=replace(counters, requests=parts.target.requests_made()),
            window_after=0 if window is None else window.after,
            window_until=until,
            complete=complete,
        )

    def _thought(self, parts: JobParts, window: Window | None, until: int, options: Mapping[str, str]) -> Cycle:
        """Returns the cycle that the decisions are made for; it is never stored."""
        return Cycle(
            id=self._ids.new_id(),
            job_id=parts.job.id,
            kind=CycleKind.PLAN if window is None else CycleKind.INCREMENTAL,
            state=CycleState.RUNNING,
            phase=CyclePhase.USERS,
            position=None,
            window_after=0 if window is None else window.after,
            window_until=until,
            epoch=1,
            counters=Counters(),
            began_at=self._clock.now(),
            options=options,
        )

    def _plan(self, parts: JobParts, reading: _Reading) -> Plan:
        verdict = gate(
            reading.operations,
            removals_so_far=0,
            linked=self._stores.links.count_links(parts.job.id),
            threshold=parts.threshold,
            read_complete=reading.complete,
            forced=parts.job.settings.get("ForceDeletes") == "true",
        )
        requests = requests_needed(verdict.released, members_per_request=parts.target.capabilities.members_per_request)
        return Plan(
            id=self._ids.new_id(),
            job_id=parts.job.id,
            hash=plan_hash(verdict.released, [held.operation for held in verdict.held]),
            made_at=self._clock.now(),
            operations=verdict.released,
            held=tuple((held.operation, held.reason) for held in verdict.held),
            counters=_planned(reading.counters, verdict.released, len(verdict.held)),
            requests=requests,
            duration=time_needed(requests, parts.target.capabilities.requests_per_second),
            window_after=reading.window_after,
            window_until=reading.window_until,
        )

    def _cycle_of(self, plan: Plan, reading: _Reading) -> Cycle:
        held = "held" if plan.held else "released"
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
            counters=Counters(expected=len(plan.operations), held=len(plan.held)),
            began_at=self._clock.now(),
            options={"removals": held, "plan": plan.hash},
        )


def _planned(counters: Counters, released: Sequence[Operation], held: int) -> Counters:
    """Returns the counters of a plan: what would be created, updated … if it were applied now."""
    kinds = [operation.kind for operation in released]
    return replace(
        counters,
        created=kinds.count(OperationKind.CREATE),
        updated=kinds.count(OperationKind.UPDATE),
        disabled=kinds.count(OperationKind.DISABLE),
        deleted=kinds.count(OperationKind.DELETE),
        held=held,
    )
