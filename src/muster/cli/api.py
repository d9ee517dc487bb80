"""The API as commands call it: over HTTP, or on a data folder of this machine without a socket."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

import orjson

from muster.cli.console import Failed
from muster.model.exchange import ExchangeFailed, HttpRequest
from muster.settings import parse_network
from muster.transport.client import HttpTransport
from muster.transport.guard import AddressGuard

_DEADLINE = timedelta(seconds=120)
# The plan of a first cycle has a kilobyte for each person.
_LIMIT_BYTES = 1 << 30


class ApiError(Failed):
    """The API refused; `status`, Graph's error code and its details."""

    def __init__(self, status: int, code: str, sentence: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(f"{sentence} ({code}, HTTP {status})")
        self.status = status
        self.code = code
        self.details = tuple(details)


class Api(ABC):
    """Calls of the Graph-shaped API. Paths are relative to /v1.0."""

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Returns the answer's document, None for an empty one. Raises: ApiError."""
        content = raw if raw is not None else None if body is None else orjson.dumps(body)
        sent = {"content-type": "application/json", **(headers or {})}
        status, answer = self.exchange(method, f"/v1.0{path}", content, sent)
        document = _document(answer)
        if status >= 400:
            error = document.get("error", {}) if isinstance(document, dict) else {}
            message = str(error.get("message") or f"{method} {path} was refused")
            raise ApiError(status, str(error.get("code") or "Unknown"), message, error.get("details") or ())
        return document

    def get(self, path: str) -> Any:
        """Returns a resource."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """Posts a document."""
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """Changes a resource."""
        return self.call("PATCH", path, body)

    def put(self, path: str, body: Any) -> Any:
        """Replaces a resource."""
        return self.call("PUT", path, body)

    def delete(self, path: str) -> None:
        """Deletes a resource."""
        self.call("DELETE", path)

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Returns the items of a collection, following @odata.nextLink."""
        following: str | None = path
        while following:
            document = self.get(following)
            yield from document["value"]
            link = document.get("@odata.nextLink")
            following = None if link is None else _relative(link)

    def items(self, document: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """Returns the items of a collection within a document: those that are there, then the rest, page by page."""
        yield from document[name]
        link = document.get(f"{name}@odata.nextLink")
        if link is not None:
            yield from self.pages(_relative(link))

    @abstractmethod
    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Sends one request and returns status and body."""


class HttpApi(Api):
    """The API of a running installation."""

    def __init__(self, url: str, token: str) -> None:
        # The operator names the installation, so its address needs no guard.
        everywhere = (parse_network("0.0.0.0/0"), parse_network("::/0"))
        self._transport = HttpTransport(AddressGuard(allowed=everywhere), limit_bytes=_LIMIT_BYTES)
        self._url = url.rstrip("/")
        self._token = token

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Sends one request over HTTP. Raises: Failed when nobody answers."""
        request = HttpRequest(
            method=method,
            url=self._url + path,
            headers={**headers, "authorization": f"Bearer {self._token}"},
            body=body,
        )
        try:
            response = self._transport.send(request, deadline=_DEADLINE)
        except ExchangeFailed as failure:
            raise Failed(f"{self._url} does not answer: {failure.sentence}. Is muster serve running there?") from None
        return response.status, response.body


class LocalApi(Api):
    """The API over a data folder of this machine: the same WSGI application, called without a socket."""

    def __init__(self, application: Any, token: str) -> None:
        self._application = application
        self._token = token

    def exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Calls the application in this thread."""
        parts = urlsplit(path)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": _wsgi_path(parts.path),
            "QUERY_STRING": parts.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "CONTENT_LENGTH": str(len(body or b"")),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body or b""),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        status: list[str] = []

        def start_response(line: str, _headers: list[tuple[str, str]], _error: Any = None) -> Any:
            status.append(line)
            return lambda _part: None

        content = b"".join(self._application(environ, start_response))
        return int(status[0].split(" ", 1)[0]), content


def segment(text: str) -> str:
    """Returns a text as one segment of a path."""
    return quote(text, safe="")


def query(**options: str | int | None) -> str:
    """Returns OData query options, `?$filter=…&$top=…`, or nothing."""
    given = [f"${name}={quote(str(value), safe='')}" for name, value in options.items() if value is not None]
    return "?" + "&".join(given) if given else ""


def _document(content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Failed("The answer is no JSON: is that address a Muster service?") from None


def _relative(link: str) -> str:
    parts = urlsplit(link)
    path = parts.path.split("/v1.0", 1)[-1]
    return f"{path}?{parts.query}" if parts.query else path


def _wsgi_path(path: str) -> str:
    return unquote_to_bytes(path).decode("latin-1")
