"""Whose word counts where several sources supply an attribute."""

import pytest

from muster.gallery.catalogue import find
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.operation import Change, Intent, MappedValue, Presence, Verdict, WantedReference
from muster.model.schema_document import read_schema
from muster.model.supply import Supply
from muster.planning.precedence import (
    BY_HAND,
    Standing,
    check_attribute_precedence,
    check_precedence,
    owners,
    read_standing,
    withheld_from,
    without,
)

MADE_OF = {name: frozenset({name}) for name in ("mail", "mobile", "department")} | {
    "isSoftDeleted": frozenset({"IsSoftDeleted"}),
    "country": frozenset(),
}
HR = Standing(job_id="hr", name="HR", since="2", precedence=10, by_attribute={"mobile": 200}, made_of=MADE_OF)
IT = Standing(job_id="it", name="IT", since="1", made_of=MADE_OF, local_first=frozenset({"mail"}))
BOTH = {"hr": HR, "it": IT}


def supply(job: str, *names: str, is_live: bool = True, has: frozenset[str] | None = None) -> Supply:
    sent = frozenset({*names, "isSoftDeleted"})
    return Supply(
        job_id=job,
        source_id="1",
        target_id="t",
        is_live=is_live,
        sent=sent,
        has=frozenset(names) if has is None else has,
    )


def owned(*supplies: Supply) -> dict[str, str]:
    return {attribute: standing.job_id for attribute, standing in owners(BOTH, supplies).items()}


def test_the_lowest_precedence_counts_attribute_by_attribute() -> None:
    given = (supply("it", "mail", "mobile", "department"), supply("hr", "mobile", "department"))
    assert owned(*given) == {"mail": "it", "mobile": "it", "department": "hr", "isSoftDeleted": "hr"}


def test_of_equal_ones_the_older_source_counts() -> None:
    old = Standing(job_id="old", name="Old", since="1", made_of=MADE_OF)
    new = Standing(job_id="new", name="New", since="2", made_of=MADE_OF)
    found = owners({"old": old, "new": new}, [supply("new", "mail"), supply("old", "mail")])
    assert found["mail"] is old


def test_who_no_longer_has_the_object_speaks_of_its_existence_alone() -> None:
    gone = supply("hr", "department", is_live=False)
    assert owned(gone, supply("it", "department")) == {"department": "it", "isSoftDeleted": "hr"}


def test_a_default_value_or_what_is_not_mapped_is_no_word_of_the_source() -> None:
    assert owned(supply("hr", "department", has=frozenset())) == {"isSoftDeleted": "hr"}
    assert "jobTitle" not in owned(supply("hr", "jobTitle"))
    # A constant is.
    assert owned(supply("hr", "country", has=frozenset()))["country"] == "hr"
    assert owned(supply("nobody", "mail")) == {}


def test_what_others_supply_first_is_withheld_and_what_was_edited_by_hand_where_that_comes_first() -> None:
    given = (supply("it", "mail", "mobile", "department"), supply("hr", "mobile", "department"))
    assert withheld_from(IT, BOTH, given, ["mail", "mobile"]) == {
        "department": "HR",
        "isSoftDeleted": "HR",
        "mail": BY_HAND,
    }
    assert withheld_from(HR, BOTH, given, ["department"]) == {"mobile": "IT"}


def test_an_intent_without_what_is_somebody_elses_affair() -> None:
    change = Change(source_id="1", kind=ObjectKind.USER, lifecycle=Lifecycle.PRESENT, seq=1, attributes={})
    manager = WantedReference(attribute="manager", kind=ObjectKind.USER, multivalued=False, source_ids=())
    intent = Intent(
        change=change,
        verdict=Verdict(presence=Presence.PRESENT, reason=""),
        values=(MappedValue(attribute="mail", value="a"), MappedValue(attribute="city", value="b")),
        references=(manager,),
    )
    left = without(intent, ["mail", "manager"])
    assert [value.attribute for value in left.values] == ["city"] and left.references == ()


def test_a_standing_is_read_from_the_settings_and_rules_of_a_job() -> None:
    page = find("folder")
    assert page is not None
    schema = read_schema(page.schema_document())
    settings = {"Precedence": "5", "AttributePrecedence": "mail=7; mobile = 9;", "LocalEditsFirst": "city; state"}
    standing = read_standing("job", "HR", "2026", settings, schema)
    assert (standing.place("city"), standing.place("mail"), standing.place("mobile")) == (
        (5, "2026", "job"),
        (7, "2026", "job"),
        (9, "2026", "job"),
    )
    assert standing.lets_edit("state") and not standing.lets_edit("mail")
    assert standing.made_of["department"] == {"department"} and standing.made_of["manager"] == {"manager"}
    wrong = read_standing("job", "HR", "2026", {"Precedence": "first", "AttributePrecedence": "mail"}, schema)
    assert (wrong.precedence, wrong.by_attribute) == (100, {})
    assert read_standing("job", "HR", "2026", {"LocalEditsFirst": "*"}, schema).lets_edit("anything")


@pytest.mark.parametrize("text", ["", "-1", "first", "10001", "٣"])
def test_a_precedence_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        check_precedence(text)


def test_precedences_by_attribute_are_written_with_a_number_each() -> None:
    assert check_attribute_precedence("mail=10;;mobile=200") == {"mail": 10, "mobile": 200}
    with pytest.raises(ValueError, match="such as mail=10"):
        check_attribute_precedence("=10")
