"""What of a resource is shown."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, Returned
from muster.scim.errors import InvalidValue
from muster.scim.limits import Limits
from muster.scim.projection import compile_projection, split_names, wants
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType, SchemaExtension
from muster.scim.schemas import ENTERPRISE_USER_URN, USER_8X8_MIRROR_URN, USER_8X8_URN, SchemaDefinition

USER: dict[str, Any] = {
    "schemas": ["s"],
    "id": "1",
    "userName": "a",
    "name": {"givenName": "G", "familyName": "F"},
    "emails": [{"value": "v", "type": "work"}, {"type": "home"}],
    ENTERPRISE_USER_URN: {"department": "D", "manager": {"value": "m"}},
    "meta": {"version": "1"},
}


def shown(attributes: str = "", excluded: str = "") -> dict[str, Any]:
    project = compile_projection(GENERIC_USER_TYPE, split_names(attributes), split_names(excluded))
    result = USER if project is None else project(USER)
    return {name: value for name, value in result.items() if name not in ("schemas", "id")}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("userName", {"userName": "a"}),
        ("name.givenName,userName", {"userName": "a", "name": {"givenName": "G"}}),
        ("name.givenName,name", {"name": {"givenName": "G", "familyName": "F"}}),
        ("name,name.givenName", {"name": {"givenName": "G", "familyName": "F"}}),
        ("name.middleName", {}),
        ("emails.value", {"emails": [{"value": "v"}]}),
        ("emails.display", {}),
        (f"{ENTERPRISE_USER_URN}:department", {ENTERPRISE_USER_URN: {"department": "D"}}),
        (f"{ENTERPRISE_USER_URN}:manager.value", {ENTERPRISE_USER_URN: {"manager": {"value": "m"}}}),
        (f"{ENTERPRISE_USER_URN}:manager.displayName", {}),
        (ENTERPRISE_USER_URN, {ENTERPRISE_USER_URN: USER[ENTERPRISE_USER_URN]}),
        ("nope,a.b.c", {}),
    ],
)
def test_only_what_is_asked_for_and_what_is_always_shown(attributes: str, expected: dict[str, Any]) -> None:
    assert shown(attributes) == expected


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("userName", ["userName"]),
        ("id,schemas", []),
        ("name.givenName,name.familyName", ["name"]),
        ("emails.value,emails.type", ["emails"]),
        (ENTERPRISE_USER_URN, [ENTERPRISE_USER_URN]),
        (f"{ENTERPRISE_USER_URN}:manager.displayName", []),
        (f"{ENTERPRISE_USER_URN}:department,{ENTERPRISE_USER_URN}:manager", [ENTERPRISE_USER_URN]),
        ("nope", []),
    ],
)
def test_what_is_excluded_goes_unless_it_is_always_shown(excluded: str, gone: list[str]) -> None:
    assert set(USER) - {"schemas", "id"} - set(shown(excluded=excluded)) == set(gone)


def test_nothing_asked_is_everything() -> None:
    assert compile_projection(GENERIC_USER_TYPE, (), ()) is None


def test_both_lists_together_exclude_from_what_is_asked() -> None:
    assert shown("name,userName", "name.familyName") == {"userName": "a", "name": {"givenName": "G"}}


def test_both_urns_of_a_mirrored_extension_are_shown_together() -> None:
    project = compile_projection(USER_8X8_TYPE, (f"{USER_8X8_MIRROR_URN}:site",), ())
    assert project is not None
    site = {"site": "S"}
    assert set(project({"userName": "a", USER_8X8_URN: site, USER_8X8_MIRROR_URN: site})) == {
        USER_8X8_URN,
        USER_8X8_MIRROR_URN,
    }


def test_what_is_shown_on_request_is_shown_on_request_only() -> None:
    hidden = AttributeDefinition(name="hidden", description="H.", returned=Returned.REQUEST)
    schema = SchemaDefinition(id="urn:x:1.0:Thing", name="Thing", description="T.", attributes=(hidden,))
    extension = SchemaDefinition(id="urn:x:1.0:Ext", name="Ext", description="E.", attributes=(hidden,))
    kind = ResourceType(
        name="Thing",
        endpoint="/Things",
        description="T.",
        schema=schema,
        extensions=(SchemaExtension(schema=extension),),
    )
    document = {"id": "1", "hidden": "h", "urn:x:1.0:Ext": {"hidden": "h"}}
    by_default = compile_projection(kind, (), ())
    assert by_default is not None and by_default(document) == {"id": "1"}
    excluding = compile_projection(kind, (), ("meta",))
    assert excluding is not None and excluding(document) == {"id": "1"}
    asked = compile_projection(kind, ("hidden",), ())
    assert asked is not None and asked(document) == {"id": "1", "hidden": "h"}


@pytest.mark.parametrize(
    ("attributes", "excluded", "answer"),
    [
        ("", "", True),
        ("", "members", False),
        ("", "MEMBERS", False),
        ("", "members.display", True),
        ("displayName", "", False),
        ("displayName,members.value", "", True),
        ("members", "members", False),
    ],
)
def test_members_are_read_only_when_they_can_be_shown(attributes: str, excluded: str, answer: bool) -> None:
    assert wants(GROUP_TYPE, "members", split_names(attributes), split_names(excluded)) is answer


def test_a_list_over_the_limit_is_refused_and_the_limit_named() -> None:
    with pytest.raises(InvalidValue, match="attribute names"):
        compile_projection(GENERIC_USER_TYPE, ("a",) * 3, ("b",) * 3, Limits(attribute_names=5))


@pytest.mark.parametrize(("text", "names"), [(None, ()), ("", ()), (" a , b,,", ("a", "b"))])
def test_names_are_split_at_commas(text: str | None, names: tuple[str, ...]) -> None:
    assert split_names(text) == names
