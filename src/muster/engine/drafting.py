"""A plan in the making: what is decided page by page is kept page by page, and only sums stay in memory."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from muster.engine.holding import find_holds
from muster.engine.parts import EngineStores, JobParts
from muster.model.directory import ObjectKind
from muster.model.hold import HoldCode
from muster.model.job import Counters, PlannedOperation, PlanPart, PlanSums
from muster.model.log import SkipReason
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import PlanHash, requests_needed
from muster.planning.policy import RemovalKind, count_removals, gate, removal_kind, undecided
from muster.ports.plans import PlanStore
from muster.ports.world import Clock, Ids

PAGE = 500
MANAGER = "manager"
# Left alone, and shown with what is held: whoever reads the plan looks for these people.
_LEFT = {SkipReason.PROTECTED: HoldCode.PROTECTED, SkipReason.GRACE_PERIOD: HoldCode.GRACE}


class Draft:
    """Takes in operations in their order, then asks the gate about those that take something away.

    The hash covers first what takes nothing away, in order, then what does, in order, held or not.
    """

    def __init__(self, plan_id: str, parts: JobParts, stores: EngineStores, *, keeps_passed: bool) -> None:
        """`keeps_passed`: what is passed over is kept as well, for whoever applies the plan."""
        self.id = plan_id
        self.requests = 0
        self.held = 0
        # What would be taken away, without what an administrator has decided.
        self.removed: dict[RemovalKind, int] = {}
        self._parts = parts
        self._stores = stores
        self._keeps_passed = keeps_passed
        self._hash = PlanHash()
        self._number = 0
        # Eight bytes for each of what takes something away.
        self._removals = array("q")

    def keep(self, operations: Sequence[Operation], passed: Sequence[Operation] = ()) -> None:
        """Keeps what is sent, unless the gate holds it, and what is passed over."""
        rows: list[PlannedOperation] = []
        removing: list[Operation] = []
        for operation in operations:
            self._number += 1
            rows.append(PlannedOperation(number=self._number, operation=operation))
            if removal_kind(operation) is None:
                self._hash.add(operation)
            else:
                self._removals.append(self._number)
                removing.append(operation)
        self.requests += self._requests(operations)
        self._count(removing)
        for operation in passed:
            rows += self._passed(operation)
        self._stores.plans.put(self.id, rows)

    def gate(self, tripped: Mapping[RemovalKind, str], *, read_complete: bool, forced: bool, counts_anew: bool) -> None:
        """Holds what may not go, once everything is kept and counted."""
        for planned in self._pages_of_removals():
            operations = [each.operation for each in planned]
            verdict = gate(
                operations,
                tripped=tripped,
                read_complete=read_complete,
                holds=find_holds(self._stores, self._parts.job.id, [each for each in operations if each.removes]),
                forced=forced,
                counts_anew=counts_anew,
            )
            held = {id(each.operation): each for each in verdict.held}
            self.requests -= self._requests([each.operation for each in verdict.held])
            self.held += len(held)
            rows: list[PlannedOperation] = []
            for each in planned:
                found = held.get(id(each.operation))
                self._hash.add(each.operation, is_held=found is not None)
                if found is not None:
                    rows.append(replace(each, part=PlanPart.HELD, hold_code=found.hold_code, reason=found.reason))
            self._stores.plans.hold(self.id, rows)

    def let_go(self) -> None:
        """Lets everything go, without asking the gate."""
        for planned in self._pages_of_removals():
            for each in planned:
                self._hash.add(each.operation)

    @property
    def hash(self) -> str:
        """What the plan does, in 32 digits; whole once the gate was asked."""
        return self._hash.digits

    def sum_up(self) -> PlanSums:
        """Returns what the plan does, in numbers."""
        return self._stores.plans.sum_up(self.id)

    def _pages_of_removals(self) -> Iterator[Sequence[PlannedOperation]]:
        for start in range(0, len(self._removals), PAGE):
            yield self._stores.plans.at(self.id, self._removals[start : start + PAGE].tolist())

    def _passed(self, operation: Operation) -> Iterator[PlannedOperation]:
        code = None if operation.skip_reason is None else _LEFT.get(operation.skip_reason)
        if code is not None:
            self._number += 1
            yield PlannedOperation(
                number=self._number, operation=operation, part=PlanPart.HELD, hold_code=code, reason=operation.reason
            )
        if self._keeps_passed:
            self._number += 1
            yield PlannedOperation(number=self._number, operation=operation, part=PlanPart.PASSED)

    def _count(self, removing: Sequence[Operation]) -> None:
        holds = find_holds(self._stores, self._parts.job.id, [each for each in removing if each.removes])
        for kind, count in count_removals(undecided(removing, holds)).items():
            self.removed[kind] = self.removed.get(kind, 0) + count

    def _requests(self, operations: Sequence[Operation]) -> int:
        return requests_needed(operations, members_per_request=self._parts.target.capabilities.members_per_request)


@contextmanager
def drafting(parts: JobParts, stores: EngineStores, clock: Clock, ids: Ids, *, is_kept: bool) -> Iterator[Draft]:
    """Gives a draft; what is not to be kept, or fails, is gone at the end."""
    draft = Draft(ids.new_id(), parts, stores, keeps_passed=not is_kept)
    stores.plans.begin(draft.id, parts.job.id, clock.now())
    try:
        yield draft
    except BaseException:
        stores.plans.discard(draft.id)
        raise
    if not is_kept:
        stores.plans.discard(draft.id)


def planned_pages(plans: PlanStore, plan_id: str, part: PlanPart) -> Iterator[Sequence[PlannedOperation]]:
    """Gives the operations of a part of a plan in order, page by page."""
    after = 0
    while page := plans.operations(plan_id, part, PAGE, after):
        yield page
        after = page[-1].number


def find_missing_managers(stores: EngineStores, plan_id: str, job_id: str) -> Sequence[str]:
    """Returns whom people of a plan, or of an import before it, have as their manager and nobody will have seen."""
    # Managers are few beside whom they lead.
    wanted = {
        source_id
        for page in planned_pages(stores.plans, plan_id, PlanPart.SENT)
        for planned in page
        for reference in planned.operation.references
        if reference.attribute == MANAGER
        for source_id in reference.source_ids
    }
    wanted.update(stores.links.missing_ends(job_id, MANAGER))
    missing: list[str] = []
    everybody = sorted(wanted)
    for start in range(0, len(everybody), PAGE):
        ids = everybody[start : start + PAGE]
        come = {
            each.operation.source_id
            for each in stores.plans.of_objects(plan_id, ids)
            if each.part is PlanPart.SENT and each.operation.kind is not OperationKind.FAIL
        }
        known = stores.links.links(job_id, ObjectKind.USER, ids)
        missing += [source_id for source_id in ids if source_id not in come and source_id not in known]
    return missing


def planned_counters(counters: Counters, sums: PlanSums, held: int) -> Counters:
    """Returns the counters of a plan: what would be created, updated … if it were applied now."""

    def sent(kind: OperationKind) -> int:
        return sums.count(PlanPart.SENT, kind)

    return replace(
        counters,
        created=sent(OperationKind.CREATE),
        updated=sent(OperationKind.UPDATE),
        disabled=sent(OperationKind.DISABLE),
        deleted=sent(OperationKind.DELETE),
        references=sent(OperationKind.REFER),
        held=held,
    )
