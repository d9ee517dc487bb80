""".NET patterns run by RE2: what differs is rewritten, what RE2 has not is refused by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

MAX_PATTERN = 2_000
MAX_PATTERN_MEMORY_BYTES = 8 * 1024 * 1024

# .NET's classes know all scripts, RE2's only ASCII.
_WORD_SET: Final = r"\pL\p{Mn}\p{Nd}\p{Pc}"
_SPACE_SET: Final = r"\t\n\v\f\r\x{85}\pZ"
_CLASSES: Final = {
    "w": f"[{_WORD_SET}]",
    "W": f"[^{_WORD_SET}]",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": f"[{_SPACE_SET}]",
    "S": f"[^{_SPACE_SET}]",
}
_CLASSES_IN_SET: Final = {
    "w": _WORD_SET,
    "W": r"\p{Mc}\p{Me}\p{Nl}\p{No}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\pS\pZ\pC",
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": _SPACE_SET,
    "S": r"\pL\pM\pN\pP\pS\p{Cf}\p{Co}\x{0}-\x{8}\x{e}-\x{1f}\x{7f}-\x{84}\x{86}-\x{9f}",
}
_ESCAPES: Final = {"Z": r"\z", "e": r"\x{1b}", "a": r"\x{7}", "v": r"\x{b}"}
_REFUSED_GROUPS: Final = (
    ("(?=", "a look-ahead, (?=…)"),
    ("(?!", "a negative look-ahead, (?!…)"),
    ("(?<=", "a look-behind, (?<=…)"),
    ("(?<!", "a negative look-behind, (?<!…)"),
    ("(?>", "an atomic group, (?>…)"),
    ("(?(", "a conditional group, (?(…)…)"),
)


class PatternError(ValueError):
    """A pattern that cannot be run; the sentence says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A compiled pattern; `numbers` gives for .NET's group numbers (unnamed first) RE2's."""

    source: str
    compiled: Any
    names: Mapping[str, int]
    numbers: tuple[int, ...]

    def group(self, name: str) -> int | None:
        """RE2's number of the group with that name or .NET number, or None."""
        if name in self.names:
            return self.names[name]
        if name.isascii() and name.isdigit() and len(name) < 4 and int(name) < len(self.numbers):
            return self.numbers[int(name)]
        return None

    def matches_whole(self, source: str) -> bool:
        """Whether the pattern matches the text from its first to its last character."""
        return self.compiled.fullmatch(source) is not None

    def search(self, source: str) -> Any:
        """The first match in the text, or None."""
        return self.compiled.search(source)

    def find_all(self, source: str) -> Iterator[Any]:
        """The matches from left to right, empty ones too."""
        found: Iterator[Any] = self.compiled.finditer(source)
        return found


@lru_cache(maxsize=512)
def compile_pattern(source: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern ready to run.

    Raises:
        PatternError: it is too long, malformed, or uses what RE2 has not.
    """
    if len(source) > MAX_PATTERN:
        raise PatternError(f"a pattern has at most {MAX_PATTERN:,} characters, this one has {len(source):,}")
    translated = "".join(_translate(source))
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY_BYTES
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(translated, options)
    except re2.error as failure:
        reason = failure.args[0]
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"the pattern {source} cannot be read: {told}") from None
    names: dict[str, int] = dict(compiled.groupindex)
    named = sorted(names.values())
    unnamed = [number for number in range(1, compiled.groups + 1) if number not in names.values()]
    return Pattern(source=source, compiled=compiled, names=names, numbers=(0, *unnamed, *named))


def _translate(source: str) -> Iterator[str]:
    position = 0
    in_set = False
    set_began = 0
    while position < len(source):
        letter = source[position]
        if letter == "\\":
            piece, length = _translate_escape(source, position, in_set=in_set)
            yield piece
            position += length
            continue
        if in_set:
            if letter == "]" and position > set_began:
                in_set = False
            elif source.startswith("-[", position):
                raise PatternError(_lacks(source, "subtraction of classes, [a-z-[aeiou]]"))
            elif letter == "[":
                letter = r"\["
        elif letter == "[":
            in_set = True
            set_began = position + (2 if source.startswith("^", position + 1) else 1)
        elif letter == "(" and source.startswith("(?", position):
            piece, length = _translate_group(source, position)
            yield piece
            position += length
            continue
        elif letter in "*+?}" and source.startswith("+", position + 1):
            raise PatternError(_lacks(source, "possessive repetition, such as a++"))
        yield letter
        position += 1


def _lacks(source: str, feature: str) -> str:
    return (
        f"the pattern {source} uses {feature}, which RE2 has not (patterns run in linear time); "
        "write it without, for example with a named group and regexGroupName"
    )


def _translate_escape(source: str, position: int, *, in_set: bool) -> tuple[str, int]:
    following = source[position + 1 : position + 2]
    if following in _CLASSES and following:
        return (_CLASSES_IN_SET if in_set else _CLASSES)[following], 2
    match following:
        case "":
            raise PatternError(f"the pattern {source} ends in a single backslash")
        case "Z" | "e" | "a" | "v":
            return _ESCAPES[following], 2
        case "u":
            digits = source[position + 2 : position + 6]
            if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise PatternError(f"the pattern {source} has \\u without four hexadecimal digits")
            return f"\\x{{{digits}}}", 6
        case "b" if in_set:
            return r"\x{8}", 2
        case "k" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
            raise PatternError(_lacks(source, f"a back-reference, \\{following}"))
        case "G":
            raise PatternError(_lacks(source, r"the anchor \G"))
        case _ if following.isascii():
            return "\\" + following, 2
        case _:
            return following, 2


def _translate_group(source: str, position: int) -> tuple[str, int]:
    rest = source[position : position + 4]
    for opening, feature in _REFUSED_GROUPS:
        if rest.startswith(opening):
            raise PatternError(_lacks(source, feature))
    if rest.startswith("(?#"):
        closing = source.find(")", position)
        if closing < 0:
            raise PatternError(f"the pattern {source} has a comment that does not end")
        return "", closing + 1 - position
    if rest.startswith("(?'"):
        closing = source.find("'", position + 3)
        name = source[position + 3 : closing] if closing > 0 else ""
        return f"(?P<{name}>", closing + 1 - position if closing > 0 else 3
    if rest.startswith("(?<"):
        return "(?P<", 3
    for letter in source[position + 2 :]:
        if letter in ":)":
            break
        if letter in "nx":
            raise PatternError(_lacks(source, f"the option (?{letter})"))
        if letter not in "ims-":
            break
    return "(?", 2


def expand_template(template: str, pattern: Pattern, match: Any, source: str) -> Iterator[str]:
    """The pieces of a replacement as .NET writes them (`$1`, `${name}`, `$&`, `$$` …); an unknown reference is text."""
    position = 0
    while (dollar := template.find("$", position)) >= 0:
        yield template[position:dollar]
        following = template[dollar + 1 : dollar + 2]
        position = dollar + 2
        match following:
            case "$":
                yield "$"
            case "&":
                yield match.group(0)
            case "`":
                yield source[: match.start(0)]
            case "'":
                yield source[match.end(0) :]
            case "_":
                yield source
            case "+":
                yield match.group(len(pattern.numbers) - 1) or ""
            case _:
                name, position = _reference_at(template, dollar)
                number = pattern.group(name) if name else None
                yield template[dollar:position] if number is None else match.group(number) or ""
    yield template[position:]


def _reference_at(template: str, dollar: int) -> tuple[str, int]:
    """The group a `$` refers to and where the reference ends; an empty name where it refers to none."""
    if template.startswith("{", dollar + 1):
        closing = template.find("}", dollar)
        if closing > 0:
            return template[dollar + 2 : closing], closing + 1
        return "", dollar + 1
    end = dollar + 1
    while end < len(template) and template[end] in "0123456789":
        end += 1
    return template[dollar + 1 : end], end
