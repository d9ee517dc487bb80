"""The `$ref` of references to one resource."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, AttributeType
from muster.scim.references import References
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, ResourceType
from muster.scim.schemas import ENTERPRISE_USER_URN, SchemaDefinition

BASE = "https://x.example/v2"
USERS = References(GENERIC_USER_TYPE, (GENERIC_USER_TYPE, GROUP_TYPE))


def _managed(**manager: Any) -> dict[str, Any]:
    return {"userName": "a", ENTERPRISE_USER_URN: {"department": "D", "manager": manager}}


@pytest.mark.parametrize(("resource_id", "address"), [("42", f"{BASE}/Users/42"), ("a b/c", f"{BASE}/Users/a%20b%2Fc")])
def test_a_missing_address_is_shown_and_what_was_shown_is_stripped(resource_id: str, address: str) -> None:
    document = _managed(value=resource_id)
    shown = USERS.show(document, BASE)
    assert shown == _managed(value=resource_id, **{"$ref": address})
    assert document == _managed(value=resource_id)
    assert USERS.strip(shown, BASE) == document


@pytest.mark.parametrize(
    "document",
    [{}, {ENTERPRISE_USER_URN: {}}, _managed(), _managed(value=""), _managed(value="1", **{"$ref": "../Users/1"})],
)
def test_what_needs_no_address_is_left_as_it_is(document: dict[str, Any]) -> None:
    assert USERS.show(document, BASE) is document
    assert USERS.strip(document, BASE) is document


def test_a_reference_of_the_core_schema_is_shown_too() -> None:
    owner = AttributeDefinition(
        name="owner",
        description="O.",
        type=AttributeType.COMPLEX,
        sub_attributes=(
            AttributeDefinition(name="value", description="V."),
            AttributeDefinition(name="$ref", description="R.", type=AttributeType.REFERENCE, reference_types=("User",)),
        ),
    )
    schema = SchemaDefinition(id="urn:x:1.0:Device", name="Device", description="D.", attributes=(owner,))
    device = ResourceType(name="Device", endpoint="/Devices", description="D.", schema=schema)
    references = References(device, (device, GENERIC_USER_TYPE))
    shown = references.show({"owner": {"value": "1"}}, BASE)
    assert shown == {"owner": {"value": "1", "$ref": f"{BASE}/Users/1"}}
    assert references.strip(shown, BASE) == {"owner": {"value": "1"}}
    assert References(device, (device,)).show({"owner": {"value": "1"}}, BASE) == {"owner": {"value": "1"}}
