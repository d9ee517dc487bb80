"""Waiting for sockets: `epoll` as it is, or `poll` where there is none; Python's selectors take a third longer."""

import select
from typing import Any

READ, WRITE = select.POLLIN, select.POLLOUT  # the numbers of epoll, too
HAS_EPOLL = hasattr(select, "epoll")


class Poller:
    """The descriptors that are waited for, and for what."""

    def __init__(self) -> None:
        self._poll: Any = select.epoll() if HAS_EPOLL else select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """The descriptors that something can be done with, and what came: READ, WRITE, and bits of an end or error,
        which reading and writing both tell of."""
        # Both count whole milliseconds; epoll rounds up by itself.
        ready: list[tuple[int, int]] = self._poll.poll(seconds if HAS_EPOLL else -int(-1000 * seconds // 1))
        return ready

    def close(self) -> None:
        """Waits for nothing any more."""
        if HAS_EPOLL:
            self._poll.close()
