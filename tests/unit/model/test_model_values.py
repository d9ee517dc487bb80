"""One canonical form for equal values."""

import json
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from muster.expression.values import Redacted
from muster.model.directory import ObjectKind
from muster.model.values import Value, canonical_json, content_hash, frozen


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (None, "null"),
        (True, "true"),
        (12, "12"),
        ("Zoë", '"Zoë"'),
        ({"b": 1, "a": {"d": 1, "c": 2}}, '{"a":{"c":2,"d":1},"b":1}'),
        (("a", ["b"]), '["a",["b"]]'),
        (ObjectKind.USER, '"User"'),
        (MappingProxyType({"b": 1, "a": 2}), '{"a":2,"b":1}'),
        (datetime(2026, 1, 5, tzinfo=UTC), '"2026-01-05 00:00:00+00:00"'),
        (Redacted("plain"), '"plain"'),
        ({"b": 2**70, "a": (1, None)}, f'{{"a":[1,null],"b":{2**70}}}'),
    ],
)
def test_every_value_has_one_spelling(value: Value, spelled: str) -> None:
    assert canonical_json(value) == spelled.encode()
    assert json.loads(canonical_json(value)) is not ...


def test_half_a_character_has_a_spelling_too() -> None:
    assert canonical_json(("\ud83d", "b")) == b'["\xed\xa0\xbd","b"]'


def test_equal_values_have_equal_hashes_and_others_have_not() -> None:
    assert content_hash({"a": (1, 2), "b": None}) == content_hash({"b": None, "a": [1, 2]})
    hashes = {content_hash(value) for value in (None, "", 0, False, "0", (), {}, (1, 2), (2, 1), {"a": 1})}
    assert len(hashes) == 10
    assert {len(text) for text in hashes} == {32}


def test_lists_become_tuples_at_every_depth() -> None:
    assert frozen([1, [2, {"a": [3]}], (4, [5])]) == (1, (2, {"a": (3,)}), (4, (5,)))
    assert frozen("text") == "text"
