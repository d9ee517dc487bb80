"""Intent × TargetObject → Operation: the deprovisioning matrix as code.

| wanted              | no link, nobody found | linked or found                                                     |
|---------------------|-----------------------|---------------------------------------------------------------------|
| present             | create                | update what differs; adopt what was found; a released one returns   |
| present if linked   | skip                  | update what differs (the life sign disables)                        |
| disabled            | skip                  | disable by the life sign; who left the scope is released            |
| absent              | skip                  | delete what we made; disable what we adopted, or may not delete     |

A group has no life sign: where a person is disabled, a group that we made is deleted.
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
    Link,
    LinkState,
    Operation,
    OperationKind,
    Presence,
    TargetObject,
    TargetResource,
    Verb,
)
from muster.model.rules import ObjectAction
from muster.planning.difference import differences
from muster.planning.intent import JobTerms
from muster.planning.rules import KindRules

# Left the scope and was disabled, or was only ever looked at: nothing is written there.
_NOT_OURS = (LinkState.RELEASED, LinkState.SEEN)
_THERE_BEFORE = "It was there before us, so it is not deleted until an administrator promotes it."
_SWITCHED_OFF = "the object action Update is switched off."


def plan_operation(
    intent: Intent, target: TargetObject, rules: KindRules, terms: JobTerms, *, change_id: str
) -> Operation:
    """Returns the one operation that brings the target from what it is to what is wanted."""
    if intent.left_out is not None:
        return _skip(intent, target, change_id, SkipReason.LEFT_OUT, intent.left_out)
    if target.failure is not None:
        return _fail(intent, target, target.failure, change_id)
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
    name = intent.change.display_name
    if not rules.does(ObjectAction.ADD):
        return _skip(intent, target, change_id, SkipReason.ACTION_DISABLED, "The object action Create is switched off.")
    if intent.failure is not None:
        return _fail(intent, target, intent.failure, change_id)
    if not intent.matching:
        reason = f"{name} has no value for a matching attribute, so nobody can tell whether the account is there."
        return _skip(intent, target, change_id, SkipReason.MATCHING_ATTRIBUTE_MISSING, reason)
    given = {value.attribute for value in intent.values}
    missing = ", ".join(required for required in rules.required if required not in given)
    if missing:
        failure = MappingFailed(f"{name} cannot be created: no value for the required {missing}.")
        return _fail(intent, target, failure.record(), change_id)
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
    if intent.failure is not None:
        return _fail(intent, target, intent.failure, change_id)
    name, link = intent.change.display_name, target.link
    owned = LinkState.ADOPTED if link is None or link.owned is LinkState.SEEN else link.owned
    changes = differences(intent.values, target, rules)
    if changes and rules.does(ObjectAction.UPDATE):
        kind = OperationKind.DISABLE if _takes_life(intent, changes) else OperationKind.UPDATE
        return _operation(
            intent, target, change_id, kind, intent.verdict.reason, changes=changes, state=owned, owned=owned
        )
    if link is None or link.state is not owned:
        found = f"{name} was found at the target and linked" if link is None else f"{name} is managed again"
        reason = f"{found}; {_SWITCHED_OFF if changes else 'everything is equal there already.'}"
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
    if link is None or link.state in _NOT_OURS or terms.never_removes:
        return _skip(intent, target, change_id, verdict.skip_reason, verdict.reason)
    if verdict.left_scope and terms.skip_out_of_scope_deletions:
        reason = f"{verdict.reason} The account stays as it is: SkipOutOfScopeDeletions is on."
        return _skip(intent, target, change_id, SkipReason.SKIP_OUT_OF_SCOPE_DELETION, reason)
    if not target.exists:
        return _forget(intent, target, change_id)
    if intent.change.kind is ObjectKind.GROUP:
        return _delete(intent, target, link, rules, change_id)
    state = LinkState.RELEASED if verdict.left_scope else link.state
    return _switch_off(intent, target, link, rules, change_id, state, verdict.reason)


def _remove(intent: Intent, target: TargetObject, rules: KindRules, terms: JobTerms, change_id: str) -> Operation:
    reason, link = intent.verdict.reason, target.link
    if link is None:
        return _skip(intent, target, change_id, SkipReason.NOT_MANAGED, f"{reason} No account is linked.")
    if terms.never_removes:
        return _skip(intent, target, change_id, SkipReason.NOT_MANAGED, f"{reason} This job never removes anybody.")
    if not target.exists or link.state in _NOT_OURS:
        return _forget(intent, target, change_id)
    if intent.change.kind is ObjectKind.GROUP or (link.owned is LinkState.MANAGED and rules.does(ObjectAction.DELETE)):
        return _delete(intent, target, link, rules, change_id)
    # Not ours to delete, or nothing is to be deleted; but whoever was purged must not keep access.
    why = _THERE_BEFORE if link.owned is not LinkState.MANAGED else "The object action Delete is switched off."
    return _switch_off(intent, target, link, rules, change_id, LinkState.RELEASED, f"{reason} {why}")


def _switch_off(
    intent: Intent,
    target: TargetObject,
    link: Link,
    rules: KindRules,
    change_id: str,
    state: LinkState,
    reason: str,
) -> Operation:
    """Sends the life signs of somebody who is to be disabled, and takes the link to `state`."""
    if not rules.does(ObjectAction.UPDATE):
        reason = f"{reason} Nothing is sent; {_SWITCHED_OFF}"
        return _skip(intent, target, change_id, SkipReason.ACTION_DISABLED, reason)
    if intent.failure is not None:
        return _fail(intent, target, intent.failure, change_id)
    changes = differences(intent.values, target, rules)
    if not changes and state is link.state:
        return _skip(intent, target, change_id, SkipReason.REDUNDANT_EXPORT, reason)
    kind = OperationKind.DISABLE if changes else OperationKind.LINK
    return _operation(intent, target, change_id, kind, reason, changes=changes, state=state, owned=link.owned)


def _delete(intent: Intent, target: TargetObject, link: Link, rules: KindRules, change_id: str) -> Operation:
    reason = intent.verdict.reason
    if link.owned is not LinkState.MANAGED:
        return _skip(intent, target, change_id, SkipReason.NOT_MANAGED, f"{reason} {_THERE_BEFORE}")
    if not rules.does(ObjectAction.DELETE):
        reason = f"{reason} Nothing is sent: the object action Delete is switched off."
        return _skip(intent, target, change_id, SkipReason.ACTION_DISABLED, reason)
    return _operation(intent, target, change_id, OperationKind.DELETE, reason)


def _forget(intent: Intent, target: TargetObject, change_id: str) -> Operation:
    why = "is no longer managed" if target.exists else "is no longer there"
    reason = f"{intent.verdict.reason} The account {why}, so the link is dropped and nothing is sent."
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
    change = intent.change
    # What was known of an account that is gone says nothing of the one that is created in its place.
    link = target.link if kind is not OperationKind.CREATE else None
    base = link.acknowledged if link is not None else Acknowledged()
    if target.resource is not None:
        base = _as_found(base, intent, target.resource)
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


def _as_found(base: Acknowledged, intent: Intent, resource: TargetResource) -> Acknowledged:
    """Takes over what the target showed, so that an adopted object has its projection."""
    shown = resource.attributes
    found = {
        value.attribute: shown[value.attribute] for value in intent.values if shown.get(value.attribute) is not None
    }
    kept = {name: value for name, value in base.sent.items() if name in base.seen or name not in found}
    return Acknowledged(sent={**found, **kept}, seen=base.seen)
