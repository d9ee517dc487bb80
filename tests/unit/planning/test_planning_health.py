"""The ladder of escrow, the verdict over a cycle, and quarantine."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from muster.model.failures import (
    CredentialsRefused,
    FailureRecord,
    JobFailure,
    SchemaRefused,
    SystemUnreachable,
    TooManyDeletes,
)
from muster.model.job import (
    RESTS_UNTIL,
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Escrow,
    QuarantineReason,
    ScheduleState,
    SynchronizationJob,
)
from muster.planning.health import next_escrow, quarantine, reason_of, standstill, verdict_of_cycle
from muster.planning.terms import ENTRA_TERMS, QuarantineTerms, RetryTerms
from unit.planning.making import AT, person, plan

BUSY = FailureRecord(code="InternalServerError", sentence="The target answered 503.", remedy="Wait.")
OTHER = FailureRecord(code="Conflict", sentence="Taken.", remedy="Free it.")
INTERVAL = timedelta(minutes=40)
JOB = SynchronizationJob(
    id="job",
    service_principal_id="sp",
    template_id="8x8",
    schedule_state=ScheduleState.ACTIVE,
    interval=INTERVAL,
    watermark=1,
    schema_version="1",
    created_at=AT,
)
HOUR = timedelta(hours=1)


def test_a_failed_object_waits_three_cycles_and_then_climbs_the_ladder() -> None:
    operation = plan(person())
    waits: list[timedelta] = []
    escrow: Escrow | None = None
    at = AT
    for _ in range(8):
        escrow = next_escrow(operation, BUSY, escrow, at, INTERVAL)
        assert escrow is not None
        waits.append(escrow.next_attempt_at - at)
        at = escrow.next_attempt_at
    assert waits == [INTERVAL, INTERVAL, INTERVAL, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]
    assert escrow is not None
    assert (escrow.attempts, escrow.first_failed_at) == (8, AT)
    assert (escrow.source_id, escrow.kind) == ("s-ada", "User")


def test_an_escrow_keeps_the_latest_failure() -> None:
    first = next_escrow(plan(person()), BUSY, None, AT, INTERVAL)
    assert first is not None
    assert (first.attempts, first.failure, first.first_failed_at) == (1, BUSY, AT)
    second = next_escrow(plan(person()), OTHER, first, AT + HOUR, INTERVAL)
    assert second is not None
    assert second.failure is OTHER


def test_a_job_with_a_long_interval_tries_again_after_six_hours_at_the_latest() -> None:
    first = next_escrow(plan(person()), BUSY, None, AT, 24 * HOUR)
    assert first is not None
    assert first.next_attempt_at == AT + 6 * HOUR


def test_an_object_is_given_up_after_28_days_of_failures() -> None:
    escrow: Escrow | None = None
    at, attempts = AT, 0
    while (escrow := next_escrow(plan(person()), BUSY, escrow, at, INTERVAL)) is not None:
        at, attempts = escrow.next_attempt_at, attempts + 1
    assert timedelta(days=28) <= at - AT < timedelta(days=29)
    # Three cycles (two hours), 6 and 12 hours, then once a day.
    assert attempts == 3 + 2 + 28


def test_a_job_may_have_a_ladder_of_its_own() -> None:
    terms = RetryTerms(quick_attempts=1, ladder=(HOUR, 2 * HOUR), give_up_after=5 * HOUR)
    waits: list[timedelta] = []
    escrow: Escrow | None = None
    at = AT
    while (escrow := next_escrow(plan(person()), BUSY, escrow, at, INTERVAL, terms)) is not None:
        waits.append(escrow.next_attempt_at - at)
        at = escrow.next_attempt_at
    assert waits == [INTERVAL, HOUR, 2 * HOUR, 2 * HOUR]


PROPORTION, BASE = QuarantineReason.ESCROW_PROPORTION_THRESHOLD, QuarantineReason.BASE_ESCROW_THRESHOLD
TOTAL = QuarantineReason.TOTAL_ESCROW_THRESHOLD


@pytest.mark.parametrize(
    ("failed", "succeeded", "reason"),
    [
        (4_000, 0, None),
        (45_000, 0, BASE),
        (30_000, 5_000, PROPORTION),
        (20_000, 100_000, None),
        (61_000, 0, BASE),
        (61_000, 1_000_000, BASE),
        (40_000, 1_000_000, None),
        (40_001, 1_000_000, BASE),
        (4_999, 0, None),
        (5_000, 0, PROPORTION),
        # More than 40 %, not 40 %.
        (6_000, 9_000, None),
        (6_001, 9_000, PROPORTION),
    ],
)
def test_the_documented_examples_of_quarantine(failed: int, succeeded: int, reason: QuarantineReason | None) -> None:
    assert verdict_of_cycle(Counters(failed=failed, updated=succeeded), ENTRA_TERMS) is reason


@pytest.mark.parametrize(
    ("users", "managers", "succeeded", "reason"),
    [
        # 40,000 users and 21,000 of their managers: 61,000.
        (40_000, 21_000, 1_000_000, TOTAL),
        (40_000, 20_000, 1_000_000, None),
        # References alone count in the total only.
        (0, 60_000, 0, None),
        (0, 60_001, 0, TOTAL),
        (4_999, 50_000, 0, None),
        (5_000, 50_000, 0, PROPORTION),
        (40_001, 30_000, 1_000_000, BASE),
    ],
)
def test_failed_references_count_in_the_total_alone(
    users: int, managers: int, succeeded: int, reason: QuarantineReason | None
) -> None:
    counters = Counters(failed=users + managers, failed_references=managers, updated=succeeded)
    assert verdict_of_cycle(counters, ENTRA_TERMS) is reason


def test_a_small_directory_has_a_verdict_too() -> None:
    terms = QuarantineTerms()
    assert verdict_of_cycle(Counters(failed=9), terms) is None
    assert verdict_of_cycle(Counters(failed=10), terms) is PROPORTION
    assert verdict_of_cycle(Counters(failed=10, updated=15), terms) is None


@pytest.mark.parametrize("name", ["created", "updated", "disabled", "deleted"])
def test_every_kind_of_success_counts_against_the_failures(name: str) -> None:
    terms = QuarantineTerms(minimum_failures=50)
    assert verdict_of_cycle(Counters(failed=50), terms) is PROPORTION
    assert verdict_of_cycle(Counters(failed=50, **{name: 75}), terms) is None
    assert verdict_of_cycle(Counters(failed=50, **{name: 74}), terms) is PROPORTION
    assert verdict_of_cycle(Counters(failed=49), terms) is None


def test_no_failure_at_all_is_no_reason_whatever_the_terms() -> None:
    assert verdict_of_cycle(Counters(), QuarantineTerms(minimum_failures=0)) is None


def test_a_quarantine_slows_down_step_by_step_to_once_a_day() -> None:
    waits: list[timedelta] = []
    current = None
    at = AT
    for _ in range(7):
        current = quarantine(BUSY, PROPORTION, current, at)
        waits.append(current.next_attempt_at - at)
        at = current.next_attempt_at
    assert waits == [INTERVAL, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]
    assert current is not None
    assert (current.series_count, current.series_began_at, current.began_at) == (7, AT, AT)


def test_an_attempt_before_its_time_puts_off_none_that_was_told() -> None:
    first = quarantine(BUSY, PROPORTION, None, AT)
    assert quarantine(OTHER, PROPORTION, first, AT + INTERVAL / 2) == replace(first, failure=OTHER)
    # The clock was set back.
    assert quarantine(BUSY, PROPORTION, first, AT - 48 * HOUR).next_attempt_at == AT - 46 * HOUR


def test_a_source_that_could_not_be_read_is_asked_again_soon() -> None:
    minute, unread = timedelta(minutes=1), QuarantineReason.QUARANTINE_EXCEPTION
    first = quarantine(BUSY, unread, None, AT, minute)
    again = quarantine(BUSY, unread, first, AT + minute, minute)
    assert [each.next_attempt_at - AT for each in (first, again)] == [2 * minute, 3 * minute]
    assert again.began_at == AT
    assert quarantine(BUSY, unread, None, AT, HOUR).next_attempt_at == AT + HOUR
    assert quarantine(BUSY, PROPORTION, None, AT, minute).next_attempt_at == AT + INTERVAL


def test_another_reason_begins_anew_within_the_same_series() -> None:
    first = quarantine(BUSY, PROPORTION, None, AT)
    second = quarantine(OTHER, QuarantineReason.TOO_MANY_DELETES, first, AT + HOUR)
    assert (second.reason, second.failure) == (QuarantineReason.TOO_MANY_DELETES, OTHER)
    assert (second.began_at, second.series_began_at, second.series_count) == (AT + HOUR, AT, 2)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (TooManyDeletes("600 accounts"), QuarantineReason.TOO_MANY_DELETES),
        (CredentialsRefused("401"), QuarantineReason.QUARANTINE_EXCEPTION),
        (SystemUnreachable("refused"), QuarantineReason.QUARANTINE_EXCEPTION),
        (SchemaRefused("title"), QuarantineReason.QUARANTINE_EXCEPTION),
        (JobFailure("anything"), QuarantineReason.QUARANTINE_EXCEPTION),
    ],
)
def test_the_reason_that_graph_reports_for_a_failure(failure: JobFailure, reason: QuarantineReason) -> None:
    assert reason_of(failure) is reason


CYCLE = Cycle(
    id="cycle",
    job_id="job",
    kind=CycleKind.INITIAL,
    state=CycleState.RUNNING,
    phase=CyclePhase.USERS,
    position=None,
    window_after=0,
    window_until=1,
    epoch=1,
    counters=Counters(),
    began_at=AT,
)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("cycle", "settings", "minutes", "since"),
    [
        (CYCLE, {}, 14, None),
        (CYCLE, {}, 15, AT),
        (CYCLE, {"NoProgressAfter": "PT1H"}, 59, None),
        (CYCLE, {"NoProgressAfter": "PT1H"}, 60, AT),
        (CYCLE, {"NoProgressAfter": "soon"}, 15, AT),
        (replace(CYCLE, progressed_at=AT + 5 * MINUTE), {}, 19, None),
        (replace(CYCLE, progressed_at=AT + 5 * MINUTE), {}, 20, AT + 5 * MINUTE),
        (replace(CYCLE, state=CycleState.SUCCEEDED), {}, 99, None),
        # The application wants to be left alone.
        (replace(CYCLE, options={RESTS_UNTIL: (AT + 60 * MINUTE).isoformat()}), {}, 74, None),
        (replace(CYCLE, options={RESTS_UNTIL: (AT + 60 * MINUTE).isoformat()}), {}, 75, AT + 60 * MINUTE),
        (replace(CYCLE, options={RESTS_UNTIL: (AT - MINUTE).isoformat()}), {}, 15, AT),
    ],
)
def test_a_cycle_stands_still_when_it_has_not_come_further_for_long(
    cycle: Cycle, settings: dict[str, str], minutes: int, since: datetime | None
) -> None:
    assert standstill(replace(JOB, settings=settings), cycle, AT + minutes * MINUTE) == since


def test_a_paused_jobs_cycle_stands_still_on_purpose() -> None:
    assert standstill(replace(JOB, schedule_state=ScheduleState.PAUSED), CYCLE, AT + 99 * MINUTE) is None
