"""The service's WSGI application: which face answers which path."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from muster.web.graph.app import VERSIONS, make_app
from muster.web.graph.openapi import make_document
from muster.web.inbound_scim import PREFIX as INBOUND
from muster.web.inbound_scim import make_inbound
from muster.web.metrics import CONTENT_TYPE, is_allowed, render
from muster.web.services import Services
from muster.web.sign_in import SignIn

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADERS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
_NOT_FOUND = "404 Not Found"


def make_site(services: Services, mounts: Mapping[str, WsgiApp] | None = None) -> WsgiApp:
    """Returns the site. `mounts` are further faces by path prefix (`/scim/v2`, `/saml2`); "" is the portal."""
    api: Any = make_app(services)
    sign_in = SignIn(services)
    faces: dict[str, WsgiApp] = {
        **(mounts or {}),
        **{f"/{version}": api for version in VERSIONS},
        **dict.fromkeys(sign_in.paths, sign_in),
        INBOUND: make_inbound(services),
        "/openapi.json": _description(services),
        "/healthz": _health,
        "/readyz": _readiness(services.trouble),
        "/metrics": _metrics(services),
    }
    # The longest prefix decides.
    ordered = sorted(faces.items(), key=lambda item: -len(item[0]))

    def site(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO") or "/")
        for prefix, face in ordered:
            # Another tenant's address is answered by sign-in, whose clients read JSON, and not by the portal.
            if not prefix and sign_in.knows(path):
                break
            if path == prefix or path.startswith(f"{prefix}/"):
                return face(environ, start_response)
        if sign_in.knows(path):
            return sign_in(environ, start_response)
        return _text(start_response, _NOT_FOUND, "There is nothing here. The API is at /v1.0.\n")

    return site


def _description(services: Services) -> WsgiApp:
    """The API's OpenAPI document, for the address that the request came to."""

    def describe(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = orjson.dumps(make_document(services.root(environ), services.tenant_id))
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", [*headers, ("Access-Control-Allow-Origin", "*"), *_HEADERS])
        return [body]

    return describe


def _health(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The process answers."""
    return _text(start_response, "200 OK", "ok\n")


def _readiness(trouble: Callable[[], str | None]) -> WsgiApp:
    """Whether requests can be served: the store answers and an engine runs."""

    def ready(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            sentence = trouble()
        except Exception:
            # A probe is answered, whatever happens; the traceback is in the log.
            logger.exception("the readiness check failed")
            sentence = "the readiness check failed"
        if sentence is None:
            return _text(start_response, "200 OK", "ready\n")
        return _text(start_response, "503 Service Unavailable", f"{sentence}\n")

    return ready


def _metrics(services: Services) -> WsgiApp:
    """The installation's state for Prometheus."""

    def measure(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not is_allowed(environ, services.metrics_token):
            sentence = "Metrics are read from this machine, or with the token that MUSTER_METRICS_TOKEN sets.\n"
            return _text(start_response, "403 Forbidden", sentence)
        body = render(services)
        start_response("200 OK", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), *_HEADERS])
        return [body]

    return measure


def _text(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *_HEADERS],
    )
    return [body]
