"""Which executors live: each process that carries out runs signs in, and beats as long as it is there."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, MetaData, String, Table, delete, select

from muster.database.columns import Instant
from muster.database.connection import Database, upsert

_METADATA = MetaData()
_EXECUTORS = Table(
    "muster_executor",
    _METADATA,
    Column("executor_id", String(64), primary_key=True),
    Column("beat_at", Instant, nullable=False),
)


class Executors:
    """The list of executors beside the runs. An executor that is not on it, or beats no more, is dead."""

    def __init__(self, database: Database, *, silent_for: timedelta) -> None:
        self._database = database
        self._silent_for = silent_for
        with database.write() as connection:
            _METADATA.create_all(connection)

    def beat(self, executor_id: str) -> None:
        """Notes that an executor lives."""
        with self._database.write() as connection:
            upsert(
                connection,
                _EXECUTORS,
                {"executor_id": executor_id, "beat_at": datetime.now(UTC)},
                keys=("executor_id",),
            )

    def sign_out(self, executor_id: str) -> None:
        """Takes an executor off the list: what it left may be taken up at once."""
        with self._database.write() as connection:
            connection.execute(delete(_EXECUTORS).where(_EXECUTORS.c.executor_id == executor_id))

    def sign_out_others(self, executor_id: str) -> None:
        """Takes everybody else off: for a process that alone may use the database."""
        with self._database.write() as connection:
            connection.execute(delete(_EXECUTORS).where(_EXECUTORS.c.executor_id != executor_id))

    def dead_among(self, executor_ids: Iterable[str]) -> list[str]:
        """Returns those that live no more, sorted."""
        since = datetime.now(UTC) - self._silent_for
        with self._database.read() as connection:
            living = set(connection.scalars(select(_EXECUTORS.c.executor_id).where(_EXECUTORS.c.beat_at >= since)))
        return sorted(set(executor_ids) - living)
