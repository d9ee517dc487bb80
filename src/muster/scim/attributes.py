"""Attributes and their characteristics.

Source: RFC 7643 §2.2, §2.3, §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AttributeType(StrEnum):
    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BINARY = "binary"
    REFERENCE = "reference"
    COMPLEX = "complex"


class Mutability(StrEnum):
    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


# Compared by identity: a definition is made once, and compiled readers are kept per definition.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttributeDefinition:
    """One attribute of a schema, or one sub-attribute of a complex attribute.

    `enforced` makes the canonical values the only ones taken; otherwise they are examples.
    """

    name: str
    description: str
    type: AttributeType = AttributeType.STRING
    multi_valued: bool = False
    required: bool = False
    canonical_values: tuple[str, ...] = ()
    enforced: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple[AttributeDefinition, ...] = ()
    by_name: Mapping[str, AttributeDefinition] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {sub.name.lower(): sub for sub in self.sub_attributes})

    def __hash__(self) -> int:
        """That of the name: readers are looked up by their definition at every request."""
        return hash(self.name)

    def sub_attribute(self, name: str) -> AttributeDefinition | None:
        """The sub-attribute of that name in any letter case, or None."""
        return self.by_name.get(name.lower())

    @property
    def is_complex(self) -> bool:
        return self.type is AttributeType.COMPLEX

    def to_document(self) -> dict[str, object]:
        """The attribute as /Schemas shows it. Source: RFC 7643 §7."""
        document: dict[str, object] = {
            "name": self.name,
            "type": self.type.value,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
        }
        if self.canonical_values:
            document["canonicalValues"] = list(self.canonical_values)
        document["caseExact"] = self.case_exact
        document["mutability"] = self.mutability.value
        document["returned"] = self.returned.value
        document["uniqueness"] = self.uniqueness.value
        if self.reference_types:
            document["referenceTypes"] = list(self.reference_types)
        if self.sub_attributes:
            document["subAttributes"] = [sub.to_document() for sub in self.sub_attributes]
        return document


def text(name: str, description: str, *, required: bool = False, case_exact: bool = False) -> AttributeDefinition:
    """A single text, the most frequent kind."""
    return AttributeDefinition(name=name, description=description, required=required, case_exact=case_exact)


def multi_valued(
    name: str,
    description: str,
    *,
    value: AttributeDefinition | None = None,
    types: tuple[str, ...] = (),
    others: tuple[AttributeDefinition, ...] = (),
) -> AttributeDefinition:
    """A multi-valued complex attribute with the default sub-attributes. Source: RFC 7643 §2.4."""
    return AttributeDefinition(
        name=name,
        description=description,
        type=AttributeType.COMPLEX,
        multi_valued=True,
        sub_attributes=(
            *((value,) if value is not None else ()),
            *others,
            text("display", "A name of the value for people to read."),
            AttributeDefinition(name="type", description="What the value is for.", canonical_values=types),
            AttributeDefinition(
                name="primary", description="True for the one preferred value.", type=AttributeType.BOOLEAN
            ),
        ),
    )
