"""Columns of a file: which directory attribute one is, and its values as the directory keeps them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from muster.model.directory import ATTRIBUTES_OF, AttributeType, DirectoryAttribute, ObjectKind
from muster.model.values import Value
from muster.sources.encoding import is_broken
from muster.sources.rows import FileLimits, quoted

IS_SOFT_DELETED = "isSoftDeleted"
_LIST_SEPARATOR = ";"
_PRINCIPAL_NAME_LIMIT = 113
_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "ja", "waar"), True),
    **dict.fromkeys(("false", "0", "no", "nee", "onwaar"), False),
}


class Role(StrEnum):
    """What a column is for."""

    ATTRIBUTE = "attribute"
    MANAGER = "manager"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that is read: its attribute (of references: a list or one value of ids)."""

    role: Role
    attribute: DirectoryAttribute


class ValueRejected(Exception):
    """A value that cannot be read; the text ends a sentence: “is longer than …”."""


def _column(name: str, role: Role = Role.ATTRIBUTE, **more: Any) -> Column:
    return Column(role=role, attribute=DirectoryAttribute(name=name, graph_name=name, **more))


# By which references call an object, beside its source id.
IDENTITIES: Mapping[ObjectKind, tuple[str, ...]] = {
    ObjectKind.USER: ("objectId", "employeeId", "userPrincipalName"),
    ObjectKind.GROUP: ("objectId", "displayName"),
}
# Beside the directory's attributes, which are known by their Graph names too.
_MORE: dict[ObjectKind, dict[str, Column]] = {
    ObjectKind.USER: {
        IS_SOFT_DELETED: _column(IS_SOFT_DELETED, type=AttributeType.BOOLEAN),
        "manager": _column("manager", Role.MANAGER, type=AttributeType.REFERENCE),
    },
    ObjectKind.GROUP: {
        IS_SOFT_DELETED: _column(IS_SOFT_DELETED, type=AttributeType.BOOLEAN),
        "groupId": _column("objectId"),
        "members": _column("members", Role.MEMBERS, type=AttributeType.REFERENCE, multivalued=True),
        # One row a member.
        "memberId": _column("members", Role.MEMBERS, type=AttributeType.REFERENCE),
    },
}
_NAMES: dict[ObjectKind, dict[str, Column]] = {
    kind: {
        **{
            name: Column(role=Role.ATTRIBUTE, attribute=attribute)
            for attribute in attributes.values()
            for name in (attribute.name, attribute.graph_name)
        },
        **_MORE[kind],
    }
    for kind, attributes in ATTRIBUTES_OF.items()
}
_FOLDED = {kind: {name.casefold(): column for name, column in names.items()} for kind, names in _NAMES.items()}


def find_column(kind: ObjectKind, name: str) -> Column | None:
    """Returns what a column is, by the attribute's name or Graph's, without case; None if it is unknown."""
    return _FOLDED[kind].get(name.strip().casefold())


def explain_unknown(kind: ObjectKind, name: str) -> str:
    """Returns a sentence about a name that is no attribute, with the nearest that is one."""
    near = _nearest(kind, name)
    hint = f" Did you mean {near}?" if near else ""
    return f"{quoted(name)} is no attribute of a {kind.value.lower()}.{hint}"


def may_be_identity(kind: ObjectKind, name: str) -> bool:
    """Whether an unknown name may be misspelt for one that tells who an object is: without it all are others."""
    near = find_column(kind, _nearest(kind, name) or "")
    return near is not None and near.attribute.name in IDENTITIES[kind]


def _nearest(kind: ObjectKind, name: str) -> str | None:
    folded = {known.casefold(): known for known in _NAMES[kind]}
    near = difflib.get_close_matches(name.strip().casefold()[:100], folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def read_value(column: Column, value: Any, limits: FileLimits) -> Value:
    """Returns a value as the directory keeps it; None for an empty one. Raises: ValueRejected."""
    attribute = column.attribute
    if column.role is Role.MEMBERS:
        return _members(value, limits)
    if column.role is Role.MANAGER:
        return _reference(value, limits)
    if attribute.multivalued:
        return _several(attribute, value, limits)
    if isinstance(value, list) and attribute.graph_name == "businessPhones":
        # Lenient: Graph gives businessPhones as a list of at most one.
        value = value[0] if value else None
    return _single(attribute, value, limits)


def check_principal_name(name: str) -> None:
    """Checks that a principal name is written alias@domain. Raises: ValueRejected."""
    alias, _, domain = name.rpartition("@")
    if not alias or not domain or len(name) > _PRINCIPAL_NAME_LIMIT or any(mark.isspace() for mark in name):
        raise ValueRejected(
            f"must be written alias@domain, without blanks and with at most {_PRINCIPAL_NAME_LIMIT} characters, not "
            f"{quoted(name)}"
        )


def _single(attribute: DirectoryAttribute, value: Any, limits: FileLimits) -> Value:
    if isinstance(value, str):
        value = _text(value, limits)
    if value is None:
        return None
    match attribute.type:
        case AttributeType.BOOLEAN:
            return _boolean(value)
        case AttributeType.DATE_TIME:
            return _instant(value)
        case _:
            if isinstance(value, str):
                return value
            # Lenient: an employee number written as a number in JSON.
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            raise ValueRejected(f"takes one text, not {quoted(str(value))}")


def _several(attribute: DirectoryAttribute, value: Any, limits: FileLimits) -> Value:
    items = value.split(_LIST_SEPARATOR) if isinstance(value, str) else value
    if items is None:
        return None
    if not isinstance(items, list):
        raise ValueRejected("takes a list")
    if len(items) > limits.values:
        raise ValueRejected(f"has more than {limits.values} values")
    return tuple(text for item in items if (text := _single(attribute, item, limits)) is not None) or None


def _members(value: Any, limits: FileLimits) -> tuple[str, ...]:
    items = value.split(_LIST_SEPARATOR) if isinstance(value, str) else value
    if items is None:
        return ()
    if not isinstance(items, list):
        raise ValueRejected("takes a list of ids or principal names")
    if len(items) > limits.members:
        raise ValueRejected(f"has more than {limits.members:,} members")
    return tuple(name for item in items if (name := _reference(item, limits)) is not None)


def _reference(value: Any, limits: FileLimits) -> str | None:
    if isinstance(value, Mapping):
        # Lenient: Graph expands a reference to an object, SCIM to {"value": id}.
        value = next((value[key] for key in ("id", "objectId", "value", "userPrincipalName") if key in value), value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueRejected("takes an id or a principal name")
    return _text(value, limits)


def _text(value: str, limits: FileLimits) -> str | None:
    text = value.strip()
    if len(text) > limits.value_characters:
        raise ValueRejected(f"has {len(text):,} characters; {limits.value_characters:,} are the limit")
    if is_broken(text):
        raise ValueRejected("holds bytes that are not valid in the file's encoding; save the file as UTF-8")
    if not text.isprintable() and any(ord(mark) < 32 and mark not in "\t\n\r" for mark in text):
        raise ValueRejected("holds a control character")
    return text or None


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).casefold()) if isinstance(value, str | int) else None
    if known is None:
        raise ValueRejected(f"takes true or false (or 1, 0, yes, no, ja, nee), not {quoted(str(value))}")
    return known


def _instant(value: Any) -> str:
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise ValueRejected(f"takes an instant such as 2026-01-31T00:00:00Z, not {quoted(str(value))}")
