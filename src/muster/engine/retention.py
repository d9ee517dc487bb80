"""The sweep: drops records that are older than they are kept, a batch at a time."""

from datetime import timedelta

from muster.ports.retention import Kept, RecordStore, Retention
from muster.ports.world import Clock

SWEEP_EVERY = timedelta(hours=1)
BATCH = 500


class Sweep:
    """Works through what is old, one batch a call."""

    def __init__(self, records: RecordStore, retention: Retention, clock: Clock) -> None:
        self._records = records
        self._retention = retention
        self._clock = clock

    def sweep(self) -> bool:
        """Drops one batch of each kind; returns whether there may be more."""
        now = self._clock.now()
        full = False
        for kind in Kept:
            span = self._retention.spans.get(kind)
            if span is not None and self._records.drop_older(kind, now - span, BATCH) >= BATCH:
                full = True
        return full
