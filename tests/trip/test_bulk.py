"""Cycles that send several operations in one request: the same company, the same log, fewer requests."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from muster.model.copies import replace
from muster.model.exchange import HttpRequest, HttpResponse, TransportTimeout
from muster.model.job import Cycle
from muster.model.log import LogStatus, ProvisioningAction
from muster.ports.cycles import LogQuery

NAMES = tuple(f"User{number}" for number in range(12))


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    trip = Trip(tmp_path, page="scim")
    trip.page = replace(trip.page, dialect=replace(trip.page.dialect, bulk=True, concurrency=2))
    return trip


def company(trip: Trip) -> list[str]:
    people = [trip.hire(name) for name in NAMES]
    for person in people[1:]:
        trip.set_manager(person, people[0])
    return people


def ran(trip: Trip) -> Cycle:
    cycle = trip.run()
    assert cycle is not None
    return cycle


def sent(trip: Trip) -> list[str]:
    """Methods and paths of what was written, those of a bulk by themselves."""
    found: list[str] = []
    for request in trip.transport.requests:
        if request.url.endswith("/Bulk"):
            found += [f"{item['method']} {item['path']}" for item in json.loads(request.body or b"")["Operations"]]
        elif request.method != "GET":
            found.append(f"{request.method} {request.url.rpartition('/v2')[2]}")
    return found


def test_a_company_is_there_after_a_few_requests_and_a_second_cycle_writes_nothing(trip: Trip) -> None:
    people = company(trip)
    cycle = ran(trip)
    assert cycle.counters.created == len(NAMES)
    assert set(trip.at_target()) == {f"{name.lower()}@lantaarn.example" for name in NAMES}
    assert len(trip.transport.writes) <= 6
    # Everyone, and everyone's manager.
    assert len(sent(trip)) == len(NAMES) + len(NAMES) - 1
    entries = trip.store.log.search(LogQuery(job_id=JOB, limit=100))[0]
    assert {entry.source_id for entry in entries if entry.action is ProvisioningAction.CREATE} == set(people)
    assert all(entry.status is LogStatus.SUCCESS for entry in entries)
    trip.transport.forget()
    trip.store.jobs.set_watermark(JOB, None)
    ran(trip)
    assert not trip.transport.writes


def test_changes_leavers_and_deletions_go_together_and_each_is_settled(trip: Trip) -> None:
    people = company(trip)
    ran(trip)
    trip.transport.forget()
    for person in people[1:5]:
        trip.edit(person, jobTitle="Chief")
    for person in people[5:8]:
        trip.unassign(person)
    cycle = ran(trip)
    assert (cycle.counters.updated, cycle.counters.disabled) == (4, 3)
    accounts = trip.at_target()
    assert sum(account["active"] for account in accounts.values()) == len(NAMES) - 3
    assert sum(account.get("title") == "Chief" for account in accounts.values()) == 4
    assert len(trip.transport.writes) <= 4


def test_a_lost_answer_leaves_everybody_of_it_open_and_nobody_gets_two_accounts(trip: Trip) -> None:
    company(trip)
    lost: list[str] = []

    def lose(request: HttpRequest, send: Any) -> HttpResponse | None:
        if not request.url.endswith("/Bulk") or lost:
            return None
        lost.append(request.url)
        send()
        raise TransportTimeout("the deadline passed", sent=True)

    trip.transport.fault = lose
    cycle = ran(trip)
    assert lost
    assert cycle.counters.created == len(NAMES)
    posts = [line for line in sent(trip) if line == "POST /Users"]
    assert len(posts) == len(NAMES)
    assert len(trip.at_target()) == len(NAMES)


def test_one_that_is_refused_waits_alone_and_the_others_are_made(trip: Trip) -> None:
    company(trip)
    refused = {"method": "POST", "status": "400", "response": {"status": "400", "detail": "no such site"}}

    def refuse(request: HttpRequest, send: Any) -> HttpResponse | None:
        if not request.url.endswith("/Bulk"):
            return None
        body = json.loads(request.body or b"")
        named = [item for item in body["Operations"] if item.get("data", {}).get("userName", "").startswith("user3@")]
        if not named:
            return None
        others = [item for item in body["Operations"] if item not in named]
        answer = trip.service.ask("POST", "/Bulk", {**body, "Operations": others})
        document = {
            **answer.json,
            "Operations": [*answer.json["Operations"], {**refused, "bulkId": named[0]["bulkId"]}],
        }
        return HttpResponse(status=200, headers={}, body=json.dumps(document).encode(), elapsed=timedelta())

    trip.transport.fault = refuse
    cycle = ran(trip)
    assert (cycle.counters.created, cycle.counters.failed) == (len(NAMES) - 1, 1)
    failures = trip.store.log.search(LogQuery(job_id=JOB, status=LogStatus.FAILURE, limit=10))[0]
    assert [entry.source_name for entry in failures] == ["User3 Tester"]
    assert failures[0].failure is not None
    assert "no such site" in failures[0].failure.sentence
