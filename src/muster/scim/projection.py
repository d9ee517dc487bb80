"""What of a resource is shown: `attributes`, `excludedAttributes` and the characteristic `returned`.

Source: RFC 7643 §7 (returned); RFC 7644 §3.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from muster.scim.attributes import AttributeDefinition, Mutability, Returned
from muster.scim.errors import InvalidValue
from muster.scim.filters import parse_attribute_path
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.repository import Document
from muster.scim.resources import ResolvedAttribute, ResourceType

Projection = Callable[[Document], Document]
_Names = tuple[str, ...]
_Tree = dict[str, Any]


def split_names(text: str | None) -> _Names:
    """The names of a comma-separated parameter."""
    return tuple(name for part in (text or "").split(",") if (name := part.strip()))


@lru_cache(maxsize=512)
def compile_projection(
    resource_type: ResourceType, attributes: _Names, excluded: _Names, limits: Limits = DEFAULT_LIMITS
) -> Projection | None:
    """The function that leaves out what is not shown; None when everything stored is. Names that the type does not
    have ask for nothing. When both lists are given, the excluded names are taken out of those asked for.

    Raises: InvalidValue when a list is too long.
    """
    if len(attributes) + len(excluded) > limits.attribute_names:
        raise InvalidValue(
            f"attributes and excludedAttributes name more than the limit (attribute names) of {limits.attribute_names}."
        )
    if not attributes and not excluded:
        return (
            _compile_exclusion(resource_type, _hidden_by_default(resource_type))
            if _hidden_by_default(resource_type)
            else None
        )
    steps: list[Projection] = []
    if attributes:
        steps.append(_compile_inclusion(resource_type, _resolve_all(resource_type, attributes)))
        secret = _secrets(resource_type)
        if secret:
            steps.append(_compile_exclusion(resource_type, secret))
    else:
        hidden = _hidden_by_default(resource_type)
        if hidden:
            steps.append(_compile_exclusion(resource_type, hidden))
    if excluded:
        steps.append(_compile_exclusion(resource_type, _resolve_all(resource_type, excluded)))

    def project(document: Document) -> Document:
        for step in steps:
            document = step(document)
        return document

    return project


def wants(resource_type: ResourceType, name: str, attributes: _Names, excluded: _Names) -> bool:
    """Whether a whole top-level attribute can be in the answer at all; False saves reading it."""

    def is_named(names: _Names, *, whole: bool) -> bool:
        return any(
            resolved.attribute is not None
            and resolved.attribute.name == name
            and (not whole or resolved.sub_attribute is None)
            for resolved in _resolve_all(resource_type, names)
        )

    return not is_named(excluded, whole=True) and (not attributes or is_named(attributes, whole=False))


def _resolve_all(resource_type: ResourceType, names: _Names) -> list[ResolvedAttribute]:
    paths = (parse_attribute_path(name) for name in names)
    resolved = (resource_type.resolve(path) for path in paths if path is not None)
    return [item for item in resolved if item is not None]


def _hidden_by_default(resource_type: ResourceType) -> list[ResolvedAttribute]:
    """What is shown on request only, or never."""
    asked_for = [item for item in _all_names(resource_type) if item.leaf and item.leaf.returned is Returned.REQUEST]
    return asked_for + _secrets(resource_type)


def _secrets(resource_type: ResourceType) -> list[ResolvedAttribute]:
    """What is kept and never shown; what is write-only is not even kept."""
    return [
        item
        for item in _all_names(resource_type)
        if item.leaf and item.leaf.returned is Returned.NEVER and item.leaf.mutability is not Mutability.WRITE_ONLY
    ]


def _all_names(resource_type: ResourceType) -> Iterable[ResolvedAttribute]:
    """Every attribute and sub-attribute of the type."""
    named: list[tuple[str | None, AttributeDefinition]] = [(None, item) for item in resource_type.by_name.values()]
    for extension in resource_type.extensions:
        named += [(extension.schema.id, attribute) for attribute in extension.schema.attributes]
    for urn, attribute in named:
        yield ResolvedAttribute(extension=urn, attribute=attribute)
        for sub in attribute.sub_attributes:
            yield ResolvedAttribute(extension=urn, attribute=attribute, sub_attribute=sub)


def _compile_inclusion(resource_type: ResourceType, asked: list[ResolvedAttribute]) -> Projection:
    always = [item for item in _all_names(resource_type) if item.leaf and item.leaf.returned is Returned.ALWAYS]
    tree = _grow(resource_type, [*asked, *always])
    return lambda document: _keep(document, tree)


def _compile_exclusion(resource_type: ResourceType, hidden: list[ResolvedAttribute]) -> Projection:
    tree = _grow(
        resource_type,
        [item for item in hidden if item.leaf is None or item.leaf.returned is not Returned.ALWAYS],
    )
    return lambda document: _drop(document, tree)


def _grow(resource_type: ResourceType, resolved: list[ResolvedAttribute]) -> _Tree:
    """The names as a tree; None marks what is meant whole."""
    root: _Tree = {}
    for item in resolved:
        names = [part.name for part in (item.attribute, item.sub_attribute) if part is not None]
        if item.extension is None:
            _plant(root, names)
            continue
        mirrors = [urn for urn, original in resource_type.mirrors.items() if original == item.extension]
        for urn in (item.extension, *mirrors):
            _plant(root, [urn, *names])
    return root


def _plant(tree: _Tree, names: list[str]) -> None:
    for name in names[:-1]:
        branch = tree.setdefault(name, {})
        if branch is None:
            return
        tree = branch
    tree[names[-1]] = None


def _keep(value: Any, tree: _Tree) -> Any:
    if isinstance(value, list):
        return [kept for element in value if (kept := _keep(element, tree))]
    result = {}
    for name, item in value.items():
        if name in tree:
            branch = tree[name]
            kept = item if branch is None else _keep(item, branch)
            if kept not in ([], {}):
                result[name] = kept
    return result


def _drop(value: Any, tree: _Tree) -> Any:
    if isinstance(value, list):
        return [left for element in value if (left := _drop(element, tree))]
    result = {}
    for name, item in value.items():
        if name not in tree:
            result[name] = item
        elif (branch := tree[name]) is not None and (left := _drop(item, branch)):
            result[name] = left
    return result
