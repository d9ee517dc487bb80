"""Programs sign in with client id and secret, and what they hold ends when it should."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import falcon.testing
import pytest

from faces.house import TENANT, Answered, House
from muster.model.roles import Role

SCOPE = "http://falconframework.org/.default"
APPLICATION_ADMINISTRATOR = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"


def post(house: House, form: Any, *, path: str = "/oauth2/v2.0/token", **headers: str) -> Answered:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    result = falcon.testing.simulate_post(
        house.site,  # type: ignore[arg-type]  # any WSGI application will do
        f"/{TENANT}{path}",
        body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
    )
    return Answered(result.status_code, {k.lower(): v for k, v in result.headers.items()}, result.text)


def get(house: House, path: str) -> Any:
    return house.call("GET", path, token=None, version="").body


class Registered:
    """An app registration with a role and a secret."""

    def __init__(self, house: House, role: str = APPLICATION_ADMINISTRATOR) -> None:
        self.house = house
        self.shown = house.made("/applications", {"displayName": "deploy", "signInAudience": "AzureADMyOrg"})
        self.id, self.app_id = self.shown["id"], self.shown["appId"]
        self.sp = house.call("GET", f"/servicePrincipals(appId='{self.app_id}')").body["id"]
        scope = {"principalId": self.sp, "roleDefinitionId": role, "directoryScopeId": "/"}
        self.role = house.made("/roleManagement/directory/roleAssignments", scope)["id"]
        self.secret = self.password()["secretText"]

    def password(self, **given: Any) -> Any:
        answer = self.house.call("POST", f"/applications/{self.id}/addPassword", {"passwordCredential": given})
        assert answer.status == 200, answer.text
        return answer.body

    def form(self, **changes: str) -> dict[str, str]:
        whole = {
            "grant_type": "client_credentials",
            "client_id": self.app_id,
            "client_secret": self.secret,
            "scope": SCOPE,
            **changes,
        }
        return {name: value for name, value in whole.items() if value != "-"}

    def sign_in(self, **changes: str) -> str:
        answer = post(self.house, self.form(**changes))
        assert answer.status == 200, answer.text
        return str(answer.body["access_token"])


@pytest.fixture
def client(house: House) -> Registered:
    return Registered(house)


def test_a_program_gets_a_token_that_may_what_its_roles_give(house: House, client: Registered) -> None:
    answer = post(house, client.form())
    assert answer.headers["cache-control"] == "no-store"
    assert {name: answer.body[name] for name in ("token_type", "expires_in")} == {
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    token = answer.body["access_token"]
    me = house.call("GET", "/me", token=token).body
    assert (me["id"], me["displayName"], me["roles"]) == (client.sp, "deploy", ["Application Administrator"])
    assert house.call("GET", "/servicePrincipals", token=token).status == 200
    assert house.call("GET", "/tokens", token=token).status == 403


def test_a_token_has_the_claims_that_clients_read(house: House, client: Registered) -> None:
    part = client.sign_in().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert (claims["tid"], claims["oid"], claims["appid"]) == (TENANT, client.sp, client.app_id)
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("way", ["basic", "v1"])
def test_other_ways_of_asking(house: House, client: Registered, way: str) -> None:
    if way == "v1":
        answer = post(house, client.form(scope="-", resource="https://graph.example"), path="/oauth2/token")
    else:
        pair = base64.b64encode(f"{client.app_id}:{client.secret}".encode()).decode()
        answer = post(house, client.form(client_id="-", client_secret="-"), Authorization=f"Basic {pair}")
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"grant_type": "-"}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"client_id": "-"}, 400, "invalid_request", 900144),
        ({"client_id": "nobody"}, 400, "unauthorized_client", 700016),
        ({"client_secret": "-"}, 401, "invalid_client", 7000218),
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_assertion": "x"}, 401, "invalid_client", 700027),
        ({"scope": "-"}, 400, "invalid_request", 900144),
        ({"scope": "User.Read"}, 400, "invalid_scope", 1002012),
    ],
)
def test_what_is_wrong_is_said_in_the_way_of_oauth(
    house: House, client: Registered, changes: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = post(house, client.form(**changes))
    assert (answer.status, answer.body["error"], answer.body["error_codes"]) == (status, error, [number])
    assert answer.body["error_description"].startswith(f"AADSTS{number}: ")
    assert client.secret not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"client_id=a&client_id=b", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(60)), "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_form_is_refused(house: House, body: bytes, kind: str) -> None:
    answer = post(house, body, **{"Content-Type": kind})
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


def test_a_large_body_is_refused(house: House) -> None:
    assert post(house, b"a=" + b"x" * 100_000).status == 413


def test_the_endpoint_takes_posts_only_and_knows_its_own_tenant(house: House) -> None:
    answer = house.call("GET", f"/{TENANT}/oauth2/v2.0/token", token=None, version="")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert house.call("GET", f"/{TENANT}/nothing", token=None, version="").status == 404
    assert house.call("GET", "/contoso.onmicrosoft.com/oauth2/v2.0/token", token=None, version="").status == 400


@pytest.mark.parametrize("tenant", ["common", "contoso.onmicrosoft.com", "11111111-2222-3333-4444-555555555555"])
def test_another_tenant_is_refused_in_the_way_of_oauth(house: House, client: Registered, tenant: str) -> None:
    for path in ("/oauth2/v2.0/token", "/oauth2/token"):
        answer = falcon.testing.simulate_post(house.site, f"/{tenant}{path}", body=urlencode(client.form()).encode())  # type: ignore[arg-type]  # any WSGI application will do
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
        assert answer.json["error_codes"] == [90002]
        assert answer.json["error_description"].startswith(f"AADSTS90002: Tenant '{tenant}' not found.")
    assert get(house, f"/{tenant}/v2.0/.well-known/openid-configuration")["error_codes"] == [90002]


def test_a_tenant_may_be_written_in_capitals(house: House, client: Registered) -> None:
    path = f"/{TENANT.upper()}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = falcon.testing.simulate_post(house.site, path, body=urlencode(client.form()).encode(), headers=headers)  # type: ignore[arg-type]  # any WSGI application will do
    assert answer.status_code == 200


def test_two_secrets_are_valid_while_one_is_exchanged_for_the_other(house: House, client: Registered) -> None:
    second = client.password(displayName="second", endDateTime="2027-01-31T00:00:00Z")
    first_token, second_token = client.sign_in(), client.sign_in(client_secret=second["secretText"])
    shown = house.call("GET", f"/applications/{client.id}").body["passwordCredentials"]
    assert [(each["displayName"], each["secretText"]) for each in shown] == [(None, None), ("second", None)]
    assert [each["lastUsedDateTime"] for each in shown] == ["2026-05-04T08:00:00Z"] * 2
    assert shown[1]["endDateTime"] == "2027-01-31T00:00:00Z"
    gone = {"keyId": shown[0]["keyId"]}
    assert house.call("POST", f"/applications/{client.id}/removePassword", gone).status == 204
    assert house.call("POST", f"/applications/{client.id}/removePassword", gone).status == 400
    assert post(house, client.form()).status == 401
    assert house.call("GET", "/me", token=first_token).status == 401
    assert house.call("GET", "/me", token=second_token).status == 200


def test_a_secret_that_has_expired_signs_nobody_in(house: House, client: Registered) -> None:
    short = client.password(endDateTime="2026-05-04T08:30:00Z")["secretText"]
    answer = post(house, client.form(client_secret=short))
    assert answer.body["expires_in"] == 1800
    house.clock.at += timedelta(minutes=31)
    assert house.call("GET", "/me", token=answer.body["access_token"]).status == 401
    refused = post(house, client.form(client_secret=short))
    assert (refused.status, refused.body["error_codes"]) == (401, [7000222])


def test_an_access_token_ends_after_an_hour(house: House, client: Registered) -> None:
    token = client.sign_in()
    house.clock.at += timedelta(minutes=61)
    assert house.call("GET", "/me", token=token).status == 401
    assert house.call("GET", "/me", token=client.sign_in()).status == 200


def test_a_role_that_is_taken_away_is_gone_at_once(house: House, client: Registered) -> None:
    token = client.sign_in()
    assert house.call("DELETE", f"/roleManagement/directory/roleAssignments/{client.role}").status == 204
    assert house.call("GET", "/servicePrincipals", token=token).status == 403
    assert house.call("GET", "/me", token=token).status == 403


def test_a_registration_that_is_removed_ends_its_tokens(house: House, client: Registered) -> None:
    token = client.sign_in()
    assert house.call("PATCH", f"/applications/{client.id}", {"displayName": "renamed"}).status == 204
    assert house.call("GET", f"/servicePrincipals/{client.sp}").body["displayName"] == "renamed"
    assert house.call("DELETE", f"/applications/{client.id}").status == 204
    assert house.call("GET", "/me", token=token).status == 401
    assert post(house, client.form()).body["error"] == "unauthorized_client"
    assert house.call("GET", f"/applications/{client.id}").status == 404


def test_a_registration_that_is_switched_off_signs_in_no_more_and_its_tokens_are_refused(
    house: House, client: Registered
) -> None:
    token = post(house, client.form()).body["access_token"]
    sp = f"/servicePrincipals/{client.sp}"
    assert house.call("GET", "/applications", token=token).status == 200
    assert house.call("PATCH", sp, {"accountEnabled": False}).status == 204
    assert house.call("GET", sp).body["accountEnabled"] is False
    assert house.call("GET", "/applications", token=token).status == 401
    refused = post(house, client.form())
    assert (refused.status, refused.body["error_codes"]) == (400, [7000112])
    newest = house.call("GET", "/auditLogs/directoryAudits?$top=1").body["value"][0]
    assert newest["activityDisplayName"] == "Update service principal"
    assert house.call("PATCH", sp, {"accountEnabled": True}).status == 204
    assert house.call("GET", "/applications", token=token).status == 200
    assert house.call("PATCH", sp, {"accountEnabled": "no"}).status == 400
    assert house.call("PATCH", sp, {"homepage": "https://x"}).status == 400


def test_no_secret_stands_in_the_audit_log_nor_in_a_list(house: House, client: Registered) -> None:
    token = client.sign_in()
    house.call("POST", "/groups", {"displayName": "x", "mailEnabled": False, "securityEnabled": True}, token=token)
    for path in ("/auditLogs/directoryAudits", "/applications", "/servicePrincipals", "/tokens"):
        text = house.call("GET", path).text
        assert client.secret not in text
        assert token not in text
    assert {"Add application", "Add client secret"} <= {
        each["activityDisplayName"] for each in house.call("GET", "/auditLogs/directoryAudits").body["value"]
    }


def test_a_program_stands_in_the_audit_log_as_an_app(house: House, client: Registered) -> None:
    token = client.sign_in()
    sp = house.application()["id"]
    assert house.call("PATCH", f"/servicePrincipals/{sp}", {"accountEnabled": False}, token=token).status == 204
    found = house.call("GET", "/auditLogs/directoryAudits?$filter=initiatedBy/app/displayName eq 'deploy'").body
    assert [each["activityDisplayName"] for each in found["value"]] == ["Update application"]


def test_discovery_leads_to_the_token_endpoint(house: House) -> None:
    found = get(house, f"/{TENANT}/v2.0/.well-known/openid-configuration")
    assert found["token_endpoint"] == f"http://falconframework.org/{TENANT}/oauth2/v2.0/token"
    assert found["issuer"] == f"http://falconframework.org/{TENANT}/v2.0"
    assert get(house, f"/{TENANT}/discovery/v2.0/keys") == {"keys": []}
    assert "tenant_discovery_endpoint" in get(house, "/common/discovery/instance")


def test_who_guesses_secrets_is_braked(house: House, client: Registered) -> None:
    answers = [post(house, client.form(client_secret=f"wrong{number}")) for number in range(25)]
    assert {answer.status for answer in answers[:20]} == {401}
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    house.clock.at += timedelta(minutes=2)
    assert post(house, client.form()).status == 200


def test_a_gallery_application_does_not_sign_in(house: House) -> None:
    application = house.application()["application"]["id"]
    answer = house.call("POST", f"/applications/{application}/addPassword", {})
    assert answer.status == 400
    assert "app registration" in answer.message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"passwordCredential": []}, None),
        ({"passwordCredential": "x"}, "object"),
        ({"passwordCredential": {"endDateTime": "soon"}}, "instant"),
        ({"passwordCredential": {"endDateTime": "2020-01-01T00:00:00Z"}}, "future"),
        ({"passwordCredential": {"displayName": "a\nb"}}, "printable"),
    ],
)
def test_a_wrong_secret_is_refused(house: House, client: Registered, body: Any, says: str | None) -> None:
    answer = house.call("POST", f"/applications/{client.id}/addPassword", body)
    assert answer.status == (200 if says is None else 400)
    assert says is None or says in answer.message


def test_secrets_have_a_number_that_is_enough(house: House, client: Registered) -> None:
    for _ in range(9):
        client.password()
    assert house.call("POST", f"/applications/{client.id}/addPassword", {}).status == 400


# ---------------------------------------------------------------- tokens, roles, administrators


def test_a_token_is_made_listed_and_revoked_over_the_api(house: House) -> None:
    made = house.made("/tokens", {"name": "nightly", "roles": ["Reports Reader"], "expiresInDays": 90})
    assert made["expirationDateTime"] == "2026-08-02T08:00:00Z"
    assert house.call("GET", "/auditLogs/provisioning", token=made["token"]).status == 200
    (shown,) = house.call("GET", "/tokens?$filter=name eq 'nightly'").body["value"]
    assert (shown["roles"], shown["lastUsedDateTime"]) == (["Reports Reader"], "2026-05-04T08:00:00Z")
    assert made["token"] not in house.call("GET", "/tokens").text
    assert house.call("DELETE", f"/tokens/{made['id']}").status == 204
    assert house.call("GET", "/auditLogs/provisioning", token=made["token"]).status == 401
    assert house.call("DELETE", f"/tokens/{made['id']}").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "x", "roles": []},
        {"name": "x", "roles": ["King"]},
        {"name": "x", "roles": [7]},
        {"name": "x", "roles": ["Global Reader"], "expiresInDays": 0},
        {"name": "x", "roles": ["Global Reader"], "expiresInDays": True},
        {"name": "x", "roles": ["Global Reader"], "expirationDateTime": "2020-01-01T00:00:00Z"},
        {"name": "x", "roles": ["Global Reader"], "expirationDateTime": "2030-01-01T00:00:00Z", "expiresInDays": 7},
    ],
)
def test_a_wrong_token_is_refused(house: House, body: Any) -> None:
    assert house.call("POST", "/tokens", body).status == 400


def test_roles_are_given_to_administrators_and_taken_but_from_the_last(house: House) -> None:
    def administrator(name: str, *roles: str) -> str:
        body = {"displayName": name, "password": "correct horse battery", "roles": list(roles)}
        return str(house.made("/administrators", body)["id"])

    anna = administrator("anna", "Global Administrator")
    path = "/roleManagement/directory/roleAssignments"
    reader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
    house.made(path, {"principalId": anna, "roleDefinitionId": reader})
    assert house.call("POST", path, {"principalId": anna, "roleDefinitionId": reader}).status == 400
    held = house.call("GET", f"{path}?$filter=principalId eq '{anna}'").body["value"]
    assert {each["roleDefinitionId"] for each in held} == {reader, "62e90394-69f5-4237-9190-012177145e10"}
    highest = next(each["id"] for each in held if each["roleDefinitionId"] != reader)
    assert house.call("DELETE", f"{path}/{highest}").status == 409
    assert house.call("DELETE", f"/administrators/{anna}").status == 409
    ben = administrator("ben", "Global Administrator")
    assert house.call("DELETE", f"{path}/{highest}").status == 204
    assert house.call("GET", f"{path}/{highest}").status == 404
    assert house.call("PATCH", f"/administrators/{ben}", {"roles": ["Reports Reader"]}).status == 409
    assert house.call("PATCH", f"/administrators/{anna}", {"roles": ["Reports Reader"]}).status == 204
    assert house.call("PATCH", f"/administrators/{anna}", {"roles": []}).status == 400
    assert house.call("DELETE", f"/administrators/{anna}").status == 204
    assert [each["displayName"] for each in house.call("GET", "/administrators").body["value"]] == ["ben"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"principalId": "nobody", "roleDefinitionId": APPLICATION_ADMINISTRATOR}, 404),
        ({"principalId": "nobody", "roleDefinitionId": "nothing"}, 404),
        ({"principalId": "x", "roleDefinitionId": APPLICATION_ADMINISTRATOR, "directoryScopeId": "/1"}, 400),
        ({"roleDefinitionId": APPLICATION_ADMINISTRATOR}, 400),
    ],
)
def test_a_wrong_role_assignment_is_refused(house: House, body: Any, status: int) -> None:
    assert house.call("POST", "/roleManagement/directory/roleAssignments", body).status == status


def test_a_token_keeps_the_roles_it_was_made_with(house: House) -> None:
    made = house.made("/tokens", {"name": "x", "roles": ["Reports Reader"]})
    body = {"principalId": made["id"], "roleDefinitionId": APPLICATION_ADMINISTRATOR}
    assert "make another" in house.call("POST", "/roleManagement/directory/roleAssignments", body).message


def test_roles_have_the_ids_of_entra(house: House) -> None:
    found = house.call("GET", "/roleManagement/directory/roleDefinitions").body["value"]
    assert {each["displayName"] for each in found} == {role.value for role in Role}
    one = house.call("GET", f"/roleManagement/directory/roleDefinitions/{APPLICATION_ADMINISTRATOR}").body
    assert one["displayName"] == "Application Administrator"
    assert "jobs.run" in one["rolePermissions"][0]["allowedResourceActions"]


def test_the_installation_shows_its_tenant(house: House) -> None:
    (found,) = house.call("GET", "/organization").body["value"]
    assert found["id"] == TENANT
    assert house.call("GET", f"/organization/{TENANT}").status == 200
    assert house.call("GET", "/organization/other").status == 404
