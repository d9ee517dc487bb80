"""What faces note of a browser between its requests, for a time: under a key, taken once by whoever comes first."""

from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Protocol

LIMIT_KEYS = 100_000


class Notes(Protocol):
    """Notes of one face."""

    def add(self, key: str, note: bytes, expires_at: datetime, now: datetime) -> None:
        """Adds a note to those under a key. What has expired by `now` is dropped on the way."""
        ...

    def take(self, key: str, now: datetime) -> Sequence[bytes]:
        """Returns the notes under a key that have not expired, in their order, and drops them: they are given once."""
        ...


class OwnNotes:
    """Notes of this process; beyond a limit the oldest are forgotten."""

    def __init__(self) -> None:
        self._notes: dict[str, list[tuple[datetime, bytes]]] = {}
        self._lock = Lock()

    def add(self, key: str, note: bytes, expires_at: datetime, now: datetime) -> None:
        """Adds a note to those under a key. What is first in line and has expired is dropped on the way."""
        with self._lock:
            known = self._notes.pop(key, [])
            self._notes[key] = [*known, (expires_at, note)]
            while self._notes:
                oldest = next(iter(self._notes))
                if len(self._notes) <= LIMIT_KEYS and any(until > now for until, _ in self._notes[oldest]):
                    break
                del self._notes[oldest]

    def take(self, key: str, now: datetime) -> Sequence[bytes]:
        """Returns the notes under a key that have not expired, in their order, and drops them."""
        with self._lock:
            return [note for until, note in self._notes.pop(key, []) if until > now]
