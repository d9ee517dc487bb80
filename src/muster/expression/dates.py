"""Functions of dates: reading, writing, adding, comparing, and the numbers Active Directory keeps for them."""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from muster.expression.date_formats import DateError, read_common_date, read_date, write_date
from muster.expression.signatures import Example, Function, Parameter, ParameterType, Topic
from muster.expression.values import Environment, Value, bounded, integer, refuse, text

_FILETIME_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_SUNDAY_BEFORE_ALL: Final = datetime(1, 1, 7, tzinfo=UTC).toordinal()
_STYLES: Final = frozenset(
    (
        "None",
        "RoundtripKind",
        "AllowLeadingWhite",
        "AllowTrailingWhite",
        "AllowInnerWhite",
        "AllowWhiteSpaces",
        "NoCurrentDateDefault",
        "AdjustToUniversal",
        "AssumeLocal",
        "AssumeUniversal",
    )
)
_DEFAULT_STYLES: Final = ("RoundtripKind", "AllowLeadingWhite", "AllowTrailingWhite")


def as_date(value: Any, function: str, argument: str) -> datetime | None:
    """The moment an argument needs: a date, or a text .NET reads as one; null and the empty text are None.

    Raises:
        EvaluationError: the text is no date.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    spelled = text(value, function, argument)
    try:
        return read_common_date(spelled)
    except DateError as failure:
        raise refuse(function, argument, value, f"must be a date ({failure})") from None


def _read_date(value: Any) -> Value:
    return as_date(value, "CDate", "expression")


def _now(environment: Environment) -> Value:
    # The language shows dates to the second; a finer one would compare unlike its own text.
    return environment.now.astimezone(UTC).replace(microsecond=0)


def _add_months(at: datetime, count: int) -> datetime:
    months = at.year * 12 + at.month - 1 + count
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


_ADDITIONS: Final[dict[str, Callable[[datetime, int], datetime]]] = {
    "yyyy": lambda at, count: _add_months(at, 12 * count),
    "m": _add_months,
    "ww": lambda at, count: at + timedelta(weeks=count),
    "d": lambda at, count: at + timedelta(days=count),
    "h": lambda at, count: at + timedelta(hours=count),
    "n": lambda at, count: at + timedelta(minutes=count),
    "s": lambda at, count: at + timedelta(seconds=count),
}


def _seconds(at: datetime) -> int:
    return (at - _FILETIME_EPOCH) // timedelta(seconds=1)


# What is counted are the boundaries crossed, as in VBA: from December to January is one month.
_PLACES: Final[dict[str, Callable[[datetime], int]]] = {
    "yyyy": lambda at: at.year,
    "m": lambda at: at.year * 12 + at.month,
    "ww": lambda at: (at.toordinal() - _SUNDAY_BEFORE_ALL) // 7,
    "d": lambda at: at.toordinal(),
    "h": lambda at: _seconds(at) // 3600,
    "n": lambda at: _seconds(at) // 60,
    "s": _seconds,
}
_INTERVALS: Final = "yyyy (years), m (months), d (days), ww (weeks), h (hours), n (minutes) or s (seconds)"


def _add_date(interval: Any, value: Any, date: Any) -> Value:
    at = as_date(date, "DateAdd", "dateTime")
    if at is None or value is None:
        return None
    unit = text(interval, "DateAdd", "interval")
    if unit not in _ADDITIONS:
        raise refuse("DateAdd", "interval", interval, f"must be {_INTERVALS}")
    count = integer(value, "DateAdd", "value")
    try:
        return _ADDITIONS[unit](at, count)
    except OverflowError:
        raise refuse("DateAdd", "value", value, "leads out of the years 1 to 9999") from None


def _difference(interval: Any, first: Any, second: Any) -> Value:
    earlier = as_date(first, "DateDiff", "date1")
    later = as_date(second, "DateDiff", "date2")
    if earlier is None or later is None:
        return None
    unit = text(interval, "DateDiff", "interval")
    if unit not in _PLACES:
        raise refuse("DateDiff", "interval", interval, f"must be {_INTERVALS}")
    place = _PLACES[unit]
    return place(later.astimezone(UTC)) - place(earlier.astimezone(UTC))


def _date_from_number(value: Any) -> Value:
    if value is None or value == "":
        return None
    ticks = integer(value, "DateFromNum", "value")
    try:
        return _FILETIME_EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        raise refuse("DateFromNum", "value", value, "leads out of the years 1 to 9999") from None


def _number_from_date(value: Any) -> Value:
    at = as_date(value, "NumFromDate", "value")
    return None if at is None else (at - _FILETIME_EPOCH) // timedelta(microseconds=1) * 10


def _format_date(source: Any, styles: Any, input_format: Any, output_format: Any = None) -> Value:
    if output_format is None:
        # The older form has no styles: source, inputFormat, outputFormat.
        styles, input_format, output_format = None, styles, input_format
    if source is None or source == "":
        return None
    wanted = _read_styles(styles)
    try:
        if isinstance(source, datetime):
            at = source
        else:
            spelled = text(source, "FormatDateTime", "source")
            at = read_date(_trim(spelled, wanted), text(input_format, "FormatDateTime", "inputFormat"))
    except DateError as failure:
        written = text(input_format, "FormatDateTime", "inputFormat")
        raise refuse("FormatDateTime", "source", source, f'must be a date like "{written}" ({failure})') from None
    try:
        return bounded(write_date(at, text(output_format, "FormatDateTime", "outputFormat")), "FormatDateTime")
    except DateError as failure:
        raise refuse("FormatDateTime", "outputFormat", output_format, f"must be a .NET format ({failure})") from None


def _read_styles(styles: Any) -> tuple[str, ...]:
    if styles is None or styles == "":
        return _DEFAULT_STYLES
    named = tuple(
        part.strip().removeprefix("DateTimeStyles.")
        for part in text(styles, "FormatDateTime", "dateTimeStyles").split(",")
    )
    for name in named:
        if name not in _STYLES:
            raise refuse("FormatDateTime", "dateTimeStyles", name, f"must be among {', '.join(sorted(_STYLES))}")
    return named


def _trim(spelled: str, styles: tuple[str, ...]) -> str:
    anywhere = "AllowWhiteSpaces" in styles
    if anywhere or "AllowLeadingWhite" in styles:
        spelled = spelled.lstrip()
    if anywhere or "AllowTrailingWhite" in styles:
        spelled = spelled.rstrip()
    return spelled


_INTERVAL = Parameter(name="interval", about=f"The unit: {_INTERVALS}.")

FUNCTIONS: Final = (
    Function(
        name="CDate",
        topic=Topic.DATES,
        about="Reads a text as a date. The date is in UTC and shows as `M/d/yyyy h:mm:ss tt`.",
        parameters=(Parameter(name="expression", about="A text .NET reads as a date; without an offset it is UTC."),),
        examples=(
            Example(
                expression="CDate([StatusHireDate])",
                attributes={"StatusHireDate": "2020-03-16-07:00"},
                result="3/16/2020 7:00:00 AM",
            ),
            Example(expression='CDate("2009-06-15T01:45:30-07:00")', result="6/15/2009 8:45:30 AM"),
            Example(expression='CDate("soon")', fails=True),
        ),
        implementation=_read_date,
    ),
    Function(
        name="DateAdd",
        topic=Topic.DATES,
        about="Adds a number of units to a date; a month's last day stays one in a shorter month.",
        parameters=(
            _INTERVAL,
            Parameter(name="value", about="How many units; negative goes back.", type=ParameterType.INTEGER),
            Parameter(name="dateTime", about="The date, as a rule from CDate or Now."),
        ),
        examples=(
            Example(
                expression='DateAdd("d", -10, CDate([StatusHireDate]))',
                attributes={"StatusHireDate": "2012-03-16-07:00"},
                result="3/6/2012 7:00:00 AM",
            ),
            Example(expression='DateAdd("m", 1, CDate("2023-01-31"))', result="2/28/2023 12:00:00 AM"),
        ),
        implementation=_add_date,
    ),
    Function(
        name="DateDiff",
        topic=Topic.DATES,
        about="Counts the boundaries of a unit between two dates: positive when the second is later.",
        parameters=(
            _INTERVAL,
            Parameter(name="date1", about="The first date."),
            Parameter(name="date2", about="The second date."),
        ),
        examples=(
            Example(expression='DateDiff("d", CDate("2021-08-18+08:00"), CDate("2021-08-31+08:00"))', result=13),
            Example(expression='DateDiff("yyyy", CDate("2021-12-31"), CDate("2022-01-01"))', result=1),
        ),
        implementation=_difference,
    ),
    Function(
        name="DateFromNum",
        topic=Topic.DATES,
        about="The date of a number as Active Directory keeps dates: 100 nanoseconds since 1601.",
        parameters=(Parameter(name="value", about="The number.", type=ParameterType.INTEGER),),
        examples=(Example(expression="DateFromNum(129699324000000000)", result="1/1/2012 11:00:00 PM"),),
        implementation=_date_from_number,
    ),
    Function(
        name="FormatDateTime",
        topic=Topic.DATES,
        about="Reads a date by one .NET format and writes it by another, in UTC.",
        parameters=(
            Parameter(name="source", about="The date as text; a date from CDate or Now is taken as it is."),
            Parameter(
                name="dateTimeStyles",
                about="How the text is read; left out: RoundtripKind, AllowLeadingWhite, AllowTrailingWhite.",
                required=False,
            ),
            Parameter(name="inputFormat", about="The format of the source.", required=False),
            Parameter(name="outputFormat", about="The format of the answer.", required=False),
        ),
        examples=(
            Example(
                expression='FormatDateTime([extensionAttribute1], , "yyyyMMddHHmmss.fZ", "yyyy-MM-dd")',
                attributes={"extensionAttribute1": "20150123105347.1Z"},
                result="2015-01-23",
            ),
            Example(expression='FormatDateTime("31/12/2024", "dd/MM/yyyy", "yyyy-MM-dd")', result="2024-12-31"),
        ),
        implementation=_format_date,
        least=3,
        remarks="The older form of three arguments, source, inputFormat, outputFormat, works as well.",
    ),
    Function(
        name="Now",
        topic=Topic.DATES,
        about="The current moment in UTC, to the second.",
        parameters=(),
        examples=(Example(expression="Now()", pattern=r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d (AM|PM)"),),
        implementation=_now,
        needs_environment=True,
    ),
    Function(
        name="NumFromDate",
        topic=Topic.DATES,
        about="The number Active Directory keeps for a date, as accountExpires needs it.",
        parameters=(Parameter(name="value", about="A date, or a text in ISO 8601."),),
        examples=(Example(expression='NumFromDate("2025-12-31 23:59:59-08:00")', result=134117279990000000),),
        implementation=_number_from_date,
    ),
)
