"""A pass that two engines send: what one leaves open the other finds, and nobody who left stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from playing import JOB, Trip
from sqlalchemy.exc import OperationalError

import muster.engine.sharing
from muster.engine.control import Control
from muster.engine.cycle import CycleEngine
from muster.engine.helping import Helper
from muster.engine.run import Run
from muster.engine.sharing import Sharing, send_part
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.failures import Interrupted, JobFailure
from muster.model.job import Counters, Cycle, CycleState, ScheduleState
from muster.model.operation import LinkState, Outcome
from muster.ports.sharing import EndKind, PartEnd
from waiting import PATIENCE

NAMES = ("Ada", "Bob", "Cyd", "Dan", "Eve", "Fay")


class Pair:
    """One engine that carries the passes of a job, and one that helps."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.shares = trip.store.shares
        self.dead: set[str] = set()
        self.people = {name: trip.hire(name) for name in NAMES}
        self.owner = self.engine()
        began = self.owner.begin(JOB)
        assert began is not None
        self.cycle: Cycle = began

    def engine(self) -> CycleEngine:
        """An engine as another process would have it."""
        trip = self.trip
        return CycleEngine(trip.stores, trip.open_job, trip.clock, trip.ids, sharing=self.sharing("owner"))

    def sharing(self, name: str) -> Sharing:
        return Sharing(
            shares=self.shares, name=name, others_live=lambda: True, find_dead=lambda names: self.dead & set(names)
        )

    def until_shared(self) -> None:
        """Carries the pass on until something is staged for whoever is free."""
        while not self.shares.standing(self.cycle.id).released:
            assert self.owner.advance(self.cycle.id)

    def helper(self) -> Run:
        """The cycle in another engine's hands."""
        trip = self.trip
        return Run(self.cycle, trip.open_job(JOB, {}), trip.stores, trip.clock, trip.ids)

    def lose_first(self) -> None:
        """Lets the answer to the first creation be lost, which the target has carried out."""
        struck: list[bool] = []

        def lose(request: HttpRequest, send: Callable[[], HttpResponse]) -> HttpResponse | None:
            if request.method != "POST" or struck:
                return None
            struck.append(True)
            send()
            raise TransportTimeout("the deadline passed", sent=True)

        self.trip.transport.fault = lose

    def another(self) -> Helper:
        """An engine that helps, and carries nothing itself."""
        trip = self.trip
        return Helper(
            self.sharing("helper"),
            trip.stores,
            trip.open_job,
            trip.clock,
            trip.ids,
            carries=lambda _: False,
            is_overtaken=lambda: False,
        )

    def help(self) -> int:
        """Another engine sends the next part, and writes what came of it."""
        return send_part(self.helper(), self.shares, "helper")

    def finish(self) -> Cycle:
        """Carries the pass to its end."""
        while self.owner.advance(self.cycle.id):
            pass
        ended = self.trip.store.cycles.get(self.cycle.id)
        assert ended is not None and ended.state is not CycleState.RUNNING
        return ended

    def posts(self) -> int:
        return sum(write.startswith("POST") for write in self.trip.transport.writes)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr(muster.engine.sharing, "SHARED_FROM", len(NAMES))
    made = Pair(Trip(tmp_path))
    made.until_shared()
    return made


def test_what_a_helper_sends_is_counted_logged_and_linked_as_if_one_engine_had_sent_it(pair: Pair) -> None:
    assert pair.help() == len(NAMES)
    ended = pair.finish()
    assert (ended.state, ended.counters.created, ended.counters.writes) == (CycleState.SUCCEEDED, 6, 6)
    assert ended.counters.requests == len(pair.trip.transport.requests)
    assert pair.posts() == len(NAMES) == len(pair.trip.at_target()) == len(pair.trip.log())
    links = [pair.trip.link(person) for person in pair.people.values()]
    assert {link and link.state for link in links} == {LinkState.MANAGED}
    second = pair.trip.run(pair.engine())
    assert second is None or not pair.trip.transport.writes


def test_an_answer_that_a_helper_lost_is_looked_up_by_the_engine_that_carries_the_pass(pair: Pair) -> None:
    pair.lose_first()
    pair.help()
    ((_, end),) = pair.shares.open_ends(pair.cycle.id, 9)
    assert (end.kind, end.failure and end.failure.code) == (EndKind.LOST, "Timeout")
    assert (pair.finish().counters.created, pair.posts()) == (6, 6)
    assert {link and link.state for link in map(pair.trip.link, pair.people.values())} == {LinkState.MANAGED}


def test_an_account_that_somebody_made_meanwhile_is_adopted(pair: Pair) -> None:
    pair.trip.account("bob@lantaarn.example")
    pair.help()
    ((_, end),) = pair.shares.open_ends(pair.cycle.id, 9)
    assert end.kind is EndKind.CONFLICT
    ended = pair.finish()
    assert (ended.state, ended.counters.failed) == (CycleState.SUCCEEDED, 0)
    link = pair.trip.link(pair.people["Bob"])
    assert link is not None and link.state is LinkState.ADOPTED
    assert len(pair.trip.at_target()) == len(NAMES)


def test_what_a_dead_helper_had_claimed_is_looked_up_and_sent_once(pair: Pair) -> None:
    run = pair.helper()
    claimed = pair.shares.claim(pair.cycle, "helper", 3)
    # It sent two of three, and died before it wrote anything.
    run.send([item.operation for item in claimed[:2]])
    pair.dead.add("helper")
    ended = pair.finish()
    assert (ended.state, ended.counters.created, pair.posts()) == (CycleState.SUCCEEDED, 6, 6)


def test_who_leaves_while_they_wait_for_a_helper_is_not_created(pair: Pair) -> None:
    pair.trip.edit(pair.people["Bob"], accountEnabled=False)
    assert pair.owner.advance(pair.cycle.id)
    pair.help()
    assert pair.finish().counters.created == len(NAMES) - 1
    assert "bob@lantaarn.example" not in pair.trip.at_target()


def test_who_leaves_while_a_helper_creates_them_is_disabled_in_the_same_pass(pair: Pair) -> None:
    run = pair.helper()
    claimed = pair.shares.claim(pair.cycle, "helper", 2)
    pair.trip.soft_delete(pair.people["Ada"])
    for _ in range(3):
        assert pair.owner.advance(pair.cycle.id)
    # The helper's answers come only now.
    answers, _ = run.send([item.operation for item in claimed])
    numbers = {item.operation.change_id: item.number for item in claimed}
    outcomes = [(numbers[each.operation.change_id], each) for each in answers]
    run.settle(outcomes)  # type: ignore[arg-type]  # all of them succeeded
    ended = pair.finish()
    assert (ended.counters.disabled, pair.trip.at_target()["ada@lantaarn.example"]["active"]) == (1, False)


def test_a_pause_takes_effect_at_a_helper_and_what_it_did_not_send_waits(pair: Pair) -> None:
    run = pair.helper()
    target = run.parts.target
    target.stop_when(lambda: True)  # type: ignore[attr-defined]  # a SCIM target can be stopped
    pair.trip.store.jobs.set_schedule(JOB, ScheduleState.PAUSED)
    with pytest.raises(Interrupted):
        send_part(run, pair.shares, "helper")
    assert (pair.posts(), pair.shares.standing(pair.cycle.id).released) == (0, len(NAMES))
    assert pair.owner.advance(pair.cycle.id) is False
    assert pair.shares.offers() == []
    pair.trip.store.jobs.set_schedule(JOB, ScheduleState.ACTIVE)
    assert (pair.finish().counters.created, pair.posts()) == (6, 6)


def test_a_helper_that_is_refused_leaves_the_pass_to_the_others(pair: Pair) -> None:
    trip = pair.trip
    refused = HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, _: refused
    with pytest.raises(JobFailure):
        pair.help()
    assert pair.shares.standing(pair.cycle.id).released == len(NAMES)
    trip.transport.fault = None
    assert pair.finish().counters.created == len(NAMES)


def test_a_pass_that_fails_ends_once_the_helper_has_written_what_it_sent(pair: Pair) -> None:
    trip = pair.trip
    claimed = pair.shares.claim(pair.cycle, "helper", 2)
    pair.dead.add("helper")
    refused = HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, _: refused
    ended = pair.finish()
    assert ended.state is CycleState.FAILED
    # What may have been made is looked for by the next pass.
    assert {entry.source_id for entry in trip.log()} >= {item.operation.source_id for item in claimed}
    trip.transport.fault = None
    assert trip.run(pair.engine()) is not None
    assert len(trip.at_target()) == len(NAMES) == pair.posts()


def test_a_person_who_waits_and_is_provisioned_on_demand_is_created_once(pair: Pair) -> None:
    control = Control(pair.owner, pair.trip.stores, pair.trip.open_job, pair.trip.clock, pair.trip.ids)
    control.provision_on_demand(JOB, ObjectKind.USER, pair.people["Cyd"])
    pair.help()
    pair.finish()
    assert pair.posts() == len(NAMES) == len(pair.trip.at_target())


def test_on_demand_waits_for_nobody_who_has_died_in_the_middle_of_sending_that_person(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip = pair.trip
    by_helper, by_owner = (pair.shares.claim(pair.cycle, sender, 1)[0].operation for sender in ("helper", None))
    pair.dead.add("helper")
    # Both died before they sent anything; the job is free, and the carrying engine has not been back.
    control = Control(pair.engine(), trip.stores, trip.open_job, trip.clock, trip.ids)
    until, sleep = trip.clock.now() + timedelta(minutes=1), trip.clock.sleep

    def sleeps(duration: timedelta) -> None:
        assert trip.clock.now() < until, "it waits for somebody who is dead"
        sleep(duration)

    monkeypatch.setattr(trip.clock, "sleep", sleeps)
    for operation in (by_helper, by_owner):
        control.provision_on_demand(JOB, ObjectKind.USER, operation.source_id)
    pair.owner = pair.engine()
    assert pair.finish().state is CycleState.SUCCEEDED
    assert pair.posts() == len(NAMES) == len(trip.at_target())


def test_a_leaver_is_disabled_while_a_helper_is_at_another(pair: Pair) -> None:
    trip = pair.trip
    bob = pair.people["Bob"]
    run = pair.helper()
    claimed = {item.operation.source_id: item for item in pair.shares.claim(pair.cycle, "helper", len(NAMES))}
    answers, _ = run.send([claimed[bob].operation])
    made = [run.settlement(answer, claimed[bob].number) for answer in answers if isinstance(answer, Outcome)]
    pair.shares.end_part(
        pair.cycle, "helper", PartEnd(settlements=made, open_ends=(), untried=(), counters=Counters(created=1))
    )
    trip.soft_delete(bob)
    trip.soft_delete(pair.people["Ada"])
    for _ in range(9):
        assert pair.owner.advance(pair.cycle.id)
    assert trip.at_target()["bob@lantaarn.example"]["active"] is False
    # Once, however often the same changes are read again for Ada.
    assert sum(write.startswith(("PATCH", "PUT")) for write in trip.transport.writes) == 1
    answers, _ = run.send([claimed[pair.people["Ada"]].operation])
    run.settle([(claimed[pair.people["Ada"]].number, each) for each in answers if isinstance(each, Outcome)])
    pair.dead.add("helper")
    ended = pair.finish()
    assert (ended.state, ended.counters.disabled) == (CycleState.SUCCEEDED, 2)
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


def test_a_helper_helps_until_nothing_comes_any_more(pair: Pair) -> None:
    helper = pair.another()
    sent: list[int] = []
    helper.help_with(pair.cycle, sent)
    assert sum(sent) == len(NAMES) == pair.posts()


def test_a_helper_says_of_a_database_that_is_away_only_that(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, psycopg.OperationalError("connection refused"))

    monkeypatch.setattr(pair.trip, "open_job", away)
    helper = pair.another()
    helper.look()
    assert helper.stop(timedelta(seconds=PATIENCE))
    (said,) = (record for record in caplog.records if "left to be looked up" in record.message)
    assert (said.levelname, said.exc_info) == ("WARNING", None)
    assert "the database cannot be reached" in said.message


def test_a_helper_that_is_stopped_says_whether_a_request_of_its_own_is_still_under_way(pair: Pair) -> None:
    trip = pair.trip
    helper = pair.another()
    asked, answered = threading.Event(), threading.Event()

    def slow(request: HttpRequest, _: Callable[[], HttpResponse]) -> None:
        if request.method == "POST":
            asked.set()
            answered.wait(PATIENCE)

    trip.transport.fault = slow
    helper.look()
    assert asked.wait(PATIENCE)
    assert not helper.stop(timedelta(milliseconds=10))
    answered.set()
    assert helper.stop(timedelta(seconds=PATIENCE))
    # What it had claimed is written, or given back: nobody has to be looked for.
    trip.transport.fault = None
    assert pair.finish().counters.created == len(NAMES) == pair.posts()
