"""A restart forgets failures, and no account that may have been made or taken over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import APP, JOB, Trip

from faults.administrators import desk_of
from muster.administration import jobs
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.job import CycleKind, ResetScope
from muster.model.operation import LinkState

DAY = timedelta(hours=25)
NAME = "ada@lantaarn.example"


def restart(trip: Trip, *scopes: ResetScope) -> None:
    jobs.restart(desk_of(trip), APP, JOB, frozenset(scopes))


def rename(trip: Trip, source_id: str) -> None:
    trip.edit(source_id, userPrincipalName="eve@lantaarn.example", mail="eve@lantaarn.example", mailNickname="eve")


def purge(trip: Trip, source_id: str) -> None:
    trip.store.directory.set_lifecycle(ObjectKind.USER, source_id, Lifecycle.HARD_DELETED, trip.clock.now())


def unassign(trip: Trip, source_id: str) -> None:
    trip.unassign(source_id)


def come_to_rest(trip: Trip) -> dict[str, Any]:
    """Returns who is switched on at the target in the end."""
    for _ in range(3):
        trip.clock.advance(DAY)
        trip.run()
    return {name: user.get("active") for name, user in trip.at_target().items() if user.get("active") is not False}


@pytest.mark.parametrize("is_found", [False, True], ids=["made", "taken over"])
@pytest.mark.parametrize("edit", [rename, purge, unassign])
@pytest.mark.parametrize(
    "scopes", [(), (ResetScope.ESCROWS,), (ResetScope.FULL,)], ids=["usual", "escrows alone", "everything"]
)
def test_a_restart_does_not_forget_an_account_of_which_the_answer_was_lost(
    tmp_path: Path, scopes: tuple[ResetScope, ...], edit: Callable[[Trip, str], None], is_found: bool
) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    if is_found:
        trip.account(NAME)
    held: list[Any] = []

    def lose(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method not in ("POST", "PATCH"):
            return None
        held.append(send)
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = lose
    trip.run()
    trip.transport.fault = None
    held[0]()
    assert trip.at_target()[NAME]["active"] is True
    edit(trip, ada)
    restart(trip, *scopes)
    assert come_to_rest(trip) == ({"eve@lantaarn.example": True} if edit is rename else {})
    assert trip.store.links.count_escrows(JOB) == 0


@pytest.mark.parametrize("is_found", [False, True], ids=["made", "taken over"])
@pytest.mark.parametrize("edit", [rename, purge, unassign])
def test_a_restart_while_a_request_is_under_way_does_not_forget_its_account(
    tmp_path: Path, edit: Callable[[Trip, str], None], is_found: bool
) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    if is_found:
        trip.account(NAME)

    def interrupt(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method in ("POST", "PATCH"):
            trip.transport.fault = None
            restart(trip)
        return None

    trip.transport.fault = interrupt
    trip.run()
    assert trip.at_target()[NAME]["active"] is True
    edit(trip, ada)
    assert come_to_rest(trip) == ({"eve@lantaarn.example": True} if edit is rename else {})


def test_whoever_failed_in_a_first_pass_that_still_runs_is_tried_again_after_escrows_alone_were_reset(
    tmp_path: Path,
) -> None:
    trip = Trip(tmp_path, page="scim")
    trip.hire("Ada", accountEnabled=True)
    cycle = trip.engine.begin(JOB)
    assert cycle is not None
    trip.transport.fault = lambda request, _: (
        HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta()) if request.method == "POST" else None
    )
    while not trip.store.links.count_escrows(JOB):
        assert trip.engine.advance(cycle.id)
    trip.transport.fault = None
    restart(trip, ResetScope.ESCROWS)
    while trip.engine.advance(cycle.id):
        pass
    assert come_to_rest(trip) == {NAME: True}


def test_whoever_could_not_be_switched_off_is_tried_again_after_escrows_alone_were_reset(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    trip.unassign(ada)

    def refuse(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "PATCH":
            return None
        return HttpResponse(status=500, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = refuse
    trip.run()
    trip.transport.fault = None
    assert trip.at_target()[NAME]["active"] is True
    restart(trip, ResetScope.ESCROWS)
    trip.run()
    assert trip.at_target()[NAME]["active"] is False


def test_whose_account_others_deleted_gets_another_though_the_first_try_was_refused(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    trip.hire("Ada", accountEnabled=True)
    trip.run()
    trip.service.ask("DELETE", f"/Users/{trip.at_target()[NAME]['id']}")
    trip.transport.fault = lambda request, _: (
        HttpResponse(status=400, headers={}, body=b"", elapsed=timedelta()) if request.method == "POST" else None
    )
    restart(trip)
    trip.run()
    assert NAME not in trip.at_target() and trip.store.links.count_escrows(JOB) == 1
    trip.transport.fault = None
    trip.clock.advance(timedelta(days=1))
    trip.run()
    assert trip.store.cycles.history(JOB, 1)[0].kind is CycleKind.INCREMENTAL
    assert NAME in trip.at_target()


def _restored(trip: Trip, *names: str) -> None:
    """The target was restored from a copy: everybody is there as before, under another id."""
    for name in names:
        trip.service.ask("DELETE", f"/Users/{trip.at_target()[name]['id']}")
        trip.account(name)


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("edit", [unassign, Trip.soft_delete])
def test_a_leaver_keeps_no_access_under_the_id_that_a_restored_target_has_given(
    tmp_path: Path, edit: Callable[[Trip, str], None], is_full: bool
) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    before = trip.link(ada)
    _restored(trip, NAME)
    edit(trip, ada)
    if is_full:
        restart(trip, ResetScope.WATERMARK)
    trip.run()
    # Where it is found only once the change is refused, the gate has not seen this account yet.
    trip.run()
    account, link = trip.at_target()[NAME], trip.link(ada)
    assert account["active"] is False
    assert before is not None and link is not None and link.target_id == account["id"] != before.target_id
    # Nobody knows who made it: it is never deleted.
    assert link.owned is LinkState.ADOPTED
    trip.purge(ada)
    trip.run()
    assert trip.at_target()[NAME]["active"] is False


def test_a_leaver_whose_name_another_has_by_now_takes_nothing_from_them(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    trip.service.ask("DELETE", f"/Users/{trip.at_target()[NAME]['id']}")
    trip.edit(ada, userPrincipalName="eve@lantaarn.example", mail="eve@lantaarn.example")
    new = trip.hire("Ada")
    trip.unassign(ada)
    trip.run()
    trip.run()
    link = trip.link(new)
    assert trip.at_target()[NAME]["active"] is True
    assert trip.link(ada) is None and link is not None and link.target_id == trip.at_target()[NAME]["id"]


def test_whoever_cannot_be_looked_for_by_their_name_is_tried_again(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    ada = trip.hire("Ada", accountEnabled=True)
    trip.run()
    _restored(trip, NAME)
    trip.unassign(ada)
    trip.transport.fault = lambda request, _: (
        HttpResponse(status=500, headers={}, body=b"", elapsed=timedelta()) if "filter" in request.url else None
    )
    trip.run()
    assert trip.at_target()[NAME]["active"] is True and trip.store.links.count_escrows(JOB) == 1
    trip.transport.fault = None
    for _ in range(2):
        trip.clock.advance(timedelta(days=1))
        trip.run()
    assert trip.at_target()[NAME]["active"] is False
