"""Between SCIM documents and attributes of the directory: which is which, in both directions.

A client finds again whatever it gave: what has a place in the directory is read from there, the rest from what it gave.
"""

from collections.abc import Mapping
from typing import Any

from muster.model.directory import DirectoryObject
from muster.scim.repository import Document
from muster.scim.schemas import ENTERPRISE_USER_URN

# Ours <- SCIM's, as a path; of lists the value of a type. Source: Entra's default for API-driven provisioning.
PLAIN: Mapping[str, tuple[str, ...]] = {
    "userPrincipalName": ("userName",),
    "displayName": ("displayName",),
    "givenName": ("name", "givenName"),
    "surname": ("name", "familyName"),
    "mailNickname": ("nickName",),
    "jobTitle": ("title",),
    "employeeType": ("userType",),
    "preferredLanguage": ("preferredLanguage",),
    "accountEnabled": ("active",),
    "employeeId": (ENTERPRISE_USER_URN, "employeeNumber"),
    "department": (ENTERPRISE_USER_URN, "department"),
    "costCenter": (ENTERPRISE_USER_URN, "costCenter"),
    "division": (ENTERPRISE_USER_URN, "division"),
    "companyName": (ENTERPRISE_USER_URN, "organization"),
}
TYPED: Mapping[str, tuple[str, str, str]] = {
    "mail": ("emails", "work", "value"),
    "telephoneNumber": ("phoneNumbers", "work", "value"),
    "mobile": ("phoneNumbers", "mobile", "value"),
    "facsimileTelephoneNumber": ("phoneNumbers", "fax", "value"),
    "physicalDeliveryOfficeName": ("addresses", "work", "formatted"),
    "streetAddress": ("addresses", "work", "streetAddress"),
    "city": ("addresses", "work", "locality"),
    "state": ("addresses", "work", "region"),
    "postalCode": ("addresses", "work", "postalCode"),
    "country": ("addresses", "work", "country"),
}
MANAGER = (ENTERPRISE_USER_URN, "manager")
# What stands elsewhere, or must be kept nowhere.
_NOT_KEPT = ("id", "meta", "members", "groups", "password")


def read_user(document: Document) -> dict[str, Any]:
    """Returns the attributes of the directory that a user's document gives; None for those it lacks."""
    values = {name: _at(document, path) for name, path in PLAIN.items()}
    values |= {name: _typed(document, *place) for name, place in TYPED.items()}
    values["displayName"] = values["displayName"] or _derived_name(document)
    if values["accountEnabled"] is None:
        values["accountEnabled"] = True
    return values


def read_manager(document: Document) -> str | None:
    """Returns the id of the manager that a document names."""
    manager = _at(document, MANAGER)
    value = manager.get("value") if isinstance(manager, Mapping) else manager
    return str(value) if value else None


def show_user(found: DirectoryObject, given: Document) -> Document:
    """Returns a user's document as it stands: what a client gave, with what the directory says instead.

    Values of the directory that are as given stay in the place where they were given.
    """
    document = dict(given)
    before = read_user(given)
    is_hidden = "active" in given and given["active"] is None
    for name, path in PLAIN.items():
        value = found.attributes.get(name)
        if value != before[name]:
            _put(document, path, value)
    for name, place in TYPED.items():
        value = found.attributes.get(name)
        if value != before[name]:
            _put_typed(document, *place, value)
    if found.manager_id != read_manager(given):
        _put(document, MANAGER, None if found.manager_id is None else {"value": found.manager_id})
    if is_hidden:
        document.pop("active", None)
    return document


def hide_active(document: Document) -> Document:
    """Returns what is kept of a user whose client took `active` away: of somebody who is off it is shown no more."""
    if document["active"]:
        return {name: value for name, value in document.items() if name != "active"}
    return {**document, "active": None}


def kept(document: Document) -> Document:
    """Returns what of a document is kept as its client gave it."""
    return {name: value for name, value in document.items() if name not in _NOT_KEPT}


def _derived_name(document: Document) -> str | None:
    name = document.get("name") or {}
    parts = [str(name[part]) for part in ("givenName", "familyName") if name.get(part)]
    return name.get("formatted") or " ".join(parts) or document.get("userName")


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _put(document: Document, path: tuple[str, ...], value: Any) -> None:
    """Puts a value into a copy of whatever holds it; None takes it away, and its holder when that is empty."""
    name, *rest = path
    if rest:
        holder = dict(document.get(name) or {})
        _put(holder, tuple(rest), value)
        value = holder or None
    if value is None:
        document.pop(name, None)
    else:
        document[name] = value


def _typed(document: Document, name: str, kind: str, part: str) -> Any:
    chosen = _chosen(document.get(name) or (), kind)
    return None if chosen is None else chosen.get(part)


def _chosen(values: Any, kind: str) -> Any:
    """The value of a type; for `work` also the primary one, or one without a type."""
    listed = [each for each in values if isinstance(each, Mapping)]
    found = next((each for each in listed if str(each.get("type", "")).lower() == kind), None)
    if found is None and kind == "work":
        found = next((each for each in listed if each.get("primary") is True or "type" not in each), None)
    return found


def _put_typed(document: Document, name: str, kind: str, part: str, value: Any) -> None:
    values = [dict(each) for each in document.get(name) or ()]
    chosen = _chosen(values, kind)
    if chosen is None and value is not None:
        chosen = {"type": kind}
        values.append(chosen)
    if chosen is not None:
        _put(chosen, (part,), value)
        if not set(chosen) - {"type", "primary", "display"}:
            values.remove(chosen)
    _put(document, (name,), values or None)
