"""Import of people from a file: looked at first, as a plan; then carried out."""

from typing import Any

import flask

from muster.administration import work
from muster.administration.refusals import Refused, bad_request
from muster.model.job import Plan, PlanGroup, PlanPart
from muster.model.operation import Operation, OperationKind
from muster.model.roles import Permission
from muster.ports.administration import Work, WorkKind
from muster.ui.frame import is_fragment_wanted, live
from muster.ui.language import gettext
from muster.web.portal.paths import address, desk
from muster.web.portal.plans import sum_up

SHOWN = 50


def show_form(refusal: Refused | None = None) -> Any:
    """GET /import"""
    desk().require(Permission.WRITE_DIRECTORY)
    return flask.render_template("directory/import.html", refusal=refusal, suffixes=work.IMPORT_SUFFIXES)


def upload() -> Any:
    """POST /import: `do` says whether it is only looked at."""
    is_preview = flask.request.form.get("do") != "import"
    try:
        file = flask.request.files.get("file")
        if file is None or not file.filename:
            raise bad_request(gettext("Choose a file."))
        asked = work.import_file(desk(), file.filename, file.read(), preview=is_preview)
    except Refused as refused:
        if is_fragment_wanted():
            return flask.render_template("directory/import_refused.html", refusal=refused), 400
        return show_form(refused), 400
    if is_fragment_wanted():
        return _progress(asked)
    return flask.redirect(address("import", asked.id), 303)


def show_work(work_id: str) -> Any:
    """GET /import/<work_id>: how far it is, then what it found."""
    asked = work.find_work(desk(), work_id)
    if asked.kind is not WorkKind.IMPORT:
        raise bad_request(gettext("That is no import."))
    if is_fragment_wanted():
        return live(_progress(asked))
    return flask.render_template("directory/import_page.html", **_values(asked))


def _progress(asked: Work) -> str:
    return flask.render_template("directory/import_progress.html", **_values(asked))


def _values(asked: Work) -> dict[str, Any]:
    plan = work.find_import_plan(desk(), asked)
    answer = asked.answer or {}
    return {
        "asked": asked,
        "plan": plan,
        "summary": sum_up(plan) if plan else None,
        "counters": answer.get("counters") or {},
        "cycle_id": answer.get("cycleId"),
        "missing": answer.get("managersNotFound"),
        "kinds": _counts(plan) if plan else {},
        "wrong": _first(plan, OperationKind.FAIL) if plan else work.left_out(desk(), asked, SHOWN),
        "shown": (_first(plan, OperationKind.CREATE) + _first(plan, OperationKind.UPDATE))[:SHOWN] if plan else [],
    }


def _counts(plan: Plan) -> dict[str, int]:
    counts = ((kind.value, plan.sums.count(PlanPart.SENT, kind)) for kind in OperationKind)
    return {name: count for name, count in counts if count}


def _first(plan: Plan, kind: OperationKind) -> list[Operation]:
    every = PlanGroup(part=PlanPart.SENT, kind=kind, key="", count=0, sentence="")
    return [each.operation for each in work.planned(desk(), plan, PlanPart.SENT, SHOWN, group=every)[0]]
