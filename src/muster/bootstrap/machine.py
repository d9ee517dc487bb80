"""What the service has of the machine: its time and its chance."""

import os
import secrets
import time
from datetime import UTC, datetime, timedelta

# The two highest bits of this digit are fixed: RFC 9562 §4.1.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


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
        """Returns a random GUID (version 4), at a third of the cost of the library's: every object takes two."""
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def draw(self, limit: int) -> int:
        """Returns a random number below the limit."""
        return secrets.randbelow(limit)
