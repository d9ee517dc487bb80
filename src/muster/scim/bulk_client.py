"""The client's side of Bulk: several requests in one, and the answer of each found again in what comes back.

Source: RFC 7644 §3.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from muster.scim.client import AnswerUnreadable, ClientRequest, read_document, told_status
from muster.scim.mapping_paths import get_member
from muster.scim.messages import BULK_REQUEST_URN

PATH = "/Bulk"
# What stands around the operations of a request, and a comma after each, in bytes.
_FRAME = len(orjson.dumps({"schemas": [BULK_REQUEST_URN], "Operations": []}))


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPart:
    """A request as it stands in a bulk. `bulk_id` only of one that creates: it is known by it, others by their path."""

    method: str
    path: str
    bulk_id: str | None
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAnswer:
    """What a service answers to one operation: as it would have to the request alone. `body` empty: nothing shown."""

    status: int
    location: str | None
    body: bytes


def form_part(request: ClientRequest, number: int) -> BulkPart:
    """Returns a request as an operation; `number` tells it from the others. Raises: TypeError for no JSON value."""
    bulk_id = str(number) if request.method == "POST" else None
    operation: dict[str, Any] = {"method": request.method}
    if bulk_id is not None:
        operation["bulkId"] = bulk_id
    operation["path"] = request.path
    if request.body is not None:
        operation["data"] = request.body
    return BulkPart(method=request.method, path=request.path, bulk_id=bulk_id, content=orjson.dumps(operation))


def fitting(parts: Sequence[BulkPart], most: int, most_bytes: int | None) -> int:
    """Returns how many of the first parts go into one request: one at least, even if it alone is too large."""
    room = None if most_bytes is None else most_bytes - _FRAME
    for count, part in enumerate(parts[:most]):
        if room is None:
            continue
        room -= len(part.content) + 1
        if room < 0:
            return max(count, 1)
    return max(min(len(parts), most), 1)


def form_bulk(parts: Sequence[BulkPart]) -> ClientRequest:
    """Returns the request that carries operations. It names no `failOnErrors`: one refusal must not stop the others."""
    operations = [orjson.Fragment(part.content) for part in parts]
    return ClientRequest(method="POST", path=PATH, body={"schemas": [BULK_REQUEST_URN], "Operations": operations})


def read_bulk(body: bytes, parts: Sequence[BulkPart]) -> tuple[BulkAnswer | None, ...]:
    """Returns the answer of each operation; None where none can be told to be its own.

    A service may answer in another order, and may leave out what it did not come to: an answer belongs to the operation
    whose bulkId it gives back or, where nothing is created, to the one of its method whose path its location ends in.
    What is answered twice is not answered.

    Raises: AnswerUnreadable when it is no BulkResponse.
    """
    listed = get_member(read_document(body), "Operations")
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) for item in listed):
        raise AnswerUnreadable("The answer is no BulkResponse: Operations is no list of objects.")
    made = {part.bulk_id: place for place, part in enumerate(parts) if part.bulk_id is not None}
    changed = {(part.method, part.path): place for place, part in enumerate(parts) if part.bulk_id is None}
    answers: list[BulkAnswer | None] = [None] * len(parts)
    seen: set[int] = set()
    for item in listed:
        place = _place_of(item, made, changed)
        if place is not None:
            answers[place] = None if place in seen else _answer(item)
            seen.add(place)
    return tuple(answers)


def _place_of(item: Mapping[str, Any], made: Mapping[str, int], changed: Mapping[tuple[str, str], int]) -> int | None:
    method, location = str(get_member(item, "method")).upper(), get_member(item, "location")
    if method == "POST":
        # Lenient: some services give a number back where a text was sent.
        return made.get(str(get_member(item, "bulkId")))
    segments = urlsplit(location).path.strip("/").split("/") if isinstance(location, str) else []
    tails = (f"/{'/'.join(segments[start:])}" for start in range(len(segments)))
    return next((changed[method, tail] for tail in tails if (method, tail) in changed), None)


def _answer(item: Mapping[str, Any]) -> BulkAnswer | None:
    status = _status(get_member(item, "status"))
    if status is None:
        return None
    location, response = get_member(item, "location"), get_member(item, "response")
    body = orjson.dumps(response) if isinstance(response, Mapping) else b""
    return BulkAnswer(
        status=told_status(status, body), location=location if isinstance(location, str) else None, body=body
    )


def _status(value: Any) -> int | None:
    # Lenient: drafts of the standard have {"code": "201"}, and some services a number.
    code = get_member(value, "code") if isinstance(value, Mapping) else value
    text = str(code)
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() and text >= "200" else None
