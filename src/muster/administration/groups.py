"""Groups and their direct members."""

from collections.abc import Mapping, Sequence
from typing import Any

from muster.administration.attributes import checked, require_filled
from muster.administration.desk import Desk
from muster.administration.inbound.asked import Removal
from muster.administration.inbound.removals import end_done
from muster.administration.inbound.standing import end_quarantine
from muster.administration.people import changes_of, write_one
from muster.administration.provenance import claim
from muster.administration.refusals import bad_request, not_found
from muster.model.directory import MEMBER_GROUPS, MEMBERS, DirectoryObject, Lifecycle, ObjectKind
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.ports.directory import DirectoryPage, ObjectWrite

CATEGORY = "GroupManagement"
MEMBERS_A_CALL = 1_000


def find_group(desk: Desk, group_id: str) -> DirectoryObject:
    """Returns a group by id. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    return _present(desk, group_id)


def create_group(desk: Desk, attributes: Mapping[str, Any], member_ids: Sequence[str] = ()) -> DirectoryObject:
    """Returns the new group. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    values = {"securityEnabled": True, "mailEnabled": False, **checked(ObjectKind.GROUP, attributes)}
    require_filled(ObjectKind.GROUP, values, ("displayName", "securityEnabled", "mailEnabled"))
    _check_members(desk, member_ids)
    created = write_one(desk, ObjectWrite(kind=ObjectKind.GROUP, object_id=None, attributes=values, is_new=True))
    if member_ids:
        desk.stores.directory.change_members(created.object_id, add=member_ids, remove=())
    desk.note("Add group", CATEGORY, target=_target(created), changes=changes_of({}, created.attributes))
    return created


def update_group(desk: Desk, group_id: str, attributes: Mapping[str, Any]) -> DirectoryObject:
    """Returns the changed group. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    values = checked(ObjectKind.GROUP, attributes)
    before = _present(desk, group_id)
    for required in ("displayName", "securityEnabled"):
        if required in values and values[required] is None:
            raise bad_request(f"{required} cannot be cleared.")
    claim(desk, before, [name for name, value in values.items() if before.attributes.get(name) != value])
    after = write_one(
        desk, ObjectWrite(kind=ObjectKind.GROUP, object_id=before.object_id, attributes=values, is_new=False)
    )
    changes = changes_of(before.attributes, after.attributes)
    if changes:
        desk.note("Update group", CATEGORY, target=_target(after), changes=changes)
    return after


def delete_group(desk: Desk, group_id: str) -> None:
    """Soft-deletes a group: restorable with its members for 30 days. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    group = _present(desk, group_id)
    desk.stores.directory.set_lifecycle(ObjectKind.GROUP, group.object_id, Lifecycle.SOFT_DELETED, desk.now())
    end_quarantine(desk)
    desk.note("Delete group", CATEGORY, target=_target(group))


def restore_group(desk: Desk, group_id: str) -> DirectoryObject:
    """Returns the group back in the directory, with its members. Raises: Refused."""
    return _move(desk, group_id, Lifecycle.PRESENT, "Restore group")


def purge_group(desk: Desk, group_id: str) -> None:
    """Deletes a soft-deleted group for good. Raises: Refused."""
    _move(desk, group_id, Lifecycle.HARD_DELETED, "Hard delete group")


def members(desk: Desk, group_id: str, after: str | None, limit: int, *, transitive: bool = False) -> DirectoryPage:
    """Returns a page of direct members, or of those at any depth. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    return desk.stores.directory.members(_present(desk, group_id).object_id, after, limit, transitive=transitive)


def groups_of(desk: Desk, object_id: str, *, transitive: bool = False) -> Sequence[DirectoryObject]:
    """Returns the groups of which an object is a member, directly or at any depth. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    return desk.stores.directory.groups_of(object_id, transitive=transitive)


def add_members(desk: Desk, group_id: str, member_ids: Sequence[str]) -> int:
    """Returns how many were added; those who are members already stay so. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    group = _present(desk, group_id)
    if group.object_id in member_ids:
        raise bad_request("A group cannot be a member of itself.")
    _check_members(desk, member_ids)
    claim(desk, group, _attributes_of(desk, member_ids))
    changed = desk.stores.directory.change_members(group.object_id, add=member_ids, remove=())
    if changed:
        desk.note(
            "Add member to group",
            CATEGORY,
            target=_target(group),
            changes=tuple(("members", None, member_id) for member_id in member_ids),
        )
    return changed


def add_member(desk: Desk, group_id: str, member_id: str) -> None:
    """Adds one member. Raises: Refused if it is one already, as Graph does."""
    if add_members(desk, group_id, [member_id]) == 0:
        raise bad_request(
            "One or more added object references already exist for the following modified properties: 'members'.",
            code="Request_BadRequest",
        )


def remove_member(desk: Desk, group_id: str, member_id: str) -> None:
    """Removes one member. Raises: Refused if it is none."""
    desk.require(Permission.WRITE_DIRECTORY)
    group = _present(desk, group_id)
    claim(desk, group, _attributes_of(desk, [member_id]))
    try:
        removed = desk.stores.directory.change_members(group.object_id, add=(), remove=[member_id])
    except LookupError:
        # Nobody in the directory has this id.
        removed = 0
    if removed == 0:
        raise not_found(f"A member of {group.display_name}", member_id)
    end_done(desk, Removal(kind=OperationKind.REFER, found=group, members=(member_id,)))
    desk.note("Remove member from group", CATEGORY, target=_target(group), changes=(("members", member_id, None),))


def remove_members(desk: Desk, group_id: str, member_ids: Sequence[str]) -> int:
    """Returns how many were removed; those who are none are passed over. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    group = _present(desk, group_id)
    within = desk.stores.directory.groups_among([group.object_id], member_ids)
    going = [member_id for member_id in dict.fromkeys(member_ids) if within.get(member_id)]
    if not going:
        return 0
    claim(desk, group, _attributes_of(desk, going))
    desk.stores.directory.change_members(group.object_id, add=(), remove=going)
    changes = tuple(("members", member_id, None) for member_id in going)
    desk.note("Remove member from group", CATEGORY, target=_target(group), changes=changes)
    return len(going)


def _check_members(desk: Desk, member_ids: Sequence[str]) -> None:
    if len(member_ids) > MEMBERS_A_CALL:
        raise bad_request(f"At most {MEMBERS_A_CALL} members can be added in one call.")
    # Members are named by id: a principal name is no reference.
    found = desk.stores.directory.by_ids(member_ids)
    there = {each.object_id for each in found if each.lifecycle is Lifecycle.PRESENT}
    for member_id in member_ids:
        if member_id not in there:
            raise not_found("Member", member_id)


def _attributes_of(desk: Desk, member_ids: Sequence[str]) -> set[str]:
    """Returns which references members are: people, or groups within the group."""
    kinds = {each.kind for each in desk.stores.directory.by_ids(member_ids)}
    return {MEMBER_GROUPS if kind is ObjectKind.GROUP else MEMBERS for kind in kinds}


def _move(desk: Desk, group_id: str, destination: Lifecycle, activity: str) -> DirectoryObject:
    desk.require(Permission.WRITE_DIRECTORY)
    group = desk.stores.directory.get(ObjectKind.GROUP, group_id)
    if group is None or group.lifecycle is not Lifecycle.SOFT_DELETED:
        raise not_found("Deleted group", group_id)
    moved = desk.stores.directory.set_lifecycle(ObjectKind.GROUP, group.object_id, destination, desk.now())
    desk.note(activity, CATEGORY, target=_target(group))
    return moved


def _present(desk: Desk, group_id: str) -> DirectoryObject:
    group = desk.stores.directory.get(ObjectKind.GROUP, group_id)
    if group is None or group.lifecycle is not Lifecycle.PRESENT:
        raise not_found("Group", group_id)
    return group


def _target(group: DirectoryObject) -> tuple[str, str, str]:
    return ("Group", group.object_id, group.display_name)
