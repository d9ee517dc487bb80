"""The transport against real sockets: what it sends, what it refuses, and whether it is honest about what was sent."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from contract.played_servers import Authority, Behaviour, PlayedServer, answer
from muster.model.exchange import (
    AddressRefused,
    ConnectionFailed,
    ExchangeFailed,
    HttpRequest,
    ResponseTooLarge,
    TransportTimeout,
    TrustFailed,
)
from muster.transport.client import HttpTransport, open_transport
from muster.transport.guard import AddressGuard

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECOND = timedelta(seconds=1)
Serve = Callable[..., PlayedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[PlayedServer] = []

    def _serve(behaviour: Behaviour, **options: object) -> PlayedServer:
        servers.append(PlayedServer(behaviour, **options))  # type: ignore[arg-type]  # options of the one class
        return servers[-1]

    yield _serve
    for server in servers:
        server.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    opened = open_transport(allowed=LOOPBACK)
    yield opened
    opened.close()


def _named(**options: object) -> HttpTransport:
    """A transport for which every name is loopback."""
    guard = AddressGuard(allowed=LOOPBACK, resolve=lambda _host, _port: ["127.0.0.1"])
    return HttpTransport(guard, **options)  # type: ignore[arg-type]  # options of the one class


def _get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url)


def test_a_request_arrives_as_it_was_formed_and_the_answer_comes_back_whole(
    serve: Serve, transport: HttpTransport
) -> None:
    server = serve(answer(b'{"id":"1"}', status="201 Created", headers=("ETag: W/1", "X-Two: a", "X-Two: b")))
    headers = {"Authorization": "Bearer t", "Content-Type": "application/scim+json"}
    url = server.url + "Users?filter=a%20eq%20%22b%22"
    response = transport.send(HttpRequest(method="POST", url=url, headers=headers, body=b"{}"), deadline=SECOND)
    assert (response.status, response.body) == (201, b'{"id":"1"}')
    assert (response.headers["etag"], response.headers["x-two"]) == ("W/1", "a, b")
    assert timedelta(0) < response.elapsed < SECOND
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /Users?filter=a%20eq%20%22b%22 HTTP/1.1"
    assert {"Authorization: Bearer t", "Content-Type: application/scim+json", "User-Agent: Muster"} <= set(lines)
    assert body == b"{}"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_every_method_of_scim_is_sent(serve: Serve, transport: HttpTransport, method: str) -> None:
    server = serve(answer())
    assert transport.send(HttpRequest(method=method, url=server.url), deadline=SECOND).status == 200
    assert server.requests[0].startswith(method.encode() + b" / ")


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve, transport: HttpTransport, status: str) -> None:
    elsewhere = serve(answer())
    server = serve(answer(status=status, headers=(f"Location: {elsewhere.url}",)))
    assert transport.send(_get(server.url), deadline=SECOND).status == int(status[:3])
    assert elsewhere.connections == 0


def test_a_proxy_of_the_environment_is_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(answer()), serve(answer(b"direct"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert open_transport(allowed=LOOPBACK).send(_get(server.url), deadline=SECOND).body == b"direct"
    assert proxy.connections == 0


def test_a_proxy_that_is_set_is_used(serve: Serve) -> None:
    proxy = serve(answer(b"by proxy"))
    chosen = open_transport(allowed=LOOPBACK, proxy=proxy.url)
    assert chosen.send(_get("http://127.0.0.1:9/x"), deadline=SECOND).body == b"by proxy"
    assert proxy.requests[0].startswith(b"GET http://127.0.0.1:9/x ")


def test_a_refused_address_is_not_even_connected_to(serve: Serve) -> None:
    server = serve(answer())
    with pytest.raises(AddressRefused):
        open_transport().send(_get(server.url), deadline=SECOND)
    assert server.connections == 0


def test_the_connection_goes_to_the_address_that_was_checked_whatever_the_name_means(serve: Serve) -> None:
    server = serve(answer(b"checked"))
    response = _named().send(_get(f"http://scim.example.com:{server.port}/"), deadline=SECOND)
    assert response.body == b"checked"
    assert f"Host: scim.example.com:{server.port}".encode() in server.requests[0]


def test_the_next_address_is_tried_when_nothing_was_sent_to_the_first(serve: Serve) -> None:
    server = serve(answer(b"second"))
    guard = AddressGuard(allowed=LOOPBACK, resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
    response = HttpTransport(guard).send(_get(f"http://scim.example.com:{server.port}/"), deadline=SECOND)
    assert response.body == b"second"


def test_connections_are_used_again(serve: Serve, transport: HttpTransport) -> None:
    server = serve(answer(), keep_alive=True)
    for _ in range(5):
        transport.send(_get(server.url), deadline=SECOND)
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_the_target_closed_meanwhile_costs_nothing(serve: Serve, transport: HttpTransport) -> None:
    server = serve(answer())  # closes after each answer, without saying so
    for _ in range(20):
        transport.send(HttpRequest(method="POST", url=server.url, body=b"{}"), deadline=SECOND)
        time.sleep(0.01)
    assert len(server.requests) == 20


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_sent_nothing(transport: HttpTransport) -> None:
    with pytest.raises(ConnectionFailed, match="Connection refused") as caught:
        transport.send(_get(f"http://127.0.0.1:{_free_port()}/"), deadline=SECOND)
    assert not caught.value.sent
    assert "127.0.0.1" not in caught.value.why
    assert caught.value.sentence.endswith(f" cannot be reached: {caught.value.why}")


def test_a_connection_that_is_never_taken_sent_nothing(transport: HttpTransport) -> None:
    hasty = HttpTransport(AddressGuard(allowed=LOOPBACK), connect_within=timedelta(milliseconds=200))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        with pytest.raises(TransportTimeout) as caught:
            hasty.send(_get(f"http://127.0.0.1:{port}/"), deadline=2 * SECOND)
        for each in queued:
            each.close()
    assert not caught.value.sent


def _hang(connection: socket.socket, _: bytes) -> None:
    connection.settimeout(3)
    connection.recv(1)


def _close(connection: socket.socket, _: bytes) -> None:
    connection.close()


def _reset(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def _half(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")


def _half_then_hang(connection: socket.socket, request: bytes) -> None:
    _half(connection, request)
    _hang(connection, request)


def _babble(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"220 smtp.example.com ESMTP\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (_close, ConnectionFailed),
        (_reset, ConnectionFailed),
        (_half, ConnectionFailed),
        (_babble, ConnectionFailed),
        (_hang, TransportTimeout),
        (_half_then_hang, TransportTimeout),
    ],
)
def test_an_answer_lost_after_the_request_was_sent_is_said_to_be_sent(
    serve: Serve, transport: HttpTransport, behaviour: Behaviour, failure: type[ExchangeFailed]
) -> None:
    server = serve(behaviour)
    request = HttpRequest(
        method="POST", url=server.url + "Users/secret", headers={"Authorization": "Bearer t"}, body=b"{}"
    )
    with pytest.raises(failure) as caught:
        transport.send(request, deadline=timedelta(milliseconds=400))
    assert caught.value.sent
    assert "secret" not in caught.value.sentence
    assert len(server.requests) == 1, "a write must not be repeated"


def test_the_deadline_holds_against_an_answer_that_drips(serve: Serve, transport: HttpTransport) -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.5)

    # Without it the whole answer would come, after fifty seconds.
    with pytest.raises(TransportTimeout):
        transport.send(_get(serve(drip).url), deadline=timedelta(milliseconds=500))


def _chunked(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
    connection.sendall(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "behaviour",
    [answer(b"x" * 100_000), _chunked, answer(gzip.compress(b"x" * 100_000), headers=("Content-Encoding: gzip",))],
    ids=["declared", "chunked", "compressed"],
)
def test_an_answer_beyond_the_limit_is_not_read(serve: Serve, behaviour: Behaviour) -> None:
    small = HttpTransport(AddressGuard(allowed=LOOPBACK), limit_bytes=50_000)
    with pytest.raises(ResponseTooLarge, match="50000 bytes") as caught:
        small.send(_get(serve(behaviour).url), deadline=5 * SECOND)
    assert caught.value.sent


def test_an_answer_of_the_limits_size_is_read(serve: Serve) -> None:
    exact = HttpTransport(AddressGuard(allowed=LOOPBACK), limit_bytes=100_000)
    assert len(exact.send(_get(serve(answer(b"x" * 100_000)).url), deadline=5 * SECOND).body) == 100_000


def test_a_header_that_is_no_text_does_not_cost_the_answer(serve: Serve, transport: HttpTransport) -> None:
    server = serve(answer(headers=("X-Odd: \xff\xfe", "X-Even: yes")))
    assert transport.send(_get(server.url), deadline=SECOND).headers["x-even"] == "yes"


def test_a_token_with_a_line_break_is_refused_and_not_shown(serve: Serve, transport: HttpTransport) -> None:
    request = HttpRequest(method="GET", url=serve(answer()).url, headers={"Authorization": "Bearer hunter2\r\nX: y"})
    with pytest.raises(ConnectionFailed, match="cannot be formed") as caught:
        transport.send(request, deadline=SECOND)
    assert not caught.value.sent
    assert "hunter2" not in f"{caught.value.sentence}{request!r}"


def test_many_threads_share_one_transport(serve: Serve, transport: HttpTransport) -> None:
    server = serve(answer(), keep_alive=True)
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(20):
            statuses.append(transport.send(_get(server.url), deadline=5 * SECOND).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 160


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_https_is_verified_against_the_authority_that_is_given(serve: Serve, authority: Authority) -> None:
    identity = authority.issue("scim.example.com", names=("scim.example.com",))
    server = serve(answer(b"safe"), tls=authority.server_context(identity))
    response = _named(ca_pem=authority.pem).send(_get(f"https://scim.example.com:{server.port}/"), deadline=SECOND)
    assert response.body == b"safe"


@pytest.mark.parametrize(
    ("names", "days", "trusted", "sentence", "remedy"),
    [
        (("scim.example.com",), 1, False, "of an authority that is not trusted here", "compare its fingerprint"),
        (("other.example.com",), 1, True, "for another name", "check the Tenant URL"),
        (("scim.example.com",), -1, True, "that has expired", "renew"),
    ],
    ids=["unknown authority", "another name", "expired"],
)
def test_a_certificate_that_does_not_verify_is_refused_before_anything_is_sent(
    serve: Serve,
    authority: Authority,
    names: tuple[str, ...],
    days: int,
    trusted: bool,
    sentence: str,
    remedy: str,
) -> None:
    server = serve(answer(), tls=authority.server_context(authority.issue("x", names=names, days=days)))
    chosen = _named(ca_pem=authority.pem if trusted else None)
    with pytest.raises(
        TrustFailed, match=f"presents a certificate {sentence}|presents a certificate that {sentence}"
    ) as (caught):
        chosen.send(_get(f"https://scim.example.com:{server.port}/"), deadline=SECOND)
    assert remedy in caught.value.remedy
    assert not caught.value.sent
    assert server.requests == []


def test_an_https_address_of_an_http_server_is_told_so() -> None:
    def answer_once() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer_once, daemon=True).start()
    with (
        server,
        pytest.raises(ConnectionFailed, match="does not speak TLS: if it serves http, write http://") as caught,
    ):
        _named().send(_get(f"https://scim.example.com:{server.getsockname()[1]}/"), deadline=SECOND)
    assert not caught.value.sent


def test_a_target_that_asks_for_our_certificate_gets_it(
    serve: Serve, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    identity = authority.issue("scim.example.com", names=("scim.example.com",))
    server = serve(answer(b"known"), tls=authority.server_context(identity, ask_client=True))
    url = f"https://scim.example.com:{server.port}/"
    known = _named(ca_pem=authority.pem, identity_pem=authority.issue("muster"))
    assert known.send(_get(url), deadline=SECOND).body == b"known"
    with pytest.raises(TrustFailed, match="asks for a client certificate") as caught:
        _named(ca_pem=authority.pem).send(_get(url), deadline=SECOND)
    assert "client certificate and its key" in caught.value.remedy
    stranger = Authority(tmp_path_factory.mktemp("stranger")).issue("muster")
    with pytest.raises(TrustFailed, match="client certificate"):
        _named(ca_pem=authority.pem, identity_pem=stranger).send(_get(url), deadline=SECOND)
    assert len(server.requests) == 1
