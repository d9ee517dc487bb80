"""The OAuth 2 face: programs exchange client id and secret for an access token, and find where by discovery.

Source: RFC 6749 §4.4 and §5.2; Microsoft identity platform, client credentials flow (addresses, error numbers).
"""

import base64
import binascii
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import orjson

from muster.administration.clients import SignInRefused, issue_token
from muster.ui.brake import Brake, Pressure, network_of
from muster.web.services import Services

logger = logging.getLogger(__name__)

BODY_BYTES = 64 * 1024
GRANT = "client_credentials"
# A secret is chance and cannot be guessed; the brake keeps a machine that tries from keeping others waiting.
_CLIENT = Pressure(free=20, longest=timedelta(seconds=30))
_MACHINE = Pressure(free=100, longest=timedelta(minutes=1))
_OF_A_TENANT = re.compile(
    r"/[^/]+/(?:oauth2/(?:v2\.0/)?token|(?:v2\.0/)?\.well-known/openid-configuration|discovery/v2\.0/keys)/?"
)
_STATUS = {200: "200 OK", 400: "400 Bad Request", 401: "401 Unauthorized", 404: "404 Not Found"} | {
    405: "405 Method Not Allowed",
    413: "413 Content Too Large",
    429: "429 Too Many Requests",
}

Headers = list[tuple[str, str]]
Answered = tuple[int, Any, Headers]


class _Wait(Exception):
    """A caller has to wait so long."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class SignIn:
    """A WSGI application for the addresses that sign-in libraries know."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tenant = services.tenant_id
        self._brake = Brake()
        tenant = f"/{self._tenant}"
        self._places: dict[str, tuple[str, Callable[[Mapping[str, Any]], Answered]]] = {
            f"{tenant}/oauth2/v2.0/token": ("POST", self._token),
            f"{tenant}/oauth2/token": ("POST", self._token),
            f"{tenant}/v2.0/.well-known/openid-configuration": ("GET", self._configuration),
            f"{tenant}/.well-known/openid-configuration": ("GET", self._configuration),
            f"{tenant}/discovery/v2.0/keys": ("GET", self._keys),
            "/common/discovery/instance": ("GET", self._instance),
        }
        # What the site sends here.
        self.paths = (tenant, "/common/discovery/instance")

    def knows(self, path: str) -> bool:
        """Whether a path is one of the addresses that sign-in libraries form of a tenant, be it ours or another."""
        return _OF_A_TENANT.fullmatch(path) is not None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request."""
        status, document, headers = self._answer(environ)
        body = orjson.dumps(document)
        start_response(
            _STATUS[status],
            [
                ("Content-Type", "application/json; charset=utf-8"),
                ("Content-Length", str(len(body))),
                # RFC 6749 §5.1: a token is never cached.
                ("Cache-Control", "no-store"),
                ("Pragma", "no-cache"),
                ("X-Content-Type-Options", "nosniff"),
                *headers,
            ],
        )
        return [body]

    def _answer(self, environ: Mapping[str, Any]) -> Answered:
        path = str(environ.get("PATH_INFO") or "").rstrip("/")
        _, tenant, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        if tenant.lower() == self._tenant:
            path = "/".join(("", self._tenant, *rest))
        place = self._places.get(path)
        if place is None and tenant.lower() != self._tenant and self.knows(path):
            sentence = f"Tenant '{tenant[:100]}' not found. The tenant of this installation is '{self._tenant}'."
            return self._refusal(400, "invalid_request", 90002, sentence)
        if place is None:
            return self._refusal(404, "invalid_request", 90002, "There is nothing at this address.")
        method, respond = place
        if environ.get("REQUEST_METHOD") != method:
            status, document, _ = self._refusal(405, "invalid_request", 900561, f"The endpoint only accepts {method}.")
            return status, document, [("Allow", method)]
        return respond(environ)

    # ------------------------------------------------------------ discovery

    def _configuration(self, environ: Mapping[str, Any]) -> Answered:
        root = self._services.root(environ)
        tenant = f"{root}/{self._tenant}"
        document = {
            "issuer": f"{tenant}/v2.0",
            "token_endpoint": f"{tenant}/oauth2/v2.0/token",
            # Nobody signs in by the browser here; libraries want the address all the same.
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
            "jwks_uri": f"{tenant}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": [GRANT],
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": [f"{root}/.default"],
            "claims_supported": ["aud", "iss", "iat", "exp", "appid", "oid", "sub", "tid", "roles"],
            "tenant_region_scope": None,
            "msgraph_host": root.partition("://")[2],
        }
        return 200, document, []

    def _keys(self, _: Mapping[str, Any]) -> Answered:
        """No token is verified by a key: the API alone knows its own."""
        return 200, {"keys": []}, []

    def _instance(self, environ: Mapping[str, Any]) -> Answered:
        root = self._services.root(environ)
        host = root.partition("://")[2]
        document = {
            "tenant_discovery_endpoint": f"{root}/{self._tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
        return 200, document, []

    # ------------------------------------------------------------ tokens

    def _token(self, environ: Mapping[str, Any]) -> Answered:
        now = self._services.clock.now()
        client_id = ""
        try:
            form = _read_form(environ)
            client_id, secret = _credentials(environ, form)
            self._check_pressure(environ, client_id, now)
            issued = issue_token(
                self._services.stores,
                self._services.ids,
                now,
                client_id=client_id,
                secret=secret,
                issuer=self._services.root(environ),
                tenant_id=self._tenant,
            )
        except SignInRefused as refused:
            if refused.error in ("invalid_client", "unauthorized_client"):
                self._note_failure(environ, client_id, refused, now)
            status = 401 if refused.error == "invalid_client" else 413 if refused.number == _TOO_LARGE else 400
            answer = self._refusal(status, refused.error, refused.number, refused.sentence)
            if status == 401 and environ.get("HTTP_AUTHORIZATION"):
                return answer[0], answer[1], [("WWW-Authenticate", 'Basic realm="muster"')]
            return answer
        except _Wait as wait:
            status, document, _ = self._refusal(
                429, "temporarily_unavailable", 90055, f"Too many attempts that failed: wait {wait.seconds} seconds."
            )
            return status, document, [("Retry-After", str(wait.seconds))]
        seconds = int(issued.lifetime.total_seconds())
        document = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
        return 200, {**document, "access_token": issued.token}, []

    def _check_pressure(self, environ: Mapping[str, Any], client_id: str, now: datetime) -> None:
        waits = [self._brake.wait(key, pressure, now) for key, pressure in _keys(environ, client_id)]
        longest = max((wait for wait in waits if wait is not None), default=None)
        if longest is not None:
            raise _Wait(max(1, round(longest.total_seconds())))

    def _note_failure(self, environ: Mapping[str, Any], client_id: str, refused: SignInRefused, now: datetime) -> None:
        for key, _ in _keys(environ, client_id):
            self._brake.fail(key, now)
        logger.warning("a client's sign-in failed: %s", refused.error, extra={"machine": environ.get("REMOTE_ADDR")})

    def _refusal(self, status: int, error: str, number: int, sentence: str) -> Answered:
        now = self._services.clock.now()
        trace = str(uuid.uuid4())
        document = {
            "error": error,
            "error_description": f"AADSTS{number}: {sentence} Trace ID: {trace} Timestamp: {now:%Y-%m-%d %H:%M:%SZ}",
            "error_codes": [number],
            "timestamp": f"{now:%Y-%m-%d %H:%M:%SZ}",
            "trace_id": trace,
            "correlation_id": trace,
        }
        return status, document, []


_TOO_LARGE = 90100


def _read_form(environ: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the form; each may be given once. Raises: SignInRefused."""
    kind = str(environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise SignInRefused(
            "invalid_request", 900144, "The body must be a form: Content-Type application/x-www-form-urlencoded."
        )
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isdigit() or int(length) > BODY_BYTES:
        raise SignInRefused("invalid_request", _TOO_LARGE, "The body is too large.")
    try:
        text = environ["wsgi.input"].read(int(length)).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise SignInRefused("invalid_request", 900144, "The body is no form.") from None
    twice = next((name for name, values in fields.items() if len(values) > 1), None)
    if twice is not None:
        raise SignInRefused("invalid_request", 90014, f"The field '{twice[:60]}' is given twice.")
    return {name: values[0] for name, values in fields.items()}


def _credentials(environ: Mapping[str, Any], form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret, from the form or from the header (RFC 6749 §2.3.1). Raises: SignInRefused."""
    grant = form.get("grant_type")
    if not grant:
        raise SignInRefused(
            "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."
        )
    if grant != GRANT:
        raise SignInRefused(
            "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant[:60]}'."
        )
    if form.get("client_assertion"):
        raise SignInRefused("invalid_client", 700027, "Client assertions are not taken here: send client_secret.")
    client_id, secret = _basic(environ) or (form.get("client_id", ""), form.get("client_secret", ""))
    if not client_id:
        raise SignInRefused(
            "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'."
        )
    if not secret:
        raise SignInRefused(
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    if not form.get("scope") and not form.get("resource"):
        raise SignInRefused(
            "invalid_request", 900144, "The request body must contain the following parameter: 'scope'."
        )
    # v1 asks for a resource. Which one does not matter: there is one API here.
    if form.get("scope") and not form["scope"].split()[0].endswith("/.default"):
        raise SignInRefused(
            "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default suffixed to it."
        )
    return client_id, secret


def _basic(environ: Mapping[str, Any]) -> tuple[str, str] | None:
    scheme, _, content = str(environ.get("HTTP_AUTHORIZATION") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(content.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise SignInRefused("invalid_client", 7000218, "The Authorization header is not Basic.") from None
    return unquote_plus(name), unquote_plus(secret)


def _keys(environ: Mapping[str, Any], client_id: str) -> tuple[tuple[str, Pressure], ...]:
    machine = network_of(str(environ.get("REMOTE_ADDR") or "?"))
    return ((f"{machine} {client_id[:100]}", _CLIENT), (f"machine {machine}", _MACHINE))
