"""LDAP messages as bytes and as values: the requests of a client that only reads, and every answer to them.

Source: RFC 4511 §4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from muster.sources.ldap.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    Malformed,
    boolean,
    expect,
    integer,
    octets,
    read_elements,
    read_header,
    read_integer,
    wrap,
)

_VERSION = 3
_BIND, _BOUND, _UNBIND = 0x60, 0x61, 0x42
_SEARCH, _ENTRY, _DONE, _REFERENCE = 0x63, 0x64, 0x65, 0x73
_EXTENDED, _EXTENDED_DONE, _INTERMEDIATE = 0x77, 0x78, 0x79
_CONTROLS = 0xA0
_SIMPLE = 0x80
START_TLS = "1.3.6.1.4.1.1466.20037"
NO_ATTRIBUTES = "1.1"


class Scope(IntEnum):
    """How far below its base a search goes."""

    BASE = 0
    ONE_LEVEL = 1
    SUBTREE = 2


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control of a request or an answer."""

    oid: str
    value: bytes | None = None
    is_critical: bool = False


class FoundEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that a search found: attribute descriptions as the server spells them, values as bytes."""

    dn: str
    attributes: dict[str, list[bytes]]
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Addresses of other servers that hold a part of what was searched. They are never followed."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a request ended: result code, what the server says of it, and controls."""

    code: int
    matched: str
    said: str
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intermediate:
    """Something told between entries."""

    name: str
    value: bytes


Answer = FoundEntry | Reference | Result | Intermediate


def bind_request(message_id: int, dn: str, password: str) -> bytes:
    """Returns a simple bind; both empty: anonymous."""
    return _message(message_id, wrap(_BIND, integer(_VERSION), octets(dn), octets(password, _SIMPLE)))


def unbind_request(message_id: int) -> bytes:
    """Returns the message that ends a connection."""
    return _message(message_id, wrap(_UNBIND))


def start_tls_request(message_id: int) -> bytes:
    """Returns the request to go on over TLS. Source: RFC 4511 §4.14."""
    return _message(message_id, wrap(_EXTENDED, octets(START_TLS, 0x80)))


def search_request(
    message_id: int,
    *,
    base: str,
    scope: Scope,
    filter_bytes: bytes,
    attributes: Sequence[str],
    controls: Sequence[Control] = (),
    time_limit_seconds: int = 0,
) -> bytes:
    """Returns a search; aliases are not followed, so that nobody is found twice."""
    body = wrap(
        _SEARCH,
        octets(base),
        integer(scope, ENUMERATED),
        integer(0, ENUMERATED),
        integer(0),
        integer(time_limit_seconds),
        boolean(False),
        filter_bytes,
        wrap(SEQUENCE, *(octets(name) for name in attributes)),
    )
    return _message(message_id, body, controls)


def read_message(data: bytes) -> tuple[int, Answer]:
    """Returns the id of the request that is answered, and the answer. Raises: Malformed."""
    start, end = expect(data, 0, len(data), SEQUENCE)
    id_start, id_end = expect(data, start, end, 0x02)
    message_id = read_integer(data, id_start, id_end)
    tag, body, body_end = read_header(data, id_end, end)
    controls = _read_controls(data, body_end, end) if body_end < end else ()
    if tag == _ENTRY:
        return message_id, _read_entry(data, body, body_end, controls)
    if tag in (_DONE, _BOUND, _EXTENDED_DONE):
        return message_id, _read_result(data, body, body_end, controls)
    if tag == _REFERENCE:
        urls = tuple(_text(data[at:stop]) for _, at, stop in read_elements(data, body, body_end))
        return message_id, Reference(urls=urls)
    if tag == _INTERMEDIATE:
        parts = {kind: data[at:stop] for kind, at, stop in read_elements(data, body, body_end)}
        return message_id, Intermediate(name=_text(parts.get(0x80, b"")), value=parts.get(0x81, b""))
    raise Malformed(f"holds an answer with the tag {tag:#04x}, which no search has")


def _message(message_id: int, body: bytes, controls: Sequence[Control] = ()) -> bytes:
    written = [
        wrap(
            SEQUENCE,
            octets(control.oid),
            boolean(True) if control.is_critical else b"",
            b"" if control.value is None else octets(control.value),
        )
        for control in controls
    ]
    return wrap(SEQUENCE, integer(message_id), body, wrap(_CONTROLS, *written) if written else b"")


def _read_entry(data: bytes, at: int, end: int, controls: tuple[Control, ...]) -> FoundEntry:
    start, stop = expect(data, at, end, OCTETS)
    dn = _text(data[start:stop])
    attributes: dict[str, list[bytes]] = {}
    at, end = expect(data, stop, end, SEQUENCE)
    while at < end:
        # Nearly all attributes are short and have one value, which ends where they do: read at one go.
        if at + 3 < end:
            after, named = at + 2 + data[at + 1], at + 4 + data[at + 3]
            if (
                data[at] == SEQUENCE
                and data[at + 2] == OCTETS
                and named + 4 <= after <= end
                and data[at + 1] < 0x80
                and data[named] == SET
                and data[named + 2] == OCTETS
                and after - named == data[named + 1] + 2 == data[named + 3] + 4
            ):
                attributes[data[at + 4 : named].decode("utf-8", "replace")] = [data[named + 4 : after]]
                at = after
                continue
        inner, after = expect(data, at, end, SEQUENCE)
        start, stop = expect(data, inner, after, OCTETS)
        name = _text(data[start:stop])
        inner, values_end = expect(data, stop, after, SET)
        values: list[bytes] = []
        while inner < values_end:
            start, inner = expect(data, inner, values_end, OCTETS)
            values.append(data[start:inner])
        attributes[name] = values
        at = after
    return FoundEntry(dn=dn, attributes=attributes, controls=controls)


def _read_result(data: bytes, at: int, end: int, controls: tuple[Control, ...]) -> Result:
    start, stop = expect(data, at, end, ENUMERATED)
    code = read_integer(data, start, stop)
    start, stop = expect(data, stop, end, OCTETS)
    matched = _text(data[start:stop])
    start, stop = expect(data, stop, end, OCTETS)
    return Result(code=code, matched=matched, said=_text(data[start:stop]), controls=controls)


def _read_controls(data: bytes, at: int, end: int) -> tuple[Control, ...]:
    start, stop = expect(data, at, end, _CONTROLS)
    found: list[Control] = []
    while start < stop:
        tag, inner, start = read_header(data, start, stop)
        if tag != SEQUENCE:
            raise Malformed("holds a control that is none")
        oid, value, is_critical = "", None, False
        while inner < start:
            part, part_start, inner = read_header(data, inner, start)
            if part == OCTETS and not oid:
                oid = _text(data[part_start:inner])
            elif part == OCTETS:
                value = data[part_start:inner]
            else:
                is_critical = data[part_start:inner] != b"\x00"
        found.append(Control(oid=oid, value=value, is_critical=is_critical))
    return tuple(found)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
