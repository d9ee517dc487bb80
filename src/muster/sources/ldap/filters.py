"""Search filters: read from the text an admin writes, or built from parts, always into the protocol's own form.

A value never becomes text of a filter again, so that no value can change what a filter means.
Source: RFC 4515; RFC 4511 §4.5.1.7.
"""

import re
from collections.abc import Iterable, Iterator

from muster.sources.ldap.ber import OCTETS, octets, read_elements, wrap

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _AT_LEAST, _AT_MOST, _PRESENT, _APPROXIMATE, _EXTENSIBLE = (
    0xA3,
    0xA4,
    0xA5,
    0xA6,
    0x87,
    0xA8,
    0xA9,
)
# The name within an extensible comparison.
_RULED_NAME = 0x82
_CHARACTERS = 8_192
_DEPTH = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?:;[A-Za-z0-9-]+)*")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})|\\")
_COMPARISONS = {">=": _AT_LEAST, "<=": _AT_MOST, "~=": _APPROXIMATE, "=": _EQUAL}


class FilterInvalid(ValueError):
    """A text that is no filter; the sentence says where and why."""


def all_of(filters: Iterable[bytes]) -> bytes:
    """Returns a filter that finds what all find."""
    return wrap(_AND, *filters)


def any_of(filters: Iterable[bytes]) -> bytes:
    """Returns a filter that finds what one of them finds."""
    return wrap(_OR, *filters)


def has_value(name: str, value: bytes | str) -> bytes:
    """Returns a filter for entries whose attribute has the value."""
    return wrap(_EQUAL, octets(name), octets(value))


def is_at_least(name: str, value: str) -> bytes:
    """Returns a filter for entries whose attribute is the value or comes after it."""
    return wrap(_AT_LEAST, octets(name), octets(value))


def is_present(name: str) -> bytes:
    """Returns a filter for entries that have the attribute."""
    return octets(name, _PRESENT)


def names_in(filter_bytes: bytes) -> frozenset[str]:
    """Returns the names of the attributes that a filter of ours compares, in lower case and without options."""
    return frozenset(name.partition(";")[0].casefold() for name in _names(filter_bytes, 0, len(filter_bytes)))


def _names(data: bytes, at: int, end: int) -> Iterator[str]:
    for tag, start, stop in read_elements(data, at, end):
        if tag in (_AND, _OR, _NOT):
            yield from _names(data, start, stop)
        elif tag == _PRESENT:
            yield data[start:stop].decode()
        else:
            kept = _RULED_NAME if tag == _EXTENSIBLE else OCTETS
            # Behind the name stands what it is compared with.
            yield from [data[at:to].decode() for part, at, to in read_elements(data, start, stop) if part == kept][:1]


def read_filter(text: str) -> bytes:
    """Returns the filter of a text such as `(&(objectClass=person)(!(employeeType=robot)))`. Raises: FilterInvalid."""
    text = text.strip()
    if len(text) > _CHARACTERS:
        raise FilterInvalid(f"The filter has more than {_CHARACTERS:,} characters.")
    if not text.startswith("("):
        # Lenient: a comparison alone, as ldapsearch takes it.
        text = f"({text})"
    found, at = _read(text, 0, 0)
    if at != len(text):
        raise FilterInvalid(f"The filter goes on after its end, at character {at + 1}: “{text[at : at + 20]}”.")
    return found


def _read(text: str, at: int, depth: int) -> tuple[bytes, int]:
    if depth > _DEPTH:
        raise FilterInvalid(f"The filter is nested deeper than {_DEPTH} levels.")
    if at >= len(text) or text[at] != "(":
        raise FilterInvalid(f"A bracket “(” is missing at character {at + 1} of the filter.")
    at += 1
    mark = text[at : at + 1]
    if mark and mark in "&|":
        parts: list[bytes] = []
        at += 1
        while text[at : at + 1] != ")":
            part, at = _read(text, at, depth + 1)
            parts.append(part)
        return wrap(_AND if mark == "&" else _OR, *parts), at + 1
    if mark == "!":
        part, at = _read(text, at + 1, depth + 1)
        if text[at : at + 1] != ")":
            raise FilterInvalid(f"A bracket “)” is missing at character {at + 1} of the filter.")
        return wrap(_NOT, part), at + 1
    end = text.find(")", at)
    if end < 0:
        raise FilterInvalid("A bracket “)” is missing at the end of the filter.")
    return _read_comparison(text[at:end], at), end + 1


def _read_comparison(text: str, at: int) -> bytes:
    left, equals, right = text.partition("=")
    if not equals:
        raise FilterInvalid(f"“{text[:40]}”, at character {at + 1} of the filter, compares nothing: write name=value.")
    if left.endswith(":"):
        return _read_extensible(left[:-1], right)
    operator = f"{left[-1]}=" if left[-1:] in (">", "<", "~") else "="
    name = left[:-1] if operator != "=" else left
    if _NAME.fullmatch(name) is None:
        raise FilterInvalid(f"“{name[:40]}”, at character {at + 1} of the filter, is no name of an attribute.")
    if operator == "=" and right == "*":
        return is_present(name)
    if operator == "=" and "*" in right:
        return _read_substrings(name, right)
    return wrap(_COMPARISONS[operator], octets(name), octets(_value(right)))


def _read_substrings(name: str, text: str) -> bytes:
    first, *middle, last = text.split("*")
    parts = [octets(_value(first), 0x80)] if first else []
    parts += [octets(_value(each), 0x81) for each in middle if each]
    parts += [octets(_value(last), 0x82)] if last else []
    if not parts:
        return is_present(name)
    return wrap(_SUBSTRINGS, octets(name), wrap(0x30, *parts))


def _read_extensible(left: str, value: str) -> bytes:
    """A comparison by a rule, such as `userAccountControl:1.2.840.113556.1.4.803:=2`."""
    name, *rest = left.split(":")
    with_dn = "dn" in [each.lower() for each in rest]
    rules = [each for each in rest if each.lower() != "dn"]
    if len(rules) > 1 or not (name or rules) or any(_NAME.fullmatch(each) is None for each in (name, *rules) if each):
        raise FilterInvalid(f"“{left[:40]}” of the filter is no name with a matching rule: write name:rule:=value.")
    return wrap(
        _EXTENSIBLE,
        octets(rules[0], 0x81) if rules else b"",
        octets(name, _RULED_NAME) if name else b"",
        octets(_value(value), 0x83),
        octets(b"\xff", 0x84) if with_dn else b"",
    )


def _value(text: str) -> bytes:
    def unescape(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise FilterInvalid(
                "A backslash in the filter is followed by two hexadecimal digits: write \\5c for itself."
            )
        return bytes.fromhex(match[1].decode())

    if "(" in text:
        raise FilterInvalid("A bracket within a value of the filter is written \\28 or \\29.")
    return _ESCAPE.sub(unescape, text.encode())
