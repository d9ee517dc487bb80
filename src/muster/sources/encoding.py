"""Finds how a file's text is encoded, and opens it as text."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from muster.sources.rows import quoted

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    # Before UTF-16, whose mark begins alike.
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_BLOCK = 65_536
# What is no UTF-8 is in one of these, the likeliest first: Excel's, an older Mac's, a console's of DOS or Windows.
_LIKELIEST = "cp1252"
_LATIN = {_LIKELIEST: "Windows-1252 (Latin-1)", "mac_roman": "Mac Roman", "cp850": "DOS (code page 850)"}
_WORD = re.compile(rb"[A-Za-z'\x80-\xff]*[\x80-\xff][A-Za-z'\x80-\xff]*")
_LOOKS_RIGHT = re.compile(r"[‘“„]*([^\W\d_]+(?:[’'][^\W\d_]*)*)[’”]*|([–—])")
_USUAL = frozenset("éèëêïíöóøüúäåæáàñçß")
_WORDS_WEIGHED = 10_000
_WORDS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A codec, what people call it, and a notice if the file should better be saved otherwise."""

    codec: str
    name: str
    notice: str | None = None


def detect_encoding(file: BinaryIO) -> Encoding:
    """Returns the encoding of a file that stands at its beginning and is left there.

    A byte order mark decides; else text in UTF-16 is known by its zero bytes. What is left is UTF-8 unless no line of
    it that goes beyond ASCII is valid UTF-8: then it is the set of Latin letters in which most of its words look like
    words, Windows-1252 if none is better. That is a guess, so the notice shows words. A file in UTF-8 with a few broken
    lines stays UTF-8: its broken bytes arrive as lone surrogates.
    """
    start = file.read(4_096)
    file.seek(0)
    for mark, codec, name in _MARKS:
        if start.startswith(mark):
            return Encoding(codec=codec, name=name)
    # Lenient: UTF-16 without a mark, as some exports of Windows tools are.
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) // 8 and min(even, odd) * 4 < max(even, odd):
        codec = "utf-16-be" if even > odd else "utf-16-le"
        return Encoding(codec=codec, name="UTF-16", notice="The file has no byte order mark; it was read as UTF-16.")
    valid, broken = _lines_beyond_ascii(file)
    file.seek(0)
    if broken and not valid:
        return _guessed(file)
    return Encoding(codec="utf-8", name="UTF-8")


def open_text(file: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    """Returns the file as text: line ends untouched, undecodable bytes as lone surrogates."""
    return io.TextIOWrapper(file, encoding=encoding.codec, errors="surrogateescape", newline="")


def is_broken(text: str) -> bool:
    """Whether the text holds bytes that could not be decoded."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _guessed(file: BinaryIO) -> Encoding:
    words = list(_words(iter(lambda: file.readline(_BLOCK), b"")))
    file.seek(0)
    codec = max(_LATIN, key=lambda each: _likeness([word.decode(each, errors="replace") for word in words], each))
    # Those that are odd say most.
    shown = sorted(dict.fromkeys(word.decode(codec, errors="replace") for word in words), key=_looks_right)
    samples = ", ".join(quoted(word, 30) for word in shown[:_WORDS_SHOWN])
    name = _LATIN[codec]
    return Encoding(
        codec=codec,
        name=name,
        notice=f"The file is not UTF-8; it was read as {name}, in which it has words such as {samples}. "
        "If they are wrong, save it as UTF-8.",
    )


def _words(lines: Iterable[bytes]) -> Iterator[bytes]:
    count = 0
    for line in lines:
        for found in _WORD.finditer(line):
            yield found[0]
            count += 1
            if count >= _WORDS_WEIGHED:
                return


def _likeness(words: Iterable[str], codec: str) -> tuple[int, bool, int]:
    """How many words look like words, whether the codec is the likeliest, how many usual letters it gives."""
    right = [word for word in words if _looks_right(word)]
    return len(right), codec == _LIKELIEST, sum(letter in _USUAL for word in right for letter in word.lower())


def _looks_right(word: str) -> bool:
    """Whether a word has letters, capitals at its beginning or everywhere, and marks where they belong."""
    found = _LOOKS_RIGHT.fullmatch(word)
    if found is None:
        return False
    # A dash alone has none.
    letters = found[1] or ""
    return letters[1:] == letters[1:].lower() or letters == letters.upper() or "’" in letters


def _lines_beyond_ascii(file: BinaryIO) -> tuple[int, int]:
    valid = broken = 0
    while line := file.readline(_BLOCK):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            # A very long line is read in blocks: a character cut at the end of one is no fault. So is the file's own
            # end, for what the file is in: that it was cut off there its last row tells.
            is_cut = len(line) == _BLOCK or not line.endswith(b"\n")
            if not is_cut or error.reason != "unexpected end of data" or error.start < len(line) - 3:
                broken += 1
                continue
        valid += 1
    return valid, broken
