"""What becomes of values that somebody changed at the target."""

from datetime import timedelta

import pytest

from muster.model.log import SkipReason
from muster.model.operation import LinkState, Operation, OperationKind, TargetObject
from muster.model.values import Attributes
from muster.planning.drift import DriftAction, DriftPolicy, read_drift_policy, weigh_drift
from muster.planning.intent import is_in_scope, matching_of
from muster.planning.terms import drift_policy, find_setting_problems, reconcile_every
from unit.planning.making import (
    ENVIRONMENT,
    NOBODY,
    TERMS,
    THERE,
    USER_NAME,
    changes_of,
    compiled,
    found,
    link,
    linked,
    person,
    plan,
    row,
)

RULES = compiled()
REPORT = DriftPolicy(default=DriftAction.REPORT)
ACCEPT = DriftPolicy(default=DriftAction.ACCEPT)


def weigh(target: TargetObject, policy: DriftPolicy = DriftPolicy(), **attributes: object) -> Operation:  # noqa: B008  frozen
    return weigh_drift(plan(person(**attributes), target), target, policy, RULES)  # type: ignore[arg-type]  # values


def changed(seen: Attributes | None = None, **shown: object) -> TargetObject:
    """Ada's account with values that somebody changed there."""
    return linked(link(seen=seen), {**THERE, **shown})  # type: ignore[dict-item]  # values


def test_a_changed_value_is_sent_again_and_named() -> None:
    operation = weigh(changed(title="King"))
    assert (operation.kind, operation.drifted) == (OperationKind.UPDATE, ("title",))
    assert changes_of(operation) == {"title": "Engineer"}


def test_a_value_that_the_directory_changed_is_no_drift() -> None:
    operation = weigh(changed(), REPORT, jobTitle="Chief")
    assert (operation.kind, operation.drifted) == (OperationKind.UPDATE, ())
    # Nor is one that both have changed: the directory's is new.
    both = weigh(changed(title="King"), REPORT, jobTitle="Chief")
    assert (changes_of(both), both.drifted) == ({"title": "Chief"}, ())


def test_what_is_reported_leaves_the_link_as_it_was() -> None:
    operation = weigh(changed(title="King"), REPORT)
    assert (operation.kind, operation.skip_reason) == (OperationKind.SKIP, SkipReason.DRIFT_REPORTED)
    assert operation.acknowledged.sent["title"] == "Engineer"
    assert "title" not in operation.acknowledged.seen
    assert [(change.old, change.new) for change in operation.changes] == [("King", "Engineer")]
    assert "title" in operation.reason
    rewritten = weigh(changed(seen={"title": "ENGINEER."}, title="King"), REPORT)
    assert rewritten.acknowledged.seen == {"title": "ENGINEER."}


def test_what_is_accepted_counts_as_what_the_target_makes_of_the_value() -> None:
    operation = weigh(changed(title="King"), ACCEPT)
    assert operation.kind is OperationKind.LINK
    known = link(sent=operation.acknowledged.sent, seen=operation.acknowledged.seen)
    assert plan(person(), linked(known, {**THERE, "title": "King"})).kind is OperationKind.SKIP


def test_what_else_differs_is_sent_all_the_same() -> None:
    policy = DriftPolicy(attributes={"title": DriftAction.REPORT})
    operation = weigh(changed(title="King", userName="other@example.com"), policy)
    assert (operation.kind, set(operation.drifted)) == (OperationKind.UPDATE, {"title", "userName"})
    assert changes_of(operation) == {"userName": "ada@example.com"}


def test_both_kinds_together_are_accepted_in_one_sentence() -> None:
    policy = DriftPolicy(default=DriftAction.ACCEPT, attributes={"username": DriftAction.REPORT})
    operation = weigh(changed(title="King", userName="other@example.com"), policy)
    assert operation.kind is OperationKind.LINK
    assert "userName" not in operation.acknowledged.seen and operation.acknowledged.seen["title"] == "King"


@pytest.mark.parametrize("target", [NOBODY, found({**THERE, "title": "King"}), linked(link())])
def test_without_a_link_or_a_look_there_is_no_drift(target: TargetObject) -> None:
    assert weigh(target, REPORT, jobTitle="Chief").drifted == ()


def test_a_leaver_is_switched_off_whatever_the_policy_says() -> None:
    off = link(sent={**THERE, "active": False})
    operation = weigh(linked(off, THERE), REPORT, accountEnabled=False)
    assert (operation.kind, operation.drifted) == (OperationKind.DISABLE, ("active",))
    new = weigh(linked(link(), THERE), REPORT, accountEnabled=False)
    assert (new.kind, new.drifted) == (OperationKind.DISABLE, ())
    unseen = weigh(linked(link()), REPORT, accountEnabled=False)
    assert (unseen.kind, unseen.drifted) == (OperationKind.DISABLE, ())


def test_a_value_that_was_never_sent_is_no_drift() -> None:
    sent = {name: value for name, value in THERE.items() if name != "title"}
    assert weigh(linked(link(LinkState.ADOPTED, sent=sent), {**THERE, "title": "King"}), REPORT).drifted == ()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", DriftPolicy()),
        ("report", REPORT),
        (" Accept ; ", ACCEPT),
        ("correct; title=report", DriftPolicy(attributes={"title": DriftAction.REPORT})),
        (
            'report; emails[type eq "work"].value = accept',
            DriftPolicy(default=DriftAction.REPORT, attributes={'emails[type eq "work"].value': DriftAction.ACCEPT}),
        ),
    ],
)
def test_a_policy_is_read(text: str, policy: DriftPolicy) -> None:
    assert read_drift_policy(text) == policy == drift_policy({"DriftPolicy": text})
    assert policy.of("nothing") is policy.default


@pytest.mark.parametrize("text", ["ignore", "title", "title=", "title=ignore", "correct, report"])
def test_a_policy_that_cannot_be_read_is_refused_and_never_in_force(text: str) -> None:
    assert "takes correct, report or accept" in find_setting_problems({"DriftPolicy": text})[0]
    assert drift_policy({"DriftPolicy": text}) == DriftPolicy()


def test_how_often_a_job_is_reconciled_has_its_bounds() -> None:
    assert reconcile_every({}) is None
    assert reconcile_every({"ReconcileEvery": "P1D"}) == timedelta(days=1)
    for wrong in ("PT59M", "P32D", "daily"):
        assert find_setting_problems({"ReconcileEvery": wrong})
        assert reconcile_every({"ReconcileEvery": wrong}) is None


def test_whose_an_account_might_be_is_told_of_everybody() -> None:
    outsider = person(grants=())
    assert is_in_scope(person(), RULES, TERMS) and not is_in_scope(outsider, RULES, TERMS)
    matching = matching_of(outsider, RULES, ENVIRONMENT)
    assert matching is not None and matching.value == "ada@example.com"
    assert matching_of(person(without=("userPrincipalName",)), RULES, ENVIRONMENT) is None
    failing = compiled((row("userName", 'Error("no")', matching=1), USER_NAME))
    assert matching_of(person(), failing, ENVIRONMENT) is None
