"""Time and chance, asked for so that decisions and tests can name them."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time of day, aware and in UTC."""

    def now(self) -> datetime:
        """Returns the instant."""
        ...

    def sleep(self, duration: timedelta) -> None:
        """Waits."""
        ...


class Ids(Protocol):
    """New identifiers."""

    def new_id(self) -> str:
        """Returns a random GUID in lower case with dashes."""
        ...

    def draw(self, limit: int) -> int:
        """Returns a random number from 0 to limit - 1 from a good source."""
        ...
