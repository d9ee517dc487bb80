"""One cycle: what it did and how long it took; and the way back, as a plan that is looked at before it is applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import jobs, wire_log, work
from muster.model.job import Cycle, CycleState
from muster.model.wire import WireKind
from muster.ui.language import gettext, marked, number_text
from muster.web.portal.cycles import view_cycle
from muster.web.portal.paths import desk
from muster.web.portal.shelves import Shelf, find_shelf, show

# Counters of a cycle that are no outcome of an object, in words.
FACTS = (
    ("requests", marked("Requests")),
    ("writes", marked("Of these writes")),
    ("references", marked("Managers and members set")),
    ("failed_references", marked("References that failed")),
    ("throttled", marked("Asked to wait")),
    ("drifted", marked("Changed at the application")),
)
# Those that the wire log has, as far as it was on.
_ON_WIRE: Mapping[str, WireKind | None] = {"requests": None, "writes": WireKind.WRITES, "throttled": WireKind.WAITS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A counter of a cycle. `to`: the list of just what it counts, if there is one; else `why` there is none."""

    name: str
    count: int
    to: str | None = None
    why: str = ""


def show_cycle(sp: str, cycle_id: str) -> Any:
    """GET /applications/<sp>/cycles/<cycle_id>"""
    found = find_shelf(sp)
    cycle = jobs.find_cycle(desk(), found.sp, found.job.id, cycle_id)
    view = view_cycle(cycle, flask.g.now, found.sp)
    return show(
        "applications/cycle.html",
        found,
        view=view,
        facts=[_fact(found, cycle, key, name, view.log) for key, name in FACTS if getattr(cycle.counters, key)],
        can_go_back=_can_go_back(cycle),
    )


def roll_back(sp: str, cycle_id: str) -> Any:
    """POST /applications/<sp>/cycles/<cycle_id>/rollback: asks for the plan that takes it back; nothing is sent."""
    found = find_shelf(sp)
    asked = work.ask_for_rollback(desk(), found.sp, found.job.id, cycle_id)
    return flask.redirect(found.to("plans", "making", asked.id), 303)


def _fact(found: Shelf, cycle: Cycle, key: str, name: str, log: str) -> Fact:
    count: int = getattr(cycle.counters, key)
    if key not in _ON_WIRE:
        return Fact(name=name, count=count, to=log)
    if not found.has_accounts:
        return Fact(name=name, count=count)
    kind = _ON_WIRE[key]
    kept = wire_log.exchanges_kept(desk(), found.sp, found.job.id, cycle.id, kind)
    if kept == count:
        result = None if kind is None else kind.value
        return Fact(name=name, count=count, to=found.to("provisioning", "requests", cycle=cycle.id, result=result))
    why = gettext("Requests are only kept while the wire log is on; it has %(kept)s of these.", kept=number_text(kept))
    return Fact(name=name, count=count, why=why)


def _can_go_back(cycle: Cycle) -> bool:
    counted = cycle.counters
    has_written = counted.created or counted.updated or counted.disabled or counted.deleted or counted.references
    return cycle.state is not CycleState.RUNNING and bool(has_written)
