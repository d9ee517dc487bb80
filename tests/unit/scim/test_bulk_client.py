from __future__ import annotations

import json
from typing import Any

import pytest

from muster.scim.bulk_client import BulkAnswer, BulkPart, fitting, form_bulk, form_part, read_bulk
from muster.scim.client import AnswerUnreadable, ClientRequest
from muster.scim.messages import BULK_REQUEST_URN, BULK_RESPONSE_URN

CREATE = ClientRequest(method="POST", path="/Users", body={"userName": "ada"})
CHANGE = ClientRequest(method="PATCH", path="/Users/7", body={"Operations": []})
DELETE = ClientRequest(method="DELETE", path="/Users/8")
PARTS = tuple(form_part(request, number) for number, request in enumerate((CREATE, CHANGE, DELETE)))


def answered(*operations: Any) -> tuple[BulkAnswer | None, ...]:
    return read_bulk(json.dumps({"schemas": [BULK_RESPONSE_URN], "Operations": operations}).encode(), PARTS)


def statuses(*operations: Any) -> list[int | None]:
    return [None if answer is None else answer.status for answer in answered(*operations)]


def test_a_bulk_is_the_requests_as_the_standard_writes_them() -> None:
    body = json.loads(form_bulk(PARTS).body_bytes() or b"")
    assert form_bulk(PARTS).path == "/Bulk"
    assert body == {
        "schemas": [BULK_REQUEST_URN],
        "Operations": [
            {"method": "POST", "bulkId": "0", "path": "/Users", "data": {"userName": "ada"}},
            {"method": "PATCH", "path": "/Users/7", "data": {"Operations": []}},
            {"method": "DELETE", "path": "/Users/8"},
        ],
    }


@pytest.mark.parametrize(
    ("most", "room", "count"),
    [(10, None, 3), (2, None, 2), (10, 10_000, 3), (10, 0, 1), (1, 1, 1)],
)
def test_as_many_go_together_as_operations_and_bytes_allow(most: int, room: int | None, count: int) -> None:
    assert fitting(PARTS, most, room) == count


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_request_that_fits_is_no_larger_than_is_allowed(count: int) -> None:
    size = len(form_bulk(PARTS[:count]).body_bytes() or b"")
    # A byte a comma is left over: the last operation has none.
    assert fitting(PARTS, 10, size + 1) == count
    assert fitting(PARTS, 10, size - 1) == max(count - 1, 1)


def test_a_value_that_is_no_json_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(TypeError):
        form_part(ClientRequest(method="POST", path="/Users", body={"userName": "\ud800"}), 0)


def test_answers_are_found_whatever_their_order() -> None:
    answers = answered(
        {"method": "DELETE", "location": "https://app.example/scim/v2/Users/8", "status": "204"},
        {"method": "patch", "location": "/Users/7", "status": 200, "response": {"id": "7"}},
        {"method": "POST", "bulkId": 0, "location": "/Users/9", "status": {"code": "201"}},
    )
    assert answers == (
        BulkAnswer(status=201, location="/Users/9", body=b""),
        BulkAnswer(status=200, location="/Users/7", body=b'{"id":"7"}'),
        BulkAnswer(status=204, location="https://app.example/scim/v2/Users/8", body=b""),
    )


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ({"method": "POST", "bulkId": "5", "status": "201"}, "another bulkId"),
        ({"method": "POST", "status": "201"}, "no bulkId"),
        ({"method": "PATCH", "status": "200"}, "no location"),
        ({"method": "PATCH", "location": "/Users/70", "status": "200"}, "another object"),
        ({"method": "PATCH", "location": "/Groups/7", "status": "200"}, "another kind"),
        ({"method": "PUT", "location": "/Users/7", "status": "200"}, "another method"),
        ({"method": "POST", "bulkId": "0"}, "no status"),
        ({"method": "POST", "bulkId": "0", "status": "created"}, "no number"),
        ({"method": "POST", "bulkId": "0", "status": "99"}, "no status of HTTP"),
        ({}, "nothing"),
    ],
)
def test_an_answer_that_may_be_of_another_operation_is_of_none(operation: dict[str, Any], why: str) -> None:
    assert statuses(operation) == [None, None, None], why


def test_what_is_answered_twice_is_not_answered() -> None:
    created = {"method": "POST", "bulkId": "0", "location": "/Users/9", "status": "201"}
    assert statuses(created, {**created, "location": "/Users/10"}) == [None, None, None]
    assert statuses(created, created, created) == [None, None, None]


def test_an_answer_without_a_location_is_still_one_if_it_was_made_under_a_bulk_id() -> None:
    answer = answered({"method": "POST", "bulkId": "0", "location": 5, "status": "409", "response": {"status": "409"}})
    assert answer[0] == BulkAnswer(status=409, location=None, body=b'{"status":"409"}')


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"Operations": 5}', b'{"Operations": [5]}', b"{}", b'{"a'])
def test_what_is_no_bulk_response_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        read_bulk(body, PARTS)


def test_a_part_is_known_by_its_bulk_id_or_by_its_path() -> None:
    assert PARTS[1] == BulkPart(method="PATCH", path="/Users/7", bulk_id=None, content=PARTS[1].content)
    assert PARTS[0].bulk_id == "0"
