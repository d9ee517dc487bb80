"""SCIM errors: one class a scimType or status, each able to write the error body.

Source: RFC 7644 §3.12, tables 8 and 9; RFC 9865 §4 for the cursor errors.
"""

from __future__ import annotations

from typing import ClassVar

import orjson

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """A refusal that is answered with a SCIM error body. `detail` says what is wrong and what to do."""

    status: ClassVar[int] = 400
    scim_type: ClassVar[str | None] = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def to_document(self) -> dict[str, object]:
        """The error body. `status` is a text. Source: RFC 7644 §3.12."""
        document: dict[str, object] = {"schemas": [ERROR_URN], "status": str(self.status)}
        if self.scim_type is not None:
            document["scimType"] = self.scim_type
        document["detail"] = self.detail
        return document

    def headers(self) -> dict[str, str]:
        """Headers the answer needs besides its media type."""
        return {}


class InvalidFilter(ScimError):
    scim_type = "invalidFilter"


class TooMany(ScimError):
    scim_type = "tooMany"


class UniquenessConflict(ScimError):
    status = 409
    scim_type = "uniqueness"


class MutabilityViolation(ScimError):
    scim_type = "mutability"


class InvalidSyntax(ScimError):
    scim_type = "invalidSyntax"


class InvalidPath(ScimError):
    scim_type = "invalidPath"


class NoTarget(ScimError):
    scim_type = "noTarget"


class InvalidValue(ScimError):
    scim_type = "invalidValue"


class InvalidVersion(ScimError):
    scim_type = "invalidVers"


class SensitiveInAddress(ScimError):
    scim_type = "sensitive"


class InvalidCursor(ScimError):
    scim_type = "invalidCursor"


class ExpiredCursor(ScimError):
    scim_type = "expiredCursor"


class InvalidCount(ScimError):
    scim_type = "invalidCount"


class Unauthorized(ScimError):
    """The bearer token is missing, wrong or no longer valid. The caller of the server raises it."""

    status = 401

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="SCIM"'}


class Forbidden(ScimError):
    status = 403


class ResourceNotFound(ScimError):
    status = 404


class MethodNotAllowed(ScimError):
    status = 405

    def __init__(self, detail: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class NotAcceptable(ScimError):
    status = 406


class Conflict(ScimError):
    """The state of the resource does not allow the request, and no unique attribute is the cause."""

    status = 409


class PreconditionFailed(ScimError):
    status = 412


class PayloadTooLarge(ScimError):
    status = 413


class UnsupportedMediaType(ScimError):
    status = 415


class TooManyRequests(ScimError):
    """The client asks faster than its rate allows."""

    status = 429

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class InternalError(ScimError):
    status = 500


class NotImplementedByServer(ScimError):
    status = 501


class ServiceUnavailable(ScimError):
    """What is kept cannot be read or written now; the same request may succeed later."""

    status = 503

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


def unauthorized_body() -> bytes:
    """The body of a 401 answer, for the caller that checks the token before the server is asked."""
    return orjson.dumps(
        Unauthorized(
            "The bearer token is missing, wrong or no longer valid. Issue a new token and send it in Authorization."
        ).to_document()
    )
