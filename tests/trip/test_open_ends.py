"""Creations whose end nobody knows when a pass stops, fails or is broken: a leaver among them is found all the same,
and somebody else's account is never taken for one of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from playing import JOB, Trip
from test_sharing import NAMES, Pair

import muster.engine.sharing
from muster.engine.apply import Sender
from muster.engine.cycle import CycleEngine
from muster.engine.run import Run
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.failures import JobFailure
from muster.model.job import Cycle, CycleState, ScheduleState
from muster.model.operation import LinkState
from muster.ports.sharing import EndKind

REFUSED = HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta())


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr(muster.engine.sharing, "SHARED_FROM", len(NAMES))
    made = Pair(Trip(tmp_path))
    made.until_shared()
    return made


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def _carry(engine: CycleEngine, cycle: Cycle) -> None:
    while engine.advance(cycle.id):
        pass


def _broken(trip: Trip, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]) -> tuple[str, Cycle]:
    """A pass that broke after Ada's account was made and before anything was written of it."""
    ada = trip.hire("Ada")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None

    def broken(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(Run, "settle", broken)
        with pytest.raises(fault):
            _carry(trip.engine, cycle)
    assert trip.at_target()["ada@lantaarn.example"]["active"] is True
    return ada, cycle


def _leaves(trip: Trip, person: str, name: str) -> None:
    trip.soft_delete(person)
    assert trip.run(trip.new_engine()) is not None
    assert trip.at_target()[f"{name.lower()}@lantaarn.example"]["active"] is False


def _no_credentials(*_: object) -> None:
    raise JobFailure("The application has no credentials.", code="x")


def test_a_leaver_is_found_when_the_job_cannot_be_opened_after_a_death(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, cycle = _broken(trip, monkeypatch, Killed)
    with monkeypatch.context() as patch:
        patch.setattr(trip, "open_job", _no_credentials)
        _carry(trip.new_engine(), cycle)
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None and ended.state is CycleState.FAILED
    _leaves(trip, ada, "Ada")


def test_a_leaver_is_found_when_a_fault_of_ours_ended_the_pass(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, cycle = _broken(trip, monkeypatch, ValueError)
    trip.engine.crashed(cycle.id, "ValueError")
    _leaves(trip, ada, "Ada")


def test_a_leaver_is_found_when_the_engine_that_carried_a_shared_pass_died_and_the_job_cannot_be_opened(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = pair.shares.claim(pair.cycle, None, 2)
    pair.helper().send([item.operation for item in claimed])
    with monkeypatch.context() as patch:
        patch.setattr(pair.trip, "open_job", _no_credentials)
        pair.owner = pair.engine()
        began_at = pair.trip.clock.now()
        assert pair.finish().state is CycleState.FAILED
        # Nobody is waited for who is dead.
        assert pair.trip.clock.now() - began_at < timedelta(minutes=1)
    lost = claimed[0].operation
    _leaves(pair.trip, lost.source_id, lost.source_name.split()[0])


def test_a_leaver_is_found_when_the_target_is_away_in_the_look_up_of_open_ends(pair: Pair) -> None:
    trip = pair.trip
    claimed = pair.shares.claim(pair.cycle, "dead", 2)
    pair.helper().send([claimed[0].operation])
    pair.lose_first()
    pair.help()
    lost = pair.shares.open_ends(pair.cycle.id, 9)[0][0].operation
    pair.dead.add("dead")
    trip.transport.fault = lambda *_: REFUSED
    began_at = trip.clock.now()
    assert pair.finish().state is CycleState.FAILED
    assert trip.clock.now() - began_at < timedelta(minutes=1)
    trip.transport.fault = None
    _leaves(trip, lost.source_id, lost.source_name.split()[0])


def _pauses_when_asked_for(trip: Trip, run: Run) -> Callable[..., None]:
    def pause(request: HttpRequest, _: object) -> None:
        if request.method == "GET":
            trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
            run.parts.target.stop_when(lambda: True)  # type: ignore[attr-defined]  # a SCIM target can be stopped

    return pause


def test_a_conflict_of_a_shared_pass_stays_one_when_the_job_is_paused_in_its_look_up(pair: Pair) -> None:
    trip = pair.trip
    for name in ("bob", "cyd"):
        trip.account(f"{name}@lantaarn.example")
    pair.help()
    assert [end.kind for _, end in pair.shares.open_ends(pair.cycle.id, 9)] == [EndKind.CONFLICT] * 2
    trip.transport.fault = _pauses_when_asked_for(trip, pair.owner._runs[pair.cycle.id])  # as let_stop has it
    _carry(pair.owner, pair.cycle)
    paused = trip.store.cycles.get(pair.cycle.id)
    assert paused is not None and paused.state is CycleState.RUNNING
    trip.transport.fault = None
    trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)
    pair.finish()
    links = [trip.link(pair.people[name]) for name in ("Bob", "Cyd")]
    assert [link and link.state for link in links] == [LinkState.ADOPTED] * 2


def test_a_conflict_stays_one_when_the_engine_dies_before_it_has_looked(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = trip.hire("Bob")
    cycle = trip.engine.begin(JOB)
    assert cycle is not None

    def somebody_is_first(request: HttpRequest, _: object) -> None:
        if request.method == "POST":
            trip.transport.fault = None
            trip.account("bob@lantaarn.example")

    def dies(*_: object, **__: object) -> None:
        raise Killed

    trip.transport.fault = somebody_is_first
    with monkeypatch.context() as patch:
        patch.setattr(Run, "settle_open", dies)
        with pytest.raises(Killed):
            _carry(trip.engine, cycle)
    _carry(trip.new_engine(), cycle)
    link = trip.link(bob)
    assert link is not None and link.state is LinkState.ADOPTED


def test_a_conflict_of_a_pass_that_a_fault_of_ours_ended_is_not_taken_for_ours_by_the_next(pair: Pair) -> None:
    pair.trip.account("bob@lantaarn.example")
    pair.help()
    pair.owner.crashed(pair.cycle.id, "ValueError")
    assert pair.trip.run(pair.engine()) is not None
    link = pair.trip.link(pair.people["Bob"])
    assert link is not None and link.state is LinkState.ADOPTED


def test_a_fault_of_ours_ends_no_cycle_that_another_engine_has_taken_up_since(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cycle = _broken(trip, monkeypatch, ValueError)
    other = trip.new_engine()
    other.advance(cycle.id)
    trip.engine.crashed(cycle.id, "ValueError")
    now = trip.store.cycles.get(cycle.id)
    assert now is not None and now.state is CycleState.RUNNING
    _carry(other, cycle)
    assert trip.store.cycles.get(cycle.id).state is CycleState.SUCCEEDED  # type: ignore[union-attr]  # it is there


def test_a_fault_of_ours_ends_a_cycle_while_nobody_else_is_at_the_job(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cycle = _broken(trip, monkeypatch, ValueError)
    held: list[str] = []

    @contextmanager
    def alone(job_id: str) -> Iterator[None]:
        held.append(job_id)
        yield
        held.pop()

    engine = CycleEngine(trip.stores, trip.open_job, trip.clock, trip.ids, alone=alone)
    close = trip.store.cycles.close

    def closed(*given: Any) -> None:
        assert held == [JOB]
        close(*given)

    monkeypatch.setattr(trip.store.cycles, "close", closed)
    engine.crashed(cycle.id, "ValueError")
    assert trip.store.cycles.get(cycle.id).state is CycleState.FAILED  # type: ignore[union-attr]  # it is there


def test_what_a_dead_engine_had_under_way_is_looked_up_and_sent_again_side_by_side(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another, whoever waits behind them would wait for each answer of a slow target."""
    names = ["Ada", "Bob", "Cyd", "Dan"]
    for name in names:
        trip.hire(name)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "send", dies)
        with pytest.raises(Killed):
            _carry(trip.engine, cycle)
    together = {"GET": Barrier(2), "POST": Barrier(2)}

    def waits_for_another(request: HttpRequest, _: object) -> None:
        # Breaks, and with it the cycle, when nobody else asks meanwhile.
        together[request.method].wait(timeout=10)

    trip.transport.fault = waits_for_another
    _carry(trip.new_engine(), cycle)
    assert sorted(trip.at_target()) == [f"{name.lower()}@lantaarn.example" for name in names]
