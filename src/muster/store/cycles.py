"""Cycles and their staged operations on SQL. Every writing call checks the epoch in its own transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate

from muster.database.connection import Database, is_unique_violation
from muster.model.failures import FailureRecord, Fenced
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, Escrow, StagedOperation, StagedState
from muster.model.operation import OperationKind
from muster.ports.cycles import NewOperation, Settlement
from muster.ports.sharing import EndKind
from muster.store.census_tables import census, census_values
from muster.store.encoding import decode, decode_operation, decode_optional, encode, encode_optional
from muster.store.jobs import job_key
from muster.store.rows import pieces
from muster.store.settlements import SettlementWriter
from muster.store.tables import cycles, jobs, part_counts, staged

# What may have made an account, taken one over or changed it, though nobody knows what came of it.
TRYING = (OperationKind.CREATE.value, OperationKind.UPDATE.value, OperationKind.DISABLE.value)
# There is one of these at a time; plans and on-demand runs stand beside them.
_PASSES = frozenset({CycleKind.INITIAL, CycleKind.INCREMENTAL, CycleKind.RECONCILIATION, CycleKind.ROLLBACK})
_SUCCEEDED = frozenset({CycleState.SUCCEEDED, CycleState.ENTRY_LEVEL_ERRORS})
_ENDED = FailureRecord(
    code="Timeout",
    sentence="The cycle ended while the request was under way.",
    remedy="Nothing to do: the next cycle looks for the account, and tries again if it is still needed.",
)


class SqlCycles:
    """The CycleStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settlements = SettlementWriter(database)
        self._stage = database.prepare(
            sa.insert(staged).values({column.name: sa.bindparam(column.name) for column in staged.columns})
        )

    def begin(self, cycle: Cycle) -> None:
        """Keeps a new cycle. Raises Fenced when a pass of the job is running already."""
        try:
            with self._database.write() as connection:
                job = job_key(connection, cycle.job_id)
                is_pass = cycle.kind in _PASSES
                generation = connection.execute(sa.select(jobs.c.generation).where(jobs.c.key == job)).scalar_one()
                connection.execute(
                    sa.insert(cycles).values(
                        cycle_id=cycle.id,
                        job_key=job,
                        running_job_key=job if is_pass else None,
                        generation=generation,
                        kind=cycle.kind.value,
                        window_after=cycle.window_after,
                        window_until=cycle.window_until,
                        epoch=cycle.epoch,
                        began_at=cycle.began_at,
                        ended_at=cycle.ended_at,
                        state=cycle.state.value,
                        **_progress(cycle),
                    )
                )
                if is_pass:
                    connection.execute(
                        sa.update(jobs).where(jobs.c.key == job).values(last_cycle_began_at=cycle.began_at)
                    )
        except IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise Fenced(f"a cycle of job {cycle.job_id} is running already") from None

    def get(self, cycle_id: str) -> Cycle | None:
        """Returns a cycle."""
        with self._database.read() as connection:
            row = connection.execute(_CYCLE_BY_ID, {"id": cycle_id}).first()
        return None if row is None else cycle_from(row)

    def running(self, job_id: str) -> Cycle | None:
        """Returns the job's unfinished pass (initial, incremental or reconciliation)."""
        with self._database.read() as connection:
            row = connection.execute(_RUNNING_OF, {"job": job_id}).first()
        return None if row is None else cycle_from(row)

    def history(self, job_id: str, limit: int) -> Sequence[Cycle]:
        """Returns the job's cycles, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select_cycles().where(jobs.c.job_id == job_id).order_by(cycles.c.key.desc()).limit(limit)
            ).all()
        return [cycle_from(row) for row in rows]

    def counted_since(self, job_id: str, at: datetime) -> Counters:
        """Returns the sum of what the job's cycles counted that run or ended at or after an instant."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(cycles.c.counters)
                .join(jobs, jobs.c.key == cycles.c.job_key)
                .where(jobs.c.job_id == job_id, sa.or_(cycles.c.ended_at.is_(None), cycles.c.ended_at >= at))
            ).scalars()
            return sum((decode(row, Counters) for row in rows), Counters())

    def take_over(self, cycle_id: str) -> Cycle:
        """Raises the epoch by one and returns the cycle. Raises LookupError."""
        with self._database.write() as connection:
            connection.execute(sa.update(cycles).where(cycles.c.cycle_id == cycle_id).values(epoch=cycles.c.epoch + 1))
            row = connection.execute(_CYCLE_BY_ID, {"id": cycle_id}).first()
        if row is None:
            raise LookupError(f"there is no cycle {cycle_id}")
        return cycle_from(row)

    def stage(self, cycle: Cycle, operations: Sequence[NewOperation], settlements: Sequence[Settlement]) -> int:
        """Writes staged operations, settlements of what needs no request, and the checkpoint; returns the number of the
        first operation. Raises Fenced."""
        first = 0
        with self._database.write() as connection:
            held = hold_cycle(connection, cycle, **_progress(cycle))
            if operations:
                last = connection.execute(
                    sa.select(sa.func.max(staged.c.number)).where(staged.c.cycle_key == held.key)
                ).scalar()
                first = (last or 0) + 1
                rows = [
                    {
                        "cycle_key": held.key,
                        "number": number,
                        "wave": new.wave,
                        "state": new.state.value,
                        "kind": new.operation.kind.value,
                        "hold_code": new.hold_code,
                        "hold_reason": new.hold_reason,
                        "sender": None,
                        "operation": encode(new.operation),
                    }
                    for number, new in enumerate(operations, first)
                ]
                self._stage.execute_many(rows, on=connection)
            self._settlements.write(connection, held.key, held.job_key, settlements)
        return first

    def staged(
        self, cycle_id: str, state: StagedState, wave: int, limit: int, after: int = 0
    ) -> Sequence[StagedOperation]:
        """Returns staged operations in order, those with a number after the given one."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(staged)
                .join(cycles, cycles.c.key == staged.c.cycle_key)
                .where(
                    cycles.c.cycle_id == cycle_id,
                    staged.c.state == state.value,
                    staged.c.wave == wave,
                    staged.c.number > after,
                )
                .order_by(staged.c.number)
                .limit(limit)
            ).all()
        return [_staged_operation(row) for row in rows]

    def count_staged(self, cycle_id: str, state: StagedState, wave: int | None = None) -> Mapping[str, int]:
        """Returns how many staged operations there are by operation kind."""
        statement = (
            sa.select(staged.c.kind, sa.func.count())
            .join(cycles, cycles.c.key == staged.c.cycle_key)
            .where(cycles.c.cycle_id == cycle_id, staged.c.state == state.value)
            .group_by(staged.c.kind)
        )
        if wave is not None:
            statement = statement.where(staged.c.wave == wave)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}

    def mark(
        self, cycle: Cycle, numbers: Sequence[int], state: StagedState, hold_code: str | None, hold_reason: str | None
    ) -> None:
        """Moves staged operations to a state. Raises Fenced."""
        with self._database.write() as connection:
            held = hold_cycle(connection, cycle)
            for piece in pieces(numbers):
                connection.execute(
                    sa.update(staged)
                    .where(staged.c.cycle_key == held.key, staged.c.number.in_(piece))
                    .values(state=state.value, hold_code=hold_code, hold_reason=hold_reason)
                )

    def settle(self, cycle: Cycle, settlements: Sequence[Settlement]) -> None:
        """Writes outcomes and the cycle's counters in one transaction. Raises Fenced."""
        with self._database.write() as connection:
            held = hold_cycle(connection, cycle, counters=encode(cycle.counters), progressed_at=cycle.progressed_at)
            self._settlements.write(connection, held.key, held.job_key, settlements)

    def close(self, cycle: Cycle, watermark: int | None) -> None:
        """Ends a cycle; one that succeeded moves the watermark unless a restart was asked for meanwhile.

        A rollback clears it, however it ends: the source tells nothing of what was taken back, so that only an initial
        cycle finds it again. Of whoever may have been created, and was not looked up, the names wait with an escrow.
        Raises: Fenced.
        """
        with self._database.write() as connection:
            held = hold_cycle(
                connection,
                cycle,
                **_progress(cycle),
                state=cycle.state.value,
                ended_at=cycle.ended_at,
                running_job_key=None,
            )
            if cycle.kind in _PASSES:
                of_job = sa.update(jobs).where(jobs.c.key == held.job_key)
                connection.execute(of_job.values(last_cycle_ended_at=cycle.ended_at))
                if cycle.kind is CycleKind.ROLLBACK:
                    connection.execute(of_job.values(watermark=None, generation=jobs.c.generation + 1))
                elif watermark is not None and cycle.state in _SUCCEEDED:
                    connection.execute(of_job.where(jobs.c.generation == held.generation).values(watermark=watermark))
            if cycle.kind is not CycleKind.ROLLBACK:
                self._settlements.write(connection, held.key, held.job_key, _perhaps_made(connection, held.key, cycle))
            # What an administrator has yet to decide stands among the holds.
            for deletion in _WORK_OF_CYCLE:
                connection.execute(deletion, {"cycle": held.key})


def _perhaps_made(connection: Connection, key: int, cycle: Cycle) -> list[Settlement]:
    """Returns what is kept of requests that may have arrived: without their names a leaver would not be found."""
    at = cycle.ended_at or cycle.began_at
    found = connection.execute(
        sa.select(staged.c.operation)
        .where(
            staged.c.cycle_key == key,
            staged.c.state.in_((StagedState.SENDING.value, StagedState.OPEN.value)),
            staged.c.kind.in_(TRYING),
            # Refused for an account that is somebody else's: never to be taken for ours.
            staged.c.hold_code.is_distinct_from(EndKind.CONFLICT.value),
        )
        .order_by(staged.c.number)
    ).scalars()
    return [
        Settlement(
            kind=operation.object_kind,
            source_id=operation.source_id,
            unsure=tuple(change.attribute for change in operation.changes),
            escrow=Escrow(
                source_id=operation.source_id,
                kind=operation.object_kind.value,
                failure=_ENDED,
                attempts=1,
                first_failed_at=at,
                next_attempt_at=at,
                tried=tuple(dict.fromkeys((*operation.tried, *operation.tries))),
            ),
        )
        for operation in map(decode_operation, found)
    ]


def hold_cycle(connection: Connection, cycle: Cycle, **values: Any) -> Row[Any]:
    """Returns the cycle's keys, held for this transaction and with new values. Raises Fenced."""
    changed = {"epoch": cycle.epoch, **values}
    row = connection.execute(_hold(tuple(changed)), {"held_id": cycle.id, "held_epoch": cycle.epoch, **changed}).first()
    if row is None:
        raise Fenced(f"another process has taken over the cycle {cycle.id}")
    return row


@cache
def _hold(names: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Part of every commit of a cycle: made once for each set of columns."""
    return (
        sa.update(cycles)
        .where(cycles.c.cycle_id == sa.bindparam("held_id"), cycles.c.epoch == sa.bindparam("held_epoch"))
        .values({name: sa.bindparam(name, type_=cycles.c[name].type) for name in names})
        .returning(cycles.c.key, cycles.c.job_key, cycles.c.generation)
    )


def _progress(cycle: Cycle) -> dict[str, Any]:
    return {
        "phase": cycle.phase.value,
        "position": cycle.position,
        "counters": encode(cycle.counters),
        "progressed_at": cycle.progressed_at,
        "failure": encode_optional(cycle.failure),
        "complete": cycle.complete,
        "options": encode(dict(cycle.options)),
    }


def select_cycles() -> sa.Select[Any]:
    """Returns cycles with the ids of their jobs: rows for `cycle_from`."""
    return sa.select(cycles, jobs.c.job_id).join(jobs, jobs.c.key == cycles.c.job_key)


# Asked before every piece of a cycle, and of every job ten times a second: made once.
_CYCLE_BY_ID = select_cycles().where(cycles.c.cycle_id == sa.bindparam("id"))
_RUNNING_OF = select_cycles().where(jobs.c.job_id == sa.bindparam("job"), cycles.c.running_job_key.is_not(None))


# What a cycle needs no longer once it has ended.
_WORK_OF_CYCLE = [
    sa.delete(table).where(table.c.cycle_key == sa.bindparam("cycle"))
    for table in (census, census_values, staged, part_counts)
]


def cycle_from(row: Row[Any]) -> Cycle:
    """Returns a cycle as a row holds it."""
    return Cycle(
        id=row.cycle_id,
        job_id=row.job_id,
        kind=CycleKind(row.kind),
        state=CycleState(row.state),
        phase=CyclePhase(row.phase),
        position=row.position,
        window_after=row.window_after,
        window_until=row.window_until,
        epoch=row.epoch,
        counters=decode(row.counters, Counters),
        began_at=row.began_at,
        progressed_at=row.progressed_at,
        ended_at=row.ended_at,
        failure=decode_optional(row.failure, FailureRecord),
        complete=row.complete,
        options=decode(row.options, dict[str, str]),
    )


def _staged_operation(row: Row[Any]) -> StagedOperation:
    return StagedOperation(
        number=row.number,
        operation=decode_operation(row.operation),
        state=StagedState(row.state),
        hold_code=row.hold_code,
        hold_reason=row.hold_reason,
    )
