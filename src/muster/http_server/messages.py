"""Requests and answers as values, how an answer is written, and what an application of the server offers."""

from collections.abc import Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
Headers = Sequence[tuple[str, str]]


class Request(NamedTuple):
    """A request that has come whole. Header names are lower case; values are as they came."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    client: tuple[str, int]
    is_secure: bool

    @property
    def path(self) -> str:
        """The decoded path; what is no UTF-8 in it is replaced."""
        path = self.target.partition(b"?")[0]
        return (unquote_to_bytes(path) if b"%" in path else path).decode(errors="replace")

    @property
    def query(self) -> str:
        """What follows the question mark, encoded as it came."""
        return self.target.partition(b"?")[2].decode("latin-1")

    def header(self, name: bytes) -> str | None:
        """The value of a header, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class Answer(NamedTuple):
    """An answer; the server adds Content-Length, Date and Connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Lane(Enum):
    """Where a request is answered.

    HERE: in the thread that owns the sockets, for what takes less time than handing it over. TOGETHER: on the one
    thread that answers all that wait at once. APART: on one of many threads, for whatever may take longer.
    """

    HERE = auto()
    TOGETHER = auto()
    APART = auto()


class Application(Protocol):
    """What answers requests. Methods are called from several threads; what they raise is answered with 500."""

    def choose_lane(self, request: Request) -> Lane: ...

    def answer(self, request: Request) -> Answer:
        """The answer to a request of HERE or APART."""
        ...

    def answer_together(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """The answers to requests of TOGETHER, in their order."""
        ...

    def limit_body(self, target: bytes) -> int:
        """How many bytes a body may have."""
        ...

    def refuse(self, status: int, sentence: str, target: bytes) -> Answer:
        """The answer to what the server itself refuses; `target` is empty where it could not be read."""
        ...


def write_answer(answer: Answer, *, date: str, is_head: bool, connection: str | None) -> bytes:
    """The bytes of an answer. Raises ValueError for a header that would end its line."""
    status, headers, body = answer
    lines = [STATUS_LINES[status], date]
    count = 3
    for name, value in headers:
        lines.append(f"{name}: {value}\r\n")
        count += 1
    if connection is not None:
        lines.append(connection)
        count += 1
    if not is_head and status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        count += 1
    else:
        body = b""
        lines.append("\r\n")
    head = "".join(lines)
    if head.count("\n") != count or head.count("\r") != count:
        raise ValueError("a header holds the end of a line")
    return head.encode("latin-1") + body
