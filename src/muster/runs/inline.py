"""Runs in the calling thread: for tests, fault schedules, and commands that wait for their cycle."""

import threading
from datetime import timedelta

from muster.ports.runs import Advance, OnCrash
from muster.runs.pages import PageOutcome, do_page


class InlineRuns:
    """`submit` returns when the run is over. Nothing is kept: what was stopped is submitted again."""

    def __init__(self, advance: Advance, on_crash: OnCrash) -> None:
        self._advance = advance
        self._on_crash = on_crash
        self._lock = threading.Condition()
        self._jobs: dict[str, str] = {}
        self._ended: set[str] = set()
        self._is_stopping = False

    def start(self) -> None:
        """Begins to take runs again after a stop."""
        self._is_stopping = False

    def submit(self, run_id: str, job_id: str) -> bool:
        """Carries the run out, unless it is over or under way; false if another run of the job is under way."""
        with self._lock:
            if run_id in self._ended:
                return True
            if job_id in self._jobs:
                return self._jobs[job_id] == run_id
            self._jobs[job_id] = run_id
        outcome = PageOutcome.MORE
        try:
            while outcome is PageOutcome.MORE and not self._is_stopping:
                outcome = do_page(self._advance, self._on_crash, run_id, job_id)
        finally:
            with self._lock:
                del self._jobs[job_id]
                if outcome is not PageOutcome.MORE:
                    self._ended.add(run_id)
                self._lock.notify_all()
        return True

    def active(self) -> frozenset[str]:
        """Returns the jobs whose run is under way in some thread."""
        with self._lock:
            return frozenset(self._jobs)

    def stop(self, deadline: timedelta) -> bool:
        """Ends runs after the page that is under way; waits for other threads' pages."""
        self._is_stopping = True
        with self._lock:
            return self._lock.wait_for(lambda: not self._jobs, deadline.total_seconds())
