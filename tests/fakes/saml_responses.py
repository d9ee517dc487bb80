"""SAML responses as a foreign identity provider makes them, by signxml alone and none of the product's code."""

import copy
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml import XMLSigner
from signxml.algorithms import CanonicalizationMethod

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
NAMES = {"samlp": SAMLP, "saml": SAML, "ds": DS}
EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key and its certificate, both PEM."""

    key: str
    certificate: str


def make_signer(name: str = "idp.example", *, lasts: timedelta = timedelta(days=30)) -> Signer:
    """A new key with a certificate signed by itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + lasts)
        .sign(key, hashes.SHA256())
    )
    return Signer(
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a response says; the defaults of a good one are those of the service provider it is meant for."""

    acs: str
    audience: str | None
    issuer: str
    name_id: str
    now: datetime
    request_id: str | None = None
    destination: str | None = ""
    recipient: str | None = ""
    status: str = SUCCESS
    assertion_issuer: str | None = None
    confirmed_request: str | None = ""
    method: str = BEARER
    not_before: timedelta = timedelta(minutes=-1)
    not_after: timedelta = timedelta(minutes=5)
    confirmed_until: timedelta | None = timedelta(minutes=5)
    session_until: timedelta | None = None
    name_format: str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"

    def but(self, **changes: object) -> "Claim":
        """The claim with something else."""
        return replace(self, **changes)


def make_response(claim: Claim) -> etree._Element:
    """An unsigned response."""
    at = claim.now
    response = etree.Element(f"{{{SAMLP}}}Response", nsmap=NAMES, ID=_id(), Version="2.0", IssueInstant=_instant(at))
    _set(response, "Destination", claim.acs if claim.destination == "" else claim.destination)
    _set(response, "InResponseTo", claim.request_id)
    _add(response, SAML, "Issuer", claim.issuer)
    status = _add(response, SAMLP, "Status")
    _add(status, SAMLP, "StatusCode", Value=claim.status)
    response.append(make_assertion(claim))
    return response


def make_assertion(claim: Claim) -> etree._Element:
    """An unsigned assertion."""
    at = claim.now
    assertion = etree.Element(
        f"{{{SAML}}}Assertion", nsmap={"saml": SAML}, ID=_id(), Version="2.0", IssueInstant=_instant(at)
    )
    _add(assertion, SAML, "Issuer", claim.assertion_issuer or claim.issuer)
    subject = _add(assertion, SAML, "Subject")
    _add(subject, SAML, "NameID", claim.name_id, Format=claim.name_format)
    confirmation = _add(subject, SAML, "SubjectConfirmation", Method=claim.method)
    data = _add(confirmation, SAML, "SubjectConfirmationData")
    _set(data, "Recipient", claim.acs if claim.recipient == "" else claim.recipient)
    _set(data, "InResponseTo", claim.request_id if claim.confirmed_request == "" else claim.confirmed_request)
    if claim.confirmed_until is not None:
        data.set("NotOnOrAfter", _instant(at + claim.confirmed_until))
    conditions = _add(
        assertion,
        SAML,
        "Conditions",
        NotBefore=_instant(at + claim.not_before),
        NotOnOrAfter=_instant(at + claim.not_after),
    )
    if claim.audience is not None:
        _add(_add(conditions, SAML, "AudienceRestriction"), SAML, "Audience", claim.audience)
    statement = _add(assertion, SAML, "AuthnStatement", AuthnInstant=_instant(at), SessionIndex=_id())
    if claim.session_until is not None:
        statement.set("SessionNotOnOrAfter", _instant(at + claim.session_until))
    context = _add(statement, SAML, "AuthnContext")
    _add(context, SAML, "AuthnContextClassRef", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password")
    attribute = _add(_add(assertion, SAML, "AttributeStatement"), SAML, "Attribute", Name="mail")
    _add(attribute, SAML, "AttributeValue", claim.name_id)
    return assertion


def sign(element: etree._Element, signer: Signer, xml_signer: XMLSigner | None = None) -> etree._Element:
    """The element with a signature after its issuer."""
    bare = copy.deepcopy(element)
    place = etree.Element(f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS})
    bare.insert(1, place)
    made = (xml_signer or XMLSigner(c14n_algorithm=EXCLUSIVE)).sign(
        bare, key=signer.key, cert=signer.certificate, reference_uri=f"#{bare.get('ID')}", id_attribute="ID"
    )
    return etree.fromstring(etree.tostring(made))


def sign_assertion(response: etree._Element, signer: Signer, xml_signer: XMLSigner | None = None) -> etree._Element:
    """The response with its assertion signed."""
    whole = copy.deepcopy(response)
    assertion = assertion_of(whole)
    whole.replace(assertion, sign(assertion, signer, xml_signer))
    return whole


def good(claim: Claim, signer: Signer) -> etree._Element:
    """The response with its assertion signed."""
    return sign_assertion(make_response(claim), signer)


def assertion_of(response: etree._Element) -> etree._Element:
    """The first assertion."""
    found = response.find(f".//{{{SAML}}}Assertion")
    assert found is not None
    return found


def signature_of(element: etree._Element) -> etree._Element:
    """The first signature."""
    found = element.find(f".//{{{DS}}}Signature")
    assert found is not None
    return found


def _id() -> str:
    return f"_{uuid.uuid4().hex}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _set(element: etree._Element, name: str, value: str | None) -> None:
    if value is not None:
        element.set(name, value)


def _add(
    parent: etree._Element, namespace: str, tag: str, text: str | None = None, **attributes: str
) -> etree._Element:
    child = etree.SubElement(parent, f"{{{namespace}}}{tag}", **attributes)
    child.text = text
    return child
