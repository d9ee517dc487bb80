"""Calls to Microsoft Graph: with a token, slowed down as it asks, and never to another address than its own.

Source: Microsoft Graph, "throttling", "delta query", "error responses".
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from muster.model.exchange import AddressRefused, ExchangeFailed, HttpRequest, HttpResponse
from muster.model.failures import CredentialsRefused, JobFailure, SchemaRefused, SystemUnreachable
from muster.ports.reader import CursorExpired
from muster.ports.transport import Transport
from muster.ports.world import Clock

DEADLINE = timedelta(seconds=60)
# Of one call: waits of several minutes are usual when a tenant is read from many sides.
LONGEST_WAIT = timedelta(minutes=5)
LONGEST_WAITS = timedelta(minutes=30)
_ATTEMPTS = 4
_BUSY = frozenset({500, 502, 503, 504})
# In lower case: Graph itself writes SyncStateNotFound, too.
_EXPIRED = frozenset({"resyncrequired", "syncstatenotfound", "syncstateinvalid", "directory_expiredpagetoken"})
_PERMISSIONS = (
    "Grant the application permissions User.Read.All and Group.Read.All, with an administrator's consent; then "
    "test the connection."
)
_REMEDY = "Check the address, and that it can be reached from here; then test the connection."

# Forces a new token if asked to; the text of an access token.
Tokens = Callable[[bool], str]


class GraphSession:
    """Reads documents; every call is safe to repeat."""

    def __init__(self, transport: Transport, base_url: str, tokens: Tokens, clock: Clock) -> None:
        """Args:
        base_url: the address with its version, such as https://graph.microsoft.com/v1.0.
        tokens: gives the access token; with True a new one, because the present one was refused.
        """
        self._transport = transport
        self.base_url = base_url.strip().rstrip("/")
        self._tokens = tokens
        self._clock = clock
        self._origin = _origin_of(self.base_url)
        self._unreachable = SystemUnreachable(f"{self._origin} cannot be reached.", remedy=_REMEDY)

    def get(self, url: str, *, prefer: str | None = None) -> Mapping[str, Any]:
        """Returns the document at an address of this service. Raises: CursorExpired, JobFailure."""
        if _origin_of(url) != self._origin:
            # A link is followed with our token on it.
            raise SystemUnreachable(
                f"{self._origin} gives a link to another address ({_origin_of(url)}), which is not followed.",
                remedy="Check the address of the service.",
            )
        is_fresh = False
        waited = timedelta()
        failures = 0
        while True:
            response = self._send(url, prefer, anew=is_fresh)
            if response is not None and response.status == 200:
                return self._document(response)
            if response is not None and response.status == 401 and not is_fresh:
                is_fresh = True
                continue
            is_throttled = response is not None and response.status == 429
            if response is not None and not is_throttled and response.status not in _BUSY:
                raise self._failure(response)
            failures += not is_throttled
            wait = self._wait(response, failures)
            waited += wait
            if failures >= _ATTEMPTS or waited > LONGEST_WAITS:
                raise self._failure(response) if response is not None else self._unreachable
            self._clock.sleep(wait)

    def _send(self, url: str, prefer: str | None, *, anew: bool) -> HttpResponse | None:
        headers = {"Authorization": f"Bearer {self._tokens(anew)}", "Accept": "application/json"}
        if prefer is not None:
            headers["Prefer"] = prefer
        try:
            return self._transport.send(HttpRequest(method="GET", url=url, headers=headers), deadline=DEADLINE)
        except AddressRefused as error:
            remedy = "Correct the address, or start the service with --allow-target and its network."
            raise SystemUnreachable(f"{self._origin} is not called: {error.why}.", remedy=remedy) from None
        except ExchangeFailed as error:
            self._unreachable = SystemUnreachable(f"{error.sentence}.", remedy=_REMEDY)
            return None

    def _wait(self, response: HttpResponse | None, failures: int) -> timedelta:
        asked = None if response is None else _retry_after(response.headers, self._clock.now())
        if asked is not None:
            return min(asked, LONGEST_WAIT)
        return timedelta(seconds=2 ** max(1, failures))

    def _document(self, response: HttpResponse) -> Mapping[str, Any]:
        try:
            document = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise SystemUnreachable(f"{self._origin} answers something other than Microsoft Graph.", remedy=_REMEDY)
        return document

    def _failure(self, response: HttpResponse) -> JobFailure:
        code, message = _error_of(response.body)
        said = f" (HTTP {response.status}{f', {code}' if code else ''}{f': {message[:300]}' if message else ''})"
        if response.status == 410 or code.casefold() in _EXPIRED:
            return CursorExpired(f"{self._origin} no longer knows where the last read ended{said}.")
        if response.status == 401:
            return CredentialsRefused(f"{self._origin} does not accept the access token{said}.", status=401)
        if response.status == 403:
            sentence = f"{self._origin} does not let people and groups be read{said}."
            return CredentialsRefused(sentence, status=403, remedy=_PERMISSIONS)
        if response.status in (400, 404):
            sentence = f"{self._origin} does not understand what is asked{said}."
            return SchemaRefused(sentence, remedy="Check the address with its version, and the mapped attributes.")
        return SystemUnreachable(f"{self._origin} cannot answer{said}.", status=response.status, remedy=_REMEDY)


def _error_of(body: bytes) -> tuple[str, str]:
    try:
        error = orjson.loads(body)["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def _retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return timedelta(seconds=min(int(text), 86_400))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(timedelta(), at.astimezone(UTC) - now)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
