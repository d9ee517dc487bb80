"""A job's way into quarantine and out of it, what is told of it, and what the audit log says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from fakes.scripted_transport import reply
from muster.engine.chores import Chore, Chores
from muster.engine.quarantining import disable_if_overdue
from muster.engine.schedule import Schedule
from muster.engine.watch import Watch
from muster.model.hold import HoldFilter, HoldState
from muster.model.job import Cycle, CycleState, JobCode, QuarantineReason, ScheduleState, SynchronizationJob
from muster.model.log import LogStatus
from muster.model.notice import Notice, NoticeKind
from muster.planning.policy import RemovalThreshold
from muster.targets import stopping


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
    entries = trip.store.audit.search(after=None, limit=10)[0]
    assert {entry.target_name for entry in entries} == {trip.page.display_name}
    changes = [entry.changes for entry in entries]
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


def hold_five(trip: Trip) -> None:
    """Unassigns five people where two may go at once."""
    people = [trip.hire(f"P{number}") for number in range(5)]
    trip.run()
    trip.threshold = RemovalThreshold(count=2)
    for person in people:
        trip.unassign(person)
    trip.run()


def test_held_removals_are_told_once_with_their_number(trip: Trip) -> None:
    hold_five(trip)
    trip.clock.advance(timedelta(days=1))
    trip.run()
    held = [notice for notice in _told(trip) if notice.kind is NoticeKind.DELETIONS_HELD]
    assert [notice.count for notice in held] == [5]


def test_what_was_approved_goes_at_once_and_the_next_attempt_stays_where_it_was_told(trip: Trip) -> None:
    hold_five(trip)
    told = _job(trip).quarantine
    assert told is not None
    schedule = Schedule(trip.stores, trip.clock, trip.store.feed.latest)
    trip.clock.advance(timedelta(minutes=5))
    assert schedule.due() == []
    hold = trip.store.holds.list(JOB, HoldFilter(), 1, None)[0][0]
    trip.store.holds.decide(JOB, HoldFilter(ids=(hold.id,)), HoldState.APPROVED, "Ann", trip.clock.now())
    assert [job.id for job, _ in schedule.due()] == [JOB]
    cycle = trip.run()
    assert cycle is not None and cycle.counters.disabled == 1
    assert schedule.due() == []
    after = _job(trip).quarantine
    assert after is not None
    assert (after.next_attempt_at, after.series_count) == (told.next_attempt_at, told.series_count)


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


def test_a_quarantine_is_lifted_when_the_application_works_again_though_nothing_has_changed(trip: Trip) -> None:
    trip.hire("Ada")
    trip.run()
    trip.edit(trip.hire("Bob"), jobTitle="Nurse")
    _refuse(trip)
    trip.run()
    # What had changed is undone by other means: nothing is left to do.
    trip.store.jobs.set_watermark(JOB, trip.store.feed.latest())
    schedule = Schedule(trip.stores, trip.clock, trip.store.feed.latest)
    assert schedule.due() == []
    quarantined = _job(trip).quarantine
    assert quarantined is not None
    trip.clock.advance(quarantined.next_attempt_at - trip.clock.now())
    assert [job.id for job, _ in schedule.due()] == [JOB]
    # Still refused: one request says so, and the next attempt is later.
    trip.run()
    assert len(trip.transport.requests) == 1
    again = _job(trip).quarantine
    assert again is not None and again.series_count == 2
    trip.transport.fault = None
    trip.clock.advance(again.next_attempt_at - trip.clock.now())
    trip.run()
    assert _job(trip).quarantine is None
    assert trip.transport.writes == []


def test_waiting_objects_are_counted_by_their_cause(trip: Trip) -> None:
    for number in range(20):
        trip.hire(f"P{number}", physicalDeliveryOfficeName="Nowhere")
    trip.run()
    assert _job(trip).quarantine is not None
    assert trip.store.links.count_escrows(JOB) == 20
    assert [cause.count for cause in trip.store.links.causes(JOB, 3)] == [20]


def test_an_object_that_fails_for_28_days_is_given_up_and_the_log_says_so(trip: Trip) -> None:
    person = trip.hire("Ada", physicalDeliveryOfficeName="Nowhere")
    trip.run()
    for _ in range(40):
        due = trip.store.links.due_escrows(JOB, trip.clock.now() + timedelta(days=2), 1, None)
        if not due:
            break
        trip.clock.advance(due[0].next_attempt_at - trip.clock.now())
        trip.run()
    assert trip.store.links.count_escrows(JOB) == 0
    newest = trip.log(person)[0]
    assert (newest.status, newest.steps[-1].name) == (LogStatus.FAILURE, "EntryEscrowGivenUp")
    assert trip.log(person)[1].steps[-1].name != "EntryEscrowGivenUp"
    # A change is a new chance.
    trip.edit(person, physicalDeliveryOfficeName="London")
    trip.run()
    assert trip.link(person) is not None


def test_a_cycle_that_stands_still_is_told_once_and_again_when_it_stands_again(trip: Trip) -> None:
    for number in range(3):
        trip.hire(f"P{number}")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    watch = _watch(trip)
    trip.engine.advance(cycle.id)
    trip.clock.advance(timedelta(minutes=14))
    watch.look()
    assert _told(trip) == []
    for _ in range(3):
        trip.clock.advance(timedelta(minutes=2))
        watch.look()
    (notice,) = _told(trip)
    assert (notice.kind, notice.cycle_id, notice.count) == (NoticeKind.NO_PROGRESS, cycle.id, 16)
    trip.engine.advance(cycle.id)
    trip.clock.advance(timedelta(minutes=15))
    watch.look()
    assert len(_told(trip)) == 2


def test_the_watch_disables_what_has_been_in_quarantine_for_four_weeks(trip: Trip) -> None:
    trip.hire("Ada")
    _refuse(trip)
    trip.run()
    trip.clock.advance(timedelta(weeks=4))
    _watch(trip).look()
    assert _job(trip).schedule_state is ScheduleState.DISABLED


def test_a_digest_is_told_in_the_morning_to_those_who_ask(trip: Trip) -> None:
    trip.hire("Ada", physicalDeliveryOfficeName="Nowhere")
    trip.run()
    watch = _watch(trip)
    for _ in range(3):
        watch.digest()
    assert _told(trip) == []
    trip.clock.advance(timedelta(hours=23))
    for _ in range(3):
        watch.digest()
    (notice,) = _told(trip)
    assert (notice.kind, notice.count) == (NoticeKind.FAILURES_DIGEST, 1)
    assert notice.causes[0].code == "UnprocessableEntity"
    # Another engine, or the same after a start.
    _watch(trip).digest()
    assert len(_told(trip)) == 1
    trip.clock.advance(timedelta(days=1))
    watch.digest()
    assert len(_told(trip)) == 1


def test_chores_are_done_in_their_time_and_one_that_fails_does_not_keep_the_others(trip: Trip) -> None:
    done: list[str] = []

    def fail() -> bool:
        done.append("fails")
        raise OSError("disk full")

    left = [True, True, False]
    chores = Chores(
        (
            Chore(name="fails", every=timedelta(minutes=1), do=fail),
            Chore(name="works", every=timedelta(minutes=2), do=lambda: bool(done.append("works"))),
            Chore(name="sweeps", every=timedelta(hours=1), do=lambda: [done.append("sweeps"), left.pop(0)][1] is True),
        ),
        trip.clock,
    )
    for _ in range(3):
        chores.work()
    assert done == ["fails", "works", "sweeps", "sweeps", "sweeps"]
    trip.clock.advance(timedelta(minutes=1))
    chores.work()
    assert done[5:] == ["fails"]
    trip.clock.advance(timedelta(minutes=1))
    chores.work()
    assert done[6:] == ["fails", "works"]


def _watch(trip: Trip) -> Watch:
    return Watch(trip.stores, trip.store.log, trip.store.outbox, lambda sp: True, trip.clock, trip.ids)


def test_a_target_that_has_no_time_is_not_put_into_quarantine(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    # Hours are waited for here, and each half second of them would ask the store whether to stop.
    monkeypatch.setattr(stopping, "_SLICE", timedelta(minutes=1))
    for number in range(12):
        trip.hire(f"P{number}")
    trip.transport.fault = lambda request, send: reply(429) if request.method == "POST" else None
    begun = trip.engine.begin(JOB)
    assert begun is not None
    cycle: Cycle | None = begun
    while cycle is not None and cycle.state is CycleState.RUNNING:
        while trip.engine.advance(begun.id):
            pass
        # It has given its place to others, and goes on after the pause.
        trip.clock.advance(timedelta(minutes=5))
        cycle = trip.store.cycles.get(begun.id)
    assert cycle is not None
    # Waiting takes so long here that some are tried twice in the cycle.
    assert cycle.counters.failed == cycle.counters.throttled >= 12
    assert _job(trip).quarantine is None
    assert _told(trip) == []
    trip.transport.fault = None
    trip.clock.advance(timedelta(hours=7))
    trip.run()
    assert len(trip.at_target()) == 12
