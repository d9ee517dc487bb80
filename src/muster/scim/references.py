"""The `$ref` of references to one resource, such as a manager: made when a resource is shown, from the id beside it.

Source: RFC 7643 §2.4, §4.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from muster.scim.attributes import AttributeDefinition
from muster.scim.repository import Document
from muster.scim.resources import ResourceType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A complex attribute with `value` and `$ref`, and the endpoint that the ids in it belong to."""

    extension: str | None
    attribute: str
    endpoint: str

    def address(self, base_url: str, resource_id: str) -> str:
        """Where the resource is."""
        return f"{base_url}{self.endpoint}/{quote(resource_id, safe='')}"


class References:
    """The references of one resource type to types of the same service."""

    def __init__(self, resource_type: ResourceType, resource_types: Iterable[ResourceType]) -> None:
        endpoints = {other.name: other.endpoint for other in resource_types}
        holders: list[tuple[str | None, tuple[AttributeDefinition, ...]]] = [(None, resource_type.schema.attributes)]
        holders += [(item.schema.id, item.schema.attributes) for item in resource_type.canonical_extensions]
        self._references = tuple(
            Reference(extension=extension, attribute=attribute.name, endpoint=endpoint)
            for extension, attributes in holders
            for attribute in attributes
            if (endpoint := _referenced(attribute, endpoints)) is not None
        )

        self._names = tuple(orjson.dumps(reference.attribute) + b":" for reference in self._references)

    def may_concern(self, body: bytes) -> bool:
        """Whether a resource with this JSON, written without spaces, may hold a reference; False is certain."""
        for name in self._names:  # noqa: SIM110 - runs at every resource served, and any() costs four times as much
            if name in body:
                return True
        return False

    def show(self, document: Document, base_url: str) -> Document:
        """The document with each missing `$ref`; the very same object when none is missing."""
        for reference in self._references:
            value = _value_at(document, reference)
            if value is not None and "$ref" not in value and value.get("value"):
                shown = {**value, "$ref": reference.address(base_url, value["value"])}
                document = _with_value(document, reference, shown)
        return document

    def strip(self, document: Document, base_url: str) -> Document:
        """The document without what `show` would add: a client may send back what it was shown."""
        for reference in self._references:
            value = _value_at(document, reference)
            if value and value.get("value") and value.get("$ref") == reference.address(base_url, value["value"]):
                kept = {name: item for name, item in value.items() if name != "$ref"}
                document = _with_value(document, reference, kept)
        return document


def _referenced(attribute: AttributeDefinition, endpoints: dict[str, str]) -> str | None:
    """The endpoint that a reference points into, when there is exactly one."""
    link = attribute.sub_attribute("$ref")
    if link is None or attribute.multi_valued or attribute.sub_attribute("value") is None:
        return None
    return endpoints.get(link.reference_types[0]) if len(link.reference_types) == 1 else None


def _value_at(document: Document, reference: Reference) -> Document | None:
    holder = document if reference.extension is None else document.get(reference.extension, {})
    value: Document | None = holder.get(reference.attribute)
    return value


def _with_value(document: Document, reference: Reference, value: Document) -> Document:
    if reference.extension is None:
        return {**document, reference.attribute: value}
    holder = {**document[reference.extension], reference.attribute: value}
    return {**document, reference.extension: holder}
