"""What a SCIM client asks to take away, as an operation that the gate and administrators look at."""

from collections.abc import Collection
from dataclasses import dataclass

from muster.administration.desk import Desk
from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import MEMBER_GROUPS, MEMBERS, DirectoryObject, ObjectKind
from muster.model.log import LogStatus, Step, StepType
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.planning.precedence import EXISTENCE

ENABLED = "accountEnabled"
VERBS = {
    OperationKind.DISABLE: ("Disable", "disabled"),
    OperationKind.DELETE: ("Delete", "deleted"),
    OperationKind.REFER: ("Update", "updated"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a request takes away: somebody's access, an object, or members of a group (`members`: their ids)."""

    kind: OperationKind
    found: DirectoryObject
    members: tuple[str, ...] = ()


def claimed(desk: Desk, removal: Removal) -> Collection[str]:
    if removal.kind is OperationKind.DISABLE:
        return (ENABLED,)
    if removal.kind is OperationKind.REFER:
        kinds = {each.kind for each in desk.stores.directory.by_ids(removal.members)}
        return {MEMBER_GROUPS if kind is ObjectKind.GROUP else MEMBERS for kind in kinds}
    return (EXISTENCE,) if removal.found.kind is ObjectKind.USER else ()


def operation_of(desk: Desk, removal: Removal) -> Operation:
    found, client = removal.found, desk.caller.display_name
    verb, done = VERBS[removal.kind]
    changes: tuple[AttributeChange, ...] = ()
    what = f"{found.display_name} is to be {done}"
    if removal.kind is OperationKind.DISABLE:
        changes = (AttributeChange(attribute=ENABLED, verb=Verb.REPLACE, old=True, new=False),)
    if removal.kind is OperationKind.REFER:
        changes = (_leaving(removal.members),)
        what = f"{len(removal.members)} of the members of {found.display_name} are to be removed"
    sentence = f"Received {found.kind.value} '{found.display_name}' change of type ({verb}) from {client}."
    return Operation(
        change_id=desk.ids.new_id(),
        kind=removal.kind,
        object_kind=found.kind,
        source_id=found.object_id,
        source_name=found.display_name,
        target_id=found.object_id,
        target_name=shown_name(found),
        reason=f"{what}: the SCIM client {client} asks for it.",
        changes=changes,
        steps=(Step(name="EntryImport", type=StepType.IMPORT, status=LogStatus.SUCCESS, description=sentence),),
        source_seq=found.seq,
        cause=Cause(
            kind=CauseKind.CLIENT_ASKED, subject=desk.caller.id, sentence=f"the SCIM client {client} asked for it"
        ),
    )


def _leaving(members: Collection[str]) -> AttributeChange:
    return AttributeChange(
        attribute=MEMBERS,
        verb=Verb.REMOVE,
        old=tuple(sorted(members)),
        new=None,
        is_reference=True,
        multivalued=True,
    )


def shown_name(found: DirectoryObject) -> str:
    """What tells somebody from others of the same name."""
    return str(found.attributes.get("userPrincipalName") or found.display_name)


def with_members(operation: Operation, members: Collection[str]) -> Operation:
    return replace(operation, changes=(_leaving(members),))


def members_of(operation: Operation) -> tuple[str, ...]:
    return tuple(str(each) for change in operation.changes for each in change.old)
