"""One connection: what has come is read into requests, within limits; what is to go waits for the socket.

The parser is llhttp (httptools), strict as it comes: requests that two servers could read differently, with two lengths
or odd line ends, are errors.
"""

import re
import socket
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import httptools

from muster.http_server.messages import Application, Request

OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})


BACKLOG = 1_024
NO_HTTP = "The request is not HTTP/1.1 as RFC 9112 has it."
_PLAIN = b"identity"
_CODING_SHOWN = 40  # bytes
# A request line, whatever the method: the token of RFC 9110 §5.6.2.
_REQUEST_LINE = re.compile(rb"(?:\r\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/\d\.\d\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Bounds on connections and on how long a client may take. A head is the request line and all headers."""

    connections: int = 4_096
    head_bytes: int = 65_536
    headers: int = 100
    target_bytes: int = 32_768
    waiting_bytes: int = 268_435_456  # of all bodies that are being received
    head_seconds: float = 20.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    write_seconds: float = 30.0  # without a byte taken
    drain_bytes: int = 16_777_216  # read from a client that was refused, so that it sees the answer
    drain_seconds: float = 5.0


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections at the address. Raises OSError when another has it."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class Refusal(NamedTuple):
    """Why a connection ends after one more answer."""

    status: int
    sentence: str


class Connection:
    """What one client has sent and is still to get. The callbacks of the parser begin with `on_`."""

    def __init__(
        self,
        sock: socket.socket,
        client: tuple[str, int],
        application: Application,
        limits: ServerLimits,
        *,
        is_secure: bool,
        deadline: float,
    ) -> None:
        self.sock = sock
        self.descriptor = sock.fileno()
        self.client = client
        self.deadline = deadline
        self.requests: deque[tuple[Request, bool]] = deque()  # and whether the connection lasts
        self.refusal: Refusal | None = None
        self.is_busy = False  # a request is being answered elsewhere
        self.is_secure = is_secure
        self.is_shaken = not is_secure
        self.is_ended = False  # the client sends no more
        self.ends_after = False  # once what waits is sent
        self.drained_bytes: int | None = None  # None while what comes is read
        self.out: memoryview | None = None
        self.events = 0
        self.body_bytes = 0
        self._application = application
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._count = 0
        self._size = 0
        self._body: bytes | bytearray = b""
        self._body_limit = 0
        self._head_bytes = 0
        self._in_head = True
        self._has_begun = False
        self._wants_continue = False
        self._is_offer = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come and nothing waits."""
        return not (self._has_begun or self.requests or self.is_busy or self.out or self.refusal)

    @property
    def is_receiving(self) -> bool:
        """Whether a request has begun and is not whole."""
        return self._has_begun

    @property
    def is_receiving_body(self) -> bool:
        """Whether what is still to come is a body."""
        return self._has_begun and not self._in_head

    @property
    def target(self) -> bytes:
        """The target of what is being received."""
        return self._target

    def take_continue(self) -> bool:
        """Whether the client waits to be told that it may send the body; true once."""
        wanted, self._wants_continue = self._wants_continue, False
        return wanted and self.refusal is None and not self.requests

    def refuse_body(self, status: int, sentence: str) -> None:
        """Forgets the body that is being received: the connection ends with a refusal."""
        self._body = b""
        self.body_bytes = 0
        if self.refusal is None:
            self.refusal = Refusal(status, sentence)

    def receive(self, data: bytes) -> None:
        """Reads what came into `requests`, or into `refusal` when it cannot be read or is too much."""
        self._has_begun = True
        self._head_bytes += len(data)
        before = len(self.requests)
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                head = self._without_offer()
                if head is not None:
                    data = head + data[upgrade.args[0] :]
                    self._parser = httptools.HttpRequestParser(self)
                    continue
            except httptools.HttpParserInvalidMethodError:
                if len(self.requests) == before and _REQUEST_LINE.match(data):
                    self.refusal = Refusal(501, "The service knows no such method.")
                else:
                    self.refusal = Refusal(400, NO_HTTP)
            except httptools.HttpParserError:
                if self.refusal is None:
                    self.refusal = Refusal(400, NO_HTTP)
            break
        if self._in_head and self._head_bytes > self._limits.head_bytes:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._has_begun = self._in_head = True
        self._target = b""
        self._headers = {}
        self._count = self._size = 0

    def on_url(self, part: bytes) -> None:
        """A piece of the target."""
        self._target = self._target + part if self._target else part
        if len(self._target) > self._limits.target_bytes and self.refusal is None:
            limit = self._limits.target_bytes
            self.refusal = Refusal(414, f"The address is longer than the limit (address length) of {limit} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; several of one name are one list."""
        name = name.lower()
        held = self._headers.get(name)
        if held is None:
            self._headers[name] = value
        elif name == b"host" and self.refusal is None:
            self.refusal = Refusal(400, "The request has more than one Host header.")
        else:
            self._headers[name] = held + (b"; " if name == b"cookie" else b", ") + value
        self._count += 1
        self._size += len(name) + len(value)
        if self._count > self._limits.headers and self.refusal is None:
            self.refusal = Refusal(
                431, f"The request has more headers than the limit (headers) of {self._limits.headers}."
            )
        elif self._size > self._limits.head_bytes:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._is_offer = self._parser.should_upgrade()
        if self._is_offer:
            return
        self._in_head = False
        headers = self._headers
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            return
        self._body_limit = self._application.limit_body(self._target)
        coding = headers.get(b"content-encoding", _PLAIN).strip().lower()
        if coding != _PLAIN and length != b"0":
            self._refuse_coding(coding)
        if length is not None and int(length) > self._body_limit:
            self._refuse_large_body()
        self._wants_continue = headers.get(b"expect", b"").lower() == b"100-continue"

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        if self.refusal is not None:
            return
        self.body_bytes += len(part)
        if self.body_bytes > self._body_limit:
            self._refuse_large_body()
        elif not self._body:
            self._body = part
        else:
            # One buffer: a body in chunks of one byte, kept as a list of them, would hold forty times its size.
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += part

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._is_offer:
            return
        self._has_begun = False
        self._in_head = True
        self._head_bytes = 0
        self._wants_continue = False
        if self.refusal is not None:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self.refusal = Refusal(505, "The service speaks HTTP/1.1.")
            return
        if version == "1.1" and b"host" not in self._headers:
            self.refusal = Refusal(400, "The request has no Host header.")
            return
        whole = b""
        if self._body:
            whole = bytes(self._body)
            self._body = b""
            self.body_bytes = 0
        target = self._target
        if not target.startswith(b"/"):
            target = self._strip_authority(target)
        request = Request(
            parser.get_method().decode("latin-1"), target, self._headers, whole, self.client, self.is_secure
        )
        # An older client that wants the connection to last would have to be told so: it gets a new one.
        self.requests.append((request, version == "1.1" and parser.should_keep_alive()))

    def _without_offer(self) -> bytes | None:
        """The head of a request that offers to speak another protocol, without the offer; None when it asks for
        more than that.

        Lenient: Java's client offers HTTP/2 with its first request. The parser leaves it at that, and would take the
        body for another request.
        """
        method = self._parser.get_method()
        if self.refusal is not None:
            return None
        if method == b"CONNECT":
            self.refusal = Refusal(501, "The service is no proxy.")
            return None
        kept = [(name, value) for name, value in self._headers.items() if name not in OFFER]
        if b"close" in self._headers[b"connection"].lower():
            kept.append((b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % header for header in kept)
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._target, lines)

    def _strip_authority(self, target: bytes) -> bytes:
        """The path of a target that names the server too. Source: RFC 9112 §3.2.2."""
        _, found, rest = target.partition(b"://")
        if not found:
            return target  # `*` and the like: no path that anything is found at
        _, slash, path = rest.partition(b"/")
        return slash + path if slash else b"/"

    def _refuse_head(self) -> None:
        if self.refusal is None:
            self.refusal = Refusal(
                431, f"The request's head is larger than the limit (head size) of {self._limits.head_bytes} bytes."
            )

    def _refuse_coding(self, coding: bytes) -> None:
        # A small body that unpacks to a large one would get past every limit. Source: RFC 9110 §15.5.16.
        shown = coding[:_CODING_SHOWN].decode("latin-1")
        self.refuse_body(415, f"The body is encoded ({shown}): send it as it is, without Content-Encoding.")

    def _refuse_large_body(self) -> None:
        limit = self._body_limit
        self.refuse_body(413, f"The body is larger than the limit (body size) of {limit} bytes. Send less at a time.")
