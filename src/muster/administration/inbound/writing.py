"""What a SCIM client's document changes of the directory: attributes, the manager, members; and what it takes away."""

from collections.abc import Mapping, Sequence
from typing import Any

from muster.administration import groups, people
from muster.administration.desk import Desk
from muster.administration.inbound.asked import ENABLED, Removal
from muster.administration.inbound.documents import read_manager, read_user
from muster.model.directory import DirectoryObject, ObjectKind
from muster.model.operation import OperationKind
from muster.scim.errors import InvalidValue
from muster.scim.repository import Document, MembersChange


def taken_by(found: DirectoryObject, following: Document, going: Sequence[str]) -> Removal | None:
    """Returns what a change takes away; None: nothing."""
    if going:
        return Removal(kind=OperationKind.REFER, found=found, members=tuple(going))
    is_user = found.kind is ObjectKind.USER
    if is_user and following.get("active") is False and found.attributes.get(ENABLED) is not False:
        return Removal(kind=OperationKind.DISABLE, found=found)
    return None


def change_members(desk: Desk, group_id: str, change: MembersChange, going: Sequence[str]) -> bool:
    """Returns whether it changed anything. `going` are those of whom it is known that they leave. Raises: Refused."""
    added = [str(member["value"]) for member in change.add]
    done = 0
    for start in range(0, len(going), groups.MEMBERS_A_CALL):
        done += groups.remove_members(desk, group_id, going[start : start + groups.MEMBERS_A_CALL])
    for start in range(0, len(added), groups.MEMBERS_A_CALL):
        done += groups.add_members(desk, group_id, added[start : start + groups.MEMBERS_A_CALL])
    return done > 0


def change_user(desk: Desk, found: DirectoryObject, present: Document | None, following: Document) -> None:
    """Writes what differs between two documents; without the first, all that the second gives. Raises: Refused."""
    before = {} if present is None else read_user(present)
    after = read_user(following)
    changed = {name: value for name, value in after.items() if (value != before[name] if before else value is not None)}
    if changed:
        people.update_user(desk, found.object_id, changed, has_free_name=True)
    manager = read_manager(following)
    if manager != (found.manager_id if present is None else read_manager(present)):
        if manager is None:
            people.clear_manager(desk, found.object_id)
        else:
            people.set_manager(desk, found.object_id, manager)


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that are given."""
    return {name: value for name, value in values.items() if value is not None}


def require_known(desk: Desk, manager: str | None) -> str | None:
    """Returns a manager's id. Raises: InvalidValue if nobody has it."""
    if manager is not None and desk.stores.directory.get(ObjectKind.USER, manager) is None:
        raise InvalidValue(f"manager.value: there is no User with the id {manager[:80]!r}. Create the manager first.")
    return manager


def difference(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> MembersChange:
    """Returns what leads from some members to others."""
    old, new = {each["value"] for each in before}, {each["value"] for each in after}
    return MembersChange(
        remove=tuple(each["value"] for each in before if each["value"] not in new),
        add=tuple(each for each in after if each["value"] not in old),
    )
