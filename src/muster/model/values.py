"""Attribute values and their one canonical form."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

# str, bool, int, float, None; tuples of values (multi-valued); mappings (complex). Never "" for absent.
Value: TypeAlias = Any

Attributes: TypeAlias = Mapping[str, Value]

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


def canonical_json(value: Value) -> bytes:
    """Returns one spelling for equal values: sorted keys, no blanks, UTF-8; tuples and lists are the same."""
    try:
        return orjson.dumps(value, default=_plain, option=_CANONICAL)
    except (orjson.JSONEncodeError, RecursionError):
        # Whole numbers beyond 64 bits, half of a surrogate pair, very deep values.
        return _spelled_slowly(value)


def _spelled_slowly(value: Value) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain).encode(
        errors="surrogatepass"
    )


def content_hash(value: Value) -> str:
    """Returns 32 hex digits that are equal exactly when the canonical forms are (BLAKE2b, 128 bits)."""
    return hashlib.blake2b(canonical_json(value), digest_size=16).hexdigest()


def frozen(value: Value) -> Value:
    """Returns the value with every list turned into a tuple, as attribute values are kept."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value


def _plain(value: Value) -> Value:
    if isinstance(value, Mapping):
        return dict(value)
    # Enums, redacted texts and instants flow as their text.
    return str(value)
