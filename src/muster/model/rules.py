"""The rules of a job: synchronization schema, mappings and scoping filters (Graph synchronizationSchema)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from muster.model.directory import AttributeType, ObjectKind


class FlowType(StrEnum):
    """When a mapping flows (Graph attributeMapping.flowType)."""

    ALWAYS = "Always"
    OBJECT_ADD_ONLY = "ObjectAddOnly"
    MULTI_VALUE_ADD_ONLY = "MultiValueAddOnly"
    VALUE_ADD_ONLY = "ValueAddOnly"
    ATTRIBUTE_ADD_ONLY = "AttributeAddOnly"


class FlowBehavior(StrEnum):
    """Whether an unchanged value is exported (Graph attributeMapping.flowBehavior)."""

    FLOW_WHEN_CHANGED = "FlowWhenChanged"
    FLOW_ALWAYS = "FlowAlways"


class ObjectAction(StrEnum):
    """Target object actions (Graph objectMapping.flowTypes)."""

    ADD = "Add"
    UPDATE = "Update"
    DELETE = "Delete"


class Mutability(StrEnum):
    """Graph attributeDefinition.mutability."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"
    IMMUTABLE = "Immutable"
    WRITE_ONLY = "WriteOnly"


# What a clause that tests memberships looks at: no stored attribute, and none that an expression can name.
MEMBER_OF = "memberOf"
_MEMBERSHIP_TEST = re.compile(r"\s*((ANY|ALL)\s+)?(NOT[\s_]+)?MEMBER[\s_]+OF\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterClause:
    """One comparison of a scoping filter; `values` are the clause's texts (none for unary operators)."""

    attribute: str
    operator: str
    values: tuple[str, ...] = ()

    @property
    def tests_membership(self) -> bool:
        """Whether it asks for groups of the directory (ours: Graph has no such operator); its values are their ids."""
        return _MEMBERSHIP_TEST.fullmatch(self.operator) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterGroup:
    """A named scoping filter: all of its clauses must hold."""

    name: str
    clauses: tuple[FilterClause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopingFilter:
    """One of the groups must hold; no group lets everything pass."""

    groups: tuple[FilterGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeMapping:
    """How one target attribute is made."""

    target_attribute: str
    # The expression's text; None is mapping type None: the target stays as it is, or gets the default if empty.
    expression: str | None
    default_value: str | None = None
    flow_type: FlowType = FlowType.ALWAYS
    flow_behavior: FlowBehavior = FlowBehavior.FLOW_WHEN_CHANGED
    # 0: not a matching attribute; else the matching precedence, lowest first.
    matching_priority: int = 0
    # A source that has become empty takes the target's value away (or puts the default in its place). Ours: off in
    # Graph, where an empty source never flows.
    clear_when_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDefinition:
    """An attribute of a connected system's object."""

    name: str
    type: AttributeType = AttributeType.STRING
    anchor: bool = False
    case_exact: bool = False
    multivalued: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    required: bool = False
    # Kinds of objects a Reference points to.
    referenced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDefinition:
    """An object type of a connected system: `User`, or a SCIM schema's URN."""

    name: str
    attributes: tuple[AttributeDefinition, ...]
    # False: its objects cannot be switched off, so whoever leaves is deleted.
    soft_deletes: bool = True

    def attribute(self, name: str) -> AttributeDefinition | None:
        """Returns the definition of an attribute, or None."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMapping:
    """Rules for one object type."""

    name: str
    enabled: bool
    actions: frozenset[ObjectAction]
    source_object: str
    target_object: str
    scope: ScopingFilter
    attribute_mappings: tuple[AttributeMapping, ...]

    @property
    def kind(self) -> ObjectKind:
        """The directory's kind of object: every name but Group is a person."""
        return ObjectKind.GROUP if self.source_object == ObjectKind.GROUP else ObjectKind.USER


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchronizationRule:
    """One pair of systems with its object mappings."""

    id: str
    name: str
    priority: int
    source_directory: str
    target_directory: str
    object_mappings: tuple[ObjectMapping, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchronizationSchema:
    """A job's rules. `document` is the JSON they were read from, with every unknown field kept."""

    id: str
    version: str
    rules: tuple[SynchronizationRule, ...]
    directories: Mapping[str, tuple[ObjectDefinition, ...]]
    document: Mapping[str, Any] = field(repr=False)

    def object_definition(self, directory: str, name: str) -> ObjectDefinition | None:
        """Returns a connected system's object type, or None."""
        return next((item for item in self.directories.get(directory, ()) if item.name == name), None)
