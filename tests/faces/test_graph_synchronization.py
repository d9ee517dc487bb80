"""Secrets, Test Connection, jobs, rules and expressions over the API."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faces.house import GOOD_TOKEN, TENANT_URL, House, Started
from muster.gallery.catalogue import FILE_TEMPLATE_ID, find
from muster.model.application import EnterpriseApplication
from muster.model.failures import FailureRecord
from muster.model.job import (
    DEFAULT_INTERVAL,
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    Quarantine,
    QuarantineReason,
    ResetScope,
    ScheduleState,
    SynchronizationJob,
)

NOBODY = "99999999-9999-9999-9999-999999999999"
MASK = "********"


# ---------------------------------------------------------------- secrets


def test_secrets_come_back_masked(house: House) -> None:
    sp = house.application()["id"]
    path = f"/servicePrincipals/{sp}/synchronization/secrets"
    assert house.call("GET", path).body["value"] == []
    bare = [{"key": "BaseAddress", "value": TENANT_URL}, {"key": "SecretToken", "value": GOOD_TOKEN}]
    assert house.call("PUT", path, bare).status == 204
    shown = {each["key"]: each["value"] for each in house.call("GET", path).body["value"]}
    assert shown == {"BaseAddress": TENANT_URL, "SecretToken": MASK}
    whole = house.call("GET", f"/servicePrincipals/{sp}/synchronization").body
    assert {each["key"]: each["value"] for each in whole["secrets"]} == shown


def test_what_was_read_can_be_put_back_and_a_key_is_removed_by_an_empty_value(house: House) -> None:
    sp = house.application()["id"]
    path = f"/servicePrincipals/{sp}/synchronization/secrets"
    house.credentials(sp, SyncAll="true")
    shown = house.call("GET", path).body["value"]
    for pair in shown:
        if pair["key"] == "SyncAll":
            pair["value"] = ""
    assert house.call("PUT", path, {"value": shown}).status == 204
    assert dict(house.stores.secrets.get(sp)) == {"BaseAddress": TENANT_URL, "SecretToken": GOOD_TOKEN}


def test_a_kept_token_is_not_sent_to_another_server(house: House) -> None:
    sp = house.application()["id"]
    house.credentials(sp)
    thief = [{"key": "BaseAddress", "value": "https://thief.example"}, {"key": "SecretToken", "value": MASK}]
    path = f"/servicePrincipals/{sp}/synchronization"
    for method, call, body in (
        ("PUT", "secrets", {"value": thief}),
        ("POST", "jobs/validateCredentials", {"credentials": thief}),
        ("POST", "jobs/validateCredentials", {"credentials": thief[:1]}),
    ):
        answer = house.call(method, f"{path}/{call}", body)
        assert (answer.status, "enter the secret token again" in answer.message) == (400, True)
    assert house.probed == []


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("Colour", "red", "Colour"),
        ("BaseAddress", "ftp://x.example", "https://"),
        ("BaseAddress", "https://", "no web address"),
        ("BaseAddress", "https://user:secret@x.example/scim", "user name or password"),
        ("BaseAddress", "https://x.example/scim#top", "#fragment"),
        ("BaseAddress", "https://x.example:many/scim", "no web address"),
        ("BaseAddress", "https://x.example/a b", "no web address"),
        ("BaseAddress", "https://x.example/" + "a" * 3_000, "longer"),
        ("SecretToken", "x" * 20_000, "characters"),
        ("SecretToken", "line\nbreak", "control character"),
        ("SecretToken", 7, "must be a text"),
        ("SyncAll", "perhaps", "true or false"),
        ("SyncNotificationSettings", "no json", "JSON object"),
        ("SyncNotificationSettings", "[1]", "JSON object"),
        ("SyncNotificationSettings", '{"Recipients":"nobody"}', "e-mail"),
        ("SyncNotificationSettings", '{"DeleteThresholdValue":-1}', "DeleteThresholdValue"),
    ],
)
def test_a_wrong_secret_is_refused_and_never_repeated(house: House, key: str, value: Any, says: str) -> None:
    sp = house.application()["id"]
    path = f"/servicePrincipals/{sp}/synchronization/secrets"
    answer = house.call("PUT", path, {"value": [{"key": key, "value": value}]})
    assert (answer.status, says in answer.message) == (400, True), answer.text
    assert "secret@" not in answer.text
    assert house.call("GET", path).body["value"] == []


@pytest.mark.parametrize(
    "body",
    [{}, [], 7, {"value": {}}, {"value": [7]}, {"value": [{"value": "x"}]}, {"value": [{"key": "Url"}] * 2}],
    ids=str,
)
def test_secrets_of_a_wrong_shape_are_refused(house: House, body: Any) -> None:
    sp = house.application()["id"]
    answer = house.call("PUT", f"/servicePrincipals/{sp}/synchronization/secrets", body)
    # An empty list is one that removes everything.
    assert answer.status == (204 if body == [] else 400)


def test_another_scope_asks_for_an_initial_cycle(house: House, job: Started) -> None:
    house.stores.jobs.set_watermark(job.id, 7)
    house.credentials(job.sp, SyncNotificationSettings='{"Enabled":true}')
    assert watermark(house, job) == 7
    house.credentials(job.sp, SyncAll="true")
    assert watermark(house, job) is None


def watermark(house: House, job: Started) -> int | None:
    found = house.stores.jobs.get(job.id)
    assert found is not None
    return found.watermark


# ---------------------------------------------------------------- Test Connection


def test_wrong_credentials_give_the_target_s_code_and_a_remedy(house: House) -> None:
    sp = house.application()["id"]
    path = f"/servicePrincipals/{sp}/synchronization/jobs/validateCredentials"
    missing = house.call("POST", path, {})
    assert (missing.status, missing.code) == (400, "CredentialsMissing")
    pairs = [{"key": "BaseAddress", "value": TENANT_URL}, {"key": "SecretToken", "value": "wrong"}]
    answer = house.call("POST", path, {"credentials": pairs})
    assert (answer.status, answer.code) == (400, "InvalidCredentials")
    assert "401" in answer.message
    assert "Check the Secret Token" in answer.message
    assert "wrong" not in answer.text
    house.credentials(sp)
    assert house.call("POST", path, {"useSavedCredentials": True, "credentials": pairs}).status == 204
    assert house.call("POST", path).status == 204


def test_credentials_can_be_tried_on_one_job_and_as_an_access_token(house: House, job: Started) -> None:
    assert house.call("POST", f"{job.path}/validateCredentials", {"useSavedCredentials": True}).status == 204
    assert house.call("POST", f"{job.sync}/jobs/nothing/validateCredentials", {}).status == 404
    pairs = [{"key": "SecretToken", "value": GOOD_TOKEN}]
    assert house.call("POST", f"{job.sync}/acquireAccessToken", {"credentials": pairs}).status == 204


# ---------------------------------------------------------------- jobs


def test_a_job_asked_for_twice_before_its_start_is_one_job(house: House) -> None:
    sp = house.application()["id"]
    assert house.job(sp)["id"] == house.job(sp)["id"]
    assert house.call("GET", f"/servicePrincipals/{sp}/synchronization/jobs/$count").text == "1"


def test_a_further_job_beside_a_started_one_has_an_id_of_its_own(house: House, job: Started) -> None:
    other = house.job(job.sp)
    assert other["id"] == f"{job.id}.2"
    assert len(house.call("GET", f"{job.sync}/jobs").body["value"]) == 2
    assert house.call("DELETE", f"{job.sync}/jobs/{other['id']}").status == 204
    assert job.shown["status"]["code"] == "Active"


@pytest.mark.parametrize("body", [{"templateId": "nothing"}, {"templateId": 7}, [], {"schedule": 7}])
def test_a_wrong_job_is_refused(house: House, body: Any) -> None:
    sp = house.application()["id"]
    answer = house.call("POST", f"/servicePrincipals/{sp}/synchronization/jobs", body)
    assert answer.status in (400, 404)
    if body == {"templateId": "nothing"}:
        assert "8x8" in answer.message


def test_a_job_without_credentials_does_not_start(house: House) -> None:
    sp = house.application()["id"]
    answer = house.call("POST", f"/servicePrincipals/{sp}/synchronization/jobs/{house.job(sp)['id']}/start")
    assert (answer.status, answer.code) == (400, "CredentialsMissing")


def test_a_job_is_found_under_its_own_application_only(house: House, job: Started) -> None:
    other = house.application()["id"]
    for method, path in (("GET", ""), ("POST", "/start"), ("DELETE", ""), ("GET", "/schema"), ("GET", "/cycles")):
        answer = house.call(method, f"/servicePrincipals/{other}/synchronization/jobs/{job.id}{path}")
        assert answer.status == 404


@pytest.mark.parametrize(("interval", "kept"), [("PT1M", "PT1M"), ("PT90M", "PT1H30M"), ("PT24H", "P1D")])
def test_the_interval_can_be_set(house: House, job: Started, interval: str, kept: str) -> None:
    assert house.call("PATCH", job.path, {"schedule": {"interval": interval}}).status == 204
    assert job.shown["schedule"]["interval"] == kept


@pytest.mark.parametrize("interval", ["PT30S", "P1DT1S", "40", "PT", "P", "PTM", "P1Y", "PT-1M", "P99999D"])
def test_a_wrong_interval_is_refused(house: House, job: Started, interval: str) -> None:
    assert house.call("PATCH", job.path, {"schedule": {"interval": interval}}).status == 400
    assert job.shown["schedule"]["interval"] == "PT40M"


def test_an_empty_value_takes_a_setting_back(house: House, job: Started) -> None:
    for value in ("true", "", None):
        change = {"synchronizationJobSettings": [{"name": "TransitiveGroups", "value": value}]}
        assert house.call("PATCH", job.path, change).status == 204
        shown = {each["name"]: each["value"] for each in job.shown["synchronizationJobSettings"]}
        assert (shown.get("TransitiveGroups") or "") == (value or "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "another"}, "id cannot be changed"),
        ({"templateId": "scim"}, "templateId cannot be changed"),
        ({"interval": "PT1H"}, "The properties interval cannot be changed here"),
        ({"synchronizationJobSettings": [{"name": "TransitiveGroups", "value": "yes"}]}, "takes true or false"),
        ({"synchronizationJobSettings": [{"name": "WakeUpOnChange", "value": "1"}]}, "takes true or false"),
        ({"synchronizationJobSettings": [{"name": "TransitiveGroups", "value": True}]}, "TransitiveGroups is a text"),
        (
            {"synchronizationJobSettings": [{"name": "transitivGroups", "value": "true"}]},
            "There is no setting transitivGroups. Did you mean TransitiveGroups?",
        ),
        ({"synchronizationJobSettings": [{"name": "Colour", "value": "red"}]}, "There is no setting Colour."),
    ],
)
def test_what_cannot_be_changed_in_a_job_is_refused_by_name(
    house: House, job: Started, change: dict[str, Any], says: str
) -> None:
    before = job.shown
    answer = house.call("PATCH", job.path, change)
    assert (answer.status, says in answer.message) == (400, True), answer.text
    assert job.shown == before


def test_every_setting_that_is_documented_is_known(house: House, job: Started) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    tables = page[page.index("\n## Settings of a job") : page.index("\n## Notifications")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", tables, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 30
    for name in sorted(named):
        change = {"synchronizationJobSettings": [{"name": name, "value": ""}]}
        assert house.call("PATCH", job.path, change).status == 204, name


def test_an_execution_counts_those_who_failed_in_it_and_the_last_one_those_who_wait(house: House, job: Started) -> None:
    for number, (state, failed) in enumerate([("Succeeded", 3), ("EntryLevelErrors", 2)]):
        begun = job.cycle(id=f"c-{number}", counters=Counters(failed=failed))
        house.stores.cycles.close(replace(begun, state=CycleState(state), ended_at=house.clock.at), None)
        house.clock.at += timedelta(minutes=1)
    status = job.shown["status"]
    assert status["lastExecution"]["activityIdentifier"] == "c-1"
    assert status["lastExecution"]["countEscrowed"] == 0, "nobody waits"
    assert status["lastSuccessfulExecution"]["countEscrowed"] == 3


def test_a_job_can_be_sent_back_as_it_was_shown(house: House, job: Started) -> None:
    assert house.call("PATCH", job.path, job.shown).status == 204


def test_settings_and_state_can_be_patched(house: House, job: Started) -> None:
    setting = {"name": "QuarantineTooManyDeletesThreshold", "value": "500"}
    change = {"schedule": {"state": "Paused"}, "synchronizationJobSettings": [setting]}
    assert house.call("PATCH", job.path, change).status == 204
    assert job.shown["schedule"]["state"] == "Paused"
    assert setting in job.shown["synchronizationJobSettings"]
    assert house.call("PATCH", job.path, {"schedule": {"state": "Active"}}).status == 204
    assert job.shown["status"]["code"] == "Active"
    assert house.call("PATCH", job.path, {"schedule": {"state": "Asleep"}}).status == 400


def test_the_status_shows_the_running_cycle_and_the_last(house: House, job: Started) -> None:
    before = job.shown["status"]
    assert (before["lastExecution"], before["progress"]) == (None, [])
    job.cycle()
    progress = job.shown["status"]["progress"]
    assert [(each["completedUnits"], each["totalUnits"]) for each in progress] == [(4, 10)]
    shown = house.call("GET", f"{job.path}/cycles").body["value"]
    assert (shown[0]["state"], shown[0]["phase"], shown[0]["counters"]["created"]) == ("Running", "users", 3)


def test_a_restart_stops_the_running_cycle_and_lifts_the_rest(house: House, job: Started) -> None:
    cycle = job.cycle()
    house.stores.jobs.set_watermark(job.id, 5)
    assert house.call("POST", f"{job.path}/restart", {}).status == 204
    found = house.stores.cycles.get(cycle.id)
    assert found is not None
    assert (found.state, found.epoch) == (CycleState.STOPPED, 2)
    assert watermark(house, job) is None
    assert job.shown["status"]["lastExecution"]["state"] == "Failed"


@pytest.mark.parametrize(
    ("criteria", "status"),
    [
        (None, 204),
        ({}, 204),
        ({"resetScope": ""}, 204),
        ({"resetScope": "None"}, 204),
        ({"resetScope": "watermark,escrows"}, 204),
        ({"resetScope": "Watermark, Everything"}, 400),
        ({"resetScope": 7}, 400),
        ("Full", 400),
        *(({"resetScope": scope.value}, 204) for scope in ResetScope),
    ],
    ids=str,
)
def test_a_restart_takes_the_documented_scopes(house: House, job: Started, criteria: Any, status: int) -> None:
    house.stores.jobs.set_watermark(job.id, 5)
    answer = house.call("POST", f"{job.path}/restart", {"criteria": criteria})
    assert answer.status == status, answer.text
    scope = criteria.get("resetScope") if isinstance(criteria, dict) else None
    keeps = status == 400 or scope in ("None", "Escrows", "QuarantineState", "ForceDeletes")
    assert watermark(house, job) == (5 if keeps else None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"criteria": {"bogus": "Full"}}, "criteria takes resetScope, not bogus."),
        ({"x": 1}, "A restart takes criteria, not x."),
    ],
)
def test_a_restart_refuses_by_name_what_it_would_pass_over(house: House, job: Started, body: Any, said: str) -> None:
    before = job.shown
    answer = house.call("POST", f"{job.path}/restart", body)
    assert (answer.status, answer.message) == (400, said)
    assert job.shown == before
    typed = {"criteria": {"@odata.type": "#microsoft.graph.synchronizationJobRestartCriteria", "resetScope": "Escrows"}}
    assert house.call("POST", f"{job.path}/restart", typed).status == 204


def test_a_schedule_refuses_by_name_what_it_would_pass_over(house: House, job: Started) -> None:
    for schedule in ({"bogus": 1}, {"interval": "PT10M", "expiration": "2030-01-01T00:00:00Z"}):
        answer = house.call("PATCH", job.path, {"schedule": schedule})
        assert (answer.status, list(schedule)[-1] in answer.message) == (400, True)
    assert house.call("PATCH", job.path, {"schedule": job.shown["schedule"]}).status == 204


def test_who_restarts_a_job_in_quarantine_does_not_wait_for_its_next_attempt(house: House, job: Started) -> None:
    kept = Quarantine(
        reason=QuarantineReason.QUARANTINE_EXCEPTION,
        failure=FailureRecord(code="CredentialsRefused", sentence="s", remedy="r"),
        began_at=house.clock.at,
        series_began_at=house.clock.at,
        series_count=3,
        next_attempt_at=house.clock.at + timedelta(days=1),
    )
    house.stores.jobs.set_quarantine(job.id, kept)
    house.call("POST", f"{job.path}/restart", {"criteria": {"resetScope": "Watermark"}})
    found = house.stores.jobs.get(job.id)
    assert found is not None
    assert found.quarantine == replace(kept, next_attempt_at=house.clock.at)


def test_forced_deletes_are_noted_for_the_engine(house: House, job: Started) -> None:
    house.call("POST", f"{job.path}/restart", {"criteria": {"resetScope": "ForceDeletes"}})
    found = house.stores.jobs.get(job.id)
    assert found is not None
    assert found.settings["ForceDeletes"] == "true"


def test_a_job_is_removed_with_its_running_cycle(house: House, job: Started) -> None:
    job.cycle()
    assert house.call("DELETE", job.path).status == 204
    assert house.call("GET", job.path).status == 404
    assert house.call("DELETE", job.path).status == 404


# ---------------------------------------------------------------- rules


def schema_of(house: House, job: Started) -> Any:
    return house.call("GET", f"{job.path}/schema").body


def test_a_changed_mapping_makes_a_new_version_and_a_new_initial_cycle(house: House, job: Started) -> None:
    house.stores.jobs.set_watermark(job.id, 5)
    schema = schema_of(house, job)
    assert house.call("PUT", f"{job.path}/schema", schema).status == 204
    assert (watermark(house, job), schema_of(house, job)["version"]) == (5, schema["version"])
    schema["synchronizationRules"][0]["objectMappings"][0]["flowTypes"] = "Add,Update"
    assert (
        house.call("PATCH", f"{job.path}/schema", {"synchronizationRules": schema["synchronizationRules"]}).status
        == 204
    )
    changed = schema_of(house, job)
    assert changed["synchronizationRules"][0]["objectMappings"][0]["flowTypes"] == "Add,Update"
    assert changed["directories"] == schema["directories"]
    assert (watermark(house, job), changed["version"] > schema["version"]) == (None, True)
    assert house.call("DELETE", f"{job.path}/schema").status == 204
    assert schema_of(house, job)["synchronizationRules"] != changed["synchronizationRules"]


def test_directories_that_a_client_leaves_out_stay(house: House, job: Started) -> None:
    schema = schema_of(house, job)
    directories = schema.pop("directories")
    schema["synchronizationRules"][0]["priority"] = 2
    assert house.call("PUT", f"{job.path}/schema", schema).status == 204
    assert schema_of(house, job)["directories"] == directories


def broken_expression(schema: Any) -> None:
    mapping = schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"][1]
    mapping["source"] = {"expression": 'Join("-", [givenName]', "name": "Join", "type": "Function"}


def unknown_attribute(schema: Any) -> None:
    mapping = schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"][1]
    mapping["source"] = {"expression": "[shoeSize]", "name": "shoeSize", "type": "Attribute"}


def unknown_operator(schema: Any) -> None:
    clause = {"sourceOperandName": "department", "operatorName": "SMELLS_LIKE", "targetOperand": {"values": ["x"]}}
    mapping = schema["synchronizationRules"][0]["objectMappings"][0]
    mapping["scope"] = {"groups": [{"name": "g", "clauses": [clause]}]}


def no_matching_attribute(schema: Any) -> None:
    for mapping in schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]:
        mapping["matchingPriority"] = 0


def no_rules(schema: Any) -> None:
    schema["synchronizationRules"] = []


@pytest.mark.parametrize(
    ("breakage", "says"),
    [
        (broken_expression, "cannot be read"),
        (unknown_attribute, "shoeSize"),
        (unknown_operator, "SMELLS_LIKE"),
        (no_matching_attribute, "matching attribute"),
        (no_rules, "no synchronization rule"),
    ],
)
def test_rules_that_cannot_run_are_refused_and_the_old_ones_stay(
    house: House, job: Started, breakage: Any, says: str
) -> None:
    schema = schema_of(house, job)
    breakage(schema)
    answer = house.call("PUT", f"{job.path}/schema", schema)
    assert (answer.status, answer.code) == (400, "InvalidSynchronizationSchema"), answer.text
    assert says in answer.message
    assert schema_of(house, job)["version"] == "1"


def test_templates_show_the_default_rules(house: House, job: Started) -> None:
    template = house.call("GET", f"{job.sync}/templates").body["value"][0]
    assert (template["id"], template["factoryTag"]) == ("8x8", "8x8")
    assert house.call("GET", f"{job.sync}/templates/8x8").body["id"] == "8x8"
    assert house.call("GET", f"{job.sync}/templates/8x8/schema").body["synchronizationRules"]
    assert house.call("GET", f"{job.sync}/templates/scim").status == 404


def test_functions_and_operators_are_listed(house: House, job: Started) -> None:
    for call in ("functions", "functions()"):
        listed = house.call("GET", f"{job.path}/schema/{call}").body["value"]
        assert {"Join", "Not", "Switch", "Replace"} <= {each["name"] for each in listed}
    for call in ("filterOperators", "filterOperators()"):
        listed = house.call("GET", f"{job.path}/schema/{call}").body["value"]
        assert {each["name"]: each["arity"] for each in listed}["IS NULL"] == "Unary"


def test_directories_are_listed(house: House, job: Started) -> None:
    listed = house.call("GET", f"{job.path}/schema/directories").body["value"]
    assert len(listed) == 2
    assert house.call("GET", f"{job.path}/schema/directories/{listed[1]['name']}").body["objects"]
    assert house.call("GET", f"{job.path}/schema/directories/nothing").status == 404


@pytest.mark.parametrize(
    ("expression", "properties", "expected"),
    [
        ('Join("-", [givenName], ToUpper([surname]))', {"givenName": "Zoë", "surname": "Smit"}, (True, ["Zoë-SMIT"])),
        ("Not([IsSoftDeleted])", {"IsSoftDeleted": "False"}, (True, ["True"])),
        ("[department]", {}, (True, [])),
        ("[otherMails]", {"otherMails": ["a", "b"]}, (True, ["a", "b"])),
        ('Error("no")', {}, (False, [])),
        ('Replace([department], , "(?=b)", , "x", , )', {}, (False, [])),
        ('CDate("2026-01-05 17:00")', {}, (True, ["1/5/2026 5:00:00 PM"])),
        ("IgnoreAttributeFlow", {}, (True, ["IgnoreAttributeFlow"])),
        ('IIF([department] = "a", IgnoreObjectFlow, 2)', {"department": "a"}, (True, ["IgnoreObjectFlow"])),
        ("Redact([department])", {"department": "Secret"}, (True, ["[Redact]"])),
    ],
)
def test_an_expression_can_be_tried(
    house: House, job: Started, expression: str, properties: dict[str, Any], expected: tuple[bool, list[str]]
) -> None:
    pairs = [{"key": key, "value": value} for key, value in properties.items()]
    body = {"expression": expression, "testInputObject": {"definition": None, "properties": pairs}}
    shown = house.call("POST", f"{job.path}/schema/parseExpression", body).body
    assert shown["parsingSucceeded"] is True
    assert (shown["evaluationSucceeded"], shown["evaluationResult"]) == expected
    assert (shown["error"] is None) == expected[0]
    assert shown["parsedExpression"]["expression"]


def test_an_expression_can_be_tried_on_a_user_of_the_directory(house: House, job: Started) -> None:
    house.user("ada", department="Sales")
    path = f"{job.path}/schema/parseExpression"
    body = {"expression": "ToUpper([department])", "testUser": "ada@example.com"}
    assert house.call("POST", path, body).body["evaluationResult"] == ["SALES"]
    assert house.call("POST", path, {**body, "testUser": "nobody@example.com"}).status == 404
    assert house.call("POST", path, {**body, "expression": "ToUpper("}).body["parsingSucceeded"] is False


def test_a_broken_expression_is_answered_with_its_place(house: House, job: Started) -> None:
    path = f"{job.path}/schema/parseExpression"
    shown = house.call("POST", path, {"expression": 'Join("-", [givenName]'}).body
    assert (shown["parsingSucceeded"], shown["parsedExpression"]) == (False, None)
    assert "character" in shown["error"]["message"]
    assert house.call("POST", path, {}).status == 400
    assert house.call("POST", path, {"expression": "[mail]", "testInputObject": 7}).status == 400


# ---------------------------------------------------------------- explain


def test_explain_asks_for_a_user_of_the_directory(house: House, job: Started) -> None:
    ada = house.user("ada")
    shown = house.call("GET", f"{job.path}/explain?user=ada@example.com").body
    assert shown["source"]["id"] == ada["id"]
    assert house.call("GET", f"{job.path}/explain?user={ada['id']}").status == 200
    assert house.call("GET", f"{job.path}/explain?user=nobody").status == 404
    assert house.call("GET", f"{job.path}/explain").status == 400
    answer = house.call("GET", f"{job.path}/explain?user=unreachable")
    assert (answer.status, answer.code) == (400, "InvalidCredentials")


def test_the_last_steady_state_is_that_of_the_last_cycle_that_did_not_fail(house: House, job: Started) -> None:
    for number, state in enumerate((CycleState.SUCCEEDED, CycleState.ENTRY_LEVEL_ERRORS, CycleState.FAILED)):
        began = datetime(2026, 5, 1 + number, tzinfo=UTC)
        cycle = Cycle(
            id=f"c{number}",
            job_id=job.id,
            kind=CycleKind.INCREMENTAL,
            state=CycleState.RUNNING,
            phase=CyclePhase.CLOSING,
            position=None,
            window_after=0,
            window_until=0,
            epoch=1,
            counters=Counters(),
            began_at=began,
        )
        house.stores.cycles.begin(cycle)
        house.stores.cycles.close(replace(cycle, state=state, ended_at=began + timedelta(hours=1)), None)
    status = job.shown["status"]
    assert status["steadyStateFirstAchievedTime"] == "2026-05-01T01:00:00Z"
    assert status["steadyStateLastAchievedTime"] == "2026-05-02T01:00:00Z"
    assert status["countSuccessiveCompleteFailures"] == 1


def test_the_json_of_a_job_has_every_documented_field(house: House, job: Started) -> None:
    shown = job.shown
    assert {"id", "templateId", "schedule", "status", "synchronizationJobSettings"} <= set(shown)
    documented = (
        "code countSuccessiveCompleteFailures escrowsPruned lastExecution lastSuccessfulExecution "
        "lastSuccessfulExecutionWithExports progress quarantine steadyStateFirstAchievedTime "
        "steadyStateLastAchievedTime synchronizedEntryCountByType troubleshootingUrl"
    )
    assert set(shown["status"]) == {*documented.split(" "), "noProgressSince"}
    assert shown["status"]["steadyStateFirstAchievedTime"] == "0001-01-01T00:00:00Z"
    assert json.dumps(shown)


def test_the_import_of_files_is_shown_but_belongs_to_the_installation(house: House) -> None:
    page = find(FILE_TEMPLATE_ID)
    assert page is not None
    application = EnterpriseApplication(
        service_principal_id="import-sp",
        application_id="import-application",
        app_id="import-app",
        template_id=page.id,
        display_name=page.display_name,
        app_roles=(),
        accepts_default_access=True,
    )
    house.stores.applications.add(application)
    job = SynchronizationJob(
        id="file.1",
        service_principal_id="import-sp",
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=house.clock.at,
    )
    house.stores.jobs.add(job, page.schema_document(), "operator")
    sync = "/servicePrincipals/import-sp/synchronization"
    assert house.call("GET", "/servicePrincipals/import-sp").status == 200
    for path in ("", "/templates", "/jobs", "/jobs/file.1", "/jobs/file.1/schema", "/jobs/file.1/cycles"):
        assert house.call("GET", f"{sync}{path}").status == 200, path
    for method, path, body in (
        ("POST", f"{sync}/jobs", {}),
        ("POST", f"{sync}/jobs/file.1/start", None),
        ("POST", f"{sync}/jobs/file.1/restart", None),
        ("DELETE", f"{sync}/jobs/file.1", None),
        ("DELETE", "/servicePrincipals/import-sp", None),
    ):
        answer = house.call(method, path, body)
        assert (answer.status, "belongs to the installation" in answer.message) == (400, True)
    asked = house.call("POST", "/imports?fileName=people.csv", raw=b"x")
    assert asked.body["jobId"] == "file.1"
