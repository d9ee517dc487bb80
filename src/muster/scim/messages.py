"""Requests, responses and the message bodies of the protocol.

Source: RFC 7644 §3.1, §3.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MEDIA_TYPE = "application/scim+json"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimRequest:
    """A request as a value. `path` is decoded and relative to `base_url` ("/Users/42"); header names are lower case;
    `query` holds decoded values; `base_url` has no slash at its end."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimResponse:
    """An answer as a value. Headers hold Content-Type when there is a body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
