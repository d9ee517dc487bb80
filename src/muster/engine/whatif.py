"""What other rules would change, for everybody who bears on the job: decided twice, compared, written nowhere.

Who is linked is compared with what the target last confirmed; who is not counts as not there. So nothing is asked of
the target, and a company of any size passes page by page.
"""

from collections.abc import Iterator, Mapping, Sequence

from muster.engine.decide import Decider
from muster.engine.gate import population_of, removals_lately
from muster.engine.parts import EngineStores, JobParts
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.operation import Change, Intent, MatchingValue, Operation, TargetObject
from muster.model.whatif import Affected, WhatIf
from muster.planning.comparison import Decided, Summary, compare
from muster.planning.plan import requests_needed
from muster.planning.policy import RemovalKind, count_removals, removal_verdicts
from muster.ports.engine_room import Told
from muster.ports.source import Source
from muster.ports.world import Clock, Ids

PAGE = 500


class LinkedOnly:
    """Finds what a job has linked and looks nowhere else."""

    def __init__(self, stores: EngineStores, job_id: str) -> None:
        self._stores = stores
        self._job_id = job_id

    def find(
        self,
        _cycle: Cycle,
        kind: ObjectKind,
        intents: Sequence[Intent],
        _tried: Mapping[str, tuple[MatchingValue, ...]],
        /,
        *,
        at_most: int | None = None,  # noqa: ARG002  # nobody is asked
    ) -> list[TargetObject]:
        """Returns one target object an intent, as the store knows it."""
        links = self._stores.links.links(self._job_id, kind, [intent.change.source_id for intent in intents])
        return [
            TargetObject(link=links[intent.change.source_id], exists=True)
            if intent.change.source_id in links
            else TargetObject()
            for intent in intents
        ]


def compare_rules(
    before: JobParts,
    after: JobParts,
    stores: EngineStores,
    clock: Clock,
    ids: Ids,
    *,
    limit: int,
    source: Source | None = None,
    told: Told | None = None,
) -> WhatIf:
    """Returns what the rules of `after` would change. `limit`: objects told one by one.

    `source`: the wider one of both parts' sources, which gives everything that the other gives, in the same order;
    None: both have the same. `told`: hears how many were looked at so far, page by page.
    """
    widest = source or after.source
    finder = LinkedOnly(stores, before.job.id)
    old, new = (Decider(parts, stores, finder, clock, ids) for parts in (before, after))
    trial = _Trial(old, new, thought_cycle(before, clock, ids))
    summary, affected_ones = Summary(), list[Affected]()
    considered = affected = requests = 0
    removed: dict[RemovalKind, int] = {}
    size = after.target.capabilities.members_per_request
    for kind in dict.fromkeys((*before.rules.kinds, *after.rules.kinds)):
        position: str | None = None
        both = [_Beside(parts.source, widest, kind) for parts in (before, after)]
        while True:
            page = widest.read(kind, None, position, PAGE)
            considered += len(page.changes)
            seen, otherwise = (each.of(page.changes) for each in both)
            for found, operation in trial.compare(kind, seen, otherwise, before, after):
                summary.add(found)
                affected += 1
                if len(affected_ones) < limit:
                    affected_ones.append(found)
                if operation is not None:
                    requests += requests_needed([operation], members_per_request=size)
                    for what, count in count_removals([operation]).items():
                        removed[what] = removed.get(what, 0) + count
            if told is not None:
                told(considered)
            position = page.next_after
            if position is None:
                break
    population = population_of(stores, before.job.id)
    lately = removals_lately(stores, before.job.id, clock)
    held = removal_verdicts(removed, population, lately, after.threshold)
    return WhatIf(
        job_id=before.job.id,
        considered=considered,
        affected=affected,
        summary=summary.lines(),
        objects=tuple(affected_ones),
        held=tuple(dict.fromkeys(held.values())),
        requests=requests,
    )


class _Beside:
    """Goes through a source beside a wider one: both give their objects in the same order."""

    def __init__(self, source: Source, widest: Source, kind: ObjectKind) -> None:
        self._rest = None if source is widest else _every(source, kind)
        self._next = None if self._rest is None else next(self._rest, None)

    def of(self, changes: Sequence[Change]) -> Sequence[Change | None]:
        """Returns what this source says of the objects of the wider one's page; None of whom it does not give."""
        if self._rest is None:
            return changes
        found: list[Change | None] = []
        for change in changes:
            if self._next is not None and self._next.source_id == change.source_id:
                found.append(self._next)
                self._next = next(self._rest, None)
            else:
                found.append(None)
        return found


def _every(source: Source, kind: ObjectKind) -> Iterator[Change]:
    position: str | None = None
    while True:
        page = source.read(kind, None, position, PAGE)
        yield from page.changes
        position = page.next_after
        if position is None:
            return


class _Trial:
    """Decides under both sets of rules."""

    def __init__(self, before: Decider, after: Decider, cycle: Cycle) -> None:
        self._before = before
        self._after = after
        self._cycle = cycle

    def compare(
        self,
        kind: ObjectKind,
        seen: Sequence[Change | None],
        otherwise: Sequence[Change | None],
        before: JobParts,
        after: JobParts,
    ) -> list[tuple[Affected, Operation | None]]:
        """Returns those of a page that are affected, each with what the other rules would do."""
        old = self._decided(self._before, kind, seen) if kind in before.rules.kinds else [None] * len(seen)
        new = self._decided(self._after, kind, otherwise) if kind in after.rules.kinds else [None] * len(seen)
        found = []
        for one, other in zip(old, new, strict=True):
            affected = compare(one, other)
            if affected is not None:
                found.append((affected, None if other is None else other.operation))
        return found

    def _decided(
        self, decider: Decider, kind: ObjectKind, changes: Sequence[Change | None]
    ) -> Sequence[Decided | None]:
        decisions = iter(decider.decide(self._cycle, kind, [change for change in changes if change is not None]))
        made = (None if change is None else next(decisions) for change in changes)
        return [None if each is None else Decided(intent=each.intent, operation=each.operation) for each in made]


def thought_cycle(parts: JobParts, clock: Clock, ids: Ids) -> Cycle:
    """Returns the cycle that the decisions are made for; it is never stored."""
    return Cycle(
        id=ids.new_id(),
        job_id=parts.job.id,
        kind=CycleKind.PLAN,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0,
        window_until=0,
        epoch=1,
        counters=Counters(),
        began_at=clock.now(),
    )
