"""Single edits of a job's rules: one attribute mapping, one object mapping's actions, one scoping filter.

Each edit returns the schema document with that entry changed and all others kept, with their unknown fields. It is
tried (`rules.what_if`), then checked, saved and audited as a new version of the whole (`rules.replace_schema`).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.administration import rules
from muster.administration.desk import Desk
from muster.administration.group_clauses import Sieve
from muster.administration.refusals import bad_request, conflict, not_found
from muster.expression.graph import to_graph
from muster.expression.nodes import Attribute, Text
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.model.directory import ObjectKind
from muster.model.rules import (
    AttributeMapping,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
    ScopingFilter,
    SynchronizationRule,
)
from muster.model.schema_document import CLEAR_WHEN_NULL, read_schema
from muster.ports.directory import DirectoryQuery

# So many people are looked at to say how many a filter lets in; beyond it the answer says that it is a part.
COUNTED_AT_MOST = 20_000
_PAGE = 1_000
# So many of those whom a filter lets in, or leaves out, are listed at once.
LISTED = 100

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedMapping:
    """An object mapping with its place: its number over all rules, its rule, and the two object types it joins."""

    number: int
    rule: SynchronizationRule
    mapping: ObjectMapping
    source: ObjectDefinition | None
    target: ObjectDefinition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeCount:
    """How many objects of the directory a filter lets in and leaves out, with some of each by name."""

    inside: int
    outside: int
    # There are more than were looked at.
    is_partial: bool
    let_in: Sequence[tuple[str, str]]
    left_out: Sequence[tuple[str, str, str]]


def object_mappings(desk: Desk, service_principal_id: str, job_id: str) -> Sequence[PlacedMapping]:
    """Returns the job's object mappings in the order of the document. Raises: Refused."""
    schema = read_schema(rules.schema_of(desk, service_principal_id, job_id).document)
    by_id = {rule.id: rule for rule in schema.rules}
    placed: list[PlacedMapping] = []
    # In the order of the document, not of the priorities: the number is the place of an edit.
    for item in schema.document.get("synchronizationRules") or ():
        rule = by_id[str(item.get("id") or "")]
        for mapping in rule.object_mappings:
            placed.append(
                PlacedMapping(
                    number=len(placed),
                    rule=rule,
                    mapping=mapping,
                    source=schema.object_definition(rule.source_directory, mapping.source_object),
                    target=schema.object_definition(rule.target_directory, mapping.target_object),
                )
            )
    return placed


def find_mapping(desk: Desk, service_principal_id: str, job_id: str, number: int) -> PlacedMapping:
    """Returns one object mapping. Raises: Refused."""
    placed = object_mappings(desk, service_principal_id, job_id)
    if not 0 <= number < len(placed):
        raise not_found("Object mapping", str(number))
    return placed[number]


def with_attribute(
    desk: Desk, service_principal_id: str, job_id: str, number: int, edited: AttributeMapping, *, instead_of: str | None
) -> Document:
    """Returns the rules with an attribute mapping added (`instead_of` None) or changed. Raises: Refused."""
    placed = find_mapping(desk, service_principal_id, job_id, number)
    taken = {each.target_attribute for each in placed.mapping.attribute_mappings} - {instead_of}
    if edited.target_attribute in taken:
        raise conflict(f"{edited.target_attribute} has a mapping already: edit that one.")
    if edited.matching_priority:
        for each in placed.mapping.attribute_mappings:
            if each.target_attribute != instead_of and each.matching_priority == edited.matching_priority:
                raise conflict(
                    f"{each.target_attribute} has the matching precedence {edited.matching_priority} already: "
                    "give another one."
                )

    def change(mapping: dict[str, Any]) -> None:
        entries = mapping.setdefault("attributeMappings", [])
        before = next((each for each in entries if each.get("targetAttributeName") == instead_of), None)
        if instead_of is not None and before is None:
            raise not_found("Attribute mapping", instead_of)
        entry = _form_entry(edited, before or {})
        if before is None:
            entries.append(entry)
        else:
            entries[entries.index(before)] = entry

    return _edit(desk, service_principal_id, job_id, number, change)


def without_attribute(desk: Desk, service_principal_id: str, job_id: str, number: int, target: str) -> Document:
    """Returns the rules without one attribute mapping.

    Raises: Refused for one that the application requires, and for the last matching attribute.
    """
    placed = find_mapping(desk, service_principal_id, job_id, number)
    found = next((each for each in placed.mapping.attribute_mappings if each.target_attribute == target), None)
    if found is None:
        raise not_found("Attribute mapping", target)
    if is_required(placed, target):
        raise conflict(f"{target} is required by the application: its mapping can be changed, not removed.")
    others = [each for each in placed.mapping.attribute_mappings if each is not found and each.matching_priority]
    if found.matching_priority and not others:
        raise conflict(f"{target} is the last matching attribute: make another one match first.")

    def change(mapping: dict[str, Any]) -> None:
        mapping["attributeMappings"] = [
            each for each in mapping["attributeMappings"] if each.get("targetAttributeName") != target
        ]

    return _edit(desk, service_principal_id, job_id, number, change)


def with_actions(
    desk: Desk,
    service_principal_id: str,
    job_id: str,
    number: int,
    *,
    name: str,
    is_enabled: bool,
    actions: frozenset[ObjectAction],
) -> Document:
    """Returns the rules with an object mapping's name, switch and actions. Raises: Refused."""

    def change(mapping: dict[str, Any]) -> None:
        mapping["name"] = name
        mapping["enabled"] = is_enabled
        mapping["flowTypes"] = ", ".join(action.value for action in ObjectAction if action in actions) or "None"

    return _edit(desk, service_principal_id, job_id, number, change)


def with_scope(desk: Desk, service_principal_id: str, job_id: str, number: int, scope: ScopingFilter) -> Document:
    """Returns the rules with an object mapping's scoping filters. Raises: Refused."""
    for group in scope.groups:
        if not group.name:
            raise bad_request("A scoping filter needs a title.")

    def change(mapping: dict[str, Any]) -> None:
        mapping["scope"] = _form_scope(scope)

    return _edit(desk, service_principal_id, job_id, number, change)


def is_required(placed: PlacedMapping, target: str) -> bool:
    """Whether the application cannot do without a target attribute."""
    definition = None if placed.target is None else placed.target.attribute(target)
    return definition is not None and definition.required


def count_scope(
    desk: Desk, kind: ObjectKind, scope: ScopingFilter, *, transitive: bool = False, named: int = 5
) -> ScopeCount:
    """Returns how many present objects of a kind a filter lets in, without saving it. Raises: Refused.

    `transitive`: members of groups within the groups that it names count, too.
    """
    sieve = Sieve(desk, scope, transitive=transitive)
    inside = outside = 0
    let_in: list[tuple[str, str]] = []
    left_out: list[tuple[str, str, str]] = []
    after: str | None = None
    while True:
        page = desk.stores.directory.search(DirectoryQuery(kind=kind, after=after, limit=_PAGE))
        for found, decision in sieve.decide(page.objects):
            if decision.in_scope:
                inside += 1
                if len(let_in) < named:
                    let_in.append((found.object_id, found.display_name))
            else:
                outside += 1
                if len(left_out) < named:
                    left_out.append((found.object_id, found.display_name, decision.clause or ""))
        after = page.next_after
        if after is None or inside + outside >= COUNTED_AT_MOST:
            return ScopeCount(
                inside=inside, outside=outside, is_partial=after is not None, let_in=let_in, left_out=left_out
            )


def list_scope(
    desk: Desk, kind: ObjectKind, scope: ScopingFilter, *, passes: bool, after: str | None, transitive: bool = False
) -> tuple[Sequence[tuple[str, str, str]], str | None]:
    """Returns some of those whom a filter lets in (or leaves out) by id, name and clause, and the key to go on after.

    Raises: Refused.
    """
    sieve = Sieve(desk, scope, transitive=transitive)
    found: list[tuple[str, str, str]] = []
    for _ in range(COUNTED_AT_MOST // LISTED):
        page = desk.stores.directory.search(DirectoryQuery(kind=kind, after=after, limit=LISTED))
        found += [
            (each.object_id, each.display_name, decision.clause or "")
            for each, decision in sieve.decide(page.objects)
            if decision.in_scope is passes
        ]
        after = page.next_after
        if after is None or len(found) >= LISTED:
            break
    return found, after


def checked_expression(text: str) -> str:
    """Returns an expression that can be read. Raises: Refused with the place where it cannot."""
    try:
        parse_expression(text)
    except ExpressionSyntaxError as error:
        raise bad_request(error.sentence, code="InvalidExpression") from error
    return text


def mapping_type(mapping: AttributeMapping) -> str:
    """Returns the type of a mapping as Entra names it: Direct, Constant, Expression or None."""
    if mapping.expression is None:
        return "None"
    try:
        node = parse_expression(mapping.expression)
    except ExpressionSyntaxError:
        return "Expression"
    return "Direct" if isinstance(node, Attribute) else "Constant" if isinstance(node, Text) else "Expression"


def constant_of(mapping: AttributeMapping) -> str:
    """Returns the text of a constant; "" for another type of mapping."""
    try:
        node = None if mapping.expression is None else parse_expression(mapping.expression)
    except ExpressionSyntaxError:
        return ""
    return node.value if isinstance(node, Text) else ""


def _edit(
    desk: Desk, service_principal_id: str, job_id: str, number: int, change: Callable[[dict[str, Any]], None]
) -> Document:
    document = copy.deepcopy(dict(rules.schema_of(desk, service_principal_id, job_id).document))
    mappings = [
        mapping for rule in document.get("synchronizationRules") or () for mapping in rule.get("objectMappings") or ()
    ]
    if not 0 <= number < len(mappings):
        raise not_found("Object mapping", str(number))
    change(mappings[number])
    return document


def _form_entry(edited: AttributeMapping, before: Mapping[str, Any]) -> dict[str, Any]:
    try:
        source = None if edited.expression is None else to_graph(parse_expression(edited.expression))
    except ExpressionSyntaxError as error:
        raise bad_request(error.sentence, code="InvalidExpression") from error
    metadata = [each for each in before.get("metadata") or () if each.get("key") != CLEAR_WHEN_NULL]
    if edited.clear_when_null:
        metadata.append({"key": CLEAR_WHEN_NULL, "value": "true"})
    return {
        "exportMissingReferences": False,
        **before,
        "targetAttributeName": edited.target_attribute,
        "source": source,
        "defaultValue": edited.default_value,
        "flowType": edited.flow_type.value,
        "flowBehavior": edited.flow_behavior.value,
        "matchingPriority": edited.matching_priority,
        **({"metadata": metadata} if metadata or "metadata" in before else {}),
    }


def _form_scope(scope: ScopingFilter) -> dict[str, Any] | None:
    if not scope.groups:
        return None
    return {
        "categoryFilterGroups": [],
        "inputFilterGroups": [],
        "groups": [
            {
                "name": group.name,
                "clauses": [
                    {
                        "sourceOperandName": clause.attribute,
                        "operatorName": clause.operator,
                        "targetOperand": {"values": list(clause.values)},
                    }
                    for clause in group.clauses
                ],
            }
            for group in scope.groups
        ],
    }
