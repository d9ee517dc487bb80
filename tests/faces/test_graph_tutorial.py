"""The tutorial's six steps through the API, as an admin's script does them."""

from faces.house import GOOD_TOKEN, TENANT, TENANT_URL, House


def test_the_tutorial_can_be_done_through_the_api(house: House) -> None:
    ada, bob = house.user("ada", department="Sales"), house.user("bob")
    group = house.group("Sales")
    assert (
        house.call(
            "POST", f"/groups/{group['id']}/members/$ref", {"@odata.id": f"https://x/v1.0/users/{bob['id']}"}
        ).status
        == 204
    )

    # Add 8x8 from the gallery, with roles.
    sp = house.application("8x8")
    assert sp["acceptsDefaultAccess"] is False
    role = next(each for each in sp["appRoles"] if each["isEnabled"])
    base = f"/servicePrincipals/{sp['id']}"

    # Assign a user and a group.
    for principal in (ada, group):
        body = {"principalId": principal["id"], "resourceId": sp["id"], "appRoleId": role["id"]}
        assert house.made(f"{base}/appRoleAssignedTo", body)["resourceDisplayName"] == "8x8"
    assert [each["principalType"] for each in house.call("GET", f"{base}/appRoleAssignedTo").body["value"]] == [
        "User",
        "Group",
    ]

    # Credentials, Test Connection before and after the job.
    sync = f"{base}/synchronization"
    pairs = [{"key": "BaseAddress", "value": TENANT_URL}, {"key": "SecretToken", "value": GOOD_TOKEN}]
    assert house.call("POST", f"{sync}/jobs/validateCredentials", {"credentials": pairs}).status == 204
    notifications = '{"Enabled":true,"Recipients":"it@example.com"}'
    assert house.credentials(sp["id"], SyncAll="false", SyncNotificationSettings=notifications).status == 204
    job = house.job(sp["id"])
    assert job["id"] == f"8x8.{TENANT.replace('-', '')}.{sp['id']}"
    assert (job["schedule"], job["status"]["code"]) == (
        {"expiration": None, "interval": "PT40M", "state": "Disabled"},
        "NotConfigured",
    )
    one = f"{sync}/jobs/{job['id']}"
    assert house.call("POST", f"{one}/validateCredentials", {"useSavedCredentials": True}).status == 204
    assert house.probed == ["userName", "userName"]

    # Mappings, then a scoping filter.
    schema = house.call("GET", f"{one}/schema").body
    mapping = schema["synchronizationRules"][0]["objectMappings"][0]
    assert {each["targetAttributeName"] for each in mapping["attributeMappings"]} >= {"userName", "active", "title"}
    clause = {"sourceOperandName": "department", "operatorName": "EQUALS", "targetOperand": {"values": ["Sales"]}}
    mapping["scope"] = {"groups": [{"name": "Sales", "clauses": [clause]}]}
    assert house.call("PUT", f"{one}/schema", schema).status == 204
    assert house.call("GET", f"{one}/schema").body["version"] != schema["version"]

    # Start, look, pause, restart.
    assert house.call("POST", f"{one}/start").status == 204
    assert house.call("GET", one).body["status"]["code"] == "Active"
    assert house.call("POST", f"{one}/pause").status == 204
    assert house.call("GET", one).body["schedule"]["state"] == "Paused"
    assert house.call("POST", f"{one}/restart", {"criteria": {"resetScope": "Full"}}).status == 204
    assert house.call("GET", one).body["schedule"]["state"] == "Active"
    assert house.call("GET", f"/auditLogs/provisioning?$filter=jobId eq '{job['id']}'").body["value"] == []

    # What was done is in the audit log, without the token.
    audits = house.call("GET", "/auditLogs/directoryAudits?$top=100")
    activities = {each["activityDisplayName"] for each in audits.body["value"]}
    assert activities >= {
        "Add user",
        "Add member to group",
        "Add service principal",
        "Add app role assignment grant",
        "Update provisioning setting or credentials",
        "Add provisioning configuration",
        "Update attribute mappings or scope",
        "Enable/start provisioning configuration",
        "Disable/pause provisioning configuration",
        "Enable/restart provisioning configuration",
    }
    assert GOOD_TOKEN not in audits.text


def test_the_demo_s_changes_can_be_made_through_the_api(house: House) -> None:
    ada, bob, eve = house.user("ada"), house.user("bob"), house.user("eve")
    path = f"/users/{ada['id']}"
    assert house.call("PATCH", path, {"surname": "Lovelace", "department": "Research"}).status == 204
    assert house.call("PATCH", path, {"accountEnabled": False}).status == 204
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{bob['id']}"}
    assert house.call("PUT", f"{path}/manager/$ref", reference).status == 204
    assert house.call("GET", f"{path}/manager").body["id"] == bob["id"]
    assert house.call("DELETE", f"{path}/manager/$ref").status == 204
    assert house.call("GET", f"{path}/manager").status == 404
    assert house.call("DELETE", f"/users/{eve['id']}").status == 204
    assert house.call("GET", f"/users/{eve['id']}").status == 404
    deleted = "/directory/deletedItems"
    assert [each["id"] for each in house.call("GET", f"{deleted}/microsoft.graph.user").body["value"]] == [eve["id"]]
    assert house.call("POST", f"{deleted}/{eve['id']}/restore").body["displayName"] == "Eve Example"
    assert house.call("GET", f"/users/{eve['id']}").status == 200
    assert house.call("DELETE", f"/users/{bob['id']}").status == 204
    assert house.call("DELETE", f"{deleted}/{bob['id']}").status == 204
    assert house.call("GET", f"{deleted}/{bob['id']}").status == 404
