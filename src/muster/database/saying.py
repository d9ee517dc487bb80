"""How troubles that last are said: once a minute, an outage of the database in a line of its own, and that it ended."""

import logging
import time
from collections.abc import Callable, Mapping

from muster.database.outage import outage_of

SAID_FOR_SECONDS = 60.0


class SaidOnce(logging.Filter):
    """Leaves out lines that were said within the last minute, word for word: for a logger that is not ours."""

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


def say_failure(logger: logging.Logger, what: str, error: Exception, ids: Mapping[str, str] | None = None) -> None:
    """Logs what could not be done: with the sentence of an outage, which passes by itself, else with the traceback."""
    outage = outage_of(error)
    if outage is None:
        logger.error("%s", what, exc_info=error, extra=ids)
    else:
        logger.warning("%s: %s", what, outage, extra=ids)


class Trouble:
    """What is said of something that is done again and again, however often it fails. One thread."""

    def __init__(self, logger: logging.Logger, what: str, seconds: Callable[[], float] = time.monotonic) -> None:
        """Args: what: a noun, with which both sentences begin."""
        self._logger = logger
        self._what = what
        self._seconds = seconds
        self._since: float | None = None
        # Whether it was an outage -> when it was said last. Its sentence changes while a server goes and comes.
        self._said_at: dict[bool, float] = {}

    @property
    def lasts(self) -> bool:
        """Whether it could not be done the last time."""
        return self._since is not None

    def fails(self, error: Exception) -> None:
        """Says that it could not be done: the sentence of an outage, else the traceback."""
        now, is_outage = self._seconds(), outage_of(error) is not None
        if self._since is None:
            self._since = now
        if now - self._said_at.get(is_outage, -SAID_FOR_SECONDS) < SAID_FOR_SECONDS:
            return
        self._said_at[is_outage] = now
        say_failure(self._logger, f"{self._what} cannot be done", error)

    def works(self) -> None:
        """Says that it can be done again, once, if it could not be."""
        if self._since is None:
            return
        # As loud as what it ends: whoever reads the one reads the other.
        self._logger.warning("%s is done again, after %.0f s without", self._what, self._seconds() - self._since)
        self._since = None
        self._said_at.clear()
