"""What a SCIM application says of its attributes (/ResourceTypes and /Schemas), as mappings write them.

Source: RFC 7643 §6, §7.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from muster.model.directory import AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition, Mutability
from muster.scim.mapping_paths import MappingPathInvalid, get_member, parse_mapping_path

CORE_OF: Mapping[ObjectKind, str] = {
    ObjectKind.USER: "urn:ietf:params:scim:schemas:core:2.0:User",
    ObjectKind.GROUP: "urn:ietf:params:scim:schemas:core:2.0:Group",
}
USER_OBJECT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ATTRIBUTES_LIMIT = 1_000

_TYPES: Mapping[str, AttributeType] = {
    "boolean": AttributeType.BOOLEAN,
    "integer": AttributeType.INTEGER,
    "datetime": AttributeType.DATE_TIME,
    "binary": AttributeType.BINARY,
}
_MUTABILITY: Mapping[str, Mutability] = {
    "readonly": Mutability.READ_ONLY,
    "immutable": Mutability.IMMUTABLE,
    "writeonly": Mutability.WRITE_ONLY,
}
# Element types of the core schema's lists, for applications that do not name theirs.
_USUAL_TYPES: Mapping[str, tuple[str, ...]] = {
    "emails": ("work", "home", "other"),
    "phonenumbers": ("work", "mobile", "home", "fax", "pager", "other"),
    "addresses": ("work", "home", "other"),
    "ims": (),
    "photos": ("photo", "thumbnail"),
}
_MARKS = frozenset({"type", "primary", "display", "$ref"})
# Common to all resources, and not for mappings.
_COMMON = frozenset({"id", "meta", "schemas"})
_REFERENCES: Mapping[str, str] = {"manager": USER_OBJECT, "members": USER_OBJECT}


def propose_attributes(
    schemas: Sequence[Mapping[str, Any]], resource_types: Sequence[Mapping[str, Any]]
) -> dict[ObjectKind, tuple[AttributeDefinition, ...]]:
    """Returns the attributes of each kind that the application has, in its own order, each path once.

    `resource_types` empty: schemas whose URN ends with `User` or `Group` are taken to be for users and groups.
    """
    by_id = {str(get_member(item, "id")).lower(): item for item in schemas}
    found: dict[ObjectKind, tuple[AttributeDefinition, ...]] = {}
    for kind in ObjectKind:
        attributes: dict[str, AttributeDefinition] = {}
        for urn in _urns(kind, by_id, resource_types):
            schema = by_id.get(urn.lower())
            if schema is not None:
                is_core = urn.lower() == CORE_OF[kind].lower()
                prefix = "" if is_core else f"{get_member(schema, 'id')}:"
                for attribute in _objects(get_member(schema, "attributes")):
                    for definition in _attribute(attribute, prefix):
                        attributes.setdefault(definition.name, definition)
        if attributes:
            # Lenient: externalId is common to all resources (RFC 7643 §3.1), so many schemas leave it out.
            attributes.setdefault("externalId", AttributeDefinition(name="externalId", case_exact=True))
            found[kind] = tuple(attributes.values())[:ATTRIBUTES_LIMIT]
    return found


def _urns(
    kind: ObjectKind, by_id: Mapping[str, Mapping[str, Any]], resource_types: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    declared = next((item for item in resource_types if _is_of(kind, item)), None)
    if declared is None:
        endings = (f":{kind.value.lower()}", f".{kind.value.lower()}")
        # The core schema first: its attributes keep their short names.
        yield from sorted((urn for urn in by_id if urn.endswith(endings)), key=lambda urn: ":core:" not in urn)
        return
    yield str(get_member(declared, "schema"))
    for extension in _objects(get_member(declared, "schemaExtensions")):
        yield str(get_member(extension, "schema"))


def _is_of(kind: ObjectKind, resource_type: Mapping[str, Any]) -> bool:
    schema = str(get_member(resource_type, "schema")).lower()
    return schema == CORE_OF[kind].lower() or str(get_member(resource_type, "name")) == kind.value


def _attribute(item: Mapping[str, Any], prefix: str) -> Iterator[AttributeDefinition]:
    name, is_list = str(get_member(item, "name") or ""), get_member(item, "multiValued") is True
    path, parts = f"{prefix}{name}", _objects(get_member(item, "subAttributes"))
    if not _is_path(path) or (not prefix and name.lower() in _COMMON):
        return
    if not parts:
        yield _definition(item, path, multivalued=is_list)
    elif name.lower() in _REFERENCES:
        yield AttributeDefinition(
            name=path,
            type=AttributeType.REFERENCE,
            multivalued=is_list,
            mutability=_mutability(item),
            referenced=(_REFERENCES[name.lower()],),
        )
    elif not is_list:
        for part in parts:
            sub_path = f"{path}.{get_member(part, 'name')}"
            if _is_path(sub_path):
                yield _definition(part, sub_path, required=_is_required(item) and _is_required(part))
    else:
        yield from _elements(item, path, parts)


def _elements(item: Mapping[str, Any], path: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[AttributeDefinition]:
    """One path for each type of element and each of its parts; without types the list as a whole."""
    marks = next((part for part in parts if str(get_member(part, "name")).lower() == "type"), {})
    canonical = get_member(marks, "canonicalValues")
    types = [value for value in canonical if isinstance(value, str) and '"' not in value] if canonical else []
    types = types or list(_USUAL_TYPES.get(path.lower(), ()))
    if not types or _mutability(item) is Mutability.READ_ONLY:
        yield _definition(item, path, multivalued=True)
        return
    for element_type in types:
        for part in parts:
            sub_name = str(get_member(part, "name") or "")
            element = f'{path}[type eq "{element_type}"].{sub_name}'
            if sub_name.lower() not in _MARKS and _is_path(element):
                yield _definition(part, element, required=False)


def _definition(
    item: Mapping[str, Any], path: str, *, multivalued: bool = False, required: bool | None = None
) -> AttributeDefinition:
    kind = str(get_member(item, "type") or "string").lower()
    return AttributeDefinition(
        name=path,
        type=_TYPES.get(kind, AttributeType.STRING),
        case_exact=get_member(item, "caseExact") is True,
        multivalued=multivalued,
        mutability=_mutability(item),
        required=_is_required(item) if required is None else required,
    )


def _mutability(item: Mapping[str, Any]) -> Mutability:
    return _MUTABILITY.get(str(get_member(item, "mutability") or "").lower(), Mutability.READ_WRITE)


def _is_required(item: Mapping[str, Any]) -> bool:
    return get_member(item, "required") is True


def _is_path(path: str) -> bool:
    try:
        parse_mapping_path(path)
    except MappingPathInvalid:
        return False
    return True


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
