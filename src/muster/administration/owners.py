"""Owners: who may manage an application without a role for all of them, and whose name stands on a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from muster.administration import people
from muster.administration.applications import find_application
from muster.administration.desk import Desk
from muster.administration.groups import find_group
from muster.administration.refusals import bad_request, not_found
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.roles import Caller, CallerKind, Permission

OWNERS_LIMIT = 100
_OWNING = "User, administrator, API token or service principal"


class SubjectKind(StrEnum):
    """What is owned."""

    APPLICATION = "application"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner: a person of the directory, or a caller of this installation."""

    id: str
    display_name: str
    person: DirectoryObject | None = None
    caller: Caller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is owned: its id (of an application the service principal's), for the audit log type, category, name."""

    id: str
    type: str
    category: str
    name: str


def owners(desk: Desk, kind: SubjectKind, subject_id: str) -> Sequence[Owner]:
    """Returns the owners; those who are gone are left out. Raises: Refused."""
    subject = _subject(desk, kind, subject_id, writes=False)
    known = (_find(desk, owner_id) for owner_id in desk.stores.owners.owners(subject.id))
    return [owner for owner in known if owner is not None]


def add_owner(desk: Desk, kind: SubjectKind, subject_id: str, owner_id: str) -> None:
    """Makes an owner of a user, an administrator, an API token or an app registration. Raises: Refused."""
    subject = _subject(desk, kind, subject_id, writes=True)
    owner = _find(desk, owner_id)
    if owner is None:
        raise not_found(_OWNING, owner_id)
    if len(desk.stores.owners.owners(subject.id)) >= OWNERS_LIMIT:
        raise bad_request(f"There are at most {OWNERS_LIMIT} owners: remove one first.")
    if not desk.stores.owners.add(subject.id, owner.id):
        raise bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'."
        )
    _note(desk, f"Add owner to {kind.value}", subject, (("owners", None, owner.display_name),))


def find_named(desk: Desk, name: str) -> str:
    """Returns the id of whoever may own something: by id, name, principal name or mail. Raises: Refused."""
    if _find(desk, name) is not None:
        return name
    found = people.named(desk, name)
    clients = ((each.service_principal_id, each.display_name) for each in desk.stores.clients.list())
    callers = ((each.id, each.display_name) for each in (*desk.stores.access.administrators(), *_tokens(desk)))
    found |= {each_id for each_id, called in (*clients, *callers) if called.casefold() == name.casefold()}
    return people.only(found, _OWNING, name)


def remove_owner(desk: Desk, kind: SubjectKind, subject_id: str, owner_id: str) -> None:
    """Takes ownership away. Raises: Refused."""
    subject = _subject(desk, kind, subject_id, writes=True)
    owner = _find(desk, owner_id)
    if not desk.stores.owners.remove(subject.id, owner_id):
        raise not_found("Owner", owner_id)
    _note(
        desk,
        f"Remove owner from {kind.value}",
        subject,
        (("owners", owner_id if owner is None else owner.display_name, None),),
    )


def _subject(desk: Desk, kind: SubjectKind, subject_id: str, *, writes: bool) -> Subject:
    if kind is SubjectKind.GROUP:
        if writes:
            desk.require(Permission.WRITE_DIRECTORY)
        group = find_group(desk, subject_id)
        return Subject(id=group.object_id, type="Group", category="GroupManagement", name=group.display_name)
    if writes:
        desk.require(Permission.WRITE_CONFIGURATION)
    application = find_application(desk, subject_id)
    return Subject(
        id=application.service_principal_id,
        type="ServicePrincipal",
        category="ApplicationManagement",
        name=application.display_name,
    )


def _find(desk: Desk, owner_id: str) -> Owner | None:
    person = desk.stores.directory.get(ObjectKind.USER, owner_id)
    if person is not None and person.object_id == owner_id and person.lifecycle is Lifecycle.PRESENT:
        return Owner(id=owner_id, display_name=person.display_name, person=person)
    client = desk.stores.clients.get(owner_id)
    if client is not None:
        caller = Caller(
            id=client.service_principal_id,
            display_name=client.display_name,
            roles=client.roles,
            kind=CallerKind.APPLICATION,
        )
        return Owner(id=caller.id, display_name=caller.display_name, caller=caller)
    for caller in (*desk.stores.access.administrators(), *_tokens(desk)):
        if caller.id == owner_id:
            return Owner(id=caller.id, display_name=caller.display_name, caller=caller)
    return None


def _tokens(desk: Desk) -> Sequence[Caller]:
    return [
        Caller(id=token.id, display_name=token.name, roles=token.roles, kind=CallerKind.TOKEN)
        for token in desk.stores.access.tokens()
    ]


def _note(desk: Desk, activity: str, subject: Subject, changes: tuple[tuple[str, str | None, str | None], ...]) -> None:
    desk.note(activity, subject.category, target=(subject.type, subject.id, subject.name), changes=changes)
