"""A connection to an LDAP server: opened through the guard, encrypted, bound, and read answer by answer.

It follows no referral, waits for no answer longer than its deadline, and takes no message beyond its limit. A search
either ends with the server's own result or raises.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from muster.model.failures import CredentialsRefused, SystemUnreachable
from muster.sources.ldap.ber import SEQUENCE, Malformed, read_header
from muster.sources.ldap.connecting import (
    Encryption,
    ServerAddress,
    check_address,
    connect,
    encrypt,
    reason_of,
    tls_context,
)
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
from muster.sources.ldap.results import BIND_REMEDY, REMEDY, SUCCESS, failure_of, name_of
from muster.transport.guard import AddressGuard

CONNECT_WITHIN = timedelta(seconds=10)
ANSWER_WITHIN = timedelta(seconds=60)
# One group of half a million members by DN is some forty of them.
MESSAGE_BYTES = 128 * 1024 * 1024
PAGE_SIZE = 500
# Beyond these a server does not answer, it holds on to whoever asks.
ENTRIES_LIMIT = 10_000_000
STRAY_LIMIT = 100_000
EMPTY_PAGES_LIMIT = 1_000
_READ_BYTES = 262_144
_DISCONNECTION = 0
_NOWHERE = 1 << 40


class LdapSession:
    """One bound connection, used by one thread."""

    def __init__(self, connection: socket.socket, origin: str, answer_within: timedelta = ANSWER_WITHIN) -> None:
        self._connection = connection
        self.origin = origin
        self._seconds = answer_within.total_seconds()
        self._data = bytearray()
        self._at = 0
        self._last_id = 0
        # Sent with every search.
        self.controls: tuple[Control, ...] = ()

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
                controls=(*controls, *self.controls),
            )
        )
        for _ in range(ENTRIES_LIMIT):
            answer = self._receive(message_id)
            yield answer
            if isinstance(answer, Result):
                return
        raise self.unreadable(f"gives more than {ENTRIES_LIMIT:,} entries")

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
        empty = 0
        while True:
            result: Result | None = None
            is_empty = True
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
                    is_empty = False
                    yield answer
            empty = empty + 1 if is_empty else 0
            if empty > EMPTY_PAGES_LIMIT:
                raise self.unreadable("gives empty pages without end")
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
                raise failure_of(self.origin, answer, f"the entry {dn}" if dn else "the root entry")
        return found

    def changed_meanwhile(self, dn: str) -> SystemUnreachable:
        """Returns the failure of an entry that another one took the place of while it was read."""
        return SystemUnreachable(f"{self.origin} changed {dn[:200]} while it was read.", remedy="It is read again.")

    def bind(self, dn: str, password: str) -> None:
        """Binds. Raises: CredentialsRefused, SystemUnreachable."""
        if dn and not password:
            # Such a bind succeeds as nobody: RFC 4513 §5.1.2.
            raise CredentialsRefused("There is a bind DN and no password.", remedy=BIND_REMEDY)
        message_id = self._next_id()
        self._send(bind_request(message_id, dn, password))
        result = self._receive(message_id)
        if not isinstance(result, Result):
            raise self.unreadable("answers a bind with something else")
        if result.code != SUCCESS:
            raise failure_of(self.origin, result, "bind")

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Goes on over TLS. Raises: SystemUnreachable."""
        message_id = self._next_id()
        self._send(start_tls_request(message_id))
        result = self._receive(message_id)
        if not isinstance(result, Result) or result.code != SUCCESS:
            said = f" ({name_of(result.code)})" if isinstance(result, Result) else ""
            remedy = "Use an address that begins with ldaps://, or set up TLS at the server."
            raise SystemUnreachable(f"{self.origin} does not take StartTLS{said}.", remedy=remedy)
        if len(self._data) > self._at:
            # Bytes that came before the handshake are nobody's: RFC 4513 §3.1.
            raise self.unreadable("sends on before TLS stands")
        self._connection = encrypt(context, self._connection, host, self.origin)

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
        return Understanding(self.origin)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, data: bytes) -> None:
        try:
            self._connection.settimeout(self._seconds)
            self._connection.sendall(data)
        except OSError as error:
            raise SystemUnreachable(f"{self.origin} broke off: {reason_of(error)}.", remedy=REMEDY) from None

    def _receive(self, message_id: int) -> Answer:
        for _ in range(STRAY_LIMIT):
            try:
                answered, answer = read_message(self._next_message())
            except Malformed as error:
                # What `understanding` does, without a context for every answer.
                raise self.unreadable(str(error)) from None
            if answered == message_id:
                return answer
            if answered == _DISCONNECTION and isinstance(answer, Result):
                raise SystemUnreachable(
                    f"{self.origin} ended the connection: {answer.said[:300] or name_of(answer.code)}.",
                    remedy=REMEDY,
                )
        raise self.unreadable("answers what was not asked")

    def _next_message(self) -> bytes:
        until: float | None = None
        while True:
            end = self._end_of_next()
            if end is not None and end <= len(self._data):
                message = bytes(memoryview(self._data)[self._at : end])
                self._at = end
                if end == len(self._data):
                    self._data = bytearray()
                    self._at = 0
                return message
            if until is None:
                until = time.monotonic() + self._seconds
            if self._at:
                del self._data[: self._at]
                self._at = 0
            self._data += self._read_more(until)

    def _end_of_next(self) -> int | None:
        """Where the next message ends, None while not even its head is there. Raises: Malformed."""
        data, at = self._data, self._at
        there = len(data) - at
        if there < 2 or (data[at + 1] >= 0x80 and there < 2 + (data[at + 1] & 0x7F)):
            return None
        if data[at] != SEQUENCE:
            raise Malformed("answers something other than LDAP")
        # The content need not be there: the head is read as if the message ended nowhere.
        _, _, end = read_header(data, at, at + _NOWHERE)
        if end - at > MESSAGE_BYTES:
            raise Malformed(f"sends a message of {end - at:,} bytes; {MESSAGE_BYTES:,} are the limit")
        return end

    def _read_more(self, until: float) -> bytes:
        left = until - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            data = self._connection.recv(_READ_BYTES)
        except TimeoutError:
            raise SystemUnreachable(
                f"{self.origin} did not answer within {self._seconds:.0f} seconds.", remedy=REMEDY
            ) from None
        except OSError as error:
            raise SystemUnreachable(f"{self.origin} broke off: {reason_of(error)}.", remedy=REMEDY) from None
        if not data:
            raise SystemUnreachable(f"{self.origin} closed the connection before it had answered.", remedy=REMEDY)
        return data

    def unreadable(self, what: str) -> SystemUnreachable:
        """Returns the failure of a server that does something that nobody can go on after."""
        return SystemUnreachable(f"{self.origin} {what}.", remedy=REMEDY)


class Understanding:
    """Turns what cannot be read of an answer into a failure that names the server."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def __enter__(self) -> None:
        """Nothing is held."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Malformed):
            raise SystemUnreachable(f"{self.origin} {error}.", remedy=REMEDY) from None


def open_session(
    guard: AddressGuard,
    address: ServerAddress,
    *,
    connect_within: timedelta = CONNECT_WITHIN,
    answer_within: timedelta = ANSWER_WITHIN,
) -> LdapSession:
    """Returns a bound session. Raises: SystemUnreachable, CredentialsRefused."""
    scheme, target = check_address(guard, address)
    origin = f"{scheme}://{target.host}:{target.port}"
    context = None if scheme == "ldap" and address.encryption is Encryption.NONE else tls_context(address.ca_pem)
    host = target.host.strip("[]")
    connection = connect(target, origin, connect_within)
    if scheme == "ldaps" and context is not None:
        connection = encrypt(context, connection, host, origin)
    session = LdapSession(connection, origin, answer_within)
    try:
        if scheme == "ldap" and context is not None:
            session.start_tls(context, host)
        session.bind(address.bind_dn, address.password)
    except BaseException:
        session.close()
        raise
    return session
