"""A connection to an LDAP server: opened through the guard, encrypted, bound, and read answer by answer.

It follows no referral, waits for no answer longer than its deadline, and takes no message beyond its limit. A search
either ends with the server's own result or raises.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from muster.model.exchange import AddressRefused, ExchangeFailed
from muster.model.failures import CredentialsRefused, JobFailure, SchemaRefused, SystemUnreachable
from muster.sources.ldap.ber import Malformed, read_header
from muster.sources.ldap.controls import page_control, read_page_cookie
from muster.sources.ldap.messages import (
    Answer,
    Control,
    FoundEntry,
    Result,
    Scope,
    bind_request,
    read_message,
    search_request,
    start_tls_request,
    unbind_request,
)
from muster.transport.certificates import CertificateInvalid, read_certificates
from muster.transport.guard import AddressGuard, CheckedTarget

CONNECT_WITHIN = timedelta(seconds=10)
ANSWER_WITHIN = timedelta(seconds=60)
# One group of half a million members by DN is some forty of them.
MESSAGE_BYTES = 128 * 1024 * 1024
PAGE_SIZE = 500
_READ_BYTES = 262_144
_PORTS = {"ldap": 389, "ldaps": 636}
_DISCONNECTION = 0
_REMEDY = "Check the server's address and encryption, and that it can be reached from here; then test the connection."
_BIND_REMEDY = "Check the bind DN and its password; then test the connection."
# Source: Microsoft, bind error codes in the diagnostic message ("data 52e").
_ACTIVE_DIRECTORY_SAYS = {
    "data 525": "the account does not exist",
    "data 52e": "the password is wrong",
    "data 530": "the account may not sign in at this time",
    "data 531": "the account may not sign in from this machine",
    "data 532": "the password has expired",
    "data 533": "the account is disabled",
    "data 701": "the account has expired",
    "data 773": "the password must be changed first",
    "data 775": "the account is locked",
}

SUCCESS, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 0, 3, 4, 11
# Everything that could be had was given, but not all that there is.
CUT_SHORT = frozenset({TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT})
UNAVAILABLE_CONTROL = 12
SYNC_REFRESH_REQUIRED = 4096


class Encryption(StrEnum):
    """How a connection to port 389 goes on; `ldaps://` is encrypted from the start."""

    START_TLS = "startTls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where the server is, who binds, and whom to trust. Without a bind DN the bind is anonymous."""

    url: str
    encryption: Encryption = Encryption.START_TLS
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    # Certificates to trust beside the usual ones.
    ca_pem: str | None = None


class LdapSession:
    """One bound connection, used by one thread."""

    def __init__(self, connection: socket.socket, origin: str, answer_within: timedelta = ANSWER_WITHIN) -> None:
        self._connection = connection
        self._origin = origin
        self._seconds = answer_within.total_seconds()
        self._data = bytearray()
        self._at = 0
        self._last_id = 0

    def search(
        self,
        *,
        base: str,
        filter_bytes: bytes,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> Iterator[Answer]:
        """Yields the answers of one search; the last one is its Result, whatever it says. Raises: SystemUnreachable."""
        message_id = self._next_id()
        self._send(
            search_request(
                message_id,
                base=base,
                scope=scope,
                filter_bytes=filter_bytes,
                attributes=attributes,
                controls=controls,
            )
        )
        while True:
            answer = self._receive(message_id)
            yield answer
            if isinstance(answer, Result):
                return

    def search_pages(
        self,
        *,
        base: str,
        filter_bytes: bytes,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Answer]:
        """Yields the entries of a search that is asked for in pages, and its last Result. Raises: SystemUnreachable."""
        cookie = b""
        while True:
            result: Result | None = None
            for answer in self.search(
                base=base,
                filter_bytes=filter_bytes,
                attributes=attributes,
                scope=scope,
                controls=(page_control(page_size, cookie),),
            ):
                if isinstance(answer, Result):
                    result = answer
                else:
                    yield answer
            assert result is not None  # noqa: S101  a search ends with its result or raises
            with self.understanding():
                cookie = read_page_cookie(result.controls) if result.code == SUCCESS else b""
            if not cookie:
                yield result
                return

    def read_entry(self, dn: str, attributes: Sequence[str], filter_bytes: bytes) -> FoundEntry | None:
        """Returns one entry by its DN ("" is the root DSE), None when it is not there. Raises: JobFailure."""
        found: FoundEntry | None = None
        for answer in self.search(base=dn, filter_bytes=filter_bytes, attributes=attributes, scope=Scope.BASE):
            if isinstance(answer, FoundEntry):
                found = answer
            elif isinstance(answer, Result) and answer.code not in (SUCCESS, 32):
                raise self.failure_of(answer, f"the entry {dn}" if dn else "the root entry")
        return found

    def failure_of(self, result: Result, what: str) -> JobFailure:
        """Returns what a result other than success means for a read of something."""
        said = f" ({_name_of(result.code)}{f': {result.said[:300]}' if result.said else ''})"
        match result.code:
            case 49 | 48 | 53 if what == "bind":
                reason = next((text for mark, text in _ACTIVE_DIRECTORY_SAYS.items() if mark in result.said), "")
                sentence = f"{self._origin} does not accept the bind{f': {reason}' if reason else ''}{said}."
                return CredentialsRefused(sentence, remedy=_BIND_REMEDY)
            case 8 | 13:
                remedy = "Choose StartTLS, or an address that begins with ldaps://."
                return SystemUnreachable(f"{self._origin} wants an encrypted connection{said}.", remedy=remedy)
            case 49 | 48 | 50 | 1 if result.code != 1 or "bind" in result.said.lower():
                remedy = "Check that the bind DN may read what is asked for."
                return CredentialsRefused(f"{self._origin} does not let {what} be read{said}.", remedy=remedy)
            case 32 | 34 | 10:
                remedy = "Correct the base DN: it must be an entry that this server holds."
                return SchemaRefused(f"{self._origin} has no {what}{said}.", remedy=remedy)
            case 2 | 18 | 17 | 21 | 87:
                remedy = "Correct the filter and the base."
                return SchemaRefused(f"{self._origin} cannot search {what}{said}.", remedy=remedy)
            case _:
                return SystemUnreachable(f"{self._origin} ended the read of {what}{said}.", remedy=_REMEDY)

    def cut_sentence(self, result: Result, base: str) -> str:
        """Returns why a search that ended early did."""
        return (
            f"{self._origin} gave only a part of {base} ({_name_of(result.code)}): raise its limits for the bind DN, "
            "or narrow the base or the filter."
        )

    def changed_meanwhile(self, dn: str) -> SystemUnreachable:
        """Returns the failure of an entry that another one took the place of while it was read."""
        return SystemUnreachable(f"{self._origin} changed {dn[:200]} while it was read.", remedy="It is read again.")

    def bind(self, dn: str, password: str) -> None:
        """Binds. Raises: CredentialsRefused, SystemUnreachable."""
        if dn and not password:
            # Such a bind succeeds as nobody: RFC 4513 §5.1.2.
            raise CredentialsRefused("There is a bind DN and no password.", remedy=_BIND_REMEDY)
        message_id = self._next_id()
        self._send(bind_request(message_id, dn, password))
        result = self._receive(message_id)
        if not isinstance(result, Result):
            raise self._unreadable("answers a bind with something else")
        if result.code != SUCCESS:
            raise self.failure_of(result, "bind")

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Goes on over TLS. Raises: SystemUnreachable."""
        message_id = self._next_id()
        self._send(start_tls_request(message_id))
        result = self._receive(message_id)
        if not isinstance(result, Result) or result.code != SUCCESS:
            said = f" ({_name_of(result.code)})" if isinstance(result, Result) else ""
            remedy = "Use an address that begins with ldaps://, or set up TLS at the server."
            raise SystemUnreachable(f"{self._origin} does not take StartTLS{said}.", remedy=remedy)
        if len(self._data) > self._at:
            # Bytes that came before the handshake are nobody's: RFC 4513 §3.1.
            raise self._unreadable("sends on before TLS stands")
        self._connection = _encrypt(context, self._connection, host, self._origin)

    def close(self) -> None:
        """Takes leave and closes."""
        try:
            self._connection.sendall(unbind_request(self._next_id()))
        except OSError:
            pass
        finally:
            self._connection.close()

    def understanding(self) -> "Understanding":
        """Returns a context in which what cannot be read of an answer is a SystemUnreachable that names the server."""
        return Understanding(self._origin)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, data: bytes) -> None:
        try:
            self._connection.settimeout(self._seconds)
            self._connection.sendall(data)
        except OSError as error:
            raise SystemUnreachable(f"{self._origin} broke off: {_reason(error)}.", remedy=_REMEDY) from None

    def _receive(self, message_id: int) -> Answer:
        while True:
            with self.understanding():
                answered, answer = read_message(self._next_message())
            if answered == message_id:
                return answer
            if answered == _DISCONNECTION and isinstance(answer, Result):
                raise SystemUnreachable(
                    f"{self._origin} ended the connection: {answer.said[:300] or _name_of(answer.code)}.",
                    remedy=_REMEDY,
                )

    def _next_message(self) -> bytes:
        until = time.monotonic() + self._seconds
        while True:
            size = self._size_of_next()
            if size is not None and len(self._data) - self._at >= size:
                message = bytes(memoryview(self._data)[self._at : self._at + size])
                self._at += size
                if self._at == len(self._data):
                    self._data = bytearray()
                    self._at = 0
                return message
            if self._at:
                del self._data[: self._at]
                self._at = 0
            self._data += self._read_more(until)

    def _size_of_next(self) -> int | None:
        """The bytes of the next message, None while not even its head is there. Raises: Malformed."""
        head = self._data[self._at : self._at + 6]
        if len(head) < 2 or (head[1] >= 0x80 and len(head) < 2 + (head[1] & 0x7F)):
            return None
        if head[0] != 0x30:
            raise Malformed("answers something other than LDAP")
        # The content need not be there: the head is read as if the message ended nowhere.
        _, start, end = read_header(head, 0, 1 << 40)
        if end > MESSAGE_BYTES:
            raise Malformed(f"sends a message of {end:,} bytes; {MESSAGE_BYTES:,} are the limit")
        return end if start <= end else None

    def _read_more(self, until: float) -> bytes:
        left = until - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            data = self._connection.recv(_READ_BYTES)
        except TimeoutError:
            raise SystemUnreachable(
                f"{self._origin} did not answer within {self._seconds:.0f} seconds.", remedy=_REMEDY
            ) from None
        except OSError as error:
            raise SystemUnreachable(f"{self._origin} broke off: {_reason(error)}.", remedy=_REMEDY) from None
        if not data:
            raise SystemUnreachable(f"{self._origin} closed the connection before it had answered.", remedy=_REMEDY)
        return data

    def _unreadable(self, what: str) -> SystemUnreachable:
        return SystemUnreachable(f"{self._origin} {what}.", remedy=_REMEDY)


class Understanding:
    """Turns what cannot be read of an answer into a failure that names the server."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Malformed):
            raise SystemUnreachable(f"{self._origin} {error}.", remedy=_REMEDY) from None


def open_session(
    guard: AddressGuard,
    address: ServerAddress,
    *,
    connect_within: timedelta = CONNECT_WITHIN,
    answer_within: timedelta = ANSWER_WITHIN,
) -> LdapSession:
    """Returns a bound session. Raises: SystemUnreachable, CredentialsRefused."""
    scheme, target = _check(guard, address)
    origin = f"{scheme}://{target.host}:{target.port}"
    context = None if scheme == "ldap" and address.encryption is Encryption.NONE else _context(address.ca_pem)
    host = target.host.strip("[]")
    connection = _connect(target, origin, connect_within)
    if scheme == "ldaps" and context is not None:
        connection = _encrypt(context, connection, host, origin)
    session = LdapSession(connection, origin, answer_within)
    try:
        if scheme == "ldap" and context is not None:
            session.start_tls(context, host)
        session.bind(address.bind_dn, address.password)
    except BaseException:
        session.close()
        raise
    return session


def _check(guard: AddressGuard, address: ServerAddress) -> tuple[str, CheckedTarget]:
    parts = urlsplit(address.url.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1 or parts.path not in ("", "/") or parts.query:
        remedy = "Write it as ldaps://server.example or ldap://server.example:389."
        raise SystemUnreachable(f"“{address.url[:200]}” is no address of an LDAP server.", remedy=remedy)
    is_plain = parts.scheme == "ldap" and address.encryption is Encryption.NONE
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    try:
        # The guard knows two kinds of connections: those that others can read, and those that they cannot.
        target = guard.check(f"{'http' if is_plain else 'https'}://{host}:{port or _PORTS[parts.scheme]}")
    except AddressRefused as error:
        remedy = "Correct the address, or start the service with --allow-target and its network (MUSTER_ALLOW_TARGETS)."
        sentence = error.sentence.replace("plain http", "an unencrypted connection").replace(
            "use https", "use ldaps://"
        )
        raise SystemUnreachable(f"{sentence}.", remedy=remedy) from None
    except ExchangeFailed as error:
        raise SystemUnreachable(f"{error.sentence[:1].upper()}{error.sentence[1:]}.", remedy=_REMEDY) from None
    return parts.scheme, target


def _connect(target: CheckedTarget, origin: str, within: timedelta) -> socket.socket:
    seconds = within.total_seconds()
    for number, address in enumerate(target.addresses, start=1):
        try:
            connection = socket.create_connection((address, target.port), timeout=seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            if number == len(target.addresses):
                raise SystemUnreachable(f"{origin} cannot be reached: {_reason(error)}.", remedy=_REMEDY) from None
    raise AssertionError("a target has at least one address")


def _context(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_pem:
        try:
            read_certificates(ca_pem)
            context.load_verify_locations(cadata=ca_pem)
        except (CertificateInvalid, ssl.SSLError) as error:
            remedy = "Enter it in PEM, with the lines that begin with -----."
            raise SystemUnreachable(f"The certificate to trust cannot be used: {error}.", remedy=remedy) from None
    return context


def _encrypt(context: ssl.SSLContext, plain: socket.socket, host: str, origin: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        remedy = "Enter the certificate of the authority that signed the server's, or the name that stands in it."
        raise SystemUnreachable(
            f"The certificate of {origin} is not trusted: {error.verify_message}.", remedy=remedy
        ) from None
    except OSError as error:
        plain.close()
        raise SystemUnreachable(f"{origin} does not speak TLS: {_reason(error)}.", remedy=_REMEDY) from None


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return getattr(error, "reason", None) or error.strerror or str(error)


# Source: RFC 4511 appendix A; RFC 4533 §2.
_NAMES = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    4096: "e-syncRefreshRequired",
}


def _name_of(code: int) -> str:
    return _NAMES.get(code, f"result {code}")
