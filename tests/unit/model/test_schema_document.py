from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from muster.model.directory import AttributeType, ObjectKind
from muster.model.failures import SchemaRefused
from muster.model.rules import FilterClause, FlowType, Mutability, ObjectAction
from muster.model.schema_document import find_problems, read_schema, read_scoping

USER_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def source(expression: str, kind: str = "Attribute") -> dict[str, Any]:
    return {"expression": expression, "name": expression.strip("[]"), "type": kind, "parameters": []}


def mapping(target: str, expression: str | None, **others: Any) -> dict[str, Any]:
    return {"targetAttributeName": target, "source": None if expression is None else source(expression), **others}


def sample() -> dict[str, Any]:
    """Microsoft's minimal example, in our own words."""
    return {
        "id": "8x8.t1.sp1",
        "version": "v1.1",
        "unknownField": {"kept": True},
        "directories": [
            {
                "id": "d1",
                "name": "Directory",
                "objects": [
                    {
                        "name": "User",
                        "attributes": [
                            {"name": "objectId", "type": "String", "anchor": True, "mutability": "ReadWrite"},
                            {"name": "IsSoftDeleted", "type": "Boolean"},
                        ],
                    }
                ],
            },
            {
                "id": "d2",
                "name": "8x8",
                "objects": [
                    {
                        "name": USER_URN,
                        "attributes": [
                            {"name": "id", "type": "String", "anchor": True},
                            {"name": "userName", "type": "String", "required": True},
                            {"name": "active", "type": "Boolean"},
                            {"name": "site", "mutability": "Immutable", "caseExact": True},
                            {"name": "created", "mutability": "ReadOnly"},
                            {
                                "name": "manager",
                                "type": "Reference",
                                "referencedObjects": [{"referencedObjectName": USER_URN, "referencedProperty": "id"}],
                            },
                        ],
                    }
                ],
            },
        ],
        "synchronizationRules": [
            {
                "id": "r-users",
                "name": "USER_TO_USER",
                "priority": 1,
                "sourceDirectoryName": "Directory",
                "targetDirectoryName": "8x8",
                "objectMappings": [
                    {
                        "name": "Provision Users",
                        "enabled": True,
                        "flowTypes": "Add, Update",
                        "sourceObjectName": "User",
                        "targetObjectName": USER_URN,
                        "scope": {
                            "groups": [
                                {
                                    "name": "Sales",
                                    "clauses": [
                                        {
                                            "sourceOperandName": "department",
                                            "operatorName": "EQUALS",
                                            "targetOperand": {"values": ["Sales"]},
                                        }
                                    ],
                                }
                            ]
                        },
                        "attributeMappings": [
                            mapping("userName", "[userPrincipalName]", matchingPriority=1),
                            mapping("active", "Not([IsSoftDeleted])"),
                            mapping(
                                "site", "[extension_0123456789abcdef0123456789abcdef_site]", flowType="ObjectAddOnly"
                            ),
                            mapping("manager", "[manager]"),
                        ],
                    }
                ],
            }
        ],
    }


def rule_of(document: dict[str, Any]) -> dict[str, Any]:
    return document["synchronizationRules"][0]  # type: ignore[no-any-return]  # JSON


def users_of(document: dict[str, Any]) -> dict[str, Any]:
    return rule_of(document)["objectMappings"][0]  # type: ignore[no-any-return]  # JSON


def mappings_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return users_of(document)["attributeMappings"]  # type: ignore[no-any-return]  # JSON


def test_a_schema_is_read_into_rules_and_keeps_unknown_fields() -> None:
    document = sample()
    schema = read_schema(document)
    assert schema.document is document
    assert (schema.id, schema.version) == ("8x8.t1.sp1", "v1.1")
    rule = schema.rules[0]
    users = rule.object_mappings[0]
    assert users.kind is ObjectKind.USER
    assert users.actions == {ObjectAction.ADD, ObjectAction.UPDATE}
    assert users.scope.groups[0].clauses == (
        FilterClause(attribute="department", operator="EQUALS", values=("Sales",)),
    )
    assert [item.matching_priority for item in users.attribute_mappings] == [1, 0, 0, 0]
    assert users.attribute_mappings[2].flow_type is FlowType.OBJECT_ADD_ONLY
    definition = schema.object_definition("8x8", USER_URN)
    assert definition is not None
    site, manager = definition.attribute("site"), definition.attribute("manager")
    assert site is not None and site.mutability is Mutability.IMMUTABLE and site.case_exact
    assert manager is not None and manager.type is AttributeType.REFERENCE and manager.referenced == (USER_URN,)


def test_rules_come_in_order_of_priority() -> None:
    document = sample()
    second = copy.deepcopy(rule_of(document))
    second |= {"name": "FIRST", "priority": 0}
    document["synchronizationRules"].append(second)
    assert [rule.name for rule in read_schema(document).rules] == ["FIRST", "USER_TO_USER"]


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        (None, None),
        ({"expression": "[mail]"}, "[mail]"),
        ({"name": "mail", "type": "Attribute"}, "[mail]"),
        ({"expression": '"London"', "name": "London", "type": "Constant"}, '"London"'),
        ({"expression": "London", "name": "London", "type": "Constant"}, '"London"'),
        ({"name": 'a "b" \\', "type": "Constant"}, '"a \\"b\\" \\\\"'),
        ({"expression": '"', "type": "Constant"}, '"\\""'),
        (
            {
                "name": "Join",
                "type": "Function",
                "parameters": [
                    {"key": "separator", "value": {"name": " ", "type": "Constant"}},
                    {"key": "source", "value": {"name": "givenName", "type": "Attribute"}},
                    {"key": "source", "value": None},
                ],
            },
            'Join(" ", [givenName], )',
        ),
    ],
)
def test_the_expression_of_a_mapping_is_its_text_or_written_from_its_parts(
    written: object, expression: str | None
) -> None:
    document = sample()
    mappings_of(document)[1] = {"targetAttributeName": "active", "source": written, "defaultValue": "x"}
    read = read_schema(document).rules[0].object_mappings[0].attribute_mappings[1]
    assert read.expression == expression
    assert read.default_value == "x"


@pytest.mark.parametrize("scope", [None, {}, {"groups": []}, {"groups": None, "inputFilterGroups": []}])
def test_no_group_lets_everybody_pass(scope: object) -> None:
    assert read_scoping(scope).groups == ()


def clause_with(values: list[Any]) -> dict[str, Any]:
    clause = {"sourceOperandName": "memberOf", "operatorName": "MEMBER_OF", "targetOperand": {"values": values}}
    return {"groups": [{"clauses": [clause]}]}


def test_a_text_that_looks_like_a_number_is_a_value() -> None:
    (group,) = read_scoping(clause_with(["17", ""])).groups
    assert group.clauses[0].values == ("17", "")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ([], "no object"),
        ({"groups": {}}, "no list"),
        ({"groups": [{"name": "G", "clauses": []}]}, "has no clause"),
        ({"groups": [{"name": "G", "clauses": [{"operatorName": "EQUALS"}]}]}, "no sourceOperandName"),
        ({"groups": [{"clauses": [{"sourceOperandName": "a"}]}]}, "no operatorName"),
        (
            {
                "groups": [
                    {
                        "clauses": [
                            {"sourceOperandName": "a", "operatorName": "EQUALS", "targetOperand": {"values": "x"}}
                        ]
                    }
                ]
            },
            "no list",
        ),
        (clause_with(["x", 17]), "Scoping filter”, memberOf MEMBER_OF, has a value that is no text"),
        (clause_with([None]), "has a value that is no text"),
        (clause_with([True]), "has a value that is no text"),
        (clause_with([["x"]]), "has a value that is no text"),
        ({"inputFilterGroups": [{"name": "x"}]}, "inputFilterGroups, which is not supported"),
        ({"categoryFilterGroups": {"groups": []}}, "categoryFilterGroups, which is not supported"),
    ],
)
def test_a_scoping_filter_that_cannot_be_used_is_refused(scope: object, said: str) -> None:
    with pytest.raises(SchemaRefused, match=said):
        read_scoping(scope)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(synchronizationRules=[]), "no synchronization rule"),
        (lambda d: d.update(synchronizationRules={}), "no list of objects"),
        (lambda d: d.update(directories=["x"]), "no list of objects"),
        (lambda d: d["directories"][0].pop("name"), "A directory has no name"),
        (lambda d: rule_of(d).update(sourceDirectoryName="Elsewhere"), "Elsewhere, which the schema does not describe"),
        (lambda d: rule_of(d).update(priority="high"), "priority is no whole number"),
        (lambda d: users_of(d).update(enabled="yes"), "enabled is neither true nor false"),
        (lambda d: users_of(d).update(flowTypes="Add, Erase"), "the flow type Erase"),
        (lambda d: users_of(d).update(flowTypes=3), "the flow type"),
        (lambda d: users_of(d).update(targetObjectName="Device"), "Device, which the target directory does not"),
        (lambda d: rule_of(d)["objectMappings"].append(users_of(d)), "two enabled object mappings for User"),
        (lambda d: mappings_of(d).append(mapping("active", "[mail]")), "two mappings for the target attribute active"),
        (lambda d: mappings_of(d)[0].update(matchingPriority=0), "no matching attribute"),
        (lambda d: mappings_of(d)[2].update(matchingPriority=1), "precedence 1 to two attributes"),
        (lambda d: mappings_of(d)[0].update(matchingPriority=True), "matchingPriority is no whole number"),
        (lambda d: mappings_of(d)[3].update(matchingPriority=2), "cannot be a matching attribute"),
        (lambda d: mappings_of(d)[0].update(source=source("[nonsense]")), "the unknown source attribute nonsense"),
        (lambda d: mappings_of(d)[0].update(source="[mail]"), "a source that is no object"),
        (lambda d: mappings_of(d)[0].update(source={"type": "Attribute"}), "without expression and name"),
        (lambda d: mappings_of(d)[0].update(source=source("x" * 10_001)), "10001 characters"),
        (lambda d: mappings_of(d)[0].update(flowType="Sometimes"), "“Sometimes”; it takes Always"),
        (lambda d: mappings_of(d)[0].update(flowBehavior="Never"), "“Never”; it takes FlowWhenChanged"),
        (lambda d: mappings_of(d)[1].update(targetAttributeName="colour"), "colour is not in the attribute list"),
        (lambda d: mappings_of(d)[1].update(targetAttributeName="id"), "own key and cannot be mapped"),
        (lambda d: mappings_of(d)[1].update(targetAttributeName="created"), "read-only and cannot be mapped"),
        (lambda d: mappings_of(d)[1].update(targetAttributeName=" "), "no targetAttributeName"),
        (
            lambda d: users_of(d)["scope"]["groups"][0]["clauses"][0].update(sourceOperandName="shoeSize"),
            "the unknown attribute shoeSize",
        ),
        (lambda d: d["directories"][1]["objects"][0]["attributes"].append({"name": "active"}), "active twice"),
        (lambda d: d["directories"][1]["objects"][0]["attributes"][1].update(type="Blob"), "“Blob”; it takes"),
        (lambda d: d["directories"][1]["objects"][0]["attributes"][1].update(mutability=1), "mutability is “1”"),
        (lambda d: d.update(directories=[{"name": "x"}] * 1_001), "at most 1000"),
    ],
)
def test_what_is_wrong_with_a_schema_is_said_in_a_sentence(change: Change, said: str) -> None:
    document = sample()
    change(document)
    assert any(said in problem for problem in find_problems(document)), find_problems(document)
    with pytest.raises(SchemaRefused):
        read_schema(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: None,
        lambda d: users_of(d).update(flowTypes=None),
        lambda d: users_of(d).update(flowTypes="None"),
        lambda d: users_of(d).update(flowTypes=""),
        lambda d: d["directories"][1].pop("objects"),
        lambda d: rule_of(d)["objectMappings"].append({**users_of(d), "enabled": False}),
        lambda d: (users_of(d).update(enabled=False), mappings_of(d)[0].pop("matchingPriority")),
        lambda d: mappings_of(d)[1].update(source=source('Replace([mail], , "[a]+", , "[x]", , )', "Function")),
    ],
)
def test_what_graph_allows_is_taken(change: Change) -> None:
    document = sample()
    change(document)
    assert find_problems(document) == ()


def test_a_source_that_says_nothing_of_its_attributes_is_not_checked() -> None:
    document = sample()
    document["directories"][0] = {"name": "Payroll"}
    rule_of(document)["sourceDirectoryName"] = "Payroll"
    assert find_problems(document) == ()


def test_only_the_first_problems_are_told_at_length() -> None:
    document = sample()
    for number in range(8):
        mappings_of(document).append(mapping(f"x{number}", "[mail]"))
    with pytest.raises(SchemaRefused, match="And 3 more"):
        read_schema(document)
