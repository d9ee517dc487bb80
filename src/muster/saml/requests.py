"""Requests for a sign-in, written by a service provider and read by an identity provider.

Source: SAML core §3.4.1; profiles §4.1.4.1.
"""

from dataclasses import dataclass
from datetime import datetime

from muster.saml.documents import Element, add, child, is_element, new, parse, text_of
from muster.saml.names import SAML, SAMLP, Binding, NameFormat, SamlRefused, read_instant, write_instant

LIMIT_ID_CHARACTERS = 256
LIMIT_ADDRESS_CHARACTERS = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnRequest:
    """Who asks (`issuer` is the service provider's identifier) and where the answer goes; None: where it is known."""

    id: str
    issuer: str
    issued_at: datetime
    destination: str | None = None
    reply_url: str | None = None
    name_format: str | None = None
    is_forced: bool = False
    is_passive: bool = False


def write_authn_request(request: AuthnRequest) -> Element:
    """The request as an element; its answer comes by a form."""
    element = new(
        SAMLP,
        "AuthnRequest",
        ID=request.id,
        Version="2.0",
        IssueInstant=write_instant(request.issued_at),
        Destination=request.destination,
        AssertionConsumerServiceURL=request.reply_url,
        ProtocolBinding=Binding.POST.value,
        ForceAuthn="true" if request.is_forced else None,
        IsPassive="true" if request.is_passive else None,
    )
    add(element, SAML, "Issuer", request.issuer)
    add(element, SAMLP, "NameIDPolicy", Format=request.name_format or NameFormat.UNSPECIFIED.value, AllowCreate="true")
    return element


def read_authn_request(content: bytes) -> tuple[AuthnRequest, Element]:
    """The request, and its element for a check of its signature. Raises: SamlRefused."""
    root = parse(content)
    if not is_element(root, SAMLP, "AuthnRequest"):
        raise SamlRefused("other-message", "The message is no AuthnRequest.")
    request_id, issuer, issued_at = read_head(root)
    policy = child(root, SAMLP, "NameIDPolicy")
    binding = root.get("ProtocolBinding")
    if binding not in (None, Binding.POST.value):
        raise SamlRefused("binding", "The answer is asked for by a binding other than HTTP-POST.")
    return (
        AuthnRequest(
            id=request_id,
            issuer=issuer,
            issued_at=issued_at,
            destination=root.get("Destination"),
            reply_url=root.get("AssertionConsumerServiceURL"),
            name_format=None if policy is None else policy.get("Format"),
            is_forced=root.get("ForceAuthn") in ("true", "1"),
            is_passive=root.get("IsPassive") in ("true", "1"),
        ),
        root,
    )


def read_head(root: Element) -> tuple[str, str, datetime]:
    """Id, issuer and instant, which every message has. Raises: SamlRefused."""
    if root.get("Version") != "2.0":
        raise SamlRefused("version", "The message is not of SAML 2.0.")
    message_id = root.get("ID") or ""
    if not 0 < len(message_id) <= LIMIT_ID_CHARACTERS:
        raise SamlRefused("missing", "The message has no id.")
    issuer = child(root, SAML, "Issuer")
    name = "" if issuer is None else text_of(issuer)
    if not 0 < len(name) <= LIMIT_ADDRESS_CHARACTERS:
        raise SamlRefused("issuer", "The message has no issuer.")
    return message_id, name, read_instant(root.get("IssueInstant") or "", "IssueInstant")
