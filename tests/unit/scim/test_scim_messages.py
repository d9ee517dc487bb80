"""Bodies, lists and ETags."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muster.scim.errors import (
    InvalidSyntax,
    InvalidValue,
    MethodNotAllowed,
    PayloadTooLarge,
    ScimError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UniquenessConflict,
    unauthorized_body,
)
from muster.scim.limits import Limits
from muster.scim.messages import answer_error, answer_refusal, etag, read_body, read_etags, write_list
from muster.scim.parameters import read_query, read_search

LIMITS = Limits(body_bytes=200, document_depth=3, page_size=50, default_page_size=20)


@pytest.mark.parametrize("body", [b'{"a": [1, {"b": 2}]}', b"[]", b"5", b'{"a":"' + b"{[" * 50 + b'"}'])
def test_a_body_is_json(body: bytes) -> None:
    assert read_body(body, LIMITS) == json.loads(body)
    assert read_body(b"\xef\xbb\xbf" + body, LIMITS) == json.loads(body), "a byte order mark is passed over"


@pytest.mark.parametrize(
    ("body", "refusal", "sentence"),
    [
        (b"", InvalidSyntax, "empty"),
        (b"{", InvalidSyntax, "not valid JSON"),
        (b"\xef\xbb\xbf{", InvalidSyntax, "not valid JSON"),
        (b'"\xff"', InvalidSyntax, "not valid JSON"),
        (b'"\\ud800"', InvalidSyntax, "not valid JSON"),
        (b"NaN", InvalidSyntax, "not valid JSON"),
        (b"[[[[1]]]]", InvalidValue, "depth"),
        (b'{"a":{"b":{"c":{"d":1}}}}', InvalidValue, "depth"),
        (b" " * 201, PayloadTooLarge, "body size"),
        (b"[" * 5000, PayloadTooLarge, "body size"),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, refusal: type[ScimError], sentence: str) -> None:
    with pytest.raises(refusal, match=sentence):
        read_body(body, LIMITS)


def test_a_deeply_nested_body_is_refused_and_does_no_harm() -> None:
    with pytest.raises(InvalidSyntax):
        read_body(b"[" * 100_000, Limits())
    with pytest.raises(InvalidValue, match="depth"):
        read_body(b"[" * 1000 + b"]" * 1000, Limits())


def test_a_list_says_how_many_there_are() -> None:
    written = json.loads(write_list([b'{"id":"1"}', b'{"id":"2"}'], total=5, startIndex=3, nextCursor=None))
    assert written["Resources"] == [{"id": "1"}, {"id": "2"}]
    assert (written["totalResults"], written["startIndex"], written["itemsPerPage"]) == (5, 3, 2)


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        ("*", ("*",)),
        ('W/"1"', ("1",)),
        ('"1"', ("1",)),
        ('W/"1", "2" ,', ("1", "2")),
        ("1", ("1",)),
        ("", ()),
    ],
)
def test_etags_are_read_weakly(header: str | None, versions: tuple[str, ...] | None) -> None:
    assert read_etags(header) == versions
    assert read_etags(etag("7")) == ("7",)


def test_an_error_is_answered_with_its_status_type_and_headers() -> None:
    answer = answer_error(UniquenessConflict("Taken."))
    assert answer.status == 409
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert json.loads(answer.body) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "Taken.",
    }
    assert answer_error(MethodNotAllowed("No.", allowed=("GET", "PUT"))).headers["Allow"] == "GET, PUT"
    assert answer_error(TooManyRequests("Slow down.", retry_after_seconds=3)).headers["Retry-After"] == "3"
    assert answer_error(ServiceUnavailable("Away.", retry_after_seconds=5)).headers["Retry-After"] == "5"
    assert answer_error(Unauthorized("Who?")).headers["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(unauthorized_body())["status"] == "401"


@pytest.mark.parametrize(
    ("query", "start_index", "count"),
    [
        ({}, 1, 20),
        ({"startIndex": "3", "count": "7"}, 3, 7),
        ({"STARTINDEX": "-3", "Count": "-7"}, 1, 0),
        ({"startIndex": "", "count": "999"}, 1, 50),
        ({"count": "+5"}, 1, 5),
    ],
)
def test_a_page_is_within_its_bounds(query: dict[str, str], start_index: int, count: int) -> None:
    read = read_query(query, LIMITS)
    assert (read.start_index, read.limit) == (start_index, count)
    body = {name: int(value) for name, value in query.items() if value}
    searched = read_search(body, LIMITS, strict=False)
    assert (searched.start_index, searched.limit) == (start_index, count)


@pytest.mark.parametrize(
    ("query", "limit", "start"),
    [
        ({"count": "9" * 30}, LIMITS.page_size, 1),
        ({"count": "-" + "9" * 30}, 0, 1),
        ({"count": "+2", "startIndex": "+" + "9" * 5_000}, 2, 10**18),
        ({"count": "2", "startIndex": "-" + "9" * 5_000}, 2, 1),
    ],
)
def test_a_number_beyond_every_list_is_cut_off(query: dict[str, str], limit: int, start: int) -> None:
    read = read_query(query, LIMITS)
    assert (read.limit, read.start_index) == (limit, start)


@pytest.mark.parametrize("query", [{"count": "x"}, {"count": "1.0"}, {"startIndex": "٣"}, {"count": "9" * 30 + "x"}])
def test_a_number_that_is_none_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidValue, match="must be a whole number"):
        read_query(query, LIMITS)


def test_names_in_a_search_may_be_a_text_too() -> None:
    read = read_search({"attributes": "a, b", "excludedAttributes": ["c "]}, LIMITS, strict=False)
    assert (read.attributes, read.excluded) == (("a", "b"), ("c",))


@pytest.mark.parametrize(
    "body", [{"count": True}, {"count": "1"}, {"sortBy": 1}, {"attributes": 1}, {"attributes": [1]}]
)
def test_a_search_of_wrong_types_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        read_search(body, LIMITS, strict=False)


@pytest.mark.parametrize(("status", "scim_type"), [(400, "invalidSyntax"), (408, None), (431, None)])
def test_what_could_not_even_be_read_is_refused_in_scim_form(status: int, scim_type: str | None) -> None:
    refused = answer_refusal(status, "It did not come whole.")
    error = json.loads(refused.body)
    assert (refused.status, error["status"], error.get("scimType")) == (status, str(status), scim_type)
    assert refused.headers["Content-Type"] == "application/scim+json"
