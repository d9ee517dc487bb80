"""What is staged and waits to be sent, wave by wave."""

from collections.abc import Iterable, Sequence
from itertools import islice

from muster.model.job import StagedOperation, StagedState
from muster.ports.cycles import CycleStore


class Outbox:
    """Gives staged operations in order.

    What this process has staged itself is kept at hand and not read back: of the waves that are sent page by page no
    more than a page. Of a cycle that was taken over the store knows what waits; once that is sent, nothing but what is
    staged from then on does.
    """

    def __init__(self, cycles: CycleStore, cycle_id: str, *, kept: Iterable[int], is_new: bool) -> None:
        """`kept`: the waves to keep at hand; `is_new`: nothing was staged before."""
        self._cycles = cycles
        self._cycle_id = cycle_id
        # By wave, then by number, in order; None: only the store knows.
        self._waiting: dict[int, dict[int, StagedOperation] | None] = {wave: {} if is_new else None for wave in kept}

    def add(self, wave: int, operation: StagedOperation) -> None:
        """Notes what was staged just now."""
        waiting = self._waiting.get(wave)
        if waiting is not None:
            waiting[operation.number] = operation

    def peek(self, wave: int, limit: int) -> Sequence[StagedOperation]:
        """Returns the next ones of a wave; they wait until they are dropped."""
        waiting = self._waiting.get(wave)
        if waiting is not None:
            return list(islice(waiting.values(), limit))
        found = self._cycles.staged(self._cycle_id, StagedState.RELEASED, wave, limit)
        if not found and wave in self._waiting:
            self._waiting[wave] = {}
        return found

    def drop(self, numbers: Iterable[int]) -> None:
        """Forgets what is being sent, or is not to be sent any more, once the store has it so."""
        for number in numbers:
            for waiting in self._waiting.values():
                if waiting is not None:
                    waiting.pop(number, None)
