"""Schemas and resource types that an operator adds, as SCIM itself writes them: read, checked, joined with our own.

A Schema that no ResourceType names extends users, or groups when its URN ends in `:Group`. A ResourceType of a name
that exists adds its schemaExtensions to that type; one of a new name makes a new endpoint.
Source: RFC 7643 §6, §7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability, Returned, Uniqueness
from muster.scim.filters import RESERVED_WORDS
from muster.scim.resources import ResourceType, SchemaExtension
from muster.scim.schemas import COMMON_ATTRIBUTES, SCHEMA_URN, SchemaDefinition
from muster.scim.service_schemas import RESOURCE_TYPE_URN

LIMIT_ATTRIBUTES = 500
LIMIT_URN_CHARACTERS = 200
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[A-Za-z0-9.$_:-]+", re.ASCII)
_NAME = re.compile(r"\$ref|[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_ENDPOINT = re.compile(r"/[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_RESERVED = frozenset({"bulk", "me", "schemas", "resourcetypes", "serviceproviderconfig"})
# What the store keeps beside a resource, and therefore takes as one text (or one boolean) only.
_KEPT_TEXTS = frozenset({"username", "displayname"})
_EXACT_TYPES = frozenset({AttributeType.REFERENCE, AttributeType.BINARY})
_Choice = TypeVar("_Choice", bound=StrEnum)


class SchemaMistake(Exception):
    """A definition cannot be used: the sentence says which, where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomType:
    """A ResourceType document, and how what is said of it begins: its extensions, and whether each is required."""

    where: str
    name: str
    endpoint: str
    description: str
    schema: str
    extensions: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomDefinitions:
    """What the operator's files define."""

    schemas: tuple[SchemaDefinition, ...] = ()
    types: tuple[CustomType, ...] = ()


def read_definitions(documents: Iterable[tuple[str, Any]]) -> CustomDefinitions:
    """The definitions of documents, each with where it came from; a document may be a list of several.

    Raises: SchemaMistake.
    """
    schemas: dict[str, SchemaDefinition] = {}
    types: list[CustomType] = []
    for source, document in _each(documents):
        match _kind(source, document):
            case "Schema":
                schema = _read_schema(source, document)
                if schemas.setdefault(schema.id.lower(), schema) is not schema:
                    raise SchemaMistake(f"{source}: there are two schemas {schema.id}. Keep one of them.")
            case _:
                types.append(_read_type(source, document))
    return CustomDefinitions(schemas=tuple(schemas.values()), types=tuple(types))


def extend_types(types: Sequence[ResourceType], custom: CustomDefinitions) -> tuple[ResourceType, ...]:
    """Our resource types with what the operator added. Raises: SchemaMistake."""
    known = {schema.id.lower(): schema for schema in custom.schemas}
    urns = set(known)
    for resource_type in types:
        for own in (resource_type.schema, *(item.schema for item in resource_type.extensions)):
            if own.id.lower() in known:
                raise SchemaMistake(f"{own.id} is a schema of this service. Give your own schema another URN.")
            urns.add(own.id.lower())
    for urn, schema in known.items():
        if any(urn.startswith(f"{other}:") for other in urns):
            raise SchemaMistake(
                f"{schema.id} begins with that of another schema, as its attributes do. Give it another URN."
            )
    ours = {each.name.lower(): {item.schema.id.lower() for item in each.extensions} for each in types}
    added = {resource_type.name.lower(): list[SchemaExtension]() for resource_type in types}
    made: list[ResourceType] = []
    named: set[str] = set()
    for item in custom.types:
        # A type may name what it has of ours already, as the answer of another service does.
        there = ours.get(item.name.lower(), ())
        extensions = [
            _extension(_schema_of(item, urn, known), required=required)
            for urn, required in item.extensions
            if urn.lower() not in there
        ]
        named.update(extension.schema.id for extension in extensions)
        present = added.get(item.name.lower())
        _check_distinct(item.where, [item.schema, *(each.schema.id for each in (*(present or ()), *extensions))])
        if present is not None:
            present += extensions
            continue
        named.add(item.schema)
        made.append(_make_type(item, known, extensions))
        _check_distinct(item.where, [each.name for each in made])
        _check_distinct(item.where, [each.endpoint for each in made])
    for schema in custom.schemas:
        if schema.id not in named:
            owner = "group" if schema.id.lower().endswith(":group") else "user"
            if owner not in added:
                raise SchemaMistake(f"{schema.id} extends groups, which this service does not have.")
            added[owner].append(_extension(schema))
    extended = [
        replace(each, extensions=(*each.extensions, *added[each.name.lower()])) if added[each.name.lower()] else each
        for each in types
    ]
    return (*extended, *made)


def _each(documents: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for source, document in documents:
        if isinstance(document, dict) and isinstance(document.get("Resources"), list):
            document = document["Resources"]  # the whole answer of /Schemas of some service
        if isinstance(document, list):
            yield from ((f"{source} [{number}]", item) for number, item in enumerate(document))
        else:
            yield source, document


def _kind(source: str, document: Any) -> str:
    if not isinstance(document, dict):
        raise SchemaMistake(f"{source}: it must be an object, a Schema or a ResourceType as SCIM writes them.")
    schemas = document.get("schemas")
    if isinstance(schemas, list) and RESOURCE_TYPE_URN in schemas:
        return "ResourceType"
    if (isinstance(schemas, list) and SCHEMA_URN in schemas) or "attributes" in document:
        return "Schema"
    raise SchemaMistake(f"{source}: schemas must hold {SCHEMA_URN} or {RESOURCE_TYPE_URN}.")


def _read_schema(source: str, document: Mapping[str, Any]) -> SchemaDefinition:
    urn = _text(source, document, "id", required=True)
    if len(urn) > LIMIT_URN_CHARACTERS or not _URN.fullmatch(urn) or not _NAME.fullmatch(urn.rpartition(":")[2]):
        raise SchemaMistake(
            f"{source}: id {urn[:80]!r} is no URN of a schema. Write one like urn:example:schemas:1.0:User, "
            "with a name after the last colon."
        )
    attributes = document.get("attributes")
    if not isinstance(attributes, list) or not attributes or len(attributes) > LIMIT_ATTRIBUTES:
        raise SchemaMistake(f"{source}: attributes must be a list of 1 to {LIMIT_ATTRIBUTES} attributes.")
    read = [_read_attribute(f"{source}: {urn}", item, within=None) for item in attributes]
    _check_distinct(f"{source}: {urn}", [attribute.name for attribute in read])
    return SchemaDefinition(
        id=urn,
        name=_text(source, document, "name") or urn.rpartition(":")[2],
        description=_text(source, document, "description"),
        attributes=tuple(read),
    )


def _read_attribute(source: str, item: Any, *, within: str | None) -> AttributeDefinition:
    if not isinstance(item, dict):
        raise SchemaMistake(f"{source}: each attribute must be an object.")
    name = _text(source, item, "name", required=True)
    where = f"{source}, attribute {name[:80] if within is None else f'{within}.{name[:80]}'}"
    if not _NAME.fullmatch(name) or (name == "$ref" and within is None):
        raise SchemaMistake(f"{where}: a name has letters, digits, '_' and '-', and begins with a letter.")
    if name.lower() in RESERVED_WORDS:
        raise SchemaMistake(f"{where}: a name is no word of filters ({', '.join(sorted(RESERVED_WORDS))}).")
    kind = _choice(where, item, "type", AttributeType, AttributeType.STRING)
    subs = item.get("subAttributes")
    if (kind is AttributeType.COMPLEX) is not bool(subs):
        raise SchemaMistake(f"{where}: subAttributes belong to an attribute of type complex, which needs some.")
    if subs is not None and (within is not None or not isinstance(subs, list) or len(subs) > LIMIT_ATTRIBUTES):
        raise SchemaMistake(f"{where}: subAttributes must be a list of at most {LIMIT_ATTRIBUTES}, one level deep.")
    read = [_read_attribute(source, sub, within=name) for sub in subs or []]
    _check_distinct(where, [attribute.name for attribute in read])
    definition = AttributeDefinition(
        name=name,
        description=_text(where, item, "description"),
        type=kind,
        multi_valued=_flag(where, item, "multiValued"),
        required=_flag(where, item, "required"),
        canonical_values=_texts(where, item, "canonicalValues"),
        case_exact=_flag(where, item, "caseExact", default=kind in _EXACT_TYPES),
        mutability=_choice(where, item, "mutability", Mutability, Mutability.READ_WRITE),
        returned=_choice(where, item, "returned", Returned, Returned.DEFAULT),
        uniqueness=_choice(where, item, "uniqueness", Uniqueness, Uniqueness.NONE),
        reference_types=_texts(where, item, "referenceTypes"),
        sub_attributes=tuple(read),
    )
    if within is not None and (
        definition.mutability is Mutability.WRITE_ONLY or definition.uniqueness is not Uniqueness.NONE
    ):
        raise SchemaMistake(
            f"{where}: a sub-attribute can neither be writeOnly nor unique. Let the whole attribute be."
        )
    if definition.required and definition.mutability in (Mutability.READ_ONLY, Mutability.WRITE_ONLY):
        raise SchemaMistake(f"{where}: what is {definition.mutability} cannot be required: nothing of it is kept.")
    if definition.mutability is Mutability.WRITE_ONLY and definition.returned is not Returned.NEVER:
        raise SchemaMistake(f"{where}: what is writeOnly is returned never. Source: RFC 7643 §7.")
    return definition


def _read_type(source: str, document: Mapping[str, Any]) -> CustomType:
    name = _text(source, document, "name", required=True)
    where = f"{source}: resource type {name[:80]}"
    if not _NAME.fullmatch(name):
        raise SchemaMistake(f"{where}: a name has letters, digits, '_' and '-', and begins with a letter.")
    extensions: list[tuple[str, bool]] = []
    listed = document.get("schemaExtensions")
    if listed is not None and not isinstance(listed, list):
        raise SchemaMistake(f"{where}: schemaExtensions must be a list.")
    for item in listed or []:
        if not isinstance(item, dict):
            raise SchemaMistake(f"{where}: each of schemaExtensions must be an object.")
        extensions.append((_text(where, item, "schema", required=True), _flag(where, item, "required")))
    return CustomType(
        where=where,
        name=name,
        endpoint=_text(where, document, "endpoint"),
        description=_text(where, document, "description"),
        schema=_text(where, document, "schema"),
        extensions=extensions,
    )


def _make_type(
    item: CustomType, known: Mapping[str, SchemaDefinition], extensions: Sequence[SchemaExtension]
) -> ResourceType:
    where = item.where
    if not _ENDPOINT.fullmatch(item.endpoint) or item.endpoint[1:].lower() in _RESERVED | {"users", "groups"}:
        raise SchemaMistake(f"{where}: endpoint must be a path of its own such as /Devices.")
    schema = _schema_of(item, item.schema, known)
    common = {attribute.name.lower() for attribute in COMMON_ATTRIBUTES}
    for attribute in schema.attributes:
        name, plain = attribute.name.lower(), not attribute.multi_valued
        if name in common:
            raise SchemaMistake(f"{where}: {attribute.name} is an attribute of every resource. Leave it out.")
        if name in _KEPT_TEXTS and not (plain and attribute.type is AttributeType.STRING):
            raise SchemaMistake(f"{where}: {attribute.name} must be a single string.")
        if name == "active" and not (plain and attribute.type is AttributeType.BOOLEAN):
            raise SchemaMistake(f"{where}: active must be a single boolean.")
        if name in ("members", "groups"):
            raise SchemaMistake(f"{where}: {attribute.name} is kept for users and groups. Choose another name.")
        if attribute.name == "userName" and not attribute.required:
            raise SchemaMistake(f"{where}: userName must be required.")
    unique = [attribute for attribute in schema.attributes if attribute.uniqueness is not Uniqueness.NONE]
    if len(unique) > 1 or any(each.multi_valued or each.type is not AttributeType.STRING for each in unique):
        raise SchemaMistake(f"{where}: one attribute can be unique, a single string.")
    return ResourceType(
        name=item.name,
        endpoint=item.endpoint,
        description=item.description,
        schema=schema,
        extensions=tuple(extensions),
    )


def _extension(schema: SchemaDefinition, *, required: bool = False) -> SchemaExtension:
    unique = next((each.name for each in schema.attributes if each.uniqueness is not Uniqueness.NONE), None)
    if unique is not None:
        raise SchemaMistake(f"{schema.id}, attribute {unique}: in an extension uniqueness must be none.")
    return SchemaExtension(schema=schema, required=required)


def _schema_of(item: CustomType, urn: str, known: Mapping[str, SchemaDefinition]) -> SchemaDefinition:
    schema = known.get(urn.lower())
    if schema is None:
        raise SchemaMistake(f"{item.where}: no file defines the schema {urn[:80]!r}.")
    return schema


def _check_distinct(where: str, names: Sequence[str]) -> None:
    lowered = [name.lower() for name in names]
    twice = next((name for name in lowered if lowered.count(name) > 1), None)
    if twice is not None:
        raise SchemaMistake(f"{where}: {twice} is there twice. Letter case does not make two names different.")


def _text(where: str, item: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = item.get(name)
    if (value is None and not required) or (isinstance(value, str) and (value or not required)):
        return value or ""
    raise SchemaMistake(f"{where}: {name} must be a text.")


def _texts(where: str, item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = item.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SchemaMistake(f"{where}: {name} must be a list of texts.")
    return tuple(value)


def _flag(where: str, item: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = item.get(name, default)
    if not isinstance(value, bool):
        raise SchemaMistake(f"{where}: {name} must be true or false.")
    return value


def _choice(where: str, item: Mapping[str, Any], name: str, choices: type[_Choice], default: _Choice) -> _Choice:
    value = item.get(name, default.value)
    found = next((choice for choice in choices if choice.value == value), None)
    if found is None:
        raise SchemaMistake(f"{where}: {name} must be one of {', '.join(choice.value for choice in choices)}.")
    return found
