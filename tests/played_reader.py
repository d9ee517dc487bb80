"""Somebody who types what the documentation says, into a home of their own, beside real servers on free ports."""

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from documents.console import Block
from muster.cli.api import HttpApi
from played_commands import Done, command
from waiting import eventually

#: What a shell would do something with: such a command is given to one.
_OF_A_SHELL = re.compile(r"[|<>$`;]|^[A-Z_]+=|\n")
#: What a server says once it serves.
_SERVES = re.compile(r"serves https?://|carries out cycles|Configuration Manager at https?://")
PASSWORD = "a long password that nobody has"


@dataclass(kw_only=True)
class Reader:
    """A home; `exchanged` are the words of a page that stand for values, `said` is what the last command printed."""

    home: Path
    service: int
    manager: int
    exchanged: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    said: str = ""

    @property
    def data(self) -> Path:
        return self.home / ".local/share/muster"

    @property
    def api(self) -> HttpApi:
        return HttpApi(f"http://127.0.0.1:{self.service}", self.variables["MUSTER_TOKEN"])

    def exchange(self, text: str) -> str:
        """The text as this reader types it: with the addresses, names and secrets that there are."""
        text = text.replace(":8080", f":{self.service}").replace(":8088", f":{self.manager}")
        for name in sorted(self.exchanged, key=len, reverse=True):
            is_word = name.isalnum() and name.isupper()
            parts = re.split(rf"\b{name}\b" if is_word else re.escape(name), text)
            text = self.exchanged[name].join(parts)
        return text

    def write(self, block: Block) -> None:
        """Writes a file of a page."""
        assert block.file is not None
        (self.home / block.file).write_text(self.exchange(block.text), encoding="utf-8")

    def type(self, line: str, *, refused: str | None = None) -> str:
        """What a command prints; it must be done, or refused with a sentence that has these words."""
        text = self.exchange(line)
        if text.startswith("muster ") and not _OF_A_SHELL.search(text):
            with _variables(self.variables):
                ended = command(*shlex.split(text, comments=True)[1:])
        else:
            done = subprocess.run(
                ["bash", "-e", "-u", "-o", "pipefail", "-c", text],
                cwd=self.home,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            ended = Done(status=done.returncode, out=done.stdout, err=done.stderr)
        self.said = ended.out
        assert ended.status == (0 if refused is None else 1), f"{line}\n{text}\n{ended.out}\n{ended.err}"
        assert (refused or "") in ended.err, ended.err
        assert not ended.out.startswith('{"error"'), f"{line}\n{text}\n{ended.out}"
        return self.said

    def type_with_password(self, line: str) -> None:
        """A command that asks for a new password, at a terminal."""
        controller, terminal = pty.openpty()
        # The first terminal that a leader of a session opens is its own: that is where passwords are asked for.
        opened = f": <{os.ttyname(terminal)}; exec {self.exchange(line)}"
        process = subprocess.Popen(
            ["bash", "-c", opened],
            cwd=self.home,
            env=self.environment(),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        said = b""
        asked = 0
        with suppress(OSError):  # what a terminal says once nobody is at its other end
            while part := os.read(controller, 4096):
                said += part
                if said.count(b": ") > asked:
                    asked = said.count(b": ")
                    os.write(controller, f"{PASSWORD}\n".encode())
        assert process.wait(60) == 0, said.decode()
        os.close(controller)

    @contextmanager
    def serving(self, line: str, port: int) -> Iterator[None]:
        """A server that runs, as a page has it started, until the block ends."""
        with self.started(line, MUSTER_PORT=str(port)) as log:
            assert eventually(lambda: _is_up(port)), log.read_text()
            yield

    @contextmanager
    def started(self, line: str, **variables: str) -> Iterator[Path]:
        """A server from its start on, until the block ends; gives its log."""
        log = self.home / f"{len(list(self.home.glob('*.log')))}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {self._with_env(self.exchange(line))}"],
                cwd=self.home,
                env=self.environment(**variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield log
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)

    @staticmethod
    def _with_env(text: str) -> str:
        return f"env {text}" if re.match(r"[A-Z_]+=", text) else text

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a command: none of Muster's that stands in this process by chance."""
        kept: Mapping[str, str] = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "XDG_"))
        }
        path = f"{self.home / 'bin'}{os.pathsep}{kept['PATH']}"
        own = {"HOME": str(self.home), "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
        return {**kept, **own, **self.variables, **more}


def make_reader(home: Path) -> Reader:
    """A reader in an empty home, with `muster` and `python3` on the path."""
    (home / "bin").mkdir(parents=True)
    for name, module in (("muster", "-m muster"), ("python3", "")):
        tool = home / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        tool.chmod(0o755)
    return Reader(home=home, service=free_port(), manager=free_port())


@contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """Variables of this process until the block ends."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def serves(log: Path) -> bool:
    """Whether a server says in its log that it serves."""
    return _SERVES.search(log.read_text()) is not None


def _is_up(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
