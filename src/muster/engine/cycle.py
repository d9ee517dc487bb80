"""The trip of every change, on one page: Change → Intent → TargetObject → Operation → Outcome.

A cycle goes through phases; `advance` does one committed piece of it at a time, so that it can be stopped, or killed,
between any two statements and taken up again where it was:

    census      a full pass lists the target, where that needs fewer requests than asking for each object
    users       a page of the source: decide, stage with the checkpoint, send what does not remove
    groups      the same for groups
    retries     objects in escrow that are due
    removals    disables and deletes, counted over the whole cycle, then released or held
    references  managers and members whose ends are now both linked
    discovery   of a reconciliation: accounts at the target that nobody manages
    closing     verdict, log line, watermark
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

from muster.engine.census import list_page
from muster.engine.closing import UNSTAGED, close_failed, close_finished
from muster.engine.discovery import discover
from muster.engine.due import carry_due, carry_freed
from muster.engine.gate import release_removals
from muster.engine.paging import PAGE, decide_page, window_of
from muster.engine.parts import Alone, EngineStores, JobOpener, JobParts, reads_everything, reconciles
from muster.engine.resting import rested
from muster.engine.run import MAIN_WAVE, REMOVAL_WAVE, URGENT_WAVE, Run
from muster.engine.sharing import Sharing, call_in, carry_shared, is_large, is_shareable, take_back
from muster.engine.stopping import is_stopped, let_stop
from muster.engine.telling import piece_of, tell_begun
from muster.engine.waves import doubt_references, send_references, stage_leavers
from muster.model.directory import ObjectKind
from muster.model.durations import has_passed
from muster.model.failures import EngineFault, Fenced, Interrupted, JobFailure, Resting
from muster.model.hold import HoldCode, HoldFilter, HoldState
from muster.model.job import (
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    QuarantineReason,
    ScheduleState,
    SynchronizationJob,
)
from muster.ports.mirror import BeingRead
from muster.ports.source import RefreshedSource
from muster.ports.world import Clock, Ids

# No on-demand run takes so long: its process has died.
ABANDONED_AFTER = timedelta(minutes=10)
_RECENT = 50
_LOOKED_EVERY = timedelta(milliseconds=100)

_NEXT = {
    CyclePhase.CENSUS: CyclePhase.USERS,
    CyclePhase.USERS: CyclePhase.GROUPS,
    CyclePhase.GROUPS: CyclePhase.RETRIES,
    CyclePhase.RETRIES: CyclePhase.REMOVALS,
    CyclePhase.REMOVALS: CyclePhase.REFERENCES,
    CyclePhase.REFERENCES: CyclePhase.DISCOVERY,
    CyclePhase.DISCOVERY: CyclePhase.CLOSING,
    CyclePhase.CLOSING: CyclePhase.DONE,
}
_KINDS = {CyclePhase.USERS: ObjectKind.USER, CyclePhase.GROUPS: ObjectKind.GROUP}


class CycleEngine:
    """Begins cycles and carries them forward. One thread at a time works on a job."""

    def __init__(
        self,
        stores: EngineStores,
        open_job: JobOpener,
        clock: Clock,
        ids: Ids,
        *,
        alone: Alone = lambda _: nullcontext(),
        is_overtaken: Callable[[], bool] = lambda: False,
        sharing: Sharing | None = None,
        read_every: Callable[[SynchronizationJob], timedelta | None] = lambda _: None,
    ) -> None:
        """Args:
        alone: holds a job before the other processes that work on the same store.
        sharing: lets other engines send parts of a large pass; None: there are none.
        read_every: how often a job's source outside is asked for news; None: its source is the directory.
        is_overtaken: whether another process may have taken up what this one does; then nothing more is sent.
        """
        self._alone = alone
        self._is_overtaken = is_overtaken
        self._sharing = sharing
        self._read_every = read_every
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids
        self._runs: dict[str, Run] = {}
        # Under which epoch a fault of ours broke a cycle.
        self._broken: dict[str, int] = {}
        # By job: who waits at the door goes in next, and one lets in the others only after themselves.
        self._locks: dict[str, tuple[threading.Lock, threading.Lock]] = {}
        self._guard = threading.Lock()

    @contextmanager
    def lock(self, job_id: str) -> Iterator[None]:
        """Holds a job for one step, as whoever works on it does. Raises: Fenced when another process keeps it.

        A cycle that takes one step after the other does not go before somebody who waits.
        """
        with self._guard:
            door, lock = self._locks.setdefault(job_id, (threading.Lock(), threading.Lock()))
        with door:
            lock.acquire()
        try:
            with self._alone(job_id):
                yield
        finally:
            lock.release()

    def holds(self, cycle_id: str) -> bool:
        """Whether this engine carries the cycle."""
        return cycle_id in self._runs

    def withdraw(self, job_id: str, source_ids: Collection[str]) -> None:
        """Takes back what the cycle of a job that is held has decided about objects; returns once nobody sends it."""
        running = self._stores.cycles.running(job_id)
        while self._sharing is not None and running is not None:
            if not take_back(self._sharing, running.id, source_ids):
                return
            self._clock.sleep(_LOOKED_EVERY)
            running = self._stores.cycles.running(job_id)

    def let_go(self, cycle_id: str) -> None:
        """Gives a cycle out of hand that another process may carry on."""
        self._release(cycle_id)

    def begin(self, job_id: str, options: Mapping[str, str] | None = None) -> Cycle | None:
        """Returns a new cycle, or None when nothing has changed: then nothing is read, sent or logged.

        A job that cannot be opened, or whose source cannot be read, ends at once in a failed cycle and quarantine.
        """
        job = self._stores.jobs.get(job_id)
        if job is None:
            return None
        asked = dict(options or {})
        if job.settings.get("ForceDeletes") == "true":
            asked["forced"] = "true"
            # What was held before goes with this cycle, too.
            allowed = HoldFilter(code=HoldCode.TOO_MANY)
            self._stores.holds.decide(job_id, allowed, HoldState.APPROVED, "ForceDeletes", self._clock.now())
        cycle = self._new_cycle(job, asked)
        try:
            parts = self._open_job(job_id, asked)
            is_silent = not (isinstance(parts.source, RefreshedSource) and parts.source.refresh())
            self._end_abandoned(job_id, parts)
            cycle = self._measured(cycle, parts)
            is_trial = _is_trial(job)
            if is_trial:
                # One request says what a whole cycle of failures would.
                parts.target.probe(_matching_attribute(parts))
        except (BeingRead, Fenced):
            # Whoever reads the source now begins the cycle, too.
            return None
        except JobFailure as failure:
            self._stores.cycles.begin(cycle)
            close_failed(cycle, job, failure, self._stores, self._clock, self._read_every(job))
            return None
        is_empty = cycle.kind is CycleKind.INCREMENTAL and cycle.counters.expected == 0
        if is_empty and is_silent and not is_trial and not self._has_leftovers(job, parts):
            self._move_watermark(job, cycle.window_until)
            return None
        self._stores.cycles.begin(cycle)
        self._runs[cycle.id] = Run(cycle, parts, self._stores, self._clock, self._ids, is_new=True)
        let_stop(cycle, parts, self._stores, self._clock, self._is_overtaken)
        tell_begun(cycle)
        return cycle

    def advance(self, cycle_id: str) -> bool:
        """Does one committed piece of a cycle; returns whether there is more to do now."""
        known = self._stores.cycles.get(cycle_id)
        if known is None or known.state is not CycleState.RUNNING:
            return False
        try:
            with self.lock(known.job_id), piece_of(known):
                return self._advance_alone(cycle_id)
        except Fenced:
            self._release(cycle_id)
        return False

    def _advance_alone(self, cycle_id: str) -> bool:
        # As it stands now that nobody else is at it.
        known = self._stores.cycles.get(cycle_id)
        if known is None or known.state is not CycleState.RUNNING:
            self._release(cycle_id)
            return False
        try:
            return self._advance(known)
        except Resting as rest:
            self._rest(cycle_id, rest)
        except Interrupted:
            self._release(cycle_id)
        except JobFailure as failure:
            run = self._release(cycle_id)
            self._give_up(known, failure, run)
        except Exception:
            # What was sent and not settled is looked up by whoever takes the cycle up, this process or another.
            run = self._release(cycle_id)
            if run is not None:
                self._broken[cycle_id] = run.cycle.epoch
            raise
        return False

    def _advance(self, known: Cycle) -> bool:
        run = self._held(known)
        if is_stopped(self._stores, run.cycle):
            self._release(known.id)
            return False
        if UNSTAGED in run.cycle.options:
            # Whoever staged it has died on the way: nothing of half a plan is sent.
            run.cycle = close_finished(run.move(), run.parts, self._stores, self._clock)
            self._release(known.id)
            return False
        latest = run.parts.source.latest()
        sharing = self._sharing if is_large(run.cycle) else None
        shares = None if sharing is None else sharing.shares
        if stage_leavers(run, self._stores, latest, shares) or run.send_batch(URGENT_WAVE):
            return True
        if run.send_batch(MAIN_WAVE, latest=latest):
            return True
        if sharing is not None and carry_shared(run, sharing, self._clock):
            return True
        self._step(run, latest)
        if run.cycle.phase is CyclePhase.DONE:
            self._release(known.id)
            return False
        return True

    def crashed(self, cycle_id: str, fault: str) -> None:
        """Ends a cycle that a fault of ours has broken: the job is quarantined, so that it does not break in a loop.

        Unless another process has taken it up since: then it is theirs to end.
        """
        epoch = self._broken.pop(cycle_id, None)
        known = self._stores.cycles.get(cycle_id)
        if known is None:
            return
        with suppress(Fenced), self.lock(known.job_id):
            self._release(cycle_id)
            known = self._stores.cycles.get(cycle_id) or known
            if known.state is CycleState.RUNNING and epoch in (None, known.epoch):
                try:
                    doubt_references(known, self._stores)
                finally:
                    # The fault may lie in what is read for that, too.
                    self._give_up(known, EngineFault(f"The engine met a fault of its own: {fault}"))

    # ------------------------------------------------------------ phases

    def _step(self, run: Run, latest: int) -> None:
        match run.cycle.phase:
            case CyclePhase.CENSUS:
                list_page(run, self._stores)
            case CyclePhase.USERS | CyclePhase.GROUPS as phase:
                self._carry_page(run, _KINDS[phase], latest)
            case CyclePhase.RETRIES:
                carry_due(run, self._stores, self._clock, latest)
            case CyclePhase.REMOVALS:
                if not release_removals(run, self._stores, self._clock) and not run.send_batch(REMOVAL_WAVE):
                    carry_freed(run, self._stores, self._clock, latest)
            case CyclePhase.REFERENCES:
                send_references(run, self._stores, self._ids)
            case CyclePhase.DISCOVERY:
                discover(run, self._stores, self._clock, self._ids)
            case CyclePhase.CLOSING | CyclePhase.DONE:
                run.cycle = close_finished(run.move(), run.parts, self._stores, self._clock)

    def _carry_page(self, run: Run, kind: ObjectKind, latest: int) -> None:
        """Reads a page of changes, decides, and stages it with its checkpoint; the next steps send what is staged."""
        if kind not in run.parts.rules.kinds:
            run.commit(run.move(phase=_NEXT[run.cycle.phase]))
            return
        page, decisions, resting = decide_page(run, kind)
        if page.next_after is None:
            place = run.move(phase=_NEXT[run.cycle.phase])
        else:
            place = run.move(position=page.next_after)
        complete = place.complete and run.parts.source.is_complete()
        run.fit_pages()
        problems = [run.journal.problem(sentence, kind, run.cycle) for sentence in page.problems]
        is_shared = self._sharing is not None and is_shareable(run.cycle, run.parts) and self._sharing.others_live()
        place = replace(place, complete=complete)
        run.stage(decisions, place, resting=resting, problems=problems, is_shared=is_shared, latest=latest)

    # ------------------------------------------------------------ cycles in hand

    def _new_cycle(self, job: SynchronizationJob, options: Mapping[str, str]) -> Cycle:
        initial = reads_everything(job, options)
        kind = CycleKind.INITIAL if initial else CycleKind.INCREMENTAL
        return Cycle(
            id=self._ids.new_id(),
            job_id=job.id,
            kind=CycleKind.RECONCILIATION if reconciles(options) else kind,
            state=CycleState.RUNNING,
            phase=CyclePhase.USERS,
            position=None,
            window_after=0 if initial else job.watermark or 0,
            window_until=0,
            epoch=1,
            counters=Counters(),
            began_at=self._clock.now(),
            options=options,
        )

    def _measured(self, cycle: Cycle, parts: JobParts) -> Cycle:
        cycle = replace(cycle, window_until=parts.source.latest())
        expected = sum(parts.source.count(kind, window_of(cycle)) for kind in parts.rules.kinds)
        is_full = cycle.kind in (CycleKind.INITIAL, CycleKind.RECONCILIATION)
        # A reconciliation lists even for nobody: there may be accounts that nobody manages.
        lists = is_full and parts.target.capabilities.can_list and (expected > 0 or reconciles(cycle.options))
        phase = CyclePhase.CENSUS if lists else CyclePhase.USERS
        return replace(cycle, phase=phase, counters=replace(cycle.counters, expected=expected))

    def _end_abandoned(self, job_id: str, parts: JobParts) -> None:
        """Resolves what was under way in on-demand runs whose process has died: nobody else takes them up."""
        before = self._clock.now() - ABANDONED_AFTER
        for left in self._stores.cycles.history(job_id, _RECENT):
            if left.kind is CycleKind.ON_DEMAND and left.state is CycleState.RUNNING and left.began_at < before:
                cycle = self._stores.cycles.take_over(left.id)
                if cycle.state is not CycleState.RUNNING:
                    # Its process has ended it after all.
                    continue
                run = Run(cycle, parts, self._stores, self._clock, self._ids)
                try:
                    run.recover()
                finally:
                    run.close()
                    ended = replace(run.cycle, state=CycleState.STOPPED, ended_at=self._clock.now())
                    self._stores.cycles.close(ended, None)

    def _move_watermark(self, job: SynchronizationJob, until: int) -> None:
        """Moves the watermark past changes that do not bear on the job, unless a restart was asked for meanwhile."""
        now = self._stores.jobs.get(job.id)
        if now is not None and now.watermark == job.watermark != until:
            self._stores.jobs.set_watermark(job.id, until)

    def _has_leftovers(self, job: SynchronizationJob, parts: JobParts) -> bool:
        now, last = self._clock.now(), job.last_cycle_began_at
        if self._stores.links.due_escrows(job.id, now, 1, None, parts.retry_terms.longest):
            return True
        if isinstance(parts.source, RefreshedSource) and last is not None and not has_passed(job.interval, last, now):
            # What was refused is tried again once an interval, not each time that the source is asked for news.
            return False
        return bool(self._stores.links.open_references(job.id, 1, None)[0])

    def _held(self, known: Cycle) -> Run:
        """Returns the cycle in hand; one from a process that has died is taken over, and its open ends are resolved."""
        run = self._runs.get(known.id)
        if run is not None and run.cycle.epoch != known.epoch:
            raise Fenced(f"another process has taken over the cycle {known.id}")
        if run is None:
            cycle = self._stores.cycles.take_over(known.id)
            if cycle.state is not CycleState.RUNNING:
                # It ended since it was looked at: gone on with, it would end once more, and as one that succeeded.
                raise Fenced(f"another process has ended the cycle {known.id}")
            parts = self._open_job(cycle.job_id, cycle.options)
            run = self._runs[known.id] = Run(cycle, parts, self._stores, self._clock, self._ids)
            let_stop(cycle, parts, self._stores, self._clock, self._is_overtaken)
            if self._sharing is not None:
                self._sharing.shares.interrupt(known.id, [None])
            doubt_references(cycle, self._stores)
            run.recover()
        return run

    def _give_up(self, cycle: Cycle, failure: JobFailure, run: Run | None = None) -> None:
        job = self._stores.jobs.get(cycle.job_id)
        current = self._stores.cycles.get(cycle.id)
        if job is None or current is None or current.state is not CycleState.RUNNING:
            return
        if run is not None and run.cycle.epoch != current.epoch:
            # Another process has taken it over: what is to be said of it is theirs to say.
            return
        if self._sharing is not None:
            # Under a new epoch nobody claims; what others are sending is theirs to settle, before the cycle ends.
            call_in(self._sharing, self._stores.cycles.take_over(cycle.id), run, self._clock)
            current = self._stores.cycles.get(cycle.id) or current
            self._sharing.shares.absorb(current)
            current = self._stores.cycles.get(cycle.id) or current
        close_failed(current, job, failure, self._stores, self._clock, self._read_every(job))

    def _rest(self, cycle_id: str, rest: Resting) -> None:
        """Notes until when the target wants to be left alone; whoever looks for cycles that are due goes on then."""
        try:
            run = self._runs.get(cycle_id)
            if run is not None:
                place, options = run.move(position=run.cycle.position), rested(run.cycle, rest.until, PAGE)
                # It has come no further.
                run.commit(replace(place, options=options, progressed_at=run.cycle.progressed_at))
        finally:
            self._release(cycle_id)

    def _release(self, cycle_id: str) -> Run | None:
        run = self._runs.pop(cycle_id, None)
        if run is not None:
            run.close()
        return run


def _is_trial(job: SynchronizationJob) -> bool:
    """Whether the cycle tries out if the application works again: then it ends the quarantine, even if it is empty."""
    quarantine = job.quarantine
    is_active = job.schedule_state is ScheduleState.ACTIVE
    return is_active and quarantine is not None and quarantine.reason is QuarantineReason.QUARANTINE_EXCEPTION


def _matching_attribute(parts: JobParts) -> str:
    users = parts.rules.kinds.get(ObjectKind.USER)
    return users.matching[0].attribute if users is not None and users.matching else "userName"
