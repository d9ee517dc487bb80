"""The status code of a job, and roles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from muster.model.exchange import (
    AddressRefused,
    ConnectionFailed,
    ExchangeFailed,
    HttpRequest,
    HttpResponse,
    ResponseTooLarge,
    TransportTimeout,
)
from muster.model.failures import FailureRecord
from muster.model.job import Counters, JobCode, Quarantine, QuarantineReason, ScheduleState, SynchronizationJob
from muster.model.roles import PERMISSIONS, Caller, Permission, Role
from muster.model.whatif import OtherScope

AT = datetime(2026, 1, 5, tzinfo=UTC)
QUARANTINE = Quarantine(
    reason=QuarantineReason.TOO_MANY_DELETES,
    failure=FailureRecord(code="TooManyDeletes", sentence="600", remedy="Look."),
    began_at=AT,
    series_began_at=AT,
    series_count=1,
    next_attempt_at=AT + timedelta(minutes=40),
)
JOB = SynchronizationJob(
    id="j",
    service_principal_id="sp",
    template_id="8x8",
    schedule_state=ScheduleState.ACTIVE,
    interval=timedelta(minutes=40),
    watermark=None,
    schema_version="v1",
    created_at=AT,
)


@pytest.mark.parametrize(
    ("state", "quarantine", "code"),
    [
        (ScheduleState.ACTIVE, None, JobCode.ACTIVE),
        (ScheduleState.ACTIVE, QUARANTINE, JobCode.QUARANTINE),
        (ScheduleState.PAUSED, None, JobCode.PAUSED),
        (ScheduleState.PAUSED, QUARANTINE, JobCode.PAUSED),
        (ScheduleState.DISABLED, None, JobCode.NOT_CONFIGURED),
        (ScheduleState.DISABLED, QUARANTINE, JobCode.QUARANTINE),
    ],
)
def test_the_status_code_of_a_job(state: ScheduleState, quarantine: Quarantine | None, code: JobCode) -> None:
    assert replace(JOB, schedule_state=state, quarantine=quarantine).code is code


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_its_permissions_and_only_the_highest_has_all(role: Role) -> None:
    caller = Caller(id="a", display_name="A", roles=frozenset({role}))
    held = {permission for permission in Permission if caller.may(permission)}
    assert held == PERMISSIONS[role]
    assert (held == set(Permission)) is (role is Role.GLOBAL_ADMINISTRATOR)


@pytest.mark.parametrize("role", [Role.GLOBAL_READER, Role.REPORTS_READER])
def test_a_reader_may_change_nothing(role: Role) -> None:
    caller = Caller(id="a", display_name="A", roles=frozenset({role}))
    changing = (
        Permission.WRITE_DIRECTORY,
        Permission.WRITE_CONFIGURATION,
        Permission.RUN_JOBS,
        Permission.MANAGE_ACCESS,
    )
    assert not any(caller.may(permission) for permission in changing)


def test_roles_add_up_and_nobody_has_none() -> None:
    both = Caller(id="a", display_name="A", roles=frozenset({Role.USER_ADMINISTRATOR, Role.REPORTS_READER}))
    assert both.may(Permission.WRITE_DIRECTORY)
    assert both.may(Permission.READ_LOGS)
    assert not Caller(id="a", display_name="A", roles=frozenset()).may(Permission.READ_LOGS)


def test_a_request_and_an_answer_show_no_token_and_no_body() -> None:
    request = HttpRequest(method="GET", url="https://x", headers={"authorization": "Bearer s3cret"}, body=b"s3cret")
    response = HttpResponse(status=200, headers={}, body=b"s3cret", elapsed=timedelta(seconds=1))
    assert "s3cret" not in repr(request)
    assert "s3cret" not in repr(response)


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (ConnectionFailed("refused", sent=False), False),
        (TransportTimeout("late", sent=True), True),
        (ResponseTooLarge("10 MB"), True),
        (AddressRefused("127.0.0.1"), False),
    ],
)
def test_a_failed_exchange_says_whether_the_request_may_have_been_seen(failure: ExchangeFailed, sent: bool) -> None:
    assert failure.sent is sent
    assert failure.sentence == str(failure)


def test_counters_add_up_name_by_name() -> None:
    assert Counters(created=2, requests=5) + Counters(created=1, failed=3) == Counters(created=3, failed=3, requests=5)


def test_an_owner_may_do_for_the_own_application_what_owners_may() -> None:
    owner = Caller(id="a", display_name="A", roles=frozenset(), owned=frozenset({"sp"}))
    assert owner.may_on(Permission.RUN_JOBS, "sp") and not owner.may_on(Permission.RUN_JOBS, "another")
    assert not owner.may_on(Permission.MANAGE_ACCESS, "sp")
    assert Caller(id="a", display_name="A", roles=frozenset(Role)).may_on(Permission.MANAGE_ACCESS, "another")


@pytest.mark.parametrize(
    ("settings", "domain"), [({}, None), ({"DefaultDomain": ""}, None), ({"DefaultDomain": "x.example"}, "x.example")]
)
def test_a_default_domain_that_is_empty_is_none(settings: dict[str, str], domain: str | None) -> None:
    assert replace(JOB, settings=settings).default_domain == domain


def test_a_quarantine_for_many_failures_is_known_from_one_for_the_job_as_a_whole() -> None:
    assert QuarantineReason.ESCROW_PROPORTION_THRESHOLD.counts_failures
    assert not QuarantineReason.TOO_MANY_DELETES.counts_failures


def test_settings_of_which_none_is_another_are_those_that_are_saved() -> None:
    assert OtherScope().is_saved and not OtherScope(sync_all=False).is_saved
