"""The wire log, and whose requests are under way in this thread."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from muster.model.wire import WireExchange, WireKind

_CONCERNED: ContextVar[str | None] = ContextVar("concerned", default=None)


class WireLog(Protocol):
    """Keeps a bounded number of exchanges a job, the newest."""

    def record(self, exchange: WireExchange) -> None:
        """Keeps an exchange; the oldest of the job goes once there are too many."""
        ...

    def recent(
        self,
        job_id: str,
        source_id: str | None,
        limit: int,
        *,
        cycle_id: str | None = None,
        kind: WireKind | None = None,
    ) -> Sequence[WireExchange]:
        """Returns exchanges of a job, or of one object or cycle of it, newest first."""
        ...

    def count(self, job_id: str, cycle_id: str, kind: WireKind | None = None) -> int:
        """Returns how many exchanges of a cycle are kept."""
        ...


@contextmanager
def concerning(source_id: str) -> Iterator[None]:
    """Says for the block whom the requests of this thread are about."""
    token = _CONCERNED.set(source_id)
    try:
        yield
    finally:
        _CONCERNED.reset(token)


def concerned() -> str | None:
    """Returns whom the requests of this thread are about."""
    return _CONCERNED.get()
