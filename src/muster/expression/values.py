"""What expressions compute with: values, the markers of a dropped flow, redaction, conversions and their errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import NoneType
from typing import Any, Final, Self, TypeAlias

MAX_TEXT = 20_000
MAX_DIGITS = 60
REDACTED_TEXT = "[Redact]"


class FlowMarker(Enum):
    """An answer that is no value: the attribute, or the whole object, is left out of this flow."""

    IGNORE_ATTRIBUTE_FLOW = "IgnoreAttributeFlow"
    IGNORE_OBJECT_FLOW = "IgnoreObjectFlow"


IGNORE_ATTRIBUTE_FLOW: Final = FlowMarker.IGNORE_ATTRIBUTE_FLOW
IGNORE_OBJECT_FLOW: Final = FlowMarker.IGNORE_OBJECT_FLOW


class Redacted(str):
    """A text that flows to the target as itself but shows as `[Redact]` wherever it is printed.

    It equals and serialises as the text it holds; `repr`, `str` and formatting hide it. `reveal` gives the plain text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return REDACTED_TEXT

    def __str__(self) -> str:
        return REDACTED_TEXT

    def __format__(self, format_spec: str) -> str:
        return format(REDACTED_TEXT, format_spec)

    def __getnewargs__(self) -> tuple[str]:
        return (str.__str__(self),)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


# Lists are tuples, references and roles mappings, of values again.
Value: TypeAlias = (
    str | int | float | bool | datetime | tuple[Any, ...] | Mapping[str, Any] | Redacted | FlowMarker | None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What an expression may ask of the world: the clock, chance, the target's used values, the tenant's domain.

    `draw(n)` answers a whole number from 0 to n-1. `is_taken` is None where no target can be asked:
    SelectUniqueValue then answers its first value.
    """

    now: datetime
    new_guid: Callable[[], str]
    draw: Callable[[int], int]
    is_taken: Callable[[str], bool] | None = None
    default_domain: str | None = None


class EvaluationError(Exception):
    """An expression cannot be computed for this object; names the function, its argument and the value shown."""

    def __init__(self, *, function: str, argument: str | None, value: str | None, sentence: str) -> None:
        super().__init__(sentence)
        self.function = function
        self.argument = argument
        self.value = value
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence

    def redacted(self) -> "EvaluationError":
        """The same error with every value hidden."""
        place = f"argument {self.argument} of {self.function}" if self.argument else self.function
        sentence = f"{place} does not accept its value {REDACTED_TEXT}."
        return EvaluationError(function=self.function, argument=self.argument, value=REDACTED_TEXT, sentence=sentence)


def refuse(function: str, argument: str, value: Any, reason: str) -> EvaluationError:
    """An error that says which value of which argument of which function is no good, and why."""
    seen = shown(value)
    return EvaluationError(
        function=function, argument=argument, value=seen, sentence=f"{function}: {argument} {reason}, got {seen}."
    )


def shown(value: Any) -> str:
    """The value as logs, errors and explanations print it: texts quoted and cut short, redacted ones hidden."""
    match value:
        case None:
            return "null"
        case Redacted():
            return REDACTED_TEXT
        case FlowMarker():
            return value.value
        case str():
            cut = value if len(value) <= 200 else value[:200] + "…"
            return '"' + cut.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case datetime():
            return format_date(value)
        case tuple() | list():
            items = ", ".join(shown(item) for item in value[:20])
            return f"[{items}{', …' if len(value) > 20 else ''}]"
        case Mapping():
            pairs = ", ".join(f"{key}: {shown(item)}" for key, item in list(value.items())[:20])
            return "{" + pairs + "}"
        case _:
            return plain_text(value)


# Nearly all values are of these: to find out that a Boolean is no mapping takes ten times as long.
_NEVER_REDACTED = frozenset({str, bool, NoneType})


def is_redacted(value: Any) -> bool:
    """Whether the value, or any value inside it, is redacted."""
    if value.__class__ in _NEVER_REDACTED:
        return False
    match value:
        case Redacted():
            return True
        case tuple() | list():
            return any(is_redacted(item) for item in value)
        case Mapping():
            return any(is_redacted(item) for item in value.values())
        case _:
            return False


def reveal(value: Any) -> Value:
    """The value as it goes to the target: redacted texts as plain ones, at every depth."""
    match value:
        case Redacted():
            return str.__str__(value)
        case tuple() | list():
            return tuple(reveal(item) for item in value)
        case Mapping():
            return {key: reveal(item) for key, item in value.items()}
        case _:
            single: Value = value
            return single


def redact(value: Any) -> Value:
    """The value with every text in it redacted; null and the flow markers stay as they are."""
    match value:
        case None | FlowMarker() | Redacted():
            return value
        case str():
            return Redacted(value)
        case tuple() | list():
            return tuple(redact(item) for item in value)
        case Mapping():
            return {key: redact(item) for key, item in value.items()}
        case _:
            return Redacted(plain_text(value))


def format_date(value: datetime) -> str:
    """The date as the language prints dates: `M/d/yyyy h:mm:ss tt` in UTC."""
    at = value.astimezone(UTC) if value.tzinfo is not None else value
    half = "AM" if at.hour < 12 else "PM"
    return f"{at.month}/{at.day}/{at.year:04d} {at.hour % 12 or 12}:{at.minute:02d}:{at.second:02d} {half}"


def plain_text(value: Any) -> str:
    """A single value as text: booleans `True`/`False`, dates in the language's format, null as the empty text."""
    match value:
        case str():
            return str.__str__(value)
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case datetime():
            return format_date(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case FlowMarker():
            return value.value
        case _:
            return str(value)


def text(value: Any, function: str, argument: str) -> str:
    """The single value an argument needs, as text; null is the empty text, a list of one its item.

    Raises:
        EvaluationError: the value is a list of several, or an object.
    """
    if value.__class__ is str:
        return value
    if isinstance(value, (tuple, list)):
        if len(value) == 1:
            return text(value[0], function, argument)
        raise refuse(function, argument, tuple(value), "takes one value, not a list (use Item or Join)")
    if isinstance(value, Mapping):
        raise refuse(function, argument, value, "takes a text, not an object")
    return plain_text(value)


def number(value: Any, function: str, argument: str) -> int | float:
    """The number an argument needs; texts that spell one count, also in hexadecimal (`&HF`).

    Raises:
        EvaluationError: the value is no number.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    spelled = text(value, function, argument).strip()
    parsed = read_number(spelled)
    if parsed is None:
        raise refuse(function, argument, value, "must be a number")
    return parsed


def read_number(spelled: str) -> int | float | None:
    """The number a text spells (`12`, `-1.5`, `&HFF`), or None."""
    if not spelled or len(spelled) > MAX_DIGITS or not spelled.isascii() or "_" in spelled:
        return None
    try:
        if spelled[:2] in ("&H", "&h"):
            return int(spelled[2:], 16) if spelled[2:3] not in ("+", "-") else None
        if spelled.lstrip("+-").isdigit():
            return int(spelled)
        parsed = float(spelled)
    except ValueError:
        return None
    # "nan" and "inf" are names people have, not numbers.
    return parsed if spelled[-1] in "0123456789." and parsed - parsed == 0 else None


def integer(value: Any, function: str, argument: str) -> int:
    """The whole number an argument needs.

    Raises:
        EvaluationError: the value is no whole number, or larger than 64 bits hold.
    """
    if value.__class__ is int:
        whole: int = value
    else:
        found = number(value, function, argument)
        if isinstance(found, float) and not found.is_integer():
            raise refuse(function, argument, value, "must be a whole number")
        whole = int(found)
    if not -(2**63) <= whole < 2**63:
        raise refuse(function, argument, value, "must fit into 64 bits")
    return whole


def items(value: Any) -> tuple[Any, ...]:
    """The values of a multi-valued attribute: null has none, a single value is a list of one."""
    if value is None:
        return ()
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return (value,)


def bounded(grown: str, function: str) -> str:
    """The text itself if it keeps the limit of output.

    Raises:
        EvaluationError: the text is longer than MAX_TEXT characters.
    """
    if len(grown) > MAX_TEXT:
        raise too_long(function, len(grown))
    return grown


def too_long(function: str, length: int) -> EvaluationError:
    """The error of a function whose answer would grow over the limit."""
    return EvaluationError(
        function=function,
        argument=None,
        value=None,
        sentence=f"{function}: the result would have {length:,} characters; {MAX_TEXT:,} is the limit.",
    )


def is_true(value: Any) -> bool:
    """Whether a condition holds: True, the text "true" in any case, a number other than zero; null does not."""
    if value.__class__ is bool:
        return value
    if value is None:
        return False
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str):
        plain = str.__str__(value).strip()
        if plain.lower() == "true":
            return True
        parsed = read_number(plain)
        return parsed is not None and parsed != 0
    return False
