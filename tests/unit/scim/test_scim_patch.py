"""PATCH on values: what the cases kept as data do not reach."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.errors import InvalidPath, InvalidSyntax, InvalidValue, MutabilityViolation, NoTarget, ScimError
from muster.scim.limits import Limits
from muster.scim.members import split_members
from muster.scim.messages import PATCH_URN
from muster.scim.operations import PatchOperator, read_operations
from muster.scim.patch import apply_operations
from muster.scim.readers import ReadingRules
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, ResourceType, SchemaExtension
from muster.scim.schemas import GROUP_URN, SchemaDefinition
from muster.scim.validation import complete

LENIENT, STRICT = ReadingRules(), ReadingRules(strict=True)

TEXTS = AttributeDefinition(name="tags", description="T.", multi_valued=True)
CODE = AttributeDefinition(name="code", description="C.", mutability=Mutability.IMMUTABLE)
LABEL = AttributeDefinition(
    name="label",
    description="L.",
    type=AttributeType.COMPLEX,
    sub_attributes=(AttributeDefinition(name="text", description="T.", required=True),),
)
PART = AttributeDefinition(
    name="part",
    description="P.",
    type=AttributeType.COMPLEX,
    sub_attributes=(CODE, AttributeDefinition(name="made", description="M.", mutability=Mutability.READ_ONLY)),
)
EXTENSION = SchemaDefinition(id="urn:x:1.0:Ext", name="Ext", description="E.", attributes=(CODE, PART))
THING = ResourceType(
    name="Thing",
    endpoint="/Things",
    description="Things.",
    schema=SchemaDefinition(id="urn:x:1.0:Thing", name="Thing", description="T.", attributes=(TEXTS, PART, LABEL)),
    extensions=(SchemaExtension(schema=EXTENSION),),
)


def patched(before: dict[str, Any], *operations: dict[str, Any], rules: ReadingRules = LENIENT) -> dict[str, Any]:
    document = complete({"id": "1", **before, "meta": {}}, THING)
    body = {"schemas": [PATCH_URN], "Operations": list(operations)}
    result = apply_operations(document, read_operations(body, THING, rules), THING, rules)
    return {name: value for name, value in result.items() if name not in ("schemas", "id", "meta")}


@pytest.mark.parametrize(
    ("operation", "tags"),
    [
        ({"op": "add", "path": "tags", "value": ["b", "c"]}, ["a", "b", "c"]),
        ({"op": "add", "path": "tags", "value": "c"}, ["a", "b", "c"]),
        ({"op": "add", "path": "tags", "value": [{"value": "c"}]}, ["a", "b", "c"]),
        ({"op": "replace", "path": "tags", "value": ["c"]}, ["c"]),
        ({"op": "remove", "path": "tags", "value": ["a"]}, ["b"]),
        ({"op": "remove", "path": "tags", "value": "a"}, ["b"]),
    ],
)
def test_plain_lists_are_patched_too(operation: dict[str, Any], tags: list[str]) -> None:
    assert patched({"tags": ["a", "b"]}, operation) == {"tags": tags}


def test_a_value_on_the_removal_of_a_single_attribute_is_not_looked_at() -> None:
    assert patched({"part": {"code": "1"}}, {"op": "remove", "path": "part", "value": [{"code": "2"}]}) == {}


def test_an_immutable_sub_attribute_is_set_once() -> None:
    assert patched({}, {"op": "add", "path": "part", "value": {"code": "1"}}) == {"part": {"code": "1"}}
    assert patched({"part": {"code": "1"}}, {"op": "add", "path": "part.code", "value": "1"}) == {"part": {"code": "1"}}
    with pytest.raises(MutabilityViolation, match=r"part\.code cannot change"):
        patched({"part": {"code": "1"}}, {"op": "add", "path": "part", "value": {"code": "2"}})


def test_an_immutable_attribute_of_an_extension_is_set_once() -> None:
    path = "urn:x:1.0:Ext:code"
    assert patched({}, {"op": "add", "path": path, "value": "1"}) == {"urn:x:1.0:Ext": {"code": "1"}}
    before = {"urn:x:1.0:Ext": {"code": "1"}}
    for operation in (
        {"op": "replace", "path": path, "value": "2"},
        {"op": "remove", "path": path},
        {"op": "remove", "path": "urn:x:1.0:Ext"},
    ):
        with pytest.raises(MutabilityViolation, match="code cannot change"):
            patched(before, operation)
    back = patched(before, {"op": "remove", "path": path}, {"op": "add", "path": path, "value": "1"})
    assert back == before


def test_a_read_only_sub_attribute_within_a_value_is_left_alone() -> None:
    assert patched({}, {"op": "add", "path": "part", "value": {"made": "x", "code": "1"}}) == {"part": {"code": "1"}}


@pytest.mark.parametrize(
    ("operation", "refusal"),
    [
        ({"op": "add", "path": "tags", "value": [5]}, InvalidValue),
        ({"op": "add", "path": "part", "value": ["x"]}, InvalidValue),
        ({"op": "add", "path": "part", "value": {"code": 5}}, InvalidValue),
        ({"op": "add", "path": "part.made", "value": "x"}, MutabilityViolation),
        ({"op": "add", "path": ["tags"], "value": "x"}, InvalidPath),
        ({"op": "remove", "path": ""}, NoTarget),
        ({"op": "add", "path": "schemas", "value": [5]}, InvalidValue),
    ],
)
def test_wrong_values_and_paths_are_refused(operation: dict[str, Any], refusal: type[ScimError]) -> None:
    with pytest.raises(refusal):
        patched({}, operation)


def test_strictly_an_add_through_a_filter_that_finds_nothing_has_no_target() -> None:
    body = {
        "schemas": [PATCH_URN],
        "Operations": [{"op": "add", "path": 'emails[type eq "work"].value', "value": "x"}],
    }
    document = {"schemas": [], "id": "1", "userName": "a", "meta": {}}
    with pytest.raises(NoTarget):
        operations = read_operations(body, GENERIC_USER_TYPE, STRICT)
        apply_operations(document, operations, GENERIC_USER_TYPE, STRICT)


def test_a_required_attribute_that_was_missing_before_does_not_hinder() -> None:
    document: dict[str, Any] = {"schemas": [], "id": "1", "meta": {}}
    operations = read_operations(
        {"Operations": [{"op": "add", "path": "title", "value": "T"}]}, GENERIC_USER_TYPE, LENIENT
    )
    assert apply_operations(document, operations, GENERIC_USER_TYPE, LENIENT)["title"] == "T"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (None, InvalidSyntax),
        ("x", InvalidSyntax),
        ({}, InvalidSyntax),
        ({"Operations": {}}, InvalidSyntax),
        ({"Operations": []}, InvalidSyntax),
        ({"Operations": [5]}, InvalidSyntax),
        ({"Operations": [{"op": "copy"}]}, InvalidSyntax),
        ({"schemas": "x", "Operations": [{"op": "remove", "path": "tags"}]}, InvalidSyntax),
        ({"Operations": [{"op": "remove", "path": "tags"}] * 3}, InvalidValue),
    ],
)
def test_a_message_that_is_none_is_refused(body: Any, refusal: type[ScimError]) -> None:
    with pytest.raises(refusal):
        read_operations(body, THING, ReadingRules(limits=Limits(patch_operations=2)))


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "tags", "value": ["a"]}, {"op": "remove", "path": "TAGS", "value": ["b", "c"]}],
        [{"op": "add", "value": {"tags": ["a"], "label": "x"}}, {"op": "replace", "value": {"Tags": ["b", "c"]}}],
        [{"op": "add", "path": EXTENSION.id, "value": [1]}, {"op": "add", "path": EXTENSION.id, "value": [2, 3]}],
    ],
)
def test_values_of_one_attribute_are_counted_over_all_operations(operations: list[Any]) -> None:
    message = {"Operations": operations}
    with pytest.raises(InvalidValue, match=r"have 3 values of .*the limit \(elements\) is 2"):
        read_operations(message, THING, ReadingRules(limits=Limits(elements=2)))
    assert len(read_operations(message, THING, ReadingRules(limits=Limits(elements=3)))) == 2


def test_a_key_longer_than_a_path_may_be_is_refused_though_unknown_ones_are_ignored() -> None:
    rules = ReadingRules(limits=Limits(path_characters=40))
    for value in ({"x" * 41: 1}, {EXTENSION.id: {"x" * 41: 1}}):
        with pytest.raises(InvalidPath, match="path length"):
            patched({}, {"op": "add", "value": value}, rules=rules)
    assert patched({}, {"op": "add", "value": {"x" * 40: 1, "tags": ["y"]}}, rules=rules)["tags"] == ["y"]


def test_operators_are_taken_in_any_letter_case_unless_strict() -> None:
    operation = {"op": "ADD", "path": "tags", "value": "a"}
    (read,) = read_operations({"schemas": [PATCH_URN.lower()], "Operations": [operation]}, THING, LENIENT)
    assert (read.operator, read.capitalised) == (PatchOperator.ADD, True)
    with pytest.raises(InvalidSyntax):
        read_operations({"schemas": [PATCH_URN], "Operations": [operation]}, THING, STRICT)


@pytest.mark.parametrize("operation", [{"op": "add", "value": 5}, {"op": "replace", "value": ["members"]}])
def test_a_pathless_value_that_is_no_object_is_left_to_the_document(operation: dict[str, Any]) -> None:
    operations = read_operations({"Operations": [operation]}, GROUP_TYPE, LENIENT)
    split = split_members(operations, GROUP_TYPE, LENIENT)
    assert split == (None, operations)
    group = {"schemas": [GROUP_URN], "id": "1", "displayName": "G", "meta": {}}
    with pytest.raises(InvalidValue, match="must be an object"):
        apply_operations(group, operations, GROUP_TYPE, LENIENT)


def test_a_type_without_members_has_nothing_to_split() -> None:
    operations = read_operations({"Operations": [{"op": "remove", "path": "title"}]}, GENERIC_USER_TYPE, LENIENT)
    assert split_members(operations, GENERIC_USER_TYPE, LENIENT) == (None, operations)


@pytest.mark.parametrize("value", [None, ""])
def test_a_required_sub_attribute_is_not_removed(value: str | None) -> None:
    with pytest.raises(MutabilityViolation, match=r"label\.text is required"):
        patched({"label": {"text": "x"}}, {"op": "replace", "path": "label.text", "value": value})


def test_the_values_of_filters_tell_names_apart_by_their_letter_case() -> None:
    photos = [{"value": f"http://x/{name}.png"} for name in ("A", "a")]
    before = complete({"id": "1", "userName": "ada", "photos": photos, "meta": {}}, GENERIC_USER_TYPE)
    value = {f'photos[value eq "http://x/{name}.png"].display': f"of {name}" for name in ("A", "a")}

    def after(value: dict[str, Any]) -> dict[str, Any]:
        body = {"schemas": [PATCH_URN], "Operations": [{"op": "add", "value": value}]}
        return apply_operations(before, read_operations(body, GENERIC_USER_TYPE, LENIENT), GENERIC_USER_TYPE, LENIENT)

    assert [each["display"] for each in after(value)["photos"]] == ["of A", "of a"]
    with pytest.raises(InvalidValue, match="given twice"):
        after({**value, 'PHOTOS[value eq "http://x/A.png"].display': "another"})
