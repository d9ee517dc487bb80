"""The limits of what a client may send: each one named in the error that it causes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one request. A larger body answers 413, everything else 400."""

    body_bytes: int = 4_194_304
    document_depth: int = 12
    filter_characters: int = 4_096
    filter_nesting: int = 32
    filter_terms: int = 200
    path_characters: int = 1_024
    patch_operations: int = 1_000
    elements: int = 20_000  # of one multi-valued attribute in one request, members among them
    string_characters: int = 65_536
    page_size: int = 1_000
    default_page_size: int = 100
    bulk_operations: int = 1_000
    merged_results: int = 10_000  # of a sorted list over all types, pages before it included
    cursor_seconds: int = 3_600  # that a cursor is good for
    attribute_names: int = 100  # in attributes and excludedAttributes

    def __hash__(self) -> int:
        """Cheap: what is compiled is looked up by the limits at every request, and there are few of them."""
        return hash(self.body_bytes)


DEFAULT_LIMITS = Limits()
