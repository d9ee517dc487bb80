"""A WSGI application as an application of the server: each request on a thread of its own."""

import io
import ipaddress
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from muster.http_server.messages import Answer, Lane, Request

DEFAULT_BODY_BYTES = 67_108_864

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiFace:
    """Answers with a WSGI application. Source: PEP 3333.

    `behind_proxy`: every connection comes from a proxy, which says in X-Forwarded-For whom it answers.
    """

    def __init__(
        self, application: WsgiApplication, *, body_bytes: int = DEFAULT_BODY_BYTES, behind_proxy: bool = False
    ) -> None:
        self._application = application
        self._body_bytes = body_bytes
        self._behind_proxy = behind_proxy

    def choose_lane(self, _: Request) -> Lane:
        """Nothing is known of how long it takes."""
        return Lane.APART

    def limit_body(self, _: bytes) -> int:
        """The limit of all addresses; the application has narrower ones."""
        return self._body_bytes

    def refuse(self, status: int, sentence: str, _: bytes) -> Answer:
        """The sentence as text."""
        return Answer(status, [("Content-Type", "text/plain; charset=utf-8")], f"{sentence}\n".encode())

    def answer_together(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """The answers one by one."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Answer:
        """The application's answer, read whole."""
        begun: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
            del exc_info  # nothing was sent yet
            begun[:] = [int(status[:3]), headers]
            return parts.append

        parts: list[bytes] = []
        environ = make_environ(request)
        if self._behind_proxy and (client := forwarded_client(request)) is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client, "0"
        answered = self._application(environ, start_response)
        try:
            parts.extend(answered)
        finally:
            if (close := getattr(answered, "close", None)) is not None:
                close()
        status, headers = begun
        if request.method != "HEAD":
            headers = [each for each in headers if each[0].lower() != "content-length"]
        return Answer(status, headers, b"".join(parts))


def forwarded_client(request: Request) -> str | None:
    """Whom the proxy in front answers: the last address of X-Forwarded-For, or None if that is no address.

    Those before it are what the client says of itself, and may be made up.
    """
    text = (request.header(b"x-forwarded-for") or "").rpartition(",")[2].strip()
    # Lenient: Azure's gateways add the port, and write IPv6 in brackets then.
    host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0] if "." in text else text
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def make_environ(request: Request) -> dict[str, Any]:
    """The request as WSGI has it."""
    path, _, query = request.target.partition(b"?")
    headers = request.headers
    scheme = "https" if request.is_secure else "http"
    host = headers.get(b"host", b"localhost").decode("latin-1")
    name, _, port = host.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": name if port.isdigit() else host,
        "SERVER_PORT": port if port.isdigit() else ("443" if request.is_secure else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client[0],
        "REMOTE_PORT": str(request.client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for key, value in headers.items():
        if key == b"content-type":
            environ["CONTENT_TYPE"] = value.decode("latin-1")
        elif key not in (b"content-length", b"transfer-encoding") and b"_" not in key:
            # A name with an underscore would be taken for one with a hyphen.
            environ["HTTP_" + key.decode("latin-1").upper().replace("-", "_")] = value.decode("latin-1")
    if request.body or b"content-length" in headers:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ
