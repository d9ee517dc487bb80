"""How far a cycle is, how fast it goes, and when it will be done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.planning.progress import progress_of, rests_until

AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _cycle(settled: int, expected: int, **values: Any) -> Cycle:
    given: dict[str, Any] = {
        "id": "cycle",
        "job_id": "job",
        "kind": CycleKind.INITIAL,
        "state": CycleState.RUNNING,
        "phase": CyclePhase.USERS,
        "position": None,
        "window_after": 0,
        "window_until": 1,
        "epoch": 1,
        "counters": Counters(evaluated=settled, unchanged=settled, expected=expected),
        "began_at": AT,
        **values,
    }
    return Cycle(**given)


def test_a_running_cycle_ends_when_the_rest_has_come_at_its_rate() -> None:
    progress = progress_of(_cycle(600, 1_800, progressed_at=AT + MINUTE))
    assert (progress.done, progress.total, progress.per_second) == (600, 1_800, 10.0)
    assert progress.observed_at == AT + MINUTE
    assert progress.expected_end_at == AT + 3 * MINUTE


def test_who_is_decided_and_waits_to_be_sent_is_not_done_yet() -> None:
    counters = Counters(evaluated=500, expected=622, created=60, updated=10, disabled=5, unchanged=20, skipped=5)
    progress = progress_of(_cycle(0, 0, counters=counters, progressed_at=AT + timedelta(seconds=10)))
    assert (progress.done, progress.total, progress.per_second) == (100, 622, 10.0)
    assert progress.expected_end_at == AT + timedelta(seconds=62.2)


def test_failed_references_are_no_objects_and_rows_that_cannot_be_read_no_more_than_everything() -> None:
    counters = Counters(evaluated=10, expected=10, created=8, failed=4, failed_references=3)
    assert progress_of(_cycle(0, 0, counters=counters)).done == 9
    counters = Counters(evaluated=10, expected=10, created=10, failed=4)
    assert progress_of(_cycle(0, 0, counters=counters)).done == 10


@pytest.mark.parametrize(
    "cycle",
    [
        _cycle(0, 100),
        _cycle(0, 100, progressed_at=AT + MINUTE),
        _cycle(50, 100, progressed_at=AT + timedelta(milliseconds=10)),
    ],
)
def test_nothing_is_said_before_something_is_known(cycle: Cycle) -> None:
    assert (progress_of(cycle).per_second, progress_of(cycle).expected_end_at) == (None, None)


def test_an_ended_cycle_is_done_and_has_no_end_to_expect() -> None:
    progress = progress_of(_cycle(90, 100, state=CycleState.SUCCEEDED, ended_at=AT + MINUTE))
    assert (progress.done, progress.total, progress.expected_end_at) == (100, 100, None)
    assert progress.per_second == 1.5


def test_more_than_was_expected_is_no_more_than_everything() -> None:
    progress = progress_of(_cycle(120, 100, progressed_at=AT + MINUTE))
    assert (progress.done, progress.total, progress.expected_end_at) == (120, 120, AT + MINUTE)


def test_a_cycle_that_crawls_ends_within_a_year() -> None:
    progress = progress_of(_cycle(1, 10**9, progressed_at=AT + timedelta(days=300)))
    assert progress.expected_end_at == AT + timedelta(days=666)


@pytest.mark.parametrize(
    ("options", "state", "until"),
    [
        ({}, CycleState.RUNNING, None),
        ({"restsUntil": "2026-05-04T09:00:00+00:00"}, CycleState.RUNNING, AT + 60 * MINUTE),
        ({"restsUntil": "2026-05-04T09:00:00+00:00"}, CycleState.SUCCEEDED, None),
    ],
)
def test_a_running_cycle_may_rest_for_its_application(
    options: dict[str, str], state: CycleState, until: datetime | None
) -> None:
    assert rests_until(_cycle(1, 2, options=options, state=state)) == until
