"""A large pass of which several engines send parts: one decides and stages, whoever is free claims a part."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from muster.model.failures import FailureRecord
from muster.model.job import Counters, Cycle, StagedOperation
from muster.ports.cycles import Settlement

# What is shared stands in a wave of its own: retries and removals are sent by the engine that carries the cycle alone.
SHARED_WAVE = 3


class EndKind(StrEnum):
    """Why the end of a request is open."""

    # The answer was lost: the request may have arrived, or may yet.
    LOST = "lost"
    CONFLICT = "conflict"
    GONE = "gone"
    UNDELETABLE = "undeletable"
    # Whoever sent it has died: nothing is under way any more.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnd:
    """A staged operation whose request went out, and nobody knows yet what came of it."""

    number: int
    kind: EndKind
    failure: FailureRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEnd:
    """What came of a part: all that was claimed is in one of these."""

    settlements: Sequence[Settlement]
    open_ends: Sequence[OpenEnd]
    # Goes back to be claimed again.
    untried: Sequence[int]
    # What the part adds to the cycle's counters.
    counters: Counters

    def numbers(self) -> set[int]:
        """Returns the numbers of the staged operations."""
        settled = {one.number for one in self.settlements if one.number is not None}
        return settled | {end.number for end in self.open_ends} | set(self.untried)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the shared operations of a cycle are."""

    # How many wait to be claimed, and how many ends are open.
    released: int
    open_ends: int
    # Who is sending, None for the engine that carries the cycle.
    senders: frozenset[str | None]


class ShareStore(Protocol):
    """Parts of cycles.

    `sender` None is the engine that carries the cycle: it is fenced by the cycle's epoch, others by their name on what
    they claimed.
    """

    def offers(self) -> Sequence[Cycle]:
        """Returns running cycles of started jobs of which something waits to be claimed."""
        ...

    def claim(self, cycle: Cycle, sender: str | None, limit: int) -> Sequence[StagedOperation]:
        """Returns the next operations, marked as being sent by the claimer alone; none by an epoch that is over.

        Raises: Fenced, for the engine that carried the cycle before.
        """
        ...

    def end_part(self, cycle: Cycle, sender: str | None, end: PartEnd) -> None:
        """Writes what came of a part in one transaction. Raises: Fenced, writing nothing, when it is another's now."""
        ...

    def standing(self, cycle_id: str) -> Standing:
        """Returns how far the cycle's shared operations are."""
        ...

    def interrupt(self, cycle_id: str, senders: Collection[str | None]) -> None:
        """Takes what these senders left: its end is open, but what was a conflict stays one."""
        ...

    def open_ends(self, cycle_id: str, limit: int) -> Sequence[tuple[StagedOperation, OpenEnd]]:
        """Returns operations whose end is open, in order."""
        ...

    def withdraw(self, cycle_id: str, source_ids: Collection[str]) -> Collection[str]:
        """Takes back what waits to be claimed for these objects; returns those something is being sent for."""
        ...

    def retract(self, cycle_id: str) -> None:
        """Takes back all that waits to be claimed."""
        ...

    def absorb(self, cycle: Cycle) -> Counters:
        """Adds what parts have counted to the cycle's counters, and returns it. Raises: Fenced."""
        ...
