"""What brought an operation about, so that many of them can be judged as one."""

from collections.abc import Sequence

from muster.model.cause import Cause, CauseKind
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.log import SkipReason
from muster.model.operation import Change, Intent, Operation, OperationKind, Presence
from muster.planning.difference import switched_off

_SHOWN_ATTRIBUTES = 5
# What takes a membership away that a scoping filter asks for.
_LOST_GROUPS = (CauseKind.LEFT_GROUP, CauseKind.GROUP_DELETED)


def cause_of(intent: Intent, operation: Operation, evidence: Cause | None = None) -> Cause:
    """Returns the cause of an operation that writes.

    `evidence` is what the source knows of how somebody lost their way into the application: the group that was deleted,
    the assignment that was removed.
    """
    if operation.removes and intent.verdict.presence is Presence.PRESENT:
        # Those whom one mapping switches off are one group, whatever else changes of each of them.
        return changed_attributes(switched_off(operation.changes))
    if operation.removes or operation.kind is OperationKind.SKIP:
        return cause_of_removal(intent, evidence)
    if operation.kind is OperationKind.CREATE:
        return _arrival(intent.change)
    return changed_attributes([change.attribute for change in operation.changes])


def changed_attributes(names: Sequence[str]) -> Cause:
    """Returns the cause of an update: which attributes are another's now."""
    short = sorted({name.rsplit(":", 1)[-1] for name in names})
    shown = ", ".join(short[:_SHOWN_ATTRIBUTES])
    more = f" and {len(short) - _SHOWN_ATTRIBUTES} more" if len(short) > _SHOWN_ATTRIBUTES else ""
    return Cause(kind=CauseKind.ATTRIBUTES_CHANGED, subject=",".join(short), sentence=f"{shown}{more} changed")


def cause_of_removal(intent: Intent, evidence: Cause | None) -> Cause:
    """Returns what took somebody out."""
    change, verdict = intent.change, intent.verdict
    if change.lifecycle is Lifecycle.HARD_DELETED:
        return Cause(kind=CauseKind.HARD_DELETED, sentence="permanently deleted from the directory")
    if change.lifecycle is Lifecycle.SOFT_DELETED:
        return Cause(kind=CauseKind.SOFT_DELETED, sentence="deleted in the directory")
    if verdict.skip_reason is SkipReason.OUT_OF_SCOPE_FILTER:
        if evidence is not None and evidence.kind in _LOST_GROUPS and evidence.subject in verdict.missing_groups:
            return evidence
        clause = verdict.clause or "the scoping filter"
        return Cause(
            kind=CauseKind.SCOPING_FILTER, subject=clause, sentence=f"the scoping filter keeps them out: {clause}"
        )
    if verdict.skip_reason is SkipReason.NOT_EFFECTIVELY_ENTITLED:
        return Cause(kind=CauseKind.ROLE_NOT_ENTITLED, sentence="they hold only a role that is not provisioned")
    if verdict.skip_reason is SkipReason.INACTIVE_AT_SOURCE:
        return Cause(kind=CauseKind.SIGN_IN_BLOCKED, sentence="sign-in is blocked in the directory")
    return evidence or Cause(kind=CauseKind.UNASSIGNED, sentence="not assigned to the application")


def _arrival(change: Change) -> Cause:
    if change.kind is ObjectKind.GROUP:
        return Cause(kind=CauseKind.CAME_INTO_SCOPE, subject="groups", sentence="groups that came into scope")
    grant = change.grants[0] if change.grants else None
    if grant is not None and grant.via_group_id is not None:
        return Cause(
            kind=CauseKind.CAME_INTO_SCOPE,
            subject=grant.via_group_id,
            sentence=f"came into scope by the group {grant.via_group_name}",
        )
    if grant is not None:
        return Cause(kind=CauseKind.CAME_INTO_SCOPE, subject="assigned", sentence="assigned to the application")
    return Cause(kind=CauseKind.CAME_INTO_SCOPE, subject="all", sentence="came into scope")
