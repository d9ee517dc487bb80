"""Which object at the target is the person's: by link, or by matching attribute; never the first of several."""

from collections.abc import Mapping, Sequence

from muster.expression.values import plain_text
from muster.model.copies import replace
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import AmbiguousMatch, LinkedElsewhere
from muster.model.log import SkipReason
from muster.model.operation import (
    Acknowledged,
    Change,
    Intent,
    Link,
    LinkState,
    MatchingValue,
    Operation,
    OperationKind,
    Presence,
    Taken,
    TargetObject,
    TargetResource,
)
from muster.planning.rules import KindRules

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_IN_BIN, _PURGED = Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED
# Tells people apart in our directory, whatever they were matched by.
_NUMBER = "employeeId"
_IF_GIVEN_UP = (
    "If that one gets another value by the same change, it is free now: import the file again; from any other source "
    "it is tried again by itself. If two objects of the source have it, correct one of them."
)


def needs_lookup(intent: Intent) -> bool:
    """Whether an object without a link is looked for: only those who are wanted there are ever adopted."""
    return (
        intent.failure is None
        and intent.left_out is None
        and intent.verdict.presence in (Presence.PRESENT, Presence.PRESENT_IF_LINKED)
    )


def former_matching(link: Link, rules: KindRules) -> tuple[MatchingValue, ...]:
    """Returns the values that an object was last known by at its target, in order of precedence.

    By these it is looked for when it is gone under its id and nobody is to be created: a target that was restored may
    have given its objects new ids, and whoever is to be switched off would keep access under theirs. Whether a rule
    redacts them is not kept, so that all are.
    """
    known = ((item, link.acknowledged.sent.get(item.attribute)) for item in rules.matching)
    return tuple(
        MatchingValue(
            attribute=item.attribute, value=plain_text(value), case_exact=item.definition.case_exact, redacted=True
        )
        for item, value in known
        if value not in (None, "")
    )


def found_again(link: Link, target: TargetObject) -> TargetObject | None:
    """Returns the object that its former name found in place of one that is gone, under a link of its own.

    Nobody knows who made it: it is switched off, and never deleted. None: there is none, or it is somebody else's.
    """
    if target.resource is None:
        is_others = target.failure is not None and target.failure.code == LinkedElsewhere.code
        return None if target.failure is None or is_others else TargetObject(link=link, failure=target.failure)
    adopted = replace(
        link,
        target_id=target.resource.target_id,
        state=LinkState.ADOPTED,
        owned=LinkState.ADOPTED,
        acknowledged=Acknowledged(),
    )
    return TargetObject(link=adopted, resource=target.resource, exists=True)


def choose(
    matching: MatchingValue,
    candidates: Sequence[TargetResource],
    owners: Mapping[str, tuple[str, str]],
    intent: Intent,
    job_id: str,
) -> TargetObject | None:
    """Returns the object that a matching attribute found, or None: the next attribute in precedence is asked.

    `owners` tells, by target id, which job and source object is linked to it already.
    """
    if not candidates:
        return None
    ids = tuple(dict.fromkeys(candidate.target_id for candidate in candidates))
    if len(ids) > 1:
        ambiguous = AmbiguousMatch(attribute=matching.attribute, value=matching.shown, target_ids=ids)
        return TargetObject(failure=ambiguous.record())
    owner = owners.get(ids[0])
    if owner is None or owner == (job_id, intent.change.source_id):
        return TargetObject(resource=candidates[0], exists=True, matched_by=matching.attribute)
    if owner[1] == intent.change.source_id:
        elsewhere = LinkedElsewhere(
            f"The account {ids[0]} at the target is managed for {intent.change.display_name} by job {owner[0]}."
        )
        return TargetObject(failure=elsewhere.record())
    another = LinkedElsewhere(
        f"The account {ids[0]} at the target, found by {matching.attribute} = “{matching.shown}”, "
        f"belongs to another directory object ({owner[1]}, job {owner[0]}).",
        remedy=_IF_GIVEN_UP if owner[0] == job_id else None,
    )
    taken = Taken(by_source_id=owner[1], resource=candidates[0], matched_by=matching.attribute)
    return TargetObject(failure=another.record(), taken=taken if owner[0] == job_id else None)


def is_gone(change: Change, *, is_restorable: bool) -> bool:
    """Whether nobody can come back as this object; `is_restorable`: the source has a recycle bin."""
    return change.lifecycle is _PURGED or (change.lifecycle is _IN_BIN and not is_restorable)


def hand_over(target: TargetObject, holder: Change, left: Operation | None) -> TargetObject:
    """Returns a taken object as one that its finder may have, or with a failure that says what it waits for.

    Whoever comes after somebody who is gone for good takes the account once everything is taken away from it.

    Args:
        holder: whom the object is linked to.
        left: what is still to be done about a holder who is gone for good; None: the holder is not.
    """
    taken = target.taken
    if taken is None:
        return target
    if left is not None and is_carried_out(left):
        return TargetObject(resource=taken.resource, exists=True, matched_by=taken.matched_by)
    account, name = taken.resource.target_id, holder.display_name
    if left is not None:
        failure = LinkedElsewhere(
            f"The account {account} at the target was that of {name}, who is gone for good, "
            "and waits to be taken away from them.",
            remedy="Nothing to do: it is handed over once that is done. If the removal is held, approve or reject it; "
            "if no removal is to come, delete the object connection.",
        )
    elif holder.lifecycle is Lifecycle.SOFT_DELETED:
        failure = LinkedElsewhere(
            f"The account {account} at the target belongs to {name}, who is deleted and can still be restored.",
            remedy="Restore them if this is the same person; otherwise delete them permanently: then the account is "
            "handed over.",
        )
    else:
        return target
    return TargetObject(failure=failure.record(), taken=taken, is_to_come=left is not None)


def keep_apart(target: TargetObject, intent: Intent) -> TargetObject:
    """Returns a deleted object of our directory that its finder may have, or with a failure: two numbers, two people.

    Nobody gets another's access and password because they have the mail address of somebody who left.
    """
    found = target.resource if target.taken is None else target.taken.resource
    before = None if found is None else found.attributes.get(_NUMBER)
    now = next((value.value for value in intent.values if value.attribute == _NUMBER), None)
    if found is None or not before or not now or str(before).casefold() == str(now).casefold():
        return target
    failure = LinkedElsewhere(
        f"{found.display_name} (employeeId {before}) has left, and {intent.change.display_name} (employeeId {now}) "
        f"would get their account {found.target_id}.",
        remedy="If these are two people, delete the one who left permanently, in the recycle bin: then a new account "
        "is made. If it is one, correct the employeeId in the source.",
    )
    return TargetObject(failure=failure.record(), tried=target.tried)


def retire(left: Operation) -> Operation:
    """Returns what drops the link of somebody who is gone for good, from what would be done about them now."""
    reason = f"{left.reason} The account goes to whoever has its name now, so the link is dropped and nothing is sent."
    nothing = replace(left, kind=OperationKind.LINK, skip_reason=None, changes=(), steps=())
    return replace(nothing, reason=reason, link_state=None, owned=None, references=(), shown=(), account_stays=True)


def is_carried_out(left: Operation) -> bool:
    """Whether what would be done now about somebody who is gone says that nothing is left to take away."""
    if left.kind is OperationKind.SKIP and left.skip_reason is SkipReason.NOT_MANAGED:
        # A group that was there before us stays as it is.
        return left.object_kind is ObjectKind.GROUP and left.owned is not LinkState.MANAGED
    return left.kind is OperationKind.LINK or left.skip_reason is SkipReason.REDUNDANT_EXPORT
