"""What a reconciliation does with values that somebody changed at the target: correct, report or accept them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from muster.model.copies import replace
from muster.model.durations import read_duration
from muster.model.log import SkipReason
from muster.model.operation import Acknowledged, AttributeChange, Operation, OperationKind, TargetObject
from muster.planning.difference import are_equal
from muster.planning.rules import KindRules


class DriftAction(StrEnum):
    """What is done with a value that the target has otherwise than it confirmed it."""

    # The value of the directory is sent again.
    CORRECT = "correct"
    # The log says so, nothing is sent.
    REPORT = "report"
    # The target keeps its value until the directory's changes.
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """What is done, by target attribute."""

    default: DriftAction = DriftAction.CORRECT
    attributes: Mapping[str, DriftAction] = field(default_factory=dict)

    def of(self, attribute: str) -> DriftAction:
        """Returns what is done with an attribute."""
        return self.attributes.get(attribute.lower(), self.default)


CORRECT_ALL = DriftPolicy()


def read_drift_policy(text: str) -> DriftPolicy:
    """Returns the policy that a job's setting says: `report`, or `correct; title=report; nickName=accept`.

    Raises: ValueError, saying what it takes.
    """
    default, attributes = DriftAction.CORRECT, {}
    for part in (piece.strip() for piece in text.split(";")):
        name, equals, action = part.rpartition("=")
        if not part:
            continue
        if action.strip().lower() not in tuple(DriftAction):
            raise ValueError("takes correct, report or accept, and attributes with others: correct; title=report")
        if equals:
            attributes[name.strip().lower()] = DriftAction(action.strip().lower())
        else:
            default = DriftAction(action.strip().lower())
    return DriftPolicy(default=default, attributes=attributes)


def weigh_drift(operation: Operation, target: TargetObject, policy: DriftPolicy, rules: KindRules) -> Operation:
    """Returns the operation as the policy wants it, with the attributes named that were changed at the target.

    An attribute has drifted if the directory wants what the target confirmed before, and the target shows another value
    now. Whoever is to be switched off is switched off, whatever the policy says.
    """
    if target.link is None or target.resource is None or operation.kind is not OperationKind.UPDATE:
        return replace(operation, drifted=_switched_on(operation, target, rules))
    before = target.link.acknowledged
    drifted = [change for change in operation.changes if _is_drift(change, before, rules)]
    kept = [change for change in drifted if policy.of(change.attribute) is not DriftAction.CORRECT]
    named = replace(operation, drifted=tuple(change.attribute for change in drifted))
    if not kept:
        return named
    left_out = {change.attribute for change in kept}
    reported = {name for name in left_out if policy.of(name) is DriftAction.REPORT}
    rest = tuple(change for change in operation.changes if change.attribute not in left_out)
    named = replace(named, acknowledged=_unchanged(operation.acknowledged, before, reported))
    if rest:
        return replace(named, changes=rest)
    # What was left out stays in sight: the log shows what the target has, and what the directory says.
    what = ", ".join(change.attribute for change in kept)
    if reported == left_out:
        reason = f"Changed at the application, and left so because the job only reports it: {what}."
        return replace(named, kind=OperationKind.SKIP, skip_reason=SkipReason.DRIFT_REPORTED, reason=reason)
    reason = f"Changed at the application, and accepted until the directory changes: {what}."
    return replace(named, kind=OperationKind.LINK, reason=reason)


def read_reconcile_every(text: str) -> timedelta:
    """Returns how often a job is reconciled by itself. Raises: ValueError."""
    span = read_duration(text)
    if not timedelta(hours=1) <= span <= timedelta(days=31):
        raise ValueError("takes from PT1H to P31D")
    return span


def _is_drift(change: AttributeChange, before: Acknowledged, rules: KindRules) -> bool:
    name = change.attribute
    if name not in before.sent:
        return False
    return are_equal(before.sent[name], change.new, rules.definitions.get(name))


def _switched_on(operation: Operation, target: TargetObject, rules: KindRules) -> tuple[str, ...]:
    """Returns the life signs of a leaver that somebody switched on at the target again."""
    if operation.kind is not OperationKind.DISABLE or target.link is None or target.resource is None:
        return ()
    before = target.link.acknowledged
    return tuple(change.attribute for change in operation.changes if _is_drift(change, before, rules))


def _unchanged(after: Acknowledged, before: Acknowledged, names: set[str]) -> Acknowledged:
    """Returns the projection with some attributes as they stood before the target showed itself."""
    sent = {name: value for name, value in after.sent.items() if name not in names}
    seen = {name: value for name, value in after.seen.items() if name not in names}
    sent |= {name: before.sent[name] for name in names if name in before.sent}
    seen |= {name: before.seen[name] for name in names if name in before.seen}
    return Acknowledged(sent=sent, seen=seen, repeated=before.repeated)
