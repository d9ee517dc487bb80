"""What explain says of values: which was sent, which flows at creation only, and none of whoever is out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip

from muster.cli.provisioning import show_explanation
from muster.engine.explain import explain, find_change

SITE = "urn:ietf:params:scim:schemas:extension:8x8:1.1:User:site"
AT = "2026-01-05T08:00:00Z"


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path)


def explained(trip: Trip, person: str) -> dict[str, Any]:
    parts = trip.open_job(JOB, {})
    change = find_change(parts, person)
    assert change is not None
    return explain(parts, trip.stores, change, trip.clock, trip.ids)


def printed(found: dict[str, Any], capsys: Any) -> str:
    """Returns what the command prints, as if everything that was ever sent was sent at AT."""
    for row in found["mappings"]:
        row["lastSentDateTime"] = None if row["lastSent"] is None else AT
    outlook = {"state": "done", "expectedDateTime": None, "objectsBefore": None, "nextAttempt": None}
    show_explanation({**found, "outlook": outlook})
    return " ".join(str(capsys.readouterr().out).replace("│", " ").replace("├──", " ").replace("└──", " ").split())


def test_a_value_that_flows_at_creation_only_is_not_said_to_be_sent(trip: Trip, capsys: Any) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    trip.edit(ada, physicalDeliveryOfficeName="Utrecht")
    found = explained(trip, ada)
    rows = {row["targetAttribute"]: row for row in found["mappings"]}
    assert (rows[SITE]["value"], rows[SITE]["lastSent"], rows[SITE]["flowsOnce"]) == ("Utrecht", "London", True)
    assert rows["userName"]["flowsOnce"] is False
    said = printed(found, capsys)
    assert f"not sent: it flows at creation only, London was sent {AT}" in said
    assert f"userName = ada@lantaarn.example ⟵ [userPrincipalName] (Always), sent {AT}" in said


def test_a_value_that_is_yet_to_go_shows_what_was_sent_last(trip: Trip, capsys: Any) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, surname="Long")
    assert f"last sent: Tester, {AT}" in printed(explained(trip, ada), capsys)


def test_whoever_is_out_is_shown_without_values_that_do_not_flow(trip: Trip, capsys: Any) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.unassign(ada)
    said = printed(explained(trip, ada), capsys)
    assert "active = False" in said
    assert "userName" not in said
    assert "= –" not in said


def test_what_was_sent_hidden_stays_hidden_of_whoever_is_out(trip: Trip) -> None:
    document = copy.deepcopy(dict(trip.store.jobs.schema(JOB).document))
    mappings = document["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
    title = next(each for each in mappings if each["targetAttributeName"] == "title")
    title["source"] = {"expression": "Redact([jobTitle])", "name": "", "type": "Function", "parameters": []}
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    ada = trip.hire("Ada", jobTitle="Spy")
    trip.run()
    trip.unassign(ada)
    row = next(each for each in explained(trip, ada)["mappings"] if each["targetAttribute"] == "title")
    assert (row["value"], row["lastSent"]) == (None, "[Redact]")


def test_a_matching_value_that_is_redacted_is_not_shown(trip: Trip) -> None:
    document = copy.deepcopy(dict(trip.store.jobs.schema(JOB).document))
    mappings = document["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
    name = next(each for each in mappings if each["targetAttributeName"] == "userName")
    name["source"] = {"expression": "Redact([userPrincipalName])", "name": "", "type": "Function", "parameters": []}
    trip.store.jobs.save_schema(JOB, document, "test", trip.clock.now())
    shown = explained(trip, trip.hire("Ada"))
    assert {"attribute": "userName", "value": "[Redact]"} in shown["matching"]
