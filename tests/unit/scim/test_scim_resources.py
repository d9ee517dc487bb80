"""Names resolved in a resource type."""

from __future__ import annotations

import pytest

from muster.scim.filters import parse_attribute_path
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType
from muster.scim.schemas import ENTERPRISE_USER_URN, GROUP_URN, USER_8X8_MIRROR_URN, USER_8X8_URN, USER_URN


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("userName", (None, "userName", None)),
        ("NAME.GIVENNAME", (None, "name", "givenName")),
        ("meta.created", (None, "meta", "created")),
        ("id", (None, "id", None)),
        (f"{USER_URN}:emails.value", (None, "emails", "value")),
        (f"{ENTERPRISE_USER_URN}:department", (ENTERPRISE_USER_URN, "department", None)),
        (f"{ENTERPRISE_USER_URN.upper()}:Manager.Value", (ENTERPRISE_USER_URN, "manager", "value")),
        (ENTERPRISE_USER_URN, (ENTERPRISE_USER_URN, None, None)),
        (f"{ENTERPRISE_USER_URN}.department", (ENTERPRISE_USER_URN, "department", None)),
        (f"{USER_8X8_MIRROR_URN}:site", (USER_8X8_MIRROR_URN, "site", None)),
        ("nope", None),
        ("name.nope", None),
        ("userName.value", None),
        ("department", None),
        (f"{ENTERPRISE_USER_URN}:nope", None),
        (f"{GROUP_URN}:displayName", None),
        (USER_URN, None),
    ],
)
def test_a_name_stands_for_an_attribute_or_for_nothing(
    name: str, resolved: tuple[str | None, str | None, str | None] | None
) -> None:
    path = parse_attribute_path(name)
    assert path is not None
    found = GENERIC_USER_TYPE.resolve(path)
    if found is None:
        assert resolved is None
        return
    names = (item.name if item is not None else None for item in (found.attribute, found.sub_attribute))
    assert (found.extension, *names) == resolved


def test_a_mirror_resolves_to_what_it_mirrors() -> None:
    path = parse_attribute_path(f"{USER_8X8_MIRROR_URN}:site")
    assert path is not None
    found = USER_8X8_TYPE.resolve(path)
    assert found is not None and found.extension == USER_8X8_URN


@pytest.mark.parametrize(
    ("kind", "unique", "has_members"),
    [(GENERIC_USER_TYPE, ("userName",), False), (GROUP_TYPE, ("displayName",), True)],
)
def test_a_type_knows_its_unique_attributes_and_whether_it_has_members(
    kind: ResourceType, unique: tuple[str, ...], has_members: bool
) -> None:
    assert kind.unique_attributes == unique
    assert (kind.members is not None) is has_members


@pytest.mark.parametrize("name", ["manager", "Manager.value"])
def test_the_manager_is_known_without_its_urn(name: str) -> None:
    path = parse_attribute_path(name)
    assert path is not None
    resolved = GENERIC_USER_TYPE.resolve(path)
    assert resolved is not None
    assert (resolved.extension, resolved.attribute and resolved.attribute.name) == (ENTERPRISE_USER_URN, "manager")
