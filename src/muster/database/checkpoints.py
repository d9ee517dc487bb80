"""Checkpoints on a thread of their own: what SQLite's write-ahead log holds is copied into the file beside the writers.

SQLite does this within the commit that finds the log long enough, and that commit, and all who share it, wait until
thousands of pages are written and safe on the disk: a third of the time of writers who never pause.
"""

import logging
import sqlite3
import threading
from contextlib import closing

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)

DUE_AFTER_ROWS = 3_000  # 20 MB of log, as a row is one page and a half
COPIES_BESIDE = 2  # the second takes what came during the first, and leaves little to do while writers wait
LONG_PAGES = 8_000  # 32 MB; it is kept in a file of 64 at most
# 128 MB: readers follow each other so closely that one always needs the log, and it would grow for ever.
STARVED_PAGES = 4 * LONG_PAGES
LIMIT_WAIT_MS = 2_000  # for those readers, while writers wait
# What the writers' connection copies itself where no thread comes to it: 80 MB of log.
FALLBACK_PAGES = 20_000


class Checkpoints:
    """Copies after every so many changed rows while writers go on; when they never pause and the log has become long,
    the rest between two of them, so that it does not grow."""

    def __init__(self, engine: Engine, writers: threading.Lock, *, due_after_rows: int = DUE_AFTER_ROWS) -> None:
        self._engine = engine
        self._writers = writers
        self._due_after_rows = due_after_rows
        self._noted_rows = 0
        self._starved_at = STARVED_PAGES
        self._is_due = threading.Event()
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._copy_when_due, name="checkpoints", daemon=True)
        self._thread.start()

    def note(self, rows: int) -> None:
        """Told by each writer after its commit: how many rows its connection has changed since it was opened."""
        if rows - self._noted_rows >= self._due_after_rows or rows < self._noted_rows:
            self._noted_rows = rows
            self._is_due.set()

    def close(self) -> None:
        """Ends the thread after what it does."""
        self._is_ended.set()
        self._is_due.set()
        self._thread.join()

    def _copy_when_due(self) -> None:
        while self._is_due.wait() and not self._is_ended.is_set():
            self._is_due.clear()
            if self._is_ended.is_set():  # told between the two
                return
            try:
                pages = max(self._copy() for _ in range(COPIES_BESIDE))
                if pages > LONG_PAGES:
                    with self._writers:
                        self._copy_between(pages)
            except (SQLAlchemyError, sqlite3.Error):
                # Nothing is lost: it stays in the log, until the next time or the fallback.
                logger.exception("the write-ahead log could not be copied into the database")

    def _copy_between(self, pages: int) -> None:
        """Copies the rest while no writer is at work, of a log of so many pages."""
        if pages <= self._starved_at:
            self._copy()
            return
        # Who reads for minutes is not waited for again until as much again has been written.
        self._starved_at = STARVED_PAGES if self._begin_anew() else pages + STARVED_PAGES

    def _begin_anew(self) -> bool:
        """Whether all was copied and no reader needs the log any more. Waits for those that do; who begins to read
        meanwhile needs it not. Source: SQLite, PRAGMA wal_checkpoint, RESTART."""
        pooled = self._engine.raw_connection()
        try:
            with closing(pooled.cursor()) as cursor:
                cursor.execute("PRAGMA busy_timeout")
                ((before,),) = cursor.fetchall()
                cursor.execute(f"PRAGMA busy_timeout = {LIMIT_WAIT_MS}")
                try:
                    cursor.execute("PRAGMA wal_checkpoint(RESTART)")
                    ((is_busy, _, _),) = cursor.fetchall()
                    return not is_busy
                finally:
                    cursor.execute(f"PRAGMA busy_timeout = {before}")
        finally:
            pooled.close()

    def _copy(self) -> int:
        """How many pages the log has; copies those that no reader needs there. When all are copied the next writer
        begins the log anew. Source: SQLite, PRAGMA wal_checkpoint, PASSIVE: waits for nobody."""
        pooled = self._engine.raw_connection()
        try:
            with closing(pooled.cursor()) as cursor:  # outside any transaction
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                ((_, pages, _),) = cursor.fetchall()
                return int(pages)
        finally:
            pooled.close()
