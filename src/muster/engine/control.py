"""What administrators ask of the engine: test the connection, provision one person now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from muster.engine.cycle import CycleEngine
from muster.engine.parts import EngineStores, JobOpener
from muster.engine.run import MAIN_WAVE, Run
from muster.engine.waves import send_references
from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure, ObjectFailure, SchemaRefused
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.operation import Operation
from muster.ports.world import Clock, Ids


class NobodyFound(ObjectFailure):
    """Provision on demand was asked for somebody the source does not know."""

    code = "ObjectNotFound"
    remedy = "Give the object id or the full principal name of a user of the directory."


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """What provision on demand did: its cycle, under which the log has the steps, and the decision."""

    cycle: Cycle
    operation: Operation


class Control:
    """Requests of administrators that need the engine."""

    def __init__(self, engine: CycleEngine, stores: EngineStores, open_job: JobOpener, clock: Clock, ids: Ids) -> None:
        self._engine = engine
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids

    def provision_on_demand(
        self, job_id: str, kind: ObjectKind, name: str, options: Mapping[str, str] | None = None
    ) -> OnDemand:
        """Provisions one object now, whatever the job's schedule, with the same code path as a cycle.

        Raises JobFailure (test connection failed) or NobodyFound.
        """
        parts = self._open_job(job_id, options or {})
        rules = parts.rules.kinds.get(kind)
        if rules is None:
            raise SchemaRefused(f"This job does not provision objects of type {kind}.")
        change = parts.source.read_one(kind, name)
        if change is None:
            raise NobodyFound(f"The source system has no {kind.value} “{name}”.")
        with self._engine.lock(job_id):
            parts.target.probe(rules.matching[0].attribute if rules.matching else "userName")
            cycle = self._new_cycle(job_id)
            self._stores.cycles.begin(cycle)
            run = Run(cycle, parts, self._stores, self._clock, self._ids, is_new=True)
            try:
                decisions = run.decider.decide(cycle, kind, [change])
                place = run.move(phase=CyclePhase.REFERENCES)
                run.stage(decisions, place, removal_wave=MAIN_WAVE, is_approved=True)
                while run.send_batch(MAIN_WAVE):
                    pass
                while run.cycle.phase is CyclePhase.REFERENCES:
                    send_references(run, self._stores, self._ids, is_approved=True)
            except JobFailure as failure:
                self._close(run, failure)
                raise
            finally:
                run.close()
            self._close(run, None)
            return OnDemand(cycle=run.cycle, operation=decisions[0].operation)

    def _close(self, run: Run, failure: JobFailure | None) -> None:
        state = CycleState.ENTRY_LEVEL_ERRORS if run.cycle.counters.failed else CycleState.SUCCEEDED
        if failure is not None:
            state = CycleState.FAILED
        record = None if failure is None else failure.record()
        run.cycle = replace(run.move(phase=CyclePhase.DONE), state=state, ended_at=self._clock.now(), failure=record)
        self._stores.cycles.close(run.cycle, None)

    def _new_cycle(self, job_id: str) -> Cycle:
        return Cycle(
            id=self._ids.new_id(),
            job_id=job_id,
            kind=CycleKind.ON_DEMAND,
            state=CycleState.RUNNING,
            phase=CyclePhase.USERS,
            position=None,
            window_after=0,
            window_until=0,
            epoch=1,
            counters=Counters(expected=1),
            began_at=self._clock.now(),
        )
