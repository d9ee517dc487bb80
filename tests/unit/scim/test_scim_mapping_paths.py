from __future__ import annotations

from typing import Any

import pytest

from muster.scim.mapping_paths import (
    MappingPathInvalid,
    has_element,
    parse_mapping_path,
    read_references,
    read_value,
    remove_value,
    write_value,
)

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SITE = "urn:ietf:params:scim:schemas:extension:8x8:1.1:User"

USER: dict[str, Any] = {
    "userName": "ada",
    "Name": {"GivenName": "Ada", "familyName": ""},
    "emails": [
        {"type": "home", "value": "h@x"},
        {"type": "Work", "value": "w1@x"},
        {"type": "work", "value": "w2@x", "primary": True},
    ],
    "phoneNumbers": {"type": "work", "value": "1"},
    "roles": [{"value": "Reader"}, {"value": "Admin", "primary": "True"}],
    "x509Certificates": [],
    ENTERPRISE: {"department": "Sales", "manager": {"value": 7}},
    f"{SITE}:site": "London",
    "members": [{"value": "a"}, "b", {"value": ""}],
}


@pytest.mark.parametrize(
    ("path", "schema", "attribute", "conditions", "sub"),
    [
        ("userName", None, "userName", (), None),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", None, "userName", (), None),
        ("name.givenName", None, "name", (), "givenName"),
        ('emails[type eq "work"].value', None, "emails", (("type", "work"),), "value"),
        ('emails[type eq "work"]', None, "emails", (("type", "work"),), None),
        ('roles[primary eq "True"].value', None, "roles", (("primary", True),), "value"),
        ("roles[primary eq true].value", None, "roles", (("primary", True),), "value"),
        (f"{ENTERPRISE}:department", ENTERPRISE, "department", (), None),
        (f"{ENTERPRISE}:manager.displayName", ENTERPRISE, "manager", (), "displayName"),
        (f"{SITE}:site", SITE, "site", (), None),
        ("urn:x:y:Odd_1.0:thing", "urn:x:y:Odd_1.0", "thing", (), None),
        ('urn:x:y[z:User:a[type eq "b"].c'.replace("[z", ""), "urn:x:y:User", "a", (("type", "b"),), "c"),
        ('ims[type eq "a:b" and value eq "c"].value', None, "ims", (("type", "a:b"), ("value", "c")), "value"),
    ],
)
def test_a_mapping_path_is_taken_apart(
    path: str, schema: str | None, attribute: str, conditions: tuple[Any, ...], sub: str | None
) -> None:
    parsed = parse_mapping_path(path)
    assert (parsed.schema, parsed.attribute, parsed.conditions, parsed.sub_attribute) == (
        schema,
        attribute,
        conditions,
        sub,
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a b",
        "name.",
        "a.b.c",
        'emails[type eq "work"',
        'emails[type eq "work"]x',
        'emails[type co "work"].value',
        "emails[type pr].value",
        'emails[type eq "a" or type eq "b"].value',
        "emails[nonsense].value",
        'name.x[type eq "work"].value',
        "a" * 1_025,
    ],
)
def test_what_is_no_path_is_refused_with_a_sentence(path: str) -> None:
    with pytest.raises(MappingPathInvalid) as refused:
        parse_mapping_path(path)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("username", "ada"),
        ("name.givenName", "Ada"),
        ("name.familyName", None),
        ("name.absent", None),
        ("userName.value", None),
        ('emails[type eq "work"].value', "w2@x"),
        ('emails[type eq "fax"].value', None),
        ("emails.value", "w2@x"),
        ('phoneNumbers[type eq "work"].value', "1"),
        ('roles[primary eq "True"].value', "Admin"),
        ("x509Certificates", None),
        (f"{ENTERPRISE}:department", "Sales"),
        (f"{ENTERPRISE.upper()}:Department", "Sales"),
        (f"{SITE}:site", "London"),
        (f"{SITE}:floor", None),
        ('userName[type eq "x"].value', None),
    ],
)
def test_values_are_read_in_any_letter_case_and_empty_ones_are_absent(path: str, value: object) -> None:
    assert read_value(USER, parse_mapping_path(path)) == value


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        (f"{ENTERPRISE}:manager", ("7",)),
        ("members", ("a", "b")),
        ("userName", ("ada",)),
        ("absent", ()),
    ],
)
def test_references_are_ids_whatever_their_form(path: str, ids: tuple[str, ...]) -> None:
    assert read_references(USER, parse_mapping_path(path)) == ids


def test_writing_makes_the_objects_and_the_element_it_needs() -> None:
    document: dict[str, Any] = {}
    write_value(document, parse_mapping_path("name.givenName"), "Ada")
    write_value(document, parse_mapping_path("name.familyName"), "Lovelace")
    write_value(document, parse_mapping_path('addresses[type eq "work"].locality'), "London")
    write_value(document, parse_mapping_path('addresses[type eq "work"].country'), "GB")
    write_value(document, parse_mapping_path('addresses[type eq "home"]'), {"country": "FR"})
    write_value(document, parse_mapping_path('ims[type eq "x"]'), "me")
    write_value(document, parse_mapping_path(f"{SITE}:site"), "London")
    assert document == {
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "addresses": [
            {"type": "work", "locality": "London", "country": "GB"},
            {"type": "home", "country": "FR"},
        ],
        "ims": [{"type": "x", "value": "me"}],
        SITE: {"site": "London"},
    }


def test_writing_keeps_the_spelling_that_is_there() -> None:
    document: dict[str, Any] = {"UserName": "old"}
    write_value(document, parse_mapping_path("userName"), "new")
    assert document == {"UserName": "new"}


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({"title": "x", "a": 1}, "title", {"a": 1}),
        ({"name": {"givenName": "A"}}, "name.givenName", {}),
        ({"name": {"givenName": "A", "familyName": "B"}}, "name.givenName", {"name": {"familyName": "B"}}),
        ({"a": 1}, "name.givenName", {"a": 1}),
        ({"a": 1}, f"{ENTERPRISE}:department", {"a": 1}),
        ({"emails": [{"type": "work", "value": "x"}]}, 'emails[type eq "work"].value', {}),
        (
            {"emails": [{"type": "work", "value": "x"}, {"type": "home", "value": "y"}]},
            'emails[type eq "work"].value',
            {"emails": [{"type": "home", "value": "y"}]},
        ),
        (
            {"emails": [{"type": "home", "value": "y"}]},
            'emails[type eq "work"].value',
            {"emails": [{"type": "home", "value": "y"}]},
        ),
        (
            {"addresses": [{"type": "work", "locality": "L", "country": "GB"}]},
            'addresses[type eq "work"].locality',
            {"addresses": [{"type": "work", "country": "GB"}]},
        ),
        ({"addresses": [{"type": "work", "locality": "L"}]}, 'addresses[type eq "work"].locality', {}),
    ],
)
def test_removing_leaves_no_empty_shell(before: dict[str, Any], path: str, after: dict[str, Any]) -> None:
    remove_value(before, parse_mapping_path(path))
    assert before == after


def test_an_element_is_there_when_its_conditions_hold() -> None:
    assert has_element(USER, parse_mapping_path('emails[type eq "home"].value'))
    assert not has_element(USER, parse_mapping_path('emails[type eq "fax"].value'))
    assert has_element({"x": [{"n": 3}]}, parse_mapping_path("x[n eq 3].value"))
