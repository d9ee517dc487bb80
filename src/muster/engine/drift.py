"""What was changed at the target: values and references, weighed as the job wants it or put right."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from muster.engine.parts import EngineStores, JobParts
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.log import SkipReason
from muster.model.operation import (
    AttributeChange,
    Intent,
    Operation,
    OperationKind,
    ShownReferences,
    TargetObject,
    Verb,
)
from muster.model.values import canonical_json
from muster.planning.decision import Describe
from muster.planning.drift import DriftAction, DriftPolicy, weigh_drift
from muster.planning.rules import CompiledReference, KindRules

# Source id -> the target ids that a list shows; who is not here does not show it.
_Shown = Mapping[str, tuple[str, ...]]


@runtime_checkable
class MemberFinder(Protocol):
    """Says who is in a list of references at the target."""

    def members(
        self, kind: ObjectKind, target_ids: Sequence[str], attribute: str
    ) -> Mapping[str, tuple[str, ...] | None]:
        """Returns who is in a list of each object; None where that is not shown."""
        ...


class DriftScale:
    """Weighs operations of a page that were decided as if nobody but us wrote at the target."""

    def __init__(self, parts: JobParts, stores: EngineStores, finder: object) -> None:
        """`finder`: where it is a MemberFinder, lists of references are weighed, too."""
        self._parts = parts
        self._stores = stores
        self._finder = finder

    def weigh(
        self,
        kind: ObjectKind,
        rules: KindRules,
        intents: Sequence[Intent],
        targets: Sequence[TargetObject],
        operations: list[Operation],
        describe: Describe,
    ) -> None:
        """Leaves out of the operations what was changed at the target and is to stay so, and names it all."""
        weighed = [
            weigh_drift(operation, target, self._parts.drift, rules)
            for operation, target in zip(operations, targets, strict=True)
        ]
        self._weigh_references(kind, rules.references, targets, weighed, self._parts.drift)
        for place, operation in enumerate(weighed):
            if operation.kind is not operations[place].kind or operation.skip_reason is SkipReason.DRIFT_REPORTED:
                steps = describe(
                    intents[place], targets[place], operation.kind, operation.reason, operation.skip_reason, None
                )
                operation = replace(operation, steps=steps)
            operations[place] = operation

    def correct_references(
        self,
        kind: ObjectKind,
        rules: KindRules,
        targets: Sequence[TargetObject],
        operations: list[Operation],
        *,
        lists: bool,
    ) -> None:
        """Has references that the target shows otherwise than it confirmed them be sent again.

        `lists`: those in lists, too, which are asked for one object at a time.
        """
        references = [each for each in rules.references if lists or not each.multivalued]
        self._weigh_references(kind, references, targets, operations, None)

    def take_over(
        self,
        kind: ObjectKind,
        rules: KindRules,
        targets: Sequence[TargetObject],
        operations: list[Operation],
        places: Collection[int],
    ) -> None:
        """Has what objects that are handed over, at these places, hold of the one before be taken away from them."""
        if not places:
            return
        taken = [operations[place] for place in places]
        targets = [targets[place] for place in places]
        self._weigh_references(kind, rules.references, targets, taken, None, is_new=True)
        for place, operation in zip(places, taken, strict=True):
            operations[place] = operation

    def _weigh_references(
        self,
        kind: ObjectKind,
        references: Sequence[CompiledReference],
        targets: Sequence[TargetObject],
        operations: list[Operation],
        policy: DriftPolicy | None,
        *,
        is_new: bool = False,
    ) -> None:
        """`policy`: what is done, and named, of what was changed; None: it is put right like anything else; `is_new`:
        the objects are not linked yet."""
        linked = {
            operation.source_id: (place, target)
            for place, (operation, target) in enumerate(zip(operations, targets, strict=True))
            if (is_new or target.link is not None) and target.resource is not None and _stays(operation)
        }
        if not linked or not references:
            return
        references_known = self._stores.links.references(self._parts.job.id, kind, list(linked))
        confirmed = {(each.source_id, each.attribute): each.acknowledged for each in references_known}
        # What a change of ours may have made of it, and may not, is nobody else's doing.
        unsure = {
            (each.source_id, each.attribute): frozenset(each.acknowledged[end] for end in each.unsure)
            for each in references_known
            if each.unsure
        }
        known = {place: frozenset(ends.values()) for place, ends in confirmed.items()}
        for reference in references:
            shown = self._shown(kind, reference, {name: target for name, (_, target) in linked.items()})
            ours = self._ours(reference, shown, known)
            shown = {
                source_id: _in_our_spelling(ids, known.get((source_id, reference.attribute), frozenset()), ours)
                for source_id, ids in shown.items()
            }
            off = self._off(reference, shown, confirmed)
            for source_id, ids in shown.items():
                held = known.get((source_id, reference.attribute), frozenset())
                ids = (*ids, *sorted((held & off) - set(ids)))
                maybe = unsure.get((source_id, reference.attribute), frozenset())
                gone, come = held - set(ids) - maybe, (set(ids) - held) & ours
                place, target = linked[source_id]
                mark = _mark(ids, held) if gone or come else None
                if mark == _known_mark(target, reference) and not maybe:
                    # All is as it should be, or as the target made of it again what it had made of it before.
                    continue
                if mark is None:
                    operations[place] = _marked(operations[place], target, reference, ids, None)
                else:
                    operations[place] = _weighed(operations[place], target, reference, ids, held, policy)

    def _shown(self, kind: ObjectKind, reference: CompiledReference, targets: Mapping[str, TargetObject]) -> _Shown:
        found: _Shown = {}
        if reference.multivalued and isinstance(self._finder, MemberFinder):
            by_id = {target.target_id or "": source_id for source_id, target in targets.items()}
            lists = self._finder.members(kind, list(by_id), reference.attribute)
            found = {by_id[target_id]: ids for target_id, ids in lists.items() if ids is not None}
        elif not reference.multivalued:
            found = {
                source_id: target.resource.references.get(reference.attribute, ())
                for source_id, target in targets.items()
                if target.resource is not None
            }
        # A target that shows nobody's may not show this attribute at all: then nothing can be said.
        return found if any(found.values()) else {}

    def _ours(
        self, reference: CompiledReference, shown: _Shown, known: Mapping[tuple[str, str], frozenset[str]]
    ) -> frozenset[str]:
        """Returns those of the unknown ends that this job has linked: others were put there by others."""
        unknown = {
            target_id
            for source_id, ids in shown.items()
            for target_id in ids
            if target_id not in known.get((source_id, reference.attribute), ())
        }
        owners = self._stores.links.owners(self._parts.job.id, reference.kind, sorted(unknown)) if unknown else {}
        return frozenset(target_id for target_id, owner in owners.items() if owner[0] == self._parts.job.id)

    def _off(
        self, reference: CompiledReference, shown: _Shown, confirmed: Mapping[tuple[str, str], Mapping[str, str]]
    ) -> frozenset[str]:
        """Returns those of the ends no longer shown who are switched off: some applications take them out of groups,
        and would do so again each time they are put back."""
        missing = {
            end
            for source_id, ids in shown.items()
            for end, target_id in confirmed.get((source_id, reference.attribute), {}).items()
            if target_id not in ids
        }
        rules = self._parts.rules.kinds.get(reference.kind)
        if not missing or rules is None:
            return frozenset()
        signs = rules.life_signs
        links = self._stores.links.links(self._parts.job.id, reference.kind, sorted(missing))
        return frozenset(
            link.target_id
            for link in links.values()
            if any(str(link.acknowledged.sent.get(name)).lower() == "false" for name in signs)
        )


def _in_our_spelling(ids: tuple[str, ...], held: frozenset[str], ours: frozenset[str]) -> tuple[str, ...]:
    """Returns ids as the target gave them when it made the objects.

    Lenient: some databases write a GUID in capitals here and in small letters there.
    """
    spelled = {target_id.casefold(): target_id for target_id in held}
    return tuple(each if each in ours else spelled.get(each.casefold(), each) for each in ids)


def _mark(ids: Sequence[str], held: frozenset[str]) -> str:
    """Returns a digest of what a target shows of a reference attribute, and of what it has confirmed of it."""
    return hashlib.blake2b(canonical_json([sorted(ids), sorted(held)]), digest_size=12).hexdigest()


def _marks_of(target: TargetObject) -> Mapping[str, str]:
    return {} if target.link is None else target.link.acknowledged.repeated


def _place_of(reference: CompiledReference) -> str:
    return f"{reference.attribute} {reference.kind.value}"


def _known_mark(target: TargetObject, reference: CompiledReference) -> str | None:
    return _marks_of(target).get(_place_of(reference))


def _marked(
    operation: Operation, target: TargetObject, reference: CompiledReference, ids: tuple[str, ...], mark: str | None
) -> Operation:
    """Returns the operation that writes down what the target shows, and for what references are sent again.

    If it shows the same right after that, it does not keep them, or shows them in its own way: they are left then, or
    each full pass would send them.
    """
    shown = ShownReferences(
        attribute=reference.attribute, kind=reference.kind, multivalued=reference.multivalued, target_ids=ids
    )
    # Of whoever is left as they are, nothing else is noted.
    before = operation.acknowledged
    if operation.kind is OperationKind.SKIP and target.link is not None:
        before = target.link.acknowledged
    marks = {name: known for name, known in operation.acknowledged.repeated.items() if name != _place_of(reference)}
    if mark is not None:
        marks[_place_of(reference)] = mark
    return replace(operation, shown=(*operation.shown, shown), acknowledged=replace(before, repeated=marks))


def _weighed(
    operation: Operation,
    target: TargetObject,
    reference: CompiledReference,
    ids: tuple[str, ...],
    held: frozenset[str],
    policy: DriftPolicy | None,
) -> Operation:
    action = DriftAction.CORRECT if policy is None else policy.of(reference.attribute)
    if action is DriftAction.ACCEPT:
        return operation
    named = operation if policy is None else replace(operation, drifted=(*operation.drifted, reference.attribute))
    if action is DriftAction.CORRECT:
        return _marked(named, target, reference, ids, _mark(ids, held))
    if operation.kind is not OperationKind.SKIP:
        return named
    change = AttributeChange(
        attribute=reference.attribute,
        verb=Verb.REPLACE,
        old=tuple(sorted(ids)),
        new=tuple(sorted(held)),
        is_reference=True,
        multivalued=True,
    )
    reason = f"Changed at the application, and left so because the job only reports it: {reference.attribute}."
    return replace(named, skip_reason=SkipReason.DRIFT_REPORTED, reason=reason, changes=(*operation.changes, change))


def _stays(operation: Operation) -> bool:
    """Whether the object is there after the operation, with its references."""
    return operation.kind in (OperationKind.SKIP, OperationKind.UPDATE, OperationKind.LINK)
