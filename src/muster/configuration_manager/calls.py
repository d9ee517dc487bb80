"""The log of SCIM calls: who asked what, how it was answered, and what a write found and left."""

import logging
import re
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from muster.configuration_manager.customers import Access, Customer
from muster.configuration_manager.resources import ResourceChange
from muster.configuration_manager.statements import bound_type
from muster.configuration_manager.tables import calls, tokens
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database
from muster.database.outage import outage_of
from muster.database.statements import Prepared
from muster.scim.attributes import Returned
from muster.scim.resources import ResourceType

logger = logging.getLogger(__name__)

LIMIT_WAITING = 30_000
LIMIT_WAIT_SECONDS = 30.0
LIMIT_BATCH = 500
BLOCKS = (64, 16, 4, 1)  # rows of one statement, the largest first
PLAIN_BLOCKS = (250, *BLOCKS)
LIMIT_KEPT_BYTES = 16_384
KEPT_CALLS = 1_000_000
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COLLECT_SECONDS = 0.2
CUT_AFTER_CALLS = 10_000
COLUMNS = tuple(column.name for column in calls.columns if not column.primary_key)
# Of a look-up that was answered nothing more is kept.
PLAIN_COLUMNS = COLUMNS[: COLUMNS.index("request_body")]
UNSHOWN = b"(not kept: it may hold a secret, such as a password)"
# Errors that repeat a value, with its attribute, and that repeat a path or a filter.
_CLASHING = b'"scimType":"uniqueness"'
_REPEATING = re.compile(rb'"scimType":"(?:invalidPath|invalidFilter|noTarget|mutability)"')


class ScimCall(NamedTuple):
    """One call as it came and was answered; `changes` is what it made of the customer's resources."""

    access: Access
    at: datetime
    user_agent: str | None
    method: str
    path: str
    status: int
    duration_us: int
    body: bytes
    answer: bytes
    changes: Sequence[ResourceChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall:
    """One call as it is shown; `before_body` and `after_body` are the resource before and after a change."""

    key: int
    at: datetime
    token_prefix: str
    client: str
    administrator: str | None
    user_agent: str | None
    method: str
    path: str
    status: int
    duration_us: int
    request_body: str | None
    answer_body: str | None
    before_body: str | None
    after_body: str | None
    error: str | None


class CallLog:
    """Writes calls: those that changed something before their answer, and where writes share commits within the
    transaction of the change, so that neither is kept without the other; all else in batches behind the answers, on a
    thread of its own."""

    def __init__(self, database: Database, writer: Writer, resource_types: Iterable[ResourceType] = ()) -> None:
        self._database = database
        self._writer = writer
        self._secrets = _pattern_of(resource_types)
        self._waiting: deque[ScimCall] = deque()
        self._ended = threading.Event()
        self._drained = threading.Condition()
        self._last_use: dict[int, datetime] = {}
        self._inserts = [(size, database.prepare(_insert_of(size, COLUMNS))) for size in BLOCKS]
        self._plain_inserts = [(size, database.prepare(_insert_of(size, PLAIN_COLUMNS))) for size in PLAIN_BLOCKS]
        self._encode_at = database.encoder_of(calls.c.at)
        oldest = sa.select(sa.func.max(calls.c.key) - KEPT_CALLS).scalar_subquery()
        self._cut = database.prepare(sa.delete(calls).where(calls.c.key <= oldest))
        self._use = database.prepare(
            sa.update(tokens).where(tokens.c.key == sa.bindparam("p_key")).values(last_used_at=sa.bindparam("p_at"))
        )
        self._since_cut = 0
        # Since the start of this process: calls, and how long their answers took, by status.
        self.counted: dict[int, int] = {}
        self.took_us: dict[int, int] = {}
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="call-log", daemon=True)
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether who hands over a call may soon have to wait."""
        return len(self._waiting) > LIMIT_WAITING // 2

    def add(self, call: ScimCall) -> None:
        """Hands over a call; waits when the log is tens of thousands of calls behind."""
        self._waiting.append(call)
        if len(self._waiting) > LIMIT_WAITING:
            with self._drained:
                self._drained.wait_for(lambda: len(self._waiting) <= LIMIT_WAITING, LIMIT_WAIT_SECONDS)

    def keep(self, call: ScimCall) -> None:
        """Writes a call in a transaction of its own, and counts it; its change is kept already."""
        try:
            self._writer.run(lambda connection: self.write([call], connection))
        except Exception as error:
            _tell_lost(1, error)
        self.count(((call.status, call.duration_us),))

    def count(self, answered: Iterable[tuple[int, int]]) -> None:
        """Counts answers that were given: status and microseconds of each. Calls that are added are counted anyway."""
        with self._counting:
            for status, took_us in answered:
                self.counted[status] = self.counted.get(status, 0) + 1
                self.took_us[status] = self.took_us.get(status, 0) + took_us

    def write(self, batch: Sequence[ScimCall], connection: Connection) -> None:
        """Writes calls in a transaction that is open, which keeps them; who commits it counts them."""
        for call in batch:
            self._last_use[call.access.token_key] = call.at
        self._insert(batch, connection)
        self._since_cut += len(batch)

    def close(self) -> None:
        """Writes what waits and ends the thread."""
        self._ended.set()
        self._thread.join()

    def read_calls(self, customer: Customer, *, before: int | None = None, count: int = 100) -> list[LoggedCall]:
        """The latest calls, the newest first; `before` is the key to go on from."""
        query = sa.select(calls).where(calls.c.customer_key == customer.key)
        if before is not None:
            place = sa.select(calls.c.at, calls.c.key).where(calls.c.key == before)
            query = query.where(sa.tuple_(calls.c.at, calls.c.key) < place.scalar_subquery())
        newest = calls.c.at.desc(), calls.c.key.desc()
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(*newest).limit(count)).all()
        return [
            LoggedCall(
                key=row.key,
                at=row.at,
                token_prefix=row.token_prefix,
                client=row.client,
                administrator=row.administrator,
                user_agent=row.user_agent,
                method=row.method,
                path=row.path,
                status=row.status,
                duration_us=row.duration_us,
                request_body=_text(row.request_body),
                answer_body=_text(row.answer_body),
                before_body=_text(row.before_body),
                after_body=_text(row.after_body),
                error=row.error,
            )
            for row in rows
        ]

    def _write_all(self) -> None:
        ended = False
        while not ended or self._waiting:
            ended = self._ended.wait(COLLECT_SECONDS)
            is_full = True
            while is_full and (self._waiting or self._last_use):
                # The few that come meanwhile wait for the next time: a commit of their own would cost as much.
                is_full = len(self._waiting) >= LIMIT_BATCH
                self._write([self._waiting.popleft() for _ in range(min(len(self._waiting), LIMIT_BATCH))])
                with self._drained:
                    self._drained.notify_all()

    def _write(self, batch: Sequence[ScimCall]) -> None:
        last_use, self._last_use = self._last_use, {}
        last_use.update((call.access.token_key, call.at) for call in batch)
        self._since_cut += len(batch)
        self.count((call.status, call.duration_us) for call in batch)

        def work(connection: Connection) -> None:
            self._insert(batch, connection)
            if self._since_cut >= CUT_AFTER_CALLS:
                self._cut.execute(on=connection)
            for key, at in last_use.items():
                self._use.execute({"p_key": key, "p_at": at}, on=connection)

        try:
            self._writer.run(work)
            self._since_cut %= CUT_AFTER_CALLS
        except Exception as error:
            # The answers were given: a call that cannot be logged must not end the log of the others.
            _tell_lost(len(batch), error)

    def _insert(self, batch: Sequence[ScimCall], connection: Connection) -> None:
        encode = self._encode_at
        plain, whole = [], []
        for call in batch:
            if call.status < 400 and call.method in READ_METHODS:
                plain.append(_plain_row(call, encode(call.at)))
            else:
                whole.append(_row(_without_secrets(call, self._secrets), encode(call.at)))
        _insert_rows(plain, self._plain_inserts, connection)
        _insert_rows(whole, self._inserts, connection)


def _tell_lost(count: int, error: Exception) -> None:
    outage = outage_of(error)
    known = "" if outage is None else f": {outage}"
    logger.error("%d SCIM calls could not be logged%s", count, known, exc_info=None if known else error)


Inserts = Sequence[tuple[int, Prepared]]


def _insert_rows(rows: Sequence[tuple[object, ...]], inserts: Inserts, connection: Connection) -> None:
    start = 0
    for size, insert in inserts:
        while len(rows) - start >= size:
            insert.execute_values(list(chain.from_iterable(rows[start : start + size])), on=connection)
            start += size


def _insert_of(size: int, columns: Sequence[str]) -> sa.Insert:
    """One statement for many rows: the thread that writes them gives way to others once, not at each row."""
    return sa.insert(calls).values(
        [
            {name: sa.bindparam(f"{name}_{index}", type_=bound_type(calls.c[name])) for name in columns}
            for index in range(size)
        ]
    )


def _plain_row(call: ScimCall, at: object) -> tuple[object, ...]:
    """The values of `PLAIN_COLUMNS`."""
    access, _, agent, method, path, status, duration_us, *_ = call
    return (
        access.customer.key,
        at,
        access.token_prefix,
        access.client,
        access.administrator,
        None if agent is None else agent[:200],
        method[:20],
        path[:2000],
        status,
        duration_us,
    )


def _row(call: ScimCall, at: object) -> tuple[object, ...]:
    """The values of `COLUMNS`."""
    is_read = call.method in READ_METHODS
    # The answer to a change is the resource after it.
    answer = b"" if is_read or call.changes else call.answer
    return (
        *_plain_row(call, at),
        None if is_read or not call.body else call.body[:LIMIT_KEPT_BYTES],
        answer[:LIMIT_KEPT_BYTES] or None,
        _kept([change.before for change in call.changes if change.before is not None]),
        _kept([change.after for change in call.changes if change.after is not None]),
        _error_of(call) if call.status >= 400 else None,
    )


def _kept(documents: Sequence[bytes]) -> bytes | None:
    """A line for each resource, as many whole ones as may be kept, and for how many more there were."""
    lines: list[bytes] = []
    room = LIMIT_KEPT_BYTES
    for document in documents:
        if lines and len(document) > room:
            lines.append(b"and %d more" % (len(documents) - len(lines)))
            break
        lines.append(document[:room])
        room -= len(document) + 1
    return b"\n".join(lines) or None


def _pattern_of(resource_types: Iterable[ResourceType]) -> re.Pattern[str] | None:
    """What finds the name of an attribute that is never shown, but the password, in lower case; None for no such."""
    held = [
        attribute
        for each in resource_types
        for schema in (each.schema, *(extension.schema for extension in each.extensions))
        for attribute in schema.attributes
    ]
    # A part is sent under the name of its whole, which others seldom share, as they do `value`.
    names = {
        each.name.lower()
        for each in held
        if any(item.returned is Returned.NEVER for item in (each, *each.sub_attributes))
    } - {"password"}
    if not names:
        return None
    # Before a name there may be a tab or the like, as JSON writes it.
    return re.compile(rf"(?:(?<![\w-])|(?<=\\[bfnrt]))(?:{'|'.join(map(re.escape, sorted(names)))})(?![\w-])")


def _without_secrets(call: ScimCall, names: re.Pattern[str] | None) -> ScimCall:
    """The call as it may be kept: nothing of a body, a filter or a resource that may hold what is never shown, nor of
    an error that repeats it."""
    hidden: dict[str, Any] = {}
    if "?" in call.path and _has_secret(unquote_plus(call.path).encode(), names):
        hidden["path"] = f"{call.path.partition('?')[0]}?{UNSHOWN.decode()}"
    if call.body and _has_secret(call.body, names):
        hidden["body"] = UNSHOWN
    if hidden and (_REPEATING.search(call.answer) or (_CLASHING in call.answer and _has_secret(call.answer, names))):
        hidden["answer"] = UNSHOWN
    if call.changes and names is not None:
        hidden["changes"] = [
            ResourceChange(before=_shown(each.before, names), after=_shown(each.after, names)) for each in call.changes
        ]
    return call._replace(**hidden) if hidden else call


def _shown(document: bytes | None, names: re.Pattern[str]) -> bytes | None:
    return UNSHOWN if document is not None and _has_secret(document, names) else document


def _has_secret(content: bytes, names: re.Pattern[str] | None) -> bool:
    """Whether it names a password or what else is never shown, however its letters are escaped."""
    if b"\\u" in content:
        try:
            content = orjson.dumps(orjson.loads(content))
        except orjson.JSONDecodeError:
            return True
    # As attributes are told apart: a Kelvin sign is a k.
    return b"password" in content.lower() or (
        names is not None and names.search(content.decode(errors="replace").lower()) is not None
    )


def _error_of(call: ScimCall) -> str | None:
    try:
        detail = orjson.loads(call.answer).get("detail")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return str(detail)[:1000]


def _text(content: bytes | None) -> str | None:
    return None if content is None else bytes(content).decode(errors="replace")
