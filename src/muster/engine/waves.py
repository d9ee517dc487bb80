"""The waves of a cycle beside its main one: leavers before all else, references after everything."""

from collections.abc import Collection, Sequence

from muster.engine.apply import Unsettled, failed
from muster.engine.decide import Decision
from muster.engine.gate import population_of, removals_lately
from muster.engine.holding import counted_held, find_holds
from muster.engine.journal import doubted_references, is_sent_in_parts, tally
from muster.engine.parts import EngineStores
from muster.engine.referring import members_lost, reference_cause, reference_operation
from muster.engine.run import URGENT_WAVE, Run
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.hold import HeldOperation, Hold, HoldState
from muster.model.job import Cycle, CycleKind, CyclePhase
from muster.model.operation import Operation, OperationKind, Outcome
from muster.planning.policy import Approval, Population, RemovalKind, count_removals, decides, gate, removal_verdicts
from muster.ports.cycles import OpenReference, ReferenceSettled
from muster.ports.sharing import ShareStore
from muster.ports.source import Window
from muster.ports.world import Ids

PAGE = 500
REFERENCES_A_BATCH = 200
# Removals are under way, or the cycle is over in a moment.
_LATE = (CyclePhase.REMOVALS, CyclePhase.CLOSING, CyclePhase.DONE)


def stage_leavers(run: Run, stores: EngineStores, latest: int, shares: ShareStore | None = None) -> bool:
    """Stages, before all else, those whom changes since the cycle began switch off; returns whether there are any.

    So a leaver never waits for a long cycle. The next cycle reads these changes again, with all others, and finds these
    people disabled. Too many at once are left to it and its gate. `latest`: the end of the feed; `shares`: of a cycle
    of which other engines send parts.
    """
    options = run.cycle.options
    if run.parts.approval is not Approval.NONE:
        # Somebody looks at every removal: then nobody is removed in passing.
        return False
    seen = int(options.get("leavers", run.cycle.window_until))
    if latest <= seen or run.cycle.phase in _LATE or ObjectKind.USER not in run.parts.rules.kinds:
        return False
    # Compared with what the target last confirmed: a leaver costs one request and no look first.
    asking = replace(run.cycle, kind=CycleKind.INCREMENTAL, options={})
    leavers: list[Decision] = []
    being_sent: set[str] = set()
    after: str | None = None
    while True:
        page = run.parts.source.read(ObjectKind.USER, Window(after=seen, until=latest), after, PAGE)
        if shares is not None:
            left = {change.source_id for change in page.changes if not run.decider.is_wanted(change)}
            # Whom another engine sends something for just now are looked at once it is done, and may be linked.
            being_sent.update(shares.withdraw(run.cycle.id, left))
        # Who is not linked has nothing to lose, and would only be looked for.
        linked = stores.links.links(run.cycle.job_id, ObjectKind.USER, [change.source_id for change in page.changes])
        seen_to = being_sent | run.hurried
        changes = [change for change in page.changes if change.source_id in linked and change.source_id not in seen_to]
        decisions = run.decider.decide(asking, ObjectKind.USER, changes)
        leavers += [decision for decision in decisions if decision.operation.removes]
        after = page.next_after
        if after is None:
            break
    leavers = _unheld(run, stores, leavers)
    counters = run.cycle.counters
    # Once the removals of the cycle are over, they count, too.
    gone = max(int(options.get("leaversGone", "0")), counters.disabled + counters.deleted) + len(leavers)
    if leavers and _are_too_many(run, stores, leavers, gone):
        leavers = []
    if being_sent and not leavers:
        return False
    # While somebody is waited for the same changes are read again, for them.
    mark = seen if being_sent else latest
    place = replace(
        run.move(position=run.cycle.position), options={**options, "leavers": str(mark), "leaversGone": str(gone)}
    )
    leaving = frozenset(decision.operation.source_id for decision in leavers)
    run.hurried = run.hurried | leaving if being_sent else frozenset()
    run.set_aside(leaving)
    run.stage(leavers, place, removal_wave=URGENT_WAVE)
    return bool(leavers)


def _unheld(run: Run, stores: EngineStores, leavers: Sequence[Decision]) -> list[Decision]:
    """Returns those about whom nobody has to decide, or has decided otherwise."""
    holds = find_holds(stores, run.cycle.job_id, [leaver.operation for leaver in leavers])
    free = []
    for leaver in leavers:
        hold = holds.get((leaver.operation.object_kind, leaver.operation.source_id))
        is_approved = hold is not None and hold.state is HoldState.APPROVED and decides(hold, leaver.operation)
        if hold is None or hold.state is HoldState.WAITING or is_approved:
            free.append(leaver)
    return free


def _are_too_many(run: Run, stores: EngineStores, leavers: Sequence[Decision], gone: int) -> bool:
    """Whether the gate would hold them: then it shall have them, with all that this cycle takes away."""
    threshold = run.parts.threshold
    if not threshold.enabled:
        return False
    population = population_of(stores, run.cycle.job_id)
    counted = count_removals([leaver.operation for leaver in leavers])
    counted[RemovalKind.DISABLE] = counted.get(RemovalKind.DISABLE, 0) + gone - len(leavers)
    # Those who have gone in this cycle count once.
    lately = max(0, removals_lately(stores, run.cycle.job_id, run.clock) - (gone - len(leavers)))
    return bool(removal_verdicts(counted, population, lately, threshold))


def send_references(
    run: Run, stores: EngineStores, ids: Ids, *, is_approved: bool = False, only: Collection[str] | None = None
) -> None:
    """Sends the next batch of references whose ends are both linked; moves on when there is none left.

    Members are not taken away while the gate says no. `is_approved`: an administrator asked for this very run; `only`:
    those of these source objects.
    """
    if "members" not in run.cycle.options:
        options = {**run.cycle.options, "members": _members_verdict(run, stores) or ""}
        run.commit(replace(run.move(position=run.cycle.position), options=options))
    limit = run.most_at_once() if run.parts.together is not None else min(run.batch, REFERENCES_A_BATCH)
    open_ones, after = stores.links.open_references(run.cycle.job_id, limit, run.cycle.position)
    if only is not None:
        open_ones = [item for item in open_ones if item.source_id in only]
    found: Sequence[OpenReference]
    held: Sequence[tuple[HeldOperation, Hold | None]] = ()
    if run.cycle.kind is CycleKind.ROLLBACK:
        found = _taken_back(run, stores, open_ones)
    else:
        found, held = _gated(run, stores, ids, open_ones, is_approved=is_approved)
    if run.parts.terms.never_removes:
        found = _without_spared(run, stores, found)
    parts_held = {(item.operation.source_id, item.operation.changes[0].attribute) for item, _ in held}
    if held:
        counters = run.move(position=run.cycle.position).counters
        settlements = [
            run.holding.settlement(item, run.cycle, known, attribute=item.operation.changes[0].attribute)
            for item, known in held
        ]
        counted = counted_held(counters, settlements)
        run.commit(replace(run.move(position=run.cycle.position), counters=counted), (), settlements)
    if found:
        size = run.parts.target.capabilities.members_per_request
        with run.together():
            _send(run, [(reference_operation(item, size, ids), item) for item in found], parts_held)
    if after is None:
        # Members who came back, or whose group is gone, are not asked about any more.
        stores.holds.end_settled(run.cycle.job_id)
        is_reconciliation = run.cycle.kind is CycleKind.RECONCILIATION
        run.commit(run.move(phase=CyclePhase.DISCOVERY if is_reconciliation else CyclePhase.CLOSING))
    else:
        run.commit(run.move(position=after))


def doubt_references(cycle: Cycle, stores: EngineStores) -> None:
    """Notes that the target may have taken the references that whoever held the cycle sent as they ended.

    Whoever comes and goes before they are sent again would else stay. Which batch it was nobody has written down: all
    that may have been in it are open, and are sent again or looked at.
    """
    if cycle.phase is CyclePhase.REFERENCES:
        found, _ = stores.links.open_references(cycle.job_id, REFERENCES_A_BATCH, cycle.position)
        stores.cycles.settle(cycle, [doubted_references(item.kind, item.source_id, _settled(item)) for item in found])


def _send(
    run: Run, planned: Sequence[tuple[Operation, OpenReference]], parts_held: Collection[tuple[str, str]]
) -> None:
    """Sends references and settles them; of `parts_held` (source id and attribute) a part waits still."""
    items = {operation.change_id: item for operation, item in planned}
    if run.cycle.kind is CycleKind.ON_DEMAND:
        # Should this process end now, other cycles go on without taking this one over first.
        doubted = [doubted_references(item.kind, item.source_id, _settled(item)) for item in items.values()]
        run.commit(run.move(position=run.cycle.position), (), doubted)
    answers, stopped = run.send([operation for operation, _ in planned])
    settlements, outcomes = [], []
    for answer in answers:
        outcome = answer if isinstance(answer, Outcome) else _unresolved(run, answer)
        outcomes.append(outcome)
        item = items[outcome.operation.change_id]
        settlement = run.journal.reference_settlement(outcome, run.cycle, _settled(item))
        settlements.append(replace(settlement, keeps_hold=(item.source_id, item.attribute) in parts_held))
    if stopped is not None:
        tried = {outcome.operation.change_id for outcome in outcomes}
        left = [pair for pair in planned if pair[0].change_id not in tried]
        settlements += [
            doubted_references(item.kind, item.source_id, _settled(item))
            for operation, item in left
            if is_sent_in_parts(operation)
        ]
    cycle = run.move(position=run.cycle.position)
    counters = replace(tally(cycle.counters, outcomes), writes=cycle.counters.writes + len(answers))
    run.commit(replace(cycle, counters=counters), (), settlements)
    if stopped is not None:
        raise stopped


def _members_verdict(run: Run, stores: EngineStores) -> str | None:
    """Returns why members are not taken away in this cycle, counted over all of its groups."""
    if not run.parts.threshold.enabled:
        return None
    leaving = stores.links.count_leaving_members(run.cycle.job_id)
    if not leaving:
        return None
    population = Population(linked=0, members=stores.links.count_members(run.cycle.job_id))
    verdicts = removal_verdicts({RemovalKind.MEMBER_REMOVAL: leaving}, population, 0, run.parts.threshold)
    return verdicts.get(RemovalKind.MEMBER_REMOVAL)


def _taken_back(run: Run, stores: EngineStores, found: Sequence[OpenReference]) -> list[OpenReference]:
    """Returns those of open references that the plan of a rollback shows; others wait for the job's own cycles.

    Such a plan is carried out as it was read and approved, without the gate: so it takes nothing else along, such as a
    member whose removal is held.
    """
    plan = stores.plans.get(run.cycle.options["plan"])
    planned = () if plan is None else stores.plans.of_objects(plan.id, [item.source_id for item in found])
    shown = {
        (each.operation.object_kind, each.operation.source_id, change.attribute)
        for each in planned
        if each.operation.kind is OperationKind.REFER
        for change in each.operation.changes
    }
    return [item for item in found if (item.kind, item.source_id, item.attribute) in shown]


def _gated(
    run: Run, stores: EngineStores, ids: Ids, found: Sequence[OpenReference], *, is_approved: bool
) -> tuple[list[OpenReference], list[tuple[HeldOperation, Hold | None]]]:
    """Returns what of open references may go, and what is held with what was held of it before.

    Of members that come and go at once those that come are not held up by those that go, unless all is to be approved.
    """
    # A plan that is applied has been read and approved.
    approval = Approval.NONE if is_approved or "plan" in run.cycle.options else run.parts.approval
    sentence = run.cycle.options.get("members")
    tripped = {RemovalKind.MEMBER_REMOVAL: sentence} if sentence else {}
    known: dict[tuple[ObjectKind, str, str], Hold] = {}
    for kind in {item.kind for item in found}:
        of_kind = stores.holds.find(run.cycle.job_id, kind, [item.source_id for item in found if item.kind is kind])
        known.update(((kind, *place), hold) for place, hold in of_kind.items())
    if approval is Approval.NONE and not tripped and not known and run.cycle.complete:
        return list(found), []
    size = run.parts.target.capabilities.members_per_request
    free: list[OpenReference] = []
    held: list[tuple[HeldOperation, Hold | None]] = []
    for item in found:
        asked = item if approval is Approval.ALL else replace(item, add=(), remove=members_lost(item))
        if not asked.add and not asked.remove:
            free.append(item)
            continue
        hold = known.get((item.kind, item.source_id, item.attribute))
        operation = replace(reference_operation(asked, size, ids), cause=reference_cause(asked))
        verdict = gate(
            [operation],
            tripped=tripped,
            read_complete=run.cycle.complete,
            holds={} if hold is None else {(item.kind, item.source_id): hold},
            forced=run.cycle.options.get("forced") == "true",
            approval=approval,
            counts_anew=run.cycle.kind is CycleKind.INITIAL,
        )
        if not verdict.held:
            free.append(item)
            continue
        held.append((verdict.held[0], hold))
        kept = replace(item, remove=tuple(pair for pair in item.remove if pair not in asked.remove))
        if approval is not Approval.ALL and (kept.add or kept.remove):
            free.append(kept)
    return free, held


def _without_spared(run: Run, stores: EngineStores, found: Sequence[OpenReference]) -> Sequence[OpenReference]:
    """Returns references without those that would only be taken away: an import that names somebody unknown leaves
    who stands there, and says so."""
    emptied = [item for item in found if not item.multivalued and not item.add]
    named: dict[tuple[str, str], str] = {}
    for kind, attribute in {(item.kind, item.attribute) for item in emptied}:
        ids = [item.source_id for item in emptied if (item.kind, item.attribute) == (kind, attribute)]
        unknown = stores.links.awaited_ends(run.cycle.job_id, kind, ids, attribute)
        named |= {(source_id, attribute): name for source_id, name in unknown.items()}
    if not named:
        return found
    told = [
        run.journal.warning(
            item.kind,
            item.source_id,
            item.source_name,
            f"the {item.attribute} “{name[:100]}” is not known, so the one who is there stays",
            run.cycle,
        )
        for item in emptied
        if (name := named.get((item.source_id, item.attribute))) is not None
    ]
    run.commit(run.move(position=run.cycle.position), (), told)
    return [item for item in found if (item.source_id, item.attribute) not in named]


def _unresolved(run: Run, answer: Unsettled) -> Outcome:
    # Setting a reference twice is harmless, so an open end needs no lookup: the next cycle tries again.
    return failed(answer.operation, answer.failure, run.parts, run.clock, is_open=answer.is_open)


def _settled(item: OpenReference) -> list[ReferenceSettled]:
    removed = [
        ReferenceSettled(attribute=item.attribute, source_id=source_id, target_id=None) for source_id, _ in item.remove
    ]
    added = [
        ReferenceSettled(attribute=item.attribute, source_id=source_id, target_id=target_id)
        for source_id, target_id in item.add
    ]
    return removed + added
