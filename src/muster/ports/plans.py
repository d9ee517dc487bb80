"""The store of plans: their heads, and their operations page by page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from muster.model.hold import HeldOperation
from muster.model.job import Plan, PlanGroup, PlannedOperation, PlanPart, PlanSums
from muster.model.operation import Operation


class PlanStore(Protocol):
    """Stored plans. One is begun, filled page by page and finished; before that nobody sees it."""

    def begin(self, plan_id: str, job_id: str, at: datetime) -> None:
        """Begins a plan. What was begun for the job more than a day before and never finished goes."""
        ...

    def put(self, plan_id: str, operations: Sequence[PlannedOperation]) -> None:
        """Adds operations, their numbers higher than all before."""
        ...

    def hold(self, plan_id: str, held: Sequence[PlannedOperation]) -> None:
        """Notes that operations are held, by their numbers."""
        ...

    def sum_up(self, plan_id: str) -> PlanSums:
        """Returns what a plan does, in numbers, and its largest groups; the rest of a kind is one group of key ""."""
        ...

    def finish(self, plan: Plan) -> None:
        """Keeps a plan that was begun: from now on it is seen."""
        ...

    def discard(self, plan_id: str) -> None:
        """Drops a plan, finished or not."""
        ...

    def add(self, plan: Plan, operations: Sequence[Operation] = (), held: Sequence[HeldOperation] = ()) -> Plan:
        """Begins, fills and finishes a plan whose operations are few, as a whole or not at all; returns it, summed up.

        One of this id that is there already stays as it is, and is returned.
        """
        ...

    def get(self, name: str) -> Plan | None:
        """Returns a plan by id, hash or a beginning of the hash (8 digits or more) that only one plan has."""
        ...

    def list(self, job_id: str, limit: int, after: str | None = None) -> tuple[Sequence[Plan], str | None]:
        """Returns the job's plans, newest first, and the key to go on after."""
        ...

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
        ...

    def at(self, plan_id: str, numbers: Sequence[int]) -> Sequence[PlannedOperation]:
        """Returns the operations that have these numbers, in order."""
        ...

    def of_objects(self, plan_id: str, source_ids: Sequence[str]) -> Sequence[PlannedOperation]:
        """Returns the operations of these objects, in order, but those that are passed over."""
        ...

    def mark_applied(self, plan_id: str, at: datetime) -> None:
        """Notes that a plan was applied."""
        ...
