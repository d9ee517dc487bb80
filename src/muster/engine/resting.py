"""A cycle whose target wants to be left alone for long: it gives its place to others and goes on after the pause.

What it waits for stands with the cycle, so that it outlives the process and every engine knows it.
"""

from collections.abc import Mapping
from datetime import datetime

from muster.model.failures import Resting
from muster.model.job import RESTS_UNTIL, Cycle
from muster.planning.progress import rests_until

_PLACE, _PAGE = "restedAt", "page"


def rested(cycle: Cycle, until: datetime, page: int) -> Mapping[str, str]:
    """Returns the options of a cycle that rests.

    If it has come no further since it rested last, a page asks more than the target answers between two pauses: the
    next is half as long. `page`: how long pages are, as a rule.
    """
    place = f"{cycle.phase.value}:{cycle.position or ''}"
    options = {**cycle.options, RESTS_UNTIL: until.isoformat(), _PLACE: place}
    if cycle.options.get(_PLACE) == place:
        options[_PAGE] = str(max(1, page_within(cycle, page) // 2))
    return options


def page_within(cycle: Cycle, page: int) -> int:
    """Returns how long the next page is: as long as usual, or what the target answers between two pauses."""
    return min(page, int(cycle.options.get(_PAGE, page)))


def rests(cycle: Cycle, at: datetime) -> bool:
    """Whether a cycle waits for the end of such a pause."""
    until = rests_until(cycle)
    return until is not None and at < until


def do_not_wait_for(cycle: Cycle, at: datetime) -> None:
    """Raises Resting where a cycle waits for the end of a long pause: nobody else would get a thread meanwhile."""
    until = rests_until(cycle)
    if until is not None and until > at:
        raise Resting(until)
