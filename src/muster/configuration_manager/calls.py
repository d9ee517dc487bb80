"""The log of SCIM calls: who asked what, how it was answered, and what a write sent and left."""

import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager.customers import Customer
from muster.configuration_manager.tables import calls, tokens
from muster.configuration_manager.writer import Writer
from muster.database import Database

logger = logging.getLogger(__name__)

LIMIT_WAITING = 10_000
LIMIT_BATCH = 500
LIMIT_KEPT_BYTES = 16_384
KEPT_CALLS = 1_000_000
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COLLECT_SECONDS = 0.2
UNSHOWN = b"(not kept: it may hold a password)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimCall:
    """One call as it came and was answered."""

    customer_key: int
    at: datetime
    token_key: int
    token_prefix: str
    client: str | None
    method: str
    path: str
    status: int
    duration_us: int
    body: bytes
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall:
    """One call as the console shows it."""

    key: int
    at: datetime
    token_prefix: str
    client: str | None
    method: str
    path: str
    status: int
    duration_us: int
    request_body: str | None
    answer_body: str | None
    error: str | None


class CallLog:
    """Writes calls in batches behind the answers, on a thread of its own, so that reading never waits for a write."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._waiting: queue.Queue[ScimCall | None] = queue.Queue(LIMIT_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="call-log", daemon=True)
        self._thread.start()

    def add(self, call: ScimCall) -> None:
        """Hands over a call; waits when the log is ten thousand calls behind."""
        self._waiting.put(call)

    def close(self) -> None:
        """Writes what waits and ends the thread."""
        self._waiting.put(None)
        self._thread.join()

    def read_calls(self, customer: Customer, *, before: int | None = None, count: int = 100) -> list[LoggedCall]:
        """The latest calls, the newest first; `before` is the key to go on from."""
        query = sa.select(calls).where(calls.c.customer_key == customer.key)
        if before is not None:
            query = query.where(calls.c.key < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(calls.c.key.desc()).limit(count)).all()
        return [
            LoggedCall(
                key=row.key,
                at=row.at,
                token_prefix=row.token_prefix,
                client=row.client,
                method=row.method,
                path=row.path,
                status=row.status,
                duration_us=row.duration_us,
                request_body=_text(row.request_body),
                answer_body=_text(row.answer_body),
                error=row.error,
            )
            for row in rows
        ]

    def _write_all(self) -> None:
        ended = False
        while not ended:
            batch: list[ScimCall] = []
            call = self._waiting.get()
            timer = threading.Event()
            if call is not None:
                timer.wait(COLLECT_SECONDS)
            while call is not None:
                batch.append(call)
                if len(batch) == LIMIT_BATCH:
                    break
                try:
                    call = self._waiting.get_nowait()
                except queue.Empty:
                    break
            ended = call is None
            if batch:
                self._write(batch)

    def _write(self, batch: Sequence[ScimCall]) -> None:
        last_use = {call.token_key: call.at for call in batch}

        def work(connection: Connection) -> None:
            connection.execute(sa.insert(calls), [_row(call) for call in batch])
            oldest = sa.select(sa.func.max(calls.c.key) - KEPT_CALLS).scalar_subquery()
            connection.execute(sa.delete(calls).where(calls.c.key <= oldest))
            for key, at in last_use.items():
                connection.execute(sa.update(tokens).where(tokens.c.key == key).values(last_used_at=at))

        try:
            self._writer.run(work)
        except Exception:
            # The answers were given: a call that cannot be logged must not end the log of the others.
            logger.exception("%d SCIM calls could not be logged", len(batch))


def _row(call: ScimCall) -> dict[str, object]:
    is_read = call.method in READ_METHODS
    return {
        "customer_key": call.customer_key,
        "at": call.at,
        "token_prefix": call.token_prefix,
        "client": None if call.client is None else call.client[:200],
        "method": call.method[:20],
        "path": call.path[:2000],
        "status": call.status,
        "duration_us": call.duration_us,
        "request_body": None if is_read or not call.body else _shown_body(call.body),
        "answer_body": None if is_read or not call.answer else call.answer[:LIMIT_KEPT_BYTES],
        "error": _error_of(call) if call.status >= 400 else None,
    }


def _shown_body(body: bytes) -> bytes:
    """The body as it may be kept: not one that holds a password, however its letters are escaped."""
    plain = body
    if b"\\u" in body:
        try:
            plain = orjson.dumps(orjson.loads(body))
        except orjson.JSONDecodeError:
            return UNSHOWN
    return UNSHOWN if b"password" in plain.lower() else body[:LIMIT_KEPT_BYTES]


def _error_of(call: ScimCall) -> str | None:
    try:
        detail = orjson.loads(call.answer).get("detail")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return str(detail)[:1000]


def _text(content: bytes | None) -> str | None:
    return None if content is None else bytes(content).decode(errors="replace")
