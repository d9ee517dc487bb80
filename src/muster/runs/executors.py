"""Which executors live: each process that carries out runs signs in, and counts on as long as it is there.

No clock is compared with another machine's, nor with itself before it was set: an executor is silent while its count
stands still, as long as whoever looks has watched it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from muster.database.connection import Database, serialize

_METADATA = MetaData()
_EXECUTORS = Table(
    "muster_executors",
    _METADATA,
    # In the order in which they signed in: the first who lives leads.
    Column("key", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("executor_id", String(64), nullable=False, unique=True),
    Column("beats", BigInteger, nullable=False),
)


class Executors:
    """The list of executors beside the runs. An executor that is not on it, or counts on no more, is dead."""

    def __init__(
        self,
        database: Database,
        *,
        silent_for: timedelta,
        unwatched_after: timedelta = timedelta.max,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`silent_for`: how long a count stands still before its executor is taken for dead; `unwatched_after`: who has
        not looked for so long begins anew with those that lived: while the database is away, nobody counts on;
        `elapsed`: seconds that have passed, by a clock that nobody sets."""
        self._database = database
        self._silent_seconds = silent_for.total_seconds()
        self._unwatched_seconds = unwatched_after.total_seconds()
        self._looked_at = 0.0
        self._elapsed = elapsed
        self._lock = threading.Lock()
        # By executor: the count as it was last seen, and since when it stands there.
        self._seen: dict[str, tuple[int, float]] = {}
        with database.write() as connection:
            serialize(connection, "executors")
            _METADATA.create_all(connection)

    def beat(self, executor_id: str) -> None:
        """Notes that an executor lives; one that was taken off the list comes back at its end."""
        with self._database.write() as connection:
            counted = connection.execute(
                update(_EXECUTORS).where(_EXECUTORS.c.executor_id == executor_id).values(beats=_EXECUTORS.c.beats + 1)
            )
            if counted.rowcount:
                return
        try:
            with self._database.write() as connection:
                connection.execute(insert(_EXECUTORS).values(executor_id=executor_id, beats=1))
        except IntegrityError:
            return  # another thread of this process was first

    def sign_out(self, *executor_ids: str) -> None:
        """Takes executors off the list: what they left may be taken up at once."""
        with self._database.write() as connection:
            connection.execute(delete(_EXECUTORS).where(_EXECUTORS.c.executor_id.in_(executor_ids)))

    def sign_out_others(self, executor_id: str) -> None:
        """Takes everybody else off: for a process that alone may use the database."""
        with self._database.write() as connection:
            connection.execute(delete(_EXECUTORS).where(_EXECUTORS.c.executor_id != executor_id))

    def living(self) -> list[str]:
        """Returns those that live, in the order of their signing in. Who looks for the first time takes all for so."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(_EXECUTORS.c.executor_id, _EXECUTORS.c.beats).order_by(_EXECUTORS.c.key)
            ).all()
        now = self._elapsed()
        with self._lock:
            known, self._seen = self._seen, {}
            if now - self._looked_at >= self._unwatched_seconds:
                # Whose silence was long enough before stays dead: it would lead, and nothing that is due begin.
                known = {
                    each: seen for each, seen in known.items() if self._looked_at - seen[1] >= self._silent_seconds
                }
            self._looked_at = now
            for executor_id, beats in rows:
                before = known.get(executor_id)
                self._seen[executor_id] = before if before is not None and before[0] == beats else (beats, now)
            return [each for each, _ in rows if now - self._seen[each][1] < self._silent_seconds]

    def dead_among(self, executor_ids: Iterable[str]) -> list[str]:
        """Returns those that live no more, sorted."""
        return sorted(set(executor_ids) - set(self.living()))

    def beats(self) -> dict[str, int]:
        """Returns how far each executor on the list has counted, whether it lives or not."""
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(select(_EXECUTORS.c.executor_id, _EXECUTORS.c.beats))}
