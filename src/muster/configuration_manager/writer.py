"""Group commit: writers that come while one commits share the next commit.

A commit on SQLite with `synchronous=FULL` waits for the disk. Sixteen threads that wait one after the other write as
fast as one; here the thread that leads runs the work of all that queue behind it in one transaction, each in a
savepoint of its own, and every thread gets its own result or exception after the one commit. Then the lead passes to
the first that came meanwhile. On PostgreSQL, where writers do not wait for each other, each has its own transaction.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection

from muster.database.connection import Database
from muster.database.statements import driver_of

T = TypeVar("T")

LIMIT_BATCH = 64
LIMIT_ATTEMPTS = 5
# A serialization failure and a deadlock on PostgreSQL: nothing was kept, and the same work may be run anew.
_PASSING = frozenset({"40001", "40P01"})


class _Job(Generic[T]):
    """One caller's work and what came of it; `gate` opens when it is done, or when its caller is to lead."""

    __slots__ = ("done", "error", "gate", "result", "work")

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.result: T | None = None
        self.error: BaseException | None = None
        self.done = False
        self.gate = threading.Lock()
        self.gate.acquire()

    def outcome(self) -> T:
        """What the work returned. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class _HalfDone(Exception):
    """Something that failed has left what it had written."""


class _Lost(BaseException):
    """The database has taken back all that shares a commit, as SQLite does when its disk is full: nobody who answers
    for one piece of work may take it for the failure of that alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Sharing(threading.local):
    """The commit that a thread's work shares, while there is one."""

    connection: Connection | None = None
    driver: Any = None
    is_careful = False
    is_half_done = False

    def begin(self, connection: Connection, *, is_careful: bool) -> None:
        """All that the thread runs from now on shares a commit."""
        self.connection, self.driver = connection, driver_of(connection)
        self.is_careful, self.is_half_done = is_careful, False

    def end(self) -> None:
        """It does so no more."""
        self.connection = self.driver = None


class Writer:
    """Runs pieces of work in write transactions; `batch_limit` of them share a commit at most (1: each has its own)."""

    def __init__(self, database: Database, *, batch_limit: int | None = None) -> None:
        self._database = database
        self._batch_limit = batch_limit or (LIMIT_BATCH if database.has_one_writer else 1)
        self._queue: deque[_Job[Any]] = deque()
        self._mutex = threading.Lock()
        self._has_leader = False
        self._sharing = _Sharing()
        self.commits = 0  # of this process so far

    @property
    def is_shared(self) -> bool:
        """Whether several pieces of work share a commit."""
        return self._batch_limit > 1

    def share(self, work: Callable[[Connection], T]) -> T:
        """What the work returned, in the calling thread: all that it writes, by `run` too, is kept in one commit.

        Within, `run` returns before the commit, and reads of this thread see what was written. Raises when nothing
        could be kept. The work may be run twice: what is refused has mostly written nothing, so it goes without
        savepoints; when something that failed had written, all is taken back and done again with one around each.
        """
        sharing = self._sharing
        for is_careful in (False, True):
            try:
                with self._database.together() as connection:
                    sharing.begin(connection, is_careful=is_careful)
                    try:
                        result = work(connection)
                        if sharing.is_half_done:
                            raise _HalfDone
                    finally:
                        sharing.end()
            except _HalfDone:
                continue
            except _Lost as lost:
                raise lost.error from None
            self.commits += 1
            return result
        raise AssertionError  # pragma: no cover - with savepoints nothing is left half done

    def run(self, work: Callable[[Connection], T]) -> T:
        """What the work returned, after it was committed. Raises whatever the work raised, with nothing of it kept.

        The work may be run more than once: only what it did last is kept.
        """
        if self._batch_limit == 1:
            return self._run_alone(work)
        sharing = self._sharing
        shared = sharing.connection
        if shared is not None and not sharing.is_careful:
            return _run_plainly(shared, sharing, work)
        job = _Job(work)
        if shared is not None:
            _run_in_savepoint(shared, sharing.driver, job)
            return job.outcome()
        with self._mutex:
            self._queue.append(job)
            leads = not self._has_leader
            self._has_leader = True
        if not leads:
            job.gate.acquire()
        if not job.done:
            self._lead()
        return job.outcome()

    def _run_alone(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(1, LIMIT_ATTEMPTS + 1):
            try:
                with self._database.write() as connection:
                    result = work(connection)
                self.commits += 1
                return result
            except Exception as error:
                # Prepared statements raise what the driver does, all others SQLAlchemy's error with that within.
                state = getattr(getattr(error, "orig", error), "sqlstate", None)
                if attempt == LIMIT_ATTEMPTS or state not in _PASSING:
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returned or raised

    def _lead(self) -> None:
        """Runs the first jobs of the queue, the caller's own the first of them, and passes the lead on."""
        with self._mutex:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_limit))]
        try:
            with self._database.write() as connection:
                if len(batch) == 1:
                    batch[0].result = batch[0].work(connection)
                else:
                    driver = driver_of(connection)
                    for job in batch:
                        _run_in_savepoint(connection, driver, job)
        except BaseException as error:
            # Nothing was committed: no one may be told that it was.
            for job in batch:
                job.result = None
                job.error = job.error or (error.error if isinstance(error, _Lost) else error)
        finally:
            self.commits += 1
            for job in batch:
                job.done = True
            with self._mutex:
                following = self._queue[0] if self._queue else None
                self._has_leader = following is not None
            if following is not None:
                following.gate.release()
            for job in batch[1:]:
                job.gate.release()


def _run_plainly(connection: Connection, sharing: _Sharing, work: Callable[[Connection], T]) -> T:
    """What the work returned. SQLite takes a statement that fails back by itself: only what was written by those
    before it would be left, and then all is done again."""
    before = sharing.driver.total_changes
    try:
        return work(connection)
    except Exception as error:
        if not sharing.driver.in_transaction:
            raise _Lost(error) from error
        if sharing.driver.total_changes != before:
            sharing.is_half_done = True
        raise


def _run_in_savepoint(connection: Connection, driver: Any, job: _Job[Any]) -> None:
    driver.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        if not driver.in_transaction:
            raise _Lost(error) from error
        job.error = error
        driver.execute("ROLLBACK TO SAVEPOINT job")
    driver.execute("RELEASE SAVEPOINT job")
