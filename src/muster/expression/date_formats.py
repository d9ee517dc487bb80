"""Dates in .NET's custom formats: read by a format, written by one, or read from what people commonly write."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

MAX_DATE_TEXT = 100

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_MONTHS: Final = tuple(month[:3] for month in MONTHS)
_SHORT_DAYS: Final = tuple(day[:3] for day in DAYS)

# A format of one letter names one of these, in the invariant culture.
STANDARD_FORMATS: Final = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "M": "MMMM dd",
    "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
    "O": "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
    "U": "dddd, dd MMMM yyyy HH:mm:ss",
    "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
}
_SPECIFIERS: Final = frozenset("dfFghHKmMstyz")


class DateError(ValueError):
    """A text that is no date of the wanted format, or a format that is none."""


def split_format(pattern: str) -> list[tuple[str, str]]:
    """The parts of a format: ("specifier", "yyyy") or ("literal", "-").

    Raises:
        DateError: the format is empty, a quote in it does not end, or it ends in a backslash.
    """
    if not pattern:
        raise DateError("the format is empty")
    if len(pattern) == 1:
        if pattern not in STANDARD_FORMATS:
            raise DateError(f"{pattern} is no standard format of .NET (write %{pattern} for a custom one)")
        pattern = STANDARD_FORMATS[pattern]
    parts: list[tuple[str, str]] = []
    position = 0
    while position < len(pattern):
        letter = pattern[position]
        if letter in _SPECIFIERS:
            end = position
            while end < len(pattern) and pattern[end] == letter:
                end += 1
            parts.append(("specifier", pattern[position:end]))
            position = end
        elif letter in "'\"":
            end = pattern.find(letter, position + 1)
            if end < 0:
                raise DateError(f"the quote at character {position + 1} of the format {pattern} does not end")
            parts.append(("literal", pattern[position + 1 : end]))
            position = end + 1
        elif letter == "\\":
            if position + 1 == len(pattern):
                raise DateError(f"the format {pattern} ends in a backslash")
            parts.append(("literal", pattern[position + 1]))
            position += 2
        else:
            if letter != "%":
                parts.append(("literal", letter))
            position += 1
    return parts


def write_date(at: datetime, pattern: str) -> str:
    """The date in UTC, written by a .NET format in the invariant culture.

    Raises:
        DateError: the format is none.
    """
    moment = at.astimezone(UTC)
    written = [
        literal if kind == "literal" else _write_part(moment, literal) for kind, literal in split_format(pattern)
    ]
    return "".join(written).removesuffix(".") if "F" in pattern else "".join(written)


def _write_part(at: datetime, specifier: str) -> str:
    width = len(specifier)
    match specifier[0]:
        case "y":
            return str(at.year % 100).zfill(width) if width < 3 else str(at.year).zfill(width)
        case "M":
            return (str(at.month), f"{at.month:02d}", _SHORT_MONTHS[at.month - 1], MONTHS[at.month - 1])[
                min(width, 4) - 1
            ]
        case "d":
            day = at.weekday()
            return (str(at.day), f"{at.day:02d}", _SHORT_DAYS[day], DAYS[day])[min(width, 4) - 1]
        case "H":
            return str(at.hour).zfill(min(width, 2))
        case "h":
            return str(at.hour % 12 or 12).zfill(min(width, 2))
        case "m":
            return str(at.minute).zfill(min(width, 2))
        case "s":
            return str(at.second).zfill(min(width, 2))
        case "t":
            half = "AM" if at.hour < 12 else "PM"
            return half[: min(width, 2)]
        case "f" | "F":
            fraction = f"{at.microsecond:06d}0"[: min(width, 7)]
            return fraction if specifier[0] == "f" else fraction.rstrip("0")
        case "K":
            return "Z" * width
        case "g":
            return "A.D."
        case _:
            return ("+0", "+00", "+00:00")[min(width, 3) - 1]


def read_date(spelled: str, pattern: str) -> datetime:
    """The moment a text names when read by a .NET format; without an offset it is UTC.

    Raises:
        DateError: the text is not of that format, or the format is none.
    """
    if len(spelled) > MAX_DATE_TEXT:
        raise DateError(f"a date has at most {MAX_DATE_TEXT} characters")
    reader = _Reader(spelled)
    for kind, part in split_format(pattern):
        if kind == "literal":
            reader.read_literal(part)
        else:
            reader.read_part(part)
    return reader.moment()


class _Reader:
    """Walks a text by the parts of a format and gathers what they say."""

    def __init__(self, spelled: str) -> None:
        self._spelled = spelled
        self._at = 0
        self._found: dict[str, int] = {}
        self._offset: timedelta = timedelta(0)

    def _fail(self, wanted: str) -> DateError:
        return DateError(f"expected {wanted} at character {self._at + 1}")

    def read_literal(self, literal: str) -> None:
        if not self._spelled.startswith(literal, self._at):
            raise self._fail(f"{literal!r}")
        self._at += len(literal)

    def _digits(self, least: int, most: int, what: str) -> int:
        found = re.compile(rf"\d{{{least},{most}}}", re.ASCII).match(self._spelled, self._at)
        if found is None:
            raise self._fail(what)
        self._at = found.end()
        return int(found.group())

    def _name(self, names: tuple[str, ...], what: str) -> int:
        rest = self._spelled[self._at :].lower()
        for index, name in enumerate(names):
            if rest.startswith(name.lower()):
                self._at += len(name)
                return index
        raise self._fail(what)

    def read_part(self, specifier: str) -> None:
        width = len(specifier)
        two = min(width, 2)
        found = self._found
        match specifier[0]:
            case "y":
                year = self._digits(width if width != 1 else 1, max(width, 2), "a year")
                # .NET's window: 00-49 is this century, 50-99 the last.
                found["year"] = year if width > 2 else year + (2000 if year < 50 else 1900)
            case "M":
                if width < 3:
                    found["month"] = self._digits(two, 2, "a month")
                else:
                    found["month"] = 1 + self._name(_SHORT_MONTHS if width == 3 else MONTHS, "a month's name")
            case "d":
                if width < 3:
                    found["day"] = self._digits(two, 2, "a day")
                else:
                    found["weekday"] = self._name(_SHORT_DAYS if width == 3 else DAYS, "a day's name")
            case "H":
                found["hour"] = self._digits(two, 2, "an hour")
            case "h":
                found["hour12"] = self._digits(two, 2, "an hour")
            case "m":
                found["minute"] = self._digits(two, 2, "minutes")
            case "s":
                found["second"] = self._digits(two, 2, "seconds")
            case "t":
                found["half"] = self._name(("AM", "PM") if width > 1 else ("A", "P"), "AM or PM")
            case "f" | "F":
                self._read_fraction(specifier)
            case "g":
                self._name(("A.D.", "AD"), "an era")
            case _:
                self._read_offset(specifier)

    def _read_fraction(self, specifier: str) -> None:
        width = len(specifier)
        least = width if specifier[0] == "f" else 0
        found = re.compile(rf"\d{{{least},{width}}}", re.ASCII).match(self._spelled, self._at)
        if found is None:
            raise self._fail("a fraction of a second")
        self._at = found.end()
        self._found["microsecond"] = int(found.group().ljust(7, "0")[:7] or "0") // 10

    def _read_offset(self, specifier: str) -> None:
        if self._spelled[self._at : self._at + 1] in ("Z", "z"):
            self._at += 1
            return
        if specifier[0] == "K" and self._at == len(self._spelled):
            return
        found = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII).match(self._spelled, self._at)
        if found is None:
            raise self._fail("an offset such as -08:00")
        self._at = found.end()
        self._offset = _offset(found.group(1), found.group(2), found.group(3))

    def moment(self) -> datetime:
        if self._at != len(self._spelled):
            raise self._fail("the end")
        found = self._found
        hour = found.get("hour", 0)
        if "hour12" in found:
            if not 1 <= found["hour12"] <= 12:
                raise DateError("an hour of the 12-hour clock is 1 to 12")
            hour = found["hour12"] % 12
        if found.get("half") == 1 and hour < 12:
            hour += 12
        # .NET takes the current date for one that is not given; a fixed one keeps the answer a function of its input.
        date = (found.get("year", 1), found.get("month", 1), found.get("day", 1))
        time = (hour, found.get("minute", 0), found.get("second", 0), found.get("microsecond", 0))
        at = _moment(date, time, self._offset)
        if "weekday" in found and (at + self._offset).weekday() != found["weekday"]:
            raise DateError("the day's name is not that of the date")
        return at


def _offset(sign: str, hours: str, minutes: str | None) -> timedelta:
    size = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if size > timedelta(hours=14):
        raise DateError("an offset from UTC is at most 14 hours")
    return size if sign == "+" else -size


def _moment(date: tuple[int, int, int], time: tuple[int, int, int, int], offset: timedelta) -> datetime:
    try:
        return datetime(*date, *time, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError) as failure:
        raise DateError(f"there is no such date: {failure}") from None


_TIME: Final = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp][Mm]))?)?"
)
_ZONE: Final = r"(?: ?(?P<zone>[Zz]|GMT|UTC|(?P<sign>[+-])(?P<zone_hours>\d{1,2})(?::?(?P<zone_minutes>\d{2}))?))?"
_MONTH_NAME: Final = r"(?P<name>[A-Za-z]{3,9})\.?"
_COMMON: Final = tuple(
    re.compile(form + _TIME + _ZONE, re.ASCII)
    for form in (
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})",
        # Month first, as the invariant culture reads it.
        r"(?P<month>\d{1,2})[-/.](?P<day>\d{1,2})[-/.](?P<year>\d{4})",
        r"(?:[A-Za-z]{3,9}, )?(?P<day>\d{1,2})[ -]" + _MONTH_NAME + r"[ ,-]+(?P<year>\d{4})",
        r"(?:[A-Za-z]{3,9}, )?" + _MONTH_NAME + r" (?P<day>\d{1,2}),? (?P<year>\d{4})",
    )
)


def read_common_date(spelled: str) -> datetime:
    """The moment a text names in one of the forms .NET reads without a format; without an offset it is UTC.

    Raises:
        DateError: the text is in none of them.
    """
    trimmed = spelled.strip()
    if len(trimmed) > MAX_DATE_TEXT:
        raise DateError(f"a date has at most {MAX_DATE_TEXT} characters")
    for form in _COMMON:
        found = form.fullmatch(trimmed)
        if found is not None:
            return _common_moment(found.groupdict())
    raise DateError("a date looks like 2020-03-16, 2020-03-16T08:30:00-07:00 or 3/16/2020 8:30:00 AM")


def _common_moment(found: dict[str, str | None]) -> datetime:
    month = int(found["month"] or 0) if found.get("month") else _month_number(found.get("name") or "")
    hour = int(found["hour"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            raise DateError("an hour of the 12-hour clock is 1 to 12")
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    fraction = int((found["fraction"] or "0").ljust(6, "0")[:6])
    zone = timedelta(0)
    if found["sign"]:
        zone = _offset(found["sign"], found["zone_hours"] or "0", found["zone_minutes"])
    date = (int(found["year"] or 0), month, int(found["day"] or 0))
    return _moment(date, (hour, int(found["minute"] or 0), int(found["second"] or 0), fraction), zone)


def _month_number(name: str) -> int:
    for index, month in enumerate(MONTHS, start=1):
        if name.lower() in (month.lower(), month[:3].lower()):
            return index
    raise DateError("the month has no English name")
