"""Values: redaction, showing, conversions."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from muster.expression.signatures import ABSENT, needs_a_form
from muster.expression.values import (
    IGNORE_ATTRIBUTE_FLOW,
    EvaluationError,
    Redacted,
    is_redacted,
    is_true,
    items,
    plain_text,
    read_number,
    reveal,
    shown,
)


def test_a_redacted_text_equals_its_text_and_never_prints_it() -> None:
    secret = Redacted("s3cret")
    assert secret == "s3cret"
    assert {secret: 1}["s3cret"] == 1
    for printed in (str(secret), repr(secret), f"{secret}", f"{secret}", repr((secret,)), repr({"a": secret})):
        assert "s3cret" not in printed


def test_a_copy_of_a_redacted_text_is_one() -> None:
    secret = Redacted("s3cret")
    for copied in (copy.copy(secret), copy.deepcopy([secret])[0], pickle.loads(pickle.dumps(secret))):  # noqa: S301  our own bytes
        assert type(copied) is Redacted
        assert reveal(copied) == "s3cret"


def test_revealing_goes_to_every_depth() -> None:
    value = (Redacted("a"), {"v": Redacted("b")}, 5, [Redacted("c")])
    plain: Any = reveal(value)
    assert plain == ("a", {"v": "b"}, 5, ("c",))
    assert type(plain[0]) is type(plain[1]["v"]) is type(plain[3][0]) is str
    assert is_redacted(value)
    assert not is_redacted(plain)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (7, "7"),
        (7.0, "7"),
        (1e300, "1e+300"),
        (0.5, "0.5"),
        (IGNORE_ATTRIBUTE_FLOW, "IgnoreAttributeFlow"),
        (datetime(2021, 7, 2, 17, 33, 38, tzinfo=timezone(timedelta(hours=2))), "7/2/2021 3:33:38 PM"),
        (datetime(2021, 7, 2, 0, 3), "7/2/2021 12:03:00 AM"),  # noqa: DTZ001  a naive date is taken as UTC
        (Redacted("x"), "x"),
    ],
)
def test_a_value_has_a_text(value: Any, text: str) -> None:
    assert plain_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2021, 7, 2, tzinfo=UTC), "7/2/2021 12:00:00 AM"),
        ({f"k{number}": number for number in range(30)}, None),
        (Redacted("x"), "[Redact]"),
        ((Redacted("x"), 'a"\\'), '[[Redact], "a\\"\\\\"]'),
    ],
)
def test_a_value_is_shown(value: Any, text: str | None) -> None:
    assert shown(value) == text if text is not None else shown(value).count(":") == 20


@pytest.mark.parametrize(
    ("spelled", "number"),
    [
        ("12", 12),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("&HF7", 247),
        ("&h+F", None),
        ("&H", None),
        ("&HG", None),
        ("", None),
        ("1_000", None),
        ("²", None),
        ("١", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("Infinity1", None),
        ("--1", None),
        ("1" * 61, None),
    ],
)
def test_a_number_is_read(spelled: str, number: float | None) -> None:
    assert read_number(spelled) == number


@pytest.mark.parametrize(
    ("value", "truth"),
    [(True, True), (None, False), (0, False), (2, True), ("TRUE", True), ("1", True), ("no", False), (("x",), False)],
)
def test_a_condition_holds(value: Any, truth: bool) -> None:
    assert is_true(value) is truth


@pytest.mark.parametrize(("value", "listed"), [(None, ()), ("a", ("a",)), (["a"], ("a",)), (("a", "b"), ("a", "b"))])
def test_every_value_is_a_list(value: Any, listed: tuple[Any, ...]) -> None:
    assert items(value) == listed


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("start", "argument start of Mid does not accept its value [Redact]."),
        (None, "Mid does not accept its value [Redact]."),
    ],
)
def test_a_redacted_error_says_the_place_only(argument: str | None, told: str) -> None:
    error = EvaluationError(function="Mid", argument=argument, value='"s3cret"', sentence="s3cret is no number.")
    assert error.redacted().sentence == told
    assert error.redacted().value == "[Redact]"


def test_a_form_cannot_be_called() -> None:
    with pytest.raises(LookupError):
        needs_a_form("x")


def test_an_absent_argument_has_a_name() -> None:
    assert repr(ABSENT) == "ABSENT"
