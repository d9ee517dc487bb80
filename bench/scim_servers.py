"""The SCIM servers of a benchmark: ours and its peers, each pinned to one core, and how much of it they used."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "muster-bench"
SCIM2_SERVER = ("scim2-server>=0.8,<0.9", "uvicorn", "uvloop", "httptools")
SCIMMY = ("scimmy@1.3", "scimmy-routers@1.3", "express@4")
COMMAND = (sys.executable, "-m", "muster", "configuration-manager")
START_WITHIN_SECONDS = 60.0
REST_WITHIN_SECONDS = 10.0
REST_SECONDS = 0.25  # in which a server at rest uses a tick of the processor at most; its log is written every 0.2
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that answers at `url`."""

    name: str
    url: str
    token: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The JSON of an answer, None without a body."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def processor_seconds(self) -> float:
        """What its processes have used of the processor."""
        return sum(_of(pid, 11, 12) for pid in _family(self.process.pid)) / TICKS

    def used_until_rest(self) -> float:
        """What its processes have used of the processor once they are at rest: what was asked for and not waited for
        would take the core from whoever is asked next."""
        until = time.monotonic() + REST_WITHIN_SECONDS
        used = self.processor_seconds()
        while time.monotonic() < until:
            time.sleep(REST_SECONDS)
            before, used = used, self.processor_seconds()
            if used - before < 1.5 / TICKS:
                break
        return used

    def memory_bytes(self) -> dict[int, int]:
        """The resident memory of each of its processes."""
        return {pid: int(_of(pid, 21)) * os.sysconf("SC_PAGE_SIZE") for pid in _family(self.process.pid)}


@contextmanager
def serve_ours(folder: Path, *, port: int = 9311, core: int | None = 0, log: Path | None = None) -> Iterator[Served]:
    """Our server with its defaults, which are `synchronous=FULL`, the call log and ETags; a customer named bench."""
    token_file = folder / "bench.token"
    if not token_file.exists():
        made = run_ours("customer", "create", "bench", "--profile", "generic", "--json", folder=folder)
        token_file.write_text(json.loads(made)["token"])
    command = [*_pinned(core), *COMMAND, "serve", "--port", str(port), "--data", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    with (log or folder / "bench.log").open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)
        url = f"http://127.0.0.1:{port}/udi/customers/bench/scim/v2"
        with _running(Served(name="ours", url=url, token=token_file.read_text(), process=process)) as served:
            yield served


def run_ours(*arguments: str, folder: Path) -> str:
    """What a command of ours printed."""
    return subprocess.run(
        [*COMMAND, *arguments, "--data", str(folder)], check=True, capture_output=True, text=True
    ).stdout


@contextmanager
def serve_scim2_server(*, port: int = 9312, core: int | None = 0) -> Iterator[Served]:
    """scim2-server as ASGI on uvicorn with uvloop and httptools, in memory and without authentication."""
    home = CACHE / "scim2-server"
    if not (home / "bin" / "uvicorn").exists():
        print("installing scim2-server …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "--quiet", "install", *SCIM2_SERVER], check=True)
    options = ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    command = [*_pinned(core), str(home / "bin" / "uvicorn"), *options, "--no-access-log", "--log-level", "error"]
    process = subprocess.Popen(
        [*command, "scim2_server_app:app"], cwd=BENCH / "peers", text=True, stdout=subprocess.DEVNULL
    )
    with _running(Served(name="scim2-server", url=f"http://127.0.0.1:{port}/v2", token="none", process=process)) as it:
        yield it


@contextmanager
def serve_scimmy(*, port: int = 9313, core: int | None = 0) -> Iterator[Served | None]:
    """scimmy on express, in memory; None where node and npm are not installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        yield None
        return
    home = CACHE / "scimmy"
    if not (home / "node_modules" / "scimmy").exists():
        print("installing scimmy …", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"name":"bench","private":true,"type":"module"}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *SCIMMY], cwd=home, check=True)
    command = [*_pinned(core), "node", str(BENCH / "peers" / "scimmy_server.mjs"), str(port), str(home)]
    process = subprocess.Popen(command, text=True)
    with _running(Served(name="scimmy", url=f"http://127.0.0.1:{port}/scim/v2", token="x", process=process)) as served:
        yield served


@contextmanager
def _running(served: Served) -> Iterator[Served]:
    until = time.monotonic() + START_WITHIN_SECONDS
    try:
        while True:
            try:
                served.ask("GET", "/ServiceProviderConfig")
                break
            except (OSError, urllib.error.URLError):
                if time.monotonic() > until or served.process.poll() is not None:
                    raise SystemExit(f"{served.name} did not start") from None
                time.sleep(0.05)
        yield served
    finally:
        served.process.terminate()
        try:
            served.process.wait(20)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()


def _pinned(core: int | None) -> list[str]:
    return [] if core is None or shutil.which("taskset") is None else ["taskset", "-c", str(core)]


def _family(pid: int) -> list[int]:
    """The process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                below.setdefault(int(_fields(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += below.get(one, [])
    return found


def _fields(pid: int) -> list[str]:
    return re.sub(r"^.*\) ", "", Path(f"/proc/{pid}/stat").read_text()).split()


def _of(pid: int, *positions: int) -> float:
    fields = _fields(pid)
    return sum(float(fields[position]) for position in positions)
