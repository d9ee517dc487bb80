"""Names of people and guests."""

import pytest

from muster.model.directory import (
    ATTRIBUTES_OF,
    COMPUTED_ATTRIBUTES,
    DirectoryObject,
    Lifecycle,
    ObjectKind,
    original_principal_name,
    why_text_is_refused,
)
from muster.model.values import Attributes


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada_partner.com#EXT#@example.com", "ada@partner.com"),
        ("ada_king_partner.com#ext#@example.com", "ada_king@partner.com"),
        ("ada#EXT#@example.com", "ada"),
        ("#EXT#@example.com", ""),
        ("ada#EXT#example.com", "ada#EXT#example.com"),
        ("", ""),
    ],
)
def test_a_guest_keeps_the_address_of_their_own_company(name: str, original: str) -> None:
    assert original_principal_name(name) == original


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"displayName": "Ada", "userPrincipalName": "ada@example.com"}, "Ada"),
        ({"displayName": "", "userPrincipalName": "ada@example.com"}, "ada@example.com"),
        ({}, "o-1"),
    ],
)
def test_an_object_is_called_by_the_best_name_it_has(attributes: Attributes, name: str) -> None:
    found = DirectoryObject(
        object_id="o-1", kind=ObjectKind.USER, lifecycle=Lifecycle.PRESENT, seq=1, attributes=attributes
    )
    assert found.display_name == name


def test_attributes_are_named_once_and_computed_ones_are_not_stored() -> None:
    for attributes in ATTRIBUTES_OF.values():
        assert all(name == attribute.name for name, attribute in attributes.items())
        graph_names = [attribute.graph_name for attribute in attributes.values()]
        assert len(graph_names) == len(set(graph_names))
        assert not set(attributes) & set(COMPUTED_ATTRIBUTES)
    users = ATTRIBUTES_OF[ObjectKind.USER]
    assert (users["telephoneNumber"].graph_name, users["physicalDeliveryOfficeName"].graph_name) == (
        "businessPhones",
        "officeLocation",
    )
    assert [name for name, attribute in users.items() if not attribute.writable] == ["objectId"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("displayName", "a" * 256, None),
        ("displayName", "a" * 257, "takes at most 256 characters"),
        ("userPrincipalName", "a" * 114, "takes at most 113 characters"),
        ("department", "a" * 1_024, None),
        ("department", "a" * 1_025, "takes at most 1,024 characters"),
        ("streetAddress", "Long Street 1\r\n\tBack door", None),
        ("department", "Sa\0les", "holds a control character"),
    ],
)
def test_a_text_is_taken_within_its_limits(name: str, text: str, why: str | None) -> None:
    assert why_text_is_refused(name, text) == why
