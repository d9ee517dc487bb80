"""A clock that wakes whoever sleeps by it when they are to stop."""

from collections.abc import Callable
from datetime import datetime, timedelta

from muster.model.failures import Interrupted
from muster.ports.world import Clock

# How long a sleeper may go on after the word was given.
_SLICE = timedelta(milliseconds=500)


class StoppableClock:
    """A clock like the one it is made of. Once told whom to ask, it asks before and during each sleep."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_stopped: Callable[[], bool] | None = None

    def now(self) -> datetime:
        """Returns the instant."""
        return self._clock.now()

    def check(self) -> None:
        """Raises Interrupted when it is time to stop."""
        if self.is_stopped is not None and self.is_stopped():
            raise Interrupted("The job was stopped.")

    def sleep(self, duration: timedelta) -> None:
        """Waits. Raises Interrupted."""
        if self.is_stopped is None:
            self._clock.sleep(duration)
            return
        while duration > timedelta():
            self.check()
            self._clock.sleep(min(duration, _SLICE))
            duration -= _SLICE
