"""Every call that changes something is in the audit log: who, what, before, after; and never a secret."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faces.house import GOOD_TOKEN, TENANT_URL, Answered, House
from faces.test_graph_holds import BLOCKED, hold
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.operation import Acknowledged, Link, LinkState
from muster.model.roles import Role
from muster.ports.cycles import Settlement
from muster.web.graph.app import plain_path
from muster.web.graph.routes import ROUTES

OLD_SECRET, NEW_SECRET, PASSWORD = "sesame-old-8811", "sesame-new-9922", "hush-hush-7733"
SP = "/servicePrincipals/{sp}"
SYNC = f"{SP}/synchronization"
JOB = f"{SYNC}/jobs/{{job}}"
SCHEMA = f"{JOB}/schema"
ATTRIBUTES = f"{SCHEMA}/directories/{{directory}}/objects/{{object}}/attributes"
# What these do leaves everything as it was, or only asks the engine, which writes the provisioning log.
CHANGES_NOTHING = {
    ("POST", "/$batch"): "its requests are noted one by one",
    ("POST", "/directoryObjects/getByIds"): "reads",
    ("POST", "/servicePrincipals"): "shows what is there from the beginning of an app registration",
    ("POST", f"{SYNC}/examine"): "reads the target",
    ("POST", f"{SYNC}/presentedCertificate"): "reads the target",
    ("POST", f"{SYNC}/jobs/validateCredentials"): "tries",
    ("POST", f"{JOB}/validateCredentials"): "tries",
    ("POST", f"{SCHEMA}/parseExpression"): "tries",
    ("POST", f"{SCHEMA}/validate"): "tries",
    ("POST", f"{JOB}/whatIf"): "tries",
    ("POST", f"{JOB}/safeguards/whatIf"): "tries",
    ("POST", f"{SP}/singleSignOn/test"): "tries",
    ("POST", f"{JOB}/plans"): "asks for a plan, which changes nothing",
    ("POST", f"{JOB}/cycles/{{cycle}}/rollback"): "asks for a plan, which changes nothing",
    ("POST", "/configuration/plan"): "compares",
    ("POST", "/identityProvider/test"): "reads what the provider says",
}
# Tested where the engine or the target plays its part.
ELSEWHERE = {
    ("DELETE", "/administrators/{administrator}/secondFactor"),
    ("DELETE", "/users/{user}/authentication/methods/{method}"),
    ("POST", "/sources"),
    ("DELETE", "/sources/{source}"),
    ("POST", f"{JOB}/mirror/acceptMissing"),
    ("POST", f"{JOB}/mirror/readAnew"),
    ("POST", f"{JOB}/provisionOnDemand"),
    ("POST", f"{JOB}/plans/{{plan}}/apply"),
    ("POST", f"{JOB}/bulkUpload"),
    ("POST", f"{SCHEMA}/directories/{{directory}}/discover"),
    ("POST", f"{SYNC}/acquireAccessToken"),
}
Expected = Sequence[tuple[str, str | None, str | None]]


class Story:
    """Calls one after the other, each of which must leave an entry that says what it did."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.token = house.token_for(Role.GLOBAL_ADMINISTRATOR)
        self.ids: dict[str, str] = {}
        self.told: set[tuple[str, str]] = set()

    def entries(self) -> list[Any]:
        found, _ = self.house.stores.audit.search(after=None, limit=1_000)
        return list(found)

    def does(
        self, method: str, path: str, body: Any = None, *, activity: str, says: Expected = (), raw: bytes | None = None
    ) -> Answered:
        """Calls, and looks at the one entry that came of it: `says` are name, before and after, by parts of texts."""
        before = len(self.entries())
        target = re.sub(r"\{(\w+)\}", lambda part: self.ids[part[1]], path)
        answer = self.house.call(method, target, body, token=self.token, raw=raw)
        assert answer.status in (200, 201, 202, 204), f"{method} {path}: {answer.text}"
        new = self.entries()[: len(self.entries()) - before]
        entry = next((each for each in new if each.activity == activity), None)
        assert entry is not None, f"{method} {path} noted {[each.activity for each in new]}"
        assert entry.by.display_name == "test"
        assert entry.target_id and entry.target_name
        for name, old, changed in says:
            assert any(
                found[0] == name and _holds(old, found[1]) and _holds(changed, found[2]) for found in entry.changes
            ), f"{method} {path}: {name} {old} → {changed} is not in {entry.changes}"
        self.told.add((method, plain_path(path).partition("?")[0]))
        return answer


def _holds(part: str | None, whole: str | None) -> bool:
    return whole is None if part is None else whole is not None and part in whole


def secrets_of(story: Story, *more: str) -> None:
    text = json.dumps(story.house.call("GET", "/auditLogs/directoryAudits?$top=1000").body)
    for secret in (OLD_SECRET, NEW_SECRET, PASSWORD, GOOD_TOKEN, *more):
        assert secret not in text


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(House(Path(tmp_path_factory.mktemp("audit"))))


def test_changes_of_the_directory(story: Story) -> None:
    person = {"accountEnabled": True, "displayName": "Ada", "mailNickname": "ada"}
    for name in ("ada", "bea"):
        made = story.does(
            "POST",
            "/users",
            {**person, "userPrincipalName": f"{name}@example.com"},
            activity="Add user",
            says=[("userPrincipalName", None, f"{name}@example.com")],
        )
        story.ids[name] = made.body["id"]
    story.ids |= {"user": story.ids["ada"], "member": story.ids["ada"], "item": story.ids["ada"]}
    says = [("jobTitle", None, "Clerk")]
    story.does("PATCH", "/users/{user}", {"jobTitle": "Clerk"}, activity="Update user", says=says)
    story.does("PATCH", "/users/{user}", {"jobTitle": None}, activity="Update user", says=[("jobTitle", "Clerk", None)])
    to_bea = {"@odata.id": f"https://x/users/{story.ids['bea']}"}
    says = [("manager", None, story.ids["bea"])]
    story.does("PUT", "/users/{user}/manager/$ref", to_bea, activity="Update manager", says=says)
    says = [("manager", story.ids["bea"], None)]
    story.does("DELETE", "/users/{user}/manager/$ref", activity="Remove manager", says=says)
    group = {"displayName": "Sales", "mailEnabled": False, "mailNickname": "sales", "securityEnabled": True}
    made = story.does("POST", "/groups", group, activity="Add group", says=[("displayName", None, "Sales")])
    story.ids["group"] = made.body["id"]
    says = [("description", None, "Who sells")]
    story.does("PATCH", "/groups/{group}", {"description": "Who sells"}, activity="Update group", says=says)
    to_ada = {"@odata.id": f"https://x/users/{story.ids['ada']}"}
    says = [("members", None, story.ids["ada"])]
    story.does("POST", "/groups/{group}/members/$ref", to_ada, activity="Add member to group", says=says)
    says = [("members", story.ids["ada"], None)]
    story.does("DELETE", "/groups/{group}/members/{member}/$ref", activity="Remove member from group", says=says)
    story.ids["owner"] = story.ids["bea"]
    says = [("owners", None, "Ada")]
    story.does("POST", "/groups/{group}/owners/$ref", to_bea, activity="Add owner to group", says=says)
    says = [("owners", "Ada", None)]
    story.does("DELETE", "/groups/{group}/owners/{owner}/$ref", activity="Remove owner from group", says=says)
    story.does("DELETE", "/users/{user}", activity="Delete user")
    story.does("POST", "/directory/deletedItems/{item}/restore", activity="Restore user")
    story.does("DELETE", "/users/{user}", activity="Delete user")
    story.does("DELETE", "/directory/deletedItems/{item}", activity="Hard delete user")
    story.ids["user"] = story.ids["bea"]
    link = story.does("POST", "/users/{user}/createPasswordLink", activity="Create password link").body
    story.does("POST", "/users/{user}/revokeSignInSessions", activity="Revoke sign in sessions")
    secrets_of(story, *(str(value) for name, value in link.items() if "ink" in name and name[0] != "@"))
    content = b"userPrincipalName,displayName\ncid@example.com,Cid\n"
    story.does("POST", "/imports?fileName=people.csv", raw=content, activity="Import directory objects")


def test_changes_of_who_may_do_what(story: Story) -> None:
    made = story.does("POST", "/applications", {"displayName": "deploy"}, activity="Add application")
    story.ids["application"] = made.body["id"]
    wanted = {"passwordCredential": {"displayName": "first"}}
    says: Expected = [("passwordCredentials", None, " until ")]
    path = "/applications/{application}"
    secret = story.does("POST", f"{path}/addPassword", wanted, activity="Add client secret", says=says).body
    key = {"keyId": secret["keyId"]}
    says = [("passwordCredentials", secret["keyId"], None)]
    story.does("POST", f"{path}/removePassword", key, activity="Remove client secret", says=says)
    token = {"name": "night", "roles": [Role.REPORTS_READER.value], "expiresInDays": 9}
    says = [("roles", None, "Reports Reader")]
    given = story.does("POST", "/tokens", token, activity="Add API token", says=says).body
    story.ids["token"] = given["id"]
    story.does("DELETE", "/tokens/{token}", activity="Remove API token")
    wanted = {"displayName": "carl", "password": PASSWORD, "roles": [Role.GLOBAL_READER.value]}
    says = [("roles", None, "Global Reader")]
    made = story.does("POST", "/administrators", wanted, activity="Add administrator", says=says)
    story.ids["administrator"] = made.body["id"]
    says = [("roles", "Global Reader", "Reports Reader")]
    roles = {"roles": [Role.REPORTS_READER.value]}
    story.does("PATCH", "/administrators/{administrator}", roles, activity="Update administrator", says=says)
    definitions = story.house.call("GET", "/roleManagement/directory/roleDefinitions").body["value"]
    role = next(each["id"] for each in definitions if each["displayName"] == "Global Reader")
    wanted = {"principalId": made.body["id"], "roleDefinitionId": role, "directoryScopeId": "/"}
    path = "/roleManagement/directory/roleAssignments"
    says = [("roles", "Reports Reader", "Global Reader, Reports Reader")]
    answer = story.does("POST", path, wanted, activity="Update administrator", says=says)
    story.ids["assignment"] = answer.body["id"]
    says = [("roles", "Global Reader, Reports Reader", "Reports Reader")]
    story.does("DELETE", f"{path}/{{assignment}}", activity="Update administrator", says=says)
    story.does("DELETE", "/administrators/{administrator}", activity="Remove administrator")
    secrets_of(story, secret["secretText"], given["token"])


def test_changes_of_an_application(story: Story) -> None:
    template = story.house.call("GET", "/applicationTemplates?$filter=displayName eq '8x8'").body["value"][0]["id"]
    story.ids["template"] = template
    path = "/applicationTemplates/{template}/instantiate"
    both = story.does("POST", path, {"displayName": "8x8"}, activity="Add service principal").body
    story.ids |= {"sp": both["servicePrincipal"]["id"], "application": both["application"]["id"]}
    says = [("displayName", "8x8", "8x8 London")]
    path = "/applications/{application}"
    story.does("PATCH", path, {"displayName": "8x8 London"}, activity="Update application", says=says)
    says = [("accountEnabled", "True", "False")]
    story.does("PATCH", SP, {"accountEnabled": False}, activity="Update application", says=says)
    story.does("PATCH", SP, {"accountEnabled": True}, activity="Update application")
    to_bea = {"@odata.id": f"https://x/users/{story.ids['bea']}"}
    for subject in ("/applications/{application}", SP):
        says = [("owners", None, "Ada")]
        story.does("POST", f"{subject}/owners/$ref", to_bea, activity="Add owner to application", says=says)
        says = [("owners", "Ada", None)]
        path = f"{subject}/owners/{{owner}}/$ref"
        story.does("DELETE", path, activity="Remove owner from application", says=says)
    wanted: dict[str, Any] = {"identifier": "https://sso.8x8.com/saml2", "replyUrls": ["https://sso.8x8.com/saml2/acs"]}
    story.does("PATCH", f"{SP}/singleSignOn", wanted, activity="Update application")
    path = f"{SP}/openIdConnect"
    wanted = {"redirectUris": ["https://sso.8x8.com/callback"]}
    story.does("PATCH", path, wanted, activity="Update application")
    secret = story.does("POST", f"{path}/secrets", {}, activity="Add client secret").body
    story.ids["secret"] = secret["keyId"]
    secrets_of(story, secret["secretText"])
    story.does("DELETE", f"{path}/secrets/{{secret}}", activity="Remove client secret")
    story.does("POST", "/openIdConnect/rollKey", activity="Roll signing key")
    provider_of(story)
    path = f"{SP}/addTokenSigningCertificate"
    for _ in range(2):
        story.does("POST", path, {"displayName": "CN=next"}, activity="Add signing certificate")
    shown = story.house.call("GET", _at(story, f"{SP}/singleSignOn")).body
    story.ids["certificate"] = next(each["keyId"] for each in shown["certificates"] if not each["isActive"])
    path = f"{SP}/tokenSigningCertificates/{{certificate}}"
    story.does("DELETE", path, activity="Remove signing certificate")
    role = next(each["id"] for each in both["servicePrincipal"]["appRoles"])
    for holder, principal in ((SP, "user"), ("/users/{user}", "user"), ("/groups/{group}", "group")):
        path = f"{holder}/appRoleAssignedTo" if holder == SP else f"{holder}/appRoleAssignments"
        wanted = {"principalId": story.ids[principal], "resourceId": story.ids["sp"], "appRoleId": role}
        made = story.does("POST", path, wanted, activity="Add app role assignment grant")
        story.ids["assignment"] = made.body["id"]
        activity = "Remove app role assignment"
        story.does("DELETE", f"{path}/{{assignment}}", activity=activity)
    # Declared by a configuration, for somebody who is not there.
    wanted = {
        "version": 1,
        "applications": [{"name": "8x8 London", "template": "8x8", "assignments": [{"user": "who@l.example"}]}],
    }
    story.does("POST", "/configuration/apply", {"configuration": wanted}, activity="Add app role assignment grant")
    found = story.house.call("GET", _at(story, f"{SP}/awaitedAssignments")).body["value"]
    story.ids["assignment"] = found[0]["id"]
    story.does("DELETE", f"{SP}/awaitedAssignments/{{assignment}}", activity=activity)


def provider_of(story: Story) -> None:
    """The other identity provider: set up, looked at (nobody is there), removed."""
    path = "/identityProvider"
    wanted = {
        "displayName": "Keycloak",
        "wellKnownEndpoint": "https://127.0.0.1:9/realms/company",
        "clientId": "muster",
        "clientSecret": OLD_SECRET,
    }
    says = [("clientSecret", None, "*"), ("clientId", None, "muster")]
    story.does("PATCH", path, wanted, activity="Update identity provider", says=says)
    secrets_of(story, OLD_SECRET)
    says = [("wellKnownEndpoint", "https://127.0.0.1:9", None)]
    story.does("DELETE", path, activity="Remove identity provider", says=says)


def test_changes_of_a_job(story: Story) -> None:
    setting = "Update provisioning setting or credentials"
    pairs = [{"key": "BaseAddress", "value": TENANT_URL}, {"key": "SecretToken", "value": OLD_SECRET}]
    says = [("BaseAddress", None, TENANT_URL), ("SecretToken", None, "*")]
    story.does("PUT", f"{SYNC}/secrets", {"value": pairs}, activity=setting, says=says)
    pairs[1]["value"] = NEW_SECRET
    says = [("SecretToken", "*", "*")]
    story.does("PUT", f"{SYNC}/secrets", {"value": pairs}, activity=setting, says=says)
    says = [("dialect.concurrency", None, "3")]
    story.does("PATCH", f"{SYNC}/dialect", {"concurrency": 3}, activity=setting, says=says)
    made = story.does("POST", f"{SYNC}/jobs", {"templateId": "8x8"}, activity="Add provisioning configuration")
    story.ids["job"] = made.body["id"]
    wanted: dict[str, Any] = {"schedule": {"interval": "PT1H"}}
    says = [("interval", "PT40M", "PT1H")]
    story.does("PATCH", JOB, wanted, activity=setting, says=says)
    says = [("schedule.state", "Disabled", "Active")]
    story.does("POST", f"{JOB}/start", activity="Enable/start provisioning configuration", says=says)
    reset = {"criteria": {"resetScope": "Watermark"}}
    says = [("resetScope", None, "Watermark")]
    story.does("POST", f"{JOB}/restart", reset, activity="Enable/restart provisioning configuration", says=says)
    story.does("POST", f"{JOB}/cycles", {"kind": "reconciliation"}, activity="Reconcile")
    says = [("schedule.state", "Active", "Paused")]
    story.does("POST", f"{JOB}/pause", activity="Disable/pause provisioning configuration", says=says)
    wanted = {"settings": {"Approval": "removals"}}
    says = [("Approval", None, "removals")]
    story.does("PATCH", f"{JOB}/safeguards", wanted, activity=setting, says=says)
    story.does("POST", f"{JOB}/wireLog", {"minutes": 5}, activity="Switch wire log", says=[("until", None, "T08:05")])
    mappings = "Update attribute mappings or scope"
    document = story.house.call("GET", f"{_at(story, SCHEMA)}").body
    rules = document["synchronizationRules"]
    rules[0]["objectMappings"][0]["flowTypes"] = "Add, Update"
    says = [("schema.version", "1", "2")]
    story.does("PATCH", SCHEMA, {"synchronizationRules": rules}, activity=mappings, says=says)
    rules[0]["objectMappings"][0]["flowTypes"] = "Add"
    story.does("PUT", SCHEMA, {**document, "synchronizationRules": rules}, activity=mappings)
    story.ids["version"] = "2"
    story.does("POST", f"{SCHEMA}/versions/{{version}}/restore", activity=mappings)
    story.ids |= {"directory": "8x8", "attribute": "badge"}
    story.ids["object"] = rules[0]["objectMappings"][0]["targetObjectName"]
    story.does("POST", ATTRIBUTES, {"name": "badge", "type": "String"}, activity=mappings)
    story.does("PATCH", f"{ATTRIBUTES}/{{attribute}}", {"caseExact": True}, activity=mappings)
    story.does("DELETE", f"{ATTRIBUTES}/{{attribute}}", activity=mappings)
    story.does("DELETE", SCHEMA, activity=mappings)
    secrets_of(story)


def test_decisions_about_what_waits_and_whose_accounts_are_whose(story: Story) -> None:
    cycle = Cycle(
        id="cycle-1",
        job_id=story.ids["job"],
        kind=CycleKind.INITIAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0,
        window_until=5,
        epoch=1,
        counters=Counters(),
        began_at=story.house.clock.at,
    )
    cycles = story.house.stores.cycles
    cycles.begin(cycle)
    held = [hold("ada", BLOCKED), hold("bob", BLOCKED)]
    link = Link(
        source_id="cid",
        kind=ObjectKind.USER,
        target_id="t-cid",
        state=LinkState.ADOPTED,
        owned=LinkState.ADOPTED,
        acknowledged=Acknowledged(),
        display_name="Cid",
    )
    settlements = [Settlement(kind=each.kind, source_id=each.source_id, hold=each) for each in held]
    cycles.settle(cycle, [*settlements, Settlement(kind=ObjectKind.USER, source_id="cid", link=link)])
    running = cycles.running(story.ids["job"])
    assert running is not None
    cycles.close(replace(running, state=CycleState.SUCCEEDED), None)
    path = f"{JOB}/heldOperations"
    listed = story.house.call("GET", _at(story, path)).body["value"]
    first, second = ({"ids": [each["id"]]} for each in listed)
    story.does("POST", f"{path}/approve", first, activity="Approve held operations")
    story.does("POST", f"{path}/reject", second, activity="Reject held operations")
    story.does("POST", f"{JOB}/links/promote", {"all": True}, activity="Promote linked accounts")
    story.ids["object"] = "cid"
    says = [("Cid", "t-cid", None)]
    path = f"{JOB}/objectConnections/{{object}}"
    story.does("DELETE", path, activity="Delete object connection", says=says)


def test_changes_of_the_installation(story: Story) -> None:
    mail = {"host": "mail.example.com", "sender": "m@example.com", "user": "m", "password": PASSWORD}
    says = [("mail", None, "mail.example.com")]
    path = "/notifications/settings"
    wanted: dict[str, Any] = {"mail": mail, "recipients": ["it@example.com"]}
    story.does("PATCH", path, wanted, activity="Update notification settings", says=says)
    body = {"recipients": ["it@example.com"]}
    story.does("POST", "/notifications/test", body, activity="Test notifications", says=[("told", None, "1")])
    configuration = story.house.call("GET", "/configuration").body
    application = configuration["applications"][0]
    application["jobs"][0]["interval"] = "PT2H"
    body = {"configuration": configuration, "secrets": {"8x8 London": {"SecretToken": OLD_SECRET}}}
    activity = "Update provisioning setting or credentials"
    story.does("POST", "/configuration/apply", body, activity=activity)
    story.does("DELETE", JOB, activity="Delete provisioning configuration")
    story.does("DELETE", SP, activity="Remove service principal")
    story.ids["item"] = story.ids["sp"]
    story.does("POST", "/directory/deletedItems/{item}/restore", activity="Restore application")
    story.does("DELETE", "/applications/{application}", activity="Remove service principal")
    story.does("DELETE", "/groups/{group}", activity="Delete group")
    secrets_of(story)


def test_no_call_that_changes_something_was_left_out(story: Story) -> None:
    changing = {(route.method, route.path) for route in ROUTES if route.method != "GET"}
    assert changing - set(CHANGES_NOTHING) - ELSEWHERE == story.told


def _at(story: Story, path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda part: story.ids[part[1]], path)
