"""PATCH paths: parsed and bound."""

from __future__ import annotations

import pytest

from muster.scim.errors import InvalidFilter, InvalidPath
from muster.scim.filters import AttributePath, Presence
from muster.scim.limits import Limits
from muster.scim.paths import PatchPath, bound_path, parse_path, render_path
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE
from muster.scim.schemas import ENTERPRISE_USER_URN

EMAILS = AttributePath(attribute="emails")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("title", PatchPath(attribute=AttributePath(attribute="title"))),
        (" name.givenName ", PatchPath(attribute=AttributePath(attribute="name", sub_attribute="givenName"))),
        ("emails[type pr]", PatchPath(attribute=EMAILS, filter=Presence(attribute=AttributePath(attribute="type")))),
        (
            "emails[type pr].value",
            PatchPath(
                attribute=EMAILS, filter=Presence(attribute=AttributePath(attribute="type")), sub_attribute="value"
            ),
        ),
    ],
)
def test_a_path_is_an_attribute_a_filter_and_a_sub_attribute(text: str, path: PatchPath) -> None:
    assert parse_path(text) == path
    assert render_path(path) == text.strip()


def test_a_bracket_in_a_text_is_no_bracket() -> None:
    bound = bound_path('emails[value eq "]["].value', GENERIC_USER_TYPE)
    assert bound.selects is not None
    assert bound.selects({"value": "]["})
    assert bound.described == {"value": "]["}


@pytest.mark.parametrize(
    ("text", "described", "wanted"),
    [
        ('members[value eq "a"]', {"value": "a"}, ("a",)),
        ('members[value eq "a" or value eq "b"]', None, ("a", "b")),
        ('members[value eq "a" and type eq "User"]', {"value": "a", "type": "User"}, None),
        ('members[value ne "a"]', None, None),
        ('members[type eq "User"]', {"type": "User"}, None),
        ('members[value eq "a" and not (type pr)]', None, None),
    ],
)
def test_a_bound_path_tells_what_its_filter_describes(
    text: str, described: dict[str, str] | None, wanted: tuple[str, ...] | None
) -> None:
    bound = bound_path(text, GROUP_TYPE)
    assert bound.described == described
    assert bound.wanted_values == wanted


def test_the_extension_itself_can_be_a_path() -> None:
    bound = bound_path(ENTERPRISE_USER_URN, GENERIC_USER_TYPE)
    assert (bound.extension, bound.attribute) == (ENTERPRISE_USER_URN, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "name.nope",
        "a.b.c",
        "emails[",
        "emails]",
        "emails[type pr",
        "emails[type pr]x",
        "emails[type pr].",
        "emails[type pr].a.b",
        "emails[type pr].nope",
        "emails.value[type pr]",
        "title[value pr]",
        "name[givenName pr]",
        f"{ENTERPRISE_USER_URN}[a pr]",
        "urn:nope:a",
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        bound_path(text, GENERIC_USER_TYPE)


@pytest.mark.parametrize("text", ["emails[]", "emails[type]", "emails[nope pr]", "emails[primary gt true]"])
def test_a_filter_that_is_none_is_refused_as_a_filter(text: str) -> None:
    with pytest.raises(InvalidFilter):
        bound_path(text, GENERIC_USER_TYPE)


def test_a_path_over_the_limit_is_refused_and_the_limit_named() -> None:
    with pytest.raises(InvalidPath, match="path length"):
        parse_path("a" * 20, limits=Limits(path_characters=10))
