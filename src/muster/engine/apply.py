"""Operation → Outcome: sends operations side by side and says what came of each."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import structs

from muster.engine.parts import JobParts
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import (
    Conflict,
    FailureRecord,
    JobFailure,
    ObjectFailure,
    OperationRefused,
    TargetObjectGone,
    ValueRefused,
)
from muster.model.log import LogStatus
from muster.model.operation import Acknowledged, AttributeChange, Operation, OperationKind, Outcome, Verb
from muster.planning.difference import SWITCHES, acknowledge, are_equal, is_off
from muster.planning.trace import export_step, noted_step
from muster.ports.target import BatchTarget, BulkTarget, UnknownOutcome, WriteResult, Written, values_of
from muster.ports.wire import concerning
from muster.ports.world import Clock

# How it is told that nobody knows what came of a request.
LOST = "Timeout"
INTERRUPTED = JobFailure(
    "The service was interrupted while the request was under way.",
    code=LOST,
    remedy="Nothing to do: the account was looked up, and the next cycle tries again if it is still needed.",
).record()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An operation whose end is open: a lost answer, a conflict, a vanished object. It is looked up, not repeated."""

    operation: Operation
    failure: FailureRecord
    is_conflict: bool = False
    is_gone: bool = False
    # The target has turned out to delete nobody: the account is to be switched off instead.
    is_undeletable: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the request may have arrived, or may yet."""
        return not (self.is_conflict or self.is_gone or self.is_undeletable)


Answer = Outcome | Unsettled


class _HalfMade(UnknownOutcome):
    """An account that was made, and is not switched as it should be."""


class Sender:
    """Sends a batch with the target's concurrency. The rate budget and Retry-After are the target's own affair."""

    def __init__(self, parts: JobParts, pool: ThreadPoolExecutor, clock: Clock) -> None:
        self._parts = parts
        self._pool = pool
        self._clock = clock
        # One for each operation for which a second request was sent: added by many threads, taken by one.
        self._second: deque[None] = deque()

    def send(self, operations: Sequence[Operation]) -> tuple[list[Answer], JobFailure | None]:
        """Returns one answer an operation that was tried, and the failure that stopped the batch, if one did.

        After a job failure the remaining operations are not tried: they stay staged.
        """
        target = self._parts.target
        if isinstance(target, BatchTarget):
            return self._send_together(target, operations), None
        return self._send_side_by_side(operations)

    def second_requests(self) -> int:
        """Returns for how many operations a second request was sent since this was last asked."""
        count = len(self._second)
        for _ in range(count):
            self._second.popleft()
        return count

    def _send_side_by_side(self, operations: Sequence[Operation]) -> tuple[list[Answer], JobFailure | None]:
        # Taken by as many threads as the target may be called from; each operation knows its place.
        waiting = deque(enumerate(operations))
        answers: dict[int, Answer] = {}
        stopped: list[JobFailure] = []
        threads = min(self._parts.target.capabilities.concurrency, len(operations))
        share = self._share(len(operations), threads)

        def work() -> None:
            while not stopped and (taken := _take(waiting, share)):
                try:
                    came = self._try([operation for _, operation in taken])
                except BaseException:
                    # A fault of ours: nobody sends anything more.
                    waiting.clear()
                    raise
                for (place, _), answer in zip(taken, came, strict=True):
                    if isinstance(answer, JobFailure):
                        stopped.append(answer)
                    else:
                        answers[place] = answer

        # Each with the ids of the cycle: a context is entered by one thread at a time.
        ends = [self._pool.submit(copy_context().run, work) for _ in range(threads)]
        wait(ends)
        for end in ends:
            end.result()
        return [answers[place] for place in sorted(answers)], stopped[0] if stopped else None

    def _share(self, count: int, threads: int) -> int:
        """Returns how many operations go in one request."""
        target = self._parts.target
        most = target.most_together() if count > 1 and isinstance(target, BulkTarget) else 1
        if most == 1 or target.capabilities.requests_per_second is not None:
            return most
        # Where requests do not count, as many as go at once share the work.
        return min(most, -(-count // threads))

    def _send_together(self, target: BatchTarget, operations: Sequence[Operation]) -> list[Answer]:
        writing = [operation for operation in operations if operation.kind.writes]
        began_at = self._clock.now()
        answers = dict(zip((item.change_id for item in writing), target.write_many(writing), strict=True))
        # They came to be in one transaction, at one time.
        at = self._clock.now()
        duration = (at - began_at) / max(len(writing), 1)
        outcomes: list[Answer] = []
        for operation in operations:
            answer = answers.get(operation.change_id)
            if isinstance(answer, ObjectFailure):
                refused = self._refused(operation, answer)
                outcomes.append(self._failed(operation, answer) if isinstance(refused, JobFailure) else refused)
            else:
                outcomes.append(self._succeeded(operation, answer, at=at, duration=duration))
        return outcomes

    def _try(self, operations: Sequence[Operation]) -> list[Answer | JobFailure]:
        """Returns what came of operations that are sent in one request; a JobFailure: it was not carried out."""
        began_at = self._clock.now()
        target = self._parts.target
        if len(operations) > 1 and isinstance(target, BulkTarget):
            results: Sequence[WriteResult | None] = target.write_together(operations)
        else:
            results = [self._call(operation) for operation in operations]
        results = [
            self._switched(operation, result) if operation.kind is OperationKind.CREATE else result
            for operation, result in zip(operations, results, strict=True)
        ]
        duration = (self._clock.now() - began_at) / len(operations)
        return [
            self._answer(operation, result, duration) for operation, result in zip(operations, results, strict=True)
        ]

    def _answer(self, operation: Operation, result: WriteResult | None, duration: timedelta) -> Answer | JobFailure:
        match result:
            case JobFailure():
                return result
            case UnknownOutcome():
                record = FailureRecord(
                    code=LOST,
                    sentence=str(result) if isinstance(result, _HalfMade) else f"The answer was lost: {result}",
                    remedy="Nothing to do: the account is looked up before anything is sent again.",
                )
                return Unsettled(operation=operation, failure=record)
            case Conflict() if not self._access_apart(operation):
                return Unsettled(operation=operation, failure=result.record(), is_conflict=True)
            case TargetObjectGone():
                return Unsettled(operation=operation, failure=result.record(), is_gone=True)
            case ObjectFailure():
                if self._is_undeletable(operation):
                    return Unsettled(operation=operation, failure=result.record(), is_undeletable=True)
                return self._refused(operation, result)
        return self._succeeded(operation, result, at=self._clock.now(), duration=duration)

    def _refused(self, operation: Operation, failure: ObjectFailure) -> Answer | JobFailure:
        """Returns the failure; where it came with a change that takes access away, that change is sent by itself first.

        Whoever has left must not keep access because of a telephone number that the target does not take, or a name
        that another account has. A JobFailure: the target takes nothing just now, so the whole operation waits.
        """
        alone = self._access_apart(operation) if isinstance(failure, ValueRefused | OperationRefused | Conflict) else ()
        if not alone:
            return self._failed(operation, failure)
        by_itself = replace(operation, changes=alone)
        self._second.append(None)
        result = self._call(by_itself)
        if isinstance(result, UnknownOutcome):
            return Unsettled(operation=operation, failure=failure.record())
        if isinstance(result, JobFailure):
            return result
        if isinstance(result, ObjectFailure):
            return self._failed(operation, failure)
        names = ", ".join(change.attribute for change in alone)
        note = f"Only {names} was changed, by a request of its own: access is taken away in any case."
        outcome = self._failed(operation, failure)
        acknowledged = self.acknowledged(by_itself, result)
        return replace(outcome, acknowledged=acknowledged, steps=(*outcome.steps, noted_step(note)))

    def _access_apart(self, operation: Operation) -> tuple[AttributeChange, ...]:
        """Returns the changes that take access away; none where there are no others."""
        rules = self._parts.rules.kinds.get(operation.object_kind)
        if rules is None or operation.kind not in (OperationKind.UPDATE, OperationKind.DISABLE):
            return ()
        signs = rules.life_signs if operation.kind is OperationKind.DISABLE else frozenset()
        taking = tuple(
            change
            for change in operation.changes
            if change.attribute in signs or (change.attribute in SWITCHES and is_off(change.new))
        )
        return taking if len(taking) < len(operation.changes) else ()

    def _is_undeletable(self, operation: Operation) -> bool:
        """Whether a deletion was refused because the target deletes no accounts, but can switch them off."""
        is_deletion = operation.kind is OperationKind.DELETE and operation.object_kind is ObjectKind.USER
        if not is_deletion or self._parts.target.capabilities.can_delete:
            return False
        return self._parts.rules.kinds[ObjectKind.USER].soft_deletes

    def _call(self, operation: Operation) -> WriteResult | None:
        """Returns what came of an operation that is sent alone; None of one for which nothing is sent or shown."""
        target = self._parts.target
        try:
            with concerning(operation.source_id):
                match operation.kind:
                    case OperationKind.CREATE:
                        return target.create(operation.object_kind, values_of(operation))
                    case OperationKind.DELETE:
                        target.delete(operation.object_kind, operation.target_id or "")
                    case OperationKind.UPDATE | OperationKind.DISABLE | OperationKind.REFER:
                        return target.update(operation.object_kind, operation.target_id or "", operation.changes)
                    case _:
                        pass
        except (ObjectFailure, JobFailure, UnknownOutcome) as trouble:
            return trouble
        return None

    def _switched(self, operation: Operation, result: WriteResult | None) -> WriteResult | None:
        """Switches an account, once, as was asked for, where the application has made it otherwise and says so.

        Lenient: some make everybody switched off, and leave it to a second request to switch them on.
        """
        rules = self._parts.rules.kinds.get(operation.object_kind)
        if rules is None or not isinstance(result, Written) or result.resource is None:
            return result
        signs = rules.life_signs
        made = result.resource.attributes
        wrong = tuple(
            structs.replace(change, verb=Verb.REPLACE, old=made[change.attribute])
            for change in operation.changes
            if change.attribute in signs
            and isinstance(change.new, bool)
            and made.get(change.attribute) is not None
            and not are_equal(change.new, made[change.attribute], rules.definitions.get(change.attribute))
        )
        if not wrong:
            return result
        names = ", ".join(change.attribute for change in wrong)
        switch = replace(operation, kind=OperationKind.UPDATE, target_id=result.target_id, changes=wrong)
        self._second.append(None)
        again = self._call(switch)
        if not isinstance(again, Written):
            # The account is there, and ours: it is looked up like one whose answer was lost, and switched then.
            return _HalfMade(
                f"It was made with another {names}; the request that was to put this right failed: {again}"
            )
        shown = {**made, **{change.attribute: change.new for change in wrong}}
        if again.resource is not None:
            shown = {**shown, **{each: value for each, value in again.resource.attributes.items() if each in signs}}
        kept = all(
            are_equal(change.new, shown[change.attribute], rules.definitions.get(change.attribute)) for change in wrong
        )
        note = f"It was made with another {names}, which a second request has put right."
        if not kept:
            note = f"It was made with another {names}, and a second request did not change that: not sent again."
        return replace(result, resource=replace(result.resource, attributes=shown), note=note)

    def _succeeded(
        self,
        operation: Operation,
        written: Written | None,
        *,
        at: datetime,
        duration: timedelta,
    ) -> Outcome:
        target_id = written.target_id if written is not None else operation.target_id
        step = export_step(operation, self._parts.rules, target_id=target_id)
        steps = () if step is None else (step,)
        if written is not None and written.note is not None:
            steps = (*steps, noted_step(written.note))
        return Outcome(
            operation=operation,
            status=LogStatus.SUCCESS,
            at=at,
            duration=duration,
            target_id=target_id,
            acknowledged=self.acknowledged(operation, written),
            steps=steps,
        )

    def _failed(self, operation: Operation, failure: ObjectFailure) -> Outcome:
        return failed(operation, failure.record(), self._parts, self._clock)

    def acknowledged(self, operation: Operation, written: Written | None) -> Acknowledged:
        """Returns the projection once the operation is confirmed."""
        rules = self._parts.rules.kinds.get(operation.object_kind)
        if rules is None or operation.kind not in _PROJECTED:
            return operation.acknowledged
        sent = {change.attribute: change.new for change in operation.changes}
        shown = written.resource.attributes if written is not None and written.resource is not None else None
        return acknowledge(operation.acknowledged, sent, shown, rules)


_PROJECTED = (OperationKind.CREATE, OperationKind.UPDATE, OperationKind.DISABLE)


def failed(
    operation: Operation, failure: FailureRecord, parts: JobParts, clock: Clock, *, is_open: bool = False
) -> Outcome:
    """Returns the outcome of an operation that failed; `is_open`: its request may have arrived, or may yet."""
    step = export_step(operation, parts.rules, failure=failure)
    return Outcome(
        operation=operation,
        status=LogStatus.FAILURE,
        at=clock.now(),
        failure=failure,
        is_open=is_open,
        steps=() if step is None else (step,),
    )


def _take(waiting: deque[tuple[int, Operation]], most: int) -> list[tuple[int, Operation]]:
    """Returns the next operations; other threads take from the same queue."""
    taken: list[tuple[int, Operation]] = []
    while waiting and len(taken) < most:
        try:
            taken.append(waiting.popleft())
        except IndexError:
            break
    return taken
