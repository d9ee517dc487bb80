"""Schemas and resource types that an operator adds."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.scim_service import ScimService, generic_profile
from muster.scim.attributes import AttributeType, Mutability, Returned, Uniqueness
from muster.scim.custom_schemas import SchemaMistake, extend_types, read_definitions
from muster.scim.discovery import describe_schema
from muster.scim.profile import ServerProfile
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_SCHEMA, SCHEMA_URN, USER_SCHEMA, USER_URN
from muster.scim.service_schemas import RESOURCE_TYPE_URN

URN = "urn:example:schemas:badges:1.0:User"
DEVICE_URN = "urn:example:schemas:1.0:Device"
TYPES = (GENERIC_USER_TYPE, GROUP_TYPE)
BADGES: dict[str, Any] = {
    "schemas": [SCHEMA_URN],
    "id": URN,
    "name": "Badges",
    "description": "Badges of a person.",
    "attributes": [
        {"name": "number", "type": "integer", "required": True},
        {"name": "colour", "canonicalValues": ["red", "green"], "returned": "request"},
        {"name": "pin", "returned": "never"},
        {"name": "code", "mutability": "writeOnly", "returned": "never"},
        {"name": "issued", "type": "dateTime", "mutability": "immutable"},
        {"name": "level", "type": "decimal", "returned": "always"},
        {
            "name": "doors",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value", "returned": "always"},
                {"name": "note", "returned": "request"},
                {"name": "open", "type": "boolean"},
            ],
        },
        {"name": "photo", "type": "binary"},
        {
            "name": "owner",
            "type": "complex",
            "subAttributes": [
                {"name": "value"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
            ],
        },
    ],
}
DEVICE: dict[str, Any] = {
    "schemas": [SCHEMA_URN],
    "id": DEVICE_URN,
    "attributes": [
        {"name": "serial", "required": True, "uniqueness": "server"},
        {"name": "displayName"},
        {"name": "active", "type": "boolean"},
    ],
}
DEVICE_TYPE: dict[str, Any] = {
    "schemas": [RESOURCE_TYPE_URN],
    "name": "Device",
    "endpoint": "/Devices",
    "schema": DEVICE_URN,
    "description": "Telephones.",
}
BOXES = {
    **BADGES,
    "attributes": [
        {"name": "number", "type": "integer", "required": True},
        {"name": "born", "mutability": "immutable"},
        {
            "name": "box",
            "type": "complex",
            "subAttributes": [{"name": "width", "type": "integer", "required": True}, {"name": "height"}],
        },
        *(
            {"name": name, "mutability": "writeOnly", "returned": "never", **more}
            for name, more in {
                "pin": {},
                "pins": {"multiValued": True},
                "key": {"type": "complex", "subAttributes": [{"name": "code"}]},
                "keys": {"type": "complex", "multiValued": True, "subAttributes": [{"name": "code"}, {"name": "kind"}]},
            }.items()
        ),
    ],
}
EXTENDED_USER: dict[str, Any] = {
    "schemas": [RESOURCE_TYPE_URN],
    "name": "User",
    "schemaExtensions": [{"schema": URN, "required": True}],
}


def _types(*documents: Any, types: tuple[ResourceType, ...] = TYPES) -> tuple[ResourceType, ...]:
    return extend_types(types, read_definitions([(f"{n}.json", each) for n, each in enumerate(documents)]))


def _service(*documents: Any) -> ScimService:
    return ScimService(ServerProfile(name="generic", resource_types=_types(*documents)))


def _schema(**changes: Any) -> dict[str, Any]:
    return {**BADGES, **changes}


def _attribute(**changes: Any) -> dict[str, Any]:
    return _schema(attributes=[{"name": "a", **changes}])


def test_nothing_custom_leaves_the_types_as_they_are() -> None:
    assert _types() == TYPES


def test_a_schema_extends_users_and_one_of_groups_groups() -> None:
    group = _schema(id="urn:example:schemas:1.0:Group")
    users, groups = _types(BADGES, group)
    assert [each.schema.id for each in users.extensions][-1] == URN
    assert [each.schema.id for each in groups.extensions] == ["urn:example:schemas:1.0:Group"]


def test_what_was_read_is_what_is_shown() -> None:
    (schema,) = read_definitions([("a", BADGES)]).schemas
    shown = describe_schema(schema, "https://x")
    assert {key: shown[key] for key in ("id", "name", "description", "schemas")} == {
        key: BADGES[key] for key in ("id", "name", "description", "schemas")
    }
    again = read_definitions([("b", {"Resources": [shown]})]).schemas[0]
    assert describe_schema(again, "https://x") == shown
    number, colour, pin, code, issued, level, doors, photo, owner = schema.attributes
    assert (number.type, number.required, number.multi_valued) == (AttributeType.INTEGER, True, False)
    assert (colour.canonical_values, colour.returned) == (("red", "green"), Returned.REQUEST)
    assert (pin.returned, code.mutability) == (Returned.NEVER, Mutability.WRITE_ONLY)
    assert (issued.mutability, level.returned, doors.multi_valued) == (Mutability.IMMUTABLE, Returned.ALWAYS, True)
    assert (photo.case_exact, number.case_exact, number.uniqueness) == (True, False, Uniqueness.NONE)
    assert owner.sub_attributes[1].reference_types == ("User",)


def test_a_resource_keeps_what_the_schema_says_and_shows_it_as_the_schema_says() -> None:
    service = _service(BADGES)
    values = {
        "number": 7,
        "colour": "red",
        "pin": "1234",
        "code": "secret",
        "level": 1.5,
        "doors": [{"value": "d1", "note": "n", "open": True}],
        "owner": {"value": "o 1"},
    }
    made = service.ask("POST", "/Users", {"schemas": [USER_URN, URN], "userName": "a", URN: values})
    assert made.status == 201, made.json
    where = f"/Users/{made.json['id']}"
    doors = [{"value": "d1", "open": True}]
    owner = {"value": "o 1", "$ref": "https://scim.example/scim/v2/Users/o%201"}
    assert made.json[URN] == {"number": 7, "level": 1.5, "doors": doors, "owner": owner}
    assert service.ask("GET", f"{where}?attributes={URN}:colour").json[URN] == {
        "colour": "red",
        "level": 1.5,
        "doors": [{"value": "d1"}],
    }
    assert service.ask("GET", f"{where}?attributes={URN}:pin").json[URN] == {"level": 1.5, "doors": [{"value": "d1"}]}
    assert service.ask("GET", f"{where}?excludedAttributes={URN}:level,{URN}:doors,{URN}:owner").json[URN] == {
        "number": 7,
        "level": 1.5,
    }
    found = service.ask("GET", f"/Users?filter={URN}:number%20gt%206%20and%20{URN}:doors[open%20eq%20true]")
    assert found.json["totalResults"] == 1
    assert service.ask("GET", f"/Users?filter={URN}:number%20eq%20%227%22").scim_type == "invalidFilter"
    assert service.ask("GET", f"/Users?filter={URN}:pin%20pr").scim_type == "invalidFilter"


@pytest.mark.parametrize(
    ("values", "scim_type"),
    [({"number": "7"}, "invalidValue"), ({"colour": "red"}, "invalidValue"), ({"number": 1, "doors": {}}, None)],
)
def test_values_are_checked_by_the_schema(values: dict[str, Any], scim_type: str | None) -> None:
    answer = _service(BADGES).ask("POST", "/Users", {"schemas": [USER_URN, URN], "userName": "a", URN: values})
    assert (answer.status, answer.scim_type) == (400, scim_type or "invalidValue")


def test_a_patch_reaches_the_extension_and_what_is_immutable_stays() -> None:
    service = _service(BADGES)
    where = f"/Users/{service.make_user('a', **{URN: {'number': 1, 'issued': '2026-01-01T00:00:00Z'}})}"

    def patch(op: str, path: str, value: Any) -> Any:
        operation = {"op": op, "path": path, "value": value}
        message = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        return service.ask("PATCH", where, message)

    assert patch("replace", f"{URN}:number", 2).json[URN]["number"] == 2
    assert patch("add", URN, {"level": 3}).json[URN]["level"] == 3
    assert patch("replace", f"{URN}:issued", "2027-01-01T00:00:00Z").scim_type == "mutability"


def _patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


@pytest.mark.parametrize(
    "operation",
    [
        {"path": f"{URN}:box", "value": {"height": "1"}},
        {"path": f"{URN}:box.height", "value": "1"},
        {"value": {URN: {"box": {"height": "1"}}}},
        {"value": {f"{URN}:box.height": "1"}},
    ],
)
def test_a_patch_leaves_no_value_without_a_part_that_is_required(operation: dict[str, Any]) -> None:
    service = _service(BOXES)
    where = f"/Users/{service.make_user('a', **{URN: {'number': 1}})}"
    adding = {"op": "add", **operation}
    refused = service.ask("PATCH", where, _patch(adding))
    assert (refused.status, refused.scim_type) == (400, "invalidValue")
    assert f"{URN}:box.width is required and is missing" in refused.json["detail"]
    # What a message leaves counts, whatever comes first.
    made = service.ask("PATCH", where, _patch(adding, {"op": "add", "path": f"{URN}:box.width", "value": 2}))
    assert made.json[URN]["box"] == {"height": "1", "width": 2}
    assert service.ask("PUT", where, made.json).json == made.json


def test_a_put_keeps_nothing_immutable_of_an_extension_without_what_it_requires() -> None:
    service = _service(BOXES)
    where = f"/Users/{service.make_user('a', **{URN: {'number': 1, 'born': 'x'}})}"
    refused = service.ask("PUT", where, {"schemas": [USER_URN], "userName": "a"})
    assert (refused.status, refused.scim_type) == (400, "invalidValue")
    assert f"{URN}:number is required" in refused.json["detail"]
    kept = service.ask("PUT", where, {"schemas": [USER_URN, URN], "userName": "a", URN: {"number": 2}})
    assert kept.json[URN] == {"number": 2, "born": "x"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pin", "s3cret"),
        ("pins", ["s3cret"]),
        ("key", {"code": "s3cret"}),
        ("key.code", "s3cret"),
        ("keys", [{"code": "s3cret"}]),
        ("keys.code", "s3cret"),
        ('keys[kind eq "a"].code', "s3cret"),
    ],
)
def test_a_patch_keeps_nothing_that_is_write_only(path: str, value: Any) -> None:
    service = _service(BOXES)
    user_id = service.make_user("a", **{URN: {"number": 1}})
    for operation in ({"path": f"{URN}:{path}", "value": value}, {"value": {f"{URN}:{path}": value}}):
        assert service.ask("PATCH", f"/Users/{user_id}", _patch({"op": "add", **operation})).status == 200
        assert "s3cret" not in repr(service.repository.get("User", user_id))
    refused = service.ask("PATCH", f"/Users/{user_id}", _patch({"op": "add", "path": f"{URN}:pin", "value": 5}))
    assert refused.scim_type == "invalidValue"


def test_a_required_extension_is_asked_for() -> None:
    service = _service([BADGES, EXTENDED_USER])
    refused = service.ask("POST", "/Users", {"schemas": [USER_URN], "userName": "a"})
    assert (refused.status, refused.scim_type) == (400, "invalidValue")
    assert URN in refused.json["detail"]
    shown = service.ask("GET", "/ResourceTypes/User").json["schemaExtensions"]
    assert {"schema": URN, "required": True} in shown


def test_a_resource_type_of_its_own_has_an_endpoint_of_its_own() -> None:
    service = _service(DEVICE, DEVICE_TYPE)
    made = service.ask("POST", "/Devices", {"schemas": [DEVICE_URN], "serial": "S1", "active": True})
    assert made.status == 201, made.json
    assert made.json["meta"]["resourceType"] == "Device"
    assert service.ask("POST", "/Devices", {"schemas": [DEVICE_URN], "serial": "s1"}).scim_type == "uniqueness"
    assert service.ask("GET", "/").json["totalResults"] == 1
    assert service.ask("GET", f"/Schemas/{DEVICE_URN}").json["name"] == "Device"
    assert service.ask("GET", "/ResourceTypes/Device").json["description"] == "Telephones."


def test_a_type_may_name_the_extensions_that_it_has_already() -> None:
    listed = [{"schema": ENTERPRISE_USER_URN, "required": True}, {"schema": URN, "required": False}]
    user = {"schemas": [RESOURCE_TYPE_URN], "name": "User", "endpoint": "/Users", "schema": USER_URN}
    definitions = read_definitions([("a", BADGES), ("b", {**user, "schemaExtensions": listed})])
    users = extend_types(TYPES, definitions)[0]
    assert users.extensions == (*GENERIC_USER_TYPE.extensions, users.extensions[-1])
    assert users.extensions[-1].schema.id == URN


def test_without_groups_no_group_can_be_extended() -> None:
    with pytest.raises(SchemaMistake, match="does not have"):
        _types(_schema(id="urn:example:schemas:1.0:Group"), types=(USER_8X8_TYPE,))


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        (["x"], "0.json: it must be an object"),
        ([[5]], r"0.json \[0\]: it must be an object"),
        ([{}], "schemas must hold"),
        ([{"schemas": 5}], "schemas must hold"),
        ([_schema(id=None)], "id must be a text"),
        ([_schema(id="")], "id must be a text"),
        ([_schema(id="badges")], "no URN"),
        ([_schema(id="urn:example:" + "x" * 200)], "no URN"),
        ([_schema(id="urn:example:1.0")], "no URN"),
        ([_schema(id="urn:example:a+b:User")], "no URN"),
        ([_schema(id=f"{USER_URN}:title")], "begins with that of another schema"),
        ([BADGES, _schema(id=f"urn:{URN[4:].upper()}:number")], "begins with that of another schema"),
        ([_schema(name=5)], "name must be a text"),
        ([_schema(attributes=[])], "1 to 500"),
        ([_schema(attributes={})], "1 to 500"),
        ([_schema(attributes=[{"name": "a"}] * 501)], "1 to 500"),
        ([_schema(attributes=[5])], "must be an object"),
        ([_schema(attributes=[{"name": "a"}, {"name": "A"}])], "a is there twice"),
        ([_attribute(name="1a")], "begins with a letter"),
        ([_attribute(name="$ref")], "begins with a letter"),
        ([_attribute(type="text")], "type must be one of string, boolean"),
        ([_attribute(type=[])], "type must be one of"),
        ([_attribute(mutability="never")], "mutability must be one of"),
        ([_attribute(type="complex")], "which needs some"),
        ([_attribute(subAttributes=[{"name": "b"}])], "belong to an attribute of type complex"),
        ([_attribute(type="complex", subAttributes={"a": 1})], "must be a list"),
        (
            [_attribute(type="complex", subAttributes=[{"name": "b", "type": "complex", "subAttributes": [{}]}])],
            "one level deep",
        ),
        ([_attribute(type="complex", subAttributes=[{"name": "b"}, {"name": "B"}])], "b is there twice"),
        ([_attribute(type="complex", subAttributes=[{"name": "b", "uniqueness": "server"}])], "a.b: a sub-attribute"),
        ([_attribute(mutability="writeOnly")], "returned never"),
        ([_attribute(mutability="writeOnly", returned="never", required=True)], "attribute a: .*cannot be required"),
        ([_attribute(mutability="readOnly", required=True)], "attribute a: .*cannot be required"),
        (
            [_attribute(type="complex", subAttributes=[{"name": "b", "mutability": "readOnly", "required": True}])],
            "attribute a.b: .*cannot be required",
        ),
        ([_attribute(name="NOT")], "is no word of filters"),
        ([_attribute(required="yes")], "required must be true or false"),
        ([_attribute(canonicalValues="x")], "list of texts"),
        ([_attribute(referenceTypes=[5])], "list of texts"),
        ([_attribute(uniqueness="server")], "in an extension uniqueness must be none"),
        ([BADGES, BADGES], "two schemas"),
        ([_schema(id=USER_SCHEMA.id.upper().replace("URN", "urn"))], "schema of this service"),
        ([_schema(id=GROUP_SCHEMA.id)], "schema of this service"),
        ([{**DEVICE_TYPE, "name": "1"}], "begins with a letter"),
        ([{**DEVICE_TYPE, "schemaExtensions": 5}], "must be a list"),
        ([{**DEVICE_TYPE, "schemaExtensions": [5]}], "must be an object"),
        ([{**DEVICE_TYPE, "schemaExtensions": [{}]}], "schema must be a text"),
        ([DEVICE_TYPE], "no file defines the schema"),
        ([DEVICE, {**DEVICE_TYPE, "schemaExtensions": [{"schema": URN}]}], "no file defines the schema"),
        ([DEVICE, {**DEVICE_TYPE, "endpoint": None}], "a path of its own"),
        ([DEVICE, {**DEVICE_TYPE, "endpoint": "/Schemas"}], "a path of its own"),
        ([DEVICE, {**DEVICE_TYPE, "endpoint": "/users"}], "a path of its own"),
        ([{**DEVICE, "attributes": [{"name": "externalId"}]}, DEVICE_TYPE], "attribute of every resource"),
        ([{**DEVICE, "attributes": [{"name": "displayName", "multiValued": True}]}, DEVICE_TYPE], "single string"),
        ([{**DEVICE, "attributes": [{"name": "active"}]}, DEVICE_TYPE], "single boolean"),
        ([{**DEVICE, "attributes": [{"name": "members"}]}, DEVICE_TYPE], "Choose another name"),
        ([{**DEVICE, "attributes": [{"name": "userName"}]}, DEVICE_TYPE], "must be required"),
        (
            [DEVICE, DEVICE_TYPE, {**DEVICE_TYPE, "endpoint": "/Others"}],
            "2.json: resource type Device: device is there twice",
        ),
        ([DEVICE, DEVICE_TYPE, {**DEVICE_TYPE, "name": "device", "endpoint": "/Others"}], "device is there twice"),
        (
            [DEVICE, DEVICE_TYPE, {**DEVICE_TYPE, "name": "D", "endpoint": "/devices"}],
            "type D: /devices is there twice",
        ),
        ([BADGES, {**DEVICE_TYPE, "schema": URN, "schemaExtensions": [{"schema": URN}]}], ":user is there twice"),
        (
            [BADGES, EXTENDED_USER, {**EXTENDED_USER, "name": "user"}],
            "2.json: resource type user: .*:user is there twice",
        ),
        (
            [BADGES, {**EXTENDED_USER, "schemaExtensions": [{"schema": URN}, {"schema": URN, "required": True}]}],
            "type User: .*:user is there twice",
        ),
        (
            [{**DEVICE, "attributes": [{"name": n, "uniqueness": "server"} for n in "ab"]}, DEVICE_TYPE],
            "one attribute can be unique",
        ),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused_with_the_place(documents: list[Any], sentence: str) -> None:
    with pytest.raises(SchemaMistake, match=sentence):
        _types(*documents)


def test_an_extension_of_a_type_of_its_own_is_named_by_the_type() -> None:
    types = _types(DEVICE, BADGES, {**DEVICE_TYPE, "schemaExtensions": [{"schema": URN}]})
    assert [[each.schema.id for each in kind.extensions] for kind in types][1:] == [[], [URN]]
    assert URN not in {each.schema.id for each in types[0].extensions}


def test_the_generic_profile_is_strict_about_custom_names_too() -> None:
    profile = generic_profile(strict=True)
    service = ScimService(ServerProfile(name="s", resource_types=_types(BADGES), strict=profile.strict))
    body = {"schemas": [USER_URN, URN], "userName": "a", URN: {"number": 1, "nope": 2}}
    assert service.ask("POST", "/Users", body).scim_type == "invalidValue"
