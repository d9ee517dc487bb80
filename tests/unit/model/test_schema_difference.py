from __future__ import annotations

from typing import Any

import pytest

from muster.model.schema_difference import SchemaDifference, find_differences


def shown(before: Any, after: Any) -> list[tuple[str, str | None, str | None]]:
    return [(item.path, item.before, item.after) for item in find_differences({"x": before}, {"x": after})]


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        (1, 1, []),
        ([1, 2], (1, 2), []),
        (1, 2, [("x", "1", "2")]),
        (None, "a", [("x", None, "a")]),
        ({"a": 1, "b": 2}, {"a": 1, "c": 3}, [("x.b", "2", None), ("x.c", None, "3")]),
        ([{"name": "a", "v": 1}], [{"name": "a", "v": 2}], [("x[a].v", "1", "2")]),
        ([{"name": "a"}], [{"name": "a"}, {"name": "b"}], [("x[b]", None, '{"name":"b"}')]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], [("x (order)", "a, b", "b, a")]),
        ([{"name": "a"}, {"name": "a"}], [{"name": "a"}], [("x", '[{"name":"a"},{"name":"a"}]', '[{"name":"a"}]')]),
        ([{"key": "k", "value": 1}], [{"key": "k", "value": 2}], [("x[k].value", "1", "2")]),
        ([{"v": 1}], [{"v": 2}], [("x", '[{"v":1}]', '[{"v":2}]')]),
        ([1], [2], [("x", "[1]", "[2]")]),
        ([], [{"name": "a"}], [("x", "[]", '[{"name":"a"}]')]),
        ("a" * 400, "b", [("x", "a" * 299 + "…", "b")]),
    ],
)
def test_each_entry_that_differs_is_named_by_its_place(before: Any, after: Any, differences: list[Any]) -> None:
    assert shown(before, after) == differences


def test_mappings_are_known_by_their_target_attributes() -> None:
    before = {"attributeMappings": [{"targetAttributeName": "title", "source": {"expression": "[jobTitle]"}}]}
    after = {"attributeMappings": [{"targetAttributeName": "title", "source": {"expression": "[department]"}}]}
    assert find_differences(before, after) == (
        SchemaDifference(path="attributeMappings[title].source.expression", before="[jobTitle]", after="[department]"),
    )


def test_what_the_store_or_a_client_adds_is_no_difference() -> None:
    assert find_differences({"id": 1, "version": "1", "@odata.context": "x"}, {"id": 2, "version": "2"}) == ()
