"""The HTTP face: SCIM under each customer's address, health, and the console beside them, as one WSGI application.

SCIM is answered without a web framework between: at the rate that is measured for it, routing and wrapping a request
would be a third of the work, and there is one route.
"""

import hmac
import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson

from muster.configuration_manager.calls import CallLog, ScimCall
from muster.configuration_manager.customer import PREFIX, SCIM, ConsoleRefusal, Retrieval, customer_url
from muster.configuration_manager.customers import Access, Customer, Customers
from muster.configuration_manager.profiles import GENERIC_TYPES, make_profile
from muster.configuration_manager.rate import Allowance, RateMeter
from muster.configuration_manager.resources import ResourceChange, ResourceStore, SqlRepository
from muster.scim.errors import (
    Forbidden,
    InternalError,
    InvalidSyntax,
    PayloadTooLarge,
    ResourceNotFound,
    ScimError,
    TooManyRequests,
    Unauthorized,
)
from muster.scim.limits import DEFAULT_LIMITS
from muster.scim.messages import MEDIA_TYPE, ScimRequest, ScimResponse, answer_error
from muster.scim.profile import ServerProfile
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.server import ScimServer

__all__ = ["PREFIX", "SCIM", "ScimResource", "WsgiApplication", "make_site"]

logger = logging.getLogger(__name__)

LIMIT_QUERY_CHARACTERS = 16_384
LIMIT_QUERY_FIELDS = 50
DRAINED_BYTES = 16_777_216
DRAIN_BLOCK_BYTES = 65_536
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# The request headers that SCIM reads.
HEADERS = (
    ("CONTENT_TYPE", "content-type"),
    ("HTTP_ACCEPT", "accept"),
    ("HTTP_IF_MATCH", "if-match"),
    ("HTTP_IF_NONE_MATCH", "if-none-match"),
)
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _nobody(_: str) -> bool:
    return False


class _Served(NamedTuple):
    """A customer's endpoint, made anew when a setting changes."""

    customer: Customer
    profile: ServerProfile
    repository: SqlRepository
    server: ScimServer
    base_url: str


class ScimResource:
    """Answers everything under `/udi/customers/{customer}/scim/v2`, as a WSGI application."""

    def __init__(
        self,
        customers: Customers,
        store: ResourceStore,
        calls: CallLog,
        *,
        public_url: str,
        resource_types: tuple[ResourceType, ...] = GENERIC_TYPES,
        cursor_key: bytes = b"",
        is_last_administrator: Callable[[str], bool] = _nobody,
    ) -> None:
        self._customers = customers
        self._store = store
        self._calls = calls
        self._public_url = public_url
        self._resource_types = resource_types
        self._cursor_key = cursor_key
        self._is_last_administrator = is_last_administrator
        self._served: dict[int, _Served] = {}
        self._meter = RateMeter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """The answer as WSGI has it."""
        started = time.perf_counter_ns()
        at = datetime.now(UTC)
        access: Access | None = None
        extra: dict[str, str] = {}
        changes: list[ResourceChange] = []
        body = b""
        method: str = environ["REQUEST_METHOD"]
        query: str = environ.get("QUERY_STRING", "")
        name, rest = _split_path(environ.get("PATH_INFO", ""))
        try:
            if rest is None:
                raise ResourceNotFound(f"There is no such endpoint: SCIM is at {PREFIX}{{customer}}/{SCIM}.")
            access = self._authenticate(environ.get("HTTP_AUTHORIZATION", ""), name, at)
            customer = access.customer
            if customer.settings.rate_limit is not None:
                extra = self._take_turn(access, customer.settings.rate_limit)
            if customer.settings.has_one_writer and method in WRITES and not rest.endswith("/.search"):
                self._check_writer(access)
            body = _read_body(environ)
            served = self._serve(customer)
            answered = served.server.answer(
                ScimRequest(
                    method=method,
                    path=rest or "/",
                    query=_read_query(query) if query else {},
                    headers={header: environ[key] for key, header in HEADERS if key in environ},
                    body=body,
                    base_url=served.base_url,
                    asked_at=int(at.timestamp()),
                    subject=access.administrator,
                )
            )
            if method in WRITES:
                changes = served.repository.take_changes()
        except ScimError as refused:
            answered = answer_error(refused)
        except Exception:
            logger.exception("a SCIM request failed", extra={"method": method, "path": rest})
            answered = answer_error(
                InternalError("This is a fault of the service, not of the request. Try again later.")
            )
        if access is not None:
            self._calls.add(
                ScimCall(
                    access,
                    at,
                    environ.get("HTTP_USER_AGENT"),
                    method,
                    f"{rest}?{query}" if query else rest or "",
                    answered.status,
                    (time.perf_counter_ns() - started) // 1000,
                    body,
                    answered.body,
                    changes,
                )
            )
        return _send(answered, extra, start_response, is_head=method == "HEAD")

    def _authenticate(self, authorization: str, name: str, now: datetime) -> Access:
        """Raises: Unauthorized, Forbidden."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        access = None
        if scheme.lower() == "bearer" and token and token.isascii():
            access = self._customers.find_access(token, now=now)
        if access is None:
            raise Unauthorized(
                "The bearer token is missing, wrong or no longer valid. Issue one in the console under "
                "Identity Management and send it as 'Authorization: Bearer …'."
            )
        if access.customer.name != name:
            raise Forbidden(f"The token belongs to another customer than {name[:64]!r}. Use the URL shown beside it.")
        if not access.has_role:
            raise Unauthorized(
                f"The token belongs to {access.administrator!r}, who no longer has the role of administrator. "
                "Have an administrator issue a new one in the console under Identity Management."
            )
        return access

    def _take_turn(self, access: Access, limit: int) -> dict[str, str]:
        """The headers that say what is left. Raises: TooManyRequests."""
        allowance = self._meter.take(access.token_key, limit, now=time.monotonic())
        if allowance.is_granted:
            return allowance.headers()
        raise RateExceeded(
            f"The rate limit of {limit} requests a minute is reached. Ask again in {allowance.reset_seconds} s.",
            allowance,
        )

    def _check_writer(self, access: Access) -> None:
        """Raises Forbidden for another client than the one that writes. Source: 8x8, one client may write."""
        holder = access.customer.settings.writing_client
        if holder is None:
            holder = self._customers.claim_writing(access.customer, access.client)
        if holder != access.client:
            raise Forbidden(
                f"The client {access.client!r} may only read: {holder!r} holds the right to write for this customer. "
                "An administrator gives it to another client in the console under Settings."
            )

    def repository_of(self, customer: Customer) -> SqlRepository:
        """The customer's resources as SCIM shows them."""
        return self._serve(customer).repository

    def users_of(self, customer: Customer) -> SqlRepository:
        """The customer's resources as the console shows them: those made by hand too, whatever SCIM is told."""
        served = self._serve(customer)
        return self._open_repository(customer, served.profile.resource_types, only_provisioned=False, by_hand=True)

    def add_by_hand(self, customer: Customer, user: Document) -> None:
        """Adds a user whom an administrator makes; the same rules hold as for SCIM. Raises: ConsoleRefusal."""
        served = self._serve(customer)
        server = ScimServer(served.profile, self.users_of(customer))
        answered = server.answer(
            ScimRequest(
                method="POST",
                path="/Users",
                headers={"content-type": MEDIA_TYPE},
                body=orjson.dumps(user),
                base_url=served.base_url,
            )
        )
        if answered.status >= 400:
            raise ConsoleRefusal(str(orjson.loads(answered.body)["detail"]).rstrip("."))

    def _serve(self, customer: Customer) -> _Served:
        served = self._served.get(customer.key)
        if served is not None and (served.customer is customer or served.customer == customer):
            return served
        profile = make_profile(
            customer,
            lambda site: self._customers.is_site(customer, site),
            is_last_administrator=self._is_last_administrator,
            resource_types=self._resource_types,
            cursor_key=self._cursor_key and hmac.digest(self._cursor_key, customer.name.encode(), "sha256"),
        )
        repository = self._open_repository(
            customer,
            profile.resource_types,
            only_provisioned=customer.settings.retrieval is Retrieval.PROVISIONED,
        )
        base_url = customer_url(self._public_url, customer.name)
        served = _Served(customer, profile, repository, ScimServer(profile, repository), base_url)
        self._served[customer.key] = served
        return served

    def _open_repository(
        self,
        customer: Customer,
        resource_types: tuple[ResourceType, ...],
        *,
        only_provisioned: bool,
        by_hand: bool = False,
    ) -> SqlRepository:
        return SqlRepository(
            self._store,
            customer_key=customer.key,
            unique_scope=customer.unique_scope,
            resource_types=resource_types,
            base_url=customer_url(self._public_url, customer.name),
            only_provisioned=only_provisioned,
            licences=customer.licence_limit,
            by_hand=by_hand,
        )


class RateExceeded(TooManyRequests):
    """Too many requests, with the headers that say how many there may be."""

    def __init__(self, detail: str, allowance: Allowance) -> None:
        super().__init__(detail, retry_after_seconds=allowance.reset_seconds)
        self._allowance = allowance.headers()

    def headers(self) -> dict[str, str]:
        """Retry-After and what the limit is."""
        return {**super().headers(), **self._allowance}


def make_site(scim: ScimResource, *, console: WsgiApplication | None = None) -> WsgiApplication:
    """The WSGI application: SCIM, `/healthz`, and the console for every other path."""

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(PREFIX):
            return scim(environ, start_response)
        if path == "/healthz":
            start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "3")])
            return [b"ok\n"]
        if console is not None:
            return console(environ, start_response)
        return _send(answer_error(ResourceNotFound("There is no such page.")), {}, start_response)

    return dispatch


def _split_path(path: str) -> tuple[str, str | None]:
    """The customer's name and what follows its address, None when that is no address of SCIM."""
    if not path.isascii():
        path = path.encode("latin-1").decode(errors="replace")  # as PEP 3333 has it
    name, _, below = path[len(PREFIX) :].partition("/")
    at, found, rest = below.partition(SCIM)
    return name, None if at or not found or (rest and not rest.startswith("/")) else rest


def _read_body(environ: dict[str, Any]) -> bytes:
    """The body. Raises: PayloadTooLarge, InvalidSyntax."""
    given = environ.get("CONTENT_LENGTH")
    if not given:
        if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", ""):
            return b""
        length = None
    elif given.isascii() and given.isdigit():
        length = int(given)
        if length == 0:
            return b""
    else:
        raise InvalidSyntax("Content-Length must be a whole number.")
    limit = DEFAULT_LIMITS.body_bytes
    stream = environ["wsgi.input"]
    wanted = limit + 1 if length is None else min(length, limit + 1)
    body: bytes = stream.read(wanted)
    while len(body) < wanted and (part := stream.read(wanted - len(body))):
        body += part
    if len(body) <= limit:
        return body
    # A client that still writes would see a broken connection and never the answer: what is not far too much is taken.
    left = DRAINED_BYTES if length is None else min(DRAINED_BYTES, length - len(body))
    while left > 0 and (part := stream.read(min(left, DRAIN_BLOCK_BYTES))):
        left -= len(part)
    raise PayloadTooLarge(f"The body is larger than the limit (body size) of {limit} bytes. Send less at a time.")


@lru_cache(maxsize=1024)
def _read_query(text: str) -> dict[str, str]:
    """The decoded query; not to be changed. Raises: InvalidSyntax."""
    if len(text) > LIMIT_QUERY_CHARACTERS:
        raise InvalidSyntax(
            f"The query has {len(text)} characters; the limit (query length) is {LIMIT_QUERY_CHARACTERS}."
        )
    if text.count("&") >= LIMIT_QUERY_FIELDS:
        raise InvalidSyntax(f"The query has more fields than the limit (query fields) of {LIMIT_QUERY_FIELDS}.")
    found = {}
    try:
        for field in text.split("&"):
            if field:
                name, _, value = field.partition("=")
                found[_decode(name)] = _decode(value)
    except ValueError:
        raise InvalidSyntax("The query cannot be decoded: percent-encode it as UTF-8.") from None
    return found


def _decode(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def _send(
    answered: ScimResponse, extra: dict[str, str], start_response: Callable[..., Any], *, is_head: bool = False
) -> list[bytes]:
    headers = [*answered.headers.items(), *extra.items()]
    status, body = answered.status, answered.body
    if body and not is_head:
        headers.append(("Content-Length", str(len(body))))
    elif status not in (204, 304) and "Content-Type" not in answered.headers:
        headers.append(("Content-Type", MEDIA_TYPE))
    start_response(STATUS_LINES[status], headers)
    return [body] if body and not is_head else []
