"""What administrators ask of the engine: test the connection, provision one person now."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from muster.engine.cycle import CycleEngine
from muster.engine.decide import Decider, Decision
from muster.engine.handing import losing
from muster.engine.journal import tally
from muster.engine.lookup import Lookup
from muster.engine.paging import PAGE
from muster.engine.parts import EngineStores, JobOpener, JobParts, asked_by
from muster.engine.run import MAIN_WAVE, REMOVAL_WAVE, REMOVALS_LIMIT, Run
from muster.engine.waves import send_references
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure, ObjectFailure, Resting, SchemaRefused
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, StagedState
from muster.model.log import Initiator, LogStatus
from muster.model.operation import Change, Operation, OperationKind
from muster.planning.trace import action_of, modified_properties
from muster.ports.world import Clock, Ids

_ASK_AGAIN = "Ask again then, or leave it to the first cycle after that: it tries again."


class NobodyFound(ObjectFailure):
    """Provision on demand was asked for somebody the source does not know."""

    code = "ObjectNotFound"
    remedy = "Give the object id or the full principal name of a user of the directory."


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """What provision on demand did: its cycle, under which the log has the steps, and the decision."""

    # None: a preview, which is no cycle and leaves no trace.
    cycle: Cycle | None
    operation: Operation
    # What was decided about the members that were named with a group.
    members: tuple[Operation, ...] = ()


class Control:
    """Requests of administrators that need the engine."""

    def __init__(self, engine: CycleEngine, stores: EngineStores, open_job: JobOpener, clock: Clock, ids: Ids) -> None:
        self._engine = engine
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids

    def provision_on_demand(
        self,
        job_id: str,
        kind: ObjectKind,
        name: str,
        *,
        member_ids: Sequence[str] = (),
        preview: bool = False,
        initiator: Initiator | None = None,
    ) -> OnDemand:
        """Provisions one object now, whatever the job's schedule, with the same code path as a cycle.

        Of a group the members that are named come first, however many, then the group, then who is in it. A preview
        asks the target, decides, and writes nothing anywhere.

        Raises: JobFailure (test connection failed), NobodyFound, or ObjectFailure for a member who is none.
        """
        parts = self._open_job(job_id, {})
        change = self._change(parts, kind, name)
        members = self._members(parts, change, member_ids)
        with self._engine.lock(job_id):
            if not preview:
                # A cycle's own operation may be waiting for another engine, or be under way there.
                self._engine.withdraw(job_id, {change.source_id, *(member.source_id for member in members)})
            matching = parts.rules.kinds[kind].matching
            cycle = self._new_cycle(job_id, initiator)
            try:
                parts.target.probe(matching[0].attribute if matching else "userName")
            except Resting as rest:
                if not preview:
                    self._stores.cycles.begin(cycle)
                    self._rest(Run(cycle, parts, self._stores, self._clock, self._ids, is_new=True), change, rest)
                raise
            if preview:
                return self._preview(cycle, parts, members, change)
            self._stores.cycles.begin(cycle)
            run = Run(cycle, parts, self._stores, self._clock, self._ids, is_new=True)
            try:
                done = self._do(run, members, change)
            except Resting as rest:
                self._rest(run, change, rest)
                raise
            except JobFailure as failure:
                self._close(run, failure)
                raise
            finally:
                run.close()
            self._close(run, None)
            return replace(done, cycle=run.cycle)

    def _rest(self, run: Run, change: Change, rest: Resting) -> None:
        """Logs whom the application had no time for; the first cycle after the pause that it asks for tries again."""
        failure = replace(rest.record(), remedy=_ASK_AGAIN, retry=True)
        operation = Operation(
            change_id=self._ids.new_id(),
            kind=OperationKind.FAIL,
            object_kind=change.kind,
            source_id=change.source_id,
            source_name=change.display_name,
            reason=rest.sentence,
            failure=failure,
            source_seq=change.seq,
        )
        before = self._stores.links.escrow(run.cycle.job_id, change.kind, change.source_id)
        outcome = run.journal.decided(operation)
        settlement = run.journal.settlement(outcome, run.cycle, escrow=before)
        due = settlement.escrow
        if due is not None:
            tried = due.tried if before is None else before.tried
            settlement = replace(settlement, escrow=replace(due, next_attempt_at=rest.until, tried=tried))
        counted = replace(run.cycle, counters=tally(run.cycle.counters, [outcome]))
        self._stores.cycles.settle(counted, [settlement])
        run.cycle = counted
        self._close(run, rest)

    def _change(self, parts: JobParts, kind: ObjectKind, name: str) -> Change:
        if kind not in parts.rules.kinds:
            raise SchemaRefused(f"This job does not provision objects of type {kind}.")
        change = parts.source.read_one(kind, name)
        if change is None:
            raise NobodyFound(f"The source system has no {kind.value} “{name}”.")
        return change

    def _members(self, parts: JobParts, group: Change, member_ids: Sequence[str]) -> list[Change]:
        held = {source_id for ids in group.references.values() for source_id in ids}
        others = [source_id for source_id in dict.fromkeys(member_ids) if source_id not in held]
        if others:
            shown = ", ".join(others[:3])
            raise NobodyFound(
                f"{len(others)} of the members that were named are none of {group.display_name}: {shown}.",
                remedy="Name members of the group by their object ids, or none.",
            )
        return [self._change(parts, ObjectKind.USER, source_id) for source_id in dict.fromkeys(member_ids)]

    def _preview(self, cycle: Cycle, parts: JobParts, members: Sequence[Change], change: Change) -> OnDemand:
        with ThreadPoolExecutor(parts.target.capabilities.concurrency, thread_name_prefix="preview") as pool:
            lookup = Lookup(self._stores, parts, pool)
            decider = Decider(parts, self._stores, lookup, self._clock, self._ids)
            decided = self._decided(decider, cycle, members)
            (main,) = decider.decide(cycle, change.kind, [change])
        return OnDemand(cycle=None, operation=main.operation, members=tuple(each.operation for each in decided))

    def _do(self, run: Run, members: Sequence[Change], change: Change) -> OnDemand:
        decided = self._decided(run.decider, run.cycle, members)
        self._send(run, decided)
        # The members have accounts by now, if they are to have any.
        main = run.decider.decide(run.cycle, change.kind, [change])
        self._send(run, main)
        only = frozenset({change.source_id, *(member.source_id for member in members)})
        run.commit(run.move(phase=CyclePhase.REFERENCES))
        while run.cycle.phase is CyclePhase.REFERENCES:
            send_references(run, self._stores, self._ids, is_approved=True, only=only)
        return OnDemand(cycle=run.cycle, operation=main[0].operation, members=tuple(each.operation for each in decided))

    def _set_aside(self, job_id: str, source_ids: Collection[str]) -> None:
        """Takes back what the running cycle of the job would take away later from those whose account is another's."""
        running = self._stores.cycles.running(job_id) if source_ids else None
        if running is None:
            return
        staged = self._stores.cycles.staged(running.id, StagedState.RELEASED, REMOVAL_WAVE, REMOVALS_LIMIT)
        late = [item.number for item in staged if item.operation.source_id in source_ids]
        self._stores.cycles.mark(running, late, StagedState.REJECTED, "Superseded", "The account went to another.")

    def _send(self, run: Run, decisions: Sequence[Decision]) -> None:
        self._set_aside(run.cycle.job_id, losing(decisions))
        counters = replace(run.cycle.counters, expected=run.cycle.counters.expected + len(decisions))
        run.stage(decisions, replace(run.move(), counters=counters), removal_wave=MAIN_WAVE, is_approved=True)
        while run.send_batch(MAIN_WAVE):
            pass

    def _decided(self, decider: Decider, cycle: Cycle, changes: Sequence[Change]) -> list[Decision]:
        return [
            decision
            for start in range(0, len(changes), PAGE)
            for decision in decider.decide(cycle, ObjectKind.USER, changes[start : start + PAGE])
        ]

    def _close(self, run: Run, failure: JobFailure | None) -> None:
        state = CycleState.ENTRY_LEVEL_ERRORS if run.cycle.counters.failed else CycleState.SUCCEEDED
        if failure is not None:
            state = CycleState.FAILED
        record = None if failure is None else failure.record()
        run.cycle = replace(run.move(phase=CyclePhase.DONE), state=state, ended_at=self._clock.now(), failure=record)
        self._stores.cycles.close(run.cycle, None)

    def _new_cycle(self, job_id: str, initiator: Initiator | None) -> Cycle:
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
            counters=Counters(),
            began_at=self._clock.now(),
            options=asked_by(initiator),
        )


def previewed(operation: Operation) -> dict[str, Any]:
    """Returns, as plain data, what an operation would do: action, reason, steps and values as the log shows them."""
    status = LogStatus.FAILURE if operation.failure is not None else LogStatus.SUCCESS
    if operation.kind is OperationKind.SKIP:
        status = LogStatus.SKIPPED
    failure = operation.failure
    return {
        "action": action_of(operation).value,
        "status": status.value,
        "sourceId": operation.source_id,
        "sourceType": operation.object_kind.value,
        "sourceName": operation.source_name,
        "targetId": operation.target_id,
        "targetName": operation.target_name,
        "reason": operation.reason,
        "skipReason": None if operation.skip_reason is None else operation.skip_reason.value,
        "failure": None
        if failure is None
        else {"code": failure.code, "reason": failure.sentence, "recommendedAction": failure.remedy},
        "modifiedProperties": [
            {"displayName": item.display_name, "oldValue": item.old_value, "newValue": item.new_value}
            for item in modified_properties(operation)
        ],
        "steps": [
            {
                "name": step.name,
                "type": step.type.value,
                "status": step.status.value,
                "description": step.description,
                "details": dict(step.details),
            }
            for step in operation.steps
        ],
    }
