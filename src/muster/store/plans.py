"""Stored plans on SQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, CursorResult, Row, Select

from muster.database.connection import Database
from muster.model.directory import ObjectKind
from muster.model.hold import HeldOperation, HoldCode
from muster.model.job import Plan, PlanGroup, PlannedOperation, PlanPart, PlanSums, PlanTally
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import group_key, group_of
from muster.store.encoding import decode_operation, decode_plan, encode
from muster.store.plan_tables import plan_operations, plans
from muster.store.rows import pieces

# Of one kind, so many groups are told one by one.
GROUPS_TOLD = 100
# So many operations are dropped in one transaction.
CUT_AT_ONCE = 10_000
_LEAST_DIGITS = 8
# The hash of one that nobody sees: in the making, or being dropped.
UNFINISHED = ""
# How long a plan may be in the making before it counts as left by a process that died.
_PATIENCE = timedelta(days=1)
_VARIOUS = "Various other causes."
_HOLD_COLUMNS = ("part", "group_key", "hold_code", "hold_reason")


class SqlPlans:
    """The PlanStore on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        of = plan_operations.c
        self._put = database.prepare(
            sa.insert(plan_operations).values({column.name: sa.bindparam(column.name) for column in of})
        )
        self._hold = database.prepare(
            sa.update(plan_operations)
            .where(of.plan_key == sa.bindparam("at_plan"), of.number == sa.bindparam("at_number"))
            .values({name: sa.bindparam(name) for name in _HOLD_COLUMNS})
        )

    def begin(self, plan_id: str, job_id: str, at: datetime) -> None:
        """Begins a plan. What was begun for the job more than a day before and never finished goes."""
        left = sa.select(plans.c.plan_id).where(
            plans.c.job_id == job_id, plans.c.hash == UNFINISHED, plans.c.made_at < at - _PATIENCE
        )
        with self._database.read() as connection:
            old = connection.execute(left).scalars().all()
        for each in old:
            self.discard(each)
        with self._database.write() as connection:
            connection.execute(
                sa.insert(plans).values(plan_id=plan_id, job_id=job_id, hash=UNFINISHED, made_at=at, plan=b"")
            )

    def put(self, plan_id: str, operations: Sequence[PlannedOperation]) -> None:
        """Adds operations, their numbers higher than all before."""
        if not operations:
            return
        with self._database.write() as connection:
            key = _key_of(connection, plan_id)
            self._put.execute_many([_row(key, each) for each in operations], on=connection)

    def hold(self, plan_id: str, held: Sequence[PlannedOperation]) -> None:
        """Notes that operations are held, by their numbers."""
        if not held:
            return
        with self._database.write() as connection:
            key = _key_of(connection, plan_id)
            rows = (_row(key, each) for each in held)
            self._hold.execute_many(
                [
                    {"at_plan": key, "at_number": row["number"], **{name: row[name] for name in _HOLD_COLUMNS}}
                    for row in rows
                ],
                on=connection,
            )

    def sum_up(self, plan_id: str) -> PlanSums:
        """Returns what a plan does, in numbers, and its largest groups; the rest of a kind is one group of key ""."""
        of = plan_operations.c
        counted = sa.func.count()
        with self._database.read() as connection:
            key = _key_of(connection, plan_id)
            shown = of.plan_key == key, of.part != PlanPart.PASSED.value
            tallies = connection.execute(
                sa.select(of.part, of.kind, of.object_kind, counted)
                .where(*shown)
                .group_by(of.part, of.kind, of.object_kind)
                .order_by(of.part, of.kind, of.object_kind)
            ).all()
            by_cause = (
                sa.select(
                    of.part,
                    of.kind,
                    of.group_key,
                    counted.label("members"),
                    sa.func.min(of.number).label("first"),
                    sa.func.row_number()
                    .over(partition_by=(of.part, of.kind), order_by=(counted.desc(), sa.func.min(of.number)))
                    .label("place"),
                )
                .where(*shown)
                .group_by(of.part, of.kind, of.group_key)
                .subquery()
            )
            told = connection.execute(
                sa.select(by_cause)
                .where(by_cause.c.place <= GROUPS_TOLD)
                .order_by(by_cause.c.part, by_cause.c.kind, by_cause.c.place)
            ).all()
            rest = connection.execute(
                sa.select(by_cause.c.part, by_cause.c.kind, sa.func.sum(by_cause.c.members).label("members"))
                .where(by_cause.c.place > GROUPS_TOLD)
                .group_by(by_cause.c.part, by_cause.c.kind)
            ).all()
        firsts = {each.number: each for each in self.at(plan_id, [row.first for row in told])}
        groups = [group_of(PlanPart(row.part), row.group_key, row.members, firsts[row.first]) for row in told]
        groups += [
            PlanGroup(
                part=PlanPart(row.part), kind=OperationKind(row.kind), key="", count=int(row.members), sentence=_VARIOUS
            )
            for row in rest
        ]
        return PlanSums(
            tallies=tuple(
                PlanTally(
                    part=PlanPart(part), kind=OperationKind(kind), object_kind=ObjectKind(object_kind), count=count
                )
                for part, kind, object_kind, count in tallies
            ),
            groups=tuple(groups),
        )

    def finish(self, plan: Plan) -> None:
        """Keeps a plan that was begun: from now on it is seen. Raises LookupError."""
        kept = {"hash": plan.hash, "made_at": plan.made_at, "applied_at": plan.applied_at, "plan": encode(plan)}
        with self._database.write() as connection:
            self._expect(connection.execute(sa.update(plans).where(plans.c.plan_id == plan.id).values(kept)), plan.id)

    def discard(self, plan_id: str) -> None:
        """Drops a plan, finished or not."""
        with self._database.read() as connection:
            key = connection.execute(sa.select(plans.c.key).where(plans.c.plan_id == plan_id)).scalar()
        if key is None:
            return
        while self._cut(key):
            pass
        with self._database.write() as connection:
            connection.execute(sa.delete(plans).where(plans.c.key == key))

    def _cut(self, key: int) -> bool:
        """Drops the first operations of a plan, few enough that nobody who writes waits for long."""
        with self._database.write() as connection:
            return cut_operations(connection, key) == CUT_AT_ONCE

    def add(self, plan: Plan, operations: Sequence[Operation] = (), held: Sequence[HeldOperation] = ()) -> Plan:
        """Begins, fills and finishes a plan whose operations are few, in one transaction; returns it, summed up.

        One of this id that is there already stays as it is: whoever hung, or is not sure, adds it once more.
        """
        sent = [PlannedOperation(number=number, operation=each) for number, each in enumerate(operations, 1)]
        kept = [
            PlannedOperation(
                number=number,
                operation=each.operation,
                part=PlanPart.HELD,
                hold_code=each.hold_code,
                reason=each.reason,
            )
            for number, each in enumerate(held, len(sent) + 1)
        ]
        with self._database.together():
            there = self.get(plan.id)
            if there is not None:
                return there
            self.begin(plan.id, plan.job_id, plan.made_at)
            self.put(plan.id, [*sent, *kept])
            summed = replace(plan, sums=self.sum_up(plan.id))
            self.finish(summed)
        return summed

    def get(self, name: str) -> Plan | None:
        """Returns a plan by id, hash or a beginning of the hash (8 digits or more) that only one hash has.

        The same plan made twice has one hash: the newer one is given.
        """
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(plans).where(plans.c.plan_id == name, plans.c.hash != UNFINISHED)
            ).first()
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
        statement = sa.select(plans).where(plans.c.job_id == job_id, plans.c.hash != UNFINISHED)
        if after is not None:
            statement = statement.where(plans.c.key < int(after))
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(plans.c.key.desc()).limit(limit + 1)).all()
        page = rows[:limit]
        return [_plan(row) for row in page], str(page[-1].key) if len(rows) > limit else None

    def operations(
        self,
        plan_id: str,
        part: PlanPart,
        limit: int,
        after: int = 0,
        *,
        group: PlanGroup | None = None,
        besides: Sequence[str] = (),
    ) -> Sequence[PlannedOperation]:
        """Returns operations of a plan, finished or not, in order, those with a number after the given one.

        `group`: of this group alone; of one without a key, of its kind but for the groups with the keys `besides`.
        """
        of = plan_operations.c
        statement = sa.select(plan_operations).where(of.part == part.value, of.number > after)
        if group is not None:
            statement = statement.where(of.kind == group.kind.value)
            mine = of.group_key == group.key if group.key else of.group_key.not_in(besides)
            statement = statement.where(mine)
        return self._read(plan_id, statement.order_by(of.number).limit(limit))

    def at(self, plan_id: str, numbers: Sequence[int]) -> Sequence[PlannedOperation]:
        """Returns the operations that have these numbers, in order."""
        of = plan_operations.c
        statement = sa.select(plan_operations).order_by(of.number)
        return [
            each for piece in pieces(numbers) for each in self._read(plan_id, statement.where(of.number.in_(piece)))
        ]

    def of_objects(self, plan_id: str, source_ids: Sequence[str]) -> Sequence[PlannedOperation]:
        """Returns the operations of these objects, in order, but those that are passed over."""
        of = plan_operations.c
        statement = sa.select(plan_operations).where(of.part != PlanPart.PASSED.value).order_by(of.number)
        found = [
            each
            for piece in pieces(dict.fromkeys(source_ids))
            for each in self._read(plan_id, statement.where(of.source_id.in_(piece)))
        ]
        return sorted(found, key=lambda each: each.number)

    def _read(self, plan_id: str, statement: Select[Any]) -> Sequence[PlannedOperation]:
        with self._database.read() as connection:
            key = connection.execute(sa.select(plans.c.key).where(plans.c.plan_id == plan_id)).scalar()
            rows = connection.execute(statement.where(plan_operations.c.plan_key == key)).all()
        return [_planned(row) for row in rows]

    def mark_applied(self, plan_id: str, at: datetime) -> None:
        """Notes that a plan was applied. Raises LookupError."""
        with self._database.write() as connection:
            changed = sa.update(plans).where(plans.c.plan_id == plan_id).values(applied_at=at)
            self._expect(connection.execute(changed), plan_id)

    @staticmethod
    def _expect(changed: CursorResult[Any], plan_id: str) -> None:
        if changed.rowcount == 0:
            raise LookupError(f"there is no plan {plan_id}")


def cut_operations(connection: Connection, key: int) -> int:
    """Drops the first operations of a plan, in the caller's transaction; returns how many."""
    of = plan_operations.c
    numbers = sa.select(of.number).where(of.plan_key == key).order_by(of.number).limit(CUT_AT_ONCE)
    last = connection.execute(sa.select(sa.func.max(numbers.subquery().c.number))).scalar()
    if last is None:
        return 0
    return connection.execute(sa.delete(plan_operations).where(of.plan_key == key, of.number <= last)).rowcount


def _key_of(connection: Connection, plan_id: str) -> int:
    key = connection.execute(sa.select(plans.c.key).where(plans.c.plan_id == plan_id)).scalar()
    if key is None:
        raise LookupError(f"there is no plan {plan_id}")
    return int(key)


def _row(key: int, planned: PlannedOperation) -> dict[str, Any]:
    operation, code = planned.operation, planned.hold_code
    if planned.part is PlanPart.PASSED:
        group = ""
    else:
        group = group_key(operation) if code is None else code.value
    return {
        "plan_key": key,
        "number": planned.number,
        "part": planned.part.value,
        "kind": operation.kind.value,
        "object_kind": operation.object_kind.value,
        "source_id": operation.source_id,
        "group_key": group,
        "hold_code": None if code is None else code.value,
        "hold_reason": planned.reason or None,
        "operation": encode(operation),
    }


def _planned(row: Row[Any]) -> PlannedOperation:
    return PlannedOperation(
        number=row.number,
        operation=decode_operation(row.operation),
        part=PlanPart(row.part),
        hold_code=None if row.hold_code is None else HoldCode(row.hold_code),
        reason=row.hold_reason or "",
    )


def _plan(row: Row[Any]) -> Plan:
    return replace(decode_plan(row.plan), applied_at=row.applied_at)
