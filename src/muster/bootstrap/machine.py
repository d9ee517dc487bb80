"""What the service has of the machine: its time and its chance."""

import secrets
import time
from datetime import UTC, datetime, timedelta

from muster.database.guids import new_guid


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Returns the instant."""
        return datetime.now(UTC)

    def sleep(self, duration: timedelta) -> None:
        """Waits."""
        time.sleep(duration.total_seconds())


class SteadyClock:
    """The machine's time when this was made, and what has passed since: setting the clock moves it nowhere."""

    def __init__(self) -> None:
        self._began_at = datetime.now(UTC)
        self._began_seconds = time.monotonic()

    def now(self) -> datetime:
        """Returns the instant."""
        return self._began_at + timedelta(seconds=time.monotonic() - self._began_seconds)

    def sleep(self, duration: timedelta) -> None:
        """Waits."""
        time.sleep(max(0.0, duration.total_seconds()))


class SystemIds:
    """Chance from the operating system."""

    def new_id(self) -> str:
        """Returns a random GUID (version 4)."""
        return new_guid()

    def draw(self, limit: int) -> int:
        """Returns a random number below the limit."""
        return secrets.randbelow(limit)
