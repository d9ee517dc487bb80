"""Open ends: how operations turned out of which nobody knows whether they arrived, or which the target refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from muster.engine.apply import Unsettled, failed
from muster.engine.decide import Decider, Decision
from muster.engine.journal import Journal
from muster.engine.parts import JobParts
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.job import Cycle, CycleKind
from muster.model.operation import LinkState, MatchingValue, Operation, OperationKind, Outcome
from muster.planning.plan import operation_hash
from muster.planning.policy import Approval
from muster.ports.world import Clock


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What both sides show of open ends, by their place: how they turned out, or what is sent once more."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    again: dict[int, Operation] = field(default_factory=dict)
    # What drops the links of those whose accounts are another's now: settled before anything is sent.
    retired: list[Outcome] = field(default_factory=list)


class OpenEnds:
    """Looks open ends up on both sides; sends nothing that writes."""

    def __init__(self, parts: JobParts, decider: Decider, journal: Journal, clock: Clock) -> None:
        self._parts = parts
        self._decider = decider
        self._journal = journal
        self._clock = clock

    def look_up(self, cycle: Cycle, items: Sequence[Unsettled], *, is_past: bool) -> LookedUp:
        """Looks at all of them at once: one after another, a slow target would keep everybody else waiting.

        Unless `is_past` (nothing is under way any more), a request that may still arrive is not repeated in this cycle:
        it waits in escrow. Raises JobFailure.
        """
        found = LookedUp()
        # The rules would undo what a rollback takes back.
        by_rules = cycle.kind is not CycleKind.ROLLBACK
        decisions = self._decide(cycle, items) if by_rules else {}
        for place, item in enumerate(items):
            resend = is_past or not item.is_open
            if by_rules:
                decision = decisions.get((item.operation.object_kind, item.operation.source_id))
                if decision is not None and decision.retires is not None:
                    found.retired.append(self._journal.decided(decision.retires))
                end = self._end(item, decision, resend=resend)
            else:
                # A change to a value may be sent twice, so it is.
                end = item.operation if item.is_open and resend else self.left_open(item)
            if isinstance(end, Outcome):
                found.outcomes[place] = end
            else:
                found.again[place] = end
        return found

    def left_open(self, item: Unsettled) -> Outcome:
        """Returns the outcome of an open end that is not looked up now."""
        return failed(item.operation, item.failure, self._parts, self._clock, is_open=item.is_open)

    def _decide(self, cycle: Cycle, items: Sequence[Unsettled]) -> dict[tuple[ObjectKind, str], Decision]:
        tried: dict[ObjectKind, dict[str, tuple[MatchingValue, ...]]] = {}
        for item in items:
            operation = item.operation
            tried.setdefault(operation.object_kind, {})[operation.source_id] = operation.tries if item.is_open else ()
        return {
            (kind, decision.operation.source_id): decision
            for kind, values in tried.items()
            for decision in self._decider.decide_afresh(cycle, kind, values)
        }

    def _end(self, item: Unsettled, decision: Decision | None, *, resend: bool) -> Outcome | Operation:
        """Returns how an open end turned out, or what is to be sent because of it."""
        operation = item.operation
        if decision is None:
            return self.left_open(item)
        # The same change of the same object: the log and whoever asked find it under one id.
        again = replace(decision.operation, change_id=operation.change_id)
        if again.kind is OperationKind.FAIL and again.failure is not None:
            return failed(operation, again.failure, self._parts, self._clock, is_open=item.is_open)
        if not again.kind.writes:
            return self._found_done(operation, again, item)
        if again.kind is operation.kind and (item.is_conflict or not resend):
            return self.left_open(item)
        if again.removes and not (operation.removes and again.target_id == operation.target_id):
            # The gate, or an administrator, has not let go of it yet: of this account, should it be another by now.
            return replace(self.left_open(item), is_due=True)
        approval = self._parts.approval
        asks = approval is Approval.ALL or (approval is Approval.REMOVALS and again.removes)
        if asks and operation_hash(again) != operation_hash(operation):
            return self.left_open(item)
        return again

    def _found_done(self, operation: Operation, again: Operation, item: Unsettled) -> Outcome:
        """Returns success: both sides already are as the operation wanted them."""
        if not item.is_open:
            return self._journal.decided(again)
        if operation.kind is OperationKind.CREATE:
            # Looked up before, absent then, created by the request whose answer was lost: ours.
            again = replace(again, link_state=LinkState.MANAGED, owned=LinkState.MANAGED)
        done = replace(
            operation,
            link_state=again.link_state if operation.kind is not OperationKind.DELETE else None,
            owned=again.owned,
            target_id=again.target_id or operation.target_id,
            acknowledged=again.acknowledged,
        )
        return self._journal.found_done(done)
