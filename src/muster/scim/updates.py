"""The bodies that create and change a resource, written in an application's dialect.

Source: RFC 7644 §3.3, §3.5.1, §3.5.2; for Entra's forms Microsoft, "Known issues and resolutions with SCIM 2.0
protocol compliance of the Microsoft Entra user provisioning service".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, assert_never

import orjson

from muster.scim.dialect import Dialect, PatchForm
from muster.scim.mapping_paths import (
    ENTERPRISE_USER,
    MappingPath,
    get_member,
    has_element,
    new_element,
    parse_mapping_path,
    read_references,
    read_value,
    remove_value,
    write_value,
)
from muster.scim.messages import PATCH_URN

CORE_URNS: Mapping[str, str] = {
    "User": "urn:ietf:params:scim:schemas:core:2.0:User",
    "Group": "urn:ietf:params:scim:schemas:core:2.0:Group",
}
MICROSOFT_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


class PatchVerb(StrEnum):
    """What an operation does. Source: RFC 7644 §3.5.2."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeOperation:
    """One attribute's change. The value of a multi-valued reference is the ids to add, to remove or to put in place."""

    verb: PatchVerb
    path: str
    value: Any = None
    is_reference: bool = False
    multivalued: bool = False


def form_create_body(kind: str, values: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Returns the body of a POST. `schemas` lists the core schema and exactly the extensions that are used.

    Raises: MappingPathInvalid.
    """
    document: dict[str, Any] = {"schemas": []}
    paths = {name: parse_mapping_path(name) for name in values}
    for name, path in paths.items():
        write_value(document, path, _create_value(path, values[name], dialect))
    for path in paths.values():
        if dialect.primary_work_email and path.attribute == "emails" and path.conditions == (("type", "work"),):
            write_value(document, parse_mapping_path('emails[type eq "work"].primary'), True)
    document["schemas"] = _schemas(kind, document, dialect)
    document["meta"] = {"resourceType": kind}
    if dialect.patch_form is not PatchForm.STANDARD and kind == "User":
        document.setdefault("roles", [])
    return document


def form_patch_bodies(
    operations: Sequence[AttributeOperation],
    dialect: Dialect,
    *,
    current: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], ...]:
    """Returns the bodies of one or more PATCH requests, to be sent in order; members are spread over several.

    With `current`, the resource as the target shows it, the standard form adds an element whole where it is missing
    and leaves out what is gone already: the standard calls a value path without its element an error.

    Raises: MappingPathInvalid.
    """
    plain = [item for item in operations if not (item.is_reference and item.multivalued)]
    members = [item for item in operations if item.is_reference and item.multivalued]
    formed = _WRITERS[dialect.patch_form](plain, dialect, current)
    chunks = [chunk for item in members for chunk in _member_chunks(_still_there(item, current), dialect)]
    if not chunks:
        return (_patch_body(formed),) if formed else ()
    bodies = [_patch_body(formed)] if formed else []
    return (*bodies, *(_patch_body(chunk) for chunk in chunks))


def needs_current(operations: Sequence[AttributeOperation], dialect: Dialect) -> bool:
    """Whether the resource should be read before these changes are written.

    What is added to an element may need the element made first, or would make a second one of the same type.
    """
    return dialect.patch_form is PatchForm.STANDARD and any(
        item.verb is PatchVerb.ADD and parse_mapping_path(item.path).conditions for item in operations
    )


def form_put_body(
    kind: str, current: Mapping[str, Any], operations: Sequence[AttributeOperation], dialect: Dialect
) -> dict[str, Any]:
    """Returns the whole resource with the changes made in it, as a PUT sends it. Raises: MappingPathInvalid."""
    document: dict[str, Any] = copy.deepcopy(dict(current))
    for item in operations:
        path = parse_mapping_path(item.path)
        _take_in(document, path)
        if item.is_reference and item.multivalued:
            _put_members(document, path, item)
        elif item.verb is PatchVerb.REMOVE:
            remove_value(document, path)
        elif item.verb is PatchVerb.ADD and item.multivalued:
            held, added = read_value(document, path), _create_value(path, item.value, dialect)
            write_value(document, path, [*(held if isinstance(held, list) else []), *added])
        else:
            write_value(document, path, _create_value(path, item.value, dialect))
    for name in [name for name in document if name.lower() in ("meta", "schemas")]:
        del document[name]
    document["schemas"] = _schemas(kind, document, dialect)
    return document


def _take_in(document: dict[str, Any], path: MappingPath) -> None:
    """Puts an extension's attribute that the service shows flat, under its full name, into its extension."""
    if path.schema is None or get_member(document, path.schema) is not None:
        return
    prefix = f"{path.schema}:".lower()
    flat = [name for name in document if name.lower().startswith(prefix)]
    if flat:
        document[path.schema] = {name[len(prefix) :]: document.pop(name) for name in flat}


# ---------------------------------------------------------------- values


def _create_value(path: MappingPath, value: Any, dialect: Dialect) -> Any:
    if _is_manager(path):
        plain = _plain(value, dialect.booleans_as_text)
        return plain if dialect.manager_as_text or isinstance(plain, dict) else {"value": plain}
    return _value(path, value, as_text=dialect.booleans_as_text)


def _value(path: MappingPath, value: Any, *, as_text: bool) -> Any:
    """The value as JSON; bare texts in an attribute of objects become their `value`."""
    plain = _plain(value, as_text)
    if isinstance(plain, list) and path.holds_objects:
        elements = [item if isinstance(item, dict) else {"value": item} for item in plain]
        return [_role(item) for item in elements] if _are_roles(path) else elements
    return plain


def _are_roles(path: MappingPath) -> bool:
    return path.schema is None and path.attribute.lower() == "roles" and path.sub_attribute is None


def _role(role: Mapping[str, Any]) -> dict[str, Any]:
    """A role with the standard's sub-attributes alone: an app role has its id and Entra's displayName besides."""
    named = {"display": role["displayName"], **role} if role.get("displayName") is not None else role
    return {name: value for name, value in named.items() if name not in ("id", "displayName") and value is not None}


def _plain(value: Any, as_text: bool) -> Any:
    if value.__class__ is str:
        return value
    match value:
        case bool():
            return ("True" if value else "False") if as_text else value
        case list() | tuple():
            return [_plain(item, as_text) for item in value]
        case Mapping():
            return {str(key): _plain(item, as_text) for key, item in value.items()}
        case None | int() | float() | str():
            return value
        case _:
            return str(value)


def _is_manager(path: MappingPath) -> bool:
    return path.attribute.lower() == "manager" and path.sub_attribute is None and not path.conditions


def _schemas(kind: str, document: Mapping[str, Any], dialect: Dialect) -> list[str]:
    core = CORE_URNS.get(kind, f"urn:ietf:params:scim:schemas:core:2.0:{kind}")
    if dialect.patch_form is not PatchForm.STANDARD:
        # Entra always names the enterprise extension, and never one of the application's own.
        return [core, ENTERPRISE_USER] if kind == "User" else [core, MICROSOFT_GROUP]
    return [core, *sorted(name for name in document if name.lower().startswith("urn:") and name != core)]


# ---------------------------------------------------------------- patch: plain attributes


def _patch_body(operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"schemas": [PATCH_URN], "Operations": list(operations)}


def _write_standard(
    operations: Sequence[AttributeOperation],
    dialect: Dialect,
    current: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    formed: list[dict[str, Any]] = []
    added: dict[tuple[object, ...], dict[str, Any]] = {}
    for item in operations:
        path = parse_mapping_path(item.path)
        missing = bool(path.conditions) and current is not None and not has_element(current, path)
        if item.verb is PatchVerb.REMOVE:
            if not missing:
                formed.append({"op": "remove", "path": _standard_path(path, whole=path.sub_attribute == "value")})
        elif missing:
            if path.element not in added:
                added[path.element] = new_element(path)
                name = path.attribute if path.schema is None else f"{path.schema}:{path.attribute}"
                formed.append({"op": "add", "path": name, "value": [added[path.element]]})
            added[path.element][path.sub_attribute or "value"] = _create_value(path, item.value, dialect)
        else:
            value = _create_value(path, item.value, dialect)
            formed.append({"op": item.verb.value, "path": _standard_path(path), "value": value})
    return formed


def _standard_path(path: MappingPath, *, whole: bool = False) -> str:
    """The path as a strict server compares it: booleans bare (a mapping may write primary eq "True")."""
    head = path.attribute if path.schema is None else f"{path.schema}:{path.attribute}"
    if path.conditions:
        terms = (f"{name} eq {orjson.dumps(value).decode()}" for name, value in path.conditions)
        head = f"{head}[{' and '.join(terms)}]"
    stops_here = path.sub_attribute is None or (whole and path.conditions)
    return head if stops_here else f"{head}.{path.sub_attribute}"


def _write_entra(
    operations: Sequence[AttributeOperation],
    dialect: Dialect,
    _current: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    formed: list[dict[str, Any]] = []
    merged: dict[str, Any] = {}
    for item in operations:
        path = parse_mapping_path(item.path)
        value = _entra_value(item, path, dialect, as_text=dialect.booleans_as_text)
        if item.verb is PatchVerb.REPLACE and not path.conditions and not isinstance(value, list):
            merged[item.path] = value
        else:
            formed.append(_entra_operation(item, value, str))
    if len(merged) == 1:
        name, value = next(iter(merged.items()))
        formed.append({"op": "replace", "path": name, "value": value})
    elif merged:
        formed.append({"op": "replace", "value": merged})
    return formed


def _write_legacy(
    operations: Sequence[AttributeOperation],
    dialect: Dialect,
    _current: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    formed = []
    for item in operations:
        path = parse_mapping_path(item.path)
        value = _entra_value(item, path, dialect, as_text=True)
        if _are_roles(path) and not path.conditions and isinstance(value, list):
            # Without the flag Entra writes each role as a JSON text.
            value = [_role_text(role) for role in _plain(item.value, True)]
        formed.append(_entra_operation(item, value, str.capitalize))
    return formed


def _role_text(role: Any) -> dict[str, Any]:
    if not isinstance(role, dict):
        return {"value": role}
    known = {name: role[name] for name in ("id", "value", "displayName") if name in role}
    return {"value": orjson.dumps(known).decode()}


def _entra_value(item: AttributeOperation, path: MappingPath, dialect: Dialect, *, as_text: bool) -> Any:
    if _is_manager(path):
        return _create_value(path, item.value, dialect)
    value = _value(path, item.value, as_text=as_text)
    if isinstance(value, list):
        return [role if isinstance(role, dict) else {"value": role} for role in value]
    return value


def _entra_operation(item: AttributeOperation, value: Any, spell: Callable[[str], str]) -> dict[str, Any]:
    if item.verb is not PatchVerb.REMOVE:
        return {"op": spell(item.verb.value), "path": item.path, "value": value}
    if item.is_reference:
        # Entra takes a manager away by an empty value.
        return {"op": spell(PatchVerb.REPLACE.value), "path": item.path, "value": ""}
    return {"op": spell(PatchVerb.REMOVE.value), "path": item.path}


_WRITERS = {
    PatchForm.STANDARD: _write_standard,
    PatchForm.ENTRA_2020: _write_entra,
    PatchForm.ENTRA_LEGACY: _write_legacy,
}


# ---------------------------------------------------------------- members


def _still_there(item: AttributeOperation, current: Mapping[str, Any] | None) -> AttributeOperation:
    """The operation without members that are gone already: to remove those is an error in the standard."""
    if current is None or item.verb is not PatchVerb.REMOVE:
        return item
    held = set(read_references(current, parse_mapping_path(item.path)))
    return replace(item, value=tuple(member for member in item.value or () if str(member) in held))


def _member_chunks(item: AttributeOperation, dialect: Dialect) -> Iterator[list[dict[str, Any]]]:
    """The operations of each request: at most as many members as the application takes at once."""
    ids = [str(member) for member in item.value or ()]
    size = dialect.members_per_request
    first = True
    for start in range(0, max(len(ids), 1), size):
        chunk = ids[start : start + size]
        verb = PatchVerb.ADD if item.verb is PatchVerb.REPLACE and not first else item.verb
        first = False
        if chunk or verb is PatchVerb.REPLACE:
            yield _member_operations(verb, item.path, chunk, dialect.patch_form)


def _member_operations(verb: PatchVerb, path: str, ids: Sequence[str], form: PatchForm) -> list[dict[str, Any]]:
    if form is PatchForm.ENTRA_LEGACY:
        elements = [{"$ref": None, "value": member} for member in ids]
        return [{"op": verb.value.capitalize(), "path": path, "value": elements}]
    if verb is PatchVerb.REMOVE:
        return [{"op": "remove", "path": f"{path}[value eq {orjson.dumps(member).decode()}]"} for member in ids]
    if not ids:
        return [{"op": "remove", "path": path}]
    return [{"op": verb.value, "path": path, "value": [{"value": member} for member in ids]}]


def _put_members(document: dict[str, Any], path: MappingPath, item: AttributeOperation) -> None:
    ids = [str(member) for member in item.value or ()]
    held = get_member(document, path.attribute)
    held = [element for element in held if isinstance(element, dict)] if isinstance(held, list) else []
    present = {str(get_member(element, "value")) for element in held}
    match item.verb:
        case PatchVerb.ADD:
            held = [*held, *({"value": member} for member in ids if member not in present)]
        case PatchVerb.REMOVE:
            held = [element for element in held if str(get_member(element, "value")) not in ids]
        case PatchVerb.REPLACE:
            held = [{"value": member} for member in ids]
        case _:  # pragma: no cover - every verb is above
            assert_never(item.verb)
    write_value(document, path, held)
