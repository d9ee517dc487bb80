"""The names of SAML 2.0: namespaces, bindings, formats, status codes, algorithms; and what a refusal is."""

from datetime import UTC, datetime
from enum import StrEnum

from muster.model.single_sign_on import Hash, NameFormat, Signed

__all__ = [
    "ATTRIBUTE_FORMAT",
    "BEARER",
    "DS",
    "LIMIT_MESSAGE_BYTES",
    "LIMIT_RELAY_STATE_CHARACTERS",
    "METADATA",
    "SAML",
    "SAMLP",
    "Binding",
    "Hash",
    "NameFormat",
    "SamlRefused",
    "Signed",
    "Status",
    "read_instant",
    "write_instant",
]

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"

BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
ATTRIBUTE_FORMAT = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
LIMIT_MESSAGE_BYTES = 131_072
LIMIT_RELAY_STATE_CHARACTERS = 1_024
# Years outside of these mean "always" or "never". Held to them, an instant can be moved by the skew of clocks.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)


class SamlRefused(Exception):
    """A message or a document that is not taken. `code` is for logs and tests, the sentence for administrators."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Binding(StrEnum):
    """How a message travels."""

    REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"


class Status(StrEnum):
    """How an answer ends. Source: SAML core §3.2.2.2."""

    SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
    REQUESTER = "urn:oasis:names:tc:SAML:2.0:status:Requester"
    RESPONDER = "urn:oasis:names:tc:SAML:2.0:status:Responder"
    AUTHENTICATION_FAILED = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
    REQUEST_DENIED = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
    NO_PASSIVE = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"


def write_instant(at: datetime) -> str:
    """An xs:dateTime in UTC with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def read_instant(text: str, what: str) -> datetime:
    """The instant of an xs:dateTime, held to the years 1970 to 9998; without a zone it is UTC. Raises: SamlRefused."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SamlRefused("instant", f"{what} is no instant: {text[:40]!r}.") from None
    if not _EARLIEST.year <= at.year <= _LATEST.year:
        return _EARLIEST if at.year < _EARLIEST.year else _LATEST
    # SAML core §1.3.3: instants are in UTC, and without a zone they are as well.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
