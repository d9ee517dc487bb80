"""PATCH paths: parsed, and bound to a resource type.

Source: RFC 7644 §3.5.2, figure 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from muster.scim.attributes import AttributeDefinition, AttributeType
from muster.scim.errors import InvalidPath
from muster.scim.evaluation import Predicate, bind_element_filter, compile_element_filter
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    Filter,
    FilterOperator,
    Or,
    parse_attribute_path,
    parse_filter,
    render_attribute_path,
    render_filter,
)
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.resources import ResourceType


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPath:
    """`attribute[filter].sub_attribute`; without a filter the sub-attribute is part of `attribute`."""

    attribute: AttributePath
    filter: Filter | None = None
    sub_attribute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundPath:
    """A path resolved in a resource type. `attribute` None: the extension whole. `described` holds the values that an
    element must have to be found by the filter, or None when the filter says more than equality."""

    text: str
    extension: str | None
    attribute: AttributeDefinition | None
    sub_attribute: AttributeDefinition | None = None
    selects: Predicate | None = None
    described: Mapping[str, Any] | None = None
    wanted_values: tuple[str, ...] | None = None


def parse_path(text: str, *, limits: Limits = DEFAULT_LIMITS) -> PatchPath:
    """The syntax tree of a PATCH path. Raises: InvalidPath; InvalidFilter for what is in the brackets."""
    if len(text) > limits.path_characters:
        raise InvalidPath(f"The path has {len(text)} characters; the limit (path length) is {limits.path_characters}.")
    head, bracket, rest = text.strip(" ").partition("[")
    attribute = parse_attribute_path(head)
    if attribute is None:
        raise InvalidPath(f'{text!r} is not a path. Write it like name.familyName or emails[type eq "work"].value.')
    if not bracket:
        return PatchPath(attribute=attribute)
    inner, closing, tail = rest.rpartition("]")
    if not closing or (tail and not tail.startswith(".")) or attribute.sub_attribute is not None:
        raise InvalidPath(f'{text!r} is not a path. Write a filter like emails[type eq "work"].value.')
    sub_attribute = tail[1:] or None
    if tail and (
        sub_attribute is None or parse_attribute_path(sub_attribute) != AttributePath(attribute=sub_attribute)
    ):
        raise InvalidPath(f"{text!r} has {tail!r} after the bracket, where the name of a sub-attribute should be.")
    return PatchPath(attribute=attribute, filter=parse_filter(inner, limits=limits), sub_attribute=sub_attribute)


def render_path(path: PatchPath) -> str:
    """The path as text; parsing it gives the same path."""
    selection = "" if path.filter is None else f"[{render_filter(path.filter)}]"
    suffix = "" if path.sub_attribute is None else f".{path.sub_attribute}"
    return f"{render_attribute_path(path.attribute)}{selection}{suffix}"


@lru_cache(maxsize=2048)
def bound_path(
    text: str, resource_type: ResourceType, limits: Limits = DEFAULT_LIMITS, *, strict: bool = True
) -> BoundPath:
    """The bound path of a text. Cached: clients send the same few paths.

    Raises: InvalidPath, also for a name that the type does not have; InvalidFilter.
    """
    path = parse_path(text, limits=limits)
    resolved = resource_type.resolve(path.attribute)
    if resolved is None:
        raise InvalidPath(f"{text!r} names nothing that {resource_type.name} has. Look at /Schemas for the names.")
    attribute = resolved.attribute
    if path.filter is None:
        return BoundPath(
            text=text, extension=resolved.extension, attribute=attribute, sub_attribute=resolved.sub_attribute
        )
    if attribute is None or not (attribute.is_complex and attribute.multi_valued):
        raise InvalidPath(f"{text!r} filters an attribute that does not hold several values with sub-attributes.")
    sub_attribute = None
    if path.sub_attribute is not None:
        sub_attribute = attribute.sub_attribute(path.sub_attribute)
        if sub_attribute is None:
            raise InvalidPath(f"{text!r} names the sub-attribute {path.sub_attribute}, which {attribute.name} has not.")
    bound = bind_element_filter(path.filter if strict else _with_booleans(path.filter, attribute), attribute)
    return BoundPath(
        text=text,
        extension=resolved.extension,
        attribute=attribute,
        sub_attribute=sub_attribute,
        selects=compile_element_filter(bound, attribute),
        described=_described(bound),
        wanted_values=_wanted_values(bound),
    )


def _with_booleans(tree: Filter, attribute: AttributeDefinition) -> Filter:
    """The filter with booleans that were written as texts.

    Lenient: Entra's SingleAppRoleAssignment is mapped to `roles[primary eq "True"].value`.
    """
    match tree:
        case Comparison(value="True" | "False"):
            compared = attribute.sub_attribute(tree.attribute.attribute)
            if compared is not None and compared.type is AttributeType.BOOLEAN:
                return replace(tree, value=tree.value == "True")
        case And() | Or():
            return replace(tree, filters=tuple(_with_booleans(part, attribute) for part in tree.filters))
    return tree


def _described(bound: Filter) -> dict[str, Any] | None:
    """The values that equality comparisons joined by `and` ask for; None for any other filter."""
    described: dict[str, Any] = {}
    for part in bound.filters if isinstance(bound, And) else (bound,):
        if not isinstance(part, Comparison) or part.operator is not FilterOperator.EQUAL:
            return None
        described[part.attribute.attribute] = part.value
    return described


def _wanted_values(bound: Filter) -> tuple[str, ...] | None:
    """The ids of a filter that only asks for `value eq` one of them; None for any other filter."""
    wanted: list[str] = []
    for part in bound.filters if isinstance(bound, Or) else (bound,):
        if (
            not isinstance(part, Comparison)
            or part.operator is not FilterOperator.EQUAL
            or part.attribute.attribute != "value"
            or not isinstance(part.value, str)
        ):
            return None
        wanted.append(part.value)
    return tuple(wanted)
