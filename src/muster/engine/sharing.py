"""A large pass that several engines send: the one that carries it decides and stages, and all claim parts of it.

A part is sent and settled by whoever claimed it. What is not clear after that (a lost answer, a conflict, a claimer
that has died) is left to the engine that carries the cycle, and looked up once nobody sends for it any more: a conflict
may be with an account that another part has just made.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from muster.engine.apply import INTERRUPTED, Unsettled
from muster.engine.journal import tally
from muster.engine.parts import JobParts
from muster.engine.run import BATCH, Run
from muster.engine.stopping import is_asked_for
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, StagedOperation, StagedState
from muster.model.operation import Outcome
from muster.planning.policy import Approval
from muster.ports.sharing import EndKind, OpenEnd, PartEnd, ShareStore, Standing
from muster.ports.target import BatchTarget
from muster.ports.world import Clock

# From so many objects on others are let in: below, one engine is done before they have opened the application.
SHARED_FROM = 1_000
# So many operations wait to be claimed at most: whoever stops the job, or leaves, finds little decided before.
AHEAD = 2_000
_READING = (CyclePhase.USERS, CyclePhase.GROUPS)
_SHARED_KINDS = (CycleKind.INITIAL, CycleKind.INCREMENTAL, CycleKind.RECONCILIATION)
_LOOK_EVERY = timedelta(milliseconds=200)
_LOOKS_A_PIECE = 10
# No request takes so long; whoever is at it still has been stopped.
_CALLED_IN_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What an engine shares its passes by.

    `name`: this engine's, by which the others see whether it lives; `find_dead`: which engines of these names do not.
    """

    shares: ShareStore
    name: str
    others_live: Callable[[], bool]
    find_dead: Callable[[Collection[str]], Collection[str]]


def is_large(cycle: Cycle) -> bool:
    """Whether something of a cycle may be shared."""
    return cycle.counters.expected >= SHARED_FROM


def is_shareable(cycle: Cycle, parts: JobParts) -> bool:
    """Whether others may send parts of a cycle: a large pass over an application that nobody has to approve."""
    return (
        is_large(cycle)
        and cycle.kind in _SHARED_KINDS
        and parts.approval is Approval.NONE
        and not isinstance(parts.target, BatchTarget)
        and not is_asked_for(cycle)
    )


def carry_shared(run: Run, sharing: Sharing, clock: Clock) -> bool:
    """Does a piece of what is shared: sends a part, waits for others, or looks up open ends.

    Returns whether the cycle is to stay where it is: there is enough to send, or its next phase needs all of it done.
    Raises JobFailure.
    """
    shares = sharing.shares
    run.absorb(shares.absorb(run.cycle))
    now = shares.standing(run.cycle.id)
    if run.cycle.phase in _READING and now.released < AHEAD and now.open_ends < BATCH:
        return False
    if now.released:
        send_part(run, shares, None)
    elif now.senders:
        _await_others(sharing, run.cycle.id, clock, looks=_LOOKS_A_PIECE)
    elif now.open_ends:
        _look_up(run, shares)
    else:
        return False
    return True


def take_back(sharing: Sharing, cycle_id: str, source_ids: Collection[str]) -> bool:
    """Takes back what waits to be claimed for these objects; returns whether somebody sends for one.

    For whoever holds the job: the engine that carries the cycle sends nothing now. What it left marked as being sent,
    or a dead engine did, is under way no more, and only that engine would see to it.
    """
    if not sharing.shares.withdraw(cycle_id, source_ids):
        return False
    sharing.shares.interrupt(cycle_id, [None, *_dead_among(sharing, sharing.shares.standing(cycle_id))])
    return bool(sharing.shares.withdraw(cycle_id, source_ids))


def call_in(sharing: Sharing, cycle: Cycle, run: Run | None, clock: Clock) -> None:
    """Gives nothing more away, waits until nobody sends for the cycle, and settles what is open: then it may end.

    `cycle`: under an epoch that nobody has claimed by; `run`: None where it is not in hand, then open ends stay.
    """
    sharing.shares.retract(cycle.id)
    # What the engine that carries it left marked as being sent is under way no more.
    sharing.shares.interrupt(cycle.id, [None])
    _await_others(sharing, cycle.id, clock, looks=_CALLED_IN_WITHIN // _LOOK_EVERY)
    if run is not None:
        run.cycle = replace(run.cycle, epoch=cycle.epoch)
        _leave_open(run, sharing.shares)


def _leave_open(run: Run, shares: ShareStore) -> None:
    """Settles open ends without a look: the next cycle looks for what may have been made."""
    while ends := shares.open_ends(run.cycle.id, BATCH):
        run.settle([(item.number, run.left_open(_unsettled(item, end))) for item, end in ends])


def send_part(run: Run, shares: ShareStore, sender: str | None, write: Callable[[PartEnd], None] | None = None) -> int:
    """Claims the next part, sends it, and has it written; returns how many operations it had. Raises JobFailure.

    Args:
    sender: who sends; None: the engine that carries the cycle.
    write: how its end is written; the store's own way unless given.
    """
    # The intent before the call: what is claimed is marked as being sent.
    claimed = shares.claim(run.cycle, sender, min(run.batch, BATCH))
    if not claimed:
        return 0
    requests = run.parts.target.requests_made()
    answers, stopped = run.send([item.operation for item in claimed])
    numbers = {item.operation.change_id: item.number for item in claimed}
    outcomes = sorted((each for each in answers if isinstance(each, Outcome)), key=lambda each: each.at)
    counters = replace(tally(Counters(), outcomes), writes=len(answers))
    if sender is not None:
        # Those of the engine that carries the cycle count by themselves.
        counters = replace(counters, requests=run.parts.target.requests_made() - requests)
    end = PartEnd(
        settlements=[run.settlement(outcome, numbers[outcome.operation.change_id]) for outcome in outcomes],
        open_ends=[
            OpenEnd(number=numbers[each.operation.change_id], kind=_kind_of(each), failure=each.failure)
            for each in answers
            if isinstance(each, Unsettled)
        ],
        untried=sorted(set(numbers.values()) - {numbers[each.operation.change_id] for each in answers}),
        counters=counters,
    )
    if write is None:
        shares.end_part(run.cycle, sender, end)
    else:
        write(end)
    if stopped is not None:
        raise stopped
    return len(claimed)


def _await_others(sharing: Sharing, cycle_id: str, clock: Clock, *, looks: int) -> None:
    """Returns once nobody sends, or after so many looks; what a dead engine left has an open end."""
    for _ in range(looks):
        standing = sharing.shares.standing(cycle_id)
        if not standing.senders:
            return
        if dead := _dead_among(sharing, standing):
            sharing.shares.interrupt(cycle_id, dead)
        else:
            clock.sleep(_LOOK_EVERY)


def _dead_among(sharing: Sharing, standing: Standing) -> Collection[str]:
    return sharing.find_dead([sender for sender in standing.senders if sender is not None])


def _look_up(run: Run, shares: ShareStore) -> None:
    found = shares.open_ends(run.cycle.id, BATCH)
    # Something may be sent again: whoever takes the cycle up looks for that, too. But a conflict stays one: what is
    # found after it was never made here.
    for kind in {end.kind for _, end in found}:
        run.mark([item.number for item, end in found if end.kind is kind], StagedState.SENDING, kind)
    for is_past in (True, False):
        ends = [(item.number, _unsettled(item, end)) for item, end in found if _is_past(end) is is_past]
        run.settle_open(ends, is_past=is_past)


def _is_past(end: OpenEnd) -> bool:
    return end.kind is EndKind.INTERRUPTED


def _kind_of(answer: Unsettled) -> EndKind:
    if answer.is_conflict:
        return EndKind.CONFLICT
    if answer.is_gone:
        return EndKind.GONE
    return EndKind.UNDELETABLE if answer.is_undeletable else EndKind.LOST


def _unsettled(item: StagedOperation, end: OpenEnd) -> Unsettled:
    return Unsettled(
        operation=item.operation,
        failure=end.failure or INTERRUPTED,
        is_conflict=end.kind is EndKind.CONFLICT,
        is_gone=end.kind is EndKind.GONE,
        is_undeletable=end.kind is EndKind.UNDELETABLE,
    )
