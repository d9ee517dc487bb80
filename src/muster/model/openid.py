"""Single sign-on of an application by OpenID Connect: its settings, and what one authorization granted."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdClaim:
    """A claim of the tokens: its name, and the expression that gives its value from a person's attributes."""

    name: str
    expression: str
    # With which scope it is given; None: with every sign-in.
    scope: str | None = None


# Source: OpenID Connect Core §5.1 and §5.4.
DEFAULT_CLAIMS = (
    OpenIdClaim(name="name", expression="[displayName]", scope="profile"),
    OpenIdClaim(name="given_name", expression="[givenName]", scope="profile"),
    OpenIdClaim(name="family_name", expression="[surname]", scope="profile"),
    OpenIdClaim(name="preferred_username", expression="[userPrincipalName]", scope="profile"),
    OpenIdClaim(name="email", expression="[mail]", scope="email"),
)
SCOPES = ("openid", "profile", "email")
# What tokens say of themselves or of the person whatever the settings: no claim may take their place.
RESERVED_CLAIMS = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "c_hash"}
    | {"tid", "oid", "roles"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSecret:
    """A secret of an application, kept as its hash."""

    key_id: str
    secret_hash: str = field(repr=False)
    # Its first characters, to know it by.
    hint: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSettings:
    """How an application signs people in. Until it is enabled and has a redirect URI nobody is."""

    is_enabled: bool = False
    # Compared whole, character by character.
    redirect_uris: tuple[str, ...] = ()
    # Where a sign-in begins from My Apps; None: the application has no tile to open.
    sign_on_url: str | None = None
    # A program that cannot keep a secret (single-page, mobile): PKCE alone proves it.
    is_public: bool = False
    # Whether a program that keeps a secret needs PKCE as well.
    requires_pkce: bool = False
    claims: tuple[OpenIdClaim, ...] = DEFAULT_CLAIMS
    secrets: tuple[OpenIdSecret, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether people can be signed in."""
        return self.is_enabled and bool(self.redirect_uris)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdGrant:
    """What one authorization of a person granted to an application."""

    service_principal_id: str
    person_id: str
    redirect_uri: str
    scope: str
    authenticated_at: datetime
    # The person's stamp then: the tokens end with it.
    stamp: str = field(default="", repr=False)
    nonce: str | None = None
    code_challenge: str | None = field(default=None, repr=False)
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdKey:
    """A key that signs tokens; the newest signs, older ones are published while tokens of theirs may be in use."""

    key_id: str
    created_at: datetime
    private_pem: str = field(repr=False)
