"""Ours beside Graph's: plans, cycles at once, imports and work over the API."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from faces.house import House, Started
from muster.administration import rules as administration_rules
from muster.cli.api import Api, LocalApi
from muster.cli.provisioning import apply
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HeldOperation, HoldCode
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Escrow,
    Irreversible,
    Plan,
    PlanKind,
    ScheduleState,
)
from muster.model.log import SkipReason
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.model.roles import Role
from muster.model.whatif import OtherScope
from muster.ports.cycles import Settlement
from muster.web.graph.plans import FIRST_OPERATIONS

HOUR = timedelta(hours=1)


UPDATE = Operation(
    change_id="c1",
    kind=OperationKind.UPDATE,
    object_kind=ObjectKind.USER,
    source_id="s1",
    source_name="ada@example.com",
    reason="title differs",
    target_id="t1",
    changes=(
        AttributeChange(attribute="title", verb=Verb.REPLACE, old="Clerk", new="Chief"),
        AttributeChange(attribute="locale", verb=Verb.ADD, old=None, new="secret", redacted=True),
    ),
)
SKIP = Operation(
    change_id="c2",
    kind=OperationKind.SKIP,
    object_kind=ObjectKind.USER,
    source_id="s2",
    source_name="bob@example.com",
    reason="not assigned",
    skip_reason=SkipReason.NOT_ASSIGNED,
)
HELD = HeldOperation(operation=UPDATE, hold_code=HoldCode.TOO_MANY, reason="too many")


def keep_plan(house: House, job: Started) -> Plan:
    plan = Plan(
        id="plan-1",
        job_id=job.id,
        hash="abcdef0123456789",
        made_at=house.clock.at,
        counters=Counters(updated=1, skipped=1),
        requests=2,
        duration=timedelta(seconds=90),
    )
    return house.stores.plans.add(plan, [UPDATE, SKIP], [HELD])


def test_a_plan_is_asked_for_and_shown(house: House, job: Started) -> None:
    asked = house.call("POST", f"{job.path}/plans")
    assert asked.status == 202
    assert (asked.body["kind"], asked.body["state"], asked.body["jobId"]) == ("plan", "queued", job.id)
    link = asked.headers["location"].partition("/v1.0")[2]
    assert house.call("GET", link).body["state"] == "queued"
    taken = house.stores.work.take("engine")
    assert taken is not None
    plan = keep_plan(house, job)
    house.stores.work.finish(taken.id, "done", {"planId": plan.id, "hash": plan.hash})
    done = house.call("GET", link).body
    assert (done["state"], done["answer"]["hash"]) == ("done", plan.hash)
    (listed,) = house.call("GET", f"{job.path}/plans").body["value"]
    assert (listed["hash"], listed["duration"], "operations" in listed) == (plan.hash, "PT1M30S", False)
    shown = house.call("GET", f"{job.path}/plans/abcdef01").body
    assert shown["operations"][0]["changes"][0] == {
        "displayName": "title",
        "verb": "replace",
        "oldValue": "Clerk",
        "newValue": "Chief",
    }
    assert shown["operations"][0]["changes"][1]["newValue"] == "[Redact]"
    assert shown["operations"][1]["skipReason"] == "NotAssigned"
    assert shown["held"][0]["holdReason"] == "too many"


def test_a_long_plan_is_read_page_by_page(house: House, job: Started) -> None:
    many = [replace(UPDATE, source_id=f"s-{number}", change_id=f"c-{number}") for number in range(1_003)]
    held = [replace(HELD, operation=each) for each in many]
    house.stores.plans.add(replace(keep_plan(house, job), id="long", hash="feedface" * 4), many, held)
    shown = house.call("GET", f"{job.path}/plans/long").body
    assert (shown["operationCount"], shown["heldCount"], len(shown["operations"])) == (1_003, 1_003, FIRST_OPERATIONS)
    assert [(each["kind"], each["held"], each["key"], each["count"]) for each in shown["groups"]] == [
        ("update", True, "StagedDelete", 1_003),
        ("update", False, "title differs", 1_003),
    ]
    for name in ("operations", "held"):
        rest = house.call("GET", shown[f"{name}@odata.nextLink"].partition("/v1.0")[2]).body
        found = [each["sourceId"] for each in (*shown[name], *rest["value"])]
        assert found == [each.source_id for each in many]
        assert "@odata.nextLink" not in rest
    first = house.call("GET", f"{job.path}/plans/long/operations?$top=2").body
    second = house.call("GET", first["@odata.nextLink"].partition("/v1.0")[2]).body
    assert [each["sourceId"] for each in (*first["value"], *second["value"])] == ["s-0", "s-1", "s-2", "s-3"]
    for name in ("operations", "held"):
        assert house.call("GET", f"{job.path}/plans/long/{name}?$count=true&$top=1").body["@odata.count"] == 1_003


def test_with_a_plan_it_is_told_how_many_failed_and_wait(house: House, job: Started) -> None:
    plan = keep_plan(house, job)
    assert house.call("GET", f"{job.path}/plans/{plan.id}").body["failedWaiting"] == {
        "count": 0,
        "nextAttemptDateTime": None,
    }
    at = house.clock.now()
    failure = FailureRecord(code="EntryConflict", sentence="The name is taken.", remedy="Free it.", retry=True)
    escrow = Escrow(
        source_id="u-1",
        kind="User",
        failure=failure,
        attempts=1,
        first_failed_at=at,
        next_attempt_at=plan.made_at + HOUR,
    )
    settlement = Settlement(kind=ObjectKind.USER, source_id="u-1", escrow=escrow)
    house.stores.cycles.settle(job.cycle(), [settlement])
    assert house.call("GET", f"{job.path}/plans/{plan.id}").body["failedWaiting"] == {
        "count": 1,
        "nextAttemptDateTime": (plan.made_at + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_a_plan_is_applied_once(house: House, job: Started) -> None:
    plan = keep_plan(house, job)
    asked = house.call("POST", f"{job.path}/plans/{plan.hash}/apply")
    assert (asked.status, asked.body["kind"]) == (202, "apply")
    taken = house.stores.work.take("engine")
    assert taken is not None
    assert taken.payload["planId"] == plan.id
    house.stores.plans.mark_applied(plan.id, house.clock.at)
    answer = house.call("POST", f"{job.path}/plans/{plan.hash}/apply")
    assert (answer.status, "make a new one" in answer.message) == (409, True)
    assert house.call("POST", f"{job.path}/plans/ffffffff/apply").status == 404


def test_a_plan_belongs_to_its_job(house: House, job: Started) -> None:
    keep_plan(house, job)
    other = house.job(job.sp)
    assert house.call("GET", f"{job.sync}/jobs/{other['id']}/plans/abcdef01").status == 404
    assert house.call("GET", f"{job.sync}/jobs/{other['id']}/plans").body["value"] == []


def test_a_cycle_can_be_asked_for_at_once(house: House, job: Started) -> None:
    assert house.call("POST", f"{job.path}/cycles").body["kind"] == "runCycle"


def test_a_file_is_kept_and_its_import_queued(house: House) -> None:
    content = b"userPrincipalName,displayName\nada@example.com,Ad\xe9\n"
    asked = house.call("POST", "/imports?fileName=people.csv", raw=content, headers={"Content-Type": "text/csv"})
    assert asked.status == 202, asked.text
    taken = house.stores.work.take("engine")
    assert taken is not None
    assert house.uploads.files[str(taken.payload["file"])] == content
    assert taken.payload["fileName"] == "people.csv"
    link = asked.headers["location"].partition("/v1.0")[2]
    assert link.startswith("/imports/")
    found = house.call("GET", link).body
    assert found["state"] == "running" and "read as Windows-1252" in found["notices"][0]
    people = house.token_for(Role.USER_ADMINISTRATOR)
    assert house.call("GET", link, token=people).status == 200
    reader = house.token_for(Role.GLOBAL_READER)
    assert house.call("GET", link.replace("/imports/", "/work/"), token=reader).status == 404


@pytest.mark.parametrize(
    ("query", "content", "says"),
    [
        ("", b"x", "Name the file"),
        ("?fileName=people.exe", b"x", "*.csv"),
        ("?fileName=..%2F..%2Fetc%2Fpasswd", b"x", "*.csv"),
        ("?fileName=people.csv", b"  \n", "is empty"),
    ],
)
def test_a_wrong_file_is_refused(house: House, query: str, content: bytes, says: str) -> None:
    answer = house.call("POST", f"/imports{query}", raw=content)
    assert (answer.status, says in answer.message) == (400, True)
    assert house.uploads.files == {}


def test_a_folder_in_a_file_s_name_is_dropped(house: House) -> None:
    house.call("POST", "/imports?fileName=..%2F..%5Cpeople.json", raw=b"[]")
    taken = house.stores.work.take("engine")
    assert taken is not None
    assert taken.payload["fileName"] == "people.json"


def test_unknown_work_is_not_found(house: House) -> None:
    assert house.call("GET", "/work/nothing").status == 404


# ---------------------------------------------------------------- what-if


def test_rules_that_are_not_saved_are_tried(house: House, job: Started) -> None:
    rules = house.call("GET", f"{job.path}/schema").body
    rules.pop("@odata.context", None)
    answer = house.call("POST", f"{job.path}/whatIf", {"schema": rules, "top": 5})
    assert answer.status == 200, answer.text
    assert (answer.body["sentence"], answer.body["affected"], answer.body["requests"]) == ("2 change title", 2, 2)
    ((document, scope, limit),) = house.tried
    assert (document["id"], scope, limit) == (job.id, OtherScope(), 5)
    assert house.call("POST", f"{job.path}/whatIf", {"syncAll": True}).status == 200
    assert house.tried[-1] == (None, OtherScope(sync_all=True), 1000)
    others = {"transitiveGroups": True, "acceptsDefaultAccess": False, "skipOutOfScopeDeletions": True}
    assert house.call("POST", f"{job.path}/whatIf", others).status == 200
    wanted = OtherScope(transitive=True, accepts_default_access=False, skip_out_of_scope_deletions=True)
    assert house.tried[-1] == (None, wanted, 1000)
    reader = house.token_for(Role.GLOBAL_READER)
    assert house.call("POST", f"{job.path}/whatIf", {"syncAll": True}, token=reader).status == 200


def test_a_second_look_at_everybody_waits_for_the_first(
    house: House, job: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert administration_rules._TRYING.acquire()
    threading.Timer(0.05, administration_rules._TRYING.release).start()
    assert house.call("POST", f"{job.path}/whatIf", {"syncAll": True}).status == 200
    # But not for ever.
    monkeypatch.setattr(administration_rules, "PATIENCE_SECONDS", 0.0)
    with administration_rules._TRYING:
        answer = house.call("POST", f"{job.path}/whatIf", {"syncAll": True})
    assert (answer.status, answer.headers["retry-after"]) == (429, "5")
    assert "send the same request again in 5 seconds" in answer.message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "Give other rules"),
        ({"schema": []}, "schema takes"),
        ({"schema": {"synchronizationRules": []}}, ""),
        ({"syncAll": "yes"}, "true or false"),
        ({"transitiveGroups": 1}, "true or false"),
        ({"syncAll": True, "top": -1}, "top takes"),
        ({"syncAll": True, "top": True}, "top takes"),
    ],
)
def test_what_cannot_be_tried_is_refused(house: House, job: Started, body: object, says: str) -> None:
    answer = house.call("POST", f"{job.path}/whatIf", body)
    assert (answer.status, says in answer.message) == (400, True)
    assert house.tried == []


# ---------------------------------------------------------------- rollback


def keep_cycle(house: House, job: Started, state: CycleState) -> str:
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
        counters=Counters(writes=1),
        began_at=house.clock.at,
    )
    house.stores.cycles.begin(cycle)
    if state is not CycleState.RUNNING:
        house.stores.cycles.close(replace(cycle, state=state, ended_at=house.clock.at), None)
    return f"{job.path}/cycles/{cycle.id}/rollback"


def test_the_way_back_of_a_cycle_is_asked_for(house: House, job: Started) -> None:
    path = keep_cycle(house, job, CycleState.SUCCEEDED)
    asked = house.call("POST", path)
    assert (asked.status, asked.body["kind"]) == (202, "rollback")
    taken = house.stores.work.take("engine")
    assert taken is not None
    assert taken.payload == {"cycleId": "cycle-1"}
    assert house.call("POST", path.replace("cycle-1", "nothing")).status == 404
    assert house.call("POST", path, token=house.token_for(Role.GLOBAL_READER)).status == 403


def test_a_running_cycle_is_not_taken_back(house: House, job: Started) -> None:
    assert house.call("POST", keep_cycle(house, job, CycleState.RUNNING)).status == 409


@pytest.mark.parametrize("kind", list(PlanKind))
def test_a_plan_without_anything_to_apply_is_refused_and_changes_nothing(
    house: House, job: Started, kind: PlanKind, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty rollback paused the job, and an empty approval asked for a cycle."""
    plan = replace(keep_plan(house, job), id="p2", hash="feedbeef" * 4, kind=kind, cycle_id="cycle-1")
    told = replace(UPDATE, kind=OperationKind.SKIP)
    house.stores.plans.add(plan, [told], held=[HeldOperation(operation=told, hold_code=HoldCode.TOO_MANY, reason="so")])
    house.stores.jobs.set_schedule(job.id, ScheduleState.ACTIVE)
    answer = house.call("POST", f"{job.path}/plans/p2/apply")
    assert (answer.status, answer.code, "nothing to do" in answer.message) == (409, "NothingToApply", True)
    found = house.stores.jobs.get(job.id)
    assert found is not None
    assert (found.schedule_state, house.stores.work.take("engine")) == (ScheduleState.ACTIVE, None)

    @contextmanager
    def opened(*_: object) -> Iterator[Api]:
        yield LocalApi(house.site, house.token)

    monkeypatch.setattr("muster.cli.provisioning.open_api", opened)
    apply("feedbeef", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"counters": {}}


def test_applying_a_rollback_pauses_the_job_and_the_audit_log_says_so(house: House, job: Started) -> None:
    left = Irreversible(source_id="s1", source_name="ada", attribute=None, reason="it was deleted")
    plan = replace(keep_plan(house, job), id="p2", hash="feedbeef" * 4, kind=PlanKind.ROLLBACK, cycle_id="cycle-1")
    house.stores.plans.add(replace(plan, irreversible=(left,)), [UPDATE])
    shown = house.call("GET", f"{job.path}/plans/p2").body
    assert (shown["kind"], shown["cycleId"]) == ("rollback", "cycle-1")
    assert shown["irreversible"] == [
        {"sourceId": "s1", "sourceName": "ada", "attribute": None, "reason": "it was deleted"}
    ]
    house.stores.jobs.set_schedule(job.id, ScheduleState.ACTIVE)
    assert house.call("POST", f"{job.path}/plans/p2/apply").status == 202
    found = house.stores.jobs.get(job.id)
    assert found is not None
    assert found.schedule_state is ScheduleState.PAUSED
    entry = str(house.call("GET", "/auditLogs/directoryAudits").body["value"][0])
    assert "cycle-1" in entry
    assert "Paused" in entry
