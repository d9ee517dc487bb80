"""Responses as a service provider reads them: every check of the profile, or a refusal with its reason.

Source: SAML profiles §4.1.4.3; core §2.5.1, §3.2.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.saml.certificates import Certificate
from muster.saml.documents import Element, child, children, descendants, is_element, parse, require_child, text_of
from muster.saml.names import BEARER, SAML, SAMLP, SamlRefused, Status, read_instant
from muster.saml.requests import LIMIT_ADDRESS_CHARACTERS, read_head
from muster.saml.signatures import is_signed, verify

SKEW = timedelta(minutes=3)
LIMIT_NAME_CHARACTERS = 512
# What a condition may be and still be understood (core §2.5.1: what is not understood is not valid).
_KNOWN_CONDITIONS = frozenset(f"{{{SAML}}}{name}" for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a service provider knows: itself, its identity provider, and the request that this browser began."""

    issuer: str
    certificates: tuple[Certificate, ...]
    audience: str
    reply_url: str
    # None: this browser began none.
    request_id: str | None
    now: datetime
    skew: timedelta = SKEW


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Whom an identity provider has signed in. The assertion's id may come once until `counts_until`."""

    name_id: str
    name_format: str | None
    attributes: Mapping[str, tuple[str, ...]]
    assertion_id: str
    counts_until: datetime
    session_index: str | None
    session_ends_at: datetime | None
    # None: nobody asked, the identity provider began.
    request_id: str | None


def read_issuer(content: bytes) -> tuple[str, str | None]:
    """Issuer and InResponseTo of a response, by which its customer and request are found; nothing is proved by them.

    Raises: SamlRefused.
    """
    root = parse(content)
    if not is_element(root, SAMLP, "Response"):
        raise SamlRefused("other-message", "The message is no Response.")
    return read_head(root)[1], root.get("InResponseTo")


def read_response(content: bytes, expected: Expected) -> SignedIn:
    """Whom the response signs in. Raises: SamlRefused with the reason."""
    root = parse(content)
    if not is_element(root, SAMLP, "Response"):
        raise SamlRefused("other-message", "The message is no Response.")
    _, issuer, _ = read_head(root)
    if issuer != expected.issuer:
        raise SamlRefused("issuer", f"The response is by {issuer[:200]!r}, not by our identity provider.")
    if root.get("Destination") != expected.reply_url:
        raise SamlRefused("destination", "The response is meant for another address.")
    if is_signed(root):
        # Read on in what is signed, and in nothing else.
        root = verify(root, expected.certificates, now=expected.now)
    request_id = root.get("InResponseTo")
    if request_id is not None and request_id != expected.request_id:
        raise SamlRefused("in-response-to", "The response answers a request that this browser did not begin.")
    _check_status(root)
    if list(descendants(root, SAML, "EncryptedAssertion")):
        raise SamlRefused("encrypted", "The assertion is encrypted: switch token encryption off.")
    everywhere = list(descendants(root, SAML, "Assertion"))
    own = children(root, SAML, "Assertion")
    if len(everywhere) != 1 or len(own) != 1:
        raise SamlRefused("assertions", f"The response holds {len(everywhere)} assertions instead of one.")
    if own[0].get("ID") == root.get("ID"):
        raise SamlRefused("signature", "Response and assertion have the same id.")
    # The assertion itself is to be signed, whatever else is.
    return _read_assertion(verify(own[0], expected.certificates, now=expected.now), request_id, expected)


def _check_status(root: Element) -> None:
    code = require_child(require_child(root, SAMLP, "Status"), SAMLP, "StatusCode")
    if code.get("Value") != Status.SUCCESS.value:
        inner = child(code, SAMLP, "StatusCode")
        said = (inner if inner is not None else code).get("Value") or ""
        raise SamlRefused("status", f"The identity provider refused: {said[:200].rpartition(':')[2]!r}.")


def _read_assertion(assertion: Element, request_id: str | None, expected: Expected) -> SignedIn:
    assertion_id, issuer, _ = read_head(assertion)
    if issuer != expected.issuer:
        raise SamlRefused("issuer", f"The assertion is by {issuer[:200]!r}, not by our identity provider.")
    subject = require_child(assertion, SAML, "Subject")
    name = require_child(subject, SAML, "NameID")
    name_id = text_of(name)
    if not 0 < len(name_id) <= LIMIT_NAME_CHARACTERS:
        raise SamlRefused("name", "The assertion names nobody.")
    confirmed_until = _check_confirmation(subject, request_id, expected)
    valid_until = _check_conditions(assertion, expected)
    statement = require_child(assertion, SAML, "AuthnStatement")
    session_ends_at = _instant(statement, "SessionNotOnOrAfter")
    if session_ends_at is not None and expected.now >= session_ends_at + expected.skew:
        raise SamlRefused("expired", "The session at the identity provider is over.")
    return SignedIn(
        name_id=name_id,
        name_format=name.get("Format"),
        attributes=_attributes(assertion),
        assertion_id=assertion_id,
        counts_until=max(confirmed_until, valid_until) + expected.skew,
        session_index=statement.get("SessionIndex"),
        session_ends_at=session_ends_at,
        request_id=request_id,
    )


def _check_confirmation(subject: Element, request_id: str | None, expected: Expected) -> datetime:
    """Until when the bearer's confirmation counts. One of several confirmations is enough. Raises: SamlRefused."""
    refusal = SamlRefused("confirmation", "The assertion is not confirmed for its bearer.")
    for confirmation in children(subject, SAML, "SubjectConfirmation"):
        if confirmation.get("Method") != BEARER:
            continue
        try:
            return _check_bearer(require_child(confirmation, SAML, "SubjectConfirmationData"), request_id, expected)
        except SamlRefused as refused:
            refusal = refused
    raise refusal


def _check_bearer(data: Element, request_id: str | None, expected: Expected) -> datetime:
    if data.get("Recipient") != expected.reply_url:
        raise SamlRefused("recipient", "The assertion is meant for another recipient.")
    if data.get("InResponseTo") != request_id:
        raise SamlRefused("in-response-to", "The assertion answers another request than its response.")
    if data.get("NotBefore") is not None:
        raise SamlRefused("confirmation", "The bearer's confirmation has a beginning, which the profile forbids.")
    until = _instant(data, "NotOnOrAfter")
    if until is None:
        raise SamlRefused("confirmation", "The bearer's confirmation has no end.")
    if expected.now >= until + expected.skew:
        raise SamlRefused("expired", "The bearer's confirmation has expired.")
    return until


def _check_conditions(assertion: Element, expected: Expected) -> datetime:
    conditions = require_child(assertion, SAML, "Conditions")
    if any(each.tag not in _KNOWN_CONDITIONS for each in conditions):
        raise SamlRefused("conditions", "The assertion has a condition that is not known here.")
    begins, ends = _instant(conditions, "NotBefore"), _instant(conditions, "NotOnOrAfter")
    if begins is not None and expected.now < begins - expected.skew:
        raise SamlRefused("not-yet-valid", "The assertion is not valid yet: compare the clocks of both sides.")
    if ends is None:
        raise SamlRefused("conditions", "The assertion has no end.")
    if expected.now >= ends + expected.skew:
        raise SamlRefused("expired", "The assertion has expired: compare the clocks of both sides.")
    restrictions = children(conditions, SAML, "AudienceRestriction")
    if not restrictions:
        raise SamlRefused("audience", "The assertion is not restricted to an audience.")
    for restriction in restrictions:
        if expected.audience not in [text_of(each) for each in children(restriction, SAML, "Audience")]:
            raise SamlRefused("audience", "The assertion is meant for another audience.")
    return ends


def _attributes(assertion: Element) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for statement in children(assertion, SAML, "AttributeStatement"):
        for attribute in children(statement, SAML, "Attribute"):
            name = (attribute.get("Name") or "")[:LIMIT_ADDRESS_CHARACTERS]
            values = tuple(text_of(each) for each in children(attribute, SAML, "AttributeValue") if not len(each))
            found[name] = (*found.get(name, ()), *values)
    return found


def _instant(element: Element, name: str) -> datetime | None:
    text = element.get(name)
    return None if text is None else read_instant(text, name)
