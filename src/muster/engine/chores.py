"""What the engine process does now and then beside its cycles, each in its own time; a chore that fails says so and is
done again."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.database.saying import Trouble
from muster.ports.world import Clock

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=1)
# A chore of every hour does not wait for the next one where the database was away for a moment.
AFTER_FAILURE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to do every so often. `do` returns whether it left something over: then it goes on at the next look."""

    name: str
    every: timedelta
    do: Callable[[], bool]


class Chores:
    """Does chores when they are due; one thread."""

    def __init__(self, chores: Sequence[Chore], clock: Clock, *, leads: Callable[[], bool] = lambda: True) -> None:
        """`leads`: whether this process is the one of several that does them."""
        self._leads = leads
        self._chores = tuple(chores)
        self._troubles = {each.name: Trouble(logger, f"the chore {each.name}") for each in chores}
        self._clock = clock
        self._due: dict[str, datetime] = {}

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        while not stop.wait(LOOK_EVERY.total_seconds()):
            if self._leads():
                self.work()

    def work(self) -> None:
        """Does what is due, once."""
        for chore in self._chores:
            now = self._clock.now()
            # So far ahead it never is: the clock was set back.
            if now < self._due.get(chore.name, now) <= now + chore.every:
                continue
            trouble = self._troubles[chore.name]
            try:
                wait = timedelta(0) if chore.do() else chore.every
                trouble.works()
            except Exception as error:
                trouble.fails(error)
                wait = min(AFTER_FAILURE, chore.every)
            self._due[chore.name] = now + wait
