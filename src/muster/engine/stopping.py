"""When a cycle stops before its end: its job is paused or gone, or another process may have taken it up."""

from collections.abc import Callable
from datetime import timedelta

from muster.engine.parts import EngineStores, JobParts
from muster.model.job import Cycle, ScheduleState
from muster.ports.target import StoppableTarget
from muster.ports.world import Clock

# A stop is looked for so often while requests are sent.
_ASKED_EVERY = timedelta(milliseconds=500)
# A look at the store that takes longer has hung with the network, and others may have taken over meanwhile.
_ASKED_WITHIN = timedelta(seconds=5)


def is_asked_for(cycle: Cycle) -> bool:
    """Whether somebody asked for this very cycle (an import, an approved plan): it goes on while its job is off."""
    return "file" in cycle.options or "plan" in cycle.options


def is_stopped(stores: EngineStores, cycle: Cycle) -> bool:
    """Whether the cycle's job is off, or deleted."""
    job = stores.jobs.get(cycle.job_id)
    return job is None or (job.schedule_state is not ScheduleState.ACTIVE and not is_asked_for(cycle))


def let_stop(
    cycle: Cycle, parts: JobParts, stores: EngineStores, clock: Clock, is_overtaken: Callable[[], bool]
) -> None:
    """Lets a stop take effect while the target is slow, or asks to wait for an hour."""
    if not isinstance(parts.target, StoppableTarget):
        return
    asked_at = clock.now()
    stopped = False

    def is_over() -> bool:
        nonlocal asked_at, stopped
        # For good: a process that counts again after it was given up does so too late for what it had at hand.
        stopped = stopped or is_overtaken()
        now = clock.now()
        # A clock that was set back must not keep it from looking.
        if not stopped and abs(now - asked_at) >= _ASKED_EVERY:
            asked_at, stopped = now, is_stopped(stores, cycle)
            stopped = stopped or is_overtaken() or abs(clock.now() - now) >= _ASKED_WITHIN
        return stopped

    parts.target.stop_when(is_over)
