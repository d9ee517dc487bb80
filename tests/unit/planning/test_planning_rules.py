"""Compiling a schema into rules."""

from dataclasses import replace

import pytest

from muster.model.directory import AttributeType, ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.rules import FlowBehavior, FlowType, Mutability, ObjectAction, SynchronizationSchema
from muster.planning.rules import compile_rules
from unit.planning.making import (
    ACTIVE,
    EVERY_ACTION,
    GROUP,
    GROUP_ROWS,
    MANAGER,
    MEMBERS,
    TITLE,
    USER,
    USER_NAME,
    compiled,
    only,
    row,
    schema,
)


def test_values_and_references_are_told_apart_and_life_signs_found() -> None:
    rules = compiled([USER_NAME, ACTIVE, TITLE, MANAGER])
    assert [item.attribute for item in rules.values] == ["userName", "active", "title"]
    assert [item.attribute for item in rules.values if item.is_life_sign] == ["active"]
    assert [(item.attribute, item.source_attribute, item.kind, item.multivalued) for item in rules.references] == [
        ("manager", "manager", USER, False)
    ]
    assert [item.attribute for item in rules.matching] == ["userName"]
    assert set(rules.definitions) == {"userName", "active", "title"}
    assert rules.kind is USER
    assert compiled(GROUP_ROWS, kind=GROUP).references[0].multivalued


@pytest.mark.parametrize(
    ("referenced", "kind"), [((), USER), (("User",), USER), (("User", "Group"), USER), (("Group",), GROUP)]
)
def test_a_reference_points_to_groups_only_when_it_can_point_to_nothing_else(
    referenced: tuple[str, ...], kind: ObjectKind
) -> None:
    item = replace(MEMBERS, definition=replace(MEMBERS.definition, referenced=referenced))
    assert compiled([USER_NAME, item]).references[0].kind is kind


def test_what_is_required_is_what_we_have_to_give() -> None:
    rules = compiled(
        [
            USER_NAME,
            row("id", None, required=True, anchor=True),
            row("meta", None, required=True, mutability=Mutability.READ_ONLY),
            row("password", None, required=True, mutability=Mutability.WRITE_ONLY),
            row("boss", "[manager]", required=True, kind=AttributeType.REFERENCE),
            TITLE,
        ]
    )
    assert rules.required == ("userName", "password")


def test_flow_type_and_behavior_are_read_from_the_mapping() -> None:
    once = compiled([row("a", "[x]", flow=FlowType.OBJECT_ADD_ONLY)]).values[0]
    always = compiled([row("a", "[x]", behavior=FlowBehavior.FLOW_ALWAYS)]).values[0]
    assert (once.is_create_only, once.always_flows) == (True, False)
    assert (always.is_create_only, always.always_flows) == (False, True)


def test_an_action_is_on_when_the_mapping_lists_it() -> None:
    rules = compiled(actions=EVERY_ACTION - {ObjectAction.DELETE})
    assert [rules.does(action) for action in (ObjectAction.ADD, ObjectAction.UPDATE, ObjectAction.DELETE)] == [
        True,
        True,
        False,
    ]


def test_a_mapping_onto_an_attribute_that_is_not_described_takes_it_as_text() -> None:
    bare = replace(schema([USER_NAME]), directories={})
    rules = compile_rules(bare).kinds[USER]
    assert rules.definitions["userName"].type is AttributeType.STRING
    assert rules.required == ()


def test_a_kind_that_is_switched_off_is_not_carried_and_the_first_rule_wins() -> None:
    assert compile_rules(schema(enabled=False)).kinds == {}
    one, other = schema([USER_NAME]), schema([TITLE])
    late, early = replace(one.rules[0], priority=9), replace(other.rules[0], priority=1)
    both: SynchronizationSchema = replace(one, rules=(late, early))
    assert [item.attribute for item in compile_rules(both).kinds[USER].values] == ["title"]


def test_the_systems_and_the_version_are_named() -> None:
    rules = compile_rules(schema())
    assert (rules.version, rules.source_name, rules.target_name) == ("v1", "Directory", "App")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (schema([row("title", "Upper([x]")]), "The mapping of “title” cannot be read: "),
        (
            schema([row("manager", '"x"', kind=AttributeType.REFERENCE)]),
            "The mapping of “manager” must name exactly one source attribute",
        ),
        (
            schema([row("manager", None, kind=AttributeType.REFERENCE)]),
            "The mapping of “manager” must name exactly one source attribute",
        ),
        (
            schema([row("manager", "Coalesce([a], [b])", kind=AttributeType.REFERENCE)]),
            "The mapping of “manager” must name exactly one source attribute",
        ),
        (replace(schema(), rules=()), "The synchronization schema has no synchronization rule."),
    ],
)
def test_rules_that_cannot_be_used_are_refused_by_name(broken: SynchronizationSchema, sentence: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        compile_rules(broken)
    assert refused.value.sentence.startswith(sentence)


def test_a_filter_that_cannot_be_used_is_refused_by_name() -> None:
    scope = only("department", "Sales")
    clause = replace(scope.groups[0].clauses[0], operator="SOUNDS LIKE")
    broken = replace(scope, groups=(replace(scope.groups[0], clauses=(clause,)),))
    with pytest.raises(SchemaRefused, match="Object mapping “Provision Users”: "):
        compile_rules(schema(scope=broken))


def test_the_groups_that_filters_name_are_told_and_shown_by_their_names() -> None:
    given = schema(scope=only("memberOf", "g1", operator="NOT MEMBER_OF"))
    rules = compile_rules(given, {"g1": "Robots"})
    assert rules.named_groups == ("g1",)
    decision = rules.kinds[ObjectKind.USER].scope.decide({"memberOf": ("g1",)})
    assert "'Robots' is false (is a member of Robots)" in decision.reason
