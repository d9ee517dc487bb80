"""One reading of the world for a plan: everything that the next cycle would decide, nothing staged, nothing written."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from muster.engine.decide import Decider, Decision
from muster.engine.drafting import PAGE, Draft
from muster.engine.journal import Journal, tally
from muster.engine.lookup import Lookup
from muster.engine.parts import EngineStores, JobParts, reads_everything
from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.operation import Operation, OperationKind, ShownReferences, WantedReference
from muster.planning.references import plan_references
from muster.ports.source import Window
from muster.ports.world import Clock, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reading of the world came to; its operations are in the draft."""

    counters: Counters
    window_after: int
    window_until: int
    complete: bool
    is_full: bool


def read_world(
    parts: JobParts, stores: EngineStores, clock: Clock, ids: Ids, options: Mapping[str, str], draft: Draft
) -> Reading:
    """Fills the draft with what the next cycle would decide about everybody whom it would read."""
    until = parts.source.latest()
    is_full = reads_everything(parts.job, options)
    window = None if is_full else Window(after=parts.job.watermark or 0, until=until)
    reader = _Reader(parts, stores, clock, ids, _thought(parts, window, until, options, clock, ids), draft)
    with ThreadPoolExecutor(parts.target.capabilities.concurrency, thread_name_prefix="plan") as pool:
        complete = reader.read(Decider(parts, stores, Lookup(stores, parts, pool), clock, ids), window)
    return Reading(
        counters=replace(reader.counters, requests=parts.target.requests_made()),
        window_after=0 if window is None else window.after,
        window_until=until,
        complete=complete,
        is_full=is_full,
    )


class _Reader:
    """Reads page by page and gives the draft what is decided."""

    def __init__(
        self, parts: JobParts, stores: EngineStores, clock: Clock, ids: Ids, cycle: Cycle, draft: Draft
    ) -> None:
        self.counters = Counters()
        self._draft = draft
        self._parts = parts
        self._stores = stores
        self._clock = clock
        self._ids = ids
        self._cycle = cycle
        self._journal = Journal(parts, clock, ids)

    def read(self, decider: Decider, window: Window | None) -> bool:
        """Decides about everybody; returns whether the source was read whole."""
        parts, complete = self._parts, True
        # Who failed, or was approved, and is due: those who were not met on the way are decided about at the end.
        due = self._find_due()
        for kind in parts.rules.kinds:
            after: str | None = None
            while True:
                page = parts.source.read(kind, window, after, PAGE)
                due.difference_update((kind, change.source_id) for change in page.changes)
                self._keep(kind, decider.decide(self._cycle, kind, page.changes))
                self._keep_problems(kind, page.problems)
                after = page.next_after
                if after is None:
                    break
            complete = complete and parts.source.is_complete()
        self._read_due(decider, due)
        return complete

    def _find_due(self) -> set[tuple[ObjectKind, str]]:
        found: set[tuple[ObjectKind, str]] = set()
        after: str | None = None
        longest = self._parts.retry_terms.longest
        while due := self._stores.links.due_escrows(self._parts.job.id, self._clock.now(), PAGE, after, longest):
            after = due[-1].source_id
            found.update((ObjectKind(each.kind), each.source_id) for each in due)
        return found

    def _read_due(self, decider: Decider, due: set[tuple[ObjectKind, str]]) -> None:
        for kind in self._parts.rules.kinds:
            ids = sorted(source_id for each, source_id in due if each is kind)
            for start in range(0, len(ids), PAGE):
                changes = (self._parts.source.read_one(kind, each) for each in ids[start : start + PAGE])
                found = [change for change in changes if change is not None]
                self._keep(kind, decider.decide(self._cycle, kind, found))

    def _keep(self, kind: ObjectKind, decisions: Sequence[Decision]) -> None:
        operations = [each.retires for each in decisions if each.retires is not None]
        # Of who is gone and who comes in one page the link is dropped once.
        dropping = {operation.change_id for operation in operations}
        operations += [each.operation for each in decisions if each.operation.change_id not in dropping]
        counted = tally(self.counters, [self._journal.decided(item) for item in operations])
        self.counters = replace(counted, evaluated=counted.evaluated + len(decisions))
        decided = [item for item in operations if item.kind is not OperationKind.SKIP]
        passed = [item for item in operations if item.kind is OperationKind.SKIP]
        self._draft.keep([*decided, *self._changed_references(kind, operations)], passed)

    def _keep_problems(self, kind: ObjectKind, sentences: Sequence[str]) -> None:
        """Keeps what the source could not give: as in a cycle it counts as failed, and is nobody who was evaluated."""
        self._draft.keep([self._journal.planned_problem(sentence, kind) for sentence in sentences])
        self.counters = replace(self.counters, failed=self.counters.failed + len(sentences))

    def _changed_references(self, kind: ObjectKind, operations: Sequence[Operation]) -> list[Operation]:
        """Returns what the second wave sends for accounts that are linked; those of new ones are counted with them.

        People are shown by their names: nothing is sent from here.
        """
        owners = {
            each.source_id: each
            for each in operations
            if each.references and each.target_id is not None and each.kind is not OperationKind.CREATE
        }
        if not owners:
            return []
        held = {
            (each.source_id, each.attribute): each
            for each in self._stores.links.references(self._parts.job.id, kind, list(owners))
        }
        found: list[Operation] = []
        for source_id, owner in owners.items():
            for wanted in owner.references:
                place = (source_id, wanted.attribute)
                known = held[place].against(wanted.source_ids) if place in held else {}
                shown = tuple(each for each in owner.shown if each.attribute == wanted.attribute)
                for each in shown:
                    known = self._as_shown(known, each)
                operation = self._reference_operation(owner, wanted, known, shown)
                if operation is not None:
                    found.append(operation)
        return found

    def _as_shown(self, known: Mapping[str, str], shown: ShownReferences) -> Mapping[str, str]:
        """Returns the ends that the target shows by source id, as far as they are ours."""
        held = {source_id: target_id for source_id, target_id in known.items() if target_id in shown.target_ids}
        others = sorted(set(shown.target_ids) - set(held.values()))
        owners = self._stores.links.owners(self._parts.job.id, shown.kind, others) if others else {}
        return held | {
            source_id: target_id for target_id, (job_id, source_id) in owners.items() if job_id == self._parts.job.id
        }

    def _reference_operation(
        self,
        owner: Operation,
        wanted: WantedReference,
        known: Mapping[str, str],
        shown: tuple[ShownReferences, ...],
    ) -> Operation | None:
        come = [source_id for source_id in wanted.source_ids if source_id not in known]
        gone = [source_id for source_id in known if source_id not in wanted.source_ids]
        linked = self._stores.links.links(self._parts.job.id, wanted.kind, [*come, *gone])
        # Who is not there yet follows once they are.
        come = [source_id for source_id in come if source_id in linked]
        if not come and not gone:
            return None

        def named(source_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
            return tuple((each, (linked[each].display_name or each) if each in linked else each) for each in source_ids)

        short = wanted.attribute.rsplit(":", 1)[-1]
        operation = plan_references(
            change_id=self._ids.new_id(),
            kind=owner.object_kind,
            source_id=owner.source_id,
            source_name=owner.source_name,
            target_id=owner.target_id or "",
            attribute=wanted.attribute,
            multivalued=wanted.multivalued,
            add=named(come),
            remove=named(gone),
            members_per_request=self._parts.target.capabilities.members_per_request,
        )
        changed = replace(wanted, source_ids=(*sorted(come), *sorted(gone)))
        cause = Cause(kind=CauseKind.REFERENCES_CHANGED, subject=short, sentence=f"{short} changed")
        return replace(operation, references=(changed,), shown=shown, cause=cause)


def _thought(
    parts: JobParts, window: Window | None, until: int, options: Mapping[str, str], clock: Clock, ids: Ids
) -> Cycle:
    """Returns the cycle that the decisions are made for; it is never stored."""
    return Cycle(
        id=ids.new_id(),
        job_id=parts.job.id,
        kind=CycleKind.PLAN if window is None else CycleKind.INCREMENTAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0 if window is None else window.after,
        window_until=until,
        epoch=1,
        counters=Counters(),
        began_at=clock.now(),
        options=options,
    )
