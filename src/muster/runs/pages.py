"""Does one page of a run and says what came of it: the part that is the same wherever runs are carried out."""

import logging
import traceback
from enum import StrEnum

from muster.database.outage import outage_of
from muster.model.failures import Fenced
from muster.ports.runs import Advance, OnCrash


class PageOutcome(StrEnum):
    """What came of a page."""

    MORE = "more"
    OVER = "over"
    CRASHED = "crashed"
    # The database is away or full. What is not committed has not happened; whoever looks for due cycles finds this one.
    INTERRUPTED = "interrupted"
    # There is more, but others have waited long enough: it goes on behind them.
    YIELDED = "yielded"


_log = logging.getLogger(__name__)


def do_page(advance: Advance, on_crash: OnCrash, run_id: str, job_id: str) -> PageOutcome:
    """Returns what came of the run's next page; no exception leaves it."""
    try:
        return PageOutcome.MORE if advance(run_id) else PageOutcome.OVER
    except Fenced:
        # Another process has the job: nothing of this run is ours any more.
        return PageOutcome.OVER
    except Exception as error:
        outage = outage_of(error)
        if outage is not None:
            _log.error("run %s of job %s is interrupted: %s", run_id, job_id, outage)
            return PageOutcome.INTERRUPTED
        on_crash(run_id, job_id, traceback.format_exc())
        return PageOutcome.CRASHED
