"""The gate: how many removals go, what is held, and why."""

import pytest

from muster.model.directory import Lifecycle
from muster.model.operation import Operation, OperationKind
from muster.planning.policy import GateVerdict, RemovalThreshold, gate, removal_verdict, threshold_of
from unit.planning.making import NOBODY, link, linked, person, plan

DEFAULT = RemovalThreshold()

DISABLE = plan(person(grants=()), linked(link()))
DELETE = plan(person(Lifecycle.HARD_DELETED), linked(link()))
CREATE = plan(person(), NOBODY)
UPDATE = plan(person(jobTitle="Lead"), linked(link()))
SKIP = plan(person(), linked(link()))


@pytest.mark.parametrize(
    ("removals", "linked_count", "threshold", "is_held"),
    [
        (0, 0, RemovalThreshold(count=0), False),
        (0, 10, RemovalThreshold(count=0, minimum=0, share=0), False),
        (1, 10_000, RemovalThreshold(count=0), True),
        (500, 10_000, DEFAULT, False),
        (501, 10_000, DEFAULT, True),
        (501, 10_000, RemovalThreshold(enabled=False), False),
        # The share counts from 20 removals on.
        (19, 20, DEFAULT, False),
        (20, 80, DEFAULT, False),
        (20, 79, DEFAULT, True),
        (20, 0, DEFAULT, False),
        (2, 7, RemovalThreshold(minimum=2), True),
        (2, 8, RemovalThreshold(minimum=2), False),
    ],
)
def test_how_many_removals_a_cycle_may_bring(
    removals: int, linked_count: int, threshold: RemovalThreshold, is_held: bool
) -> None:
    assert (removal_verdict(removals, linked_count, threshold) is not None) is is_held


def test_the_verdict_tells_the_numbers() -> None:
    assert removal_verdict(501, 10_000, DEFAULT) == (
        "This cycle would disable or delete 501 accounts; the job's accidental-deletion threshold is 500."
    )
    assert removal_verdict(40, 100, DEFAULT) == (
        "This cycle would disable or delete 40 of 100 accounts (40%); the job's threshold is 25%."
    )


def ask(
    *operations: Operation,
    so_far: int = 0,
    linked_count: int = 100,
    count: int = 2,
    complete: bool = True,
    forced: bool = False,
    approval: bool = False,
) -> GateVerdict:
    return gate(
        operations,
        removals_so_far=so_far,
        linked=linked_count,
        threshold=RemovalThreshold(count=count),
        read_complete=complete,
        forced=forced,
        approval=approval,
    )


def test_as_many_removals_as_allowed_go_in_the_order_given() -> None:
    operations = (CREATE, DISABLE, UPDATE, DELETE, SKIP)
    assert ask(*operations) == GateVerdict(released=operations, held=(), tripped=None)


def test_one_removal_too_many_holds_every_removal_and_nothing_else() -> None:
    verdict = ask(CREATE, DISABLE, UPDATE, DELETE, SKIP, so_far=1)
    assert verdict.released == (CREATE, UPDATE, SKIP)
    assert [item.operation for item in verdict.held] == [DISABLE, DELETE]
    assert {item.hold_code for item in verdict.held} == {"StagedDelete"}
    assert {item.reason for item in verdict.held} == {verdict.tripped}
    assert verdict.tripped is not None
    assert "3 accounts" in verdict.tripped


def test_unless_it_is_asked_for_nothing_is_forced_and_nothing_needs_approval() -> None:
    threshold = RemovalThreshold(count=0)
    verdict = gate([CREATE, DISABLE], removals_so_far=0, linked=100, threshold=threshold, read_complete=True)
    assert verdict.released == (CREATE,)


def test_an_administrator_who_allows_deletes_lets_them_go() -> None:
    verdict = ask(DISABLE, DELETE, so_far=1, forced=True)
    assert (verdict.released, verdict.held, verdict.tripped) == ((DISABLE, DELETE), (), None)


@pytest.mark.parametrize("forced", [False, True])
def test_nobody_is_removed_after_an_incomplete_read_whoever_asks(forced: bool) -> None:
    verdict = ask(CREATE, DISABLE, DELETE, complete=False, forced=forced)
    assert verdict.released == (CREATE,)
    assert [(item.operation, item.hold_code) for item in verdict.held] == [
        (DISABLE, "IncompleteRead"),
        (DELETE, "IncompleteRead"),
    ]


def test_a_job_that_asks_for_approval_holds_everything_that_writes() -> None:
    verdict = ask(CREATE, UPDATE, DISABLE, SKIP, approval=True)
    assert verdict.released == (SKIP,)
    assert {item.hold_code for item in verdict.held} == {"ApprovalRequired"}
    assert len(verdict.held) == 3


def test_disabling_and_deleting_are_what_removes() -> None:
    removing = {kind for kind in OperationKind if _of(kind).removes}
    assert removing == {OperationKind.DISABLE, OperationKind.DELETE}


def _of(kind: OperationKind) -> Operation:
    return Operation(change_id="c", kind=kind, object_kind=person().kind, source_id="s", source_name="s", reason="r")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, RemovalThreshold(count=500, share=0.25, minimum=20, enabled=True)),
        ({"DeleteThresholdValue": 7}, RemovalThreshold(count=7, share=1.0)),
        ({"DeleteThresholdValue": "7"}, RemovalThreshold(count=7, share=1.0)),
        ({"DeleteThresholdValue": 0}, RemovalThreshold(count=0, share=1.0)),
        ({"DeleteThresholdEnabled": False}, RemovalThreshold(enabled=False)),
        ({"DeleteThresholdEnabled": "no"}, RemovalThreshold()),
        # What cannot be used weakens nothing.
        ({"DeleteThresholdValue": "many"}, RemovalThreshold()),
        ({"DeleteThresholdValue": -5}, RemovalThreshold()),
        ({"DeleteThresholdValue": True}, RemovalThreshold()),
        ({"DeleteThresholdValue": "²"}, RemovalThreshold()),
        ({"DeleteThresholdValue": None}, RemovalThreshold()),
        ({"DeleteThresholdValue": 7.5}, RemovalThreshold()),
    ],
)
def test_the_threshold_in_a_jobs_settings(given: dict[str, object], expected: RemovalThreshold) -> None:
    assert threshold_of(given) == expected
