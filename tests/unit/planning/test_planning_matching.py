"""Whose object at the target it is."""

import pytest

from muster.model.copies import replace
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import LinkedElsewhere, TargetBusy
from muster.model.log import SkipReason
from muster.model.operation import (
    Intent,
    LinkState,
    MappedValue,
    MatchingValue,
    Operation,
    OperationKind,
    TargetObject,
)
from muster.model.rules import ObjectAction
from muster.planning.intent import form_intent
from muster.planning.matching import (
    choose,
    former_matching,
    found_again,
    hand_over,
    is_carried_out,
    is_gone,
    keep_apart,
    needs_lookup,
    retire,
)
from unit.planning.making import ENVIRONMENT, TERMS, compiled, intend, link, linked, person, plan, resource, row

ADOPTED = LinkState.ADOPTED
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


@pytest.mark.parametrize(("job", "remedy"), [("job-1", "it is free now"), ("job-2", "Two jobs write")])
def test_who_has_the_object_decides_what_is_to_be_done(job: str, remedy: str) -> None:
    found = choose(ADA, (resource(),), {"t-1": (job, "s-bob")}, intend(person()), "job-1")
    assert found is not None
    assert found.failure is not None
    assert remedy in found.failure.remedy


def test_a_redacted_matching_value_shows_in_no_failure() -> None:
    several = choose(HIDDEN, (resource(), resource(target_id="t-2")), {}, intend(person()), "job-1")
    taken = choose(HIDDEN, (resource(),), {"t-1": ("job-2", "s-bob")}, intend(person()), "job-1")
    for found in (several, taken):
        assert found is not None
        assert found.failure is not None
        assert "hunter2" not in found.failure.sentence
        assert "[Redact]" in found.failure.sentence


BOB = ("job-1", "s-bob")


def taken() -> TargetObject:
    found = choose(ADA, (resource(),), {"t-1": BOB}, intend(person()), "job-1")
    assert found is not None
    assert found.taken is not None
    assert (found.taken.by_source_id, found.taken.matched_by) == ("s-bob", "userName")
    return found


def test_what_another_job_has_is_nothing_that_could_be_handed_over() -> None:
    found = choose(ADA, (resource(),), {"t-1": ("job-2", "s-bob")}, intend(person()), "job-1")
    assert found is not None
    assert found.taken is None
    assert hand_over(found, person(), None) is found


@pytest.mark.parametrize(
    ("lifecycle", "is_restorable", "expected"),
    [
        (Lifecycle.PRESENT, False, False),
        (Lifecycle.SOFT_DELETED, True, False),
        (Lifecycle.SOFT_DELETED, False, True),
        (Lifecycle.HARD_DELETED, True, True),
    ],
)
def test_who_can_be_restored_is_not_gone(lifecycle: Lifecycle, is_restorable: bool, expected: bool) -> None:
    assert is_gone(person(lifecycle), is_restorable=is_restorable) is expected


def test_somebody_who_is_there_keeps_the_account() -> None:
    before = taken()
    assert hand_over(before, person(), None) is before


def test_somebody_who_can_be_restored_keeps_the_account_and_the_failure_says_what_to_do() -> None:
    after = hand_over(taken(), person(Lifecycle.SOFT_DELETED), None)
    assert after.failure is not None
    assert "can still be restored" in after.failure.sentence
    assert (after.exists, after.is_to_come) == (False, False)


@pytest.mark.parametrize(
    "left",
    [
        plan(person(Lifecycle.HARD_DELETED), linked(link())),
        plan(person(Lifecycle.HARD_DELETED), linked(link(LinkState.ADOPTED))),
        plan(person(Lifecycle.HARD_DELETED), linked(link()), terms=replace(TERMS, never_removes=True)),
        plan(
            person(Lifecycle.HARD_DELETED),
            linked(link(LinkState.ADOPTED)),
            compiled(actions=frozenset({ObjectAction.ADD})),
        ),
    ],
    ids=["to be deleted", "to be switched off", "never removed", "not switched off"],
)
def test_an_account_that_is_still_to_be_taken_away_is_to_come(left: Operation) -> None:
    after = hand_over(taken(), person(Lifecycle.HARD_DELETED), left)
    assert after.failure is not None
    assert "waits to be taken away" in after.failure.sentence
    assert (after.exists, after.is_to_come) == (False, True)


@pytest.mark.parametrize("state", [LinkState.RELEASED, LinkState.SEEN])
def test_an_account_that_was_taken_away_is_handed_over_and_its_link_dropped(state: LinkState) -> None:
    left = plan(person(Lifecycle.HARD_DELETED), linked(link(state)))
    after = hand_over(taken(), person(Lifecycle.HARD_DELETED), left)
    assert (after.exists, after.target_id, after.matched_by, after.link) == (True, "t-1", "userName", None)
    dropped = retire(left)
    assert (dropped.kind, dropped.link_state, dropped.owned, dropped.skip_reason) == (
        OperationKind.LINK,
        None,
        None,
        None,
    )
    assert "The account goes to whoever has its name now" in dropped.reason


def test_a_group_that_was_there_before_us_is_handed_over_and_one_of_ours_is_deleted_first() -> None:
    nothing = replace(plan(person(Lifecycle.HARD_DELETED), linked(link())), kind=OperationKind.SKIP)
    group = replace(nothing, object_kind=ObjectKind.GROUP, skip_reason=SkipReason.NOT_MANAGED)
    assert is_carried_out(replace(group, owned=LinkState.ADOPTED))
    assert not is_carried_out(replace(group, owned=LinkState.MANAGED))


def test_who_was_switched_off_already_has_nothing_more_to_lose() -> None:
    nothing = replace(plan(person(Lifecycle.HARD_DELETED), linked(link())), kind=OperationKind.SKIP)
    assert is_carried_out(replace(nothing, skip_reason=SkipReason.REDUNDANT_EXPORT))


def numbered(number: str | None) -> Intent:
    intent = intend(person())
    return replace(intent, values=() if number is None else (MappedValue(attribute="employeeId", value=number),))


@pytest.mark.parametrize(
    ("before", "now", "are_two"),
    [("A-1", "A-2", True), ("A-1", "a-1", False), ("A-1", None, False), (None, "A-2", False)],
)
def test_two_numbers_are_two_people(before: str | None, now: str | None, are_two: bool) -> None:
    shown = {} if before is None else {"employeeId": before}
    one = TargetObject(resource=replace(resource(), attributes=shown), exists=True, matched_by="userName")
    held = taken()
    assert held.taken is not None
    other = replace(held, taken=replace(held.taken, resource=replace(held.taken.resource, attributes=shown)))
    for found in (one, other):
        after = keep_apart(found, numbered(now))
        assert (after is not found) is are_two
        if are_two:
            assert after.failure is not None and (after.exists, after.taken) == (False, None)
            assert "(employeeId A-1) has left" in after.failure.sentence
    assert keep_apart(TargetObject(), numbered(now)) == TargetObject()


def test_who_is_gone_under_their_id_is_known_by_what_was_sent_and_a_rule_may_redact() -> None:
    rules = compiled([row("userName", "[mail]", matching=2), row("externalId", "[id]", matching=1, case_exact=True)])
    assert former_matching(link(sent={"userName": "ada@example.com", "externalId": ""}), rules) == (
        MatchingValue(attribute="userName", value="ada@example.com", redacted=True),
    )
    both = former_matching(link(sent={"userName": "ada", "externalId": 7}), rules)
    assert [(each.attribute, each.value, each.case_exact) for each in both] == [
        ("externalId", "7", True),
        ("userName", "ada", False),
    ]


def test_what_a_former_name_finds_is_switched_off_and_never_deleted() -> None:
    known = link()
    again = found_again(known, TargetObject(resource=resource(target_id="t-2"), exists=True, matched_by="userName"))
    assert again is not None and again.link is not None and again.exists
    assert (again.target_id, again.link.target_id) == ("t-2", "t-2")
    assert (again.link.state, again.link.owned, again.link.acknowledged.sent) == (ADOPTED, ADOPTED, {})


def test_what_a_former_name_finds_may_be_nobodys_or_anothers_or_not_to_be_told() -> None:
    known, busy = link(), TargetBusy("The application has a problem of its own.").record()
    anothers = LinkedElsewhere("The account t-2 belongs to another directory object (s-bob, job job-1).").record()
    assert found_again(known, TargetObject()) is None
    assert found_again(known, TargetObject(failure=anothers)) is None
    assert found_again(known, TargetObject(failure=busy)) == TargetObject(link=known, failure=busy)
