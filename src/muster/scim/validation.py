"""Readers of whole resources as POST and PUT send them, compiled once from the schema, and what a document must hold.

Source: RFC 7643 §3; RFC 7644 §3.3, §3.5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from muster.scim.attributes import AttributeDefinition, Mutability
from muster.scim.errors import InvalidSyntax, InvalidValue
from muster.scim.readers import NamedReader, Reader, ReadingRules, compile_object_reader, json_name, named_reader
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.schemas import SchemaDefinition


def compile_document_reader(resource_type: ResourceType, rules: ReadingRules) -> Callable[[Any], Document]:
    """The reader of a whole resource as POST and PUT send it; core attributes may stand under the URN of their schema.

    Read-only and write-only attributes are checked and left out; unknown ones are ignored, or refused when strict.
    Raises: InvalidValue, InvalidSyntax.
    """
    readers = _compile_attribute_readers(resource_type.by_name.values(), rules)
    extensions: dict[str, tuple[str | None, Reader]] = {
        urn: (schema.id, _compile_extension_reader(schema, rules))
        for urn, schema in resource_type.extension_by_urn.items()
    }
    core = replace(resource_type.schema, attributes=tuple(resource_type.by_name.values()))
    extensions[core.id.lower()] = None, _compile_extension_reader(core, rules)
    strict, limit = rules.strict, rules.limits.string_characters

    def read(value: Any) -> Document:
        if not isinstance(value, dict):
            raise InvalidSyntax(f"The body must be an object; {json_name(value)} was sent.")
        result: Document = {}
        under_urns = []  # joined last, so that the order of the keys does not matter
        for key, item in value.items():
            found = readers.get(key) or readers.get(key.lower())
            if found is not None:
                name, read_item, is_plain = found
                canonical = item if is_plain and type(item) is str and len(item) <= limit else read_item(item)
                if canonical is not None:
                    if name in result:
                        raise InvalidValue(f"{name} is given twice, in different letter case.")
                    result[name] = canonical
                continue
            extension = extensions.get(key.lower())
            if extension is not None:
                urn, read_extension = extension
                under_urns.append((urn, read_extension(item)))
            elif strict and key.lower() not in resource_type.urns:
                raise InvalidValue(f"{key} is unknown. Look at /Schemas for the names.")
        for urn, values in under_urns:
            _merge_extension(result, urn, values)
        return finish_document(result, resource_type, strict=strict)

    return read


def finish_document(document: Document, resource_type: ResourceType, *, strict: bool) -> Document:
    """The canonical document of one whose values are read. Raises: InvalidValue."""
    _check_schemas(document.pop("schemas", None), resource_type, strict=strict)
    check_required(document, resource_type)
    return complete(document, resource_type)


def _merge_extension(result: Document, urn: str | None, values: dict[str, Any] | None) -> None:
    """Joins what was sent under the two URNs of one extension, or in and beside the object of the core schema."""
    if values is None:
        return
    present = result if urn is None else result.setdefault(urn, {})
    for name, item in values.items():
        if present.setdefault(name, item) != item:
            raise InvalidValue(f"{urn or 'The core schema'}:{name} is given twice with different values.")


def _check_schemas(sent: list[str] | None, resource_type: ResourceType, *, strict: bool) -> None:
    core = resource_type.schema.id
    if sent is None:
        # Lenient: the samples of 8x8 send no schemas.
        if strict:
            raise InvalidValue(f"schemas is required and must hold {core}.")
        return
    if core in sent and not strict:
        return
    lowered = {urn.lower() for urn in sent}
    if core.lower() not in lowered:
        raise InvalidValue(f"schemas must hold {core}.")
    if strict and (unknown := lowered - resource_type.urns):
        raise InvalidValue(f"schemas names what this service does not know: {', '.join(sorted(unknown))}.")


def _ignore(value: Any) -> None:
    """What a client sends of an attribute that only the service writes. Source: RFC 7644 §3.3."""


def _compile_attribute_readers(
    attributes: Iterable[AttributeDefinition], rules: ReadingRules
) -> dict[str, NamedReader]:
    readers: dict[str, NamedReader] = {}
    for attribute in attributes:
        named = named_reader(attribute, rules)
        if attribute.mutability is Mutability.READ_ONLY:
            named = NamedReader(attribute.name, _ignore, is_plain=False)
        elif attribute.mutability is Mutability.WRITE_ONLY:
            named = NamedReader(attribute.name, _check_only(named.read), is_plain=False)
        readers[attribute.name] = readers[attribute.name.lower()] = named
    return readers


def _check_only(read: Reader) -> Reader:
    """A secret is checked and not kept: what is never shown needs no place in the document."""

    def check(value: Any) -> None:
        read(value)

    return check


def _compile_extension_reader(schema: SchemaDefinition, rules: ReadingRules) -> Reader:
    readers = _compile_attribute_readers(schema.attributes, rules)
    read_named = compile_object_reader(f"{schema.id}:", readers, rules)

    def read(value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InvalidValue(f"{schema.id} must be an object; {json_name(value)} was sent.")
        return read_named(value) or None

    return read


def check_required(document: Document, resource_type: ResourceType) -> None:
    """Raises: InvalidValue when a required attribute has no value."""
    missing = missing_required(document, resource_type)
    if missing is not None:
        raise InvalidValue(f"{missing} is required and is missing or empty.")


def missing_required(document: Document, resource_type: ResourceType) -> str | None:
    """The name of a required attribute that has no value, or None."""
    for extension in resource_type.extensions:
        if extension.required and extension.mirror_of is None and not document.get(extension.schema.id):
            return extension.schema.id
    for urn, name in resource_type.required:
        if urn is None:
            if _is_blank(document.get(name)):
                return name
        elif (values := document.get(urn)) and _is_blank(values.get(name)):
            return f"{urn}:{name}"
    return None


def missing_part(document: Document, resource_type: ResourceType) -> str | None:
    """The name of a required part that the value of a single complex attribute lacks, or None."""
    for urn, name, part in resource_type.required_parts:
        value = (document if urn is None else document.get(urn, {})).get(name)
        if value is not None and value.get(part) in (None, ""):
            return f"{name}.{part}" if urn is None else f"{urn}:{name}.{part}"
    return None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def complete(document: Document, resource_type: ResourceType) -> Document:
    """The document in canonical order with `schemas` saying what is in it and mirrored extensions shown twice."""
    schemas = [resource_type.schema.id]
    result: Document = {"schemas": schemas}
    for name in ("id", "externalId"):
        if name in document:
            result[name] = document[name]
    extensions: Document = {}
    by_urn = resource_type.extension_by_urn
    for extension in resource_type.extensions:
        urn = extension.schema.id
        values = document.get(extension.mirror_of or urn)
        if values:
            schemas.append(urn)
            extensions[urn] = values
    for name, value in document.items():
        # Every URN has a colon, and no attribute's name.
        if name not in result and name != "meta" and (":" not in name or name.lower() not in by_urn):
            result[name] = value
    result.update(extensions)
    if "meta" in document:
        result["meta"] = document["meta"]
    return result
