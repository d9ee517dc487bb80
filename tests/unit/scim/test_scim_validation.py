"""Reading what clients send: types, canonical names, tolerances and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.errors import InvalidSyntax, InvalidValue
from muster.scim.limits import Limits
from muster.scim.readers import ReadingRules, compile_reader, json_name
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType, SchemaExtension
from muster.scim.schemas import (
    ENTERPRISE_USER_URN,
    GROUP_URN,
    USER_8X8_MIRROR_URN,
    USER_8X8_URN,
    USER_SCHEMA,
    USER_URN,
    SchemaDefinition,
)
from muster.scim.validation import compile_document_reader, missing_required

LENIENT, STRICT = ReadingRules(), ReadingRules(strict=True)


def of_type(kind: AttributeType, **more: Any) -> AttributeDefinition:
    return AttributeDefinition(name="x", description="X.", type=kind, **more)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (AttributeType.STRING, "a"),
        (AttributeType.STRING, ""),
        (AttributeType.BOOLEAN, False),
        (AttributeType.INTEGER, 5),
        (AttributeType.DECIMAL, 5),
        (AttributeType.DECIMAL, 5.5),
        (AttributeType.DATE_TIME, "2026-01-31T08:00:00Z"),
        (AttributeType.BINARY, "AAEC"),
        (AttributeType.BINARY, ""),
        (AttributeType.REFERENCE, "https://x"),
    ],
)
def test_a_value_of_its_type_is_taken_as_it_is(kind: AttributeType, value: Any) -> None:
    assert compile_reader(of_type(kind), STRICT)(value) == value
    assert compile_reader(of_type(kind), STRICT)(None) is None


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (AttributeType.STRING, 5, "x must be a text; a number was sent"),
        (AttributeType.STRING, ["a"], "x must be a text; a list was sent"),
        (AttributeType.BOOLEAN, "maybe", "x must be true or false; a text was sent"),
        (AttributeType.BOOLEAN, 1, "x must be true or false; a number was sent"),
        (AttributeType.INTEGER, 5.5, "x must be a whole number"),
        (AttributeType.INTEGER, True, "x must be a whole number; a boolean was sent"),
        (AttributeType.DECIMAL, "5", "x must be a number"),
        (AttributeType.DATE_TIME, "soon", "x must be a date and time"),
        (AttributeType.BINARY, "*", "x must be bytes in base64"),
        (AttributeType.BINARY, "é", "x must be bytes in base64"),
        (AttributeType.COMPLEX, "a", "x must be an object; a text was sent"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: AttributeType, value: Any, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        compile_reader(of_type(kind), LENIENT)(value)


def test_texts_of_booleans_are_tolerated_and_refused_when_strict() -> None:
    assert compile_reader(of_type(AttributeType.BOOLEAN), LENIENT)("TRUE") is True
    with pytest.raises(InvalidValue):
        compile_reader(of_type(AttributeType.BOOLEAN), STRICT)("true")


def test_values_of_a_plain_list_may_be_wrapped_in_objects() -> None:
    plain = of_type(AttributeType.STRING, multi_valued=True)
    assert compile_reader(plain, LENIENT)([{"value": "1"}, "2"]) == ["1", "2"]
    assert compile_reader(plain, LENIENT)(None) is None
    with pytest.raises(InvalidValue):
        compile_reader(plain, STRICT)([{"value": "1"}])
    with pytest.raises(InvalidValue):
        compile_reader(plain, LENIENT)([{"value": 1}])


def test_enforced_canonical_values_are_the_only_ones() -> None:
    enforced = of_type(AttributeType.STRING, canonical_values=("a", "b"), enforced=True)
    assert compile_reader(enforced, LENIENT)("a") == "a"
    with pytest.raises(InvalidValue, match="x must be one of a, b"):
        compile_reader(enforced, LENIENT)("c")


@pytest.mark.parametrize(
    ("body", "limit"),
    [({"title": "abcdef"}, "text length"), ({"emails": [{"value": "a"}] * 3}, "elements")],
)
def test_a_value_over_a_limit_is_refused_and_the_limit_named(body: dict[str, Any], limit: str) -> None:
    rules = ReadingRules(limits=Limits(string_characters=5, elements=2))
    with pytest.raises(InvalidValue, match=limit):
        compile_document_reader(GENERIC_USER_TYPE, rules)({"userName": "a", **body})


MANAGER = f"{ENTERPRISE_USER_URN}:manager"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("m", {"value": "m"}),
        ({"value": "m"}, {"value": "m"}),
        ([{"value": "m", "$ref": "../Users/m"}], {"value": "m", "$ref": "../Users/m"}),
        ({"VALUE": "m", "displayName": "read-only"}, {"value": "m"}),
        ("", None),
        ({}, None),
        (None, None),
    ],
)
def test_the_manager_is_read_in_every_form_that_clients_send(sent: Any, read: Any) -> None:
    document = compile_document_reader(GENERIC_USER_TYPE, LENIENT)(
        {"userName": "a", ENTERPRISE_USER_URN: {"manager": sent}}
    )
    assert document.get(ENTERPRISE_USER_URN, {}).get("manager") == read


@pytest.mark.parametrize("sent", [5, [{"value": "a"}, {"value": "b"}], ["m"], []])
def test_what_is_no_manager_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidValue, match="manager must be an object"):
        compile_document_reader(GENERIC_USER_TYPE, LENIENT)({"userName": "a", ENTERPRISE_USER_URN: {"manager": sent}})


def test_a_document_is_read_into_canonical_names_and_order() -> None:
    sent = {
        "TITLE": "T",
        "username": "a",
        "password": "secret",
        "id": "ignored",
        "meta": {"created": "ignored"},
        "groups": [{"value": "ignored"}],
        "externalid": "e",
        "nickName": None,
        "emails": [],
        "phoneNumbers": [{"VALUE": "1", "Primary": "true"}, None, {}],
        ENTERPRISE_USER_URN.upper(): {"DEPARTMENT": "D", "costCenter": None},
        "unknown": {"deep": [1]},
        USER_URN: {"ignored": True},
    }
    document = compile_document_reader(GENERIC_USER_TYPE, LENIENT)(sent)
    assert document == {
        "schemas": [USER_URN, ENTERPRISE_USER_URN],
        "externalId": "e",
        "title": "T",
        "userName": "a",
        "phoneNumbers": [{"value": "1", "primary": True}],
        ENTERPRISE_USER_URN: {"department": "D"},
    }
    assert list(document)[:2] == ["schemas", "externalId"]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"userName": "a", "USERNAME": "b"}, "userName is given twice"),
        ({"userName": "a", "name": {"givenName": "a", "givenname": "b"}}, "name.givenName is given twice"),
        ({"userName": "a", ENTERPRISE_USER_URN: {"department": "A", "DEPARTMENT": "B"}}, ":department is given twice"),
        ({USER_URN: {"userName": "a", "USERNAME": "b"}}, "User:userName is given twice"),
        ({"title": "T"}, "userName is required"),
        ({"userName": ""}, "userName is required"),
        ({"userName": " \t"}, "userName is required"),
        ({"userName": "a", "name": {"givenName": 5}}, "name.givenName must be a text"),
        ({"userName": "a", "emails": [{"value": 5}]}, "emails.value must be a text"),
        ({"userName": "a", ENTERPRISE_USER_URN: {"manager": {"value": 5}}}, f"{MANAGER}.value must be a text"),
        ({"userName": "a", ENTERPRISE_USER_URN: "x"}, "must be an object; a text was sent"),
        ({"userName": "a", "schemas": [GROUP_URN]}, f"schemas must hold {USER_URN}"),
        ({"userName": "a", "password": 5}, "password must be a text"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_the_name(sent: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        compile_document_reader(GENERIC_USER_TYPE, LENIENT)(sent)


@pytest.mark.parametrize("sent", [[], "x", None, 5])
def test_a_document_is_an_object(sent: Any) -> None:
    with pytest.raises(InvalidSyntax, match="must be an object"):
        compile_document_reader(GENERIC_USER_TYPE, LENIENT)(sent)


def test_read_only_names_are_known_when_strict() -> None:
    sent = {
        "schemas": [USER_URN],
        "userName": "a",
        "groups": [],
        ENTERPRISE_USER_URN: {"manager": {"displayName": "x"}},
    }
    assert compile_document_reader(GENERIC_USER_TYPE, STRICT)(sent) == {"schemas": [USER_URN], "userName": "a"}


def test_a_member_is_held_once() -> None:
    sent = {"displayName": "G", "members": [{"value": "a"}, {"value": "b"}, {"value": "a", "display": "A"}]}
    document = compile_document_reader(GROUP_TYPE, LENIENT)(sent)
    assert document["members"] == [{"value": "a", "display": "A"}, {"value": "b"}]


@pytest.mark.parametrize("rules", [LENIENT, STRICT])
def test_core_attributes_may_stand_under_the_urn_of_their_schema(rules: ReadingRules) -> None:
    read = compile_document_reader(GENERIC_USER_TYPE, rules)
    plain = {"schemas": [USER_URN], "userName": "a", "externalId": "7", "emails": [{"value": "a@x.example"}]}
    under = {USER_URN.upper(): {"USERNAME": "a", "emails": plain["emails"], "id": "mine"}}
    assert read({"schemas": [USER_URN], "externalId": "7", **under}) == read(plain)
    assert read({**plain, **under}) == read({**under, **plain}) == read(plain)
    for sent in ({**plain, USER_URN: {"userName": "b"}}, {USER_URN: {"userName": "b"}, **plain}):
        with pytest.raises(InvalidValue, match="userName is given twice with different values"):
            read(sent)
    with pytest.raises(InvalidValue, match="must be an object"):
        read({**plain, USER_URN: "b"})


def test_mirrored_extensions_are_joined_and_shown_twice() -> None:
    read = compile_document_reader(USER_8X8_TYPE, LENIENT)
    document = read({"userName": "a", USER_8X8_MIRROR_URN: {"site": "S"}, USER_8X8_URN: {"site": "S"}})
    assert document[USER_8X8_URN] == document[USER_8X8_MIRROR_URN] == {"site": "S"}
    assert document["schemas"] == [USER_URN, USER_8X8_URN, USER_8X8_MIRROR_URN]
    with pytest.raises(InvalidValue, match="given twice with different values"):
        read({"userName": "a", USER_8X8_MIRROR_URN: {"site": "S"}, USER_8X8_URN: {"site": "T"}})


def test_a_required_extension_must_be_there_and_whole() -> None:
    extension = SchemaDefinition(
        id="urn:x:1.0:Ext",
        name="Ext",
        description="An extension.",
        attributes=(
            AttributeDefinition(name="badge", description="B.", required=True),
            AttributeDefinition(name="secret", description="S.", mutability=Mutability.WRITE_ONLY),
        ),
    )
    kind = ResourceType(
        name="User",
        endpoint="/Users",
        description="U.",
        schema=USER_SCHEMA,
        extensions=(SchemaExtension(schema=extension, required=True),),
    )
    read = compile_document_reader(kind, LENIENT)
    assert read({"userName": "a", "urn:x:1.0:Ext": {"badge": "1", "secret": "s"}})["urn:x:1.0:Ext"] == {"badge": "1"}
    with pytest.raises(InvalidValue, match="is required"):
        read({"userName": "a"})
    assert missing_required({"userName": "a", "urn:x:1.0:Ext": {"badge": ""}}, kind) == "urn:x:1.0:Ext:badge"


@pytest.mark.parametrize(
    ("value", "name"),
    [("", "a text"), (True, "a boolean"), (1, "a number"), ([], "a list"), ({}, "an object"), (None, "null")],
)
def test_kinds_of_json_values_have_names(value: Any, name: str) -> None:
    assert json_name(value) == name
