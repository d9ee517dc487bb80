"""Intent × TargetObject → Operation: the deprovisioning matrix as code.

| wanted              | no link, nobody found | linked or found                                                   |
|---------------------|-----------------------|-------------------------------------------------------------------|
| present             | create                | update what differs; adopt what was found; a released one returns |
| present if linked   | skip                  | update what differs (the life sign disables)                      |
| disabled            | skip                  | disable by the life sign; who left the scope is released          |
| absent              | skip                  | delete what we made; disable what we adopted                      |

Source: provisioning-service behaviour, deprovisioning matrix.
"""

from collections.abc import Sequence
from dataclasses import replace

from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, MappingFailed
from muster.model.log import SkipReason
from muster.model.operation import (
    Acknowledged,
    AttributeChange,
    Intent,
    LinkState,
    Operation,
    OperationKind,
    Presence,
    TargetObject,
    Verb,
)
from muster.model.rules import ObjectAction
from muster.planning.difference import differences
from muster.planning.intent import JobTerms
from muster.planning.rules import KindRules


def plan_operation(
    intent: Intent, target: TargetObject, rules: KindRules, terms: JobTerms, *, change_id: str
) -> Operation:
    """Returns the one operation that brings the target from what it is to what is wanted."""
    failure = intent.failure or target.failure
    if failure is not None:
        return _fail(intent, target, failure, change_id)
    match intent.verdict.presence:
        case Presence.PRESENT | Presence.PRESENT_IF_LINKED:
            if target.exists:
                return _keep(intent, target, rules, change_id)
            if intent.verdict.presence is Presence.PRESENT:
                return _create(intent, target, rules, change_id)
            return _skip(intent, target, change_id, intent.verdict.skip_reason, intent.verdict.reason)
        case Presence.DISABLED:
            return _disable(intent, target, rules, terms, change_id)
        case Presence.ABSENT:
            return _remove(intent, target, rules, terms, change_id)


def _create(intent: Intent, target: TargetObject, rules: KindRules, change_id: str) -> Operation:
    if not rules.does(ObjectAction.ADD):
        return _skip(intent, target, change_id, SkipReason.ACTION_DISABLED, "The object action Create is switched off.")
    given = {value.attribute for value in intent.values}
    missing = [name for name in rules.required if name not in given]
    if missing:
        names = ", ".join(missing)
        record = MappingFailed(
            f"{intent.change.display_name} cannot be created: no value for the required {names}."
        ).record()
        return _fail(intent, target, record, change_id)
    if not intent.matching:
        return _skip(
            intent,
            target,
            change_id,
            SkipReason.MATCHING_ATTRIBUTE_MISSING,
            f"{intent.change.display_name} has no value for a matching attribute, so nobody can tell "
            "whether the account is there already.",
        )
    changes = tuple(
        AttributeChange(
            attribute=value.attribute,
            verb=Verb.ADD,
            old=None,
            new=value.value,
            redacted=value.redacted,
            multivalued=isinstance(value.value, tuple),
        )
        for value in intent.values
    )
    return _operation(
        intent,
        target,
        change_id,
        OperationKind.CREATE,
        intent.verdict.reason,
        changes=changes,
        state=LinkState.MANAGED,
        owned=LinkState.MANAGED,
    )


def _keep(intent: Intent, target: TargetObject, rules: KindRules, change_id: str) -> Operation:
    """Updates an object that is there; one that was found becomes adopted, a released one comes back."""
    owned = target.link.owned if target.link is not None else LinkState.ADOPTED
    changes = differences(intent.values, target, rules)
    if changes and rules.does(ObjectAction.UPDATE):
        kind = OperationKind.DISABLE if _takes_life(intent, changes) else OperationKind.UPDATE
        return _operation(
            intent, target, change_id, kind, intent.verdict.reason, changes=changes, state=owned, owned=owned
        )
    if target.link is None or target.link.state is not owned:
        reason = f"{intent.change.display_name} was found at the target and is equal there: linked."
        return _operation(intent, target, change_id, OperationKind.LINK, reason, state=owned, owned=owned)
    if changes:
        return _skip(intent, target, change_id, SkipReason.ACTION_DISABLED, "The object action Update is switched off.")
    return _skip(
        intent,
        target,
        change_id,
        SkipReason.REDUNDANT_EXPORT,
        "The state of the object in both the source and target systems already match.",
    )


def _disable(intent: Intent, target: TargetObject, rules: KindRules, terms: JobTerms, change_id: str) -> Operation:
    verdict, link = intent.verdict, target.link
    if link is None or link.state is LinkState.RELEASED or terms.never_removes:
        return _skip(intent, target, change_id, verdict.skip_reason, verdict.reason)
    if verdict.left_scope and terms.skip_out_of_scope_deletions:
        return _skip(
            intent,
            target,
            change_id,
            SkipReason.SKIP_OUT_OF_SCOPE_DELETION,
            f"{verdict.reason} The account stays as it is: SkipOutOfScopeDeletions is on.",
        )
    if intent.change.kind is ObjectKind.GROUP:
        return _delete(intent, target, rules, change_id)
    if not target.exists:
        return _forget(intent, target, change_id)
    state = LinkState.RELEASED if verdict.left_scope else link.state
    if not rules.does(ObjectAction.UPDATE):
        return _skip(
            intent,
            target,
            change_id,
            SkipReason.ACTION_DISABLED,
            f"{verdict.reason} Nothing is sent: the object action Update is switched off.",
        )
    changes = differences(intent.values, target, rules)
    if changes:
        return _operation(
            intent,
            target,
            change_id,
            OperationKind.DISABLE,
            verdict.reason,
            changes=changes,
            state=state,
            owned=link.owned,
        )
    if state is not link.state:
        return _operation(intent, target, change_id, OperationKind.LINK, verdict.reason, state=state, owned=link.owned)
    return _skip(intent, target, change_id, SkipReason.REDUNDANT_EXPORT, verdict.reason)


def _remove(intent: Intent, target: TargetObject, rules: KindRules, terms: JobTerms, change_id: str) -> Operation:
    link = target.link
    if link is None or terms.never_removes:
        return _skip(
            intent, target, change_id, SkipReason.NOT_MANAGED, f"{intent.verdict.reason} No account is linked."
        )
    if not target.exists or link.state is LinkState.RELEASED:
        return _forget(intent, target, change_id)
    if link.owned is not LinkState.MANAGED:
        # An adopted account is not ours to delete, but whoever was purged must not keep access.
        return _disable(replace_left_scope(intent), target, rules, terms, change_id)
    return _delete(intent, target, rules, change_id)


def replace_left_scope(intent: Intent) -> Intent:
    """Returns the intent of somebody who is disabled for good: released afterwards."""
    return replace(intent, verdict=replace(intent.verdict, presence=Presence.DISABLED, left_scope=True))


def _delete(intent: Intent, target: TargetObject, rules: KindRules, change_id: str) -> Operation:
    reason = intent.verdict.reason
    if target.link is not None and target.link.owned is not LinkState.MANAGED:
        return _skip(
            intent,
            target,
            change_id,
            SkipReason.NOT_MANAGED,
            f"{reason} It was there before us, so it is not deleted until an administrator promotes it.",
        )
    if not rules.does(ObjectAction.DELETE):
        return _skip(
            intent,
            target,
            change_id,
            SkipReason.ACTION_DISABLED,
            f"{reason} Nothing is sent: the object action Delete is switched off.",
        )
    return _operation(intent, target, change_id, OperationKind.DELETE, reason)


def _forget(intent: Intent, target: TargetObject, change_id: str) -> Operation:
    reason = f"{intent.verdict.reason} The account is no longer managed, so the link is dropped and nothing is sent."
    return _operation(intent, target, change_id, OperationKind.LINK, reason)


def _takes_life(intent: Intent, changes: Sequence[AttributeChange]) -> bool:
    life_signs = {value.attribute for value in intent.values if value.is_life_sign}
    return intent.verdict.is_soft_deleted and any(change.attribute in life_signs for change in changes)


def _skip(
    intent: Intent, target: TargetObject, change_id: str, skip_reason: SkipReason | None, reason: str
) -> Operation:
    link = target.link
    return _operation(
        intent,
        target,
        change_id,
        OperationKind.SKIP,
        reason,
        state=link.state if link is not None else None,
        owned=link.owned if link is not None else None,
        skip_reason=skip_reason,
    )


def _fail(intent: Intent, target: TargetObject, failure: FailureRecord, change_id: str) -> Operation:
    return replace(_skip(intent, target, change_id, None, failure.sentence), kind=OperationKind.FAIL, failure=failure)


def _operation(
    intent: Intent,
    target: TargetObject,
    change_id: str,
    kind: OperationKind,
    reason: str,
    *,
    changes: tuple[AttributeChange, ...] = (),
    state: LinkState | None = None,
    owned: LinkState | None = None,
    skip_reason: SkipReason | None = None,
) -> Operation:
    change, link = intent.change, target.link
    base = link.acknowledged if link is not None else Acknowledged()
    if target.resource is not None and kind is not OperationKind.CREATE:
        base = _as_found(base, intent, target)
    return Operation(
        change_id=change_id,
        kind=kind,
        object_kind=change.kind,
        source_id=change.source_id,
        source_name=change.display_name,
        reason=reason,
        target_id=target.target_id or (link.target_id if link is not None else None),
        target_name=target.resource.display_name if target.resource is not None else None,
        changes=changes,
        matching=intent.matching,
        link_state=state,
        owned=owned,
        acknowledged=base,
        references=intent.references,
        skip_reason=skip_reason,
        source_seq=change.seq,
    )


def _as_found(base: Acknowledged, intent: Intent, target: TargetObject) -> Acknowledged:
    """Takes over what the target showed, so that an adopted object has its projection."""
    assert target.resource is not None  # noqa: S101  the caller has looked
    shown = target.resource.attributes
    found = {
        value.attribute: shown[value.attribute] for value in intent.values if shown.get(value.attribute) is not None
    }
    kept = {name: value for name, value in base.sent.items() if name in base.seen or name not in found}
    return Acknowledged(sent={**found, **kept}, seen=base.seen)
