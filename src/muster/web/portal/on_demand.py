"""Provision on demand: somebody is picked, what would happen is shown, it is done, and its steps stand as cards."""

from typing import Any

import flask

from muster.administration import assignments as assigning
from muster.administration import explaining, logs, mapping_edits, people, work
from muster.administration.refusals import Refused, bad_request
from muster.model.directory import DirectoryObject, ObjectKind
from muster.model.log import LogEntry, StepType
from muster.model.roles import Permission
from muster.ports.administration import Work, WorkKind
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryQuery
from muster.ui.frame import is_fragment_wanted, live
from muster.ui.language import gettext, marked, told
from muster.web.portal.forms import field
from muster.web.portal.logs import ACTIONS, STATUSES, remedy_of
from muster.web.portal.outlooks import why_values
from muster.web.portal.paths import desk, text
from muster.web.portal.shelves import Shelf, find_shelf, show

OFFERED = 8
_PROVISIONED = (ObjectKind.USER, ObjectKind.GROUP)
# The four cards, each with the steps of the log that it shows.
CARDS = (
    (marked("Import"), (StepType.IMPORT,)),
    (marked("Determine scope"), (StepType.SCOPING,)),
    (marked("Match"), (StepType.MATCHING,)),
    (marked("Perform action"), (StepType.PROCESSING, StepType.REFERENCE_RESOLUTION, StepType.EXPORT)),
)


def show_on_demand(sp: str) -> Any:
    """GET /applications/<sp>/on-demand: the search, and what would happen to who was picked."""
    found = find_shelf(sp)
    desk().require(Permission.READ_DIRECTORY)
    wanted, picked = text("search"), text("object")
    kinds = _kinds(found)
    offers = _offers(wanted, kinds)
    # Who is there by that name, but of a kind that the rules leave alone.
    left = () if offers else _offers(wanted, tuple(kind for kind in _PROVISIONED if kind not in kinds))
    if is_fragment_wanted():
        return flask.render_template("on_demand/offers.html", shelf=found, offers=offers, left=left, search=wanted)
    principal = None if picked is None else assigning.find_principal(desk(), picked)
    explained, refusal = None, None
    if principal is not None and principal.kind is ObjectKind.USER:
        try:
            explained = explaining.explain(desk(), found.sp, found.job.id, principal.object_id)
        except Refused as refused:
            refusal = told(refused.sentence)
    return show(
        "on_demand/pick.html",
        found,
        offers=offers,
        left=left,
        search=wanted,
        principal=principal,
        user=principal,
        is_mapped=principal is not None and principal.kind in kinds,
        **why_values(explained, refusal, found, is_part=False),
    )


def provision(sp: str) -> Any:
    """POST /applications/<sp>/on-demand: asks the engine."""
    found = find_shelf(sp)
    principal = assigning.find_principal(desk(), field("object", 100))
    subject = work.Subject(object_id=principal.object_id, kind=principal.kind)
    asked = work.ask_for_provisioning(desk(), found.sp, found.job.id, None, subject)
    return flask.redirect(found.to("on-demand", asked.id), 303)


def show_result(sp: str, work_id: str) -> Any:
    """GET /applications/<sp>/on-demand/<work_id>: the cards once the engine has done it."""
    found = find_shelf(sp)
    asked = work.find_work(desk(), work_id)
    if asked.kind is not WorkKind.PROVISION_ON_DEMAND or asked.job_id != found.job.id:
        raise bad_request(gettext("That is no provisioning on demand of this application."))
    entry = _entry(asked)
    values: dict[str, Any] = {
        "asked": asked,
        "entry": entry,
        "principal": _principal(asked),
        "cards": () if entry is None else tuple(_cards(entry)),
        "remedy": None if entry is None else remedy_of(entry),
        "statuses": STATUSES,
        "actions": ACTIONS,
    }
    if is_fragment_wanted():
        return live(flask.render_template("on_demand/cards.html", shelf=found, **values))
    return show("on_demand/result.html", found, **values)


def _kinds(found: Shelf) -> tuple[ObjectKind, ...]:
    """Returns the kinds of objects that the rules provision."""
    placed = mapping_edits.object_mappings(desk(), found.sp, found.job.id)
    mapped = {each.mapping.kind for each in placed if each.mapping.enabled}
    return tuple(kind for kind in _PROVISIONED if kind in mapped)


def _offers(wanted: str | None, kinds: tuple[ObjectKind, ...]) -> tuple[DirectoryObject, ...]:
    if wanted is None:
        return ()
    found: list[DirectoryObject] = []
    for kind in kinds:
        found += people.search(desk(), DirectoryQuery(kind=kind, search=wanted, limit=OFFERED)).objects
    return tuple(found)


def _principal(asked: Work) -> DirectoryObject | None:
    try:
        return assigning.find_principal(desk(), str(asked.payload.get("objectId")))
    except Refused:
        return None


def _entry(asked: Work) -> LogEntry | None:
    answer = asked.answer or {}
    if asked.state != "done" or not answer.get("cycleId"):
        return None
    query = LogQuery(job_id=asked.job_id, cycle_id=answer.get("cycleId"), change_id=answer.get("changeId"), limit=1)
    entries, _ = logs.provisioning(desk(), query)
    return entries[0] if entries else None


def _cards(entry: LogEntry) -> Any:
    for name, types in CARDS:
        steps = [step for step in entry.steps if step.type in types]
        # The card is as bad as its worst step.
        order = ("failure", "warning", "success", "skipped")
        worst = min((step.status.value for step in steps), key=order.index, default=None)
        yield gettext(name), worst, steps
