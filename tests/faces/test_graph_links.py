"""Links over the API: listed by state, promoted by name or all at once, never while a cycle runs."""

from dataclasses import replace
from typing import Any

import pytest

from faces.house import House, Started
from muster.model.directory import ObjectKind
from muster.model.job import CycleState
from muster.model.operation import Acknowledged, Link, LinkState
from muster.ports.cycles import Settlement


@pytest.fixture
def linked(house: House, job: Started) -> Started:
    """A job that found the accounts of ada and bob, and has made that of cid."""
    cycle = job.cycle()
    states = {"ada": LinkState.ADOPTED, "bob": LinkState.ADOPTED, "cid": LinkState.MANAGED}
    settlements = [
        Settlement(
            kind=ObjectKind.USER,
            source_id=name,
            link=Link(
                source_id=name,
                kind=ObjectKind.USER,
                target_id=f"t-{name}",
                state=state,
                owned=state,
                acknowledged=Acknowledged(),
                display_name=name.title(),
            ),
        )
        for name, state in states.items()
    ]
    house.stores.cycles.settle(cycle, settlements)
    return job


def end_cycle(house: House, job: Started) -> None:
    cycle = house.stores.cycles.running(job.id)
    assert cycle is not None
    house.stores.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), None)


def listed(house: House, job: Started, query: str = "") -> list[tuple[str, str]]:
    rows = house.call("GET", f"{job.path}/links{query}").body["value"]
    return [(row["sourceId"], row["state"]) for row in rows]


def test_links_are_listed_by_state_and_in_pages(house: House, linked: Started) -> None:
    assert listed(house, linked) == [("ada", "adopted"), ("bob", "adopted"), ("cid", "managed")]
    assert listed(house, linked, "?state=managed") == [("cid", "managed")]
    first = house.call("GET", f"{linked.path}/links?state=adopted&$top=1").body
    assert first["value"][0] == {
        "sourceId": "ada",
        "sourceType": "User",
        "displayName": "Ada",
        "targetId": "t-ada",
        "state": "adopted",
        "owned": "adopted",
    }
    rest = house.call("GET", first["@odata.nextLink"].partition("/v1.0")[2]).body
    assert [row["sourceId"] for row in rest["value"]] == ["bob"]
    assert "@odata.nextLink" not in rest
    refused = house.call("GET", f"{linked.path}/links?state=mine")
    assert (refused.status, "seen, adopted, managed, released" in refused.message) == (400, True)


def test_adopted_accounts_are_promoted_by_name_and_all_at_once_and_it_is_audited(house: House, linked: Started) -> None:
    end_cycle(house, linked)
    answer = house.call("POST", f"{linked.path}/links/promote", {"sourceIds": ["ada", "cid"]})
    assert (answer.status, answer.body) == (200, {"promoted": 1, "sourceIds": ["ada"]})
    assert house.call("POST", f"{linked.path}/links/promote", {"all": True}).body["sourceIds"] == ["bob"]
    assert house.call("POST", f"{linked.path}/links/promote", {"all": True}).body["promoted"] == 0
    assert {state for _, state in listed(house, linked)} == {"managed"}
    audits = house.call("GET", "/auditLogs/directoryAudits").body["value"]
    noted = [each for each in audits if each["activityDisplayName"] == "Promote linked accounts"]
    assert len(noted) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Say whose accounts"),
        ({"all": False}, "Say whose accounts"),
        ({"all": True, "sourceIds": ["ada"]}, "Say whose accounts"),
        ({"sourceIds": [7]}, "Say whose accounts"),
        ({"sourceIds": ["ada", "zoe"]}, "no account linked for zoe"),
        ({"sourceIds": ["ada"] * 1_001}, "1 to 1,000"),
    ],
)
def test_a_promotion_says_whose_accounts(house: House, linked: Started, body: dict[str, Any], told: str) -> None:
    end_cycle(house, linked)
    refused = house.call("POST", f"{linked.path}/links/promote", body)
    assert (refused.status, told in refused.message) == (400, True), refused.text
    assert listed(house, linked, "?state=adopted") == [("ada", "adopted"), ("bob", "adopted")]


def test_nothing_is_promoted_while_a_cycle_runs(house: House, linked: Started) -> None:
    refused = house.call("POST", f"{linked.path}/links/promote", {"all": True})
    assert (refused.status, "wait for its end" in refused.message) == (409, True)
