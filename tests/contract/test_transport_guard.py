"""The guard: no URL an admin can enter reaches an address that is not meant to be reached."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from muster.model.exchange import AddressRefused, ConnectionFailed
from muster.transport.guard import AddressGuard

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"


def _guard(*addresses: str, allowed: Sequence[str] = ()) -> AddressGuard:
    return AddressGuard(allowed=[ip_network(text) for text in allowed], resolve=lambda _host, _port: addresses)


REFUSED = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "this network"),  # noqa: S104 (an address to refuse)
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carriers"),
    ("169.254.169.254", "link-local"),
    ("192.0.0.170", "reserved"),
    ("198.18.0.1", "benchmarks"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.251", "multicast"),
    ("255.255.255.255", "reserved"),
    ("::1", "loopback"),
    ("::", "reserved"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::127.0.0.1", "reserved"),
    ("64:ff9b::7f00:1", "NAT64"),
    ("64:ff9b:1::7f00:1", "NAT64"),
    ("2002:7f00:1::", "6to4"),
    ("2001:0:53aa:64c:0:fbff:f5ff:fffe", "reserved"),
    ("2001:db8::1", "documentation"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fec0::1", "reserved"),
    ("ff02::1", "multicast"),
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_an_address_that_is_not_public_is_refused_in_the_url_and_behind_a_name(address: str, kind: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused, match=kind):
        _guard().check(f"https://{literal}/scim/v2")
    with pytest.raises(AddressRefused, match=kind) as caught:
        _guard(address).check("https://scim.example.test/scim/v2")
    assert "MUSTER_ALLOW_TARGETS" in caught.value.sentence
    assert not caught.value.sent


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888"])
def test_a_public_address_is_called(address: str) -> None:
    target = _guard(address).check("https://scim.example.test/scim/v2")
    assert (target.addresses, target.port, target.name) == ((address,), 443, "scim.example.test")


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "[::ffff:7f00:1]",
    ],
)
def test_another_spelling_of_loopback_is_loopback(host: str) -> None:
    with pytest.raises(AddressRefused, match="loopback"):
        _guard(PUBLIC).check(f"https://{host}/")


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("::1/128", "::1"),
        ("10.20.0.0/16", "10.20.3.4"),
        ("64:ff9b::/96", "64:ff9b::5db8:d822"),
    ],
)
def test_what_is_allowed_is_called_by_plain_http_too(allowed: str, address: str) -> None:
    target = _guard(address, allowed=[allowed]).check("http://scim.example.test:8088/")
    assert (target.addresses, target.port) == ((address.removeprefix("::ffff:"),), 8088)


def test_what_is_allowed_allows_nothing_beside_it() -> None:
    with pytest.raises(AddressRefused, match="private"):
        _guard("10.21.0.1", allowed=["10.20.0.0/16"]).check("https://scim.example.test/")


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("0.0.0.0", "an address of this network"),  # noqa: S104  not bound to
        ("10.0.0.1", "a private address"),
        ("100.64.0.1", "an address shared by carriers"),
        ("192.0.2.1", "an address for documentation"),
        ("198.18.0.1", "an address for benchmarks"),
    ],
)
def test_what_kind_of_address_it_is_is_said_in_a_sentence(host: str, what: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        AddressGuard().check(f"https://{host}/scim")
    assert refused.value.why == f"{host} is {what}"
    assert f"{host} is not called: {host} is {what}; if it is meant" in refused.value.sentence


def test_a_name_with_public_and_private_addresses_is_called_at_the_public_ones_only() -> None:
    assert _guard("10.0.0.1", PUBLIC, "::1", PUBLIC_6).check("https://x.test/").addresses == (PUBLIC, PUBLIC_6)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://scim.example.test/", "plain http"),
        ("ftp://scim.example.test/", "begins with ftp"),
        ("file:///etc/passwd", "begins with file"),
        ("gopher://scim.example.test/", "begins with gopher"),
        ("https://user@scim.example.test/", "user name or password"),
        ("https://:secret@scim.example.test/", "user name or password"),
        ("https://scim.example.test./", "ends with a dot"),
        ("/scim/v2", "cannot be read"),
        ("https://a b/", "cannot be read"),
        ("", "cannot be read"),
        ("https://x.test/" + "a" * 9000, "more than 8192 characters"),
    ],
)
def test_a_url_that_is_not_to_be_called_is_refused_with_what_is_wrong(url: str, sentence: str) -> None:
    with pytest.raises(AddressRefused, match=sentence) as caught:
        _guard(PUBLIC).check(url)
    assert "secret" not in caught.value.sentence


def test_an_unknown_name_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailed, match=r"no\.such\.invalid cannot be resolved") as caught:
        AddressGuard().check("https://no.such.invalid/")
    assert not caught.value.sent


def test_a_name_without_addresses_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailed, match="has no address"):
        _guard().check("https://x.test/")


def test_a_name_is_resolved_once_in_a_while_not_at_every_request() -> None:
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return [PUBLIC]

    guard = AddressGuard(resolve=resolve)
    for number in range(600):
        guard.check(f"https://x{number // 2}.test/")
    assert len(asked) == 300


def test_through_a_proxy_names_are_left_to_the_proxy_but_addresses_are_not() -> None:
    guard = AddressGuard(resolve=lambda _host, _port: pytest.fail("was resolved"))
    assert guard.check("https://scim.example.test/", by_proxy=True).addresses == ()
    with pytest.raises(AddressRefused, match="loopback"):
        guard.check("https://127.0.0.1/", by_proxy=True)
    with pytest.raises(AddressRefused, match="plain http"):
        guard.check("http://scim.example.test/", by_proxy=True)
