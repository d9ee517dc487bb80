"""The HTTP server over real sockets: what it takes, what it refuses, and that no client holds up another."""

import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.played_servers import Authority
from muster.http_server import gathering
from muster.http_server.connection import ServerLimits, listen
from muster.http_server.messages import Answer, Lane, Request
from muster.http_server.server import HttpServer
from muster.http_server.wsgi import WsgiFace, forwarded_client, make_environ

PATIENCE_SECONDS = 60.0
PATIENT = ServerLimits(drain_seconds=1.0)
# For tests of deadlines alone: on a busy machine a second may pass between connecting and sending.
HASTY = ServerLimits(head_seconds=1.0, body_seconds=1.0, idle_seconds=2.0, write_seconds=1.0, drain_seconds=1.0)


class Echo:
    """Answers what it was asked; `/together` on the one thread, `/apart` on the others, the rest where it arrives."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[int] = []

    def choose_lane(self, request: Request) -> Lane:
        return {"/together": Lane.TOGETHER, "/apart": Lane.APART, "/wait": Lane.APART}.get(request.path, Lane.HERE)

    def answer(self, request: Request) -> Answer:
        match request.path:
            case "/wait":
                self.gate.wait(PATIENCE_SECONDS)
            case "/fault":
                raise RuntimeError("a secret")
            case "/split":
                return Answer(200, [("X-Name", "a\r\nSet-Cookie: b")], b"")
            case "/large":
                return Answer(200, [], b"x" * 20_000_000)
        said = f"{request.method} {request.path}?{request.query} {request.header(b'x-name')} ".encode() + request.body
        return Answer(200, [("Content-Type", "text/plain")], said)

    def answer_together(self, requests: Sequence[Request]) -> Sequence[Answer]:
        self.batches.append(len(requests))
        return [self.answer(request) for request in requests]

    def limit_body(self, _: bytes) -> int:
        return 1_000_000

    def refuse(self, status: int, sentence: str, target: bytes) -> Answer:
        return Answer(status, [("Content-Type", "text/plain")], sentence.encode() + b" [" + target[:40] + b"]")


class Client:
    """A connection that sends bytes and reads answers."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.sock: Any = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self.file = self.sock.makefile("rb")

    def send(self, text: bytes) -> "Client":
        self.sock.sendall(text)
        return self

    def read(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next answer."""
        line = self.file.readline()
        headers = {}
        while (header := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = self.file.read(int(headers.get("content-length", 0))) if has_body else b""
        return int(line.split()[1]), headers, body

    def is_closed(self) -> bool:
        """Whether the server ends the connection and sends nothing more."""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True


@contextmanager
def serving(application: Any, *, limits: ServerLimits = PATIENT, threads: int = 2, tls: Any = None) -> Iterator[int]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = HttpServer(application, listener, threads=threads, limits=limits, tls=tls)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield int(port)
    finally:
        server.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def port(echo: Echo) -> Iterator[int]:
    with serving(echo) as port:
        yield port


@pytest.fixture
def client(port: int) -> Client:
    return Client(port)


@pytest.fixture(scope="module")
def hasty_port() -> Iterator[int]:
    with serving(Echo(), limits=HASTY) as port:
        yield port


def _request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.mark.parametrize("path", ["/here", "/together", "/apart"])
def test_requests_are_answered_on_one_connection_wherever_the_work_is_done(client: Client, path: str) -> None:
    for number in range(3):
        status, headers, body = client.send(
            _request(f"{path}?n={number}", "X-Name: ada", method="POST", body=b"{}")
        ).read()
        assert (status, body) == (200, f"POST {path}?n={number} ada {{}}".encode())
        assert "connection" not in headers
        assert headers["date"].endswith("GMT")


def test_requests_sent_at_once_are_answered_in_their_order(client: Client) -> None:
    paths = ["/apart", "/here", "/together", "/here", "/apart", "/together"]
    client.send(b"".join(_request(path) for path in paths))
    assert [client.read()[2].split()[1].decode() for _ in paths] == [f"{path}?" for path in paths]


def test_a_request_may_come_in_any_pieces(client: Client) -> None:
    for byte in _request("/here", "X-Name: " + "n" * 50, method="POST", body=b"abc"):
        client.send(bytes([byte]))
    assert client.read()[2].endswith(b" abc")


def test_a_body_in_chunks_is_put_together(client: Client) -> None:
    client.send(b"POST /here HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.read()[2].endswith(b" abcde")


def test_who_waits_to_be_told_to_send_the_body_is_told(client: Client) -> None:
    client.send(b"POST /here HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.read(has_body=False)[0] == 100
    assert client.send(b"abc").read()[2].endswith(b" abc")


def test_a_body_that_will_be_too_large_is_not_asked_for(client: Client) -> None:
    client.send(b"POST /here HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000001\r\n\r\n")
    assert client.read()[0] == 413


def test_an_offer_of_another_protocol_is_passed_over(client: Client) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    client.send(_request("/here", *offer))
    assert client.read()[0] == 200
    client.send(_request("/here", *offer, method="POST", body=b"abc"))
    assert client.read()[2].endswith(b" abc")


def test_percent_codes_and_a_target_with_the_servers_name_are_understood(client: Client) -> None:
    assert client.send(_request("/a%20b%C3%A9?q=%20")).read()[2].startswith("GET /a bé?q=%20 ".encode())
    assert client.send(_request("http://elsewhere:99/a?b")).read()[2].startswith(b"GET /a?b ")
    assert client.send(_request("http://elsewhere")).read()[2].startswith(b"GET /? ")


def test_head_and_answers_without_a_body_have_none(client: Client) -> None:
    client.send(_request("/here", method="HEAD") + _request("/here?2"))
    assert client.read(has_body=False)[0] == 200
    assert client.read()[2].startswith(b"GET /here?2")


@pytest.mark.parametrize("last", ["HTTP/1.1\r\nHost: x\r\nConnection: close", "HTTP/1.0"])
def test_a_connection_ends_when_the_client_wants_it_to(client: Client, last: str) -> None:
    status, headers, _ = client.send(f"GET /here {last}\r\n\r\n".encode()).read()
    assert (status, headers["connection"]) == (200, "close")
    assert client.is_closed()


def test_a_client_that_closes_its_side_is_answered_still(client: Client) -> None:
    client.send(_request("/apart") + _request("/here"))
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read()[2].startswith(b"GET /apart")
    assert client.read()[2].startswith(b"GET /here")
    assert client.is_closed()


REFUSED: list[tuple[int, bytes]] = [
    (400, b"nonsense\r\n\r\n"),
    (501, b"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    (400, b"GET /a HTTP/1.1\r\n\r\n"),
    (400, b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    (400, b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
    (400, b"GET /a HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n"),
    (400, b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n"),
    (400, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    (400, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    (400, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    (400, b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    (413, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n"),
    (413, b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n" + b"x" * 2_000_000 + b"\r\n"),
    (415, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    (415, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (414, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (431, b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"),
    (431, b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 101 + b"\r\n"),
    (505, b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n"),
]
LATE = [b"GET /a HTTP/1.1\r\nHost:", b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"]


@pytest.mark.parametrize(("status", "sent"), REFUSED)
def test_what_cannot_be_read_is_refused_in_the_applications_words_and_the_connection_ended(
    client: Client, status: int, sent: bytes
) -> None:
    answered, headers, body = client.send(sent).read()
    assert (answered, headers["connection"]) == (status, "close")
    assert re.fullmatch(rb"[A-Z].*\. \[.*\]", body)
    assert client.is_closed()


@pytest.mark.parametrize("sent", LATE)
def test_what_does_not_come_in_time_is_refused(hasty_port: int, sent: bytes) -> None:
    client = Client(hasty_port).send(sent)
    status, headers, _ = client.read()
    assert (status, headers["connection"]) == (408, "close")
    assert client.is_closed()


def test_what_was_asked_before_something_unreadable_is_answered_first(client: Client) -> None:
    client.send(_request("/apart") + b"nonsense\r\n\r\n")
    assert client.read()[0] == 200
    assert client.read()[0] == 400


def test_a_client_that_waits_in_silence_is_let_go(hasty_port: int) -> None:
    client = Client(hasty_port).send(_request("/here"))
    client.read()
    assert client.is_closed()


def test_a_fault_is_answered_without_its_text_and_the_connection_lasts(client: Client) -> None:
    for path in ("/fault", "/split"):
        status, headers, body = client.send(_request(path)).read()
        assert status == 500
        assert b"secret" not in body
        assert "set-cookie" not in headers
    assert client.send(_request("/here")).read()[0] == 200


def test_a_large_answer_reaches_a_client_that_reads_slowly(client: Client) -> None:
    client.send(_request("/large") + _request("/here"))
    assert len(client.read()[2]) == 20_000_000
    assert client.read()[0] == 200


def test_a_client_that_does_not_take_its_answer_is_let_go(hasty_port: int) -> None:
    client = Client(hasty_port).send(_request("/large"))
    time.sleep(4 * HASTY.write_seconds)
    assert Client(hasty_port).send(_request("/here")).read()[0] == 200
    with pytest.raises((ConnectionError, AssertionError)):
        assert len(client.file.read()) > 20_000_000


def test_a_hundred_slow_bodies_hold_up_nobody() -> None:
    begun = b"POST /apart HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    with serving(Echo(), limits=ServerLimits(body_seconds=5.0, drain_seconds=1.0)) as port:
        slow = [Client(port).send(begun) for _ in range(100)]
        for path in ("/apart", "/together", "/here"):
            assert Client(port).send(_request(path)).read()[0] == 200
        assert {each.read()[0] for each in slow} == {408}


def test_work_that_waits_holds_up_neither_quick_requests_nor_the_order(echo: Echo, port: int) -> None:
    first = Client(port).send(_request("/wait") + _request("/here"))
    assert Client(port).send(_request("/here")).read()[0] == 200
    echo.gate.set()
    assert first.read()[2].startswith(b"GET /wait")
    assert first.read()[2].startswith(b"GET /here")


def test_clients_that_ask_again_after_their_answers_are_answered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "LIMIT_PATIENCE_SECONDS", PATIENCE_SECONDS)

    class Slow(Echo):
        """Takes its time where answers share a cost."""

        def answer_together(self, requests: Sequence[Request]) -> Sequence[Answer]:
            time.sleep(0.2)
            return super().answer_together(requests)

    slow = Slow()
    with serving(slow) as port:
        clients = [Client(port) for _ in range(8)]
        for _ in range(6):
            for client in clients:
                client.send(_request("/together"))
            assert [client.read()[0] for client in clients] == [200] * 8
    # The first finds nobody to wait for; from the third batch on all eight are waited for.
    assert sum(slow.batches) == 48
    assert slow.batches[-2:] == [8, 8]


def test_who_asks_alone_waits_for_nobody() -> None:
    waiting = gathering.Gathering()
    connection: Any = object()
    for now in (1.0, 2.0, 3.0):
        waiting.works.append((connection, Request("POST", b"/", {}, b"", ("127.0.0.1", 1), False)))
        assert waiting.left_seconds(now) == 0.0
        assert len(waiting.take(now)) == 1
        waiting.note_answered(now + 0.5)


def test_those_who_stay_away_are_waited_for_no_longer_than_the_last_answers_took() -> None:
    waiting = gathering.Gathering()
    clients: list[Any] = [object() for _ in range(4)]
    request = Request("POST", b"/", {}, b"", ("127.0.0.1", 1), False)
    waiting.works = [(client, request) for client in clients]
    waiting.take(1.0)
    waiting.note_answered(1.002)
    waiting.works = [(client, request) for client in clients[:3]]
    assert waiting.left_seconds(1.002) == pytest.approx(0.002)
    assert waiting.left_seconds(1.005) == 0.0
    waiting.works.append((clients[3], request))
    assert waiting.left_seconds(1.002) == 0.0, "all are there"


def test_no_bytes_end_the_server_or_leave_a_client_without_an_end(port: int) -> None:
    chance = random.Random(7)
    seeds = [
        _request("/here?a=b", "X-Name: ada", method="POST", body=b'{"a": 1}'),
        b"POST /apart HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        _request("/together", "Connection: Upgrade", "Upgrade: h2c") + _request("/here", method="HEAD"),
        b"POST /here HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        *(sent for _, sent in REFUSED if len(sent) < 1_000),
    ]
    for _ in range(1_500):
        sent = bytearray(b"".join(chance.sample(seeds, chance.randint(1, 3))))
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(sent))
            match chance.randrange(4):
                case 0:
                    sent[at] = chance.randrange(256)
                case 1:
                    del sent[at : at + chance.randint(1, 20)]
                case 2:
                    sent[at:at] = chance.choice([b"\r\n", b"\0", b":", b"HTTP/1.1", b"9" * 30, bytes(5)])
                case _:
                    sent[at:at] = sent[chance.randrange(len(sent)) :][:40]
            sent = sent or bytearray(b"x")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
            try:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65_536):
                    continue
            except ConnectionError:
                continue
    assert Client(port).send(_request("/here")).read()[0] == 200


def test_an_application_that_fails_where_it_must_not_costs_only_that_connection() -> None:
    class Broken(Echo):
        def limit_body(self, target: bytes) -> int:
            raise RuntimeError(target)

        def refuse(self, status: int, sentence: str, target: bytes) -> Answer:
            raise RuntimeError(sentence)

    with serving(Broken()) as port:
        assert Client(port).send(_request("/here", method="POST", body=b"abc")).is_closed()
        assert Client(port).send(b"nonsense\r\n\r\n").is_closed()
        assert Client(port).send(_request("/here")).read()[0] == 200


def test_the_oldest_idle_connection_makes_room_for_a_new_one() -> None:
    limits = ServerLimits(connections=3)
    with serving(Echo(), limits=limits) as port:
        held = [Client(port) for _ in range(3)]
        for each in held:
            each.send(_request("/here")).read()
        assert Client(port).send(_request("/here")).read()[0] == 200
        assert held[0].is_closed()
        assert held[2].send(_request("/here")).read()[0] == 200


def test_of_bodies_that_together_are_too_large_for_the_memory_the_slowest_is_refused() -> None:
    with serving(Echo(), limits=ServerLimits(waiting_bytes=1_500_000)) as port:
        head = b"POST /here HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
        first = Client(port).send(head + b"x" * 500_000)
        second = Client(port).send(head + b"x" * 500_000)
        third = Client(port).send(head + b"x" * 600_000)
        assert first.read()[0] == 503
        assert second.send(b"x" * 400_000).read()[0] == 200
        assert third.send(b"x" * 300_000).read()[0] == 200


def test_what_is_under_way_is_answered_when_the_server_stops() -> None:
    echo = Echo()
    listener = listen("127.0.0.1", 0)
    server = HttpServer(echo, listener, threads=1)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=server.serve, kwargs={"stop_within_seconds": PATIENCE_SECONDS})
    thread.start()
    idle = Client(port)
    idle.send(_request("/here")).read()
    client = Client(port).send(_request("/wait"))
    while not Client(port).send(_request("/here")).read():
        continue
    server.stop()
    assert idle.is_closed()
    echo.gate.set()
    status, headers, _ = client.read()
    assert (status, headers["connection"]) == (200, "close")
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_tls_is_spoken_to_many_at_once_and_to_nobody_without_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = tmp_path / "server.pem"
    identity.write_bytes(authority.issue("muster", names=("127.0.0.1",)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity)
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    with serving(Echo(), tls=tls) as port:
        assert Client(port).send(_request("/here")).is_closed()
        silent = socket.create_connection(("127.0.0.1", port))
        body = b"x" * 900_000
        for path in ("/here", "/apart", "/together"):
            client = Client(port, trusting)
            assert client.send(_request(path, method="POST", body=body)).read()[2].endswith(body)
            assert len(client.send(_request("/large")).read()[2]) == 20_000_000
        assert Client(port, trusting).send(b"nonsense\r\n\r\n").read()[0] == 400
        silent.close()


# WSGI

Start = Callable[..., Any]


def _wsgi(environ: dict[str, Any], start: Start) -> Any:
    if environ["PATH_INFO"] == "/written":
        start("201 Created", [("X-A", "b"), ("Content-Length", "2")])(b"ab")
        return []
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Length", str(len(body)))])
    return iter([body[:1], body[1:]])


def test_a_wsgi_application_is_answered_with() -> None:
    with serving(WsgiFace(_wsgi)) as port:
        client = Client(port)
        assert client.send(_request("/a", method="POST", body=b"abc")).read()[2] == b"abc"
        status, headers, body = client.send(_request("/written")).read()
        assert (status, headers["x-a"], body) == (201, "b", b"ab")
        status, headers, _ = client.send(_request("/written", method="HEAD")).read(has_body=False)
        assert (status, headers["content-length"]) == (201, "2")
        assert client.send(b"nonsense\r\n\r\n").read()[1]["content-type"].startswith("text/plain")


def test_the_environment_of_a_request_is_that_of_pep_3333() -> None:
    headers = {
        b"host": b"muster.example:8443",
        b"content-type": b"text/csv",
        b"content-length": b"3",
        b"x-name": b"caf\xc3\xa9",
        b"x_name": b"another",
    }
    environ = make_environ(Request("POST", b"/a%2Fb%C3%A9?c=%20", headers, b"abc", ("10.0.0.1", 5), True))
    assert environ["PATH_INFO"] == "/a/b\xc3\xa9"
    assert environ["QUERY_STRING"] == "c=%20"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("muster.example", "8443")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/csv", "3")
    assert environ["HTTP_X_NAME"] == "caf\xc3\xa9", "a name with an underscore stands for no other"
    assert (environ["wsgi.url_scheme"], environ["REMOTE_ADDR"]) == ("https", "10.0.0.1")
    assert environ["wsgi.input"].read() == b"abc"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"198.51.100.7", "198.51.100.7"),
        (b"10.9.8.7, 198.51.100.7", "198.51.100.7"),
        (b"10.9.8.7,198.51.100.7:4711", "198.51.100.7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b"10.9.8.7, [2001:db8::7]:4711", "2001:db8::7"),
        (b"198.51.100.7, unknown", None),
        (b"198.51.100.7,", None),
        (b"[", None),
        (b"", None),
        (None, None),
    ],
)
def test_whom_a_proxy_answers_is_the_last_address_that_it_names(header: bytes | None, client: str | None) -> None:
    headers = {} if header is None else {b"x-forwarded-for": header}
    assert forwarded_client(Request("GET", b"/", headers, b"", ("10.0.0.1", 5), False)) == client


@pytest.mark.parametrize(("behind_proxy", "address"), [(True, "198.51.100.7"), (False, "10.0.0.1")])
def test_a_client_is_who_the_proxy_says_only_where_there_is_one(behind_proxy: bool, address: str) -> None:
    seen = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ["REMOTE_ADDR"])
        start_response("204 No Content", [])
        return []

    request = Request("GET", b"/", {b"x-forwarded-for": b"127.0.0.1, 198.51.100.7"}, b"", ("10.0.0.1", 5), False)
    WsgiFace(application, behind_proxy=behind_proxy).answer(request)
    assert seen == [address]
