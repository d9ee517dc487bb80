"""Roles for users and groups whom the directory does not have yet: declared by name, given once they come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.administration.applications import find_application
from muster.administration.assignments import ADDED, REMOVED, note_grant
from muster.administration.desk import Desk
from muster.administration.refusals import not_found
from muster.model.application import AwaitedAssignment, EnterpriseApplication
from muster.model.directory import ObjectKind
from muster.model.roles import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A role for a user by principal name, or for a group by display name."""

    kind: ObjectKind
    name: str
    role_id: str


def awaited(desk: Desk, service_principal_id: str) -> Sequence[AwaitedAssignment]:
    """Returns what an application waits for, in the order of names. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.applications.awaited(find_application(desk, service_principal_id).service_principal_id)


def set_awaited(desk: Desk, service_principal_id: str, wishes: Sequence[Wish]) -> None:
    """Makes these the whole of what an application waits for. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    known = {_key_of(each): each for each in desk.stores.applications.awaited(application.service_principal_id)}
    wanted = {(wish.kind, wish.name.casefold(), wish.role_id): wish for wish in wishes}
    if known.keys() == wanted.keys():
        return
    kept = [known.get(key) or _formed(desk, wish) for key, wish in wanted.items()]
    desk.stores.applications.set_awaited(application.service_principal_id, kept)
    for each in kept:
        if _key_of(each) not in known:
            _note(desk, ADDED, application, each)
    for key, each in known.items():
        if key not in wanted:
            _note(desk, REMOVED, application, each)


def stop_awaiting(desk: Desk, service_principal_id: str, assignment_id: str) -> None:
    """Takes back one that is waited for. Raises: Refused."""
    desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, service_principal_id)
    known = desk.stores.applications.awaited(application.service_principal_id)
    found = next((each for each in known if each.id == assignment_id), None)
    if found is None:
        raise not_found("Awaited assignment", assignment_id)
    left = [each for each in known if each is not found]
    desk.stores.applications.set_awaited(application.service_principal_id, left)
    _note(desk, REMOVED, application, found)


def _key_of(each: AwaitedAssignment) -> tuple[ObjectKind, str, str]:
    return (each.principal_kind, each.name.casefold(), each.role_id)


def _formed(desk: Desk, wish: Wish) -> AwaitedAssignment:
    return AwaitedAssignment(
        id=desk.ids.new_id(),
        principal_kind=wish.kind,
        name=wish.name,
        role_id=wish.role_id,
        created_at=desk.now(),
        # What else they own says nothing of this wish.
        by=replace(desk.caller, owned=frozenset()),
    )


def _note(desk: Desk, activity: str, application: EnterpriseApplication, each: AwaitedAssignment) -> None:
    note_grant(desk, activity, application, f"{each.principal_kind.value} {each.name}, who is awaited", each.role_id)
