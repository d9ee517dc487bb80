"""Spans of time: whether one has passed, and in ISO 8601."""

from datetime import UTC, datetime, timedelta

import pytest

from muster.model.durations import has_passed, read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT40M", timedelta(minutes=40)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("PT1H1M1S", timedelta(hours=1, minutes=1, seconds=1)),
        ("P28D", timedelta(days=28)),
    ],
)
def test_a_duration_is_read_and_written(text: str, span: timedelta) -> None:
    assert (read_duration(text), write_duration(span)) == (span, text)


def test_nothing_is_no_seconds() -> None:
    assert write_duration(timedelta(0)) == "PT0S"


@pytest.mark.parametrize("text", ["", "P", "PT", "40", "PT40", "P1M", "pt40m", "PT4٠M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        read_duration(text)


@pytest.mark.parametrize(
    ("minutes", "passed"), [(-60, True), (-2, True), (-1, False), (0, False), (39, False), (40, True), (100_000, True)]
)
def test_a_span_has_passed_after_its_length_and_when_the_clock_was_set_back(minutes: int, passed: bool) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert has_passed(timedelta(minutes=40), since, since + timedelta(minutes=minutes)) is passed
