"""Values that are made in half the time are frozen dataclasses in everything else."""

import copy
from dataclasses import MISSING, FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from muster.model.directory import ObjectKind
from muster.model.operation import Operation, OperationKind
from muster.model.quick import quickly_made


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Fields of every sort."""

    name: str
    count: int = 3
    parts: list[str] = field(default_factory=list)


def test_fields_are_set_from_arguments_and_defaults() -> None:
    one, other = Sample(name="a"), Sample(name="a", count=4, parts=["x"])
    assert (one.name, one.count, one.parts) == ("a", 3, [])
    assert (other.name, other.count, other.parts) == ("a", 4, ["x"])
    assert Sample(name="b").parts is not one.parts
    assert type(one) is Sample
    assert repr(one) == "Sample(name='a', count=3, parts=[])"


@pytest.mark.parametrize("arguments", [{}, {"name": "a", "colour": "red"}, {"nam": "a"}])
def test_wrong_arguments_are_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="__init__"):
        Sample(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError):
        Sample("a")  # type: ignore[misc]  # by keyword only


def test_a_value_cannot_be_changed_and_has_nothing_else() -> None:
    made = Sample(name="a")
    with pytest.raises(FrozenInstanceError):
        made.name = "b"  # type: ignore[misc]  # wrong on purpose
    with pytest.raises(FrozenInstanceError):
        del made.name
    with pytest.raises((FrozenInstanceError, TypeError)):
        made.colour = "red"  # type: ignore[attr-defined]  # wrong on purpose
    assert not hasattr(made, "__dict__")


def test_it_is_compared_copied_and_taken_apart_as_any_other() -> None:
    made = Sample(name="a", parts=["x"])
    assert made == Sample(name="a", parts=["x"]) != Sample(name="b", parts=["x"])
    assert replace(made, count=9) == Sample(name="a", count=9, parts=["x"])
    assert asdict(made) == {"name": "a", "count": 3, "parts": ["x"]}
    assert copy.deepcopy(made) == made


def test_the_values_of_the_trip_have_their_defaults() -> None:
    made = Operation(
        change_id="1",
        kind=OperationKind.SKIP,
        object_kind=ObjectKind.USER,
        source_id="s",
        source_name="S",
        reason="r",
    )
    wanted = {
        item.name: item.default if item.default is not MISSING else item.default_factory()  # type: ignore[misc]  # one is
        for item in fields(Operation)
        if item.default is not MISSING or item.default_factory is not MISSING
    }
    assert len(wanted) > 10
    assert {name: getattr(made, name) for name in wanted} == wanted
