"""Accounts at the application: who is linked, who failed and waits, whom nobody manages; and reconciling them."""

from typing import Any

import flask

from muster.administration import jobs, links, reconciliation, work
from muster.administration.refusals import Refused
from muster.model.directory import ObjectKind
from muster.model.discovery import Standing
from muster.model.job import DRIFT_POLICY_SETTING, RECONCILE_EVERY_SETTING, CycleKind
from muster.model.operation import LinkState
from muster.planning.drift import DriftAction
from muster.ui.language import marked
from muster.web.portal.cycles import view_cycle
from muster.web.portal.forms import chosen, done, field, fields, refused_page
from muster.web.portal.paths import choice, desk, place, place_text, text
from muster.web.portal.shelves import Shelf, find_shelf, show

ROWS = 50

STATES = {
    LinkState.MANAGED.value: (marked("Managed"), "good", marked("Made by Muster, or promoted: all of it is kept.")),
    LinkState.ADOPTED.value: (marked("Adopted"), "running", marked("Was there before: kept, never deleted.")),
    LinkState.SEEN.value: (marked("Seen"), "idle", marked("Found and matched, never written.")),
    LinkState.RELEASED.value: (marked("Released"), "warn", marked("Switched off or out of scope; remembered.")),
}
STANDINGS = {
    Standing.LOCAL.value: (marked("Local"), marked("Nobody of the directory matches them.")),
    Standing.UNASSIGNED.value: (marked("Unassigned"), marked("Somebody matches who is not in scope.")),
    Standing.ASSIGNED.value: (
        marked("Assigned"),
        marked("Somebody in scope matches; the log says what stands in the way."),
    ),
}
DRIFT = {
    DriftAction.CORRECT.value: marked("Correct: send the directory's value again"),
    DriftAction.REPORT.value: marked("Report: say so in the log, send nothing"),
    DriftAction.ACCEPT.value: marked("Accept: keep it until the directory changes"),
}
EVERY = {
    "": marked("Only when asked for"),
    "PT6H": marked("Every 6 hours"),
    "P1D": marked("Every day"),
    "P7D": marked("Every week"),
    "P30D": marked("Every 30 days"),
}


def show_accounts(sp: str, **entered: Any) -> Any:
    """GET /applications/<sp>/provisioning/accounts: linked ones, by state.

    `entered`: the refusal of the form of reconciliation, and what it was filled in with.
    """
    found = find_shelf(sp)
    state, kind, after = choice("state", STATES), choice("kind", ObjectKind), place()
    of_kind, cycle, alone = None if kind is None else ObjectKind(kind), text("untouched"), None
    if cycle is not None:
        alone = links.left_alone(desk(), found.sp, found.job.id, cycle, after, ROWS)
    rows, following = alone or links.links(desk(), found.sp, found.job.id, state, after, ROWS, kind=of_kind)
    return _show(
        found,
        "linked",
        rows=rows,
        state=state,
        kind=kind,
        cycle=cycle,
        is_told_apart=alone is not None,
        following=following,
        is_first=after is None,
        **entered,
    )


def show_waiting(sp: str) -> Any:
    """GET /applications/<sp>/provisioning/accounts/waiting: who failed, why, and when they are tried again."""
    found = find_shelf(sp)
    after = place_text()
    rows, following = links.waiting(desk(), found.sp, found.job.id, after, ROWS)
    return _show(found, "waiting", rows=rows, following=following, is_first=after is None)


def show_unmanaged(sp: str) -> Any:
    """GET /applications/<sp>/provisioning/accounts/unmanaged: accounts that the last reconciliation found besides."""
    found = find_shelf(sp)
    standing, after = choice("standing", STANDINGS), place_text()
    rows, following = reconciliation.discovered(desk(), found.sp, found.job.id, standing, after, ROWS)
    return _show(found, "unmanaged", rows=rows, standing=standing, following=following, is_first=after is None)


def promote(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/accounts: the ticked ones, or all, are managed from now on."""
    found = find_shelf(sp)
    picked = None if chosen("do", ("promote", "promote-all")) == "promote-all" else fields("source")
    links.promote(desk(), found.sp, found.job.id, picked)
    return done(found.to("provisioning", "accounts"), "promoted")


def reconcile(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/reconcile: a comparison with all that the application has, now."""
    found = find_shelf(sp)
    work.ask_for_cycle(desk(), found.sp, found.job.id, kind=CycleKind.RECONCILIATION)
    return done(found.to(), "asked")


def save_reconciliation(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/accounts/settings: how often, and what becomes of changed values."""
    found = find_shelf(sp)
    policy = chosen("drift", DRIFT)
    exceptions = "; ".join(part for line in field("exceptions").splitlines() if (part := line.strip()))
    settings = {
        DRIFT_POLICY_SETTING: f"{policy}; {exceptions}" if exceptions else policy,
        RECONCILE_EVERY_SETTING: field("every", 40),
    }
    try:
        jobs.set_settings(desk(), found.sp, found.job.id, settings)
    except Refused as refused:
        page = show_accounts(
            sp,
            refusal=refused,
            policy=policy,
            every=settings[RECONCILE_EVERY_SETTING],
            exceptions=field("exceptions"),
        )
        return refused_page(page, refused)
    return done(found.to("provisioning", "accounts"), "saved")


def _show(found: Shelf, part: str, **values: Any) -> str:
    known = reconciliation.reconciliation(desk(), found.sp, found.job.id)
    kept = {
        "policy": known.policy.default.value,
        "every": found.job.settings.get(RECONCILE_EVERY_SETTING) or "",
        "exceptions": "\n".join(f"{name}={action.value}" for name, action in known.policy.attributes.items()),
    }
    return show(
        "provisioning/accounts.html",
        found,
        part=part,
        known=known,
        last=None if known.cycle is None else view_cycle(known.cycle, flask.g.now, found.sp),
        waiting=0 if found.status is None else found.status.escrowed,
        states=STATES,
        standings=STANDINGS,
        drift=DRIFT,
        intervals=EVERY,
        **{"refusal": None, **kept, **values},
    )
