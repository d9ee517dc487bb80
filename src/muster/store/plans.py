"""Stored plans on SQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from muster.database.connection import Database
from muster.model.job import Plan
from muster.store.encoding import decode_plan, encode
from muster.store.tables import plans

_LEAST_DIGITS = 8


class SqlPlans:
    """The PlanStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, plan: Plan) -> None:
        """Keeps a plan."""
        with self._database.write() as connection:
            connection.execute(
                sa.insert(plans).values(
                    plan_id=plan.id,
                    job_id=plan.job_id,
                    hash=plan.hash,
                    made_at=plan.made_at,
                    applied_at=plan.applied_at,
                    plan=encode(plan),
                )
            )

    def get(self, name: str) -> Plan | None:
        """Returns a plan by id, hash or a beginning of the hash (8 digits or more) that only one hash has.

        The same plan made twice has one hash: the newer one is given.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(plans).where(plans.c.plan_id == name)).first()
            if row is None and len(name) >= _LEAST_DIGITS:
                beginning = name.lower()
                rows = connection.execute(
                    sa.select(plans)
                    .where(plans.c.hash >= beginning, plans.c.hash < beginning + "\U0010ffff")
                    .order_by(plans.c.key.desc())
                    .limit(100)
                ).all()
                row = rows[0] if len({found.hash for found in rows}) == 1 else None
        return None if row is None else _plan(row)

    def list(self, job_id: str, limit: int, after: str | None = None) -> tuple[Sequence[Plan], str | None]:
        """Returns the job's plans, newest first, and the key to go on after."""
        statement = sa.select(plans).where(plans.c.job_id == job_id)
        if after is not None:
            statement = statement.where(plans.c.key < int(after))
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(plans.c.key.desc()).limit(limit + 1)).all()
        page = rows[:limit]
        return [_plan(row) for row in page], str(page[-1].key) if len(rows) > limit else None

    def mark_applied(self, plan_id: str, at: datetime) -> None:
        """Notes that a plan was applied. Raises LookupError."""
        with self._database.write() as connection:
            changed = connection.execute(sa.update(plans).where(plans.c.plan_id == plan_id).values(applied_at=at))
            if changed.rowcount == 0:
                raise LookupError(f"there is no plan {plan_id}")


def _plan(row: Row[Any]) -> Plan:
    return replace(decode_plan(row.plan), applied_at=row.applied_at)
