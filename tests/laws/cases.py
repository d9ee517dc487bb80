"""How many random cases a law is tried on: a few where all tests run, as many as asked for in `make laws`."""

import os

from hypothesis import HealthCheck, settings

_ASKED = os.environ.get("MUSTER_LAW_EXAMPLES")


def cases(usual: int) -> settings:
    """The settings of a law that is tried on `usual` cases, or on MUSTER_LAW_EXAMPLES."""
    return settings(max_examples=int(_ASKED or usual), deadline=None, suppress_health_check=[HealthCheck.too_slow])
