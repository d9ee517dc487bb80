"""Reconciliations: what was changed at the target is corrected, reported or accepted; unmanaged accounts are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from playing import JOB, Trip

from muster.engine.parts import RECONCILE
from muster.engine.schedule import Schedule
from muster.model.directory import ObjectKind
from muster.model.discovery import Standing
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.job import Cycle, CycleKind, CycleState
from muster.model.log import LogStatus, SkipReason
from muster.scim.schemas import ENTERPRISE_USER_URN


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    return Trip(tmp_path, page="scim")


def reconcile(trip: Trip, state: CycleState = CycleState.SUCCEEDED) -> Cycle:
    trip.clock.advance(timedelta(seconds=1))
    trip.transport.forget()
    cycle = trip.engine.begin(JOB, RECONCILE)
    assert cycle is not None and cycle.kind is CycleKind.RECONCILIATION
    while trip.engine.advance(cycle.id):
        pass
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None and ended.state is state, ended
    return ended


def change_at_target(trip: Trip, person: str, **values: object) -> None:
    link = trip.link(person)
    assert link is not None
    operations = [{"op": "replace", "path": name, "value": value} for name, value in values.items()]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}
    answer = trip.service.ask("PATCH", f"/Users/{link.target_id}", body)
    assert answer.status in (200, 204), answer.json


def set_policy(trip: Trip, text: str) -> None:
    trip.store.jobs.set_settings(JOB, {"DriftPolicy": text})


def test_an_incremental_cycle_sees_no_drift_and_a_reconciliation_corrects_it(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.hire("Bob", jobTitle="Clerk")
    trip.run()
    change_at_target(trip, ada, title="King", displayName="Adaline")
    assert trip.run() is None
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, cycle.counters.updated, cycle.counters.unchanged) == (1, 1, 1)
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Clerk"
    entry = trip.log(ada)[0]
    assert {item.display_name: (item.old_value, item.new_value) for item in entry.modified} == {
        "title": ("King", "Clerk"),
        "displayName": ("Adaline", "Ada Tester"),
    }
    assert reconcile(trip).counters.drifted == 0
    assert trip.transport.writes == []


@pytest.mark.parametrize("policy", ["report", "correct; title=report", "accept; TITLE=report"])
def test_drift_that_is_only_reported_is_told_each_time_and_never_sent(trip: Trip, policy: str) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    set_policy(trip, policy)
    change_at_target(trip, ada, title="King")
    for _ in range(2):
        cycle = reconcile(trip)
        assert trip.transport.writes == []
        assert (cycle.counters.drifted, cycle.counters.updated) == (1, 0)
        entry = trip.log(ada)[0]
        assert (entry.status, entry.skip_reason) == (LogStatus.SKIPPED, SkipReason.DRIFT_REPORTED)
        assert [(item.display_name, item.old_value, item.new_value) for item in entry.modified] == [
            ("title", "King", "Clerk")
        ]
    # What changes in the directory goes out as ever, and nothing besides.
    trip.edit(ada, department="Law")
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "King"
    trip.edit(ada, jobTitle="Chief")
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Chief"


def test_drift_that_is_accepted_stays_until_the_directory_changes(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    set_policy(trip, "accept; displayName=correct")
    change_at_target(trip, ada, title="King", displayName="Adaline")
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, cycle.counters.updated) == (1, 1)
    shown = trip.at_target()["ada@lantaarn.example"]
    assert (shown["title"], shown["displayName"]) == ("King", "Ada Tester")
    change_at_target(trip, ada, title="Queen")
    assert reconcile(trip).counters.drifted == 1
    # Accepted once, it is no drift any more, not even in a full pass that knows no policy.
    assert reconcile(trip).counters.drifted == 0
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []
    trip.edit(ada, jobTitle="Chief")
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Chief"


def test_a_leaver_who_was_switched_on_again_is_switched_off_whatever_the_policy(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, accountEnabled=False)
    trip.run()
    change_at_target(trip, ada, active=True)
    set_policy(trip, "accept")
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, cycle.counters.disabled) == (1, 1)
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False


@pytest.mark.parametrize("says", ["nothing", "active"])
def test_a_leaver_whom_the_application_does_not_switch_off_is_switched_off_again_until_it_has(
    trip: Trip, says: str
) -> None:
    """Though it confirms that it has."""
    ada = trip.hire("Ada")
    trip.run()
    trip.edit(ada, accountEnabled=False)
    shown = json.dumps(trip.at_target()["ada@lantaarn.example"]).encode()

    def confirm(request: HttpRequest, _: object) -> HttpResponse | None:
        if request.method != "PATCH":
            return None
        status, body = (204, b"") if says == "nothing" else (200, shown)
        return HttpResponse(status=status, headers={}, body=body, elapsed=timedelta())

    trip.transport.fault = confirm
    trip.run()
    if says == "active":
        failure = trip.log(ada)[0].failure
        assert failure is not None and "the account is not switched off" in failure.sentence
        assert trip.stores.links.count_escrows(JOB) == 1
    for _ in range(3):
        reconcile(trip, CycleState.SUCCEEDED if says == "nothing" else CycleState.ENTRY_LEVEL_ERRORS)
        assert len(trip.transport.writes) == 1
    trip.transport.fault = None
    cycle = reconcile(trip)
    assert cycle.counters.disabled == 1
    assert trip.at_target()["ada@lantaarn.example"]["active"] is False
    reconcile(trip)
    assert (trip.transport.writes, trip.stores.links.count_escrows(JOB)) == ([], 0)


def test_an_account_that_vanished_is_made_again_and_one_in_scope_that_was_there_is_adopted(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.run()
    link = trip.link(ada)
    assert link is not None
    trip.service.repository.delete("User", link.target_id)
    trip.hire("Bob")
    trip.account("bob@lantaarn.example")
    cycle = reconcile(trip)
    assert (cycle.counters.created, cycle.counters.updated) == (1, 1)
    assert set(trip.at_target()) == {"ada@lantaarn.example", "bob@lantaarn.example"}


def standings(trip: Trip) -> Mapping[str | None, tuple[Standing, str | None]]:
    found, after = trip.store.discovery.accounts(JOB, None, 100, None)
    assert after is None
    return {account.display_name: (account.standing, account.source_id) for account in found}


def test_accounts_that_nobody_manages_are_told_by_whose_they_might_be(trip: Trip) -> None:
    trip.hire("Ada")
    zoe = trip.hire("Zoe", assigned=False)
    cy = trip.hire("Cy", assigned=False)
    trip.run()
    for name in ("zoe@lantaarn.example", "admin@app.example", "CY@lantaarn.example"):
        trip.account(name)
    trip.service.make_group("Local group")
    cycle = reconcile(trip)
    assert trip.transport.writes == []
    assert standings(trip) == {
        "zoe@lantaarn.example": (Standing.UNASSIGNED, zoe),
        "CY@lantaarn.example": (Standing.UNASSIGNED, cy),
        "admin@app.example": (Standing.LOCAL, None),
        "Local group": (Standing.LOCAL, None),
    }
    assert trip.store.discovery.count(JOB) == {Standing.LOCAL: 2, Standing.UNASSIGNED: 2, Standing.ASSIGNED: 0}
    assert cycle.counters.failed == 0
    page, after = trip.store.discovery.accounts(JOB, Standing.UNASSIGNED, 1, None)
    rest, last = trip.store.discovery.accounts(JOB, Standing.UNASSIGNED, 1, after)
    assert last is None and len({*page, *rest}) == 2
    # Once they are in scope they are adopted, and no longer among those whom nobody manages.
    trip.assign(zoe)
    reconcile(trip)
    assert set(standings(trip)) == {"CY@lantaarn.example", "admin@app.example", "Local group"}


def test_somebody_in_scope_whose_account_cannot_be_taken_is_told_apart(trip: Trip) -> None:
    ada = trip.hire("Ada")
    trip.account("ada@lantaarn.example")
    refused = HttpResponse(status=403, headers={}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, send: refused if request.method == "PATCH" else None
    reconcile(trip, CycleState.ENTRY_LEVEL_ERRORS)
    assert standings(trip) == {"ada@lantaarn.example": (Standing.ASSIGNED, ada)}
    assert trip.log(ada)[0].failure is not None


def test_a_target_that_cannot_be_listed_whole_keeps_what_was_known(trip: Trip) -> None:
    trip.hire("Ada")
    trip.account("admin@app.example")
    reconcile(trip)
    assert set(standings(trip)) == {"admin@app.example"}
    trip.account("other@app.example")

    def ends_early(request: object, send: object) -> object:
        answer = send()  # type: ignore[operator]  # the transport's own
        if "startIndex=1&" in request.url and "/Users" in request.url:  # type: ignore[attr-defined]  # a request
            return type(answer)(
                status=200,
                headers=answer.headers,
                body=answer.body.replace(b'"totalResults":3', b'"totalResults":9'),
                elapsed=answer.elapsed,
            )
        return answer

    trip.transport.fault = ends_early
    reconcile(trip)
    assert set(standings(trip)) == {"admin@app.example"}


def test_a_job_is_reconciled_by_its_own_schedule(trip: Trip) -> None:
    trip.hire("Ada")
    schedule = Schedule(trip.stores, trip.clock, trip.store.feed.latest)
    trip.run()
    job = trip.store.jobs.get(JOB)
    assert job is not None and not schedule.is_reconciliation_due(job)
    trip.store.jobs.set_settings(JOB, {"ReconcileEvery": "P1D"})
    job = trip.store.jobs.get(JOB)
    assert job is not None and not schedule.is_reconciliation_due(job)
    trip.clock.advance(timedelta(hours=23))
    assert schedule.due() == []
    trip.clock.advance(timedelta(hours=2))
    assert [found.id for found, _ in schedule.due()] == [JOB] and schedule.is_reconciliation_due(job)
    reconcile(trip)
    assert schedule.due() == [] and not schedule.is_reconciliation_due(job)


def test_a_manager_who_was_changed_at_the_target_is_set_again(trip: Trip) -> None:
    boss, ada, other = trip.hire("Boss"), trip.hire("Ada"), trip.hire("Other")
    trip.set_manager(ada, boss)
    trip.run()
    there, here = trip.link(other), trip.link(boss)
    assert there is not None and here is not None
    change_at_target(trip, ada, **{f"{ENTERPRISE_USER_URN}:manager": {"value": there.target_id}})
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, cycle.counters.references) == (1, 1)
    assert trip.at_target()["ada@lantaarn.example"][ENTERPRISE_USER_URN]["manager"]["value"] == here.target_id
    assert reconcile(trip).counters.drifted == 0


def test_members_who_were_changed_at_the_target_are_as_in_the_directory_again(trip: Trip) -> None:
    ada, bob, cy = (trip.hire(name) for name in ("Ada", "Bob", "Cy"))
    crew = trip.found("Crew", [ada, bob])
    trip.run()
    ids = {name: link.target_id for name, who in (("a", ada), ("b", bob), ("c", cy)) if (link := trip.link(who))}
    group = trip.link(crew, ObjectKind.GROUP)
    assert group is not None
    stranger = trip.account("stranger@app.example")
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "remove", "path": f'members[value eq "{ids["a"]}"]'},
            {"op": "add", "path": "members", "value": [{"value": ids["c"]}, {"value": stranger}]},
        ],
    }
    assert trip.service.ask("PATCH", f"/Groups/{group.target_id}", body).status in (200, 204)
    set_policy(trip, "report")
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, trip.transport.writes) == (1, [])
    set_policy(trip, "correct")
    cycle = reconcile(trip)
    assert cycle.counters.drifted == 1
    members = {member["value"] for member in trip.at_target("Groups")["Crew"]["members"]}
    # A member whom nobody manages is not ours to take away.
    assert members == {ids["a"], ids["b"], stranger}
    cycle = reconcile(trip)
    assert (cycle.counters.drifted, trip.transport.writes) == (0, [])


def test_what_is_reported_beside_what_is_corrected_is_no_more_confirmed_than_before(trip: Trip) -> None:
    ada = trip.hire("Ada", jobTitle="Clerk")
    trip.run()
    set_policy(trip, "correct; title=report")
    change_at_target(trip, ada, title="King", displayName="Adaline")
    assert reconcile(trip).counters.updated == 1
    shown = trip.at_target()["ada@lantaarn.example"]
    assert (shown["title"], shown["displayName"]) == ("King", "Ada Tester")
    # A restart compares everything with the target, and knows no policy.
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.at_target()["ada@lantaarn.example"]["title"] == "Clerk"


@pytest.mark.parametrize("way", ["restart", "plan", "on demand"])
def test_a_pass_that_compares_with_the_target_puts_references_right_too(trip: Trip, way: str) -> None:
    boss, ada, other = trip.hire("Boss"), trip.hire("Ada"), trip.hire("Other")
    trip.set_manager(ada, boss)
    crew = trip.found("Crew", [ada, boss])
    trip.run()
    ids = {who: link.target_id for who in (boss, ada, other) if (link := trip.link(who))}
    group = trip.link(crew, ObjectKind.GROUP)
    assert group is not None
    change_at_target(trip, ada, **{f"{ENTERPRISE_USER_URN}:manager": {"value": ids[other]}})
    if way != "on demand":
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "members", "value": [{"value": ids[ada]}, {"value": ids[other]}]}],
        }
        assert trip.service.ask("PATCH", f"/Groups/{group.target_id}", body).status in (200, 204)
    # The policy of a reconciliation is not asked.
    set_policy(trip, "accept")
    trip.transport.forget()
    if way == "on demand":
        trip.control.provision_on_demand(JOB, ObjectKind.USER, ada)
    else:
        trip.store.jobs.set_watermark(JOB, None)
        if way == "plan":
            plan = trip.planner.make(JOB)
            assert sorted(each.source_name for each in trip.planned(plan)) == ["Ada Tester", "Crew"]
            cycle = trip.planner.apply(plan.id)
            while trip.engine.advance(cycle.id):
                pass
        else:
            trip.run()
    assert trip.at_target()["ada@lantaarn.example"][ENTERPRISE_USER_URN]["manager"]["value"] == ids[boss]
    assert {member["value"] for member in trip.at_target("Groups")["Crew"]["members"]} == {ids[ada], ids[boss]}
    assert trip.transport.writes
    trip.store.jobs.set_watermark(JOB, None)
    trip.run()
    assert trip.transport.writes == []
