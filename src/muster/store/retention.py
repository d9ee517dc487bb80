"""Dropping of old records on SQL, a small batch a transaction, so that nobody who writes waits for long."""

from datetime import datetime

import sqlalchemy as sa

from muster.database.connection import Database
from muster.model.job import CycleState, StagedState
from muster.model.notice import DeliveryState
from muster.ports.retention import Kept
from muster.store.operator_tables import deliveries, feed_marks, notices, wire
from muster.store.plan_tables import plans
from muster.store.plans import CUT_AT_ONCE, UNFINISHED, cut_operations
from muster.store.sign_in_tables import sign_ins
from muster.store.tables import audit, cycles, log, staged, work

_ENDED_WORK = ("done", "failed")
_OPEN = sa.exists().where(
    staged.c.cycle_key == cycles.c.key,
    staged.c.state.in_(
        [each.value for each in (StagedState.HELD, StagedState.RELEASED, StagedState.SENDING, StagedState.OPEN)]
    ),
)
_UNTOLD = sa.exists().where(deliveries.c.notice_key == notices.c.key, deliveries.c.state == DeliveryState.WAITING.value)
# kind -> table, column of its age, and what is not dropped however old.
_RECORDS: dict[Kept, tuple[sa.Table, sa.Column[datetime], sa.ColumnElement[bool]]] = {
    Kept.LOG: (log, log.c.at, sa.true()),
    Kept.AUDIT: (audit, audit.c.at, sa.true()),
    Kept.CYCLES: (cycles, cycles.c.ended_at, sa.and_(cycles.c.state != CycleState.RUNNING.value, ~_OPEN)),
    Kept.PLANS: (plans, plans.c.made_at, sa.true()),
    Kept.WORK: (work, work.c.asked_at, work.c.state.in_(_ENDED_WORK)),
    Kept.NOTICES: (notices, notices.c.at, sa.and_(notices.c.addressed, ~_UNTOLD)),
    Kept.WIRE: (wire, wire.c.at, sa.true()),
    Kept.SIGN_INS: (sign_ins, sign_ins.c.at, sa.true()),
    Kept.FEED_MARKS: (feed_marks, feed_marks.c.at, sa.true()),
}


class SqlRecords:
    """The RecordStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def drop_older(self, kind: Kept, than: datetime, limit: int) -> int:
        """Drops up to so many records from before an instant, the oldest first, at once; returns how many."""
        table, age, is_over = _RECORDS[kind]
        (key,) = table.primary_key.columns
        oldest = sa.select(key).where(age < than, is_over).order_by(age).limit(limit)
        with self._database.read() as connection:
            # Looking takes no lock: most times there is nothing to drop.
            keys = list(connection.execute(oldest).scalars())
        if not keys:
            return 0
        with self._database.write() as connection:
            if kind is Kept.PLANS:
                # Nobody sees or applies what is not whole any more.
                connection.execute(sa.update(plans).where(plans.c.key.in_(keys)).values(hash=UNFINISHED))
                # What hangs on them goes before them, as many at once as others can wait for.
                for each in keys:
                    if (cut := cut_operations(connection, each)) == CUT_AT_ONCE:
                        return cut
            dropped = sa.delete(table).where(key.in_(sa.bindparam("keys", expanding=True)), is_over)
            return connection.execute(dropped, {"keys": keys}).rowcount
