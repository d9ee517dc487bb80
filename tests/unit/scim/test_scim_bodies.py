"""Bodies in the words of the schema are read at once; all others as they are read value by value, and refused so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.bodies import compile_body_reader, compile_quick_reader
from muster.scim.errors import InvalidSyntax, InvalidValue, PayloadTooLarge, ScimError
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.readers import ReadingRules
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType, SchemaExtension
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN, USER_8X8_URN, USER_SCHEMA, USER_URN, SchemaDefinition
from muster.scim.validation import compile_document_reader

PLAIN: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_USER_URN],
    "userName": "ada",
    "externalId": "1",
    "active": True,
    "title": "",
    "name": {"givenName": "Ada", "familyName": "L\u00f8ve"},
    "emails": [{"type": "work", "value": "ada@x", "primary": True}, {"value": "b", "primary": False}],
    ENTERPRISE_USER_URN: {"department": "D", "manager": {"value": "7", "$ref": "../Users/7"}},
}
EXTENSION = SchemaDefinition(
    id="urn:x:1.0:Ext",
    name="Ext",
    description="An extension.",
    attributes=(
        AttributeDefinition(name="badge", description="B.", required=True),
        AttributeDefinition(name="secret", description="S.", mutability=Mutability.WRITE_ONLY),
        AttributeDefinition(name="since", description="S.", type=AttributeType.DATE_TIME),
        AttributeDefinition(name="colour", description="C.", canonical_values=("red",), enforced=True),
        AttributeDefinition(name="keys", description="K.", multi_valued=True),
        AttributeDefinition(
            name="cards",
            description="C.",
            type=AttributeType.COMPLEX,
            multi_valued=True,
            sub_attributes=(
                AttributeDefinition(name="value", description="V.", required=True),
                AttributeDefinition(name="lost", description="L.", type=AttributeType.BOOLEAN, required=True),
                AttributeDefinition(name="primary", description="P.", type=AttributeType.BOOLEAN),
                AttributeDefinition(name="doors", description="D.", multi_valued=True, required=True),
            ),
        ),
        AttributeDefinition(
            name="desks",
            description="D.",
            type=AttributeType.COMPLEX,
            multi_valued=True,
            sub_attributes=(
                AttributeDefinition(name="value", description="V.", mutability=Mutability.IMMUTABLE),
                AttributeDefinition(name="display", description="D."),
            ),
        ),
    ),
)
EXTENDED_TYPE = ResourceType(
    name="User",
    endpoint="/Users",
    description="U.",
    schema=USER_SCHEMA,
    extensions=(SchemaExtension(schema=EXTENSION),),
)
CARD = {"value": "1", "lost": False, "doors": ["north", ""]}


def outcome(read: Callable[[Any], Any], body: Any) -> tuple[Any, Any]:
    """What came of reading: the document, or what was refused and how."""
    try:
        return None, read(body)
    except ScimError as refused:
        return type(refused), refused.detail


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (GENERIC_USER_TYPE, PLAIN),
        (USER_8X8_TYPE, {"userName": "ada", USER_8X8_URN: {"site": "Delft"}}),
        (GROUP_TYPE, {"schemas": [GROUP_URN], "displayName": "Crew"}),
        (EXTENDED_TYPE, {"userName": "ada", EXTENSION.id: {"badge": "1", "keys": ["a", "b"], "cards": [CARD]}}),
    ],
)
def test_a_body_in_the_words_of_the_schema_is_read_at_once(kind: ResourceType, document: dict[str, Any]) -> None:
    body = orjson.dumps(document)
    assert compile_quick_reader(kind, DEFAULT_LIMITS)(body) == document
    assert compile_body_reader(kind, ReadingRules())(body) == compile_document_reader(kind, ReadingRules())(document)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"USERNAME": "ada"},
        {"userName": None},
        {"userName": 5},
        {"title": None},
        {"nope": 1},
        {"id": "7"},
        {"password": "secret"},
        {"active": "False"},
        {"emails": []},
        {"emails": [{}]},
        {"emails": [None]},
        {"emails": ["a"]},
        {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},
        {"emails": [{"VALUE": "a"}]},
        {"name": {}},
        {"name": []},
        {"roles": '[{"value":"a"}]'},
        {"schemas": []},
        {"schemas": "x"},
        {"schemas": [GROUP_URN]},
        {ENTERPRISE_USER_URN: {"manager": "7"}},
        {ENTERPRISE_USER_URN: {}},
        {ENTERPRISE_USER_URN.upper(): {"department": "E"}},
        {"title": "x" * 65_537},
    ],
)
def test_what_is_unusual_or_wrong_is_read_value_by_value(change: dict[str, Any], strict: bool) -> None:
    rules = ReadingRules(strict=strict)
    sent = PLAIN | change
    body = orjson.dumps(sent)
    by_value = compile_document_reader(GENERIC_USER_TYPE, rules)
    assert outcome(compile_body_reader(GENERIC_USER_TYPE, rules), body) == outcome(by_value, sent)


@pytest.mark.parametrize(
    "values",
    [
        {"badge": ""},
        {"keys": ["a"]},
        {"badge": "1", "secret": "s"},
        {"badge": "1", "since": "yesterday"},
        {"badge": "1", "since": "2026-01-31T08:00:00Z"},
        {"badge": "1", "colour": "blue"},
        {"badge": "1", "keys": [{"value": "a"}]},
        {"badge": "1", "cards": [CARD | {"value": ""}]},
        {"badge": "1", "cards": [CARD | {"doors": []}]},
        {"badge": "1", "cards": [CARD | {"primary": True}, CARD | {"primary": True}]},
        {"badge": "1", "cards": [{"value": "1"}]},
    ],
)
def test_what_no_type_can_say_is_read_value_by_value(values: dict[str, Any]) -> None:
    sent = {"userName": "ada", EXTENSION.id: values}
    body = orjson.dumps(sent)
    by_value = compile_document_reader(EXTENDED_TYPE, ReadingRules())
    assert compile_quick_reader(EXTENDED_TYPE, DEFAULT_LIMITS)(body) is None
    assert outcome(compile_body_reader(EXTENDED_TYPE, ReadingRules()), body) == outcome(by_value, sent)


def test_what_has_an_immutable_value_may_come_without_one_where_it_is_not_required() -> None:
    desks = [{"display": "by the window"}, {"value": "7"}]
    sent = {"userName": "ada", EXTENSION.id: {"badge": "1", "desks": desks}}
    assert compile_body_reader(EXTENDED_TYPE, ReadingRules())(orjson.dumps(sent))[EXTENSION.id]["desks"] == desks
    assert compile_document_reader(EXTENDED_TYPE, ReadingRules())(sent)[EXTENSION.id]["desks"] == desks


def test_a_member_that_is_sent_twice_is_held_once() -> None:
    body = orjson.dumps({"displayName": "Crew", "members": [{"value": "1"}, {"value": "1"}]})
    assert compile_body_reader(GROUP_TYPE, ReadingRules())(body)["members"] == [{"value": "1"}]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", InvalidSyntax),
        (b"{", InvalidSyntax),
        (b"[]", InvalidSyntax),
        (b'{"userName":"a"} x', InvalidSyntax),
        (b'{"userName":"a","userName":1}', InvalidValue),
        (b'{"userName":"\xff"}', InvalidSyntax),
        (b'{"userName":"\\ud800"}', InvalidSyntax),
        (b'{"userName":"\\ud800\\u0041"}', InvalidSyntax),
        (b'{"userName":"\x01"}', InvalidSyntax),
        (b'{"userName":"' + b"a" * 200 + b'"}', PayloadTooLarge),
        (b'{"userName":"a","emails":[{"value":"b"},{"value":"c"},{"value":"d"}]}', InvalidValue),
        (b'{"userName":"a","emails":[{"\\u0070rimary":true},{"\\u0070rimary":true}]}', InvalidValue),
    ],
)
def test_a_body_that_is_refused_is_refused_in_the_words_of_the_readers(body: bytes, refusal: type[ScimError]) -> None:
    limits = Limits(body_bytes=200, elements=2)
    with pytest.raises(refusal):
        compile_body_reader(GENERIC_USER_TYPE, ReadingRules(limits=limits))(body)


def test_the_last_of_two_values_of_one_name_counts_and_a_byte_order_mark_is_passed_over() -> None:
    read = compile_body_reader(GENERIC_USER_TYPE, ReadingRules())
    assert read(b'{"userName":"a","userName":"b"}')["userName"] == "b"
    assert read(b'\xef\xbb\xbf{"userName":"a"}')["userName"] == "a"
