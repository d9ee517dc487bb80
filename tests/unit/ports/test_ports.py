"""What the ports say of the values that go through them."""

from muster.model.directory import ObjectKind
from muster.model.job import Counters
from muster.ports.cycles import KnownReferences
from muster.ports.notifier import DeliveryFailed
from muster.ports.sharing import EndKind, OpenEnd, PartEnd
from muster.ports.target import values_of
from muster.ports.wire import concerned, concerning
from unit.planning.making import NOBODY, person, plan


def test_a_reference_of_which_nobody_knows_is_set_again_if_it_is_wanted() -> None:
    known = KnownReferences(
        source_id="g",
        attribute="members",
        reference_kind=ObjectKind.USER,
        multivalued=True,
        acknowledged={"a": "1", "b": "2", "c": "3"},
        unsure=frozenset({"b", "c"}),
    )
    assert known.against(["a", "b"]) == {"a": "1", "c": "3"}


def test_a_delivery_that_failed_says_why_and_whether_to_try_again() -> None:
    failure = DeliveryFailed("It answered 410 Gone.", is_final=True)
    assert (str(failure), failure.sentence, failure.is_final) == (*["It answered 410 Gone."] * 2, True)
    assert not DeliveryFailed("late").is_final


def test_the_end_of_a_part_counts_what_was_not_tried_and_what_nobody_knows_too() -> None:
    lost = OpenEnd(number=3, kind=EndKind.LOST, failure=None)
    assert PartEnd(settlements=(), open_ends=(lost,), untried=(5,), counters=Counters()).numbers() == {3, 5}


def test_a_creation_gives_every_attribute_its_new_value() -> None:
    created = plan(person(), NOBODY)
    assert [(value.attribute, value.value) for value in values_of(created)] == [
        (change.attribute, change.new) for change in created.changes
    ]
    assert created.changes


def test_requests_are_about_whom_the_innermost_block_says() -> None:
    with concerning("a"):
        with concerning("b"):
            assert concerned() == "b"
        assert concerned() == "a"
    assert concerned() is None
