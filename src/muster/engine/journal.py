"""What is written of outcomes: links, escrows, log entries, counters; and how unknown outcomes are resolved."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import structs

from muster.engine.holding import standing_hold
from muster.engine.parts import JobParts, initiator_of
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, TargetObjectGone, TargetThrottled
from muster.model.job import Counters, Cycle, CycleKind, Escrow
from muster.model.log import LogEntry, LogStatus, ProvisioningAction, SkipReason, Step, StepType
from muster.model.operation import Intent, Link, LinkState, MatchingValue, Operation, OperationKind, Outcome
from muster.planning.health import next_escrow
from muster.planning.trace import export_step, given_up, is_worth_logging, log_entry, noted_step
from muster.ports.cycles import ReferenceSettled, Settlement
from muster.ports.world import Clock, Ids

_COUNTED = {
    OperationKind.CREATE: "created",
    OperationKind.UPDATE: "updated",
    OperationKind.DISABLE: "disabled",
    OperationKind.DELETE: "deleted",
    OperationKind.REFER: "references",
    OperationKind.LINK: "unchanged",
}

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_ON_DEMAND, _SKIP, _REFER = CycleKind.ON_DEMAND, OperationKind.SKIP, OperationKind.REFER
_CHANGING = (OperationKind.UPDATE, OperationKind.DISABLE)
_REDUNDANT = SkipReason.REDUNDANT_EXPORT
_SKIPPED, _FAILURE = LogStatus.SKIPPED, LogStatus.FAILURE


class Journal:
    """Turns outcomes into settlements."""

    def __init__(self, parts: JobParts, clock: Clock, ids: Ids) -> None:
        self._parts = parts
        self._clock = clock
        self._ids = ids

    def settlement(
        self, outcome: Outcome, cycle: Cycle, *, number: int | None = None, escrow: Escrow | None = None
    ) -> Settlement:
        """Returns what is written of an outcome. `escrow` is what the object had before."""
        operation = outcome.operation
        kind, source_id = operation.object_kind, operation.source_id
        entry = None
        if is_worth_logging(operation.skip_reason) or cycle.kind is _ON_DEMAND:
            entry = log_entry(
                outcome,
                entry_id=self._ids.new_id(),
                job_id=cycle.job_id,
                cycle_id=cycle.id,
                service_principal_id=self._parts.job.service_principal_id,
                initiator=initiator_of(cycle.options),
            )
        if outcome.status is _FAILURE and outcome.failure is not None:
            before = None if outcome.is_due else escrow
            waiting = next_escrow(
                operation, outcome.failure, before, outcome.at, self._parts.job.interval, self._parts.retry_terms
            )
            # Of some failed operations a part was carried out: the switch that takes access away.
            link = _link_meanwhile(outcome) if outcome.acknowledged is None else _link_after(outcome)
            # Where there is a link, its account is gone: by what it had been sent it would seem as wanted.
            is_doubted = operation.kind is OperationKind.CREATE or (outcome.is_open and operation.kind in _CHANGING)
            unsure = _attributes_of(operation) if is_doubted else ()
            left = Settlement(kind=kind, source_id=source_id, number=number, link=link, unsure=unsure, entry=entry)
            if waiting is None:
                # It is looked at again when it changes, and in the next full pass.
                return replace(left, clear_escrow=True, entry=None if entry is None else given_up(entry))
            due_at = outcome.at if outcome.is_due else waiting.next_attempt_at
            return replace(left, escrow=replace(waiting, tried=_tried(outcome), next_attempt_at=due_at))
        if operation.kind is _REFER:
            return Settlement(kind=kind, source_id=source_id, number=number, entry=entry)
        standing = standing_hold(operation, cycle, outcome.at)
        if standing is not None:
            hold, due = standing
            return Settlement(
                kind=kind,
                source_id=source_id,
                number=number,
                link=_link_after(outcome) if outcome.status is LogStatus.SUCCESS else None,
                entry=entry,
                hold=hold,
                escrow=due,
                clear_escrow=due is None,
            )
        # With what is shown of references goes what they are sent again for.
        is_as_before = outcome.status is _SKIPPED and not operation.shown
        link = None if is_as_before else _link_after(outcome)
        return Settlement(
            kind=kind,
            source_id=source_id,
            number=number,
            link=link,
            unlink=link is None and outcome.status is not _SKIPPED,
            account_stays=operation.account_stays,
            entry=entry,
            clear_escrow=True,
            wanted=operation.references,
            shown=operation.shown,
        )

    @staticmethod
    def is_at_rest(operation: Operation, cycle: Cycle) -> bool:
        """Whether an object is as it should be, nobody asked for it by name, and nothing of it waits."""
        return operation.skip_reason is _REDUNDANT and cycle.kind is not _ON_DEMAND and operation.waits_since is None

    def rest(self, operation: Operation) -> Settlement:
        """Returns what is written of an object that is at rest: it waits for nothing any more."""
        return Settlement(
            kind=operation.object_kind,
            source_id=operation.source_id,
            clear_escrow=True,
            link=_link_after(self.decided(operation)) if operation.shown else None,
            wanted=operation.references,
            shown=operation.shown,
        )

    @staticmethod
    def rest_as_wanted(intent: Intent) -> Settlement:
        """Returns the same of an object of which no operation was made."""
        change = intent.change
        return Settlement(kind=change.kind, source_id=change.source_id, clear_escrow=True, wanted=intent.references)

    def reference_settlement(self, outcome: Outcome, cycle: Cycle, settled: Sequence[ReferenceSettled]) -> Settlement:
        """Returns what is written of references that the target confirmed, or may have taken."""
        base = self.settlement(outcome, cycle)
        if outcome.status is not LogStatus.SUCCESS:
            # References are wanted until they are confirmed: the next second wave tries again, no escrow needed; but
            # whose references they are is made again before, if they are gone.
            is_gone = outcome.failure is not None and outcome.failure.code == TargetObjectGone.code
            arrived = outcome.is_open or is_sent_in_parts(outcome.operation)
            escrow = base.escrow if is_gone else None
            return replace(base, escrow=escrow, references=_unsure(settled) if arrived else ())
        return replace(base, references=tuple(settled))

    def problem(self, sentence: str, kind: ObjectKind, cycle: Cycle) -> Settlement:
        """Returns the log entry of something the source could not give; it changes nobody."""
        step = Step(name="EntryImport", type=StepType.IMPORT, status=LogStatus.FAILURE, description=sentence)
        entry = LogEntry(
            id=self._ids.new_id(),
            at=self._clock.now(),
            job_id=cycle.job_id,
            cycle_id=cycle.id,
            change_id=self._ids.new_id(),
            service_principal_id=self._parts.job.service_principal_id,
            action=ProvisioningAction.OTHER,
            status=LogStatus.FAILURE,
            object_kind=kind.value,
            source_id="",
            source_name=_place_of(sentence),
            target_id=None,
            target_name=None,
            steps=(step,),
            modified=(),
            duration=timedelta(0),
            reason=sentence,
            failure=_record(
                sentence, "Correct the row that is named and import the file again; everything else was imported."
            ),
            initiator=initiator_of(cycle.options),
        )
        return Settlement(kind=kind, source_id="", entry=entry)

    def warning(self, kind: ObjectKind, source_id: str, name: str, sentence: str, cycle: Cycle) -> Settlement:
        """Returns the log entry of something that was left as it is."""
        told = self.problem(f"{name}: {sentence}.", kind, cycle)
        if told.entry is None:
            return told
        steps = tuple(structs.replace(step, status=LogStatus.WARNING) for step in told.entry.steps)
        entry = replace(told.entry, status=LogStatus.WARNING, source_id=source_id, steps=steps, failure=None)
        return replace(told, entry=replace(entry, reason=f"{name}: {sentence}."))

    def planned_problem(self, sentence: str, kind: ObjectKind) -> Operation:
        """Returns what a plan shows of something the source could not give: the row would be left out."""
        return Operation(
            change_id=self._ids.new_id(),
            kind=OperationKind.FAIL,
            object_kind=kind,
            source_id="",
            source_name=_place_of(sentence),
            reason=sentence,
            failure=_record(sentence, "Correct the row that is named; without that, everything else is imported."),
        )

    def decided(self, operation: Operation) -> Outcome:
        """Returns the outcome of an operation for which nothing is sent: a skip, a link, a failed decision."""
        status = LogStatus.SUCCESS
        if operation.kind is _SKIP:
            status = _SKIPPED
        elif operation.kind is OperationKind.FAIL:
            status = LogStatus.FAILURE
        return Outcome(
            operation=operation,
            status=status,
            at=self._clock.now(),
            target_id=operation.target_id,
            acknowledged=None if status is _FAILURE else operation.acknowledged,
            failure=operation.failure,
        )

    def found_done(self, operation: Operation) -> Outcome:
        """Returns the outcome of an operation whose answer was lost: both sides are as it wanted them."""
        step = export_step(operation, self._parts.rules)
        note = noted_step("The answer was lost; then this was found done.")
        return replace(self.decided(operation), steps=(note,) if step is None else (step, note))


def is_sent_in_parts(operation: Operation) -> bool:
    """Whether a part of an operation may have been carried out when another failed."""
    # A list that the target refuses as a whole is halved until it is taken.
    lists = [change.new or change.old for change in operation.changes if change.multivalued]
    return len(operation.changes) > 1 or any(len(each) > 1 for each in lists)


def doubted_references(kind: ObjectKind, source_id: str, settled: Sequence[ReferenceSettled]) -> Settlement:
    """Returns what is written of references that were sent, or may have been, without an answer."""
    return Settlement(kind=kind, source_id=source_id, references=_unsure(settled))


def _unsure(settled: Sequence[ReferenceSettled]) -> tuple[ReferenceSettled, ...]:
    return tuple(replace(each, unsure=True) for each in settled)


def _place_of(sentence: str) -> str:
    return sentence.split(":", 1)[0]


def _record(sentence: str, remedy: str) -> FailureRecord:
    return FailureRecord(code="ImportFailed", sentence=sentence, remedy=remedy, retry=False)


def tally(counters: Counters, outcomes: Sequence[Outcome]) -> Counters:
    """Returns the counters with outcomes added, in objects."""
    sums: dict[str, int] = {}
    for outcome in outcomes:
        name = _counter_of(outcome)
        sums[name] = sums.get(name, 0) + 1
        if name == "failed" and outcome.operation.kind is OperationKind.REFER:
            sums["failed_references"] = sums.get("failed_references", 0) + 1
        elif name == "failed" and outcome.failure is not None and outcome.failure.code == TargetThrottled.code:
            sums["throttled"] = sums.get("throttled", 0) + 1
    return replace(counters, **{name: getattr(counters, name) + count for name, count in sums.items()})


def _counter_of(outcome: Outcome) -> str:
    if outcome.status is LogStatus.FAILURE:
        return "failed"
    if outcome.operation.skip_reason is SkipReason.REDUNDANT_EXPORT:
        return "unchanged"
    if outcome.status is LogStatus.SKIPPED:
        return "skipped"
    return _COUNTED.get(outcome.operation.kind, "unchanged")


def _tried(outcome: Outcome) -> tuple[MatchingValue, ...]:
    """Returns the values to look for an account by that we may have made or taken over."""
    operation = outcome.operation
    return tuple(dict.fromkeys((*operation.tried, *(operation.tries if outcome.is_open else ()))))


def _attributes_of(operation: Operation) -> tuple[str, ...]:
    return tuple(change.attribute for change in operation.changes)


def _link_meanwhile(outcome: Outcome) -> Link | None:
    """Returns the link to an account that may have been taken over by a request whose answer was lost.

    It goes to nobody else meanwhile, though it still bears a name that was passed on.
    """
    operation = outcome.operation
    if not outcome.is_open or operation.kind not in _CHANGING or not (operation.adopts or operation.tried):
        return None
    link = _link_after(outcome)
    return None if link is None else replace(link, state=link.owned)


def _link_after(outcome: Outcome) -> Link | None:
    operation = outcome.operation
    target_id = outcome.target_id or operation.target_id
    if operation.link_state is None or target_id is None:
        return None
    return Link(
        source_id=operation.source_id,
        kind=operation.object_kind,
        target_id=target_id,
        state=operation.link_state,
        owned=operation.owned or LinkState.ADOPTED,
        acknowledged=outcome.acknowledged or operation.acknowledged,
        display_name=operation.source_name,
    )
