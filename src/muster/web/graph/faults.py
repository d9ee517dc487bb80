"""Errors in OData's shape, as Graph clients expect them on every 4xx and 5xx."""

import logging
from typing import Any

import falcon
import orjson

from muster.administration.refusals import RefusalKind, Refused, locked
from muster.database.outage import outage_of
from muster.sealing import SealingError
from muster.web.access import Unauthenticated

_RETRY_AFTER = "5"  # seconds, while the database is away or full

logger = logging.getLogger(__name__)

_STATUS: dict[RefusalKind, int] = {
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.BAD_REQUEST: 400,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.CONFLICT: 409,
    RefusalKind.TOO_LARGE: 413,
    RefusalKind.TOO_MANY: 429,
    RefusalKind.NOT_AVAILABLE: 503,
    RefusalKind.PRECONDITION: 412,
}
_CODES: dict[int, str] = {
    400: "BadRequest",
    404: "ResourceNotFound",
    405: "MethodNotAllowed",
    411: "LengthRequired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
}


def inner_error(request: falcon.Request) -> dict[str, str]:
    """Returns Graph's error.innerError: when it was, and the ids by which the log knows the request."""
    context = request.context
    inner = {"date": f"{context.at:%Y-%m-%dT%H:%M:%S}", "request-id": context.request_id}
    if context.client_request_id:
        inner["client-request-id"] = context.client_request_id
    return inner


def write_error(
    request: falcon.Request, response: falcon.Response, status: int, code: str, message: str, details: Any = ()
) -> None:
    """Writes an error answer in Graph's shape."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = [{"code": each, "message": sentence} for each, sentence in details]
    response.status = status
    response.content_type = "application/json"
    response.data = orjson.dumps({"error": {**error, "innerError": inner_error(request)}})


def on_refused(request: falcon.Request, response: falcon.Response, refused: Refused, _: Any) -> None:
    """Answers a refusal of administration."""
    if refused.retry_after is not None:
        response.set_header("Retry-After", str(max(1, round(refused.retry_after.total_seconds()))))
    write_error(request, response, _STATUS[refused.kind], refused.code, refused.sentence, refused.details)


def on_locked(request: falcon.Request, response: falcon.Response, error: SealingError, params: Any) -> None:
    """Answers what needs a stored value that cannot be opened: the sealing key is lost."""
    logger.error("request %s failed: %s", request.context.request_id, error)
    on_refused(request, response, locked(error), params)


def on_unauthenticated(request: falcon.Request, response: falcon.Response, error: Unauthenticated, _: Any) -> None:
    """Answers a call without a valid token. Source: RFC 6750 §3."""
    response.set_header("WWW-Authenticate", 'Bearer realm="muster", error="invalid_token"')
    write_error(request, response, 401, "InvalidAuthenticationToken", error.sentence)


def on_http_error(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, _: Any) -> None:
    """Answers what Falcon itself refuses: unknown paths, methods, broken requests."""
    for name, value in dict(error.headers or {}).items():
        response.set_header(name, value)
    status = error.status_code
    message = {
        404: f"Resource not found for the segment of {request.path[:200]}.",
        405: f"The method {request.method} is not supported by {request.path[:200]}.",
    }.get(status, error.description or error.title)
    write_error(request, response, status, _CODES.get(status, "BadRequest"), message)


def on_our_fault(request: falcon.Request, response: falcon.Response, error: Exception, _: Any) -> None:
    """Answers an exception nobody expected, its traceback logged under the request's id; or an outage, which passes."""
    outage = outage_of(error)
    if outage is not None:
        logger.error("request %s failed: %s", request.context.request_id, outage)
        response.set_header("Retry-After", _RETRY_AFTER)
        write_error(request, response, 503, "ServiceUnavailable", f"This cannot be done now: {outage}.")
        return
    logger.error("request %s failed", request.context.request_id, exc_info=error)
    write_error(
        request,
        response,
        500,
        "InternalServerError",
        f"Something went wrong here. The log has the details under request-id {request.context.request_id}.",
    )
