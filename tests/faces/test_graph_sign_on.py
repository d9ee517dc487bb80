"""Single sign-on by Graph's own names, in the order of Microsoft's tutorial; and the certificate that requests need."""

from io import BytesIO
from typing import Any

import pytest

from faces.house import House
from faces.portal_visit import Visit
from muster.model.roles import Role
from muster.saml.certificates import make_signing_key, read_certificate


def shown(house: House, application: Any) -> tuple[Any, Any]:
    """The servicePrincipal and the application."""
    sp = house.call("GET", f"/servicePrincipals/{application['id']}").body
    return sp, house.call("GET", f"/applications/{application['application']['id']}").body


def test_the_tutorial_of_graph_sets_saml_up(house: House) -> None:
    application = house.application("Custom")
    sp, path = application["id"], f"/servicePrincipals/{application['id']}"
    registration = f"/applications/{application['application']['id']}"
    assert application["preferredSingleSignOnMode"] is None
    assert house.call("PATCH", path, {"preferredSingleSignOnMode": "saml"}).status == 204
    # Nobody is signed in before there are addresses.
    kept = house.stores.single_sign_on.settings(sp)
    assert kept is not None
    assert (kept.is_enabled, kept.is_complete) == (True, False)
    web = {
        "redirectUris": ["https://app.example/acs", "https://app.example/acs2"],
        "logoutUrl": "https://app.example/out",
    }
    given = {"identifierUris": ["https://app.example/saml"], "web": web}
    assert house.call("PATCH", registration, given).status == 204
    made = house.call("POST", f"{path}/addTokenSigningCertificate", {"displayName": "CN=next"}).body
    more = {
        "preferredTokenSigningKeyThumbprint": made["thumbprint"],
        "samlSingleSignOnSettings": {"relayState": "start"},
        "loginUrl": "https://app.example/login",
        "notificationEmailAddresses": ["it@example.com"],
    }
    assert house.call("PATCH", path, more).status == 204
    principal, registered = shown(house, application)
    assert {name: principal[name] for name in more} == more
    assert principal["preferredSingleSignOnMode"] == "saml"
    assert principal["preferredTokenSigningKeyEndDateTime"] == made["endDateTime"]
    assert principal["replyUrls"] == web["redirectUris"]
    assert principal["logoutUrl"] == web["logoutUrl"]
    assert principal["servicePrincipalNames"] == ["https://app.example/saml", application["appId"]]
    assert registered["identifierUris"] == ["https://app.example/saml"]
    assert registered["web"] == web
    listed = house.call("GET", "/servicePrincipals?$filter=preferredSingleSignOnMode eq 'saml'").body["value"]
    assert [{**each} for each in listed] == [{k: v for k, v in principal.items() if k != "@odata.context"}]
    in_list = next(each for each in house.call("GET", "/applications").body["value"] if each["id"] == registered["id"])
    assert in_list["web"] == web
    # Sent back as it was read it changes nothing.
    known = len(house.call("GET", "/auditLogs/directoryAudits?$top=100").body["value"])
    assert house.call("PATCH", path, {**more, "preferredSingleSignOnMode": "saml"}).status == 204
    assert len(house.call("GET", "/auditLogs/directoryAudits?$top=100").body["value"]) == known
    assert (
        house.call("PATCH", path, {"preferredSingleSignOnMode": None, "samlSingleSignOnSettings": None}).status == 204
    )
    principal, _ = shown(house, application)
    assert (principal["preferredSingleSignOnMode"], principal["samlSingleSignOnSettings"]) == (None, None)


def test_openid_connect_is_a_mode_with_redirect_uris(house: House) -> None:
    application = house.application()
    path = f"/servicePrincipals/{application['id']}"
    uris = ["https://app.example/callback"]
    answer = house.call("PATCH", path, {"preferredSingleSignOnMode": "oidc", "replyUrls": uris})
    assert answer.status == 204, answer.text
    principal, registered = shown(house, application)
    assert (principal["preferredSingleSignOnMode"], principal["replyUrls"]) == ("oidc", uris)
    assert registered["web"]["redirectUris"] == uris
    other = ["https://app.example/callback2"]
    registration = f"/applications/{application['application']['id']}"
    assert house.call("PATCH", registration, {"web": {"redirectUris": other}}).status == 204
    assert house.call("GET", f"{path}/openIdConnect").body["redirectUris"] == other
    assert house.call("PATCH", path, {"preferredSingleSignOnMode": "notSupported"}).status == 204
    assert house.call("GET", f"{path}/openIdConnect").body["isEnabled"] is False


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"preferredSingleSignOnMode": "password"}, "preferredSingleSignOnMode takes saml, oidc, or null"),
        ({"preferredSingleSignOnMode": ["saml"]}, "preferredSingleSignOnMode is required and takes"),
        ({"samlSingleSignOnSettings": "start"}, "samlSingleSignOnSettings takes"),
        ({"samlSingleSignOnSettings": {"other": "x"}}, "samlSingleSignOnSettings takes"),
        ({"replyUrls": [1]}, "replyUrls takes a list of texts"),
        ({"replyUrls": ["http://app.example/"]}, "replyUrls takes an address"),
        ({"loginUrl": "javascript:alert(1)"}, "signOnUrl takes an address"),
        ({"preferredTokenSigningKeyThumbprint": "AB12"}, "AB12"),
        ({"preferredSingleSignOnMode": "oidc"}, "redirectUris needs an address"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(house: House, fields: Any, reason: str) -> None:
    application = house.application()
    before = shown(house, application)
    answer = house.call("PATCH", f"/servicePrincipals/{application['id']}", fields)
    assert answer.status in (400, 404)
    assert reason in answer.message
    assert shown(house, application) == before


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"identifierUris": ["https://a.example", "https://b.example"]}, "one identifier"),
        ({"identifierUris": ["no uri"]}, "identifier takes a URI"),
        ({"web": []}, "web takes an object"),
        ({"web": {"implicitGrantSettings": {}}}, "web takes an object"),
    ],
)
def test_an_application_refuses_what_cannot_be(house: House, fields: Any, reason: str) -> None:
    application = house.application()
    answer = house.call("PATCH", f"/applications/{application['application']['id']}", fields)
    assert answer.status == 400
    assert reason in answer.message


def test_the_certificate_that_requests_need_is_uploaded_replaced_and_taken_away(house: House) -> None:
    application = house.application()
    sp = application["id"]
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    path = f"/applications/{sp}/single-sign-on"
    key = make_signing_key("CRM", now=house.clock.at)
    form = {
        "identifier": "https://app.example/saml",
        "reply_urls": "https://app.example/acs",
        "name_expression": "[userPrincipalName]",
        "name_format": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        "signed": "assertion",
        "hash": "sha256",
    }

    def send(content: bytes | None, **more: str) -> Any:
        data: dict[str, Any] = {"csrf_token": visit.token("/"), **form, **more}
        if content is not None:
            data["verification"] = (BytesIO(content), "crm.cer")
        return visit.client.post(path, data=data, content_type="multipart/form-data")

    def kept() -> str | None:
        found = house.stores.single_sign_on.settings(sp)
        return None if found is None else found.request_certificate

    for content in (key.certificate.pem.encode(), key.certificate.der):
        assert send(content).status_code == 303
        assert kept() == key.certificate.pem
        assert key.certificate.thumbprint in visit.text(path).replace("<wbr>", "")
    assert send(None).status_code == 303
    assert kept() == key.certificate.pem, "nothing was said about it"
    refused = send(b"no certificate")
    assert refused.status_code == 400
    assert "no certificate of an RSA key" in refused.text
    assert read_certificate(str(kept()).encode()).thumbprint == key.certificate.thumbprint
    assert send(None, unsigned="on").status_code == 303
    assert kept() is None


def test_openid_connect_is_set_up_on_its_page(house: House) -> None:
    application = house.application()
    sp = application["id"]
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR)
    path = f"/applications/{sp}/single-sign-on/openid-connect"
    page = visit.text(path)
    assert application["appId"] in page
    assert "email (email) = [mail]" in page
    given = {
        "enabled": "on",
        "redirect_uris": "https://app.example/callback\nhttps://app.example/other",
        "sign_on_url": "https://app.example/",
        "pkce": "on",
        "claims": "email (email) = [mail]\ndepartment = [department]",
    }
    assert visit.post(path, **given).status_code == 303
    kept = house.stores.openid.settings(sp)
    assert kept is not None
    assert (kept.is_enabled, kept.is_public, kept.requires_pkce) == (True, False, True)
    assert kept.redirect_uris == ("https://app.example/callback", "https://app.example/other")
    assert [(each.name, each.scope, each.expression) for each in kept.claims] == [
        ("email", "email", "[mail]"),
        ("department", None, "[department]"),
    ]
    made = visit.post(f"{path}/secrets")
    assert made.status_code == 200
    secret = made.text.split('data-copy="muster_o_')[1].split('"')[0]
    assert secret not in visit.text(path)
    kept = house.stores.openid.settings(sp)
    assert kept is not None
    assert visit.post(f"{path}/secrets", remove=kept.secrets[0].key_id).status_code == 303
    for wrong, told in (
        ({"claims": "department [department]"}, "A claim is written"),
        ({"redirect_uris": "javascript:alert(1)"}, "redirectUris takes addresses"),
    ):
        refused = visit.post(path, **{**given, **wrong})
        assert refused.status_code == 400
        assert told in refused.text
    after = house.stores.openid.settings(sp)
    assert after is not None
    assert (after.redirect_uris, after.secrets) == (kept.redirect_uris, ())
