"""A job's rules, compiled once for as long as they do not change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from muster.expression.compile import CompiledRow, compile_expression, compile_row
from muster.expression.nodes import Call, Empty
from muster.expression.syntax import ExpressionSyntaxError, Node, attributes_of, parse_expression
from muster.expression.values import Environment
from muster.model.directory import AttributeType, ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.operation import WantedReference
from muster.model.rules import (
    AttributeDefinition,
    AttributeMapping,
    FlowBehavior,
    FlowType,
    Mutability,
    ObjectAction,
    ObjectDefinition,
    ObjectMapping,
    SynchronizationSchema,
)
from muster.model.values import Attributes, Value
from muster.planning.scoping import CompiledFilter, FilterRefused, compile_filter

Evaluation = Callable[[Attributes, Environment], Value]

# Functions of app roles. The complex ones give role objects; the assertive one takes the target's other roles away.
ASSERTIVE_ROLES = "AssertiveAppRoleAssignmentsComplex"
COMPLEX_ROLES = frozenset({"AppRoleAssignmentsComplex", ASSERTIVE_ROLES})
ROLE_FUNCTIONS = frozenset({"AppRoleAssignments", "SingleAppRoleAssignment"}) | COMPLEX_ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMapping:
    """An attribute mapping ready to run."""

    mapping: AttributeMapping
    definition: AttributeDefinition
    # None: mapping type None.
    run: Evaluation | None
    node: Node | None
    # Depends on IsSoftDeleted: flows even when somebody leaves the scope.
    is_life_sign: bool
    # What follows from these, computed once: every value of every object asks for it.
    attribute: str = field(init=False)
    # Only during object creation: it says so, or the target never changes the attribute afterwards.
    is_create_only: bool = field(init=False)
    # Sent only where the target has nothing: mapping type None, and flow types that never change a value.
    fills_empty: bool = field(init=False)
    # Values are added to those the target has, and none is ever taken away.
    adds_only: bool = field(init=False)
    # An empty source empties the target attribute: as the mapping asks, or because it asserts all roles.
    clears: bool = field(init=False)
    # Exported even when it has not changed.
    always_flows: bool = field(init=False)
    # Takes one Boolean: what an expression writes is True or False.
    is_switch: bool = field(init=False)

    def __post_init__(self) -> None:
        mapping, definition, flow = self.mapping, self.definition, self.mapping.flow_type
        role_function = (
            self.node.function if isinstance(self.node, Call) and self.node.function in COMPLEX_ROLES else None
        )
        fills_empty = self.run is None or flow is FlowType.ATTRIBUTE_ADD_ONLY
        adding = flow in (FlowType.VALUE_ADD_ONLY, FlowType.MULTI_VALUE_ADD_ONLY)
        computed: Mapping[str, str | bool] = {
            "attribute": mapping.target_attribute,
            "is_create_only": flow is FlowType.OBJECT_ADD_ONLY or definition.mutability is Mutability.IMMUTABLE,
            "fills_empty": fills_empty or (flow is FlowType.VALUE_ADD_ONLY and not definition.multivalued),
            "adds_only": definition.multivalued and (adding or role_function == "AppRoleAssignmentsComplex"),
            "clears": mapping.clear_when_null or role_function == ASSERTIVE_ROLES,
            "always_flows": mapping.flow_behavior is FlowBehavior.FLOW_ALWAYS,
            "is_switch": definition.type is AttributeType.BOOLEAN and not definition.multivalued,
        }
        for name, value in computed.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledReference:
    """A mapping of a reference attribute: which source attribute holds the ids, and what they point to."""

    attribute: str
    source_attribute: str
    kind: ObjectKind
    multivalued: bool
    # What somebody wants who refers to nobody: one value for all of them.
    nobody: WantedReference


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledValues:
    """All mapped values as one function, in the order of the mappings."""

    run: CompiledRow
    # By target attribute, in the same order.
    places: Mapping[str, int]
    # Something is exported even when it has not changed.
    always_flows: bool
    # The places of values that need not be texts.
    not_texts: tuple[int, ...]
    # Of the matching attributes in order of precedence: place, name, whether letter case counts.
    matching: tuple[tuple[int, str, bool], ...]
    # By the classes of what was computed: the places of values that must be turned into their attribute's type.
    unfit: dict[tuple[type, ...], tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """The rules for users, or for groups."""

    mapping: ObjectMapping
    scope: CompiledFilter
    values: tuple[CompiledMapping, ...]
    row: CompiledValues
    # Those with a matching precedence, lowest first.
    matching: tuple[CompiledMapping, ...]
    references: tuple[CompiledReference, ...]
    # Target attributes without which nothing can be created.
    required: tuple[str, ...]
    # Of the mapped target attributes, by name.
    definitions: Mapping[str, AttributeDefinition]
    # False: the target cannot switch accounts off, so whoever leaves is deleted.
    soft_deletes: bool = True
    # False: no expression names appRoleAssignments, so nobody's need be put together.
    reads_roles: bool = True
    # False: the target cannot delete accounts, so whoever is purged is switched off.
    target_deletes: bool = True

    @property
    def kind(self) -> ObjectKind:
        """Which objects they are for."""
        return self.mapping.kind

    @property
    def life_signs(self) -> frozenset[str]:
        """The target attributes that tell whether somebody is let in (mappings of IsSoftDeleted)."""
        return frozenset(each.attribute for each in self.values if each.is_life_sign)

    def does(self, action: ObjectAction) -> bool:
        """Whether a target object action is switched on, and known to the target."""
        return action in self.mapping.actions and (action is not ObjectAction.DELETE or self.target_deletes)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRules:
    """Everything a job does, by kind of object; a kind that is absent or switched off is not carried."""

    version: str
    source_name: str
    target_name: str
    kinds: Mapping[ObjectKind, KindRules]

    @property
    def named_groups(self) -> tuple[str, ...]:
        """The ids of the groups of the directory that scoping filters name, sorted, each once."""
        return tuple(sorted({each for rules in self.kinds.values() for each in rules.scope.named_groups}))


def compile_rules(schema: SynchronizationSchema, group_names: Mapping[str, str] | None = None) -> JobRules:
    """Returns the compiled rules. Raises SchemaRefused naming the mapping or clause that cannot be used.

    `group_names`: by id, what the groups are called that scoping filters name; only shown.
    """
    names = group_names or {}
    kinds: dict[ObjectKind, KindRules] = {}
    if not schema.rules:
        raise SchemaRefused("The synchronization schema has no synchronization rule.")
    for rule in sorted(schema.rules, key=lambda item: item.priority):
        for mapping in rule.object_mappings:
            if mapping.enabled and mapping.kind not in kinds:
                definition = schema.object_definition(rule.target_directory, mapping.target_object)
                kinds[mapping.kind] = _compile_kind(
                    mapping, definition or ObjectDefinition(name="", attributes=()), names
                )
    first = schema.rules[0]
    return JobRules(
        version=schema.version, source_name=first.source_directory, target_name=first.target_directory, kinds=kinds
    )


def _compile_kind(mapping: ObjectMapping, target: ObjectDefinition, group_names: Mapping[str, str]) -> KindRules:
    definitions = {item.name: item for item in target.attributes}
    values: list[CompiledMapping] = []
    references: list[CompiledReference] = []
    for item in mapping.attribute_mappings:
        definition = definitions.get(item.target_attribute) or AttributeDefinition(name=item.target_attribute)
        if definition.type is AttributeType.REFERENCE:
            references.append(_compile_reference(item, definition))
        else:
            values.append(_compile_mapping(item, definition))
    try:
        scope = compile_filter(mapping.scope, group_names)
    except FilterRefused as refusal:
        raise SchemaRefused(f"Object mapping “{mapping.name}”: {refusal}") from refusal
    matching = sorted((item for item in values if item.mapping.matching_priority > 0), key=_matching_precedence)
    return KindRules(
        mapping=mapping,
        scope=scope,
        values=tuple(values),
        row=_compile_row(values, matching),
        matching=tuple(matching),
        references=tuple(references),
        required=tuple(
            item.name
            for item in definitions.values()
            # References come in the second wave, when there is somebody to refer to.
            if item.required
            and not item.anchor
            and item.mutability is not Mutability.READ_ONLY
            and item.type is not AttributeType.REFERENCE
        ),
        definitions={item.attribute: item.definition for item in values},
        soft_deletes=target.soft_deletes,
        reads_roles=any("appRoleAssignments" in attributes_of(item.node) for item in values if item.node is not None),
    )


def _compile_row(values: Sequence[CompiledMapping], matching: Sequence[CompiledMapping]) -> CompiledValues:
    places = {item.attribute: place for place, item in enumerate(values)}
    return CompiledValues(
        run=compile_row([item.node or Empty() for item in values]),
        places=places,
        always_flows=any(item.always_flows for item in values),
        not_texts=tuple(
            place
            for place, item in enumerate(values)
            if item.definition.multivalued or item.definition.type is not AttributeType.STRING
        ),
        matching=tuple((places[item.attribute], item.attribute, item.definition.case_exact) for item in matching),
    )


def _matching_precedence(item: CompiledMapping) -> int:
    return item.mapping.matching_priority


def _compile_mapping(mapping: AttributeMapping, definition: AttributeDefinition) -> CompiledMapping:
    if mapping.expression is None:
        return CompiledMapping(mapping=mapping, definition=definition, run=None, node=None, is_life_sign=False)
    node = _parsed(mapping)
    return CompiledMapping(
        mapping=mapping,
        definition=definition,
        run=compile_expression(node),
        node=node,
        is_life_sign="IsSoftDeleted" in attributes_of(node),
    )


def _compile_reference(mapping: AttributeMapping, definition: AttributeDefinition) -> CompiledReference:
    names = attributes_of(_parsed(mapping)) if mapping.expression is not None else frozenset()
    if len(names) != 1:
        raise SchemaRefused(
            f"The mapping of “{mapping.target_attribute}” must name exactly one source attribute, "
            "because it is a reference: write [manager] or [members]."
        )
    points_to_group = definition.referenced and all(name.endswith("Group") for name in definition.referenced)
    kind = ObjectKind.GROUP if points_to_group else ObjectKind.USER
    name, many = mapping.target_attribute, definition.multivalued
    return CompiledReference(
        attribute=name,
        source_attribute=next(iter(names)),
        kind=kind,
        multivalued=many,
        nobody=WantedReference(attribute=name, kind=kind, multivalued=many, source_ids=()),
    )


def _parsed(mapping: AttributeMapping) -> Node:
    try:
        return parse_expression(mapping.expression or "")
    except ExpressionSyntaxError as error:
        raise SchemaRefused(f"The mapping of “{mapping.target_attribute}” cannot be read: {error}") from error
