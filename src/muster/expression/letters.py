"""Letters: case by culture, title case, and the plain letters behind diacritics."""

import re
import unicodedata
from typing import Final

_CULTURE: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_TURKIC: Final = frozenset(("tr", "az"))
_LITHUANIAN: Final = "lt"

# Letters with no canonical decomposition; the others lose their marks.
_PLAIN: Final = {
    "æ": "ae",
    "Æ": "AE",
    "ø": "oe",
    "Ø": "OE",
    "œ": "oe",
    "Œ": "OE",
    "ß": "ss",
    "ẞ": "SS",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
}
_DOT_ABOVE: Final = "\u0307"
_LITHUANIAN_LOWER: Final = {"Ì": "i\u0307\u0300", "Í": "i\u0307\u0301", "Ĩ": "i\u0307\u0303"}
_ABOVE: Final = 230

# The categories .NET's ToTitleCase ends a word at.
_WORD_ENDS: Final = frozenset(
    ("Zs", "Zl", "Zp", "Cc", "Cf", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So")
)


def is_culture(name: str) -> bool:
    """Whether the text has the shape of a culture's name (`tr-TR`); the empty text is the invariant culture."""
    return not name or _CULTURE.fullmatch(name) is not None


def lower(source: str, culture: str = "") -> str:
    """The text in lower case, letter for letter as .NET does, by the rules of the culture."""
    language = culture[:3].rstrip("-_").lower()
    if language in _TURKIC:
        source = source.replace("I", "ı").replace("İ", "i")
    elif language == _LITHUANIAN and not source.isascii():
        source = _lower_lithuanian(source)
    # These alone have a lower case that depends on their place or is two letters.
    if "Σ" in source or "İ" in source:
        return "".join(map(_lower_letter, source))
    return source.lower()


def upper(source: str, culture: str = "") -> str:
    """The text in upper case, letter for letter as .NET does (ß stays), by the rules of the culture."""
    language = culture[:3].rstrip("-_").lower()
    if language in _TURKIC:
        source = source.replace("i", "İ").replace("ı", "I")
    elif language == _LITHUANIAN and not source.isascii():
        source = re.sub(f"([ijįIJĮ]){_DOT_ABOVE}", r"\1", source)
    changed = source.upper()
    if len(changed) == len(source) and "ı" not in source:
        return changed
    return "".join(map(_upper_letter, source))


def _lower_letter(letter: str) -> str:
    changed = letter.lower()
    # The invariant culture leaves İ: its lower case would be two characters.
    return changed if len(changed) == 1 else letter


def _upper_letter(letter: str) -> str:
    if letter == "ı":
        return letter
    changed = letter.upper()
    return changed if len(changed) == 1 else letter


def _lower_lithuanian(source: str) -> str:
    """The text with the dot kept under accents, as Unicode's SpecialCasing says for Lithuanian."""
    lowered: list[str] = []
    for index, letter in enumerate(source):
        following = source[index + 1 : index + 2]
        if letter in _LITHUANIAN_LOWER:
            lowered.append(_LITHUANIAN_LOWER[letter])
        elif letter in "IJĮ" and following and unicodedata.combining(following) == _ABOVE:
            lowered.append(letter.lower() + _DOT_ABOVE)
        else:
            lowered.append(letter)
    return "".join(lowered)


def title(source: str, separators: str | None = None) -> str:
    """The text in lower case with the first letter of each word in upper case.

    Words end at the given characters, or where .NET's ToTitleCase ends them: so `john's` becomes `John'S`.
    """
    lowered = lower(source)
    titled: list[str] = []
    starts = True
    for letter in lowered:
        if _ends_word(letter, separators):
            starts = True
            titled.append(letter)
        elif starts and (letter.isalpha() or separators is not None):
            titled.append(_upper_letter(letter))
            starts = False
        else:
            titled.append(letter)
    return "".join(titled)


def _ends_word(letter: str, separators: str | None) -> bool:
    if separators is not None:
        return letter in separators
    return unicodedata.category(letter) in _WORD_ENDS


def strip_diacritics(source: str) -> str:
    """The text with Latin letters plain: ä is a, ø is oe, ß is ss; other scripts keep their marks.

    Source: Microsoft's reference for writing expressions, table of NormalizeDiacritics.
    """
    if source.isascii():
        return source
    return _MARKS.sub("", source.translate(_PLAIN_LETTERS))


class _PlainLetters(dict[int, str]):
    """The plain letters behind Latin ones, found when first asked for."""

    def __missing__(self, point: int) -> str:
        letter = chr(point)
        if not (0xC0 <= point < 0x250 or 0x1E00 <= point < 0x1F00):
            return letter
        bare = unicodedata.normalize("NFD", letter)[0]
        plain = _PLAIN.get(bare, bare)
        self[point] = plain if plain.isascii() and plain.isalpha() else letter
        return self[point]


_PLAIN_LETTERS: Final = _PlainLetters()
# Combining marks behind a Latin letter.
_MARKS: Final = re.compile("(?<=[A-Za-z])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
