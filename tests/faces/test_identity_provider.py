"""Signing in with another OpenID Connect provider: ours of a second installation, and one that lies."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from faces.house import House
from faces.person_visit import PASSWORD, PeopleSite, PersonVisit
from faces.portal_visit import Visit
from fakes.lying_provider import CLIENT_ID, CLIENT_SECRET, Claims, Provider, served_at_port
from muster.administration import second_factors
from muster.administration.access import create_administrator
from muster.model.roles import Role
from muster.model.sign_in import SignInCode

PATH = "/identityProvider"
CALLBACK = "/signin/provider/callback"
Lie = Callable[[Claims], Claims]


@pytest.fixture
def site(house: House) -> PeopleSite:
    return PeopleSite(house)


@pytest.fixture
def provider(house: House) -> Iterator[Provider]:
    def make(root: str) -> tuple[Provider, Provider]:
        made = Provider(root, lambda: int(house.clock.at.timestamp()))
        return made, made

    with served_at_port(make) as made:
        use(house, made.root)
        yield made


def use(house: House, root: str, **changes: Any) -> None:
    given = {
        "displayName": "Company ID",
        "wellKnownEndpoint": root,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        **changes,
    }
    answer = house.call("PATCH", PATH, given)
    assert answer.status == 200, answer.text


def go(visit: PersonVisit, path: str = "/signin/provider?next=/myapps/account") -> str:
    """Where the browser is sent to."""
    answer = visit.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def come_back(visit: PersonVisit, answer: dict[str, str], callback: str = CALLBACK) -> TestResponse:
    return visit.get(f"{callback}?{urlencode(answer)}")


def sign_in(visit: PersonVisit, provider: Provider) -> TestResponse:
    return come_back(visit, provider.authorize(go(visit)))


def is_in(visit: PersonVisit) -> bool:
    return visit.get("/myapps").status_code == 200


def entries(house: House) -> list[Any]:
    found: list[Any] = house.call("GET", "/auditLogs/signIns").body["value"]
    return found


def check_refused(visit: PersonVisit, answer: TestResponse, reason: str, status: int = 403) -> None:
    """Nobody is in, the log says why, the page does not."""
    assert answer.status_code == status, answer.text
    assert not is_in(visit)
    entry = entries(visit.house)[0]
    assert entry["status"]["errorCode"] == SignInCode.UPSTREAM_REFUSED
    assert reason in entry["status"]["additionalDetails"], entry["status"]
    assert entry["status"]["additionalDetails"] not in answer.text
    for secret in (CLIENT_SECRET, "secret details"):
        assert secret not in answer.text
        assert secret not in str(entry)


# ---------------------------------------------------------------- people


def test_a_person_signs_in_with_the_provider_and_goes_where_they_wanted(site: PeopleSite, provider: Provider) -> None:
    person = site.person(password=None)
    visit = site.visitor()
    page = visit.get("/signin?next=/myapps/account")
    assert "Sign in with Company ID" in page.text
    answer = sign_in(visit, provider)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/myapps/account"
    assert visit.get("/myapps/account").status_code == 200
    entry = entries(site.house)[0]
    assert (entry["userId"], entry["status"]["errorCode"]) == (person, 0)
    assert not [each for each in answer.headers.getlist("Set-Cookie") if "oidc" in each and "Max-Age=0" not in each]


def test_a_request_for_single_sign_on_is_taken_along_however_long_it_is(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    visit = site.visitor()
    to = f"/oidc/authorize?state={'x%26y' * 2_000}"
    answer = come_back(visit, provider.authorize(go(visit, f"/signin/provider?{urlencode({'next': to})}")))
    assert answer.status_code == 200
    assert to in answer.text


def test_people_are_found_by_mail_and_by_what_userinfo_says(site: PeopleSite, provider: Provider) -> None:
    use(site.house, provider.root, matchingClaim="email", matchingAttribute="mail")
    site.person(password=None, mail="Ada@Mail.example.com")
    provider.claims = {}
    provider.userinfo = {"email": "ada@mail.example.com", "email_verified": True}
    visit = site.visitor()
    assert sign_in(visit, provider).status_code == 303
    assert is_in(visit)


@pytest.mark.parametrize("by", ["userPrincipalName", "mail"])
@pytest.mark.parametrize("claimed", ["boß@example.com", "bo\u017fs@example.com"])
def test_letters_that_a_search_takes_for_others_are_somebody_elses(
    site: PeopleSite, provider: Provider, by: str, claimed: str
) -> None:
    """`ß` is `ss` where names are searched for, and another person at the provider."""
    use(site.house, provider.root, matchingClaim="email", matchingAttribute=by)
    site.person("boss", password=None, mail="boss@example.com")
    provider.claims = {"email": claimed, "email_verified": True}
    visit = site.visitor()
    assert sign_in(visit, provider).status_code == 403
    assert not is_in(visit)
    provider.claims = {"email": "BOSS@example.com", "email_verified": True}
    visit = site.visitor()
    assert sign_in(visit, provider).status_code == 303


def test_two_people_with_one_mail_address_are_nobody(site: PeopleSite, provider: Provider) -> None:
    use(site.house, provider.root, matchingClaim="email", matchingAttribute="mail")
    for name in ("ada", "bea"):
        site.person(name, password=None, mail="desk@example.com")
    provider.claims = {"email": "desk@example.com", "email_verified": True}
    visit = site.visitor()
    assert sign_in(visit, provider).status_code == 403
    assert not is_in(visit)


@pytest.mark.parametrize("changes", [{"accountEnabled": False}, None])
def test_who_is_blocked_or_unknown_stays_out(site: PeopleSite, provider: Provider, changes: Any) -> None:
    site.person("ada" if changes else "bea", password=None, **(changes or {}))
    visit = site.visitor()
    answer = sign_in(visit, provider)
    assert answer.status_code == 403
    assert not is_in(visit)
    wanted = SignInCode.BLOCKED if changes else SignInCode.NOT_IN_DIRECTORY
    assert entries(site.house)[0]["status"]["errorCode"] == wanted


def test_an_object_id_is_no_name_that_a_provider_can_give(site: PeopleSite, provider: Provider) -> None:
    provider.claims = {"preferred_username": site.person(password=None)}
    visit = site.visitor()
    assert sign_in(visit, provider).status_code == 403
    assert not is_in(visit)


def test_who_has_a_second_factor_here_is_asked_for_it(site: PeopleSite, provider: Provider) -> None:
    person = site.person()
    stores = site.house.stores
    second_factors.begin(stores, person)
    stores.second_factors.confirm(person, 0, ["hash"], site.house.clock.at)
    visit = site.visitor()
    answer = sign_in(visit, provider)
    assert answer.headers["Location"].startswith("/signin/code")
    assert not is_in(visit)


def test_without_passwords_there_is_one_way_in(site: PeopleSite, provider: Provider) -> None:
    site.person()
    visit = site.visitor()
    seal = visit.token("/signin")
    use(site.house, provider.root, keepsPasswords=False)
    assert 'name="password"' not in visit.get("/signin").text
    refused = visit.post("/signin", token=seal, name="ada@example.com", password="correct horse battery")
    assert refused.status_code == 403
    assert not is_in(visit)
    assert sign_in(visit, provider).status_code == 303


def test_without_a_provider_there_is_nothing_of_it(site: PeopleSite) -> None:
    visit = site.visitor()
    assert "Sign in with" not in visit.get("/signin").text
    assert visit.get("/signin/provider").headers["Location"] == "/signin"
    assert visit.get(f"{CALLBACK}?code=1&state=2").headers["Location"] == "/signin"
    assert visit.get("/sign-in/provider").headers["Location"] == "/sign-in"


def test_a_fresh_sign_in_is_asked_for_and_checked(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    visit = site.visitor()
    address = go(visit, "/signin/provider?next=/myapps&fresh=1")
    asked = dict(parse_qsl(urlsplit(address).query))
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    assert asked["tenant"] == "a b"
    assert come_back(visit, provider.authorize(address)).status_code == 303
    for lie in ({"auth_time": provider.now() - 3_600}, {"auth_time": None}):
        provider.change = lambda claims, lie=lie: {k: v for k, v in {**claims, **lie}.items() if v is not None}
        other = site.visitor()
        answer = come_back(other, provider.authorize(go(other, "/signin/provider?fresh=1")))
        check_refused(other, answer, "auth_time" if lie["auth_time"] is None else "fresh")


# ---------------------------------------------------------------- lies


def _without(*names: str) -> Lie:
    return lambda claims: {name: value for name, value in claims.items() if name not in names}


def _with(**values: Any) -> Lie:
    return lambda claims: {**claims, **values}


LIES: dict[str, tuple[Lie, str]] = {
    "another issuer": (_with(iss="https://id.example.com"), "iss"),
    "no issuer": (_without("iss"), "iss"),
    "another audience": (_with(aud="other"), "aud"),
    "no audience": (_without("aud"), "aud"),
    "several audiences, for another party": (_with(aud=[CLIENT_ID, "other"], azp="other"), "azp"),
    "several audiences, for nobody": (_with(aud=[CLIENT_ID, "other"]), "azp"),
    "another nonce": (_with(nonce="n-2"), "nonce"),
    "no nonce": (_without("nonce"), "nonce"),
    "a nonce that is no text": (_with(nonce=["x"]), "nonce"),
    "expired": (_with(exp=1_700_000_000), "expired"),
    "never expires": (_without("exp"), "exp"),
    "expiry that is no number": (_with(exp="soon"), "exp"),
    "issued tomorrow": (lambda claims: {**claims, "iat": claims["iat"] + 90_000}, "future"),
    "not valid yet": (lambda claims: {**claims, "nbf": claims["iat"] + 90_000}, "not yet valid"),
    "another access token": (_with(at_hash="AAAA"), "at_hash"),
    "no subject": (_without("sub"), "sub"),
    "an empty subject": (_with(sub=""), "subject"),
    "a subject that is no text": (_with(sub={"a": 1}), "sub"),
    "no name": (_without("preferred_username"), "preferred_username"),
    "several names": (_with(preferred_username=["ada@example.com"]), "preferred_username"),
    "an endless name": (_with(preferred_username="a" * 1_000), "preferred_username"),
}


@pytest.mark.parametrize("name", LIES)
def test_claims_that_do_not_fit_are_refused(site: PeopleSite, provider: Provider, name: str) -> None:
    site.person(password=None)
    provider.change, reason = LIES[name]
    visit = site.visitor()
    check_refused(visit, sign_in(visit, provider), reason)


@pytest.mark.parametrize("how", ["unsigned", "by_secret", "by_public_key", "by_stranger", "garbage", "missing"])
def test_a_token_that_the_provider_has_not_signed_is_refused(site: PeopleSite, provider: Provider, how: str) -> None:
    site.person(password=None)
    public = provider.key.as_pem(private=False).decode()
    provider.sign = {
        "unsigned": provider.unsigned,
        "by_secret": provider.by_secret,
        "by_public_key": lambda claims: _with_public_key(provider, claims, public),
        "by_stranger": provider.by_stranger,
        "garbage": lambda _claims: "a.b.c",
        "missing": lambda _claims: "",
    }[how]
    visit = site.visitor()
    check_refused(visit, sign_in(visit, provider), "token")


def _with_public_key(provider: Provider, claims: Claims, public: str) -> str:
    """Signed by HMAC with what everybody knows: for libraries that take the algorithm from the token."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    head = part(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    body = part(json.dumps(claims).encode())
    made = hmac.new(public.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{part(made)}"


def test_mail_that_is_not_verified_is_not_taken(site: PeopleSite, provider: Provider) -> None:
    use(site.house, provider.root, matchingClaim="email", matchingAttribute="mail")
    site.person(password=None, mail="ada@mail.example.com")
    for verified in ({}, {"email_verified": False}, {"email_verified": "true"}):
        provider.claims = {"email": "ada@mail.example.com", **verified}
        visit = site.visitor()
        check_refused(visit, sign_in(visit, provider), "email_verified")


def test_userinfo_about_somebody_else_is_refused(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    provider.claims, provider.userinfo = {}, {"sub": "other", "preferred_username": "ada@example.com"}
    visit = site.visitor()
    check_refused(visit, sign_in(visit, provider), "another subject")


def test_answers_that_are_replayed_stolen_or_made_up_are_refused(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    victim, thief = site.visitor(), site.visitor()
    answer = provider.authorize(go(victim))
    check_refused(thief, come_back(thief, answer), "no sign-in that this browser")
    check_refused(victim, come_back(victim, {"code": answer["code"]}), "no sign-in that this browser")
    twice = f"{urlencode(answer)}&code=other"
    check_refused(victim, victim.get(f"{CALLBACK}?{twice}"), "twice")
    answer = provider.authorize(go(victim))
    check_refused(victim, come_back(victim, {**answer, "iss": "https://id.example.com"}), "issuer")


def test_an_answer_works_once(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    visit = site.visitor()
    answer = provider.authorize(go(visit))
    cookies = visit.client._cookies.copy()
    assert come_back(visit, answer).status_code == 303
    visit.client.delete_cookie("muster_person")
    check_refused(visit, come_back(visit, answer), "no sign-in that this browser")
    # Somebody who has kept the cookies, too: the provider knows the code as used.
    visit.client._cookies.update(cookies)
    check_refused(visit, come_back(visit, answer), "invalid_grant")


def test_what_the_provider_refuses_is_told_without_its_words(site: PeopleSite, provider: Provider) -> None:
    visit = site.visitor()
    state = provider.authorize(go(visit))["state"]
    answer = come_back(visit, {"state": state, "error": "access_denied", "error_description": "<b>not you</b>"})
    check_refused(visit, answer, "access_denied")
    assert "not you" not in answer.text


def test_a_sign_in_that_took_too_long_or_outlived_its_provider_is_refused(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    visit = site.visitor()
    answer = provider.authorize(go(visit))
    site.house.clock.at += timedelta(minutes=11)
    check_refused(visit, come_back(visit, answer), "too long ago")
    answer = provider.authorize(go(visit))
    use(site.house, provider.root, clientId="another")
    check_refused(visit, come_back(visit, answer), "was changed")


def test_a_provider_that_names_itself_in_answers_must_do_so(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    provider.configuration = {"authorization_response_iss_parameter_supported": True}
    visit = site.visitor()
    answer = provider.authorize(go(visit))
    check_refused(visit, come_back(visit, answer), "names another issuer, or none")
    answer = provider.authorize(go(visit))
    assert come_back(visit, {**answer, "iss": provider.root}).status_code == 303


def test_an_issuer_may_end_with_a_slash_and_its_tokens_then_must(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    provider.configuration = {"issuer": f"{provider.root}/"}
    visit = site.visitor()
    check_refused(visit, sign_in(visit, provider), "iss")
    provider.change = _with(iss=f"{provider.root}/")
    assert sign_in(visit, provider).status_code == 303


def test_keys_are_fetched_anew_when_the_provider_changes_them(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    assert sign_in(site.visitor(), provider).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)
    provider.published = [provider.key]
    site.house.clock.at += timedelta(minutes=1)
    assert sign_in(site.visitor(), provider).status_code == 303


def test_a_key_that_cannot_be_read_spoils_no_other(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    broken = [
        {"kty": "RSA", "kid": "a", "n": "%", "e": "AQAB"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "RSA", "kid": 5, "n": 7},
        {"kty": "new"},
        "key",
    ]

    def publish(*keys: Any) -> None:
        provider.instead["/keys"] = ("200 OK", [], json.dumps({"keys": [*broken, *keys]}).encode())

    publish(provider.key.as_dict(private=False))
    assert sign_in(site.visitor(), provider).status_code == 303
    publish()
    site.house.clock.at += timedelta(days=2)
    visit = site.visitor()
    check_refused(visit, visit.get("/signin/provider"), "None of the provider's keys")


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "application/at+JWT"])
def test_another_kind_of_token_signs_nobody_in(site: PeopleSite, provider: Provider, kind: Any) -> None:
    site.person(password=None)
    header = {"alg": "RS256", "kid": "k1", "typ": kind}
    provider.sign = lambda claims: jwt.encode(header, claims, provider.key, algorithms=["RS256"])
    visit = site.visitor()
    check_refused(visit, sign_in(visit, provider), "token")
    header["typ"] = "jwt"
    assert sign_in(visit, provider).status_code == 303


CONFIGURATIONS: dict[str, tuple[Claims, str]] = {
    "another issuer": ({"issuer": "https://id.example.com"}, "not of"),
    "no token endpoint": ({"token_endpoint": None}, "token_endpoint"),
    "a script to go to": ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
    "keys in a file": ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
    "keys within the operator's network": ({"jwks_uri": "http://169.254.169.254/keys"}, "169.254.169.254"),
    "keys on a private host": ({"jwks_uri": "https://10.0.0.1/keys"}, "10.0.0.1"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_discovery_document_that_does_not_fit_is_refused(site: PeopleSite, provider: Provider, name: str) -> None:
    provider.configuration, reason = CONFIGURATIONS[name]
    tried = site.house.call("POST", f"{PATH}/test")
    assert tried.status == 400
    assert reason in tried.message
    visit = site.visitor()
    answer = visit.get("/signin/provider")
    assert answer.status_code in (403, 502)
    assert reason in entries(site.house)[0]["status"]["additionalDetails"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        ("302 Found", [("Location", "http://169.254.169.254/")], b"", "no JSON object"),
        ("200 OK", [], b"<html>", "no JSON object"),
        ("200 OK", [], b"[]", "no JSON object"),
        ("200 OK", [], b'{"a": "' + b"x" * 11_000_000 + b'"}', "bytes"),
        ("404 Not Found", [], b"{}", "404"),
        ("503 Service Unavailable", [], b"{}", "503"),
    ],
)
def test_a_provider_that_does_not_answer_as_one_is_said_to(
    site: PeopleSite, provider: Provider, status: str, headers: Any, body: bytes, reason: str
) -> None:
    provider.instead["/.well-known/openid-configuration"] = (status, headers, body)
    tried = site.house.call("POST", f"{PATH}/test")
    assert tried.status == 400
    assert reason in tried.message


def test_a_provider_that_is_away_is_not_asked_at_every_click(site: PeopleSite, provider: Provider) -> None:
    provider.instead["/keys"] = ("503 Service Unavailable", [], b"{}")
    visit = site.visitor()
    for _ in range(5):
        answer = visit.get("/signin/provider")
        assert answer.status_code == 502
        assert "Company ID cannot be reached" in answer.text
    assert provider.asked.count("/keys") == 1
    del provider.instead["/keys"]
    site.house.clock.at += timedelta(seconds=11)
    go(visit)


def test_failures_of_one_sign_in_are_braked(site: PeopleSite, provider: Provider) -> None:
    site.person(password=None)
    visit = site.visitor()
    answer = {**provider.authorize(go(visit)), "code": "guessed"}
    cookies = visit.client._cookies.copy()
    statuses = []
    for _ in range(6):
        visit.client._cookies.update(cookies)
        statuses.append(come_back(visit, answer).status_code)
    assert statuses[0] == 403
    assert statuses[-1] == 429
    # Others behind the same address sign in.
    assert sign_in(site.visitor(), provider).status_code == 303


@pytest.mark.parametrize("side", ["/signin", "/sign-in"])
def test_answers_to_no_sign_in_of_the_browser_brake_nobody(
    site: PeopleSite, provider: Provider, administrator: str, side: str
) -> None:
    use(site.house, provider.root, signsInAdministrators=True)
    callback = f"{side}/provider/callback"
    for number in range(70):
        made_up = urlencode({"state": f"made-up-{number}", "code": "1"}) + ("&code=2" if number % 2 else "")
        assert site.visitor().get(f"{callback}?{made_up}").status_code == 403
    site.person(password=None)
    provider.claims = {"preferred_username": "ada@example.com" if side == "/signin" else administrator}
    visit = site.visitor()
    answer = provider.authorize(go(visit, f"{side}/provider"))
    assert come_back(visit, {**answer}, callback).status_code == (303 if side == "/signin" else 200)


# ---------------------------------------------------------------- administrators


@pytest.fixture
def administrator(house: House) -> str:
    create_administrator(house.desk, "anna@example.com", PASSWORD, frozenset({Role.GLOBAL_READER}))
    return "anna@example.com"


def test_an_administrator_signs_in_with_the_roles_kept_here(
    site: PeopleSite, provider: Provider, administrator: str
) -> None:
    use(site.house, provider.root, signsInAdministrators=True)
    provider.claims = {"preferred_username": administrator.upper(), "roles": ["Global Administrator"]}
    visit = site.visitor()
    assert "Sign in with Company ID" in visit.get("/sign-in").text
    address = go(visit, "/sign-in/provider?next=/applications")
    answer = come_back(visit, provider.authorize(address), "/sign-in/provider/callback")
    assert answer.status_code == 200
    assert "/applications" in answer.text
    assert visit.get("/applications").status_code == 200
    # A reader, whatever the provider says of roles.
    token = visit.token("/account")
    form = {"csrf_token": token, "part": "recipients", "recipients": "a@example.com"}
    assert visit.client.post("/notifications", data=form).status_code == 403
    entry = entries(site.house)[0]
    assert (entry["userPrincipalName"], entry["status"]["errorCode"]) == (administrator, 0)


def test_who_is_no_administrator_and_who_is_not_served_stays_out(
    site: PeopleSite, provider: Provider, administrator: str
) -> None:
    assert "Sign in with" not in site.visitor().get("/sign-in").text
    site.person(password=None)
    use(site.house, provider.root, signsInAdministrators=True)
    visit = site.visitor()
    answer = come_back(visit, provider.authorize(go(visit, "/sign-in/provider")), "/sign-in/provider/callback")
    assert answer.status_code == 403
    assert visit.get("/applications").status_code == 303
    assert entries(site.house)[0]["status"]["errorCode"] == SignInCode.NOT_IN_DIRECTORY
    # What began at the people's door does not end at the administrators'.
    provider.claims = {"preferred_username": administrator}
    answer = come_back(visit, provider.authorize(go(visit)), "/sign-in/provider/callback")
    check_refused(visit, answer, "no sign-in that this browser")


# ---------------------------------------------------------------- settings


def test_settings_are_shown_without_their_secret_and_changed_one_by_one(house: House) -> None:
    assert house.call("GET", PATH).status == 404
    assert house.call("POST", f"{PATH}/test").status == 404
    use(house, "https://id.example.com/realms/a/")
    shown = house.call("GET", PATH).body
    assert shown["wellKnownEndpoint"] == "https://id.example.com/realms/a/.well-known/openid-configuration"
    assert shown["issuer"] == "https://id.example.com/realms/a"
    assert shown["clientSecret"] == "********"
    assert shown["redirectUris"][0].endswith(CALLBACK)
    assert (
        house.call("PATCH", PATH, {"displayName": "Other", "clientSecret": "********"}).body["displayName"] == "Other"
    )
    kept = house.stores.identity_providers.get()
    assert kept is not None
    assert kept.client_secret == CLIENT_SECRET
    assert CLIENT_SECRET not in repr(kept)
    assert house.call("DELETE", PATH).status == 204
    assert house.call("GET", PATH).status == 404


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wellKnownEndpoint": "ftp://id.example.com"}, "wellKnownEndpoint"),
        ({"wellKnownEndpoint": "https://a@id.example.com"}, "wellKnownEndpoint"),
        ({"wellKnownEndpoint": "https://[::1"}, "wellKnownEndpoint"),
        ({"wellKnownEndpoint": "https://id.example.com/?a=b"}, "wellKnownEndpoint"),
        ({"scope": "profile"}, "openid"),
        ({"displayName": " "}, "displayName"),
        ({"clientSecret": "a\nb"}, "clientSecret"),
        ({"matchingAttribute": "employeeId"}, "matchingAttribute"),
        ({"signsInPeople": None}, "signsInPeople"),
        ({"signsInPeople": False, "keepsPasswords": False}, "nobody could sign in"),
        ({"unknown": 1}, "unknown"),
        ({"wellKnownEndpoint": "https://evil.example.com"}, "clientSecret entered"),
        ({"clientId": "other"}, "clientSecret entered"),
    ],
)
def test_settings_that_will_not_do_are_refused_by_name(house: House, changes: Any, reason: str) -> None:
    use(house, "https://id.example.com")
    answer = house.call("PATCH", PATH, changes)
    assert answer.status == 400
    assert reason in answer.message
    kept = house.stores.identity_providers.get()
    assert kept is not None
    assert kept.client_id == CLIENT_ID


def test_only_whoever_manages_access_may_set_the_provider(house: House) -> None:
    token = house.token_for(Role.APPLICATION_ADMINISTRATOR)
    assert house.call("PATCH", PATH, {"displayName": "x"}, token=token).status == 403
    assert house.call("DELETE", PATH, token=token).status == 403
    assert house.call("POST", f"{PATH}/test", token=token).status == 403
    first = {"wellKnownEndpoint": "https://id.example.com", "clientId": "x"}
    answer = house.call("PATCH", PATH, first)
    assert (answer.status, "displayName" in answer.message) == (400, True)


def test_the_portal_sets_it_up_tries_it_and_removes_it(house: House, provider: Provider) -> None:
    house.stores.identity_providers.put(None)
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    page = visit.text("/identity-provider")
    assert CALLBACK in page
    assert "/sign-in/provider/callback" in page
    given = {
        "display_name": "Company ID",
        "discovery_url": provider.root,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "",
        "claim": "",
        "matched_by": "mail",
        "serves_people": "on",
        "keeps_passwords": "on",
    }
    assert visit.post("/identity-provider", **given).status_code == 303
    kept = house.stores.identity_providers.get()
    assert kept is not None
    assert (kept.client_secret, kept.serves_administrators) == (CLIENT_SECRET, False)
    assert kept.scope == "openid profile email"
    assert "Company ID" in visit.text("/identity-provider")
    assert CLIENT_SECRET not in visit.text("/identity-provider")
    tried = visit.post("/identity-provider/test")
    assert f"{provider.root}/token" in tried.text.replace("<wbr>", "")
    wrong = visit.post("/identity-provider", **{**given, "client_secret": "", "discovery_url": "id"})
    assert wrong.status_code == 400
    assert "wellKnownEndpoint takes an address" in wrong.text
    provider.instead["/keys"] = ("200 OK", [], b"{}")
    assert "no list of JSON Web Keys" in visit.post("/identity-provider/test").text
    assert visit.post("/identity-provider", **{**given, "client_secret": "", "no_secret": "on"}).status_code == 303
    kept = house.stores.identity_providers.get()
    assert kept is not None
    assert kept.client_secret is None
    assert visit.post("/identity-provider", remove="1").status_code == 303
    assert house.stores.identity_providers.get() is None


def test_a_reader_sees_it_and_changes_nothing(house: House, provider: Provider) -> None:
    visit = Visit(house, Role.GLOBAL_READER)
    assert "<fieldset disabled" in visit.text("/identity-provider")
    assert visit.post("/identity-provider", remove="1").status_code == 403
    assert visit.post("/identity-provider/test").status_code == 403
    assert house.stores.identity_providers.get() is not None


# ---------------------------------------------------------------- our own provider, of a second installation


def test_people_sign_in_with_a_second_installation_of_ours(site: PeopleSite, tmp_path: Path) -> None:
    def make(root: str) -> tuple[PeopleSite, Any]:
        made = PeopleSite(House(tmp_path / "other"), public_url=root)
        return made, made.site

    (tmp_path / "other").mkdir()
    with served_at_port(make) as other:
        application = other.house.application()
        sp, client_id = application["id"], application["appId"]
        path = f"/servicePrincipals/{sp}/openIdConnect"
        secret = other.house.call("POST", f"{path}/secrets").body["secretText"]
        callback = f"http://localhost{CALLBACK}"
        assert other.house.call("PATCH", path, {"redirectUris": [callback], "isEnabled": True}).status == 200
        person = other.person()
        body = {"principalId": person, "resourceId": sp, "appRoleId": application["appRoles"][0]["id"]}
        assert other.house.call("POST", f"/servicePrincipals/{sp}/appRoleAssignedTo", body).status == 201
        root = other.persons.public_url
        use(site.house, f"{root}/oidc", clientId=client_id, clientSecret=secret)
        assert site.house.call("POST", f"{PATH}/test").body["tokenEndpoint"] == f"{root}/oidc/token"
        here = site.person(password=None)
        visit, there = site.visitor(), other.signed_in()
        for wanted in (True, False):
            address = go(visit, "/signin/provider")
            answer = there.get(address.removeprefix(root)).headers["Location"]
            assert answer.startswith(f"{callback}?")
            done = visit.get(answer.removeprefix("http://localhost"))
            assert (done.status_code == 303) is wanted
            assert is_in(visit) is wanted
            # Once more, with another name there.
            there.house.call("PATCH", f"/users/{person}", {"userPrincipalName": "zoe@example.com"})
            visit = site.visitor()
        assert entries(site.house)[1]["userId"] == here
