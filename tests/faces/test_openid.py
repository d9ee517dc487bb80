"""Applications sign people in by OpenID Connect: a foreign client does, and what attackers try is refused."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from werkzeug.test import TestResponse

from faces.house import House
from faces.person_visit import PeopleSite, PersonVisit
from muster.administration import people
from muster.model.sign_in import SignInCode

CALLBACK = "https://crm.example.com/callback"
OTHER_CALLBACK = "https://other.example.com/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class Application:
    """An application that people are signed in to, with one person assigned."""

    def __init__(self, site: PeopleSite, *, name: str = "CRM", callback: str = CALLBACK, public: bool = False) -> None:
        self.site = site
        self.house = house = site.house
        found = house.application()
        self.sp, self.client_id = found["id"], found["appId"]
        self.path = f"/servicePrincipals/{self.sp}/openIdConnect"
        self.secret = house.call("POST", f"{self.path}/secrets").body["secretText"]
        given = {"redirectUris": [callback], "isEnabled": True, "isPublicClient": public}
        assert house.call("PATCH", self.path, given).status == 200

    def assign(self, person_id: str) -> None:
        role = next(
            (role["id"] for role in self.house.call("GET", f"/servicePrincipals/{self.sp}").body["appRoles"]),
            "00000000-0000-0000-0000-000000000000",
        )
        body = {"principalId": person_id, "resourceId": self.sp, "appRoleId": role}
        assert self.house.call("POST", f"/servicePrincipals/{self.sp}/appRoleAssignedTo", body).status == 201

    def ask(self, visit: PersonVisit, **changes: str | None) -> TestResponse:
        """Sends a person's browser with an authorization request; None leaves a parameter out."""
        given: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile email",
            "state": "st&te",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return visit.get(f"/oidc/authorize?{urlencode({k: v for k, v in given.items() if v is not None})}")

    def code(self, visit: PersonVisit, **changes: str | None) -> str:
        return answered(self.ask(visit, **changes))["code"]

    def exchange(self, given_code: str, **changes: str | None) -> TestResponse:
        given: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": given_code,
            "redirect_uri": CALLBACK,
            "client_id": self.client_id,
            "client_secret": self.secret,
            "code_verifier": VERIFIER,
            **changes,
        }
        data = {name: value for name, value in given.items() if value is not None}
        return self.site.visitor().client.post("/oidc/token", data=data)

    def userinfo(self, token: str) -> TestResponse:
        return self.site.visitor().get("/oidc/userinfo", Authorization=f"Bearer {token}")


def answered(response: TestResponse) -> dict[str, str]:
    """What the application is told at its redirect URI."""
    assert response.status_code == 302, response.text
    location = response.headers["Location"]
    assert location.startswith(f"{CALLBACK}?"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=="))
    return found


@pytest.fixture
def site(house: House) -> PeopleSite:
    return PeopleSite(house)


@pytest.fixture
def app(site: PeopleSite) -> Application:
    made = Application(site)
    made.assign(site.person(givenName="Ada", surname="Example", mail="ada@mail.example.com"))
    return made


def test_an_application_with_a_secret_may_need_pkce_as_well(site: PeopleSite, app: Application) -> None:
    visit = site.signed_in()
    without: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    assert "code" in answered(app.ask(visit, **without))
    assert app.house.call("PATCH", app.path, {"requiresPkce": True}).body["requiresPkce"] is True
    assert answered(app.ask(visit, **without))["error"] == "invalid_request"
    assert "code" in answered(app.ask(visit))


# ---------------------------------------------------------------- a foreign client


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (inherited)
        pass


@contextmanager
def served(site: PeopleSite) -> Iterator[str]:
    """The site over HTTP."""
    with make_server("127.0.0.1", 0, site.site, handler_class=_Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_a_foreign_client_signs_a_person_in_over_http(site: PeopleSite, method: str) -> None:
    app = Application(site, public=method == "none")
    person = site.person(givenName="Ada", surname="Example", mail="ada@mail.example.com")
    app.assign(person)
    visit = site.signed_in()
    with served(site) as root:
        known = requests.get(f"{root}/oidc/.well-known/openid-configuration", timeout=60).json()
        assert known["issuer"] == f"{root}/oidc"
        client = OAuth2Session(
            app.client_id,
            None if method == "none" else app.secret,
            scope="openid profile email",
            redirect_uri=CALLBACK,
            token_endpoint_auth_method=method,
            code_challenge_method="S256",
        )
        url, state = client.create_authorization_url(
            known["authorization_endpoint"], nonce="n-1", code_verifier=VERIFIER
        )
        location = visit.get(url.removeprefix(root)).headers["Location"]
        token = client.fetch_token(
            known["token_endpoint"], authorization_response=location, state=state, code_verifier=VERIFIER, timeout=60
        )
        keys = KeySet.import_key_set(requests.get(known["jwks_uri"], timeout=60).json())
        decoded = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
        shown = client.get(known["userinfo_endpoint"], timeout=60).json()
    assert decoded.claims["iss"] == f"{root}/oidc"
    assert decoded.claims["aud"] == app.client_id and decoded.claims["sub"] == person
    assert decoded.claims["nonce"] == "n-1" and decoded.claims["amr"] == ["pwd"]
    half = hashlib.sha256(token["access_token"].encode()).digest()[:16]
    assert decoded.claims["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    named = {"name": "Ada Example", "given_name": "Ada", "family_name": "Example", "email": "ada@mail.example.com"}
    assert named.items() <= decoded.claims.items() and named.items() <= shown.items()
    assert shown["sub"] == person and "refresh_token" not in token


def test_whoever_is_not_signed_in_signs_in_first_and_comes_back(app: Application) -> None:
    visit = app.site.visitor()
    first = app.ask(visit)
    assert first.status_code == 303
    back = parse_qs(urlsplit(first.headers["Location"]).query)["next"][0]
    assert first.headers["Location"].startswith("/signin?next=%2Foidc%2Fauthorize")
    assert "url=/oidc/authorize?" in visit.sign_in(next=back).text
    assert answered(visit.get(back))["state"] == "st&te"


def test_the_answer_names_the_issuer(app: Application) -> None:
    assert answered(app.ask(app.site.signed_in()))["iss"] == "http://localhost/oidc"


def test_an_authorization_request_may_come_as_a_form(app: Application) -> None:
    visit = app.site.signed_in()
    query = urlsplit(f"?{urlencode({'client_id': app.client_id, 'scope': 'openid'})}").query
    answer = visit.client.post("/oidc/authorize", data=dict(parse_qs(query)))
    assert answer.status_code == 303 and answer.headers["Location"].startswith("/oidc/authorize?client_id=")


# ---------------------------------------------------------------- requests that are refused


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?x=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "https://crm.example.com.evil.example/callback"},
        {"redirect_uri": "https://crm.example.com/callback/../evil"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": f"{CALLBACK}\nevil"},
        {"redirect_uri": f'{CALLBACK}"é'},
        {"redirect_uri": None},
        {"response_type": "a\nb", "redirect_uri": "https://evil.example/"},
        {"client_id": "unknown"},
        {"client_id": None},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(app: Application, changes: dict[str, str | None]) -> None:
    answer = app.ask(app.site.signed_in(), **changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers and "evil" not in answer.text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"prompt": "none\né login"}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
        ({"request_uri": "https://evil.example/r"}, "invalid_request"),
        ({"nonce": "n" * 600}, "invalid_request"),
    ],
)
def test_what_is_not_offered_is_refused_to_the_application(
    app: Application, changes: dict[str, str | None], error: str
) -> None:
    told = answered(app.ask(app.site.signed_in(), **changes))
    assert (told["error"], told["state"]) == (error, "st&te")
    assert "code" not in told


def test_prompt_none_asks_nobody(app: Application) -> None:
    assert answered(app.ask(app.site.visitor(), prompt="none"))["error"] == "login_required"
    assert "code" in answered(app.ask(app.site.signed_in(), prompt="none"))


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "60"}])
def test_a_fresh_sign_in_can_be_asked_for(app: Application, changes: dict[str, str]) -> None:
    visit = app.site.signed_in()
    assert "code" in answered(app.ask(visit, **changes))
    app.house.clock.sleep(timedelta(minutes=5))
    again = app.ask(visit, **changes)
    assert again.status_code == 303 and again.headers["Location"].startswith("/signin")
    assert visit.get("/myapps").status_code == 303


def test_a_sign_in_at_this_moment_ends(app: Application) -> None:
    visit = app.site.signed_in()
    # Between the sign-in and the request that it comes back to, time passes.
    app.house.clock.sleep(timedelta(seconds=2))
    assert "code" in answered(app.ask(visit, prompt="login", max_age="0"))
    app.house.clock.sleep(timedelta(minutes=2))
    assert app.ask(visit, max_age="0").status_code == 303


@pytest.mark.parametrize("longest", ["²", "٣", "-1", "1.5", "9" * 30, ""])
def test_an_age_that_is_no_number_is_passed_over(app: Application, longest: str) -> None:
    assert "code" in answered(app.ask(app.site.signed_in(), max_age=longest))


# ---------------------------------------------------------------- people who may not


def test_whoever_is_not_assigned_is_told_so_and_the_log_says_it(app: Application) -> None:
    app.site.person("eve")
    visit = app.site.signed_in("eve")
    answer = app.ask(visit)
    assert answer.status_code == 403 and "not assigned" in answer.text
    assert visit.log()[0] == (SignInCode.NOT_ASSIGNED, "eve@example.com")


def test_a_disabled_application_signs_nobody_in(app: Application) -> None:
    app.house.call("PATCH", f"/servicePrincipals/{app.sp}", {"accountEnabled": False})
    assert app.ask(app.site.signed_in()).status_code == 403


def test_a_member_of_an_assigned_group_is_signed_in(app: Application) -> None:
    eve = app.site.person("eve")
    group = app.house.group()["id"]
    app.house.call("POST", f"/groups/{group}/members/$ref", {"@odata.id": f"https://x/v1.0/users/{eve}"})
    app.assign(group)
    assert "code" in answered(app.ask(app.site.signed_in("eve")))


@pytest.mark.parametrize("moment", ["before the exchange", "after the exchange"])
def test_whoever_is_blocked_gets_no_token_and_keeps_none(app: Application, moment: str) -> None:
    visit = app.site.signed_in()
    code = app.code(visit)
    token = None
    if moment == "after the exchange":
        token = app.exchange(code).json["access_token"]  # type: ignore[index]  # an object
        assert app.userinfo(token).status_code == 200
    people.update_user(app.house.desk, "ada@example.com", {"accountEnabled": False})
    if token is None:
        assert app.exchange(code).status_code == 400
    else:
        assert app.userinfo(token).status_code == 401


def test_a_sign_in_is_logged_with_the_application(app: Application) -> None:
    visit = app.site.signed_in()
    app.code(visit)
    found = app.house.call("GET", "/auditLogs/signIns").body["value"][0]
    assert (found["status"]["errorCode"], found["resourceId"], found["appId"]) == (0, app.sp, app.client_id)


# ---------------------------------------------------------------- codes and tokens


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"redirect_uri": OTHER_CALLBACK}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 50}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"code_verifier": "short"}, 400, "invalid_request"),
        ({"code": "guess"}, 400, "invalid_grant"),
        ({"code": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_code_is_exchanged_by_who_asked_for_it_alone(
    app: Application, changes: dict[str, str | None], status: int, error: str
) -> None:
    answer = app.exchange(app.code(app.site.signed_in()), **changes)
    assert (answer.status_code, answer.json["error"]) == (status, error)  # type: ignore[index]  # an object
    assert "access_token" not in answer.text


def test_a_code_that_comes_again_revokes_what_it_was_exchanged_for(app: Application) -> None:
    code = app.code(app.site.signed_in())
    token = app.exchange(code).json["access_token"]  # type: ignore[index]  # an object
    assert app.userinfo(token).status_code == 200
    assert app.exchange(code).status_code == 400
    assert app.userinfo(token).status_code == 401


def test_a_code_lives_for_a_minute_and_a_token_for_an_hour(app: Application) -> None:
    visit = app.site.signed_in()
    late, code = app.code(visit), app.code(visit)
    token = app.exchange(code).json["access_token"]  # type: ignore[index]  # an object
    app.house.clock.sleep(timedelta(minutes=1))
    assert app.exchange(late).status_code == 400
    app.house.clock.sleep(timedelta(minutes=58))
    assert app.userinfo(token).status_code == 200
    app.house.clock.sleep(timedelta(minutes=1))
    assert app.userinfo(token).status_code == 401


def test_a_code_of_another_application_is_refused(app: Application) -> None:
    other = Application(app.site, callback=CALLBACK)
    code = app.code(app.site.signed_in())
    assert other.exchange(code).status_code == 400
    assert app.exchange(code).status_code == 400


def test_a_verifier_without_a_challenge_is_refused_and_both_may_be_left_out_with_a_secret(app: Application) -> None:
    visit = app.site.signed_in()
    bare = {"code_challenge": None, "code_challenge_method": None}
    assert app.exchange(app.code(visit, **bare)).status_code == 400
    assert app.exchange(app.code(visit, **bare), code_verifier=None).status_code == 200


def test_a_program_without_a_secret_cannot_go_without_pkce(site: PeopleSite) -> None:
    app = Application(site, public=True)
    app.assign(site.person())
    visit = site.signed_in()
    told = answered(app.ask(visit, code_challenge=None, code_challenge_method=None))
    assert told["error"] == "invalid_request"
    assert app.exchange(app.code(visit), client_secret=None, code_verifier=None).status_code == 400
    assert app.exchange(app.code(visit), client_secret=None).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer guess", "Basic YTpi", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
def test_userinfo_wants_a_token_of_ours(app: Application, authorization: str) -> None:
    answer = app.site.visitor().get("/oidc/userinfo", Authorization=authorization)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_token_is_signed_by_a_published_key_and_nothing_else_passes(app: Application) -> None:
    token = app.exchange(app.code(app.site.signed_in())).json["id_token"]  # type: ignore[index]  # an object
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    published = app.site.visitor().get("/oidc/keys").json
    assert header["alg"] == "RS256" and header["kid"] in [key["kid"] for key in published["keys"]]  # type: ignore[index]
    assert all(set(key) <= {"kty", "n", "e", "kid", "use", "alg"} for key in published["keys"])  # type: ignore[index]
    forged = jwt.encode({"alg": "HS256"}, claims(token), OctKey.import_key("k" * 32))
    with pytest.raises(JoseError):
        jwt.decode(forged, KeySet.import_key_set(published), algorithms=["RS256"])


# ---------------------------------------------------------------- keys


def test_the_key_is_rolled_and_the_one_before_stays_published(app: Application) -> None:
    visit = app.site.signed_in()
    before = app.exchange(app.code(visit)).json["id_token"]  # type: ignore[index]  # an object
    app.house.clock.sleep(timedelta(seconds=1))
    rolled = app.house.call("POST", "/openIdConnect/rollKey").body["keyId"]
    after = app.exchange(app.code(visit)).json["id_token"]  # type: ignore[index]  # an object
    keys = KeySet.import_key_set(visit.get("/oidc/keys").json)  # type: ignore[arg-type]  # an object
    assert json.loads(base64.urlsafe_b64decode(after.split(".")[0] + "=="))["kid"] == rolled
    for token in (before, after):
        assert jwt.decode(token, keys, algorithms=["RS256"]).claims["nonce"] == "n-1"


def test_a_key_signs_for_ninety_days_and_goes_once_no_token_of_it_is_in_use(app: Application) -> None:
    def published() -> list[str]:
        return [key["kid"] for key in app.site.visitor().get("/oidc/keys").json["keys"]]  # type: ignore[index]

    (first,) = published()
    app.house.clock.sleep(timedelta(days=90))
    second, again = published()
    assert again == first
    app.house.clock.sleep(timedelta(days=90))
    assert published()[1:] == [second]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"redirectUris": ["http://crm.example.com/cb"]}, "https://"),
        ({"redirectUris": ["https://*.example.com/cb"]}, "asterisk"),
        ({"redirectUris": ["https://crm.example.com/cb#x"]}, "fragment"),
        ({"redirectUris": ["https://user@crm.example.com/cb"]}, "without user"),
        ({"redirectUris": ["javascript:alert(1)"]}, "https://"),
        ({"redirectUris": ["javascript.x:alert(1)"]}, "https://"),
        ({"redirectUris": ["data.x:text/html,x"]}, "https://"),
        ({"redirectUris": ["com..app:/cb"]}, "https://"),
        ({"redirectUris": ["https://a.example/", "https://a.example/"]}, "twice"),
        ({"redirectUris": []}, "needs an address"),
        ({"redirectUris": [5]}, "list of texts"),
        ({"redirectUris": "https://a.example/"}, "list"),
        ({"signOnUrl": "javascript:alert(1)"}, "signOnUrl"),
        ({"claims": [{"name": "sub", "expression": "[mail]"}]}, "every token has"),
        ({"claims": [{"name": "x", "expression": "[secret]"}]}, "no attribute"),
        ({"claims": [{"name": "x", "expression": "Join("}]}, "claim x"),
        ({"claims": [{"name": "x", "expression": "[mail]", "scope": "all"}]}, "scope is one of"),
        ({"claims": [{"name": "x", "expression": "[mail]"}] * 2}, "twice"),
        ({"isEnabled": "yes"}, "true or false"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_will_not_do_are_refused_and_named(app: Application, given: Mapping[str, Any], part: str) -> None:
    before = app.house.call("GET", app.path).body
    answer = app.house.call("PATCH", app.path, given)
    assert answer.status == 400 and part in answer.message
    assert app.house.call("GET", app.path).body == before


@pytest.mark.parametrize("uri", ["https://a.example/cb?x=1", "http://localhost:3000/cb", "com.example.app:/cb"])
def test_addresses_of_servers_of_this_machine_and_of_apps_are_taken(app: Application, uri: str) -> None:
    assert app.house.call("PATCH", app.path, {"redirectUris": [uri]}).body["redirectUris"] == [uri]


def test_claims_are_made_by_expressions(app: Application) -> None:
    given = [
        {"name": "login", "expression": "ToUpper([mailNickname])"},
        {"name": "title", "expression": "[jobTitle]"},
        {"name": "address", "expression": "[mail]", "scope": "email"},
    ]
    assert app.house.call("PATCH", app.path, {"claims": given}).status == 200
    token = app.exchange(app.code(app.site.signed_in(), scope="openid")).json["id_token"]  # type: ignore[index]
    found = claims(token)
    assert found["login"] == "ADA" and "title" not in found and "address" not in found


def test_a_claim_that_cannot_be_made_is_named_to_the_application_without_the_persons_values(app: Application) -> None:
    visit = app.site.signed_in()
    token = app.exchange(app.code(visit)).json["access_token"]  # type: ignore[index]  # an object
    code = app.code(visit)
    given = [{"name": "level", "expression": 'FormatDateTime([mail], , "yyyy-MM-dd", "dd")'}]
    assert app.house.call("PATCH", app.path, {"claims": given}).status == 200
    for answer in (app.exchange(code), app.userinfo(token)):
        assert (answer.status_code, answer.json["error"]) == (400, "server_error")  # type: ignore[index]
        assert "level" in answer.text and "ada@" not in answer.text


def test_a_secret_is_shown_once_and_ends_when_it_is_removed(app: Application) -> None:
    shown = app.house.call("GET", app.path)
    assert app.secret not in shown.text and shown.body["secrets"][0]["hint"] == app.secret[:12]
    assert app.house.call("POST", f"{app.path}/secrets").status == 201
    assert app.house.call("POST", f"{app.path}/secrets").status == 400
    assert app.house.call("DELETE", f"{app.path}/secrets/{shown.body['secrets'][0]['keyId']}").status == 204
    assert app.house.call("DELETE", f"{app.path}/secrets/unknown").status == 404
    assert app.exchange(app.code(app.site.signed_in())).status_code == 401
    audit = app.house.call("GET", "/auditLogs/directoryAudits").text
    assert "Remove client secret" in audit and app.secret not in audit


def test_a_tile_of_my_apps_leads_to_where_the_application_begins_a_sign_in(app: Application) -> None:
    visit = app.site.signed_in()
    assert "https://crm.example.com/login" not in visit.get("/myapps").text
    app.house.call("PATCH", app.path, {"signOnUrl": "https://crm.example.com/login"})
    assert 'href="https://crm.example.com/login"' in visit.get("/myapps").text
