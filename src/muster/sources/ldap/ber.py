"""BER as LDAP uses it: definite lengths, tags of one byte. Reads no byte beyond what it was given.

Source: RFC 4511 §5.1; ITU-T X.690.
"""

from collections.abc import Iterator

INTEGER = 0x02
BOOLEAN = 0x01
OCTETS = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

_LENGTH_BYTES = 4


class Malformed(ValueError):
    """Bytes that are no BER, or not what stands in this place; the text ends a sentence about the server."""


def wrap(tag: int, *parts: bytes) -> bytes:
    """Returns an element of the parts, one after another."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Returns a whole number, 0 or more: LDAP sends no other."""
    return wrap(tag, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def boolean(value: bool) -> bytes:
    """Returns a truth value."""
    return wrap(BOOLEAN, b"\xff" if value else b"\x00")


def octets(value: bytes | str, tag: int = OCTETS) -> bytes:
    """Returns a string of bytes; text is UTF-8."""
    return wrap(tag, value.encode() if isinstance(value, str) else value)


def read_header(data: bytes | bytearray, at: int, end: int) -> tuple[int, int, int]:
    """Returns tag, start and end of the content of the element at a place. Raises: Malformed."""
    try:
        tag, length = data[at], data[at + 1]
        start = at + 2
        if length >= 0x80:
            count = length & 0x7F
            if not 0 < count <= _LENGTH_BYTES or start + count > end:
                raise Malformed("holds a length that cannot be read")
            length = int.from_bytes(data[start : start + count])
            start += count
    except IndexError:
        raise Malformed("ends within an element") from None
    if start + length > end:
        raise Malformed("ends within an element")
    return tag, start, start + length


def read_elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields tag, start and end of each element between two places. Raises: Malformed."""
    while at < end:
        tag, start, at = read_header(data, at, end)
        yield tag, start, at


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Returns start and end of the content of the element at a place, which must have the tag. Raises: Malformed."""
    # Nearly all elements are short: of these this is all that read_header does.
    if at + 1 < end and data[at] == tag and (length := data[at + 1]) < 0x80 and at + 2 + length <= end <= len(data):
        return at + 2, at + 2 + length
    found, start, stop = read_header(data, at, end)
    if found != tag:
        raise Malformed(f"holds an element with the tag {found:#04x} where {tag:#04x} belongs")
    return start, stop


def read_integer(data: bytes, start: int, end: int) -> int:
    """Returns the whole number that stands between two places. Raises: Malformed."""
    if not 0 < end - start <= 8:
        raise Malformed("holds a whole number that cannot be read")
    return int.from_bytes(data[start:end], signed=True)
