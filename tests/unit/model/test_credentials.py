"""Reading credentials: the kind that is asked for, the usual one, or the one whose keys are there."""

import pytest

from muster.model.credentials import (
    AuthenticationType,
    BasicLogin,
    BearerToken,
    ClientAuthentication,
    HeaderValue,
    NoAuthorization,
    OAuthClient,
    Trust,
    is_reference,
    read_client,
    read_login,
    read_trust,
)
from muster.model.failures import CredentialsRefused

USUAL = AuthenticationType.BEARER
ENDPOINT = "https://id.example/token"
CLIENT = {"Oauth2TokenExchangeUri": ENDPOINT, "ClientIdentifier": "c", "ClientSecret": "s"}


@pytest.mark.parametrize(
    ("secrets", "usual", "wanted"),
    [
        ({"SecretToken": "t"}, USUAL, BearerToken(token="t")),
        ({}, USUAL, NoAuthorization()),
        ({"SecretToken": "t", "AuthenticationType": "None"}, USUAL, NoAuthorization()),
        ({"UserName": "u", "Password": "p"}, USUAL, BasicLogin(user="u", password="p")),
        ({"UserName": "u", "SecretToken": "t"}, AuthenticationType.BASIC, BasicLogin(user="u", password="t")),
        ({"UserName": "u", "SecretToken": "t"}, USUAL, BearerToken(token="t")),
        ({"HeaderName": "X-Key", "HeaderValue": "v"}, USUAL, HeaderValue(name="X-Key", value="v")),
        (CLIENT, USUAL, OAuthClient(token_endpoint=ENDPOINT, client_id="c", client_secret="s")),
        (
            {"TokenExchangeUri": ENDPOINT, "Oauth2ClientId": "c", "Oauth2ClientSecret": "s", "Oauth2Scope": "a b"},
            AuthenticationType.CLIENT_CREDENTIALS,
            OAuthClient(token_endpoint=ENDPOINT, client_id="c", client_secret="s", scopes="a b"),
        ),
        (
            {**CLIENT, "Oauth2ClientAuthentication": "body", "SecretToken": "t", "AuthenticationType": " bearertoken "},
            USUAL,
            BearerToken(token="t"),
        ),
        (
            {**CLIENT, "Oauth2ClientAuthentication": "both"},
            USUAL,
            OAuthClient(
                token_endpoint=ENDPOINT, client_id="c", client_secret="s", authentication=ClientAuthentication.BOTH
            ),
        ),
        (
            {**CLIENT, "Oauth2RefreshToken": "r", "Oauth2AccessToken": "a", "TokenExpiration": "1700000000"},
            USUAL,
            OAuthClient(
                token_endpoint=ENDPOINT,
                client_id="c",
                client_secret="s",
                acts_for_somebody=True,
                refresh_token="r",
                access_token="a",
                expires_at=1700000000,
            ),
        ),
        # A long-lived token serves for an application that asks for an authorization as a rule.
        ({"SecretToken": "t"}, AuthenticationType.AUTHORIZATION_CODE, BearerToken(token="t")),
    ],
)
def test_the_login_is_read_from_the_keys(secrets: dict[str, str], usual: AuthenticationType, wanted: object) -> None:
    assert read_login(secrets, usual) == wanted


@pytest.mark.parametrize(
    ("secrets", "usual", "said"),
    [
        ({"AuthenticationType": "BearerToken"}, USUAL, "SecretToken is missing"),
        ({"AuthenticationType": "Kerberos"}, USUAL, "“Kerberos” is not one of None, BearerToken"),
        ({}, AuthenticationType.BASIC, "UserName is missing"),
        ({"UserName": "u"}, USUAL, "Password is missing"),
        ({"UserName": "u:v", "Password": "p"}, USUAL, "cannot hold a colon"),
        ({"HeaderName": "X-Key"}, USUAL, "HeaderValue is missing"),
        ({"HeaderValue": "v", "AuthenticationType": "Header"}, USUAL, "HeaderName is missing"),
        ({}, AuthenticationType.CLIENT_CREDENTIALS, "Oauth2TokenExchangeUri is missing"),
        ({"TokenExchangeUri": ENDPOINT}, USUAL, "ClientIdentifier is missing"),
        ({"TokenExchangeUri": ENDPOINT, "ClientIdentifier": "c"}, USUAL, "ClientSecret is missing"),
        ({**CLIENT, "Oauth2ClientAuthentication": "query"}, USUAL, "not one of Header, Body, Both"),
        (CLIENT, AuthenticationType.AUTHORIZATION_CODE, "Nobody has authorized us"),
    ],
)
def test_what_is_missing_is_named(secrets: dict[str, str], usual: AuthenticationType, said: str) -> None:
    with pytest.raises(CredentialsRefused, match=said):
        read_login(secrets, usual)


def test_a_public_client_has_no_secret_and_an_end_that_is_no_number_is_none() -> None:
    secrets = {"TokenExchangeUri": ENDPOINT, "ClientIdentifier": "c", "Oauth2AccessToken": "a", "TokenExpiration": "x"}
    found = read_login(secrets, USUAL)
    assert isinstance(found, OAuthClient)
    assert (found.client_secret, found.expires_at, found.refresh_token) == (None, None, None)
    assert read_client(secrets).acts_for_somebody is False


def test_certificate_and_key_go_together() -> None:
    assert read_trust({}) == Trust()
    found = read_trust({"ClientCertificate": "C\n", "ClientCertificateKey": "K", "TrustedCertificates": "T"})
    assert found == Trust(trusted_pem="T", identity_pem="C\nK\n")
    for lonely, missing in (
        ("ClientCertificate", "ClientCertificateKey is missing"),
        ("ClientCertificateKey", "ClientCertificate is missing"),
    ):
        with pytest.raises(CredentialsRefused, match=missing):
            read_trust({lonely: "x"})


def test_no_secret_shows_in_a_representation() -> None:
    client = OAuthClient(
        token_endpoint=ENDPOINT, client_id="c", client_secret="hush1", refresh_token="hush2", access_token="hush3"
    )
    shown = repr(
        (
            client,
            BearerToken(token="hush4"),
            BasicLogin(user="u", password="hush5"),
            HeaderValue(name="x", value="hush6"),
        )
    )
    assert "hush" not in shown + repr(Trust(identity_pem="hush7"))


@pytest.mark.parametrize(("value", "answer"), [("env:X", True), ("file:a/b", True), ("token", False), ("", False)])
def test_a_reference_is_known_by_its_beginning(value: str, answer: bool) -> None:
    assert is_reference(value) is answer
