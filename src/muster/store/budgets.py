"""One rate for all engines that call a target: each leases the next stretch of time, in which it alone sends."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from muster.database.columns import server_seconds
from muster.database.connection import Database, upsert
from muster.store.tables import budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A leased stretch, in seconds of the server's clock."""

    asked_at: float
    begins_at: float
    ends_at: float


class SqlBudget:
    """The budget of one target; implements `targets.pace.Budget`."""

    def __init__(self, database: Database, address: str) -> None:
        """`address`: where the target is; jobs with the same one share its rate."""
        self._database = database
        self._target = hashlib.blake2b(address.strip().rstrip("/").lower().encode(), digest_size=16).hexdigest()
        with database.write() as connection:
            upsert(connection, budgets, {"target": self._target, "due": 0.0}, keys=("target",), update=())

    def lease(self, duration: timedelta) -> timedelta:
        """Returns how long to wait for a stretch of time of this length, which is the caller's alone."""
        stretch = self.lease_stretch(duration)
        return timedelta(seconds=max(0.0, stretch.begins_at - stretch.asked_at))

    def lease_stretch(self, duration: timedelta) -> Stretch:
        """Returns the stretch itself."""
        seconds = duration.total_seconds()
        with self._database.write() as connection:
            # The row is locked by whoever is first; the time is read after that.
            row = budgets.c.target == self._target
            due = connection.execute(sa.select(budgets.c.due).where(row).with_for_update()).scalar_one()
            now = float(connection.execute(sa.select(server_seconds(connection))).scalar_one())
            begins_at = max(float(due), now)
            connection.execute(sa.update(budgets).where(row).values(due=begins_at + seconds))
        return Stretch(asked_at=now, begins_at=begins_at, ends_at=begins_at + seconds)

    def pause(self, duration: timedelta) -> None:
        """Gives nothing away for so long: the target has asked for a pause."""
        with self._database.write() as connection:
            row = budgets.c.target == self._target
            due = connection.execute(sa.select(budgets.c.due).where(row).with_for_update()).scalar_one()
            now = float(connection.execute(sa.select(server_seconds(connection))).scalar_one())
            until = max(float(due), now + duration.total_seconds())
            connection.execute(sa.update(budgets).where(row).values(due=until))
