"""What is copied with a change, a dataclass or a struct, is a new value of its class."""

from dataclasses import dataclass

import msgspec
import pytest

from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.operation import Operation, OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """As most values of the model are."""

    name: str
    count: int = 3


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """As those are of which a pass makes millions."""

    name: str
    count: int = 3


@pytest.mark.parametrize("sort", [Written, Made])
def test_a_copy_has_the_changes_and_everything_else(sort: type[Written | Made]) -> None:
    before = sort(name="a")
    after = replace(before, count=9)
    assert (before, after) == (sort(name="a", count=3), sort(name="a", count=9))
    assert type(after) is sort
    with pytest.raises(TypeError):
        replace(before, colour="red")
    with pytest.raises(AttributeError):
        before.name = "b"  # type: ignore[misc]  # wrong on purpose


def test_the_values_of_the_trip_have_their_defaults() -> None:
    made = Operation(
        change_id="c",
        kind=OperationKind.SKIP,
        object_kind=ObjectKind.USER,
        source_id="s",
        source_name="S",
        target_id=None,
        reason="",
    )
    assert made.acknowledged.sent == {}
    assert not made.removes
