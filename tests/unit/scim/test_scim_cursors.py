"""Cursors: written, read, refused, and the pages beside a page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.scim.cursors import Cursor, CursorDesk, turn
from muster.scim.errors import ExpiredCursor, InvalidCount, InvalidCursor
from muster.scim.limits import DEFAULT_LIMITS
from muster.scim.parameters import SearchParameters
from muster.scim.repository import ResourceQuery

DESK = CursorDesk(b"key", DEFAULT_LIMITS)
ASKED = SearchParameters(limit=3, cursor="")
PLACED = Cursor(by_place=True, position=40, count=3)


def _sent(text: str, **changes: object) -> SearchParameters:
    return ASKED._replace(cursor=text, **changes)


@pytest.mark.parametrize(
    "cursor",
    [
        PLACED,
        replace(PLACED, backwards=True),
        Cursor(by_place=False, position=2**62, count=1_000),
        Cursor(by_place=True, count=0),
    ],
)
def test_a_written_cursor_is_read_back(cursor: Cursor) -> None:
    text = DESK.write(cursor, ASKED, "/Users", now=100)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert DESK.open(_sent(text), "/Users", by_place=cursor.by_place, now=3_700) == cursor


def test_an_empty_cursor_is_that_of_the_first_page() -> None:
    assert DESK.open(ASKED, "/Users", by_place=True, now=0) == Cursor(by_place=True, count=3)


@pytest.mark.parametrize(
    ("endpoint", "changes"),
    [
        ("/Groups", {}),
        ("/Users", {"filter": "title pr"}),
        ("/Users", {"sort_by": "title"}),
        ("/Users", {"descending": True}),
    ],
)
def test_a_cursor_of_another_query_is_refused(endpoint: str, changes: dict[str, object]) -> None:
    text = DESK.write(PLACED, ASKED, "/Users", now=0)
    with pytest.raises(InvalidCursor, match="another query"):
        DESK.open(_sent(text, **changes), endpoint, by_place=True, now=0)


@pytest.mark.parametrize("text", ["x", "é", "!" * 60, "A" * 60, "\ud800", " "])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor, match="none of this service"):
        DESK.open(_sent(text), "/Users", by_place=True, now=0)


def test_a_cursor_of_another_key_is_refused() -> None:
    text = CursorDesk(b"other", DEFAULT_LIMITS).write(PLACED, ASKED, "/Users", now=0)
    with pytest.raises(InvalidCursor):
        DESK.open(_sent(text), "/Users", by_place=True, now=0)


def test_every_changed_character_is_found() -> None:
    text = DESK.write(PLACED, ASKED, "/Users", now=0)
    for at in range(len(text) - 1):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(InvalidCursor):
            DESK.open(_sent(changed), "/Users", by_place=True, now=0)


def test_an_old_cursor_has_expired() -> None:
    text = DESK.write(PLACED, ASKED, "/Users", now=0)
    with pytest.raises(ExpiredCursor, match="3600 seconds"):
        DESK.open(_sent(text), "/Users", by_place=True, now=3_601)


def test_count_stays_that_of_the_first_page() -> None:
    text = DESK.write(PLACED, ASKED, "/Users", now=0)
    with pytest.raises(InvalidCount, match="count was 3"):
        DESK.open(_sent(text, limit=4, count_is_given=True), "/Users", by_place=True, now=0)
    assert DESK.open(_sent(text, limit=100), "/Users", by_place=True, now=0).count == 3
    assert DESK.open(_sent(text, limit=3, count_is_given=True), "/Users", by_place=True, now=0).count == 3


@pytest.mark.parametrize(
    ("cursor", "wanted"),
    [
        (PLACED, (1, 40, None, 4)),
        (replace(PLACED, backwards=True), (1, None, 40, 4)),
        (Cursor(by_place=False, position=6, count=3), (7, None, None, 4)),
        (Cursor(by_place=True, count=0), (1, 0, None, 0)),
    ],
)
def test_a_cursor_asks_for_one_resource_more(cursor: Cursor, wanted: tuple[int | None, ...]) -> None:
    query = cursor.bound_to(ResourceQuery(with_members=False, descending=True))
    assert (query.start_index, query.after, query.before, query.limit) == wanted
    assert (query.with_members, query.descending) == (False, True)


@pytest.mark.parametrize(
    ("cursor", "places", "shown", "previous", "following"),
    [
        # position, places read -> places shown, (backwards, position) of the pages beside
        (Cursor(by_place=True, count=2), [1, 2, 5], [1, 2], None, 2),
        (Cursor(by_place=True, count=2), [1, 2], [1, 2], None, None),
        (Cursor(by_place=True, count=2), [], [], None, None),
        (Cursor(by_place=True, count=2, position=2), [5, 7, 9], [5, 7], 5, 7),
        (Cursor(by_place=True, count=2, position=7), [9], [9], 9, None),
        (Cursor(by_place=True, count=2, position=9), [], [], 10, None),
        (Cursor(by_place=True, count=2, position=9, backwards=True), [2, 5, 7], [5, 7], 5, 7),
        (Cursor(by_place=True, count=2, position=5, backwards=True), [1, 2], [1, 2], None, 2),
        (Cursor(by_place=True, count=2, position=1, backwards=True), [], [], None, 0),
        (Cursor(by_place=True, count=0, position=1), [], [], None, None),
    ],
)
def test_pages_by_place_go_both_ways(
    cursor: Cursor, places: list[int], shown: list[int], previous: int | None, following: int | None
) -> None:
    page = turn(cursor, len(places), places)
    assert places[page.shown] == shown
    assert page.previous == (
        None if previous is None else Cursor(by_place=True, backwards=True, position=previous, count=2)
    )
    assert page.following == (None if following is None else Cursor(by_place=True, position=following, count=2))


@pytest.mark.parametrize(
    ("position", "found", "previous", "following"),
    [(0, 3, None, 2), (0, 2, None, None), (2, 3, 0, 4), (1, 1, 0, None), (8, 0, 6, None)],
)
def test_pages_by_number_go_both_ways(position: int, found: int, previous: int | None, following: int | None) -> None:
    page = turn(Cursor(by_place=False, position=position, count=2), found, ())
    assert page.shown == slice(0, 2)
    assert page.previous == (None if previous is None else Cursor(by_place=False, position=previous, count=2))
    assert page.following == (None if following is None else Cursor(by_place=False, position=following, count=2))


def test_no_page_stands_beside_one_that_asks_for_nothing() -> None:
    page = turn(Cursor(by_place=False, position=4, count=0), 0, ())
    assert (page.previous, page.following) == (None, None)
