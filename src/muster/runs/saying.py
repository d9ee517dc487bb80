"""How troubles that last are said: once a minute, and an outage of the database in a line of its own."""

import logging
import time
from collections.abc import Callable

from muster.database.outage import outage_of

SAID_FOR_SECONDS = 60.0


class SaidOnce(logging.Filter):
    """Leaves out lines that were said within the last minute, word for word."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        now, text = self._seconds(), record.getMessage()
        self._said = {each: at for each, at in self._said.items() if now - at < SAID_FOR_SECONDS}
        if text in self._said:
            return False
        self._said[text] = now
        return True


def say_trouble(logger: logging.Logger, what: str, error: Exception) -> None:
    """Warns of what could not be done: with the sentence of an outage, else with the traceback."""
    outage = outage_of(error)
    if outage is None:
        logger.warning("%s", what, exc_info=error)
    else:
        logger.warning("%s: %s", what, outage)
