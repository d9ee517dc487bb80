"""Asking an OAuth 2 token endpoint for an access token. Source: RFC 6749 §2.3.1, §4.1.3, §4.4, §5, §6."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote_plus, urlencode, urlsplit

from muster.model.credentials import ClientAuthentication, OAuthClient
from muster.model.exchange import AddressRefused, ExchangeFailed, HttpRequest, HttpResponse
from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.model.wire import without_secrets
from muster.ports.transport import Transport
from muster.ports.world import Clock
from muster.scim.client import AnswerUnreadable, read_document, read_error
from muster.targets.rate_headers import read_retry_after

TOKEN_DEADLINE = timedelta(seconds=20)
TOKEN_CHARACTERS = 16_384
# An endpoint that does not say how long a token is good for: until the target refuses it, but at most this long.
UNSAID_LIFETIME = timedelta(hours=1)
# A token is fetched anew this long before its end, or a tenth of its life if that is less.
MARGIN = timedelta(minutes=1)
REFUSALS = 3
LONGEST_WAIT = timedelta(minutes=1)
_REMEDY = (
    "Check the token endpoint, the client identifier and its secret, and at the application that the client may use "
    "this grant and these scopes; then press Test Connection."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token, until when it is used, and the refresh token that came with it."""

    token: str = field(repr=False)
    until: datetime
    expires_at: datetime | None = None
    refresh_token: str | None = field(default=None, repr=False)


def request_token(client: OAuthClient, grant: Mapping[str, str], *, transport: Transport, clock: Clock) -> AccessToken:
    """Returns the token that the endpoint gives for a grant.

    Raises: CredentialsRefused, SystemUnreachable; neither shows a secret.
    """
    where = _origin(client.token_endpoint)
    hidden = (client.client_secret, *(grant[name] for name in ("refresh_token", "code") if name in grant))
    request = _token_request(client, grant)
    waited = 0
    while True:
        try:
            response = transport.send(request, deadline=TOKEN_DEADLINE)
        except AddressRefused as error:
            remedy = (
                "Correct the token endpoint, or start the service with --allow-target and its network "
                "(or MUSTER_ALLOW_TARGETS)."
            )
            raise SystemUnreachable(
                f"The token endpoint at {where} is not called: {error.why}.", remedy=remedy
            ) from error
        except ExchangeFailed as error:
            raise SystemUnreachable(f"The token endpoint at {where} cannot be reached: {error.why}") from error
        if response.status != 429 or waited == REFUSALS:
            return _read_token(response, where, [value for value in hidden if value], clock.now())
        waited += 1
        asked = read_retry_after(response.headers, clock.now())
        clock.sleep(min(LONGEST_WAIT, asked if asked is not None else timedelta(seconds=1)))


def _token_request(client: OAuthClient, grant: Mapping[str, str]) -> HttpRequest:
    form = dict(grant)
    if client.scopes:
        form["scope"] = client.scopes
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    secret = client.client_secret
    if secret is not None and client.authentication is not ClientAuthentication.BODY:
        # Both parts are form-encoded before they are joined: RFC 6749 §2.3.1.
        headers["Authorization"] = basic_header(quote_plus(client.client_id), quote_plus(secret))
    if client.authentication is not ClientAuthentication.HEADER or secret is None:
        form["client_id"] = client.client_id
        if secret is not None:
            form["client_secret"] = secret
    return HttpRequest(method="POST", url=client.token_endpoint, headers=headers, body=urlencode(form).encode())


def _read_token(response: HttpResponse, where: str, hidden: list[str], now: datetime) -> AccessToken:
    if response.status != 200:
        raise _refusal(response, where, hidden)
    try:
        answer = read_document(response.body)
    except AnswerUnreadable as error:
        raise SystemUnreachable(
            f"The token endpoint at {where} does not answer as OAuth 2 has it. {error}", remedy=_REMEDY
        ) from error
    token, kind, refresh = answer.get("access_token"), answer.get("token_type"), answer.get("refresh_token")
    if not isinstance(token, str) or not _is_sendable(token):
        raise SystemUnreachable(f"The token endpoint at {where} gave no access token.", remedy=_REMEDY)
    # Lenient: some endpoints leave the type out.
    if kind is not None and str(kind).lower() != "bearer":
        raise CredentialsRefused(
            f"The token endpoint at {where} gave a token of the type {str(kind)[:60]}; bearer is what can be sent.",
            remedy=_REMEDY,
        )
    lifetime = _lifetime(answer.get("expires_in"))
    until, expires_at = used_until(now, None if lifetime is None else now + lifetime)
    return AccessToken(
        token=token,
        until=until,
        expires_at=expires_at,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
    )


def _refusal(response: HttpResponse, where: str, hidden: list[str]) -> CredentialsRefused | SystemUnreachable:
    """What a refusing answer means. It is no answer of the target, and so its status stands in the sentence alone."""
    status = response.status
    said = f" (HTTP {status}{_said(response.body, hidden)})."
    if 300 <= status < 400:
        sentence = f"The token endpoint at {where} sends on to another address, which is not followed{said}"
        remedy = "Enter the address it leads to as token endpoint, if that is the application's."
        return SystemUnreachable(sentence, remedy=remedy)
    if status in (400, 401, 403):
        return CredentialsRefused(f"The token endpoint at {where} does not accept the client{said}", remedy=_REMEDY)
    return SystemUnreachable(f"The token endpoint at {where} gives no token{said}", remedy=_REMEDY)


def _said(body: bytes, hidden: list[str]) -> str:
    """What the endpoint says of its refusal: OAuth's code and description, without secrets it may give back."""
    try:
        code = read_document(body).get("error")
    except AnswerUnreadable:
        return ""
    texts = [text for text in (code if isinstance(code, str) else None, read_error(body)[1]) if text]
    said = ": ".join(dict.fromkeys(texts))[:300]
    said = without_secrets(said, hidden)
    return f", {said}" if said else ""


def _lifetime(value: object) -> timedelta | None:
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    # Lenient: some endpoints write the number as a text.
    return timedelta(seconds=min(seconds, 10 * 365 * 86_400)) if math.isfinite(seconds) and seconds > 0 else None


def _is_sendable(token: str) -> bool:
    return 0 < len(token) <= TOKEN_CHARACTERS and token.isascii() and token.isprintable() and " " not in token


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def used_until(now: datetime, expires_at: datetime | None) -> tuple[datetime, datetime | None]:
    """Returns until when a token is used, which is shortly before its end, and its end."""
    if expires_at is None:
        return now + UNSAID_LIFETIME, None
    return expires_at - min(MARGIN, max(expires_at - now, timedelta()) / 10), expires_at


def basic_header(user: str, password: str) -> str:
    """Returns the value of a header of basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
