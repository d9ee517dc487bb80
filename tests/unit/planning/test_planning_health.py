"""The ladder of escrow, the verdict over a cycle, and quarantine."""

from datetime import timedelta

import pytest

from muster.model.failures import (
    CredentialsRefused,
    FailureRecord,
    JobFailure,
    SchemaRefused,
    SystemUnreachable,
    TooManyDeletes,
)
from muster.model.job import Counters, Escrow, QuarantineReason
from muster.planning.health import QuarantineTerms, next_escrow, quarantine, reason_of, verdict_of_cycle
from unit.planning.making import AT, person, plan

BUSY = FailureRecord(code="InternalServerError", sentence="The target answered 503.", remedy="Wait.")
OTHER = FailureRecord(code="Conflict", sentence="Taken.", remedy="Free it.")
INTERVAL = timedelta(minutes=40)
HOUR = timedelta(hours=1)


def test_a_failed_object_waits_three_cycles_and_then_climbs_the_ladder() -> None:
    operation = plan(person())
    waits: list[timedelta] = []
    escrow: Escrow | None = None
    at = AT
    for _ in range(8):
        escrow = next_escrow(operation, BUSY, escrow, at, INTERVAL)
        waits.append(escrow.next_attempt_at - at)
        at = escrow.next_attempt_at
    assert waits == [INTERVAL, INTERVAL, INTERVAL, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]
    assert escrow is not None
    assert (escrow.attempts, escrow.first_failed_at) == (8, AT)
    assert (escrow.source_id, escrow.kind) == ("s-ada", "User")


def test_an_escrow_keeps_the_latest_failure() -> None:
    first = next_escrow(plan(person()), BUSY, None, AT, INTERVAL)
    assert (first.attempts, first.failure, first.first_failed_at) == (1, BUSY, AT)
    assert next_escrow(plan(person()), OTHER, first, AT + HOUR, INTERVAL).failure is OTHER


def test_a_job_with_a_long_interval_tries_again_after_six_hours_at_the_latest() -> None:
    assert next_escrow(plan(person()), BUSY, None, AT, 24 * HOUR).next_attempt_at == AT + 6 * HOUR


ENTRA = QuarantineTerms(minimum_failures=5_000)
PROPORTION, BASE = QuarantineReason.ESCROW_PROPORTION_THRESHOLD, QuarantineReason.BASE_ESCROW_THRESHOLD


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
    assert verdict_of_cycle(Counters(failed=failed, updated=succeeded), ENTRA) is reason


@pytest.mark.parametrize("name", ["created", "updated", "disabled", "deleted"])
def test_every_kind_of_success_counts_against_the_failures(name: str) -> None:
    terms = QuarantineTerms()
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
