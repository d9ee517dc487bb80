"""One cycle in this process's hands: its parts, its place, and the writing down of what happens."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

from muster.engine.apply import INTERRUPTED, Answer, Sender, Unsettled, failed
from muster.engine.decide import Decider, Decision
from muster.engine.handing import freeing, losing, put_off, quiet_operations, waiting_settlement
from muster.engine.holding import Holding, counted_held, find_holds
from muster.engine.journal import Journal, tally
from muster.engine.lookup import Lookup
from muster.engine.open_ends import OpenEnds
from muster.engine.outbox import Outbox
from muster.engine.parts import EngineStores, JobParts
from muster.engine.telling import measure_leavers
from muster.model.copies import replace
from muster.model.discovery import DiscoveredAccount
from muster.model.failures import Interrupted, JobFailure
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, Escrow, StagedOperation, StagedState
from muster.model.operation import Intent, Operation, OperationKind, Outcome
from muster.planning.policy import Approval, gate
from muster.ports.cycles import NewOperation, Settlement
from muster.ports.sharing import SHARED_WAVE, EndKind
from muster.ports.world import Clock, Ids

# One commit of intents and one of outcomes for so many requests at most: as many as the target takes in this time, so
# that neither whoever stops the cycle nor a leaver, nor who is asked for by hand, waits longer for the end of a batch.
BATCH = 500
BATCH_TIME = timedelta(seconds=1.5)
# The first are so many, or as many as go side by side; from one to the next it is this many times as many at most.
_FIRST = _GROWTH = 8
REMOVALS_LIMIT = 1_000_000
URGENT_WAVE, MAIN_WAVE, REMOVAL_WAVE = 0, 1, 2


class Run:
    """Holds a cycle. `cycle` is always as it was last committed."""

    def __init__(
        self, cycle: Cycle, parts: JobParts, stores: EngineStores, clock: Clock, ids: Ids, *, is_new: bool = False
    ) -> None:
        """`is_new`: the cycle began just now, in this process."""
        self.cycle = cycle
        self.parts = parts
        self.escrows: dict[str, Escrow] = {}
        # Of a reconciliation: accounts that nobody manages, by the folded value they are matched by.
        self.unmanaged: Mapping[str, Sequence[DiscoveredAccount]] | None = None
        self._stores = stores
        self.clock = clock
        self._pool = ThreadPoolExecutor(parts.target.capabilities.concurrency, thread_name_prefix="target")
        self._requests_before = cycle.counters.requests - parts.target.requests_made()
        self._lookup = Lookup(stores, parts, self._pool)
        self.decider = Decider(parts, stores, self._lookup, clock, ids)
        self.journal = Journal(parts, clock, ids)
        self.holding = Holding(parts, clock, ids)
        self.sender = Sender(parts, self._pool, clock)
        self._open_ends = OpenEnds(parts, self.decider, self.journal, clock)
        # Removals may be many: they wait in the store alone.
        self._outbox = Outbox(stores.cycles, cycle.id, kept=(URGENT_WAVE, MAIN_WAVE), is_new=is_new)
        # How many pages of the source are read as one, and how many requests had been made before the last was sent.
        self.pages_at_once, self._asked = 1, parts.target.requests_made()
        # How many the next batch holds, and of how many the target is asked for the next page.
        self.batch = self._looks = max(parts.target.capabilities.concurrency, _FIRST)
        # Leavers staged before all else while the mark up to which they were looked for could not move on.
        self.hurried: frozenset[str] = frozenset()
        # The end of the feed before what waits was decided, or earlier.
        self._decided_at = cycle.window_until

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False)

    # ------------------------------------------------------------ place

    def move(self, *, phase: CyclePhase | None = None, position: str | None = None) -> Cycle:
        """Returns the cycle at another place, its counters brought up to date; it counts once it is committed."""
        return replace(self._counted(self.cycle), phase=phase or self.cycle.phase, position=position)

    def commit(
        self, cycle: Cycle, operations: Sequence[NewOperation] = (), settlements: Sequence[Settlement] = ()
    ) -> int:
        """Commits a place together with what was staged and settled on the way there; returns the first number."""
        first = self._stores.cycles.stage(cycle, operations, settlements)
        for number, new in enumerate(operations, first):
            if new.state is StagedState.RELEASED:
                self._outbox.add(new.wave, StagedOperation(number=number, operation=new.operation, state=new.state))
        self.cycle = cycle
        return first

    def absorb(self, counted: Counters) -> None:
        """Notes what the store has just added to the cycle's counters."""
        self._requests_before += counted.requests
        self.cycle = replace(self.cycle, counters=self.cycle.counters + counted)

    def _counted(self, cycle: Cycle) -> Cycle:
        requests = self._requests_before + self.parts.target.requests_made()
        return replace(cycle, counters=replace(cycle.counters, requests=requests), progressed_at=self.clock.now())

    def most_at_once(self) -> int:
        """Returns how many operations make one batch now; a target in our own store always takes a page."""
        return BATCH if self.parts.together is not None else min(self.batch, BATCH)

    def looks_at_once(self) -> int | None:
        """Returns of how many the target may be asked now; None: of all, it is our own store."""
        return None if self.parts.together is not None else self._looks

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Fits of how many the target is asked at once to the time that those asked within take."""
        asked, began_at = self._lookup.asked, self.clock.now()
        yield
        asked = self._lookup.asked - asked
        if asked:
            self._looks = self._fitting(self._looks, asked, self.clock.now() - began_at)

    def _fitting(self, before: int, count: int, duration: timedelta) -> int:
        """Returns how many fit into the time of a batch, after `count` have taken `duration`."""
        fitting = BATCH if duration <= timedelta(0) else int(count * (BATCH_TIME / duration))
        # All that are sent side by side have something to send.
        return min(max(fitting, self.parts.target.capabilities.concurrency), before * _GROWTH, BATCH)

    def together(self) -> AbstractContextManager[object]:
        """Holds one transaction over all that is sent and written down within, where the target is in our own store.

        What fails leaves nothing behind: nothing need be staged before, and nothing is looked up after.
        """
        return nullcontext() if self.parts.together is None else self.parts.together()

    def fit_pages(self) -> None:
        """A quarter of the commits as long as the target is neither asked nor sent anything; else a leaver waits."""
        asked, self._asked = self._asked, self.parts.target.requests_made()
        self.pages_at_once = 4 if asked == self._asked else 1

    # ------------------------------------------------------------ staging

    def stage(
        self,
        decisions: Sequence[Decision],
        cycle: Cycle,
        *,
        removal_wave: int = REMOVAL_WAVE,
        resting: Sequence[Intent] = (),
        problems: Sequence[Settlement] = (),
        is_approved: bool = False,
        is_shared: bool = False,
        latest: int | None = None,
    ) -> None:
        """Stages what is sent, settles what is not, and commits the place after them, in one transaction.

        Removals wait for their own wave, when the whole cycle has been read and counted, unless another is given. What
        makes one batch at most is staged as being sent, and sent. `resting`: who is at rest, undecided; `latest`: the
        end of the feed before these decisions were made; `is_approved`: an administrator asked for these very
        operations; `is_shared`: whoever is free sends them (see engine/sharing.py). Raises JobFailure.
        """
        asks = self.parts.approval is Approval.ALL and not is_approved
        held = self._held([each.operation for each in decisions], cycle) if asks else {}
        writing = [
            decision.operation
            for decision in decisions
            if decision.operation.kind.writes and decision.operation.change_id not in held
        ]
        # What was to be taken away from them is another's now.
        self.set_aside(losing(decisions, held))
        waiting = put_off(decisions, self.cycle)
        quiet = quiet_operations(decisions, waiting, held)
        # Nothing is sent and nothing is told of them.
        at_rest, settled = list[Operation](), list[Outcome]()
        for operation in quiet:
            if self.journal.is_at_rest(operation, cycle):
                at_rest.append(operation)
            else:
                settled.append(self.journal.decided(operation))
        later = [NewOperation(operation=operation, wave=removal_wave) for operation in writing if operation.removes]
        main = [operation for operation in writing if not operation.removes]
        wave = SHARED_WAVE if is_shared else MAIN_WAVE
        at_once = not is_shared and len(main) <= self.most_at_once() and not self._outbox.peek(MAIN_WAVE, 1)
        joined = at_once and self.parts.together is not None
        # The intent before the call, in the same commit: see `send_batch`. What is one transaction needs none.
        state = StagedState.SENDING if at_once else StagedState.RELEASED
        staged = () if joined else main
        counters = counted_held(tally(cycle.counters, settled), list(held.values()))
        counters = replace(
            counters,
            evaluated=counters.evaluated + len(decisions) - len(waiting) + len(resting),
            unchanged=counters.unchanged + len(at_rest) + len(resting),
            failed=counters.failed + len(problems),
            drifted=counters.drifted + sum(bool(decision.operation.drifted) for decision in decisions),
        )
        cycle = replace(cycle, counters=counters)
        if waiting or any(self.decider.is_gone(each.intent.change) for each in decisions):
            cycle = freeing(cycle)
        with self.together() if joined else nullcontext():
            first = self.commit(
                cycle,
                [*(NewOperation(operation=operation, wave=wave, state=state) for operation in staged), *later],
                [
                    *map(self.settlement, settled),
                    *map(self.journal.rest, at_rest),
                    *map(self.journal.rest_as_wanted, resting),
                    *held.values(),
                    *(waiting_settlement(each.operation, self.escrows, self.clock) for each in waiting),
                    *problems,
                ],
            )
            if latest is not None:
                self._decided_at = latest
            if main and at_once:
                self._send([(None, each) for each in main] if joined else list(enumerate(main, first)))

    def _held(self, operations: Sequence[Operation], cycle: Cycle) -> dict[str, Settlement]:
        """Returns by change id what is written of what waits for approval; removals have their own gate."""
        writing = [each for each in operations if each.kind.writes and not each.removes]
        holds = find_holds(self._stores, self.cycle.job_id, writing)
        verdict = gate(writing, tripped={}, read_complete=True, holds=holds, approval=self.parts.approval)
        return {
            each.operation.change_id: self.holding.settlement(
                each, cycle, holds.get((each.operation.object_kind, each.operation.source_id))
            )
            for each in verdict.held
        }

    def settlement(self, outcome: Outcome, number: int | None = None) -> Settlement:
        """Returns what is written of an outcome; `number`: of the staged operation that it ends."""
        escrow = self.escrows.get(outcome.operation.source_id)
        settlement = self.journal.settlement(outcome, self.cycle, number=number, escrow=escrow)
        # What could not be taken back is in the log; trying the person again would bring the rules' values.
        return settlement if self.cycle.kind is not CycleKind.ROLLBACK else replace(settlement, escrow=None)

    def _still_wanted(self, staged: Sequence[StagedOperation]) -> Sequence[StagedOperation]:
        """Takes back the creation of whoever left while it waited: no look for leavers would find them, and they would
        be there, and active, until the next cycle."""
        gone: set[int] = set()
        for item in staged:
            operation = item.operation
            if operation.kind is OperationKind.CREATE:
                change = self.parts.source.read_one(operation.object_kind, operation.source_id)
                if change is None or not self.decider.is_wanted(change):
                    gone.add(item.number)
        if gone:
            self.mark(sorted(gone), StagedState.REJECTED, "Superseded", "Left before the account was created.")
        return [item for item in staged if item.number not in gone]

    def set_aside(self, source_ids: Collection[str]) -> None:
        """Takes back what is staged for leavers and not sent: decided before they left, it would switch them on again.

        Their removal, too, if it was to come later: once is enough.
        """
        if not source_ids:
            return
        waiting = [
            *self._outbox.peek(MAIN_WAVE, REMOVALS_LIMIT),
            *self._outbox.peek(REMOVAL_WAVE, REMOVALS_LIMIT),
        ]
        late = [item.number for item in waiting if item.operation.source_id in source_ids]
        if late:
            self.mark(late, StagedState.REJECTED, "Superseded", "Left while this was waiting to be sent.")

    # ------------------------------------------------------------ sending

    def recover(self) -> None:
        """Resolves what may have been sent before a crash: looked up on both sides, sent only if it is still needed."""
        for wave in (URGENT_WAVE, MAIN_WAVE, REMOVAL_WAVE):
            while staged := self._stores.cycles.staged(self.cycle.id, StagedState.SENDING, wave, BATCH):
                self._settle_recovered(staged)

    def _settle_recovered(self, staged: Sequence[StagedOperation]) -> None:
        open_ends = [
            (
                item.number,
                Unsettled(
                    operation=item.operation,
                    failure=failed(item.operation, INTERRUPTED, self.parts, self.clock).failure or INTERRUPTED,
                    is_conflict=item.hold_code == EndKind.CONFLICT,
                ),
            )
            for item in staged
        ]
        self.settle_open(open_ends, is_past=True)

    def settle_open(self, open_ends: Sequence[tuple[int | None, Unsettled]], *, is_past: bool = False) -> None:
        """Settles open ends as both sides show them; `is_past`: nothing is under way any more.

        Raises JobFailure. Even then each is settled: what may have been made is looked for in the next cycle. But when
        the job is stopped they stay as they are, for whoever takes the cycle up.
        """
        outcomes: dict[int, Outcome] = {}
        stopped: JobFailure | None = None
        try:
            found = self._open_ends.look_up(self.cycle, [item for _, item in open_ends], is_past=is_past)
        except JobFailure as failure:
            stopped = failure
        else:
            self.settle([(None, outcome) for outcome in found.retired])
            outcomes = found.outcomes
            if found.again:
                stopped = self._send_again(found.again, outcomes)
        if stopped is not None and not isinstance(stopped, Interrupted):
            for place, (_, item) in enumerate(open_ends):
                if place not in outcomes:
                    outcomes[place] = self.left_open(item)
        self.settle([(open_ends[place][0], outcome) for place, outcome in outcomes.items()])
        if stopped is not None:
            raise stopped

    def _send_again(self, again: Mapping[int, Operation], outcomes: dict[int, Outcome]) -> JobFailure | None:
        """Sends what is still needed, each with its place, and adds what came of it: it is not looked up once more."""
        answers, stopped = self.sender.send(list(again.values()))
        self._count_writes(len(answers))
        places = {operation.change_id: place for place, operation in again.items()}
        for answer in answers:
            place = places[answer.operation.change_id]
            outcomes[place] = answer if isinstance(answer, Outcome) else self.left_open(answer)
        return stopped

    def left_open(self, item: Unsettled) -> Outcome:
        """Returns the outcome of an open end that is not looked up now."""
        return self._open_ends.left_open(item)

    def send(self, operations: Sequence[Operation]) -> tuple[list[Answer], JobFailure | None]:
        """Sends operations as `Sender` does, and fits the next batch to the time that these took."""
        began_at = self.clock.now()
        answers, stopped = self.sender.send(operations)
        self.batch = self._fitting(self.batch, len(answers), self.clock.now() - began_at)
        return answers, stopped

    def send_batch(self, wave: int, *, latest: int | None = None) -> bool:
        """Sends the next batch of a wave and settles it; returns whether there was one. Raises JobFailure.

        `latest`: the end of the feed. Once it has moved, whoever is to be created is looked at again before.
        """
        staged = self._outbox.peek(wave, min(self.batch, BATCH))
        if not staged:
            return False
        if latest is not None and latest > self._decided_at:
            staged = self._still_wanted(staged)
            if not staged:
                return True
        if wave == URGENT_WAVE and self.cycle.kind is not CycleKind.INCREMENTAL:
            # The cycle meets them again: by its list they would still be as they were, and get the same once more.
            ids = [item.operation.target_id for item in staged if item.operation.target_id is not None]
            self._stores.census.forget(self.cycle.id, staged[0].operation.object_kind, ids)
        # Intent before the call: whatever happens from here on, these are looked up and not repeated blindly.
        self.mark([item.number for item in staged], StagedState.SENDING)
        self._send([(item.number, item.operation) for item in staged])
        return True

    def _send(self, sending: Sequence[tuple[int | None, Operation]]) -> None:
        """Sends operations that are marked as being sent (or, without a number, that nobody else can see), and settles
        them. Raises JobFailure."""
        answers, stopped = self.send([operation for _, operation in sending])
        self._count_writes(len(answers))
        numbers = {operation.change_id: number for number, operation in sending}
        # Those that are clear come first: a conflict may be with one of them.
        clear = [answer for answer in answers if isinstance(answer, Outcome)]
        self.settle([(numbers[outcome.operation.change_id], outcome) for outcome in clear])
        open_ends = [
            (numbers[answer.operation.change_id], answer) for answer in answers if isinstance(answer, Unsettled)
        ]
        conflicts = [number for number, answer in open_ends if answer.is_conflict and number is not None]
        if conflicts:
            # Whoever takes the cycle up must not take somebody else's account for what was made here.
            self.mark(conflicts, StagedState.SENDING, EndKind.CONFLICT)
        if stopped is not None:
            if not isinstance(stopped, Interrupted):
                self.settle([(number, self.left_open(item)) for number, item in open_ends])
            # What was not tried goes back; what may have gone out stays SENDING, to be looked up by the next run.
            tried = {answer.operation.change_id for answer in answers}
            untried = [number for change_id, number in numbers.items() if change_id not in tried and number is not None]
            self.mark(untried, StagedState.RELEASED)
            raise stopped
        self.settle_open(open_ends)

    def mark(self, numbers: Sequence[int], state: StagedState, code: str | None = None, why: str | None = None) -> None:
        """Moves staged operations to a state. Raises Fenced."""
        self._stores.cycles.mark(self.cycle, numbers, state, code, why)
        self._outbox.drop(numbers)

    def settle(self, outcomes: Sequence[tuple[int | None, Outcome]]) -> None:
        """Writes what came of operations, each with the number of the staged one that it ends."""
        if not outcomes:
            return
        # In the order of their ends, as the log shows them.
        ordered = sorted(outcomes, key=lambda pair: pair[1].at)
        settlements = [self.settlement(outcome, number) for number, outcome in ordered]
        cycle = self._counted(self.cycle)
        cycle = replace(cycle, counters=tally(cycle.counters, [outcome for _, outcome in outcomes]))
        self._stores.cycles.settle(cycle, settlements)
        self.cycle = cycle
        measure_leavers(self.parts, cycle, [outcome for _, outcome in ordered], self.escrows)

    def _count_writes(self, count: int) -> None:
        writes = self.cycle.counters.writes + count + self.sender.second_requests()
        self.cycle = replace(self.cycle, counters=replace(self.cycle.counters, writes=writes))
