"""A small LDAP server with the shapes of Active Directory: GUIDs, update numbers, DirSync, and members in pieces.

The shapes are those that Microsoft's specification (MS-ADTS) describes; no real domain controller has been recorded.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from muster.sources.ldap.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    boolean,
    integer,
    octets,
    read_elements,
    read_header,
    read_integer,
    wrap,
)
from muster.sources.ldap.controls import ACTIVE_DIRECTORY, DIR_SYNC, DOMAIN_SCOPE, PAGES

BASE = "DC=example,DC=com"
STAFF = f"OU=Staff,{BASE}"
SERVICE = f"CN=NTDS Settings,CN=DC1,{BASE}"
BIND_DN, PASSWORD = f"CN=Muster,{BASE}", "secret"


@dataclass(kw_only=True)
class Entry:
    """An object with its update number."""

    dn: str
    guid: UUID
    usn: int
    values: dict[str, list[bytes]]


@dataclass
class PlayedDomain:
    """The directory behind the server. `range_size` members are given at once."""

    entries: dict[str, Entry] = field(default_factory=dict)
    # Guids of what was deleted, with their numbers.
    gone: dict[UUID, int] = field(default_factory=dict)
    usn: int = 100
    range_size: int = 3
    # None: whoever asks may not read it.
    invocation: UUID | None = field(default_factory=uuid4)
    service: str = SERVICE
    # What the root entry says of itself beside, or instead.
    root: dict[str, list[bytes]] = field(default_factory=dict)
    # Whether DirSync tells who was deleted, and takes a cookie: one that another controller made need not be.
    tells_deleted: bool = True
    takes_cookies: bool = True
    port: int = 0
    lookups: int = 0
    # What a search of everything refers to, unless it is to stay in the domain.
    referrals: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def put(self, dn: str, **values: str | list[str]) -> Entry:
        """Makes or changes an object."""
        self.usn += 1
        known = self.entries.get(dn)
        given = {
            name: [text.encode() for text in ([value] if isinstance(value, str) else value)]
            for name, value in values.items()
        }
        made = Entry(
            dn=dn,
            guid=known.guid if known else uuid4(),
            usn=self.usn,
            values={**(known.values if known else {}), **given},
        )
        self.entries[dn] = made
        return made

    def person(self, name: str, control: int = 512, **more: str | list[str]) -> Entry:
        return self.put(
            f"CN={name},{STAFF}",
            objectClass=["top", "person", "user"],
            objectCategory="person",
            cn=name,
            sn=name,
            sAMAccountName=name.lower(),
            userPrincipalName=f"{name.lower()}@example.com",
            userAccountControl=str(control),
            **more,
        )

    def delete(self, dn: str) -> None:
        self.usn += 1
        self.gone[self.entries.pop(dn).guid] = self.usn

    def move(self, dn: str, new: str) -> None:
        self.usn += 1
        entry = self.entries.pop(dn)
        self.entries[new] = Entry(dn=new, guid=entry.guid, usn=self.usn, values=entry.values)

    # ------------------------------------------------------------ answering

    def answer(self, message_id: int, tag: int, body: bytes, controls: dict[str, bytes]) -> list[bytes]:
        if tag == 0x60:
            parts = [body[start:end] for _, start, end in read_elements(body, 0, len(body))]
            code = 0 if (parts[1].decode(), parts[2].decode()) in ((BIND_DN, PASSWORD), ("", "")) else 49
            said = (
                ""
                if code == 0
                else "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563"
            )
            return [_message(message_id, _result(0x61, code, said))]
        if tag != 0x63:
            return []
        parts = list(read_elements(body, 0, len(body)))
        base = body[parts[0][1] : parts[0][2]].decode()
        scope = read_integer(body, parts[1][1], parts[1][2])
        wanted = body[parts[7][1] - 0 : parts[7][2]]
        names = [wanted[start:end].decode() for _, start, end in read_elements(wanted, 0, len(wanted))]
        start = parts[5][2]
        filter_bytes = body[start : parts[6][2]]
        if base == "":
            return [_message(message_id, _entry("", self._root())), _message(message_id, _result(0x65, 0))]
        if base == self.service:
            found = {} if self.invocation is None else {"invocationId": [self.invocation.bytes_le]}
            return [_message(message_id, _entry(base, found)), _message(message_id, _result(0x65, 0))]
        if scope == 0:
            entry = self.entries.get(base)
            shown = [] if entry is None else [_message(message_id, _entry(base, self._shown(entry, names)))]
            return [*shown, _message(message_id, _result(0x65, 0 if entry else 32))]
        if DIR_SYNC in controls:
            return self._dir_sync(message_id, controls[DIR_SYNC])
        self.lookups += 1
        if not (base == BASE or any(dn.endswith(base) for dn in self.entries)):
            return [_message(message_id, _result(0x65, 32))]
        matching = [
            each
            for each in sorted(self.entries.values(), key=lambda each: each.usn)
            if each.dn.endswith(base) and self._holds(filter_bytes, each)
        ]
        cookie = b""
        if PAGES in controls:
            size, at = _page(controls[PAGES])
            cookie = str(at + size).encode() if at + size < len(matching) else b""
            matching = matching[at : at + size]
        control = _control(PAGES, wrap(SEQUENCE, integer(0), octets(cookie)))
        entries = [_message(message_id, _entry(each.dn, self._shown(each, names))) for each in matching]
        told = () if DOMAIN_SCOPE in controls else self.referrals
        entries += [_message(message_id, wrap(0x73, octets(url))) for url in told]
        return [*entries, _message(message_id, _result(0x65, 0), control)]

    def _dir_sync(self, message_id: int, value: bytes) -> list[bytes]:
        _, start, end = read_header(value, 0, len(value))
        *_, (_, cookie_start, cookie_end) = read_elements(value, start, end)
        since = int(value[cookie_start:cookie_end] or b"0")
        if since and not self.takes_cookies:
            return [_message(message_id, _result(0x65, 53, "0000203D: LdapErr: DSID-0C0F0B21"))]
        changed = [(each.dn, each.guid) for each in self.entries.values() if each.usn > since]
        changed += [(f"CN=gone,{BASE}", guid) for guid, usn in self.gone.items() if usn > since and self.tells_deleted]
        shown = [_message(message_id, _entry(dn, {"objectGUID": [guid.bytes_le]})) for dn, guid in changed]
        control = _control(DIR_SYNC, wrap(SEQUENCE, integer(0), integer(0), octets(str(self.usn))))
        return [*shown, _message(message_id, _result(0x65, 0), control)]

    def _root(self) -> dict[str, list[bytes]]:
        return {
            "supportedCapabilities": [ACTIVE_DIRECTORY.encode()],
            "supportedControl": [PAGES.encode(), DIR_SYNC.encode()],
            "defaultNamingContext": [BASE.encode()],
            "highestCommittedUSN": [str(self.usn).encode()],
            "dsServiceName": [self.service.encode()],
            **self.root,
        }

    def _shown(self, entry: Entry, names: list[str]) -> dict[str, list[bytes]]:
        shown: dict[str, list[bytes]] = {}
        known = {**entry.values, "objectGUID": [entry.guid.bytes_le], "uSNChanged": [str(entry.usn).encode()]}
        for name in names:
            plain, mark, place = name.partition(";range=")
            values = known.get(plain)
            if values is None:
                continue
            start = int(place.partition("-")[0]) if mark else 0
            piece = values[start : start + self.range_size]
            if plain != "member" or (not mark and len(values) <= self.range_size):
                shown[plain] = values
            elif start + self.range_size >= len(values):
                shown[f"{plain};range={start}-*"] = piece
            else:
                shown[f"{plain};range={start}-{start + self.range_size - 1}"] = piece
        return shown

    def _holds(self, data: bytes, entry: Entry) -> bool:
        tag, start, end = read_header(data, 0, len(data))
        if tag in (0xA0, 0xA1):
            inner = [self._holds(data[at:], entry) for at in _starts(data, start, end)]
            return all(inner) if tag == 0xA0 else any(inner)
        if tag == 0xA2:
            return not self._holds(data[start:end], entry)
        if tag == 0x87:
            return True
        parts = [data[at:stop] for _, at, stop in read_elements(data, start, end)]
        name, value = parts[0].decode(), parts[1]
        if name == "objectGUID":
            return value == entry.guid.bytes_le
        if tag == 0xA5:
            if name == "modifyTimestamp":
                return entry.values.get(name, [b""])[0] >= value
            return name == "uSNChanged" and entry.usn >= int(value)
        return value.lower() in [each.lower() for each in entry.values.get(name, [])]


@contextmanager
def played_domain() -> Iterator[PlayedDomain]:
    """An empty domain that answers on a free port of this machine."""
    domain = PlayedDomain()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        domain.port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(domain, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield domain
        listener.shutdown(socket.SHUT_RDWR)


def _serve(domain: PlayedDomain, connection: socket.socket) -> None:
    data = b""
    with connection:
        while more := connection.recv(65_536):
            data += more
            while len(data) > 6:
                _, start, end = read_header(data[:6] + bytes(0), 0, 1 << 30)
                if len(data) < end:
                    break
                message, data = data[:end], data[end:]
                elements = list(read_elements(message, start, end))
                message_id = read_integer(message, elements[0][1], elements[0][2])
                tag, at, stop = elements[1]
                controls = _controls(message, elements[2]) if len(elements) > 2 else {}
                for answer in domain.answer(message_id, tag, message[at:stop], controls):
                    connection.sendall(answer)


def _controls(data: bytes, element: tuple[int, int, int]) -> dict[str, bytes]:
    found = {}
    for _, start, end in read_elements(data, element[1], element[2]):
        texts = [data[at:stop] for tag, at, stop in read_elements(data, start, end) if tag == OCTETS]
        found[texts[0].decode()] = texts[1] if len(texts) > 1 else b""
    return found


def _starts(data: bytes, start: int, end: int) -> list[int]:
    starts = []
    while start < end:
        starts.append(start)
        _, _, start = read_header(data, start, end)
    return starts


def _page(value: bytes) -> tuple[int, int]:
    _, start, end = read_header(value, 0, len(value))
    (_, size_start, size_end), (_, at, stop) = read_elements(value, start, end)
    return read_integer(value, size_start, size_end), int(value[at:stop] or b"0")


def _message(message_id: int, body: bytes, controls: bytes = b"") -> bytes:
    return wrap(SEQUENCE, integer(message_id), body, controls)


def _control(oid: str, value: bytes) -> bytes:
    return wrap(0xA0, wrap(SEQUENCE, octets(oid), boolean(False), octets(value)))


def _result(tag: int, code: int, said: str = "") -> bytes:
    return wrap(tag, integer(code, ENUMERATED), octets(""), octets(said))


def _entry(dn: str, values: dict[str, list[bytes]]) -> bytes:
    lists = [
        wrap(SEQUENCE, octets(name), wrap(SET, *(octets(value) for value in kept))) for name, kept in values.items()
    ]
    return wrap(0x64, octets(dn), wrap(SEQUENCE, *lists))
