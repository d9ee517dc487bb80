"""The other OpenID Connect provider that people and administrators may sign in with, and what it said of somebody."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

DISCOVERY_PATH = "/.well-known/openid-configuration"
DEFAULT_SCOPE = "openid profile email"
DEFAULT_CLAIM = "preferred_username"
# A mail address that the provider has not verified could be anybody's: this claim alone goes with `email_verified`.
MAIL_CLAIM = "email"


class MatchingAttribute(StrEnum):
    """By what a person of the directory is found; administrators are found by their name."""

    USER_PRINCIPAL_NAME = "userPrincipalName"
    MAIL = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """How signing in is delegated. The issuer is the discovery address without its well-known path (Discovery §4.3)."""

    display_name: str
    discovery_url: str
    client_id: str
    # None: a program that keeps no secret, protected by PKCE alone.
    client_secret: str | None = field(default=None, repr=False)
    scope: str = DEFAULT_SCOPE
    # The claim whose value finds somebody here, and the attribute that it is compared with.
    claim: str = DEFAULT_CLAIM
    matched_by: MatchingAttribute = MatchingAttribute.USER_PRINCIPAL_NAME
    serves_people: bool = True
    # Their roles are kept here; their passwords stay, for the day on which the provider is away.
    serves_administrators: bool = False
    # Whether people may also sign in with a password of this directory.
    keeps_passwords: bool = True

    @property
    def issuer(self) -> str:
        """The issuer, without the slash that some have at their end (Discovery 1.0 §4.1 takes it off)."""
        return self.discovery_url.removesuffix(DISCOVERY_PATH)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRequest:
    """What a sign-in at the provider began with; the answer has to fit all of it."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    redirect_uri: str
    # Somebody asks for a sign-in now, whatever session the provider has.
    is_fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for: its own id of them, the value of the claim, and when they showed who they are."""

    subject: str
    value: str
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What the provider's discovery document says."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str | None = None
    token_methods: tuple[str, ...] = ("client_secret_basic",)
    # RFC 9207: whether an answer without `iss` is none of theirs.
    names_issuer: bool = False


class FederationRefused(Exception):
    """A sign-in with the other provider cannot go on. The sentence is for administrators: no secret, no token in it.

    `is_away`: nobody answered, so that another attempt may do; else the answer was refused.
    `is_unasked`: the answer belongs to no sign-in that is under way in this browser. Nothing can be guessed by it.
    """

    def __init__(self, sentence: str, *, is_away: bool = False, is_unasked: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_away = is_away
        self.is_unasked = is_unasked
