"""The API's WSGI application: the door (identity, permission, limits) and the way from HTTP to calls and back."""

import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import falcon
import orjson

from muster.administration.desk import Desk
from muster.administration.refusals import RefusalKind, Refused, bad_request, forbidden
from muster.model.roles import OWNER_PERMISSIONS, Caller
from muster.sealing import SealingError
from muster.web.access import JSON_BYTES, Budget, RateLimit, Unauthenticated, authenticate, too_large
from muster.web.graph import faults
from muster.web.graph.call import Answer, Call, InnerAnswer, InnerRequest, Route
from muster.web.graph.odata import check_expanded, check_options
from muster.web.graph.routes import ROUTES
from muster.web.services import Services

VERSIONS = ("v1.0", "beta")
# Microsoft: provisionOnDemand takes five requests in ten seconds.
ON_DEMAND_CALLS = 5
ON_DEMAND_SPAN = timedelta(seconds=10)
# Source: Microsoft Graph, bulkUpload: so many calls a second of a tenant.
BULK_CALLS = 40
BULK_SPAN = timedelta(seconds=1)

# Graph's other spellings of a path: users('id'), servicePrincipals(appId='id'), functions().
# A quote within a key is written twice.
# Source: OData 4.01 ABNF, quoted strings.
_KEY = re.compile(r"\((?:userPrincipalName=|(appId=))?'((?:[^']|'')*)'\)")
# A function or action may bear its name's space; a type after a collection is a cast and stays.
_SPACE = re.compile(r"/microsoft\.graph\.(?!(?:user|group|application|servicePrincipal)(?:/|$))")
# Where the site puts the id that log lines of a request bear.
REQUEST_ID = "muster.request_id"
_HOP_HEADERS = frozenset({"content-length", "cache-control", "content-encoding"})

Responder = Callable[..., None]


class Door:
    """Looks at every request first: its ids, its path's spelling, its caller."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rate = RateLimit(services.api_rate)

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Names the request and the caller. Raises: Unauthenticated."""
        context = request.context
        context.at = self._services.clock.now()
        context.request_id = request.env.get(REQUEST_ID) or self._services.ids.new_id()
        context.client_request_id = (request.get_header("client-request-id") or "")[:200] or None
        response.set_header("request-id", context.request_id)
        response.set_header("Cache-Control", "no-store")
        if context.client_request_id and context.client_request_id.isprintable():
            response.set_header("client-request-id", context.client_request_id)
        request.path = plain_path(request.path)
        context.caller = authenticate(self._services.stores, request.get_header("Authorization"), context.at)
        wait = self._rate.take(context.caller.id, context.at)
        if wait is not None:
            raise Refused(
                RefusalKind.TOO_MANY,
                "TooManyRequests",
                f"This caller sends more than {self._rate.calls_a_second:g} requests a second: wait and send fewer.",
                retry_after=wait,
            )
        if "\0" in request.path or "%00" in request.query_string:
            raise bad_request("The address holds the control character U+0000.")


def make_app(services: Services, routes: Iterable[Route] = ROUTES) -> falcon.App[falcon.Request, falcon.Response]:
    """Returns the WSGI application of /v1.0 and /beta."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(middleware=[Door(services)])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    app.resp_options.default_media_type = "application/json"
    app.add_error_handler(Exception, faults.on_our_fault)
    app.add_error_handler(falcon.HTTPError, faults.on_http_error)
    app.add_error_handler(Refused, faults.on_refused)
    app.add_error_handler(SealingError, faults.on_locked)
    app.add_error_handler(Unauthenticated, faults.on_unauthenticated)
    budget = Budget(ON_DEMAND_CALLS, ON_DEMAND_SPAN)
    shared = Shared(services=services, budget=budget, bulk_budget=Budget(BULK_CALLS, BULK_SPAN), app=app)
    by_path: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        by_path[route.path].append(route)
    for path, its_routes in by_path.items():
        for version in VERSIONS:
            responders = {f"on_{route.method.lower()}": _responder(shared, route, version) for route in its_routes}
            app.add_route(f"/{version}{path}", SimpleNamespace(**responders))
    return app


def plain_path(path: str) -> str:
    """Returns a path with keys as segments: `users('1')` as `users/1`, `functions()` as `functions`."""
    if "(" in path:
        path = _KEY.sub(_segment, path).replace("()", "")
    return _SPACE.sub("/", path) if "/microsoft.graph." in path else path


def _segment(key: re.Match[str]) -> str:
    """A key as one segment: an attribute of a URN of any shape may hold slashes (see `key_of`)."""
    return f"/{key[1] or ''}" + key[2].replace("''", "'").replace("/", "%2F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all responders of the application share."""

    services: Services
    budget: Budget
    bulk_budget: Budget
    app: Callable[..., Iterable[bytes]]


def _responder(shared: Shared, route: Route, version: str) -> Responder:
    services = shared.services

    def respond(request: falcon.Request, response: falcon.Response, **parts: str) -> None:
        desk = desk_for(services, request.context.caller, route, parts)
        if route.method == "GET":
            check_options(request.params, route.options)
            if route.expands:
                check_expanded(_joined(request.params.get("$expand") or ""), route.expands)
        root = f"{services.public_url or request.prefix}/{version}"
        answer = route.handler(
            Call(
                desk=desk,
                method=route.method,
                url=_public_address(request, services.public_url),
                root=root,
                parts=parts,
                query={name: _joined(value) for name, value in request.params.items()},
                raw=_read_body(request, route.limit_bytes or JSON_BYTES),
                content_type=request.content_type,
                on_demand_budget=shared.budget,
                bulk_budget=shared.bulk_budget,
                if_match=request.get_header("If-Match"),
                if_none_match=request.get_header("If-None-Match"),
                dispatch=lambda inner: _dispatch(shared.app, request.env, version, inner),
            )
        )
        _write(request, response, answer)

    return respond


def desk_for(services: Services, caller: Caller, route: Route, parts: Mapping[str, str]) -> Desk:
    """Returns the desk at which a call is done: by a role, or as the owner of the application in the path.

    Raises: Refused.
    """
    desk = services.desk(caller)
    if caller.may(route.permission):
        return desk
    if route.permission in OWNER_PERMISSIONS and caller.owned:
        name = (parts.get("sp") or parts.get("application") or "").removeprefix("appId=")
        found = services.stores.applications.get(name) if name else None
        if (
            found is not None
            and name in (found.service_principal_id, found.application_id, found.app_id)
            and caller.may_on(route.permission, found.service_principal_id)
        ):
            return desk.on(found.service_principal_id)
        if not name and route.is_open_to_owners:
            return desk
    raise forbidden(route.permission)


def _dispatch(
    app: Callable[..., Iterable[bytes]], environ: Mapping[str, Any], version: str, inner: InnerRequest
) -> InnerAnswer:
    """Does a request within a request: for the same caller, from the same machine."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("CONTENT_", "HTTP_", "falcon"))}
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in inner.headers.items()}
    given: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, answered: list[tuple[str, str]], *_: Any) -> None:
        shown = {name.lower(): value for name, value in answered if name.lower() not in _HOP_HEADERS}
        given.append((int(status.partition(" ")[0]), shown))

    body = b"".join(
        app(
            {
                **kept,
                **headers,
                "HTTP_AUTHORIZATION": environ.get("HTTP_AUTHORIZATION", ""),
                "HTTP_HOST": environ.get("HTTP_HOST", ""),
                "REQUEST_METHOD": inner.method,
                "PATH_INFO": f"/{version}{inner.path}",
                "QUERY_STRING": inner.query,
                "CONTENT_TYPE": inner.headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(inner.body)),
                "wsgi.input": io.BytesIO(inner.body),
            },
            start_response,
        )
    )
    status, shown = given[-1]
    return InnerAnswer(status=status, headers=shown, body=body)


def _public_address(request: falcon.Request, public_url: str | None) -> str:
    prefix = public_url or request.prefix
    query = f"?{request.query_string}" if request.query_string else ""
    return f"{prefix}{request.path}{query}"


def _read_body(request: falcon.Request, limit_bytes: int) -> bytes:
    if request.method == "GET":
        return b""
    if (request.content_length or 0) > limit_bytes:
        raise too_large(limit_bytes)
    body: bytes = request.bounded_stream.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise too_large(limit_bytes)
    return body


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _write(request: falcon.Request, response: falcon.Response, answer: Answer) -> None:
    response.status = answer.status
    for name, value in answer.headers.items():
        response.set_header(name.replace("_", "-"), value)
    if answer.text is not None:
        response.content_type = "text/plain; charset=utf-8"
        response.text = answer.text
    elif answer.stream is not None:
        response.content_type = answer.content_type or "application/octet-stream"
        response.stream = answer.stream
    elif isinstance(answer.document, dict) and "error" in answer.document and answer.status >= HTTPStatus.BAD_REQUEST:
        error = {**answer.document["error"], "innerError": faults.inner_error(request)}
        response.content_type = "application/json"
        response.data = orjson.dumps({"error": error}, default=_plain)
    elif answer.document is not None:
        response.content_type = (
            "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
        )
        response.data = orjson.dumps(answer.document, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | frozenset):
        return list(value)
    return dict(value) if hasattr(value, "keys") else str(value)
