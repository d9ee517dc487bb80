"""Versions of a job's rules over the API: kept, compared, restored; rules checked; attributes discovered."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from faces.house import House, ProbedTarget, Started
from muster.model.directory import ObjectKind
from muster.model.failures import SystemUnreachable
from muster.model.rules import AttributeDefinition
from muster.planning.operators import operators_as_graph

SAMPLES = Path(__file__).parents[1] / "samples"


def path_of(job: Started) -> str:
    return f"/servicePrincipals/{job.sp}/synchronization/jobs/{job.id}/schema"


def rules_of(house: House, job: Started) -> dict[str, Any]:
    return copy.deepcopy(house.call("GET", path_of(job)).body)


def users_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return schema["synchronizationRules"][0]["objectMappings"][0]  # type: ignore[no-any-return]  # JSON


def mapping_of(schema: Mapping[str, Any], target: str) -> dict[str, Any]:
    return next(item for item in users_of(schema)["attributeMappings"] if item["targetAttributeName"] == target)


def test_every_save_is_a_version_with_who_when_and_what(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    mapping_of(schema, "title")["source"] = {"expression": "[department]", "name": "department", "type": "Attribute"}
    users_of(schema)["attributeMappings"] = [
        item for item in users_of(schema)["attributeMappings"] if "mobile" not in item["targetAttributeName"]
    ]
    assert house.call("PUT", path_of(job), schema).status == 204
    listed = house.call("GET", f"{path_of(job)}/versions").body["value"]
    assert [item["version"] for item in listed] == ["2", "1"]
    assert all(item["savedBy"] and item["savedDateTime"] for item in listed)
    second = house.call("GET", f"{path_of(job)}/versions/2").body
    changed = {item["path"].rsplit("attributeMappings", 1)[1]: item for item in second["changes"]}
    assert changed["[title].source.expression"]["oldValue"] == "[jobTitle]"
    assert changed["[title].source.expression"]["newValue"] == "[department]"
    assert changed['[phoneNumbers[type eq "mobile"].value]']["newValue"] is None
    assert second["schema"]["synchronizationRules"] == schema["synchronizationRules"]
    assert house.call("GET", f"{path_of(job)}/versions/1").body["changes"] == []
    audited = house.call("GET", "/auditLogs/directoryAudits").text
    assert "[department]" in audited


def test_an_earlier_version_is_restored_as_a_new_one(house: House, job: Started) -> None:
    before = rules_of(house, job)
    changed = copy.deepcopy(before)
    users_of(changed)["enabled"] = True
    users_of(changed)["scope"] = {"groups": [{"name": "G", "clauses": [clause("Sales")]}]}
    assert house.call("PUT", path_of(job), changed).status == 204
    restored = house.call("POST", f"{path_of(job)}/versions/1/restore")
    assert (restored.status, restored.body["version"]) == (200, "3")
    now = rules_of(house, job)
    assert (now["synchronizationRules"], now["version"]) == (before["synchronizationRules"], "3")
    # The same again changes nothing, and makes no version.
    assert house.call("POST", f"{path_of(job)}/versions/1/restore").body["version"] == "3"
    assert house.call("DELETE", path_of(job)).status == 204
    assert rules_of(house, job)["version"] == "3"


def clause(value: str) -> dict[str, Any]:
    return {"sourceOperandName": "department", "operatorName": "EQUALS", "targetOperand": {"values": [value]}}


@pytest.mark.parametrize("version", ["9", "x", "-1", "1" * 30])
def test_a_version_that_is_not_kept_is_not_found(house: House, job: Started, version: str) -> None:
    assert house.call("GET", f"{path_of(job)}/versions/{version}").status == 404
    assert house.call("POST", f"{path_of(job)}/versions/{version}/restore").status == 404


def test_rules_can_be_checked_without_being_saved(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    assert house.call("POST", f"{path_of(job)}/validate", schema).body == {"valid": True, "problems": []}
    mapping_of(schema, "active")["source"] = {"expression": "[employeeHireDate]", "type": "Attribute"}
    mapping_of(schema, "title")["matchingPriority"] = 2
    answer = house.call("POST", f"{path_of(job)}/validate", schema).body
    assert answer["valid"] is False
    assert ["active takes True or False" in answer["problems"][0], "cannot be searched" in answer["problems"][1]] == [
        True,
        True,
    ]
    assert rules_of(house, job)["version"] == "1"
    refused = house.call("PUT", path_of(job), schema)
    assert (refused.status, refused.code) == (400, "InvalidSynchronizationSchema")
    assert len(refused.body["error"]["details"]) == 2


def test_a_scoping_filter_that_cannot_run_keeps_rules_from_being_saved(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    users_of(schema)["scope"] = {"groups": [{"name": "G", "clauses": [{**clause("x"), "operatorName": "LIKE"}]}]}
    (problem,) = house.call("POST", f"{path_of(job)}/validate", schema).body["problems"]
    assert "LIKE" in problem


def test_many_problems_are_told_shortly_and_listed_whole(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    for number in range(9):
        users_of(schema)["attributeMappings"].append({"targetAttributeName": f"x{number}", "source": None})
    refused = house.call("PUT", path_of(job), schema)
    assert "And 4 more." in refused.message
    assert len(refused.body["error"]["details"]) == 9


def test_roles_and_the_scope_of_everybody_exclude_each_other(house: House, job: Started) -> None:
    schema = rules_of(house, job)
    role = {"expression": "SingleAppRoleAssignment([appRoleAssignments])", "type": "Function"}
    mapping_of(schema, "title")["source"] = role
    assert house.call("PUT", path_of(job), schema).status == 204
    secrets = f"/servicePrincipals/{job.sp}/synchronization/secrets"
    refused = house.call("PUT", secrets, {"value": [{"key": "SyncAll", "value": "true"}]})
    assert (refused.status, refused.code) == (400, "RolesNeedAssignments")
    mapping_of(schema, "title")["source"] = {"expression": "[jobTitle]", "type": "Attribute"}
    assert house.call("PUT", path_of(job), schema).status == 204
    house.credentials(job.sp, SyncAll="true")
    mapping_of(schema, "title")["source"] = role
    assert "needs assignments" in house.call("PUT", path_of(job), schema).message


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("schema_*.json")))
def test_an_exported_schema_comes_back_without_loss(house: House, job: Started, name: str) -> None:
    document = json.loads((SAMPLES / name).read_text())
    sp = house.application("Custom")["id"]
    path = f"/servicePrincipals/{sp}/synchronization/jobs"
    house.credentials(sp)
    generic = house.call("POST", path, {"templateId": "scim"}).body["id"]
    assert house.call("PUT", f"{path}/{generic}/schema", document).status == 204
    shown = house.call("GET", f"{path}/{generic}/schema").body
    ours = {"id", "version", "@odata.context"}
    assert {key: value for key, value in shown.items() if key not in ours} == {
        key: value for key, value in document.items() if key not in ours
    }
    # An unknown field alone is a change, too.
    document["provisioningTaskIdentifier"] = "another"
    assert house.call("PUT", f"{path}/{generic}/schema", document).status == 204
    assert house.call("GET", f"{path}/{generic}/schema").body["provisioningTaskIdentifier"] == "another"


# ---------------------------------------------------------------- discovery


class DescribedTarget(ProbedTarget):
    """A target that publishes attributes."""

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        return {
            ObjectKind.USER: (
                AttributeDefinition(name="userName", required=True),
                AttributeDefinition(name="urn:example:any-shape:shoeSize", multivalued=True, case_exact=True),
            ),
            ObjectKind.GROUP: (AttributeDefinition(name="displayName"),),
        }


class SilentTarget(ProbedTarget):
    """A target that cannot be reached."""

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        raise SystemUnreachable("The target does not answer.")


def test_attributes_that_the_target_publishes_are_added_and_none_is_changed(house: House, job: Started) -> None:
    house.make_target = DescribedTarget
    before = rules_of(house, job)
    answer = house.call("POST", f"{path_of(job)}/directories/8x8/discover")
    assert answer.status == 200
    old, new = before["directories"][1]["objects"][0]["attributes"], answer.body["objects"][0]["attributes"]
    assert new[: len(old)] == old
    (added,) = new[len(old) :]
    assert (added["name"], added["multivalued"], added["required"]) == ("urn:example:any-shape:shoeSize", True, False)
    assert answer.body["discoveryDateTime"]
    assert rules_of(house, job)["version"] == "2"
    # Once more there is nothing new.
    assert house.call("POST", f"{path_of(job)}/directories/8x8/discover").status == 200
    assert rules_of(house, job)["version"] == "2"


@pytest.mark.parametrize(
    ("target", "directory", "status", "said"),
    [
        (DescribedTarget, "Nowhere", 404, "Nowhere"),
        (DescribedTarget, "Directory", 400, "is the source"),
        (ProbedTarget, "8x8", 400, "does not describe"),
        (SilentTarget, "8x8", 400, "does not answer"),
    ],
)
def test_what_cannot_be_discovered_says_why(
    house: House, job: Started, target: type[ProbedTarget], directory: str, status: int, said: str
) -> None:
    house.make_target = target
    answer = house.call("POST", f"{path_of(job)}/directories/{directory}/discover")
    assert (answer.status, said in answer.message) == (status, True), answer.text


def test_an_application_that_cannot_be_provisioned_gets_no_job(house: House) -> None:
    sp = house.application("Zendesk")["id"]
    refused = house.call("POST", f"/servicePrincipals/{sp}/synchronization/jobs", {"templateId": "zendesk"})
    assert (refused.status, refused.code) == (400, "ProvisioningNotSupported")
    listed = house.call("GET", "/applicationTemplates?$filter=displayName eq 'Zendesk'").body["value"]
    assert listed[0]["supportedProvisioningTypes"] == []


@pytest.mark.parametrize(
    ("setting", "values"),
    [("TransitiveGroups", ("true", "True", "false")), ("DefaultDomain", ("example.org", "Example.org", "example.com"))],
)
def test_a_setting_that_bears_on_everybody_asks_for_an_initial_cycle(
    house: House, job: Started, setting: str, values: tuple[str, ...]
) -> None:
    def watermark_after(value: str) -> int | None:
        house.stores.jobs.set_watermark(job.id, 7)
        settings = [{"name": setting, "value": value}]
        assert house.call("PATCH", job.path, {"synchronizationJobSettings": settings}).status in (200, 204)
        found = house.stores.jobs.get(job.id)
        assert found is not None
        return found.watermark

    assert [watermark_after(value) for value in values] == [None, 7, None]


def test_the_default_domain_is_a_setting_of_the_job(house: House, job: Started) -> None:
    def tried() -> tuple[list[str], str | None]:
        body = {"expression": 'Join("@", "jo", DefaultDomain())', "testInputObject": {"properties": []}}
        answer = house.call("POST", f"{job.path}/schema/parseExpression", body).body
        return answer["evaluationResult"], answer["error"] and answer["error"]["message"]

    values, error = tried()
    assert values == []
    assert error is not None and "give the job the setting DefaultDomain" in error
    settings = [{"name": "DefaultDomain", "value": "example.org"}]
    house.call("PATCH", job.path, {"synchronizationJobSettings": settings})
    assert tried() == (["jo@example.org"], None)


def test_the_filter_operators_are_those_that_filters_are_compiled_from(house: House, job: Started) -> None:
    listed = house.call("GET", f"{job.path}/schema/filterOperators()").body["value"]
    assert listed == operators_as_graph()
