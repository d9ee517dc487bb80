"""What is wrong with the mappings of a schema, judged by the attributes that both directories describe."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from muster.model.directory import ATTRIBUTES_OF, COMPUTED_ATTRIBUTES, AttributeType, ObjectKind
from muster.model.rules import (
    MEMBER_OF,
    AttributeDefinition,
    AttributeMapping,
    Mutability,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
)

# Names under which a schema's source (or target) is our own directory: ours, and those of schemas exported from Entra.
OWN_DIRECTORY_NAMES = frozenset({"Directory", "Azure Active Directory", "Microsoft Entra ID"})

REFERENCES_OF: dict[ObjectKind, tuple[str, ...]] = {ObjectKind.USER: ("manager",), ObjectKind.GROUP: ("members",)}

_ATTRIBUTE_IN_EXPRESSION = re.compile(r'"(?:\\.|[^"\\])*"|\[([^\]]*)\]', re.DOTALL)
_UNIQUE_VALUE_IN_EXPRESSION = re.compile(
    r'"(?:\\.|[^"\\])*"|\[[^\]]*\]|\b(SelectUniqueValue)\s*\(', re.DOTALL | re.IGNORECASE
)
_DIRECTORY_EXTENSION = re.compile(r"extension_[0-9a-fA-F]{32}_\w+")


def find_mapping_faults(
    mapping: ObjectMapping,
    source_directory: str,
    source_objects: Sequence[ObjectDefinition],
    target_objects: Sequence[ObjectDefinition],
) -> Iterator[str]:
    """Yields one sentence for each fault of an object mapping; a directory that describes nothing is not asked."""
    known = _source_attributes(mapping, source_directory, source_objects)
    is_own = source_directory in OWN_DIRECTORY_NAMES
    yield from _unknown_attributes(mapping, known, is_own=is_own)
    yield from _membership_faults(mapping, is_own=is_own, source=source_directory)
    target = next((item for item in target_objects if item.name == mapping.target_object), None)
    if target is not None:
        yield from _target_faults(mapping, target)
    elif target_objects:
        yield f"“{mapping.name}” writes {mapping.target_object}, which the target directory does not describe."
    for twice in repeated(attribute.target_attribute for attribute in mapping.attribute_mappings):
        yield f"“{mapping.name}” has two mappings for the target attribute {twice}: remove one."
    for attribute in mapping.attribute_mappings:
        if attribute.matching_priority > 0 and _chooses_unique(attribute.expression or ""):
            yield (
                f"{attribute.target_attribute} is a matching attribute and cannot use SelectUniqueValue: a value "
                "made to be free is nobody's, so it finds no account or another person's. Match by another attribute, "
                "or remove SelectUniqueValue."
            )
    matching = [item.matching_priority for item in mapping.attribute_mappings if item.matching_priority > 0]
    if not matching and mapping.enabled:
        yield f"“{mapping.name}” has no matching attribute: give one mapping a matching precedence of 1."
    for precedence in repeated(str(number) for number in matching):
        yield f"“{mapping.name}” gives the matching precedence {precedence} to two attributes."


def _membership_faults(mapping: ObjectMapping, *, is_own: bool, source: str) -> Iterator[str]:
    """Only our own directory has groups to ask for; elsewhere memberOf is an attribute like others (LDAP has one)."""
    for group in mapping.scope.groups:
        if not is_own and any(clause.tests_membership for clause in group.clauses):
            yield (
                f"Scoping filter “{group.name}” asks for groups of the directory, but the source is {source}: "
                "compare one of its attributes instead."
            )
        if is_own and any(clause.attribute == MEMBER_OF and not clause.tests_membership for clause in group.clauses):
            yield f"Scoping filter “{group.name}”: {MEMBER_OF} is tested by MEMBER_OF and NOT MEMBER_OF alone."


def attributes_in(expression: str) -> tuple[str, ...]:
    """Returns the source attributes an expression names, in order, each once; brackets inside texts do not count."""
    names = (match.group(1) for match in _ATTRIBUTE_IN_EXPRESSION.finditer(expression))
    return tuple(dict.fromkeys(name.strip() for name in names if name is not None))


def repeated(names: Iterable[str]) -> list[str]:
    """Returns the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1 and name]


def _chooses_unique(expression: str) -> bool:
    """Whether the function is called; its name inside a text or an attribute's name does not count."""
    return any(match.group(1) for match in _UNIQUE_VALUE_IN_EXPRESSION.finditer(expression))


def _unknown_attributes(mapping: ObjectMapping, known: frozenset[str], *, is_own: bool) -> Iterator[str]:
    def is_unknown(name: str) -> bool:
        return bool(known) and name not in known and not _DIRECTORY_EXTENSION.fullmatch(name)

    for attribute in mapping.attribute_mappings:
        for used in filter(is_unknown, attributes_in(attribute.expression or "")):
            yield f"The mapping of {attribute.target_attribute} uses the unknown source attribute {used}."
    for group in mapping.scope.groups:
        for clause in group.clauses:
            is_told = clause.tests_membership or (is_own and clause.attribute == MEMBER_OF)
            if not is_told and is_unknown(clause.attribute):
                yield f"Scoping filter “{group.name}” uses the unknown attribute {clause.attribute}."


def _target_faults(mapping: ObjectMapping, target: ObjectDefinition) -> Iterator[str]:
    for attribute in mapping.attribute_mappings:
        yield from _target_attribute_faults(attribute, target)
    if not mapping.enabled or ObjectAction.ADD not in mapping.actions:
        return
    mapped = {attribute.target_attribute for attribute in mapping.attribute_mappings}
    for definition in target.attributes:
        if definition.required and definition.name not in mapped and not _is_given_by_target(definition):
            yield f"“{mapping.name}” has no mapping for {definition.name}, which the target requires: add one."


def _is_given_by_target(definition: AttributeDefinition) -> bool:
    return definition.anchor or definition.mutability is Mutability.READ_ONLY


def _target_attribute_faults(attribute: AttributeMapping, target: ObjectDefinition) -> Iterator[str]:
    definition = target.attribute(attribute.target_attribute)
    if definition is None:
        yield f"{attribute.target_attribute} is not in the attribute list of the target's {target.name}: add it there."
    elif definition.anchor:
        yield f"The target attribute {definition.name} is the target's own key and cannot be mapped."
    elif definition.mutability is Mutability.READ_ONLY:
        yield f"The target attribute {definition.name} is read-only and cannot be mapped."
    elif attribute.matching_priority > 0 and (definition.type is AttributeType.REFERENCE or definition.multivalued):
        yield f"{definition.name} holds references or many values and cannot be a matching attribute."
    elif attribute.clear_when_null and (definition.required or attribute.matching_priority > 0):
        yield f"{definition.name} is required or a matching attribute, so it cannot be cleared when empty."


def _source_attributes(mapping: ObjectMapping, directory: str, objects: Sequence[ObjectDefinition]) -> frozenset[str]:
    """Names that expressions may use; empty: the schema does not say, and nothing is checked."""
    listed = next((item for item in objects if item.name == mapping.source_object), None)
    names = {attribute.name for attribute in listed.attributes} if listed is not None else set()
    if directory in OWN_DIRECTORY_NAMES:
        names |= {*ATTRIBUTES_OF[mapping.kind], *COMPUTED_ATTRIBUTES, *REFERENCES_OF[mapping.kind]}
    return frozenset(names)
