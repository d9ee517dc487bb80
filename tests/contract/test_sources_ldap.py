"""The LDAP client without a server: filters, names, entries, and messages that are cut, wrong or hostile."""

import random
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from contract.played_servers import Authority
from muster.model.directory import ObjectKind
from muster.model.failures import SchemaRefused, SystemUnreachable
from muster.sources.ldap.ber import Malformed, integer, octets, read_header, read_integer, wrap
from muster.sources.ldap.connecting import encrypt, tls_context
from muster.sources.ldap.controls import read_page_cookie, read_sync_end, read_sync_info, read_sync_state
from muster.sources.ldap.entries import ACTIVE_DIRECTORY, OPEN_LDAP, EntryReader
from muster.sources.ldap.filters import FilterInvalid, all_of, has_value, is_present, read_filter
from muster.sources.ldap.messages import Control, FoundEntry, Result, Scope, read_message, search_request
from muster.sources.ldap.names import is_below, normalised_dn
from muster.sources.ldap.settings import Method, read_ldap_settings


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**31 - 1, 2**63 - 1])
def test_a_whole_number_comes_back_as_it_was(value: int) -> None:
    data = integer(value)
    _, start, end = read_header(data, 0, len(data))
    assert read_integer(data, start, end) == value


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_a_string_of_any_length_comes_back_as_it_was(size: int) -> None:
    data = octets(b"x" * size)
    tag, start, end = read_header(data, 0, len(data))
    assert (tag, end - start, end) == (0x04, size, len(data))


# Source: RFC 4511 §4.5.1.7 for the form, RFC 4515 §4 for the texts.
FILTERS = {
    "(cn=Babs Jensen)": has_value("cn", "Babs Jensen"),
    "cn=Babs": has_value("cn", "Babs"),
    "(!(cn=Tim))": wrap(0xA2, has_value("cn", "Tim")),
    "(&(objectClass=Person)(|(sn=Jensen)(cn=B*)))": wrap(
        0xA0,
        has_value("objectClass", "Person"),
        wrap(0xA1, has_value("sn", "Jensen"), wrap(0xA4, octets("cn"), wrap(0x30, octets("B", 0x80)))),
    ),
    "(o=univ*of*mich*)": wrap(
        0xA4,
        octets("o"),
        wrap(0x30, octets("univ", 0x80), octets("of", 0x81), octets("mich", 0x81)),
    ),
    "(cn=*)": is_present("cn"),
    "(seeAlso=)": has_value("seeAlso", ""),
    "(n>=3)": wrap(0xA5, octets("n"), octets("3")),
    "(n<=3)": wrap(0xA6, octets("n"), octets("3")),
    "(n~=3)": wrap(0xA8, octets("n"), octets("3")),
    r"(o=Parens R Us \28for all\29)": has_value("o", "Parens R Us (for all)"),
    r"(cn=*\2A*)": wrap(0xA4, octets("cn"), wrap(0x30, octets("*", 0x81))),
    r"(bin=\00\00\00\04)": has_value("bin", b"\0\0\0\4"),
    r"(sn=Lu\c4\8di\c4\87)": has_value("sn", "Lučić"),
    "(userAccountControl:1.2.840.113556.1.4.803:=2)": wrap(
        0xA9, octets("1.2.840.113556.1.4.803", 0x81), octets("userAccountControl", 0x82), octets("2", 0x83)
    ),
    "(ou:dn:=Staff)": wrap(0xA9, octets("ou", 0x82), octets("Staff", 0x83), octets(b"\xff", 0x84)),
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_becomes_what_the_protocol_says(text: str) -> None:
    assert read_filter(text) == FILTERS[text]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(cn=a", "“\\)” is missing at the end"),
        ("(cn=a))", "goes on after its end, at character 7"),
        ("(&(cn=a)", "missing at character 9"),
        ("(cn)", "compares nothing"),
        ("(=a)", "is no name of an attribute"),
        ("(c n=a)", "is no name of an attribute"),
        (r"(cn=a\zz)", "two hexadecimal digits"),
        ("(cn=a(b)", "written \\\\28"),
        ("(!(cn=a)(cn=b))", "“\\)” is missing"),
        ("(:=x)", "no name with a matching rule"),
        ("(" * 40 + "cn=a", "."),
        ("(&" * 40 + "(cn=a)" + ")" * 40, "nested deeper than 32"),
        ("(cn=" + "a" * 9_000 + ")", "more than 8,192 characters"),
    ],
)
def test_a_wrong_filter_is_refused_with_the_place(text: str, sentence: str) -> None:
    with pytest.raises(FilterInvalid, match=sentence):
        read_filter(text)


@pytest.mark.parametrize("value", ["*", ")(uid=*", "\\2a", "a)(|(objectClass=*", "\0", "ß(*)\\"])
def test_no_value_can_change_what_a_filter_means(value: str) -> None:
    found = has_value("entryUUID", value)
    tag, start, end = read_header(found, 0, len(found))
    _, name_start, name_end = read_header(found, start, end)
    _, value_start, value_end = read_header(found, name_end, end)
    assert (tag, found[name_start:name_end]) == (0xA3, b"entryUUID")
    assert found[value_start:value_end].decode() == value and value_end == len(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uid=ada,ou=People,dc=example", "UID=Ada, OU=people , dc=EXAMPLE"),
        (r"cn=Long\, Ada,o=x", r'cn="Long, Ada",o=x'),
        (r"cn=Long\2c Ada,o=x", r"CN=Long\, Ada,O=X"),
        (r"cn=\c3\88ve,o=x", "cn=Ève , o=x"),
        ("cn=a+uid=b,o=x", "uid=b + cn=A,o=x"),
        (r"cn=a\ ,o=x", r"cn=a\20,o=x"),
        ("cn=a;o=x", "cn=a,o=x"),
    ],
)
def test_names_that_are_the_same_are_spelled_the_same(one: str, other: str) -> None:
    assert normalised_dn(one) == normalised_dn(other)


def test_names_that_differ_stay_apart_and_know_what_they_lie_below() -> None:
    assert normalised_dn(r"cn=a\,o=x,o=y") != normalised_dn("cn=a,o=x,o=y")
    assert is_below("uid=a,ou=b", "ou=b") and is_below("ou=b", "ou=b") and is_below("ou=b", "")
    assert not is_below("uid=a,xou=b", "ou=b")


def entry_message(dn: str = "uid=a", *attributes: tuple[str, tuple[bytes, ...]]) -> bytes:
    lists = [wrap(0x30, octets(name), wrap(0x31, *(octets(value) for value in values))) for name, values in attributes]
    return wrap(0x30, integer(7), wrap(0x64, octets(dn), wrap(0x30, *lists)))


def test_an_entry_is_read_as_it_was_sent() -> None:
    message_id, found = read_message(entry_message("uid=a", ("cn", (b"A", b"B")), ("jpegPhoto", (b"\xff\xd8",))))
    assert message_id == 7
    assert found == FoundEntry(dn="uid=a", attributes={"cn": [b"A", b"B"], "jpegPhoto": [b"\xff\xd8"]})


@pytest.mark.parametrize("values", [(), (b"",), (b"A",), (b"A", b""), (b"", b"A"), (b"A", b"B", b"C")])
@pytest.mark.parametrize(
    "size", [0, 1, 60, 100, 110, 115, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 250, 300]
)
def test_an_attribute_is_read_whatever_the_length_of_its_parts(values: tuple[bytes, ...], size: int) -> None:
    """One short value is read at one go: what is longer, or several, or none, has to come out alike."""
    longer = tuple(value * size for value in values)
    sent = (("cn", values), ("description", longer), ("x" * size, values), ("uid", (b"a",)))
    _, found = read_message(entry_message("uid=a", *sent))
    assert isinstance(found, FoundEntry)
    assert found.attributes == {name: list(kept) for name, kept in sent}


def test_a_message_that_is_cut_or_changed_is_refused_and_nothing_else_happens() -> None:
    whole = wrap(
        0x30,
        integer(3),
        wrap(0x65, integer(0, 0x0A), octets(""), octets("")),
        wrap(0xA0, wrap(0x30, octets("1.2.840.113556.1.4.319"), octets(wrap(0x30, integer(0), octets(b"next"))))),
    )
    entry = entry_message("uid=a", ("cn", (b"A", b"B")), ("sn", (b"x" * 200,)), ("uid", (b"a",)))
    for message in (whole, entry):
        for end in range(len(message)):
            with pytest.raises(Malformed):
                read_message(message[:end])
    chance = random.Random(9)
    for _ in range(20_000):
        message = bytearray(chance.choice((whole, entry)))
        for _ in range(chance.randint(1, 4)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        try:
            _, answer = read_message(bytes(message))
            if isinstance(answer, Result):
                read_page_cookie(answer.controls)
        except Malformed:
            continue


@pytest.mark.parametrize(
    "read",
    [
        lambda value: read_sync_state((Control(oid="1.3.6.1.4.1.4203.1.9.1.2", value=value),)),
        lambda value: read_sync_end((Control(oid="1.3.6.1.4.1.4203.1.9.1.3", value=value),)),
        read_sync_info,
    ],
    ids=["state", "end", "info"],
)
def test_a_control_of_any_bytes_is_read_or_refused(read) -> None:  # type: ignore[no-untyped-def]  # three readers
    chance = random.Random(4)
    good = wrap(0x30, integer(1, 0x0A), octets(bytes(range(16))))
    for _ in range(5_000):
        value = bytearray(good)
        for _ in range(3):
            value[chance.randrange(len(value))] = chance.randrange(256)
        try:
            read(bytes(value[: chance.randrange(len(value) + 1)]))
        except Malformed:
            continue


def test_a_search_says_what_it_asks_for() -> None:
    asked = search_request(1, base="o=x", scope=Scope.SUBTREE, filter_bytes=is_present("cn"), attributes=("cn", "sn"))
    head = "302702010163" + "2204036f3d78" + "0a0102" + "0a0100" + "020100" + "020100" + "010100"
    assert asked.hex() == head + "8702636e" + "30080402636e0402736e"


def test_an_entry_of_active_directory_has_its_guid_and_its_bits() -> None:
    guid = UUID("12345678-1234-4567-89ab-123456789abc")
    sid = bytes((1, 2)) + (5).to_bytes(6) + (21).to_bytes(4, "little") + (500).to_bytes(4, "little")
    found = FoundEntry(
        dn="CN=Ada Long,OU=Staff,DC=x",
        attributes={
            "objectGUID": [guid.bytes_le],
            "objectSid": [sid],
            "sAMAccountName": [b"ada"],
            "USERACCOUNTCONTROL": [b"514"],
            "proxyAddresses": [b"SMTP:ada@x", b"smtp:a@x"],
            "manager": [b"CN=Bob,OU=Staff,DC=x"],
            "thumbnailPhoto": [b"\xff\xd8\xff"],
        },
    )
    entry = EntryReader(ACTIVE_DIRECTORY, ObjectKind.USER).read(found)
    assert entry is not None and entry.source_id == str(guid)
    assert entry.attributes["userAccountControl"] == "514" and entry.attributes["objectSid"] == "S-1-5-21-500"
    assert entry.attributes["proxyAddresses"] == ("SMTP:ada@x", "smtp:a@x")
    assert "thumbnailPhoto" not in entry.attributes
    assert entry.references == {"manager": ("cn=bob,ou=staff,dc=x",)}
    wanted = EntryReader(ACTIVE_DIRECTORY, ObjectKind.USER, ["thumbnailPhoto"]).read(found)
    assert wanted is not None and wanted.attributes["thumbnailPhoto"] == "/9j/"


def test_an_entry_without_an_anchor_is_none_and_posix_members_are_found_by_uid() -> None:
    assert EntryReader(OPEN_LDAP, ObjectKind.USER).read(FoundEntry(dn="uid=a", attributes={"uid": [b"a"]})) is None
    person = EntryReader(OPEN_LDAP, ObjectKind.USER).read(
        FoundEntry(dn="uid=a,o=x", attributes={"uid": [b"a"], "entryUUID": [b"U1"]})
    )
    group = EntryReader(OPEN_LDAP, ObjectKind.GROUP).read(
        FoundEntry(dn="cn=g,o=x", attributes={"cn": [b"g"], "entryUUID": [b"u2"], "memberUid": [b"a"], "member": [b""]})
    )
    assert person is not None and group is not None
    assert person.source_id == "u1" and group.references["members"] == ("uid:a",) and "uid:a" in person.names


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"UserBase": "o=x"}, "Server is empty"),
        ({"Server": "ldap://x"}, "UserBase is empty"),
        ({"Server": "ldap://x", "UserBase": "o=x", "UserFilter": "(cn="}, "UserFilter: A bracket"),
        ({"Server": "ldap://x", "UserBase": "o=x", "Method": "magic"}, "Method is “magic”"),
        ({"Server": "ldap://x", "UserBase": "o=x", "UserName": "cn=a"}, "a bind DN and no password"),
        ({"Server": "ldap://x", "UserBase": "o=x", "Password": "a"}, "a password and no bind DN"),
        ({"Server": "ldap://x", "UserBase": "o" * 2_000}, "UserBase has more than"),
    ],
)
def test_settings_that_are_wrong_are_named(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(SchemaRefused, match=sentence):
        read_ldap_settings(values)


def test_settings_show_no_password() -> None:
    values = {"Server": "ldaps://x", "UserBase": "o=x", "UserName": "cn=a", "Password": " secret "}
    settings = read_ldap_settings(values)
    assert settings.address.password == " secret " and "secret" not in repr(settings)
    assert settings.method is Method.AUTO


def test_filters_joined_hold_both() -> None:
    assert all_of((is_present("a"), is_present("b"))) == bytes.fromhex("a006870161870162")


def test_of_several_languages_what_is_said_for_all_counts_and_what_is_no_text_is_in_base64() -> None:
    reader = EntryReader(OPEN_LDAP, ObjectKind.USER)
    given = {
        "cn;lang-nl": [b"Anna"],
        "CN": [b"Ann", b"Annie"],
        "cn;lang-en": [b"Anne"],
        "title;lang-nl": [b"Chef"],
        "description": [b"\xff\xfe"],
        "l": [b"a\0b"],
        "entryUUID": [b"U1"],
    }
    for _ in range(2):
        entry = reader.read(FoundEntry(dn="cn=Ann", attributes=given))
        assert entry is not None and entry.source_id == "u1"
        shown = {name: entry.attributes[name] for name in ("cn", "title", "description", "l")}
        assert shown == {"cn": "Ann", "title": "Chef", "description": "//4=", "l": "YQBi"}


@pytest.mark.parametrize(
    ("names", "days", "said", "remedy"),
    [
        (("127.0.0.1",), -1, "expired", "Renew the certificate"),
        (("ldap.example.com",), 1, "mismatch|not valid for", "a name or an address that stands in its certificate"),
    ],
)
def test_a_certificate_that_is_not_taken_is_told_with_what_to_do(
    tmp_path: Path, names: tuple[str, ...], days: int, said: str, remedy: str
) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context(authority.issue("ldap", names=names, days=days))
    ours, theirs = socket.socketpair()

    def shake() -> None:
        with suppress(OSError):
            context.wrap_socket(theirs, server_side=True)

    server = threading.Thread(target=shake)
    server.start()
    ours.settimeout(timedelta(minutes=1).total_seconds())
    with pytest.raises(SystemUnreachable, match=said) as caught:
        encrypt(tls_context(authority.pem.decode()), ours, "127.0.0.1", "ldaps://127.0.0.1")
    server.join(60)
    assert remedy in caught.value.remedy
