"""The relying party: discovery and keys kept for a while, the way to the provider, its answer redeemed and checked.

Source: OpenID Connect Core 1.0 §3.1; RFC 7636 (PKCE); RFC 9207 (whose answer it is).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import KeySet

from muster.federation.reading import exchange_code, fetch_document, fetch_endpoints
from muster.federation.tokens import authenticated_at, check_token, is_known, read_keys
from muster.model.identity_provider import (
    MAIL_CLAIM,
    Endpoints,
    FederationRefused,
    IdentityProvider,
    SignInRequest,
    Vouched,
)
from muster.ports.transport import Transport

KEPT_FOR = timedelta(hours=1)
# A provider that is away is not asked again at once, nor for new keys by every token that names a strange one.
PAUSE = timedelta(seconds=10)
VALUE_CHARACTERS = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    endpoints: Endpoints
    keys: KeySet
    at: datetime
    keys_at: datetime


class FederationClient:
    """The RelyingParty over a transport. Threads share it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = Lock()
        self._known: dict[str, _Known] = {}
        self._away: tuple[str, datetime, FederationRefused] | None = None

    def look(self, provider: IdentityProvider, at: datetime) -> Endpoints:
        """Returns what the provider says of itself now, its keys looked at, too. Raises: FederationRefused."""
        return self._fetch(provider, at).endpoints

    def address(self, provider: IdentityProvider, request: SignInRequest, at: datetime) -> str:
        """Returns where a browser goes to sign in. Raises: FederationRefused."""
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": provider.scope,
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": create_s256_code_challenge(request.verifier),
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if request.is_fresh else {}),
        }
        address: str = add_params_to_uri(self._find(provider, at).endpoints.authorization, list(asked.items()))
        return address

    def redeem(
        self, provider: IdentityProvider, request: SignInRequest, answer: Mapping[str, str], at: datetime
    ) -> Vouched:
        """Returns whom the provider vouches for with its answer, all checked. Raises: FederationRefused."""
        known = self._find(provider, at)
        _check_answer(answer, known.endpoints)
        grant = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        given = exchange_code(self._transport, provider, known.endpoints, grant)
        keys = self._keys_for(given, provider, known, at)
        claims = check_token(
            given, keys, known.endpoints.issuer, provider.client_id, request.nonce, at, is_fresh=request.is_fresh
        )
        if provider.claim not in claims and known.endpoints.userinfo is not None:
            claims |= self._userinfo(known.endpoints.userinfo, given, claims["sub"])
        return Vouched(subject=claims["sub"], value=_value(provider, claims), authenticated_at=authenticated_at(claims))

    def _find(self, provider: IdentityProvider, at: datetime) -> _Known:
        with self._lock:
            known, away = self._known.get(provider.discovery_url), self._away
        if known is not None and at - known.at < KEPT_FOR:
            return known
        if away is not None and away[0] == provider.discovery_url and at - away[1] < PAUSE:
            raise away[2]
        return self._fetch(provider, at)

    def _fetch(self, provider: IdentityProvider, at: datetime) -> _Known:
        try:
            endpoints = fetch_endpoints(self._transport, provider)
            keys = self._fetch_keys(endpoints)
        except FederationRefused as refused:
            with self._lock:
                self._away = (provider.discovery_url, at, refused)
            raise
        known = _Known(endpoints=endpoints, keys=keys, at=at, keys_at=at)
        with self._lock:
            # One provider at a time: what is known of another is of no use any more.
            self._known, self._away = {provider.discovery_url: known}, None
        return known

    def _keys_for(self, given: Mapping[str, Any], provider: IdentityProvider, known: _Known, at: datetime) -> KeySet:
        """The keys; fetched anew for a token that none of them has signed, as providers change theirs over."""
        if is_known(str(given.get("id_token")), known.keys) or at - known.keys_at < PAUSE:
            return known.keys
        fresh = replace(known, keys=self._fetch_keys(known.endpoints), keys_at=at)
        with self._lock:
            self._known = {provider.discovery_url: fresh}
        return fresh.keys

    def _fetch_keys(self, endpoints: Endpoints) -> KeySet:
        status, document = fetch_document(self._transport, endpoints.keys, "The provider's key set")
        if status != 200:
            raise FederationRefused(f"The provider's key set cannot be had: it answered {status}.")
        return read_keys(document)

    def _userinfo(self, address: str, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """Claims that are not in the token. Source: Core §5.3.2: they count only with the token's own subject."""
        access = given.get("access_token")
        if not isinstance(access, str) or not access.isprintable():
            return {}
        headers = {"Authorization": f"Bearer {access}"}
        status, document = fetch_document(self._transport, address, "The provider's userinfo", headers=headers)
        if status != 200:
            return {}
        if document.get("sub") != subject:
            raise FederationRefused("The provider's userinfo is about another subject than its token.")
        return {name: value for name, value in document.items() if name not in ("iss", "aud", "exp", "auth_time")}


def _check_answer(answer: Mapping[str, str], endpoints: Endpoints) -> None:
    """Checks what came to the redirect URI, before a code of it is used. The state is checked by who knows it."""
    issuer = answer.get("iss")
    if issuer != endpoints.issuer and (issuer is not None or endpoints.names_issuer):
        raise FederationRefused("The answer is none of this provider's: it names another issuer, or none.")
    if "error" in answer:
        said = " ".join(filter(None, (answer["error"], answer.get("error_description"))))
        raise FederationRefused(f"The provider refused: {''.join(c for c in said[:300] if c.isprintable())}.")
    if not 0 < len(answer.get("code", "")) <= 8_192:
        raise FederationRefused("The answer holds no code.")


def _value(provider: IdentityProvider, claims: Mapping[str, Any]) -> str:
    value = claims.get(provider.claim)
    if not isinstance(value, str) or not 0 < len(value) <= VALUE_CHARACTERS:
        raise FederationRefused(f"The provider says nothing that can be used as “{provider.claim}”.")
    if provider.claim == MAIL_CLAIM and claims.get("email_verified") is not True:
        raise FederationRefused(
            "The provider does not say that it has verified the mail address (email_verified): match by another claim."
        )
    return value
