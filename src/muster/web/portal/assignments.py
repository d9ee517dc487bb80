"""Users and groups of an application: who holds which role, given and taken away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import assignments as assigning
from muster.administration import awaited as waiting
from muster.administration import credentials, people
from muster.administration.refusals import Refused, bad_request
from muster.model.application import (
    DEFAULT_ACCESS,
    AppRole,
    AppRoleAssignment,
    AwaitedAssignment,
    EnterpriseApplication,
    SecretKey,
)
from muster.model.directory import DirectoryObject, ObjectKind
from muster.ports.directory import DirectoryQuery
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import gettext, marked
from muster.web.portal.forms import chosen, done, fields
from muster.web.portal.paths import address, choice, desk, place, text
from muster.web.portal.shelves import find_shelf, show

ROWS = 100
# So many of each kind are offered at once; a search narrows.
OFFERED = 12
KINDS = {"User": marked("Users"), "Group": marked("Groups")}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRow:
    """An assignment, and whether it entitles."""

    assignment: AppRoleAssignment
    role: str
    entitles: bool
    to: str


def show_assignments(sp: str) -> Any:
    """GET /applications/<sp>/users-and-groups"""
    found = find_shelf(sp)
    wanted, kind, entitles = text("search"), choice("kind", KINDS), choice("entitles", ("no",))
    after = int((place() or "0").partition(":")[0])
    rows = [
        row
        for row in _rows(found.application)
        if (wanted is None or wanted.casefold() in row.assignment.principal_display_name.casefold())
        and kind in (None, row.assignment.principal_kind.value)
        and not (entitles and row.entitles)
    ]
    return show(
        "applications/assignments.html",
        found,
        rows=rows[after : after + ROWS],
        total=len(rows),
        search=wanted,
        kind=kind,
        kinds=KINDS,
        entitles=entitles,
        roles=_assignable(found.application),
        next_after=str(after + ROWS) if after + ROWS < len(rows) else None,
        is_first=after == 0,
        without_role=sum(1 for row in rows if not row.entitles),
        awaited=_awaited(found.application),
        is_everybody=not rows and _is_everybody_in_scope(found.sp),
    )


def _is_everybody_in_scope(sp: str) -> bool:
    return credentials.kept_secrets(desk(), sp).get(SecretKey.SYNC_ALL, "").lower() == "true"


def _awaited(application: EnterpriseApplication) -> list[tuple[AwaitedAssignment, str]]:
    """Whom the directory does not have yet, each with the role they will get."""
    names = {role.id: role.display_name for role in application.app_roles} | {DEFAULT_ACCESS: gettext("Default Access")}
    return [
        (each, names.get(each.role_id, each.role_id))
        for each in waiting.awaited(desk(), application.service_principal_id)
    ]


def stop_awaiting(sp: str) -> Any:
    """POST /applications/<sp>/users-and-groups/awaited/remove: one that is waited for no longer."""
    found = find_shelf(sp)
    waiting.stop_awaiting(desk(), found.sp, flask.request.form.get("awaited", ""))
    return done(found.to("users-and-groups"), "unassigned")


def show_adding(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/users-and-groups/add: the picker, or the part of it that a search changes."""
    found = find_shelf(sp)
    wanted = text("search")
    return show(
        "applications/assign_offers.html" if is_fragment_wanted() else "applications/assign.html",
        found,
        offers=tuple(_offers(wanted)),
        search=wanted,
        roles=_assignable(found.application),
        picked=tuple(_picked()),
        role=flask.request.form.get("role", ""),
        refusal=refusal,
    )


def add(sp: str) -> Any:
    """POST /applications/<sp>/users-and-groups/add: everybody who was picked gets the role."""
    found = find_shelf(sp)
    try:
        principals = fields("principal")
        if not principals:
            raise bad_request(gettext("Nobody is picked: choose at least one user or group."))
        role_id = chosen("role", [DEFAULT_ACCESS, *(role.id for role in _assignable(found.application))])
        answers = assigning.assign_many(
            desk(), found.sp, [assigning.Grant(principal_id=each, role_id=role_id) for each in principals]
        )
        refusals = [answer for answer in answers if isinstance(answer, Refused)]
        if len(refusals) == len(answers):
            raise refusals[0]
    except Refused as refused:
        return show_adding(sp, refused), 400
    return done(found.to("users-and-groups"), "assigned")


def remove(sp: str) -> Any:
    """POST /applications/<sp>/users-and-groups/remove: takes the ticked assignments away."""
    found = find_shelf(sp)
    picked = fields("assignment")
    if not picked:
        raise bad_request(gettext("Nobody is picked: tick the assignments that are to be taken away."))
    for assignment_id in picked:
        assigning.unassign(desk(), found.sp, assignment_id)
    return done(found.to("users-and-groups"), "unassigned")


def change_role(sp: str) -> Any:
    """POST /applications/<sp>/users-and-groups/role: the ticked ones get another role in place of theirs."""
    found = find_shelf(sp)
    role_id = chosen("role", [DEFAULT_ACCESS, *(role.id for role in _assignable(found.application))])
    picked = fields("assignment")
    if not picked:
        raise bad_request(gettext("Nobody is picked: tick the assignments whose role is to change."))
    for assignment_id in picked:
        before = assigning.find_assignment(desk(), assignment_id, service_principal_id=found.sp)
        if before.role_id != role_id:
            # The new one first: nobody is without a role in between.
            assigning.assign_many(
                desk(), found.sp, [assigning.Grant(principal_id=before.principal_id, role_id=role_id)]
            )
            assigning.unassign(desk(), found.sp, before.id)
    return done(found.to("users-and-groups"), "saved")


def _assignable(application: EnterpriseApplication) -> tuple[AppRole, ...]:
    return tuple(role for role in application.app_roles if role.is_enabled and "User" in role.allowed_member_types)


def _offers(wanted: str | None) -> Iterator[DirectoryObject]:
    for kind in (ObjectKind.GROUP, ObjectKind.USER):
        yield from people.search(desk(), DirectoryQuery(kind=kind, search=wanted, limit=OFFERED)).objects


def _picked() -> Iterator[DirectoryObject]:
    """Who was picked when the form came back with a refusal."""
    for principal_id in flask.request.form.getlist("principal")[:ROWS]:
        try:
            yield assigning.find_principal(desk(), principal_id)
        except Refused:
            continue


def _rows(application: EnterpriseApplication) -> list[AssignmentRow]:
    roles = {role.id: role for role in application.app_roles}
    rows = []
    for each in assigning.assignments(desk(), service_principal_id=application.service_principal_id):
        role = roles.get(each.role_id)
        is_default = each.role_id == DEFAULT_ACCESS
        named = gettext("Unknown role") if role is None else role.display_name
        rows.append(
            AssignmentRow(
                assignment=each,
                role=gettext("Default Access") if is_default else named,
                entitles=application.accepts_default_access or not is_default,
                to=address("groups" if each.principal_kind is ObjectKind.GROUP else "users", each.principal_id),
            )
        )
    # Groups first, as they count for many; then by name.
    rows.sort(
        key=lambda row: (
            row.assignment.principal_kind is ObjectKind.USER,
            row.assignment.principal_display_name.casefold(),
        )
    )
    return rows
