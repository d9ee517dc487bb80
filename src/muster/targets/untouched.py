"""A target that nobody touches: what rules are tried on, so that nothing is sent whatever they say."""

from collections.abc import Sequence

from muster.model.directory import ObjectKind
from muster.model.failures import EngineFault
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, TargetResource
from muster.ports.target import Capabilities, ListedPage, Written


class UntouchedTarget:
    """Knows what the application can do; every request is a fault of ours."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What the application can do."""
        return self._capabilities

    def requests_made(self) -> int:
        """Returns 0."""
        return 0

    def probe(self, matching_attribute: str) -> None:
        """Raises EngineFault."""
        raise _fault(matching_attribute)

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Raises EngineFault."""
        raise _fault(kind, matching)

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Raises EngineFault."""
        raise _fault(kind, target_id)

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Raises EngineFault."""
        raise _fault(kind, start)

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Raises EngineFault."""
        raise _fault(kind, values)

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Raises EngineFault."""
        raise _fault(kind, target_id, changes)

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Raises EngineFault."""
        raise _fault(kind, target_id)


def _fault(*asked: object) -> EngineFault:
    return EngineFault(f"Rules that are only tried were about to send a request ({len(asked)} arguments).")
