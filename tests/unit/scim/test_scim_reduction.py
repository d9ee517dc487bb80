"""Filters over several types: what one of them does not have counts as having no value."""

from __future__ import annotations

import pytest

from fakes.scim_service import ScimService
from muster.scim.filters import Filter, parse_filter, render_filter
from muster.scim.messages import SEARCH_URN
from muster.scim.reduction import named_attributes, reduce_filter
from muster.scim.resources import GROUP_TYPE
from muster.scim.schemas import GROUP_URN


def _written(left: Filter | bool) -> str | bool:
    return left if isinstance(left, bool) else render_filter(left)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('displayName eq "a"', 'displayName eq "a"'),
        ('userName eq "a"', False),
        ('userName gt "a"', False),
        ('userName ne "a"', True),
        ("userName eq null", True),
        ("userName ne null", False),
        ("userName pr", False),
        ("members pr", "members pr"),
        ('emails[type eq "work"]', False),
        ('members[value eq "7"]', 'members[value eq "7"]'),
        ("not (userName pr)", True),
        ("not (members pr)", "not (members pr)"),
        ('userName pr or displayName sw "a"', 'displayName sw "a"'),
        ('userName pr and displayName sw "a"', False),
        ('not (userName pr) and displayName sw "a"', 'displayName sw "a"'),
        ("not (userName pr) or members pr", True),
        ("userName pr or title pr", False),
        ('userName ne "a" and title eq null', True),
        ("members pr or displayName pr or userName pr", "members pr or displayName pr"),
    ],
)
def test_what_a_type_does_not_have_counts_as_without_a_value(text: str, left: str | bool) -> None:
    assert _written(reduce_filter(parse_filter(text), GROUP_TYPE)) == left


def test_every_attribute_that_is_named_is_found_but_not_those_in_brackets() -> None:
    tree = parse_filter('a pr and (b eq 1 or not (c.d pr)) and e[type eq "x"]')
    assert [(path.attribute, path.sub_attribute) for path in named_attributes(tree)] == [
        ("a", None),
        ("b", None),
        ("c", "d"),
        ("e", None),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('userName eq "ada" or displayName eq "Readers"', ["ada", "Readers"]),
        ('userName ne "ada"', ["Readers"]),
        ("not (members pr)", ["ada", "Readers"]),
        ("userName pr and members pr", []),
        ("meta.created pr", ["ada", "Readers"]),
        ("emails eq 5 or displayName pr", ["Readers"]),  # what is wrong for one type may be right for another
    ],
)
def test_a_search_at_the_root_finds_each_type_by_what_it_has(text: str, names: list[str]) -> None:
    service = ScimService()
    service.make_user("ada")
    assert service.ask("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "Readers"}).status == 201
    answer = service.ask("POST", "/.search", {"schemas": [SEARCH_URN], "filter": text})
    assert [each.get("userName") or each["displayName"] for each in answer.json["Resources"]] == names
    assert answer.json["totalResults"] == len(names)


@pytest.mark.parametrize("text", ['bogus eq "x"', 'userName eq "a" or bogus pr', "userName eq 5"])
def test_a_search_at_the_root_by_what_no_type_has_is_refused(text: str) -> None:
    answer = ScimService().ask("POST", "/.search", {"schemas": [SEARCH_URN], "filter": text})
    assert (answer.status, answer.json["scimType"]) == (400, "invalidFilter")
