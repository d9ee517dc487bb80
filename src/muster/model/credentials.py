"""Credentials to a target as values: what lets us in, and how they are read from synchronization secrets.

Source: Microsoft Graph, synchronizationSecret (the keys' names); what Graph has no key for is ours and marked so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from muster.model.application import SecretKey
from muster.model.failures import CredentialsRefused

REFERENCE_PREFIXES = ("env:", "file:")
# Other variables of the service's process are nobody's business.
ENVIRONMENT_PREFIX = "MUSTER_CREDENTIAL_"
_Choice = TypeVar("_Choice", bound=StrEnum)
_ENTER = "Enter it under Admin Credentials, then press Test Connection."


class AuthenticationType(StrEnum):
    """What an application asks for to let us in (secret AuthenticationType). Without it the given keys decide."""

    NONE = "None"
    BEARER = "BearerToken"
    BASIC = "Basic"
    HEADER = "Header"
    CLIENT_CREDENTIALS = "OAuth2ClientCredentials"
    AUTHORIZATION_CODE = "OAuth2AuthorizationCode"


class ClientAuthentication(StrEnum):
    """How client identifier and secret reach the token endpoint (RFC 6749 §2.3.1), in the words of Entra's portal."""

    HEADER = "Header"
    BODY = "Body"
    BOTH = "Both"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAuthorization:
    """Nothing is presented, or a client certificate alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """A long-lived token, as it was entered."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicLogin:
    """User name and password (RFC 7617)."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderValue:
    """A header of the application's own, such as X-API-Key."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client of an OAuth 2 token endpoint. With a refresh token it acts for whoever authorized it, else for itself.

    `access_token` is one that is stored already, good until `expires_at` (seconds since 1970; None: nobody says).
    """

    token_endpoint: str
    client_id: str
    client_secret: str | None = field(repr=False)
    authentication: ClientAuthentication = ClientAuthentication.HEADER
    scopes: str | None = None
    acts_for_somebody: bool = False
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: int | None = None


Login: TypeAlias = NoAuthorization | BearerToken | BasicLogin | HeaderValue | OAuthClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom a connection trusts, and as whom it shows itself, beside any login."""

    # Certificates (PEM) to trust for this target, beside the usual ones.
    trusted_pem: str | None = None
    # Our own certificate and its key (PEM), for a target that asks for one.
    identity_pem: str | None = field(default=None, repr=False)


def read_trust(secrets: Mapping[str, str]) -> Trust:
    """Returns the certificates that synchronization secrets hold. Raises: CredentialsRefused."""
    certificate, key = secrets.get(SecretKey.CLIENT_CERTIFICATE), secrets.get(SecretKey.CLIENT_CERTIFICATE_KEY)
    if (certificate is None) != (key is None):
        missing = SecretKey.CLIENT_CERTIFICATE if certificate is None else SecretKey.CLIENT_CERTIFICATE_KEY
        raise _missing(missing, "a client certificate")
    return Trust(
        trusted_pem=secrets.get(SecretKey.TRUSTED_CERTIFICATES),
        identity_pem=None if certificate is None else f"{certificate.strip()}\n{str(key).strip()}\n",
    )


def read_login(secrets: Mapping[str, str], usual: AuthenticationType) -> Login:
    """Returns the login that synchronization secrets hold; `usual` is what the application asks for as a rule.

    References must have been resolved. Raises: CredentialsRefused, naming the key that is missing.
    """
    return _READERS[authentication_of(secrets, usual)](secrets)


def read_client(secrets: Mapping[str, str], what: str = "OAuth 2") -> OAuthClient:
    """Returns the client of a token endpoint, without anything it was given there. Raises: CredentialsRefused."""
    endpoint = token_endpoint_of(secrets)
    if not endpoint:
        raise _missing(SecretKey.OAUTH2_TOKEN_EXCHANGE_URI, what)
    client_id = secrets.get(SecretKey.CLIENT_IDENTIFIER) or secrets.get(SecretKey.OAUTH2_CLIENT_ID)
    if not client_id:
        raise _missing(SecretKey.CLIENT_IDENTIFIER, what)
    how = read_choice(ClientAuthentication, secrets.get(SecretKey.OAUTH2_CLIENT_AUTHENTICATION))
    return OAuthClient(
        token_endpoint=endpoint,
        client_id=client_id,
        client_secret=secrets.get(SecretKey.CLIENT_SECRET) or secrets.get(SecretKey.OAUTH2_CLIENT_SECRET),
        authentication=how or ClientAuthentication.HEADER,
        scopes=secrets.get(SecretKey.OAUTH2_SCOPE),
    )


def authentication_of(secrets: Mapping[str, str], usual: AuthenticationType) -> AuthenticationType:
    """Returns the kind of credentials: the one that is asked for, else the usual one if its keys are there, else the
    one whose keys are."""
    asked = read_choice(AuthenticationType, secrets.get(SecretKey.AUTHENTICATION_TYPE))
    if asked is not None:
        return asked
    given = [kind for kind, is_given in _GIVEN.items() if is_given(secrets)]
    # A client that nobody has authorized yet has the keys of client credentials only.
    if usual in given or (
        usual is AuthenticationType.AUTHORIZATION_CODE and AuthenticationType.CLIENT_CREDENTIALS in given
    ):
        return usual
    if given:
        return given[0]
    # Nothing of any kind: say what the usual one lacks, but for a target that may take no token at all.
    return AuthenticationType.NONE if usual is AuthenticationType.BEARER else usual


def token_endpoint_of(secrets: Mapping[str, str]) -> str | None:
    """Returns the address of the token endpoint, under either of its names."""
    return secrets.get(SecretKey.OAUTH2_TOKEN_EXCHANGE_URI) or secrets.get(SecretKey.TOKEN_EXCHANGE_URI)


def is_reference(value: str) -> bool:
    """Whether a secret's value names where the secret is kept (`env:NAME`, `file:NAME`) instead of holding it."""
    return value.startswith(REFERENCE_PREFIXES)


def read_choice(choices: type[_Choice], text: str | None) -> _Choice | None:
    """Returns the choice that a text names in any letter case, None for no text. Raises: CredentialsRefused."""
    if not text:
        return None
    found = next((choice for choice in choices if choice.value.lower() == text.strip().lower()), None)
    if found is None:
        names = ", ".join(choice.value for choice in choices)
        raise CredentialsRefused(f"“{text[:60]}” is not one of {names}.", remedy=_ENTER)
    return found


# ---------------------------------------------------------------- by kind


def _bearer(secrets: Mapping[str, str]) -> Login:
    return BearerToken(token=_required(secrets, SecretKey.SECRET_TOKEN, "a bearer token"))


def _basic(secrets: Mapping[str, str]) -> Login:
    what = "sign-in with a user name"
    user = _required(secrets, SecretKey.USER_NAME, what)
    if ":" in user:
        raise CredentialsRefused("A user name of basic authentication cannot hold a colon.", remedy=_ENTER)
    # Some applications take a token in the password's place.
    password = secrets.get(SecretKey.PASSWORD) or secrets.get(SecretKey.SECRET_TOKEN)
    if not password:
        raise _missing(SecretKey.PASSWORD, what)
    return BasicLogin(user=user, password=password)


def _header(secrets: Mapping[str, str]) -> Login:
    what = "a header of the application's own"
    return HeaderValue(
        name=_required(secrets, SecretKey.HEADER_NAME, what), value=_required(secrets, SecretKey.HEADER_VALUE, what)
    )


def _client_credentials(secrets: Mapping[str, str]) -> Login:
    client = read_client(secrets, "OAuth 2 client credentials")
    if client.client_secret is None:
        raise _missing(SecretKey.CLIENT_SECRET, "OAuth 2 client credentials")
    return client


def _authorization_code(secrets: Mapping[str, str]) -> Login:
    client = read_client(secrets, "OAuth 2 with an authorization")
    refresh, access = secrets.get(SecretKey.OAUTH2_REFRESH_TOKEN), secrets.get(SecretKey.OAUTH2_ACCESS_TOKEN)
    if refresh is None and access is None:
        raise CredentialsRefused(
            "Nobody has authorized us at the application yet: there is neither Oauth2RefreshToken nor "
            "Oauth2AccessToken.",
            remedy="Sign in at the application's authorization address as its administrator, and hand the code that it "
            "gives to acquireAccessToken as Oauth2AuthorizationCode.",
        )
    expires = secrets.get(SecretKey.TOKEN_EXPIRATION) or ""
    return replace(
        client,
        acts_for_somebody=True,
        refresh_token=refresh,
        access_token=access,
        expires_at=int(expires) if expires.isascii() and expires.isdigit() else None,
    )


def _required(secrets: Mapping[str, str], key: SecretKey, what: str) -> str:
    value = secrets.get(key)
    if not value:
        raise _missing(key, what)
    return value


def _missing(key: SecretKey, what: str) -> CredentialsRefused:
    return CredentialsRefused(f"{key.value} is missing, which {what} needs.", remedy=_ENTER)


_READERS: Final[Mapping[AuthenticationType, Callable[[Mapping[str, str]], Login]]] = {
    AuthenticationType.NONE: lambda _secrets: NoAuthorization(),
    AuthenticationType.BEARER: _bearer,
    AuthenticationType.BASIC: _basic,
    AuthenticationType.HEADER: _header,
    AuthenticationType.CLIENT_CREDENTIALS: _client_credentials,
    AuthenticationType.AUTHORIZATION_CODE: _authorization_code,
}
_AUTHORIZED = (SecretKey.OAUTH2_REFRESH_TOKEN, SecretKey.OAUTH2_ACCESS_TOKEN)
# Whether the keys of a kind are there, the most particular kind first.
_GIVEN: Final[Mapping[AuthenticationType, Callable[[Mapping[str, str]], bool]]] = {
    AuthenticationType.AUTHORIZATION_CODE: lambda given: any(key in given for key in _AUTHORIZED),
    AuthenticationType.CLIENT_CREDENTIALS: lambda given: token_endpoint_of(given) is not None,
    AuthenticationType.HEADER: lambda given: SecretKey.HEADER_NAME in given,
    AuthenticationType.BASIC: lambda given: SecretKey.USER_NAME in given,
    AuthenticationType.BEARER: lambda given: SecretKey.SECRET_TOKEN in given,
}
