"""Which addresses may be called: admins enter the URLs of targets, and must get no way into the operator's network.

The URL is parsed by the client's own parser, so that guard and client cannot read it differently (`http://0x7f.1/` is
127.0.0.1 to both). The name is resolved here, and the client connects to the address that was checked, whatever the
name means a moment later.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pyreqwest.http import Url

from muster.model.exchange import AddressRefused, ConnectionFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

MAX_URL_CHARACTERS = 8192
_KEEP_SECONDS = 30.0
_MAX_KEPT_NAMES = 256
_MAX_KEPT_ADDRESSES = 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Source: the IANA registries of special-purpose addresses; what they call globally reachable is left out.
_SPECIAL_IPV4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "an address of this network"),
    ("10.0.0.0/8", "a private address"),
    ("100.64.0.0/10", "an address shared by carriers"),
    ("127.0.0.0/8", "a loopback address"),
    ("169.254.0.0/16", "a link-local address"),
    ("172.16.0.0/12", "a private address"),
    ("192.0.0.0/24", "a reserved address"),
    ("192.0.2.0/24", "an address for documentation"),
    ("192.88.99.0/24", "a reserved address"),
    ("192.168.0.0/16", "a private address"),
    ("198.18.0.0/15", "an address for benchmarks"),
    ("198.51.100.0/24", "an address for documentation"),
    ("203.0.113.0/24", "an address for documentation"),
    ("224.0.0.0/4", "a multicast address"),
    ("240.0.0.0/4", "a reserved address"),
)
_SPECIAL_IPV6: tuple[tuple[str, str], ...] = (
    ("::1/128", "a loopback address"),
    ("64:ff9b::/96", "a NAT64 address"),
    ("64:ff9b:1::/48", "a NAT64 address"),
    ("2001::/23", "a reserved address"),
    ("2001:db8::/32", "an address for documentation"),
    ("2002::/16", "a 6to4 address"),
    ("3fff::/20", "an address for documentation"),
    ("fc00::/7", "a private address"),
    ("fe80::/10", "a link-local address"),
    ("ff00::/8", "a multicast address"),
)
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), kind) for text, kind in (*_SPECIAL_IPV4, *_SPECIAL_IPV6)
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTarget:
    """A URL that may be called, and the addresses to call it at; `name` is None if the URL holds an address itself."""

    url: Url
    scheme: str
    host: str
    port: int
    name: str | None
    addresses: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port: what of a URL may stand in an error."""
        return f"{self.scheme}://{self.host}:{self.port}"


class AddressGuard:
    """Checks URLs against the addresses that are refused to everyone and the networks this installation allows."""

    def __init__(self, *, allowed: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve_name if resolve is None else resolve
        self._found: dict[tuple[str, int], tuple[float, tuple[Address, ...]]] = {}
        # What an address is does not change; every request asks for it.
        self._is_allowed = lru_cache(_MAX_KEPT_ADDRESSES)(self._look_up_allowed)
        self._refusal = lru_cache(_MAX_KEPT_ADDRESSES)(self._look_up_refusal)

    def check(self, text: str, *, by_proxy: bool = False) -> CheckedTarget:
        """The target of a URL.

        A name that also has refused addresses is called at the others. A name that is called through a proxy is left to
        the proxy: often only that can resolve it. Plain http is for allowed networks alone.

        Raises: AddressRefused; ConnectionFailed if the name cannot be resolved.
        """
        url = _parse_url(text)
        scheme, host = url.scheme, url.host_str or ""
        port = url.port or _DEFAULT_PORTS[scheme]
        literal = _parse_address(host.strip("[]"))
        if literal is None and by_proxy:
            self._check_scheme(scheme, host, ())
            return CheckedTarget(url=url, scheme=scheme, host=host, port=port, name=host, addresses=())
        found = (literal,) if literal is not None else self._find(host, port)
        refusals = {address: self._refusal(address) for address in found}
        permitted = tuple(address for address, refusal in refusals.items() if refusal is None)
        if not permitted:
            address, kind = next(iter(refusals.items()))
            raise AddressRefused(
                f"{host} is not called: {address} is {kind}; "
                f"if it is meant, allow it with --allow-target {address} or MUSTER_ALLOW_TARGETS",
                why=f"{address} is {kind}",
            )
        self._check_scheme(scheme, host, permitted)
        name = None if literal is not None else host
        addresses = tuple(dict.fromkeys(str(_unwrap(address)) for address in permitted))
        return CheckedTarget(url=url, scheme=scheme, host=host, port=port, name=name, addresses=addresses)

    def _check_scheme(self, scheme: str, host: str, addresses: Sequence[Address]) -> None:
        if scheme == "http" and not (addresses and all(self._is_allowed(address) for address in addresses)):
            raise AddressRefused(
                f"{host} is not called over plain http, which would show the token to everyone on the way: use https, "
                "or allow its address with --allow-target or MUSTER_ALLOW_TARGETS",
                why="plain http would show the token to everyone on the way; use https",
            )

    def _find(self, host: str, port: int) -> tuple[Address, ...]:
        now = time.monotonic()
        until, known = self._found.get((host, port), (now, ()))
        if until > now:
            return known
        try:
            texts = self._resolve(host, port)
        except OSError as error:
            raise ConnectionFailed(f"the name {host} cannot be resolved: {error.strerror}", sent=False) from None
        addresses = tuple(dict.fromkeys(address for text in texts if (address := _parse_address(text)) is not None))
        if not addresses:
            raise ConnectionFailed(f"the name {host} has no address", sent=False)
        if len(self._found) >= _MAX_KEPT_NAMES:
            self._found.clear()
        self._found[host, port] = (now + _KEEP_SECONDS, addresses)
        return addresses

    def _look_up_allowed(self, address: Address) -> bool:
        plain = _unwrap(address)
        return any(each in network for network in self._allowed for each in (address, plain))

    def _look_up_refusal(self, address: Address) -> str | None:
        """What kind of address it is that is refused, or None."""
        if self._is_allowed(address):
            return None
        plain = _unwrap(address)
        for network, kind in _SPECIAL:
            if plain in network:
                return kind
        return "a reserved address" if isinstance(plain, ipaddress.IPv6Address) and plain not in _GLOBAL_IPV6 else None


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system's resolver gives them. Raises: OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _parse_url(text: str) -> Url:
    if len(text) > MAX_URL_CHARACTERS:
        raise AddressRefused(f"the URL has more than {MAX_URL_CHARACTERS} characters")
    try:
        url = Url(text)
    except ValueError as error:
        raise AddressRefused(f"the URL cannot be read: {error}") from None
    if url.scheme not in _DEFAULT_PORTS:
        raise AddressRefused(f"the URL begins with {url.scheme}: use https")
    if url.username or url.password is not None:
        raise AddressRefused("the URL holds a user name or password: enter credentials in their own fields")
    if not url.host_str or url.host_str.endswith("."):
        raise AddressRefused("the URL has no host, or one that ends with a dot")
    return url


@lru_cache(_MAX_KEPT_ADDRESSES)
def _parse_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _unwrap(address: Address) -> Address:
    """The IPv4 address within an IPv4-mapped IPv6 address, else the address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
