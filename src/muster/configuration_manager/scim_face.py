"""SCIM over HTTP: who asks, where it is answered, and what the log keeps of it.

SCIM is answered without a web framework between: at the rate that is measured for it, routing and wrapping a request
would be a third of the work, and there is one route.
"""

import hmac
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from muster.configuration_manager.calls import CallLog, ScimCall
from muster.configuration_manager.customer import PREFIX, SCIM, ConsoleRefusal, Retrieval, customer_url
from muster.configuration_manager.customers import Access, Customer, Customers
from muster.configuration_manager.lookups import QUICK, SHARED, read_lookup
from muster.configuration_manager.profiles import GENERIC_TYPES, make_profile
from muster.configuration_manager.rate import Allowance, RateMeter, burst_of
from muster.configuration_manager.resources import ResourceChange, ResourceStore, SqlRepository
from muster.configuration_manager.writer import Writer
from muster.database.outage import outage_of
from muster.http_server.messages import Answer, Lane, Request
from muster.scim.errors import (
    Forbidden,
    InternalError,
    ResourceNotFound,
    ScimError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from muster.scim.messages import MEDIA_TYPE, ScimRequest, ScimResponse, answer_error
from muster.scim.profile import ServerProfile
from muster.scim.query import read_query
from muster.scim.repository import Document
from muster.scim.resources import ResourceType
from muster.scim.server import ScimServer

logger = logging.getLogger(__name__)

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# The request headers that SCIM reads.
HEADERS = tuple((name.encode(), name) for name in ("content-type", "accept", "if-match", "if-none-match"))
RETRY_AFTER_SECONDS = 5  # while the database is away or full
NOTHING_KEPT = " Nothing of it was kept."
LIMIT_SHARED_BYTES = 65_536  # of a write that shares a commit with others

# By what stood in the header, and by the name of the customer in the address.
_Held = dict[tuple[bytes, str], Access]


def _nobody(_: str) -> bool:
    return False


class _Served(NamedTuple):
    """A customer's endpoint, made anew when a setting changes."""

    customer: Customer
    profile: ServerProfile
    repository: SqlRepository
    server: ScimServer
    base_url: str


class _Performed(NamedTuple):
    """A request answered, before the answer goes out and the call into the log."""

    answered: ScimResponse
    extra: dict[str, str]
    call: ScimCall | None


class ScimFace:
    """Answers everything under `/udi/customers/{customer}/scim/v2`."""

    def __init__(
        self,
        customers: Customers,
        store: ResourceStore,
        calls: CallLog,
        writer: Writer,
        *,
        public_url: str,
        resource_types: tuple[ResourceType, ...] = GENERIC_TYPES,
        cursor_key: bytes = b"",
        is_last_administrator: Callable[[str], bool] = _nobody,
    ) -> None:
        self._customers = customers
        self._store = store
        self._calls = calls
        self._writer = writer
        self._public_url = public_url
        self._resource_types = resource_types
        self._cursor_key = cursor_key
        self._is_last_administrator = is_last_administrator
        self._served: dict[int, _Served] = {}
        self._meter = RateMeter()

    def choose_lane(self, request: Request) -> Lane:
        """Where the request is answered; on PostgreSQL, where every statement waits for a server, all are apart."""
        if not self._writer.is_shared:
            return Lane.APART
        method = request.method
        if method == "GET":
            # The thread of all sockets must not wait for the log, however long another process writes.
            return Lane.HERE if QUICK.fullmatch(request.target) and not self._calls.is_behind else Lane.APART
        is_shared = (
            method in WRITES and len(request.body) <= LIMIT_SHARED_BYTES and SHARED.match(request.target) is not None
        )
        return Lane.TOGETHER if is_shared else Lane.APART

    def answer(self, request: Request) -> Answer:
        """The answer, after the call was handed to the log, or kept in it when it changed something."""
        if self._writer.is_shared and request.method in WRITES and not request.path.endswith("/.search"):
            return self.answer_together([request])[0]
        looked_up = self._look_up(request)
        if looked_up is not None:
            return looked_up
        performed = self._perform(request, {}, {})
        if performed.call is None:
            self._count_faults([performed])
        elif performed.call.changes:
            self._calls.keep(performed.call)
        else:
            self._calls.add(performed.call)
        return self._written(performed)

    def answer_together(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to writes, which are kept in one commit; each is refused alone."""

        # Filled once, though what is refused after it wrote has all done again: a request counts as one.
        extras: list[dict[str, str]] = [{} for _ in requests]

        def perform(connection: Connection) -> list[_Performed]:
            # Nobody else writes while this is under way: what a token is, is looked up once.
            held: _Held = {}
            performed = [self._perform(each, held, extra) for each, extra in zip(requests, extras, strict=True)]
            self._calls.write([each.call for each in performed if each.call is not None], connection)
            return performed

        try:
            performed = self._writer.share(perform)
        except Exception as error:
            fault = _fault(error, f"{len(requests)} SCIM requests could not be kept", kept=NOTHING_KEPT)
            performed = [_Performed(fault, {}, None) for _ in requests]
        # Not before the commit: what could not be kept was answered otherwise.
        self._calls.count((each.call.status, each.call.duration_us) for each in performed if each.call is not None)
        self._count_faults(performed)
        return [self._written(each) for each in performed]

    def _count_faults(self, performed: Sequence[_Performed]) -> None:
        """Counts those of which there is no call to count: nobody could look up whose they are, or none was kept."""
        statuses = (each.answered.status for each in performed if each.call is None)
        self._calls.count((status, 0) for status in statuses if status >= 500)

    def _look_up(self, request: Request) -> Answer | None:
        """The answer to a plain look-up that finds somebody. None for all else, refusals among it: `_perform` says
        the same of what is told here, at three times the cost."""
        started = time.perf_counter_ns()
        lookup = read_lookup(request)
        if lookup is None:
            return None
        at = datetime.now(UTC)
        headers = request.headers
        try:
            access = self._authenticate(headers.get(b"authorization", b"").decode("latin-1"), lookup.customer, at)
            customer = access.customer
            if customer.settings.is_strict or customer.settings.rate_limit is not None:
                return None
            served = self._serve(customer)
            if lookup.resource_id:
                answered = served.server.show("Users", lookup.resource_id, served.base_url)
            else:
                answered = served.server.find("Users", lookup.filter, served.base_url)
        except Exception:  # it is done once more, and then told and logged
            return None
        if answered is None:
            return None
        agent = headers.get(b"user-agent")
        agent_text = None if agent is None else agent.decode("latin-1")
        took_us = (time.perf_counter_ns() - started) // 1000
        self._calls.add(ScimCall(access, at, agent_text, "GET", lookup.path, 200, took_us, b"", b"", ()))
        return Answer(200, tuple(answered.headers.items()), answered.body)

    @staticmethod
    def _written(performed: _Performed) -> Answer:
        answered, extra, _ = performed
        headers = [*answered.headers.items(), *extra.items()] if extra else list(answered.headers.items())
        if not answered.body and answered.status not in (204, 304) and "Content-Type" not in answered.headers:
            headers.append(("Content-Type", MEDIA_TYPE))
        return Answer(answered.status, headers, answered.body)

    def _perform(self, request: Request, held: _Held, extra: dict[str, str]) -> _Performed:
        """The request answered; `held` are accesses that count, and gets what is looked up; `extra` gets what is left
        to the token, or says it if the request has taken its turn already."""
        started = time.perf_counter_ns()
        at = datetime.now(UTC)
        access: Access | None = None
        served: _Served | None = None
        changes: Sequence[ResourceChange] = ()
        method = request.method
        is_write = method in WRITES
        query = request.query
        headers = request.headers
        name, rest = _split_path(request.path)
        try:
            if rest is None:
                raise ResourceNotFound(f"There is no such endpoint: SCIM is at {PREFIX}{{customer}}/{SCIM}.")
            named = headers.get(b"authorization", b""), name
            access = held.get(named)
            if access is None:
                access = held[named] = self._authenticate(named[0].decode("latin-1"), name, at)
            customer = access.customer
            if customer.settings.rate_limit is not None and not extra:
                extra.update(self._take_turn(access, customer.settings.rate_limit))
            if is_write and customer.settings.has_one_writer and not rest.endswith("/.search"):
                self._check_writer(access)
            served = self._serve(customer)
            answered = served.server.answer(
                ScimRequest(
                    method,
                    rest or "/",
                    served.base_url,
                    read_query(query) if query else {},
                    {named: headers[key].decode("latin-1") for key, named in HEADERS if key in headers},
                    request.body,
                    int(at.timestamp()),
                    access.administrator,
                )
            )
        except ScimError as refused:
            answered = answer_error(refused)
        except Exception as error:
            answered = _fault(error, "a SCIM request failed", method=method, path=rest)
        if is_write and served is not None:
            # After a fault, too: the operations of a Bulk before it are kept (RFC 7644 §3.7: each by itself).
            changes = served.repository.take_changes()
        if access is None:
            return _Performed(answered, extra, None)
        call = ScimCall(
            access,
            at,
            request.header(b"user-agent"),
            method,
            f"{rest}?{query}" if query else rest or "",
            answered.status,
            (time.perf_counter_ns() - started) // 1000,
            request.body,
            # What a look-up found is not kept, and thousands of calls may wait for the log.
            answered.body if is_write or answered.status >= 400 else b"",
            changes,
        )
        return _Performed(answered, extra, call)

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
            f"The rate limit of {limit} requests a minute, and {burst_of(limit)} in ten seconds, is reached. "
            f"Ask again in {allowance.reset_seconds} s.",
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
        if answered.status == 409:
            name = user.get("userName")
            raise ConsoleRefusal(f"there is a user named {name} already: choose another name")
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
        served = _Served(customer, profile, repository, ScimServer(profile, repository, _answer_fault), base_url)
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


def _split_path(path: str) -> tuple[str, str | None]:
    """The customer's name and what follows its address, None when that is no address of SCIM."""
    name, _, below = path[len(PREFIX) :].partition("/")
    at, found, rest = below.partition(SCIM)
    return name, None if at or not found or (rest and not rest.startswith("/")) else rest


def _answer_fault(error: Exception, asked: ScimRequest) -> ScimResponse:
    return _fault(error, "an operation of a SCIM bulk request failed", method=asked.method, path=asked.path)


def _fault(error: Exception, what: str, *, kept: str = "", **of: object) -> ScimResponse:
    """The answer to a request that failed by no fault of its own, after its line in the log: with a traceback unless
    it passes by itself."""
    outage = outage_of(error)
    if outage is None:
        logger.error("%s", what, extra=of, exc_info=error)
        return answer_error(
            InternalError(f"This is a fault of the service, not of the request.{kept} Try again later.")
        )
    logger.error("%s: %s", what, outage, extra=of)
    return answer_error(
        ServiceUnavailable(f"This cannot be done now: {outage}.{kept}", retry_after_seconds=RETRY_AFTER_SECONDS)
    )
