"""The filter language: syntax tree, parser and renderer.

Source: RFC 7644 §3.4.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FilterOperator(StrEnum):
    """How an attribute is compared with a value."""

    EQUAL = "eq"
    NOT_EQUAL = "ne"
    CONTAINS = "co"
    STARTS_WITH = "sw"
    ENDS_WITH = "ew"
    GREATER = "gt"
    GREATER_OR_EQUAL = "ge"
    LESS = "lt"
    LESS_OR_EQUAL = "le"


FilterValue = str | bool | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributePath:
    """The name of an attribute: `[schema:]attribute[.sub_attribute]`."""

    schema: str | None = None
    attribute: str
    sub_attribute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    attribute: AttributePath
    operator: FilterOperator
    value: FilterValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    attribute: AttributePath


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePath:
    """True when one element of a multi-valued attribute satisfies `filter`; names in it are sub-attributes."""

    attribute: AttributePath
    filter: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    filter: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    filters: tuple[Filter, ...]


Filter = Comparison | Presence | ValuePath | Not | And | Or
