"""Which attributes of an application the mappings write, and which of them are read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muster.model.directory import AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition, SynchronizationSchema

AttributesByKind = Mapping[ObjectKind, Sequence[AttributeDefinition]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNames:
    """Names of mapped attributes by what is read of them."""

    values: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    booleans: frozenset[str] = frozenset()


NO_NAMES = ReadNames()


def read_names(mapped: Sequence[AttributeDefinition]) -> ReadNames:
    """Returns what is read of a resource when these attributes are mapped."""
    return ReadNames(
        values=tuple(item.name for item in mapped if item.type is not AttributeType.REFERENCE),
        # Members are never asked for: a group may have half a million.
        references=tuple(item.name for item in mapped if item.type is AttributeType.REFERENCE and not item.multivalued),
        booleans=frozenset(item.name for item in mapped if item.type is AttributeType.BOOLEAN),
    )


def mapped_attributes(schema: SynchronizationSchema) -> dict[ObjectKind, tuple[AttributeDefinition, ...]]:
    """Returns the definitions of the target attributes that the enabled mappings write, by kind."""
    mapped: dict[ObjectKind, tuple[AttributeDefinition, ...]] = {}
    for rule in sorted(schema.rules, key=lambda item: item.priority):
        for mapping in rule.object_mappings:
            if not mapping.enabled or mapping.kind in mapped:
                continue
            definition = schema.object_definition(rule.target_directory, mapping.target_object)
            known = {item.name: item for item in definition.attributes} if definition is not None else {}
            names = [item.target_attribute for item in mapping.attribute_mappings]
            mapped[mapping.kind] = tuple(known.get(name) or AttributeDefinition(name=name) for name in names)
    return mapped
