"""What is left of a filter for a type that lacks some of the attributes it names: those count as having no value.

Source: RFC 7644 §3.4.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from muster.scim.filters import And, AttributePath, Comparison, Filter, FilterOperator, Not, Or, Presence, ValuePath
from muster.scim.resources import ResourceType


def reduce_filter(tree: Filter, resource_type: ResourceType) -> Filter | bool:
    """The filter without what the type does not have, or whether all of its resources satisfy it."""
    match tree:
        case Comparison():
            if resource_type.resolve(tree.attribute) is not None:
                return tree
            # What has no value equals null and differs from every text.
            return tree.operator is (FilterOperator.EQUAL if tree.value is None else FilterOperator.NOT_EQUAL)
        case Presence() | ValuePath():
            return tree if resource_type.resolve(tree.attribute) is not None else False
        case Not():
            inner = reduce_filter(tree.filter, resource_type)
            return not inner if isinstance(inner, bool) else Not(filter=inner)
        case And() | Or():
            parts = [reduce_filter(part, resource_type) for part in tree.filters]
            decides = isinstance(tree, Or)
            if decides in parts:
                return decides
            left = tuple(part for part in parts if not isinstance(part, bool))
            if len(left) > 1:
                return replace(tree, filters=left)
            return left[0] if left else not decides
        case _:  # pragma: no cover - every kind of node is above
            assert_never(tree)


def named_attributes(tree: Filter) -> Iterator[AttributePath]:
    """The attributes that a filter names, but not those within brackets."""
    match tree:
        case Comparison() | Presence() | ValuePath():
            yield tree.attribute
        case Not():
            yield from named_attributes(tree.filter)
        case And() | Or():
            for part in tree.filters:
                yield from named_attributes(part)
        case _:  # pragma: no cover - every kind of node is above
            assert_never(tree)
