"""Somebody comes who has the name of somebody who is gone for good: the account is handed over, and no sooner."""

from datetime import timedelta
from pathlib import Path

import pytest
from importing import Import
from playing import JOB, Trip

from muster.engine.control import Control
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.hold import HoldState
from muster.model.log import LogStatus
from muster.model.operation import LinkState
from muster.planning.policy import RemovalThreshold
from muster.planning.protection import Protections

NAME = "ada@lantaarn.example"
LATER = timedelta(minutes=41)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    """Ada's account was there before us: it is adopted, and never deleted."""
    trip = Trip(tmp_path)
    trip.account(NAME)
    return trip


def hire_first(trip: Trip) -> str:
    ada = trip.hire("Ada")
    trip.run()
    link = trip.link(ada)
    assert link is not None
    assert link.owned is LinkState.ADOPTED
    return ada


def check_handed_over(trip: Trip, before: str, after: str) -> None:
    """The account is the new person's, switched on, and nothing of the old one leads to it."""
    account = trip.at_target()[NAME]
    assert (account["active"], account["externalId"]) == (True, after)
    link = trip.link(after)
    assert link is not None
    assert (link.target_id, link.state) == (account["id"], LinkState.ADOPTED)
    assert trip.link(before) is None
    entry = trip.log(after)[0]
    assert entry.status is LogStatus.SUCCESS
    trip.clock.advance(LATER)
    assert trip.run() is None
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []


def test_an_account_is_handed_over_by_the_next_cycle(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    trip.run()
    assert trip.at_target()[NAME]["active"] is False
    again = trip.hire("Ada")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.failed, cycle.counters.updated) == (0, 1)
    assert "The account goes to whoever has its name now" in (trip.log(ada)[0].reason or "")
    check_handed_over(trip, ada, again)


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("is_off", [False, True], ids=["switched on", "switched off before"])
def test_who_is_purged_and_who_comes_may_meet_in_one_cycle(trip: Trip, is_full: bool, is_off: bool) -> None:
    ada = hire_first(trip)
    if is_off:
        trip.soft_delete(ada)
        trip.run()
    trip.purge(ada)
    again = trip.hire("Ada")
    if is_full:
        trip.store.jobs.set_watermark(JOB, None)
    cycle = trip.run()
    assert cycle is not None
    assert cycle.counters.failed == 0
    assert trip.transport.writes == [f"PATCH /Users/{trip.at_target()[NAME]['id']}"] * (1 if is_off else 2)
    check_handed_over(trip, ada, again)


def test_who_came_while_the_other_could_be_restored_has_the_account_once_they_cannot(trip: Trip) -> None:
    ada = hire_first(trip)
    # A deleted person keeps their name in the directory, but another may have been given it before.
    trip.edit(ada, userPrincipalName="ada.old@lantaarn.example")
    trip.soft_delete(ada)
    again = trip.hire("Ada")
    trip.run()
    failure = trip.log(again)[0].failure
    assert failure is not None
    assert "belongs to Ada Tester, who is deleted and can still be restored" in failure.sentence
    assert "delete them permanently" in failure.remedy
    trip.hard_delete(ada)
    trip.run()
    check_handed_over(trip, ada, again)


def test_an_account_whose_removal_is_held_is_not_handed_over_before_the_decision(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.threshold = RemovalThreshold(count=0)
    trip.purge(ada)
    again = trip.hire("Ada")
    cycle = trip.run()
    assert cycle is not None
    assert (cycle.counters.held, cycle.counters.failed) == (1, 1)
    entries = trip.log(again)
    assert len(entries) == 1
    assert entries[0].failure is not None
    assert "waits to be taken away" in entries[0].failure.sentence
    assert trip.at_target()[NAME]["externalId"] == ada
    assert trip.approve(HoldState.APPROVED) == 1
    trip.run()
    check_handed_over(trip, ada, again)


def test_a_protected_account_is_not_handed_over(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.protections = Protections(users=(ada,))
    trip.purge(ada)
    again = trip.hire("Ada")
    trip.run()
    assert trip.link(again) is None
    assert trip.at_target()[NAME]["externalId"] == ada


def test_nobody_takes_the_account_of_somebody_who_is_there(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.edit(ada, userPrincipalName="ada.old@lantaarn.example", accountEnabled=False)
    trip.unassign(ada)
    again = trip.hire("Ada")
    trip.run()
    trip.clock.advance(LATER)
    trip.run()
    assert trip.link(again) is None
    assert trip.at_target()[NAME]["externalId"] == ada


def test_on_demand_hands_over_too_and_a_preview_does_not(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    trip.run()
    again = trip.hire("Ada")
    control = Control(trip.engine, trip.stores, trip.open_job, trip.clock, trip.ids)
    shown = control.provision_on_demand(JOB, ObjectKind.USER, again, preview=True)
    assert shown.operation.target_id == trip.at_target()[NAME]["id"]
    assert trip.link(ada) is not None
    control.provision_on_demand(JOB, ObjectKind.USER, again)
    trip.run()
    check_handed_over(trip, ada, again)


def test_a_plan_that_is_applied_drops_the_link_of_the_one_before(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    trip.run()
    again = trip.hire("Ada")
    cycle = trip.planner.apply(trip.planner.make(JOB).id)
    while trip.engine.advance(cycle.id):
        pass
    check_handed_over(trip, ada, again)


def test_of_two_who_match_the_account_one_has_it(trip: Trip) -> None:
    ada = hire_first(trip)
    trip.purge(ada)
    trip.run()
    first = trip.hire("Ada")
    trip.run()
    trip.edit(first, userPrincipalName="ada.first@lantaarn.example")
    second = trip.hire("Ada")
    trip.run()
    links = [trip.link(first), trip.link(second)]
    assert len({link.target_id for link in links if link is not None}) == sum(link is not None for link in links)


def test_a_group_that_was_there_before_us_goes_to_the_next_of_its_name(tmp_path: Path) -> None:
    trip = Trip(tmp_path, page="scim")
    trip.service.ask("POST", "/Groups", {"displayName": "Crew"})
    crew = trip.found("Crew", [])
    trip.run()
    trip.store.directory.set_lifecycle(ObjectKind.GROUP, crew, Lifecycle.HARD_DELETED, trip.clock.now())
    trip.run()
    again = trip.found("Crew", [trip.hire("Bob")])
    trip.run()
    link = trip.link(again, ObjectKind.GROUP)
    assert link is not None
    assert link.target_id == trip.at_target("Groups")["Crew"]["id"]
    assert trip.link(crew, ObjectKind.GROUP) is None


@pytest.mark.parametrize("is_at_once", [True, False], ids=["between two reads", "after the old one left"])
def test_an_entry_that_was_made_anew_under_the_same_name_is_the_same_person(tmp_path: Path, is_at_once: bool) -> None:
    trip = Import(tmp_path)
    trip.read(ada="entry-1", bob="entry-9")
    before = trip.person("ada")
    assert before.lifecycle is Lifecycle.PRESENT
    if not is_at_once:
        trip.read(bob="entry-9")
        assert trip.person("ada").lifecycle is Lifecycle.SOFT_DELETED
    trip.read(ada="entry-2", bob="entry-9")
    after = trip.person("ada")
    assert (after.object_id, after.lifecycle) == (before.object_id, Lifecycle.PRESENT)
    link = trip.link("entry-2")
    assert link is not None
    assert link.target_id == before.object_id
    assert trip.link("entry-1") is None
    # What is told of the old entry moves nobody any more, in a full pass neither.
    trip.store.jobs.set_watermark(JOB, None)
    trip.read(ada="entry-2", bob="entry-9")
    assert trip.person("ada").lifecycle is Lifecycle.PRESENT
    trip.read(bob="entry-9")
    assert trip.person("ada").lifecycle is Lifecycle.SOFT_DELETED


def test_an_entry_that_comes_back_takes_nothing_from_the_one_in_its_place(tmp_path: Path) -> None:
    trip = Import(tmp_path)
    trip.read(ada="entry-1", bob="entry-9")
    trip.read(ada="entry-2", bob="entry-9")
    trip.read(ada="entry-1", bob="entry-9")
    trip.read(ada="entry-1", bob="entry-9")
    assert trip.person("ada").lifecycle is Lifecycle.PRESENT
    assert (trip.link("entry-1") is None, trip.link("entry-2") is None) == (False, True)


@pytest.mark.parametrize("is_at_once", [True, False], ids=["between two reads", "after the old one left"])
def test_who_has_the_mail_of_somebody_who_left_but_another_number_is_somebody_else(
    tmp_path: Path, is_at_once: bool
) -> None:
    trip = Import(tmp_path)
    trip.read({"employeeNumber": "1"}, ada="entry-1", bob="entry-9")
    before = trip.person("ada")
    if not is_at_once:
        trip.read({"employeeNumber": "1"}, bob="entry-9")
    for _ in range(2):
        trip.read({"employeeNumber": "2"}, ada="entry-2", bob="entry-9")
        left = trip.person("ada")
        assert (left.object_id, left.lifecycle) == (before.object_id, Lifecycle.SOFT_DELETED)
        assert left.attributes["employeeId"] == "1" and trip.link("entry-2") is None
        trip.clock.advance(LATER)
    failure = trip.log("entry-2")[0].failure
    assert failure is not None
    assert "(employeeId 1) has left" in failure.sentence and "(employeeId 2) would get" in failure.sentence
    assert "delete the one who left permanently" in failure.remedy
    # That somebody else is gone for good says nothing new of them before their time.
    trip.read({"employeeNumber": "2"}, ada="entry-2", bob="entry-9")
    told = len(trip.log("entry-2"))
    trip.read({"employeeNumber": "2"}, ada="entry-2")
    assert len(trip.log("entry-2")) == told
    # The remedy holds.
    trip.store.directory.set_lifecycle(ObjectKind.USER, before.object_id, Lifecycle.HARD_DELETED, trip.clock.now())
    trip.clock.advance(LATER)
    trip.read({"employeeNumber": "2"}, ada="entry-2", bob="entry-9")
    after = trip.person("ada")
    assert after.object_id != before.object_id and after.lifecycle is Lifecycle.PRESENT


@pytest.mark.parametrize(("entry", "keeps"), [("entry-1", True), ("entry-2", False)], ids=["they", "another entry"])
def test_who_is_taken_up_by_their_mail_alone_has_no_password_of_who_left(
    tmp_path: Path, entry: str, keeps: bool
) -> None:
    trip = Import(tmp_path)
    trip.read(ada="entry-1", bob="entry-9")
    before = trip.person("ada")
    at = trip.clock.now()
    trip.store.credentials.set_password(before.object_id, "hash", must_change=False, at=at, stamp="one")
    trip.read(bob="entry-9")
    assert trip.person("ada").lifecycle is Lifecycle.SOFT_DELETED
    trip.read(ada=entry, bob="entry-9")
    after = trip.person("ada")
    assert (after.object_id, after.lifecycle) == (before.object_id, Lifecycle.PRESENT)
    kept = trip.store.credentials.get(before.object_id)
    assert kept is not None and (kept.password_hash == "hash") is keeps
