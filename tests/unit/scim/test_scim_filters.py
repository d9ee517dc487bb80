"""The filter language: trees, places of errors, limits."""

from __future__ import annotations

import pytest

from muster.scim.errors import InvalidFilter
from muster.scim.filters import (
    And,
    AttributePath,
    Comparison,
    FilterOperator,
    Not,
    Or,
    Presence,
    ValuePath,
    parse_attribute_path,
    parse_filter,
    render_filter,
)
from muster.scim.limits import Limits

TITLE = AttributePath(attribute="title")
A, B, C = (Presence(attribute=AttributePath(attribute=name)) for name in "abc")


def equal(name: str, value: str) -> Comparison:
    return Comparison(attribute=AttributePath(attribute=name), operator=FilterOperator.EQUAL, value=value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a pr and b pr or c pr", Or(filters=(And(filters=(A, B)), C))),
        ("a pr or b pr and c pr", Or(filters=(A, And(filters=(B, C))))),
        ("(a pr or b pr) and c pr", And(filters=(Or(filters=(A, B)), C))),
        ("not (a pr) and b pr", And(filters=(Not(filter=A), B))),
        ("NOT (a PR AND b pr)", Not(filter=And(filters=(A, B)))),
        ("a pr or (b pr or c pr)", Or(filters=(A, Or(filters=(B, C))))),
        ("e[a pr or b pr]", ValuePath(attribute=AttributePath(attribute="e"), filter=Or(filters=(A, B)))),
        (
            'e[a pr].v eq "x"',
            ValuePath(attribute=AttributePath(attribute="e"), filter=And(filters=(A, equal("v", "x")))),
        ),
    ],
)
def test_and_binds_tighter_than_or_and_not_takes_parentheses(text: str, tree: object) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"x"', "x"),
        ('"\\u00e9\\n\\"\\\\"', 'é\n"\\'),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("5", 5),
        ("-0.5e2", -50.0),
    ],
)
def test_values_are_those_of_json(written: str, value: object) -> None:
    tree = parse_filter(f"title eq {written}")
    assert isinstance(tree, Comparison)
    assert tree.value == value
    assert type(tree.value) is type(value)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("title", TITLE),
        ("name.givenName", AttributePath(attribute="name", sub_attribute="givenName")),
        ("urn:x:2.0:User:a.b", AttributePath(schema="urn:x:2.0:User", attribute="a", sub_attribute="b")),
        ("members.$ref", AttributePath(attribute="members", sub_attribute="$ref")),
        ("", None),
        ("a.", None),
        ("a.b.c", None),
        ("1a", None),
        ("urn:x:", None),
        ("ftp:x:a", None),
        ("é", None),
    ],
)
def test_an_attribute_path_is_a_schema_an_attribute_and_a_sub_attribute(name: str, path: AttributePath | None) -> None:
    assert parse_attribute_path(name) == path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title eq", "The filter has the end at character 9 where a value"),
        ("title is 5", "The filter has 'is' at character 7 where an operator"),
        ("title pr pr", "The filter has 'pr' at character 10 where the end of the filter"),
        ("title eq 'x'", "The filter cannot be read at character 9"),
        ("", "The filter is empty"),
    ],
)
def test_a_refusal_names_the_place(text: str, sentence: str) -> None:
    with pytest.raises(InvalidFilter, match=sentence):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("title pr" + " " * 50, "filter length"),
        ("((((title pr))))", "filter nesting"),
        ("e[((((a pr))))]", "filter nesting"),
        ("a pr or b pr or c pr or d pr", "filter terms"),
    ],
)
def test_a_filter_over_a_limit_is_refused_and_the_limit_named(text: str, limit: str) -> None:
    limits = Limits(filter_characters=40, filter_nesting=3, filter_terms=3)
    with pytest.raises(InvalidFilter, match=limit):
        parse_filter(text, limits=limits)


def test_nesting_counts_depth_and_not_the_number_of_groups() -> None:
    limits = Limits(filter_nesting=1)
    assert parse_filter("(a pr) and (b pr) and e[c pr]", limits=limits)


@pytest.mark.parametrize(
    "text",
    [
        "a pr and b pr or c pr",
        "(a pr or b pr) and c pr",
        "a pr and (b pr and c pr)",
        "a pr or (b pr or c pr)",
        'not (e[a eq "x"])',
        'urn:x:2.0:User:a.b ne "\\"é"',
        "a gt 1.5",
    ],
)
def test_a_filter_is_rendered_as_it_is_written(text: str) -> None:
    assert render_filter(parse_filter(text)) == text
