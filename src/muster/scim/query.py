"""The query of a request's address as decoded names and values."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_plus

from muster.scim.errors import InvalidSyntax

LIMIT_QUERY_CHARACTERS = 16_384
LIMIT_QUERY_FIELDS = 50


@lru_cache(maxsize=1024)
def read_query(text: str) -> dict[str, str]:
    """The decoded query; not to be changed. Raises: InvalidSyntax."""
    if len(text) > LIMIT_QUERY_CHARACTERS:
        raise InvalidSyntax(
            f"The query has {len(text)} characters; the limit (query length) is {LIMIT_QUERY_CHARACTERS}."
        )
    if text.count("&") >= LIMIT_QUERY_FIELDS:
        raise InvalidSyntax(f"The query has more fields than the limit (query fields) of {LIMIT_QUERY_FIELDS}.")
    found = {}
    try:
        for field in text.split("&"):
            if field:
                name, _, value = field.partition("=")
                found[_decode(name)] = _decode(value)
    except ValueError:
        raise InvalidSyntax("The query cannot be decoded: percent-encode it as UTF-8.") from None
    return found


def _decode(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text
