"""Changes → operations: the pure rooms' rules, applied to a page with what the stores and the target know."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from muster.engine.drift import DriftScale
from muster.engine.parts import EngineStores, JobParts, environment
from muster.model.cause import Cause
from muster.model.copies import replace
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HoldCode, HoldState
from muster.model.job import Cycle, CycleKind
from muster.model.log import SkipReason, Step
from muster.model.operation import Change, Intent, MatchingValue, Operation, OperationKind, Presence, TargetObject
from muster.planning.causes import cause_of
from muster.planning.decision import Describe, is_as_wanted, plan_operation
from muster.planning.intent import form_intent
from muster.planning.matching import hand_over, is_carried_out, is_gone, keep_apart, retire
from muster.planning.policy import Approval
from muster.planning.precedence import EXISTENCE, without
from muster.planning.protection import delay_deletion, protect
from muster.planning.rules import KindRules
from muster.planning.trace import is_worth_logging, steps_of
from muster.ports.source import EvidentSource, RefreshedSource, Window
from muster.ports.world import Clock, Ids

# Besides a reconciliation, which has its own way: cycles that compare with what the target says.
_INCREMENTAL = CycleKind.INCREMENTAL
_ASKING = (CycleKind.INITIAL, CycleKind.PLAN, CycleKind.ON_DEMAND)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The first four values of the trip, side by side."""

    intent: Intent
    target: TargetObject
    operation: Operation
    # Drops the link of somebody who is gone for good, and whose account this one takes over.
    retires: Operation | None = None

    @property
    def waits_for_another(self) -> bool:
        """Whether it takes an account over as soon as that is taken away from somebody who is gone for good."""
        return self.target.is_to_come and self.operation.kind is OperationKind.FAIL


class Finder(Protocol):
    """Tells what is known of objects at the target."""

    def find(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        intents: Sequence[Intent],
        tried: Mapping[str, tuple[MatchingValue, ...]],
        /,
        *,
        at_most: int | None = None,
    ) -> list[TargetObject]:
        """Returns one target object an intent, in order.

        `at_most`: of how many the target may be asked. Raises TooManyAtOnce.
        """
        ...


class Decider:
    """Decides; sends nothing that writes."""

    def __init__(self, parts: JobParts, stores: EngineStores, lookup: Finder, clock: Clock, ids: Ids) -> None:
        self._parts = parts
        self._stores = stores
        self._lookup = lookup
        self._scale = DriftScale(parts, stores, lookup)
        self._clock = clock
        self._ids = ids
        # Our directory has a recycle bin, sources outside have none.
        self._restores = not isinstance(parts.source, RefreshedSource)

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
        intents = self._intents(kind, changes)
        return self._decided(cycle, kind, intents, self._lookup.find(cycle, kind, intents, tried or {}))

    def decide_apart(
        self, cycle: Cycle, kind: ObjectKind, changes: Sequence[Change], *, at_most: int | None = None
    ) -> tuple[list[Decision], list[Intent]]:
        """Returns the decisions but for those who are at rest in an incremental cycle: of these the intents, in order.

        Nothing is sent or told of them, and they are most of a pass: neither operation nor decision is made. `at_most`:
        of how many the target may be asked. Raises TooManyAtOnce.
        """
        intents = self._intents(kind, changes)
        targets = self._lookup.find(cycle, kind, intents, {}, at_most=at_most)
        if cycle.kind is not _INCREMENTAL or self._parts.authority is not None:
            return self._decided(cycle, kind, intents, targets), []
        resting, moving, found = list[Intent](), list[Intent](), list[TargetObject]()
        for intent, target in zip(intents, targets, strict=True):
            if is_as_wanted(intent, target):
                resting.append(intent)
            else:
                moving.append(intent)
                found.append(target)
        return self._decided(cycle, kind, moving, found) if moving else [], resting

    def _intents(self, kind: ObjectKind, changes: Sequence[Change]) -> list[Intent]:
        rules, terms = self._rules(kind), self._parts.terms
        surroundings = environment(self._parts.job, self._clock, self._ids)
        return [form_intent(change, rules, terms, surroundings) for change in changes]

    def _decided(
        self, cycle: Cycle, kind: ObjectKind, intents: list[Intent], targets: list[TargetObject]
    ) -> list[Decision]:
        rules, terms = self._rules(kind), self._parts.terms
        for place, target in enumerate(targets):
            found = target.resource if target.matched_by is not None else None
            if found is not None and found.attributes.get(EXISTENCE) is True:
                targets[place] = keep_apart(target, intents[place])
        targets, retired = self._handed_over(kind, intents, targets)
        intents = self._own_affair(kind, intents, targets)
        describe = self._describer(is_asked_for=cycle.kind is CycleKind.ON_DEMAND)
        operations = [
            plan_operation(intent, target, rules, terms, change_id=self._ids.new_id(), describe=describe)
            for intent, target in zip(intents, targets, strict=True)
        ]
        if cycle.kind is CycleKind.RECONCILIATION:
            self._scale.weigh(kind, rules, intents, targets, operations, describe)
        elif cycle.kind in _ASKING:
            # Values are compared with what the target says, so are references; whole lists in a full pass only.
            is_full = cycle.kind is not CycleKind.ON_DEMAND
            self._scale.correct_references(kind, rules, targets, operations, lists=is_full)
        self._scale.take_over(kind, rules, targets, operations, retired)
        self._guard(cycle, kind, intents, targets, operations, describe)
        if retired:
            # Of somebody who is gone for good nothing else is written in the same breath.
            places = {operation.source_id: place for place, operation in enumerate(operations)}
            for last in retired.values():
                if last.source_id in places:
                    operations[places[last.source_id]] = last
        return [
            Decision(intent=intent, target=target, operation=operation, retires=retired.get(place))
            for place, (intent, target, operation) in enumerate(zip(intents, targets, operations, strict=True))
        ]

    def is_gone(self, change: Change) -> bool:
        """Whether nobody can come back as this object."""
        return is_gone(change, is_restorable=self._restores)

    def _handed_over(
        self, kind: ObjectKind, intents: Sequence[Intent], targets: list[TargetObject]
    ) -> tuple[list[TargetObject], dict[int, Operation]]:
        """Gives accounts of those who are gone for good, and have nothing more to lose, to whoever matches them now.

        Returns the targets, and by place what drops the link of the one before. Nobody who is held, protected or may
        come back loses an account to another.
        """
        taken = [(place, target.taken) for place, target in enumerate(targets) if target.taken is not None]
        if not taken:
            return targets, {}
        rules, terms = self._rules(kind), self._parts.terms
        surroundings = environment(self._parts.job, self._clock, self._ids)
        links = self._stores.links.links(self._parts.job.id, kind, [item.by_source_id for _, item in taken])
        targets, retired, given = list(targets), dict[int, Operation](), set[str]()
        for place, item in taken:
            holder, link = self._parts.source.read_one(kind, item.by_source_id), links.get(item.by_source_id)
            if holder is None or link is None or link.source_id in given:
                continue
            left: Operation | None = None
            is_gone_for_good = self.is_gone(holder)
            if is_gone_for_good and not self._restores:
                targets[place] = keep_apart(targets[place], intents[place])
                if targets[place].taken is None:
                    continue
            if is_gone_for_good:
                # What the target says now counts: somebody may have switched it on again.
                here = TargetObject(link=link, resource=item.resource, exists=True)
                intent = form_intent(holder, rules, terms, surroundings)
                left = plan_operation(intent, here, rules, terms, change_id=self._ids.new_id())
                if is_carried_out(left) and self._is_kept(kind, holder):
                    # Switched off at the target by somebody else: that decides nothing here.
                    left = replace(left, kind=OperationKind.SKIP, skip_reason=SkipReason.PROTECTED)
            targets[place] = hand_over(targets[place], holder, left)
            if left is not None and targets[place].exists:
                given.add(link.source_id)
                retired[place] = retire(left)
        return targets, retired

    def _is_kept(self, kind: ObjectKind, holder: Change) -> bool:
        """Whether somebody is protected, or what is to be taken away from them waits for an administrator."""
        ids = [holder.source_id]
        groups = self.groups_of(kind, ids).get(holder.source_id, ())
        held = self._stores.holds.find(self._parts.job.id, kind, ids).get((holder.source_id, ""))
        is_held = held is not None and held.state is not HoldState.APPROVED
        return is_held or self._parts.protections.reason(holder, groups) is not None

    def _own_affair(self, kind: ObjectKind, intents: list[Intent], targets: Sequence[TargetObject]) -> list[Intent]:
        """Takes out of intents what somebody else supplies whose word counts for more."""
        authority = self._parts.authority
        if authority is None:
            return intents
        ids = [target_id for target in targets if (target_id := target.target_id) is not None]
        withheld = authority.withheld(kind, ids) if ids else {}
        return [
            without(intent, names) if (names := withheld.get(target.target_id or "")) else intent
            for intent, target in zip(intents, targets, strict=True)
        ]

    def is_wanted(self, change: Change) -> bool:
        """Whether an object would be created if it were not there; it is not looked for."""
        surroundings = environment(self._parts.job, self._clock, self._ids)
        intent = form_intent(change, self._rules(change.kind), self._parts.terms, surroundings)
        return intent.verdict.presence is Presence.PRESENT and intent.left_out is None

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
        self, cycle: Cycle, kind: ObjectKind, tried: Mapping[str, tuple[MatchingValue, ...]]
    ) -> list[Decision]:
        """Returns the decisions on objects, read again on both sides, of those that the source still knows.

        `tried`: by source id, under which values a creation was sent whose outcome nobody knows.
        """
        changes = [change for each in tried if (change := self._parts.source.read_one(kind, each)) is not None]
        # As on demand: neither the census nor the acknowledged projection counts, only what the target says now.
        # What a reconciliation leaves as it is at the target, it leaves here, too.
        keeps_kind = cycle.kind is CycleKind.RECONCILIATION
        asking = replace(cycle, kind=cycle.kind if keeps_kind else CycleKind.ON_DEMAND, options={})
        return self.decide(asking, kind, changes, tried)

    # ------------------------------------------------------------ what is taken away

    def _guard(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        intents: Sequence[Intent],
        targets: Sequence[TargetObject],
        operations: list[Operation],
        describe: Describe,
    ) -> None:
        """Names the cause of each removal; leaves protected accounts alone; lets deletions wait out their grace.

        Whatever decides about an object comes through here: cycles, retries, leavers, on demand, plans.
        """
        removing = [place for place, operation in enumerate(operations) if operation.removes]
        lost = [
            operations[place].source_id
            for place in removing
            if intents[place].verdict.skip_reason is SkipReason.NOT_ASSIGNED
        ]
        filtered = [operations[place].source_id for place in removing if intents[place].verdict.missing_groups]
        evidence = {
            **self._evidence(cycle, kind, lost),
            **self._evidence(cycle, kind, filtered, by_filter=True),
        }
        groups = self.groups_of(kind, [operations[place].source_id for place in removing])
        purged = [
            operations[place].source_id
            for place in removing
            if intents[place].change.lifecycle is Lifecycle.HARD_DELETED
        ]
        once_protected = self._once_protected(kind, purged)
        for place in removing:
            operation, intent = operations[place], intents[place]
            named = replace(operation, cause=cause_of(intent, operation, evidence.get(operation.source_id)))
            why = self._parts.protections.reason(intent.change, groups.get(operation.source_id, ()))
            if why is None and operation.source_id in once_protected:
                why = f"{operation.source_name} was protected as long as the directory knew them"
            operations[place] = named if why is None else protect(named, targets[place].link, why)
        if self._parts.delete_grace:
            self._delay(kind, intents, targets, operations)
        for place in removing:
            operation = operations[place]
            if not operation.removes or operation.waits_until is not None:
                steps = describe(
                    intents[place], targets[place], operation.kind, operation.reason, operation.skip_reason, None
                )
                operations[place] = replace(operation, steps=steps)
        if self._parts.approval is Approval.ALL:
            for place, operation in enumerate(operations):
                if operation.kind.writes and operation.cause is None:
                    operations[place] = replace(operation, cause=cause_of(intents[place], operation))

    def _delay(
        self,
        kind: ObjectKind,
        intents: Sequence[Intent],
        targets: Sequence[TargetObject],
        operations: list[Operation],
    ) -> None:
        deletions = [place for place, operation in enumerate(operations) if operation.kind is OperationKind.DELETE]
        if not deletions:
            return
        now, grace = self._clock.now(), self._parts.delete_grace
        held = self._stores.holds.find(self._parts.job.id, kind, [operations[place].source_id for place in deletions])
        for place in deletions:
            operation, intent = operations[place], intents[place]
            known = held.get((operation.source_id, ""))
            since = known.operation.waits_since if known is not None else None
            if since is not None and now >= since + grace:
                # Told on, so that a deletion that fails or is held does not begin to wait anew.
                operations[place] = replace(operation, waits_since=since)
                continue
            disabled = replace(intent, verdict=replace(intent.verdict, presence=Presence.DISABLED))
            rules, terms = self._rules(kind), self._parts.terms
            instead = plan_operation(disabled, targets[place], rules, terms, change_id=operation.change_id)
            operations[place] = delay_deletion(operation, instead, targets[place].link, since=since or now, grace=grace)

    def _evidence(
        self, cycle: Cycle, kind: ObjectKind, source_ids: Sequence[str], *, by_filter: bool = False
    ) -> Mapping[str, Cause]:
        source = self._parts.source
        if not source_ids or not isinstance(source, EvidentSource):
            return {}
        if cycle.kind is not CycleKind.INCREMENTAL or not cycle.window_until:
            return source.causes(kind, source_ids, None, by_filter=by_filter)
        window = Window(after=cycle.window_after, until=source.latest())
        found = dict(source.causes(kind, source_ids, window, by_filter=by_filter))
        # Who was held or failed before lost their way in before this window.
        before = [source_id for source_id in source_ids if source_id not in found]
        return {**source.causes(kind, before, None, by_filter=by_filter), **found} if before else found

    def _once_protected(self, kind: ObjectKind, purged: Sequence[str]) -> frozenset[str]:
        """Returns who was protected by a group or a role before they were purged, which took both from them."""
        protections = self._parts.protections
        if not purged or not (protections.groups or protections.roles):
            return frozenset()
        held = self._stores.holds.find(self._parts.job.id, kind, purged)
        return frozenset(source_id for (source_id, _), hold in held.items() if hold.code is HoldCode.PROTECTED)

    def groups_of(self, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Returns the groups of people, as far as protections name any."""
        source = self._parts.source
        asked = source_ids and kind is ObjectKind.USER and self._parts.protections.groups
        return source.groups_of(source_ids) if asked and isinstance(source, EvidentSource) else {}
