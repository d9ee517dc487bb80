"""What a service says of itself in /ServiceProviderConfig, as far as a client acts on it.

Source: RFC 7643 §5, RFC 9865 §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muster.scim.mapping_paths import get_member


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """None: the service does not say."""

    patch: bool | None = None
    filter: bool | None = None
    bulk: bool | None = None
    bulk_max_operations: int | None = None
    bulk_max_payload_bytes: int | None = None
    cursors: bool | None = None


def read_configuration(document: Mapping[str, Any]) -> Configuration:
    """Returns what the document says; what is not of the standard's form counts as not said."""
    return Configuration(
        patch=_flag(document, "patch"),
        filter=_flag(document, "filter"),
        bulk=_flag(document, "bulk"),
        bulk_max_operations=_count(document, "bulk", "maxOperations"),
        bulk_max_payload_bytes=_count(document, "bulk", "maxPayloadSize"),
        cursors=_flag(document, "pagination", "cursor"),
    )


def _flag(document: Mapping[str, Any], name: str, part: str = "supported") -> bool | None:
    value = _part(document, name, part)
    return value if isinstance(value, bool) else None


def _count(document: Mapping[str, Any], name: str, part: str) -> int | None:
    value = _part(document, name, part)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _part(document: Mapping[str, Any], name: str, part: str) -> Any:
    holder = get_member(document, name)
    return get_member(holder, part) if isinstance(holder, Mapping) else None
