"""Resource types: a core schema with its extensions under one endpoint, and the resolution of attribute names in it.

Source: RFC 7643 §3, §6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from muster.scim.attributes import AttributeDefinition, Mutability, Uniqueness
from muster.scim.filters import AttributePath
from muster.scim.schemas import (
    COMMON_ATTRIBUTES,
    ENTERPRISE_USER_SCHEMA,
    GROUP_SCHEMA,
    MICROSOFT_GROUP_URN,
    USER_8X8_MIRROR_URN,
    USER_8X8_URN,
    USER_SCHEMA,
    SchemaDefinition,
    schema_8x8,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaExtension:
    """An extension of a resource type. `mirror_of` names the extension it shows the same values as: what is written
    under either URN is kept under that one and shown under both."""

    schema: SchemaDefinition
    required: bool = False
    mirror_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedAttribute:
    """What a name stands for: `extension` is its URN or None for the core schema; `attribute` is None when the name is
    the extension itself."""

    extension: str | None
    attribute: AttributeDefinition | None
    sub_attribute: AttributeDefinition | None = None

    @property
    def leaf(self) -> AttributeDefinition | None:
        return self.sub_attribute or self.attribute


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceType:
    """A kind of resource that the service keeps, such as User at /Users. `bare_names` are attributes of extensions that
    are known without their URN too: the name in lower case, and the URN."""

    name: str
    endpoint: str
    description: str
    schema: SchemaDefinition
    extensions: tuple[SchemaExtension, ...] = ()
    bare_names: Mapping[str, str] = field(default_factory=dict, repr=False)
    by_name: Mapping[str, AttributeDefinition] = field(init=False, repr=False)
    extension_by_urn: Mapping[str, SchemaDefinition] = field(init=False, repr=False)
    # In lower case: what `schemas` may name, and what may hold attributes.
    urns: frozenset[str] = field(init=False, repr=False)
    mirrors: Mapping[str, str] = field(init=False, repr=False)
    members: AttributeDefinition | None = field(init=False, repr=False)
    unique_attributes: tuple[str, ...] = field(init=False, repr=False)
    # The core attributes, and those of extensions with their URN, that cannot change, or must be there.
    immutable: tuple[tuple[str | None, str], ...] = field(init=False, repr=False)
    required: tuple[tuple[str | None, str], ...] = field(init=False, repr=False)
    # What a value of a single complex attribute must have.
    required_parts: tuple[tuple[str | None, str, str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_urn = {extension.schema.id: extension.schema for extension in self.extensions}
        mirrors = {item.schema.id: item.mirror_of for item in self.extensions if item.mirror_of is not None}
        by_name = {attribute.name.lower(): attribute for attribute in (*COMMON_ATTRIBUTES, *self.schema.attributes)}
        object.__setattr__(self, "by_name", by_name)
        object.__setattr__(self, "extension_by_urn", {urn.lower(): by_urn[mirrors.get(urn, urn)] for urn in by_urn})
        known = (self.schema.id, MICROSOFT_GROUP_URN, *by_urn)
        object.__setattr__(self, "urns", frozenset(urn.lower() for urn in known))
        object.__setattr__(self, "mirrors", mirrors)
        object.__setattr__(self, "members", self.schema.by_name.get("members"))
        unique = [attribute.name for attribute in self.schema.attributes if attribute.uniqueness is not Uniqueness.NONE]
        object.__setattr__(self, "unique_attributes", tuple(unique))
        named = [
            *((None, attribute) for attribute in self.schema.attributes),
            *((each.schema.id, named) for each in self.canonical_extensions for named in each.schema.attributes),
        ]
        immutable = ((urn, each.name) for urn, each in named if each.mutability is Mutability.IMMUTABLE)
        object.__setattr__(self, "immutable", tuple(immutable))
        object.__setattr__(self, "required", tuple((urn, each.name) for urn, each in named if each.required))
        single = [(urn, each) for urn, each in named if not each.multi_valued]
        parts = ((urn, each.name, sub.name) for urn, each in single for sub in each.sub_attributes if sub.required)
        object.__setattr__(self, "required_parts", tuple(parts))

    @property
    def canonical_extensions(self) -> Iterator[SchemaExtension]:
        """The extensions that hold values of their own: those that are no mirror."""
        return (extension for extension in self.extensions if extension.mirror_of is None)

    def resolve(self, path: AttributePath) -> ResolvedAttribute | None:
        """What the name stands for in this type, in any letter case; None when it stands for nothing."""
        if path.schema is None:
            extension, attribute = None, self.by_name.get(path.attribute.lower())
            if attribute is None and (urn := self.bare_names.get(path.attribute.lower())) is not None:
                return self.resolve(replace(path, schema=urn))
        elif (whole := self.extension_by_urn.get(f"{path.schema}:{path.attribute}".lower())) is not None:
            if path.sub_attribute is not None:
                # Lenient: older Entra connectors write a dot between the URN and the attribute.
                return self.resolve(AttributePath(schema=whole.id, attribute=path.sub_attribute))
            return ResolvedAttribute(extension=whole.id, attribute=None)
        elif path.schema.lower() == self.schema.id.lower():
            extension, attribute = None, self.by_name.get(path.attribute.lower())
        else:
            schema = self.extension_by_urn.get(path.schema.lower())
            if schema is None:
                return None
            extension, attribute = schema.id, schema.by_name.get(path.attribute.lower())
        if attribute is None:
            return None
        if path.sub_attribute is None:
            return ResolvedAttribute(extension=extension, attribute=attribute)
        sub_attribute = attribute.sub_attribute(path.sub_attribute)
        if sub_attribute is None:
            return None
        return ResolvedAttribute(extension=extension, attribute=attribute, sub_attribute=sub_attribute)


GROUP_TYPE = ResourceType(name="Group", endpoint="/Groups", description="Groups.", schema=GROUP_SCHEMA)

# Lenient: Entra writes the path and the filter of the manager without the URN of its extension.
_BARE_NAMES = {"manager": ENTERPRISE_USER_SCHEMA.id}

GENERIC_USER_TYPE = ResourceType(
    name="User",
    endpoint="/Users",
    description="User accounts.",
    schema=USER_SCHEMA,
    bare_names=_BARE_NAMES,
    extensions=(
        SchemaExtension(schema=ENTERPRISE_USER_SCHEMA),
        SchemaExtension(schema=schema_8x8(USER_8X8_URN)),
        SchemaExtension(schema=schema_8x8(USER_8X8_MIRROR_URN)),
    ),
)

USER_8X8_TYPE = ResourceType(
    name="User",
    endpoint="/Users",
    description="User accounts.",
    schema=USER_SCHEMA,
    bare_names=_BARE_NAMES,
    extensions=(
        SchemaExtension(schema=ENTERPRISE_USER_SCHEMA),
        SchemaExtension(schema=schema_8x8(USER_8X8_URN, site_mutability=Mutability.IMMUTABLE)),
        SchemaExtension(
            schema=schema_8x8(USER_8X8_MIRROR_URN, site_mutability=Mutability.IMMUTABLE), mirror_of=USER_8X8_URN
        ),
    ),
)
