"""A page of the source, decided: no longer than the target is asked about in the time of one batch."""

from muster.engine.decide import Decision
from muster.engine.lookup import TooManyAtOnce
from muster.engine.resting import page_within
from muster.engine.run import Run
from muster.model.directory import ObjectKind
from muster.model.job import Cycle, CycleKind
from muster.model.operation import Intent
from muster.ports.source import SourcePage, Window

PAGE = 500


def decide_page(run: Run, kind: ObjectKind) -> tuple[SourcePage, list[Decision], list[Intent]]:
    """Returns the next page of changes with what is decided of them, and who is at rest.

    Of how many the target is asked shows only once they are read: where they are too many, the page ends before.
    """
    size = page_within(run.cycle, PAGE * run.pages_at_once)
    page = _read(run, kind, size)
    with run.looking():
        try:
            decisions, resting = run.decider.decide_apart(run.cycle, kind, page.changes, at_most=run.looks_at_once())
        except TooManyAtOnce as too_many:
            page = _read(run, kind, too_many.before)
            decisions, resting = run.decider.decide_apart(run.cycle, kind, page.changes)
    return page, decisions, resting


def window_of(cycle: Cycle) -> Window | None:
    """Returns the stretch of the feed that a cycle reads; None: everybody."""
    if cycle.kind is not CycleKind.INCREMENTAL:
        return None
    return Window(after=cycle.window_after, until=cycle.window_until)


def _read(run: Run, kind: ObjectKind, size: int) -> SourcePage:
    return run.parts.source.read(kind, window_of(run.cycle), run.cycle.position, size)
