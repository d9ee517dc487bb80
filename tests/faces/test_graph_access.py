"""Who may do what: tokens at the door, roles × calls, limits, and errors in OData's shape."""

import re
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from documents.reading import read
from faces.house import GOOD_TOKEN, TENANT_URL, Answered, House
from muster.model.roles import PERMISSIONS, Permission, Role
from muster.web.graph.routes import ROUTES

NOBODY = "99999999-9999-9999-9999-999999999999"

READING_LOGS = {Permission.SIGNED_IN, Permission.READ_LOGS}
OF_GLOBAL_ADMINISTRATORS = {Permission.MANAGE_ACCESS, Permission.MANAGE_INSTALLATION}
RUNNING_APPLICATIONS = set(Permission) - {Permission.WRITE_DIRECTORY} - OF_GLOBAL_ADMINISTRATORS
# What each role may, written out by hand so that a change of the tables shows here.
EXPECTED: dict[Role, set[Permission]] = {
    Role.GLOBAL_ADMINISTRATOR: set(Permission),
    Role.APPLICATION_ADMINISTRATOR: RUNNING_APPLICATIONS,
    Role.CLOUD_APPLICATION_ADMINISTRATOR: RUNNING_APPLICATIONS,
    Role.HYBRID_IDENTITY_ADMINISTRATOR: RUNNING_APPLICATIONS,
    Role.USER_ADMINISTRATOR: {Permission.SIGNED_IN, Permission.READ_DIRECTORY, Permission.WRITE_DIRECTORY},
    Role.GLOBAL_READER: {*READING_LOGS, Permission.READ_DIRECTORY, Permission.READ_CONFIGURATION},
    Role.SECURITY_ADMINISTRATOR: READING_LOGS,
    Role.SECURITY_OPERATOR: READING_LOGS,
    Role.SECURITY_READER: READING_LOGS,
    Role.REPORTS_READER: READING_LOGS,
    Role.APPLICATION_OWNER: {Permission.SIGNED_IN, Permission.READ_DIRECTORY},
}
OWNERS_MAY = {
    Permission.READ_CONFIGURATION,
    Permission.WRITE_CONFIGURATION,
    Permission.RUN_JOBS,
    Permission.READ_LOGS,
}
# Collections in which owners see what is theirs.
OPEN_TO_OWNERS = {
    ("GET", "/applications"),
    ("GET", "/servicePrincipals"),
    ("GET", "/auditLogs/provisioning"),
    ("GET", "/auditLogs/provisioning/{entry}"),
    ("GET", "/work/{work}"),
}
CALLS = [(route.method, route.path) for route in ROUTES]


def documented() -> dict[tuple[str, str], Permission]:
    """The permission that docs/api.md says each call needs."""
    rows = re.findall(r"^\| `([A-Z]+) ([^`]+)` \| ([a-z.]+) \|", read("api.md"), re.MULTILINE)
    return {(method, path): Permission(permission) for method, path, permission in rows}


PROMISED = documented()


def filled(path: str, application: str = NOBODY, sp: str = NOBODY) -> str:
    """The path with an id that nobody has in every place but those of the application."""
    path = path.replace("{application}", application).replace("{sp}", sp)
    return re.sub(r"\{\w+\}", NOBODY, path)


def tried(house: House, token: str, method: str, path: str) -> Answered:
    return house.call(method, path, None if method in ("GET", "DELETE") else {}, token=token)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="module")
def tokens(shared: House) -> dict[Role, str]:
    return {role: shared.token_for(role) for role in Role}


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name.lower())
def test_a_role_may_exactly_the_calls_it_is_for(
    shared: House, tokens: dict[Role, str], role: Role, method: str, path: str
) -> None:
    permission = PROMISED[method, path]
    answer = tried(shared, tokens[role], method, filled(path))
    if permission in EXPECTED[role]:
        assert answer.status in (200, 400, 404), answer.text
    else:
        assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
        assert permission.value in answer.message


def test_the_roles_give_what_is_expected() -> None:
    assert {role: set(given) for role, given in PERMISSIONS.items()} == EXPECTED


# ---------------------------------------------------------------- owners


@dataclass
class Owned:
    """Two applications and the token of one who owns the first."""

    house: House
    sp: str
    application: str
    other_sp: str
    other_application: str
    token: str
    owner_id: str


def own(house: House) -> Owned:
    mine, other = house.application(), house.application("Slack")
    token = house.token_for(Role.APPLICATION_OWNER)
    owner_id = house.call("GET", "/me", token=token).body["id"]
    reference = {"@odata.id": f"https://x/v1.0/directoryObjects/{owner_id}"}
    assert house.call("POST", f"/applications/{mine['application']['id']}/owners/$ref", reference).status == 204
    return Owned(house, mine["id"], mine["application"]["id"], other["id"], other["application"]["id"], token, owner_id)


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Owned:
    return own(House(tmp_path_factory.mktemp("owned")))


# Whoever runs a source writes people, which an owner of it may not by that alone.
WRITES_PEOPLE = {
    ("POST", "/servicePrincipals/{sp}/synchronization/jobs/{job}/mirror/acceptMissing"),
    ("POST", "/servicePrincipals/{sp}/synchronization/jobs/{job}/mirror/readAnew"),
}
# What would take away what the other rows of this table are tried on.
SPARED = {("DELETE", "/applications/{application}"), ("DELETE", "/servicePrincipals/{sp}")}


@pytest.mark.parametrize(("method", "path"), [call for call in CALLS if call not in SPARED])
def test_an_owner_may_manage_their_own_application_and_no_other(owned: Owned, method: str, path: str) -> None:
    permission = PROMISED[method, path]
    names_one = "{sp}" in path or "{application}" in path
    answer = tried(owned.house, owned.token, method, filled(path, owned.application, owned.sp))
    by_role = permission in EXPECTED[Role.APPLICATION_OWNER]
    owners_may = names_one and permission in OWNERS_MAY and (method, path) not in WRITES_PEOPLE
    if by_role or owners_may or (method, path) in OPEN_TO_OWNERS:
        assert answer.status in (200, 201, 202, 204, 400, 404), answer.text
    else:
        assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")
    if names_one and not by_role:
        other = tried(owned.house, owned.token, method, filled(path, owned.other_application, owned.other_sp))
        assert (other.status, other.code) == (403, "Authorization_RequestDenied")


def test_an_owner_sees_their_own_applications_and_logs_only(house: House) -> None:
    mine = own(house)
    for path, expected in (("/servicePrincipals", mine.sp), ("/applications", mine.application)):
        assert [each["id"] for each in house.call("GET", path, token=mine.token).body["value"]] == [expected]
    assert house.call("GET", "/auditLogs/provisioning", token=mine.token).body["value"] == []
    assert house.call("GET", "/auditLogs/directoryAudits", token=mine.token).status == 403
    assert house.call("GET", "/me", token=mine.token).body["ownedApplications"] == [mine.sp]


def test_an_owner_brings_an_application_to_its_first_cycle(house: House) -> None:
    mine = own(house)
    ada = house.user("ada")
    sync = f"/servicePrincipals/{mine.sp}/synchronization"
    pairs = [{"key": "BaseAddress", "value": TENANT_URL}, {"key": "SecretToken", "value": GOOD_TOKEN}]

    def call(method: str, path: str, body: Any = None) -> Answered:
        return house.call(method, path, body, token=mine.token)

    role = call("GET", f"/servicePrincipals/{mine.sp}").body["appRoles"][0]["id"]
    grant = {"principalId": ada["id"], "resourceId": mine.sp, "appRoleId": role}
    assert call("POST", f"/servicePrincipals/{mine.sp}/appRoleAssignedTo", grant).status == 201
    assert call("PUT", f"{sync}/secrets", {"value": pairs}).status == 204
    job = call("POST", f"{sync}/jobs", {}).body["id"]
    assert call("POST", f"{sync}/jobs/{job}/start").status == 204
    asked = call("POST", f"{sync}/jobs/{job}/cycles")
    assert asked.status == 202
    assert call("GET", f"/work/{asked.body['id']}").body["jobId"] == job
    assert house.call("GET", f"/work/{asked.body['id']}", token=house.token_for(Role.APPLICATION_OWNER)).status == 403
    assert call("DELETE", f"/servicePrincipals/{mine.sp}").status == 204
    assert call("GET", f"/servicePrincipals/{mine.sp}").status == 403


def test_ownership_ends_when_it_is_taken_away(house: House) -> None:
    mine = own(house)
    listed = house.call("GET", f"/servicePrincipals/{mine.sp}/owners").body["value"]
    assert [(each["id"], each["displayName"]) for each in listed] == [(mine.owner_id, "test")]
    assert house.call("DELETE", f"/servicePrincipals/{mine.sp}/owners/{mine.owner_id}/$ref").status == 204
    assert house.call("GET", f"/servicePrincipals/{mine.sp}", token=mine.token).status == 403
    assert house.call("GET", f"/servicePrincipals/{mine.sp}/owners").body["value"] == []
    assert house.call("DELETE", f"/servicePrincipals/{mine.sp}/owners/{mine.owner_id}/$ref").status == 404


def test_who_may_own_is_named(house: House) -> None:
    sp, group = house.application()["id"], house.group()["id"]
    ada = house.user("ada")
    for path in (f"/servicePrincipals/{sp}/owners", f"/groups/{group}/owners"):
        reference = {"@odata.id": f"https://x/v1.0/users/{ada['id']}"}
        assert house.call("POST", f"{path}/$ref", reference).status == 204
        assert house.call("POST", f"{path}/$ref", reference).status == 400
        assert house.call("POST", f"{path}/$ref", {"@odata.id": f"https://x/{NOBODY}"}).status == 404
        assert [each["id"] for each in house.call("GET", path).body["value"]] == [ada["id"]]
    audited = house.call("GET", "/auditLogs/directoryAudits?$filter=startswith(activityDisplayName,'Add owner')").body
    assert {each["targetResources"][0]["type"] for each in audited["value"]} == {"ServicePrincipal", "Group"}


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_call_is_answered_without_a_token(shared: House, method: str, path: str) -> None:
    answer = shared.call(method, filled(path), token=None)
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "authorization", ["Basic YTpi", "Bearer", "Bearer ", "Bearer wrong", "bearer  x y", "Bearer " + "x" * 5_000]
)
def test_a_wrong_authorization_is_refused(house: House, authorization: str) -> None:
    answer = house.call("GET", "/users", token=None, headers={"Authorization": authorization})
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")


def test_an_expired_token_is_refused(house: House) -> None:
    token = house.token_for(Role.GLOBAL_READER, lifetime=timedelta(hours=1))
    assert house.call("GET", "/users", token=token).status == 200
    house.clock.at += timedelta(hours=2)
    assert house.call("GET", "/users", token=token).status == 401


def test_an_unknown_path_tells_a_stranger_nothing(house: House) -> None:
    assert house.call("GET", "/nothing/here", token=None).status == 401
    answer = house.call("GET", "/nothing/here")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/users", {"GET", "POST"}), ("POST", "/users/1/manager/$ref", {"PUT", "DELETE"})],
)
def test_a_wrong_method_is_refused_with_those_that_are_right(
    house: House, method: str, path: str, allowed: set[str]
) -> None:
    answer = house.call(method, path, {})
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} - {"OPTIONS", "HEAD"} == allowed


def test_an_error_has_the_parts_that_clients_read(house: House) -> None:
    answer = house.call("GET", f"/users/{NOBODY}", headers={"client-request-id": "mine"})
    error = answer.body["error"]
    assert (answer.status, error["code"]) == (404, "Request_ResourceNotFound")
    assert error["innerError"] == {
        "date": "2026-05-04T08:00:00",
        "request-id": answer.headers["request-id"],
        "client-request-id": "mine",
    }
    assert answer.headers["client-request-id"] == "mine"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "Unable to read JSON"),
        (b"\xff\xfe", "Unable to read JSON"),
        (b"", "payload is required"),
        (b"[]", "must be an object"),
        (b'"text"', "must be an object"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "nested deeper than 64"),
        (b"[" * 5_000 + b"]" * 5_000, "Unable to read JSON"),
    ],
)
def test_a_body_that_is_no_object_is_refused(house: House, raw: bytes, says: str) -> None:
    answer = house.call("POST", "/users", raw=raw)
    assert answer.status == 400
    assert says in answer.message


def test_a_body_that_is_too_large_is_refused(house: House) -> None:
    answer = house.call("POST", "/users", raw=b'{"displayName":"' + b"x" * (8 * 1024 * 1024) + b'"}')
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")


def test_a_fault_of_ours_shows_no_detail_but_the_request_id(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.uploads.keep = None  # type: ignore[method-assign,assignment]  # so that it breaks
    answer = house.call("POST", "/imports?fileName=people.csv", raw=b"a,b\n")
    assert (answer.status, answer.code) == (500, "InternalServerError")
    assert answer.headers["request-id"] in answer.message
    assert "NoneType" not in answer.text
    assert "NoneType" in caplog.text


def test_both_versions_are_served(house: House) -> None:
    house.user()
    for version in ("v1.0", "beta"):
        answer = house.call("GET", "/users", version=version)
        assert answer.body["@odata.context"].endswith(f"/{version}/$metadata#users")


def test_the_probes_answer_without_a_token(house: House) -> None:
    assert house.call("GET", "/healthz", token=None, version="").text == "ok\n"
    assert house.call("GET", "/readyz", token=None, version="").text == "ready\n"
    house.trouble = "no engine is running"
    answer = house.call("GET", "/readyz", token=None, version="")
    assert (answer.status, answer.text) == (503, "no engine is running\n")
    assert house.call("GET", "/elsewhere", token=None, version="").status == 404


def test_a_full_disk_is_no_fault_and_says_when_to_ask_again(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(house.uploads, "keep", full)
    answer = house.call("POST", "/imports?fileName=people.csv", raw=b"a,b\n")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "ServiceUnavailable", "5")
    assert "the disk of the database is full: make room" in answer.message
    assert "Traceback" not in caplog.text
