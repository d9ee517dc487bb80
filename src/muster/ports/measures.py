"""What engines have measured, for whoever shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol


class MeasureStore(Protocol):
    """Keeps the last figures of each engine."""

    def put(self, engine_id: str, figures: bytes, at: datetime) -> None:
        """Keeps an engine's figures in place of those before; those of engines that are long silent are dropped."""
        ...

    def recent(self, since: datetime) -> Mapping[str, bytes]:
        """Returns by engine the figures that were kept at an instant or later."""
        ...
