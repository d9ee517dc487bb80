"""The threads that answer what takes time: many for whatever may take long, one for what is answered together.

Of the many, the one that became free last is taken first: what it keeps, such as a connection to the database with its
pages, is used again, and a server that is seldom busy with many requests at once keeps little.
"""

import logging
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress

from muster.http_server.connection import Connection
from muster.http_server.messages import Answer, Application, Request

logger = logging.getLogger(__name__)

FAULT = "This is a fault of the service, not of the request. Try again later."

Work = tuple[Connection, Request]


class Workers:
    """What is handed over comes back through `take_done`; `wakened` can be read from when something has."""

    def __init__(self, application: Application, *, threads: int) -> None:
        self._application = application
        self._mutex = threading.Lock()
        self._free: list[queue.SimpleQueue[Work | None]] = []
        self._waiting: deque[Work] = deque()
        self._is_stopped = False
        self._together: queue.SimpleQueue[list[Work] | None] = queue.SimpleQueue()
        self._done: deque[tuple[Connection, Request, Answer]] = deque()
        self.wakened, self._waker = socket.socketpair()
        self.wakened.setblocking(False)
        self._waker.setblocking(False)
        self._is_woken = False
        self.is_together_free = True
        self._threads = [
            threading.Thread(target=self._answer_apart, name=f"http-{number}", daemon=True) for number in range(threads)
        ]
        self._threads.append(threading.Thread(target=self._answer_together, name="http-together", daemon=True))

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the threads end after what they do."""
        with self._mutex:
            self._is_stopped = True
            free, self._free = self._free, []
        for desk in free:
            desk.put(None)
        self._together.put(None)

    def answer_apart(self, work: Work) -> None:
        """Hands over one request."""
        with self._mutex:
            desk = self._free.pop() if self._free else None
            if desk is None:
                self._waiting.append(work)
        if desk is not None:
            desk.put(work)

    def answer_together(self, works: list[Work]) -> None:
        """Hands over requests that may share what their answers cost; for when `is_together_free`."""
        self.is_together_free = False
        self._together.put(works)

    def take_done(self) -> Iterator[tuple[Connection, Request, Answer]]:
        """What has been answered since."""
        with suppress(BlockingIOError):
            self.wakened.recv(4_096)
        self._is_woken = False  # before the answers are taken: one that comes from now on wakes again
        while self._done:
            yield self._done.popleft()

    def wake(self) -> None:
        """Makes `wakened` readable; from any thread."""
        if not self._is_woken:
            self._is_woken = True
            with suppress(OSError):
                self._waker.send(b"w")

    def _answer_apart(self) -> None:
        desk: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        while (work := self._take_work(desk)) is not None:
            connection, request = work
            try:
                answer = self._application.answer(request)
            except Exception:
                logger.exception("a request failed", extra={"method": request.method})
                answer = self._application.refuse(500, FAULT, request.target)
            self._done.append((connection, request, answer))
            self.wake()

    def _take_work(self, desk: "queue.SimpleQueue[Work | None]") -> Work | None:
        """What has waited longest, or what is laid on the thread's desk; None at the end."""
        with self._mutex:
            if self._waiting:
                return self._waiting.popleft()
            if self._is_stopped:
                return None
            self._free.append(desk)
        return desk.get()

    def _answer_together(self) -> None:
        while (works := self._together.get()) is not None:
            requests = [request for _, request in works]
            try:
                answers: Sequence[Answer] = self._application.answer_together(requests)
            except Exception:
                logger.exception("%d requests failed", len(requests))
                answers = [self._application.refuse(500, FAULT, request.target) for request in requests]
            self._done.extend(
                (connection, request, answer) for (connection, request), answer in zip(works, answers, strict=True)
            )
            self.is_together_free = True
            self.wake()
