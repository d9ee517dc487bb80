"""Bodies of POST and PUT: what is sent in the very words of the schema is read at once, all else value by value.

Nearly every client names attributes as /Schemas does and sends values of their types. For such bodies msgspec has a
type, made of the schema, and takes a quarter of the time. What does not fit the type, be it wrong or only unusual, is
left to the readers of `validation`: only they refuse, and they say why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.limits import Limits
from muster.scim.messages import read_body
from muster.scim.readers import ReadingRules, holds_each_once, takes_any_text
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.validation import compile_document_reader, finish_document

# Counts as no value, which no type can say.
_EMPTY_OBJECT = re.compile(rb"\{\s*\}")
_NOT_EMPTY = msgspec.Meta(min_length=1)


def compile_body_reader(resource_type: ResourceType, rules: ReadingRules) -> Callable[[bytes], Document]:
    """The reader of a whole resource as POST and PUT send it. Raises: ScimError."""
    read_at_once = compile_quick_reader(resource_type, rules.limits)
    read_by_value = compile_document_reader(resource_type, rules)

    def read(body: bytes) -> Document:
        values = read_at_once(body)
        if values is None:
            return read_by_value(read_body(body, rules.limits))
        return finish_document(values, resource_type, strict=rules.strict)

    return read


def compile_quick_reader(resource_type: ResourceType, limits: Limits) -> Callable[[bytes], Document | None]:
    """The reader that gives the canonical values of a body in the words of the schema, None for every other."""
    attributes = resource_type.by_name.values()
    core = [(each.name, kind) for each in attributes if (kind := _kind_of(each, limits)) is not None]
    extensions = [
        (each.schema.id, _structure(each.schema.attributes, limits)) for each in resource_type.canonical_extensions
    ]
    decode = msgspec.json.Decoder(_fixed([(name, kind, False) for name, kind in (*core, *extensions)])).decode
    held: list[tuple[str | None, Iterable[AttributeDefinition]]] = [(None, attributes)]
    held += [(each.schema.id, each.schema.attributes) for each in resource_type.canonical_extensions]
    with_primary = tuple(
        (urn, each.name)
        for urn, several in held
        for each in several
        if each.multi_valued and each.sub_attribute("primary") is not None
    )

    def read(body: bytes) -> Document | None:
        if len(body) > limits.body_bytes or _EMPTY_OBJECT.search(body):
            return None
        try:
            values: Document = msgspec.to_builtins(decode(body))
        except ValueError:
            return None
        for urn, name in with_primary:
            several = (values if urn is None else values.get(urn, {})).get(name, ())
            if len(several) > 1 and sum(each.get("primary") is True for each in several) > 1:
                return None
        return values

    return read


def _kind_of(definition: AttributeDefinition, limits: Limits) -> Any:
    """The type of the attribute's values, None when they are more than a type can say."""
    if definition.mutability in (Mutability.READ_ONLY, Mutability.WRITE_ONLY):
        return None
    kind: Any = None
    if takes_any_text(definition):
        kind = Annotated[str, msgspec.Meta(max_length=limits.string_characters)]
    elif definition.type is AttributeType.BOOLEAN:
        kind = bool
    elif definition.is_complex:
        kind = _structure(definition.sub_attributes, limits)
    if kind is None or not definition.multi_valued:
        return kind
    if holds_each_once(definition):
        return None
    return Annotated[list[kind], _NOT_EMPTY, msgspec.Meta(max_length=limits.elements)]


def _structure(attributes: Iterable[AttributeDefinition], limits: Limits) -> Any:
    fields = []
    for each in attributes:
        kind = _kind_of(each, limits)
        if kind is not None:
            is_text = each.required and takes_any_text(each) and not each.multi_valued
            fields.append((each.name, Annotated[kind, _NOT_EMPTY] if is_text else kind, each.required))
    return _fixed(fields)


def _fixed(fields: Iterable[tuple[str, Any, bool]]) -> Any:
    """The type of objects with these and no other names, the required ones among them."""
    named = {f"field_{number}": each for number, each in enumerate(fields)}
    return msgspec.defstruct(
        "Values",
        [
            (place, kind) if required else (place, kind | msgspec.UnsetType, msgspec.UNSET)
            for place, (_, kind, required) in named.items()
        ],
        kw_only=True,
        forbid_unknown_fields=True,
        rename={place: name for place, (name, _, _) in named.items()},
        gc=False,
    )
