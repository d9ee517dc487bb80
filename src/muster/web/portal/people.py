"""People and groups made, changed, switched off, deleted and brought back."""

from collections.abc import Sequence
from typing import Any

import flask

from muster.administration import groups, people
from muster.administration.owners import SubjectKind
from muster.administration.refusals import Refused, bad_request, conflict
from muster.model.directory import (
    ATTRIBUTES_OF,
    AttributeType,
    DirectoryAttribute,
    DirectoryObject,
    Lifecycle,
    ObjectKind,
)
from muster.model.log import shown
from muster.model.roles import Permission
from muster.model.values import Value
from muster.ui.language import gettext, marked
from muster.web.portal.directory import find_person, show_group
from muster.web.portal.forms import done, field, fields, is_ticked
from muster.web.portal.owning import change_owner
from muster.web.portal.paths import address, desk

# How the form is laid out; what is not named stands under "More".
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (marked("Identity"), ("displayName", "givenName", "surname", "userPrincipalName", "mail", "mailNickname")),
    (
        marked("Job"),
        ("jobTitle", "department", "companyName", "physicalDeliveryOfficeName", "employeeId", "employeeType"),
    ),
    (marked("Contact"), ("telephoneNumber", "mobile", "city", "country", "preferredLanguage", "usageLocation")),
)
_NEEDED = ("displayName", "userPrincipalName")


# ---------------------------------------------------------------- users


def show_form(user_id: str | None = None, refusal: Refused | None = None) -> Any:
    """GET /users/new and /users/<user_id>/edit"""
    desk().require(Permission.WRITE_DIRECTORY)
    user = None if user_id is None else find_person(user_id)
    is_deleted = user is not None and user.lifecycle is not Lifecycle.PRESENT
    sent = flask.request.form if refusal is not None else None
    if user is not None and is_deleted:
        # With what was written: it may have been opened before, and is saved once they are restored.
        refusal = conflict(gettext("%(name)s is deleted: restore them first.", name=user.display_name))
    manager = None if user is None or is_deleted else people.manager_of(desk(), user.object_id)
    return flask.render_template(
        "directory/user_form.html",
        user=user,
        sections=_sections(user),
        sent=sent,
        manager=manager,
        needed=_NEEDED,
        refusal=refusal,
    )


def save(user_id: str | None = None) -> Any:
    """POST /users/new and /users/<user_id>/edit"""
    try:
        given = _given()
        manager = field("manager")
        if user_id is None:
            manager_id = None if not manager else people.find_named(desk(), manager)
            user = people.create_user(desk(), {k: v for k, v in given.items() if v is not None}, manager_id=manager_id)
            return done(address("users", user.object_id), "created")
        user = people.find_user(desk(), user_id)
        people.update_user(desk(), user.object_id, given)
        _set_manager(user, manager)
    except Refused as refused:
        return show_form(user_id, refused), 400
    return done(address("users", user.object_id), "saved")


def set_enabled(user_id: str) -> Any:
    """POST /users/<user_id>/enabled"""
    is_enabled = is_ticked("enabled")
    user = people.update_user(desk(), user_id, {"accountEnabled": is_enabled})
    return done(address("users", user.object_id), "enabled" if is_enabled else "disabled")


def delete(user_id: str) -> Any:
    """POST /users/<user_id>/delete"""
    user = people.find_user(desk(), user_id)
    people.delete_user(desk(), user.object_id)
    return done(address("users", user.object_id), "deleted")


def restore(user_id: str) -> Any:
    """POST /users/<user_id>/restore"""
    user = people.restore_user(desk(), user_id)
    return done(address("users", user.object_id), "restored")


def purge(user_id: str) -> Any:
    """POST /users/<user_id>/purge"""
    people.purge_user(desk(), user_id)
    return done(address("users", state="deleted"), "purged")


def _set_manager(user: DirectoryObject, name: str) -> None:
    present = people.manager_of(desk(), user.object_id)
    if not name:
        if present is not None:
            people.clear_manager(desk(), user.object_id)
        return
    wanted_id = people.find_named(desk(), name)
    if present is None or present.object_id != wanted_id:
        people.set_manager(desk(), user.object_id, wanted_id)


def _sections(user: DirectoryObject | None) -> list[tuple[str, list[tuple[DirectoryAttribute, str, str]]]]:
    known = ATTRIBUTES_OF[ObjectKind.USER]
    named = {name for _, names in SECTIONS for name in names}
    more = tuple(each.name for each in known.values() if each.writable and each.name not in {*named, "accountEnabled"})
    return [
        (gettext(title), [(known[name], name, _text(user, name)) for name in names])
        for title, names in (*SECTIONS, (marked("More"), more))
    ]


def _text(user: DirectoryObject | None, name: str) -> str:
    value: Value = None if user is None else user.attributes.get(name)
    if isinstance(value, tuple | list):
        return "\n".join(shown(each) or "" for each in value)
    return shown(value) or ""


def _given() -> dict[str, Any]:
    """The attributes of the form; what is empty is cleared."""
    values: dict[str, Any] = {}
    for name, attribute in ATTRIBUTES_OF[ObjectKind.USER].items():
        if not attribute.writable or name not in flask.request.form:
            continue
        text = field(name)
        if attribute.multivalued:
            values[name] = [part for line in text.splitlines() if (part := line.strip())] or None
        elif attribute.type is AttributeType.INTEGER and text:
            values[name] = int(text) if text.isascii() and text.isdigit() else text
        else:
            values[name] = text or None
    values["accountEnabled"] = is_ticked("accountEnabled")
    return values


# ---------------------------------------------------------------- groups


def show_group_form(group_id: str | None = None, refusal: Refused | None = None) -> Any:
    """GET /groups/new and /groups/<group_id>/edit"""
    desk().require(Permission.WRITE_DIRECTORY)
    group = None if group_id is None else groups.find_group(desk(), group_id)
    sent = flask.request.form if refusal is not None else None
    return flask.render_template("directory/group_form.html", group=group, sent=sent, refusal=refusal)


def save_group(group_id: str | None = None) -> Any:
    """POST /groups/new and /groups/<group_id>/edit"""
    try:
        given: dict[str, Any] = {
            "displayName": field("displayName") or None,
            "description": field("description") or None,
            "mailNickname": field("mailNickname") or None,
            "securityEnabled": is_ticked("securityEnabled"),
        }
        if group_id is None:
            group = groups.create_group(desk(), {k: v for k, v in given.items() if v is not None})
            return done(address("groups", group.object_id), "created")
        group = groups.update_group(desk(), group_id, given)
    except Refused as refused:
        return show_group_form(group_id, refused), 400
    return done(address("groups", group.object_id), "saved")


def delete_group(group_id: str) -> Any:
    """POST /groups/<group_id>/delete"""
    groups.delete_group(desk(), group_id)
    return done(address("groups"), "purged")


def change_members(group_id: str) -> Any:
    """POST /groups/<group_id>/members: one added by name, or the ticked ones taken out."""
    group = groups.find_group(desk(), group_id)
    added, removed = field("add"), fields("member")
    if added:
        if not groups.add_members(desk(), group.object_id, [people.find_named(desk(), added)]):
            return done(address("groups", group.object_id), "unchanged")
    elif not removed:
        raise bad_request(gettext("Nobody is named: write a name to add, or tick members to take out."))
    else:
        _take_out(group, removed)
    return done(address("groups", group.object_id), "saved")


def change_owners(group_id: str) -> Any:
    """POST /groups/<group_id>/owners"""
    group = groups.find_group(desk(), group_id)
    try:
        change_owner(SubjectKind.GROUP, group.object_id)
    except Refused as refused:
        return show_group(group_id, refused), 400
    return done(address("groups", group.object_id), "saved")


def _take_out(group: DirectoryObject, member_ids: Sequence[str]) -> None:
    for member_id in member_ids:
        groups.remove_member(desk(), group.object_id, member_id)
