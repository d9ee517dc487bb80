"""The wire log on SQL."""

import itertools
from collections.abc import Sequence

import sqlalchemy as sa

from muster.database.connection import Database
from muster.model.wire import WireExchange, WireKind
from muster.store.encoding import decode, encode
from muster.store.operator_tables import wire

KEPT_A_JOB = 2_000
_TRIM_EVERY = 100
_OF_KIND = {
    WireKind.FAILED: sa.or_(wire.c.status.is_(None), wire.c.status >= 400),
    WireKind.WRITES: wire.c.method != "GET",
    WireKind.WAITS: wire.c.status == 429,
}


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
            "cycle_id": exchange.cycle_id,
            "method": exchange.method,
            "status": exchange.status,
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

    def recent(
        self,
        job_id: str,
        source_id: str | None,
        limit: int,
        *,
        cycle_id: str | None = None,
        kind: WireKind | None = None,
    ) -> Sequence[WireExchange]:
        """Returns exchanges of a job, or of one object or cycle of it, newest first."""
        statement = sa.select(wire.c.exchange).where(wire.c.job_id == job_id, *_narrowed(cycle_id, kind))
        if source_id is not None:
            statement = statement.where(wire.c.source_id == source_id)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(wire.c.key.desc()).limit(limit)).all()
        return [decode(row.exchange, WireExchange) for row in rows]

    def count(self, job_id: str, cycle_id: str, kind: WireKind | None = None) -> int:
        """Returns how many exchanges of a cycle are kept."""
        statement = sa.select(sa.func.count()).select_from(wire).where(wire.c.job_id == job_id)
        with self._database.read() as connection:
            return int(connection.execute(statement.where(*_narrowed(cycle_id, kind))).scalar_one())


def _narrowed(cycle_id: str | None, kind: WireKind | None) -> list[sa.ColumnElement[bool]]:
    # A job keeps few enough to look through.
    found = [] if cycle_id is None else [wire.c.cycle_id == cycle_id]
    return found if kind is None else [*found, _OF_KIND[kind]]
