"""The mirror of a source outside: what its reader gave, with numbers of our own for what really changed."""

from datetime import datetime
from typing import Protocol

from muster.model.directory import ObjectKind
from muster.model.failures import JobFailure
from muster.model.mirror import MirrorState
from muster.model.operation import Change
from muster.ports.reader import ReadPage
from muster.ports.source import SourcePage, Window


class BeingRead(JobFailure):
    """Somebody else reads the source just now."""

    code = "SourceBeingRead"
    remedy = "Wait for the end of that read, then ask again."


class MirrorStore(Protocol):
    """Mirrors by job id. A job without one has an empty one."""

    def state(self, job_id: str) -> MirrorState:
        """Returns how a mirror stands."""
        ...

    def begin(self, job_id: str, at: datetime, *, anew: bool) -> MirrorState:
        """Begins a read, from the cursor or (`anew`) of everything. Raises: BeingRead."""
        ...

    def keep(self, reading: MirrorState, page: ReadPage, at: datetime, *, lost_share: float) -> MirrorState:
        """Keeps a page with its cursor in one transaction; the last page ends the read.

        After a read of everybody whoever was not named is removed, unless there were problems or more than
        `lost_share` of all are missing. Raises: Fenced when another read has begun meanwhile.
        """
        ...

    def break_off(self, reading: MirrorState) -> None:
        """Ends a read that failed; what was kept stays, and the next read goes on from its cursor."""
        ...

    def accept_missing(self, job_id: str) -> int:
        """Removes whomever the last read of everybody did not name; returns how many these are."""
        ...

    def forget_cursor(self, job_id: str) -> None:
        """Has the next read be of everything."""
        ...

    def count(self, job_id: str, kind: ObjectKind, window: Window | None) -> int:
        """Returns how many objects a read will give."""
        ...

    def read(self, job_id: str, kind: ObjectKind, window: Window | None, after: str | None, limit: int) -> SourcePage:
        """Returns a page of objects as changes, references resolved to source ids where their other end is known."""
        ...

    def read_one(self, job_id: str, kind: ObjectKind, name: str) -> Change | None:
        """Returns one object by source id or by another of its names."""
        ...
