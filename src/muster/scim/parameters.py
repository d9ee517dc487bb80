"""What a query asks for: the parameters of the address and of a SearchRequest.

Source: RFC 7644 §3.4.2, §3.4.3, §3.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from muster.scim.errors import InvalidCount, InvalidCursor, InvalidSyntax, InvalidValue, ScimError
from muster.scim.limits import Limits
from muster.scim.messages import SEARCH_URN
from muster.scim.projection import split_names
from muster.scim.sorting import is_descending

_LAST_INDEX = 10**18
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DIGITS = 18  # more than any list has; what is longer is as good as the largest, or the least, of that length


class SearchParameters(NamedTuple):
    """`limit` is the count, within the page size; `start_index` at least 1. `cursor` None asks for a page by
    `start_index`, an empty one for the first page by cursor."""

    limit: int
    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count_is_given: bool = False
    cursor: str | None = None
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def read_query(query: Mapping[str, str], limits: Limits) -> SearchParameters:
    """The parameters of an address; their names are taken in any letter case. Raises: InvalidValue."""
    if not query:
        return SearchParameters(limit=limits.default_page_size)
    given = {name.lower(): value for name, value in query.items()}
    cursor = given.get("cursor")
    _check_one_way(cursor, given.get("startindex"))
    count = _number(given, "count", limits.default_page_size, refusal=InvalidValue if cursor is None else InvalidCount)
    return SearchParameters(
        filter=given.get("filter"),
        sort_by=given.get("sortby") or None,
        descending=is_descending(given.get("sortorder") or None),
        start_index=_start(_number(given, "startIndex", 1)),
        limit=_page(count, limits),
        count_is_given=bool(given.get("count")),
        cursor=cursor,
        attributes=split_names(given.get("attributes")),
        excluded=split_names(given.get("excludedattributes")),
    )


def _start(index: int) -> int:
    """Anything below one is one; what no list can reach is cut off. Source: RFC 7644 §3.4.2.4."""
    return min(max(1, index), _LAST_INDEX)


def _page(count: int, limits: Limits) -> int:
    """Negative counts are zero, and large ones the page size. Source: RFC 7644 §3.4.2.4."""
    return min(max(0, count), limits.page_size)


def _check_one_way(cursor: str | None, start_index: Any) -> None:
    if cursor is not None and start_index not in (None, ""):
        raise InvalidCursor("cursor and startIndex are two ways to page. Send one of them.")


def _number(given: Mapping[str, str], name: str, default: int, *, refusal: type[ScimError] = InvalidValue) -> int:
    text = given.get(name.lower())
    if text is None or text == "":
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise refusal(f"{name} must be a whole number.")
    return int(text) if len(text) <= _DIGITS else int(f"{text[:1].strip('+0123456789')}{10**_DIGITS}")


def read_search(body: Any, limits: Limits, *, strict: bool) -> SearchParameters:
    """The parameters of a SearchRequest. Raises: InvalidSyntax, InvalidValue."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The body must be a SearchRequest object.")
    given = {key.lower(): value for key, value in body.items() if value is not None}
    schemas = given.get("schemas")
    if (schemas is not None or strict) and (not isinstance(schemas, list) or SEARCH_URN not in schemas):
        raise InvalidSyntax(f"schemas of the message must hold {SEARCH_URN}.")
    cursor = _text(given, "cursor")
    _check_one_way(cursor, given.get("startindex"))
    count = _whole(given, "count", limits.default_page_size, refusal=InvalidValue if cursor is None else InvalidCount)
    return SearchParameters(
        filter=_text(given, "filter"),
        sort_by=_text(given, "sortBy"),
        descending=is_descending(_text(given, "sortOrder")),
        start_index=_start(_whole(given, "startIndex", 1)),
        limit=_page(count, limits),
        count_is_given="count" in given,
        cursor=cursor,
        attributes=_names(given, "attributes"),
        excluded=_names(given, "excludedAttributes"),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name.lower())
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name} must be a text.")
    return value


def _whole(given: Mapping[str, Any], name: str, default: int, *, refusal: type[ScimError] = InvalidValue) -> int:
    value = given.get(name.lower(), default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refusal(f"{name} must be a whole number.")
    return value


def _names(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name.lower(), [])
    if isinstance(value, str):
        return split_names(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidValue(f"{name} must be a list of names.")
    return tuple(item.strip() for item in value)
