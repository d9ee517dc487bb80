"""Intent × TargetObject → Operation: the deprovisioning matrix as code.

| wanted              | no link, nobody found | linked or found                                                     |
|---------------------|-----------------------|---------------------------------------------------------------------|
| present             | create                | update what differs; adopt what was found; a released one returns   |
| present if linked   | skip                  | update what differs (the life sign disables)                        |
| disabled            | skip                  | disable by the life sign; who left the scope is released            |
| absent              | skip                  | delete what we made; disable what we adopted, or may not delete     |

A group has no life sign: where a person is disabled, a group that we made is deleted. So is a person whom the target
cannot switch off.
Source: provisioning-service behaviour, deprovisioning matrix.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from muster.expression.nodes import attributes_of
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, MappingFailed
from muster.model.log import SkipReason, Step
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
    Verb,
)
from muster.model.rules import ObjectAction
from muster.planning.difference import differences, switched_off, take_over
from muster.planning.intent import JobTerms
from muster.planning.mapping import MappedRow, flowing_values
from muster.planning.rules import KindRules

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_PRESENT, _IF_LINKED = Presence.PRESENT, Presence.PRESENT_IF_LINKED
_DISABLED, _ABSENT = Presence.DISABLED, Presence.ABSENT
_SEEN, _ADOPTED = LinkState.SEEN, LinkState.ADOPTED
_SKIP, _REDUNDANT = OperationKind.SKIP, SkipReason.REDUNDANT_EXPORT
# Left the scope and was disabled, or was only ever looked at: nothing is written there.
_THERE_BEFORE = "It was there before us, so it is not deleted until an administrator promotes it."
_SWITCHED_OFF = "the object action Update is switched off."
# Of an expression that is named as a reason.
_SHOWN_CHARACTERS = 200

# Intent, target, kind, reason, skip reason, failure: what steps tell of a decision.
Describe: TypeAlias = Callable[
    [Intent, TargetObject, OperationKind, str, SkipReason | None, FailureRecord | None], tuple[Step, ...]
]


@dataclass(slots=True)
class _Case:
    """What a decision is made from. Not frozen, for it is made anew for everybody and leaves nobody's hands."""

    intent: Intent
    target: TargetObject
    rules: KindRules
    terms: JobTerms
    change_id: str
    describe: Describe | None


def plan_operation(
    intent: Intent,
    target: TargetObject,
    rules: KindRules,
    terms: JobTerms,
    *,
    change_id: str,
    describe: Describe | None = None,
) -> Operation:
    """Returns the one operation that brings the target from what it is to what is wanted.

    `describe` gives its steps for the log; without it there are none.
    """
    case = _Case(intent, target, rules, terms, change_id, describe)
    if intent.left_out is not None:
        return _skip(case, SkipReason.LEFT_OUT, intent.left_out)
    if target.failure is not None:
        return _fail(case, target.failure)
    presence = intent.verdict.presence
    if presence is _DISABLED or (presence is _IF_LINKED and not rules.soft_deletes):
        return _disable(case)
    if presence is _ABSENT:
        return _remove(case)
    if target.exists:
        return _keep(case)
    if presence is _PRESENT:
        return _create(case)
    return _pass_over(case, intent.verdict.skip_reason, intent.verdict.reason)


def is_as_wanted(intent: Intent, target: TargetObject) -> bool:
    """Whether everything is wanted to the letter as the target has confirmed it, so that nothing is to be done.

    True of most of a pass, of whom then no operation need be made; False of some others of whom `plan_operation` says
    the same.
    """
    link, values = target.link, intent.values
    return (
        link is not None
        and link.state is link.owned
        and link.state is not _SEEN
        and target.exists
        and target.resource is None
        and target.failure is None
        and intent.verdict.presence is _PRESENT
        and isinstance(values, MappedRow)
        and values.is_just(link.acknowledged.sent)
    )


def deletes_purged(link: Link, rules: KindRules) -> bool:
    """Whether what somebody has at the target is deleted once they are gone for good; else it is switched off."""
    if link.kind is ObjectKind.GROUP:
        return True
    return link.owned is LinkState.MANAGED and rules.does(ObjectAction.DELETE)


def is_released(link: Link, rules: KindRules) -> bool:
    """Whether an account is out of our hands, and confirmed to be switched off where it can be."""
    return link.state is LinkState.RELEASED and rules.life_signs <= link.acknowledged.sent.keys()


def _is_let_go(case: _Case, link: Link) -> bool:
    """Whether nothing is left to do about an account: it never was ours, or it is released."""
    return link.state is LinkState.SEEN or is_released(link, case.rules)


def _create(case: _Case) -> Operation:
    intent, name = case.intent, case.intent.change.display_name
    if not case.rules.does(ObjectAction.ADD):
        return _pass_over(case, SkipReason.ACTION_DISABLED, "The object action Create is switched off.")
    if intent.failure is not None:
        return _fail(case, intent.failure)
    if not intent.matching:
        reason = f"{name} has no value for a matching attribute, so nobody can tell whether the account is there."
        return _pass_over(case, SkipReason.MATCHING_ATTRIBUTE_MISSING, reason)
    values = flowing_values(intent.values)
    given = {attribute for attribute, _, _ in values}
    missing = ", ".join(required for required in case.rules.required if required not in given)
    if missing:
        failure = MappingFailed(f"{name} cannot be created: no value for the required {missing}.")
        return _fail(case, failure.record())
    changes = tuple(
        [
            AttributeChange(
                attribute=attribute,
                verb=Verb.ADD,
                old=None,
                new=value,
                redacted=redacted,
                multivalued=isinstance(value, tuple),
            )
            for attribute, value, redacted in values
        ]
    )
    managed = LinkState.MANAGED
    return _operation(
        case,
        OperationKind.CREATE,
        intent.verdict.reason,
        changes=changes,
        state=managed,
        owned=managed,
        # What was known of an account that is gone says nothing of the one that is created in its place.
        target=TargetObject(tried=case.target.tried),
    )


def _keep(case: _Case) -> Operation:
    """Updates an object that is there; one that was found becomes adopted, a released one comes back."""
    intent, link = case.intent, case.target.link
    if intent.failure is not None:
        return _fail(case, intent.failure)
    owned = _ADOPTED if link is None or link.owned is _SEEN else link.owned
    changes = differences(intent.values, case.target, case.rules)
    if changes and case.rules.does(ObjectAction.UPDATE):
        kind, reason = _kind_of(case, changes)
        made = _operation(case, kind, reason, changes=changes, state=owned, owned=owned)
        return replace(made, adopts=True) if link is None else made
    if link is None or link.state is not owned:
        come = "was found at the target and linked" if link is None else "is managed again"
        and_ = _SWITCHED_OFF if changes else "everything is equal there already."
        reason = f"{intent.change.display_name} {come}; {and_}"
        return _operation(case, OperationKind.LINK, reason, state=owned, owned=owned)
    if changes:
        return _skip(case, SkipReason.ACTION_DISABLED, "The object action Update is switched off.")
    return _leave(case, "The state of the object in both the source and target systems already match.")


def _disable(case: _Case) -> Operation:
    verdict, link = case.intent.verdict, case.target.link
    if link is None or _is_let_go(case, link) or case.terms.never_removes:
        return _skip(case, verdict.skip_reason, verdict.reason)
    if verdict.left_scope and case.terms.skip_out_of_scope_deletions:
        reason = f"{verdict.reason} The account stays as it is: SkipOutOfScopeDeletions is on."
        return _skip(case, SkipReason.SKIP_OUT_OF_SCOPE_DELETION, reason)
    if not case.target.exists:
        return _forget(case)
    if case.intent.change.kind is ObjectKind.GROUP or not case.rules.soft_deletes:
        return _delete(case, link)
    return _switch_off(case, link, LinkState.RELEASED if verdict.left_scope else link.state, verdict.reason)


def _remove(case: _Case) -> Operation:
    reason, link = case.intent.verdict.reason, case.target.link
    if link is None:
        return _skip(case, SkipReason.NOT_MANAGED, f"{reason} No account is linked.")
    if case.terms.never_removes:
        return _skip(case, SkipReason.NOT_MANAGED, f"{reason} This job never removes anybody.")
    if not case.target.exists or _is_let_go(case, link):
        return _forget(case)
    if deletes_purged(link, case.rules):
        return _delete(case, link)
    # Not ours to delete, or nothing is to be deleted; but whoever was purged must not keep access.
    why = _why_nothing_is_deleted(case) if link.owned is LinkState.MANAGED else _THERE_BEFORE
    return _switch_off(case, link, LinkState.RELEASED, f"{reason} {why}")


def _switch_off(case: _Case, link: Link, state: LinkState, reason: str) -> Operation:
    """Sends the life signs of somebody who is to be disabled, and takes the link to `state`."""
    if not case.rules.does(ObjectAction.UPDATE):
        return _skip(case, SkipReason.ACTION_DISABLED, f"{reason} Nothing is sent; {_SWITCHED_OFF}")
    if case.intent.failure is not None:
        return _fail(case, case.intent.failure)
    changes = differences(case.intent.values, case.target, case.rules)
    if not changes and state is link.state:
        return _leave(case, reason)
    kind = OperationKind.DISABLE if changes else OperationKind.LINK
    return _operation(case, kind, reason, changes=changes, state=state, owned=link.owned)


def _leave(case: _Case, reason: str) -> Operation:
    """Sends nothing to an object that is as it should be."""
    link, asked = case.target.link, case.target.resource is not None
    if asked and link is not None and differences(case.intent.values, TargetObject(link=link, exists=True), case.rules):
        # Somebody brought it there at the target: unless that is noted, the next incremental cycle would send it.
        return _operation(case, OperationKind.LINK, reason, state=link.state, owned=link.owned)
    return _skip(case, _REDUNDANT, reason)


def _delete(case: _Case, link: Link) -> Operation:
    reason = case.intent.verdict.reason
    if link.owned is not LinkState.MANAGED:
        return _skip(case, SkipReason.NOT_MANAGED, f"{reason} {_THERE_BEFORE}")
    if not case.rules.does(ObjectAction.DELETE):
        reason = f"{reason} Nothing is sent. {_why_nothing_is_deleted(case)}"
        return _skip(case, SkipReason.ACTION_DISABLED, reason)
    return _operation(case, OperationKind.DELETE, reason)


def _why_nothing_is_deleted(case: _Case) -> str:
    switched_off = "The object action Delete is switched off."
    return switched_off if case.rules.target_deletes else "The application does not delete accounts."


def _pass_over(case: _Case, skip_reason: SkipReason | None, reason: str) -> Operation:
    """Makes nothing for somebody who has no account. A link to one that others deleted is dropped: else every full pass
    would put it into its groups again."""
    return _skip(case, skip_reason, reason) if case.target.link is None else _forget(case)


def _forget(case: _Case) -> Operation:
    stays = case.target.exists
    why = "is no longer managed" if stays else "is no longer there"
    reason = f"{case.intent.verdict.reason} The account {why}, so the link is dropped and nothing is sent."
    return replace(_operation(case, OperationKind.LINK, reason), account_stays=stays)


def _kind_of(case: _Case, changes: Sequence[AttributeChange]) -> tuple[OperationKind, str]:
    """Returns whether changes of somebody who is to be there are an update or take access away, and why."""
    verdict = case.intent.verdict
    # An import carries over who is switched off in its source, and removes nobody.
    off = () if case.terms.never_removes else switched_off(changes)
    if verdict.is_soft_deleted:
        takes = bool(off) or any(change.attribute in case.rules.life_signs for change in changes)
        return (OperationKind.DISABLE if takes else OperationKind.UPDATE), verdict.reason
    if not off:
        return OperationKind.UPDATE, verdict.reason
    # A rule, or a value of the source that it names, takes it from somebody who is assigned.
    return OperationKind.DISABLE, f"{verdict.reason} {_why_off(case.rules, off[0])}"


def _why_off(rules: KindRules, attribute: str) -> str:
    item = next(each for each in rules.values if each.attribute == attribute)
    if item.node is None:
        return f"The mapping of {attribute} switches the account off, as it has no value there."
    expression = item.mapping.expression or ""
    shown = expression if len(expression) <= _SHOWN_CHARACTERS else f"{expression[:_SHOWN_CHARACTERS]}…"
    names = ", ".join(sorted(attributes_of(item.node) - {"IsSoftDeleted"}))
    by = f" by {names}" if names else ""
    return f"The mapping of {attribute} switches the account off{by}: {shown}"


def _skip(case: _Case, skip_reason: SkipReason | None, reason: str) -> Operation:
    link = case.target.link
    return _operation(
        case,
        _SKIP,
        reason,
        state=link.state if link is not None else None,
        owned=link.owned if link is not None else None,
        skip_reason=skip_reason,
    )


def _fail(case: _Case, failure: FailureRecord) -> Operation:
    link = case.target.link
    return _operation(
        case,
        OperationKind.FAIL,
        failure.sentence,
        state=link.state if link is not None else None,
        owned=link.owned if link is not None else None,
        failure=failure,
    )


def _operation(
    case: _Case,
    kind: OperationKind,
    reason: str,
    *,
    changes: tuple[AttributeChange, ...] = (),
    state: LinkState | None = None,
    owned: LinkState | None = None,
    skip_reason: SkipReason | None = None,
    failure: FailureRecord | None = None,
    target: TargetObject | None = None,
) -> Operation:
    intent, change = case.intent, case.intent.change
    target = target or case.target
    link = target.link
    acknowledged = link.acknowledged if link is not None else Acknowledged()
    if target.resource is not None:
        acknowledged = take_over(acknowledged, intent.values, target.resource.attributes, changes, case.rules)
    return Operation(
        change_id=case.change_id,
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
        acknowledged=acknowledged,
        references=intent.references,
        skip_reason=skip_reason,
        failure=failure,
        steps=case.describe(intent, case.target, kind, reason, skip_reason, failure) if case.describe else (),
        source_seq=change.seq,
        tried=target.tried,
    )
