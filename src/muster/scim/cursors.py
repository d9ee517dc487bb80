"""Cursors: places in the answer to a query, written so that a client can neither read meaning into them nor make one.

An unsorted query goes on from the place of the last resource in the order of creation, so nothing is shown twice or
left out when others come and go; a sorted one goes on from a number of resources passed.
Source: RFC 9865 §2.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256

from muster.scim.errors import ExpiredCursor, InvalidCount, InvalidCursor
from muster.scim.limits import Limits
from muster.scim.parameters import SearchParameters
from muster.scim.repository import ResourceQuery

_LAYOUT = struct.Struct(">8sBIQQ")
_TAG_BYTES = 16
_BY_PLACE, _BACKWARDS = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place to go on from: after `position` (before it when `backwards`), which is a place in the order of creation
    (`by_place`) or a number of resources passed. `count` is the page size of the query."""

    by_place: bool
    backwards: bool = False
    position: int = 0
    count: int

    def bound_to(self, query: ResourceQuery) -> ResourceQuery:
        """The query of this page with one resource more, which says whether another page follows."""
        wanted = self.count + 1 if self.count else 0
        return ResourceQuery(
            filter=query.filter,
            sort_by=query.sort_by,
            descending=query.descending,
            with_members=query.with_members,
            limit=wanted,
            start_index=1 if self.by_place else self.position + 1,
            after=self.position if self.by_place and not self.backwards else None,
            before=self.position if self.by_place and self.backwards else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPage:
    """Which of the resources read are shown, and where the pages beside them begin."""

    shown: slice
    previous: Cursor | None
    following: Cursor | None


class CursorDesk:
    """Writes and reads the cursors of one service under its key. A key of no bytes still finds typing mistakes."""

    def __init__(self, key: bytes, limits: Limits) -> None:
        self._key = key
        self._limits = limits

    def open(self, parameters: SearchParameters, endpoint: str, *, by_place: bool, now: int) -> Cursor:
        """The cursor that was sent, or that of the first page.

        Raises: InvalidCursor, ExpiredCursor, InvalidCount.
        """
        if not parameters.cursor:
            return Cursor(by_place=by_place, count=parameters.limit)
        cursor, issued_at = self._read(parameters.cursor, _digest(parameters, endpoint))
        if now - issued_at > self._limits.cursor_seconds:
            raise ExpiredCursor(
                f"The cursor is older than {self._limits.cursor_seconds} seconds. Start again with an empty cursor."
            )
        if parameters.count_is_given and parameters.limit != cursor.count:
            raise InvalidCount(
                f"count was {cursor.count} on the first page and has to stay so. Start again to change it."
            )
        return cursor

    def write(self, cursor: Cursor, parameters: SearchParameters, endpoint: str, *, now: int) -> str:
        """The text of a cursor, of unreserved characters only. Source: RFC 9865 §2; RFC 3986 §2.3."""
        kind = (_BY_PLACE if cursor.by_place else 0) | (_BACKWARDS if cursor.backwards else 0)
        packed = _LAYOUT.pack(_digest(parameters, endpoint), kind, cursor.count, cursor.position, now)
        return urlsafe_b64encode(packed + self._tag(packed)).rstrip(b"=").decode()

    def _tag(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, sha256)[:_TAG_BYTES]

    def _read(self, text: str, digest: bytes) -> tuple[Cursor, int]:
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            raw = b""
        packed, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        if len(packed) != _LAYOUT.size or not hmac.compare_digest(tag, self._tag(packed)):
            raise InvalidCursor(
                "The cursor is none of this service. Send nextCursor or previousCursor as it was given."
            )
        of_query, kind, count, position, issued_at = _LAYOUT.unpack(packed)
        if of_query != digest:
            raise InvalidCursor(
                "The cursor belongs to another query. Send the same filter, sortBy and sortOrder with it, "
                "or start again with an empty cursor."
            )
        by_place, backwards = bool(kind & _BY_PLACE), bool(kind & _BACKWARDS)
        return Cursor(by_place=by_place, backwards=backwards, position=position, count=count), issued_at


def turn(cursor: Cursor, found: int, places: Sequence[int]) -> CursorPage:
    """The page of a cursor, when `found` resources were read for it at those places (given when it goes by place)."""
    count = cursor.count
    more = found > count
    if not cursor.by_place:
        passed = cursor.position
        before = Cursor(by_place=False, position=max(0, passed - count), count=count) if passed and count else None
        after = Cursor(by_place=False, position=passed + count, count=count) if more and count else None
        return CursorPage(shown=slice(0, count), previous=before, following=after)
    shown = slice(found - count, found) if more and cursor.backwards else slice(0, count)
    kept = places[shown]
    first, last = (kept[0], kept[-1]) if kept else (cursor.position + 1, max(0, cursor.position - 1))
    has_before = more if cursor.backwards else cursor.position > 0
    has_after = more or cursor.backwards
    return CursorPage(
        shown=shown,
        previous=Cursor(by_place=True, backwards=True, position=first, count=count) if has_before and count else None,
        following=Cursor(by_place=True, position=last, count=count) if has_after and count else None,
    )


def _digest(parameters: SearchParameters, endpoint: str) -> bytes:
    """What the query finds and in which order, in eight bytes."""
    named = "\0".join((endpoint, parameters.filter or "", parameters.sort_by or "", str(parameters.descending)))
    return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=8).digest()
