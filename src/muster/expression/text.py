"""Functions of text: cutting, joining, case, searching."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from muster.expression.letters import is_culture, lower, strip_diacritics, title, upper
from muster.expression.signatures import Example, Function, FunctionList, Parameter, ParameterType, Topic
from muster.expression.values import MAX_TEXT, Value, bounded, integer, items, refuse, text, too_long


def over_each(function: Callable[..., Value]) -> Callable[..., Value]:
    """The function, applied to every value of a list in its first argument."""

    @wraps(function)
    def applied(source: Any, *rest: Any) -> Value:
        if isinstance(source, (tuple, list)):
            return tuple(function(item, *rest) for item in source)
        return function(source, *rest)

    return applied


@over_each
def append(source: Any, suffix: Any) -> Value:
    """The source with the suffix behind it; null stays null."""
    if source is None:
        return None
    return bounded(text(source, "Append", "source") + text(suffix, "Append", "suffix"), "Append")


def prepend(prefix: Any, source: Any) -> Value:
    """The source, or each of its values, with the prefix before it; null stays null."""
    if source is None:
        return None
    if isinstance(source, (tuple, list)):
        return tuple(prepend(prefix, item) for item in source)
    return bounded(text(prefix, "Prepend", "prefix") + text(source, "Prepend", "source"), "Prepend")


def concatenate(*parts: Any) -> Value:
    """The parts one behind the other, null as nothing."""
    return bounded("".join([text(part, "&", "operand") for part in parts]), "&")


def join(separator: Any, *sources: Any) -> Value:
    """The sources that are not empty, lists spread out, with the separator between them."""
    between = text(separator, "Join", "separator")
    parts = [text(item, "Join", "source") for source in sources for item in items(source)]
    kept = [part for part in parts if part]
    length = sum(map(len, kept)) + len(between) * max(len(kept) - 1, 0)
    if length > MAX_TEXT:
        raise too_long("Join", length)
    return between.join(kept)


@over_each
def _left(source: Any, count: Any) -> Value:
    wanted = integer(count, "Left", "numChars")
    whole = text(source, "Left", "string")
    return whole if wanted < 0 else whole[:wanted]


@over_each
def _right(source: Any, count: Any) -> Value:
    wanted = integer(count, "Right", "numChars")
    whole = text(source, "Right", "string")
    return whole if wanted < 0 else whole[max(len(whole) - wanted, 0) :]


@over_each
def mid(source: Any, start: Any, length: Any = None) -> Value:
    """The part of the source from start (1 is the first character), as long as length or up to the end."""
    if source is None:
        return None
    first = integer(start, "Mid", "start")
    if first < 1:
        raise refuse("Mid", "start", start, "must be 1 or more")
    whole = text(source, "Mid", "source")
    if length is None:
        return whole[first - 1 :]
    count = integer(length, "Mid", "length")
    if count < 0:
        raise refuse("Mid", "length", length, "must be 0 or more")
    return whole[first - 1 : first - 1 + count]


def _length(source: Any) -> Value:
    return len(text(source, "Len", "source"))


@over_each
def strip_spaces(source: Any) -> Value:
    """The source without its spaces."""
    return None if source is None else text(source, "StripSpaces", "source").replace(" ", "")


@over_each
def _trim(source: Any) -> Value:
    return None if source is None else text(source, "Trim", "value").strip()


@over_each
def normalize_diacritics(source: Any) -> Value:
    """The source with plain letters."""
    if source is None:
        return None
    whole = text(source, "NormalizeDiacritics", "source")
    return _bounded_growth(whole, strip_diacritics(whole), "NormalizeDiacritics")


def _bounded_growth(before: str, after: str, function: str) -> str:
    return after if len(after) <= len(before) else bounded(after, function)


def _culture(value: Any, function: str) -> str:
    name = text(value, function, "culture")
    if not is_culture(name):
        raise refuse(function, "culture", value, "must be a culture such as tr-TR")
    return name


@over_each
def to_lower(source: Any, culture: Any = None) -> Value:
    """The source in lower case, by the rules of the culture if one is given."""
    if source is None:
        return None
    whole = text(source, "ToLower", "source")
    lowered = lower(whole, _culture(culture, "ToLower") if culture is not None else "")
    return _bounded_growth(whole, lowered, "ToLower")


@over_each
def to_upper(source: Any, culture: Any = None) -> Value:
    """The source in upper case, by the rules of the culture if one is given."""
    if source is None:
        return None
    whole = text(source, "ToUpper", "source")
    return upper(whole, _culture(culture, "ToUpper") if culture is not None else "")


@over_each
def _proper_case(source: Any, separators: Any = None) -> Value:
    if source is None:
        return None
    return title(
        text(source, "PCase", "source"), None if separators is None else text(separators, "PCase", "wordSeparators")
    )


_SOURCE = Parameter(name="source", about="The text, as a rule an attribute; of a list every value is treated.")
_CULTURE = Parameter(
    name="culture", about="A culture such as `tr-TR`; left out, the invariant culture.", required=False
)

FUNCTIONS: Final = (
    Function(
        name="Append",
        topic=Topic.TEXT,
        about="Puts a suffix behind a text. Null stays null.",
        parameters=(_SOURCE, Parameter(name="suffix", about="What is put behind it.")),
        examples=(
            Example(
                expression='Append([userPrincipalName], ".test")',
                attributes={"userPrincipalName": "John.Doe@contoso.com"},
                result="John.Doe@contoso.com.test",
            ),
            Example(expression='Append([mail], ".test")', result=None),
        ),
        implementation=append,
    ),
    Function(
        name="Prepend",
        topic=Topic.TEXT,
        about="Puts a prefix before a text. Null stays null.",
        parameters=(Parameter(name="prefix", about="What is put before it."), _SOURCE),
        examples=(
            Example(
                expression='Prepend("smtp:", [mail])',
                attributes={"mail": "jo@contoso.com"},
                result="smtp:jo@contoso.com",
            ),
        ),
        implementation=prepend,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="Join",
        topic=Topic.TEXT,
        about="Joins texts with a separator between them. Null and empty texts are left out; a list gives each value.",
        parameters=(
            Parameter(name="separator", about='What stands between the parts; may be "".'),
            Parameter(name="source", about="A text or a list; any number of them.", multiple=True),
        ),
        examples=(
            Example(
                expression='Join(", ", "", [surname], [givenName])',
                attributes={"givenName": "John", "surname": "Doe"},
                result="Doe, John",
            ),
            Example(expression='Join(" ", [groups], "end")', attributes={"groups": ("a", "b")}, result="a b end"),
        ),
        implementation=join,
    ),
    Function(
        name="Left",
        topic=Topic.TEXT,
        about="The first characters of a text; the whole text if the number is negative, nothing of null.",
        parameters=(
            Parameter(name="string", about="The text.", key="String"),
            Parameter(name="numChars", about="How many characters.", type=ParameterType.INTEGER, key="NumChars"),
        ),
        examples=(
            Example(expression='Left("John Doe", 3)', result="Joh"),
            Example(expression='Left("John Doe", -1)', result="John Doe"),
            Example(expression="Left([none], 3)", result=""),
        ),
        implementation=_left,
    ),
    Function(
        name="Right",
        topic=Topic.TEXT,
        about="The last characters of a text; the whole text if the number is negative, nothing of null.",
        parameters=(
            Parameter(name="string", about="The text."),
            Parameter(name="numChars", about="How many characters.", type=ParameterType.INTEGER),
        ),
        examples=(Example(expression='Right("John Doe", 3)', result="Doe"),),
        implementation=_right,
        source=FunctionList.OURS,
    ),
    Function(
        name="Mid",
        topic=Topic.TEXT,
        about="A part of a text. Past the end there is nothing; null stays null.",
        parameters=(
            _SOURCE,
            Parameter(
                name="start", about="Where the part begins; 1 is the first character.", type=ParameterType.INTEGER
            ),
            Parameter(
                name="length",
                about="How long it is; left out, to the end.",
                type=ParameterType.INTEGER,
                required=False,
            ),
        ),
        examples=(
            Example(
                expression="Append(Mid([givenName], 1, 3), Mid([surname], 1, 5))",
                attributes={"givenName": "John", "surname": "Doe"},
                result="JohDoe",
            ),
            Example(expression='Mid("John", 0, 2)', fails=True),
        ),
        implementation=mid,
    ),
    Function(
        name="Len",
        topic=Topic.TEXT,
        about="How many characters a text has; 0 for null.",
        parameters=(Parameter(name="source", about="The text."),),
        examples=(Example(expression='Len("Zoë")', result=3),),
        implementation=_length,
        source=FunctionList.OURS,
    ),
    Function(
        name="StripSpaces",
        topic=Topic.TEXT,
        about="Removes every space.",
        parameters=(_SOURCE,),
        examples=(Example(expression='StripSpaces("Mary Ann")', result="MaryAnn"),),
        implementation=strip_spaces,
    ),
    Function(
        name="Trim",
        topic=Topic.TEXT,
        about="Removes white space at both ends, in a list of every value.",
        parameters=(Parameter(name="value", about="The text or list."),),
        examples=(
            Example(expression='Trim(" Test ")', result="Test"),
            Example(
                expression="Trim([proxyAddresses])", attributes={"proxyAddresses": (" a", "b ")}, result=("a", "b")
            ),
        ),
        implementation=_trim,
        source=FunctionList.EXTENDED,
    ),
    Function(
        name="NormalizeDiacritics",
        topic=Topic.TEXT,
        about="Writes Latin letters plain: ä becomes a, ø becomes oe, ß becomes ss. Other scripts stay.",
        parameters=(_SOURCE,),
        examples=(
            Example(expression="NormalizeDiacritics([givenName])", attributes={"givenName": "Zoë"}, result="Zoe"),
            Example(expression='NormalizeDiacritics("Søren Łukasz")', result="Soeren Lukasz"),
        ),
        implementation=normalize_diacritics,
    ),
    Function(
        name="ToLower",
        topic=Topic.TEXT,
        about="The text in lower case.",
        parameters=(_SOURCE, _CULTURE),
        examples=(
            Example(expression='ToLower("John@CONTOSO.com")', result="john@contoso.com"),
            Example(expression='ToLower("ISIL", "tr-TR")', result="ısıl"),
        ),
        implementation=to_lower,
    ),
    Function(
        name="ToUpper",
        topic=Topic.TEXT,
        about="The text in upper case, letter for letter: ß stays.",
        parameters=(_SOURCE, _CULTURE),
        examples=(
            Example(expression='ToUpper("nl-be")', result="NL-BE"),
            Example(expression='ToUpper("istanbul", "tr-TR")', result="İSTANBUL"),
        ),
        implementation=to_upper,
    ),
    Function(
        name="PCase",
        topic=Topic.TEXT,
        about="Each word with a capital, the rest in lower case.",
        parameters=(
            _SOURCE,
            Parameter(
                name="wordSeparators",
                about="The characters words end at; left out: white space, punctuation and symbols.",
                required=False,
            ),
        ),
        examples=(
            Example(expression='PCase("PABLO GONSALVES (SECOND)")', result="Pablo Gonsalves (Second)"),
            Example(expression="""PCase("PINTO-DE'SILVA", " '-")""", result="Pinto-De'Silva"),
            Example(expression="""PCase("st john's hospital")""", result="St John'S Hospital"),
        ),
        implementation=_proper_case,
    ),
)
