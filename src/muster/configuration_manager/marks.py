"""Where pages of lists ended: who reads a list page by page by `startIndex` is not counted through from its start."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

# Of all customers together; who pages through a list needs one at a time.
MARKS_KEPT = 4_096

List = tuple[int, str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The key of the resource before a `startIndex`, and the list as it was: how many, and the newest one's key."""

    key: int
    total: int
    newest: int

    def holds(self, *, total: int, added: int) -> bool:
        """Whether the same resources are before the place as then, by how many there are now and came after `newest`.

        Whatever else has come or gone shows in the total.
        """
        return total == self.total + added


class Marks:
    """The marks of one process, those that were asked for last."""

    def __init__(self, limit: int = MARKS_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[List, int], Mark] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, of: List, start_index: int) -> Mark | None:
        """The mark before an index of a list; none before the first."""
        with self._lock:
            found = self._kept.get((of, start_index))
            if found is not None:
                self._kept.move_to_end((of, start_index))
            return found

    def keep(self, of: List, start_index: int, mark: Mark) -> None:
        """Notes what is before an index."""
        with self._lock:
            self._kept[of, start_index] = mark
            self._kept.move_to_end((of, start_index))
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
