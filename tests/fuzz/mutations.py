"""Changes that keep a request close to one that makes sense: of JSON values, of texts, of bytes."""

from __future__ import annotations

import random
from typing import Any

NASTY_TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e",
    "İ",
    "ß",
    "e\u0301",
    "\U0010ffff",
    "%",
    "_%",
    "' OR 1=1 --",
    '"',
    "\\",
    "]",
    "[",
    "(",
    "x" * 5_000,
    "True",
    "FALSE",
    "null",
    "1e999",
    "-0",
    "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    "bulkId:a",
    "members",
    'members[value eq "x"]',
    'emails[type eq "work"].value',
    "name.familyName",
    "schemas",
    "meta.version",
    "password",
    "$ref",
    "userName",
    "groups",
    'userName eq "a" and (',
    "not (" * 40,
    'a[b[c eq "d"]]',
    'x509Certificates.value eq "a"',
)
NASTY_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64,
    10**40,
    1e308,
    0.1,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"value": None},
    [{"value": "x", "primary": True}, {"value": "y", "primary": True}],
    {"$ref": None, "value": "x"},
)


def mutate_value(chance: random.Random, value: Any) -> Any:
    """The value with one place of it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        return _mutate_object(chance, value)
    if isinstance(value, list) and value and chance.random() < 0.85:
        changed = list(value)
        at = chance.randrange(len(changed))
        match chance.randrange(6):
            case 0:
                del changed[at]
            case 1:
                changed += [changed[at]] * chance.choice((1, 2, 50))
            case _:
                changed[at] = mutate_value(chance, changed[at])
        return changed
    if isinstance(value, str) and chance.random() < 0.7:
        return mutate_text(chance, value)
    match chance.randrange(5):
        case 0:
            return [value]
        case 1:
            return {"value": value}
        case 2:
            return chance.choice(NASTY_TEXTS)
        case 3 if chance.random() < 0.1:
            return _deep(value)
        case _:
            return chance.choice(NASTY_VALUES)


def _mutate_object(chance: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    changed = dict(value)
    name = chance.choice(list(changed))
    match chance.randrange(8):
        case 0:
            del changed[name]
        case 1:
            changed[mutate_text(chance, name)] = changed.pop(name)
        case 2:
            changed[name.swapcase()] = changed[name]
        case 3:
            changed[chance.choice(NASTY_TEXTS)] = chance.choice(NASTY_VALUES)
        case _:
            changed[name] = mutate_value(chance, changed[name])
    return changed


def _deep(value: Any) -> Any:
    for _ in range(60):
        value = [value]
    return value


def mutate_text(chance: random.Random, text: str) -> str:
    """The text with something put in, taken out or doubled, or another text."""
    at = chance.randrange(len(text) + 1)
    match chance.randrange(7):
        case 0:
            return chance.choice(NASTY_TEXTS)
        case 1:
            return text[:at] + chance.choice(NASTY_TEXTS) + text[at:]
        case 2:
            return text[:at] + text[at + chance.randrange(1, 6) :]
        case 3:
            return text.swapcase()
        case 4:
            return text + text[at:]
        case 5:
            return text[:at] + chr(chance.choice((0, 9, 34, 40, 41, 47, 58, 91, 93, 127, 233, 8232, 65279))) + text[at:]
        case _:
            return text[::-1] if chance.random() < 0.2 else text[:at] + str(chance.randrange(-5, 10**6)) + text[at:]


def mutate_bytes(chance: random.Random, content: bytes) -> bytes:
    """The bytes with some changed, cut off or put in."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(3):
            case 0:
                changed[at:at] = chance.randbytes(chance.randrange(1, 4))
            case 1:
                del changed[at : at + chance.randrange(1, 20)]
            case _:
                changed[at : at + 1] = bytes([chance.randrange(256)])
    return bytes(changed)
