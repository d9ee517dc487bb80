"""PATCH applied: operations and a document give a new document.

Nothing of the given document is changed: what an operation touches is copied, the rest is shared.
Source: RFC 7644 §3.5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.scim.attributes import AttributeDefinition, Mutability
from muster.scim.errors import InvalidPath, InvalidValue, MutabilityViolation, NoTarget
from muster.scim.filters import parse_attribute_path
from muster.scim.operations import PatchOperation, PatchOperator, spelled_once
from muster.scim.paths import BoundPath, bound_path
from muster.scim.readers import ReadingRules, compile_element_reader, compile_reader, json_name
from muster.scim.replacement import check_immutable
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.sameness import Elements, without
from muster.scim.validation import complete, missing_part, missing_required

_Values = dict[str, Any]


def apply_operations(
    document: Document, operations: Sequence[PatchOperation], resource_type: ResourceType, rules: ReadingRules
) -> Document:
    """The document after all operations, in their order; `document` itself when they change nothing.

    Raises: ScimError; then nothing of it counts. Source: RFC 7644 §3.5.2.
    """
    draft = dict(document)
    for operation in operations:
        _Application(draft, resource_type, rules, operation).apply()
    missing = missing_required(draft, resource_type)
    if missing is not None and missing_required(document, resource_type) is None:
        if draft.get(missing) is not None:
            raise InvalidValue(f"{missing} is required and cannot be empty.")
        raise MutabilityViolation(f"{missing} is required and cannot be removed. Replace it instead.")
    part = missing_part(draft, resource_type)
    if part is not None and missing_part(document, resource_type) is None:
        raise InvalidValue(f"{part} is required and is missing.")
    check_immutable(draft, document, resource_type, keep=False)
    result = complete(draft, resource_type)
    return document if result == document else result


class _Application:
    """One operation on its way through a draft; the draft's own dict may change, what it holds may not."""

    def __init__(
        self, draft: Document, resource_type: ResourceType, rules: ReadingRules, operation: PatchOperation
    ) -> None:
        self._draft = draft
        self._type = resource_type
        self._rules = rules
        self._operation = operation
        self._operator = operation.operator

    def apply(self) -> None:
        if self._operation.path is None:
            self._write_object(self._operation.value)
        else:
            self._write(self._operation.path, self._operation.value)

    def _write_object(self, value: Any) -> None:
        """Without a path the value holds attributes. Source: RFC 7644 §3.5.2.1, §3.5.2.3."""
        if not isinstance(value, dict):
            raise InvalidValue(f"Without a path the value must be an object; {json_name(value)} was sent.")
        for key, item in value.items():
            if self._belongs_to_service(key, item) or (item is None and self._operator is PatchOperator.ADD):
                continue
            # Lenient: Entra writes dotted names and URNs as keys (`name.givenName`); a filter may be among them.
            try:
                path = bound_path(key, self._type, self._rules.limits, strict=self._rules.strict)
            except InvalidPath:
                if not self._may_ignore(key):
                    raise
                continue
            self._write(path, item)

    def _belongs_to_service(self, key: str, item: Any) -> bool:
        """Whether a key of a pathless value names what only the service says: `schemas`, `meta`, the own `id`.

        Lenient: Okta and authentik send the whole resource back, these among it.
        """
        name = key.lower()
        return name in ("schemas", "meta") or (name == "id" and item == self._draft.get("id"))

    def _write(self, path: BoundPath, value: Any) -> None:
        attribute = path.attribute
        if attribute is None:
            self._write_extension(path, value)
            return
        if attribute.name == "schemas" and path.extension is None:
            self._write_schemas(value)
            return
        self._check_writable(attribute, path)
        if path.extension is None:
            self._write_in(self._draft, attribute, path, value)
            return
        holder = dict(self._draft.get(path.extension, {}))
        self._write_in(holder, attribute, path, value)
        if holder:
            self._draft[path.extension] = holder
        else:
            self._draft.pop(path.extension, None)

    def _check_writable(self, attribute: AttributeDefinition, path: BoundPath) -> None:
        sub = path.sub_attribute
        if attribute.mutability is Mutability.READ_ONLY or (sub is not None and sub.mutability is Mutability.READ_ONLY):
            raise MutabilityViolation(f"{path.text} is read-only: the service sets it.")

    def _write_schemas(self, value: Any) -> None:
        """`schemas` follows from what the resource holds; only its removal is refused."""
        if self._operator is PatchOperator.REMOVE or value is None:
            raise MutabilityViolation("schemas is required and cannot be removed.")
        compile_reader(self._type.by_name["schemas"], self._rules)([value] if isinstance(value, str) else value)

    def _write_extension(self, path: BoundPath, value: Any) -> None:
        urn = path.extension or ""
        if self._operator is PatchOperator.REMOVE or value is None:
            self._draft.pop(urn, None)
            return
        if not isinstance(value, dict):
            raise InvalidValue(f"The value of {path.text} must be an object; {json_name(value)} was sent.")
        for key, item in spelled_once(value).items():
            name = parse_attribute_path(key)
            inner = f"{urn}:{key}" if name is not None and name.schema is None else key
            try:
                inner_path = bound_path(inner, self._type, self._rules.limits, strict=self._rules.strict)
            except InvalidPath:
                if not self._may_ignore(key):
                    raise
                continue
            self._write(inner_path, item)

    def _may_ignore(self, key: str) -> bool:
        """Lenient: unknown attributes are ignored, as on POST and PUT."""
        return not self._rules.strict and len(key) <= self._rules.limits.path_characters

    def _write_in(self, holder: _Values, attribute: AttributeDefinition, path: BoundPath, value: Any) -> None:
        removes = self._operator is PatchOperator.REMOVE or value is None
        if path.selects is not None:
            elements = self._with_selected(holder.get(attribute.name, []), attribute, path, value, removes=removes)
            _set_or_drop(holder, attribute.name, elements)
        elif path.sub_attribute is not None:
            self._write_sub_attribute(holder, attribute, path.sub_attribute, value, removes=removes)
        elif removes:
            self._remove_attribute(holder, attribute)
        elif attribute.multi_valued:
            self._write_list(holder, attribute, value)
        elif attribute.is_complex:
            self._merge_complex(holder, attribute, value)
        else:
            holder[attribute.name] = compile_reader(attribute, self._rules)(value)
        if attribute.mutability is Mutability.WRITE_ONLY:
            holder.pop(attribute.name, None)  # checked like others, and not kept

    def _remove_attribute(self, holder: _Values, attribute: AttributeDefinition) -> None:
        present = holder.get(attribute.name)
        if self._operation.has_value and self._operator is PatchOperator.REMOVE and isinstance(present, list):
            # Lenient: Entra without aadOptscim062020 and authentik name what to remove in the value.
            removed = self._read_elements(attribute, self._operation.value)
            _set_or_drop(holder, attribute.name, without(present, removed))
            return
        holder.pop(attribute.name, None)

    def _read_elements(self, attribute: AttributeDefinition, value: Any) -> list[Any]:
        """The canonical elements of a value; a single element may stand without its list."""
        listed = value if isinstance(value, list) else [value]
        return compile_reader(attribute, self._rules)(listed) or []

    def _write_list(self, holder: _Values, attribute: AttributeDefinition, value: Any) -> None:
        written = self._read_elements(attribute, value)
        if self._operator is PatchOperator.REPLACE:
            _set_or_drop(holder, attribute.name, written)
            return
        elements = Elements(holder.get(attribute.name, []))
        primary: int | None = None
        for element in written:
            at = elements.merge(element)
            if isinstance(element, dict) and element.get("primary") is True:
                primary = at
        _set_or_drop(holder, attribute.name, _with_one_primary(elements.listed, primary))

    def _merge_complex(self, holder: _Values, attribute: AttributeDefinition, value: Any) -> None:
        """Sub-attributes that are not named stay; null removes one. Source: RFC 7644 §3.5.2.3."""
        if not isinstance(value, dict):
            value = compile_reader(attribute, self._rules)(value)
            if value is None:
                # Lenient: Entra clears the manager with an empty text.
                holder.pop(attribute.name, None)
                return
            holder[attribute.name] = value
            return
        _set_or_drop(holder, attribute.name, self._merged(holder.get(attribute.name, {}), attribute, value))

    def _merged(self, present: Mapping[str, Any], attribute: AttributeDefinition, value: _Values) -> _Values:
        result = dict(present)
        for key, item in spelled_once(value).items():
            sub = attribute.sub_attribute(key)
            if sub is None:
                if self._rules.strict:
                    raise InvalidValue(f"{attribute.name}.{key} is unknown. Look at /Schemas for the names.")
                continue
            if sub.mutability is Mutability.READ_ONLY:
                continue
            self._set_sub(result, attribute, sub, item)
        return result

    def _set_sub(self, element: _Values, attribute: AttributeDefinition, sub: AttributeDefinition, value: Any) -> None:
        """Sets or removes one sub-attribute of an element that is a copy already."""
        try:
            canonical = compile_reader(sub, self._rules)(value)
        except InvalidValue as refused:
            raise InvalidValue(f"{attribute.name}.{refused.detail}") from None
        if sub.mutability is Mutability.IMMUTABLE and element.get(sub.name, canonical) != canonical:
            raise MutabilityViolation(f"{attribute.name}.{sub.name} cannot change. Remove the value and add another.")
        if sub.required and canonical in (None, ""):
            raise MutabilityViolation(f"{attribute.name}.{sub.name} is required and cannot be removed.")
        if canonical is None:
            element.pop(sub.name, None)
        else:
            element[sub.name] = canonical

    def _write_sub_attribute(
        self, holder: _Values, attribute: AttributeDefinition, sub: AttributeDefinition, value: Any, *, removes: bool
    ) -> None:
        """Without a filter, the sub-attribute of every element of a multi-valued attribute is meant."""
        if not attribute.multi_valued:
            changed = dict(holder.get(attribute.name, {}))
            self._set_sub(changed, attribute, sub, None if removes else value)
            _set_or_drop(holder, attribute.name, changed)
            return
        elements = [dict(element) for element in holder.get(attribute.name, [])]
        if not elements and not removes:
            elements = self._read_elements(attribute, {sub.name: value})
        for element in elements:
            self._set_sub(element, attribute, sub, None if removes else value)
        _set_or_drop(holder, attribute.name, _checked_elements(elements, attribute))

    def _with_selected(
        self, present: list[_Values], attribute: AttributeDefinition, path: BoundPath, value: Any, *, removes: bool
    ) -> list[_Values]:
        """The elements with those the path's filter selects changed or removed."""
        assert path.selects is not None  # noqa: S101 - the caller asked for it
        chosen = [at for at, element in enumerate(present) if path.selects(element)]
        sub = path.sub_attribute
        if not chosen:
            return present if removes else self._with_described(present, attribute, path, value)
        if removes and sub is None:
            leaving = set(chosen)
            return [element for at, element in enumerate(present) if at not in leaving]
        change = self._element_change(attribute, sub, None if removes else value)
        elements = list(present)
        for at in chosen:
            elements[at] = dict(elements[at])
            elements[at] = change(elements[at])
        return _settled(elements, chosen, attribute)

    def _element_change(
        self, attribute: AttributeDefinition, sub: AttributeDefinition | None, value: Any
    ) -> Callable[[_Values], _Values]:
        if sub is None:
            if isinstance(value, list) and len(value) == 1:
                value = value[0]  # Lenient: Entra wraps the one element in a list.
            if not isinstance(value, dict):
                raise InvalidValue(f"The value for a value of {attribute.name} must be an object.")
            named: _Values = value
            return lambda element: self._merged(element, attribute, named)
        chosen = sub

        def change(element: _Values) -> _Values:
            self._set_sub(element, attribute, chosen, value)
            return element

        return change

    def _with_described(
        self, present: list[_Values], attribute: AttributeDefinition, path: BoundPath, value: Any
    ) -> list[_Values]:
        """The elements with one more, which the filter describes and the value fills.

        Lenient: Entra adds through a filter that finds nothing, and its capitalised Replace means the same; the RFC
        has noTarget for a replace.
        """
        tolerated = self._operator is PatchOperator.ADD or self._operation.capitalised
        if path.described is None or self._rules.strict or not tolerated:
            raise NoTarget(f"No value of {attribute.name} is found by {path.text}. Add it with path {attribute.name}.")
        made = self._element_change(attribute, path.sub_attribute, value)(dict(path.described))
        made = compile_element_reader(attribute, self._rules)(made)
        return _settled([*present, made], [len(present)], attribute)


def _settled(elements: list[_Values], changed: list[int], attribute: AttributeDefinition) -> list[_Values]:
    """The elements without empty ones; a changed one that is primary takes the flag from the others."""
    primary = [at for at in changed if elements[at].get("primary") is True]
    if len(primary) > 1:
        raise InvalidValue(f"Only one value of {attribute.name} may have primary true.")
    return [element for element in _with_one_primary(elements, primary[0] if primary else None) if element]


def _checked_elements(elements: list[_Values], attribute: AttributeDefinition) -> list[_Values]:
    kept = [element for element in elements if element]
    if sum(1 for element in kept if element.get("primary") is True) > 1:
        raise InvalidValue(f"Only one value of {attribute.name} may have primary true.")
    return kept


def _with_one_primary(elements: list[Any], primary: int | None) -> list[Any]:
    """The elements with `primary` false on every one but that at the index. Source: RFC 7644 §3.5.2."""
    if primary is None:
        return elements
    return [
        {**element, "primary": False} if at != primary and element.get("primary") is True else element
        for at, element in enumerate(elements)
    ]


def _set_or_drop(holder: _Values, name: str, value: Any) -> None:
    if value:
        holder[name] = value
    else:
        holder.pop(name, None)
