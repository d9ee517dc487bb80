"""Single sign-on of an application by SAML: its settings, claims and signing certificates."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NameFormat(StrEnum):
    """What kind of name a subject has (NameID format)."""

    EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
    PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


class Signed(StrEnum):
    """Which part of a response is signed."""

    ASSERTION = "assertion"
    RESPONSE = "response"
    BOTH = "responseAndAssertion"


class Hash(StrEnum):
    """The hash of a signature; there is no SHA-1."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An attribute of the assertion: its name, and the expression that gives its value from a person's attributes."""

    name: str
    expression: str


_IDENTITY = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"

# What every application gets unless its settings say otherwise. Source: Entra, SAML token claims.
DEFAULT_CLAIMS = (
    Claim(name=f"{_IDENTITY}/name", expression="[userPrincipalName]"),
    Claim(name=f"{_IDENTITY}/emailaddress", expression="[mail]"),
    Claim(name=f"{_IDENTITY}/givenname", expression="[givenName]"),
    Claim(name=f"{_IDENTITY}/surname", expression="[surname]"),
)
DEFAULT_NAME = "[userPrincipalName]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlSettings:
    """How an application is signed in to. Until it is enabled and has an identifier and a reply URL nobody is.

    `name_expression` gives the NameID: it must be what the application knows the person by, as provisioning set it.
    """

    is_enabled: bool = False
    identifier: str | None = None
    # The first is the default.
    reply_urls: tuple[str, ...] = ()
    # Where a sign-in begins that the application asks for; None: the tile begins it here.
    sign_on_url: str | None = None
    relay_state: str | None = None
    logout_url: str | None = None
    name_format: NameFormat = NameFormat.EMAIL
    name_expression: str = DEFAULT_NAME
    claims: tuple[Claim, ...] = DEFAULT_CLAIMS
    signed: Signed = Signed.ASSERTION
    hash: Hash = Hash.SHA256
    # PEM: requests must be signed by it; None: they need no signature.
    request_certificate: str | None = None
    # Who hears that the signing certificate ends.
    notified: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether people can be signed in."""
        return self.is_enabled and self.identifier is not None and bool(self.reply_urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCertificate:
    """A certificate of an application's signing key; one of an application is active, the others are published."""

    key_id: str
    pem: str
    thumbprint: str
    subject: str
    not_before: datetime
    not_after: datetime
    is_active: bool
