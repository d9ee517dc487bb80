"""The manifest of an application: its registration as one JSON document that can be edited, its roles above all."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from muster.administration.applications import find_application, update_application
from muster.administration.desk import Desk
from muster.administration.refusals import bad_request
from muster.model.application import AppRole, EnterpriseApplication
from muster.model.roles import Permission

MANIFEST_CHARACTERS = 1_000_000
PROBLEMS_SHOWN = 5
_ROLE_KEYS = frozenset({"allowedMemberTypes", "description", "displayName", "id", "isEnabled", "value"})
# Written by the portal that this document comes from, and of no effect.
_IGNORED_ROLE_KEYS = frozenset({"lang", "origin"})


def form_manifest(application: EnterpriseApplication) -> dict[str, Any]:
    """Returns the manifest as a document. Source: Microsoft, "Azure Active Directory app manifest"."""
    return {
        "id": application.application_id,
        "appId": application.app_id,
        "name": application.display_name,
        "appRoles": [
            {
                "allowedMemberTypes": list(role.allowed_member_types),
                "description": role.description,
                "displayName": role.display_name,
                "id": role.id,
                "isEnabled": role.is_enabled,
                "value": role.value,
            }
            for role in application.app_roles
        ],
    }


def write_manifest(application: EnterpriseApplication) -> str:
    """Returns the manifest as text, as an editor shows it."""
    return json.dumps(form_manifest(application), indent=2, ensure_ascii=False) + "\n"


def save_manifest(desk: Desk, service_principal_id: str, text: str) -> EnterpriseApplication:
    """Returns the application with what an edited manifest says. Raises: Refused, naming the place that is wrong."""
    desk.require(Permission.WRITE_CONFIGURATION)
    before = find_application(desk, service_principal_id)
    document = _read(text)
    present = form_manifest(before)
    problems = [f"{key[:60]} is not part of the manifest: take it out." for key in document if key not in present]
    problems += [
        f"{key} cannot be changed: it is {present[key]}."
        for key in ("id", "appId")
        if document.get(key) != present[key]
    ]
    name, roles = document.get("name"), document.get("appRoles")
    if not isinstance(name, str):
        problems.append("name takes a text.")
    if not isinstance(roles, list):
        problems.append("appRoles takes a list.")
    read = [_read_role(item, number, problems) for number, item in enumerate(roles if isinstance(roles, list) else ())]
    if problems:
        raise bad_request(" ".join(problems[:PROBLEMS_SHOWN]), details=[("InvalidManifest", each) for each in problems])
    return update_application(desk, before.service_principal_id, display_name=name, app_roles=read)


def _read(text: str) -> Mapping[str, Any]:
    if len(text) >= MANIFEST_CHARACTERS:
        raise bad_request(f"The manifest has {MANIFEST_CHARACTERS:,} characters or more: that is too long.")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_request(
            f"The manifest is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.", code="InvalidJson"
        ) from None
    if not isinstance(document, dict):
        raise bad_request("The manifest is one JSON object: begin it with { and end it with }.")
    return document


def _read_role(item: object, number: int, problems: list[str]) -> AppRole:
    where = f"appRoles[{number}]"
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {}
    if not isinstance(item, dict):
        problems.append(f"{where} is no object.")
    for key in fields:
        if key not in _ROLE_KEYS | _IGNORED_ROLE_KEYS:
            problems.append(f"{where}: {key[:60]} is not part of a role.")
    members = fields.get("allowedMemberTypes")
    if not isinstance(members, list) or not all(isinstance(each, str) for each in members):
        problems.append(f'{where}: allowedMemberTypes takes a list such as ["User"].')
        members = []
    enabled = fields.get("isEnabled", True)
    if not isinstance(enabled, bool):
        problems.append(f"{where}: isEnabled takes true or false.")
    return AppRole(
        id=_text(fields, "id", where, problems) or "",
        display_name=_text(fields, "displayName", where, problems) or "",
        value=_text(fields, "value", where, problems, is_needed=False),
        description=_text(fields, "description", where, problems, is_needed=False) or "",
        is_enabled=enabled is True,
        allowed_member_types=tuple(members),
    )


def _text(
    fields: Mapping[str, Any], key: str, where: str, problems: list[str], *, is_needed: bool = True
) -> str | None:
    value = fields.get(key)
    if value is None and not is_needed:
        return None
    if not isinstance(value, str) or not value.isprintable():
        problems.append(f"{where}: {key} takes a text of printable characters.")
        return None
    return value
