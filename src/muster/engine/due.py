"""Objects that are looked at once more: those whose time has come, and those for whom an account became free."""

from collections.abc import Sequence
from dataclasses import replace

from muster.engine.decide import Decision
from muster.engine.handing import FREED
from muster.engine.parts import EngineStores
from muster.engine.resting import page_within
from muster.engine.run import REMOVAL_WAVE, REMOVALS_LIMIT, Run
from muster.model.failures import LinkedElsewhere
from muster.model.job import Cycle, CyclePhase, Escrow, StagedState
from muster.ports.world import Clock

PAGE = 500


def carry_due(run: Run, stores: EngineStores, clock: Clock, latest: int) -> None:
    """Tries again those in escrow whose time has come."""
    limit = _page(run)
    due = stores.links.due_escrows(
        run.cycle.job_id, clock.now(), limit, run.cycle.position, run.parts.retry_terms.longest
    )
    run.escrows = {escrow.source_id: escrow for escrow in due}
    # Who is to be removed by this very cycle has been decided and waits for its wave: not twice.
    removed = _staged_removals(run, stores) if due else frozenset()
    open_ends = [escrow for escrow in due if (escrow.kind, escrow.source_id) not in removed]
    done = len(due) < limit
    place = run.move(phase=CyclePhase.REMOVALS) if done else run.move(position=due[-1].source_id)
    with run.looking():
        decisions = _decide(run, run.cycle, open_ends)
    run.stage(decisions, place, latest=latest)


def carry_freed(run: Run, stores: EngineStores, clock: Clock, latest: int) -> None:
    """Looks again at those whose account another had, once everybody who is gone for good has lost theirs."""
    options = {name: value for name, value in run.cycle.options.items() if name != FREED}
    done = replace(run.move(phase=CyclePhase.REFERENCES), options=options)
    if FREED not in run.cycle.options:
        run.commit(done)
        return
    limit, now = _page(run), clock.now()
    waiting = stores.links.escrows_of(run.cycle.job_id, LinkedElsewhere.code, limit, run.cycle.position)
    run.escrows = {escrow.source_id: escrow for escrow in waiting}
    decisions = [
        decision
        # What the target said before the removals does not count.
        for decision in _decide(run, replace(run.cycle, options={}), waiting)
        # Of a conflict that stays the log tells already, but for those who were put off in this cycle.
        if not _is_still_anothers(decision) or run.escrows[decision.operation.source_id].next_attempt_at <= now
    ]
    place = done if len(waiting) < limit else run.move(position=waiting[-1].source_id)
    run.stage(decisions, place, latest=latest)


def _page(run: Run) -> int:
    """Returns how many are looked at at once: the target is asked about most of them."""
    return min(page_within(run.cycle, PAGE), run.looks_at_once() or PAGE)


def _is_still_anothers(decision: Decision) -> bool:
    failure = decision.operation.failure
    return failure is not None and failure.code == LinkedElsewhere.code


def _staged_removals(run: Run, stores: EngineStores) -> frozenset[tuple[str, str]]:
    """Returns kind and source id of everybody whose removal waits for its wave."""
    staged = stores.cycles.staged(run.cycle.id, StagedState.RELEASED, REMOVAL_WAVE, REMOVALS_LIMIT)
    return frozenset((item.operation.object_kind.value, item.operation.source_id) for item in staged)


def _decide(run: Run, cycle: Cycle, waiting: Sequence[Escrow]) -> list[Decision]:
    decisions: list[Decision] = []
    for kind in run.parts.rules.kinds:
        found = (run.parts.source.read_one(kind, escrow.source_id) for escrow in waiting if escrow.kind == kind.value)
        decisions += run.decider.decide(cycle, kind, [change for change in found if change is not None])
    return decisions
