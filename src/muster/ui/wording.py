"""How values read on a page, in the reader's language: numbers, instants, spans of time, initials."""

import re
from datetime import UTC, datetime, time, timedelta

from markupsafe import Markup

from muster.ui.language import day_text, gettext, ngettext, number_text

_DASH = Markup("&ndash;")
_SEAMS = re.compile(r"(?<=[@.:;\]])(?=[^\W\d])|(?<=[a-z])(?=[A-Z])")
# What is no word of a sentence: camel case, a path, an URN or an address.
_NAME_OF_CODE = re.compile(r"[a-z]+([A-Z]|[.:]\w)|\S+@\S")
# Graph's words for programs; people know what they asked for.
_OR_A_REFERENCE = ", or one of its queried reference-property objects is not present"


def number(value: float | None) -> str:
    """Returns a number with its thousands apart."""
    return _DASH if value is None else number_text(value)


def instant(value: datetime | str | None) -> Markup:
    """Returns a time element: UTC here, in the reader's own zone and language once the script has seen it.

    A text is an instant as the API writes it.
    """
    if value is None:
        return _DASH
    at = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%Y-%m-%d %H:%M:%S}"
    )


def moment(text: str | None) -> Markup | str | None:
    """Returns a value of the directory that is a date or an instant, as the reader writes it; what is none as it is.

    Midnight in UTC stands for the day, in whatever zone it is read.
    """
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    if at.time() != time.min:
        return instant(at)
    return Markup('<span title="{}">{}</span>').format(f"{at:%Y-%m-%d}", day_text(at))


def ago(value: datetime | None, now: datetime) -> Markup:
    """Returns a time element that says how long ago it was; the script keeps it true."""
    if value is None:
        return _DASH
    at = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", distance(now - at)
    )


def distance(span: timedelta) -> str:
    """Returns `3 minutes ago`, `in 2 hours`."""
    seconds = round(span.total_seconds())
    if abs(seconds) < 10:
        return gettext("just now")
    words = _coarse(abs(seconds))
    return gettext("%(time)s ago", time=words) if seconds > 0 else gettext("in %(time)s", time=words)


def span(value: timedelta | None) -> str:
    """Returns a duration as `120 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 days`."""
    if value is None:
        return _DASH
    seconds = value.total_seconds()
    if (milliseconds := round(seconds * 1000)) < 1000:
        return f"{milliseconds} ms"
    if seconds < 60:
        return f"{number_text(round(seconds, 1))} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48 and not minutes and hours % 24 == 0:
        return ngettext("%(num)s day", "%(num)s days", hours // 24)
    hour = gettext("h")
    return f"{hours} {hour} {minutes} min" if minutes else f"{hours} {hour}"


def initials(name: str) -> str:
    """Returns one or two letters that stand for a name."""
    words = [word for word in name.split() if word[:1].isalnum()]
    if not words:
        return "?"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def shade(name: str) -> int:
    """Returns which of eight colours stands for a name, always the same."""
    return sum(name.encode()) % 8


def breakable(text: str) -> Markup:
    """Returns a long name, path or address that may break where its parts meet: after `@ . : ; ]`, before a capital."""
    parts = _SEAMS.split(text)
    return Markup("<wbr>").join(parts)


def without(sentence: str, name: str) -> str:
    """Returns a sentence without the name it begins with, for a line that shows the name already."""
    rest = sentence.removeprefix(f"{name} ") if name else sentence
    return _begun(rest)


def plain(sentence: str) -> str:
    """Returns a refusal's sentence without the words that Graph has for programs."""
    return sentence.replace(_OR_A_REFERENCE, "")


def as_sentence(clause: str) -> str:
    """Returns a clause, as commands end a line with it, as a sentence that stands for itself."""
    return f"{_begun(clause)}."


def _begun(clause: str) -> str:
    # A word such as userName, urn:… or ada@… is a name, and is written as it is.
    return clause if _NAME_OF_CODE.match(clause) else clause[:1].upper() + clause[1:]


def _coarse(seconds: int) -> str:
    if seconds >= 86_400:
        return ngettext("%(num)s day", "%(num)s days", seconds // 86_400)
    if seconds >= 3_600:
        return ngettext("%(num)s hour", "%(num)s hours", seconds // 3_600)
    if seconds >= 60:
        return ngettext("%(num)s minute", "%(num)s minutes", seconds // 60)
    return ngettext("%(num)s second", "%(num)s seconds", seconds)
