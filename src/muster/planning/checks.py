"""What is wrong with mappings that could be run: asked when rules are saved, so that no cycle has to find it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from muster.expression.nodes import Attribute, Call, Node, Text
from muster.expression.replace import find_pattern_fault
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.model.directory import ATTRIBUTES_OF, AttributeType, ObjectKind
from muster.model.rules import (
    AttributeDefinition,
    AttributeMapping,
    ObjectDefinition,
    ObjectMapping,
    SynchronizationRule,
    SynchronizationSchema,
)
from muster.model.schema_checks import OWN_DIRECTORY_NAMES, REFERENCES_OF, attributes_in
from muster.planning.operators import OPERATORS, Kind, Operator
from muster.planning.rules import COMPLEX_ROLES, ROLE_FUNCTIONS
from muster.planning.scoping import find_operator, render_clause

_ROLE_CALL = re.compile(rf"\b({'|'.join(sorted(ROLE_FUNCTIONS))})\s*\(")
_BOOLEAN_FUNCTIONS = frozenset({"CBool", "IsNull", "IsNullOrEmpty", "IsPresent", "IsString", "IsNothing", "Not"})
_LIST_FUNCTIONS = frozenset({"AppRoleAssignments", "RemoveDuplicates", "Split"}) | COMPLEX_ROLES
# No clause looks at references.
_UNTESTED = (AttributeType.REFERENCE,)
# Lenient: filters of other systems write `accountEnabled EQUALS True`, and switches are kept in extension attributes.
_LENIENT: Mapping[AttributeType, frozenset[str]] = {
    AttributeType.BOOLEAN: frozenset({"EQUALS", "NOT EQUALS", "EQUALS IGNORE CASE", "IN", "NOT IN"}),
    AttributeType.STRING: frozenset({"IS TRUE", "IS FALSE"}),
}
# Source types that never give a value of the target's type, whatever they hold. Texts may be anything.
_NEVER_GIVES: Mapping[AttributeType, frozenset[AttributeType]] = {
    AttributeType.BOOLEAN: frozenset({AttributeType.DATE_TIME, AttributeType.BINARY, AttributeType.REFERENCE}),
    AttributeType.INTEGER: frozenset(
        {AttributeType.BOOLEAN, AttributeType.DATE_TIME, AttributeType.BINARY, AttributeType.REFERENCE}
    ),
    AttributeType.DATE_TIME: frozenset(
        {AttributeType.BOOLEAN, AttributeType.INTEGER, AttributeType.BINARY, AttributeType.REFERENCE}
    ),
    AttributeType.STRING: frozenset({AttributeType.REFERENCE}),
    AttributeType.BINARY: frozenset({AttributeType.BOOLEAN, AttributeType.INTEGER, AttributeType.REFERENCE}),
}


def find_mapping_problems(
    schema: SynchronizationSchema, filterable: Mapping[str, Sequence[str]] | None = None, *, sync_all: bool = False
) -> tuple[str, ...]:
    """Returns one sentence for each mapping that cannot work.

    `filterable`: by kind, the attributes by which the target can be searched; a kind that is absent: any.
    """
    return tuple(_problems(schema, filterable or {}, sync_all))


def find_role_problems(schema: SynchronizationSchema) -> tuple[str, ...]:
    """Returns one sentence for each mapping of app roles: none of them works under scope "all users and groups".

    Source: Microsoft, "Customize user provisioning attribute-mappings": role functions and scope.
    """
    return tuple(
        f"The mapping of {item.target_attribute} uses {name}, which needs assignments: it cannot be used while the "
        "scope is “all users and groups”. Set the scope to assigned users and groups, or remove the mapping."
        for rule in schema.rules
        for mapping in rule.object_mappings
        if mapping.enabled
        for item in mapping.attribute_mappings
        for name in _role_functions(item)
    )


def _problems(schema: SynchronizationSchema, filterable: Mapping[str, Sequence[str]], sync_all: bool) -> Iterator[str]:
    for rule in schema.rules:
        for mapping in rule.object_mappings:
            target = schema.object_definition(rule.target_directory, mapping.target_object)
            source = _source_definitions(schema, rule, mapping)
            yield from _clause_problems(mapping, source)
            for item in mapping.attribute_mappings:
                definition = _definition(item, target)
                yield from _type_problems(item, source, definition)
                yield from _matching_problems(item, mapping, filterable)
    yield from _passed_over(schema)
    if sync_all:
        yield from find_role_problems(schema)


def _passed_over(schema: SynchronizationSchema) -> Iterator[str]:
    """Which mappings a cycle would pass over: of each kind of object it carries out the first that is enabled."""
    first: dict[ObjectKind, tuple[ObjectMapping, SynchronizationRule]] = {}
    for rule in schema.rules:
        for mapping in rule.object_mappings:
            if not mapping.enabled:
                continue
            taken, of = first.setdefault(mapping.kind, (mapping, rule))
            if taken is not mapping:
                yield (
                    f"The object mapping “{mapping.name}” of rule {rule.name} would be ignored: “{taken.name}” of rule "
                    f"{of.name} comes before it, and a job has one for each kind of object. Put them into one, or "
                    "switch one of them off."
                )


def _clause_problems(mapping: ObjectMapping, source: Mapping[str, AttributeDefinition]) -> Iterator[str]:
    """What is wrong with clauses that could be run, and would never say what is meant."""
    for group in mapping.scope.groups:
        for clause in group.clauses:
            operator, known = find_operator(clause.operator), source.get(clause.attribute)
            if operator is None:
                continue
            where = f"Scoping filter “{group.name}”, clause “{render_clause(group, clause)}”"
            if operator.kind is Kind.UNARY and any(clause.values):
                yield f"{where}: {operator.name} takes no value; remove “{clause.values[0]}”, or use another operator."
            elif operator.kind is Kind.GROUPS or known is None or known.type in _UNTESTED:
                # What is wrong with these is said where clauses are compiled.
                continue
            elif not _takes_type(operator, known.type):
                fitting = ", ".join(each.name for each in OPERATORS if _takes_type(each, known.type))
                yield (
                    f"{where}: {clause.attribute} holds {_named(known.type)}, which {operator.name} does not test; "
                    f"use one of {fitting}."
                )


def _takes_type(operator: Operator, kind: AttributeType) -> bool:
    return kind.value in operator.types or operator.name in _LENIENT.get(kind, ())


def _role_functions(item: AttributeMapping) -> tuple[str, ...]:
    """Role functions in an expression; the attribute alone counts too, for it holds assignments."""
    text = item.expression or ""
    named = tuple(dict.fromkeys(_ROLE_CALL.findall(text)))
    return named or (("[appRoleAssignments]",) if "appRoleAssignments" in attributes_in(text) else ())


def _definition(item: AttributeMapping, target: ObjectDefinition | None) -> AttributeDefinition:
    known = target.attribute(item.target_attribute) if target is not None else None
    return known or AttributeDefinition(name=item.target_attribute)


def _source_definitions(
    schema: SynchronizationSchema, rule: SynchronizationRule, mapping: ObjectMapping
) -> Mapping[str, AttributeDefinition]:
    described = schema.object_definition(rule.source_directory, mapping.source_object)
    known = {item.name: item for item in described.attributes} if described is not None else {}
    if rule.source_directory in OWN_DIRECTORY_NAMES:
        # What our directory really holds counts, whatever an imported schema says of it.
        for own in ATTRIBUTES_OF[mapping.kind].values():
            known[own.name] = AttributeDefinition(name=own.name, type=own.type, multivalued=own.multivalued)
        for name in REFERENCES_OF[mapping.kind]:
            known[name] = AttributeDefinition(name=name, type=AttributeType.REFERENCE, multivalued=name == "members")
    return known


def _type_problems(
    item: AttributeMapping, source: Mapping[str, AttributeDefinition], target: AttributeDefinition
) -> Iterator[str]:
    where = f"The mapping of {item.target_attribute}"
    if item.default_value is not None and not _takes(target.type, item.default_value):
        yield f"{where} has the default value “{item.default_value}”; {target.name} takes {_named(target.type)}."
    try:
        node = parse_expression(item.expression) if item.expression is not None else None
    except ExpressionSyntaxError as error:
        yield f"{where} cannot be read: {error}"
        return
    if node is not None:
        fault = find_pattern_fault(node)
        if fault is not None:
            yield f"{where} cannot be run: {fault}"
        problem = _misfit(node, source, target)
        if problem is not None:
            yield f"{where} {problem}"


def _misfit(node: Node, source: Mapping[str, AttributeDefinition], target: AttributeDefinition) -> str | None:
    """Says why what an expression gives can never be a value of the target attribute; None: it may be one."""
    match node:
        case Attribute(name=name):
            given = source.get(name)
            if given is None:
                return None
            if target.type is AttributeType.REFERENCE:
                return _not_a_reference(given, target)
            if given.type in _NEVER_GIVES[target.type]:
                return f"gives {_named(given.type)} ([{name}]); {target.name} takes {_named(target.type)}."
            if given.multivalued and not target.multivalued:
                return f"gives many values ([{name}]); {target.name} takes one: pick one with Item() or Join()."
        case Text(value=text) if not _takes(target.type, text):
            return f"gives the constant “{text}”; {target.name} takes {_named(target.type)}."
        case Call(function=name) if name in _BOOLEAN_FUNCTIONS:
            if AttributeType.BOOLEAN in _NEVER_GIVES.get(target.type, ()):
                return f"gives True or False ({name}); {target.name} takes {_named(target.type)}."
        case Call(function=name) if name in _LIST_FUNCTIONS and not target.multivalued:
            return f"gives many values ({name}); {target.name} takes one: pick one with Item() or Join()."
    return None


def _not_a_reference(given: AttributeDefinition, target: AttributeDefinition) -> str | None:
    if given.type is not AttributeType.REFERENCE:
        return f"gives {_named(given.type)} ([{given.name}]); {target.name} is a reference: map [manager] or [members]."
    if given.multivalued and not target.multivalued:
        return f"gives many references ([{given.name}]); {target.name} takes one."
    return None


def _matching_problems(
    item: AttributeMapping, mapping: ObjectMapping, filterable: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    known = filterable.get(mapping.kind.value)
    if item.matching_priority > 0 and known is not None and item.target_attribute not in known:
        yield (
            f"“{mapping.name}” matches on {item.target_attribute}, by which the target cannot be searched; "
            f"it can by {', '.join(known)}."
        )


def _takes(kind: AttributeType, text: str) -> bool:
    match kind:
        case AttributeType.BOOLEAN:
            return text.strip().lower() in ("true", "false", "1", "0", "yes", "no")
        case AttributeType.INTEGER:
            return text.strip().removeprefix("-").isdecimal()
        case AttributeType.DATE_TIME:
            try:
                datetime.fromisoformat(text.strip())
            except ValueError:
                return False
            return True
        case AttributeType.REFERENCE:
            return False
        case _:
            return True


def _named(kind: AttributeType) -> str:
    return _NAMES[kind]


_NAMES: Mapping[AttributeType, str] = {
    AttributeType.STRING: "a text",
    AttributeType.INTEGER: "a whole number",
    AttributeType.BOOLEAN: "True or False",
    AttributeType.DATE_TIME: "a date and time",
    AttributeType.REFERENCE: "a reference",
    AttributeType.BINARY: "binary content",
}
