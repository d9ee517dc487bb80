"""Dates by .NET formats, and dates as people write them."""

from datetime import UTC, datetime

import pytest

from muster.expression.date_formats import DateError, read_common_date, read_date, write_date

MOMENT = datetime(2009, 6, 5, 13, 4, 7, 60_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("d", "06/05/2009"),
        ("D", "Friday, 05 June 2009"),
        ("f", "Friday, 05 June 2009 13:04"),
        ("g", "06/05/2009 13:04"),
        ("G", "06/05/2009 13:04:07"),
        ("M", "June 05"),
        ("o", "2009-06-05T13:04:07.0600000Z"),
        ("R", "Fri, 05 Jun 2009 13:04:07 GMT"),
        ("s", "2009-06-05T13:04:07"),
        ("t", "13:04"),
        ("u", "2009-06-05 13:04:07Z"),
        ("Y", "2009 June"),
        ("%d", "5"),
        ("dd ddd dddd", "05 Fri Friday"),
        ("y yy yyy yyyy yyyyy", "9 09 2009 2009 02009"),
        ("M MM MMM MMMM", "6 06 Jun June"),
        ("h hh H HH", "1 01 13 13"),
        ("m mm s ss", "4 04 7 07"),
        ("%t tt", "P PM"),
        ("f ff fff.ffff", "0 06 060.0600"),
        ("ss.FF", "07.06"),
        ("z zz zzz K", "+0 +00 +00:00 Z"),
        ("yyyy g", "2009 A.D."),
        ("'at' HH\"h\" \\d", "at 13h d"),
        ("yyyy/MM/dd", "2009/06/05"),
    ],
)
def test_a_date_is_written_by_a_format(pattern: str, written: str) -> None:
    assert write_date(MOMENT, pattern) == written


def test_a_fraction_of_nothing_takes_its_point_along() -> None:
    assert write_date(MOMENT.replace(microsecond=0, hour=0), "HH:mm:ss.FFF") == "00:04:07"
    assert write_date(MOMENT.replace(hour=0), "h tt") == "12 AM"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("", "the format is empty"),
        ("q", "q is no standard format of .NET"),
        ("yyyy'x", "the quote at character 5 of the format yyyy'x does not end"),
        ("yyyy\\", "ends in a backslash"),
    ],
)
def test_a_format_that_is_none_is_refused(pattern: str, told: str) -> None:
    with pytest.raises(DateError, match=told.replace("\\", "\\\\").replace("'", "'")):
        write_date(MOMENT, pattern)


@pytest.mark.parametrize(
    ("spelled", "pattern", "moment"),
    [
        ("20150123105347.1Z", "yyyyMMddHHmmss.fZ", datetime(2015, 1, 23, 10, 53, 47, 100_000, tzinfo=UTC)),
        ("2020-12-31-08:00", "yyyy-MM-ddzzz", datetime(2020, 12, 31, 8, tzinfo=UTC)),
        ("2020-12-31+0530", "yyyy-MM-ddzzz", datetime(2020, 12, 30, 18, 30, tzinfo=UTC)),
        ("2020-12-31 -8", "yyyy-MM-dd z", datetime(2020, 12, 31, 8, tzinfo=UTC)),
        ("2020-12-31Z", "yyyy-MM-ddK", datetime(2020, 12, 31, tzinfo=UTC)),
        ("2020-12-31", "yyyy-MM-ddK", datetime(2020, 12, 31, tzinfo=UTC)),
        ("12/31/2020 02:03:04 PM", "M/d/yyyy hh:mm:ss tt", datetime(2020, 12, 31, 14, 3, 4, tzinfo=UTC)),
        ("1/2/2020 12:00:00 AM", "M/d/yyyy h:mm:ss tt", datetime(2020, 1, 2, tzinfo=UTC)),
        ("1/2/2020 12:00 P", "M/d/yyyy h:mm t", datetime(2020, 1, 2, 12, tzinfo=UTC)),
        ("Fri, 05 Jun 2009", "ddd, dd MMM yyyy", datetime(2009, 6, 5, tzinfo=UTC)),
        ("friday 5 june 2009 A.D.", "dddd d MMMM yyyy g", datetime(2009, 6, 5, tzinfo=UTC)),
        ("49", "yy", datetime(2049, 1, 1, tzinfo=UTC)),
        ("50", "yy", datetime(1950, 1, 1, tzinfo=UTC)),
        ("9", "%y", datetime(2009, 1, 1, tzinfo=UTC)),
        ("2009.", "yyyy.FFF", datetime(2009, 1, 1, tzinfo=UTC)),
        ("2009.1234567", "yyyy.fffffff", datetime(2009, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
        ("2009-06-05T13:04:07", "s", datetime(2009, 6, 5, 13, 4, 7, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_by_a_format(spelled: str, pattern: str, moment: datetime) -> None:
    assert read_date(spelled, pattern) == moment


@pytest.mark.parametrize(
    ("spelled", "pattern", "told"),
    [
        ("x" * 101, "yyyy", "at most 100 characters"),
        ("20", "yyyy", "expected a year at character 1"),
        ("2020/01", "yyyy-MM", "expected '-' at character 5"),
        ("2020x", "yyyy", "expected the end at character 5"),
        ("Foo", "MMM", "expected a month's name"),
        ("Foo", "dddd", "expected a day's name"),
        ("xx", "HH", "expected an hour"),
        ("12 x", "h tt", "expected AM or PM"),
        ("x", "%f", "expected a fraction"),
        ("x", "%g", "expected an era|no standard"),
        ("2020 x", "yyyy zzz", "expected an offset such as -08:00"),
        ("2020 +15", "yyyy z", "at most 14 hours"),
        ("13 AM", "h tt", "12-hour clock"),
        ("0 AM", "h tt", "12-hour clock"),
        ("2021-02-29", "yyyy-MM-dd", "there is no such date"),
        ("0001-01-01+01:00", "yyyy-MM-ddzzz", "there is no such date"),
        ("Mon 2009-06-05", "ddd yyyy-MM-dd", "the day's name is not that of the date"),
    ],
)
def test_a_date_of_another_form_is_refused(spelled: str, pattern: str, told: str) -> None:
    with pytest.raises(DateError, match=told):
        read_date(spelled, pattern)


@pytest.mark.parametrize(
    ("spelled", "moment"),
    [
        ("2020-03-16-07:00", datetime(2020, 3, 16, 7, tzinfo=UTC)),
        ("2021-06-30+08:00", datetime(2021, 6, 29, 16, tzinfo=UTC)),
        ("2009-06-15T01:45:30-07:00", datetime(2009, 6, 15, 8, 45, 30, tzinfo=UTC)),
        ("2009-06-15 01:45:30.1234567Z", datetime(2009, 6, 15, 1, 45, 30, 123_456, tzinfo=UTC)),
        ("2009-06-15T01:45", datetime(2009, 6, 15, 1, 45, tzinfo=UTC)),
        ("2009/6/5", datetime(2009, 6, 5, tzinfo=UTC)),
        ("8/25/2021 5:41:18 PM", datetime(2021, 8, 25, 17, 41, 18, tzinfo=UTC)),
        ("8/25/2021 12:00 am", datetime(2021, 8, 25, tzinfo=UTC)),
        ("8-25-2021", datetime(2021, 8, 25, tzinfo=UTC)),
        ("Mon, 15 Jun 2009 20:45:30 GMT", datetime(2009, 6, 15, 20, 45, 30, tzinfo=UTC)),
        ("15-Jun-2009", datetime(2009, 6, 15, tzinfo=UTC)),
        (" January 2, 2012 11:00 PM ", datetime(2012, 1, 2, 23, tzinfo=UTC)),
    ],
)
def test_a_common_form_is_read(spelled: str, moment: datetime) -> None:
    assert read_common_date(spelled) == moment


@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        ("soon", "a date looks like"),
        ("x" * 101, "at most 100 characters"),
        ("13/13/2021", "there is no such date"),
        ("1 Foo 2021", "no English name"),
        ("1/1/2021 13:00 PM", "12-hour clock"),
        ("2021-01-01+99:00", "at most 14 hours"),
    ],
)
def test_what_is_no_date_is_refused(spelled: str, told: str) -> None:
    with pytest.raises(DateError, match=told):
        read_common_date(spelled)
