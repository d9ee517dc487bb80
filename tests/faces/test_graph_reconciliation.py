"""Reconciliations over the API: asked for, scheduled, and what they found."""

from dataclasses import replace

import pytest

from faces.house import House, Started
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.job import CycleKind, CycleState
from muster.ports.administration import WorkKind


def test_a_reconciliation_is_asked_for_and_audited(house: House, job: Started) -> None:
    answer = house.call("POST", f"{job.path}/cycles", {"kind": "reconciliation"})
    assert answer.status == 202
    work = house.stores.work.get(answer.body["id"])
    assert work is not None and (work.kind, work.payload) == (WorkKind.RUN_CYCLE, {"kind": "reconciliation"})
    audits = house.call("GET", "/auditLogs/directoryAudits").body["value"]
    assert "Reconcile" in {entry["activityDisplayName"] for entry in audits}


@pytest.mark.parametrize("body", [{"kind": "initial"}, {"kind": "everything"}, {"kind": 1}])
def test_no_other_kind_of_cycle_can_be_asked_for(house: House, job: Started, body: dict[str, object]) -> None:
    answer = house.call("POST", f"{job.path}/cycles", body)
    assert (answer.status, answer.code) == (400, "Request_BadRequest")


def test_settings_of_reconciliation_are_checked(house: House, job: Started) -> None:
    def set_one(name: str, value: str) -> int:
        body = {"synchronizationJobSettings": [{"name": name, "value": value}]}
        return house.call("PATCH", job.path, body).status

    assert set_one("DriftPolicy", "delete everything") == 400
    assert set_one("ReconcileEvery", "PT1M") == 400
    assert set_one("DriftPolicy", "report; title=accept") == 204
    assert set_one("ReconcileEvery", "P1D") == 204
    shown = house.call("GET", f"{job.path}/reconciliation").body
    assert shown["driftPolicy"] == {"default": "report", "attributes": {"title": "accept"}}
    assert shown["nextDateTime"] is not None and shown["lastCycle"] is None


def test_what_it_found_is_shown(house: House, job: Started) -> None:
    cycle = job.cycle()
    house.stores.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), None)
    done = replace(cycle, id="r-1", kind=CycleKind.RECONCILIATION)
    house.stores.cycles.begin(done)
    accounts = [
        DiscoveredAccount(kind=ObjectKind.USER, target_id=f"t{number}", display_name=f"Nobody {number}")
        for number in range(3)
    ]
    taken = replace(accounts[2], standing=Standing.UNASSIGNED, source_id="s", source_name="Bob")
    house.stores.discovery.keep(done, [*accounts[:2], taken])
    shown = house.call("GET", f"{job.path}/reconciliation").body
    assert shown["lastCycle"]["kind"] == "reconciliation"
    assert shown["lastCycle"]["counters"]["drifted"] == 0
    assert shown["unmanagedAccounts"] == {"local": 2, "unassigned": 1, "assigned": 0}
    listed = house.call("GET", f"{job.path}/discoveredAccounts?$top=2").body
    assert len(listed["value"]) == 2 and "@odata.nextLink" in listed
    only = house.call("GET", f"{job.path}/discoveredAccounts?standing=unassigned").body["value"]
    assert [(row["targetId"], row["sourceName"]) for row in only] == [("t2", "Bob")]
    assert house.call("GET", f"{job.path}/discoveredAccounts?standing=lost").status == 400
