"""The gate: how many removals go, what is held, and why."""

from typing import Any

import pytest

from muster.model.copies import replace
from muster.model.directory import Lifecycle
from muster.model.hold import Hold, HoldCode, HoldState
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import operation_hash
from muster.planning.policy import (
    Approval,
    GateVerdict,
    Limit,
    Population,
    RemovalKind,
    RemovalThreshold,
    count_removals,
    gate,
    removal_kind,
    removal_verdict,
    removal_verdicts,
    threshold_of,
    undecided,
)
from muster.planning.references import plan_references
from unit.planning.making import AT, GROUP, NOBODY, link, linked, person, plan

DEFAULT = RemovalThreshold()

DISABLE = plan(person(grants=()), linked(link()))
DELETE = plan(person(Lifecycle.HARD_DELETED), linked(link()))
CREATE = plan(person(), NOBODY)
UPDATE = plan(person(jobTitle="Lead"), linked(link()))
SKIP = plan(person(), linked(link()))


def members(add: int, remove: int) -> Operation:
    return plan_references(
        change_id="c",
        kind=GROUP,
        source_id="g",
        source_name="Sales",
        target_id="t",
        attribute="members",
        multivalued=True,
        add=tuple((f"a{number}", f"t{number}") for number in range(add)),
        remove=tuple((f"r{number}", f"t{number}") for number in range(remove)),
        members_per_request=2,
    )


JOINERS, LEAVERS = members(2, 0), members(1, 3)


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
    tripped: dict[RemovalKind, str] | None = None,
    complete: bool = True,
    holds: tuple[Hold, ...] = (),
    **said: Any,
) -> GateVerdict:
    known = {(each.kind, each.source_id): each for each in holds}
    return gate(operations, tripped=tripped or {}, read_complete=complete, holds=known, **said)


TRIPPED = {RemovalKind.DISABLE: "too many", RemovalKind.DELETE: "too many"}


def hold(operation: Operation, state: HoldState, code: HoldCode = HoldCode.TOO_MANY) -> Hold:
    return Hold(
        id="h",
        kind=operation.object_kind,
        source_id=operation.source_id,
        operation=operation,
        code=code,
        reason="too many then",
        held_at=AT,
        state=state,
        essence=operation_hash(operation),
        decided_by="anna",
    )


def test_what_no_threshold_holds_goes_in_the_order_given() -> None:
    operations = (CREATE, DISABLE, UPDATE, DELETE, SKIP)
    assert ask(*operations) == GateVerdict(released=operations, held=(), tripped=None)


def test_a_threshold_holds_every_removal_of_its_kind_and_nothing_else() -> None:
    verdict = ask(CREATE, DISABLE, UPDATE, DELETE, SKIP, tripped=TRIPPED)
    assert verdict.released == (CREATE, UPDATE, SKIP)
    assert [item.operation for item in verdict.held] == [DISABLE, DELETE]
    assert {item.hold_code for item in verdict.held} == {HoldCode.TOO_MANY}
    assert {item.reason for item in verdict.held} == {verdict.tripped}
    assert ask(DISABLE, DELETE, tripped={RemovalKind.DELETE: "too many"}).released == (DISABLE,)


def test_an_administrator_who_allows_deletes_lets_them_go() -> None:
    verdict = ask(DISABLE, DELETE, tripped=TRIPPED, forced=True)
    assert (verdict.released, verdict.held, verdict.tripped) == ((DISABLE, DELETE), (), None)


@pytest.mark.parametrize("forced", [False, True])
def test_nobody_is_removed_after_an_incomplete_read_whoever_asks(forced: bool) -> None:
    approved = hold(DISABLE, HoldState.APPROVED)
    verdict = ask(CREATE, DISABLE, DELETE, LEAVERS, complete=False, forced=forced, holds=(approved,))
    assert verdict.released == (CREATE,)
    assert [(item.operation, item.hold_code) for item in verdict.held] == [
        (DISABLE, HoldCode.INCOMPLETE_READ),
        (DELETE, HoldCode.INCOMPLETE_READ),
        (LEAVERS, HoldCode.INCOMPLETE_READ),
    ]


def test_a_job_that_asks_for_approval_holds_what_it_asks_for() -> None:
    verdict = ask(CREATE, UPDATE, DISABLE, SKIP, approval=Approval.ALL)
    assert verdict.released == (SKIP,)
    assert {item.hold_code for item in verdict.held} == {HoldCode.APPROVAL}
    assert ask(CREATE, UPDATE, DISABLE, LEAVERS, approval=Approval.REMOVALS).released == (CREATE, UPDATE)


def test_what_was_approved_goes_and_only_exactly_that() -> None:
    approved = hold(DISABLE, HoldState.APPROVED)
    assert ask(DISABLE, tripped=TRIPPED, holds=(approved,)).released == (DISABLE,)
    assert ask(DISABLE, approval=Approval.ALL, holds=(approved,)).released == (DISABLE,)
    other = replace(DISABLE, target_id="another")
    assert ask(other, tripped=TRIPPED, holds=(approved,)).held[0].hold_code is HoldCode.TOO_MANY


def test_what_was_rejected_stays_until_its_object_changes() -> None:
    rejected = hold(DISABLE, HoldState.REJECTED)
    (kept,) = ask(DISABLE, holds=(rejected,)).held
    assert (kept.hold_code, kept.reason) == (HoldCode.REJECTED, "anna rejected it. too many then")
    (nameless,) = ask(DISABLE, holds=(replace(rejected, decided_by=None),)).held
    assert nameless.reason.startswith("An administrator")
    assert ask(replace(DISABLE, source_seq=DISABLE.source_seq + 1), holds=(rejected,)).released
    assert ask(replace(DISABLE, target_id="another"), holds=(rejected,)).released


def test_who_was_held_stays_so_until_a_full_pass_counts_everybody() -> None:
    known = hold(DISABLE, HoldState.HELD)
    (kept,) = ask(DISABLE, holds=(known,), counts_anew=False).held
    assert (kept.hold_code, kept.reason) == (HoldCode.TOO_MANY, "too many then")
    assert ask(DISABLE, holds=(known,), counts_anew=True).released == (DISABLE,)
    approval = hold(DISABLE, HoldState.HELD, HoldCode.APPROVAL)
    assert ask(DISABLE, holds=(approval,), counts_anew=False).released == (DISABLE,)
    waiting = hold(DISABLE, HoldState.WAITING)
    assert ask(DISABLE, holds=(waiting,), counts_anew=False).released == (DISABLE,)


def test_disabling_and_deleting_are_what_removes() -> None:
    removing = {kind for kind in OperationKind if _of(kind).removes}
    assert removing == {OperationKind.DISABLE, OperationKind.DELETE}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (DISABLE, RemovalKind.DISABLE),
        (DELETE, RemovalKind.DELETE),
        (replace(DELETE, object_kind=GROUP), RemovalKind.GROUP_DELETE),
        (CREATE, None),
        (UPDATE, None),
        (SKIP, None),
    ],
)
def test_what_an_operation_takes_away(operation: Operation, kind: RemovalKind | None) -> None:
    assert removal_kind(operation) is kind


def test_removals_are_counted_by_kind_and_members_one_by_one() -> None:
    operations = [CREATE, DISABLE, DISABLE, DELETE, replace(DELETE, object_kind=GROUP), LEAVERS, JOINERS]
    assert count_removals(operations) == {
        RemovalKind.DISABLE: 2,
        RemovalKind.DELETE: 1,
        RemovalKind.GROUP_DELETE: 1,
        RemovalKind.MEMBER_REMOVAL: 3,
    }


MEMBERS = {RemovalKind.MEMBER_REMOVAL: Limit(share=0.025)}
VERDICTS = [
    # counted, lately, threshold, held kinds
    ({RemovalKind.DISABLE: 5}, 0, RemovalThreshold(), set()),
    ({RemovalKind.DISABLE: 5}, 0, RemovalThreshold(count=4), {RemovalKind.DISABLE}),
    (
        {RemovalKind.DISABLE: 3, RemovalKind.DELETE: 2},
        0,
        RemovalThreshold(count=4),
        {RemovalKind.DISABLE, RemovalKind.DELETE},
    ),
    ({RemovalKind.DISABLE: 3, RemovalKind.DELETE: 0}, 0, RemovalThreshold(count=2), {RemovalKind.DISABLE}),
    ({RemovalKind.DISABLE: 5}, 0, RemovalThreshold(count=4, enabled=False), set()),
    # A kind of its own.
    (
        {RemovalKind.DISABLE: 9, RemovalKind.DELETE: 3},
        0,
        RemovalThreshold(by_kind={RemovalKind.DELETE: Limit(count=2)}),
        {RemovalKind.DELETE},
    ),
    ({RemovalKind.DELETE: 2}, 0, RemovalThreshold(by_kind={RemovalKind.DELETE: Limit(count=2)}), set()),
    (
        {RemovalKind.GROUP_DELETE: 3},
        0,
        RemovalThreshold(by_kind={RemovalKind.GROUP_DELETE: Limit(count=2)}),
        {RemovalKind.GROUP_DELETE},
    ),
    (
        {RemovalKind.GROUP_DELETE: 6},
        0,
        RemovalThreshold(minimum=2, by_kind={RemovalKind.GROUP_DELETE: Limit(share=0.5)}),
        {RemovalKind.GROUP_DELETE},
    ),
    (
        {RemovalKind.GROUP_DELETE: 5},
        0,
        RemovalThreshold(minimum=2, by_kind={RemovalKind.GROUP_DELETE: Limit(share=0.5)}),
        set(),
    ),
    (
        {RemovalKind.GROUP_DELETE: 6},
        0,
        RemovalThreshold(minimum=7, by_kind={RemovalKind.GROUP_DELETE: Limit(share=0.5)}),
        set(),
    ),
    (
        {RemovalKind.GROUP_DELETE: 6},
        0,
        RemovalThreshold(minimum=2, population=11, by_kind={RemovalKind.GROUP_DELETE: Limit(share=0.5)}),
        set(),
    ),
    # Members are no accounts.
    ({RemovalKind.MEMBER_REMOVAL: 5_000}, 0, RemovalThreshold(count=0), set()),
    ({RemovalKind.MEMBER_REMOVAL: 5_001}, 0, RemovalThreshold(), {RemovalKind.MEMBER_REMOVAL}),
    ({RemovalKind.MEMBER_REMOVAL: 501}, 0, RemovalThreshold(by_kind=MEMBERS), {RemovalKind.MEMBER_REMOVAL}),
    ({RemovalKind.MEMBER_REMOVAL: 0}, 0, RemovalThreshold(by_kind={RemovalKind.MEMBER_REMOVAL: Limit(count=0)}), set()),
    # A day: twice the threshold of a cycle, unless it is said.
    ({RemovalKind.DISABLE: 5}, 16, RemovalThreshold(count=10), {RemovalKind.DISABLE}),
    ({RemovalKind.DISABLE: 5}, 15, RemovalThreshold(count=10), set()),
    ({RemovalKind.DISABLE: 5}, 6, RemovalThreshold(rolling=Limit(count=10)), {RemovalKind.DISABLE}),
    ({}, 99, RemovalThreshold(rolling=Limit(count=10)), set()),
    # What is said holds and nothing else: off is no threshold, and a share alone is no count.
    ({RemovalKind.DISABLE: 5}, 9_999, RemovalThreshold(count=10, rolling=Limit()), set()),
    ({RemovalKind.DISABLE: 11}, 0, RemovalThreshold(count=10, rolling=Limit()), {RemovalKind.DISABLE}),
    ({RemovalKind.DISABLE: 5}, 16, RemovalThreshold(count=10, rolling=Limit(share=0.5)), set()),
    ({RemovalKind.DISABLE: 5}, 496, RemovalThreshold(rolling=Limit(share=0.5)), {RemovalKind.DISABLE}),
    ({RemovalKind.DISABLE: 5}, 495, RemovalThreshold(rolling=Limit(share=0.5)), set()),
]


@pytest.mark.parametrize(("counted", "lately", "threshold", "held"), VERDICTS)
def test_thresholds_by_kind_and_by_day(
    counted: dict[RemovalKind, int], lately: int, threshold: RemovalThreshold, held: set[RemovalKind]
) -> None:
    population = Population(linked=1_000, groups=10, members=20_000)
    assert set(removal_verdicts(counted, population, lately, threshold)) == held


def test_verdicts_tell_their_numbers() -> None:
    population = Population(linked=1_000, groups=10, members=100)
    day = removal_verdicts({RemovalKind.DISABLE: 5}, population, 1_000, RemovalThreshold())
    assert day[RemovalKind.DISABLE] == (
        "With 1,000 accounts disabled or deleted in the last 24 hours this cycle would bring it to 1,005; "
        "the job's threshold for 24 hours is 1,000."
    )
    share = removal_verdicts({RemovalKind.DISABLE: 50}, population, 50, RemovalThreshold(rolling=Limit(share=0.05)))
    assert "100 of 1,000 (10%)" in share[RemovalKind.DISABLE]
    group = removal_verdicts({RemovalKind.GROUP_DELETE: 51}, population, 0, RemovalThreshold())
    assert group[RemovalKind.GROUP_DELETE] == ("This cycle would delete 51 groups; the job's threshold for that is 50.")
    members = removal_verdicts({RemovalKind.MEMBER_REMOVAL: 60}, population, 0, RemovalThreshold())
    assert "remove 60 of 100 members from groups (60%)" in members[RemovalKind.MEMBER_REMOVAL]


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


@pytest.mark.parametrize(
    ("threshold", "count", "share"),
    [
        (RemovalThreshold(), 500, 0.25),
        (RemovalThreshold(count=50, rolling=Limit(count=40, share=0.1)), 40, 0.1),
        (RemovalThreshold(count=50, rolling=Limit(count=90, share=0.5)), 50, 0.25),
        (RemovalThreshold(count=50, rolling=Limit()), 50, 0.25),
    ],
)
def test_what_comes_one_by_one_counts_as_the_cycle_of_a_day(
    threshold: RemovalThreshold, count: int, share: float
) -> None:
    assert (threshold.daily.count, threshold.daily.share, threshold.daily.rolling) == (count, share, Limit())


def test_what_was_decided_asks_nobody_again() -> None:
    key = DISABLE.object_kind, DISABLE.source_id
    assert undecided([DISABLE, UPDATE], {key: hold(DISABLE, HoldState.APPROVED)}) == [UPDATE]
    assert undecided([DISABLE], {}) == [DISABLE]
