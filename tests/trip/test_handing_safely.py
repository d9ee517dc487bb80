"""An account is handed over: no sooner than it may be, and nothing of the one before goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.model.directory import Lifecycle, ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.hold import HoldState
from muster.model.job import CyclePhase
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.protection import Protections

NAME = "ada@lantaarn.example"
LATER = timedelta(minutes=41)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    trip = Trip(tmp_path)
    trip.account(NAME)
    return trip


def hire_first(trip: Trip) -> str:
    ada = trip.hire("Ada")
    trip.run()
    return ada


def _switch_off(trip: Trip) -> None:
    """Somebody else does so at the application."""
    patch = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": False}],
    }
    trip.service.ask("PATCH", f"/Users/{trip.at_target()[NAME]['id']}", patch)


def _holder(trip: Trip) -> tuple[str, bool]:
    account = trip.at_target()[NAME]
    return account["externalId"], account["active"]


def test_what_a_cycle_has_yet_to_take_away_is_not_taken_from_whoever_has_the_account_on_demand(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    while (known := trip.store.cycles.get(cycle.id)) is not None and known.phase is not CyclePhase.REMOVALS:
        assert trip.engine.advance(cycle.id)
    _switch_off(trip)
    again = trip.hire("Ada")
    trip.control.provision_on_demand(JOB, ObjectKind.USER, again)
    assert _holder(trip) == (again, True)
    while trip.engine.advance(cycle.id):
        pass
    assert _holder(trip) == (again, True)


@pytest.mark.parametrize("is_protected", [True, False], ids=["protected", "held"])
def test_an_account_that_is_kept_is_not_handed_over_because_somebody_switched_it_off(
    trip: Trip, is_protected: bool
) -> None:
    ada = hire_first(trip)
    if is_protected:
        trip.protections = Protections(users=(ada,))
    else:
        trip.threshold = RemovalThreshold(count=0)
    trip.purge(ada)
    trip.run()
    _switch_off(trip)
    again = trip.hire("Ada")
    trip.run()
    assert _holder(trip) == (ada, False)
    assert (trip.link(ada) is None, trip.link(again)) == (False, None)
    if not is_protected:
        trip.approve(HoldState.APPROVED)
        for _ in range(2):
            trip.clock.advance(LATER)
            trip.run()
        assert _holder(trip) == (again, True)


@pytest.mark.parametrize("is_together", [True, False], ids=["one cycle", "off before"])
def test_a_link_stays_as_long_as_nobody_has_approved_who_takes_the_account_over(trip: Trip, is_together: bool) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    if not is_together:
        trip.run()
    else:
        _switch_off(trip)
    trip.approval = Approval.ALL
    again = trip.hire("Ada")
    trip.run()
    assert trip.link(ada) is not None
    assert _holder(trip) == (ada, False)
    trip.approve(HoldState.APPROVED)
    trip.clock.advance(LATER)
    trip.run()
    assert _holder(trip) == (again, True)
    assert trip.link(ada) is None


@pytest.mark.parametrize("way", ["incremental", "together", "full"])
def test_a_group_that_is_handed_over_has_nobody_of_the_one_before(tmp_path: Path, way: str) -> None:
    trip = Trip(tmp_path, page="scim", sync_all=True)
    trip.service.ask("POST", "/Groups", {"displayName": "Crew"})
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.store.directory.set_lifecycle(ObjectKind.GROUP, crew, Lifecycle.HARD_DELETED, trip.clock.now())
    if way != "together":
        trip.run()
    again = trip.found("Crew", [bob])
    if way == "full":
        trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    members = [member["value"] for member in trip.at_target("Groups")["Crew"]["members"]]
    assert members == [trip.at_target()["bob@lantaarn.example"]["id"]]
    assert trip.link(again, ObjectKind.GROUP) is not None
    trip.clock.advance(LATER)
    assert trip.run() is None
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


class _Killed(BaseException):
    """The process dies."""


@pytest.mark.parametrize("is_killed", [False, True], ids=["lost", "killed"])
@pytest.mark.parametrize("has_predecessor", [False, True], ids=["found", "handed"])
def test_whoever_leaves_before_it_is_known_that_they_took_an_account_over_is_switched_off_and_not_deleted(
    trip: Trip, is_killed: bool, has_predecessor: bool
) -> None:
    if has_predecessor:
        trip.purge(hire_first(trip))
        trip.run()
    ada = trip.hire("Ada")
    sent = False

    def lose(request: HttpRequest, go: Callable[[], HttpResponse]) -> HttpResponse | None:
        nonlocal sent
        if request.method == "PATCH" and not sent:
            sent = True
            go()
            if is_killed:
                raise _Killed
        if sent:
            raise TransportTimeout("slow", sent=True)
        return None

    trip.transport.fault = lose
    if is_killed:
        with pytest.raises(_Killed):
            trip.run()
    else:
        trip.run()
    assert _holder(trip) == (ada, True)
    trip.transport.fault = None
    trip.purge(ada)
    running = trip.store.cycles.running(JOB)
    trip.engine = trip.new_engine()
    while running is not None and trip.engine.advance(running.id):
        pass
    for _ in range(2):
        trip.clock.advance(LATER)
        trip.run()
    # It was there before: it is nobody's to delete.
    assert _holder(trip) == (ada, False)
