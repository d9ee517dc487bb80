"""When two values are the same for a target, what changes, and what is remembered of an answer."""

import pytest

from muster.model.directory import AttributeType
from muster.model.operation import Acknowledged, AttributeChange, MappedValue, TargetObject, Verb
from muster.model.rules import AttributeDefinition
from muster.model.values import Attributes, Value
from muster.planning.difference import acknowledge, are_equal, differences, take_over
from unit.planning.making import TITLE, USER_NAME, compiled, link, linked, row

TEXT = AttributeDefinition(name="a")
EXACT = AttributeDefinition(name="a", case_exact=True)
BOOLEAN = AttributeDefinition(name="a", type=AttributeType.BOOLEAN)
EXACT_BOOLEAN = AttributeDefinition(name="a", type=AttributeType.BOOLEAN, case_exact=True)
INTEGER = AttributeDefinition(name="a", type=AttributeType.INTEGER)
INSTANT = AttributeDefinition(name="a", type=AttributeType.DATE_TIME)


@pytest.mark.parametrize(
    ("one", "other", "definition", "same"),
    [
        ("Ada", "ada", TEXT, True),
        ("Ada", "ada", EXACT, False),
        ("Ada", "Ada", EXACT, True),
        ("STRASSE", "straße", TEXT, True),
        ("Ada", "ada", None, True),
        ("Ada", "Bob", TEXT, False),
        (None, None, TEXT, True),
        (None, "", TEXT, True),
        (None, (), TEXT, True),
        (None, [], TEXT, True),
        (None, False, BOOLEAN, False),
        (None, 0, INTEGER, False),
        (None, "x", TEXT, False),
        (True, "True", BOOLEAN, True),
        (True, "true", BOOLEAN, True),
        (True, "TRUE", EXACT, False),
        (True, "true", EXACT, True),
        (False, "True", BOOLEAN, False),
        ("TRUE", "true", BOOLEAN, True),
        ("TRUE", "true", EXACT_BOOLEAN, True),
        (12, "12", INTEGER, True),
        (12, 13, INTEGER, False),
        (("a", "b"), ["b", "a"], TEXT, True),
        (("a", "b"), ("b", "A"), TEXT, True),
        (("a", "b"), ("b", "A"), EXACT, False),
        (("a", "a"), ("a",), TEXT, True),
        (("a", "b"), ("a",), TEXT, False),
        ({"value": "x", "type": None}, {"value": "x"}, TEXT, True),
        ({"value": "x"}, {"value": "y"}, TEXT, False),
        (({"value": "x"}, {"value": "y"}), ({"value": "y"}, {"value": "x"}), TEXT, True),
        ("2026-01-05T08:00:00Z", "2026-01-05T09:00:00+01:00", INSTANT, True),
        ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00.000", INSTANT, True),
        ("2026-01-05T08:00:00Z", "2026-01-05T08:00:01Z", INSTANT, False),
        ("soon", "soon", INSTANT, True),
        ("soon", "later", INSTANT, False),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+05:00", INSTANT, True),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00+06:00", INSTANT, False),
    ],
)
def test_two_values_are_the_same(one: Value, other: Value, definition: AttributeDefinition | None, same: bool) -> None:
    assert are_equal(one, other, definition) is same
    assert are_equal(other, one, definition) is same


TAGS = row("tags", "[otherMails]", multivalued=True)
RULES = compiled([USER_NAME, TITLE, TAGS])


def value(content: Value, **rest: bool) -> MappedValue:
    return MappedValue(attribute="title", value=content, **rest)


def test_a_linked_object_that_was_not_asked_is_compared_with_what_it_last_confirmed() -> None:
    target = linked(link(sent={"title": "Clerk"}))
    assert differences([value("Clerk")], target, RULES) == ()
    assert differences([value("Lead", redacted=True)], target, RULES) == (
        AttributeChange(attribute="title", verb=Verb.REPLACE, old="Clerk", new="Lead", redacted=True),
    )


def test_what_the_target_says_itself_counts_more_than_what_it_confirmed() -> None:
    target = linked(link(sent={"title": "Lead"}), {"title": "Clerk"})
    assert differences([value("Lead")], target, RULES)[0].old == "Clerk"
    assert differences([value("Clerk")], target, RULES) == ()


@pytest.mark.parametrize(
    ("sent", "seen", "now", "wanted", "is_sent"),
    [
        ("Lead", "LEAD!", "LEAD!", "Lead", False),
        ("Lead", "LEAD!", "Clerk", "Lead", True),
        ("Lead", "LEAD!", "LEAD!", "Boss", True),
        ("Lead", None, None, "Lead", False),
        ("Lead", None, "Clerk", "Lead", True),
    ],
    ids=["rewritten", "drifted since", "wanted otherwise", "dropped", "dropped before, there now"],
)
def test_a_value_that_the_target_rewrites_is_not_sent_for_ever(
    sent: str, seen: Value, now: Value, wanted: str, is_sent: bool
) -> None:
    target = linked(link(sent={"title": sent}, seen={"title": seen}), {} if now is None else {"title": now})
    assert bool(differences([value(wanted)], target, RULES)) is is_sent


@pytest.mark.parametrize(
    ("wanted", "now", "is_sent"),
    [(False, True, True), (False, "True", True), (True, False, False), (False, None, False)],
)
def test_who_is_to_be_switched_off_and_is_shown_on_is_sent_however_often_that_was_confirmed(
    wanted: bool, now: Value, is_sent: bool
) -> None:
    target = linked(link(sent={"active": wanted}, seen={"active": now}), {} if now is None else {"active": now})
    switch = MappedValue(attribute="active", value=wanted, is_life_sign=True)
    assert bool(differences([switch], target, RULES)) is is_sent


def test_an_attribute_that_is_not_there_is_added_and_a_list_says_that_it_is_one() -> None:
    tags = MappedValue(attribute="tags", value=("a", "b"))
    assert differences([tags], TargetObject(), RULES) == (
        AttributeChange(attribute="tags", verb=Verb.ADD, old=None, new=("a", "b"), multivalued=True),
    )


@pytest.mark.parametrize(
    ("rest", "now", "is_sent"),
    [
        ({}, "Clerk", True),
        ({"create_only": True}, "Clerk", False),
        ({"create_only": True}, None, False),
        ({"fills_empty": True}, "Clerk", False),
        ({"fills_empty": True}, None, True),
        ({"always_flows": True}, "Lead", True),
        ({"always_flows": True, "create_only": True}, "Lead", False),
    ],
)
def test_how_a_mapping_flows_decides_whether_a_value_is_sent(rest: dict[str, bool], now: Value, is_sent: bool) -> None:
    target = linked(link(sent={} if now is None else {"title": now}))
    assert bool(differences([value("Lead", **rest)], target, RULES)) is is_sent


@pytest.mark.parametrize(
    ("before", "sent", "shown", "after"),
    [
        (Acknowledged(), {"title": "A"}, {"title": "A"}, Acknowledged(sent={"title": "A"})),
        (Acknowledged(), {"title": "A"}, {"title": "a"}, Acknowledged(sent={"title": "A"}, seen={"title": "a"})),
        (Acknowledged(), {"title": "A"}, {}, Acknowledged(sent={"title": "A"}, seen={"title": None})),
        (Acknowledged(), {"title": "A"}, None, Acknowledged(sent={"title": "A"})),
        # Not written now and not known to be rewritten: somebody changed it there, and a full pass is to see that.
        (
            Acknowledged(sent={"title": "A", "userName": "u"}),
            {"userName": "v"},
            {"title": "drifted", "userName": "v"},
            Acknowledged(sent={"title": "A", "userName": "v"}),
        ),
        # Known to be rewritten: what is shown now is what stands.
        (
            Acknowledged(sent={"title": "A", "userName": "u"}, seen={"title": "x"}),
            {"userName": "v"},
            {"title": "y", "userName": "v"},
            Acknowledged(sent={"title": "A", "userName": "v"}, seen={"title": "y"}),
        ),
        (
            Acknowledged(sent={"title": "A"}, seen={"title": "x"}),
            {"userName": "v"},
            {"title": "A", "userName": "V"},
            Acknowledged(sent={"title": "A", "userName": "v"}),
        ),
        # Shown nothing: only what was sent anew is forgotten.
        (
            Acknowledged(sent={"title": "A", "userName": "u"}, seen={"title": "x", "userName": "y"}),
            {"title": "B", "userName": "u"},
            None,
            Acknowledged(sent={"title": "B", "userName": "u"}, seen={"userName": "y"}),
        ),
        (
            Acknowledged(sent={"title": "A"}, seen={"title": "x"}),
            {"userName": "u"},
            None,
            Acknowledged(sent={"title": "A", "userName": "u"}, seen={"title": "x"}),
        ),
    ],
)
def test_what_is_remembered_of_a_confirmed_write(
    before: Acknowledged, sent: Attributes, shown: Attributes | None, after: Acknowledged
) -> None:
    assert acknowledge(before, sent, shown, RULES) == after


SENT_AGAIN = (AttributeChange(attribute="title", verb=Verb.REPLACE, old="x", new="A"),)


@pytest.mark.parametrize(
    ("before", "shown", "changes", "after"),
    [
        (Acknowledged(), {"title": "x"}, (), Acknowledged(sent={"title": "x"})),
        (Acknowledged(), {}, (), Acknowledged()),
        (Acknowledged(sent={"title": "B"}), {"title": "x"}, (), Acknowledged(sent={"title": "x"})),
        (Acknowledged(sent={"title": "B"}), {}, (), Acknowledged(sent={"title": "B"})),
        (
            Acknowledged(sent={"title": "A"}, seen={"title": "x"}),
            {"title": "x"},
            (),
            Acknowledged(sent={"title": "A"}, seen={"title": "x"}),
        ),
        (Acknowledged(sent={"title": "B"}, seen={"title": "x"}), {"title": "A"}, (), Acknowledged(sent={"title": "A"})),
        # Sent before, shown otherwise, sent again: perhaps the target rewrites it.
        (
            Acknowledged(sent={"title": "A"}),
            {"title": "x"},
            SENT_AGAIN,
            Acknowledged(sent={"title": "A"}, seen={"title": "x"}),
        ),
        (Acknowledged(sent={"title": "A"}), {}, SENT_AGAIN, Acknowledged(sent={"title": "A"}, seen={"title": None})),
        (Acknowledged(sent={"title": "B"}), {"title": "x"}, SENT_AGAIN, Acknowledged(sent={"title": "x"})),
    ],
)
def test_what_the_target_showed_is_taken_over(
    before: Acknowledged, shown: Attributes, changes: tuple[AttributeChange, ...], after: Acknowledged
) -> None:
    assert take_over(before, [value("A")], {**shown, "nickName": "not ours"}, changes, RULES) == after
