"""SCIM at `/scim/v2`: other systems put people and groups into our directory, each with an API token of its own."""

import logging
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from muster.administration.desk import Desk
from muster.administration.inbound.repository import InboundRepository
from muster.database.outage import outage_of
from muster.scim.errors import (
    InternalError,
    InvalidSyntax,
    PayloadTooLarge,
    ScimError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from muster.scim.messages import MEDIA_TYPE, ScimRequest, ScimResponse, answer_error
from muster.scim.profile import ServerProfile
from muster.scim.query import read_query
from muster.scim.resources import ResourceType, SchemaExtension
from muster.scim.schemas import ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA, SchemaDefinition
from muster.scim.server import ScimServer
from muster.web.access import RateLimit, Unauthenticated, authenticate
from muster.web.services import Services

logger = logging.getLogger(__name__)

PREFIX = "/scim/v2"
USER_TYPE = ResourceType(
    name="User",
    endpoint="/Users",
    description="People of the directory.",
    schema=USER_SCHEMA,
    # Lenient: Entra writes the path and the filter of the manager without the URN of its extension.
    bare_names={"manager": ENTERPRISE_USER_SCHEMA.id},
    extensions=(SchemaExtension(schema=ENTERPRISE_USER_SCHEMA),),
)
# A member's name is the directory's to say, and may be asked for beside its id.
_MEMBERS = replace(
    GROUP_SCHEMA.by_name["members"],
    sub_attributes=tuple(each for each in GROUP_SCHEMA.by_name["members"].sub_attributes if each.name != "display"),
)
GROUP_TYPE = ResourceType(
    name="Group",
    endpoint="/Groups",
    description="Groups of the directory.",
    schema=SchemaDefinition(
        id=GROUP_SCHEMA.id,
        name=GROUP_SCHEMA.name,
        description=GROUP_SCHEMA.description,
        attributes=tuple(_MEMBERS if each.name == "members" else each for each in GROUP_SCHEMA.attributes),
    ),
)
_HEADERS = {
    "content-type": "CONTENT_TYPE",
    "accept": "HTTP_ACCEPT",
    "if-match": "HTTP_IF_MATCH",
    "if-none-match": "HTTP_IF_NONE_MATCH",
}
_desk: ContextVar[Desk] = ContextVar("desk")
_base_url: ContextVar[str] = ContextVar("base_url")

StartResponse = Callable[..., Any]


def make_inbound(services: Services) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """Returns the WSGI application under `/scim/v2`."""
    types = {each.name: each for each in (USER_TYPE, GROUP_TYPE)}
    profile = ServerProfile(
        name="directory",
        resource_types=tuple(types.values()),
        # One process answers; a cursor that outlives it is begun anew.
        cursor_key=secrets.token_bytes(32),
    )
    server = ScimServer(
        profile, InboundRepository(_desk.get, _base_url.get, services.stores.inbound, types), _answer_fault
    )
    rate = RateLimit(services.api_rate)

    def respond(environ: dict[str, Any]) -> ScimResponse:
        at = services.clock.now()
        try:
            caller = authenticate(services.stores, environ.get("HTTP_AUTHORIZATION"), at)
        except Unauthenticated as refused:
            raise Unauthorized(refused.sentence) from None
        wait = rate.take(caller.id, at)
        if wait is not None:
            raise TooManyRequests(
                f"This caller sends more than {rate.calls_a_second:g} requests a second: wait and send fewer.",
                retry_after_seconds=max(1, round(wait.total_seconds())),
            )
        _desk.set(services.desk(caller))
        base_url = f"{services.root(environ)}{PREFIX}"
        _base_url.set(base_url)
        return server.answer(
            ScimRequest(
                method=str(environ["REQUEST_METHOD"]),
                path=_path(environ),
                query=read_query(str(environ.get("QUERY_STRING") or "")),
                headers={name: str(environ[key]) for name, key in _HEADERS.items() if environ.get(key)},
                body=_read_body(environ, profile.limits.body_bytes),
                base_url=base_url,
                asked_at=int(at.timestamp()),
            )
        )

    def inbound(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            answered = respond(environ)
        except ScimError as refused:
            answered = answer_error(refused)
        except Exception as error:
            answered = _fault(error, environ.get("REQUEST_METHOD"))
        headers = [
            *answered.headers.items(),
            ("Content-Length", str(len(answered.body))),
            ("Cache-Control", "no-store"),
        ]
        if not answered.body and answered.status not in (204, 304) and "Content-Type" not in answered.headers:
            headers.append(("Content-Type", MEDIA_TYPE))
        start_response(f"{answered.status} {HTTPStatus(answered.status).phrase}", headers)
        return [answered.body]

    return inbound


def _path(environ: dict[str, Any]) -> str:
    try:
        path = str(environ.get("PATH_INFO") or "/").encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidSyntax("The path cannot be decoded: percent-encode it as UTF-8.") from None
    return path.removeprefix(PREFIX) or "/"


def _read_body(environ: dict[str, Any], limit_bytes: int) -> bytes:
    text = str(environ.get("CONTENT_LENGTH") or "0")
    length = int(text) if text.isdecimal() else 0
    if length > limit_bytes:
        raise PayloadTooLarge(f"The body has {length:,} bytes; the limit is {limit_bytes:,}.")
    body: bytes = environ["wsgi.input"].read(length)
    return body


def _answer_fault(error: Exception, asked: ScimRequest) -> ScimResponse:
    return _fault(error, asked.method)


def _fault(error: Exception, method: object) -> ScimResponse:
    outage = outage_of(error)
    if outage is None:
        logger.error("an inbound SCIM request failed", extra={"method": method}, exc_info=error)
        return answer_error(InternalError("This is a fault of the service, not of the request."))
    logger.error("an inbound SCIM request failed: %s", outage, extra={"method": method})
    return answer_error(ServiceUnavailable(f"This cannot be done now: {outage}.", retry_after_seconds=5))
