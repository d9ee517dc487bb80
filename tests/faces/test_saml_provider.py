"""The SAML identity provider over its faces: settings by the API, sign-ins by every way, refusals, logout."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from werkzeug.test import TestResponse

from faces.house import TENANT, House
from faces.person_visit import PeopleSite, PersonVisit
from fakes.store import fresh_database
from muster.model.sign_in import SignInCode
from muster.saml.assertions import Expected, SignedIn, read_response
from muster.saml.bindings import REQUEST, RESPONSE, read_redirect, redirect_url, write_post
from muster.saml.certificates import make_signing_key
from muster.saml.logout import (
    LogoutRequest,
    LogoutResponse,
    read_logout_request,
    read_logout_response,
    write_logout_request,
    write_logout_response,
)
from muster.saml.metadata import ServiceProvider, read_identity_provider, write_service_provider
from muster.saml.names import SamlRefused
from muster.saml.requests import AuthnRequest, write_authn_request
from muster.saml.signatures import verify_query
from muster.store.notes import SqlNotes
from muster.store.sessions import SqlShelf
from muster.ui.sessions import FaceMemory
from muster.web.saml.app import PATH, make_saml_face

ACS = "https://sso.8x8.example/saml2"
SP_LOGOUT = "https://sso.8x8.example/logout"
LOGIN = "http://localhost/saml2"
NAME = "ada@example.com"


class Provider(PeopleSite):
    """The service with the identity provider, and an application that is set up."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        house.clock.at = datetime.now(UTC).replace(microsecond=0)
        mounted = self.site
        saml = make_saml_face(house.services, self.persons)

        def site(environ: Any, start_response: Any) -> Any:
            return (saml if environ["PATH_INFO"].startswith(PATH) else mounted)(environ, start_response)

        self.site = site
        self.application = house.application()
        self.sp = str(self.application["id"])
        self.app_id = str(self.application["appId"])
        self.set(identifier=ACS, replyUrls=[ACS], signOnUrl=None, preferredSingleSignOnMode="saml")

    def set(self, **fields: Any) -> dict[str, Any]:
        answer = self.house.call("PATCH", f"/servicePrincipals/{self.sp}/singleSignOn", fields)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def shown(self) -> dict[str, Any]:
        return dict(self.house.call("GET", f"/servicePrincipals/{self.sp}/singleSignOn").body)

    def assign(self, person_id: str) -> None:
        assign(self.house, self.application, person_id)

    def metadata(self) -> bytes:
        return self.visitor().get(f"/saml2/metadata/{self.app_id}").data

    def read(self, page: TestResponse, request_id: str | None = None, **changes: Any) -> SignedIn:
        assert page.status_code == 200, page.text
        provider = read_identity_provider(self.metadata())
        values = {
            "issuer": provider.entity_id,
            "certificates": provider.certificates,
            "audience": ACS,
            "reply_url": ACS,
            "request_id": request_id,
            "now": self.house.clock.now(),
        }
        return read_response(base64.b64decode(_field(page, "SAMLResponse")), Expected(**{**values, **changes}))


def assign(house: House, application: Any, person_id: str) -> None:
    sp = application
    given = {"principalId": person_id, "resourceId": sp["id"], "appRoleId": sp["appRoles"][0]["id"]}
    answer = house.call("POST", f"/servicePrincipals/{sp['id']}/appRoleAssignedTo", given)
    assert answer.status == 201, answer.body


def _field(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def _asked(key: Any = None, relay_state: str | None = None, **changes: Any) -> str:
    values: dict[str, Any] = {
        "id": "_req",
        "issuer": ACS,
        "issued_at": datetime.now(UTC),
        "destination": LOGIN,
        "reply_url": ACS,
    }
    request = write_authn_request(AuthnRequest(**{**values, **changes}))
    return redirect_url("/saml2", REQUEST, request, relay_state=relay_state, key=key)


@pytest.fixture
def provider(house: House) -> Provider:
    made = Provider(house)
    made.assign(made.person("ada", mail="ada.lovelace@example.com", givenName="Ada", surname="Lovelace"))
    return made


@pytest.fixture
def ada(provider: Provider) -> PersonVisit:
    return provider.signed_in()


# ---------------------------------------------------------------- signing in


def test_the_application_asks_by_a_redirect(provider: Provider, ada: PersonVisit) -> None:
    page = ada.get(_asked(relay_state="/a?b=c&d"))
    found = provider.read(page, "_req")
    assert found.name_id == NAME
    claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
    assert found.attributes[f"{claims}/emailaddress"] == ("ada.lovelace@example.com",)
    assert found.attributes["http://schemas.microsoft.com/identity/claims/tenantid"] == (TENANT,)
    assert _field(page, "RelayState") == "/a?b=c&d"
    assert f'action="{ACS}"' in page.text
    assert "form-action" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    entry = provider.house.call("GET", "/auditLogs/signIns").body["value"][0]
    assert (entry["status"]["errorCode"], entry["resourceId"]) == (0, provider.sp)


def test_the_application_asks_by_a_form(provider: Provider, ada: PersonVisit) -> None:
    message = write_post(
        write_authn_request(AuthnRequest(id="_form", issuer=ACS, issued_at=datetime.now(UTC), reply_url=ACS))
    )
    bounced = ada.client.post("/saml2", data={"SAMLRequest": message, "RelayState": "r"})
    assert bounced.status_code == 303
    page = ada.get(bounced.headers["Location"])
    assert provider.read(page, "_form").name_id == NAME
    assert _field(page, "RelayState") == "r"


def test_a_tile_signs_in_and_leads_to_the_application_where_that_begins_itself(
    provider: Provider, ada: PersonVisit
) -> None:
    provider.set(relayState="/home")
    page = ada.get(f"/saml2/launch/{provider.app_id}")
    assert provider.read(page).request_id is None
    assert _field(page, "RelayState") == "/home"
    provider.set(signOnUrl="https://sso.8x8.example")
    assert ada.get(f"/saml2/launch/{provider.app_id}").headers["Location"] == "https://sso.8x8.example"


def test_my_apps_shows_the_way(provider: Provider, ada: PersonVisit) -> None:
    assert f'href="/saml2/launch/{provider.app_id}"' in ada.get("/myapps").text


def test_whoever_is_not_signed_in_signs_in_first_and_goes_on(provider: Provider) -> None:
    visitor = provider.visitor()
    asked = _asked()
    first = visitor.get(asked)
    assert first.status_code == 303
    assert urlsplit(first.headers["Location"]).path == "/signin"
    to = parse_qs(urlsplit(first.headers["Location"]).query)["next"][0]
    onward = visitor.sign_in("ada", next=to)
    assert unescape(re.search(r'url=([^"]+)"', onward.text)[1]) == to  # type: ignore[index]
    assert provider.read(visitor.get(to), "_req").name_id == NAME


def test_who_may_not_be_asked_is_not(provider: Provider) -> None:
    page = provider.visitor().get(_asked(is_passive=True))
    with pytest.raises(SamlRefused, match="NoPassive"):
        provider.read(page, "_req")


def test_a_fresh_sign_in_is_asked_for_where_the_application_wants_it(provider: Provider, ada: PersonVisit) -> None:
    assert provider.read(ada.get(_asked(is_forced=True)), "_req").name_id == NAME
    later = provider.house.clock.at = provider.house.clock.at + timedelta(minutes=10)
    again = ada.get(_asked(is_forced=True, issued_at=later))
    assert (again.status_code, urlsplit(again.headers["Location"]).path) == (303, "/signin")


@pytest.mark.parametrize("option", ["assertion", "response", "responseAndAssertion"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_python3_saml_as_the_application_takes_it(
    provider: Provider, ada: PersonVisit, option: str, algorithm: str
) -> None:
    provider.set(signingOption=option, signingAlgorithm=algorithm)
    page = ada.get(_asked())
    found = OneLogin_Saml2_IdPMetadataParser.parse(provider.metadata())["idp"]
    settings = OneLogin_Saml2_Settings(
        {"strict": True, "sp": {"entityId": ACS, "assertionConsumerService": {"url": ACS}}, "idp": found}
    )
    response = OneLogin_Saml2_Response(settings, _field(page, "SAMLResponse"))
    request = {"http_host": "sso.8x8.example", "script_name": "/saml2", "https": "on", "get_data": {}, "post_data": {}}
    assert response.is_valid(request, "_req"), response.get_error()
    assert response.get_nameid() == NAME


# ---------------------------------------------------------------- refusals


def test_who_is_not_assigned_is_kept_out_with_a_clear_page(provider: Provider) -> None:
    provider.person("grace")
    visitor = provider.signed_in("grace")
    page = visitor.get(_asked())
    assert page.status_code == 403
    assert "has not assigned" in page.text
    assert 'href="/myapps"' in page.text, "people have no business in the portal"
    assert visitor.log()[0] == (SignInCode.NOT_ASSIGNED, "grace@example.com")
    assert "SAMLResponse" not in page.text


def test_an_application_that_is_switched_off_lets_nobody_in(provider: Provider, ada: PersonVisit) -> None:
    assert provider.house.call("PATCH", f"/servicePrincipals/{provider.sp}", {"accountEnabled": False}).status == 204
    assert ada.get(_asked()).status_code == 403
    assert ada.log()[0][0] == SignInCode.APPLICATION_DISABLED


def test_who_is_blocked_is_signed_out_at_once(provider: Provider, ada: PersonVisit) -> None:
    assert provider.house.call("PATCH", f"/users/{NAME}", {"accountEnabled": False}).status == 204
    assert ada.get(_asked()).status_code == 303


def test_a_person_without_the_name_is_kept_out_and_the_log_says_why(provider: Provider, ada: PersonVisit) -> None:
    provider.set(nameIdExpression="[employeeId]")
    assert ada.get(_asked()).status_code == 403
    entry = provider.house.call("GET", "/auditLogs/signIns").body["value"][0]
    assert "[employeeId]" in entry["status"]["additionalDetails"]


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://other.example"},
        {"reply_url": "https://evil.example/saml2"},
        {"destination": "https://other.example"},
    ],
)
def test_a_request_that_is_not_as_agreed_gets_no_answer(
    provider: Provider, ada: PersonVisit, changes: dict[str, str]
) -> None:
    page = ada.get(_asked(**changes))
    assert (page.status_code, "SAMLResponse" in page.text) == (400, False)
    assert ada.log()[0][0] == SignInCode.REQUEST_WRONG


@pytest.mark.parametrize("query", ["", "?SAMLRequest=x", "?SAMLRequest=", "?SAMLResponse=x", "?RelayState=x"])
def test_nonsense_is_refused(provider: Provider, query: str) -> None:
    assert provider.visitor().get(f"/saml2{query}").status_code == 400
    assert provider.visitor().client.post("/saml2", data={"SAMLRequest": "x"}).status_code == 400
    assert provider.visitor().get("/saml2/launch/nothing").status_code == 400
    assert provider.visitor().get("/saml2/metadata/nothing").status_code == 404


def test_a_request_must_be_signed_where_its_certificate_is_set(provider: Provider, ada: PersonVisit) -> None:
    key = make_signing_key("sp", now=datetime.now(UTC))
    provider.set(verificationCertificate=key.certificate.pem)
    assert ada.get(_asked()).status_code == 400
    assert ada.get(_asked(make_signing_key("evil", now=datetime.now(UTC)))).status_code == 400
    assert provider.read(ada.get(_asked(key)), "_req").name_id == NAME
    provider.set(verificationCertificate=None)
    assert ada.get(_asked()).status_code == 200


# ---------------------------------------------------------------- certificates


def test_a_certificate_is_exchanged_without_a_gap(provider: Provider, ada: PersonVisit) -> None:
    sp = f"/servicePrincipals/{provider.sp}"
    first = provider.shown()["preferredTokenSigningKeyThumbprint"]
    ends = (provider.house.clock.now() + timedelta(days=365)).isoformat()
    made = provider.house.call(
        "POST", f"{sp}/addTokenSigningCertificate", {"displayName": "CN=Next", "endDateTime": ends}
    )
    assert made.status == 200
    second = made.body["thumbprint"]
    assert made.body["isActive"] is False
    before = read_identity_provider(provider.metadata()).certificates
    assert [each.thumbprint for each in before] == [first, second]
    assert provider.read(ada.get(_asked()), "_req", certificates=before[:1]).name_id == NAME
    assert provider.house.call("DELETE", f"{sp}/tokenSigningCertificates/{first}").status == 409
    shown = provider.set(preferredTokenSigningKeyThumbprint=second)
    assert shown["preferredTokenSigningKeyThumbprint"] == second
    assert provider.read(ada.get(_asked()), "_req", certificates=before[1:]).name_id == NAME
    assert provider.house.call("DELETE", f"{sp}/tokenSigningCertificates/{first}").status == 204
    assert [each["thumbprint"] for each in provider.shown()["certificates"]] == [second]
    assert "PRIVATE" not in str(provider.shown())


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"identifier": "no uri"}, "identifier takes a URI"),
        ({"identifier": None}, "needs an identifier"),
        ({"replyUrls": []}, "needs an identifier"),
        ({"replyUrls": ["http://sso.example/saml2"]}, "https://"),
        ({"replyUrls": ["javascript:alert(1)"]}, "https://"),
        ({"replyUrls": [1]}, "list of texts"),
        ({"signOnUrl": "x"}, "https://"),
        ({"logoutUrl": "https://u@x.example"}, "https://"),
        ({"relayState": "x" * 2_000}, "relayState"),
        ({"nameIdExpression": "[nothing]"}, "no attribute [nothing]"),
        ({"nameIdExpression": "Join("}, "nameIdExpression"),
        ({"claims": [{"name": "x", "expression": "[mail]"}, {"name": "x", "expression": "[mail]"}]}, "twice"),
        ({"claims": [{"name": "", "expression": "[mail]"}]}, "name"),
        ({"signingOption": "none"}, "signingOption takes one of"),
        ({"signingAlgorithm": "sha1"}, "signingAlgorithm takes one of"),
        ({"nameIdFormat": "x"}, "nameIdFormat takes one of"),
        ({"verificationCertificate": "x"}, "verificationCertificate"),
        ({"notificationEmailAddresses": ["x"]}, "mail addresses"),
        ({"preferredSingleSignOnMode": "password"}, "preferredSingleSignOnMode"),
        ({"other": 1}, "no property other"),
        ({"metadata": "<a/>"}, "no metadata"),
        ({"preferredTokenSigningKeyThumbprint": "AA"}, "does not exist"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(provider: Provider, fields: dict[str, Any], sentence: str) -> None:
    before = provider.shown()
    answer = provider.house.call("PATCH", f"/servicePrincipals/{provider.sp}/singleSignOn", fields)
    assert answer.status in (400, 404)
    assert sentence in answer.body["error"]["message"]
    assert provider.shown() == before


def test_an_identifier_belongs_to_one_application(provider: Provider) -> None:
    other = provider.house.application()["id"]
    shown = provider.house.call("GET", f"/servicePrincipals/{other}/singleSignOn").body
    assert (shown["identifier"], shown["preferredSingleSignOnMode"]) == ("https://sso.8x8.com/saml2", None)
    answer = provider.house.call("PATCH", f"/servicePrincipals/{other}/singleSignOn", {"identifier": ACS})
    assert (answer.status, answer.body["error"]["code"]) == (409, "IdentifierTaken")


def test_settings_come_from_the_applications_metadata(provider: Provider) -> None:
    content = write_service_provider(
        ServiceProvider(
            entity_id="https://other.example/sp", reply_urls=("https://other.example/acs",), logout_url=None
        )
    )
    shown = provider.set(metadata=content.decode())
    assert (shown["identifier"], shown["replyUrls"]) == ("https://other.example/sp", ["https://other.example/acs"])


def test_claims_are_made_by_expressions(provider: Provider, ada: PersonVisit) -> None:
    provider.set(
        nameIdExpression="ToUpper([userPrincipalName])",
        claims=[
            {"name": "full", "expression": 'Join(" ", [givenName], [surname])'},
            {"name": "no", "expression": "[city]"},
        ],
    )
    found = provider.read(ada.get(_asked()), "_req")
    assert (found.name_id, found.attributes["full"], "no" in found.attributes) == (
        NAME.upper(),
        ("Ada Lovelace",),
        False,
    )


def test_the_test_shows_what_a_person_would_get_and_opens_nothing(provider: Provider) -> None:
    answer = provider.house.call("POST", f"/servicePrincipals/{provider.sp}/singleSignOn/test", {"principalId": NAME})
    assert answer.status == 200
    assert (answer.body["nameId"], answer.body["isAssigned"]) == (NAME, True)
    provider_certificates = read_identity_provider(provider.metadata()).certificates
    shown = answer.body["response"]
    assert NAME in shown
    assert provider_certificates[0].base64[:60] not in shown
    nobody = provider.house.call("POST", f"/servicePrincipals/{provider.sp}/singleSignOn/test", {"principalId": "x"})
    assert nobody.status == 404
    provider.set(nameIdExpression="[employeeId]")
    refused = provider.house.call("POST", f"/servicePrincipals/{provider.sp}/singleSignOn/test", {"principalId": NAME})
    assert (refused.status, refused.body["error"]["code"]) == (400, "SignOnNotPossible")


# ---------------------------------------------------------------- logout


def _logout(issuer: str = ACS, **changes: Any) -> str:
    values: dict[str, Any] = {"id": "_out", "issuer": issuer, "issued_at": datetime.now(UTC), "destination": LOGIN}
    message = write_logout_request(LogoutRequest(**{**values, "name_id": NAME, **changes}))
    return redirect_url("/saml2", REQUEST, message, relay_state="back")


def test_a_logout_at_the_application_ends_the_session_here(provider: Provider, ada: PersonVisit) -> None:
    provider.set(logoutUrl=SP_LOGOUT)
    ended = ada.get(_logout())
    assert ended.status_code == 303
    query = urlsplit(ended.headers["Location"]).query
    answered = read_logout_response(read_redirect(parse_qs(query)[RESPONSE][0]))
    assert (answered.request_id, answered.is_success, parse_qs(query)["RelayState"]) == ("_out", True, ["back"])
    verify_query(query, RESPONSE, read_identity_provider(provider.metadata()).certificates, now=datetime.now(UTC))
    assert ada.get("/myapps").status_code == 303


def test_other_applications_hear_of_a_logout_one_after_the_other(provider: Provider, ada: PersonVisit) -> None:
    provider.set(logoutUrl=SP_LOGOUT)
    other = provider.house.application()
    second = "https://second.example/saml2"
    set_up = {"identifier": second, "replyUrls": [second], "signOnUrl": None, "preferredSingleSignOnMode": "saml"}
    path = f"/servicePrincipals/{other['id']}/singleSignOn"
    assert provider.house.call("PATCH", path, {**set_up, "logoutUrl": f"{second}/out"}).status == 200
    assign(provider.house, other, provider.house.call("GET", f"/users/{NAME}").body["id"])
    assert ada.get(_asked()).status_code == 200
    assert ada.get(_asked(issuer=second, reply_url=second)).status_code == 200
    told = ada.get(_logout())
    assert told.headers["Location"].startswith(f"{second}/out?")
    query = parse_qs(urlsplit(told.headers["Location"]).query)
    request, _ = read_logout_request(read_redirect(query[REQUEST][0]), now=provider.house.clock.now())
    assert request.name_id == NAME
    answer = LogoutResponse(
        id="_r", issuer=second, issued_at=datetime.now(UTC), destination=LOGIN, request_id=request.id, is_success=True
    )
    back = ada.get(redirect_url("/saml2", RESPONSE, write_logout_response(answer)))
    assert back.headers["Location"].startswith(f"{SP_LOGOUT}?SAMLResponse=")
    assert ada.get(redirect_url("/saml2", RESPONSE, write_logout_response(answer))).status_code == 200


def test_signing_out_of_my_apps_ends_sessions_at_the_applications(provider: Provider, ada: PersonVisit) -> None:
    provider.set(logoutUrl=SP_LOGOUT)
    assert ada.get(_asked()).status_code == 200
    gone = ada.post("/signout", on="/myapps")
    # The session here has ended, whatever the application does.
    assert ada.get("/myapps").status_code == 303
    assert gone.status_code == 200, "browsers hold redirects of a form to our own address"
    address = unescape(re.search(r'url=([^"]+)"', gone.text)[1])  # type: ignore[index]  # it is there, or the test fails
    assert address.startswith(f"{SP_LOGOUT}?")
    query = urlsplit(address).query
    verify_query(query, REQUEST, read_identity_provider(provider.metadata()).certificates, now=datetime.now(UTC))
    request, _ = read_logout_request(read_redirect(parse_qs(query)[REQUEST][0]), now=provider.house.clock.now())
    assert (request.name_id, request.destination) == (NAME, SP_LOGOUT)
    answer = LogoutResponse(
        id="_r", issuer=ACS, issued_at=datetime.now(UTC), destination=LOGIN, request_id=request.id, is_success=True
    )
    back = ada.get(redirect_url("/saml2", RESPONSE, write_logout_response(answer)))
    assert (back.status_code, back.headers["Location"]) == (303, "/signin")


def test_a_logout_is_told_to_all_applications_whichever_web_process_gets_each_request(
    house: House, tmp_path: Path
) -> None:
    database = fresh_database(tmp_path)
    shared = FaceMemory(
        shelf_of=partial(SqlShelf, database), notes_of=partial(SqlNotes, database), keys=lambda: [b"k" * 32]
    )
    house.services = replace(house.services, faces=shared)
    provider, there = Provider(house), PeopleSite(house)
    saml_there = make_saml_face(house.services, there.persons)
    here, asked = provider.site, count()

    def balanced(environ: Any, start_response: Any) -> Any:
        if next(asked) % 2:
            return here(environ, start_response)
        return (saml_there if environ["PATH_INFO"].startswith(PATH) else there.site)(environ, start_response)

    provider.site = balanced
    provider.assign(provider.person("ada", mail="ada.lovelace@example.com"))
    test_other_applications_hear_of_a_logout_one_after_the_other(provider, provider.signed_in())
    next(asked)
    again = provider.signed_in()
    assert [again.get("/myapps").status_code for _ in range(2)] == [200, 200]
    test_signing_out_of_my_apps_ends_sessions_at_the_applications(provider, again)
    assert [again.get("/myapps").status_code for _ in range(2)] == [303, 303]
    database.close()


def test_signing_out_without_a_session_elsewhere_just_signs_out(provider: Provider, ada: PersonVisit) -> None:
    assert ada.get(_asked()).status_code == 200, "an application without a logout URL is not told"
    assert ada.post("/signout", on="/myapps").headers["Location"] == "/signin"
    assert ada.get("/myapps").status_code == 303


def test_a_logout_that_is_not_as_agreed_ends_nothing(provider: Provider, ada: PersonVisit) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    for path in (
        _logout("https://evil.example"),
        _logout(destination="https://other.example"),
        _logout(issued_at=past),
        f"/saml2?{urlencode({'SAMLRequest': 'x'})}",
    ):
        assert ada.get(path).status_code == 400
    assert ada.get("/myapps").status_code == 200
