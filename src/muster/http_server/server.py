"""The server: one thread owns all sockets and hands over what takes time.

A request is answered once it has come whole, so a slow client holds a connection and never a thread. What is quick is
answered in the thread of the sockets (no hand-over, no contention for Python's lock); what may share a commit is
answered together on one thread; everything else on one of `threads`.
"""

import errno
import logging
import socket
import ssl
import time
from contextlib import suppress
from email.utils import formatdate

from muster.http_server.connection import Connection, ServerLimits
from muster.http_server.gathering import Gathering
from muster.http_server.messages import Answer, Application, Lane, Request, write_answer
from muster.http_server.poller import READ, WRITE, Poller
from muster.http_server.workers import FAULT, Workers

logger = logging.getLogger(__name__)

RECEIVED_BYTES = 65_536
ACCEPTED_AT_ONCE = 64
SWEEP_SECONDS = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = "Connection: close\r\n"
KEEP = "Connection: keep-alive\r\n"
OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class HttpServer:
    """Serves an application at a listening socket until it is stopped."""

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        *,
        threads: int = 8,
        tls: ssl.SSLContext | None = None,
        limits: ServerLimits | None = None,
    ) -> None:
        self._application = application
        self._listener = listener
        self._tls = tls
        self._limits = limits or ServerLimits()
        self._poller = Poller()
        self._connections: dict[int, Connection] = {}
        self._workers = Workers(application, threads=threads)
        self._gathering = Gathering()
        self._is_accepting = False
        self._is_stopping = False
        self._stop_within_seconds = 0.0
        self._stop_by: float | None = None
        self._now = time.monotonic()
        self._date = ""
        self._sweep_at = 0.0

    def serve(self, *, stop_within_seconds: float = 3.0) -> None:
        """Serves until `stop`, then answers what is under way, for as long as it may take."""
        self._stop_within_seconds = stop_within_seconds
        self._workers.start()
        self._poller.register(self._workers.wakened.fileno(), READ)
        self._accept_again()
        try:
            while self._stop_by is None or (self._connections and self._now < self._stop_by):
                self._turn()
        finally:
            self._stop_by = self._now
            for connection in list(self._connections.values()):
                self._close(connection)
            self._pause_accepting()
            self._listener.close()
            self._workers.stop()
            self._poller.close()

    def stop(self) -> None:
        """Makes `serve` return soon; from any thread or a signal's handler."""
        self._is_stopping = True
        self._workers.wake()

    def _turn(self) -> None:
        """Waits for something to do and does it."""
        ready = self._poller.wait(self._pause_seconds())
        self._now = now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep()
        for descriptor, events in ready:
            connection = self._connections.get(descriptor)
            if connection is not None:
                self._serve(connection, events)
            elif descriptor == self._workers.wakened.fileno():
                self._take_done()
            elif descriptor == self._listener.fileno():
                self._accept()
        if self._gathering.works and self._workers.is_together_free and not self._gathering.left_seconds(now):
            self._workers.answer_together(self._gathering.take(now))
        if self._is_stopping and self._stop_by is None:
            self._begin_stop()

    def _pause_seconds(self) -> float:
        """How long nothing has to be done if nothing comes."""
        gathers = self._gathering.works and self._workers.is_together_free
        return self._gathering.left_seconds(self._now) if gathers else SWEEP_SECONDS

    def _serve(self, connection: Connection, events: int) -> None:
        try:
            # An end or an error is told of beside what was asked for.
            if events & ~READ and connection.events & WRITE:
                self._flush(connection)
            if events & ~WRITE and connection.events & READ:
                self._read(connection)
        except Exception:
            # Whatever one client brought about, the others are served on.
            logger.exception("a connection failed")
            self._close(connection)

    def _begin_stop(self) -> None:
        self._stop_by = self._now + self._stop_within_seconds
        self._pause_accepting()
        for connection in list(self._connections.values()):
            if connection.is_idle:
                self._close(connection)

    # Connections that come

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            is_full = len(self._connections) >= self._limits.connections
            if is_full and self._find_idle() is None:
                self._pause_accepting()
                return
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    raise
                idle = self._find_idle()
                if idle is not None:
                    self._close(idle)
                else:
                    self._pause_accepting()  # until the next sweep
                return
            if is_full and (idle := self._find_idle()) is not None:
                self._close(idle)
            with suppress(OSError):
                self._admit(sock, (str(address[0]), int(address[1])))

    def _admit(self, sock: socket.socket, client: tuple[str, int]) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        connection = Connection(
            sock,
            client,
            self._application,
            self._limits,
            is_secure=self._tls is not None,
            deadline=self._now + self._limits.head_seconds,
        )
        self._connections[connection.descriptor] = connection
        self._watch(connection, READ)

    def _find_idle(self) -> Connection | None:
        """The oldest connection that nothing is under way on."""
        return next((each for each in self._connections.values() if each.is_idle), None)

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._poller.unregister(self._listener.fileno())
            self._is_accepting = False

    def _accept_again(self) -> None:
        if not self._is_accepting and self._stop_by is None:
            self._poller.register(self._listener.fileno(), READ)
            self._is_accepting = True

    # What comes

    def _read(self, connection: Connection) -> None:
        if not connection.is_shaken and not self._shake_hands(connection):
            return
        sock = connection.sock
        while True:
            try:
                data = sock.recv(RECEIVED_BYTES)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
                return
            except OSError:
                self._close(connection)
                return
            if not data:
                self._end(connection)
                return
            if connection.drained_bytes is not None:
                self._drain(connection, data)
            else:
                self._receive(connection, data)
            # What TLS has decrypted already no poller tells of.
            if not connection.is_secure or connection.descriptor < 0 or not sock.pending():  # type: ignore[attr-defined]  # ssl's
                return

    def _receive(self, connection: Connection, data: bytes) -> None:
        had_begun = connection.is_receiving
        was_body = connection.is_receiving_body
        connection.receive(data)
        if connection.requests or connection.refusal is not None:
            if connection.is_busy or connection.out is not None:
                # A client that sends on before it is answered waits.
                self._watch(connection, connection.events & ~READ)
            else:
                self._go_on(connection)
        if connection.is_receiving and connection.refusal is None:
            if connection.is_receiving_body:
                if not was_body:
                    connection.deadline = self._now + self._limits.body_seconds
                if not connection.is_busy and connection.out is None and connection.take_continue():
                    self._write(connection, CONTINUE)
                if connection.body_bytes >= RECEIVED_BYTES:
                    self._check_memory()
            elif not had_begun:
                connection.deadline = self._now + self._limits.head_seconds

    def _check_memory(self) -> None:
        """When all bodies that are being received hold too much, the one that takes longest is refused."""
        receiving = [each for each in self._connections.values() if each.body_bytes and each.refusal is None]
        if sum(each.body_bytes for each in receiving) > self._limits.waiting_bytes:
            slowest = min(receiving, key=lambda each: each.deadline)
            slowest.refuse_body(503, "The service receives too much at once. Try again later.")
            if not slowest.is_busy and slowest.out is None:
                self._go_on(slowest)

    def _end(self, connection: Connection) -> None:
        """The client sends no more; what it asked is answered still."""
        if connection.drained_bytes is None and (connection.is_busy or connection.requests or connection.out):
            connection.is_ended = True
            connection.ends_after |= not connection.is_busy and not connection.requests
            self._watch(connection, connection.events & ~READ)
        else:
            self._close(connection)

    def _shake_hands(self, connection: Connection) -> bool:
        try:
            connection.sock.do_handshake()  # type: ignore[attr-defined]  # only TLS gets here
        except ssl.SSLWantReadError:
            self._watch(connection, READ)
            return False
        except ssl.SSLWantWriteError:
            self._watch(connection, READ | WRITE)
            return False
        except OSError:
            self._close(connection)
            return False
        connection.is_shaken = True
        self._watch(connection, READ)
        return True

    # What is answered

    def _go_on(self, connection: Connection) -> None:
        """Answers, or hands over, what waits on the connection; one after the other."""
        while connection.requests and not connection.is_busy and connection.out is None:
            if connection.ends_after:
                connection.requests.clear()
                return
            request, lasts = connection.requests.popleft()
            connection.ends_after = not lasts or self._is_last(connection)
            try:
                lane = self._application.choose_lane(request)
                if lane is Lane.HERE:
                    self._send(connection, request, self._application.answer(request))
                    continue
            except Exception:
                logger.exception("a request failed")
                self._send(connection, request, self._application.refuse(500, FAULT, request.target))
                continue
            connection.is_busy = True
            if lane is Lane.TOGETHER:
                self._gathering.works.append((connection, request))
            else:
                self._workers.answer_apart((connection, request))
        if connection.refusal is not None and not connection.is_busy and connection.out is None:
            self._refuse(connection, *connection.refusal)
        elif connection.descriptor >= 0 and not connection.events & READ and not connection.is_ended:
            self._watch(connection, connection.events | READ)

    def _is_last(self, connection: Connection) -> bool:
        return self._stop_by is not None or (connection.is_ended and not connection.requests)

    def _refuse(self, connection: Connection, status: int, sentence: str) -> None:
        """Sends a last answer, takes what the client still writes for a moment, and closes."""
        answer = self._application.refuse(status, sentence, connection.target)
        connection.ends_after = True
        connection.drained_bytes = 0
        connection.deadline = self._now + self._limits.drain_seconds
        self._write(connection, write_answer(answer, date=self._date, is_head=False, connection=CLOSE))

    def _drain(self, connection: Connection, data: bytes) -> None:
        connection.drained_bytes = (connection.drained_bytes or 0) + len(data)
        if connection.drained_bytes > self._limits.drain_bytes:
            self._close(connection)

    def _send(self, connection: Connection, request: Request, answer: Answer) -> None:
        told = CLOSE if connection.ends_after else None
        try:
            data = write_answer(answer, date=self._date, is_head=request.method == "HEAD", connection=told)
        except (ValueError, KeyError):
            logger.exception("an answer cannot be written")
            fault = self._application.refuse(500, FAULT, request.target)
            data = write_answer(fault, date=self._date, is_head=request.method == "HEAD", connection=told)
        connection.deadline = self._now + self._limits.idle_seconds
        self._write(connection, data)

    def _write(self, connection: Connection, data: bytes) -> None:
        try:
            sent = connection.sock.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            sent = 0
        except OSError:
            self._close(connection)
            return
        if sent < len(data):
            connection.out = memoryview(data)[sent:]
            connection.deadline = self._now + self._limits.write_seconds
            self._watch(connection, connection.events | WRITE)
        elif connection.ends_after:
            self._finish(connection)

    def _flush(self, connection: Connection) -> None:
        if not connection.is_shaken:
            self._shake_hands(connection)
            return
        out = connection.out
        if out is None:
            return
        try:
            sent = connection.sock.send(out)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except OSError:
            self._close(connection)
            return
        if sent < len(out):
            connection.out = out[sent:]
            connection.deadline = self._now + self._limits.write_seconds
            return
        connection.out = None
        connection.deadline = self._now + self._limits.idle_seconds
        self._watch(connection, connection.events & ~WRITE)
        if connection.ends_after:
            self._finish(connection)
        else:
            self._go_on(connection)

    def _finish(self, connection: Connection) -> None:
        """Closes a connection whose last answer is sent; one that was refused once the client has seen the answer."""
        if connection.drained_bytes is None or connection.is_secure:
            self._close(connection)
            return
        connection.deadline = self._now + self._limits.drain_seconds
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_WR)
        self._watch(connection, READ)

    def _close(self, connection: Connection) -> None:
        if connection.descriptor < 0:
            return
        self._watch(connection, 0)
        del self._connections[connection.descriptor]
        connection.descriptor = -1
        connection.requests.clear()
        connection.sock.close()
        if not self._is_accepting:
            self._accept_again()

    def _watch(self, connection: Connection, events: int) -> None:
        if connection.events == events or connection.descriptor < 0:
            return
        if not events:
            self._poller.unregister(connection.descriptor)
        elif connection.events:
            self._poller.modify(connection.descriptor, events)
        else:
            self._poller.register(connection.descriptor, events)
        connection.events = events

    def _sweep(self) -> None:
        """Ends connections that took too long, once a second."""
        now = self._now
        self._sweep_at = now + SWEEP_SECONDS
        self._date = f"Date: {formatdate(usegmt=True)}\r\n"
        for connection in [each for each in self._connections.values() if each.deadline < now]:
            if connection.is_busy and connection.out is None:
                continue
            if connection.is_receiving and connection.out is None and connection.drained_bytes is None:
                what = "body" if connection.is_receiving_body else "head"
                self._refuse(connection, 408, f"The {what} of the request did not come in time. Send it again.")
            else:
                self._close(connection)
        self._accept_again()

    def _take_done(self) -> None:
        if self._workers.is_together_free:
            self._gathering.note_answered(self._now)
        for connection, request, answer in self._workers.take_done():
            if connection.descriptor < 0:
                continue
            connection.is_busy = False
            connection.ends_after |= self._is_last(connection)
            try:
                self._send(connection, request, answer)
                self._go_on(connection)
            except Exception:
                logger.exception("a connection failed")
                self._close(connection)
