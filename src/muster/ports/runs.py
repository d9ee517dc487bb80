"""Durable runs: a cycle is a run, a page of it a step; what a dead process left is taken up by the next one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeAlias

# Does the next page of a run and tells whether there is more. At least once: a page may be done again after a crash.
Advance: TypeAlias = Callable[[str], bool]

# Told of an exception that `advance` did not expect: run, job, traceback. May be told twice after a crash.
OnCrash: TypeAlias = Callable[[str, str, str], None]


class Runs(Protocol):
    """Carries runs out, page by page, one run a job at a time.

    An exception from `advance` ends the run as failed, after `on_crash` was told; `Fenced` ends it quietly. A run that
    was stopped or whose process died goes on in a later process, from the first page that is not recorded as done.
    """

    def start(self) -> None:
        """Begins to carry out runs, first those that dead processes left."""
        ...

    def submit(self, run_id: str, job_id: str) -> bool:
        """Hands a run over and returns at once. A run id known already (waiting, under way, ended) changes nothing.

        Returns false if another run of the job is not over yet: this one was not taken.
        """
        ...

    def active(self) -> frozenset[str]:
        """Returns the ids of jobs with a run that waits or is under way, in whatever process."""
        ...

    def stop(self, deadline: timedelta) -> bool:
        """Takes no more pages and waits for those under way; returns whether all of them ended in time."""
        ...
