"""Both parties for a test: the real commands as real processes, real HTTP on free ports, folders of their own."""

import csv
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from muster.cli.api import HttpApi, query
from played_commands import command
from played_configuration_manager import PlayedCustomer
from waiting import PATIENCE, eventually

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
MUSTER = (sys.executable, "-m", "muster")
START_WITHIN_SECONDS = 60
#: How many requests the engine sends to a target side by side.
AT_ONCE = 8


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass(kw_only=True)
class PlayedService:
    """A running `muster serve`."""

    folder: Path
    url: str
    popen: subprocess.Popen[bytes]
    token: str

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def api(self) -> HttpApi:
        return HttpApi(self.url, self.token)

    def everyone(self) -> list[psutil.Process]:
        """The supervisor, the engine, the web process and its worker."""
        supervisor = psutil.Process(self.popen.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def process(self, role: str) -> psutil.Process:
        """The process of a role."""
        if role == "supervisor":
            return psutil.Process(self.popen.pid)
        children = psutil.Process(self.popen.pid).children()
        named = {child.cmdline()[-1].removeprefix("muster:"): child for child in children}
        return named[role]


@contextmanager
def worker(folder: Path, database: str) -> Iterator[subprocess.Popen[bytes]]:
    """One more engine on a shared database, until the block ends; it is killed if it does not stop by itself."""
    log = folder.parent / f"worker-{time.monotonic_ns()}.log"
    given = ["--data", str(folder), "--database", database, "--allow-target", "127.0.0.0/8"]
    with log.open("wb") as output:
        popen = subprocess.Popen([*MUSTER, "worker", *given], env=ENVIRONMENT, stdout=output, stderr=output)
    try:
        eventually(lambda: "carries out cycles" in log.read_text() or popen.poll() is not None, START_WITHIN_SECONDS)
        assert popen.poll() is None, f"it did not start: {log.read_text()}"
        yield popen
    finally:
        popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            popen.wait(PATIENCE)
        popen.kill()


@contextmanager
def service(
    folder: Path, *, token: str | None = None, port: int = 0, options: tuple[str, ...] = ()
) -> Iterator[PlayedService]:
    """The provisioning service on a folder, until the block ends."""
    log = folder.parent / f"{folder.name}-{time.monotonic_ns()}.log"
    given = ["--data", str(folder), "--port", str(port), "--allow-target", "127.0.0.0/8", *options]
    with log.open("wb") as output:
        popen = subprocess.Popen([*MUSTER, "serve", *given], env=ENVIRONMENT, stdout=output, stderr=output)

    def address() -> str | None:
        found = re.search(r"Muster serves (\S+)", log.read_text())
        return found and found.group(1)

    try:
        eventually(lambda: address() is not None or popen.poll() is not None, START_WITHIN_SECONDS)
        url = address()
        assert url is not None, f"it did not start: {log.read_text()}"
        if token is None:
            made = command("token", "create", "test", "--role", "Global Administrator", "--data", folder, "--json")
            assert made.status == 0, made.err
            token = made.json["token"]
        yield PlayedService(folder=folder, url=url, popen=popen, token=token)
    finally:
        popen.terminate()
        popen.wait(PATIENCE)


@dataclass(kw_only=True)
class PlayedApplication:
    """An application with its job, as an administrator makes it through the API."""

    api: HttpApi
    service_principal_id: str
    job_id: str = ""

    @property
    def path(self) -> str:
        return f"/servicePrincipals/{self.service_principal_id}"

    @property
    def job(self) -> str:
        return f"{self.path}/synchronization/jobs/{quote(self.job_id, safe='')}"

    def save(self, **secrets: str) -> None:
        pairs = [{"key": key, "value": value} for key, value in secrets.items()]
        self.api.put(f"{self.path}/synchronization/secrets", {"value": pairs})

    def start(self) -> None:
        self.api.post(f"{self.job}/start")

    def pause(self) -> None:
        self.api.post(f"{self.job}/pause")

    def restart(self) -> None:
        """Asks for a full cycle, links kept, at once: whatever quarantine there was is over."""
        self.api.post(f"{self.job}/restart", {"criteria": {"resetScope": "Watermark, QuarantineState"}})

    def cycles(self) -> list[dict[str, Any]]:
        """The cycles, newest first."""
        return list(self.api.get(f"{self.job}/cycles?$top=50")["value"])

    def run(self) -> dict[str, Any]:
        """The cycle that is asked for now, at its end."""
        known = {cycle["id"] for cycle in self.cycles()}
        self.start()
        return self.ended(known)

    def ended(self, known: set[str] | None = None, *, within: float = 60) -> dict[str, Any]:
        """The newest cycle but the known ones, at its end."""
        found: list[dict[str, Any]] = []

        def has_ended() -> bool:
            found[:] = [cycle for cycle in self.cycles() if cycle["id"] not in (known or ())]
            return bool(found) and found[0]["state"] != "Running"

        assert eventually(has_ended, within, every=0.1), found or "no cycle came"
        return found[0]

    def log(self, **wanted: str) -> list[dict[str, Any]]:
        """The log entries whose action or status is as wanted."""
        entries = self.api.pages("/auditLogs/provisioning" + query(filter=f"jobId eq '{self.job_id}'", top=500))
        shown = (
            {**entry, "action": entry["provisioningAction"], "status": entry["provisioningStatusInfo"]["status"]}
            for entry in entries
        )
        return [entry for entry in shown if all(entry[name] == value for name, value in wanted.items())]


def add_application(api: HttpApi, page: str, **secrets: str) -> PlayedApplication:
    """An application of the gallery with credentials and a job that is not started yet."""
    template = api.get("/applicationTemplates" + query(filter=f"displayName eq '{page}'"))["value"][0]
    made = api.post(f"/applicationTemplates/{template['id']}/instantiate", {"displayName": page})
    application = PlayedApplication(api=api, service_principal_id=made["servicePrincipal"]["id"])
    application.save(**secrets)
    templates = api.get(f"{application.path}/synchronization/templates")["value"]
    job = api.post(f"{application.path}/synchronization/jobs", {"templateId": templates[0]["id"]})
    application.job_id = job["id"]
    return application


def people_csv(path: Path, count: int, *, managers: bool = True) -> Path:
    """A file of people `p0001@example.com`…, each the manager of ten."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["userPrincipalName", "displayName", "givenName", "surname", "mail", "manager"])
        for number in range(count):
            name = f"p{number:04}@example.com"
            manager = f"p{number // 10:04}@example.com" if number and managers else ""
            rows.writerow([name, f"Person {number}", "Person", f"No {number}", name, manager])
    return path


def names_of(count: int) -> list[str]:
    """The principal names of `people_csv`."""
    return [f"p{number:04}@example.com" for number in range(count)]


def users_at(customer: PlayedCustomer) -> list[dict[str, Any]]:
    """Everybody at the target, by its own list."""
    found: list[dict[str, Any]] = []
    while True:
        page = customer.ask("GET", f"/Users?startIndex={len(found) + 1}&count=200&sortBy=userName").json
        found += page.get("Resources", [])
        if len(found) >= page["totalResults"] or not page.get("Resources"):
            return found


@dataclass(kw_only=True)
class Between:
    """A proxy before the target: it counts, and it can hold back or replace answers."""

    target: str
    url: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    created: int = 0
    #: When each write came, by a steady clock.
    written_at: list[float] = field(default_factory=list)
    under_way: int = 0
    held: int = 0
    #: From this write on, answers are kept back until `opened`; or the first requests are, as many as are sent at once.
    holds_from: int | None = None
    holds_requests: bool = False
    #: How long each answer takes more than the target's own.
    delay_seconds: float = 0.0
    holding: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    #: Requests that made nothing though they were to: what was asked, and how it was answered.
    in_vain: list[tuple[str, int, bytes]] = field(default_factory=list)
    #: What is said instead of asking the target: status, content type, body.
    says: tuple[int, str, bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def writes(self) -> int:
        return sum(count for method, count in self.counts.items() if method != "GET")

    def begin(self, method: str) -> bool:
        """Counts a request; returns whether it is to be held."""
        with self._lock:
            self.under_way += 1
            self.counts[method] = self.counts.get(method, 0) + 1
            if method != "GET":
                self.written_at.append(time.monotonic())
            if self.holds_from is None or method == "GET":
                return False
            before = self.writes - self.holds_from
            return 0 <= before < AT_ONCE if self.holds_requests else before >= 0

    def hold(self) -> None:
        """Counts a request that is held; once all that are sent at once are, `holding` is set."""
        with self._lock:
            self.held += 1
            if self.held == AT_ONCE:
                self.holding.set()

    def end(self, method: str, status: int, asked: bytes, told: bytes) -> None:
        """Counts an answer."""
        with self._lock:
            self.under_way -= 1
            self.created += method == "POST" and status == 201
            if method == "POST" and status != 201:
                self.in_vain.append((asked[:200].decode(errors="replace"), status, told[:200]))


@contextmanager
def between(target: str) -> Iterator[Between]:
    """A proxy before a target, until the block ends."""
    parts = urlsplit(target)
    gate = Between(target=target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            held = gate.begin(self.command)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if held and gate.holds_requests:
                self._hold()
            time.sleep(gate.delay_seconds)
            status, headers, content = self._ask(body)
            if held and not gate.holds_requests:
                self._hold()
            gate.end(self.command, status, body, content)
            with suppress(OSError):  # whoever asked may be dead by now
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def _hold(self) -> None:
            gate.hold()
            gate.opened.wait(120)

        def _ask(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            if gate.says is not None:
                status, kind, content = gate.says
                return status, {"content-type": kind}, content
            connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
            passed = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            try:
                connection.request(self.command, self.path, body or None, passed)
                response = connection.getresponse()
                kept = ("content-type", "location", "etag", "retry-after")
                named = {name: value for name, value in response.getheaders() if name.lower() in kept}
                return response.status, named, response.read()
            except (OSError, HTTPException):
                return 502, {}, b""
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def handle(self) -> None:
            with suppress(ConnectionError):  # the other side was killed
                super().handle()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gate.url = f"http://127.0.0.1:{server.server_port}{parts.path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield gate
    finally:
        gate.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()
