"""What SCIM servers publish of their schemas, well and badly, as attributes for mappings."""

from __future__ import annotations

from typing import Any

import pytest

from muster.model.directory import AttributeType, ObjectKind
from muster.model.rules import Mutability
from muster.targets.scim_schemas import propose_attributes

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ODD = "urn:odd:people:1.0:user"


def attribute(name: str, kind: str = "string", **others: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **others}


def users(*attributes: dict[str, Any], urn: str = USER) -> dict[str, Any]:
    found = propose_attributes([{"id": urn, "attributes": list(attributes)}], [])
    return {item.name: item for item in found.get(ObjectKind.USER, ())}


@pytest.mark.parametrize(
    ("published", "paths"),
    [
        (attribute("userName"), {"userName"}),
        (attribute("id"), set()),
        (attribute("bad name"), set()),
        ({"type": "string"}, set()),
        (attribute("name", "complex", subAttributes=[attribute("givenName"), attribute("a b")]), {"name.givenName"}),
        (
            attribute(
                "emails",
                "complex",
                multiValued=True,
                subAttributes=[attribute("value"), attribute("display"), attribute("type", canonicalValues=["work"])],
            ),
            {'emails[type eq "work"].value'},
        ),
        (
            attribute("phoneNumbers", "complex", multiValued=True, subAttributes=[attribute("value")]),
            {f'phoneNumbers[type eq "{name}"].value' for name in ("work", "mobile", "home", "fax", "pager", "other")},
        ),
        (attribute("roles", "complex", multiValued=True, subAttributes=[attribute("value")]), {"roles"}),
        (
            attribute("emails", "complex", multiValued=True, mutability="readOnly", subAttributes=[attribute("value")]),
            {"emails"},
        ),
        (attribute("manager", "complex", subAttributes=[attribute("value")]), {"manager"}),
    ],
)
def test_an_attribute_becomes_the_paths_that_mappings_write(published: dict[str, Any], paths: set[str]) -> None:
    assert set(users(published)) == (paths | {"externalId"} if paths else set())


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("boolean", AttributeType.BOOLEAN), ("dateTime", AttributeType.DATE_TIME), ("decimal", AttributeType.STRING)],
)
def test_types_and_mutability_are_carried_over(kind: str, type_: AttributeType) -> None:
    found = users(attribute("x", kind, mutability="immutable", caseExact=True, required=True))["x"]
    assert (found.type, found.mutability, found.case_exact, found.required) == (type_, Mutability.IMMUTABLE, True, True)


def test_a_part_is_required_only_if_its_whole_is() -> None:
    parts = [attribute("a", required=True), attribute("b")]
    found = users(attribute("name", "complex", required=True, subAttributes=parts))
    assert (found["name.a"].required, found["name.b"].required) == (True, False)
    assert not users(attribute("name", "complex", subAttributes=parts))["name.a"].required


def test_schemas_of_any_name_are_found_through_the_resource_types() -> None:
    schemas = [
        {"id": "urn:x:Person", "attributes": [attribute("userName")]},
        {"id": "urn:x:more", "attributes": [attribute("badge")]},
        {"id": "urn:x:other:user", "attributes": [attribute("not")]},
    ]
    types = [
        {"name": "Device", "schema": "urn:x:device"},
        {"name": "User", "schema": "urn:x:Person", "schemaExtensions": [{"schema": "urn:x:more"}, {"schema": "urn:?"}]},
    ]
    found = propose_attributes(schemas, types)
    assert [item.name for item in found[ObjectKind.USER]] == ["urn:x:Person:userName", "urn:x:more:badge", "externalId"]
    assert ObjectKind.GROUP not in found


def test_without_resource_types_the_ending_of_the_urn_decides_and_the_core_comes_first() -> None:
    schemas = [{"id": ODD, "attributes": [attribute("badge")]}, {"id": USER, "attributes": [attribute("userName")]}]
    found = propose_attributes(schemas, [])
    assert [item.name for item in found[ObjectKind.USER]] == ["userName", f"{ODD}:badge", "externalId"]


def test_what_is_no_schema_is_left_out() -> None:
    assert propose_attributes([{"id": USER, "attributes": "none"}, {}], [{}]) == {}
