"""Filters bound to a resource type: canonical names, types checked, null as absence."""

from __future__ import annotations

import pytest

from muster.scim.errors import InvalidFilter
from muster.scim.evaluation import bind_filter, bound_filter, evaluate_filter
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    FilterOperator,
    Not,
    Or,
    Presence,
    ValuePath,
    parse_filter,
    render_filter,
)
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE, USER_8X8_TYPE, ResourceType
from muster.scim.schemas import ENTERPRISE_USER_URN, USER_8X8_MIRROR_URN, USER_8X8_URN


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ('USERNAME eq "x"', 'userName eq "x"'),
        ('urn:ietf:params:scim:schemas:core:2.0:user:userName eq "x"', 'userName eq "x"'),
        ('emails co "x"', 'emails.value co "x"'),
        ('MEMBERS eq "x"', 'members.value eq "x"'),
        (f'{ENTERPRISE_USER_URN.lower()}:MANAGER eq "x"', f'{ENTERPRISE_USER_URN}:manager.value eq "x"'),
        ("title eq null", "not (title pr)"),
        ("title ne null", "title pr"),
        ("name eq null", "not (name pr)"),
        ("Name PR", "name pr"),
        ("emails[TYPE eq null or Value pr]", "emails[not (type pr) or value pr]"),
        (f"{ENTERPRISE_USER_URN} pr", f"{ENTERPRISE_USER_URN} pr"),
        ("not (TITLE pr) and (Active eq true or title pr)", "not (title pr) and (active eq true or title pr)"),
    ],
)
def test_a_bound_filter_has_canonical_names(text: str, bound: str) -> None:
    kind: ResourceType = GROUP_TYPE if text.startswith("MEMBERS") else GENERIC_USER_TYPE
    assert render_filter(bound_filter(text, kind)) == bound


def test_both_urns_of_a_mirrored_extension_are_one() -> None:
    bound = bound_filter(f'{USER_8X8_MIRROR_URN}:site eq "x"', USER_8X8_TYPE)
    assert render_filter(bound) == f'{USER_8X8_URN}:site eq "x"'


def test_a_number_that_equals_a_boolean_is_still_refused() -> None:
    assert bound_filter("active eq true", GENERIC_USER_TYPE)
    with pytest.raises(InvalidFilter, match="active is a boolean"):
        bound_filter("active eq 1", GENERIC_USER_TYPE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('nope eq "x"', "nope is not an attribute of User"),
        ('emails[nope eq "x"]', "nope is not an attribute of emails"),
        ('emails[urn:x:y eq "x"]', "urn:x:y is not an attribute of emails"),
        ('name eq "x"', "name has no value of its own"),
        ('password eq "x"', "password is never shown"),
        ('title[value eq "x"]', "title has no sub-attributes"),
        ("title gt null", "by eq and ne only"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_reason(text: str, sentence: str) -> None:
    with pytest.raises(InvalidFilter, match=sentence):
        bind_filter(parse_filter(text), GENERIC_USER_TYPE)


DOCUMENT = {
    "userName": "Ann",
    "title": "",
    "emails": [{"value": "a@x", "type": "work"}, {"value": "b@y"}],
    "name": {"givenName": "A"},
    ENTERPRISE_USER_URN: {"department": "D"},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("title pr", False),
        ("emails[type ne null]", True),
        ('emails.type ne "work"', True),
        ('emails[type ne "work"]', True),
        ('emails[type eq "work" and value eq "b@y"]', False),
        ('name.familyName ne "x"', True),
        ('name.familyName eq "x"', False),
        (f'{ENTERPRISE_USER_URN}:costCenter ne "x"', True),
        ("phoneNumbers[value pr]", False),
        ('urn:ietf:params:scim:schemas:extension:8x8:1.1:User:site ne "x"', True),
        ("urn:ietf:params:scim:schemas:extension:8x8:1.1:User pr", False),
        (f"{ENTERPRISE_USER_URN} pr", True),
        ("schemas pr", False),
    ],
)
def test_absence_differs_from_every_value(text: str, found: bool) -> None:
    assert evaluate_filter(parse_filter(text), DOCUMENT, GENERIC_USER_TYPE) is found


def test_trees_that_no_parser_makes_are_evaluated_too() -> None:
    title = Presence(attribute=AttributePath(attribute="userName"))
    tree = And(filters=(Or(filters=(title,)), Not(filter=Not(filter=title))))
    assert evaluate_filter(tree, DOCUMENT, GENERIC_USER_TYPE)
    inner = Comparison(attribute=AttributePath(attribute="givenName"), operator=FilterOperator.EQUAL, value="a")
    assert evaluate_filter(
        ValuePath(attribute=AttributePath(attribute="name"), filter=inner), DOCUMENT, GENERIC_USER_TYPE
    )
