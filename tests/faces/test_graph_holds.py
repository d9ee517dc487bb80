"""Held operations over the API: listed, grouped by cause, approved, rejected; and the safeguards that hold them."""

from datetime import UTC, datetime, timedelta

import pytest

from faces.house import House, Started
from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldFilter, HoldState
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Plan,
    PlanKind,
    Quarantine,
    QuarantineReason,
    ScheduleState,
)
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.model.roles import Role
from muster.ports.cycles import Settlement

HELD_AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
SALES = Cause(kind=CauseKind.GROUP_DELETED, subject="g1", sentence="the group Sales-Temp was deleted")
BLOCKED = Cause(kind=CauseKind.SIGN_IN_BLOCKED, sentence="sign-in is blocked in the directory")


def hold(name: str, cause: Cause, state: HoldState = HoldState.HELD) -> Hold:
    operation = Operation(
        change_id=f"c-{name}",
        kind=OperationKind.DISABLE,
        object_kind=ObjectKind.USER,
        source_id=f"s-{name}",
        source_name=f"{name}@example.com",
        reason="left",
        target_id=f"t-{name}",
        changes=(AttributeChange(attribute="active", verb=Verb.REPLACE, old=True, new=False),),
        cause=cause,
    )
    return Hold(
        id=f"h-{name}",
        kind=ObjectKind.USER,
        source_id=f"s-{name}",
        operation=operation,
        code=HoldCode.TOO_MANY,
        reason="too many",
        held_at=HELD_AT,
        state=state,
        cause=cause,
    )


@pytest.fixture
def held(house: House, job: Started) -> Started:
    """A job in quarantine for three held removals of two causes."""
    cycle = Cycle(
        id="cycle-1",
        job_id=job.id,
        kind=CycleKind.INCREMENTAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.CLOSING,
        position=None,
        window_after=0,
        window_until=0,
        epoch=1,
        counters=Counters(),
        began_at=house.clock.at,
    )
    house.stores.cycles.begin(cycle)
    holds = [hold("ada", SALES), hold("bob", SALES), hold("cy", BLOCKED)]
    settlements = [Settlement(kind=each.kind, source_id=each.source_id, hold=each) for each in holds]
    house.stores.cycles.settle(cycle, settlements)
    record = FailureRecord(code="TooManyDeletes", sentence="s", remedy="r")
    house.stores.jobs.set_quarantine(
        job.id,
        Quarantine(
            reason=QuarantineReason.TOO_MANY_DELETES,
            failure=record,
            began_at=house.clock.at,
            series_began_at=house.clock.at,
            series_count=1,
            next_attempt_at=house.clock.at + timedelta(days=1),
        ),
    )
    return job


def quarantined(house: House, job: Started) -> bool:
    found = house.stores.jobs.get(job.id)
    assert found is not None
    return found.quarantine is not None


def ids(house: House, job: Started, query: str = "") -> list[str]:
    return [item["id"] for item in house.call("GET", f"{job.path}/heldOperations{query}").body["value"]]


def test_safeguards_that_are_not_saved_are_weighed(house: House, job: Started) -> None:
    answer = house.call("POST", f"{job.path}/safeguards/whatIf", {"settings": {"ProtectedUsers": "ceo@*"}})
    assert (answer.body["removals"], answer.body["held"], answer.body["protected"]) == (30, 12, 37)
    assert house.weighed == [({"ProtectedUsers": "ceo@*"}, {})]
    for wrong in ({"Nothing": "1"}, {"DeleteGracePeriod": "soon"}, {"ProtectedUsers": 1}):
        assert house.call("POST", f"{job.path}/safeguards/whatIf", {"settings": wrong}).status == 400
    reader = house.token_for(Role.REPORTS_READER)
    assert house.call("POST", f"{job.path}/safeguards/whatIf", {}, token=reader).status == 403


def test_what_is_held_is_shown_with_reason_cause_and_values(house: House, held: Started) -> None:
    shown = house.call("GET", f"{held.path}/heldOperations").body["value"][0]
    assert (shown["state"], shown["code"], shown["reason"], shown["decidedBy"]) == (
        "held",
        "StagedDelete",
        "too many",
        None,
    )
    assert shown["cause"] == {
        "key": "groupDeleted:g1",
        "kind": "groupDeleted",
        "subject": "g1",
        "sentence": "the group Sales-Temp was deleted",
    }
    assert shown["operation"]["changes"] == [
        {"displayName": "active", "verb": "replace", "oldValue": "True", "newValue": "False"}
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?cause=groupDeleted:g1", ["h-ada", "h-bob"]),
        ("?search=BOB", ["h-bob"]),
        ("?kind=disable&objectType=user", ["h-ada", "h-bob", "h-cy"]),
        ("?kind=delete", []),
        ("?objectType=Group", []),
        ("?code=ApprovalRequired", []),
        ("?state=approved", []),
        ("?search=%25", []),
    ],
)
def test_what_is_held_is_found_by_filter(house: House, held: Started, query: str, expected: list[str]) -> None:
    assert ids(house, held, query) == expected


@pytest.mark.parametrize("query", ["?state=gone", "?code=x", "?kind=x", "?kind=skip", "?objectType=Device"])
def test_a_filter_that_means_nothing_is_refused(house: House, held: Started, query: str) -> None:
    answer = house.call("GET", f"{held.path}/heldOperations{query}")
    assert (answer.status, "takes one of" in answer.message) == (400, True)


def test_what_is_held_is_listed_in_pages(house: House, held: Started) -> None:
    first = house.call("GET", f"{held.path}/heldOperations?$top=2").body
    assert [item["id"] for item in first["value"]] == ["h-ada", "h-bob"]
    rest = house.call("GET", first["@odata.nextLink"].partition("/v1.0")[2]).body
    assert [item["id"] for item in rest["value"]] == ["h-cy"]
    assert "@odata.nextLink" not in rest


def test_causes_are_counted_the_largest_first(house: House, held: Started) -> None:
    found = house.call("GET", f"{held.path}/heldOperations/causes").body["value"]
    assert [(item["cause"]["sentence"], item["count"], item["kind"]) for item in found] == [
        ("the group Sales-Temp was deleted", 2, "disable"),
        ("sign-in is blocked in the directory", 1, "disable"),
    ]


def test_a_cause_is_approved_as_one_and_the_audit_log_says_by_whom(house: House, held: Started) -> None:
    body = {"filter": {"cause": "groupDeleted:g1"}}
    answer = house.call("POST", f"{held.path}/heldOperations/approve", body)
    assert answer.body == {"approved": 2, "undecided": 1}
    assert ids(house, held) == ["h-cy"]
    approved = house.call("GET", f"{held.path}/heldOperations?state=approved").body["value"]
    assert {item["decidedBy"] for item in approved} == {"test"}
    due = house.stores.links.due_escrows(held.id, house.clock.at, 10, None)
    assert {escrow.source_id for escrow in due} == {"s-ada", "s-bob"}
    assert quarantined(house, held)
    found = house.stores.jobs.get(held.id)
    assert found is not None
    assert found.quarantine is not None
    # What was approved is due and goes before it; everybody else gets the attempt that was promised.
    assert found.quarantine.next_attempt_at == house.clock.at + timedelta(days=1)
    entry = house.call("GET", "/auditLogs/directoryAudits").body["value"][0]
    assert entry["activityDisplayName"] == "Approve held operations"
    assert "the group Sales-Temp was deleted" in str(entry)
    house.call("POST", f"{held.path}/heldOperations/reject", {"all": True})
    assert not quarantined(house, held)


def test_who_has_decided_may_think_better_of_it(house: House, held: Started) -> None:
    path = f"{held.path}/heldOperations"
    assert house.call("POST", f"{path}/approve", {"ids": ["h-ada"]}).body["approved"] == 1
    assert house.call("POST", f"{path}/reject", {"ids": ["h-ada"]}).body["rejected"] == 1
    assert ids(house, held, "?state=rejected") == ["h-ada"]
    again = house.call("POST", f"{path}/reject", {"ids": ["h-ada", "h-nobody"]})
    assert (again.status, again.code) == (409, "HeldOperationChanged")
    assert "h-ada, h-nobody" in again.message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": [1]},
        {"ids": ["a"], "all": True},
        {"all": "yes"},
        {"filter": "x"},
        {"filter": {"name": "x"}},
        {"filter": {"cause": 1}},
        {"ids": [str(number) for number in range(1001)]},
    ],
)
def test_a_decision_that_does_not_say_about_what_is_refused(house: House, held: Started, body: object) -> None:
    answer = house.call("POST", f"{held.path}/heldOperations/approve", body)
    assert answer.status == 400
    assert ids(house, held) == ["h-ada", "h-bob", "h-cy"]


def test_whoever_only_reads_decides_nothing(house: House, held: Started) -> None:
    reader = house.token_for(Role.GLOBAL_READER)
    assert house.call("GET", f"{held.path}/heldOperations", token=reader).status == 200
    for action in ("approve", "reject"):
        answer = house.call("POST", f"{held.path}/heldOperations/{action}", {"all": True}, token=reader)
        assert answer.status == 403
    assert house.call("PATCH", f"{held.path}/safeguards", {"settings": {}}, token=reader).status == 403


# ---------------------------------------------------------------- safeguards


def test_the_products_own_safeguards_are_shown(house: House, job: Started) -> None:
    shown = house.call("GET", f"{job.path}/safeguards").body
    assert (shown["approval"], shown["deleteGracePeriod"], shown["skipOutOfScopeDeletions"]) == ("none", "PT0S", False)
    assert shown["thresholds"] == {
        "enabled": True,
        "count": 500,
        "share": 0.25,
        "shareFrom": {"removals": 20, "population": 1},
        "rollingDay": {"count": 1000, "share": None},
        "byKind": {"disable": "off", "delete": "off", "groupDelete": "50, 50%", "memberRemoval": "5000, 50%"},
    }


def test_safeguards_are_changed_and_taken_back(house: House, job: Started) -> None:
    house.stores.jobs.set_watermark(job.id, 7)
    body = {
        "settings": {"Approval": "removals", "ProtectedUsers": "admin*, boss@x", "DeleteGracePeriod": "P30D"},
        "skipOutOfScopeDeletions": True,
    }
    shown = house.call("PATCH", f"{job.path}/safeguards", body).body
    assert (shown["approval"], shown["protected"]["users"]) == ("removals", ["admin*", "boss@x"])
    assert (shown["deleteGracePeriod"], shown["skipOutOfScopeDeletions"]) == ("P30D", True)
    found = house.stores.jobs.get(job.id)
    assert found is not None
    assert found.watermark is None
    back = house.call("PATCH", f"{job.path}/safeguards", {"settings": {"Approval": "", "ProtectedUsers": ""}}).body
    assert (back["approval"], back["protected"]["users"], back["skipOutOfScopeDeletions"]) == ("none", [], True)


def test_a_day_without_a_threshold_is_shown_as_such(house: House, job: Started) -> None:
    shown = house.call("PATCH", f"{job.path}/safeguards", {"settings": {"RollingRemovalThreshold": "off"}}).body
    assert shown["thresholds"]["rollingDay"] == {"count": None, "share": None}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "Give settings"),
        ({"settings": {"Aproval": "all"}}, "There is no safeguard Aproval"),
        ({"settings": {"Approval": "maybe"}}, "Approval: “maybe” is no kind of approval"),
        ({"settings": {"DeleteThreshold": "many"}}, "DeleteThreshold: “many” is no limit"),
        ({"settings": {"Approval": True}}, "takes texts"),
        ({"settings": []}, "Give settings"),
        ({"skipOutOfScopeDeletions": "yes"}, "true or false"),
    ],
)
def test_a_wrong_safeguard_is_refused_by_name(house: House, job: Started, body: object, says: str) -> None:
    answer = house.call("PATCH", f"{job.path}/safeguards", body)
    assert (answer.status, says in answer.message) == (400, True)


def test_a_wrong_safeguard_is_refused_among_the_settings_of_a_job_too(house: House, job: Started) -> None:
    body = {"synchronizationJobSettings": [{"name": "Approval", "value": "maybe"}]}
    assert house.call("PATCH", job.path, body).status == 400


# ---------------------------------------------------------------- a cycle that waits as a plan


@pytest.fixture
def waiting(house: House, held: Started) -> str:
    """The path of the plan that a cycle of a job that asks for approval has left."""
    holds, _ = house.stores.holds.list(held.id, HoldFilter(), 10, None)
    operations = [replace(each.operation, change_id=each.id) for each in holds]
    plan = Plan(
        id="cycle-1.approval",
        job_id=held.id,
        hash="0123456789abcdef",
        made_at=house.clock.at,
        counters=Counters(held=3),
        requests=3,
        duration=timedelta(seconds=1),
        kind=PlanKind.APPROVAL,
        cycle_id="cycle-1",
    )
    asked = [HeldOperation(operation=each, hold_code=HoldCode.APPROVAL, reason="asks") for each in operations]
    house.stores.plans.add(plan, held=asked)
    house.stores.jobs.set_schedule(held.id, ScheduleState.ACTIVE)
    return f"{held.path}/plans/01234567"


def test_applying_what_waits_approves_it_and_asks_for_the_cycle_that_sends_it(
    house: House, held: Started, waiting: str
) -> None:
    house.call("POST", f"{held.path}/heldOperations/reject", {"ids": ["h-cy"]})
    asked = house.call("POST", f"{waiting}/apply")
    assert (asked.status, asked.body["kind"]) == (202, "runCycle")
    assert ids(house, held, "?state=approved") == ["h-ada", "h-bob"]
    # What was rejected one by one stays so.
    assert ids(house, held, "?state=rejected") == ["h-cy"]
    assert house.call("POST", f"{waiting}/apply").status == 409


def test_what_waits_is_not_approved_as_a_whole_once_a_part_of_it_has_gone(
    house: House, held: Started, waiting: str
) -> None:
    running = house.stores.cycles.running(held.id)
    assert running is not None
    gone = Settlement(kind=ObjectKind.USER, source_id="s-bob", clear_escrow=True)
    house.stores.cycles.settle(running, [gone])
    answer = house.call("POST", f"{waiting}/apply")
    assert (answer.status, answer.code, "bob@example.com" in answer.message) == (409, "HeldOperationChanged", True)
    assert ids(house, held) == ["h-ada", "h-cy"]


def test_what_waits_is_not_approved_for_a_job_that_is_off(house: House, held: Started, waiting: str) -> None:
    house.stores.jobs.set_schedule(held.id, ScheduleState.PAUSED)
    assert house.call("POST", f"{waiting}/apply").status == 409
    assert ids(house, held) == ["h-ada", "h-bob", "h-cy"]
