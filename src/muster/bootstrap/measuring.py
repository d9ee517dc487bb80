"""An engine process hands on what it measures: the web processes show it, on whatever machine they are."""

import logging
import threading
from datetime import timedelta

import msgspec

from muster.ports.measures import MeasureStore
from muster.ports.world import Clock
from muster.telemetry.measures import Family, take_figures

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=5)
# An engine that measures nothing new says so often that it is still there.
AT_LEAST_EVERY = timedelta(minutes=1)


class Teller:
    """Writes the figures of this process into the store."""

    def __init__(self, measures: MeasureStore, clock: Clock, engine_id: str) -> None:
        self._measures = measures
        self._clock = clock
        self._engine_id = engine_id
        self._told: list[Family] = []
        self._told_at = clock.now() - AT_LEAST_EVERY

    def run(self, stop: threading.Event) -> None:
        """Tells until `stop` is set, and what came last after that."""
        while not stop.wait(EVERY.total_seconds()):
            self.tell()
        self.tell()

    def tell(self) -> None:
        """Tells what is new. A database that is away or full is no trouble of the engine: told later."""
        figures, now = take_figures(), self._clock.now()
        if figures == self._told and abs(now - self._told_at) < AT_LEAST_EVERY:
            return
        try:
            self._measures.put(self._engine_id, msgspec.json.encode(figures), now)
        except Exception:
            logger.debug("the figures could not be told", exc_info=True)
            return
        self._told, self._told_at = figures, now
