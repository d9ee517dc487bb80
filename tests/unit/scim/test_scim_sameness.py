"""Elements found by what makes them one: as comparing each with each would, and in a time that grows with the list."""

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.errors import InvalidValue
from muster.scim.messages import PATCH_URN
from muster.scim.operations import read_operations
from muster.scim.patch import apply_operations
from muster.scim.readers import ReadingRules
from muster.scim.resources import GENERIC_USER_TYPE
from muster.scim.sameness import MAX_COMPARISONS, Elements, is_same, without

_OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "value": st.sampled_from(["a", "b", 1, True]),
        "type": st.sampled_from(["work", "home"]),
        "display": st.sampled_from(["x", "y"]),
    },
)
# Of an attribute all elements are objects, or none.
_LISTS = st.one_of(
    *(
        st.tuples(st.lists(element, max_size=8), st.lists(element, max_size=8))
        for element in (_OBJECT, st.sampled_from(["a", "b", 1]))
    )
)


def _merged_one_by_one(elements: list[Any], added: list[Any]) -> list[Any]:
    result = list(elements)
    for element in added:
        at = next((place for place, present in enumerate(result) if is_same(present, element)), None)
        if at is None:
            result.append(element)
        elif isinstance(element, dict):
            result[at] = {**result[at], **element}
    return result


@given(lists=_LISTS)
def test_merging_finds_what_comparing_each_with_each_finds(lists: tuple[list[Any], list[Any]]) -> None:
    elements, added = lists
    merged = Elements(elements)
    for element in added:
        merged.merge(element)
    assert merged.listed == _merged_one_by_one(elements, added)


@given(lists=_LISTS)
def test_removing_finds_what_comparing_each_with_each_finds(lists: tuple[list[Any], list[Any]]) -> None:
    elements, removed = lists
    expected = [element for element in elements if not any(is_same(element, other) for other in removed)]
    assert without(elements, removed) == expected


@pytest.mark.parametrize("has_type", [True, False])
def test_twenty_thousand_values_are_merged_and_removed_in_a_moment(has_type: bool) -> None:
    kind = {"type": "work"} if has_type else {}
    elements = [{"value": f"{number}@example.com", **kind} for number in range(20_000)]
    began = process_time()
    merged = Elements(elements)
    for element in elements:
        merged.merge(element)
    assert len(merged.listed) == 20_000
    assert without(merged.listed, elements) == []
    assert process_time() - began < 5


def test_a_value_that_is_no_text_or_number_gets_a_type_like_any_other() -> None:
    merged = Elements([{"value": {"a": 1}}, {"value": {"a": 1}, "type": "home"}])
    assert merged.merge({"value": {"a": 1}, "type": "work"}) == 0
    assert merged.listed[0] == {"value": {"a": 1}, "type": "work"}


def test_too_many_values_that_must_be_compared_are_refused() -> None:
    elements = [{"display": str(number)} for number in range(2_000)]
    merged = Elements(elements)
    with pytest.raises(InvalidValue, match="send fewer"):
        for element in elements:
            merged.merge(element)
    with pytest.raises(InvalidValue, match="send fewer"):
        without(elements, elements)
    assert len(elements) ** 2 > MAX_COMPARISONS


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "emails", "value": [{"value": f"b{n}@x", "type": "work"} for n in range(20_000)]},
        {"op": "remove", "path": 'emails[type eq "work"]'},
        {"op": "remove", "path": "emails", "value": [{"value": f"a{n}@x", "type": "work"} for n in range(20_000)]},
    ],
    ids=["add", "remove by filter", "remove by value"],
)
def test_a_patch_of_twenty_thousand_values_takes_no_more_than_a_moment(operation: dict[str, Any]) -> None:
    document = {
        "id": "1",
        "meta": {},
        "userName": "ada",
        "emails": [{"value": f"a{n}@x", "type": "work"} for n in range(20_000)],
    }
    rules = ReadingRules()
    operations = read_operations({"schemas": [PATCH_URN], "Operations": [operation]}, GENERIC_USER_TYPE, rules)
    began = process_time()
    apply_operations(document, operations, GENERIC_USER_TYPE, rules)
    assert process_time() - began < 8
