"""Somebody loses access although the target refuses another value of the same change."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from importing import Import
from playing import JOB, Trip

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.model.job import CycleState
from muster.model.log import LogStatus

NAME = "ada@lantaarn.example"


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    trip = Trip(tmp_path)
    trip.transport.fault = _refuse_doctors
    return trip


def _refuse_doctors(request: HttpRequest, _: object) -> HttpResponse | None:
    if b"Dr. No" not in (request.body or b""):
        return None
    detail = json.dumps({"status": "400", "scimType": "invalidValue", "detail": "title: no doctors"})
    return HttpResponse(status=400, headers={}, body=detail.encode(), elapsed=timedelta())


def test_who_is_switched_off_loses_access_whatever_else_the_application_refuses(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, accountEnabled=False, jobTitle="Dr. No")
    trip.transport.forget()
    cycle = trip.run()
    assert trip.at_target()[NAME]["active"] is False
    assert len(trip.transport.writes) == 2
    assert cycle is not None
    assert cycle.counters.writes == 2
    last = trip.log(ada)[0]
    assert last.status is LogStatus.FAILURE
    assert last.failure is not None
    assert "no doctors" in last.failure.sentence
    assert "Only active was changed" in (last.steps[-1].description or "")
    # The switch is known to be off: it is not sent again with every attempt, and is sent when they come back.
    trip.clock.advance(timedelta(hours=3))
    trip.transport.forget()
    trip.run()
    assert len(trip.transport.writes) == 1
    trip.edit(ada, accountEnabled=True, jobTitle="Engineer")
    trip.run()
    assert trip.at_target()[NAME]["active"] is True
    assert trip.stores.links.count_escrows(JOB) == 0


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost answer", "refused token"])
def test_a_switch_of_which_nothing_is_known_is_sent_again(trip: Trip, is_lost: bool) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, accountEnabled=False, jobTitle="Dr. No")

    def fail_once(request: HttpRequest, go: object) -> HttpResponse | None:
        if request.method != "PATCH" or b"Dr. No" in (request.body or b""):
            return _refuse_doctors(request, go)
        trip.transport.fault = _refuse_doctors
        if is_lost:
            raise ExchangeFailed("the connection was reset", sent=True)
        return HttpResponse(status=401, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = fail_once
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.state is CycleState.FAILED) is not is_lost
    assert trip.at_target()[NAME]["active"] is True
    trip.clock.advance(timedelta(hours=25))
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
    assert "Only active was changed" in (trip.log(ada)[0].steps[-1].description or "")


def test_nothing_is_sent_by_itself_where_nobody_loses_access(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, jobTitle="Dr. No", mobile="+31101234567")
    trip.transport.forget()
    trip.run()
    assert len(trip.transport.writes) == 1
    assert trip.log(ada)[0].status is LogStatus.FAILURE


def test_an_import_switches_off_whom_it_can_and_names_what_the_directory_refuses(tmp_path: Path) -> None:
    trip = Import(tmp_path)
    trip.read(ada="entry-1")
    trip.read(also={"pwdAccountLockedTime": "000001010000Z", "cn": "A" * 2_000}, ada="entry-1")
    ada = trip.person("ada")
    assert (ada.attributes["accountEnabled"], ada.display_name) == (False, "ada")
    last = trip.log("entry-1")[0]
    assert last.failure is not None
    assert "takes at most 256 characters" in last.failure.sentence
    trip.read(ada="entry-1")
    assert trip.person("ada").attributes["accountEnabled"] is True


def test_who_is_switched_off_loses_access_although_another_account_has_their_new_name(tmp_path: Path) -> None:
    trip = Trip(tmp_path)
    ada = trip.hire("Ada")
    trip.run()
    trip.account("other@lantaarn.example")
    trip.edit(ada, accountEnabled=False, userPrincipalName="other@lantaarn.example")
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
    last = trip.log(ada)[0]
    assert last.failure is not None
    assert last.failure.status == 409
    assert "Only active was changed" in (last.steps[-1].description or "")
