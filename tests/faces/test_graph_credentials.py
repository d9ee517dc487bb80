"""Credentials of every kind over the API: what may be kept, what shows, codes that become tokens, certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.played_servers import Authority
from faces.house import TENANT_URL, Answered, House
from muster.model.certificates import PresentedCertificate
from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.model.roles import Role
from muster.transport.certificates import read_certificates

ENDPOINT = "https://id.example.com/token"
CLIENT = {"Oauth2TokenExchangeUri": ENDPOINT, "ClientIdentifier": "app", "ClientSecret": "hush-client"}


def put(house: House, sp: str, **secrets: str) -> Answered:
    pairs = [{"key": key, "value": value} for key, value in {"BaseAddress": TENANT_URL, **secrets}.items()]
    return house.call("PUT", f"/servicePrincipals/{sp}/synchronization/secrets", {"value": pairs})


def shown(house: House, sp: str) -> dict[str, str]:
    listed = house.call("GET", f"/servicePrincipals/{sp}/synchronization/secrets").body["value"]
    return {item["key"]: item["value"] for item in listed}


@pytest.fixture
def sp(house: House) -> str:
    return str(house.application("Slack")["id"])


def test_every_kind_of_credential_is_kept_and_what_is_secret_never_shows(house: House, sp: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, mark, key = authority.issue("muster").decode().partition("-----BEGIN PRIVATE KEY-----")
    given = {
        **CLIENT,
        "Oauth2Scope": "users.read users.write",
        "Oauth2ClientAuthentication": "Both",
        "AuthenticationType": "OAuth2ClientCredentials",
        "UserName": "u",
        "Password": "hush-password",
        "HeaderName": "X-API-Key",
        "HeaderValue": "hush-header",
        "Oauth2RefreshToken": "hush-refresh",
        "ClientCertificate": certificate,
        "ClientCertificateKey": mark + key,
        "TrustedCertificates": authority.pem.decode(),
        "SecretToken": "env:MUSTER_CREDENTIAL_SLACK",
    }
    assert put(house, sp, **given).status == 204
    assert dict(house.stores.secrets.get(sp)) == {"BaseAddress": TENANT_URL, **given}
    seen = shown(house, sp)
    assert {name for name, value in seen.items() if value == "********"} == {
        "ClientSecret",
        "Password",
        "HeaderValue",
        "Oauth2RefreshToken",
        "ClientCertificateKey",
    }
    # Where a secret is kept is none.
    assert seen["SecretToken"] == "env:MUSTER_CREDENTIAL_SLACK"
    everywhere = str(seen) + house.call("GET", "/auditLogs/directoryAudits").text
    assert "hush" not in everywhere and "PRIVATE KEY" not in everywhere
    # What is shown can be sent back.
    assert put(house, sp, **{key: value for key, value in seen.items() if key != "BaseAddress"}).status == 204
    assert house.stores.secrets.get(sp)["ClientCertificateKey"] == mark + key


@pytest.mark.parametrize(
    ("key", "value", "code", "said"),
    [
        ("AuthenticationType", "Kerberos", "Request_BadRequest", "BearerToken, Basic, Header"),
        ("Oauth2ClientAuthentication", "Query", "Request_BadRequest", "Header, Body, Both"),
        ("Oauth2TokenExchangeUri", "ftp://x", "InvalidTokenEndpoint", "token endpoint"),
        ("TokenExchangeUri", "https://u:p@x.example/", "InvalidTokenEndpoint", "user name or password"),
        ("HeaderName", "X Key", "Request_BadRequest", "such as X-API-Key"),
        ("HeaderName", "X-Key\u00e9", "Request_BadRequest", "such as X-API-Key"),
        ("HeaderName", "Host", "Request_BadRequest", "cannot be Host"),
        ("HeaderName", "content-LENGTH", "Request_BadRequest", "cannot be content-LENGTH"),
        ("HeaderValue", "a\r\nX-Other: b", "Request_BadRequest", "control character"),
        ("TrustedCertificates", "nonsense", "InvalidCertificate", "no certificate"),
        ("ClientCertificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "InvalidCertificate", "PEM"),
        ("TrustedCertificates", "x" * 300_000, "Request_BadRequest", "200000"),
        ("SecretToken", "env:PATH", "InvalidReference", "MUSTER_CREDENTIAL_"),
        ("SecretToken", "env:", "InvalidReference", "MUSTER_CREDENTIAL_"),
        ("SecretToken", "file:../secret.key", "InvalidReference", "within the folder"),
        ("ClientSecret", "file:/etc/shadow", "InvalidReference", "within the folder"),
        ("ClientSecret", "file:a/../b", "InvalidReference", "within the folder"),
        ("ClientSecret", "file:", "InvalidReference", "within the folder"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(
    house: House, sp: str, key: str, value: str, code: str, said: str
) -> None:
    refused = put(house, sp, **{key: value})
    assert (refused.status, refused.code, said in refused.message) == (400, code, True), refused.text
    assert key in refused.message
    assert house.stores.secrets.get(sp) == {}


def test_a_key_of_another_certificate_is_refused(house: House, sp: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("one").decode().partition("-----BEGIN PRIVATE KEY-----")[0]
    mark = "-----BEGIN PRIVATE KEY-----"
    key = mark + authority.issue("two").decode().partition(mark)[2]
    refused = put(house, sp, ClientCertificate=certificate, ClientCertificateKey=key)
    assert (refused.code, "another certificate" in refused.message) == ("InvalidCertificate", True)
    assert key[40:60] not in refused.text
    # Of what is kept elsewhere nobody knows yet.
    assert put(house, sp, ClientCertificate=certificate, ClientCertificateKey="file:key.pem").status == 204


def test_a_stored_client_secret_does_not_go_to_another_token_endpoint(house: House, sp: str) -> None:
    assert put(house, sp, **CLIENT).status == 204
    thief = {**CLIENT, "ClientSecret": "********", "Oauth2TokenExchangeUri": "https://thief.example/token"}
    pairs = [{"key": key, "value": value} for key, value in thief.items()]
    path = f"/servicePrincipals/{sp}/synchronization"
    for answer in (
        put(house, sp, **thief),
        house.call("POST", f"{path}/jobs/validateCredentials", {"credentials": pairs}),
        house.call("POST", f"{path}/acquireAccessToken", {"credentials": pairs}),
    ):
        assert (answer.status, "enter the client secret again" in answer.message) == (400, True)
    assert house.probed == []
    same = {**thief, "Oauth2TokenExchangeUri": f"{ENDPOINT}/v2"}
    assert put(house, sp, **same).status == 204
    assert house.stores.secrets.get(sp)["ClientSecret"] == "hush-client"


def test_a_kept_token_does_not_go_to_a_token_endpoint_that_is_new(house: House, sp: str) -> None:
    assert put(house, sp, SecretToken="hush-token").status == 204
    turned = put(house, sp, **{**CLIENT, "SecretToken": "********"})
    assert turned.status == 400
    assert "There was no token endpoint before: enter the client secret, and send SecretToken empty" in turned.message
    assert put(house, sp, **{**CLIENT, "SecretToken": ""}).status == 204


# ---------------------------------------------------------------- authorization codes


def test_an_authorization_code_becomes_tokens_that_are_kept_and_is_forgotten(house: House, sp: str) -> None:
    assert put(house, sp, **CLIENT, Oauth2RefreshToken="hush-old", TokenExpiration="1").status == 204
    asked: list[Mapping[str, str]] = []

    def exchange(given: Mapping[str, str]) -> Mapping[str, str]:
        asked.append(given)
        return {"Oauth2AccessToken": "hush-access", "Oauth2RefreshToken": "hush-refresh", "TokenExpiration": ""}

    house.exchange_code = exchange
    pairs = [
        {"key": "Oauth2AuthorizationCode", "value": "hush-code"},
        {"key": "Oauth2RedirectUri", "value": "https://muster.example/done"},
    ]
    path = f"/servicePrincipals/{sp}/synchronization/acquireAccessToken"
    assert house.call("POST", path, {"credentials": pairs}).status == 204
    assert asked[0]["Oauth2AuthorizationCode"] == "hush-code" and asked[0]["ClientSecret"] == "hush-client"
    assert dict(house.stores.secrets.get(sp)) == {
        "BaseAddress": TENANT_URL,
        **CLIENT,
        "Oauth2RedirectUri": "https://muster.example/done",
        "Oauth2AccessToken": "hush-access",
        "Oauth2RefreshToken": "hush-refresh",
    }
    assert "hush" not in str(shown(house, sp)) + house.call("GET", "/auditLogs/directoryAudits").text


def test_a_code_that_is_refused_changes_nothing(house: House, sp: str) -> None:
    assert put(house, sp, **CLIENT).status == 204
    before = dict(house.stores.secrets.get(sp))

    def refuse(given: Mapping[str, str]) -> Mapping[str, str]:
        raise CredentialsRefused("The token endpoint does not accept the client (HTTP 400, invalid_grant).", status=400)

    house.exchange_code = refuse
    pairs = [{"key": "Oauth2AuthorizationCode", "value": "used"}]
    path = f"/servicePrincipals/{sp}/synchronization/acquireAccessToken"
    refused = house.call("POST", path, {"credentials": pairs})
    assert (refused.status, refused.code, "invalid_grant" in refused.message) == (400, "InvalidCredentials", True)
    assert dict(house.stores.secrets.get(sp)) == before


def test_tokens_that_were_exchanged_are_kept_only_for_the_refresh_token_that_is_stored(house: House, sp: str) -> None:
    assert put(house, sp, **CLIENT, Oauth2RefreshToken="r-1", TokenExpiration="5").status == 204
    secrets = house.stores.secrets
    assert not secrets.exchange_tokens(sp, "r-0", {"Oauth2RefreshToken": "r-9"})
    assert secrets.get(sp)["Oauth2RefreshToken"] == "r-1"
    assert secrets.exchange_tokens(sp, "r-1", {"Oauth2RefreshToken": "r-2", "TokenExpiration": ""})
    assert dict(secrets.get(sp)) == {"BaseAddress": TENANT_URL, **CLIENT, "Oauth2RefreshToken": "r-2"}


# ---------------------------------------------------------------- certificates


def test_the_certificate_that_a_target_presents_is_shown_for_a_decision(house: House, sp: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf, *_ = read_certificates(authority.issue("scim", names=("scim.example.com",)).decode())
    (top,) = read_certificates(authority.pem.decode())
    asked: list[Mapping[str, str]] = []

    def look(given: Mapping[str, str]) -> PresentedCertificate:
        asked.append(given)
        return PresentedCertificate(
            host="scim.example.com", chain=(leaf, top), problem="invalid certificate: UnknownIssuer", trustable=top
        )

    house.look_at_certificate = look
    path = f"/servicePrincipals/{sp}/synchronization/presentedCertificate"
    missing = house.call("POST", path)
    assert (missing.status, missing.code) == (400, "CredentialsMissing")
    unknown = house.call("POST", path, {"baseAddress": TENANT_URL})
    assert (unknown.status, "takes credentials, not baseAddress" in unknown.message) == (400, True)
    found = house.call("POST", path, {"credentials": [{"key": "BaseAddress", "value": TENANT_URL}]})
    assert found.status == 200, found.text
    body: dict[str, Any] = found.body
    assert (body["host"], body["isTrusted"], body["problem"]) == (
        "scim.example.com",
        False,
        "invalid certificate: UnknownIssuer",
    )
    assert body["chain"][0]["subject"] == "CN=scim" and body["chain"][0]["names"] == ["scim.example.com"]
    assert body["chain"][0]["issuer"] == body["trustable"]["subject"] == "CN=Played Authority"
    assert body["trustable"]["isAuthority"] is True
    assert len(body["trustable"]["sha256Fingerprint"].split(":")) == 32
    assert datetime.fromisoformat(body["chain"][0]["notAfter"]) > datetime.now(UTC)
    assert put(house, sp, TrustedCertificates=body["trustable"]["pem"]).status == 204
    assert house.call("POST", path).status == 200
    assert asked[-1]["TrustedCertificates"] == top.pem


def test_a_certificate_that_cannot_be_looked_at_says_why_and_readers_may_not_look(house: House, sp: str) -> None:
    assert put(house, sp).status == 204

    def look(given: Mapping[str, str]) -> PresentedCertificate:
        raise SystemUnreachable("The certificate cannot be looked at: it has none.")

    house.look_at_certificate = look
    path = f"/servicePrincipals/{sp}/synchronization/presentedCertificate"
    refused = house.call("POST", path)
    assert (refused.status, refused.code, "has none" in refused.message) == (400, "SystemUnreachable", True)
    assert house.call("POST", path, token=house.token_for(Role.GLOBAL_READER)).status == 403


def test_an_application_of_the_gallery_says_what_it_asks_for(house: House, sp: str) -> None:
    (template,) = house.call("GET", f"/servicePrincipals/{sp}/synchronization/templates").body["value"]
    metadata = {item["key"]: item["value"] for item in template["metadata"]}
    assert (metadata["isOAuthEnabled"], metadata["authenticationType"]) == ("True", "OAuth2AuthorizationCode")
    assert house.job(sp)["templateId"] == template["id"]
