"""The HTTP face: SCIM under each customer's address, health, and the console beside them."""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import falcon

from muster.configuration_manager.calls import CallLog, ScimCall
from muster.configuration_manager.customers import Access, Customer, Customers
from muster.configuration_manager.profiles import GENERIC_TYPES, make_profile
from muster.configuration_manager.resources import ResourceStore, SqlRepository
from muster.scim.errors import (
    Forbidden,
    InternalError,
    InvalidSyntax,
    PayloadTooLarge,
    ResourceNotFound,
    ScimError,
    Unauthorized,
)
from muster.scim.limits import DEFAULT_LIMITS
from muster.scim.messages import MEDIA_TYPE, ScimRequest, ScimResponse, answer_error
from muster.scim.resources import ResourceType
from muster.scim.server import ScimServer

logger = logging.getLogger(__name__)

PREFIX = "/udi/customers/"
SCIM = "scim/v2"
LIMIT_QUERY_CHARACTERS = 16_384
DRAINED_BYTES = 16_777_216
DRAIN_BLOCK_BYTES = 65_536

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def customer_url(public_url: str, customer: str) -> str:
    """The 8x8 URL of a customer: what is entered as the tenant URL."""
    return f"{public_url.rstrip('/')}{PREFIX}{customer}/{SCIM}"


class ScimResource:
    """Answers everything under `/udi/customers/{customer}/scim/v2`."""

    def __init__(
        self,
        customers: Customers,
        store: ResourceStore,
        calls: CallLog,
        *,
        public_url: str,
        resource_types: tuple[ResourceType, ...] = GENERIC_TYPES,
        cursor_key: bytes = b"",
    ) -> None:
        self._customers = customers
        self._store = store
        self._calls = calls
        self._public_url = public_url
        self._resource_types = resource_types
        self._cursor_key = cursor_key
        self._served: dict[Customer, tuple[ScimServer, SqlRepository]] = {}
        self._lock = threading.Lock()

    def answer(self, req: falcon.Request, resp: falcon.Response, **_: Any) -> None:
        """Falcon's sink for the prefix."""
        request, response = req, resp
        started = time.perf_counter_ns()
        access: Access | None = None
        body = b""
        name, _slash, path = request.path.removeprefix(PREFIX).partition("/")
        at, _slash, rest = path.partition(SCIM)
        try:
            if at or not path or (rest and not rest.startswith("/")):
                raise ResourceNotFound(f"There is no such endpoint: SCIM is at {PREFIX}{{customer}}/{SCIM}.")
            access = self._authenticate(request, name)
            body = _read_body(request)
            answered = self._serve(access.customer)[0].answer(
                ScimRequest(
                    method=request.method,
                    path=rest or "/",
                    query=_read_query(request.query_string),
                    headers={key.lower(): value for key, value in request.headers.items()},
                    body=body,
                    base_url=customer_url(self._public_url, name),
                    asked_at=int(time.time()),
                )
            )
        except ScimError as refused:
            answered = answer_error(refused)
        except Exception:
            logger.exception("a SCIM request failed", extra={"method": request.method, "path": request.path})
            answered = answer_error(
                InternalError("This is a fault of the service, not of the request. Try again later.")
            )
        _write(answered, response, is_head=request.method == "HEAD")
        if access is not None:
            self._calls.add(
                ScimCall(
                    customer_key=access.customer.key,
                    at=datetime.now(UTC),
                    token_key=access.token_key,
                    token_prefix=access.token_prefix,
                    client=request.user_agent,
                    method=request.method,
                    path=f"{rest}?{request.query_string}" if request.query_string else rest,
                    status=answered.status,
                    duration_us=(time.perf_counter_ns() - started) // 1000,
                    body=body,
                    answer=answered.body,
                )
            )

    def _authenticate(self, request: falcon.Request, name: str) -> Access:
        """Raises: Unauthorized, Forbidden."""
        scheme, _, token = (request.auth or "").partition(" ")
        token = token.strip()
        access = None
        if scheme.lower() == "bearer" and token and token.isascii():
            access = self._customers.find_access(token, now=datetime.now(UTC))
        if access is None:
            raise Unauthorized(
                "The bearer token is missing, wrong or no longer valid. Issue one in the console under "
                "Identity Management and send it as 'Authorization: Bearer …'."
            )
        if access.customer.name != name:
            raise Forbidden(f"The token belongs to another customer than {name[:64]!r}. Use the URL shown beside it.")
        return access

    def repository_of(self, customer: Customer) -> SqlRepository:
        """The customer's resources."""
        return self._serve(customer)[1]

    def _serve(self, customer: Customer) -> tuple[ScimServer, SqlRepository]:
        served = self._served.get(customer)
        if served is None:
            profile = make_profile(
                customer,
                lambda site: self._customers.is_site(customer, site),
                resource_types=self._resource_types,
                cursor_key=self._cursor_key and hmac.digest(self._cursor_key, customer.name.encode(), "sha256"),
            )
            repository = SqlRepository(
                self._store,
                customer_key=customer.key,
                unique_scope=customer.unique_scope,
                resource_types=profile.resource_types,
                base_url=customer_url(self._public_url, customer.name),
            )
            with self._lock:
                served = self._served.setdefault(customer, (ScimServer(profile, repository), repository))
        return served


def make_site(scim: ScimResource, *, console: WsgiApplication | None = None) -> WsgiApplication:
    """The WSGI application: SCIM, `/healthz`, and the console for every other path."""
    application = falcon.App(media_type=MEDIA_TYPE)
    application.add_sink(scim.answer, prefix=PREFIX)
    application.add_sink(_show_health, prefix=r"/healthz\Z")
    application.req_options.strip_url_path_trailing_slash = False
    application.set_error_serializer(_serialize_error)

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if console is not None and not path.startswith(PREFIX) and path != "/healthz":
            return console(environ, start_response)
        answer: Iterable[bytes] = application(environ, start_response)
        return answer

    return dispatch


def _show_health(req: falcon.Request, resp: falcon.Response, **_: Any) -> None:  # noqa: ARG001 - Falcon's names
    resp.content_type = "text/plain; charset=utf-8"
    resp.text = "ok\n"


def _serialize_error(_: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    """Falcon's own refusals in SCIM's words."""
    response.content_type = MEDIA_TYPE
    response.data = answer_error(ResourceNotFound(error.title or "There is no such page.")).body


def _read_body(request: falcon.Request) -> bytes:
    """The body. Raises: PayloadTooLarge."""
    limit = DEFAULT_LIMITS.body_bytes
    length = request.content_length
    if length is None and "chunked" not in (request.get_header("Transfer-Encoding") or ""):
        return b""
    stream = request.stream if length is None else request.bounded_stream
    body: bytes = stream.read(limit + 1)
    if len(body) <= limit:
        return body
    # A client that still writes would see a broken connection and never the answer: what is not far too much is taken.
    left = DRAINED_BYTES
    while left > 0 and (part := stream.read(min(left, DRAIN_BLOCK_BYTES))):
        left -= len(part)
    raise PayloadTooLarge(f"The body is larger than the limit (body size) of {limit} bytes. Send less at a time.")


def _read_query(text: str) -> dict[str, str]:
    """The decoded query. Raises: InvalidSyntax."""
    if len(text) > LIMIT_QUERY_CHARACTERS:
        raise InvalidSyntax(
            f"The query has {len(text)} characters; the limit (query length) is {LIMIT_QUERY_CHARACTERS}."
        )
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        raise InvalidSyntax("The query cannot be decoded: percent-encode it as UTF-8.") from None


def _write(answered: ScimResponse, response: falcon.Response, *, is_head: bool) -> None:
    response.status = answered.status
    for name, value in answered.headers.items():
        response.set_header(name, value)
    if answered.body and not is_head:
        response.data = answered.body
    elif not answered.body:
        response.content_type = MEDIA_TYPE
