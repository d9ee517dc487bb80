"""Real processes and kill -9: nothing outlives its supervisor, nothing runs twice."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
import psutil
import pytest

from contract.played_servers import Authority
from muster.bootstrap import configuration_manager, service
from muster.bootstrap.folder import StartRefused, is_folder_taken, probe_port, take_folder
from muster.bootstrap.processes import web_plan
from muster.settings import load_settings
from waiting import PATIENCE, eventually

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent / "src")))}


@dataclass
class Running:
    supervisor: psutil.Process
    popen: subprocess.Popen[str]
    folder: Path
    port: int
    everyone: list[psutil.Process]

    def ask(self) -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{self.port}/", timeout=PATIENCE) as response:
            answer: dict[str, Any] = orjson.loads(response.read())
        return answer

    def process(self, role: str) -> psutil.Process:
        match role:
            case "supervisor":
                return self.supervisor
            case "web":
                return psutil.Process(self.ask()["pid"])
            case _:
                return psutil.Process(int((self.folder / "engine.pid").read_text()))

    def note_everyone(self) -> None:
        self.everyone = [self.supervisor, *self.supervisor.children(recursive=True)]


def _command(folder: Path, port: int, mark: str, behaviour: str, identity: Path | None = None) -> list[str]:
    command = [sys.executable, "-m", "faults.played_service", str(folder), str(port), mark, behaviour]
    return command if identity is None else [*command, str(identity)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _ignore_ends() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def _start(
        mark: str = "first", behaviour: str = "well", identity: Path | None = None, *, is_deaf: bool = False
    ) -> Running:
        popen = subprocess.Popen(
            _command(tmp_path, 0, mark, behaviour, identity),
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=None,
            text=True,
            preexec_fn=_ignore_ends if is_deaf else None,
        )
        assert popen.stdout is not None
        line = popen.stdout.readline().split()
        port = int(line[1]) if line else 0
        running = Running(psutil.Process(popen.pid), popen, tmp_path, port, [])
        started.append(running)
        if line:
            running.note_everyone()
        return running

    yield _start
    for running in started:
        running.popen.terminate()
        running.popen.wait(PATIENCE)
        if running.popen.stdout is not None:
            running.popen.stdout.close()


def test_a_party_is_a_supervisor_a_web_process_and_an_engine(start: Start) -> None:
    running = start()
    assert len(running.everyone) == 3
    assert running.ask()["mark"] == "first"


def test_a_party_with_a_certificate_serves_https(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = tmp_path / "server.pem"
    identity.write_bytes(authority.issue("muster", names=("127.0.0.1",)))
    running = start(identity=identity)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with urlopen(f"https://127.0.0.1:{running.port}/", timeout=PATIENCE, context=context) as response:
        assert orjson.loads(response.read())["mark"] == "first"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_is_orderly(start: Start, number: signal.Signals) -> None:
    running = start()
    running.popen.send_signal(number)
    assert running.popen.wait(PATIENCE) == 0
    assert (running.folder / "engine.stopped").exists()
    assert not [process for process in running.everyone if _alive(process)]
    take_folder(running.folder, purpose="test").release()


def test_what_will_not_stop_is_killed(start: Start) -> None:
    running = start(behaviour="will-not-stop")
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        running.popen.terminate()
        assert running.popen.wait(PATIENCE) == 0
    assert not [process for process in running.everyone if _alive(process)]


def test_kill_9_of_the_supervisor_ends_everyone_and_frees_folder_and_port(start: Start) -> None:
    running = start()
    running.supervisor.kill()
    assert eventually(lambda: not any(_alive(process) for process in running.everyone))
    take_folder(running.folder, purpose="test").release()
    assert probe_port("127.0.0.1", running.port) == running.port


@pytest.mark.parametrize("role", ["web", "engine"])
def test_kill_9_of_a_child_leaves_no_orphan_and_the_child_comes_back(start: Start, role: str) -> None:
    running = start()
    engine_before = running.process("engine")
    victim = running.process(role)
    ending = [victim] if role == "engine" else [running.process("web")]
    victim.kill()
    assert eventually(lambda: not any(_alive(process) for process in ending))
    assert eventually(lambda: _answers(running) and len(running.supervisor.children(recursive=True)) == 2)
    assert _alive(engine_before) is (role != "engine")


def test_a_child_comes_back_where_the_signal_of_its_end_does_not_come(start: Start) -> None:
    running = start(is_deaf=True)
    victim = running.process("web")
    victim.kill()
    assert eventually(lambda: not _alive(victim))
    assert eventually(lambda: _answers(running) and len(running.supervisor.children(recursive=True)) == 2)


LAUNCHER = """
import subprocess, sys, time
from muster.bootstrap.processes import start_follower
follower = start_follower(sys.argv[1:], output=subprocess.PIPE)
print(follower.pid, *follower.stdout.readline().decode().split(), flush=True)
time.sleep(60)
"""


def test_a_party_started_by_a_launcher_stops_in_good_order_when_the_launcher_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, *_command(tmp_path, 0, "first", "well")]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        supervisor = psutil.Process(int(launcher.stdout.readline().split()[0]))
        everyone = [supervisor, *supervisor.children(recursive=True)]
        launcher.kill()
    assert len(everyone) == 3
    assert eventually(lambda: not any(_alive(process) for process in everyone))
    assert (tmp_path / "engine.stopped").exists()


def _answers(running: Running) -> bool:
    try:
        return bool(running.ask())
    except OSError:
        return False


def test_a_child_that_keeps_ending_ends_the_party_with_an_error(start: Start) -> None:
    running = start(behaviour="ends-at-once")
    assert running.popen.wait(PATIENCE) == 1
    assert (running.folder / "engine.starts").read_text().count("start") == 6
    assert not [process for process in running.everyone if _alive(process)]


@pytest.mark.parametrize(("mark", "behaviour"), [("broken", "well"), ("first", "never-ready")])
def test_a_child_that_cannot_start_ends_the_party_at_once(start: Start, mark: str, behaviour: str) -> None:
    running = start(mark=mark, behaviour=behaviour)
    assert running.port == 0
    assert running.popen.wait(PATIENCE) == 1


def test_a_second_start_on_the_folder_is_refused_and_names_the_first(start: Start) -> None:
    running = start()
    second = subprocess.run(
        _command(running.folder, 0, "second", "well"), env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert second.returncode == 1
    assert second.stderr.strip().count("\n") == 0
    assert f"in use by process {running.popen.pid} (played serve)" in second.stderr


def test_a_second_start_on_the_port_is_refused(start: Start, tmp_path: Path) -> None:
    running = start()
    second = subprocess.run(
        _command(tmp_path / "other", running.port, "second", "well"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert second.returncode == 1
    assert f"127.0.0.1:{running.port} is in use by another process" in second.stderr
    assert running.ask()["mark"] == "first"


def test_who_is_refused_for_the_port_is_left_no_new_folder(start: Start, tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "new", port=start().port)
    for serve in (service.serve, configuration_manager.serve):
        with pytest.raises(StartRefused, match="is in use by another process"):
            serve(settings, ready=print)
    assert not (tmp_path / "new").exists()


def test_the_folder_stays_taken_while_any_child_that_inherited_the_lock_lives(tmp_path: Path) -> None:
    lock = take_folder(tmp_path, purpose="test")
    child = subprocess.Popen(["sleep", "30"], pass_fds=(lock.fileno(),))
    lock.release()
    try:
        assert is_folder_taken(tmp_path)
    finally:
        child.kill()
        child.wait()
    assert not is_folder_taken(tmp_path)


def test_a_folder_nobody_used_is_free(tmp_path: Path) -> None:
    assert not is_folder_taken(tmp_path / "new")


def test_a_released_lock_cannot_be_passed_on(tmp_path: Path) -> None:
    with take_folder(tmp_path, purpose="test") as lock:
        assert is_folder_taken(tmp_path)
    with pytest.raises(ValueError, match="released"):
        lock.fileno()


def test_a_folder_that_cannot_be_made_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match=r"data folder .*file"):
        take_folder(tmp_path / "file", purpose="test")


@pytest.mark.parametrize(
    ("host", "sentence"), [("192.0.2.1", "no address of this machine"), ("no.such.invalid", "--host")]
)
def test_a_host_that_is_not_ours_is_refused(host: str, sentence: str) -> None:
    with pytest.raises(StartRefused, match=sentence):
        probe_port(host, 8080)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_tls_files_that_cannot_be_used_refuse_the_start_with_a_sentence(tmp_path: Path, content: str | None) -> None:
    cert, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    if content is not None:
        cert.write_text(content)
        key.write_text(content)
    with pytest.raises(StartRefused, match=r"TLS cannot be served with .*chain\.pem"):
        web_plan("muster.web:none", host="127.0.0.1", port=0, tls_cert=cert, tls_key=key)
