"""What many open pages ask for at the same time: made once, good for a moment."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Generic, TypeVar

_KEYS = 1_000
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Place(Generic[_Value]):
    lock: Lock
    made_at: float = 0.0
    value: _Value | None = None


class Shared(Generic[_Value]):
    """Values by key. Who asks while one is being made waits for it; nobody makes it a second time.

    The key holds all that a value depends on: whoever may not see it must not come to ask.
    """

    def __init__(self, good_for: timedelta) -> None:
        self._seconds = good_for.total_seconds()
        self._places: dict[Hashable, _Place[_Value]] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Returns the value, made anew if the last one is too old."""
        if not self._seconds:
            return make()
        with self._lock:
            if len(self._places) >= _KEYS:
                self._places.clear()
            place = self._places.setdefault(key, _Place(Lock()))
        with place.lock:
            if place.value is None or time.monotonic() - place.made_at >= self._seconds:
                place.value = make()
                place.made_at = time.monotonic()
            return place.value
