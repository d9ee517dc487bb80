"""Distinguished names: one spelling for equal ones, and which lie below another.

Source: RFC 4514.
"""

import re

# What a name without blanks around its signs and without escapes cannot hold: then it is as it should be.
_ODD = re.compile(r'[\\";+]|[,=] | [,=]')
_HEX = re.compile(r"[0-9A-Fa-f]{2}")
_SPECIAL = set(',+"\\<>;=')


def normalised_dn(text: str) -> str:
    """Returns one spelling for a name, whatever its blanks, escapes and letter case."""
    # Most have no blank and no sign that means something: to look for these takes a third of the search.
    is_plain = not (" " in text or "\\" in text or "+" in text or '"' in text or ";" in text)
    if is_plain or _ODD.search(text) is None:
        return text.strip().casefold()
    return ",".join(
        "+".join(sorted(_spelled(part) for part in _split(component, "+"))) for component in _split(text, ",;")
    )


def is_below(dn: str, base: str) -> bool:
    """Whether a normalised name is a normalised base or lies below it."""
    return not base or dn == base or dn.endswith(f",{base}")


def _split(text: str, separators: str) -> list[str]:
    parts, start, at, is_quoted = [], 0, 0, False
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 2
            continue
        if character == '"':
            is_quoted = not is_quoted
        elif character in separators and not is_quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _spelled(part: str) -> str:
    name, _, value = part.partition("=")
    return f"{name.strip().casefold()}={_escaped(_unescaped(value)).casefold()}"


def _unescaped(text: str) -> str:
    text = text.lstrip(" ")
    if text.startswith('"') and text.rstrip(" ").endswith('"') and len(text.rstrip(" ")) > 1:
        text = text.rstrip(" ")[1:-1]
        keep = len(text)
    else:
        stripped = text.rstrip(" ")
        # A blank that is escaped belongs to the value.
        keep = len(stripped) + (1 if stripped.endswith("\\") and len(stripped) < len(text) else 0)
    data, at = bytearray(), 0
    while at < keep:
        if text[at] == "\\" and _HEX.match(text, at + 1):
            data.append(int(text[at + 1 : at + 3], 16))
            at += 3
        elif text[at] == "\\" and at + 1 < len(text):
            data += text[at + 1].encode()
            at += 2
        else:
            data += text[at].encode()
            at += 1
    return data.decode(errors="replace")


def _escaped(text: str) -> str:
    shown = "".join(f"\\{character}" if character in _SPECIAL else character for character in text)
    if shown.startswith((" ", "#")):
        shown = f"\\{shown}"
    return f"{shown[:-1]}\\ " if text.endswith(" ") and len(text) > 1 else shown
