"""The `Transport` every target is called with: pyreqwest's synchronous client, one for each checked address.

It follows no redirect, heeds no proxy of the environment, keeps no cookie, and reads no answer beyond its limit.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PoolTimeoutError, RequestTimeoutError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import SyncStreamRequest

from muster.model.exchange import (
    ConnectionFailed,
    HttpRequest,
    HttpResponse,
    ResponseTooLarge,
    TransportTimeout,
    TrustFailed,
)
from muster.transport.certificates import split_pem
from muster.transport.guard import AddressGuard, CheckedTarget, Network

DEFAULT_LIMIT_BYTES = 10 * 1024 * 1024
CONNECT_WITHIN = timedelta(seconds=10)
_MAX_CLIENTS = 64
_READ_BYTES = 256 * 1024
# hyper says this of a failure before a connection stood, and of no other. The exceptions' classes do not tell: a
# connection that broke after the request was written is a ConnectError too, an answer that did not come a
# ConnectTimeoutError.
_BEFORE_SENDING = "client error (Connect)"
_PHASE_MARKS = ("error sending request", "error decoding", "client error", "request or response body error")

_TRUST_IT = (
    "Look at the certificate that is presented, compare its fingerprint with what the application's owner says, and "
    "put the authority's certificate into the trusted certificates of the credentials."
)
_RENEW_IT = "Ask the application's owner to renew or correct its certificate; also check the Tenant URL and this clock."
_IDENTIFY = (
    "Enter a client certificate and its key in the credentials, of an authority that the application's owner accepts."
)
# What rustls says of certificates, what that means, and what to do.
# What answers with something else than TLS, such as an HTTP server to an https:// address.
_NO_TLS = "InvalidContentType"
_DISTRUST = (
    ("UnknownIssuer", "presents a certificate of an authority that is not trusted here", _TRUST_IT),
    ("CaUsedAsEndEntity", "presents a certificate that is an authority's own, which is not trusted here", _TRUST_IT),
    ("certificate expired", "presents a certificate that has expired", _RENEW_IT),
    ("certificate not valid yet", "presents a certificate that is not valid yet", _RENEW_IT),
    ("certificate not valid for name", "presents a certificate for another name", _RENEW_IT),
    ("CertificateRequired", "asks for a client certificate", _IDENTIFY),
    ("fatal alert: UnknownCA", "does not know the authority of the client certificate", _IDENTIFY),
    ("fatal alert: BadCertificate", "does not accept the client certificate", _IDENTIFY),
    ("fatal alert: CertificateUnknown", "does not accept the client certificate", _IDENTIFY),
    ("fatal alert: DecryptError", "does not accept the client certificate", _IDENTIFY),
    ("fatal alert: HandshakeFailure", "does not agree on TLS; it may ask for a client certificate", _IDENTIFY),
    ("fatal alert: CertificateExpired", "says that the client certificate has expired", _IDENTIFY),
)


class HttpTransport:
    """Sends requests. Threads share it."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        user_agent: str = "Muster",
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        connect_within: timedelta = CONNECT_WITHIN,
        max_connections: int = 32,
        ca_pem: bytes | None = None,
        identity_pem: bytes | None = None,
        proxy: str | None = None,
    ) -> None:
        """Args:
        ca_pem: certificates to trust beside the usual ones.
        identity_pem: our own certificate and key, for targets that ask for one.
        proxy: the URL of a proxy to call out through.
        """
        self._guard = guard
        self._user_agent = user_agent
        self._limit_bytes = limit_bytes
        self._connect_within = connect_within
        self._max_connections = max_connections
        # One by one: of a bundle the library would take the first.
        self._trusted = [] if ca_pem is None else split_pem(ca_pem)
        self._identity_pem = identity_pem
        self._proxy = proxy
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[str, int, str], SyncClient] = OrderedDict()

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        """The answer whole, whatever its status.

        Raises: AddressRefused, ConnectionFailed, TransportTimeout, ResponseTooLarge.
        """
        started = time.perf_counter()
        target = self._guard.check(request.url, by_proxy=self._proxy is not None)
        attempts = target.addresses or ("",)
        for number, address in enumerate(attempts, start=1):
            remaining = deadline - timedelta(seconds=time.perf_counter() - started)
            if remaining <= timedelta(0):
                raise TransportTimeout(f"{target.origin} could not be connected to within {deadline}", sent=False)
            try:
                status, headers, body = self._exchange(self._client(target, address), target, request, remaining)
            except (ConnectionFailed, TransportTimeout) as failure:
                if failure.sent or number == len(attempts):
                    raise
            else:
                elapsed = timedelta(seconds=time.perf_counter() - started)
                return HttpResponse(status=status, headers=headers, body=body, elapsed=elapsed)
        raise AssertionError("a target has at least one address")

    def close(self) -> None:
        """Closes every connection."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def _client(self, target: CheckedTarget, address: str) -> SyncClient:
        key = (target.host, target.port, address)
        with self._lock:
            client = self._clients.pop(key, None) or self._build(target, address)
            self._clients[key] = client
            if len(self._clients) > _MAX_CLIENTS:
                self._clients.popitem(
                    last=False
                )  # not closed: a thread may use it; its connections end with the last use
            return client

    def _build(self, target: CheckedTarget, address: str) -> SyncClient:
        builder = (
            SyncClientBuilder()
            .user_agent(self._user_agent)
            .follow_redirects(enable=False)
            .referer(enable=False)
            .connect_timeout(self._connect_within)
            .pool_timeout(self._connect_within)
            .pool_idle_timeout(timedelta(seconds=30))
            .max_connections(self._max_connections)
            .min_tls_version("TLSv1.2")
        )
        builder = builder.no_proxy() if self._proxy is None else builder.proxy(ProxyBuilder.all(self._proxy))
        for certificate in self._trusted:
            builder = builder.add_root_certificate_pem(certificate)
        if self._identity_pem is not None:
            builder = builder.identity_pem(self._identity_pem)
        if target.name is not None and address:
            builder = builder.resolve(target.name, address, target.port)
        return builder.build()

    def _exchange(
        self, client: SyncClient, target: CheckedTarget, request: HttpRequest, remaining: timedelta
    ) -> tuple[int, Mapping[str, str], bytes]:
        prepared = _prepare(client, target, request, remaining)
        try:
            with prepared as response:
                return response.status, _read_headers(response.headers), self._read_body(target, response.body_reader)
        except DetailedPyreqwestError as error:
            causes = [cause["message"] for cause in error.details["causes"] or ()]
            sent = not (isinstance(error, PoolTimeoutError) or _BEFORE_SENDING in causes)
            reason = next(
                (cause for cause in reversed(causes) if not cause.startswith(_PHASE_MARKS)), str(error.args[0])
            )
            if isinstance(error, RequestTimeoutError):
                sentence = f"{target.origin} did not {'answer' if sent else 'take the connection'} in time"
                raise TransportTimeout(sentence, sent=sent) from None
            for mark, what, remedy in _DISTRUST:
                if mark in reason:
                    raise TrustFailed(f"{target.origin} {what}", sent=sent, remedy=remedy) from None
            if _NO_TLS in reason:
                raise ConnectionFailed(
                    f"{target.origin} does not speak TLS: if it serves http, write http:// in its address", sent=False
                ) from None
            sentence = f"{target.origin} {'broke off' if sent else 'cannot be reached'}: {reason}"
            raise ConnectionFailed(sentence, sent=sent, why=sentence if sent else reason) from None

    def _read_body(self, target: CheckedTarget, reader: Any) -> bytes:
        parts: list[bytes] = []
        left = self._limit_bytes
        while (part := reader.read(_READ_BYTES)) is not None:
            left -= len(part)
            if left < 0:
                raise ResponseTooLarge(f"{target.origin} answered more than {self._limit_bytes} bytes")
            parts.append(bytes(part))
        return b"".join(parts)


def open_transport(
    *,
    allowed: Sequence[Network] = (),
    ca_pem: bytes | None = None,
    identity_pem: bytes | None = None,
    proxy: str | None = None,
) -> HttpTransport:
    """The transport with its guard, as both parties' houses use it."""
    return HttpTransport(AddressGuard(allowed=allowed), ca_pem=ca_pem, identity_pem=identity_pem, proxy=proxy)


def _prepare(
    client: SyncClient, target: CheckedTarget, request: HttpRequest, remaining: timedelta
) -> SyncStreamRequest:
    try:
        builder = client.request(request.method, target.url).timeout(remaining)
        for name, value in request.headers.items():
            builder = builder.header(name, value, is_sensitive=name.lower() in {"authorization", "cookie"})
        if request.body is not None:
            builder = builder.body_bytes(request.body)
        return builder.build_streamed()
    except ValueError as error:
        # The values do not stand in the library's sentence, and must not in ours.
        raise ConnectionFailed(f"the request to {target.origin} cannot be formed: {error}", sent=False) from None


def _read_headers(headers: HeaderMap) -> dict[str, str]:
    try:
        found = headers.dict_multi_value()
    except ValueError:
        # Lenient: header values that are no text; nothing of ours reads them
        return _read_texts(headers)
    return {name: value if isinstance(value, str) else ", ".join(value) for name, value in found.items()}


def _read_texts(headers: HeaderMap) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in headers.keys():  # noqa: SIM118 (iterating the map itself reads the values)
        try:
            found[name.lower()] = ", ".join(headers.getall(name))
        except ValueError:
            continue
    return found
