"""Work that faces and commands ask of the engine process, on SQL."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from muster.database.connection import Database
from muster.ports.administration import Work, WorkKind
from muster.store.encoding import decode, encode, encode_optional, frozen_attributes
from muster.store.tables import work as queue

_QUEUED = "queued"
_RUNNING = "running"
_FAILED = "failed"


class SqlWorkQueue:
    """The WorkQueue on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._any_queued = database.prepare(
            sa.select(queue.c.key)
            .where(queue.c.state == sa.bindparam("state"), queue.c.kind != sa.bindparam("spared"))
            .limit(1)
        )

    def add(self, *works: Work) -> None:
        """Queues pieces of work in their order: all of them or none."""
        with self._database.write() as connection:
            for work in works:
                connection.execute(
                    sa.insert(queue).values(
                        work_id=work.id,
                        asked_at=work.asked_at,
                        kind=work.kind.value,
                        state=work.state,
                        work=encode(work),
                        answer=encode_optional(work.answer),
                    )
                )

    def get(self, work_id: str) -> Work | None:
        """Returns a piece of work as it stands."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(queue).where(queue.c.work_id == work_id)).first()
        return None if row is None else _work(row)

    def waiting(self, kind: WorkKind) -> int:
        """Returns how many pieces of a kind nobody has taken yet."""
        of_kind = queue.c.state == _QUEUED, queue.c.kind == kind.value
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(queue).where(*of_kind)).scalar_one())

    def take(self, engine_id: str, *, spared: WorkKind | None = None) -> Work | None:
        """Marks the oldest queued piece as running here and returns it; none of a kind that is `spared`."""
        left = spared.value if spared is not None else ""
        if self._any_queued.fetch_one({"state": _QUEUED, "spared": left}) is None:
            # Asked many times a second: looking does not wait for other writers.
            return None
        with self._database.write() as connection:
            oldest = (
                sa.select(queue.c.key)
                .where(queue.c.state == _QUEUED, queue.c.kind != left)
                .order_by(queue.c.key)
                .limit(1)
                # On PostgreSQL engines pass by what another one is taking.
                .with_for_update(skip_locked=True)
            ).scalar_subquery()
            row = connection.execute(
                sa.update(queue)
                .where(queue.c.key == oldest)
                .values(state=_RUNNING, engine_id=engine_id)
                .returning(queue)
            ).first()
        return None if row is None else _work(row)

    def finish(self, work_id: str, state: str, answer: Mapping[str, Any]) -> None:
        """Notes the answer. Raises LookupError."""
        with self._database.write() as connection:
            changed = connection.execute(
                sa.update(queue).where(queue.c.work_id == work_id).values(state=state, answer=encode(answer))
            )
            if changed.rowcount == 0:
                raise LookupError(f"there is no piece of work {work_id}")

    def engines(self) -> Collection[str]:
        """Returns the engines that are at a piece of work."""
        statement = sa.select(queue.c.engine_id).where(queue.c.state == _RUNNING).distinct()
        with self._database.read() as connection:
            return frozenset(found for found in connection.scalars(statement) if found is not None)

    def abandon(self, answer: Mapping[str, Any], engine_ids: Collection[str] | None = None) -> int:
        """Ends as failed whatever these engines were at, and returns how many that were; without them all that is
        running, for an engine that is surely alone."""
        statement = sa.update(queue).where(queue.c.state == _RUNNING)
        if engine_ids is not None:
            statement = statement.where(queue.c.engine_id.in_(engine_ids))
        with self._database.write() as connection:
            return connection.execute(statement.values(state=_FAILED, answer=encode(answer))).rowcount


def _work(row: Row[Any]) -> Work:
    work = decode(row.work, Work)
    return replace(
        work,
        state=row.state,
        payload=frozen_attributes(work.payload),
        answer=None if row.answer is None else decode(row.answer, dict[str, Any]),
    )
