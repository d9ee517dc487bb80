"""Finds how a file's text is encoded, and opens it as text."""

import codecs
import io
from dataclasses import dataclass
from typing import BinaryIO

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    # Before UTF-16, whose mark begins alike.
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_BLOCK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A codec, what people call it, and a notice if the file should better be saved otherwise."""

    codec: str
    name: str
    notice: str | None = None


def detect_encoding(file: BinaryIO) -> Encoding:
    """Returns the encoding of a file that stands at its beginning and is left there.

    A byte order mark decides; else text in UTF-16 is known by its zero bytes. What is left is UTF-8 unless no line of
    it that goes beyond ASCII is valid UTF-8: then it is Windows-1252, the superset of Latin-1 that Excel saves.
    A file in UTF-8 with a few broken lines stays UTF-8: its broken bytes arrive as lone surrogates.
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
        return Encoding(
            codec="cp1252",
            name="Windows-1252",
            notice="The file is not UTF-8; it was read as Windows-1252 (Latin-1). Save it as UTF-8 to be safe.",
        )
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
