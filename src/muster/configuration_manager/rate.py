"""How fast a token may ask: so many requests a minute, a fifth of that in ten seconds.

Source: 8x8, user API: 100 requests a minute with a burst of 20 in ten seconds, `x-ratelimit-…` headers, 429.
"""

import threading
from dataclasses import dataclass

_WINDOWS = (60.0, 10.0)  # seconds
_BURST_SHARE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left to a token in the tighter of its windows, and in how many seconds that window ends."""

    is_granted: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """The headers that say so."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset_seconds),
        }


def burst_of(limit: int) -> int:
    """How many of the requests of a minute may come within ten seconds."""
    return max(1, limit // _BURST_SHARE)


class RateMeter:
    """Counts the requests of each token in this process."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[list[float], list[int]]] = {}
        self._lock = threading.Lock()

    def take(self, token_key: int, limit: int, *, now: float) -> Allowance:
        """Whether one more request is granted; `now` in seconds of any clock that does not go back."""
        allowed = (limit, burst_of(limit))
        with self._lock:
            starts, counts = self._counts.setdefault(token_key, ([now, now], [0, 0]))
            for index, seconds in enumerate(_WINDOWS):
                if now - starts[index] >= seconds:
                    starts[index], counts[index] = now, 0
            full = [index for index, count in enumerate(counts) if count >= allowed[index]]
            if not full:
                counts[0] += 1
                counts[1] += 1
            left = [bound - count for bound, count in zip(allowed, counts, strict=True)]
            # Of two full windows the one that ends last is waited for.
            ends = [start + seconds - now for start, seconds in zip(starts, _WINDOWS, strict=True)]
            tight = max(full, key=ends.__getitem__) if full else min((0, 1), key=left.__getitem__)
        return Allowance(
            is_granted=not full,
            limit=allowed[tight],
            remaining=max(0, left[tight]),
            reset_seconds=max(1, -int(-ends[tight] // 1)),
        )
