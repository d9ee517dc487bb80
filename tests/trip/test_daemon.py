"""What the engine process answers to work that faces and commands ask of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playing import JOB, Trip
from sqlalchemy.exc import OperationalError

from fakes.world import CountingIds
from muster.engine.daemon import Daemon, cycle_of
from muster.engine.planner import Planner
from muster.engine.schedule import Schedule
from muster.model.exchange import HttpResponse
from muster.model.job import CycleState, ScheduleState
from muster.model.log import Initiator, InitiatorType
from muster.ports.administration import Work, WorkKind
from muster.runs.inline import InlineRuns
from waiting import eventually

ANN = Initiator(type=InitiatorType.USER, id="ann-1", display_name="Ann")
ASKED_FILE = {"file": "people.csv"}


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


class Dropped:
    """Remembers which uploads went."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def drop(self, path: str) -> None:
        self.paths.append(path)

    def drop_older(self, than: datetime) -> None:
        raise AssertionError(f"nothing is due, nor older than {than}")


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


@pytest.fixture
def daemon(trip: Trip, dropped: Dropped) -> Daemon:
    engine = trip.new_engine()

    def told(run_id: str, _job_id: str, trace: str) -> None:
        engine.crashed(cycle_of(run_id), trace.strip().splitlines()[-1])

    return Daemon(
        engine=engine,
        planner=trip.planner,
        control=trip.control,
        schedule=Schedule(trip.stores, trip.clock, trip.store.feed.latest),
        stores=trip.stores,
        directory=trip.store.directory,
        applications=trip.store.applications,
        queue=trip.store.work,
        runs=InlineRuns(lambda run_id: engine.advance(cycle_of(run_id)), told),
        import_job_id=JOB,
        engine_id="engine-1",
        beat=lambda: None,
        uploads=dropped,
        clock=trip.clock,
        ids=CountingIds(),
    )


def work_of(trip: Trip, kind: WorkKind) -> Work:
    return Work(
        id=f"work-{kind}",
        kind=kind,
        job_id=JOB,
        payload=ASKED_FILE,
        asked_by="test",
        asked_at=trip.clock.now(),
        state="queued",
        initiator=ANN,
    )


@pytest.fixture
def answer(trip: Trip, daemon: Daemon) -> Callable[[WorkKind], Work]:
    """Returns the answered work of a daemon that does one piece."""

    def ask(kind: WorkKind) -> Work:
        work = work_of(trip, kind)
        trip.store.work.add(work)
        daemon.take_work()
        daemon._pool.shutdown(wait=True)  # every piece of work is answered
        found = trip.store.work.get(work.id)
        assert found is not None and found.answer is not None
        return found

    return ask


@pytest.mark.parametrize("kind", [WorkKind.IMPORT, WorkKind.RUN_CYCLE])
def test_a_cycle_that_failed_as_a_whole_is_no_success(
    trip: Trip, answer: Callable[[WorkKind], Work], kind: WorkKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip.hire("Ada")

    def broken(*_: object) -> object:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(trip.store.cycles, "staged", broken)
    work = answer(kind)
    assert work.state == "failed"
    assert work.answer is not None and work.answer["code"] == "InternalError"
    assert "a fault of ours" in work.answer["reason"]


def test_work_that_an_outage_cuts_off_is_answered_once_the_database_is_there_again(
    trip: Trip, answer: Callable[[WorkKind], Work], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)
    finish, tries = trip.store.work.finish, list(range(3))

    def away(*told: Any) -> None:
        if tries:
            tries.pop()
            raise OperationalError("SELECT", {}, psycopg.OperationalError("connection refused"))
        if told:
            finish(*told)

    monkeypatch.setattr(trip.store.cycles, "running", away)
    monkeypatch.setattr(trip.store.work, "finish", away)
    work = answer(WorkKind.RUN_CYCLE)
    assert (work.state, tries) == ("failed", [])
    assert work.answer is not None and "database could not be reached" in work.answer["reason"]
    (said,) = caplog.records
    assert said.message.startswith("work failed: the database cannot be reached") and said.exc_info is None


@pytest.mark.parametrize("fails", [False, True])
def test_an_imported_file_is_not_kept(
    trip: Trip,
    answer: Callable[[WorkKind], Work],
    dropped: Dropped,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    trip.hire("Ada")

    def broken(*_: object) -> object:
        raise RuntimeError("a fault of ours")

    if fails:
        monkeypatch.setattr(trip.store.cycles, "staged", broken)
    assert answer(WorkKind.IMPORT).state == ("failed" if fails else "done")
    assert dropped.paths == ["people.csv"]


def test_an_import_ends_first_what_another_import_left(trip: Trip, answer: Callable[[WorkKind], Work]) -> None:
    trip.hire("Ada")
    left = trip.new_engine().begin(JOB, ASKED_FILE)
    assert left is not None
    work = answer(WorkKind.IMPORT)
    assert work.state == "done"
    ended = trip.stores.cycles.get(left.id)
    assert ended is not None and ended.state is CycleState.SUCCEEDED
    assert work.answer is not None and work.answer["cycleId"] != left.id


def test_who_waits_for_a_cycle_learns_that_its_job_was_paused(trip: Trip, answer: Callable[[WorkKind], Work]) -> None:
    trip.hire("Ada")

    def pause(*_: Any) -> None:
        trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)

    trip.transport.fault = pause
    work = answer(WorkKind.RUN_CYCLE)
    assert work.answer is not None and work.answer["state"] == "Stopped"


def test_who_waits_for_a_cycle_learns_that_the_application_wants_an_hour_of_rest(
    trip: Trip, answer: Callable[[WorkKind], Work]
) -> None:
    trip.hire("Ada")
    busy = HttpResponse(status=429, headers={"retry-after": "3600"}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda *_: busy
    work = answer(WorkKind.RUN_CYCLE)
    assert work.answer is not None and work.answer["code"] == "TooManyRequests"
    assert "left alone until 2026-01-05 09:00:0" in work.answer["reason"]
    assert "goes on by itself" in work.answer["recommendedAction"]


def test_the_log_of_a_cycle_names_who_asked_for_it_and_nobody_where_it_was_due(
    trip: Trip, answer: Callable[[WorkKind], Work]
) -> None:
    trip.hire("Ada")
    assert answer(WorkKind.RUN_CYCLE).state == "done"
    assert [entry.initiator for entry in trip.log()] == [ANN]
    trip.hire("Bob")
    trip.run()
    assert trip.log()[0].initiator is None


def test_the_next_import_is_taken_although_the_file_of_the_last_could_not_be_dropped(
    daemon: Daemon, answer: Callable[[WorkKind], Work], dropped: Dropped, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str) -> None:
        raise PermissionError("the folder is read-only")

    monkeypatch.setattr(dropped, "drop", refuse)
    assert answer(WorkKind.IMPORT).state == "failed"
    assert daemon._spared is None  # no kind of work is passed over


def test_a_cycle_that_somebody_else_has_just_begun_is_the_one_that_was_asked_for(
    trip: Trip, daemon: Daemon, answer: Callable[[WorkKind], Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    trip.hire("Ada")
    begin = daemon._engine.begin

    def late(job_id: str, options: Any = None) -> Any:
        assert trip.engine.begin(job_id) is not None
        return begin(job_id, options)

    monkeypatch.setattr(daemon._engine, "begin", late)
    found = answer(WorkKind.RUN_CYCLE)
    (cycle, *_) = trip.store.cycles.history(JOB, 1)
    assert found.answer is not None
    assert (found.answer["cycleId"], cycle.state) == (cycle.id, CycleState.SUCCEEDED)
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True


def test_a_cycle_that_is_asked_for_while_a_plan_is_staged_is_that_plan_carried_out_once(
    trip: Trip, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Ada", "Bram", "Cem"):
        trip.hire(name)
    planner = Planner(trip.stores, trip.open_job, trip.clock, trip.ids, alone=daemon._engine.lock)
    plan = planner.make(JOB)
    stage, is_asked = trip.stores.cycles.stage, False

    def stage_later(*given: Any, **others: Any) -> Any:
        nonlocal is_asked
        if not is_asked:
            is_asked = True
            trip.store.work.add(work_of(trip, WorkKind.RUN_CYCLE))
            daemon.take_work()
            # It has found the cycle that is being staged, and would carry it out.
            assert eventually(
                lambda: (found := trip.store.work.get(f"work-{WorkKind.RUN_CYCLE}")) and found.state == "running"
            )
        return stage(*given, **others)

    monkeypatch.setattr(trip.stores.cycles, "stage", stage_later)
    planned = planner.apply(plan.id, ANN)
    daemon._pool.shutdown(wait=True)
    answered = trip.store.work.get(f"work-{WorkKind.RUN_CYCLE}")
    assert answered is not None and answered.answer is not None
    assert (answered.state, answered.answer["cycleId"]) == ("done", planned.id)
    made = [request for request in trip.transport.requests if request.method == "POST"]
    assert (len(made), len(trip.at_target())) == (3, 3)
    ended = trip.store.cycles.get(planned.id)
    assert ended is not None and (ended.state, ended.counters.created) == (CycleState.SUCCEEDED, 3)
