"""The order of lists."""

from __future__ import annotations

from typing import Any

import pytest

from muster.scim.errors import InvalidPath, InvalidValue
from muster.scim.filters import render_attribute_path
from muster.scim.resources import GENERIC_USER_TYPE
from muster.scim.schemas import ENTERPRISE_USER_URN
from muster.scim.sorting import bound_sort, is_descending, sort_documents

PEOPLE: list[dict[str, Any]] = [
    {"id": "1", "title": "b", "emails": [{"value": "z"}, {"value": "a", "primary": True}]},
    {"id": "2", "title": "A", "emails": [{"value": "b"}], "name": {"givenName": "x"}},
    {"id": "3", "title": "c", ENTERPRISE_USER_URN: {"department": "d"}, "schemas": ["s"]},
    {"id": "4"},
]


@pytest.mark.parametrize(
    ("sort_by", "ascending", "descending"),
    [
        ("title", "2134", "4312"),
        ("emails", "1234", "3421"),
        ("emails.value", "1234", "3421"),
        ("name.givenName", "2134", "1342"),
        (f"{ENTERPRISE_USER_URN}:department", "3124", "1243"),
        ("schemas", "3124", "1243"),
        ("id", "1234", "4321"),
    ],
)
def test_those_without_a_value_come_last_or_first_when_descending(
    sort_by: str, ascending: str, descending: str
) -> None:
    path = bound_sort(sort_by, GENERIC_USER_TYPE)
    for order, turned in ((ascending, False), (descending, True)):
        found = sort_documents(PEOPLE, path, GENERIC_USER_TYPE, descending=turned)
        assert "".join(person["id"] for person in found) == order


def test_a_complex_attribute_stands_for_its_value() -> None:
    assert render_attribute_path(bound_sort("EMAILS", GENERIC_USER_TYPE)) == "emails.value"


@pytest.mark.parametrize("sort_by", ["nope", "name", "addresses", "a.b.c", ENTERPRISE_USER_URN, "password"])
def test_what_has_no_order_is_refused(sort_by: str) -> None:
    with pytest.raises(InvalidPath, match="sortBy"):
        bound_sort(sort_by, GENERIC_USER_TYPE)


@pytest.mark.parametrize(("order", "answer"), [(None, False), ("Ascending", False), ("DESCENDING", True)])
def test_the_order_is_ascending_unless_it_is_descending(order: str | None, answer: bool) -> None:
    assert is_descending(order) is answer


def test_another_order_is_refused() -> None:
    with pytest.raises(InvalidValue, match="sortOrder"):
        is_descending("up")
