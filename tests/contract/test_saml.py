"""The SAML kit: what one side writes the other reads, every attack is refused, and foreign readers agree."""

import base64
import secrets
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from fakes.saml_attacks import ATTACKS
from fakes.saml_responses import Claim, good, make_response, make_signer, sign, sign_assertion
from muster.saml.assertions import Expected, SignedIn, read_issuer, read_response
from muster.saml.bindings import (
    REQUEST,
    check_relay_state,
    read_post,
    read_redirect,
    redirect_url,
    write_post,
)
from muster.saml.certificates import make_signing_key, read_certificate, read_key
from muster.saml.documents import add, new, parse, render, render_pretty
from muster.saml.logout import (
    LASTS,
    LogoutRequest,
    LogoutResponse,
    read_logout_request,
    read_logout_response,
    write_logout_request,
    write_logout_response,
)
from muster.saml.metadata import (
    IdentityProvider,
    ServiceProvider,
    read_identity_provider,
    read_service_provider,
    write_identity_provider,
    write_service_provider,
)
from muster.saml.names import SAML, Hash, NameFormat, SamlRefused, Signed, Status, read_instant, write_instant
from muster.saml.requests import AuthnRequest, read_authn_request, write_authn_request
from muster.saml.responses import Statement, write_refusal, write_response
from muster.saml.signatures import verify, verify_query

NOW = datetime.now(UTC).replace(microsecond=0)
ACS = "http://127.0.0.1:8088/saml2"
ISSUER = "https://idp.contoso.example/saml2"
FOREIGN = make_signer()
KEY = make_signing_key("Muster", now=NOW)
CLAIM = Claim(acs=ACS, audience=ACS, issuer=ISSUER, name_id="ada@contoso.example", now=NOW, request_id="_req")


def _expected(certificate: str = FOREIGN.certificate, **changes: object) -> Expected:
    values: dict[str, object] = {
        "issuer": ISSUER,
        "certificates": (read_certificate(certificate.encode()),),
        "audience": ACS,
        "reply_url": ACS,
        "request_id": "_req",
        "now": NOW,
    }
    return Expected(**{**values, **changes})


def _statement(**changes: object) -> Statement:
    values: dict[str, object] = {
        "response_id": f"_{secrets.token_hex(8)}",
        "assertion_id": f"_{secrets.token_hex(8)}",
        "session_index": f"_{secrets.token_hex(8)}",
        "issuer": ISSUER,
        "audience": ACS,
        "reply_url": ACS,
        "request_id": "_req",
        "name_id": "ada@contoso.example",
        "name_format": NameFormat.EMAIL,
        "attributes": {"http://schemas.example/claims/name": ("Ada",), "groups": ("a", "b")},
        "at": NOW,
        "signed_in_at": NOW,
    }
    return Statement(**{**values, **changes})


def _refusal(content: bytes, expected: Expected | None = None) -> str:
    with pytest.raises(SamlRefused) as refused:
        read_response(content, expected or _expected())
    assert refused.value.sentence.endswith(".")
    return refused.value.code


# ---------------------------------------------------------------- responses that others make


def test_a_good_response_of_another_make_signs_in() -> None:
    found = read_response(etree.tostring(good(CLAIM, FOREIGN)), _expected())
    assert (found.name_id, found.request_id, found.attributes) == (
        "ada@contoso.example",
        "_req",
        {"mail": ("ada@contoso.example",)},
    )
    assert found.counts_until == NOW + timedelta(minutes=8)


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_refused(attack: str) -> None:
    _refusal(ATTACKS[attack](CLAIM, FOREIGN))


def test_a_response_signed_besides_is_read_in_what_is_signed() -> None:
    both = sign(good(CLAIM, FOREIGN), FOREIGN)
    assert read_response(etree.tostring(both), _expected()).name_id == "ada@contoso.example"


def test_a_response_laid_out_for_reading_is_read() -> None:
    indented = etree.fromstring(etree.tostring(make_response(CLAIM)))
    etree.indent(indented)
    assert read_response(etree.tostring(sign_assertion(indented, FOREIGN)), _expected()).name_id


def test_what_nobody_asked_for_says_so_itself() -> None:
    found = read_response(etree.tostring(good(CLAIM.but(request_id=None), FOREIGN)), _expected(request_id=None))
    assert found.request_id is None
    assert _refusal(etree.tostring(good(CLAIM, FOREIGN)), _expected(request_id=None)) == "in-response-to"


def test_one_of_several_confirmations_is_enough() -> None:
    response = make_response(CLAIM)
    subject = response.find(f".//{{{SAML}}}Subject")
    other = etree.Element(f"{{{SAML}}}SubjectConfirmation", Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")
    subject.insert(1, other)
    assert read_response(etree.tostring(sign_assertion(response, FOREIGN)), _expected()).name_id


@pytest.mark.parametrize(
    ("path", "attribute", "value", "code"),
    [
        ("SubjectConfirmationData", "NotBefore", "2020-01-01T00:00:00Z", "confirmation"),
        ("Conditions", "NotOnOrAfter", None, "conditions"),
        ("Conditions", "NotOnOrAfter", "soon", "instant"),
        ("Conditions", "NotBefore", None, None),
        ("Conditions", "NotBefore", "0001-01-01T00:00:00Z", None),
        ("Conditions", "NotBefore", "9999-12-31T23:59:59Z", "not-yet-valid"),
        # As some write that there is no end.
        ("Conditions", "NotOnOrAfter", "9999-12-31T23:59:59Z", None),
        ("Conditions", "NotOnOrAfter", "0001-01-01T00:00:00+14:00", "expired"),
        ("Conditions", "NotOnOrAfter", "10000-01-01T00:00:00Z", "instant"),
        ("SubjectConfirmationData", "NotOnOrAfter", "9999-12-31T23:59:59-14:00", None),
        ("AuthnStatement", "SessionNotOnOrAfter", "9999-12-31T23:59:59.999999Z", None),
        ("AuthnStatement", "SessionNotOnOrAfter", "0001-01-01T00:00:00+14:00", "expired"),
    ],
)
def test_instants_are_held_to_the_profile(path: str, attribute: str, value: str | None, code: str | None) -> None:
    response = make_response(CLAIM)
    element = response.find(f".//{{{SAML}}}{path}")
    element.attrib.pop(attribute, None)
    if value is not None:
        element.set(attribute, value)
    content = etree.tostring(sign_assertion(response, FOREIGN))
    if code is None:
        assert read_response(content, _expected()).name_id
    else:
        assert _refusal(content) == code


def test_an_expired_certificate_proves_nothing() -> None:
    old = make_signer(lasts=timedelta(days=-1))
    assert _refusal(etree.tostring(good(CLAIM, old)), _expected(old.certificate)) == "certificate-expired"


def test_of_two_certificates_either_proves() -> None:
    both = tuple(read_certificate(each.certificate.encode()) for each in (make_signer(), FOREIGN))
    assert read_response(etree.tostring(good(CLAIM, FOREIGN)), _expected(certificates=both)).name_id


def test_the_issuer_is_read_before_anything_is_proved() -> None:
    assert read_issuer(etree.tostring(make_response(CLAIM))) == (ISSUER, "_req")
    with pytest.raises(SamlRefused, match="no Response"):
        read_issuer(b"<a/>")


def test_the_refusal_of_an_identity_provider_is_told() -> None:
    refused = write_refusal(
        response_id="_r",
        issuer=ISSUER,
        reply_url=ACS,
        request_id="_req",
        at=NOW,
        status=Status.RESPONDER,
        second=Status.AUTHENTICATION_FAILED,
        key=KEY,
    )
    with pytest.raises(SamlRefused, match="AuthnFailed"):
        read_response(render(refused), _expected(KEY.certificate.pem))


# ---------------------------------------------------------------- responses of our own


def _python3_saml(content: bytes) -> OneLogin_Saml2_Response:
    metadata = write_identity_provider(
        IdentityProvider(entity_id=ISSUER, sign_on_url=ISSUER, logout_url=ISSUER, certificates=(KEY.certificate,))
    )
    provider = OneLogin_Saml2_IdPMetadataParser.parse(metadata)["idp"]
    settings = OneLogin_Saml2_Settings(
        {"strict": True, "sp": {"entityId": ACS, "assertionConsumerService": {"url": ACS}}, "idp": provider}
    )
    response = OneLogin_Saml2_Response(settings, base64.b64encode(content).decode())
    request = {"http_host": "127.0.0.1:8088", "script_name": "/saml2", "https": "off", "get_data": {}, "post_data": {}}
    assert response.is_valid(request, "_req"), response.get_error()
    return response


@pytest.mark.parametrize("hash_", Hash)
@pytest.mark.parametrize("signed", Signed)
def test_python3_saml_takes_what_we_write(signed: Signed, hash_: Hash) -> None:
    content = render(write_response(_statement(), KEY, signed=signed, hash_=hash_))
    response = _python3_saml(content)
    assert response.get_nameid() == "ada@contoso.example"
    assert response.get_nameid_format() == NameFormat.EMAIL
    assert response.get_attributes() == {"http://schemas.example/claims/name": ["Ada"], "groups": ["a", "b"]}
    assert b"sha1" not in content


@pytest.mark.parametrize("signed", [Signed.ASSERTION, Signed.BOTH])
def test_what_we_write_we_read(signed: Signed) -> None:
    found = read_response(render(write_response(_statement(), KEY, signed=signed)), _expected(KEY.certificate.pem))
    assert found == SignedIn(
        name_id="ada@contoso.example",
        name_format=NameFormat.EMAIL,
        attributes={"http://schemas.example/claims/name": ("Ada",), "groups": ("a", "b")},
        assertion_id=found.assertion_id,
        counts_until=NOW + timedelta(hours=1, minutes=3),
        session_index=found.session_index,
        session_ends_at=None,
        request_id="_req",
    )


def test_a_response_signed_alone_is_not_enough_for_our_service_provider() -> None:
    content = render(write_response(_statement(attributes={}), KEY, signed=Signed.RESPONSE))
    assert _refusal(content, _expected(KEY.certificate.pem)) == "unsigned"


def test_values_are_texts_whatever_they_hold() -> None:
    odd = '<b>&amp;"]]> ünï 名'
    content = render(write_response(_statement(name_id=odd, attributes={"x": (odd,)}), KEY))
    found = read_response(content, _expected(KEY.certificate.pem))
    assert (found.name_id, found.attributes["x"]) == (odd, (odd,))


def test_a_control_character_has_no_place_in_xml() -> None:
    with pytest.raises(SamlRefused, match="control character"):
        write_response(_statement(name_id="a\x00b"), KEY)


# ---------------------------------------------------------------- requests and bindings


def _request(**changes: object) -> AuthnRequest:
    values: dict[str, object] = {"id": "_req", "issuer": ACS, "issued_at": NOW, "destination": ISSUER}
    return AuthnRequest(**{**values, **changes})


def test_a_request_travels_by_redirect() -> None:
    request = _request(reply_url=ACS, is_forced=True, is_passive=True, name_format=NameFormat.EMAIL.value)
    address = redirect_url(f"{ISSUER}?x=1", REQUEST, write_authn_request(request), relay_state="/a b?c=d&e")
    query = parse_qs(urlsplit(address).query)
    assert (query["x"], query["RelayState"]) == (["1"], ["/a b?c=d&e"])
    found, _ = read_authn_request(read_redirect(query[REQUEST][0]))
    assert found == AuthnRequest(
        id="_req",
        issuer=ACS,
        issued_at=NOW,
        destination=ISSUER,
        reply_url=ACS,
        name_format=NameFormat.EMAIL,
        is_forced=True,
        is_passive=True,
    )


def test_a_request_travels_by_a_form() -> None:
    wrapped = "\n".join(write_post(write_authn_request(_request()))[n : n + 60] for n in range(0, 2_000, 60))
    assert read_authn_request(read_post(wrapped))[0].id == "_req"


@pytest.mark.parametrize("hash_", Hash)
def test_a_signed_redirect_is_proved_by_its_certificate_alone(hash_: Hash) -> None:
    address = redirect_url(ISSUER, REQUEST, write_authn_request(_request()), relay_state="r", key=KEY, hash_=hash_)
    query = urlsplit(address).query
    verify_query(query, REQUEST, (KEY.certificate,), now=NOW)
    other = make_signing_key("Other", now=NOW)
    pairs = dict(parse_qsl(query))
    later = NOW + timedelta(days=4_000)
    for changed, certificates, now, code in [
        (query, (other.certificate,), NOW, "signature"),
        (query, (KEY.certificate,), later, "signature"),
        (query.replace("RelayState=r", "RelayState=s"), (KEY.certificate,), NOW, "signature"),
        (f"{query}&RelayState=s", (KEY.certificate,), NOW, "signature"),
        (
            urlencode({**pairs, "SigAlg": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}),
            (KEY.certificate,),
            NOW,
            "algorithm",
        ),
        (urlencode({**pairs, "Signature": "?"}), (KEY.certificate,), NOW, "signature"),
        (urlencode({**pairs, "Signature": "é"}), (KEY.certificate,), NOW, "signature"),
        # Another message under a name that whoever decodes the query takes for this one.
        (f"%53AMLRequest=forged&{query}", (KEY.certificate,), NOW, "signature"),
        (f"%52elayState=s&{query}", (KEY.certificate,), NOW, "signature"),
        (urlencode({REQUEST: pairs[REQUEST]}), (KEY.certificate,), NOW, "unsigned"),
    ]:
        with pytest.raises(SamlRefused) as refused:
            verify_query(changed, REQUEST, certificates, now=now)
        assert refused.value.code == code, changed


def _deflated(content: bytes) -> str:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("%%%", "no-message"),
        (base64.b64encode(b"<a/>").decode(), "no-message"),
        (_deflated(b"<a/>" * 1_000)[:12], "no-message"),
        (_deflated(b"a" * 50_000_000), "too-large"),
        ("a" * 300_000, "too-large"),
    ],
)
def test_a_redirect_that_cannot_be_unpacked_is_refused(value: str, code: str) -> None:
    with pytest.raises(SamlRefused) as refused:
        read_redirect(value)
    assert refused.value.code == code


def test_relay_states_have_a_limit() -> None:
    assert [check_relay_state(each) for each in (None, "", "x")] == [None, None, "x"]
    with pytest.raises(SamlRefused, match="characters"):
        check_relay_state("x" * 2_000)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("AuthnRequest", "LogoutRequest"), "other-message"),
        (('Version="2.0"', 'Version="1.1"'), "version"),
        (('ID="_req"', ""), "missing"),
        (('ID="_req"', f'ID="{"a" * 300}"'), "missing"),
        ((f"<saml:Issuer>{ACS}</saml:Issuer>", ""), "issuer"),
        ((ACS + "</saml:Issuer>", f"{ACS}<b/></saml:Issuer>"), "no-text"),
        (("HTTP-POST", "HTTP-Artifact"), "binding"),
        (("IssueInstant=", "Issued="), "instant"),
    ],
)
def test_a_request_that_is_none_is_refused(change: tuple[str, str], code: str) -> None:
    content = render(write_authn_request(_request())).decode()
    assert change[0] in content
    with pytest.raises(SamlRefused) as refused:
        read_authn_request(content.replace(*change).encode())
    assert refused.value.code == code


def test_a_message_signed_within_is_proved_too() -> None:
    signed = sign(etree.fromstring(render(write_authn_request(_request()))), FOREIGN)
    _, element = read_authn_request(etree.tostring(signed))
    certificate = read_certificate(FOREIGN.certificate.encode())
    assert verify(element, (certificate,), now=NOW).get("ID") == "_req"
    element.set("ID", "_other")
    with pytest.raises(SamlRefused, match="does not refer"):
        verify(element, (certificate,), now=NOW)


# ---------------------------------------------------------------- logout


def test_a_logout_is_asked_for_and_answered() -> None:
    request = LogoutRequest(
        id="_l", issuer=ISSUER, issued_at=NOW, destination=ACS, name_id="ada@x.example", session_index="_s"
    )
    assert read_logout_request(render(write_logout_request(request)), now=NOW)[0] == request
    endless = render(write_logout_request(request)).replace(
        write_instant(NOW + LASTS).encode(), b"9999-12-31T23:59:59Z"
    )
    assert read_logout_request(endless, now=NOW)[0] == request
    bare = LogoutRequest(id="_l", issuer=ISSUER, issued_at=NOW, destination=None, name_id="ada@x.example")
    assert read_logout_request(render(write_logout_request(bare)), now=NOW)[0] == bare
    with pytest.raises(SamlRefused, match="expired"):
        read_logout_request(render(write_logout_request(request)), now=NOW + timedelta(hours=1))
    for is_success in (True, False):
        response = LogoutResponse(
            id="_r", issuer=ACS, issued_at=NOW, destination=ISSUER, request_id="_l", is_success=is_success
        )
        assert read_logout_response(render(write_logout_response(response))) == response
    with pytest.raises(SamlRefused, match="no LogoutResponse"):
        read_logout_response(render(write_logout_request(request)))
    with pytest.raises(SamlRefused, match="no LogoutRequest"):
        read_logout_request(render(write_logout_response(response)), now=NOW)


# ---------------------------------------------------------------- metadata and certificates


def test_metadata_of_an_identity_provider_is_read_again() -> None:
    provider = IdentityProvider(
        entity_id=ISSUER,
        sign_on_url=f"{ISSUER}/in",
        logout_url=f"{ISSUER}/out",
        certificates=(KEY.certificate, read_certificate(FOREIGN.certificate.encode())),
    )
    assert read_identity_provider(write_identity_provider(provider)) == provider


@pytest.mark.parametrize("logout", [None, f"{ACS}/out"])
def test_metadata_of_a_service_provider_is_read_again(logout: str | None) -> None:
    provider = ServiceProvider(entity_id=ACS, reply_urls=(ACS, f"{ACS}/2"), logout_url=logout)
    assert read_service_provider(write_service_provider(provider)) == provider


def test_metadata_in_a_collection_of_one_is_read() -> None:
    content = write_identity_provider(
        IdentityProvider(entity_id=ISSUER, sign_on_url=ISSUER, logout_url=None, certificates=(KEY.certificate,))
    )
    inner = content.partition(b"?>")[2].decode()
    wrapped = f'<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">{inner}</EntitiesDescriptor>'
    assert read_identity_provider(wrapped.encode()).entity_id == ISSUER


@pytest.mark.parametrize(
    ("old", "new_", "sentence"),
    [
        ("IDPSSODescriptor", "AttributeAuthorityDescriptor", "no metadata of one entity"),
        ("KeyDescriptor", "Other", "no signing certificate"),
        ("SingleSignOnService", "Other", "no address for signing in"),
        (f'entityID="{ISSUER}"', "", "no entityID"),
        (KEY.certificate.base64, "AAAA", "no certificate"),
    ],
)
def test_metadata_that_lacks_something_is_refused_by_name(old: str, new_: str, sentence: str) -> None:
    content = write_identity_provider(
        IdentityProvider(entity_id=ISSUER, sign_on_url=ISSUER, logout_url=None, certificates=(KEY.certificate,))
    ).decode()
    with pytest.raises(SamlRefused, match=sentence):
        read_identity_provider(content.replace(old, new_).encode())
    with pytest.raises(SamlRefused, match="service provider"):
        read_service_provider(content.encode())
    service = write_service_provider(ServiceProvider(entity_id=ACS, reply_urls=(ACS,), logout_url=None))
    with pytest.raises(SamlRefused, match="no address for answers"):
        read_service_provider(service.replace(b"HTTP-POST", b"HTTP-Artifact"))


def test_a_certificate_is_read_in_every_form_that_it_is_handed_over_in() -> None:
    certificate = KEY.certificate
    for form in (
        certificate.pem.encode(),
        certificate.base64.encode(),
        certificate.der,
        f"\n{certificate.pem}\n".encode(),
    ):
        assert read_certificate(form) == certificate
    assert certificate.not_after - NOW == timedelta(days=3 * 365)
    assert len(certificate.thumbprint) == 40


def test_what_is_no_certificate_for_signing_is_refused() -> None:
    weak = ec.generate_private_key(ec.SECP256R1())
    weak_pem = weak.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for content, sentence in [
        (b"", "no certificate"),
        (b"x" * 70_000, "larger"),
        (KEY.key_pem.encode(), "private key"),
        (b"\x30\x82\xff", "no certificate"),
        (_curve_certificate(weak), "RSA key"),
    ]:
        with pytest.raises(SamlRefused, match=sentence):
            read_certificate(content)
    with pytest.raises(TypeError):
        read_key(weak_pem)
    assert KEY.key_pem not in repr(KEY)


def _curve_certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


# ---------------------------------------------------------------- documents


def test_documents_are_elements_and_texts() -> None:
    element = add(new(SAML, "Issuer"), SAML, "Audience", "x", a=None, b="c")
    assert render(element.getparent()).endswith(b'<saml:Audience b="c">x</saml:Audience></saml:Issuer>')
    assert parse(b"<a><b>x</b></a>").tag == "a"
    assert "\n" in render_pretty(parse(b"<a><b>x</b></a>"))
    for content in (b"<!-- x --><a/>", b"<a/><!-- x -->", b"<?x y?><a/>", b"<a><?x y?></a>"):
        with pytest.raises(SamlRefused, match="comment"):
            parse(content)
    with pytest.raises(SamlRefused, match="too many"):
        parse(b"<a>" + b"<b/>" * 6_000 + b"</a>")
    with pytest.raises(SamlRefused, match="nested"):
        parse(b"<a>" * 50 + b"</a>" * 50)


def test_an_instant_without_a_zone_is_in_utc() -> None:
    assert read_instant("2026-01-02T03:04:05", "x") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read_instant("2026-01-02T03:04:05.123Z", "x").microsecond == 123_000


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("0001-01-01T00:00:00+14:00", 1970),
        ("1969-12-31T23:59:59Z", 1970),
        ("9999-12-31T23:59:59-14:00", 9998),
        ("9999-12-31T23:59:59", 9998),
    ],
)
def test_an_instant_can_be_moved_by_the_skew_of_clocks(text: str, year: int) -> None:
    found = read_instant(text, "x")
    assert found.year == year
    assert found - LASTS < found < found + LASTS
