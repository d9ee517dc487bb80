"""The provisioning log, the audit log, and provision on demand over the API."""

import json
from datetime import timedelta
from typing import Any

import pytest

from faces.house import House, Started
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.log import (
    Initiator,
    InitiatorType,
    LogEntry,
    LogStatus,
    ModifiedProperty,
    ProvisioningAction,
    SkipReason,
    Step,
    StepType,
)
from muster.model.roles import Role
from muster.ports.cycles import Settlement


def log(house: House, job: Started, number: int, **values: Any) -> LogEntry:
    """Writes an entry as the engine does."""
    cycle = house.stores.cycles.running(job.id) or job.cycle()
    step = Step(
        name="EntryExportAdd",
        type=StepType.EXPORT,
        status=LogStatus.SUCCESS,
        description="User was created",
        details={"ReportableIdentifier": "x"},
    )
    given: dict[str, Any] = {
        "id": f"entry-{number}",
        "at": house.clock.at + timedelta(minutes=number),
        "job_id": job.id,
        "cycle_id": cycle.id,
        "change_id": f"change-{number}",
        "service_principal_id": job.sp,
        "action": ProvisioningAction.CREATE,
        "status": LogStatus.SUCCESS,
        "object_kind": "User",
        "source_id": f"source-{number}",
        "source_name": f"person{number}@example.com",
        "target_id": f"target-{number}",
        "target_name": f"Person {number}",
        "steps": (step,),
        "modified": (ModifiedProperty(display_name="title", old_value=None, new_value="Clerk"),),
        "duration": timedelta(milliseconds=120),
        **values,
    }
    entry = LogEntry(**given)
    house.stores.cycles.settle(cycle, [Settlement(kind=ObjectKind.USER, source_id=entry.source_id, entry=entry)])
    return entry


REFUSED = FailureRecord(code="EntryConflict", sentence="userName is taken.", remedy="Free it.", status=409)


@pytest.fixture
def filled(house: House, job: Started) -> House:
    log(house, job, 1)
    log(house, job, 2, status=LogStatus.FAILURE, failure=REFUSED, target_id=None, target_name=None)
    log(
        house,
        job,
        3,
        status=LogStatus.SKIPPED,
        action=ProvisioningAction.OTHER,
        skip_reason=SkipReason.NOT_EFFECTIVELY_ENTITLED,
        reason="holds only Default Access",
    )
    return house


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer.body["value"]]


def test_an_entry_has_the_documented_parts(filled: House) -> None:
    entries = {each["id"]: each for each in filled.call("GET", "/auditLogs/provisioning").body["value"]}
    good, failed, skipped = (entries[f"entry-{number}"] for number in (1, 2, 3))
    assert good["provisioningStatusInfo"] == {"status": "success", "errorInformation": None}
    assert (good["provisioningAction"], good["durationInMilliseconds"]) == ("create", 120)
    assert good["servicePrincipal"]["displayName"] == good["targetSystem"]["displayName"] == "8x8"
    assert good["sourceIdentity"]["identityType"] == "User"
    assert good["provisioningSteps"][0]["provisioningStepType"] == "export"
    assert good["modifiedProperties"] == [{"displayName": "title", "oldValue": None, "newValue": "Clerk"}]
    information = failed["provisioningStatusInfo"]["errorInformation"]
    assert (information["errorCode"], information["recommendedAction"], information["errorCategory"]) == (
        "EntryConflict",
        "Free it.",
        "failure",
    )
    information = skipped["provisioningStatusInfo"]["errorInformation"]
    assert (information["errorCode"], information["errorCategory"]) == ("NotEffectivelyEntitled", "nonServiceFailure")


def test_what_is_as_somebody_wanted_it_asks_for_no_check(filled: House, job: Started) -> None:
    why = "Boss is protected by the pattern “boss*”"
    for number, reason in enumerate((SkipReason.PROTECTED, SkipReason.GRACE_PERIOD), 4):
        log(filled, job, number, status=LogStatus.SKIPPED, skip_reason=reason, reason=why)
    entries = {each["id"]: each for each in filled.call("GET", "/auditLogs/provisioning").body["value"]}
    protected, waiting = (entries[f"entry-{number}"]["provisioningStatusInfo"]["errorInformation"] for number in (4, 5))
    assert protected["reason"] == why and "Safeguards" in protected["recommendedAction"]
    assert "grace period" in waiting["recommendedAction"]


def test_an_entry_names_who_asked_for_it_and_what_the_application_answered(filled: House, job: Started) -> None:
    ann = Initiator(type=InitiatorType.USER, id="ann-1", display_name="Ann Admin")
    log(filled, job, 4, initiator=ann)
    entries = {each["id"]: each for each in filled.call("GET", "/auditLogs/provisioning").body["value"]}
    assert entries["entry-4"]["initiatedBy"] == {"id": "ann-1", "displayName": "Ann Admin", "initiatorType": "user"}
    assert entries["entry-1"]["initiatedBy"]["initiatorType"] == "system"
    assert ids(filled.call("GET", "/auditLogs/provisioning?$filter=initiatedBy/id eq 'ann-1'")) == ["entry-4"]
    information = entries["entry-2"]["provisioningStatusInfo"]["errorInformation"]
    assert information["additionalDetails"] == "The target system answered HTTP 409."
    assert entries["entry-1"]["sourceSystem"]["displayName"] == "Directory"


def test_an_entry_of_either_log_is_found_by_its_id(filled: House) -> None:
    listed = {each["id"]: each for each in filled.call("GET", "/auditLogs/provisioning").body["value"]}
    one = filled.call("GET", "/auditLogs/provisioning/entry-2").body
    assert one.pop("@odata.context").endswith("#auditLogs/provisioning/$entity")
    assert one == listed["entry-2"]
    assert ids(filled.call("GET", "/auditLogs/provisioning?$filter=id eq 'entry-3'")) == ["entry-3"]
    audits = filled.call("GET", "/auditLogs/directoryAudits").body["value"]
    assert filled.call("GET", f"/auditLogs/directoryAudits('{audits[-1]['id']}')").body.items() >= audits[-1].items()
    assert filled.call("GET", "/auditLogs/provisioning/entry-9").status == 404
    assert filled.call("GET", "/auditLogs/directoryAudits/entry-1").status == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1]),
        ("$orderby=activityDateTime desc", [3, 2, 1]),
        ("$filter=changeId eq 'change-2'", [2]),
        ("$filter=provisioningStatusInfo/status eq 'failure'", [2]),
        ("$filter=statusInfo/status eq 'Skipped'", [3]),
        ("$filter=provisioningAction eq 'create' and sourceIdentity/id eq 'source-1'", [1]),
        ("$filter=contains(sourceIdentity/displayName,'PERSON3')", [3]),
        ("$filter=contains(tolower(targetIdentity/displayName),'person 1')", [1]),
        ("$filter=activityDateTime ge 2026-05-04T08:02:00Z", [3, 2]),
        ("$filter=activityDateTime gt 2026-05-04T08:02:00Z", [3]),
        ("$filter=activityDateTime lt 2026-05-04T08:02:00Z", [1]),
        ("$filter=activityDateTime le '2026-05-04T08:02:00Z'", [2, 1]),
        ("$filter=activityDateTime eq 2026-05-04T08:02:00Z", [2]),
        ("$filter=jobId eq 'another'", []),
        ("$filter=changeId ne 'change-2'", [3, 1]),
        ("$filter=changeId ne 'change-3' and jobId ne 'another'&$top=1", [2]),
        ("$top=1", [3]),
        ("$orderby=activityDateTime asc", [1, 2, 3]),
        ("$orderby=activityDateTime&$top=2", [1, 2]),
        ("$filter=provisioningAction ne 'create'", [3]),
        ("$filter=not(provisioningAction eq 'create')", [3]),
        ("$filter=jobId eq 'x' and jobId eq 'y'", []),
        ("$filter=activityDateTime ne 2026-05-04T08:02:00Z", [3, 1]),
        ("$filter=activityDateTime ge 2026-05-04T08:01:30Z and activityDateTime le 2026-05-04T08:02:30Z", [2]),
        ("$filter=changeId eq 'change-1' or provisioningStatusInfo/status eq 'failure'", [2, 1]),
        ("$filter=changeId in ('change-1','change-3','nothing')", [3, 1]),
        ("$filter=provisioningStatusInfo/errorInformation/errorCode eq 'EntryConflict'", [2]),
        ("$filter=provisioningStatusInfo/errorInformation ne null", None),
        ("$filter=startswith(sourceIdentity/displayName,'person1')", [1]),
        ("$filter=endswith(sourceIdentity/displayName,'3@example.com')", [3]),
        ("$filter=modifiedProperties/any(m:m/displayName eq 'TITLE' and m/newValue eq 'Clerk')", [3, 2, 1]),
        ("$filter=modifiedProperties/any(m:m/displayName eq 'mail')", []),
        ("$filter=provisioningSteps/all(s:s/status eq 'success')", [3, 2, 1]),
        ("$filter=durationInMilliseconds gt 119.5 and durationInMilliseconds lt 121", [3, 2, 1]),
        ("$filter=targetSystem/displayName eq '8x8' and action eq 'other'", [3]),
        ("$filter=initiatedBy/initiatorType eq 'system' and changeId eq 'change-2'", [2]),
    ],
)
def test_entries_are_found_by_filter(filled: House, query: str, found: list[int] | None) -> None:
    answer = filled.call("GET", f"/auditLogs/provisioning?{query}")
    if found is None:
        assert (answer.status, answer.code) == (400, "BadRequest")
        return
    assert answer.status == 200, answer.text
    assert ids(answer) == [f"entry-{number}" for number in found]


def test_microsoft_s_sample_filter_on_the_service_principal_works(filled: House, job: Started) -> None:
    for query in (f"contains(tolower(servicePrincipal/id), '{job.sp}')", f"servicePrincipal/id eq '{job.sp}'"):
        assert len(ids(filled.call("GET", f"/auditLogs/provisioning?$filter={query}"))) == 3


@pytest.mark.parametrize(
    "query",
    [
        "$filter=jobId eq",
        "$filter=jobId eq 7",
        "$filter=provisioningAction eq 'explode'",
        "$filter=colour eq 'red'",
        "$filter=activityDateTime ge 'soon'",
        "$filter=activityDateTime lt 0001-01-01T00:00:00Z",
        "$filter=activityDateTime ge 0001-01-01T00:00:00%2B14:00",
        "$filter=activityDateTime gt '9999-12-31T23:59:59Z'",
        "$filter=modifiedProperties eq 'title'",
        "$filter=jobId/any(x:x eq 'y')",
        "$filter=contains(durationInMilliseconds,'1')",
        "$filter=provisioningStatusInfo/status in ('failure','odd')",
        "$orderby=jobId",
        "$orderby=activityDateTime sideways",
        "$skiptoken=AAAA",
    ],
)
def test_a_search_that_cannot_be_done_is_refused(filled: House, query: str) -> None:
    answer = filled.call("GET", f"/auditLogs/provisioning?{query}")
    assert answer.status == 400
    if "$filter" in query:
        assert "position" in answer.message


def test_pages_of_the_log_lead_on(filled: House) -> None:
    path, seen = "/auditLogs/provisioning?$top=2", []
    while path:
        page = filled.call("GET", path)
        seen += ids(page)
        path = page.body.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert seen == ["entry-3", "entry-2", "entry-1"]


def test_a_reader_of_reports_reads_logs_and_nothing_else(filled: House) -> None:
    token = filled.token_for(Role.REPORTS_READER)
    assert len(ids(filled.call("GET", "/auditLogs/provisioning", token=token))) == 3
    assert filled.call("GET", "/auditLogs/directoryAudits", token=token).status == 200
    assert filled.call("GET", "/servicePrincipals", token=token).status == 403


@pytest.mark.parametrize(
    ("query", "least"),
    [
        ("$filter=category eq 'ProvisioningManagement'", 2),
        ("$filter=startswith(activityDisplayName,'Add')", 2),
        ("$filter=contains(initiatedBy/user/displayName,'TEST')", 2),
        ("$filter=loggedByService eq 'Account Provisioning'", 2),
        ("$filter=activityDateTime ge 2026-05-04T08:00:00Z and result eq 'success'", 2),
        ("$filter=activityDateTime lt 2026-05-04T08:00:00Z", 0),
        ("$filter=activityDateTime gt 2026-05-04T08:00:00Z", 0),
        ("$filter=activityDateTime le 2026-05-04T08:00:00Z", 2),
        ("$filter=category ne 'x'&$orderby=activityDateTime asc", 2),
        ("$filter=targetResources/any(t:t/displayName eq '8x8' and t/type eq 'ServicePrincipal')", 2),
        ("$filter=targetResources/any(t:t/modifiedProperties/any(m:m/displayName eq 'template'))", 1),
        ("$filter=targetResources/any(t:t/id eq 'nobody')", 0),
    ],
)
def test_audits_are_found_by_filter(house: House, job: Started, query: str, least: int) -> None:
    answer = house.call("GET", f"/auditLogs/directoryAudits?{query}")
    assert answer.status == 200, answer.text
    assert (len(answer.body["value"]) >= least) if least else answer.body["value"] == []


@pytest.mark.parametrize("query", ["$filter=colour eq 'x'", "$filter=category eq 7", "$orderby=category"])
def test_an_audit_search_that_cannot_be_done_is_refused(house: House, query: str) -> None:
    assert house.call("GET", f"/auditLogs/directoryAudits?{query}").status == 400


def test_pages_of_the_audit_log_lead_on(house: House, job: Started) -> None:
    whole = ids(house.call("GET", "/auditLogs/directoryAudits"))
    path, seen = "/auditLogs/directoryAudits?$top=2", []
    while path:
        page = house.call("GET", path)
        seen += ids(page)
        path = page.body.get("@odata.nextLink", "").partition("/v1.0")[2]
    assert seen == whole


def test_both_logs_say_how_many_there_are(filled: House) -> None:
    for path, condition in (
        ("provisioning", ""),
        ("provisioning", "&$filter=provisioningAction eq 'create' or startswith(changeId,'change-3')"),
        ("directoryAudits", "&$filter=category eq 'ApplicationManagement' or category eq 'RoleManagement'"),
    ):
        whole = filled.call("GET", f"/auditLogs/{path}?$top=1000{condition}").body["value"]
        page = filled.call("GET", f"/auditLogs/{path}?$top=1&$count=true{condition}").body
        assert len(page["value"]) == 1
        assert page["@odata.count"] == len(whole) > 1


def test_beta_shows_action_and_status_under_their_earlier_names(filled: House) -> None:
    entry = filled.call("GET", "/auditLogs/provisioning?$top=1", version="beta").body["value"][0]
    assert (entry["action"], entry["statusInfo"]) == (entry["provisioningAction"], entry["provisioningStatusInfo"])
    assert "statusInfo" not in filled.call("GET", "/auditLogs/provisioning?$top=1").body["value"][0]


# ---------------------------------------------------------------- provision on demand


def on_demand(house: House, job: Started, user: str, rule: str | None = None, **subject: Any) -> Any:
    rule = rule or house.call("GET", f"{job.path}/schema").body["synchronizationRules"][0]["id"]
    given = {"objectId": user, "objectTypeName": "User", **subject}
    body = {"parameters": [{"ruleId": rule, "subjects": [given]}]}
    return house.call("POST", f"{job.path}/provisionOnDemand", body)


def engine(house: House, state: str, answer: dict[str, Any]) -> None:
    """Lets somebody take and finish the work while the call waits."""

    def work() -> None:
        taken = house.stores.work.take("engine")
        if taken is not None:
            house.stores.work.finish(taken.id, state, answer)

    house.clock.while_waiting = work


def test_provision_on_demand_answers_with_two_texts(house: House, job: Started) -> None:
    ada = house.user("ada")
    entry = log(house, job, 1)
    engine(house, "done", {"cycleId": entry.cycle_id, "changeId": entry.change_id})
    shown = on_demand(house, job, ada["id"]).body
    key, value = json.loads(shown["key"]), json.loads(shown["value"])
    assert key == {"result": "Success", "details": {"errorCode": "", "errorMessage": ""}}
    assert (value["action"], value["changeId"], value["statusInfo"]["status"]) == ("Create", "change-1", "Success")
    assert value["provisioningSteps"][0]["type"] == "export"
    assert value["targetSystem"]["name"] == "8x8"


@pytest.mark.parametrize(
    ("state", "answer", "result", "code"),
    [
        ("done", {"cycleId": "c", "changeId": "none"}, "Skipped", "RedundantExport"),
        (
            "failed",
            {"code": "InvalidCredentials", "reason": "401."},
            "Failure",
            "InvalidCredentials",
        ),
    ],
)
def test_provision_on_demand_says_when_nothing_was_done_or_could_be(
    house: House, job: Started, state: str, answer: dict[str, Any], result: str, code: str
) -> None:
    ada = house.user("ada")
    engine(house, state, answer)
    key = json.loads(on_demand(house, job, ada["id"]).body["key"])
    assert (key["result"], key["details"]["errorCode"]) == (result, code)


def test_a_failed_object_is_answered_with_its_code(house: House, job: Started) -> None:
    ada = house.user("ada")
    entry = log(house, job, 1, status=LogStatus.FAILURE, failure=REFUSED)
    engine(house, "done", {"cycleId": entry.cycle_id, "changeId": entry.change_id})
    shown = on_demand(house, job, "ada@example.com").body
    assert json.loads(shown["key"])["details"] == {"errorCode": "EntryConflict", "errorMessage": "userName is taken."}
    assert json.loads(shown["value"])["statusInfo"]["recommendedAction"] == "Free it."
    assert ada["id"]


def test_an_engine_that_does_not_answer_is_named(house: House, job: Started) -> None:
    ada = house.user("ada")
    answer = on_demand(house, job, ada["id"])
    assert (answer.status, answer.code) == (503, "EngineNotAnswering")


def test_the_sixth_call_in_ten_seconds_has_to_wait(house: House, job: Started) -> None:
    ada = house.user("ada")
    engine(house, "done", {})
    house.clock.sleep = lambda duration: house.clock.while_waiting()  # type: ignore[method-assign]  # time stands
    assert [on_demand(house, job, ada["id"]).status for _ in range(5)] == [200] * 5
    answer = on_demand(house, job, ada["id"])
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "TooManyRequests", "10")
    house.clock.at += timedelta(seconds=11)
    assert on_demand(house, job, ada["id"]).status == 200


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ({"objectId": "nobody"}, 404),
        ({"objectTypeName": "Robot"}, 400),
        ({"objectId": 7}, 400),
        ({"objectTypeName": "Group", "links": {"members": [{"objectId": str(n)} for n in range(10_001)]}}, 400),
        ({"objectTypeName": "User", "links": {"members": [{"objectId": "1"}]}}, 404),
    ],
)
def test_a_wrong_subject_is_refused(house: House, job: Started, subject: dict[str, Any], status: int) -> None:
    group = house.group()
    given = {"objectId": group["id"] if "links" in subject else house.user()["id"], **subject}
    assert on_demand(house, job, "", **given).status == status


def test_a_rule_that_the_job_does_not_have_is_refused(house: House, job: Started) -> None:
    answer = on_demand(house, job, house.user()["id"], rule="nothing")
    assert (answer.status, "nothing" in answer.message) == (400, True)
    for body in ({}, {"parameters": []}, {"parameters": [{"subjects": []}]}, {"parameters": 7}):
        house.clock.at += timedelta(seconds=11)
        assert house.call("POST", f"{job.path}/provisionOnDemand", body).status == 400
