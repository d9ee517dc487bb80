"""Values of attributes: how they are read as instants, folded, compared and sorted, by type.

Source: RFC 7643 §2.3; RFC 7644 §3.4.2.2, §3.4.2.3.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from muster.scim.attributes import AttributeDefinition, AttributeType
from muster.scim.errors import InvalidFilter
from muster.scim.filters import FilterOperator, FilterValue

Test = Callable[[Any], bool]

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)
_ORDER: dict[FilterOperator, Callable[[Any, Any], bool]] = {
    FilterOperator.EQUAL: operator.eq,
    FilterOperator.NOT_EQUAL: operator.ne,
    FilterOperator.GREATER: operator.gt,
    FilterOperator.GREATER_OR_EQUAL: operator.ge,
    FilterOperator.LESS: operator.lt,
    FilterOperator.LESS_OR_EQUAL: operator.le,
}
_TEXT: dict[FilterOperator, Callable[[str, str], bool]] = {
    FilterOperator.CONTAINS: operator.contains,
    FilterOperator.STARTS_WITH: str.startswith,
    FilterOperator.ENDS_WITH: str.endswith,
}
_EQUALITY = frozenset({FilterOperator.EQUAL, FilterOperator.NOT_EQUAL})


def parse_instant(value: str) -> datetime | None:
    """The instant of an xsd:dateTime, UTC when it names no zone; None when it is not one."""
    if not _INSTANT.fullmatch(value):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def fold(value: str) -> str:
    """The text as it is compared when letter case does not matter: folded, and composed (NFC) outside ASCII."""
    return value.lower() if value.isascii() else normalize("NFC", normalize("NFC", value).casefold())


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_comparable(name: str, definition: AttributeDefinition, compared: FilterOperator, value: FilterValue) -> None:
    """Checks that the operator and the value suit the attribute's type.

    Raises: InvalidFilter. Source: RFC 7644 §3.4.2.2, table 3.
    """
    kind = definition.type
    if kind is AttributeType.BOOLEAN:
        if not isinstance(value, bool):
            raise InvalidFilter(f"{name} is a boolean: compare it with true or false, without quotes.")
    elif kind in (AttributeType.INTEGER, AttributeType.DECIMAL):
        if not is_number(value):
            raise InvalidFilter(f"{name} is a number: compare it with a number, without quotes.")
        if compared in _TEXT:
            raise InvalidFilter(f"{name} is a number, which {compared.value} cannot compare.")
    elif not isinstance(value, str):
        raise InvalidFilter(f"{name} is a text: compare it with a text in double quotes.")
    elif kind is AttributeType.DATE_TIME and compared not in _TEXT and parse_instant(value) is None:
        raise InvalidFilter(f"{name} is a date and time: compare it with one such as 2026-01-31T08:00:00Z.")
    if kind in (AttributeType.BOOLEAN, AttributeType.BINARY) and compared not in _EQUALITY:
        raise InvalidFilter(f"{name} is of type {kind.value}, which only eq, ne and pr can compare.")


def compile_test(definition: AttributeDefinition, compared: FilterOperator, value: FilterValue) -> Test:
    """A predicate of one stored value. An absent value (None) differs from every other: only `ne` is true of it."""
    if compared in _TEXT:
        assert isinstance(value, str)  # noqa: S101 - bound filters were checked by check_comparable
        return _compile_text_test(_TEXT[compared], value, exact=definition.case_exact)
    ordered = _ORDER[compared]
    absent = compared is FilterOperator.NOT_EQUAL
    if definition.type is AttributeType.DATE_TIME and isinstance(value, str):
        instant = parse_instant(value)

        def test_instant(stored: Any) -> bool:
            return absent if stored is None else ordered(parse_instant(stored), instant)

        return test_instant
    if isinstance(value, str) and not definition.case_exact:
        folded = fold(value)

        def test_folded(stored: Any) -> bool:
            return absent if stored is None else ordered(fold(stored), folded)

        return test_folded

    def test_plain(stored: Any) -> bool:
        return absent if stored is None else ordered(stored, value)

    return test_plain


def _compile_text_test(holds: Callable[[str, str], bool], value: str, *, exact: bool) -> Test:
    wanted = value if exact else fold(value)

    def test_text(stored: Any) -> bool:
        return isinstance(stored, str) and holds(stored if exact else fold(stored), wanted)

    return test_text


def sort_key(definition: AttributeDefinition, value: Any) -> Any:
    """What a present value is ordered by. Source: RFC 7644 §3.4.2.3."""
    if isinstance(value, str):
        if definition.type is AttributeType.DATE_TIME:
            return parse_instant(value)
        return value if definition.case_exact else fold(value)
    return value
