"""Values by type: instants, letter case, comparison, order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from muster.scim.attributes import AttributeDefinition, AttributeType
from muster.scim.errors import InvalidFilter
from muster.scim.filters import FilterOperator
from muster.scim.values import check_comparable, compile_test, fold, is_number, parse_instant, sort_key


def of_type(kind: AttributeType, *, exact: bool = False) -> AttributeDefinition:
    return AttributeDefinition(name="x", description="X.", type=kind, case_exact=exact)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-01-31T08:00:00.1234567Z", datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-30T08:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-01-31", None),
        ("now", None),
    ],
)
def test_an_instant_is_read_in_utc(text: str, instant: datetime | None) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(("left", "right"), [("ABC", "abc"), ("Zoe\u0308", "ZOË"), ("STRASSE", "straße")])
def test_letter_case_and_composition_do_not_matter_when_folded(left: str, right: str) -> None:
    assert fold(left) == fold(right)


@pytest.mark.parametrize(("value", "answer"), [(1, True), (1.5, True), (True, False), ("1", False), (None, False)])
def test_a_boolean_is_no_number(value: object, answer: bool) -> None:
    assert is_number(value) is answer


@pytest.mark.parametrize(
    ("kind", "operator", "value", "allowed"),
    [
        (AttributeType.INTEGER, "eq", 5, True),
        (AttributeType.INTEGER, "gt", 5.5, True),
        (AttributeType.INTEGER, "eq", "5", False),
        (AttributeType.DECIMAL, "eq", True, False),
        (AttributeType.DECIMAL, "co", 5, False),
        (AttributeType.BOOLEAN, "eq", True, True),
        (AttributeType.BOOLEAN, "gt", True, False),
        (AttributeType.BOOLEAN, "eq", "true", False),
        (AttributeType.BINARY, "eq", "AA", True),
        (AttributeType.BINARY, "gt", "AA", False),
        (AttributeType.STRING, "sw", "x", True),
        (AttributeType.STRING, "eq", 5, False),
        (AttributeType.REFERENCE, "ew", "x", True),
        (AttributeType.DATE_TIME, "ge", "2026-01-31T08:00:00Z", True),
        (AttributeType.DATE_TIME, "ge", "soon", False),
        (AttributeType.DATE_TIME, "sw", "2026-01", True),
    ],
)
def test_a_type_takes_some_operators_and_values(kind: AttributeType, operator: str, value: Any, allowed: bool) -> None:
    if allowed:
        check_comparable("x", of_type(kind), FilterOperator(operator), value)
        return
    with pytest.raises(InvalidFilter):
        check_comparable("x", of_type(kind), FilterOperator(operator), value)


@pytest.mark.parametrize(
    ("kind", "operator", "value", "stored", "holds"),
    [
        (AttributeType.STRING, "eq", "a", "A", True),
        (AttributeType.STRING, "co", "B", "abc", True),
        (AttributeType.STRING, "co", "b", None, False),
        (AttributeType.STRING, "ne", "a", None, True),
        (AttributeType.STRING, "gt", "a", None, False),
        (AttributeType.DATE_TIME, "eq", "2026-01-31T08:00:00Z", "2026-01-31T10:00:00+02:00", True),
        (AttributeType.DATE_TIME, "ne", "2026-01-31T08:00:00Z", None, True),
        (AttributeType.DATE_TIME, "lt", "2026-01-31T08:00:00Z", None, False),
        (AttributeType.INTEGER, "ge", 5, 5, True),
        (AttributeType.INTEGER, "lt", 5, 7, False),
        (AttributeType.BOOLEAN, "ne", True, None, True),
        (AttributeType.BOOLEAN, "eq", True, None, False),
    ],
)
def test_a_stored_value_is_compared_by_type(
    kind: AttributeType, operator: str, value: Any, stored: Any, holds: bool
) -> None:
    assert compile_test(of_type(kind), FilterOperator(operator), value)(stored) is holds


def test_case_exact_values_are_compared_as_they_are() -> None:
    exact = of_type(AttributeType.STRING, exact=True)
    assert compile_test(exact, FilterOperator.EQUAL, "a")("A") is False
    assert compile_test(exact, FilterOperator.STARTS_WITH, "a")("Ab") is False


def test_the_order_of_values_is_that_of_their_type() -> None:
    assert sort_key(of_type(AttributeType.STRING), "B") == "b"
    assert sort_key(of_type(AttributeType.STRING, exact=True), "B") == "B"
    assert sort_key(of_type(AttributeType.INTEGER), 5) == 5
    assert sort_key(of_type(AttributeType.DATE_TIME), "2026-01-31T08:00:00Z") == datetime(2026, 1, 31, 8, tzinfo=UTC)
