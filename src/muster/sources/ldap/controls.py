"""Controls that a reader needs: pages, content synchronization, and Active Directory's DirSync.

Source: RFC 2696 (pages); RFC 4533 (content synchronization); MS-ADTS 3.1.1.3.4.1.3 (DirSync).
"""

from dataclasses import dataclass
from enum import IntEnum

from muster.sources.ldap.ber import (
    BOOLEAN,
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    Malformed,
    expect,
    integer,
    octets,
    read_elements,
    read_header,
    read_integer,
    wrap,
)
from muster.sources.ldap.messages import Control

PAGES = "1.2.840.113556.1.4.319"
SYNC_REQUEST = "1.3.6.1.4.1.4203.1.9.1.1"
SYNC_STATE = "1.3.6.1.4.1.4203.1.9.1.2"
SYNC_DONE = "1.3.6.1.4.1.4203.1.9.1.3"
SYNC_INFO = "1.3.6.1.4.1.4203.1.9.1.4"
DIR_SYNC = "1.2.840.113556.1.4.841"
# Active Directory: what other domains and partitions hold is not meant, so no search refers to them.
# Source: MS-ADTS 3.1.1.3.4.1.4.
DOMAIN_SCOPE = "1.2.840.113556.1.4.1339"
# In the root DSE's supportedCapabilities: what answers is Active Directory.
ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"

_REFRESH_ONLY = 1
# Object security: what the bind may read is given, so that it needs no right to replicate the domain.
_DIR_SYNC_OBJECT_SECURITY = 1
_DIR_SYNC_BYTES = 1_048_576


class SyncState(IntEnum):
    """What content synchronization says of an entry."""

    PRESENT = 0
    ADD = 1
    MODIFY = 2
    DELETE = 3


# Looked up for every entry: calling the class takes four times as long.
_SYNC_STATES = {state.value: state for state in SyncState}


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncIds:
    """Ids told in one piece: of entries that are there as before, or that are gone."""

    ids: tuple[str, ...]
    are_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEnd:
    """How a refresh ended: whether it named who is gone, or who is there; and from where the next one goes on."""

    cookie: bytes | None
    names_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DirSyncState:
    """Where DirSync stands: whether more follows, and the cookie to go on with."""

    has_more: bool
    cookie: bytes


def page_control(size: int, cookie: bytes) -> Control:
    """Returns the request for a page. A server without pages answers everything at once."""
    return Control(oid=PAGES, value=wrap(SEQUENCE, integer(size), octets(cookie)))


def read_page_cookie(controls: tuple[Control, ...]) -> bytes:
    """Returns the cookie of the next page; empty: this was the last. Raises: Malformed."""
    value = _value_of(controls, PAGES)
    if value is None:
        return b""
    start, end = expect(value, 0, len(value), SEQUENCE)
    _, _, after_size = read_header(value, start, end)
    start, stop = expect(value, after_size, end, OCTETS)
    return value[start:stop]


def sync_control(cookie: bytes | None) -> Control:
    """Returns the request for what changed since a cookie, or for everything."""
    value = wrap(SEQUENCE, integer(_REFRESH_ONLY, ENUMERATED), b"" if cookie is None else octets(cookie))
    return Control(oid=SYNC_REQUEST, value=value, is_critical=True)


def read_sync_state(controls: tuple[Control, ...]) -> tuple[SyncState, str]:
    """Returns what is said of an entry, and its entryUUID. Raises: Malformed."""
    value = _value_of(controls, SYNC_STATE)
    if value is None:
        raise Malformed("gives an entry without its state, though it was asked for")
    start, end = expect(value, 0, len(value), SEQUENCE)
    state_start, state_end = expect(value, start, end, ENUMERATED)
    state = read_integer(value, state_start, state_end)
    said = _SYNC_STATES.get(state)
    if said is None:
        raise Malformed(f"gives an entry the state {state}, which there is not")
    id_start, id_end = expect(value, state_end, end, OCTETS)
    return said, _uuid(value[id_start:id_end])


def read_sync_info(value: bytes) -> SyncIds | None:
    """Returns the ids of a piece of information between entries, None when it holds none. Raises: Malformed."""
    tag, start, end = read_header(value, 0, len(value))
    if tag != 0xA3:
        return None
    are_gone = False
    ids: tuple[str, ...] = ()
    for part, inner, after in read_elements(value, start, end):
        if part == BOOLEAN:
            are_gone = value[inner:after] != b"\x00"
        elif part == SET:
            ids = tuple(_uuid(value[at:stop]) for _, at, stop in read_elements(value, inner, after))
    return SyncIds(ids=ids, are_gone=are_gone)


def read_sync_end(controls: tuple[Control, ...]) -> SyncEnd:
    """Returns how a refresh ended. Raises: Malformed."""
    value = _value_of(controls, SYNC_DONE)
    if value is None:
        raise Malformed("ends a synchronization without saying where it stands")
    cookie, names_gone = None, False
    start, end = expect(value, 0, len(value), SEQUENCE)
    for part, inner, after in read_elements(value, start, end):
        if part == OCTETS:
            cookie = value[inner:after]
        elif part == BOOLEAN:
            names_gone = value[inner:after] != b"\x00"
    return SyncEnd(cookie=cookie, names_gone=names_gone)


def dir_sync_control(cookie: bytes) -> Control:
    """Returns the request for what changed in a naming context since a cookie; empty: everything."""
    value = wrap(SEQUENCE, integer(_DIR_SYNC_OBJECT_SECURITY), integer(_DIR_SYNC_BYTES), octets(cookie))
    return Control(oid=DIR_SYNC, value=value, is_critical=True)


def read_dir_sync(controls: tuple[Control, ...]) -> DirSyncState:
    """Returns where DirSync stands. Raises: Malformed."""
    value = _value_of(controls, DIR_SYNC)
    if value is None:
        raise Malformed("ends DirSync without a cookie")
    start, end = expect(value, 0, len(value), SEQUENCE)
    more_start, more_end = expect(value, start, end, 0x02)
    _, _, after_size = read_header(value, more_end, end)
    cookie_start, cookie_end = expect(value, after_size, end, OCTETS)
    return DirSyncState(has_more=read_integer(value, more_start, more_end) != 0, cookie=value[cookie_start:cookie_end])


def _value_of(controls: tuple[Control, ...], oid: str) -> bytes | None:
    for control in controls:
        if control.oid == oid:
            return control.value
    return None


def _uuid(data: bytes) -> str:
    if len(data) != 16:
        raise Malformed("gives an entryUUID that has not 16 bytes")
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
