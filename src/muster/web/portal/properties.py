"""An application's properties, its roles, and its manifest."""

from dataclasses import replace
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import manifest, owners
from muster.administration.refusals import Refused, bad_request, not_found
from muster.model.application import AppRole
from muster.model.roles import Permission
from muster.model.whatif import OtherScope
from muster.ui.language import gettext
from muster.web.portal.consequences import consequences
from muster.web.portal.forms import done, field, is_ticked
from muster.web.portal.owning import change_owner
from muster.web.portal.paths import address, desk
from muster.web.portal.shelves import Shelf, find_shelf, show

MANIFEST_CHARACTERS = 1_000_000


def show_properties(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/properties"""
    found = find_shelf(sp)
    return show(
        "applications/properties.html",
        found,
        refusal=refusal,
        form=flask.request.form,
        owners=owners.owners(desk(), owners.SubjectKind.APPLICATION, found.sp),
        may_open_gallery=flask.g.me.may(Permission.READ_CONFIGURATION),
    )


def save_properties(sp: str) -> Any:
    """POST /applications/<sp>/properties"""
    found = find_shelf(sp)
    try:
        after = registry.update_application(
            desk(),
            found.sp,
            display_name=field("name"),
            is_enabled=is_ticked("enabled"),
            is_visible=is_ticked("visible"),
            accepts_default_access=is_ticked("default_access"),
        )
    except Refused as refused:
        return show_properties(sp, refused), 400
    return done(found.to("properties"), "unchanged" if after == found.application else "saved")


def try_default_access(sp: str) -> Any:
    """POST /applications/<sp>/properties/scope: what it would change if Default Access entitled, or no longer did."""
    found = find_shelf(sp)
    entitles = is_ticked("default_access")
    if entitles is found.application.accepts_default_access:
        return ""
    return consequences(found, None, OtherScope(accepts_default_access=entitles))


def remove(sp: str) -> Any:
    """POST /applications/<sp>/remove: its name must be written out, as this cannot be undone."""
    found = find_shelf(sp)
    try:
        if field("confirm") != found.application.display_name:
            raise bad_request(gettext("The name does not match: write the application's name to remove it."))
        registry.remove_application(desk(), found.sp)
    except Refused as refused:
        return show_properties(sp, refused), 400
    return done(address("applications"), "removed")


def change_owners(sp: str) -> Any:
    """POST /applications/<sp>/owners"""
    found = find_shelf(sp)
    try:
        change_owner(owners.SubjectKind.APPLICATION, found.sp)
    except Refused as refused:
        return show_properties(sp, refused), 400
    return done(found.to("properties"), "saved")


# ---------------------------------------------------------------- roles


def show_roles(sp: str) -> Any:
    """GET /applications/<sp>/roles"""
    return show("applications/roles.html", find_shelf(sp))


def show_role(sp: str, role_id: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/roles/<role_id>; `new` is one to be made."""
    found = find_shelf(sp)
    return show(
        "applications/role.html",
        found,
        role=_role(found, role_id),
        is_new=role_id == "new",
        form=flask.request.form,
        refusal=refusal,
    )


def save_role(sp: str, role_id: str) -> Any:
    """POST /applications/<sp>/roles/<role_id>"""
    found = find_shelf(sp)
    before = _role(found, role_id)
    try:
        after = replace(
            before,
            display_name=field("display_name"),
            value=field("value") or None,
            description=field("description"),
            is_enabled=is_ticked("enabled"),
            allowed_member_types=tuple(
                each for each in ("User", "Application") if is_ticked(f"members_{each.lower()}")
            ),
        )
        roles = [after if role.id == before.id else role for role in found.application.app_roles]
        _save_roles(found, [*roles, after] if role_id == "new" else roles)
    except Refused as refused:
        return show_role(sp, role_id, refused), 400
    return done(found.to("roles"), "saved")


def remove_role(sp: str, role_id: str) -> Any:
    """POST /applications/<sp>/roles/<role_id>/remove: refused while the role is enabled or held by somebody."""
    found = find_shelf(sp)
    try:
        _save_roles(found, [role for role in found.application.app_roles if role.id != role_id])
    except Refused as refused:
        return show_role(sp, role_id, refused), 400
    return done(found.to("roles"), "removed")


def show_manifest(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/manifest"""
    found = find_shelf(sp)
    text = flask.request.form.get("manifest") if refusal is not None else None
    return show(
        "applications/manifest.html",
        found,
        manifest=manifest.write_manifest(found.application) if text is None else text,
        refusal=refusal,
    )


def save_manifest(sp: str) -> Any:
    """POST /applications/<sp>/manifest"""
    found = find_shelf(sp)
    try:
        given = flask.request.form.get("manifest", "")
        after = manifest.save_manifest(desk(), found.sp, given[:MANIFEST_CHARACTERS])
    except Refused as refused:
        return show_manifest(sp, refused), 400
    return done(found.to("manifest"), "unchanged" if after == found.application else "saved")


def download_manifest(sp: str) -> Any:
    """GET /applications/<sp>/manifest.json"""
    found = find_shelf(sp)
    response = flask.Response(manifest.write_manifest(found.application), mimetype="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="manifest.json"'
    return response


def _role(found: Shelf, role_id: str) -> AppRole:
    if role_id == "new":
        return AppRole(id=desk().ids.new_id(), display_name="")
    role = next((role for role in found.application.app_roles if role.id == role_id), None)
    if role is None:
        raise not_found("App role", role_id)
    return role


def _save_roles(found: Shelf, roles: list[AppRole]) -> None:
    registry.update_application(desk(), found.sp, app_roles=roles)
