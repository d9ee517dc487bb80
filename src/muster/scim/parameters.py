"""What a query asks for: the parameters of the address and of a SearchRequest.

Source: RFC 7644 §3.4.2, §3.4.3, §3.9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muster.scim.errors import InvalidSyntax, InvalidValue
from muster.scim.limits import Limits
from muster.scim.messages import SEARCH_URN
from muster.scim.projection import split_names
from muster.scim.sorting import is_descending

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameters:
    """`count` is within the page size; `start_index` at least 1."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count: int
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def read_query(query: Mapping[str, str], limits: Limits) -> SearchParameters:
    """The parameters of an address; their names are taken in any letter case. Raises: InvalidValue."""
    if not query:
        return SearchParameters(count=limits.default_page_size)
    given = {name.lower(): value for name, value in query.items()}
    return SearchParameters(
        filter=given.get("filter"),
        sort_by=given.get("sortby") or None,
        descending=is_descending(given.get("sortorder") or None),
        start_index=max(1, _number(given, "startIndex", 1)),
        count=_page(_number(given, "count", limits.default_page_size), limits),
        attributes=split_names(given.get("attributes")),
        excluded=split_names(given.get("excludedattributes")),
    )


def _page(count: int, limits: Limits) -> int:
    """Negative counts are zero, and large ones the page size. Source: RFC 7644 §3.4.2.4."""
    return min(max(0, count), limits.page_size)


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name.lower())
    if text is None or text == "":
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise InvalidValue(f"{name} must be a whole number.")
    return int(text)


def read_search(body: Any, limits: Limits, *, strict: bool) -> SearchParameters:
    """The parameters of a SearchRequest. Raises: InvalidSyntax, InvalidValue."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The body must be a SearchRequest object.")
    given = {key.lower(): value for key, value in body.items() if value is not None}
    schemas = given.get("schemas")
    if (schemas is not None or strict) and (not isinstance(schemas, list) or SEARCH_URN not in schemas):
        raise InvalidSyntax(f"schemas of the message must hold {SEARCH_URN}.")
    return SearchParameters(
        filter=_text(given, "filter"),
        sort_by=_text(given, "sortBy"),
        descending=is_descending(_text(given, "sortOrder")),
        start_index=max(1, _whole(given, "startIndex", 1)),
        count=_page(_whole(given, "count", limits.default_page_size), limits),
        attributes=_names(given, "attributes"),
        excluded=_names(given, "excludedAttributes"),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name.lower())
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name} must be a text.")
    return value


def _whole(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name.lower(), default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(f"{name} must be a whole number.")
    return value


def _names(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name.lower(), [])
    if isinstance(value, str):
        return split_names(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidValue(f"{name} must be a list of names.")
    return tuple(item.strip() for item in value)
