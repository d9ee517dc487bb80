"""Reading a real OpenLDAP server: everything, changes, who is gone, limits, encryption, and connections that break."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from fakes.world import StillClock
from muster.model.directory import ObjectKind
from muster.model.failures import CredentialsRefused, JobFailure, SchemaRefused, SystemUnreachable
from muster.ports.reader import CursorExpired, Ending, Entry, ReadPage
from muster.sources.ldap.entries import OPEN_LDAP
from muster.sources.ldap.reader import LIST_EVERY, LdapReader
from muster.sources.ldap.settings import read_ldap_settings
from muster.transport.guard import AddressGuard
from played_ldap import (
    GROUPS,
    PASSWORD,
    PEOPLE,
    READER,
    SKIP,
    SUFFIX,
    Slapd,
    find_slapd,
    group,
    make_certificates,
    person,
    played_slapd,
)

pytestmark = pytest.mark.skipif(find_slapd() is None, reason=SKIP)

ALLOWED = AddressGuard(allowed=[ip_network("127.0.0.0/8")])
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
STAFF = (
    person("ada", "Ada Long", "title: Head", "employeeNumber: 17"),
    person("bob", "Bob Short", f"manager: uid=ada, {PEOPLE}"),
    person("eve", "Ève Ñandú", f"manager: UID=bob,{PEOPLE}", base=f"ou=nested,{PEOPLE}"),
    group("sales", "ada", "bob"),
    group("everyone", f"cn=sales,{GROUPS}", f"uid=eve,ou=nested,{PEOPLE}"),
)


def open_reader(server: Slapd | str, *, clock: StillClock | None = None, **values: str) -> LdapReader:
    given = {
        "Server": server if isinstance(server, str) else server.url,
        "Encryption": "none",
        "UserName": READER,
        "Password": PASSWORD,
        "UserBase": PEOPLE,
        "GroupBase": GROUPS,
        **values,
    }
    settings = read_ldap_settings({name: value for name, value in given.items() if value})
    return LdapReader(
        ALLOWED, settings, flavour=OPEN_LDAP, clock=clock or StillClock(NOW), answer_within=timedelta(seconds=30)
    )


class Seen:
    """What a mirror would know after each read."""

    def __init__(self, reader: LdapReader, clock: StillClock) -> None:
        self.reader = reader
        self.clock = clock
        self.cursor: str | None = None
        self.entries: dict[str, Entry] = {}
        self.given: list[str] = []
        self.last = ReadPage()

    def read(self) -> "Seen":
        named: set[str] = set()
        self.given = []
        # By marks, who is gone is looked for every few minutes.
        self.clock.advance(LIST_EVERY)
        try:
            pages = list(self.reader.read(self.cursor))
        except CursorExpired:
            pages = list(self.reader.read(None))
        assert all(page.ending is None for page in pages[:-1])
        for page in pages:
            for entry in page.entries:
                self.entries[entry.source_id] = entry
                self.given.append(name_of(entry))
            named |= {entry.source_id for entry in page.entries} | set(page.unchanged)
            for anchor in page.removed:
                self.entries.pop(anchor, None)
        self.last = pages[-1]
        assert self.last.ending is not None
        if self.last.ending is Ending.WHOLE and not self.last.problems:
            self.entries = {anchor: entry for anchor, entry in self.entries.items() if anchor in named}
        self.cursor = self.last.cursor
        return self

    @property
    def names(self) -> set[str]:
        return {name_of(entry) for entry in self.entries.values()}

    def find(self, name: str) -> Entry:
        return next(entry for entry in self.entries.values() if name_of(entry) == name)


def see(server: Slapd | str, **values: str) -> Seen:
    clock = StillClock(NOW)
    return Seen(open_reader(server, clock=clock, **values), clock)


def name_of(entry: Entry) -> str:
    return str(entry.attributes.get("uid") or entry.attributes["cn"])


KINDS: Mapping[str, Mapping[str, Any]] = {
    "syncrepl, told who is gone": {"session_log": True},
    "syncrepl, told who is there": {"session_log": False},
    "modifyTimestamp": {"synchronizes": False},
    "full": {},
}


@pytest.fixture(params=KINDS)
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Slapd, Seen]]:
    method = {"Method": "full"} if request.param == "full" else {}
    with played_slapd(tmp_path / "slapd", STAFF, **KINDS[request.param]) as server:
        yield server, see(server, **method)


def test_everybody_is_read_with_managers_members_and_nested_units(seen: tuple[Slapd, Seen]) -> None:
    _, known = seen
    known.read()
    assert known.names == {"ada", "bob", "eve", "sales", "everyone"}
    assert known.last.ending is Ending.WHOLE
    ada, bob, eve = known.find("ada"), known.find("bob"), known.find("eve")
    assert (
        ada.kind is ObjectKind.USER and ada.attributes["title"] == "Head" and ada.attributes["employeeNumber"] == "17"
    )
    assert eve.attributes["displayName"] == "Ève Ñandú"
    assert bob.references["manager"][0] in ada.names and eve.references["manager"][0] in bob.names
    sales, everyone = known.find("sales"), known.find("everyone")
    assert sales.kind is ObjectKind.GROUP
    assert set(sales.references["members"]) == {ada.names[0], bob.names[0]}
    assert set(everyone.references["members"]) == {sales.names[0], eve.names[0]}
    assert "modifyTimestamp" not in ada.attributes and len(ada.source_id) == 36


def test_a_change_a_hire_and_a_leaver_are_seen_by_the_next_read(seen: tuple[Slapd, Seen]) -> None:
    server, known = seen
    known.read()
    anchor = known.find("ada").source_id
    server.set(f"uid=ada,{PEOPLE}", "title", "Founder")
    server.add(person("zoe", "Zoe New"))
    server.delete(f"uid=bob,{PEOPLE}")
    server.set(f"cn=sales,{GROUPS}", "member", f"uid=zoe,{PEOPLE}")
    known.read()
    assert known.names == {"ada", "eve", "zoe", "sales", "everyone"}
    assert known.find("ada").attributes["title"] == "Founder" and known.find("ada").source_id == anchor
    assert known.find("sales").references["members"] == (f"uid=zoe,{PEOPLE}",)
    known.read()
    assert known.names == {"ada", "eve", "zoe", "sales", "everyone"}


def test_who_is_renamed_or_moved_keeps_the_anchor(seen: tuple[Slapd, Seen]) -> None:
    server, known = seen
    anchor = known.read().find("eve").source_id
    server.change(
        f"dn: uid=eve,ou=nested,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=evelyn\ndeleteoldrdn: 1\n"
        f"newsuperior: {PEOPLE}\n"
    )
    assert known.read().find("evelyn").source_id == anchor
    assert known.find("evelyn").names[0] == f"uid=evelyn,{PEOPLE}"
    assert "eve" not in known.names


def test_who_no_longer_passes_the_filter_or_leaves_the_base_is_gone(tmp_path: Path) -> None:
    for number, kind in enumerate(KINDS.values()):
        with played_slapd(tmp_path / str(number), STAFF, **kind) as server:
            known = see(server, UserFilter="(&(objectClass=person)(!(employeeType=robot)))")
            assert known.read().names >= {"ada", "bob", "eve"}
            server.set(f"uid=bob,{PEOPLE}", "employeeType", "robot")
            server.change(
                f"dn: uid=eve,ou=nested,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=eve\ndeleteoldrdn: 0\n"
                f"newsuperior: {GROUPS}\n"
            )
            assert known.read().names == {"ada", "sales", "everyone"}, kind


def test_synchronization_gives_only_what_changed_and_nothing_when_nothing_has(tmp_path: Path) -> None:
    with played_slapd(tmp_path / "slapd", STAFF) as server:
        known = see(server).read()
        for _ in range(3):
            known.read()
            assert known.given == [] and known.last.ending is Ending.CHANGES and len(known.entries) == 5
        server.set(f"uid=ada,{PEOPLE}", "title", "Founder")
        assert known.read().given == ["ada"]


def test_a_server_that_was_set_up_anew_is_read_from_the_beginning(tmp_path: Path) -> None:
    with played_slapd(tmp_path / "one", STAFF) as server:
        known = see(server).read()
        port = server.port
    with played_slapd(tmp_path / "two", [person("ada", "Ada Long")], port=port) as server:
        known.read()
        assert known.names == {"ada"}


def test_two_thousand_people_come_in_pages(tmp_path: Path) -> None:
    people = [person(f"u{number}", f"User {number}") for number in range(2_000)]
    with played_slapd(tmp_path / "slapd", people) as server:
        for method in ("syncrepl", "full"):
            pages = list(open_reader(server, Method=method).read(None))
            assert sum(len(page.entries) for page in pages) == 2_000
            assert max(len(page.entries) for page in pages) <= 1_000


def test_a_read_that_the_server_cuts_short_is_partial_and_proves_nothing(tmp_path: Path) -> None:
    people = [person(f"u{number}", f"User {number}") for number in range(50)]
    with played_slapd(tmp_path / "slapd", people, size_limit="20") as server:
        for method in ("syncrepl", "full", "modifyTimestamp"):
            pages = list(open_reader(server, Method=method).read(None))
            assert pages[-1].ending is Ending.PARTIAL
            assert "sizeLimitExceeded" in str(pages[-1].because) and "raise its limits" in str(pages[-1].because)
            assert sum(len(page.entries) for page in pages) == 20
            # What leads nowhere is not begun anew at every look.
            clock = StillClock(NOW)
            (page,) = open_reader(server, clock=clock, Method=method).read(pages[-1].cursor)
            assert page.ending is Ending.PARTIAL and page.because == pages[-1].because
            clock.advance(LIST_EVERY)
            again = list(open_reader(server, clock=clock, Method=method).read(pages[-1].cursor))
            assert sum(len(page.entries) for page in again) == 20


def test_a_connection_that_breaks_in_the_middle_raises_and_never_ends_well(tmp_path: Path) -> None:
    people = [person(f"u{number}", f"User {number}") for number in range(1_500)]
    with played_slapd(tmp_path / "slapd", people) as server:
        for method in ("syncrepl", "full"):
            for allowed in (2_000, 40_000, 200_000):
                with cut_after(server.port, allowed) as port:
                    pages: list[ReadPage] = []
                    with pytest.raises(SystemUnreachable):
                        pages.extend(iterated(open_reader(f"ldap://127.0.0.1:{port}", Method=method), pages))
                    assert all(page.ending is None for page in pages)


def iterated(reader: LdapReader, pages: list[ReadPage]) -> list[ReadPage]:
    for page in reader.read(None):
        pages.append(page)
    return []


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = read_ldap_settings(
            {"Server": f"ldap://127.0.0.1:{silent.getsockname()[1]}", "Encryption": "none", "UserBase": PEOPLE}
        )
        reader = LdapReader(
            ALLOWED, settings, flavour=OPEN_LDAP, clock=StillClock(NOW), answer_within=timedelta(seconds=0.3)
        )
        with pytest.raises(SystemUnreachable, match="did not answer within"):
            reader.probe()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers something other than LDAP"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "holds a length that cannot be read"),
        (b"\x30\x84\x7f\x00\x00\x00", "sends a message of 2,130,706,438 bytes; 134,217,728 are the limit"),
        (b"\x30\x03\x02\x01\x01", "ends within an element"),
    ],
)
def test_a_server_that_says_something_else_is_given_up_at_its_first_bytes(said: bytes, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as client:
                client.sendall(said)
                client.recv(1_000)
                client.recv(1_000)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(SystemUnreachable, match=why):
            open_reader(f"ldap://127.0.0.1:{listener.getsockname()[1]}").probe()
        answering.join()


def test_encryption_holds_to_certificates_that_the_admin_trusts(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    trusted = {"TrustedCertificates": certificates.authority.read_text()}
    other = {"TrustedCertificates": make_certificates(tmp_path / "other").authority.read_text()}
    with played_slapd(tmp_path / "slapd", STAFF, tls=certificates) as server:
        secure = f"ldaps://127.0.0.1:{server.secure_port}"
        for url in (server.url, secure):
            assert see(url, Encryption="startTls", **trusted).read().names >= {"ada"}
            for wrong in ({}, other):
                with pytest.raises(SystemUnreachable, match="is not trusted"):
                    open_reader(url, Encryption="startTls", **wrong).probe()
    with (
        played_slapd(tmp_path / "plain", STAFF) as server,
        pytest.raises(SystemUnreachable, match="does not take StartTLS"),
    ):
        open_reader(server, Encryption="startTls").probe()


REFUSALS: tuple[tuple[Mapping[str, str], type[JobFailure], str], ...] = (
    ({"Password": "wrong"}, CredentialsRefused, "does not accept the bind"),
    ({"UserName": f"cn=nobody,{SUFFIX}"}, CredentialsRefused, "does not accept the bind"),
    ({"UserName": "reader"}, CredentialsRefused, r"does not accept the bind \(invalidDNSyntax"),
    ({"UserBase": f"ou=nowhere,{SUFFIX}"}, SchemaRefused, "cannot find the base"),
    ({"UserBase": "no dn at all"}, SchemaRefused, "invalidDNSyntax"),
    ({"Server": "ldap://127.0.0.1:1"}, SystemUnreachable, "cannot be reached"),
    ({"Server": "ldap://no-such-host.invalid", "Encryption": "startTls"}, SystemUnreachable, "cannot be resolved"),
    ({"Server": "https://example.com"}, SystemUnreachable, "is no address of an LDAP server"),
    ({"Server": "ldap://10.0.0.1"}, SystemUnreachable, "10.0.0.1 is a private address"),
    ({"UserName": "", "Password": ""}, CredentialsRefused, "does not let|insufficient"),
)


@pytest.mark.parametrize(("wrong", "failure", "sentence"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_wrong_connection_is_named(
    wrong: Mapping[str, str], failure: type[JobFailure], sentence: str, tmp_path: Path
) -> None:
    with played_slapd(tmp_path / "slapd", STAFF) as server:
        with pytest.raises(failure, match=sentence) as caught:
            open_reader(server, **wrong).probe()
        assert PASSWORD not in caught.value.sentence and caught.value.remedy


def test_a_test_of_the_connection_says_what_was_found(tmp_path: Path) -> None:
    with played_slapd(tmp_path / "slapd", STAFF) as server:
        said = open_reader(server).probe()
        assert said == (
            f"Below {PEOPLE} the filter finds 3 users. Below {GROUPS} the filter finds 2 groups. "
            "Changes are found by syncrepl."
        )
        nobody = open_reader(server, UserFilter="(uid=nobody)").probe()
        assert (
            f"Below {PEOPLE} the filter finds 0 users. Check the base, UserFilter, and what the bind DN may read."
            in nobody
        )
        # The server takes it for neither true nor false, and finds nobody without a word.
        with pytest.raises(SchemaRefused, match="not know as an attribute: departement") as caught:
            open_reader(server, UserFilter="(&(objectClass=inetOrgPerson)(!(Departement;lang-nl=Legal)))").probe()
        assert caught.value.remedy
        some = open_reader(server, UserFilter="(|(uid=ada)(sAMAccountName=bob)(2.5.4.3=Eve*)(sn:caseIgnoreMatch:=x))")
        assert "finds 1 user. UserFilter compares what the server does not know" in some.probe()


def test_a_branch_that_was_moved_gives_its_people_their_new_names_once_a_day(tmp_path: Path) -> None:
    with played_slapd(tmp_path / "slapd", STAFF, session_log=True) as server:
        known = see(server)
        eve = known.read().find("eve")
        server.change(f"dn: ou=nested,{PEOPLE}\nchangetype: modrdn\nnewrdn: ou=moved\ndeleteoldrdn: 1\n")
        # Content synchronization tells of the branch and of nobody in it.
        assert known.read().find("eve").source_id == eve.source_id
        known.clock.advance(timedelta(hours=25))
        moved = known.read().find("eve")
        assert (moved.source_id, moved.attributes["dn"]) == (eve.source_id, f"uid=eve,ou=moved,{PEOPLE}")


def test_what_time_does_not_tell_is_read_again_once_a_day(tmp_path: Path) -> None:
    clock = StillClock(NOW)
    with played_slapd(tmp_path / "slapd", STAFF, synchronizes=False) as server:
        reader = open_reader(server, clock=clock)
        cursor = list(reader.read(None))[-1].cursor
        assert list(reader.read(cursor))[-1].ending is Ending.CHANGES
        clock.advance(timedelta(hours=23))
        assert list(reader.read(cursor))[-1].ending is Ending.WHOLE
        clock.advance(timedelta(hours=2))
        with pytest.raises(CursorExpired):
            next(reader.read(cursor))


@contextmanager
def cut_after(port: int, allowed_bytes: int) -> Iterator[int]:
    """A way to a server that ends after so many bytes of answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=carry, args=(client,), daemon=True).start()

        def carry(client: socket.socket) -> None:
            left = allowed_bytes
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                while left > 0 and (data := server.recv(min(left, 65_536))):
                    client.sendall(data)
                    left -= len(data)
                # Closing alone waits for the other thread, which is reading.
                client.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def pump(source: socket.socket, sink: socket.socket) -> None:
    receive: Callable[[int], bytes] = source.recv
    try:
        while data := receive(65_536):
            sink.sendall(data)
    except OSError:
        return
