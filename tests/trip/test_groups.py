"""Groups: changes of members merged and cut to the application's size; members into groups that are there already."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.log import SkipReason
from muster.model.operation import LinkState
from muster.scim.schemas import ENTERPRISE_USER_URN


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def edit_rules(trip: Trip, edit: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(json.dumps(trip.store.jobs.schema(JOB).document))
    for mapping in document["synchronizationRules"][0]["objectMappings"]:
        if mapping["sourceObjectName"] == "Group":
            edit(mapping)
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())


def members_at(trip: Trip, name: str) -> set[str]:
    return {member["value"] for member in trip.at_target("Groups")[name].get("members") or ()}


def ids(trip: Trip, *people: str) -> set[str]:
    return {link.target_id for person in people if (link := trip.link(person)) is not None}


def test_members_that_an_application_refused_are_sent_again(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    crew = trip.found("Crew", [ada])
    trip.run()

    def refuse(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "PATCH":
            return None
        return HttpResponse(status=400, headers={}, body=b"{}", elapsed=timedelta())

    trip.transport.fault = refuse
    trip.store.directory.change_members(crew, add=[bob], remove=[])
    trip.run()
    assert members_at(trip, "Crew") == ids(trip, ada)
    trip.transport.fault = None
    trip.clock.advance(timedelta(minutes=41))
    trip.run()
    assert members_at(trip, "Crew") == ids(trip, ada, bob)


@pytest.mark.parametrize("change", ["comes", "goes"])
def test_a_group_that_was_deleted_at_the_application_is_made_again_when_its_members_change(
    trip: Trip, change: str
) -> None:
    ada, bob, cyd = (trip.hire(name) for name in ("Ada", "Bob", "Cyd"))
    crew = trip.found("Crew", [ada, bob])
    trip.run()
    trip.service.repository.delete("Group", trip.at_target("Groups")["Crew"]["id"])
    comes, goes = ([cyd], []) if change == "comes" else ([], [bob])
    trip.store.directory.change_members(crew, add=comes, remove=goes)
    for _ in range(2):
        trip.run()
        trip.clock.advance(timedelta(minutes=41))
    assert members_at(trip, "Crew") == ids(trip, *({ada, bob, *comes} - {*goes}))
    trip.run()
    assert trip.transport.writes == []
    assert trip.store.links.count_escrows(JOB) == 0


def test_whose_account_was_deleted_at_the_application_gets_another_when_his_manager_changes(trip: Trip) -> None:
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    trip.run()
    trip.service.repository.delete("User", trip.at_target()["bob@lantaarn.example"]["id"])
    trip.set_manager(bob, ada)
    for _ in range(2):
        trip.run()
        trip.clock.advance(timedelta(minutes=41))
    assert trip.at_target()["bob@lantaarn.example"][ENTERPRISE_USER_URN]["manager"]["value"] in ids(trip, ada)
    trip.run()
    assert trip.transport.writes == []


def test_many_changes_of_one_group_are_one_request_a_chunk_and_cost_what_changed(trip: Trip) -> None:
    trip.page = replace(trip.page, dialect=replace(trip.page.dialect, members_per_request=10))
    people = [trip.hire(f"P{number:02}") for number in range(45)]
    crew = trip.found("Crew", people[:40])
    trip.run()
    group = trip.link(crew, ObjectKind.GROUP)
    assert group is not None
    # In and out again, out and in again, each in a change of its own: what remains is one in and one out.
    for person in people[40:44]:
        trip.store.directory.change_members(crew, add=[person], remove=[])
        trip.store.directory.change_members(crew, add=[], remove=[person])
    trip.store.directory.change_members(crew, add=[], remove=[people[0]])
    trip.store.directory.change_members(crew, add=[people[0]], remove=[people[1]])
    trip.store.directory.change_members(crew, add=[people[44]], remove=[])
    trip.run()
    writes = [request for request in trip.transport.requests if request.method != "GET"]
    assert [request.method for request in writes] == ["PATCH"] * len(writes)
    told = [operation for request in writes for operation in json.loads(request.body or b"{}")["Operations"]]
    assert len(told) == 2 and len(writes) <= 2
    assert members_at(trip, "Crew") == ids(trip, *people[:1], *people[2:40], people[44])
    trip.store.directory.change_members(crew, add=people[40:44], remove=people[2:27])
    trip.run()
    sizes = [len(json.loads(request.body or b"{}")["Operations"]) for request in trip.transport.requests]
    assert sum(1 for _ in sizes) == 4 and max(sizes) <= 10


def test_members_go_into_groups_that_are_there_and_no_group_is_made_or_deleted(trip: Trip) -> None:
    edit_rules(trip, lambda mapping: mapping.update(flowTypes="None"))
    ada, bob = trip.hire("Ada"), trip.hire("Bob")
    known, unknown = trip.found("Known", [ada]), trip.found("Unknown", [ada])
    stranger = trip.account("stranger@other.example")
    there = trip.service.make_group("Known", [stranger])
    trip.run()
    assert set(trip.at_target("Groups")) == {"Known"}
    assert members_at(trip, "Known") == ids(trip, ada) | {stranger}
    link = trip.link(known, ObjectKind.GROUP)
    assert link is not None and (link.target_id, link.state) == (there, LinkState.ADOPTED)
    assert trip.log(unknown)[0].skip_reason is SkipReason.ACTION_DISABLED
    trip.store.directory.change_members(known, add=[bob], remove=[ada])
    trip._write(ObjectKind.GROUP, known, {"displayName": "Renamed"})
    trip.run()
    assert members_at(trip, "Known") == ids(trip, bob) | {stranger}
    trip.unassign(known)
    trip.run()
    assert set(trip.at_target("Groups")) == {"Known"}


def test_a_group_made_at_the_application_later_gets_its_members_without_a_restart(trip: Trip) -> None:
    edit_rules(trip, lambda mapping: mapping.update(flowTypes="None"))
    ada = trip.hire("Ada")
    crew = trip.found("Crew", [ada])
    trip.run()
    trip.service.make_group("Crew")
    trip.store.directory.change_members(crew, add=[trip.hire("Bob")], remove=[])
    trip.run()
    assert len(members_at(trip, "Crew")) == 2


def test_members_of_nested_groups_count_where_that_is_asked_for(trip: Trip) -> None:
    ada, bob = trip.hire("Ada", assigned=False), trip.hire("Bob", assigned=False)
    inner = trip.found("Inner", [bob], assigned=False)
    outer = trip.found("Outer", [ada, inner])
    trip.run()
    assert set(trip.at_target()) == {"ada@lantaarn.example"}
    assert members_at(trip, "Outer") == ids(trip, ada)
    assert trip.link(outer, ObjectKind.GROUP) is not None
