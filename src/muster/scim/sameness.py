"""Which elements of a multi-valued attribute are one, found without comparing every one with every other.

Two elements are one if they agree in `value` and `type` (where both have one), or, for elements without `value`, in
all that the later one holds. The first are looked up, so that thousands take no more than a moment; the second are
compared one by one, up to a limit. The elements of an attribute are all objects, or none is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from muster.scim.errors import InvalidValue

MAX_COMPARISONS = 1_000_000
_LOOKED_UP = (str, int, float)


class Elements:
    """A list of elements that others are added to."""

    def __init__(self, elements: Sequence[Any]) -> None:
        self.listed: list[Any] = []
        self._first: dict[Any, int] = {}
        self._places: dict[tuple[Any, str | None], deque[int]] = {}
        self._compared = 0
        for element in elements:
            self._append(element)

    def merge(self, element: Any) -> int:
        """Adds an element, or what it holds to the first one that is the same; returns its place.

        Raises: InvalidValue when too many would have to be compared.
        """
        place = self._find(element)
        if place is None:
            return self._append(element)
        if isinstance(element, dict):
            present = self.listed[place]
            self.listed[place] = {**present, **element}
            if "value" in element and present.get("type") is None and element.get("type") is not None:
                self._name_kind(present, element, place)
        return place

    def _append(self, element: Any) -> int:
        place = len(self.listed)
        self.listed.append(element)
        value, kind = _identity(element)
        if isinstance(value, _LOOKED_UP):
            self._first.setdefault(value, place)
            self._places.setdefault((value, kind), deque()).append(place)
        return place

    def _name_kind(self, present: dict[str, Any], element: dict[str, Any], place: int) -> None:
        """The element at the place, which had no type, has one now; it is the first of its value and of that type."""
        value = present.get("value")
        if isinstance(value, _LOOKED_UP):
            # It was found as the first that had none.
            self._places[value, None].popleft()
            self._places.setdefault((value, element["type"]), deque()).appendleft(place)

    def _find(self, element: Any) -> int | None:
        value, kind = _identity(element)
        if not isinstance(value, _LOOKED_UP):
            self._compared = _counted(self._compared + len(self.listed))
            return next((at for at, present in enumerate(self.listed) if is_same(present, element)), None)
        if kind is None:
            return self._first.get(value)
        found = (self._places.get((value, each)) for each in (None, kind))
        return min((places[0] for places in found if places), default=None)


def without(elements: Sequence[Any], removed: Sequence[Any]) -> list[Any]:
    """The elements that are none of the removed ones. Raises: InvalidValue when too many would have to be compared."""
    identities = [_identity(element) for element in removed]
    values = {value for value, _ in identities if isinstance(value, _LOOKED_UP)}
    untyped = {value for value, kind in identities if kind is None and isinstance(value, _LOOKED_UP)}
    typed = {identity for identity in identities if isinstance(identity[0], _LOOKED_UP)}
    others = [element for element in removed if not isinstance(_identity(element)[0], _LOOKED_UP)]
    _counted(len(others) * len(elements))

    def is_removed(element: Any) -> bool:
        value, kind = _identity(element)
        if isinstance(value, _LOOKED_UP) and (
            value in untyped or (kind is None and value in values) or (value, kind) in typed
        ):
            return True
        return any(is_same(element, other) for other in others)

    return [element for element in elements if not is_removed(element)]


def is_same(present: Any, other: Any) -> bool:
    """Whether two elements are one."""
    if not isinstance(present, dict) or not isinstance(other, dict):
        return bool(present == other)
    if "value" in other:
        kind = present.get("type")
        return present.get("value") == other["value"] and (kind is None or other.get("type", kind) == kind)
    return all(present.get(name) == value for name, value in other.items() if name != "primary")


def _identity(element: Any) -> tuple[Any, str | None]:
    """Value and type of an element; what is no object is its own value."""
    if not isinstance(element, dict):
        return element, None
    return element.get("value"), element.get("type")


def _counted(comparisons: int) -> int:
    if comparisons > MAX_COMPARISONS:
        raise InvalidValue(
            "So many values without a 'value' of their own cannot be compared at once: send fewer, or replace all."
        )
    return comparisons
