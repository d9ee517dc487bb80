"""A Configuration Manager of our own for a test: the real command, real HTTP on a free port, a folder of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from played_commands import command
from waiting import PATIENCE

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
COMMAND = (sys.executable, "-c", "from muster.cli.configuration_manager import app; app()")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response; `json` is None without a body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, kw_only=True)
class PlayedCustomer:
    """A customer with its URL and token, and a caller of it."""

    name: str
    url: str
    token: str

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        """The answer to a SCIM request; a document that is bytes goes out as it is."""
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = document if isinstance(document, bytes | None) else json.dumps(document).encode()
        return ask(self.url + path, method, body, given)


@dataclass(frozen=True, kw_only=True)
class PlayedManager:
    """A running Configuration Manager."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on the folder beside the running server."""
        return run(*arguments, "--data", str(self.folder), given=given)

    def customer(self, name: str, *, profile: str = "generic", sites: tuple[str, ...] = ()) -> PlayedCustomer:
        """A new customer."""
        chosen = [argument for site in sites for argument in ("--site", site)]
        asked = ("customer", "create", name, "--profile", profile, *chosen, "--data", self.folder, "--json")
        made = command("configuration-manager", *asked)
        assert made.status == 0, made.err
        shown = made.json
        return PlayedCustomer(name=shown["customer"], url=shown["url"], token=shown["token"])


def run(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command of the Configuration Manager, run to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, input=given, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def configuration_manager(folder: Path, *options: str) -> Iterator[PlayedManager]:
    """A Configuration Manager that serves until the block ends."""
    log = (folder.parent / f"{folder.name}.log").open("w")
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--data", str(folder), *options],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        assert found is not None, f"it did not start: {line} {Path(log.name).read_text()}"
        yield PlayedManager(url=found.group(), folder=folder, process=process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
        log.close()


def ask(url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to one HTTP request; redirects are not followed."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=named, body=response.read())
    finally:
        connection.close()
