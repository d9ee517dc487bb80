from __future__ import annotations

import json
from typing import Any

import pytest

from muster.gallery.page import PageInvalid, read_page
from muster.gallery.schema import add_attributes, form_attribute, form_source
from muster.model.credentials import AuthenticationType
from muster.model.directory import AttributeType, ObjectKind
from muster.model.rules import AttributeDefinition

PAGE: dict[str, Any] = {
    "id": "t",
    "jobTemplateId": "app",
    "displayName": "App",
    "publisher": "P",
    "description": "D",
    "categories": ["x"],
    "appRoles": [{"id": "1", "displayName": "User"}],
    "acceptsDefaultAccess": True,
    "singleSignOnModes": [],
    "dialect": {"update": "put"},
    "facts": [{"name": "n", "value": "v", "source": "s"}],
    "rules": {
        "ruleId": "r",
        "target": "App",
        "objects": [
            {
                "name": "Users",
                "source": "User",
                "target": "User",
                "attributes": [{"name": "userName", "expression": "[mail]", "matching": 1}],
            }
        ],
    },
}


def test_a_page_is_read_with_its_defaults() -> None:
    page = read_page(json.dumps(PAGE).encode(), "app.json")
    assert page.is_application and page.home_page_url is None
    assert page.app_roles[0].allowed_member_types == ("User",) and page.app_roles[0].value is None
    assert page.facts[0].source == "s"
    assert page.schema_document()["synchronizationRules"][0]["objectMappings"][0]["name"] == "Users"


def test_an_application_that_signs_nobody_in_has_no_mode_of_sign_on() -> None:
    modes = {"singleSignOnModes": ["notSupported", "saml"]}
    assert read_page(json.dumps(PAGE | modes).encode(), "app.json").sign_on_modes == ("saml",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (json.dumps({key: value for key, value in PAGE.items() if key != "rules"}).encode(), "no rules"),
        (json.dumps({**PAGE, "dialect": {"update": "post"}}).encode(), "update"),
    ],
)
def test_a_page_that_cannot_be_used_is_named(content: bytes, said: str) -> None:
    with pytest.raises(PageInvalid, match=said) as refused:
        read_page(content, "app.json")
    assert "app.json" in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "name", "kind", "parameters"),
    [
        ("[mail]", "mail", "Attribute", []),
        ("Not( [IsSoftDeleted] )", "Not", "Function", [{"key": "source", "value": form_source("[IsSoftDeleted]")}]),
        ('"London"', "London", "Constant", []),
    ],
)
def test_a_source_has_a_name_a_type_and_parameters(
    expression: str, name: str, kind: str, parameters: list[Any]
) -> None:
    assert form_source(expression) == {
        "expression": expression,
        "name": name,
        "type": kind,
        "parameters": parameters,
    }


def test_attributes_are_added_to_the_lists_of_known_objects_and_what_is_there_stays() -> None:
    there = {"name": "userName", "type": "String", "ours": 1}
    directory = {
        "name": "App",
        "objects": [{"name": "User", "attributes": [there], "more": 2}, {"name": "Group"}, {"name": "Device"}],
    }
    found = {
        ObjectKind.USER: (
            AttributeDefinition(name="userName", required=True),
            AttributeDefinition(name="boss", type=AttributeType.REFERENCE, required=True, referenced=("User",)),
        )
    }
    added = add_attributes(directory, {"User": ObjectKind.USER, "Group": ObjectKind.GROUP}, found)
    users, groups, devices = added["objects"]
    assert users["attributes"][0] == there and users["more"] == 2
    boss = users["attributes"][1]
    assert (boss["name"], boss["type"], boss["required"]) == ("boss", "Reference", False)
    assert boss["referencedObjects"] == [{"referencedObjectName": "User", "referencedProperty": "id"}]
    assert groups["attributes"] == devices["attributes"] == []
    assert add_attributes({"name": "App"}, {}, found) == {"name": "App", "objects": []}


def test_an_application_is_signed_in_to_as_its_page_says() -> None:
    assert read_page(json.dumps(PAGE).encode(), "app.json").authentication_type is AuthenticationType.BEARER


def test_an_attribute_has_the_defaults_that_it_does_not_name() -> None:
    assert form_attribute({"name": "badge", "caseExact": True})["caseExact"]
    assert not form_attribute({"name": "badge"})["caseExact"]
