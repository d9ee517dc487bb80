"""Whether an installation that several machines share stands still: only then is it moved, or its key changed."""

import threading

from muster.bootstrap.folder import StartRefused
from muster.runs.executors import Executors

# Engines count on every two seconds.
_WATCHED_SECONDS = 5.0


def has_engine(executors: Executors, stop: threading.Event | None = None) -> bool:
    """Whether an engine works on a shared database: it counts on while it is watched, until `stop` is set."""
    before = executors.beats()
    if not before:
        return False
    (stop or threading.Event()).wait(_WATCHED_SECONDS)
    return executors.beats() != before


def refuse_running(executors: Executors | None) -> None:
    """Raises: StartRefused if an engine works on the database. None: the folder's lock says whether one does."""
    if executors is not None and has_engine(executors):
        raise StartRefused("an engine works on this database: stop every muster serve and muster worker on it first")
