"""Every kind of credentials in the portal's form: entered, tested, kept, masked; certificates; an authorization."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from faces.house import GOOD_TOKEN, House, Started
from faces.portal_visit import Visit
from faces.test_portal_tutorial import FORM
from muster.model.certificates import PresentedCertificate, ShownCertificate
from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.model.roles import Role

HOSTILE = "<script>alert('x')</script>\"'&"
CLIENT = {
    "Oauth2TokenExchangeUri": "https://login.example.com/token",
    "ClientIdentifier": "muster",
    "ClientSecret": "client-secret",
    "Oauth2Scope": "scim.write",
    "Oauth2ClientAuthentication": "Body",
}
CODE = {**CLIENT, "Oauth2AuthorizationUri": "https://login.example.com/authorize?tenant=1"}
KINDS = {
    "Basic": {"UserName": "svc", "Password": "pass-word-1"},
    "Header": {"HeaderName": "X-API-Key", "HeaderValue": "key-value-1"},
    "OAuth2ClientCredentials": CLIENT,
}
SECRETS = ("pass-word-1", "key-value-1", "client-secret", "refresh-1", GOOD_TOKEN)


class AnyProbe:
    """A target that lets everybody in, and remembers as whom they came."""

    seen: ClassVar[dict[str, str]] = {}

    def __init__(self, credentials: dict[str, str], asked: list[str]) -> None:
        AnyProbe.seen = dict(credentials)

    def probe(self, matching_attribute: str) -> None:
        return None


@pytest.fixture
def visit(house: House) -> Visit:
    house.make_target = AnyProbe  # type: ignore[assignment]  # only probed
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def kept(house: House, job: Started) -> dict[str, str]:
    secrets = dict(house.stores.secrets.get(job.sp))
    for key in ("BaseAddress", "SyncAll", "SkipOutOfScopeDeletions", "SyncNotificationSettings"):
        secrets.pop(key, None)
    return secrets


def test_a_token_that_is_still_to_be_given_is_called_what_its_application_calls_it(
    house: House, visit: Visit, job: Started
) -> None:
    house.stores.secrets.put(job.sp, {})
    assert "shown as 8x8 API Token in the console" in visit.text(f"/applications/{job.sp}/provisioning")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_tested_kept_and_never_shown_again(house: House, visit: Visit, job: Started, kind: str) -> None:
    path = f"/applications/{job.sp}/provisioning"
    form = {**FORM, "secret": "", "authentication": kind, **KINDS[kind]}
    assert "The application answers" in visit.post(f"{path}/test", **form).text
    assert KINDS[kind].items() <= AnyProbe.seen.items()
    assert visit.post(path, **form).status_code == 303
    # The token of the kind before is gone, except where it can stand for the password.
    wanted = {"AuthenticationType": kind, **KINDS[kind], **({"SecretToken": GOOD_TOKEN} if kind == "Basic" else {})}
    assert kept(house, job) == wanted
    page = visit.text(path)
    assert f'<option value="{kind}" selected>' in page
    assert not [secret for secret in SECRETS if secret in page]
    # Empty fields keep what is kept.
    blank = {key: "" if value in SECRETS else value for key, value in KINDS[kind].items()}
    assert visit.post(path, **{**form, **blank}).status_code == 303
    assert kept(house, job) == wanted


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"authentication": "Header", "HeaderName": "Host", "HeaderValue": "x"}, "HeaderName cannot be Host"),
        ({"authentication": "OAuth2ClientCredentials", **CLIENT, "Oauth2TokenExchangeUri": "ftp://x"}, "https://"),
        ({"authentication": "Guess"}, "Choose how the application lets us in"),
        ({"authentication": "BearerToken", "TrustedCertificates": "no pem"}, "TrustedCertificates cannot be used"),
        ({"authentication": "BearerToken", "ClientCertificate": "no pem"}, "ClientCertificate cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused_and_saves_nothing(
    house: House, visit: Visit, job: Started, given: dict[str, str], sentence: str
) -> None:
    before = house.stores.secrets.get(job.sp)
    answer = visit.post(f"/applications/{job.sp}/provisioning", **{**FORM, **given})
    assert (answer.status_code, sentence in answer.text) == (400, True)
    assert house.stores.secrets.get(job.sp) == before


def test_a_form_that_changes_no_credentials_asks_the_application_nothing(
    house: House, visit: Visit, job: Started
) -> None:
    """Else provisioning could not be paused while the application is down."""
    AnyProbe.seen = {}
    form = {**FORM, "secret": "", "authentication": "BearerToken", "TrustedCertificates": "", "status": "off"}
    assert visit.post(f"/applications/{job.sp}/provisioning", **form).status_code == 303
    assert AnyProbe.seen == {}


# ---------------------------------------------------------------- certificates


def shown(pem: str, *, is_authority: bool = False) -> ShownCertificate:
    return ShownCertificate(
        subject=f"CN={HOSTILE}",
        issuer="CN=Authority",
        serial_number="1",
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        not_after=datetime(2027, 1, 1, tzinfo=UTC),
        fingerprint="AB:CD",
        names=("scim.example.com",),
        is_authority=is_authority,
        pem=pem,
    )


def test_the_certificate_that_is_presented_can_be_looked_at_and_trusted(
    house: House, visit: Visit, job: Started
) -> None:
    class Unreachable(AnyProbe):
        def probe(self, matching_attribute: str) -> None:
            raise SystemUnreachable("The certificate is not trusted.")

    house.make_target = Unreachable  # type: ignore[assignment]  # only probed
    path = f"/applications/{job.sp}/provisioning"
    tested = visit.post(f"{path}/test", **{**FORM, "secret": "x"}).text
    assert f'hx-post="{path}/certificate"' in tested
    own, authority = shown("PEM-1"), shown("PEM-2", is_authority=True)
    presented = PresentedCertificate(
        host="scim.example.com", chain=(own, authority), problem="unknown", trustable=authority
    )
    house.look_at_certificate = lambda _given: presented
    page = visit.post(f"{path}/certificate", **FORM).text
    assert 'data-trust="PEM-2"' in page
    assert "Trust its authority" in page
    assert "AB:" in page
    assert "<script>" not in page
    house.look_at_certificate = lambda _given: replace(presented, trustable=None)
    assert "ask the application's operator" in visit.post(f"{path}/certificate", **FORM).text
    house.look_at_certificate = lambda _given: replace(presented, problem=None)
    assert "data-trust" not in visit.post(f"{path}/certificate", **FORM).text


# ---------------------------------------------------------------- authorization


@pytest.fixture
def asked(house: House, visit: Visit, job: Started) -> str:
    """An application that is asked for an authorization: the state that it is to give back."""
    path = f"/applications/{job.sp}/provisioning"
    form = {**FORM, "secret": "", "authentication": "OAuth2AuthorizationCode", **CODE}
    on = visit.post(path, **{**form, "status": "on"})
    assert (on.status_code, "switched off" in on.text) == (400, True)
    assert visit.post(path, **form).status_code == 303
    assert "Authorize at the application" in visit.text(path)
    answer = visit.get(f"{path}/authorize")
    assert answer.status_code == 303
    to = urlsplit(answer.headers["Location"])
    assert (to.netloc, to.path) == ("login.example.com", "/authorize")
    query = {name: values[0] for name, values in parse_qs(to.query).items()}
    state = query.pop("state")
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "muster",
        "redirect_uri": "http://localhost/oauth2/callback",
        "scope": "scim.write",
    }
    return state


def test_an_authorization_comes_back_with_a_code_that_is_exchanged_for_tokens(
    house: House, visit: Visit, job: Started, asked: str
) -> None:
    given: list[dict[str, str]] = []

    def exchange(secrets: object) -> dict[str, str]:
        given.append(dict(secrets))  # type: ignore[call-overload]  # a mapping
        return {"Oauth2AccessToken": "access-1", "Oauth2RefreshToken": "refresh-1"}

    house.exchange_code = exchange
    # The first answer only goes on by itself: the browser brings our cookies along then.
    first = visit.text(f"/oauth2/callback?code=c-1&state={asked}")
    assert f"url=/oauth2/callback?here=1&amp;code=c-1&amp;state={asked}" in first
    answer = visit.get(f"/oauth2/callback?here=1&code=c-1&state={asked}")
    assert answer.headers["Location"] == f"/applications/{job.sp}/provisioning?said=authorised"
    assert (given[0]["Oauth2AuthorizationCode"], given[0]["Oauth2RedirectUri"]) == (
        "c-1",
        "http://localhost/oauth2/callback",
    )
    assert kept(house, job)["Oauth2RefreshToken"] == "refresh-1"
    page = visit.text(f"/applications/{job.sp}/provisioning")
    assert ("Authorize again" in page, "refresh-1" in page, "access-1" in page) == (True, False, False)
    # Its state was good once.
    assert visit.get(f"/oauth2/callback?here=1&code=c-1&state={asked}").status_code == 400


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("code=c-1&state=guessed", "not asked for here"),
        ("code=c-1", "not asked for here"),
        ("error=access_denied&error_description=%3Cscript%3E&state={state}", "has not let us in: &lt;script&gt;"),
    ],
)
def test_an_authorization_that_was_not_asked_for_or_is_refused_changes_nothing(
    house: House, visit: Visit, job: Started, asked: str, query: str, sentence: str
) -> None:
    before = house.stores.secrets.get(job.sp)
    answer = visit.get(f"/oauth2/callback?here=1&{query.format(state=asked)}")
    assert (answer.status_code, sentence in answer.text) == (400, True)
    assert house.stores.secrets.get(job.sp) == before


def test_a_code_that_the_application_does_not_take_says_so(
    house: House, visit: Visit, job: Started, asked: str
) -> None:
    def refuse(_given: object) -> dict[str, str]:
        raise CredentialsRefused("The token endpoint says invalid_grant.")

    house.exchange_code = refuse
    answer = visit.get(f"/oauth2/callback?here=1&code=c-1&state={asked}")
    assert (answer.status_code, "invalid_grant" in answer.text) == (400, True)


def test_nobody_who_is_signed_out_brings_an_authorization(house: House, job: Started, asked: str) -> None:
    before = house.stores.secrets.get(job.sp)
    answer = Visit(house).get(f"/oauth2/callback?here=1&code=c&state={asked}")
    assert (answer.status_code, house.stores.secrets.get(job.sp) == before) == (401, True)


def test_who_may_not_configure_asks_for_no_authorization_and_looks_at_no_certificate(
    house: House, job: Started
) -> None:
    reader = Visit(house, Role.GLOBAL_READER)
    path = f"/applications/{job.sp}/provisioning"
    assert reader.get(f"{path}/authorize").status_code == 403
    assert reader.post(f"{path}/certificate", **FORM).status_code == 403
