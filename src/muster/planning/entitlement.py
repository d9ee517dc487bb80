"""Whether an object is provisioned to an application: assignment, role, life in the directory."""

from dataclasses import dataclass

from muster.model.application import DEFAULT_ACCESS
from muster.model.directory import Lifecycle
from muster.model.log import SkipReason
from muster.model.operation import Change, Presence, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRules:
    """What an application asks of those who come to it."""

    # Scope "all users and groups": no assignment is needed.
    sync_all: bool
    # False: a role other than Default Access is needed (the seed's rule for 8x8).
    accepts_default_access: bool
    # Inbound jobs carry switched-off accounts too; applications never get one that is switched off from the start.
    carries_inactive: bool = False


def decide_entitlement(change: Change, rules: EntitlementRules) -> Verdict:
    """Returns the verdict before the scoping filter is asked.

    Source: provisioning-service behaviour "IsSoftDeleted": true for the unassigned, the filtered out, the soft-deleted
    and the switched off; a hard delete removes.
    """
    assigned = rules.sync_all or bool(change.grants)
    entitled = rules.sync_all or _is_entitled(change, rules)
    active = change.attributes.get("accountEnabled") is not False
    details = {
        "Active in the source system": str(active and change.lifecycle is Lifecycle.PRESENT),
        "Assigned to the application": str(assigned),
        "User has the required role": str(entitled),
    }
    name = change.display_name
    if change.lifecycle is Lifecycle.HARD_DELETED:
        return Verdict(
            presence=Presence.ABSENT,
            reason=f"{name} was permanently deleted from the directory.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=details,
        )
    if change.lifecycle is Lifecycle.SOFT_DELETED:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} is deleted in the directory and can be restored for 30 days.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=details,
        )
    if not assigned:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} is not assigned to the application, directly or as a direct member of an assigned group.",
            skip_reason=SkipReason.NOT_ASSIGNED,
            left_scope=True,
            details=details,
        )
    if not entitled:
        return Verdict(
            presence=Presence.DISABLED,
            reason=f"{name} holds only the role Default Access, which this application does not provision: "
            "assign another role.",
            skip_reason=SkipReason.NOT_EFFECTIVELY_ENTITLED,
            left_scope=True,
            details=details,
        )
    if not active and not rules.carries_inactive:
        return Verdict(
            presence=Presence.PRESENT_IF_LINKED,
            reason=f"Sign-in of {name} is blocked in the directory.",
            skip_reason=SkipReason.INACTIVE_AT_SOURCE,
            details=details,
        )
    return Verdict(presence=Presence.PRESENT, reason=_how_entitled(change, rules), details=details)


def _is_entitled(change: Change, rules: EntitlementRules) -> bool:
    if rules.accepts_default_access:
        return bool(change.grants)
    return any(grant.role_id != DEFAULT_ACCESS for grant in change.grants)


def _how_entitled(change: Change, rules: EntitlementRules) -> str:
    if rules.carries_inactive:
        return f"{change.display_name} is in the source system."
    if rules.sync_all:
        return f"{change.display_name} is active, and all users and groups are in scope."
    grant = next((grant for grant in change.grants if grant.role_id != DEFAULT_ACCESS), change.grants[0])
    way = f"as a member of {grant.via_group_name}" if grant.via_group_id else "directly"
    return f"{change.display_name} is active and assigned {way} with the role {grant.role_display_name}."
