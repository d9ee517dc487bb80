"""Attribute paths as mappings write them, read from a resource's document and written into one.

`userName`, `name.givenName`, `emails[type eq "work"].value`, `roles[primary eq "True"].value`,
`urn:…:2.0:User:department`; the part of a URN after its last colon is the attribute, whatever shape the URN has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from muster.scim.errors import InvalidFilter
from muster.scim.filters import And, Comparison, FilterOperator, FilterValue, parse_filter

ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATH_CHARACTERS = 1_024

_HEAD = re.compile(r"(?:(?P<schema>.+):)?(?P<attribute>\$?[\w-]+)(?:\.(?P<sub>\$?[\w-]+))?")
_TAIL = re.compile(r"\[(?P<filter>.*)\](?:\.(?P<sub>\$?[\w-]+))?", re.DOTALL)

# Multi-valued attributes of the core schema whose elements are objects with a `value`.
_ELEMENTS_WITH_VALUE = frozenset(
    {"emails", "phonenumbers", "ims", "photos", "entitlements", "roles", "groups", "members", "x509certificates"}
)


class MappingPathInvalid(ValueError):
    """A target attribute's name that is no attribute path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingPath:
    """`[schema:]attribute[conditions][.sub_attribute]`; `schema` None: the core schema of the resource."""

    text: str
    schema: str | None
    attribute: str
    # Sub-attributes that mark the one element meant, with their values: (("type", "work"),).
    conditions: tuple[tuple[str, FilterValue], ...] = ()
    sub_attribute: str | None = None
    # In lower case, the members of a resource that may hold it: without them there is nothing to read.
    roots: frozenset[str] = frozenset()

    @property
    def element(self) -> tuple[str | None, str, tuple[tuple[str, FilterValue], ...]]:
        """What paths to the same element share."""
        return (self.schema, self.attribute, self.conditions)

    @property
    def holds_objects(self) -> bool:
        """Whether values of this attribute are objects with a `value` in the core schema."""
        return self.schema is None and self.attribute.lower() in _ELEMENTS_WITH_VALUE


@lru_cache(maxsize=4_096)
def parse_mapping_path(text: str) -> MappingPath:
    """Returns the parts of a path. Raises: MappingPathInvalid."""
    at = text.find("[")
    head = _HEAD.fullmatch(text if at < 0 else text[:at]) if len(text) <= PATH_CHARACTERS else None
    tail = _TAIL.fullmatch(text[at:]) if at >= 0 else None
    if head is None or (at >= 0 and (tail is None or head["sub"])):
        raise MappingPathInvalid(
            f"“{text[:80]}” is no attribute path: write it like userName, name.givenName, "
            'emails[type eq "work"].value or urn:…:User:department.'
        )
    schema = None if head["schema"] is None or ":core:" in head["schema"].lower() else head["schema"]
    attribute = head["attribute"]
    return MappingPath(
        text=text,
        schema=schema,
        attribute=attribute,
        roots=frozenset(
            name.lower() for name in ((attribute,) if schema is None else (schema, f"{schema}:{attribute}"))
        ),
        conditions=() if tail is None else _conditions(tail["filter"], text),
        sub_attribute=head["sub"] if tail is None else tail["sub"],
    )


def _conditions(text: str, path: str) -> tuple[tuple[str, FilterValue], ...]:
    try:
        tree = parse_filter(text)
    except InvalidFilter as error:
        raise MappingPathInvalid(f"The part in brackets of “{path[:80]}” cannot be read. {error.detail}") from error
    conditions = []
    for part in tree.filters if isinstance(tree, And) else (tree,):
        if not isinstance(part, Comparison) or part.operator is not FilterOperator.EQUAL:
            raise MappingPathInvalid(f"The part in brackets of “{path[:80]}” takes comparisons with eq only.")
        name, value = part.attribute.attribute, part.value
        # Lenient: Entra's mappings write roles[primary eq "True"].
        if name == "primary" and isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        conditions.append((name, value))
    return tuple(conditions)


# ---------------------------------------------------------------- reading


def read_value(resource: Mapping[str, Any], path: MappingPath) -> Any:
    """Returns the value at a path, or None; empty texts, lists and objects count as absent. Names: any letter case."""
    value = _attribute(resource, path)
    if path.conditions:
        value = find_element(value, path)
    elif path.sub_attribute is not None and isinstance(value, list):
        value = _preferred([item for item in value if isinstance(item, dict)])
    if path.sub_attribute is not None:
        value = get_member(value, path.sub_attribute) if isinstance(value, dict) else None
    return None if value in ("", [], {}) else value


def find_element(value: Any, path: MappingPath) -> Mapping[str, Any] | None:
    """Returns the element of a multi-valued attribute that the path's conditions mark; of several the primary one."""
    # Lenient: some servers answer a single element without its list.
    elements = [value] if isinstance(value, dict) else value
    if not isinstance(elements, list):
        return None
    return _preferred([item for item in elements if isinstance(item, dict) and _satisfies(item, path.conditions)])


def has_element(resource: Mapping[str, Any], path: MappingPath) -> bool:
    """Whether the resource has the element that a path's conditions mark."""
    return find_element(_attribute(resource, path), path) is not None


def read_references(resource: Mapping[str, Any], path: MappingPath) -> tuple[str, ...]:
    """Returns the ids a reference attribute points to, whether they are bare texts or objects with a `value`."""
    value = read_value(resource, path)
    items = value if isinstance(value, list) else [value]
    ids = (get_member(item, "value") if isinstance(item, dict) else item for item in items)
    return tuple(str(found) for found in ids if found not in (None, ""))


def get_member(holder: Mapping[str, Any], name: str) -> Any:
    """Returns the member of an object in any letter case, or None."""
    if name in holder:
        return holder[name]
    wanted = name.lower()
    for key in holder:
        if key.lower() == wanted:
            return holder[key]
    return None


def _attribute(resource: Mapping[str, Any], path: MappingPath) -> Any:
    if path.schema is None:
        return get_member(resource, path.attribute)
    extension = get_member(resource, path.schema)
    if isinstance(extension, dict):
        return get_member(extension, path.attribute)
    # Lenient: some servers answer extension attributes flat, under their full name.
    return get_member(resource, f"{path.schema}:{path.attribute}")


def _satisfies(element: Mapping[str, Any], conditions: tuple[tuple[str, FilterValue], ...]) -> bool:
    return all(_same(get_member(element, name), wanted) for name, wanted in conditions)


def _same(found: Any, wanted: FilterValue) -> bool:
    if isinstance(wanted, bool):
        return found is wanted or str(found).lower() == str(wanted).lower()
    if isinstance(found, str) and isinstance(wanted, str):
        return found.lower() == wanted.lower()
    return bool(found == wanted)


def _preferred(elements: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    if len(elements) < 2:
        return elements[0] if elements else None
    return next((item for item in elements if get_member(item, "primary") is True), elements[0])


# ---------------------------------------------------------------- writing


def new_element(path: MappingPath) -> dict[str, Any]:
    """Returns an element of a multi-valued attribute that satisfies the path's conditions, and nothing else."""
    return dict(path.conditions)


def write_value(document: MutableMapping[str, Any], path: MappingPath, value: Any) -> None:
    """Puts a value into a document made of JSON values, making the objects and the element it needs on the way."""
    holder = document if path.schema is None else _object_in(document, path.schema)
    if path.conditions:
        _write_element(holder, path, value)
    elif path.sub_attribute is None:
        _put(holder, path.attribute, value)
    else:
        _put(_object_in(holder, path.attribute), path.sub_attribute, value)


def remove_value(document: MutableMapping[str, Any], path: MappingPath) -> None:
    """Takes the value at a path out of a document; an element left with nothing but its marks goes with it."""
    holder = document if path.schema is None else get_member(document, path.schema)
    if not isinstance(holder, MutableMapping):
        return
    value = get_member(holder, path.attribute)
    if path.conditions and isinstance(value, list):
        element = find_element(value, path)
        if element is not None:
            kept = _without(element, path)
            _put(
                holder, path.attribute, [item for item in (kept if item is element else item for item in value) if item]
            )
    elif path.sub_attribute is None:
        _take(holder, path.attribute)
    elif isinstance(value, MutableMapping):
        _take(value, path.sub_attribute)
    if get_member(holder, path.attribute) in ([], {}):
        _take(holder, path.attribute)


def _without(element: Mapping[str, Any], path: MappingPath) -> dict[str, Any]:
    """The element without the sub-attribute; nothing when only its marks would be left."""
    if path.sub_attribute in (None, "value"):
        return {}
    wanted = str(path.sub_attribute).lower()
    kept = {key: value for key, value in element.items() if key.lower() != wanted}
    marks = {"type", "primary", "display", *(name.lower() for name, _ in path.conditions)}
    return kept if any(key.lower() not in marks for key in kept) else {}


def _write_element(holder: MutableMapping[str, Any], path: MappingPath, value: Any) -> None:
    elements = get_member(holder, path.attribute)
    elements = list(elements) if isinstance(elements, list) else []
    found = find_element(elements, path)
    element = new_element(path) if found is None else dict(found)
    if path.sub_attribute is not None:
        _put(element, path.sub_attribute, value)
    else:
        element |= value if isinstance(value, dict) else {"value": value}
    written = [element if item is found else item for item in elements]
    _put(holder, path.attribute, written if found is not None else [*written, element])


def _object_in(holder: MutableMapping[str, Any], name: str) -> MutableMapping[str, Any]:
    found = get_member(holder, name)
    made = dict(found) if isinstance(found, dict) else {}
    _put(holder, name, made)
    return made


def _put(holder: MutableMapping[str, Any], name: str, value: Any) -> None:
    if name not in holder:
        wanted = name.lower()
        for key in holder:
            if key.lower() == wanted:
                name = key
                break
    holder[name] = value


def _take(holder: MutableMapping[str, Any], name: str) -> None:
    for key in [key for key in holder if key.lower() == name.lower()]:
        del holder[key]
