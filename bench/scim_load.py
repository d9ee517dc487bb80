"""A load generator for where wrk is not installed: sends prepared requests over some connections and times the answers.

    python scim_load.py HOST:PORT CONNECTIONS SECONDS < requests

A request on standard input is its length in four bytes, then its bytes. One line of JSON comes out: requests, seconds,
bad (answers that are neither 2xx nor 3xx), and taken_us: pairs of how long and how many took so long. It knows just
enough HTTP for that: answers have a Content-Length, or come in chunks, or have no body.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

RECEIVED_BYTES = 1_048_576
LAST_CHUNK = b"\r\n0\r\n\r\n"


class Asker:
    """One connection, with one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._come = b""
        self._awaited = 0
        self._is_chunked = False

    def send(self, request: bytes) -> None:
        """Sends a request; the one before must have been answered."""
        self._come, self._awaited = b"", 0
        self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def receive(self) -> int | None:
        """The status once the whole answer has come."""
        part = self.sock.recv(RECEIVED_BYTES)
        if not part:
            raise SystemExit("the server ended a connection")
        self._come = self._come + part if self._come else part
        if not self._awaited:
            end = self._come.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self._come[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
            self._awaited = end + 4 + length
            self._is_chunked = b"\r\ntransfer-encoding: chunked" in head
        is_whole = len(self._come) >= self._awaited and (not self._is_chunked or self._come.endswith(LAST_CHUNK))
        return int(self._come[9:12]) if is_whole else None


def read_requests(content: bytes) -> Iterator[bytes]:
    """The requests, one after the other."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


def run(address: tuple[str, int], connections: int, seconds: float, requests: Iterator[bytes]) -> dict[str, Any]:
    """Sends until the time is over or the requests are."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        asker = Asker(address)
        selector.register(asker.sock, selectors.EVENT_READ, asker)
    taken: Counter[int] = Counter()
    bad = under_way = 0
    begun = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data.send(next(requests))
        under_way += 1
    until = begun + seconds
    while under_way:
        for key, _ in selector.select(60):
            asker = key.data
            status = asker.receive()
            if status is None:
                continue
            now = time.perf_counter()
            taken[int(1e6 * (now - asker.sent_at))] += 1
            bad += not 200 <= status < 400
            under_way -= 1
            following = next(requests, None) if now < until else None
            if following is not None:
                asker.send(following)
                under_way += 1
    took = time.perf_counter() - begun
    return {"requests": taken.total(), "seconds": took, "bad": bad, "taken_us": sorted(taken.items())}


def main() -> None:
    """Reads the requests, sends them, prints what came of it."""
    host, _, port = sys.argv[1].rpartition(":")
    requests = read_requests(sys.stdin.buffer.read())
    print(json.dumps(run((host, int(port)), int(sys.argv[2]), float(sys.argv[3]), requests)))


if __name__ == "__main__":
    main()
