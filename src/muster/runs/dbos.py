"""Durable runs by DBOS: a run is a workflow, a page one of its steps, its records a database beside ours.

Each process has its own executor id. A step is never retried by DBOS: the next page decides what is to be done. When a
process dies, its runs stand as pending under its id; the reaper of a living process finds that the id beats no more and
puts them back into the queue, where exactly one process takes each. One job has one run at a time, over all processes:
the job's id is the queue's deduplication id.

A process that cannot count on (its database is away, its machine was stopped) must take itself for dead before others
do: `is_overtaken` says so after less silence than it takes to be taken up.

DBOS is one a process, therefore only one `DurableRuns` may be started at a time.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dbos import DBOS, DBOSClient, DBOSConfig, SetEnqueueOptions, SetWorkflowID, error

from muster.database.connection import Database
from muster.database.saying import SaidOnce, Trouble
from muster.ports.runs import Advance, OnCrash
from muster.runs.executors import Executors
from muster.runs.pages import PageOutcome, do_page

_APPLICATION = "muster"
_QUEUE = "muster-runs"
_WORKFLOW = "muster-run"
# Runs recorded by another format of pages would be resumed wrongly: change it with the meaning of a step.
_FORMAT = "1"
_UNFINISHED = ["ENQUEUED", "PENDING", "DELAYED"]
_BEATS_UNTIL_DEAD = 9
_BEATS_UNTIL_OVERTAKEN = 5
_CLEANUP_BATCH = 200
_PAUSES_OF_TABLES = (0.5, 1.0, 2.0, 4.0)
_PAUSE_AFTER_OUTAGE_SECONDS = 2.0

_log = logging.getLogger(__name__)


class RunCrashed(Exception):
    """Ends a workflow as failed; says no more than that, as DBOS keeps and logs it."""


class _Stopped(BaseException):
    """Leaves a workflow without an outcome, so that it stays pending: DBOS records ordinary exceptions."""


class _NoCrash(logging.Filter):
    """Leaves out DBOS's report of a failed run: `on_crash` was told, with the traceback that matters."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], RunCrashed))


class _NoOutage(logging.Filter):
    """Leaves out what DBOS's threads say of a server that is away, each in its own words: our rounds say it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        text = record.getMessage()
        return "psycopg.OperationalError" not in text and not text.startswith("Notification listener error")


# A logger takes the same filter once, however many runners a process starts.
_FILTERS = (_NoCrash(), _NoOutage(), SaidOnce())


def _join_logging() -> None:
    """Has DBOS log warnings through the process's own logging: without a handler it would add one of its own."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.WARNING)
    for each in _FILTERS:
        logger.addFilter(each)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


class DurableRuns:
    """Runs that outlive their process."""

    def __init__(
        self,
        database: Database,
        advance: Advance,
        on_crash: OnCrash,
        *,
        is_alone: bool,
        at_once: int = 8,
        poll: timedelta = timedelta(milliseconds=200),
        beat: timedelta = timedelta(seconds=2),
        keep: timedelta = timedelta(days=7),
        lost_after: timedelta = timedelta(seconds=15),
        turn: timedelta = timedelta(seconds=5),
        on_yield: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            database: where runs are recorded; for SQLite a file of its own, as its writers wait for each other.
            is_alone: no other process may use the database (the data folder's lock is ours): all others are dead.
            at_once: runs under way in this process at the same time.
            poll: how often the queue is looked at.
            beat: how often this process shows that it lives; nine beats of silence and others take its runs up.
            keep: how long ended runs are kept.
            lost_after: how long a run that is noted as this process's may not be under way here.
        turn: how long a run goes on while all places are taken and others wait; then it ends before its end, and is
            submitted anew, behind them, by whoever looks for cycles that are due.
        on_yield: told of a run that made way for others.
        """
        self.executor_id = str(uuid.uuid4())
        self._database = database
        self._advance = advance
        self._on_crash = on_crash
        self._is_alone = is_alone
        self._at_once = at_once
        self._poll = poll
        self._beat = beat
        self._keep = keep
        self._lost_after = lost_after
        self._turn_seconds = turn.total_seconds()
        self._on_yield = on_yield
        # Runs under way here, and since when; whether others wait for a place.
        self._began_at: dict[str, float] = {}
        self._somebody_waits = False
        # Runs that are noted as ours and are not under way: since when.
        self._lost_since: dict[str, float] = {}
        self.executors = Executors(
            database, silent_for=beat * _BEATS_UNTIL_DEAD, unwatched_after=beat * _BEATS_UNTIL_OVERTAKEN
        )
        self._beaten_at = time.monotonic()
        self._leads = False
        self._stopping = threading.Event()
        self._under_way = threading.Condition()
        self._pages = 0
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins to carry out runs, first those that dead processes left."""
        _join_logging()
        self._count_on()
        if self._is_alone:
            self.executors.sign_out_others(self.executor_id)
        self._prepare_queue()
        DBOS(config=self._config())

        @DBOS.workflow(name=_WORKFLOW)
        def carry_out(run_id: str, job_id: str) -> None:
            self._carry_out(run_id, job_id)

        self._workflow = carry_out
        DBOS.launch()
        self._take_up()
        for name, work in (("beat", self._keep_counting), ("reaper", self._reap)):
            thread = threading.Thread(target=work, name=f"muster-runs-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(self, run_id: str, job_id: str) -> bool:
        """Queues a run; false if another run of the job is not over yet."""
        if DBOS.get_workflow_status(run_id) is not None:
            return True
        try:
            with SetWorkflowID(run_id), SetEnqueueOptions(deduplication_id=job_id):
                DBOS.enqueue_workflow(_QUEUE, self._workflow, run_id, job_id)
        except error.DBOSQueueDeduplicatedError:
            # The same run, submitted by two threads at once?
            return DBOS.get_workflow_status(run_id) is not None
        return True

    def active(self) -> frozenset[str]:
        """Returns the ids of jobs with a run that waits or is under way, in whatever process."""
        unfinished = DBOS.list_workflows(status=_UNFINISHED, name=_WORKFLOW, load_input=False, load_output=False)
        return frozenset(run.deduplication_id for run in unfinished if run.deduplication_id is not None)

    def is_overtaken(self) -> bool:
        """Whether others may soon take this process for dead, and its runs for theirs: it sends nothing more then."""
        silent_for = time.monotonic() - self._beaten_at
        return not self._is_alone and silent_for > (self._beat * _BEATS_UNTIL_OVERTAKEN).total_seconds()

    def leads(self) -> bool:
        """Whether this process is the one that does what only one need do: the first of those that live."""
        return self._is_alone or self._leads

    def stop(self, deadline: timedelta, *, beside: Callable[[timedelta], bool] = lambda _: True) -> bool:
        """Takes no more pages, waits for those under way, and leaves the rest to whoever starts next.

        Others take it up at once if all ended in time. If not, they wait until this process has been silent for long
        enough, as if it had been killed: what it sent last may still be on its way.

        Args:
            deadline: how long to wait for all of it.
            beside: stops what else is sent in this process's name, within a time; returns whether that has ended.
        """
        self._stopping.set()
        by = time.monotonic() + deadline.total_seconds()
        in_time = beside(deadline)
        with self._under_way:
            in_time &= self._under_way.wait_for(lambda: self._pages == 0, max(by - time.monotonic(), 0))
        for thread in self._threads:
            thread.join(self._beat.total_seconds())
        DBOS.destroy(destroy_registry=True)
        if in_time:
            with suppress(Exception):
                self.executors.sign_out(self.executor_id)
        return in_time

    def _prepare_queue(self) -> None:
        """Makes DBOS's tables and our queue, before it looks for queues: it looks again only a second later."""
        self._make_tables()
        client = DBOSClient(system_database_url=self._database.url, application_name=_APPLICATION)
        try:
            client.register_queue(
                _QUEUE, worker_concurrency=self._at_once, polling_interval_sec=self._poll.total_seconds()
            )
        finally:
            client.destroy()

    def _make_tables(self) -> None:
        """Several processes that start together on a new database get into each other's way: whoever made a table last
        goes on, and the others find it made when they look again."""
        for pause in (*_PAUSES_OF_TABLES, None):
            try:
                DBOS.migrate(self._database.url)
                return
            except Exception:
                if pause is None:
                    raise
                time.sleep(pause)

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name=_APPLICATION,
            system_database_url=self._database.url,
            application_version=_FORMAT,
            executor_id=self.executor_id,
            log_level="WARNING",
            enable_otlp=False,
            # Schedules are ours; nobody needs to look for DBOS's.
            scheduler_polling_interval_sec=3_600.0,
        )

    def _carry_out(self, run_id: str, job_id: str) -> None:
        """The workflow: replays what is recorded, then goes on page by page."""
        outcome = PageOutcome.MORE
        self._began_at[run_id] = time.monotonic()
        try:
            while outcome is PageOutcome.MORE:
                if self._stopping.is_set():
                    raise _Stopped
                outcome = PageOutcome(DBOS.run_step({"name": "page"}, self._page, run_id, job_id))
        finally:
            self._began_at.pop(run_id, None)
        if outcome is PageOutcome.CRASHED:
            raise RunCrashed(run_id)

    def _page(self, run_id: str, job_id: str) -> str:
        with self._under_way:
            if self._stopping.is_set():
                raise _Stopped
            self._pages += 1
        try:
            outcome = do_page(self._advance, self._on_crash, run_id, job_id)
            if outcome is PageOutcome.INTERRUPTED:
                # The run ends, and is submitted anew as the cycle is not over: not at once, over and over.
                self._stopping.wait(_PAUSE_AFTER_OUTAGE_SECONDS)
            if outcome is PageOutcome.MORE and self._is_turn_over(run_id):
                # Said by the page, so that whoever replays the run ends it there, too.
                self._on_yield(run_id)
                outcome = PageOutcome.YIELDED
            return str(outcome)
        finally:
            with self._under_way:
                self._pages -= 1
                self._under_way.notify_all()

    def _is_turn_over(self, run_id: str) -> bool:
        if not self._somebody_waits or len(self._began_at) < self._at_once:
            return False
        now = time.monotonic()
        return now - self._began_at.get(run_id, now) >= self._turn_seconds

    def _count_on(self) -> None:
        # Silence counts from before the call: nobody knows when the database did it.
        at = time.monotonic()
        self.executors.beat(self.executor_id)
        self._beaten_at = at
        self._database.keep_holding()

    def _keep_counting(self) -> None:
        trouble = Trouble(_log, "showing that this process lives")
        while not self._stopping.wait(self._beat.total_seconds()):
            try:
                self._count_on()
                trouble.works()
            except Exception as error:
                # A database that is away comes back; meanwhile others take over, which is right.
                trouble.fails(error)

    def _reap(self) -> None:
        trouble, cleanup_at = Trouble(_log, "the reaper's round"), time.monotonic()
        while not self._stopping.wait(self._beat.total_seconds()):
            try:
                self._take_up()
                if time.monotonic() >= cleanup_at:
                    cleanup_at = time.monotonic() + 3_600
                    self._clean_up()
                trouble.works()
            except Exception as error:
                trouble.fails(error)

    def _take_up(self) -> None:
        """Puts the runs of dead executors back into the queue; who has been put back already is left alone."""
        pending = DBOS.list_workflows(status="PENDING", name=_WORKFLOW, load_input=False, load_output=False)
        waiting = DBOS.list_workflows(status="ENQUEUED", name=_WORKFLOW, limit=1, load_input=False, load_output=False)
        self._somebody_waits = bool(waiting)
        # Also when nothing is pending: who watches the list all along knows at once who has fallen silent.
        self._leads = self.executors.living()[:1] == [self.executor_id]
        self._drop_lost(run.workflow_id for run in pending if run.executor_id == self.executor_id)
        holders = {run.executor_id for run in pending if run.executor_id not in (None, self.executor_id)}
        dead = self.executors.dead_among(holder for holder in holders if holder is not None)
        if dead:
            # `resume_workflows` would also drop the deduplication id and restart what another reaper has put back.
            handles = DBOS._recover_pending_workflows(dead)
            _log.warning("took up %d runs that a dead process left", len(handles))
            self.executors.sign_out(*dead)

    def _drop_lost(self, ours: Iterable[str]) -> None:
        """Drops runs of this process that ended while the database was too full to note it: who looks for due cycles
        submits theirs anew."""
        now = time.monotonic()
        self._lost_since = {
            run_id: self._lost_since.get(run_id, now) for run_id in ours if run_id not in self._began_at
        }
        for run_id, since in self._lost_since.items():
            if now - since >= self._lost_after.total_seconds():
                _log.warning("the end of the run %s could not be noted: its cycle is taken up anew", run_id)
                DBOS.cancel_workflow(run_id)

    def _clean_up(self) -> None:
        # Whoever was killed without a run in hand is missed by nobody.
        self.executors.sign_out(*self.executors.dead_among(self.executors.beats()))
        before = (datetime.now(UTC) - self._keep).isoformat()
        while not self._stopping.is_set():
            ended = DBOS.list_workflows(
                completed_before=before, name=_WORKFLOW, limit=_CLEANUP_BATCH, load_input=False, load_output=False
            )
            if not ended:
                return
            DBOS.delete_workflows([run.workflow_id for run in ended])
