"""Change → Intent: what ought to be at the target, before anybody looks there."""

from dataclasses import dataclass

from muster.expression.values import Environment
from muster.model.failures import MappingFailed
from muster.model.operation import Change, Intent, MappedValue, MatchingValue, Presence, Verdict, WantedReference
from muster.model.values import Attributes
from muster.planning.entitlement import EntitlementRules, decide_entitlement
from muster.planning.mapping import ObjectLeftOut, map_row, map_values, matching_values
from muster.planning.rules import CompiledReference, KindRules

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_PRESENT = Presence.PRESENT
_IN_SCOPE = Verdict(presence=Presence.PRESENT, reason="")
_WANTED = (Presence.PRESENT, Presence.PRESENT_IF_LINKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTerms:
    """What bears on every object of a job besides its rules."""

    entitlement: EntitlementRules
    # Those who leave the scope stay untouched (secret SkipOutOfScopeDeletions).
    skip_out_of_scope_deletions: bool = False
    # An inbound import adds and updates; it never disables or removes anybody.
    never_removes: bool = False


def form_intent(change: Change, rules: KindRules, terms: JobTerms, environment: Environment) -> Intent:
    """Returns what the rules want for one object.

    Somebody who leaves the scope gets the life signs only (mappings of IsSoftDeleted), so that no other mapping, and no
    failing one, can stand between a leaver and being disabled.
    """
    verdict = decide_entitlement(change, terms.entitlement, rules.scope)
    attributes = with_computed(change, verdict, with_roles=rules.reads_roles)
    failure: MappingFailed | None = None
    if verdict.presence in _WANTED:
        try:
            values = map_row(rules, attributes, environment)
            return Intent(
                change=change,
                verdict=verdict,
                values=values,
                matching=matching_values(rules.matching, values),
                references=_references(change, rules) if verdict.presence is _PRESENT else (),
            )
        except MappingFailed as failed:
            if verdict.presence is _PRESENT:
                return _given_up(change, verdict, failed)
            failure = failed
    return _life_signs_only(change, rules, verdict, attributes, environment, failure)


def matching_of(change: Change, rules: KindRules, environment: Environment) -> MatchingValue | None:
    """Returns the value of an object's first matching attribute, whether it is in scope or not.

    None: it has no such value, or it cannot be computed.
    """
    first = rules.matching[:1]
    try:
        values = map_values(first, with_computed(change, _IN_SCOPE), environment)
    except MappingFailed:
        return None
    return next(iter(matching_values(first, values)), None)


def is_in_scope(change: Change, rules: KindRules, terms: JobTerms) -> bool:
    """Whether an object is to have an account."""
    return decide_entitlement(change, terms.entitlement, rules.scope).presence is _PRESENT


def with_computed(change: Change, verdict: Verdict, *, with_roles: bool = True) -> Attributes:
    """Returns all that an expression can name: stored, referenced and computed attributes."""
    attributes = dict(change.attributes)
    attributes["IsSoftDeleted"] = verdict.presence is not _PRESENT
    if with_roles:
        # Each role once, however many ways lead to it.
        roles = {
            grant.role_id: {"id": grant.role_id, "value": grant.role_value, "displayName": grant.role_display_name}
            for grant in change.grants
            if grant.role_value is not None
        }
        attributes["appRoleAssignments"] = tuple(roles.values())
    for name, ids in change.references.items():
        attributes[name] = ids[0] if len(ids) == 1 else ids
    return attributes


def _life_signs_only(
    change: Change,
    rules: KindRules,
    verdict: Verdict,
    attributes: Attributes,
    environment: Environment,
    failure: MappingFailed | None,
) -> Intent:
    """Computes each life sign by itself: one that fails does not keep back a switch (a Boolean) that can be set."""
    values: list[MappedValue] = []
    failed: MappingFailed | None = None
    for item in rules.values:
        if item.is_life_sign:
            try:
                values += map_values((item,), attributes, environment)
            except ObjectLeftOut as left_out:
                return _given_up(change, verdict, left_out)
            except MappingFailed as refused:
                failed = refused
    if failed is not None and not any(isinstance(value.value, bool) for value in values):
        return _given_up(change, verdict, failed)
    if failure is not None and not values:
        return _given_up(change, verdict, failure)
    return Intent(change=change, verdict=verdict, values=tuple(values))


def _given_up(change: Change, verdict: Verdict, failure: MappingFailed) -> Intent:
    if isinstance(failure, ObjectLeftOut):
        return Intent(change=change, verdict=verdict, left_out=failure.sentence)
    return Intent(change=change, verdict=verdict, failure=failure.record())


def _references(change: Change, rules: KindRules) -> tuple[WantedReference, ...]:
    """Returns what is wanted of the references that the change speaks of; the others stay as they are."""
    given = change.references
    return tuple(
        [
            _wanted(reference, given[reference.source_attribute])
            for reference in rules.references
            if reference.source_attribute in given
        ]
    )


def _wanted(reference: CompiledReference, ids: tuple[str, ...]) -> WantedReference:
    if not ids:
        return reference.nobody
    return WantedReference(
        attribute=reference.attribute,
        kind=reference.kind,
        multivalued=reference.multivalued,
        source_ids=tuple(ids),
    )
