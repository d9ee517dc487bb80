"""Sources: the list in their order, the kinds, one source's connection, reading and place in the order; its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import credentials, jobs
from muster.administration import sources as registry
from muster.administration.applications import find_page, source_templates
from muster.administration.inbound.standing import find_standing_job
from muster.administration.refusals import Refused, bad_request, not_found
from muster.administration.secrets import MASK, PEM_LIMIT
from muster.administration.sources import Leaving, Source
from muster.administration.work import ask_for_cycle
from muster.gallery.catalogue import GalleryPage
from muster.model.connection import ConnectionField
from muster.model.durations import write_duration
from muster.model.job import ScheduleState
from muster.planning.precedence import ATTRIBUTE_PRECEDENCE, DEFAULT_PRECEDENCE, LOCAL_EDITS_FIRST, PRECEDENCE
from muster.planning.terms import LOST_SHARE, READ_EVERY
from muster.ui.language import gettext, told
from muster.web.portal.cycles import Badge, job_badge
from muster.web.portal.forms import chosen, done, field
from muster.web.portal.paths import address, desk
from muster.web.portal.shelves import find_shelf, show

SETTINGS = (READ_EVERY, LOST_SHARE, PRECEDENCE, ATTRIBUTE_PRECEDENCE, LOCAL_EDITS_FIRST)
# Fields of the form are named so, that none clashes with another field of the page.
_PREFIX = "c-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A source of the list."""

    source: Source
    badge: Badge


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A field of a connection as the form shows it."""

    field: ConnectionField
    value: str
    # A secret is kept; it is never shown.
    is_kept: bool

    @property
    def name(self) -> str:
        """Its name in the form."""
        return _PREFIX + self.field.name


def show_list() -> Any:
    """GET /sources"""
    rows = [Row(source=each, badge=job_badge(registry.status(desk(), each))) for each in registry.sources(desk())]
    return flask.render_template("sources/list.html", rows=rows, clients=find_standing_job(desk()))


def show_kinds() -> Any:
    """GET /sources/new"""
    return flask.render_template("sources/kinds.html", kinds=source_templates(desk()))


def show_adding(kind: str, refusal: Refused | None = None) -> Any:
    """GET /sources/new/<kind>"""
    page = _kind(kind)
    return flask.render_template(
        "sources/add.html",
        page=page,
        name=flask.request.form.get("name", told(page.display_name)),
        filled=_filled(page, {}),
        refusal=refusal,
    )


def add(kind: str) -> Any:
    """POST /sources/new/<kind>"""
    page = _kind(kind)
    try:
        made = registry.add_source(desk(), page.id, field("name"), _given(page, {}))
    except Refused as refused:
        return show_adding(kind, refused), 400
    return done(address("applications", made.application.service_principal_id, "source"), "created")


def show_source(sp: str, refusal: Refused | None = None) -> Any:
    """GET /applications/<sp>/source: connection, how far it was read, its place in the order."""
    found = find_shelf(sp)
    source = registry.find_source(desk(), found.sp)
    settings = source.job.settings
    shown = {name: flask.request.form.get(name, settings.get(name, "")) for name in SETTINGS}
    return show(
        "sources/source.html",
        found,
        source=source,
        mirror=source.mirror,
        filled=_filled(source.page, credentials.kept_secrets(desk(), found.sp)),
        lost=credentials.lost_secrets(desk(), found.sp),
        settings=shown,
        read_every=write_duration(source.page.read_every),
        default_precedence=DEFAULT_PRECEDENCE,
        is_on=source.job.schedule_state is ScheduleState.ACTIVE,
        refusal=refusal,
    )


def save(sp: str) -> Any:
    """POST /applications/<sp>/source: connection and settings, all or nothing."""
    found = find_shelf(sp)
    source = registry.find_source(desk(), found.sp)
    try:
        with desk().together():
            kept = credentials.kept_secrets(desk(), found.sp)
            given = {**kept, **_given(source.page, kept)}
            credentials.check_connection(source.page.connection, given)
            credentials.put_secrets(desk(), found.sp, given)
            changed = {name: field(name) for name in SETTINGS if field(name) != source.job.settings.get(name, "")}
            if changed:
                jobs.set_settings(desk(), found.sp, source.job.id, changed)
    except Refused as refused:
        return show_source(sp, refused), 400
    return done(found.to("source"), "saved")


def test(sp: str) -> Any:
    """POST /applications/<sp>/source/test: Test Connection with what the form says, as a line below the button."""
    found = find_shelf(sp)
    refusal: Refused | None = None
    said: str | None = None
    try:
        kept = credentials.kept_secrets(desk(), found.sp)
        said = credentials.validate(desk(), found.sp, _given(registry.find_source(desk(), found.sp).page, kept))
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        refusal = refused
    return flask.render_template("sources/tested.html", refusal=refusal, said=said)


def read(sp: str) -> Any:
    """POST /applications/<sp>/source/read: now; `anew` reads everything."""
    found = find_shelf(sp)
    job = registry.find_source(desk(), found.sp).job
    if field("anew"):
        registry.read_anew(desk(), found.sp, job.id)
    ask_for_cycle(desk(), found.sp, job.id)
    return done(found.to(), "asked")


def accept(sp: str) -> Any:
    """POST /applications/<sp>/source/accept: whoever was missing from the last read has left."""
    found = find_shelf(sp)
    registry.accept_missing(desk(), found.sp, registry.find_source(desk(), found.sp).job.id)
    return done(found.to("source"), "approved")


def remove(sp: str) -> Any:
    """POST /applications/<sp>/source/remove: its name written out, and what becomes of its people."""
    found = find_shelf(sp)
    try:
        if field("confirm") != found.application.display_name:
            raise bad_request(gettext("The name does not match: write the source's name to remove it."))
        registry.remove_source(desk(), found.sp, Leaving(chosen("people", Leaving)))
    except Refused as refused:
        return show_source(sp, refused), 400
    return done(address("sources"), "removed")


def _kind(kind: str) -> GalleryPage:
    page = find_page(desk(), kind)
    if not page.is_source:
        raise not_found("Kind of source", kind)
    return page


def _given(page: GalleryPage, kept: Mapping[str, str]) -> dict[str, str]:
    """The connection as the form says it; a secret that is left empty stays as it is kept, if it is."""
    given = {}
    for each in page.connection:
        value = field(_PREFIX + each.name, PEM_LIMIT)
        given[each.name] = MASK if each.is_secret and not value and kept.get(each.name) else value
    return given


def _filled(page: GalleryPage, kept: Mapping[str, str]) -> list[Filled]:
    return [
        Filled(
            field=each,
            value=""
            if each.is_secret
            else flask.request.form.get(_PREFIX + each.name, kept.get(each.name) or each.default or ""),
            is_kept=each.is_secret and bool(kept.get(each.name)),
        )
        for each in page.connection
    ]
