"""What is told of a job, to whom, and when a telling that failed is tried again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.model.clients import Expiring
from muster.model.failures import FailureRecord
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Quarantine,
    QuarantineReason,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.notice import Cause, JobAudience, NoticeKind
from muster.planning.notices import (
    DELIVERY_LADDER,
    addresses_in,
    audience_of,
    digest_of_failures,
    is_mail_address,
    next_delivery,
    notice_of_approval,
    notice_of_disabling,
    notice_of_expiry,
    notice_of_quarantine,
    notice_of_standstill,
    read_notification_settings,
)

AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
CAUSES = tuple(Cause(code=f"C{number}", sentence="s", remedy="r", count=10 - number) for number in range(5))
CREDENTIALS = QuarantineReason.QUARANTINE_EXCEPTION
PROPORTION = QuarantineReason.ESCROW_PROPORTION_THRESHOLD
DELETES = QuarantineReason.TOO_MANY_DELETES


def _quarantine(reason: QuarantineReason, count: int = 1) -> Quarantine:
    return Quarantine(
        reason=reason,
        failure=FailureRecord(code="InvalidCredentials", sentence="401.", remedy="Enter a token."),
        began_at=AT,
        series_began_at=AT,
        series_count=count,
        next_attempt_at=AT + timedelta(minutes=40),
    )


def _job(quarantine: Quarantine | None = None) -> SynchronizationJob:
    return SynchronizationJob(
        id="job",
        service_principal_id="sp",
        template_id="8x8",
        schedule_state=ScheduleState.ACTIVE,
        interval=timedelta(minutes=40),
        watermark=3,
        schema_version="1",
        created_at=AT,
        quarantine=quarantine,
    )


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, CREDENTIALS, NoticeKind.QUARANTINED),
        (None, DELETES, NoticeKind.DELETIONS_HELD),
        (CREDENTIALS, CREDENTIALS, None),
        (DELETES, DELETES, None),
        (CREDENTIALS, PROPORTION, NoticeKind.QUARANTINE_CHANGED),
        (CREDENTIALS, DELETES, NoticeKind.DELETIONS_HELD),
        (DELETES, CREDENTIALS, NoticeKind.QUARANTINE_CHANGED),
        (PROPORTION, None, NoticeKind.QUARANTINE_LIFTED),
        (None, None, None),
    ],
)
def test_one_notice_on_entering_one_on_another_reason_and_one_at_the_end(
    before: QuarantineReason | None, after: QuarantineReason | None, kind: NoticeKind | None
) -> None:
    job = _job(None if before is None else _quarantine(before))
    notice = notice_of_quarantine(job, None if after is None else _quarantine(after, 2), at=AT, causes=CAUSES, held=7)
    assert (None if notice is None else notice.kind) is kind


def test_a_notice_names_the_three_most_frequent_causes_and_how_many_failed() -> None:
    notice = notice_of_quarantine(_job(), _quarantine(PROPORTION), at=AT, cycle_id="c", causes=CAUSES)
    assert notice is not None
    assert [cause.code for cause in notice.causes] == ["C0", "C1", "C2"]
    assert (notice.count, notice.reason, notice.cycle_id) == (40, PROPORTION.value, "c")
    assert notice.next_attempt_at == AT + timedelta(minutes=40)


def test_held_removals_are_counted() -> None:
    notice = notice_of_quarantine(_job(), _quarantine(DELETES), at=AT, held=38)
    assert notice is not None
    assert notice.count == 38


def test_the_same_event_has_one_id_and_the_next_one_another() -> None:
    first = notice_of_quarantine(_job(), _quarantine(CREDENTIALS), at=AT)
    again = notice_of_quarantine(_job(), _quarantine(CREDENTIALS), at=AT + timedelta(minutes=1))
    later = notice_of_quarantine(_job(), replace(_quarantine(CREDENTIALS), series_began_at=AT + timedelta(1)), at=AT)
    lifted = notice_of_quarantine(_job(_quarantine(CREDENTIALS)), None, at=AT)
    assert first is not None and again is not None and later is not None and lifted is not None
    assert first.id == again.id
    assert len({first.id, later.id, lifted.id}) == 3


def test_a_disabled_job_is_told_with_its_quarantine() -> None:
    notice = notice_of_disabling(_job(), _quarantine(CREDENTIALS), AT + timedelta(weeks=4))
    assert (notice.kind, notice.since) == (NoticeKind.JOB_DISABLED, AT)


def test_a_standstill_is_told_once_with_its_minutes() -> None:
    cycle = Cycle(
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
    first = notice_of_standstill(_job(), cycle, AT, AT + timedelta(minutes=15, seconds=30))
    again = notice_of_standstill(_job(), cycle, AT, AT + timedelta(minutes=20))
    assert (first.count, first.id) == (15, again.id)


def test_a_digest_is_written_for_a_day_with_failures() -> None:
    assert digest_of_failures(_job(), (), AT, AT + timedelta(days=1)) is None
    notice = digest_of_failures(_job(), CAUSES, AT, AT + timedelta(days=1))
    assert notice is not None
    assert (notice.kind, notice.count, len(notice.causes)) == (NoticeKind.FAILURES_DIGEST, 40, 5)


def test_a_delivery_is_tried_for_three_days() -> None:
    at, waits = AT, []
    for attempts in range(1, len(DELIVERY_LADDER) + 1):
        following = next_delivery(attempts, at)
        assert following is not None
        waits.append(following - at)
        at = following
    assert waits == list(DELIVERY_LADDER)
    assert timedelta(days=2) < at - AT < timedelta(days=3)
    assert next_delivery(len(DELIVERY_LADDER) + 1, at) is None


@pytest.mark.parametrize("text", [None, "", "[]", "{", "[" * 100_000])
def test_settings_that_cannot_be_read_name_nobody(text: str | None) -> None:
    assert read_notification_settings(text) == {}


@pytest.mark.parametrize(
    ("settings", "audience"),
    [
        ({}, JobAudience()),
        ({"Recipients": "a@example.com"}, JobAudience()),
        ({"Enabled": True}, JobAudience()),
        (
            {"Enabled": True, "Recipients": "a@example.com; b@example.com,a@example.com", "Digest": True},
            JobAudience(recipients=("a@example.com", "b@example.com"), digest=True),
        ),
    ],
)
def test_the_audience_is_that_of_the_jobs_notification_settings(
    settings: dict[str, Any], audience: JobAudience
) -> None:
    assert audience_of(settings) == audience


def test_a_list_of_addresses_names_each_once() -> None:
    assert addresses_in(" a@x.nl ,; b@x.nl;a@x.nl") == ("a@x.nl", "b@x.nl")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("a@example.com", True),
        ("first.last+tag@sub.example.com", True),
        ("a@localhost", True),
        ("", False),
        ("a", False),
        ("@example.com", False),
        ("a@", False),
        ("a@b@example.com", False),
        ("a b@example.com", False),
        ("a@example.com\r\nBcc: x@example.com", False),
        ("a@example.com,b@example.com", False),
        ("<a@example.com>", False),
        ("ä@example.com", False),
        ("a@-example.com", False),
        ("a..b@example.com", False),
        ("a" * 250 + "@x.nl", False),
    ],
)
def test_a_mail_address_is_one_address_and_nothing_else(text: str, is_one: bool) -> None:
    assert is_mail_address(text) is is_one


def test_a_cycle_that_waits_for_approval_is_told_once() -> None:
    causes = [Cause(code="create", sentence=f"{number}.", remedy="", count=1) for number in range(5)]
    notice = notice_of_approval(_job(), 7, causes, AT, "cycle")
    assert (notice.kind, notice.count, len(notice.causes)) == (NoticeKind.APPROVAL_AWAITED, 7, 3)
    assert notice.id == "cycle:approvalAwaited"


@pytest.mark.parametrize(
    ("left", "step", "days"),
    [
        (timedelta(days=31), None, 0),
        (timedelta(days=30), 30, 30),
        (timedelta(days=8), 30, 8),
        (timedelta(days=7), 7, 7),
        (timedelta(hours=25), 7, 1),
        (timedelta(hours=24), 1, 1),
        (timedelta(minutes=1), 1, 1),
        (timedelta(0), None, 0),
        (timedelta(days=-1), None, 0),
    ],
)
def test_a_credential_is_told_of_a_month_a_week_and_a_day_before_it_ends(
    left: timedelta, step: int | None, days: int
) -> None:
    credential = Expiring(id="t", name="The API token “nightly”", expires_at=AT + left)
    notice = notice_of_expiry(credential, AT)
    if step is None:
        assert notice is None
        return
    assert notice is not None
    assert (notice.kind, notice.count, notice.concerns) == (NoticeKind.CREDENTIAL_EXPIRES, days, credential.name)
    assert notice.id.endswith(f":{step}")
    assert notice.next_attempt_at == credential.expires_at
