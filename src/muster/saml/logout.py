"""Single logout: requests and their answers, written and read. Source: SAML core §3.7; profiles §4.4."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.saml.documents import Element, add, child, is_element, new, parse, require_child, text_of
from muster.saml.names import SAML, SAMLP, SamlRefused, Status, read_instant, write_instant
from muster.saml.requests import read_head

LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """Whose session ends, and at whose wish."""

    id: str
    issuer: str
    issued_at: datetime
    destination: str | None
    name_id: str
    name_format: str | None = None
    session_index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutResponse:
    """How a logout ended."""

    id: str
    issuer: str
    issued_at: datetime
    destination: str | None
    request_id: str | None
    is_success: bool


def write_logout_request(request: LogoutRequest) -> Element:
    """The request as an element."""
    element = new(
        SAMLP,
        "LogoutRequest",
        ID=request.id,
        Version="2.0",
        IssueInstant=write_instant(request.issued_at),
        Destination=request.destination,
        NotOnOrAfter=write_instant(request.issued_at + LASTS),
    )
    add(element, SAML, "Issuer", request.issuer)
    add(element, SAML, "NameID", request.name_id, Format=request.name_format)
    if request.session_index is not None:
        add(element, SAMLP, "SessionIndex", request.session_index)
    return element


def read_logout_request(content: bytes, *, now: datetime, skew: timedelta = LASTS) -> tuple[LogoutRequest, Element]:
    """The request, and its element for a check of its signature. Raises: SamlRefused."""
    root = parse(content)
    if not is_element(root, SAMLP, "LogoutRequest"):
        raise SamlRefused("other-message", "The message is no LogoutRequest.")
    request_id, issuer, issued_at = read_head(root)
    ends = root.get("NotOnOrAfter")
    if ends is not None and now >= read_instant(ends, "NotOnOrAfter") + skew:
        raise SamlRefused("expired", "The request has expired.")
    name = require_child(root, SAML, "NameID")
    index = child(root, SAMLP, "SessionIndex")
    return (
        LogoutRequest(
            id=request_id,
            issuer=issuer,
            issued_at=issued_at,
            destination=root.get("Destination"),
            name_id=text_of(name),
            name_format=name.get("Format"),
            session_index=None if index is None else text_of(index),
        ),
        root,
    )


def write_logout_response(response: LogoutResponse) -> Element:
    """The answer as an element."""
    element = new(
        SAMLP,
        "LogoutResponse",
        ID=response.id,
        Version="2.0",
        IssueInstant=write_instant(response.issued_at),
        Destination=response.destination,
        InResponseTo=response.request_id,
    )
    add(element, SAML, "Issuer", response.issuer)
    code = Status.SUCCESS if response.is_success else Status.RESPONDER
    add(add(element, SAMLP, "Status"), SAMLP, "StatusCode", Value=code.value)
    return element


def read_logout_response(content: bytes) -> LogoutResponse:
    """The answer. Raises: SamlRefused."""
    root = parse(content)
    if not is_element(root, SAMLP, "LogoutResponse"):
        raise SamlRefused("other-message", "The message is no LogoutResponse.")
    response_id, issuer, issued_at = read_head(root)
    code = require_child(require_child(root, SAMLP, "Status"), SAMLP, "StatusCode")
    return LogoutResponse(
        id=response_id,
        issuer=issuer,
        issued_at=issued_at,
        destination=root.get("Destination"),
        request_id=root.get("InResponseTo"),
        is_success=code.get("Value") == Status.SUCCESS.value,
    )
