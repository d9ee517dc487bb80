"""Parts of passes that other engines carry, sent by an engine that is free."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from muster.database.saying import say_failure
from muster.engine.parts import EngineStores, JobOpener
from muster.engine.run import Run
from muster.engine.sharing import Sharing, send_part
from muster.engine.stopping import let_stop
from muster.engine.telling import piece_of
from muster.model.failures import Fenced, JobFailure
from muster.model.job import Cycle
from muster.ports.sharing import PartEnd
from muster.ports.world import Clock, Ids

logger = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(milliseconds=500)
# The next page is staged in this time; after it the application's connection is closed again.
_STAYS_FOR = timedelta(seconds=2)
_SHORTLY = timedelta(milliseconds=100)
# Where this engine alone has trouble (its network, say), it leaves the cycle to others for so long.
_KEEPS_OUT_FOR = timedelta(seconds=30)
_AT_ONCE = 4
_TRIES = 5
_AFTER_FAILURE = timedelta(seconds=1)


class Helper:
    """Looks for passes that are shared. One an engine process, with a thread for each cycle that it helps with."""

    def __init__(
        self,
        sharing: Sharing,
        stores: EngineStores,
        open_job: JobOpener,
        clock: Clock,
        ids: Ids,
        *,
        carries: Callable[[str], bool],
        is_overtaken: Callable[[], bool],
    ) -> None:
        """Args:
        carries: whether this engine carries the cycle of this id itself.
        is_overtaken: whether others may take this process for dead; then nothing more is sent.
        """
        self._sharing = sharing
        self._stores = stores
        self._open_job = open_job
        self._clock = clock
        self._ids = ids
        self._carries = carries
        self._is_overtaken = is_overtaken
        self._stop = threading.Event()
        self._helping: dict[str, threading.Thread] = {}
        # Where there was trouble: until when it is left alone.
        self._left_until: dict[str, float] = {}
        self._elapsed = 0.0

    def run(self, stop: threading.Event) -> None:
        """Looks until `stop` is set."""
        while not stop.wait(_LOOK_EVERY.total_seconds()):
            self._elapsed += _LOOK_EVERY.total_seconds()
            try:
                self.look()
            except Exception:
                # The database is away: the engine's loop says so.
                logger.debug("no look at shared passes", exc_info=True)
        self._stop.set()

    def stop(self, deadline: timedelta) -> bool:
        """Takes no more parts, and waits for those under way, for all together as long as `deadline` says.

        Returns whether all ended: if not, requests may still be on their way in this engine's name.
        """
        self._stop.set()
        threads = list(self._helping.values())
        by = time.monotonic() + deadline.total_seconds()
        for thread in threads:
            thread.join(max(by - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in threads)

    def look(self) -> None:
        """Begins to help with passes of which something waits, as far as there are threads for it."""
        self._helping = {cycle: thread for cycle, thread in self._helping.items() if thread.is_alive()}
        self._left_until = {cycle: until for cycle, until in self._left_until.items() if until > self._elapsed}
        if self._is_overtaken():
            return
        for cycle in self._sharing.shares.offers():
            known = self._helping.keys() | self._left_until.keys()
            if len(self._helping) < _AT_ONCE and cycle.id not in known and not self._carries(cycle.id):
                thread = threading.Thread(target=self._help, args=(cycle,), name="helper", daemon=True)
                self._helping[cycle.id] = thread
                thread.start()

    def _help(self, cycle: Cycle) -> None:
        """Helps until nothing is left, or something is in the way: then others go on."""
        sent: list[int] = []
        try:
            with piece_of(cycle, helps=True):
                self.help_with(cycle, sent)
        except (JobFailure, Fenced) as trouble:
            logger.info("left the cycle %s to other engines: %s", cycle.id, trouble)
            self._left_until[cycle.id] = self._elapsed + _KEEPS_OUT_FOR.total_seconds()
        except Exception as error:
            say_failure(logger, f"a part of the cycle {cycle.id} is left to be looked up", error)
            self._left_until[cycle.id] = self._elapsed + _KEEPS_OUT_FOR.total_seconds()
            self._give_back(cycle)
        if sent:
            logger.info("sent %d operations of the cycle %s, in %d parts", sum(sent), cycle.id, len(sent))

    def help_with(self, cycle: Cycle, sent: list[int]) -> None:
        """Sends parts of a cycle, and notes how many operations each had, until none has come for some time.

        Raises: JobFailure, Fenced.
        """
        parts = self._open_job(cycle.job_id, cycle.options)
        run = Run(cycle, parts, self._stores, self._clock, self._ids)
        let_stop(cycle, parts, self._stores, self._clock, lambda: self._stop.is_set() or self._is_overtaken())
        idle = 0
        try:
            while idle < _STAYS_FOR // _SHORTLY and not self._stop.is_set() and not self._carries(cycle.id):
                done = send_part(run, self._sharing.shares, self._sharing.name, lambda end: self._write(cycle, end))
                if done:
                    sent.append(done)
                    idle = 0
                else:
                    idle += 1
                    self._clock.sleep(_SHORTLY)
        finally:
            run.close()

    def _write(self, cycle: Cycle, end: PartEnd) -> None:
        """Writes what came of a part; a database that is away for a moment is asked again."""
        for left in reversed(range(_TRIES)):
            try:
                self._sharing.shares.end_part(cycle, self._sharing.name, end)
            except Fenced:
                raise
            except Exception:
                if not left:
                    raise
                self._clock.sleep(_AFTER_FAILURE)
            else:
                return

    def _give_back(self, cycle: Cycle) -> None:
        """Leaves what this engine claimed to be looked up: as long as it lives, nobody else would take it."""
        while not self._stop.is_set():
            try:
                self._sharing.shares.interrupt(cycle.id, [self._sharing.name])
            except Exception:
                self._clock.sleep(_AFTER_FAILURE)
            else:
                return
