"""Plans of a job, and what is held: read by cause, approved, rejected, applied exactly as read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import holds, work
from muster.administration.refusals import bad_request, conflict
from muster.model.hold import HoldCode, HoldFilter
from muster.model.job import Plan, PlanGroup, PlanPart
from muster.model.operation import Operation, OperationKind
from muster.planning.plan import count_people
from muster.ports.administration import WorkKind
from muster.ui.frame import is_fragment_wanted, live
from muster.ui.language import gettext, marked, ngettext
from muster.web.portal.forms import chosen, done, field, fields
from muster.web.portal.paths import choice, desk, number, place, text
from muster.web.portal.shelves import find_shelf, show

ROWS = 20
HELD_ROWS = 50
# Of one cause, so many operations are shown at once.
SHOWN = 25
SHOWN_ALONE = 200
# So many causes are on one page: where each object fails for a reason of its own, there is one each.
CAUSES = 50
_REMOVING = (OperationKind.DISABLE, OperationKind.DELETE)

KINDS = {
    OperationKind.CREATE: (marked("Create"), "create", "plus"),
    OperationKind.UPDATE: (marked("Update"), "update", "pencil"),
    OperationKind.DISABLE: (marked("Disable"), "disable", "user-off"),
    OperationKind.DELETE: (marked("Delete"), "delete", "trash"),
    OperationKind.REFER: (marked("Set references"), "update", "link"),
    OperationKind.LINK: (marked("Link"), "same", "link"),
    OperationKind.SKIP: (marked("Skip"), "skip", "minus"),
    OperationKind.FAIL: (marked("Fail"), "fail", "alert-triangle"),
}
CODES = {
    "StagedDelete": marked("More removals than the threshold allows"),
    "IncompleteRead": marked("The source could not be read whole"),
    "ApprovalRequired": marked("The job asks for approval"),
    "GracePeriod": marked("Waits for the end of the grace period"),
    "ProtectedAccount": marked("A protected account"),
    "Rejected": marked("Rejected before"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of a plan with some of its operations, and the number to go on after."""

    of: PlanGroup
    operations: Sequence[Operation]
    following: int | None


def show_plans(sp: str) -> Any:
    """GET /applications/<sp>/plans"""
    found = find_shelf(sp)
    after = place()
    plans, following = work.plans(desk(), found.sp, found.job.id, ROWS, after)
    return show(
        "plans/list.html",
        found,
        plans=plans,
        causes=holds.causes(desk(), found.sp, found.job.id, HoldFilter()),
        codes=CODES,
        kinds=KINDS,
        is_first=after is None,
        following=following,
    )


def make(sp: str) -> Any:
    """POST /applications/<sp>/plans"""
    found = find_shelf(sp)
    asked = work.ask_for_plan(desk(), found.sp, found.job.id)
    return flask.redirect(found.to("plans", "making", asked.id), 303)


def show_making(sp: str, work_id: str) -> Any:
    """GET /applications/<sp>/plans/making/<work_id>: until the plan is there, or applied."""
    found = find_shelf(sp)
    asked = work.find_work(desk(), work_id)
    if asked.job_id != found.job.id or asked.kind not in (WorkKind.PLAN, WorkKind.ROLLBACK, WorkKind.APPLY):
        raise bad_request(gettext("That is no plan of this application."))
    answer = asked.answer or {}
    to = None
    if asked.state == "done":
        to = found.to() if asked.kind is WorkKind.APPLY else found.to("plans", str(answer["planId"]))
    if is_fragment_wanted():
        response = live(flask.render_template("plans/progress.html", shelf=found, asked=asked, answer=answer))
        if to is not None:
            response = flask.Response(status=204)
            response.headers["HX-Redirect"] = to
        return response
    if to is not None:
        return flask.redirect(to, 303)
    return show("plans/making.html", found, asked=asked, answer=answer)


def show_plan(sp: str, plan_id: str) -> Any:
    """GET /applications/<sp>/plans/<plan_id>"""
    found = find_shelf(sp)
    plan = work.find_plan(desk(), found.sp, found.job.id, plan_id)
    cause, kind, begin = text("cause"), choice("kind", [each.value for each in KINDS]), number("after") or 0
    groups, more = _groups(plan, PlanPart.SENT, cause, kind, begin)
    return show(
        "plans/plan.html",
        found,
        plan=plan,
        summary=sum_up(plan) if found.is_source and plan.cycle_id is None else None,
        failed=work.failed_that_wait(desk(), plan),
        groups=groups,
        more=more,
        held=_groups(plan, PlanPart.HELD, None, None, 0)[0] if cause is kind is None and begin == 0 else [],
        cause=cause,
        kind=kind,
        is_first=begin == 0,
        kinds=KINDS,
        codes=CODES,
        totals=[(kind, count) for kind, count in _totals(plan) if count],
        does_anything=work.does_anything(plan),
    )


def sum_up(plan: Plan) -> str:
    """Returns what a plan of a source, or of a file, does to people: “12 hires, 3 leavers, 1 conflict”."""
    counted = count_people(plan.sums)
    told = [
        words
        for count, words in (
            (counted.hires, ngettext("%(num)s hire", "%(num)s hires", counted.hires)),
            (counted.changes, ngettext("%(num)s change", "%(num)s changes", counted.changes)),
            (counted.leavers, ngettext("%(num)s leaver", "%(num)s leavers", counted.leavers)),
            (counted.groups, ngettext("%(num)s change of groups", "%(num)s changes of groups", counted.groups)),
            (counted.conflicts, ngettext("%(num)s conflict", "%(num)s conflicts", counted.conflicts)),
        )
        if count
    ]
    if counted.held:
        told.append(ngettext("%(num)s leaver is held", "%(num)s leavers are held", counted.held))
    return ", ".join(told) or gettext("Nobody is new, changed or gone")


def apply(sp: str, plan_id: str) -> Any:
    """POST /applications/<sp>/plans/<plan_id>/apply: exactly that, or a refusal because the world has moved."""
    found = find_shelf(sp)
    asked = work.ask_for_apply(desk(), found.sp, found.job.id, plan_id)
    return flask.redirect(found.to("plans", "making", asked.id), 303)


def show_held(sp: str) -> Any:
    """GET /applications/<sp>/held"""
    found = find_shelf(sp)
    cause, kind, code = text("cause"), choice("kind", KINDS), choice("code", HoldCode)
    identity, after = text("search"), place()
    wanted = HoldFilter(
        cause=cause, operation_kind=kind, code=None if code is None else HoldCode(code), identity=identity
    )
    rows, following = holds.held(desk(), found.sp, found.job.id, wanted, HELD_ROWS, after)
    return show(
        "plans/held.html",
        found,
        rows=rows,
        causes=holds.causes(desk(), found.sp, found.job.id, HoldFilter()),
        cause=cause,
        kind=kind,
        code=code,
        search=identity,
        codes=CODES,
        kinds=KINDS,
        words={kind.value: word for kind, (word, _shade, _icon) in KINDS.items()},
        is_first=after is None,
        following=following,
    )


def decide(sp: str) -> Any:
    """POST /applications/<sp>/held: approves or rejects the ticked ones, or all of a cause."""
    found = find_shelf(sp)
    verdict = chosen("do", ("approve", "reject"))
    picked, cause = fields("hold"), field("cause")
    if picked:
        wanted = HoldFilter(ids=picked)
    elif cause:
        # A cause may be why some are deleted and others disabled: what is let go is what stands in that line.
        code = HoldCode(chosen("code", HoldCode)) if field("code") else None
        wanted = HoldFilter(cause=cause, operation_kind=field("kind") or None, code=code)
    else:
        raise bad_request(gettext("Nothing is picked: tick operations, or decide a whole cause."))
    act = holds.approve if verdict == "approve" else holds.reject
    decided = act(desk(), found.sp, found.job.id, wanted)
    if decided.stayed:
        raise conflict(
            " ".join(f"{each.name}: {each.reason}" for each in decided.stayed[:SHOWN]), code="HeldOperationChanged"
        )
    if not decided.count:
        raise conflict(
            gettext("That was decided since, or has changed: look at the list again."), code="HeldOperationChanged"
        )
    approved = "approved-now" if found.is_own else "approved"
    return done(found.to("held"), approved if verdict == "approve" else "rejected")


def _groups(
    plan: Plan, part: PlanPart, cause: str | None, kind: str | None, after: int
) -> tuple[list[Group], int | None]:
    """A page of the groups of a part that are asked for, and the number to go on after; removals, then the largest.

    Each has its first operations. Of a group alone the operations are shown page by page.
    """
    alone = cause is not None or kind is not None
    chosen = [
        each
        for each in plan.sums.groups
        if each.part is part
        and cause in (None, f"{each.kind.value} {each.key}".rstrip())
        and kind in (None, each.kind.value)
        and (each.kind is not OperationKind.SKIP or alone or part is PlanPart.HELD)
    ]
    chosen.sort(key=lambda each: (each.kind not in _REMOVING, -each.count))
    found = []
    skipped = 0 if cause is not None else after
    for group in chosen[skipped : skipped + CAUSES]:
        limit = SHOWN if cause is None else SHOWN_ALONE
        page, following = work.planned(desk(), plan, part, limit, after if cause is not None else 0, group=group)
        found.append(Group(of=group, operations=[each.operation for each in page], following=following))
    return found, skipped + CAUSES if len(chosen) > skipped + CAUSES else None


def _totals(plan: Plan) -> list[tuple[OperationKind, int]]:
    return [(kind, plan.sums.count(PlanPart.SENT, kind)) for kind in KINDS]
