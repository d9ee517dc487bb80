"""What lets a request in at a target: fixed headers, or access tokens that are fetched, kept and renewed."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from muster.model.credentials import (
    BasicLogin,
    BearerToken,
    HeaderValue,
    Login,
    NoAuthorization,
    OAuthClient,
)
from muster.model.failures import CredentialsRefused
from muster.ports.transport import Transport
from muster.ports.world import Clock
from muster.targets.oauth import AccessToken, basic_header, request_token, used_until

_MOST_TOKENS = 1_000


class Authorization(Protocol):
    """Gives the headers that let requests of several threads in."""

    @property
    def name(self) -> str:
        """What is presented, in words: “Secret Token”."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Returns the headers of the next request. Raises: JobFailure if there is no token to be had."""
        ...

    def renew(self, refused: Mapping[str, str], /) -> bool:
        """Whether other headers can be had than those that were refused (401). Raises: JobFailure."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Returns what must never show, should a target give it back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedHeaders:
    """Headers that stay as they were entered."""

    name: str
    given: Mapping[str, str] = field(repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def headers(self) -> Mapping[str, str]:
        """Returns them."""
        return self.given

    def renew(self, _refused: Mapping[str, str], /) -> bool:
        """There are no others."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """Returns what is secret in them."""
        return self.hidden


def bearer(token: str | None) -> FixedHeaders:
    """Returns the authorization by a token that was entered; without one nothing is presented."""
    given = {"Authorization": f"Bearer {token}"} if token else {}
    return FixedHeaders(name="Secret Token", given=given, hidden=(token,) if token else ())


# Keeps a token that was given for somebody's authorization: a refresh token may be good for one use only.
KeepToken = Callable[[AccessToken], None]


class TokenShelf:
    """Access tokens of all targets of a process, each until it is used up."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._kept: OrderedDict[str, AccessToken] = OrderedDict()
        self._fetching: OrderedDict[str, threading.Lock] = OrderedDict()

    def find(self, key: str) -> AccessToken | None:
        """Returns the token that is kept under a key."""
        with self.lock:
            return self._kept.get(key)

    def keep(self, key: str, token: AccessToken) -> None:
        """Keeps a token; of many the oldest go."""
        with self.lock:
            self._kept[key] = token
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_TOKENS:
                self._kept.popitem(last=False)

    def fetching(self, key: str) -> threading.Lock:
        """Returns the lock under which a token is fetched: one at a time, the others wait for it."""
        with self.lock:
            found = self._fetching.setdefault(key, threading.Lock())
            self._fetching.move_to_end(key)
            while len(self._fetching) > _MOST_TOKENS:
                self._fetching.popitem(last=False)
            return found


class OAuthTokens:
    """Access tokens of an OAuth 2 token endpoint. Source: RFC 6749 §2.3.1, §4.4, §6."""

    name = "access token"

    def __init__(
        self,
        client: OAuthClient,
        *,
        transport: Transport,
        clock: Clock,
        shelf: TokenShelf,
        keep: KeepToken | None = None,
    ) -> None:
        """Args:
        keep: told of every token that was given for somebody's authorization.
        """
        self._client = client
        self._transport = transport
        self._clock = clock
        self._shelf = shelf
        self._keep = keep
        self._key = _shelf_key(client)
        if client.access_token is not None and shelf.find(self._key) is None:
            shelf.keep(self._key, _stored_token(client, clock.now()))

    def headers(self) -> Mapping[str, str]:
        """Returns the header with an access token that is still good, fetched if there is none."""
        found = self._usable()
        return {"Authorization": f"Bearer {found.token if found is not None else self._fetch(None).token}"}

    def renew(self, refused: Mapping[str, str], /) -> bool:
        """Fetches another token than the refused one, unless another thread has done so already."""
        self._fetch(refused.get("Authorization", "").removeprefix("Bearer "))
        return True

    def secrets(self) -> tuple[str, ...]:
        """Returns the client's secret and the tokens."""
        kept, client = self._shelf.find(self._key), self._client
        now = () if kept is None else (kept.token, kept.refresh_token)
        given = (client.client_secret, client.refresh_token, client.access_token, *now)
        return tuple(dict.fromkeys(value for value in given if value))

    def _usable(self) -> AccessToken | None:
        found = self._shelf.find(self._key)
        return found if found is not None and found.until > self._clock.now() else None

    def _fetch(self, refused: str | None) -> AccessToken:
        with self._shelf.fetching(self._key):
            found = self._usable()
            if found is not None and found.token != refused:
                return found
            fetched = self._ask()
            if fetched.refresh_token is None:
                # The one that was used stays good.
                fetched = replace(fetched, refresh_token=self._refresh_token())
            self._shelf.keep(self._key, fetched)
            if self._keep is not None:
                self._keep(fetched)
            return fetched

    def _ask(self) -> AccessToken:
        client, refresh = self._client, self._refresh_token()
        if not client.acts_for_somebody:
            grant = {"grant_type": "client_credentials"}
        elif refresh is not None:
            grant = {"grant_type": "refresh_token", "refresh_token": refresh}
        else:
            raise CredentialsRefused(
                "The access token is no longer good, and there is no refresh token to fetch another with.",
                remedy="Authorize us at the application anew, and hand the code to acquireAccessToken.",
            )
        return request_token(client, grant, transport=self._transport, clock=self._clock)

    def _refresh_token(self) -> str | None:
        """The newest one: an endpoint may give another with each access token, and the one before is void then."""
        kept = self._shelf.find(self._key)
        return (kept.refresh_token if kept is not None else None) or self._client.refresh_token


def authorization_of(
    login: Login, *, transport: Transport, clock: Clock, shelf: TokenShelf, keep: KeepToken | None = None
) -> Authorization:
    """Returns what presents a login at the target."""
    match login:
        case NoAuthorization():
            return bearer(None)
        case BearerToken(token=token):
            return bearer(token)
        case BasicLogin(user=user, password=password):
            given = basic_header(user, password)
            hidden = (given.removeprefix("Basic "), password)
            return FixedHeaders(name="user name and password", given={"Authorization": given}, hidden=hidden)
        case HeaderValue(name=name, value=value):
            return FixedHeaders(name=f"header {name}", given={name: value}, hidden=(value,))
        case OAuthClient():
            keep = keep if login.acts_for_somebody else None
            return OAuthTokens(login, transport=transport, clock=clock, shelf=shelf, keep=keep)
        case _:
            assert_never(login)


def _stored_token(client: OAuthClient, now: datetime) -> AccessToken:
    stored = None if client.expires_at is None else now + timedelta(seconds=client.expires_at - int(now.timestamp()))
    until, expires_at = used_until(now, stored)
    return AccessToken(
        token=client.access_token or "", until=until, expires_at=expires_at, refresh_token=client.refresh_token
    )


def _shelf_key(client: OAuthClient) -> str:
    """One key for equal clients; a digest, so that no secret is kept in it."""
    parts = (
        client.token_endpoint,
        client.client_id,
        client.client_secret or "",
        client.authentication.value,
        client.scopes or "",
        client.refresh_token or "",
        client.access_token or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
