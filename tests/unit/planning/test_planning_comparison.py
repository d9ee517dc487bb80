"""What other rules change: object by object, and in one sentence."""

import pytest

from muster.model.directory import AttributeType, Lifecycle
from muster.model.operation import Change, OperationKind, TargetObject
from muster.model.rules import ObjectAction
from muster.model.whatif import Transition
from muster.planning.comparison import Decided, Summary, compare, in_words
from muster.planning.rules import KindRules
from unit.planning.making import (
    ACTIVE,
    NOBODY,
    SITE,
    TITLE,
    USER_NAME,
    compiled,
    intend,
    link,
    linked,
    only,
    person,
    plan,
    row,
)

NEW_TITLE = row("title", 'Join(" ", "Dr", [jobTitle])', case_exact=True)
SAVED = compiled()
TITLED = compiled((USER_NAME, ACTIVE, NEW_TITLE, SITE))
INVERTED = compiled((USER_NAME, row("active", "[IsSoftDeleted]", kind=AttributeType.BOOLEAN), TITLE, SITE))
SALES = compiled(scope=only("department", "Sales"))
LEGAL = compiled(scope=only("department", "Legal"))
BROKEN = compiled((USER_NAME, ACTIVE, row("title", "[nothing]", required=True), SITE))


def decided(change: Change, target: TargetObject, rules: KindRules) -> Decided:
    return Decided(intent=intend(change, rules), operation=plan(change, target, rules))


@pytest.mark.parametrize(
    ("change", "target", "before", "after", "transition", "what", "done"),
    [
        (person(), linked(link()), SAVED, TITLED, Transition.CHANGES, {"title": ("Engineer", "Dr Engineer")}, "update"),
        (person(), NOBODY, SAVED, TITLED, Transition.CHANGES, {"title": ("Engineer", "Dr Engineer")}, "create"),
        (person(), linked(link()), SAVED, LEGAL, Transition.LEAVES_SCOPE, {"active": (True, False)}, "disable"),
        (person(), NOBODY, SAVED, LEGAL, Transition.LEAVES_SCOPE, {}, "skip"),
        # A switch is no value like another: whom the rules switch off loses access.
        (person(), linked(link()), SAVED, INVERTED, Transition.OTHERWISE, {"active": (True, False)}, "disable"),
        (person(), NOBODY, LEGAL, SAVED, Transition.ENTERS_SCOPE, {}, "create"),
        (person(), NOBODY, SAVED, BROKEN, Transition.OTHERWISE, {}, "fail"),
        # What was about to be sent and is not any more: the account keeps what it has.
        (
            person(jobTitle="Lead"),
            linked(link()),
            SAVED,
            compiled((USER_NAME, ACTIVE, SITE, row("title", "[department]", case_exact=True))),
            Transition.CHANGES,
            {"title": ("Lead", "Sales")},
            "update",
        ),
    ],
)
def test_what_other_rules_change_for_one_person(
    change: Change,
    target: TargetObject,
    before: KindRules,
    after: KindRules,
    transition: Transition,
    what: dict[str, tuple[object, object]],
    done: str,
) -> None:
    found = compare(decided(change, target, before), decided(change, target, after))
    assert found is not None
    assert (found.transition, found.after) == (transition, OperationKind(done))
    assert {each.attribute: (each.old, each.new) for each in found.changes} == what


def test_what_is_no_longer_sent_stays_as_the_account_has_it() -> None:
    change = person(jobTitle="Lead", userPrincipalName="ada.long@example.com")
    rules = compiled((USER_NAME, ACTIVE, SITE))
    found = compare(decided(change, linked(link()), SAVED), decided(change, linked(link()), rules))
    assert found is not None
    assert [(each.attribute, each.old, each.new) for each in found.changes] == [("title", "Lead", "Engineer")]


@pytest.mark.parametrize(
    ("change", "target", "before", "after"),
    [
        (person(), linked(link()), SAVED, SALES),
        (person(Lifecycle.SOFT_DELETED), NOBODY, SAVED, TITLED),
        (person(jobTitle="Lead"), linked(link()), SAVED, SALES),
    ],
)
def test_whom_other_rules_treat_alike_is_not_affected(
    change: Change, target: TargetObject, before: KindRules, after: KindRules
) -> None:
    assert compare(decided(change, target, before), decided(change, target, after)) is None


def test_an_action_that_is_switched_off_is_another_treatment() -> None:
    silent = compiled(actions=frozenset({ObjectAction.ADD}))
    change = person(jobTitle="Lead")
    found = compare(decided(change, linked(link()), SAVED), decided(change, linked(link()), silent))
    assert found is not None
    assert (found.transition, found.after) == (Transition.OTHERWISE, OperationKind.SKIP)


def test_a_kind_that_the_other_rules_do_not_carry_leaves_scope() -> None:
    known = decided(person(), NOBODY, SAVED)
    gone, come = compare(known, None), compare(None, known)
    assert gone is not None
    assert come is not None
    assert (gone.transition, gone.after, gone.before) == (Transition.LEAVES_SCOPE, None, OperationKind.CREATE)
    assert (come.transition, come.before) == (Transition.ENTERS_SCOPE, None)
    assert compare(None, None) is None


def test_the_summary_counts_attributes_and_ways() -> None:
    summary = Summary()
    assert in_words(summary.lines()) == "nothing changes"
    changed = compare(decided(person(), linked(link()), SAVED), decided(person(), linked(link()), TITLED))
    left = compare(decided(person(), linked(link()), SAVED), decided(person(), linked(link()), LEGAL))
    entered = compare(decided(person(), NOBODY, LEGAL), decided(person(), NOBODY, SAVED))
    failing = compare(decided(person(), NOBODY, SAVED), decided(person(), NOBODY, BROKEN))
    gone = compare(decided(person(), NOBODY, SAVED), None)
    for each in (changed, changed, left, left, entered, entered, failing, gone):
        assert each is not None
        summary.add(each)
    assert in_words(summary.lines()) == (
        "2 change title, 2 enter scope and are created, 2 leave scope and are disabled, "
        "1 leaves scope and is not carried, 1 is failing then"
    )
    assert next((line.attribute, line.count) for line in summary.lines()) == ("title", 2)
    alone = Summary()
    for each in (changed, entered):
        assert each is not None
        alone.add(each)
    assert in_words(alone.lines()) == "1 changes title, 1 enters scope and is created"
