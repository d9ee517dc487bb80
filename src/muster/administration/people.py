"""Users: made, changed, given a manager, blocked, soft-deleted, restored and purged."""

from collections.abc import Mapping, Sequence
from typing import Any

from muster.administration.attributes import check_principal_name, checked, require_filled
from muster.administration.desk import Change, Desk
from muster.administration.inbound.asked import Removal
from muster.administration.inbound.removals import end_done
from muster.administration.inbound.standing import end_quarantine
from muster.administration.provenance import claim
from muster.administration.refusals import Refused, bad_request, not_found
from muster.model.conditions import comparisons_in
from muster.model.directory import ATTRIBUTES_OF, DirectoryObject, Lifecycle, ObjectKind
from muster.model.log import shown
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.model.values import Attributes
from muster.planning.precedence import EXISTENCE
from muster.ports.directory import DirectoryPage, DirectoryQuery, ObjectWrite, WriteRefused

CATEGORY = "UserManagement"
_INSTANTS = frozenset({"createdDateTime", "deletedDateTime", "groupTypes"})
_OPERATORS = frozenset({"eq", "ne", "sw", "co", "ge", "le"})


def find_user(desk: Desk, name: str) -> DirectoryObject:
    """Returns a present user by id or principal name. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    return _with_lifecycle(desk, name, Lifecycle.PRESENT)


def find_deleted_user(desk: Desk, name: str) -> DirectoryObject:
    """Returns a soft-deleted user. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    return _with_lifecycle(desk, name, Lifecycle.SOFT_DELETED)


def named(desk: Desk, name: str) -> frozenset[str]:
    """Returns the id of the present user of an id or principal name, else those of that mail or name: two of each.

    Raises: Refused.
    """
    desk.require(Permission.READ_DIRECTORY)
    user = desk.stores.directory.get(ObjectKind.USER, name)
    if user is not None and user.lifecycle is Lifecycle.PRESENT:
        return frozenset({user.object_id})
    queries = (
        DirectoryQuery(kind=ObjectKind.USER, comparisons=((attribute, "eq", name),), limit=2)
        for attribute in ("mail", "displayName")
    )
    return frozenset(user.object_id for query in queries for user in desk.stores.directory.search(query).objects)


def find_named(desk: Desk, name: str) -> str:
    """Returns the id of the present user who is meant: by id, principal name, mail or name. Raises: Refused."""
    return only(named(desk, name), "User", name)


def only(found: frozenset[str], kind: str, name: str) -> str:
    """Returns the id of what alone is called so. Raises: Refused."""
    if not found:
        raise not_found(kind, name)
    if len(found) > 1:
        raise bad_request(f"Several are called “{name}”: give the principal name or the id.")
    (found_id,) = found
    return found_id


def search(desk: Desk, query: DirectoryQuery) -> DirectoryPage:
    """Returns a page of users or groups. Raises: Refused for an attribute or operator that cannot be searched by."""
    desk.require(Permission.READ_DIRECTORY)
    for name, operator, _ in query.comparisons:
        if name not in ATTRIBUTES_OF[query.kind]:
            raise bad_request(f"{query.kind.value} has no attribute “{name}” to filter by.")
        if operator not in _OPERATORS:
            raise bad_request(f"Directory objects cannot be filtered with {operator}.")
    for comparison in comparisons_in(query.condition):
        if comparison.path not in ATTRIBUTES_OF[query.kind] and comparison.path not in _INSTANTS:
            raise bad_request(f"{query.kind.value} has no attribute “{comparison.path}” to filter by.")
    return desk.stores.directory.search(query)


def create_user(
    desk: Desk,
    attributes: Mapping[str, Any],
    *,
    manager_id: str | None = None,
    object_id: str | None = None,
    has_free_name: bool = False,
) -> DirectoryObject:
    """Returns the new user; `has_free_name`: the principal name needs no domain. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    values = {"accountEnabled": True, "userType": "Member", **checked(ObjectKind.USER, attributes)}
    require_filled(ObjectKind.USER, values, ("displayName", "userPrincipalName", "accountEnabled"))
    check_principal_name(values["userPrincipalName"], is_free=has_free_name)
    if manager_id is not None:
        _with_lifecycle(desk, manager_id, Lifecycle.PRESENT)
    created = write_one(
        desk,
        ObjectWrite(kind=ObjectKind.USER, object_id=object_id, attributes=values, manager_id=manager_id, is_new=True),
    )
    desk.note("Add user", CATEGORY, target=_target(created), changes=changes_of({}, created.attributes))
    return created


def update_user(
    desk: Desk, name: str, attributes: Mapping[str, Any], *, has_free_name: bool = False
) -> DirectoryObject:
    """Returns the changed user; attributes that are not given stay. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    values = checked(ObjectKind.USER, attributes)
    before = _with_lifecycle(desk, name, Lifecycle.PRESENT)
    if "userPrincipalName" in values:
        check_principal_name(values["userPrincipalName"], is_free=has_free_name)
    for required in ("displayName", "accountEnabled"):
        if required in values and values[required] is None:
            raise bad_request(f"{required} cannot be cleared.")
    claim(desk, before, [name for name, value in values.items() if before.attributes.get(name) != value])
    after = write_one(
        desk, ObjectWrite(kind=ObjectKind.USER, object_id=before.object_id, attributes=values, is_new=False)
    )
    changes = changes_of(before.attributes, after.attributes)
    if changes:
        activity = "Update user"
        if _was_disabled(before.attributes, after.attributes):
            activity = "Disable account"
            end_done(desk, Removal(kind=OperationKind.DISABLE, found=before))
        desk.note(activity, CATEGORY, target=_target(after), changes=changes)
    return after


def delete_user(desk: Desk, name: str) -> None:
    """Soft-deletes a user: restorable for 30 days. Raises: Refused."""
    _move(desk, name, Lifecycle.PRESENT, Lifecycle.SOFT_DELETED, "Delete user")


def restore_user(desk: Desk, name: str) -> DirectoryObject:
    """Returns the user back in the directory. Raises: Refused."""
    return _move(desk, name, Lifecycle.SOFT_DELETED, Lifecycle.PRESENT, "Restore user")


def purge_user(desk: Desk, name: str) -> None:
    """Deletes a soft-deleted user for good. Raises: Refused."""
    _move(desk, name, Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED, "Hard delete user")


def manager_of(desk: Desk, name: str) -> DirectoryObject | None:
    """Returns a user's manager, None if there is none. Raises: Refused."""
    user = find_user(desk, name)
    if user.manager_id is None:
        return None
    manager = desk.stores.directory.get(ObjectKind.USER, user.manager_id)
    return manager if manager is not None and manager.lifecycle is Lifecycle.PRESENT else None


def reports_of(desk: Desk, name: str, after: str | None, limit: int) -> DirectoryPage:
    """Returns a page of those whose manager a user is. Raises: Refused."""
    return desk.stores.directory.reports_of(find_user(desk, name).object_id, after, limit)


def by_ids(desk: Desk, object_ids: Sequence[str]) -> Sequence[DirectoryObject]:
    """Returns the present users and groups with these ids; unknown ones are left out. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    found = desk.stores.directory.by_ids(object_ids)
    return [each for each in found if each.lifecycle is Lifecycle.PRESENT]


def managers_of(desk: Desk, found: Sequence[DirectoryObject]) -> Mapping[str, DirectoryObject]:
    """Returns the present managers of some users by their ids. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    wanted = {user.manager_id for user in found if user.manager_id is not None}
    known = desk.stores.directory.by_ids(sorted(wanted))
    return {manager.object_id: manager for manager in known if manager.lifecycle is Lifecycle.PRESENT}


def set_manager(desk: Desk, name: str, manager_name: str) -> None:
    """Gives a user a manager. Raises: Refused for oneself, or for a chain that would end where it began."""
    desk.require(Permission.WRITE_DIRECTORY)
    user = _with_lifecycle(desk, name, Lifecycle.PRESENT)
    manager = _with_lifecycle(desk, manager_name, Lifecycle.PRESENT)
    if user.object_id == manager.object_id:
        raise bad_request("A user cannot be their own manager.")
    if user.manager_id != manager.object_id:
        claim(desk, user, ["manager"])
    write_one(
        desk,
        ObjectWrite(
            kind=ObjectKind.USER,
            object_id=user.object_id,
            attributes={},
            manager_id=manager.object_id,
            is_new=False,
        ),
    )
    desk.note(
        "Update manager", CATEGORY, target=_target(user), changes=(("manager", user.manager_id, manager.object_id),)
    )


def clear_manager(desk: Desk, name: str) -> None:
    """Takes a user's manager away. Raises: Refused."""
    desk.require(Permission.WRITE_DIRECTORY)
    user = _with_lifecycle(desk, name, Lifecycle.PRESENT)
    if user.manager_id is None:
        raise not_found("The manager of", user.display_name)
    claim(desk, user, ["manager"])
    write_one(
        desk,
        # "" is how the port spells clearing.
        ObjectWrite(kind=ObjectKind.USER, object_id=user.object_id, attributes={}, manager_id="", is_new=False),
    )
    desk.note("Remove manager", CATEGORY, target=_target(user), changes=(("manager", user.manager_id, None),))


def write_one(desk: Desk, write: ObjectWrite) -> DirectoryObject:
    """Returns the object as written. Raises: Refused with the store's reason."""
    (answer,) = desk.stores.directory.write([write], desk.now())
    if isinstance(answer, WriteRefused):
        raise write_refusal(answer)
    return answer


def write_refusal(refused: WriteRefused) -> Refused:
    """Returns the refusal for a write that the directory did not take."""
    said = f"{refused.sentence[:1].upper()}{refused.sentence[1:]}".rstrip(".") + "."
    return bad_request(f"{said} {refused.remedy}".strip(), details=[(refused.code, said)])


def changes_of(before: Attributes, after: Attributes) -> tuple[Change, ...]:
    """Returns what differs between two states of an object, for the audit log."""
    return tuple(
        (name, shown(before.get(name)), shown(after.get(name)))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _move(desk: Desk, name: str, source: Lifecycle, destination: Lifecycle, activity: str) -> DirectoryObject:
    desk.require(Permission.WRITE_DIRECTORY)
    user = _with_lifecycle(desk, name, source)
    if destination is Lifecycle.SOFT_DELETED:
        claim(desk, user, [EXISTENCE])
    moved = desk.stores.directory.set_lifecycle(ObjectKind.USER, user.object_id, destination, desk.now())
    end_quarantine(desk)
    desk.note(activity, CATEGORY, target=_target(user))
    return moved


def _with_lifecycle(desk: Desk, name: str, lifecycle: Lifecycle) -> DirectoryObject:
    user = desk.stores.directory.get(ObjectKind.USER, name)
    if user is None or user.lifecycle is not lifecycle:
        raise not_found("Deleted user" if lifecycle is Lifecycle.SOFT_DELETED else "User", name)
    return user


def _target(user: DirectoryObject) -> tuple[str, str, str]:
    return ("User", user.object_id, user.display_name)


def _was_disabled(before: Attributes, after: Attributes) -> bool:
    return before.get("accountEnabled") is not False and after.get("accountEnabled") is False
