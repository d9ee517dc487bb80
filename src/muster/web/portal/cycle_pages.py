"""One cycle: what it did and how long it took; and the way back, as a plan that is looked at before it is applied."""

from typing import Any

import flask

from muster.administration import jobs, wire_log, work
from muster.model.job import Cycle, CycleState
from muster.ui.language import marked
from muster.web.portal.cycles import view_cycle
from muster.web.portal.paths import desk
from muster.web.portal.shelves import find_shelf, show

# Counters of a cycle that are no outcome of an object, in words, and whether the wire log has what they count.
FACTS = (
    ("requests", marked("Requests"), True),
    ("writes", marked("Of these writes"), True),
    ("references", marked("Managers and members set"), False),
    ("failed_references", marked("References that failed"), False),
    ("throttled", marked("Asked to wait"), True),
    ("drifted", marked("Changed at the application"), False),
)


def show_cycle(sp: str, cycle_id: str) -> Any:
    """GET /applications/<sp>/cycles/<cycle_id>"""
    found = find_shelf(sp)
    cycle = jobs.find_cycle(desk(), found.sp, found.job.id, cycle_id)
    view = view_cycle(cycle, flask.g.now, found.sp)
    # Requests are only kept while the wire log is on: without any there is no list of what was counted.
    is_kept = found.has_accounts and bool(wire_log.wire_exchanges(desk(), found.sp, found.job.id, None, 1))
    requests = found.to("provisioning", "requests") if is_kept else None
    return show(
        "applications/cycle.html",
        found,
        view=view,
        facts=[
            (name, count, requests if is_on_wire else view.log)
            for key, name, is_on_wire in FACTS
            if (count := getattr(cycle.counters, key))
        ],
        can_go_back=_can_go_back(cycle),
    )


def roll_back(sp: str, cycle_id: str) -> Any:
    """POST /applications/<sp>/cycles/<cycle_id>/rollback: asks for the plan that takes it back; nothing is sent."""
    found = find_shelf(sp)
    asked = work.ask_for_rollback(desk(), found.sp, found.job.id, cycle_id)
    return flask.redirect(found.to("plans", "making", asked.id), 303)


def _can_go_back(cycle: Cycle) -> bool:
    counted = cycle.counters
    has_written = counted.created or counted.updated or counted.disabled or counted.deleted or counted.references
    return cycle.state is not CycleState.RUNNING and bool(has_written)
