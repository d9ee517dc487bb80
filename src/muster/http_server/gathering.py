"""What waits to be answered together, and how long it is worth waiting for more.

What is answered together shares a cost, such as a commit that waits for the disk. Clients that wait for their answers
ask again soon after them: half of them would find the next batch gone without them, and wait for twice as long.
"""

from muster.http_server.workers import Work

LIMIT_PATIENCE_SECONDS = 0.005


class Gathering:
    """The requests of the next batch. It waits for those who were in the last two, but no longer than the last took,
    and not at all where one client asks after the other."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self._before: set[int] = set()
        self._long_before: set[int] = set()
        self._awaited = 0
        self._began_at: float | None = None
        self._ripe_at = 0.0

    def take(self, now: float) -> list[Work]:
        """The batch, which begins."""
        taken, self.works = self.works, []
        self._long_before, self._before = self._before, {id(connection) for connection, _ in taken}
        self._awaited = len(self._before | self._long_before) if len(taken) > 1 else 0
        self._began_at = now
        return taken

    def note_answered(self, now: float) -> None:
        """The batch has been answered."""
        if self._began_at is not None:
            self._ripe_at = now + min(now - self._began_at, LIMIT_PATIENCE_SECONDS)
            self._began_at = None

    def left_seconds(self, now: float) -> float:
        """For how long to wait for more; 0 when all have come or nothing more is worth it."""
        return 0.0 if len(self.works) >= self._awaited else max(0.0, self._ripe_at - now)
