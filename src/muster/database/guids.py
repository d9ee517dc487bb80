"""Random GUIDs (version 4, RFC 9562 §5.4) at a tenth of the library's cost: every object of an import takes several.

The operating system is asked for the chance of many at once. A process that forks keeps none of it for the child.
"""

import os
from collections import deque

_AT_ONCE = 256
# Taken and filled by several threads: a deque's pop and extend are each one step.
_ready: deque[str] = deque()

os.register_at_fork(after_in_child=_ready.clear)


def new_guid() -> str:
    """Returns a GUID that nobody has or can foretell."""
    try:
        return _ready.pop()
    except IndexError:
        digits = os.urandom(16 * _AT_ONCE).hex()
    made = [_guid(digits[at : at + 32]) for at in range(0, len(digits), 32)]
    _ready.extend(made[1:])
    return made[0]


def _guid(digits: str) -> str:
    # The two highest bits of this digit are fixed: RFC 9562 §4.1.
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
