"""Whose object at the target it is."""

import pytest

from muster.model.directory import Lifecycle
from muster.model.operation import Intent, MatchingValue
from muster.planning.intent import form_intent
from muster.planning.matching import choose, needs_lookup
from unit.planning.making import ENVIRONMENT, TERMS, compiled, intend, person, resource, row

ADA = MatchingValue(attribute="userName", value="ada@example.com")
HIDDEN = MatchingValue(attribute="userName", value="hunter2", redacted=True)


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        (intend(person()), True),
        (intend(person(accountEnabled=False)), True),
        (intend(person(grants=())), False),
        (intend(person(Lifecycle.HARD_DELETED)), False),
        (form_intent(person(), compiled([row("a", 'CDate("x")')]), TERMS, ENVIRONMENT), False),
        (form_intent(person(), compiled([row("a", "IgnoreObjectFlow")]), TERMS, ENVIRONMENT), False),
    ],
    ids=["present", "blocked", "unassigned", "purged", "failed", "left out"],
)
def test_only_those_who_are_wanted_there_are_looked_for(intent: Intent, expected: bool) -> None:
    assert needs_lookup(intent) is expected


def test_nobody_found_leaves_the_question_to_the_next_matching_attribute() -> None:
    assert choose(ADA, (), {}, intend(person()), "job-1") is None


@pytest.mark.parametrize("owners", [{}, {"t-1": ("job-1", "s-ada")}, {"t-2": ("job-1", "s-bob")}])
def test_one_object_that_nobody_else_has_is_the_one(owners: dict[str, tuple[str, str]]) -> None:
    found = choose(ADA, (resource(), resource()), owners, intend(person()), "job-1")
    assert found is not None
    assert (found.target_id, found.exists, found.matched_by, found.link, found.failure) == (
        "t-1",
        True,
        "userName",
        None,
        None,
    )


def test_several_objects_are_never_decided_by_taking_the_first() -> None:
    found = choose(ADA, (resource(), resource(target_id="t-2")), {}, intend(person()), "job-1")
    assert found is not None
    assert found.failure is not None
    assert (found.exists, found.resource) == (False, None)
    assert found.failure.code == "DuplicateTargetEntries"
    assert found.failure.sentence == "2 target objects have userName = “ada@example.com”: t-1, t-2."


@pytest.mark.parametrize(
    ("owner", "sentence"),
    [
        (
            ("job-1", "s-bob"),
            (
                "The account t-1 at the target, found by userName = “ada@example.com”, "
                "belongs to another directory object (s-bob, job job-1)."
            ),
        ),
        (
            ("job-2", "s-bob"),
            (
                "The account t-1 at the target, found by userName = “ada@example.com”, "
                "belongs to another directory object (s-bob, job job-2)."
            ),
        ),
        (("job-2", "s-ada"), "The account t-1 at the target is managed for Ada Lovelace by job job-2."),
    ],
)
def test_an_object_that_another_has_is_a_named_conflict(owner: tuple[str, str], sentence: str) -> None:
    found = choose(ADA, (resource(),), {"t-1": owner}, intend(person()), "job-1")
    assert found is not None
    assert found.failure is not None
    assert (found.failure.code, found.failure.sentence) == ("DuplicateSourceEntries", sentence)
    assert (found.exists, found.resource) == (False, None)


def test_a_redacted_matching_value_shows_in_no_failure() -> None:
    several = choose(HIDDEN, (resource(), resource(target_id="t-2")), {}, intend(person()), "job-1")
    taken = choose(HIDDEN, (resource(),), {"t-1": ("job-2", "s-bob")}, intend(person()), "job-1")
    for found in (several, taken):
        assert found is not None
        assert found.failure is not None
        assert "hunter2" not in found.failure.sentence
        assert "[Redact]" in found.failure.sentence
