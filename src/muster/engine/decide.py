"""Changes → operations: the pure rooms' rules, applied to a page with what the stores and the target know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from muster.engine.lookup import Lookup
from muster.engine.parts import JobParts, environment
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.job import Cycle, CycleKind
from muster.model.log import SkipReason, Step
from muster.model.operation import Change, Intent, MatchingValue, Operation, OperationKind, TargetObject
from muster.planning.decision import Describe, plan_operation
from muster.planning.intent import form_intent
from muster.planning.rules import KindRules
from muster.planning.trace import is_worth_logging, steps_of
from muster.ports.world import Clock, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The first four values of the trip, side by side."""

    intent: Intent
    target: TargetObject
    operation: Operation


class Decider:
    """Decides; sends nothing that writes."""

    def __init__(self, parts: JobParts, lookup: Lookup, clock: Clock, ids: Ids) -> None:
        self._parts = parts
        self._lookup = lookup
        self._clock = clock
        self._ids = ids

    def decide(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        changes: Sequence[Change],
        tried: Mapping[str, tuple[MatchingValue, ...]] | None = None,
    ) -> list[Decision]:
        """Returns one decision a change, in order.

        `tried` tells, by source id, under which values a creation was sent just now whose outcome nobody knows.
        """
        rules, terms = self._rules(kind), self._parts.terms
        surroundings = environment(self._parts.job, self._clock, self._ids)
        intents = [form_intent(change, rules, terms, surroundings) for change in changes]
        targets = self._lookup.find(cycle, kind, intents, tried or {})
        describe = self._describer(is_asked_for=cycle.kind is CycleKind.ON_DEMAND)
        return [
            Decision(
                intent=intent,
                target=target,
                operation=plan_operation(intent, target, rules, terms, change_id=self._ids.new_id(), describe=describe),
            )
            for intent, target in zip(intents, targets, strict=True)
        ]

    def _describer(self, *, is_asked_for: bool) -> Describe:
        rules = self._parts.rules

        def describe(
            intent: Intent,
            target: TargetObject,
            decided: OperationKind,
            why: str,
            skip_reason: SkipReason | None,
            failure: FailureRecord | None,
        ) -> tuple[Step, ...]:
            if not is_asked_for and not is_worth_logging(skip_reason):
                return ()
            return steps_of(intent, target, decided, why, rules, skip_reason=skip_reason, failure=failure)

        return describe

    def _rules(self, kind: ObjectKind) -> KindRules:
        """Returns the rules as far as the target can follow them."""
        rules = self._parts.rules.kinds[kind]
        if kind is ObjectKind.USER and rules.soft_deletes and not self._parts.target.capabilities.can_delete:
            return replace(rules, target_deletes=False)
        return rules

    def decide_afresh(
        self, cycle: Cycle, kind: ObjectKind, source_id: str, tried: tuple[MatchingValue, ...] = ()
    ) -> Decision | None:
        """Returns the decision on one object, read again on both sides; None when the source no longer knows it."""
        change = self._parts.source.read_one(kind, source_id)
        if change is None:
            return None
        # As on demand: neither the census nor the acknowledged projection counts, only what the target says now.
        asking = replace(cycle, kind=CycleKind.ON_DEMAND, options={})
        return self.decide(asking, kind, [change], {source_id: tried})[0]
