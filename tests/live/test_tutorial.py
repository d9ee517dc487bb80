"""The tutorial and the how-tos as a reader follows them: every command of theirs is run, in the order of the pages."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from documents.reading import read
from played_configuration_manager import PlayedCustomer
from played_installation import users_at
from waiting import eventually

PAGES = ("tutorial.md", "how-to.md")
BLOCK = re.compile(r'^```(?P<kind>sh|sh server|(?:csv|yaml) title="(?P<file>[^"]+)")\n(?P<text>.*?)^```$', re.M | re.S)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: commands, commands of a server that is left running, or a file."""

    page: str
    kind: str
    file: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """All blocks of a page that are run or written, in order."""
    return [
        Block(page=page, kind=found["kind"], file=found["file"], text=found["text"])
        for found in BLOCK.finditer(read(page))
    ]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Somebody with an empty folder who types what a page says; the two ports are free ones of this machine."""

    home: Path
    service: int
    manager: int

    def do(self, block: Block, stack: ExitStack) -> None:
        text = block.text.replace(":8080", f":{self.service}").replace(":8088", f":{self.manager}")
        if block.file is not None:
            (self.home / block.file).write_text(text, encoding="utf-8")
        elif block.kind == "sh server":
            port = self.manager if "configuration-manager" in text else self.service
            stack.enter_context(self._left_running(text, port))
        else:
            done = self._bash(text)
            assert done.returncode == 0, f"{block.page}:\n{block.text}\n{done.stdout}\n{done.stderr}"

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "XDG_"))}
        path = f"{self.home / 'bin'}{os.pathsep}{kept['PATH']}"
        return {**kept, "HOME": str(self.home), "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), **more}

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-e", "-u", "-o", "pipefail", "-c", text]
        return subprocess.run(
            command, cwd=self.home, env=self._environment(), capture_output=True, text=True, timeout=180, check=False
        )

    @contextmanager
    def _left_running(self, text: str, port: int) -> Iterator[None]:
        environment = self._environment(MUSTER_PORT=str(port))
        with (self.home / f"{port}.log").open("w") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert eventually(lambda: _is_up(port)), log
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _is_up(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "bin").mkdir()
    for name, module in (("muster", "-m muster"), ("python3", "")):
        tool = tmp_path / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        tool.chmod(0o755)
    return Reader(home=tmp_path, service=free_port(), manager=free_port())


def test_the_pages_have_commands_to_run() -> None:
    assert [len(blocks(page)) > 8 for page in PAGES] == [True, True]


def test_every_command_of_the_tutorial_and_of_the_how_tos_does_what_the_page_says(reader: Reader) -> None:
    with ExitStack() as stack:
        for block in blocks("tutorial.md"):
            reader.do(block, stack)
        url = f"http://127.0.0.1:{reader.manager}/udi/customers/Lantaarn/scim/v2"
        customer = PlayedCustomer(name="Lantaarn", url=url, token=(reader.home / "8x8.token").read_text().strip())

        def accounts() -> dict[str, tuple[bool, str]]:
            enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            return {user["userName"]: (user["active"], user[enterprise]["department"]) for user in users_at(customer)}

        # Ada is deactivated, Bram has moved, Cem stays, Dora never had an account.
        wanted = {
            "ada@lantaarn.example": (False, "Sales"),
            "bram@lantaarn.example": (True, "Success"),
            "cem@lantaarn.example": (True, "Support"),
        }
        assert eventually(lambda: accounts() == wanted), accounts()
        for block in blocks("how-to.md"):
            reader.do(block, stack)
