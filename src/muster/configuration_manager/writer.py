"""Group commit: writers that come while one commits share the next commit.

A commit on SQLite with `synchronous=FULL` waits for the disk. Sixteen threads that wait one after the other write as
fast as one; here the thread that holds the lock runs the work of all that queue behind it in one transaction, each in a
savepoint of its own, and every thread gets its own result or exception after the one commit.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from muster.database import Database

T = TypeVar("T")


class _Job:
    """One caller's work and what came of it."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False


class Writer:
    """Runs pieces of work in write transactions; `batch_limit` of them share a commit at most (1: each has its own)."""

    def __init__(self, database: Database, *, batch_limit: int = 64) -> None:
        self._database = database
        self._batch_limit = batch_limit
        self._queue: deque[_Job] = deque()
        self._turn = threading.Lock()

    def run(self, work: Callable[[Connection], T]) -> T:
        """What the work returned, after it was committed. Raises whatever the work raised, with nothing of it kept."""
        if self._batch_limit == 1:
            with self._database.write() as connection:
                return work(connection)
        job = _Job(work)
        self._queue.append(job)
        while not job.done:
            with self._turn:
                if not job.done:
                    self._commit_batch()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _commit_batch(self) -> None:
        batch: list[_Job] = []
        while self._queue and len(batch) < self._batch_limit:
            batch.append(self._queue.popleft())
        try:
            with self._database.write() as connection:
                if len(batch) == 1:
                    batch[0].result = batch[0].work(connection)
                else:
                    for job in batch:
                        _run_in_savepoint(connection, job)
        except BaseException as error:
            # Nothing was committed: no one may be told that it was.
            for job in batch:
                job.result = None
                job.error = job.error or error
        finally:
            for job in batch:
                job.done = True


def _run_in_savepoint(connection: Connection, job: _Job) -> None:
    connection.exec_driver_sql("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        job.error = error
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
    connection.exec_driver_sql("RELEASE SAVEPOINT job")
