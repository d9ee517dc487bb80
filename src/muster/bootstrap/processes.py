"""The processes of one party: a supervisor and its children, which never outlive it, be it killed with kill -9.

    with take_folder(folder, purpose="muster serve") as lock:
        port = probe_port(host, port)
        plans = (
            web_plan("muster.bootstrap.service:create_web", arguments={"data": str(folder)}, host=host, port=port),
            ProcessPlan(name="engine", target="muster.bootstrap.service:run_engine", arguments={"data": str(folder)}),
        )
        raise SystemExit(supervise(plans, lock=lock, ready=lambda: print("ready")))

`create_web(**arguments)` returns the application. `run_engine(child, **arguments)` calls `child.ready()` once it
works and returns soon after `child.stop` is set. Both run in fresh processes: they set up logging and open the database
themselves; arguments are JSON values and reach them through a pipe, not the command line.

A child learns of the supervisor's death twice over: the kernel kills it (PR_SET_PDEATHSIG, Linux), and it reads the end
of a pipe whose other end only the supervisor holds.
"""

import ctypes
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from muster.bootstrap.folder import FolderLock, StartRefused, is_listening

MAX_RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 60.0
STOP_WITHIN = timedelta(seconds=5)
FIRST_PAUSE = timedelta(milliseconds=250)
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_COLLECT_AT = (50_000, 20, 50)  # Python's own: 700 objects more than before, 10, 10
_READY = b"r"
_STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_CHILD = "import sys; from muster.bootstrap.processes import run_child; run_child(int(sys.argv[1]), int(sys.argv[2]))"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """A child to keep running: `target` is `module:function`, called as `function(child, **arguments)` in it."""

    name: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)  # JSON values; they may hold a password
    listens_on: tuple[str, int] | None = None


def settle_memory() -> None:
    """Sets aside what is loaded: it stays for good, and what comes later lives for a request or a page and forms no
    circles. The collector need not go through all of it again and again (a tenth of the engine's time in a cycle)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AT)
    gc.enable()


class Child:
    """What a target knows of its process: when to stop, and how to say that it works."""

    def __init__(self, *, name: str, lifeline: int, status: int) -> None:
        self.name = name
        self.stop = threading.Event()
        self._lifeline = lifeline
        self._status = status

    def ready(self) -> None:
        """Tells the supervisor that the start is over."""
        settle_memory()
        with suppress(BrokenPipeError):
            os.write(self._status, _READY)

    def follow_supervisor(self) -> None:
        """Binds the life of the calling process to the supervisor's; to be called again after a fork."""
        _follow_parent(signal.SIGKILL)
        threading.Thread(target=self._await_end, name="lifeline", daemon=True).start()

    def _await_end(self) -> None:
        while os.read(self._lifeline, 4096):
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def web_plan(
    factory: str,
    *,
    host: str,
    port: int,
    arguments: Mapping[str, Any] | None = None,
    threads: int = 8,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> ProcessPlan:
    """The plan of a web process: the HTTP server with the application that `factory` (`module:function`) returns.

    Raises: StartRefused for TLS files that cannot be served with.
    """
    if tls_cert is not None and tls_key is not None:
        _check_tls(tls_cert, tls_key)
    return ProcessPlan(
        name="web",
        target="muster.bootstrap.serving:serve_web",
        arguments={
            "factory": factory,
            "factory_arguments": dict(arguments or {}),
            "host": host,
            "port": port,
            "threads": threads,
            "tls_cert": None if tls_cert is None else str(tls_cert),
            "tls_key": None if tls_key is None else str(tls_key),
        },
        listens_on=(host, port),
    )


def _check_tls(cert: Path, key: Path) -> None:
    try:
        # An encrypted key would ask for its password at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartRefused(
            f"TLS cannot be served with {cert} and {key}: {reason}: give a certificate chain and its unencrypted "
            "private key in PEM (--tls-cert, --tls-key)"
        ) from None


def supervise(
    plans: Sequence[ProcessPlan],
    *,
    lock: FolderLock | None,
    ready: Callable[[], None] | None = None,
    stop_within: timedelta = STOP_WITHIN,
    first_pause: timedelta = FIRST_PAUSE,
) -> int:
    """The exit status after running the children until a signal to stop (0), or until one cannot be kept running (1).

    `lock`: what the children hold, too, as long as one of them lives; None for a party without a folder of its own.
    A child that ends by itself is started again after a growing pause; more than five times in a minute, or before it
    was ready for the first time, ends everything. To be called in the main thread.
    """
    with _signals() as wake:
        supervisor = _Supervisor(plans, lock=lock, ready=ready, wake=wake, first_pause=first_pause)
        try:
            return supervisor.run()
        finally:
            supervisor.stop(within=stop_within)


def start_follower(
    arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, output: int | IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Another party's `serve` command, started so that it stops in good order when this process dies (Linux).

    To be called in the main thread: the kernel takes the end of the thread that called for the end of the process.
    """
    return subprocess.Popen(  # noqa: S603 (the command of the caller)
        list(arguments),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=partial(_follow_parent, signal.SIGTERM),
    )


def run_child(lifeline: int, status: int) -> None:
    """Runs a child's target in this process, which the supervisor started for it, and ends the process."""
    # Until the start is over everything that is made stays: a tenth of it would go into looking for what does not.
    gc.disable()
    text = _read_line(lifeline)
    if not text:
        sys.exit(1)  # the supervisor died before it could say what to do
    plan = json.loads(text)
    child = Child(name=plan["name"], lifeline=lifeline, status=status)
    child.follow_supervisor()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides; the terminal sends it to everyone
    signal.signal(signal.SIGTERM, lambda *_: child.stop.set())
    import_target(plan["target"])(child, **plan["arguments"])
    sys.exit(0)


def _follow_parent(number: signal.Signals) -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def import_target(target: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


@dataclass(slots=True, kw_only=True)
class _Place:
    """A plan and the process that fills it at present."""

    plan: ProcessPlan
    process: subprocess.Popen[bytes] | None = None
    lifeline: int = -1
    status: int = -1
    announced: bool = False
    silent: bool = False  # its pipe has ended, as it will in a moment
    ready: bool = False
    was_ready: bool = False
    start_at: float = 0.0
    restarts: list[float] = field(default_factory=list)


class _Supervisor:
    def __init__(
        self,
        plans: Sequence[ProcessPlan],
        *,
        lock: FolderLock | None,
        ready: Callable[[], None] | None,
        wake: int,
        first_pause: timedelta,
    ) -> None:
        self._places = [_Place(plan=plan) for plan in plans]
        self._lock = lock
        self._ready = ready
        self._wake = wake
        self._first_pause = first_pause
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake, selectors.EVENT_READ)

    def run(self) -> int:
        while True:
            now = time.monotonic()
            for place in self._places:
                if place.process is None and place.start_at <= now:
                    self._start(place)
                elif place.process is not None and place.process.poll() is not None and not self._bury(place, now):
                    return 1
                self._check_readiness(place)
            if self._ready is not None and all(place.ready for place in self._places):
                self._ready()
                self._ready = None
            if self._wait(now):
                return 0

    def stop(self, *, within: timedelta) -> None:
        """Asks every child to end, and kills what has not ended in time."""
        until = time.monotonic() + within.total_seconds() - 0.5
        running = [place for place in self._places if place.process is not None]
        for place in running:
            if place.process is not None:
                place.process.terminate()
        for place in running:
            if place.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    place.process.wait(max(0.0, until - time.monotonic()))
                self._close(place)
        self._selector.close()

    def _start(self, place: _Place) -> None:
        lifeline_end, place.lifeline = os.pipe()
        place.status, status_end = os.pipe()
        place.process = subprocess.Popen(  # noqa: S603 (our own interpreter and text)
            [sys.executable, "-P", "-c", _CHILD, str(lifeline_end), str(status_end), f"muster:{place.plan.name}"],
            pass_fds=(lifeline_end, status_end, *(() if self._lock is None else (self._lock.fileno(),))),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(lifeline_end)
        os.close(status_end)
        plan = {"name": place.plan.name, "target": place.plan.target, "arguments": dict(place.plan.arguments)}
        with suppress(BrokenPipeError):
            os.write(place.lifeline, json.dumps(plan).encode() + b"\n")
        place.announced = place.silent = place.ready = False
        self._selector.register(place.status, selectors.EVENT_READ, place)
        logger.info("%s started as process %d", place.plan.name, place.process.pid)

    def _bury(self, place: _Place, now: float) -> bool:
        """Whether the child that ended may be started again; then its next start is set."""
        code = None if place.process is None else place.process.returncode
        self._close(place)
        if not place.was_ready:
            logger.error("%s ended while it started (status %s)", place.plan.name, code)
            return False
        place.restarts = [at for at in place.restarts if now - at < RESTARTS_WITHIN_SECONDS] + [now]
        if len(place.restarts) > MAX_RESTARTS:
            logger.error(
                "%s ended %d times in a minute (status %s): giving up", place.plan.name, MAX_RESTARTS + 1, code
            )
            return False
        pause = self._first_pause.total_seconds() * 2 ** (len(place.restarts) - 1)
        place.start_at = now + pause
        logger.error("%s ended (status %s): starting it again in %.2g s", place.plan.name, code, pause)
        return True

    def _close(self, place: _Place) -> None:
        """Ends the child with everything it started, and closes its pipes."""
        if place.process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(place.process.pid, signal.SIGKILL)
        place.process.wait()
        with suppress(KeyError):
            self._selector.unregister(place.status)
        os.close(place.status)
        os.close(place.lifeline)
        place.process = None
        place.silent = False

    def _check_readiness(self, place: _Place) -> None:
        if place.process is None or place.ready or not place.announced:
            return
        place.ready = place.plan.listens_on is None or is_listening(*place.plan.listens_on)
        place.was_ready |= place.ready

    def _wait(self, now: float) -> bool:
        """Whether a signal to stop came; waits for that, for a child's word or end, or for the next start."""
        starts = [place.start_at - now for place in self._places if place.process is None]
        # The signal of a child's end may not come, where whoever started this process keeps it from it.
        changing = any(place.silent or (place.announced and not place.ready) for place in self._places)
        limits = [*starts, *([_POLL_SECONDS] if changing else [])]
        for key, _ in self._selector.select(max(0.0, min(limits)) if limits else None):
            content = os.read(key.fd, 4096)
            if key.fd == self._wake:
                if _STOPS & set(content):
                    return True
            elif not content:
                self._selector.unregister(key.fd)
                key.data.silent = True
            else:
                key.data.announced = True
        return False


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that reads the numbers of the signals that came."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watched = [number for number in (*_STOPS, signal.SIGCHLD) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in watched}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 65536)
        if not part:
            return b""
        line += part
    return line
