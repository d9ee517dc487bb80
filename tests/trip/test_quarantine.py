"""A job's way into quarantine and out of it, what is told of it, and what the audit log says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from fakes.scripted_transport import reply
from muster.engine.quarantining import disable_if_overdue
from muster.model.job import JobCode, QuarantineReason, ScheduleState, SynchronizationJob
from muster.model.notice import Notice, NoticeKind
from muster.planning.policy import RemovalThreshold


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def _job(trip: Trip) -> SynchronizationJob:
    job = trip.store.jobs.get(JOB)
    assert job is not None
    return job


def _told(trip: Trip) -> list[Notice]:
    return list(trip.store.outbox.unaddressed(100))


def _refuse(trip: Trip) -> None:
    trip.transport.fault = lambda request, send: reply(401)


def test_one_notice_on_entering_none_while_it_lasts_and_one_at_the_end(trip: Trip) -> None:
    trip.hire("Ada")
    _refuse(trip)
    for _ in range(3):
        trip.run()
        trip.clock.advance(timedelta(days=1))
    assert [notice.kind for notice in _told(trip)] == [NoticeKind.QUARANTINED]
    trip.transport.fault = None
    trip.run()
    assert _job(trip).quarantine is None
    entered, lifted = _told(trip)
    assert (entered.reason, lifted.kind) == ("EncounteredQuarantineException", NoticeKind.QUARANTINE_LIFTED)
    assert entered.failure is not None and entered.failure.code == "InvalidCredentials"
    changes = [entry.changes for entry in trip.store.audit.search(after=None, limit=10)[0]]
    name = "status.quarantine.reason"
    assert changes == [
        ((name, "EncounteredQuarantineException", None),),
        ((name, None, "EncounteredQuarantineException"),),
    ]


def test_many_failures_are_told_with_their_causes(trip: Trip) -> None:
    for number in range(60):
        trip.hire(f"P{number}", physicalDeliveryOfficeName="Nowhere" if number else "London")
    trip.run()
    (notice,) = _told(trip)
    assert notice.reason == QuarantineReason.ESCROW_PROPORTION_THRESHOLD.value
    assert [(cause.code, cause.count) for cause in notice.causes] == [("UnprocessableEntity", 59)]
    assert "Nowhere" in notice.causes[0].sentence
    assert notice.count == 59


def test_held_removals_are_told_once_with_their_number(trip: Trip) -> None:
    people = [trip.hire(f"P{number}") for number in range(5)]
    trip.run()
    trip.threshold = RemovalThreshold(count=2)
    for person in people:
        trip.unassign(person)
    trip.run()
    trip.clock.advance(timedelta(days=1))
    trip.run()
    held = [notice for notice in _told(trip) if notice.kind is NoticeKind.DELETIONS_HELD]
    assert [notice.count for notice in held] == [5]


def test_another_reason_is_told(trip: Trip) -> None:
    people = [trip.hire(f"P{number}") for number in range(5)]
    trip.run()
    trip.hire("New")
    _refuse(trip)
    trip.run()
    trip.transport.fault = None
    trip.threshold = RemovalThreshold(count=2)
    for person in people:
        trip.unassign(person)
    trip.clock.advance(timedelta(hours=1))
    trip.run()
    trip.hire("Newer")
    _refuse(trip)
    trip.clock.advance(timedelta(days=1))
    trip.run()
    assert [notice.kind for notice in _told(trip)] == [
        NoticeKind.QUARANTINED,
        NoticeKind.DELETIONS_HELD,
        NoticeKind.QUARANTINE_CHANGED,
    ]


def test_after_four_weeks_the_job_is_disabled_and_says_why(trip: Trip) -> None:
    trip.hire("Ada")
    _refuse(trip)
    trip.run()
    trip.clock.advance(timedelta(weeks=4) - timedelta(seconds=1))
    assert not disable_if_overdue(trip.stores, _job(trip), trip.clock.now(), "e1")
    trip.clock.advance(timedelta(seconds=1))
    assert disable_if_overdue(trip.stores, _job(trip), trip.clock.now(), "e1")
    job = _job(trip)
    assert (job.schedule_state, job.code) == (ScheduleState.DISABLED, JobCode.QUARANTINE)
    assert [notice.kind for notice in _told(trip)] == [NoticeKind.QUARANTINED, NoticeKind.JOB_DISABLED]
    assert trip.store.audit.search(after=None, limit=1)[0][0].changes == (("schedule.state", "Active", "Disabled"),)
    assert not disable_if_overdue(trip.stores, job, trip.clock.now(), "e2")
