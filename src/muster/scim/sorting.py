"""Sorting: the attribute a list is ordered by, and the key of a document.

Source: RFC 7644 §3.4.2.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from muster.scim.attributes import Returned
from muster.scim.errors import InvalidPath, InvalidValue
from muster.scim.filters import AttributePath, parse_attribute_path
from muster.scim.repository import Document
from muster.scim.resources import ResolvedAttribute, ResourceType
from muster.scim.values import sort_key


@lru_cache(maxsize=256)
def bound_sort(text: str, resource_type: ResourceType) -> AttributePath:
    """The canonical path of `sortBy`; a complex attribute stands for its `value`. Raises: InvalidPath."""
    path = parse_attribute_path(text.strip())
    resolved = None if path is None else resource_type.resolve(path)
    if resolved is None or resolved.attribute is None or resolved.leaf is None:
        raise InvalidPath(f"sortBy names {text!r}, which is not an attribute of {resource_type.name}.")
    attribute, sub = resolved.attribute, resolved.sub_attribute
    if resolved.leaf.is_complex:
        sub = resolved.leaf.sub_attribute("value")
        if sub is None:
            raise InvalidPath(f"sortBy names {text!r}, which has no value of its own. Name one of its sub-attributes.")
    if any(each is not None and each.returned is Returned.NEVER for each in (attribute, resolved.sub_attribute, sub)):
        # The order would tell what the value is, bit by bit.
        raise InvalidPath(f"sortBy names {text!r}, which is never shown.")
    return AttributePath(
        schema=resolved.extension, attribute=attribute.name, sub_attribute=None if sub is None else sub.name
    )


def is_descending(sort_order: str | None) -> bool:
    """Raises: InvalidValue for anything but ascending and descending."""
    if sort_order is None:
        return False
    order = sort_order.lower()
    if order not in ("ascending", "descending"):
        raise InvalidValue("sortOrder must be ascending or descending.")
    return order == "descending"


def sort_documents(
    documents: Iterable[Document], sort_by: AttributePath, resource_type: ResourceType, *, descending: bool
) -> list[Document]:
    """The documents in order; those without a value come last, or first when descending."""
    resolved = resource_type.resolve(sort_by)
    assert resolved is not None and resolved.leaf is not None  # noqa: S101 - bound_sort made it
    leaf = resolved.leaf
    present: list[tuple[Any, Document]] = []
    absent: list[Document] = []
    for document in documents:
        value = _value_of(document, resolved)
        if value is None:
            absent.append(document)
        else:
            present.append((sort_key(leaf, value), document))
    present.sort(key=lambda pair: pair[0], reverse=descending)
    ordered = [document for _, document in present]
    return absent + ordered if descending else ordered + absent


def order_of(document: Document, sort_by: AttributePath, resource_type: ResourceType) -> Any:
    """What a document is ordered by, or None when it has no value."""
    resolved = resource_type.resolve(sort_by)
    assert resolved is not None and resolved.leaf is not None  # noqa: S101 - bound_sort made it
    value = _value_of(document, resolved)
    return None if value is None else sort_key(resolved.leaf, value)


def _value_of(document: Document, resolved: ResolvedAttribute) -> Any:
    """The value ordered by: of a multi-valued attribute the primary one, else the first."""
    attribute, sub = resolved.attribute, resolved.sub_attribute
    holder = document if resolved.extension is None else document.get(resolved.extension, {})
    value = holder.get(attribute.name) if attribute is not None else None
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict) and item.get("primary") is True), value[0])
    return value.get(sub.name) if sub is not None and isinstance(value, dict) else value
