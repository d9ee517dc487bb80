"""PUT: what is sent joined with what is there."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, Mutability
from muster.scim.errors import MutabilityViolation
from muster.scim.replacement import check_immutable, merge_for_replacement
from muster.scim.resources import USER_8X8_TYPE, ResourceType
from muster.scim.schemas import USER_8X8_MIRROR_URN, USER_8X8_URN, SchemaDefinition
from muster.scim.validation import complete

BADGE = ResourceType(
    name="Badge",
    endpoint="/Badges",
    description="Badges.",
    schema=SchemaDefinition(
        id="urn:x:1.0:Badge",
        name="Badge",
        description="A badge.",
        attributes=(
            AttributeDefinition(name="number", description="N.", mutability=Mutability.IMMUTABLE),
            AttributeDefinition(name="colour", description="C."),
        ),
    ),
)


def badge(**attributes: Any) -> dict[str, Any]:
    return complete({"id": "1", "meta": {"version": "1"}, **attributes}, BADGE)


def test_read_only_attributes_stay_and_the_rest_is_replaced() -> None:
    present = badge(number="7", colour="red")
    assert merge_for_replacement({"id": "x", "number": "7"}, present, BADGE) == badge(number="7")


def test_an_immutable_attribute_stays_when_it_is_left_out() -> None:
    assert merge_for_replacement({"colour": "blue"}, badge(number="7"), BADGE) == badge(number="7", colour="blue")


def test_an_immutable_attribute_can_be_set_once() -> None:
    assert merge_for_replacement({"number": "7"}, badge(), BADGE) == badge(number="7")


def test_an_immutable_attribute_cannot_change() -> None:
    with pytest.raises(MutabilityViolation, match="number cannot change"):
        merge_for_replacement({"number": "8"}, badge(number="7"), BADGE)
    with pytest.raises(MutabilityViolation, match="number cannot change"):
        check_immutable({}, badge(number="7"), BADGE, keep=False)


def test_nothing_new_is_the_same_object() -> None:
    present = badge(number="7")
    assert merge_for_replacement({}, present, BADGE) is present


def test_the_site_stays_under_both_urns() -> None:
    present = complete({"id": "1", "userName": "a", USER_8X8_URN: {"site": "S"}, "meta": {}}, USER_8X8_TYPE)
    result = merge_for_replacement({"userName": "b"}, present, USER_8X8_TYPE)
    assert result[USER_8X8_URN] == result[USER_8X8_MIRROR_URN] == {"site": "S"}
    with pytest.raises(MutabilityViolation, match="site cannot change"):
        merge_for_replacement({"userName": "a", USER_8X8_URN: {"site": "T"}}, present, USER_8X8_TYPE)
