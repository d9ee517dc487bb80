"""The provisioning log: filters, lines, and one entry with its steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import flask

from muster.administration import logs
from muster.administration.refusals import bad_request
from muster.model.application import EnterpriseApplication
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.roles import Permission
from muster.ports.cycles import LogQuery
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import gettext, marked
from muster.web.portal.log_files import write_csv, write_json
from muster.web.portal.paths import address, choice, desk, place, text
from muster.web.portal.shelves import Shelf, find_shelf
from muster.web.remedies import REMEDIES

ROWS = 50
DOWNLOADED = 100_000
# A part of a name is looked for among so many, unless a cycle or an object narrows the search.
NEWEST = 100_000
_PAGE = 500
SPANS = {
    "1h": (marked("Last hour"), timedelta(hours=1)),
    "24h": (marked("Last 24 hours"), timedelta(hours=24)),
    "7d": (marked("Last 7 days"), timedelta(days=7)),
    "30d": (marked("Last 30 days"), timedelta(days=30)),
}
STATUSES = {
    LogStatus.SUCCESS.value: (marked("Success"), "good"),
    LogStatus.WARNING.value: (marked("Warning"), "warn"),
    LogStatus.FAILURE.value: (marked("Failure"), "bad"),
    LogStatus.SKIPPED.value: (marked("Skipped"), "idle"),
}
# What the log is filtered by: an operation that is held is no skip to who looks for it.
HELD = "held"
ASKED_STATUSES = {**STATUSES, HELD: (marked("Held"), "warn")}
ACTIONS = {
    ProvisioningAction.CREATE.value: (marked("Create"), "plus"),
    ProvisioningAction.UPDATE.value: (marked("Update"), "pencil"),
    ProvisioningAction.DISABLE.value: (marked("Disable"), "user-off"),
    ProvisioningAction.DELETE.value: (marked("Delete"), "trash"),
    ProvisioningAction.STAGED_DELETE.value: (marked("Held"), "clock"),
    ProvisioningAction.OTHER.value: (marked("Other"), "minus"),
}
STEPS = {
    "import": marked("Import"),
    "scoping": marked("Determine scope"),
    "matching": marked("Match"),
    "processing": marked("Decide"),
    "referenceResolution": marked("Set references"),
    "export": marked("Perform action"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the address bar asks of the log."""

    search: str | None
    status: str | None
    action: str | None
    span: str | None
    application: str | None
    cycle: str | None
    source: str | None
    # Why something failed or was skipped, as its code.
    code: str | None
    # A stretch of time, as `between` writes it.
    between: str | None
    # The page they belong to.
    parts: tuple[str, ...]

    def to(self, **changes: str | None) -> str:
        """Returns the address of the log with some filters changed."""
        query = {
            "search": self.search,
            "status": self.status,
            "action": self.action,
            "span": self.span,
            "application": self.application if self.parts == ("logs",) else None,
            "cycle": self.cycle,
            "source": self.source,
            "code": self.code,
            "between": self.between,
        }
        return address(*self.parts, **{**query, **changes})

    def download(self, form: str) -> str:
        """Returns the address of a file with everything that fits the filters."""
        return address(
            "logs",
            "download",
            format=form,
            search=self.search,
            status=self.status,
            action=self.action,
            span=self.span,
            application=self.application,
            cycle=self.cycle,
            source=self.source,
            code=self.code,
            between=self.between,
        )

    @property
    def are_set(self) -> bool:
        """Whether anything narrows the log."""
        return any((self.search, self.status, self.action, self.span, self.cycle, self.source, self.code, self.between))


def show() -> Any:
    """GET /logs"""
    return _show(_read_filters(("logs",), text("application")), None)


def show_for_application(sp: str) -> Any:
    """GET /applications/<sp>/logs"""
    shelf = find_shelf(sp)
    return _show(_read_filters(("applications", shelf.sp, "logs"), shelf.sp), shelf)


def show_entry(entry_id: str) -> Any:
    """GET /logs/<entry_id>: a page, or the panel beside the list."""
    entry = logs.find_entry(desk(), entry_id)
    me = flask.g.me
    return flask.render_template(
        "logs/panel.html" if is_fragment_wanted() else "logs/entry.html",
        entry=entry,
        application=applications_by_id().get(entry.service_principal_id),
        may_read_directory=me.may(Permission.READ_DIRECTORY),
        may_read_application=me.may_on(Permission.READ_CONFIGURATION, entry.service_principal_id),
        remedy=remedy_of(entry),
        statuses=STATUSES,
        actions=ACTIONS,
        steps=STEPS,
        entry_address=entry_address,
    )


def download() -> Any:
    """GET /logs/download: what fits the filters as CSV or JSON, newest first, at most 100,000 entries."""
    form = choice("format", ("csv", "json")) or "csv"
    filters = _read_filters(("logs",), text("application"))
    # Read before the answer begins: a refusal is a page, not half a file.
    entries, after = logs.provisioning(desk(), _query(filters, None, _PAGE))
    written = write_csv if form == "csv" else write_json
    response = flask.Response(
        flask.stream_with_context(written(_all(filters, entries, after))),
        mimetype="text/csv" if form == "csv" else "application/json",
    )
    response.headers["Content-Disposition"] = f'attachment; filename="provisioning-{flask.g.now:%Y%m%d-%H%M}.{form}"'
    return response


def _all(filters: Filters, entries: Sequence[LogEntry], after: str | None) -> Iterator[LogEntry]:
    count = 0
    while True:
        yield from entries
        count += len(entries)
        if after is None or count >= DOWNLOADED:
            return
        entries, after = logs.provisioning(desk(), _query(filters, after, _PAGE))


def remedy_of(entry: LogEntry) -> str | None:
    """Returns what to do about an entry, None if nothing is known."""
    if entry.failure is not None:
        return entry.failure.remedy
    remedy = None if entry.skip_reason is None else REMEDIES.get(entry.skip_reason)
    return None if remedy is None else gettext(remedy)


def entry_address(entry: LogEntry) -> str:
    """Returns the address of an entry."""
    return address("logs", entry.id)


def _show(filters: Filters, shelf: Shelf | None) -> Any:
    query = _query(filters, place(), ROWS)
    if filters.search and filters.cycle is None and filters.source is None:
        query = replace(query, newest=NEWEST)
    found, next_after = logs.provisioning(desk(), query)
    return flask.render_template(
        "logs/list.html",
        shelf=shelf,
        filters=filters,
        entries=found,
        is_first=query.after is None,
        stretch=stretch(filters.between),
        next_after=next_after,
        newest=NEWEST if next_after is None and logs.leaves_out(desk(), query) else None,
        applications=applications_by_id(),
        spans=SPANS,
        statuses=STATUSES,
        asked_statuses=ASKED_STATUSES,
        actions=ACTIONS,
        entry_address=entry_address,
    )


def between(since: datetime, until: datetime) -> str:
    """Returns a stretch of time as addresses carry it."""
    return "/".join(f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" for at in (since, until))


def stretch(between: str | None) -> tuple[datetime, datetime] | None:
    """Returns the instants of a stretch of time; None for none. Raises: Refused."""
    if between is None:
        return None
    try:
        since, until = (_instant(at) for at in between.split("/"))
    except ValueError:
        example = "2026-05-04T08:00:00Z/2026-05-04T09:00:00Z"
        raise bad_request(gettext("“between” takes two instants, such as %(example)s.", example=example)) from None
    return since, until


def _instant(at: str) -> datetime:
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in at else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.strptime(at, form).replace(tzinfo=UTC)


def _query(filters: Filters, after: str | None, limit: int) -> LogQuery:
    since, until = stretch(filters.between) or (None, None)
    if filters.span is not None:
        since = flask.g.now - SPANS[filters.span][1]
    return LogQuery(
        service_principal_id=filters.application,
        cycle_id=filters.cycle,
        source_id=filters.source,
        identity=filters.search,
        action=filters.action,
        error_code=filters.code,
        # Held operations are logged as skipped: here the two are told apart.
        status=LogStatus.SKIPPED.value if filters.status == HELD else filters.status,
        held={HELD: True, LogStatus.SKIPPED.value: False}.get(filters.status or ""),
        since=since,
        until=until,
        after=after,
        limit=limit,
    )


def _read_filters(parts: tuple[str, ...], application: str | None) -> Filters:
    search, cycle = text("search"), text("cycle")
    if search is not None and cycle is None and desk().stores.cycles.get(search.casefold()) is not None:
        # The whole of a cycle is found, however many entries came after it.
        cycle = search.casefold()
        search = None
    return Filters(
        search=search,
        status=choice("status", ASKED_STATUSES),
        action=choice("action", ACTIONS),
        span=choice("span", SPANS),
        application=application,
        cycle=cycle,
        source=text("source"),
        code=text("code"),
        between=text("between"),
        parts=parts,
    )


def applications_by_id() -> dict[str, EnterpriseApplication]:
    """Returns the applications whose entries the caller may read, for their names."""
    # A reader of logs alone need not read configuration: names come straight from the applications.
    found = {each.service_principal_id: each for each in desk().stores.applications.list()}
    me = flask.g.me
    return found if me.may(Permission.READ_LOGS) else {sp: each for sp, each in found.items() if sp in me.owned}
