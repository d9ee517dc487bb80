"""Enterprise applications: the list, one application's overview with its running cycle, start, pause and restart."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import assignments as assigning
from muster.administration import credentials, jobs
from muster.model.application import SecretKey
from muster.model.job import CycleState, ResetScope, ScheduleState
from muster.ui.frame import live
from muster.ui.language import language, marked
from muster.web.portal.cycles import next_cycle_at, view_cycle
from muster.web.portal.forms import done, fields
from muster.web.portal.paths import choice, desk, text
from muster.web.portal.shared import Shared
from muster.web.portal.shelves import Shelf, find_shelf, shelf, show

CYCLES_SHOWN = 8
# The page looks again after so many seconds.
PACE_RUNNING = 1
PACE_IDLE = 5
# Where the application keeps what open overviews ask for.
LIVE = "muster_live"

STATES = {
    "running": marked("Running"),
    "good": marked("On"),
    "bad": marked("Quarantine"),
    "warn": marked("Paused"),
    "idle": marked("Not set up or not started"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetChoice:
    """A part of a job's memory that a restart forgets, and what follows."""

    scope: ResetScope
    name: str
    effect: str


RESETS = (
    ResetChoice(
        scope=ResetScope.WATERMARK,
        name=marked("Watermark"),
        effect=marked("The next cycle is an initial one: everybody in scope is looked at again."),
    ),
    ResetChoice(
        scope=ResetScope.ESCROWS,
        name=marked("Failed objects that wait"),
        effect=marked("What failed is tried at once, and its waiting time begins anew."),
    ),
    ResetChoice(
        scope=ResetScope.QUARANTINE_STATE,
        name=marked("Quarantine"),
        effect=marked("The job leaves quarantine and runs at its usual interval."),
    ),
    ResetChoice(
        scope=ResetScope.CONNECTOR_DATA_STORE,
        name=marked("Links"),
        effect=marked("Which account is whose is found again by the matching attributes. Takes longest."),
    ),
    ResetChoice(
        scope=ResetScope.FORCE_DELETES,
        name=marked("Held removals"),
        effect=marked("The next cycle sends removals even if they are more than the threshold allows. Once."),
    ),
)
_USUAL = (ResetScope.WATERMARK, ResetScope.ESCROWS, ResetScope.QUARANTINE_STATE)


def show_list() -> Any:
    """GET /applications"""
    wanted, state = text("search"), choice("state", STATES)
    shelves = [shelf(application) for application in registry.applications(desk())]
    shown = [
        each
        for each in shelves
        if (not each.is_own or each.is_busy)
        and not each.is_source
        and (wanted is None or _is_named(each, wanted.casefold()))
        and state in (None, each.badge.tone)
    ]
    return flask.render_template("applications/list.html", shelves=shown, search=wanted, state=state, states=STATES)


def show_overview(sp: str) -> Any:
    """GET /applications/<sp>"""
    found = find_shelf(sp)
    assigned = assigning.assignments(desk(), service_principal_id=found.sp)
    secrets = credentials.kept_secrets(desk(), found.sp)
    return show(
        "applications/overview.html",
        found,
        kinds=Counter(each.principal_kind for each in assigned),
        is_everybody=secrets.get(SecretKey.SYNC_ALL, "").lower() == "true",
        lost=credentials.lost_secrets(desk(), found.sp),
        is_connected=SecretKey.BASE_ADDRESS in secrets,
        **_live_values(found),
    )


def show_live(sp: str) -> Any:
    """GET /applications/<sp>/live: what changes by itself, asked for again and again."""
    application = registry.find_application(desk(), sp)
    shared: Shared[tuple[str, str]] = flask.current_app.extensions[LIVE]
    html, state = shared.get((application.service_principal_id, language()), lambda: _live_part(shelf(application)))
    answer = live(html)
    if text("state") not in (None, state):
        # The buttons of the page fit no longer.
        answer.headers["HX-Refresh"] = "true"
    return answer


def start(sp: str) -> Any:
    """POST /applications/<sp>/start"""
    found = find_shelf(sp)
    jobs.start(desk(), found.sp, found.job.id)
    return done(found.to(), "started")


def pause(sp: str) -> Any:
    """POST /applications/<sp>/pause"""
    found = find_shelf(sp)
    jobs.pause(desk(), found.sp, found.job.id)
    return done(found.to(), "paused")


def show_restart(sp: str) -> Any:
    """GET /applications/<sp>/restart: what a restart forgets, and what follows from it."""
    found = find_shelf(sp)
    return show("applications/restart.html", found, job=found.job, resets=RESETS, usual=_USUAL)


def restart(sp: str) -> Any:
    """POST /applications/<sp>/restart"""
    found = find_shelf(sp)
    known = {each.scope.value: each.scope for each in RESETS}
    scopes = [known[value] for value in fields("scope") if value in known]
    jobs.restart(desk(), found.sp, found.job.id, scopes or [ResetScope.NONE])
    return done(found.to(), "restarted" if ResetScope.WATERMARK in scopes else "started")


def _is_named(found: Shelf, wanted: str) -> bool:
    application = found.application
    return wanted in application.display_name.casefold() or wanted in (
        application.service_principal_id,
        application.app_id,
    )


def _live_part(found: Shelf) -> tuple[str, str]:
    """The part, the same for everybody who may see it, and the state that it shows."""
    return flask.render_template("applications/live.html", shelf=found, **_live_values(found)), _state(found)


def _live_values(found: Shelf) -> dict[str, Any]:
    status = found.status
    if status is None:
        return {"history": (), "next_at": None, "pace": PACE_IDLE, "state": _state(found), "started": False}
    cycles = jobs.cycles(desk(), found.sp, status.job.id, CYCLES_SHOWN)
    is_running = status.latest is not None and status.latest.state is CycleState.RUNNING
    return {
        "history": [view_cycle(cycle, flask.g.now, found.sp) for cycle in cycles],
        "next_at": next_cycle_at(status),
        "pace": PACE_RUNNING if is_running else PACE_IDLE,
        "state": _state(found),
        "started": status.job.schedule_state is ScheduleState.ACTIVE,
    }


def _state(found: Shelf) -> str:
    return "None" if found.status is None else found.status.code.value
