"""The engine process: starts what is due, does what faces and commands ask for, purges what is past restoring."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from muster.database.outage import outage_of
from muster.database.saying import Trouble, say_failure
from muster.engine.answers import INTERRUPTED, tell_failure
from muster.engine.control import Control, previewed
from muster.engine.cycle import CycleEngine
from muster.engine.drafting import MANAGER, find_missing_managers
from muster.engine.parts import RECONCILE, EngineStores, asked_by, reconciles
from muster.engine.planner import Planner
from muster.engine.resting import do_not_wait_for
from muster.engine.schedule import Schedule
from muster.engine.stopping import is_stopped
from muster.model.directory import RESTORABLE_FOR, Lifecycle, ObjectKind
from muster.model.durations import has_passed
from muster.model.failures import Fenced, ProvisioningFailure
from muster.model.job import Cycle, CycleState, ScheduleState, SynchronizationJob
from muster.ports.administration import UploadBin, Work, WorkKind, WorkQueue
from muster.ports.applications import ApplicationStore
from muster.ports.directory import DirectoryStore
from muster.ports.runs import Runs
from muster.ports.world import Clock, Ids

logger = logging.getLogger(__name__)

_TICK = timedelta(milliseconds=100)
_PURGE_EVERY = timedelta(hours=1)
# An import that was cut off by a crash goes on at the next start, and then the file goes here.
_UPLOADS_FOR = timedelta(days=1)
_ACTIVE_EVERY = timedelta(seconds=1)
_BEAT_EVERY = timedelta(seconds=5)
_AFTER_FAILURE = timedelta(seconds=1)

# Of managers whom a file names and nobody has seen.
_NAMES_SHOWN = 20


def _always() -> bool:
    return True


class Daemon:
    """The loop. One an engine process."""

    def __init__(
        self,
        *,
        engine: CycleEngine,
        planner: Planner,
        control: Control,
        schedule: Schedule,
        stores: EngineStores,
        directory: DirectoryStore,
        applications: ApplicationStore,
        queue: WorkQueue,
        runs: Runs,
        import_job_id: str,
        engine_id: str,
        beat: Callable[[], None],
        uploads: UploadBin,
        clock: Clock,
        ids: Ids,
        is_slow_to_start: Callable[[SynchronizationJob], bool] = lambda _: False,
        leads: Callable[[], bool] = _always,
        find_dead: Callable[[Collection[str]], Collection[str]] | None = None,
    ) -> None:
        """Args:
        leads: whether this engine is the one of several that starts what is due.
        find_dead: which of these engines are dead; None: no other engine works on the same store.
        """
        self._leads = leads
        self._find_dead = find_dead
        self._engine = engine
        self._planner = planner
        self._control = control
        self._schedule = schedule
        self._stores = stores
        self._directory = directory
        self._applications = applications
        self._queue = queue
        self._runs = runs
        self._import_job_id = import_job_id
        self._engine_id = engine_id
        self._beat = beat
        self._uploads = uploads
        self._beat_at = clock.now() - _BEAT_EVERY
        self._trouble = Trouble(logger, "the engine's round")
        # The jobs with a run, as of the last look.
        self._active: frozenset[str] = frozenset()
        self._active_at = clock.now() - _ACTIVE_EVERY
        self._clock = clock
        self._ids = ids
        self._purged_at = clock.now() - _PURGE_EVERY
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="work")
        self._is_slow_to_start = is_slow_to_start
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="sources")
        self._starting: set[str] = set()
        self._is_over = False
        # The kind of work of which none is taken now.
        self._spared: WorkKind | None = None

    def run(self, stop: threading.Event, *, scheduled: bool = True) -> None:
        """Works until `stop` is set; without `scheduled` only at what is asked for."""
        try:
            while not stop.wait(_TICK.total_seconds()):
                try:
                    self._show_life()
                    self.take_work()
                    if scheduled and self._leads():
                        self.start_due()
                    self._trouble.works()
                except Exception as error:
                    # A database that is away, a full disk: whoever restarts it helps nobody.
                    self._trouble.fails(error)
                    stop.wait(_AFTER_FAILURE.total_seconds())
        finally:
            self._is_over = True
            # A command lets go of the folder once it is idle; the engine process is ended by its supervisor.
            self._pool.shutdown(wait=not scheduled, cancel_futures=True)
            self._readers.shutdown(wait=not scheduled, cancel_futures=True)

    def _show_life(self) -> None:
        if self._trouble.lasts:
            # The service says meanwhile that it is not ready.
            return
        if has_passed(_BEAT_EVERY, self._beat_at, self._clock.now()):
            self._beat_at = self._clock.now()
            self._beat()
            self._abandon_of_dead()

    def _abandon_of_dead(self) -> None:
        """Answers work of other engines that have died meanwhile."""
        if self._find_dead is None or not self._leads():
            return
        dead = self._find_dead(self._queue.engines())
        if dead:
            self._queue.abandon(INTERRUPTED, dead)

    def abandon_work(self) -> None:
        """Answers work of engines that have died, so that nobody waits for it; only for an engine that is alone."""
        self._queue.abandon(INTERRUPTED)

    def take_work(self) -> None:
        """Takes what faces and commands have queued."""
        while (work := self._queue.take(self._engine_id, spared=self._spared)) is not None:
            if work.kind is WorkKind.IMPORT:
                # One after the other, and the next ones stay queued: nobody else's work waits behind a hundred of them.
                self._spared = work.kind
            self._pool.submit(self._answer, work)

    def start_due(self) -> None:
        """Starts or takes up the cycles that are due, and purges once an hour."""
        now = self._clock.now()
        is_fresh = has_passed(_ACTIVE_EVERY, self._active_at, now)
        if is_fresh:
            self._active, self._active_at = self._runs.active(), now
        due = self._schedule.due()
        if not is_fresh and any(running is None for _, running in due):
            # A cycle that is to begin is told only once: what an earlier look found must not keep it from that.
            is_fresh, self._active, self._active_at = True, self._runs.active(), now
        for job, running in due:
            if job.id in self._active or job.id in self._starting:
                continue
            if running is not None and not is_fresh:
                # Begun or left since that look: the next round asks again, before it asks what is due.
                self._active_at = now - _ACTIVE_EVERY
                continue
            if running is None and self._is_slow_to_start(job):
                self._starting.add(job.id)
                self._readers.submit(self._start_slowly, job)
            else:
                self._start(job, running)
        if has_passed(_PURGE_EVERY, self._purged_at, self._clock.now()):
            self._purge()

    def _start(self, job: SynchronizationJob, running: Cycle | None) -> None:
        options = RECONCILE if running is None and self._schedule.is_reconciliation_due(job) else None
        try:
            cycle = running or self._engine.begin(job.id, options)
        except Fenced:
            # Another engine was first.
            return
        if cycle is not None:
            self._hand_over(cycle)

    def _start_slowly(self, job: SynchronizationJob) -> None:
        """Starts a job whose source is read first: others do not wait for that."""
        try:
            self._start(job, None)
        except Exception as error:
            say_failure(logger, "a source could not be read", error, {"job_id": job.id})
        finally:
            self._starting.discard(job.id)

    def _purge(self) -> None:
        """Purges what was soft-deleted longer ago than it can be restored, and forgotten uploads."""
        now = self._clock.now()
        self._purged_at = now
        for found in self._directory.purge_due(now - RESTORABLE_FOR):
            self._directory.set_lifecycle(found.kind, found.object_id, Lifecycle.HARD_DELETED, now)
        for application in self._applications.deleted():
            if application.deleted_at is not None and application.deleted_at < now - RESTORABLE_FOR:
                self._applications.remove(application.service_principal_id)
        self._uploads.drop_older(now - _UPLOADS_FOR)

    # ------------------------------------------------------------ work

    def _answer(self, work: Work) -> None:
        """Does a piece of work and notes its answer; a failure is an answer, too."""
        try:
            state, answer = "done", self._handlers[work.kind](work)
        except Exception as error:
            state, answer = "failed", tell_failure(work, error)
        self._finish(work, state, answer)

    def _finish(self, work: Work, state: str, answer: Mapping[str, Any]) -> None:
        """Notes an answer, once the database is there: as long as this engine lives, nobody else gives one."""
        while True:
            try:
                return self._queue.finish(work.id, state, answer)
            except Exception as error:
                if outage_of(error) is None or self._is_over:
                    raise
            self._clock.sleep(_AFTER_FAILURE)

    @property
    def _handlers(self) -> Mapping[WorkKind, Callable[[Work], Mapping[str, Any]]]:
        return {
            WorkKind.PROVISION_ON_DEMAND: self._provision,
            WorkKind.PLAN: self._plan,
            WorkKind.APPLY: self._apply,
            WorkKind.ROLLBACK: self._rollback,
            WorkKind.RUN_CYCLE: self._run_cycle,
            WorkKind.IMPORT: self._import_once,
        }

    def _provision(self, work: Work) -> Mapping[str, Any]:
        kind = ObjectKind(work.payload.get("objectTypeName", ObjectKind.USER.value))
        done = self._control.provision_on_demand(
            work.job_id,
            kind,
            str(work.payload["objectId"]),
            member_ids=work.payload.get("memberIds") or (),
            preview=bool(work.payload.get("preview")),
            initiator=work.initiator,
        )
        if done.cycle is None:
            return {"preview": previewed(done.operation), "members": [previewed(each) for each in done.members]}
        members = [each.change_id for each in done.members]
        return {"cycleId": done.cycle.id, "changeId": done.operation.change_id, "memberChangeIds": members}

    def _plan(self, work: Work) -> Mapping[str, Any]:
        plan = self._planner.make(work.job_id)
        return {"planId": plan.id, "hash": plan.hash}

    def _rollback(self, work: Work) -> Mapping[str, Any]:
        plan = self._planner.make_rollback(work.job_id, str(work.payload["cycleId"]))
        return {"planId": plan.id, "hash": plan.hash}

    def _apply(self, work: Work) -> Mapping[str, Any]:
        return self._carry_out(self._planner.apply(str(work.payload["planId"]), work.initiator))

    def _run_cycle(self, work: Work) -> Mapping[str, Any]:
        job = self._stores.jobs.get(work.job_id)
        if job is None or job.schedule_state is not ScheduleState.ACTIVE:
            raise ProvisioningFailure(
                "The job is not started.", code="JobNotStarted", remedy="Start provisioning, then ask again."
            )
        if reconciles(work.payload):
            return self._carry_out(self._begin_reconciliation(work))
        running = self._stores.cycles.running(work.job_id)
        asked_at = self._clock.now()
        try:
            cycle = running or self._engine.begin(work.job_id, asked_by(work.initiator))
        except Fenced:
            # Somebody else has just begun one: it is what was asked for.
            cycle = running = self._stores.cycles.running(work.job_id)
        if cycle is None:
            # Nothing is new, or the job cannot be opened or its source read: that ended in a failed cycle.
            for latest in self._stores.cycles.history(work.job_id, 1):
                if latest.began_at >= asked_at:
                    _check_whole(latest)
            return {"cycleId": None}
        if running is None or work.job_id not in self._runs.active():
            return self._carry_out(cycle)
        return self._await(cycle)

    def _begin_reconciliation(self, work: Work) -> Cycle:
        """Begins a reconciliation once the cycle that runs has ended. Raises ProvisioningFailure."""
        job_id, options = work.job_id, {**RECONCILE, **asked_by(work.initiator)}
        while True:
            while (running := self._stores.cycles.running(job_id)) is not None:
                do_not_wait_for(running, self._clock.now())
                if is_stopped(self._stores, running):
                    raise ProvisioningFailure(
                        "The job was paused.", code="JobNotStarted", remedy="Start provisioning, then ask again."
                    )
                self._clock.sleep(_TICK)
            with suppress(Fenced):
                cycle = self._engine.begin(job_id, options)
                if cycle is not None:
                    return cycle
                failure = self._stores.cycles.history(job_id, 1)[0].failure
                sentence = "The reconciliation could not begin." if failure is None else failure.sentence
                raise ProvisioningFailure(sentence, code=failure.code if failure else "InternalError")

    def _import_once(self, work: Work) -> Mapping[str, Any]:
        """Imports an uploaded file, or plans that; however it ends, the file with its people is not kept."""
        try:
            return self._import(work)
        finally:
            # First: whatever becomes of the file, the next import is taken.
            self._spared = None
            self._uploads.drop(str(work.payload["file"]))

    def _import(self, work: Work) -> Mapping[str, Any]:
        if work.payload.get("preview"):
            plan = self._planner.make(self._import_job_id, _upload_of(work))
            job = self._stores.jobs.get(plan.job_id)
            return {
                "planId": plan.id,
                "hash": plan.hash,
                "jobId": plan.job_id,
                "servicePrincipalId": job.service_principal_id if job is not None else None,
                "counters": asdict(plan.counters),
                **_not_found(find_missing_managers(self._stores, plan.id, plan.job_id)),
            }
        cycle = self._begin_import({**_upload_of(work), **asked_by(work.initiator)})
        if cycle is None:
            latest = self._stores.cycles.history(self._import_job_id, 1)
            failure = latest[0].failure if latest else None
            raise ProvisioningFailure(
                failure.sentence if failure else "The file could not be read.",
                code=failure.code if failure else "ImportFailed",
                remedy=failure.remedy if failure else "Check the file.",
            )
        answer = self._carry_out(cycle)
        return {**answer, **_not_found(self._stores.links.missing_ends(self._import_job_id, MANAGER))}

    def _begin_import(self, options: Mapping[str, str]) -> Cycle | None:
        """Begins an import once those before it have ended; one that a dead process left is ended first."""
        while True:
            while (running := self._stores.cycles.running(self._import_job_id)) is not None:
                self._submit(running)
                self._clock.sleep(_TICK)
            with suppress(Fenced):
                return self._engine.begin(self._import_job_id, options)

    def _carry_out(self, cycle: Cycle) -> Mapping[str, Any]:
        self._submit(cycle)
        return self._await(cycle)

    def _submit(self, cycle: Cycle) -> None:
        while not self._hand_over(cycle):
            # The last run of this job is just ending.
            self._clock.sleep(_TICK)

    def _hand_over(self, cycle: Cycle) -> bool:
        if self._find_dead is not None:
            # Whichever engine is free carries it out.
            self._engine.let_go(cycle.id)
        return self._runs.submit(self._run_id(cycle), cycle.job_id)

    def _run_id(self, cycle: Cycle) -> str:
        """Returns a new run id: it names one try at a cycle, so that a cycle taken up again is another run."""
        return f"{cycle.id}.{self._ids.new_id()[:8]}"

    def _await(self, cycle: Cycle) -> Mapping[str, Any]:
        """Waits for the end of a cycle; the answer names it, its counters are read from it.

        Raises ProvisioningFailure for one that failed as a whole.
        """
        while (now := self._stores.cycles.get(cycle.id)) is not None and now.state is CycleState.RUNNING:
            if is_stopped(self._stores, now):
                # A paused job's cycle waits for its start, perhaps for days; nobody waits for it here.
                now = None
                break
            do_not_wait_for(now, self._clock.now())
            self._clock.sleep(_TICK)
        if now is not None:
            _check_whole(now)
        return {
            "cycleId": cycle.id,
            "state": CycleState.STOPPED.value if now is None else now.state.value,
            "counters": asdict((now or cycle).counters),
        }


def _check_whole(cycle: Cycle) -> None:
    """Raises: ProvisioningFailure for a cycle that failed as a whole."""
    if cycle.state is CycleState.FAILED and cycle.failure is not None:
        failure = cycle.failure
        raise ProvisioningFailure(failure.sentence, code=failure.code, remedy=failure.remedy)


def cycle_of(run_id: str) -> str:
    """Returns the cycle that a run is a try at."""
    return run_id.partition(".")[0]


def _not_found(managers: Sequence[str]) -> dict[str, Any]:
    """What an import answers of managers who are not there; nothing if all are."""
    if not managers:
        return {}
    return {"managersNotFound": {"count": len(managers), "names": list(managers[:_NAMES_SHOWN])}}


def _upload_of(work: Work) -> Mapping[str, str]:
    """Which file an import reads."""
    return {"file": str(work.payload["file"])}
