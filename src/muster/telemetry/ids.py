"""The ids that what happens now belongs to: of a request, a job, a cycle, an object. Log lines and spans bear them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})
_IDS: ContextVar[Mapping[str, str]] = ContextVar("ids", default=_NONE)


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Adds ids for the block, in this thread and in what is run in a copy of its context."""
    token = _IDS.set({**_IDS.get(), **ids})
    try:
        yield
    finally:
        _IDS.reset(token)


def known_ids() -> Mapping[str, str]:
    """Returns the ids that hold now, by name."""
    return _IDS.get()
