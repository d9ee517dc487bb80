"""Responses of an identity provider: an assertion about a person, signed; or a refusal.

Source: SAML core §2.3, §3.3; profiles §4.1.4.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.saml.certificates import SigningKey
from muster.saml.documents import Element, add, new
from muster.saml.names import (
    ATTRIBUTE_FORMAT,
    BEARER,
    SAML,
    SAMLP,
    Hash,
    NameFormat,
    Signed,
    Status,
    write_instant,
)
from muster.saml.signatures import sign

PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105  a name of the standard
LASTS = timedelta(hours=1)
EARLIER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is said of a person. `request_id` None: nobody asked. Ids begin with a letter or `_` (xs:ID)."""

    response_id: str
    assertion_id: str
    session_index: str
    issuer: str
    audience: str
    reply_url: str
    request_id: str | None
    name_id: str
    name_format: NameFormat
    attributes: Mapping[str, Sequence[str]]
    at: datetime
    signed_in_at: datetime
    lasts: timedelta = LASTS
    context: str = PASSWORD


def write_response(
    statement: Statement, key: SigningKey, *, signed: Signed = Signed.ASSERTION, hash_: Hash = Hash.SHA256
) -> Element:
    """The response with what is to be signed signed."""
    assertion = _assertion(statement)
    if signed is not Signed.RESPONSE:
        assertion = sign(assertion, key, hash_)
    response = _envelope(
        statement.response_id, statement.issuer, statement.reply_url, statement.request_id, statement.at
    )
    status = add(response, SAMLP, "Status")
    add(status, SAMLP, "StatusCode", Value=Status.SUCCESS.value)
    response.append(assertion)
    return response if signed is Signed.ASSERTION else sign(response, key, hash_)


def write_refusal(
    *,
    response_id: str,
    issuer: str,
    reply_url: str,
    request_id: str | None,
    at: datetime,
    status: Status,
    second: Status,
    key: SigningKey,
) -> Element:
    """A signed response that says no: a status, a second one below it, no assertion."""
    response = _envelope(response_id, issuer, reply_url, request_id, at)
    outer = add(add(response, SAMLP, "Status"), SAMLP, "StatusCode", Value=status.value)
    add(outer, SAMLP, "StatusCode", Value=second.value)
    return sign(response, key)


def _envelope(response_id: str, issuer: str, reply_url: str, request_id: str | None, at: datetime) -> Element:
    response = new(
        SAMLP,
        "Response",
        ID=response_id,
        Version="2.0",
        IssueInstant=write_instant(at),
        Destination=reply_url,
        InResponseTo=request_id,
    )
    add(response, SAML, "Issuer", issuer)
    return response


def _assertion(statement: Statement) -> Element:
    ends = write_instant(statement.at + statement.lasts)
    assertion = new(
        SAML, "Assertion", ID=statement.assertion_id, Version="2.0", IssueInstant=write_instant(statement.at)
    )
    add(assertion, SAML, "Issuer", statement.issuer)
    subject = add(assertion, SAML, "Subject")
    add(subject, SAML, "NameID", statement.name_id, Format=statement.name_format.value)
    confirmation = add(subject, SAML, "SubjectConfirmation", Method=BEARER)
    add(
        confirmation,
        SAML,
        "SubjectConfirmationData",
        InResponseTo=statement.request_id,
        NotOnOrAfter=ends,
        Recipient=statement.reply_url,
    )
    conditions = add(assertion, SAML, "Conditions", NotBefore=write_instant(statement.at - EARLIER), NotOnOrAfter=ends)
    add(add(conditions, SAML, "AudienceRestriction"), SAML, "Audience", statement.audience)
    signed_in = add(
        assertion,
        SAML,
        "AuthnStatement",
        AuthnInstant=write_instant(statement.signed_in_at),
        SessionIndex=statement.session_index,
    )
    add(add(signed_in, SAML, "AuthnContext"), SAML, "AuthnContextClassRef", statement.context)
    # The schema wants an attribute in the statement.
    if statement.attributes:
        holder = add(assertion, SAML, "AttributeStatement")
        for name, values in statement.attributes.items():
            attribute = add(holder, SAML, "Attribute", Name=name, NameFormat=ATTRIBUTE_FORMAT if ":" in name else None)
            for value in values:
                add(attribute, SAML, "AttributeValue", value)
    return assertion
