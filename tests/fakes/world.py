"""Time that moves only when somebody waits, and ids that count."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


class StillClock:
    """A clock that sleeping moves on; `slept` lists every wait."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.slept: list[timedelta] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, duration: timedelta) -> None:
        self.advance(duration)
        self.slept.append(duration)

    def advance(self, duration: timedelta) -> None:
        with self._lock:
            self._now += duration


class CountingIds:
    """Ids 00000000-0000-4000-8000-000000000001 and on; draws are always 0."""

    def __init__(self) -> None:
        self._made = 0
        self._lock = threading.Lock()

    def new_id(self) -> str:
        with self._lock:
            self._made += 1
            return f"00000000-0000-4000-8000-{self._made:012d}"

    def draw(self, limit: int) -> int:
        return 0
