"""The wire log on SQL."""

import itertools
from collections.abc import Sequence

import sqlalchemy as sa

from muster.database.connection import Database
from muster.model.wire import WireExchange
from muster.store.encoding import decode, encode
from muster.store.operator_tables import wire

KEPT_A_JOB = 2_000
_TRIM_EVERY = 100


class SqlWireLog:
    """The WireLog on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = itertools.count(1)

    def record(self, exchange: WireExchange) -> None:
        """Keeps an exchange; the oldest of the job goes once there are too many."""
        row = {
            "at": exchange.at,
            "job_id": exchange.job_id,
            "source_id": exchange.source_id,
            "exchange": encode(exchange),
        }
        with self._database.write() as connection:
            connection.execute(sa.insert(wire).values(row))
            if next(self._count) % _TRIM_EVERY == 0:
                first = (
                    sa.select(wire.c.key)
                    .where(wire.c.job_id == exchange.job_id)
                    .order_by(wire.c.key.desc())
                    .offset(KEPT_A_JOB)
                    .limit(1)
                ).scalar_subquery()
                connection.execute(sa.delete(wire).where(wire.c.job_id == exchange.job_id, wire.c.key <= first))

    def recent(self, job_id: str, source_id: str | None, limit: int) -> Sequence[WireExchange]:
        """Returns exchanges of a job, or of one object of it, newest first."""
        statement = sa.select(wire.c.exchange).where(wire.c.job_id == job_id)
        if source_id is not None:
            statement = statement.where(wire.c.source_id == source_id)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(wire.c.key.desc()).limit(limit)).all()
        return [decode(row.exchange, WireExchange) for row in rows]
