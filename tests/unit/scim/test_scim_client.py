from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from muster.scim.client import (
    AddressInvalid,
    AnswerUnreadable,
    ClientRequest,
    form_change,
    form_create,
    form_delete,
    form_listing,
    form_lookup,
    form_read,
    form_url,
    is_match,
    project,
    project_references,
    read_address,
    read_document,
    read_error,
    read_list,
    read_resource,
    resource_id,
    told_status,
)
from muster.scim.dialect import ENTRA, Dialect
from muster.scim.errors import ERROR_URN
from muster.scim.filters import parse_filter
from muster.scim.schemas import USER_URN

ADDRESS = read_address("https://app.example/scim/v2")


@pytest.mark.parametrize(
    ("text", "base", "query", "flags"),
    [
        ("https://x/scim/v2", "https://x/scim/v2", (), set()),
        ("  https://x/scim/v2/ ", "https://x/scim/v2", (), set()),
        ("https://x/scim/v2/?aadOptscim062020", "https://x/scim/v2", (), {"aadOptscim062020"}),
        ("https://x/scim/v2?AADOPTSCIM062020&t=1", "https://x/scim/v2", (("t", "1"),), {"aadOptscim062020"}),
        ("https://x", "https://x", (), set()),
        ("https://x:8443/s#part", "https://x:8443/s", (), set()),
        ("http://[::1]:80/s", "http://[::1]:80/s", (), set()),
    ],
)
def test_a_tenant_url_is_taken_apart(text: str, base: str, query: tuple[tuple[str, str], ...], flags: set[str]) -> None:
    address = read_address(text)
    assert (address.base, address.query, set(address.flags)) == (base, query, flags)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x/scim",
        "ftp://x/scim",
        "https://",
        "https://u:p@x/scim",
        "https://x:99999/",
        "https://x/a b",
        "https://" + "x" * 3_000,
    ],
)
def test_a_tenant_url_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        read_address(text)
    assert ":p@" not in str(refused.value)


def test_a_flag_of_the_tenant_url_does_not_reach_the_application_and_other_query_values_do() -> None:
    address = read_address("https://x/scim/v2/?aadOptscim062020&tenant=a%20b&plain")
    assert form_url(address, form_read("User", "1", Dialect())) == "https://x/scim/v2/Users/1?tenant=a%20b&plain"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("ada@x.example", "userName%20eq%20%22ada%40x.example%22"),
        ("a+b c", "userName%20eq%20%22a%2Bb%20c%22"),
        ('say "hi"', "userName%20eq%20%22say%20%5C%22hi%5C%22%22"),
        ("back\\slash", "userName%20eq%20%22back%5C%5Cslash%22"),
        ("Zoë&x=#%", "userName%20eq%20%22Zo%C3%AB%26x%3D%23%25%22"),
    ],
)
def test_a_value_in_a_filter_is_escaped_and_percent_encoded(value: str, encoded: str) -> None:
    url = form_url(ADDRESS, form_lookup("User", "userName", value, Dialect()))
    assert url == f"https://app.example/scim/v2/Users?filter={encoded}"


@pytest.mark.parametrize("value", ["plain", 'a"b', "a\\b", "a\\", "tab\there", "日本語", "O'Brien", "a b+c%d&e"])
def test_a_lookup_is_read_back_as_the_value_that_was_asked_for(value: str) -> None:
    url = form_url(ADDRESS, form_lookup("User", "userName", value, Dialect()))
    tree = parse_filter(dict(parse_qsl(urlsplit(url).query))["filter"])
    assert tree.value == value  # type: ignore[union-attr]  # a comparison, as the next assertion would fail otherwise


@pytest.mark.parametrize(
    ("dialect", "attribute", "text"),
    [
        (Dialect(), 'emails[type eq "work"].value', 'emails[type eq "work" and value eq "x"]'),
        (Dialect(), 'emails[type eq "work"]', 'emails[type eq "work" and value eq "x"]'),
        (Dialect(), 'urn:a:b:User:ids[type eq "t"].value', 'urn:a:b:User:ids[type eq "t" and value eq "x"]'),
        (ENTRA, 'emails[type eq "work"].value', 'emails[type eq "work"].value eq "x"'),
        (Dialect(), "urn:a:b:User:site", 'urn:a:b:User:site eq "x"'),
        (Dialect(), "name.familyName", 'name.familyName eq "x"'),
    ],
)
def test_a_value_in_an_element_is_looked_up_as_the_dialect_says(dialect: Dialect, attribute: str, text: str) -> None:
    assert form_lookup("User", attribute, "x", dialect).query == (("filter", text),)


def test_members_of_groups_are_never_asked_for_in_lookups_reads_and_lists() -> None:
    lookup = form_lookup("Group", "displayName", "Crew", Dialect())
    assert lookup.query == (("excludedAttributes", "members"), ("filter", 'displayName eq "Crew"'))
    assert form_read("Group", "1", Dialect()).query == (("excludedAttributes", "members"),)
    assert form_read("Group", "1", Dialect(), with_members=True).query == ()
    assert form_listing("Group", 1, Dialect()).query[0] == ("excludedAttributes", "members")


def test_an_id_of_any_shape_becomes_one_part_of_the_path() -> None:
    assert form_read("User", "a/b?c d#é", Dialect()).path == "/Users/a%2Fb%3Fc%20d%23%C3%A9"
    assert form_delete("Group", "1", Dialect()) == ClientRequest(method="DELETE", path="/Groups/1")


def test_paths_of_kinds_are_the_dialects() -> None:
    assert form_listing("User", 101, Dialect(paths={"User": "/People"}, page_size=50)) == ClientRequest(
        method="GET", path="/People", query=(("startIndex", "101"), ("count", "50"))
    )


def test_a_change_is_a_patch_when_it_says_so_and_else_a_put() -> None:
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": []}
    assert form_change("User", "1", patch, Dialect()).method == "PATCH"
    assert form_change("User", "1", {"schemas": ["urn:x"]}, Dialect()).method == "PUT"


def test_a_body_is_json_and_its_absence_is_none() -> None:
    request = form_create("User", {"userName": "zoë"}, Dialect())
    assert orjson.loads(request.body_bytes() or b"")["userName"] == "zoë"
    assert form_delete("User", "1", Dialect()).body_bytes() is None


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><p>Sign in", "web page"),
        (b'{"Resources": [', "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[]", "no object"),
        (b'"text"', "no object"),
        (b'{"Resources": null}', "totalResults"),
        (b'{"totalResults": "many"}', "totalResults"),
        (b'{"totalResults": true}', "totalResults"),
        (b'{"totalResults": -1}', "totalResults"),
        (b'{"totalResults": 1, "Resources": {}}', "Resources"),
        (b'{"totalResults": 1, "Resources": ["a"]}', "Resources"),
        (b'{"totalResults": 1, "Resources": [{"userName": "a"}]}', "without an id"),
        (b'{"totalResults": 3}', "shows none"),
    ],
)
def test_an_answer_that_is_no_list_is_said_to_be_what_it_is(body: bytes, sentence: str) -> None:
    with pytest.raises(AnswerUnreadable, match=sentence):
        read_list(body)


@pytest.mark.parametrize(
    ("body", "count", "total", "start"),
    [
        (b'{"totalResults": 0}', 0, 0, 1),
        (b'{"totalResults": 0, "Resources": null}', 0, 0, 1),
        (b'{"totalresults": "2", "resources": [{"ID": 1}], "startIndex": 2}', 1, 2, 2),
    ],
)
def test_a_list_is_read_whatever_its_letter_case(body: bytes, count: int, total: int, start: int) -> None:
    answer = read_list(body)
    assert (len(answer.resources), answer.total, answer.start_index) == (count, total, start)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"id": "a"}, "a"),
        ({"id": 7}, "7"),
        ({"Id": "b"}, "b"),
        ({"id": ""}, None),
        ({"id": True}, None),
        ({"id": 1.5}, None),
        ({"id": ["a"]}, None),
        ({}, None),
    ],
)
def test_an_id_is_a_text_or_a_whole_number(document: dict[str, Any], found: str | None) -> None:
    assert resource_id(document) == found


def test_a_resource_needs_an_id() -> None:
    assert read_resource(b'{"id": "1"}') == {"id": "1"}
    with pytest.raises(AnswerUnreadable, match="without an id"):
        read_resource(b'{"userName": "a"}')
    assert read_document(b"{}") == {}
    assert read_document(b"\xef\xbb\xbf {}") == {}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"scimType": "invalidValue", "detail": "no\\n such   site"}', ("invalidValue", "no such site")),
        (b'{"message": "nope"}', (None, "nope")),
        (b'{"error": {"a": 1}, "title": "Bad"}', (None, "Bad")),
        (b'{"scimType": 3, "detail": " "}', (None, None)),
        (b"<html>", (None, None)),
        (b'{"detail": "' + b"x" * 400 + b'"}', (None, "x" * 299 + "…")),
    ],
)
def test_an_error_body_is_read_and_shortened(body: bytes, expected: tuple[str | None, str | None]) -> None:
    assert read_error(body) == expected


@pytest.mark.parametrize(
    ("status", "document", "told"),
    [
        (200, {"schemas": [ERROR_URN], "status": "403"}, 403),
        (204, {"Schemas": ["a", ERROR_URN], "Status": 404}, 404),
        (200, {"schemas": [ERROR_URN], "detail": "no"}, 500),
        (200, {"schemas": [ERROR_URN], "status": "200"}, 500),
        (200, {"schemas": [USER_URN], "title": ERROR_URN}, 200),
        (200, {"schemas": ERROR_URN}, 200),
        (200, {}, 200),
        (409, {"schemas": [ERROR_URN], "status": "403"}, 409),
    ],
)
def test_an_error_that_comes_as_a_success_is_an_error(status: int, document: dict[str, Any], told: int) -> None:
    assert told_status(status, orjson.dumps(document)) == told
    assert told_status(status, orjson.dumps(document)[:-1]) == status


@pytest.mark.parametrize(
    ("value", "case_exact", "matches"),
    [
        ("Ada@X.example", False, True),
        ("Ada@X.example", True, False),
        ("ada@x.example", True, True),
        ("bob", False, False),
    ],
)
def test_an_answer_counts_only_with_the_value_that_was_asked_for(value: str, case_exact: bool, matches: bool) -> None:
    assert is_match({"userName": "ada@x.example"}, "userName", value, case_exact=case_exact) is matches


def test_a_resource_without_the_attribute_is_no_match() -> None:
    assert not is_match({"id": "1"}, "userName", "x", case_exact=False)


def test_a_resource_is_projected_on_the_wanted_paths() -> None:
    document = {
        "id": "1",
        "userName": "ada",
        "active": "False",
        "title": "",
        "emails": [{"type": "work", "value": "a@x"}],
        "roles": [{"value": "Admin"}],
        "urn:x:User": {"manager": {"value": "9"}, "flag": "true"},
        "secret": "not wanted",
    }
    wanted = ["userName", "active", "title", 'emails[type eq "work"].value', "roles", "urn:x:User:flag"]
    assert project(document, wanted, booleans=("active", "urn:x:User:flag")) == {
        "userName": "ada",
        "active": False,
        'emails[type eq "work"].value': "a@x",
        "roles": ({"value": "Admin"},),
        "urn:x:User:flag": True,
    }
    assert project_references(document, ["urn:x:User:manager", "members"]) == {
        "urn:x:User:manager": ("9",),
        "members": (),
    }
