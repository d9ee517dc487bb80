"""Parts of cycles on SQL: claimed with SKIP LOCKED, so that no two engines wait for each other or take the same."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from muster.database.connection import Database
from muster.model.copies import replace
from muster.model.failures import Fenced
from muster.model.job import Counters, Cycle, ScheduleState, StagedOperation, StagedState
from muster.ports.sharing import SHARED_WAVE, EndKind, OpenEnd, PartEnd, Standing
from muster.store.cycles import cycle_from, hold_cycle, select_cycles
from muster.store.encoding import decode, decode_operation, encode
from muster.store.rows import pieces
from muster.store.settlements import SettlementWriter
from muster.store.tables import cycles, jobs, part_counts, staged

_RELEASED, _SENDING, _OPEN = (each.value for each in (StagedState.RELEASED, StagedState.SENDING, StagedState.OPEN))


class SqlShares:
    """The ShareStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settlements = SettlementWriter(database)

    def offers(self) -> Sequence[Cycle]:
        """Returns running cycles of started jobs of which something waits to be claimed."""
        with self._database.read() as connection:
            return [cycle_from(row) for row in connection.execute(_OFFERS)]

    def claim(self, cycle: Cycle, sender: str | None, limit: int) -> Sequence[StagedOperation]:
        """Returns the next operations, marked as being sent by the claimer alone; none by an epoch that is over.

        Raises: Fenced, for the engine that carried the cycle before.
        """
        with self._database.write() as connection:
            key = hold_cycle(connection, cycle).key if sender is None else _key_of(connection, cycle.id)
            # Asked in the same statement: what is given back to a cycle that ends is nobody's.
            is_current = sa.exists().where(cycles.c.key == key, cycles.c.epoch == cycle.epoch)
            free = (
                sa.select(staged.c.number)
                .where(*_shared(key), staged.c.state == _RELEASED, is_current)
                .order_by(staged.c.number)
                .limit(limit)
                .with_for_update(skip_locked=True)
                .cte("free")
            )
            rows = connection.execute(
                sa.update(staged)
                .where(staged.c.cycle_key == key, staged.c.number.in_(sa.select(free.c.number)))
                .values(state=_SENDING, sender=sender)
                .returning(staged.c.number, staged.c.operation)
            ).all()
        return [_operation(row, StagedState.SENDING) for row in sorted(rows)]

    def end_part(self, cycle: Cycle, sender: str | None, end: PartEnd) -> None:
        """Writes what came of a part in one transaction. Raises: Fenced, writing nothing, when it is another's now."""
        numbers = sorted(end.numbers())
        with self._database.write() as connection:
            if sender is None:
                hold_cycle(connection, cycle)
            key, job_key = _keys_of(connection, cycle.id)
            operations = self._mine(connection, key, sender, numbers)
            if len(operations) < len(numbers):
                raise Fenced(f"what was sent for the cycle {cycle.id} has been taken over")
            self._settlements.write(connection, key, job_key, end.settlements)
            for piece in pieces(end.untried):
                _move(connection, key, piece, state=_RELEASED, sender=None)
            for each in end.open_ends:
                # The failure goes with the operation until the end is known.
                kept = replace(decode_operation(operations[each.number]), failure=each.failure)
                _move(
                    connection,
                    key,
                    [each.number],
                    state=_OPEN,
                    sender=None,
                    hold_code=each.kind.value,
                    operation=encode(kept),
                )
            if end.counters != Counters():
                counted = encode(end.counters)
                connection.execute(sa.insert(part_counts).values(cycle_key=key, counters=counted))

    def _mine(self, connection: Connection, key: int, sender: str | None, numbers: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for piece in pieces(numbers):
            rows = connection.execute(
                sa.select(staged.c.number, staged.c.operation)
                .where(
                    staged.c.cycle_key == key,
                    staged.c.number.in_(piece),
                    staged.c.state == _SENDING,
                    staged.c.sender.is_not_distinct_from(sender),
                )
                .order_by(staged.c.number)
                .with_for_update()
            )
            found.update((number, operation) for number, operation in rows)
        return found

    def standing(self, cycle_id: str) -> Standing:
        """Returns how far the cycle's shared operations are."""
        with self._database.read() as connection:
            rows = connection.execute(_STANDING, {"cycle": cycle_id}).all()
        return Standing(
            released=sum(row.many for row in rows if row.state == _RELEASED),
            open_ends=sum(row.many for row in rows if row.state == _OPEN),
            senders=frozenset(row.sender for row in rows if row.state == _SENDING),
        )

    def interrupt(self, cycle_id: str, senders: Collection[str | None]) -> None:
        """Takes what these senders left: its end is open, but what was a conflict stays one."""
        with self._database.write() as connection:
            for sender in senders:
                connection.execute(
                    sa.update(staged)
                    .where(
                        *_shared(_key_of(connection, cycle_id)),
                        staged.c.state == _SENDING,
                        staged.c.sender.is_not_distinct_from(sender),
                    )
                    .values(state=_OPEN, sender=None, hold_code=_ONCE_INTERRUPTED)
                )

    def open_ends(self, cycle_id: str, limit: int) -> Sequence[tuple[StagedOperation, OpenEnd]]:
        """Returns operations whose end is open, in order."""
        found = []
        for row in self._rows(cycle_id, StagedState.OPEN, limit=limit):
            operation = decode_operation(row.operation)
            end = OpenEnd(number=row.number, kind=EndKind(row.hold_code), failure=operation.failure)
            item = StagedOperation(
                number=row.number, operation=replace(operation, failure=None), state=StagedState.OPEN
            )
            found.append((item, end))
        return found

    def withdraw(self, cycle_id: str, source_ids: Collection[str]) -> Collection[str]:
        """Takes back what waits to be claimed for these objects; returns those something is being sent for."""
        if not source_ids:
            return frozenset()
        waiting: dict[int, str] = {}
        being_sent: set[str] = set()
        for row in self._rows(cycle_id, StagedState.RELEASED, StagedState.SENDING):
            source_id = decode_operation(row.operation).source_id
            if source_id not in source_ids:
                continue
            if row.state == _SENDING:
                being_sent.add(source_id)
            else:
                waiting[row.number] = source_id
        if not waiting:
            return being_sent
        with self._database.write() as connection:
            key = _key_of(connection, cycle_id)
            for piece in pieces(list(waiting)):
                withdrawn = connection.execute(
                    sa.update(staged)
                    .where(staged.c.cycle_key == key, staged.c.number.in_(piece), staged.c.state == _RELEASED)
                    .values(state=StagedState.REJECTED.value)
                    .returning(staged.c.number)
                ).scalars()
                # What was claimed meanwhile is being sent.
                being_sent.update(waiting[number] for number in set(piece).difference(withdrawn))
        return being_sent

    def retract(self, cycle_id: str) -> None:
        """Takes back all that waits to be claimed."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(staged)
                .where(*_shared(_key_of(connection, cycle_id)), staged.c.state == _RELEASED)
                .values(state=StagedState.REJECTED.value)
            )

    def absorb(self, cycle: Cycle) -> Counters:
        """Adds what parts have counted to the cycle's counters, and returns it. Raises: Fenced."""
        with self._database.read() as connection:
            now = connection.execute(_COUNTED, {"cycle": cycle.id}).first()
        if now is None or now.epoch != cycle.epoch:
            raise Fenced(f"another process has taken over the cycle {cycle.id}")
        if not now.counted:
            # Asked before every piece of a pass: nothing is written unless a part has ended.
            return Counters()
        with self._database.write() as connection:
            held = hold_cycle(connection, cycle)
            rows = connection.execute(
                sa.delete(part_counts).where(part_counts.c.cycle_key == held.key).returning(part_counts.c.counters)
            ).scalars()
            counted = sum((decode(row, Counters) for row in rows), Counters())
            if counted != Counters():
                hold_cycle(connection, cycle, counters=encode(cycle.counters + counted))
        return counted

    def _rows(self, cycle_id: str, *states: StagedState, limit: int | None = None) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(
                sa.select(staged)
                .join(cycles, cycles.c.key == staged.c.cycle_key)
                .where(cycles.c.cycle_id == cycle_id, staged.c.wave == SHARED_WAVE, staged.c.state.in_(states))
                .order_by(staged.c.number)
                .limit(limit)
            ).all()


# An account that was somebody else's is so still, and not to be taken for one that was made here.
_CONFLICT = EndKind.CONFLICT.value
_ONCE_INTERRUPTED = sa.case((staged.c.hold_code == _CONFLICT, _CONFLICT), else_=EndKind.INTERRUPTED.value)
_OFFERS = select_cycles().where(
    cycles.c.running_job_key.is_not(None),
    jobs.c.schedule_state == ScheduleState.ACTIVE.value,
    sa.exists().where(staged.c.cycle_key == cycles.c.key, staged.c.state == _RELEASED, staged.c.wave == SHARED_WAVE),
)
_COUNTED = sa.select(cycles.c.epoch, sa.exists().where(part_counts.c.cycle_key == cycles.c.key).label("counted")).where(
    cycles.c.cycle_id == sa.bindparam("cycle")
)
_STANDING = (
    sa.select(staged.c.state, staged.c.sender, sa.func.count().label("many"))
    .join(cycles, cycles.c.key == staged.c.cycle_key)
    .where(
        cycles.c.cycle_id == sa.bindparam("cycle"),
        staged.c.wave == SHARED_WAVE,
        staged.c.state.in_((_RELEASED, _SENDING, _OPEN)),
    )
    .group_by(staged.c.state, staged.c.sender)
)


def _shared(key: int) -> tuple[sa.ColumnElement[bool], ...]:
    return staged.c.cycle_key == key, staged.c.wave == SHARED_WAVE


def _move(connection: Connection, key: int, numbers: Sequence[int], **values: Any) -> None:
    moving = sa.update(staged).where(staged.c.cycle_key == key, staged.c.number.in_(numbers))
    connection.execute(moving.values(**values))


def _keys_of(connection: Connection, cycle_id: str) -> tuple[int, int]:
    row = connection.execute(sa.select(cycles.c.key, cycles.c.job_key).where(cycles.c.cycle_id == cycle_id)).first()
    if row is None:
        raise Fenced(f"there is no cycle {cycle_id} any more")
    return row.key, row.job_key


def _key_of(connection: Connection, cycle_id: str) -> int:
    return _keys_of(connection, cycle_id)[0]


def _operation(row: Row[Any], state: StagedState) -> StagedOperation:
    return StagedOperation(number=row.number, operation=decode_operation(row.operation), state=state)
