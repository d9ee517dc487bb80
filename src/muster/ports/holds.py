"""The store of holds: operations that wait for an administrator, over cycles, until they are decided."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from muster.model.directory import ObjectKind
from muster.model.hold import Hold, HoldFilter, HoldGroup, HoldState


class HoldStore(Protocol):
    """Holds of a job. They are written by settlements (`Settlement.hold`) and end when their object is settled."""

    def find(self, job_id: str, kind: ObjectKind, source_ids: Sequence[str]) -> Mapping[tuple[str, str], Hold]:
        """Returns holds by source id and reference attribute ("" for the object itself)."""
        ...

    def count(self, job_id: str) -> Mapping[HoldState, int]:
        """Returns how many holds there are by state; a state without any is left out."""
        ...

    def list(self, job_id: str, wanted: HoldFilter, limit: int, after: str | None) -> tuple[Sequence[Hold], str | None]:
        """Returns holds in the order in which they came, and the key to go on after."""
        ...

    def groups(self, job_id: str, wanted: HoldFilter) -> Sequence[HoldGroup]:
        """Returns how many holds share a cause, the largest groups first."""
        ...

    def end_settled(self, job_id: str) -> int:
        """Ends holds of references that differ no more, and returns how many that were."""
        ...

    def decide(self, job_id: str, wanted: HoldFilter, state: HoldState, by: str, at: datetime) -> int:
        """Approves or rejects what agrees with the filter, and returns how many that were.

        Objects of approved operations are due at once: the next cycle decides them anew, and sends what is still the
        same.
        """
        ...
