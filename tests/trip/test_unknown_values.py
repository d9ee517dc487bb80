"""What came of a change is not known: until it is, the value counts as none that the target confirmed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.planning.policy import Approval

NAME = "ada@lantaarn.example"
LATER = timedelta(minutes=41)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def lose_once(trip: Trip) -> None:
    """Has the next change arrive, its answer not, and a look at what came of it fail."""

    def lose(request: HttpRequest, send: object) -> HttpResponse | None:
        if request.method != "PATCH":
            return HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta())
        assert callable(send)
        send()
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = lose
    trip.run()
    trip.transport.fault = None


def hire_switched_off(trip: Trip) -> str:
    """Ada's account is there and switched off; then she is switched on, and the answer to that is lost."""
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    trip.edit(ada, accountEnabled=False)
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
    trip.edit(ada, accountEnabled=True)
    lose_once(trip)
    assert trip.at_target()[NAME]["active"] is True
    return ada


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_whoever_leaves_again_after_further_failures_is_switched_off(trip: Trip, method: str) -> None:
    ada = hire_switched_off(trip)
    if method == "PATCH":
        trip.edit(ada, jobTitle="Clerk")

    def fail(request: HttpRequest, _: object) -> HttpResponse | None:
        if request.method != method or "/Users" not in request.url:
            return None
        return HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = fail
    trip.clock.advance(LATER)
    trip.run()
    trip.transport.fault = None
    trip.edit(ada, accountEnabled=False)
    trip.clock.advance(LATER)
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
    trip.clock.advance(LATER)
    trip.run()
    assert trip.transport.writes == []
    assert trip.store.links.count_escrows(JOB) == 0


def test_whoever_leaves_again_and_waits_for_approval_is_switched_off_once_approved(trip: Trip) -> None:
    ada = hire_switched_off(trip)
    trip.approval = Approval.REMOVALS
    trip.edit(ada, accountEnabled=False)
    trip.run()
    assert trip.at_target()[NAME]["active"] is True
    trip.approve()
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
