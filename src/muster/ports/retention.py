"""How long records are kept, and the dropping of what is older."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Kept(StrEnum):
    """Records that are kept for a time."""

    LOG = "log"
    AUDIT = "audit"
    CYCLES = "cycles"
    PLANS = "plans"
    WORK = "work"
    NOTICES = "notices"
    WIRE = "wire"
    SIGN_INS = "signIns"
    FEED_MARKS = "feedMarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each kind of record is kept; a kind that is not named is kept for ever."""

    spans: Mapping[Kept, timedelta]


class RecordStore(Protocol):
    """Drops old records."""

    def drop_older(self, kind: Kept, than: datetime, limit: int) -> int:
        """Drops up to so many records from before an instant, the oldest first, in one transaction; returns how many.

        What is not over is never dropped: a running cycle, one with operations that wait for an administrator, work
        that is not done, a notice that is not told.
        """
        ...
