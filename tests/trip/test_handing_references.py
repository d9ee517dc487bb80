"""An account is handed over: what pointed to it for the one before leads nobody anywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.model.directory import ObjectKind

NAME = "ada@lantaarn.example"
LATER = timedelta(minutes=41)
MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def hire_all(trip: Trip) -> tuple[str, str, str]:
    """Ada's account was there before us; she is in the vault, and Bob's manager."""
    trip.account(NAME)
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.set_manager(bob, ada)
    vault = trip.found("Vault", [ada, bob])
    trip.run()
    trip.run()
    assert _pointing(trip) == (2, True)
    return ada, bob, vault


def _pointing(trip: Trip) -> tuple[int, bool]:
    """How many members the vault has, and whether the account is Bob's manager."""
    people = trip.at_target()
    account = people[NAME]["id"]
    members = {member["value"] for member in trip.at_target("Groups")["Vault"].get("members", [])}
    manager = people["bob@lantaarn.example"].get(MANAGER, {}).get("manager", {}).get("value")
    assert manager in (None, account)
    assert (account in members) == (len(members) == 2)
    return len(members), manager == account


def _settle(trip: Trip) -> None:
    for _ in range(2):
        trip.run()
        trip.clock.advance(LATER)


@pytest.mark.parametrize("way", ["same cycle", "off before", "full", "on demand", "plan"])
def test_a_new_person_has_neither_the_groups_nor_the_reports_of_the_one_before(tmp_path: Path, way: str) -> None:
    trip = Trip(tmp_path, page="scim", sync_all=True)
    ada, _, _ = hire_all(trip)
    if way in ("off before", "on demand", "plan"):
        trip.edit(ada, accountEnabled=False)
        trip.run()
    trip.purge(ada)
    again = trip.hire("Ada")
    if way == "full":
        trip.store.jobs.set_watermark(JOB, None)
    elif way == "on demand":
        trip.control.provision_on_demand(JOB, ObjectKind.USER, again)
    elif way == "plan":
        cycle = trip.planner.apply(trip.planner.make(JOB).id)
        while trip.engine.advance(cycle.id):
            pass
    _settle(trip)
    account, link = trip.at_target()[NAME], trip.link(again)
    assert link is not None
    assert (link.target_id, account["active"]) == (account["id"], True)
    assert _pointing(trip) == (1, False)


@pytest.mark.parametrize("way", ["same cycle", "off before", "full", "on demand"])
@pytest.mark.parametrize("boss", ["there", "blocked", "out of scope"])
def test_a_new_person_has_not_the_manager_of_the_one_before(tmp_path: Path, boss: str, way: str) -> None:
    trip = Trip(tmp_path, page="scim")
    trip.account(NAME)
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.set_manager(ada, bob)
    trip.run()
    account = trip.at_target()[NAME]
    assert account[MANAGER]["manager"]["value"] == trip.at_target()["bob@lantaarn.example"]["id"]
    if boss == "blocked":
        trip.edit(bob, accountEnabled=False)
    elif boss == "out of scope":
        trip.unassign(bob)
    if way in ("off before", "on demand"):
        trip.edit(ada, accountEnabled=False)
    if way != "same cycle":
        trip.run()
    trip.purge(ada)
    again = trip.hire("Ada")
    if way == "full":
        trip.store.jobs.set_watermark(JOB, None)
    elif way == "on demand":
        trip.control.provision_on_demand(JOB, ObjectKind.USER, again)
    _settle(trip)
    account, link = trip.at_target()[NAME], trip.link(again)
    assert link is not None
    assert (link.target_id, account["active"]) == (account["id"], True)
    assert "manager" not in account.get(MANAGER, {})
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


@pytest.mark.parametrize("is_off", [False, True])
def test_a_new_person_who_is_wanted_in_the_same_places_is_there(tmp_path: Path, is_off: bool) -> None:
    trip = Trip(tmp_path, page="scim", sync_all=True)
    ada, bob, vault = hire_all(trip)
    if is_off:
        trip.edit(ada, accountEnabled=False)
        trip.run()
    trip.purge(ada)
    again = trip.hire("Ada")
    trip.store.directory.change_members(vault, add=[again], remove=[])
    trip.set_manager(bob, again)
    _settle(trip)
    assert _pointing(trip) == (2, True)
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []
    assert _pointing(trip) == (2, True)
