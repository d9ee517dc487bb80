"""Filters joined with a resource type: bound (names canonical, types checked) and compiled to predicates.

An attribute without a value differs from every value: `ne` is true of it, every other comparison false.
A comparison of a multi-valued attribute is true when it is true of one of its values.
Source: RFC 7644 §3.4.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, assert_never

from muster.scim.attributes import AttributeDefinition, AttributeType, Returned
from muster.scim.errors import InvalidFilter
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    Filter,
    FilterOperator,
    Not,
    Or,
    Presence,
    ValuePath,
    parse_filter,
    render_attribute_path,
)
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.repository import Document
from muster.scim.resources import ResolvedAttribute, ResourceType
from muster.scim.values import Test, check_comparable, compile_test

Predicate = Callable[[Document], bool]
_Resolve = Callable[[AttributePath], ResolvedAttribute | None]


# What clients ask most: one attribute compared with one text that holds nothing escaped.
_TEXT_COMPARISON = re.compile(r'([A-Za-z][A-Za-z0-9.]{0,80}) ([A-Za-z]{2}) "([^"\\\x00-\x1f]*)"')


def bound_filter(text: str, resource_type: ResourceType, limits: Limits = DEFAULT_LIMITS) -> Filter:
    """The bound filter of a text. Raises: InvalidFilter."""
    simple = _TEXT_COMPARISON.fullmatch(text) if len(text) <= limits.filter_characters else None
    if simple is not None:
        name, operator, value = simple.groups()
        form = _bound_form(name, operator, resource_type)
        if form is not None:
            return Comparison(attribute=form.attribute, operator=form.operator, value=value)
    return _bound_whole(text, resource_type, limits)


@lru_cache(maxsize=512)
def _bound_whole(text: str, resource_type: ResourceType, limits: Limits) -> Filter:
    """Cached: of such filters clients send the same few."""
    return bind_filter(parse_filter(text, limits=limits), resource_type)


@lru_cache(maxsize=512)
def _bound_form(name: str, operator: str, resource_type: ResourceType) -> Comparison | None:
    """The comparison of an attribute that takes any text, for a text to be put in; None when there is more to it."""
    try:
        bound = bind_filter(parse_filter(f'{name} {operator} "x"'), resource_type)
    except InvalidFilter:
        return None
    assert isinstance(bound, Comparison)  # noqa: S101 - only null is bound to something else
    resolved = resource_type.resolve(bound.attribute)
    leaf = None if resolved is None else resolved.leaf
    return bound if leaf is not None and leaf.type is AttributeType.STRING else None


def bind_filter(tree: Filter, resource_type: ResourceType) -> Filter:
    """The filter with canonical names (schema None for the core schema), the default sub-attribute `value` filled in,
    null written as absence (`eq null` is `not (x pr)`), and every comparison checked by type.

    Raises: InvalidFilter.
    """
    return _bind(tree, resource_type.resolve, resource_type.name)


def bind_element_filter(tree: Filter, attribute: AttributeDefinition) -> Filter:
    """The same for a filter over the elements of one complex attribute. Raises: InvalidFilter."""

    def resolve(path: AttributePath) -> ResolvedAttribute | None:
        if path.schema is not None or path.sub_attribute is not None:
            return None
        sub = attribute.sub_attribute(path.attribute)
        return None if sub is None else ResolvedAttribute(extension=None, attribute=sub)

    return _bind(tree, resolve, attribute.name)


def _bind(tree: Filter, resolve: _Resolve, owner: str) -> Filter:
    match tree:
        case Comparison():
            return _bind_comparison(tree, resolve, owner)
        case Presence():
            return Presence(attribute=_bound_path(_resolved(tree.attribute, resolve, owner)))
        case ValuePath():
            resolved = _resolved(tree.attribute, resolve, owner)
            if resolved.attribute is None or resolved.sub_attribute is not None or not resolved.attribute.is_complex:
                raise InvalidFilter(
                    f"{render_attribute_path(tree.attribute)} has no sub-attributes, so no filter in brackets fits it."
                )
            return ValuePath(
                attribute=_bound_path(resolved), filter=bind_element_filter(tree.filter, resolved.attribute)
            )
        case Not():
            return Not(filter=_bind(tree.filter, resolve, owner))
        case And():
            return And(filters=tuple(_bind(part, resolve, owner) for part in tree.filters))
        case Or():
            return Or(filters=tuple(_bind(part, resolve, owner) for part in tree.filters))
        case _:  # pragma: no cover - every kind of node is above
            assert_never(tree)


def _resolved(path: AttributePath, resolve: _Resolve, owner: str) -> ResolvedAttribute:
    resolved = resolve(path)
    name = render_attribute_path(path)
    if resolved is None:
        raise InvalidFilter(f"{name} is not an attribute of {owner}. Look at /Schemas for the names.")
    if resolved.leaf is not None and resolved.leaf.returned is Returned.NEVER:
        raise InvalidFilter(f"{name} is never shown, so it cannot be asked for in a filter.")
    return resolved


def _bound_path(resolved: ResolvedAttribute) -> AttributePath:
    if resolved.attribute is None:
        schema, _, name = (resolved.extension or "").rpartition(":")
        return AttributePath(schema=schema, attribute=name)
    sub = resolved.sub_attribute
    return AttributePath(
        schema=resolved.extension, attribute=resolved.attribute.name, sub_attribute=None if sub is None else sub.name
    )


def _bind_comparison(tree: Comparison, resolve: _Resolve, owner: str) -> Filter:
    resolved = _resolved(tree.attribute, resolve, owner)
    name = render_attribute_path(tree.attribute)
    if tree.value is None:
        present = Presence(attribute=_bound_path(resolved))
        match tree.operator:
            case FilterOperator.EQUAL:
                return Not(filter=present)
            case FilterOperator.NOT_EQUAL:
                return present
            case _:
                raise InvalidFilter(f"{name} can be compared with null by eq and ne only.")
    leaf = resolved.leaf
    if leaf is not None and leaf.is_complex:
        value = leaf.sub_attribute("value")
        if value is not None:
            resolved = ResolvedAttribute(extension=resolved.extension, attribute=leaf, sub_attribute=value)
        leaf = value
    if leaf is None:
        raise InvalidFilter(f"{name} has no value of its own to compare. Name one of its sub-attributes.")
    check_comparable(name, leaf, tree.operator, tree.value)
    return Comparison(attribute=_bound_path(resolved), operator=tree.operator, value=tree.value)


def compile_filter(bound: Filter, resource_type: ResourceType) -> Predicate:
    """A predicate of canonical documents for a bound filter."""
    return _compile(bound, resource_type.resolve)


def evaluate_filter(tree: Filter, document: Document, resource_type: ResourceType) -> bool:
    """Whether the document satisfies the filter. Raises: InvalidFilter."""
    return compile_filter(bind_filter(tree, resource_type), resource_type)(document)


def compile_element_filter(bound: Filter, attribute: AttributeDefinition) -> Predicate:
    """A predicate of the elements of a complex attribute for a filter bound to it."""

    def resolve(path: AttributePath) -> ResolvedAttribute | None:
        sub = attribute.sub_attribute(path.attribute)
        return None if sub is None else ResolvedAttribute(extension=None, attribute=sub)

    return _compile(bound, resolve)


def _compile(bound: Filter, resolve: _Resolve) -> Predicate:
    match bound:
        case Comparison():
            resolved = resolve(bound.attribute)
            assert resolved is not None and resolved.leaf is not None  # noqa: S101 - bound filters resolve
            return _any_value(resolved, compile_test(resolved.leaf, bound.operator, bound.value))
        case Presence():
            resolved = resolve(bound.attribute)
            assert resolved is not None  # noqa: S101 - bound filters resolve
            return _any_value(resolved, _is_present)
        case ValuePath():
            resolved = resolve(bound.attribute)
            assert resolved is not None and resolved.attribute is not None  # noqa: S101 - bound filters resolve
            return _any_value(resolved, _element_test(compile_element_filter(bound.filter, resolved.attribute)))
        case Not():
            inner = _compile(bound.filter, resolve)
            return lambda document: not inner(document)
        case And():
            parts = [_compile(part, resolve) for part in bound.filters]
            return lambda document: all(part(document) for part in parts)
        case Or():
            parts = [_compile(part, resolve) for part in bound.filters]
            return lambda document: any(part(document) for part in parts)
        case _:  # pragma: no cover - every kind of node is above
            assert_never(bound)


def _is_present(value: Any) -> bool:
    """Source: RFC 7644 table 3: `pr` is true of a value that is neither empty nor null."""
    return value is not None and value != "" and value != [] and value != {}


def _element_test(holds: Predicate) -> Test:
    return lambda element: element is not None and holds(element)


def _any_value(resolved: ResolvedAttribute, test: Test) -> Predicate:
    """A predicate that is true when the test holds of one of the values that the name stands for."""
    extension, attribute, sub = resolved.extension, resolved.attribute, resolved.sub_attribute
    if attribute is None:
        return lambda document: test(document.get(extension or ""))
    name = attribute.name
    sub_name = None if sub is None else sub.name
    many = attribute.multi_valued

    def holds(document: Document) -> bool:
        holder = document if extension is None else document.get(extension)
        value = None if holder is None else holder.get(name)
        if value is None:
            return test(None)
        if many:
            if sub_name is None:
                return any(test(element) for element in value)
            return any(test(element.get(sub_name)) for element in value)
        return test(value if sub_name is None else value.get(sub_name))

    return holds
