"""Held operations of a job on SQL: written by settlements, decided by administrators."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from muster.database.connection import Database, upsert
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import Hold, HoldCode, HoldFilter, HoldGroup, HoldState
from muster.ports.cycles import Settlement
from muster.store.encoding import decode_hold, encode
from muster.store.jobs import job_key
from muster.store.rows import pieces
from muster.store.tables import escrows, holds, links, reference_attributes, references

_DUE = FailureRecord(
    code="Approved",
    sentence="An administrator approved what was held.",
    remedy="Nothing to do: the next cycle sends it.",
)


class SqlHolds:
    """The HoldStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[tuple[str, str], Hold]:
        """Returns holds by source id and reference attribute ("" for the object itself)."""
        found: dict[tuple[str, str], Hold] = {}
        with self._database.read() as connection:
            job = job_key(connection, job_id)
            if not _has_holds(connection, job):
                return found
            for piece in pieces(source_ids):
                rows = connection.execute(
                    sa.select(holds).where(
                        holds.c.job_key == job, holds.c.kind == kind.value, holds.c.source_id.in_(piece)
                    )
                )
                found.update(((row.source_id, row.attribute), _hold(row)) for row in rows)
        return found

    def count(self, job_id: str) -> Mapping[HoldState, int]:
        """Returns how many holds there are by state."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(holds.c.state, sa.func.count())
                .where(holds.c.job_key == job_key(connection, job_id))
                .group_by(holds.c.state)
            )
            return {HoldState(state): count for state, count in rows}

    def list(self, job_id: str, wanted: HoldFilter, limit: int, after: str | None) -> tuple[Sequence[Hold], str | None]:
        """Returns holds in the order in which they came, and the key to go on after."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(holds)
                .where(*_conditions(job_key(connection, job_id), wanted), holds.c.key > int(after or 0))
                .order_by(holds.c.key)
                .limit(limit + 1)
            ).all()
        page = rows[:limit]
        return [_hold(row) for row in page], str(page[-1].key) if len(rows) > limit else None

    def groups(self, job_id: str, wanted: HoldFilter) -> Sequence[HoldGroup]:
        """Returns how many holds share a cause, the largest groups first."""
        of_group = (holds.c.state, holds.c.code, holds.c.cause_key, holds.c.operation_kind)
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(*of_group, sa.func.count().label("size"), sa.func.min(holds.c.key).label("first"))
                .where(*_conditions(job_key(connection, job_id), wanted))
                .group_by(*of_group)
                .order_by(sa.desc("size"), sa.asc("first"))
            ).all()
            samples: dict[int, Hold] = {}
            for piece in pieces(row.first for row in rows):
                found = connection.execute(sa.select(holds).where(holds.c.key.in_(piece)))
                samples.update((row.key, _hold(row)) for row in found)
        return [
            HoldGroup(
                state=HoldState(row.state),
                code=HoldCode(row.code),
                cause=samples[row.first].cause,
                operation_kind=row.operation_kind,
                count=row.size,
            )
            for row in rows
        ]

    def decide(self, job_id: str, wanted: HoldFilter, state: HoldState, by: str, at: datetime) -> int:
        """Approves or rejects what agrees with the filter, and returns how many that were; approved ones are due."""
        with self._database.write() as connection:
            job = job_key(connection, job_id)
            changed = connection.execute(
                sa.update(holds)
                .where(*_conditions(job, wanted))
                .values(state=state.value, decided_by=by, decided_at=at)
                .returning(holds.c.kind, holds.c.source_id)
            ).all()
            if state is HoldState.APPROVED:
                due = {
                    (row.kind, row.source_id): {
                        "job_key": job,
                        "source_id": row.source_id,
                        "kind": row.kind,
                        "code": _DUE.code,
                        "failure": encode(_DUE),
                        "attempts": 0,
                        "first_failed_at": at,
                        "next_attempt_at": at,
                        "tried": None,
                    }
                    for row in changed
                }
                # What waits there already knows under which names an account may have been made.
                keys = ("job_key", "source_id", "kind")
                upsert(connection, escrows, list(due.values()), keys=keys, update=("next_attempt_at",))
        return len(changed)

    def end_settled(self, job_id: str) -> int:
        """Ends holds of references that differ no more: members came back, or the group is gone. Returns how many."""
        still_open = sa.exists(
            sa.select(references.c.owner_key)
            .join(links, links.c.key == references.c.owner_key)
            .join(reference_attributes, reference_attributes.c.key == references.c.attribute_key)
            .where(
                references.c.open_job_key == holds.c.job_key,
                links.c.job_key == holds.c.job_key,
                links.c.kind == holds.c.kind,
                links.c.source_id == holds.c.source_id,
                reference_attributes.c.name == holds.c.attribute,
            )
        )
        with self._database.write() as connection:
            job = job_key(connection, job_id)
            if not _has_holds(connection, job):
                return 0
            statement = sa.delete(holds).where(holds.c.job_key == job, holds.c.attribute != "", sa.not_(still_open))
            return int(connection.execute(statement).rowcount)


def write_holds(connection: Connection, job: int, settlements: Sequence[Settlement]) -> None:
    """Writes what settlements say is held; what was held of an object or reference ends once it is settled."""
    kept = {
        (one.hold.kind.value, one.hold.source_id, one.hold.attribute): _row(job, one.hold)
        for one in settlements
        if one.hold is not None
    }
    if _has_holds(connection, job):
        _end(connection, job, settlements)
    upsert(connection, holds, list(kept.values()), keys=("job_key", "kind", "source_id", "attribute"))


def _end(connection: Connection, job: int, settlements: Sequence[Settlement]) -> None:
    ended = [
        {"at_job": job, "at_kind": one.kind.value, "at_source": one.source_id, "at_attribute": attribute}
        for one in settlements
        if one.hold is None and not one.keeps_hold
        for attribute in (
            [""] if one.clear_escrow else sorted({each.attribute for each in one.references if not each.unsure})
        )
    ]
    if ended:
        connection.execute(
            sa.delete(holds).where(
                holds.c.job_key == sa.bindparam("at_job"),
                holds.c.kind == sa.bindparam("at_kind"),
                holds.c.source_id == sa.bindparam("at_source"),
                holds.c.attribute == sa.bindparam("at_attribute"),
            ),
            ended,
        )


def _has_holds(connection: Connection, job: int) -> bool:
    return connection.execute(sa.select(holds.c.key).where(holds.c.job_key == job).limit(1)).first() is not None


def _row(job: int, hold: Hold) -> dict[str, Any]:
    operation = hold.operation
    identity = (operation.source_name, operation.target_name, operation.source_id, operation.target_id)
    return {
        "hold_id": hold.id,
        "job_key": job,
        "kind": hold.kind.value,
        "source_id": hold.source_id,
        "attribute": hold.attribute,
        "state": hold.state.value,
        "code": hold.code.value,
        "operation_kind": operation.kind.value,
        "cause_key": hold.cause.key if hold.cause is not None else None,
        "identity": "\n".join(part.casefold() for part in identity if part),
        "hold": encode(hold),
        "decided_by": hold.decided_by,
        "decided_at": hold.decided_at,
    }


def _conditions(job: int, wanted: HoldFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        holds.c.job_key == job,
        holds.c.state.in_([state.value for state in wanted.states]),
    ]
    if wanted.ids is not None:
        conditions.append(holds.c.hold_id.in_(wanted.ids))
    if wanted.code is not None:
        conditions.append(holds.c.code == wanted.code.value)
    if wanted.cause is not None:
        conditions.append(holds.c.cause_key == wanted.cause)
    if wanted.operation_kind is not None:
        conditions.append(holds.c.operation_kind == wanted.operation_kind)
    if wanted.object_kind is not None:
        conditions.append(holds.c.kind == wanted.object_kind.value)
    if wanted.identity:
        conditions.append(holds.c.identity.contains(wanted.identity.casefold(), autoescape=True))
    return conditions


def _hold(row: Row[Any]) -> Hold:
    return replace(
        decode_hold(row.hold), state=HoldState(row.state), decided_by=row.decided_by, decided_at=row.decided_at
    )
