"""Reading a synchronization schema (Graph's JSON) into rules, and the sentences that say what is wrong with one.

Unknown fields are kept in `SynchronizationSchema.document`; what the engine would have to ignore is refused instead.
Source: Microsoft Graph, resource type synchronizationSchema.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from muster.model.directory import AttributeType
from muster.model.failures import SchemaRefused
from muster.model.rules import (
    AttributeDefinition,
    AttributeMapping,
    FilterClause,
    FilterGroup,
    FlowBehavior,
    FlowType,
    Mutability,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
    ScopingFilter,
    SynchronizationRule,
    SynchronizationSchema,
)
from muster.model.schema_checks import find_mapping_faults, repeated

EXPRESSION_CHARACTERS = 10_000
ITEMS_LIMIT = 1_000
SHOWN_PROBLEMS = 5

# Graph's metadata key of an object type whose accounts can be switched off (False: deleting is all there is).
SOFT_DELETION = "IsSoftDeletionSupported"

# Our key in the metadata of an attribute mapping (Graph has none): an empty source empties the target attribute.
CLEAR_WHEN_NULL = "clearWhenNull"

_Choice = TypeVar("_Choice", bound=StrEnum)


def read_schema(document: Mapping[str, Any]) -> SynchronizationSchema:
    """Returns the rules of a schema document.

    Raises: SchemaRefused, whose sentence names everything that is wrong (at most five things).
    """
    schema, problems = _read(document)
    if problems:
        shown = " ".join(problems[:SHOWN_PROBLEMS])
        more = len(problems) - SHOWN_PROBLEMS
        raise SchemaRefused(f"{shown} And {more} more." if more > 0 else shown)
    return schema


def find_problems(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns one sentence for each thing that is wrong with a schema document; empty: it can be used."""
    return tuple(_read(document)[1])


def read_scoping(scope: object) -> ScopingFilter:
    """Returns the scoping filter of an object mapping's `scope` (None: everything passes). Raises: SchemaRefused."""
    problems: list[str] = []
    scoping = _scoping(scope, "The scoping filter", problems)
    if problems:
        raise SchemaRefused(" ".join(problems[:SHOWN_PROBLEMS]))
    return scoping


def _read(document: Mapping[str, Any]) -> tuple[SynchronizationSchema, list[str]]:
    problems: list[str] = []
    directories = {
        _text(item, "name", "A directory", problems): tuple(
            _object_definition(entry, problems) for entry in _items(item, "objects", "A directory", problems)
        )
        for item in _items(document, "directories", "The schema", problems)
    }
    rules = tuple(
        _rule(item, directories, problems) for item in _items(document, "synchronizationRules", "The schema", problems)
    )
    if not rules and not problems:
        problems.append("The schema has no synchronization rule.")
    schema = SynchronizationSchema(
        id=str(document.get("id") or ""),
        version=str(document.get("version") or ""),
        rules=tuple(sorted(rules, key=lambda rule: rule.priority)),
        directories=directories,
        document=document,
    )
    return schema, problems


# ---------------------------------------------------------------- directories


def _object_definition(entry: Mapping[str, Any], problems: list[str]) -> ObjectDefinition:
    name = _text(entry, "name", "An object type", problems)
    attributes = tuple(
        _attribute_definition(item, name, problems)
        for item in _items(entry, "attributes", f"Object type {name}", problems)
    )
    for twice in repeated(attribute.name for attribute in attributes):
        problems.append(f"Object type {name} lists the attribute {twice} twice.")
    soft_deletes = (_metadata(entry, SOFT_DELETION, f"Object type {name}", problems) or "True").lower() != "false"
    return ObjectDefinition(name=name, attributes=attributes, soft_deletes=soft_deletes)


def _attribute_definition(item: Mapping[str, Any], owner: str, problems: list[str]) -> AttributeDefinition:
    name = _text(item, "name", f"An attribute of {owner}", problems)
    where = f"Attribute {name} of {owner}"
    referenced = (entry.get("referencedObjectName") for entry in _items(item, "referencedObjects", where, problems))
    return AttributeDefinition(
        name=name,
        type=_choice(AttributeType, item.get("type"), AttributeType.STRING, f"{where}: type", problems),
        anchor=_flag(item, "anchor", where, problems),
        case_exact=_flag(item, "caseExact", where, problems),
        multivalued=_flag(item, "multivalued", where, problems),
        mutability=_choice(Mutability, item.get("mutability"), Mutability.READ_WRITE, f"{where}: mutability", problems),
        required=_flag(item, "required", where, problems),
        referenced=tuple(str(target) for target in referenced if target),
    )


# ---------------------------------------------------------------- rules


def _rule(
    item: Mapping[str, Any], directories: Mapping[str, Sequence[ObjectDefinition]], problems: list[str]
) -> SynchronizationRule:
    name = _text(item, "name", "A synchronization rule", problems)
    where = f"Rule {name}"
    source = _text(item, "sourceDirectoryName", where, problems)
    target = _text(item, "targetDirectoryName", where, problems)
    for directory in (source, target):
        if directory and directory not in directories:
            problems.append(f"{where} names the directory {directory}, which the schema does not describe.")
    mappings = tuple(_object_mapping(entry, problems) for entry in _items(item, "objectMappings", where, problems))
    for mapping in mappings:
        problems.extend(find_mapping_faults(mapping, source, directories.get(source, ()), directories.get(target, ())))
    for twice in repeated(mapping.source_object for mapping in mappings if mapping.enabled):
        problems.append(f"{where} has two enabled object mappings for {twice}: switch one of them off.")
    return SynchronizationRule(
        id=str(item.get("id") or ""),
        name=name,
        priority=_number(item, "priority", where, problems),
        source_directory=source,
        target_directory=target,
        object_mappings=mappings,
    )


def _object_mapping(item: Mapping[str, Any], problems: list[str]) -> ObjectMapping:
    name = _text(item, "name", "An object mapping", problems)
    return ObjectMapping(
        name=name,
        enabled=_flag(item, "enabled", f"“{name}”", problems, default=True),
        actions=_actions(item.get("flowTypes"), name, problems),
        source_object=_text(item, "sourceObjectName", f"“{name}”", problems),
        target_object=_text(item, "targetObjectName", f"“{name}”", problems),
        scope=_scoping(item.get("scope"), f"The scope of “{name}”", problems),
        attribute_mappings=tuple(
            _attribute_mapping(entry, name, problems)
            for entry in _items(item, "attributeMappings", f"“{name}”", problems)
        ),
    )


def _actions(flow_types: object, mapping: str, problems: list[str]) -> frozenset[ObjectAction]:
    if flow_types is None:
        return frozenset(ObjectAction)
    names = [part.strip() for part in flow_types.split(",")] if isinstance(flow_types, str) else ["?"]
    known = {action.value for action in ObjectAction}
    for name in names:
        if name not in known and name not in ("", "None"):
            problems.append(f"“{mapping}” has the flow type {name}; it takes Add, Update, Delete or None.")
    return frozenset(ObjectAction(name) for name in names if name in known)


def _attribute_mapping(item: Mapping[str, Any], owner: str, problems: list[str]) -> AttributeMapping:
    target = _text(item, "targetAttributeName", f"A mapping of “{owner}”", problems)
    where = f"The mapping of {target}"
    expression = _expression(item.get("source"), where, problems)
    if expression is not None and len(expression) > EXPRESSION_CHARACTERS:
        problems.append(f"{where} has an expression of {len(expression)} characters; at most {EXPRESSION_CHARACTERS}.")
    default = item.get("defaultValue")
    return AttributeMapping(
        target_attribute=target,
        expression=expression,
        default_value=None if default in (None, "") else str(default),
        flow_type=_choice(FlowType, item.get("flowType"), FlowType.ALWAYS, f"{where}: flow type", problems),
        flow_behavior=_choice(
            FlowBehavior,
            item.get("flowBehavior"),
            FlowBehavior.FLOW_WHEN_CHANGED,
            f"{where}: flow behavior",
            problems,
        ),
        matching_priority=_number(item, "matchingPriority", where, problems),
        clear_when_null=(_metadata(item, CLEAR_WHEN_NULL, where, problems) or "").lower() == "true",
    )


def _expression(source: object, where: str, problems: list[str]) -> str | None:
    """The expression's text of an attributeMappingSource; written from its parts when a client leaves the text out."""
    if source is None:
        return None
    if not isinstance(source, Mapping):
        problems.append(f"{where} has a source that is no object: give it expression, name and type.")
        return None
    text, name, kind = source.get("expression"), str(source.get("name") or ""), source.get("type")
    if kind == "Constant":
        # Lenient: Graph writes a constant with or without its quotes.
        plain = text if isinstance(text, str) and text else name
        return plain if plain.startswith('"') and plain.endswith('"') and len(plain) > 1 else _quoted(plain)
    if isinstance(text, str) and text.strip():
        return text
    if not name:
        problems.append(f"{where} has a source without expression and name.")
        return None
    if kind != "Function":
        return f"[{name}]"
    parameters = _items(source, "parameters", where, problems)
    return f"{name}({', '.join(_expression(entry.get('value'), where, problems) or '' for entry in parameters)})"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _scoping(scope: object, where: str, problems: list[str]) -> ScopingFilter:
    if scope is None:
        return ScopingFilter()
    if not isinstance(scope, Mapping):
        problems.append(f"{where} is no object: give it groups, or null.")
        return ScopingFilter()
    for unsupported in ("inputFilterGroups", "categoryFilterGroups"):
        if scope.get(unsupported):
            problems.append(f"{where} uses {unsupported}, which is not supported: move its clauses to groups.")
    groups = []
    for item in _items(scope, "groups", where, problems):
        name = str(item.get("name") or "Scoping filter")
        clauses = tuple(_clause(entry, name, problems) for entry in _items(item, "clauses", name, problems))
        if not clauses:
            problems.append(f"Scoping filter “{name}” has no clause, so everybody would pass: add one or remove it.")
        groups.append(FilterGroup(name=name, clauses=clauses))
    return ScopingFilter(groups=tuple(groups))


def _clause(item: Mapping[str, Any], group: str, problems: list[str]) -> FilterClause:
    where = f"A clause of scoping filter “{group}”"
    operand = item.get("targetOperand")
    values = operand.get("values") if isinstance(operand, Mapping) else None
    if values is not None and not isinstance(values, list | tuple):
        problems.append(f"{where} has values that are no list.")
        values = None
    attribute = _text(item, "sourceOperandName", where, problems)
    operator = _text(item, "operatorName", where, problems)
    texts = tuple(value for value in values or () if isinstance(value, str))
    if len(texts) < len(values or ()):
        problems.append(f"{where}, {attribute} {operator}, has a value that is no text: write it in quotes.")
    return FilterClause(attribute=attribute, operator=operator, values=texts)


# ---------------------------------------------------------------- pieces of JSON


def _items(holder: Mapping[str, Any], key: str, where: str, problems: list[str]) -> list[Mapping[str, Any]]:
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        problems.append(f"{where}: {key} is no list of objects.")
        return []
    if len(value) > ITEMS_LIMIT:
        problems.append(f"{where}: {key} has {len(value)} entries; at most {ITEMS_LIMIT} are taken.")
        return []
    return list(value)


def _metadata(holder: Mapping[str, Any], key: str, where: str, problems: list[str]) -> str | None:
    """The value of an entry of Graph's metadata list, as text; None: there is no such entry."""
    entries = _items(holder, "metadata", where, problems)
    return next((str(entry.get("value")) for entry in entries if entry.get("key") == key), None)


def _text(holder: Mapping[str, Any], key: str, where: str, problems: list[str]) -> str:
    value = holder.get(key)
    if isinstance(value, str) and value.strip():
        return value
    problems.append(f"{where} has no {key}.")
    return ""


def _flag(holder: Mapping[str, Any], key: str, where: str, problems: list[str], *, default: bool = False) -> bool:
    value = holder.get(key)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    problems.append(f"{where}: {key} is neither true nor false.")
    return default


def _number(holder: Mapping[str, Any], key: str, where: str, problems: list[str]) -> int:
    value = holder.get(key)
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    problems.append(f"{where}: {key} is no whole number from 0 up.")
    return 0


def _choice(choices: type[_Choice], value: object, default: _Choice, where: str, problems: list[str]) -> _Choice:
    if value is None:
        return default
    if isinstance(value, str) and value in {choice.value for choice in choices}:
        return choices(value)
    problems.append(f"{where} is “{value}”; it takes {', '.join(choice.value for choice in choices)}.")
    return default
