"""One installation runs once: the lock on its data folder, and the probe of its port."""

import errno
import fcntl
import os
import socket
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

LOCK_NAME = "lock"
ALLOWED_NAME = "allowed-targets"
# There from before an installation's rows stand in another database until the file they stood in is set aside.
MOVING_NAME = "moving"
_PATIENCE = timedelta(seconds=1)
_PAUSE_SECONDS = 0.02


class StartRefused(Exception):
    """It must not start: the folder or the port is taken. The sentence says by what and what to do."""


class FolderLock:
    """An exclusive lock on a data folder, held as long as any process lives that inherited it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def fileno(self) -> int:
        """The descriptor children must inherit. Raises ValueError after release."""
        if self._descriptor is None:
            raise ValueError("the lock was released")
        return self._descriptor

    def release(self) -> None:
        """Lets go in this process; the folder is free once every process that inherited the lock has ended."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # not LOCK_UN: that would take the lock from the children too
            self._descriptor = None


def take_folder(folder: Path, *, purpose: str, patience: timedelta = _PATIENCE, ends_move: bool = False) -> FolderLock:
    """The lock on the folder, which is made if it is not there.

    Args:
        purpose: what the next one reads about us, such as `muster serve`.
        patience: how long to wait for another to end: the processes of one just killed need a moment.
        ends_move: a move that was cut off does not stand in the way.
    Raises: StartRefused naming the process that holds it, or a move that was cut off.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartRefused(f"the data folder {folder} cannot be used: {error.strerror}") from None
    until = time.monotonic() + patience.total_seconds()
    while not _try_lock(descriptor):
        if time.monotonic() > until:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise StartRefused(
                f"the data folder {folder} is in use by {holder}: stop that one first or give another --data"
            )
        time.sleep(_PAUSE_SECONDS)
    if not ends_move:
        try:
            refuse_half_moved(folder)
        except StartRefused:
            os.close(descriptor)
            raise
    (folder / ALLOWED_NAME).unlink(missing_ok=True)  # of a service that was killed
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} ({purpose})\n".encode(), 0)
    return FolderLock(descriptor)


def refuse_half_moved(folder: Path) -> None:
    """Raises: StartRefused while the installation may stand in another database: its move goes on, or was cut off."""
    if (folder / MOVING_NAME).exists():
        raise StartRefused(
            f"the move of the installation in {folder} to PostgreSQL is under way, or was cut off: give the same "
            f"migrate --to again, which ends it. To go on here instead, drop that database and remove "
            f"{folder / MOVING_NAME}"
        )


def is_folder_taken(folder: Path) -> bool:
    """Whether a process holds the folder's lock at this moment."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def probe_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises: StartRefused if it cannot be listened on.

    The server opens its socket with SO_REUSEPORT, by which a second one would start in silence beside it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = "is in use by another process: stop that one or give another --port"
            case errno.EACCES:
                reason = "needs more rights than this user has: give a --port above 1023"
            case errno.EADDRNOTAVAIL | socket.EAI_NONAME:
                reason = "is no address of this machine: give another --host"
            case _:
                reason = f"cannot be listened on: {error.strerror}"
        raise StartRefused(f"{host}:{port} {reason}") from None


def is_listening(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
