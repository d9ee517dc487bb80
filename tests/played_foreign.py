"""Other people's SCIM servers as processes of their own, and a proxy before them that breaks on purpose."""

import json
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waiting import PATIENCE, eventually

TOKEN = "foreign-token"
SCIMMY_PROGRAM = Path(__file__).parent / "live" / "scimmy_server.mjs"
SCIMMY_PACKAGES = ("scimmy@1.3", "scimmy-routers@1.3", "express@4")
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
FAULTS = ("busy", "server error", "unavailable", "reset", "lost", "slow", "truncated", "empty", "web page")


class NotHere(Exception):
    """A server that cannot be started on this machine; the sentence says what is missing."""


@dataclass(kw_only=True)
class Foreign:
    """A running server of somebody else."""

    url: str
    token: str = TOKEN

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The answer to a request that passes by every proxy."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        try:
            connection.request(method, f"{parts.path}{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, json.loads(content) if content else None
        finally:
            connection.close()

    def everybody(self, kind: str = "Users") -> list[dict[str, Any]]:
        """Everybody, by the server's own list."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            status, page = self.ask("GET", f"/{kind}?startIndex={len(found) + 1}&count=50")
            assert status == 200, page
            shown = page.get("Resources") or []
            found |= {item["id"]: item for item in shown}
            if not shown or len(found) >= page["totalResults"]:
                return list(found.values())


@contextmanager
def scim2_server() -> Iterator[Foreign]:
    """scim2-server (Python, in memory, strict), from the locks."""
    program = Path(sys.executable).parent / "scim2-server"
    command = [str(program), "--hostname", "127.0.0.1", "--port", "{port}", "--bearer-token", TOKEN]
    with _served(command, "/v2") as foreign:
        yield foreign


@contextmanager
def scimmy(folder: Path) -> Iterator[Foreign]:
    """SCIMMY with its routers on express (Node, in memory), installed into the folder once. Raises NotHere."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotHere("node and npm are not on the path: SCIMMY cannot be tried here")
    if not (folder / "server.mjs").exists():
        _install_scimmy(folder, npm)
    with _served([node, str(folder / "server.mjs"), "{port}", TOKEN], "/scim/v2") as foreign:
        yield foreign


def _install_scimmy(folder: Path, npm: str) -> None:
    (folder / "package.json").write_text('{"name": "peer", "private": true, "type": "module"}')
    options = ["--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
    done = subprocess.run(
        [npm, "install", *options, *SCIMMY_PACKAGES],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode:
        raise NotHere(f"npm cannot install SCIMMY here: {(done.stderr or done.stdout).strip()[-300:]}")
    shutil.copy(SCIMMY_PROGRAM, folder / "server.mjs")


@contextmanager
def _served(command: list[str], path: str) -> Iterator[Foreign]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    popen = subprocess.Popen(
        [part.format(port=port) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    foreign = Foreign(url=f"http://127.0.0.1:{port}{path}")

    def answers() -> bool:
        with suppress(OSError, HTTPException, ValueError):
            return foreign.ask("GET", "/Users?count=1")[0] == 200
        assert popen.poll() is None, f"{command[0]} has ended with {popen.returncode}"
        return False

    try:
        assert eventually(answers), f"{command[0]} does not answer"
        yield foreign
    finally:
        popen.terminate()
        popen.wait(PATIENCE)


@dataclass(kw_only=True)
class Flaky:
    """A proxy that breaks a share of the exchanges; it counts what it passed on."""

    target: str
    url: str = ""
    share: float = 0.0
    faults: tuple[str, ...] = FAULTS
    struck: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    _deck: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def writes(self) -> int:
        """How many requests that write have reached the target."""
        return sum(count for method, count in self.passed.items() if method != "GET")

    def draw(self) -> str | None:
        """The fault of the next exchange."""
        with self._lock:
            if self.chance.random() >= self.share:
                return None
            if not self._deck:
                # Each kind comes up before any comes again: a few strikes are as many kinds.
                self._deck = self.chance.sample(self.faults, len(self.faults))
            fault = self._deck.pop()
            self.struck[fault] += 1
            return fault

    def count(self, method: str) -> None:
        with self._lock:
            self.passed[method] += 1


@contextmanager
def flaky(target: str) -> Iterator[Flaky]:
    """A flaky proxy before a target, until the block ends."""
    parts = urlsplit(target)
    proxy = Flaky(target=target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fault = proxy.draw()
            with suppress(OSError, HTTPException):
                match fault:
                    case "busy":
                        self._say(429, {"Retry-After": "1"}, _error(429))
                    case "server error":
                        self._say(500, {}, _error(500))
                    case "unavailable":
                        self._say(503, {"Retry-After": "1"}, b"<html>We are being repaired</html>")
                    case "reset":
                        self._cut()
                    case "empty":
                        self._say(200, {}, b"")
                    case "web page":
                        self._say(200, {"Content-Type": "text/html"}, b"<html><body>Sign in</body></html>")
                    case "lost":
                        self._ask(body)
                        self._cut()
                    case "truncated":
                        status, headers, content = self._ask(body)
                        self._say(status, headers, content[: len(content) // 2], length=len(content))
                        self._cut()
                    case _:
                        if fault == "slow":
                            time.sleep(0.5)
                        self._say(*self._ask(body))

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            proxy.count(self.command)
            connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
            left_out = ("host", "connection", "accept-encoding")
            passed = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            try:
                connection.request(self.command, f"{parts.path}{self.path}", body or None, passed)
                response = connection.getresponse()
                kept = {
                    name: value for name, value in response.getheaders() if name.lower() in ("content-type", "location")
                }
                return response.status, kept, response.read()
            finally:
                connection.close()

        def _say(self, status: int, headers: dict[str, str], content: bytes, *, length: int | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Type": "application/scim+json"} | headers).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _error(status: int) -> bytes:
    return json.dumps({"schemas": [ERROR], "status": str(status), "detail": "made to fail"}).encode()
