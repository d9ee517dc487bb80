"""Waiting for what happens soon, in another thread or process."""

import time
from collections.abc import Callable

PATIENCE = 60  # seconds; long, as the machine may be busy with other things


def eventually(holds: Callable[[], object], seconds: float = PATIENCE, *, every: float = 0.02) -> bool:
    """Whether it holds at some time soon. `every`: seconds between two looks; more where a look is work for others."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(every)
    return False
