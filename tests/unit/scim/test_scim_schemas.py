"""The definitions against the RFC's own, as scim2-models has them, and as /Schemas shows them."""

from __future__ import annotations

from typing import Any

import pytest
from scim2_models import EnterpriseUser, Group, ResourceType, Schema, ServiceProviderConfig, User

from muster.scim.attributes import AttributeDefinition
from muster.scim.discovery import describe_resource_type, describe_schema, describe_service, published_schemas
from muster.scim.limits import Limits
from muster.scim.profile import ServerProfile
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE
from muster.scim.schemas import ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA, SchemaDefinition

GENERIC = ServerProfile(name="generic", resource_types=(GENERIC_USER_TYPE, GROUP_TYPE))
BASE = "https://scim.example/v2"

# Where the service says more than the RFC's schema does, or what is true of it alone.
OURS = {
    "displayName": {"required", "uniqueness"},
    "members.value": {"required", "caseExact"},
    "members.display": {"mutability"},
    "manager.value": {"caseExact", "required"},
    "manager.$ref": {"required"},
    "groups.value": {"caseExact"},
    "x509Certificates.value": {"caseExact", "required"},
}


def _flat(attributes: list[dict[str, Any]], prefix: str = "") -> dict[str, dict[str, Any]]:
    flat = {}
    for attribute in attributes:
        name = prefix + attribute["name"]
        flat[name] = attribute
        flat |= _flat(attribute.get("subAttributes", []), f"{name}.")
    return flat


@pytest.mark.parametrize(
    ("ours", "oracle"), [(USER_SCHEMA, User), (GROUP_SCHEMA, Group), (ENTERPRISE_USER_SCHEMA, EnterpriseUser)]
)
def test_a_schema_agrees_with_the_rfc(ours: SchemaDefinition, oracle: type[User]) -> None:
    mine = _flat(ours.to_document()["attributes"])  # type: ignore[arg-type] # a JSON list
    theirs = _flat(oracle.to_schema().model_dump()["attributes"])
    assert ours.id == oracle.to_schema().model_dump()["id"]
    differences = []
    for name, attribute in theirs.items():
        if name not in mine:
            differences.append(f"{name} is missing")
            continue
        for characteristic in ("type", "multiValued", "mutability", "returned", "required"):
            same = mine[name].get(characteristic) == attribute.get(characteristic)
            if not same and characteristic not in OURS.get(name, ()):
                differences.append(f"{name}.{characteristic}: {mine[name].get(characteristic)}")
    assert differences == []


def test_every_published_schema_is_a_schema_to_others() -> None:
    for definition in published_schemas(GENERIC).values():
        document = describe_schema(definition, BASE)
        assert Schema.model_validate(document).id == definition.id
        assert document["meta"]["location"] == f"{BASE}/Schemas/{definition.id}"


def test_resource_types_and_the_service_are_read_by_others() -> None:
    for kind in (GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE):
        assert ResourceType.model_validate(describe_resource_type(kind, BASE)).id == kind.name
    assert ServiceProviderConfig.model_validate(describe_service(GENERIC, BASE)).patch.supported


def test_the_service_says_its_true_limits() -> None:
    limits = Limits(page_size=50, bulk_operations=7, body_bytes=1000)
    profile = ServerProfile(name="x", resource_types=(), limits=limits, documentation_uri="https://docs.example")
    document = describe_service(profile, BASE)
    assert document["filter"]["maxResults"] == 50
    assert document["bulk"] == {"supported": True, "maxOperations": 7, "maxPayloadSize": 1000}
    assert document["documentationUri"] == "https://docs.example"
    without = describe_service(ServerProfile(name="x", resource_types=(), bulk=False), BASE)
    assert without["bulk"] == {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}


def test_an_attribute_shows_all_its_characteristics() -> None:
    shown = USER_SCHEMA.by_name["emails"].to_document()
    assert shown["type"] == "complex" and shown["multiValued"] is True
    kind = next(sub for sub in shown["subAttributes"] if sub["name"] == "type")  # type: ignore[attr-defined]
    assert kind["canonicalValues"] == ["work", "home", "other"]
    photo = USER_SCHEMA.by_name["photos"].sub_attribute("VALUE")
    assert photo is not None and photo.to_document()["referenceTypes"] == ["external"]


def test_definitions_are_compared_by_identity() -> None:
    twins = [AttributeDefinition(name="a", description="A.") for _ in range(2)]
    assert len(set(twins)) == 2
    assert not twins[0].is_complex
    assert USER_SCHEMA.by_name["name"].is_complex
