"""The service's WSGI application: which face answers which path."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from muster.database.outage import outage_of
from muster.telemetry.ids import bound
from muster.telemetry.measures import measure_answer
from muster.telemetry.traces import span
from muster.web.graph.app import REQUEST_ID, VERSIONS, make_app
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
                return answer(prefix or "/", face, environ, start_response)
        if sign_in.knows(path):
            return answer("/oauth2", sign_in, environ, start_response)
        return _text(start_response, _NOT_FOUND, "There is nothing here. The API is at /v1.0.\n")

    def answer(name: str, face: WsgiApp, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers by a face, and tells of it: its log lines and spans bear the request's id. The path is not told, as
        it may hold a name or a link's secret."""
        method, request_id = str(environ.get("REQUEST_METHOD")), services.ids.new_id()
        environ[REQUEST_ID] = request_id
        began, status = time.perf_counter(), 500

        def started(line: str, *more: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *more)

        with bound(request_id=request_id), span("http", face=name, method=method) as told:
            try:
                return face(environ, started)
            finally:
                seconds = time.perf_counter() - began
                told.note(status=status)
                measure_answer(name, status, seconds)
                logger.debug("answered", extra={"face": name, "method": method, "status": status, "seconds": seconds})

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
        except Exception as error:
            # A probe is answered, whatever happens.
            sentence = outage_of(error)
            if sentence is None:
                sentence = "the readiness check failed: the log has the traceback"
                logger.exception("the readiness check failed")
        if sentence is None:
            return _text(start_response, "200 OK", "ready\n")
        return _text(start_response, "503 Service Unavailable", f"{sentence}\n")

    return ready


def _metrics(services: Services) -> WsgiApp:
    """The installation's state for Prometheus."""

    def measure(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not is_allowed(environ, services.metrics_token, behind_proxy=services.behind_proxy):
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
