"""Whether an object is provisioned to an application: assignment, role, life in the directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from muster.model.application import DEFAULT_ACCESS, RoleGrant
from muster.model.directory import Lifecycle
from muster.model.log import SkipReason
from muster.model.operation import Change, Presence, Verdict
from muster.planning.scoping import CompiledFilter

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_IN_PLACE, _IN_BIN, _PURGED = Lifecycle.PRESENT, Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED
_PRESENT = Presence.PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRules:
    """What an application asks of those who come to it."""

    # Scope "all users and groups": no assignment is needed.
    sync_all: bool
    # False: a role other than Default Access is needed (the seed's rule for 8x8).
    accepts_default_access: bool
    # Inbound jobs carry switched-off accounts too; applications never get one that is switched off from the start.
    carries_inactive: bool = False


def decide_entitlement(change: Change, rules: EntitlementRules, scope: CompiledFilter | None = None) -> Verdict:
    """Returns the verdict. Assignment and scoping filter must both let somebody in; without `scope` only the first.

    Source: provisioning-service behaviour "IsSoftDeleted": true for the unassigned, the filtered out, the soft-deleted
    and the switched off; a hard delete removes.
    """
    assigned = rules.sync_all or bool(change.grants)
    grant = _entitling(change, rules)
    entitled = rules.sync_all or grant is not None
    active = change.attributes.get("accountEnabled") is not False
    known = (active and change.lifecycle is _IN_PLACE, assigned, entitled)
    name = change.display_name
    if change.lifecycle is _PURGED:
        return Verdict(
            presence=Presence.ABSENT,
            reason=f"{name} was permanently deleted from the directory.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=_details(*known),
        )
    if change.lifecycle is _IN_BIN:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} is deleted in the directory and can be restored for 30 days.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=_details(*known),
        )
    if not assigned:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} is not assigned to the application, directly or through an assigned group.",
            skip_reason=SkipReason.NOT_ASSIGNED,
            left_scope=True,
            details=_details(*known),
        )
    if not entitled:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} holds only the role Default Access, which this application does not provision: "
            "assign another role.",
            skip_reason=SkipReason.NOT_EFFECTIVELY_ENTITLED,
            left_scope=True,
            details=_details(*known),
        )
    if scope is None:
        details = _details(*known)
    else:
        decision = scope.decide(change.attributes)
        details = decision.details_with(known, _details)
        if not decision.in_scope:
            return Verdict(
                presence=Presence.DISABLED,
                reason=f"{name} does not pass the scoping filter: {decision.reason}",
                skip_reason=SkipReason.OUT_OF_SCOPE_FILTER,
                left_scope=True,
                clause=decision.clause,
                missing_groups=decision.missing_groups,
                details=details,
            )
    if not active and not rules.carries_inactive:
        return Verdict(
            presence=Presence.PRESENT_IF_LINKED,
            reason=f"{name} is blocked from sign-in in the directory.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=details,
        )
    return Verdict(presence=_PRESENT, reason=_how_entitled(name, rules, grant), details=details)


@cache
def _details(active: bool, assigned: bool, entitled: bool) -> Mapping[str, str]:
    return {
        "Active in the source system": str(active),
        "Assigned to the application": str(assigned),
        "User has the required role": str(entitled),
    }


def _entitling(change: Change, rules: EntitlementRules) -> RoleGrant | None:
    """The grant that entitles: any but Default Access, or that too where the application accepts it."""
    for grant in change.grants:
        if grant.role_id != DEFAULT_ACCESS:
            return grant
    return change.grants[0] if change.grants and rules.accepts_default_access else None


def _how_entitled(name: str, rules: EntitlementRules, grant: RoleGrant | None) -> str:
    if rules.carries_inactive:
        return f"{name} is in the source system."
    if grant is None or rules.sync_all:
        return f"{name} is active, and all users and groups are in scope."
    way = f"as a member of {grant.via_group_name}" if grant.via_group_id else "directly"
    return f"{name} is active and assigned {way} with the role {grant.role_display_name}."
