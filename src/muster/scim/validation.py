"""Readers of client values, compiled once from the schema: they check types and give the canonical form.

A reader raises InvalidValue naming the attribute, and gives None for what counts as no value (null, an empty list).
Source: RFC 7643 §2; RFC 7644 §3.3, §3.5.1.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.errors import InvalidSyntax, InvalidValue
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.schemas import SchemaDefinition
from muster.scim.values import parse_instant

Reader = Callable[[Any], Any]


class NamedReader(NamedTuple):
    """How the value of one attribute is read, and the name it is kept under. A text within the limit is what the reader
    of `is_plain` would give back: it need not be called."""

    name: str
    read: Reader
    is_plain: bool


_BOOLEAN_TEXTS = {"true": True, "false": False}
_JSON_NAMES = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """How strictly values are read, and within which limits."""

    strict: bool = False
    limits: Limits = DEFAULT_LIMITS

    def __hash__(self) -> int:
        return hash(self.strict)


def json_name(value: object) -> str:
    """The kind of a JSON value in words."""
    return _JSON_NAMES.get(type(value), "null")


def _refusal(definition: AttributeDefinition, wanted: str, value: object) -> InvalidValue:
    return InvalidValue(f"{definition.name} must be {wanted}; {json_name(value)} was sent.")


def _prefixed(prefix: str, refused: InvalidValue) -> InvalidValue:
    return InvalidValue(f"{prefix}.{refused.detail}")


@lru_cache(maxsize=4096)
def compile_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    """The reader of a whole attribute value."""
    element = compile_element_reader(definition, rules)
    return _compile_list_reader(definition, element, rules) if definition.multi_valued else element


@lru_cache(maxsize=4096)
def compile_element_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    """The reader of one value of an attribute, single or one of several."""
    match definition.type:
        case AttributeType.COMPLEX:
            return _compile_complex_reader(definition, rules)
        case AttributeType.BOOLEAN:
            return _compile_boolean_reader(definition, rules)
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return _compile_number_reader(definition)
        case _:
            return _compile_text_reader(definition, rules)


def takes_any_text(definition: AttributeDefinition) -> bool:
    """Whether a text of its values is kept as it was sent, which is nearly all that clients send."""
    return definition.type in (AttributeType.STRING, AttributeType.REFERENCE) and not definition.enforced


def holds_each_once(definition: AttributeDefinition) -> bool:
    """Whether it is a list of references, such as members, which holds each id once."""
    value = definition.sub_attribute("value")
    return value is not None and value.required and not value.multi_valued and value.mutability is Mutability.IMMUTABLE


def _compile_text_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    limit = rules.limits.string_characters
    check = _TEXT_CHECKS.get(definition.type)
    allowed = frozenset(definition.canonical_values) if definition.enforced else None
    unwrap = definition.multi_valued and not rules.strict

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            if unwrap and isinstance(value, dict) and isinstance(value.get("value"), str):
                # Lenient: Entra sends the values of a plain list as objects, `[{"value": "1"}]`.
                return read(value["value"])
            raise _refusal(definition, "a text", value)
        if len(value) > limit:
            raise InvalidValue(f"{definition.name} is longer than the limit (text length) of {limit} characters.")
        if check is not None and value:
            check(definition, value)
        if allowed is not None and value not in allowed:
            raise InvalidValue(f"{definition.name} must be one of {', '.join(sorted(allowed))}.")
        return value

    return read


def _check_instant(definition: AttributeDefinition, value: str) -> None:
    if parse_instant(value) is None:
        raise InvalidValue(f"{definition.name} must be a date and time such as 2026-01-31T08:00:00Z.")


def _check_binary(definition: AttributeDefinition, value: str) -> None:
    try:
        binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except ValueError:
        raise InvalidValue(f"{definition.name} must be bytes in base64.") from None


_TEXT_CHECKS = {AttributeType.DATE_TIME: _check_instant, AttributeType.BINARY: _check_binary}


def _compile_boolean_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    texts: Mapping[str, bool] = {} if rules.strict else _BOOLEAN_TEXTS

    def read(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        # Lenient: Entra without aadOptscim062020 sends "True" and "False".
        if isinstance(value, str) and value.lower() in texts:
            return texts[value.lower()]
        raise _refusal(definition, "true or false", value)

    return read


def _compile_number_reader(definition: AttributeDefinition) -> Reader:
    whole = definition.type is AttributeType.INTEGER

    def read(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise _refusal(definition, "a whole number" if whole else "a number", value)
        return value

    return read


def _compile_complex_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    readers: dict[str, NamedReader] = {}
    ignored: set[str] = set()
    for sub in definition.sub_attributes:
        if sub.mutability is Mutability.READ_ONLY:
            ignored.add(sub.name.lower())
            continue
        readers[sub.name] = readers[sub.name.lower()] = _named_reader(sub, rules)
    required = tuple(sub.name for sub in definition.sub_attributes if sub.required)
    strict, limit = rules.strict, rules.limits.string_characters
    single_value = not strict and not definition.multi_valued and "value" in readers

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            if value is None:
                return None
            if not single_value:
                raise _refusal(definition, "an object", value)
            if value == "":
                return None
            # Lenient: Entra sends the manager as a bare id, or as a list of one.
            if isinstance(value, str):
                value = {"value": value}
            elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
                value = value[0]
            else:
                raise _refusal(definition, "an object", value)
        result: dict[str, Any] = {}
        for key, item in value.items():
            found = readers.get(key) or readers.get(key.lower())
            if found is None:
                if strict and key.lower() not in ignored:
                    raise InvalidValue(f"{definition.name}.{key} is unknown. Look at /Schemas for the names.")
                continue
            name, read_item, is_plain = found
            if is_plain and type(item) is str and len(item) <= limit:
                canonical = item
            else:
                try:
                    canonical = read_item(item)
                except InvalidValue as refused:
                    raise _prefixed(definition.name, refused) from None
            if canonical is not None:
                if name in result:
                    raise InvalidValue(f"{definition.name}.{name} is given twice, in different letter case.")
                result[name] = canonical
        for name in required:
            if result.get(name) in (None, ""):
                raise InvalidValue(f"{definition.name}.{name} is required and is missing.")
        return result or None

    return read


def _compile_list_reader(definition: AttributeDefinition, element: Reader, rules: ReadingRules) -> Reader:
    limit = rules.limits.elements
    has_primary = definition.sub_attribute("primary") is not None
    distinct = holds_each_once(definition)

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise _refusal(definition, "a list", value)
        if len(value) > limit:
            raise InvalidValue(f"{definition.name} has {len(value)} values; the limit (elements) is {limit}.")
        result = [canonical for item in value if (canonical := element(item)) is not None]
        if has_primary and len(result) > 1 and sum(1 for item in result if item.get("primary") is True) > 1:
            raise InvalidValue(f"{definition.name} has more than one value with primary true; only one may have it.")
        if distinct:
            result = list({item["value"]: item for item in result}.values())
        return result or None

    return read


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
        named = _named_reader(attribute, rules)
        if attribute.mutability is Mutability.READ_ONLY:
            named = NamedReader(attribute.name, _ignore, is_plain=False)
        elif attribute.mutability is Mutability.WRITE_ONLY:
            named = NamedReader(attribute.name, _check_only(named.read), is_plain=False)
        readers[attribute.name] = readers[attribute.name.lower()] = named
    return readers


def _named_reader(definition: AttributeDefinition, rules: ReadingRules) -> NamedReader:
    is_plain = takes_any_text(definition) and not definition.multi_valued
    return NamedReader(definition.name, compile_reader(definition, rules), is_plain)


def _check_only(read: Reader) -> Reader:
    """A secret is checked and not kept: what is never shown needs no place in the document."""
    return lambda value: _ignore(read(value))


def _compile_extension_reader(schema: SchemaDefinition, rules: ReadingRules) -> Reader:
    readers = _compile_attribute_readers(schema.attributes, rules)
    limit = rules.limits.string_characters

    def read(value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InvalidValue(f"{schema.id} must be an object; {json_name(value)} was sent.")
        result: dict[str, Any] = {}
        for key, item in value.items():
            found = readers.get(key) or readers.get(key.lower())
            if found is None:
                if rules.strict:
                    raise InvalidValue(f"{schema.id}:{key} is unknown. Look at /Schemas for the names.")
                continue
            name, read_item, is_plain = found
            if is_plain and type(item) is str and len(item) <= limit:
                canonical = item
            else:
                try:
                    canonical = read_item(item)
                except InvalidValue as refused:
                    raise InvalidValue(f"{schema.id}:{refused.detail}") from None
            if canonical is not None:
                result[name] = canonical
        return result or None

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
