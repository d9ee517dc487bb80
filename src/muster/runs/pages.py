"""Does one page of a run and says what came of it: the part that is the same wherever runs are carried out."""

import traceback
from enum import StrEnum

from muster.model.failures import Fenced
from muster.ports.runs import Advance, OnCrash


class PageOutcome(StrEnum):
    """What came of a page."""

    MORE = "more"
    OVER = "over"
    CRASHED = "crashed"


def do_page(advance: Advance, on_crash: OnCrash, run_id: str, job_id: str) -> PageOutcome:
    """Returns what came of the run's next page; no exception leaves it."""
    try:
        return PageOutcome.MORE if advance(run_id) else PageOutcome.OVER
    except Fenced:
        # Another process has the job: nothing of this run is ours any more.
        return PageOutcome.OVER
    except Exception:
        on_crash(run_id, job_id, traceback.format_exc())
        return PageOutcome.CRASHED
