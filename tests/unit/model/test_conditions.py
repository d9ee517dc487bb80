"""Conditions hold of records as OData says."""

from datetime import UTC, datetime
from typing import Any

import pytest

from muster.model.conditions import (
    Both,
    Comparison,
    Condition,
    Either,
    Every,
    Negation,
    Operator,
    Some,
    comparisons_in,
    conjuncts,
    holds,
)

RECORD: dict[str, Any] = {
    "name": "Ada Long",
    "age": 7,
    "on": True,
    "at": "2026-05-04T08:00:00Z",
    "day": "2026-05-04",
    "odd": "no instant",
    "none": None,
    "mails": ["a@x", "b@y"],
    "status": {"code": "Good", "inner": {"n": 1}},
    "targets": [{"id": "1", "tags": ["red"]}, {"id": "2", "tags": []}],
    "empty": (),
}
AT = datetime(2026, 5, 4, 8, tzinfo=UTC)


def is_(path: str, operator: str, value: Any) -> Comparison:
    return Comparison(path=path, operator=Operator(operator), value=value)


@pytest.mark.parametrize(
    ("path", "operator", "value", "expected"),
    [
        ("name", "eq", "ADA LONG", True),
        ("name", "eq", "Ada", False),
        ("name", "ne", "Ada", True),
        ("name", "ne", "ada long", False),
        ("name", "sw", "ada", True),
        ("name", "ew", "LONG", True),
        ("name", "co", "a l", True),
        ("name", "co", "z", False),
        ("name", "wd", "lo", True),
        ("name", "wd", "ada", True),
        ("name", "wd", "ng", False),
        ("name", "gt", "abe", True),
        ("name", "in", ("x", "ada long"), True),
        ("name", "in", ("x",), False),
        ("name", "eq", 7, False),
        ("name", "ne", 7, True),
        ("age", "gt", 6.5, True),
        ("age", "ge", 7, True),
        ("age", "lt", 7, False),
        ("age", "le", 7, True),
        ("age", "sw", 7, False),
        ("age", "ew", 7, False),
        ("age", "co", 7, False),
        ("age", "wd", 7, False),
        ("age", "eq", True, False),
        ("on", "eq", True, True),
        ("on", "eq", 1, False),
        ("at", "eq", AT, True),
        ("at", "gt", AT, False),
        ("day", "lt", AT, True),
        ("odd", "lt", AT, False),
        ("age", "lt", AT, False),
        ("none", "eq", None, True),
        ("none", "ne", None, False),
        ("none", "ne", "x", True),
        ("none", "lt", 3, False),
        ("name", "eq", None, False),
        ("name", "gt", None, False),
        ("nothing", "eq", None, True),
        ("mails", "eq", "B@Y", True),
        ("mails", "ne", "b@y", False),
        ("mails", "ne", "c@z", True),
        ("mails", "in", ("c@z", "a@x"), True),
        ("status/code", "eq", "good", True),
        ("status/inner/n", "ge", 1, True),
        ("status/code/deeper", "eq", None, True),
    ],
)
def test_a_comparison_says(path: str, operator: str, value: Any, expected: bool) -> None:
    assert holds(is_(path, operator, value), RECORD) is expected


YES, NO = is_("age", "eq", 7), is_("age", "eq", 8)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Both(parts=(YES, YES)), True),
        (Both(parts=(YES, NO)), False),
        (Either(parts=(NO, YES)), True),
        (Either(parts=(NO, NO)), False),
        (Negation(part=NO), True),
        (Negation(part=YES), False),
        (Some(path="mails"), True),
        (Some(path="empty"), False),
        (Some(path="nothing"), False),
        (Some(path="mails", part=is_("", "ew", "y")), True),
        (Some(path="name", part=is_("", "sw", "ada")), True),
        (Some(path="mails", part=is_("", "eq", "y")), False),
        (Some(path="targets", part=is_("id", "eq", "2")), True),
        (Some(path="targets", part=Some(path="tags", part=is_("", "eq", "red"))), True),
        (Every(path="targets", part=is_("id", "ne", "3")), True),
        (Every(path="targets", part=is_("id", "ne", "2")), False),
        (Every(path="empty", part=NO), True),
    ],
)
def test_conditions_are_joined(condition: Condition, expected: bool) -> None:
    assert holds(condition, RECORD) is expected


def test_what_must_all_hold_is_told_apart() -> None:
    either = Either(parts=(YES, NO))
    assert list(conjuncts(Both(parts=(YES, Both(parts=(either, NO)))))) == [YES, either, NO]
    assert list(conjuncts(None)) == []


def test_all_comparisons_are_found_under_their_whole_path() -> None:
    condition = Both(
        parts=(
            Negation(part=YES),
            Either(parts=(Some(path="targets", part=is_("id", "eq", "1")), Some(path="mails"))),
            Every(path="mails", part=is_("", "eq", "a")),
        )
    )
    assert [found.path for found in comparisons_in(condition)] == ["age", "targets/id", "mails"]
    assert list(comparisons_in(None)) == []
