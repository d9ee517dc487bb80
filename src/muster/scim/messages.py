"""Requests, responses and the message bodies of the protocol.

Source: RFC 7644 §3.1, §3.4.2, §3.14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from muster.scim.errors import ERROR_URN, InvalidSyntax, InvalidValue, PayloadTooLarge, ScimError
from muster.scim.limits import Limits

MEDIA_TYPE = "application/scim+json"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class ScimRequest(NamedTuple):  # made at every request: in a quarter of the time of a frozen dataclass
    """A request as a value. `path` is decoded and relative to `base_url` ("/Users/42"); header names are lower case;
    `query` holds decoded values; `base_url` has no slash at its end. `asked_at` counts seconds since 1970; `subject` is
    the userName of whoever asks, when the caller of the server knows it."""

    method: str
    path: str
    base_url: str
    query: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: bytes = b""
    asked_at: int = 0
    subject: str | None = None


class ScimResponse(NamedTuple):
    """An answer as a value. Headers hold Content-Type when there is a body."""

    status: int
    headers: Mapping[str, str] = _NOTHING
    body: bytes = b""


def answer_with(status: int, body: bytes, **headers: str) -> ScimResponse:
    """An answer with a body; an underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ScimResponse(status=status, headers={"Content-Type": MEDIA_TYPE, **named}, body=body)


def answer_without_body(status: int, **headers: str) -> ScimResponse:
    return ScimResponse(status=status, headers=headers)


def answer_error(error: ScimError) -> ScimResponse:
    """The answer that says what was refused. Source: RFC 7644 §3.12."""
    return ScimResponse(
        status=error.status,
        headers={"Content-Type": MEDIA_TYPE, **error.headers()},
        body=orjson.dumps(error.to_document()),
    )


def answer_refusal(status: int, detail: str) -> ScimResponse:
    """The answer to a request that could not even be read, or not in time. Source: RFC 7644 §3.12."""
    kind = {"scimType": "invalidSyntax"} if status == 400 else {}
    document = {"schemas": [ERROR_URN], "status": str(status), **kind, "detail": detail}
    return ScimResponse(status=status, headers={"Content-Type": MEDIA_TYPE}, body=orjson.dumps(document))


def read_body(body: bytes, limits: Limits) -> Any:
    """The JSON value of a request body.

    Raises: PayloadTooLarge; InvalidSyntax when it is not JSON; InvalidValue when it is nested too deep.
    """
    if len(body) > limits.body_bytes:
        raise PayloadTooLarge(f"The body has {len(body)} bytes; the limit (body size) is {limits.body_bytes}.")
    if not body:
        raise InvalidSyntax("The body is empty. Send a JSON object.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        if body.startswith(_BYTE_ORDER_MARK):
            return read_body(body[len(_BYTE_ORDER_MARK) :], limits)  # RFC 8259 §8.1 lets it be passed over
        if body.count(b"{") + body.count(b"[") > limits.document_depth:
            raise InvalidSyntax(
                f"The body is not valid JSON in UTF-8, or nested far deeper than the limit (depth) of "
                f"{limits.document_depth}."
            ) from None
        raise InvalidSyntax("The body is not valid JSON in UTF-8.") from None
    # Cheap first: few brackets cannot nest deep.
    if body.count(b"{") + body.count(b"[") > limits.document_depth:
        _check_depth(value, limits.document_depth, limits.document_depth)
    return value


def _check_depth(value: Any, left: int, limit: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise InvalidValue(f"The body is nested deeper than the limit (depth) of {limit}.")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, left - 1, limit)


def write_list(resources: Sequence[bytes], *, total: int, **paging: int | str | None) -> bytes:
    """A ListResponse around resources that are JSON already; `paging` is startIndex or the cursors that there are.

    Source: RFC 7644 §3.4.2; RFC 9865 §2.
    """
    given = {name: value for name, value in paging.items() if value is not None}
    head = orjson.dumps({"schemas": [LIST_URN], "totalResults": total, **given, "itemsPerPage": len(resources)})
    return head[:-1] + b',"Resources":[' + b",".join(resources) + b"]}"


def etag(version: str) -> str:
    """The ETag of a version: weak, as equal content may be written in another order. Source: RFC 7644 §3.14."""
    return f'W/"{version}"'


def read_etags(header: str | None) -> tuple[str, ...] | None:
    """The versions that If-Match or If-None-Match names; None when the header is absent; ("*",) stands for any."""
    if header is None:
        return None
    return tuple(_version(part) for item in header.split(",") if (part := item.strip()))


def _version(tag: str) -> str:
    opaque = tag[2:] if tag.startswith("W/") else tag
    return opaque[1:-1] if len(opaque) >= 2 and opaque[0] == opaque[-1] == '"' else opaque
