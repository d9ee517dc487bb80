"""Who supplies what of an object of our directory: read from the links of sources and their mirrors."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from muster.model.directory import ObjectKind
from muster.model.supply import Supply


class SupplyStore(Protocol):
    """Supplies of all sources, and what was edited by hand."""

    def supplies(self, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, Sequence[Supply]]:
        """Returns by object id what each source has supplied."""
        ...

    def edited(self, target_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """Returns by object id the attributes that were edited by hand where that comes before sources."""
        ...

    def note_edits(self, target_id: str, names: Collection[str]) -> None:
        """Notes that attributes were edited by hand."""
        ...


class Authority(Protocol):
    """Which attributes of an object a job may not write, because somebody else's word counts for more."""

    def withheld(self, kind: ObjectKind, target_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Returns by target id the attributes that are withheld, each with the name of whoever supplies it."""
        ...
