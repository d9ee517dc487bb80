"""Work that faces and commands ask of the engine process, on SQL."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database, serialize
from muster.ports.administration import Work, WorkKind
from muster.store.encoding import decode, encode, encode_optional, frozen_attributes
from muster.store.tables import cycles, jobs
from muster.store.tables import work as queue

_QUEUED = "queued"
_RUNNING = "running"
_FAILED = "failed"
# In the payload of what was queued again: what ends its engine each time would else come back for ever.
_AGAIN = "again"
# Imports follow each other: that of a piece which was running just now is among the last.
_CYCLES_LOOKED_AT = 100


class SqlWorkQueue:
    """The WorkQueue on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._any_queued = database.prepare(
            sa.select(queue.c.key)
            .where(*_to_take(sa.bindparam("engine_id", type_=sa.Text), sa.bindparam("spared", type_=sa.Text)))
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
        """Marks the oldest queued piece as running here and returns it; none of a kind that is `spared`, and no import
        while another engine is at one."""
        left = spared.value if spared is not None else ""
        if self._any_queued.fetch_one({"engine_id": engine_id, "spared": left}) is None:
            # Asked many times a second: looking does not wait for other writers.
            return None
        with self._database.write() as connection:
            # One after the other, or two engines would each see that nobody is at an import.
            serialize(connection, "work")
            oldest = (
                sa.select(queue.c.key).where(*_to_take(sa.literal(engine_id), sa.literal(left))).order_by(queue.c.key)
            ).limit(1)
            row = connection.execute(
                sa.update(queue)
                .where(queue.c.key == oldest.scalar_subquery())
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
        running, for an engine that is surely alone. An import of which no cycle has begun is queued again, once."""
        theirs = [queue.c.state == _RUNNING]
        if engine_ids is not None:
            theirs.append(queue.c.engine_id.in_(engine_ids))
        with self._database.write() as connection:
            imports = sa.select(queue).where(*theirs, queue.c.kind == WorkKind.IMPORT.value)
            for row in connection.execute(imports).all():
                work = decode(row.work, Work)
                if not work.payload.get(_AGAIN) and not _has_begun(connection, work):
                    again = replace(work, payload={**work.payload, _AGAIN: True})
                    values = {"state": _QUEUED, "engine_id": None, "work": encode(again)}
                    connection.execute(sa.update(queue).where(queue.c.key == row.key).values(values))
            failed = sa.update(queue).where(*theirs).values(state=_FAILED, answer=encode(answer))
            return connection.execute(failed).rowcount


def _to_take(engine_id: sa.ColumnElement[str], spared: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
    others = queue.alias("others")
    is_at_import = sa.exists().where(
        others.c.state == _RUNNING, others.c.kind == WorkKind.IMPORT.value, others.c.engine_id != engine_id
    )
    return (
        queue.c.state == _QUEUED,
        queue.c.kind != spared,
        sa.or_(queue.c.kind != WorkKind.IMPORT.value, sa.not_(is_at_import)),
    )


def _has_begun(connection: Connection, work: Work) -> bool:
    """Whether a cycle has taken up an import's file: it goes on by itself."""
    latest = (
        sa.select(cycles.c.options)
        .join(jobs, jobs.c.key == cycles.c.job_key)
        .where(jobs.c.job_id == work.job_id)
        .order_by(cycles.c.key.desc())
        .limit(_CYCLES_LOOKED_AT)
    )
    options = (decode(found, dict[str, str]) for found in connection.scalars(latest))
    return any(each.get("file") == work.payload.get("file") for each in options)


def _work(row: Row[Any]) -> Work:
    work = decode(row.work, Work)
    return replace(
        work,
        state=row.state,
        payload=frozen_attributes(work.payload),
        answer=None if row.answer is None else decode(row.answer, dict[str, Any]),
    )
