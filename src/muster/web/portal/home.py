"""The start page: what needs attention, where provisioning stands, how much there is."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias

import flask

from muster.administration import applications as registry
from muster.administration import logs, people
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.log import LogEntry, LogStatus
from muster.model.roles import Permission
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryQuery
from muster.ui.language import gettext
from muster.web.portal.logs import ACTIONS, STATUSES, entry_address
from muster.web.portal.paths import desk
from muster.web.portal.places import may_somewhere
from muster.web.portal.shelves import Shelf, shelf

ENTRIES = 8
FAILURES = 5
_FAILURES_SINCE = timedelta(hours=24)

# Name, number, address and icon.
Figure: TypeAlias = tuple[str, int | None, str, str]


def show() -> Any:
    """GET /"""
    may = flask.g.me.may
    shelves: Sequence[Shelf] = ()
    counts: Sequence[Figure] = ()
    recent: Sequence[LogEntry] = ()
    failures: Sequence[LogEntry] = ()
    if may_somewhere(Permission.READ_CONFIGURATION):
        shelves = [each for each in map(shelf, registry.applications(desk())) if not each.is_own and not each.is_source]
    if may(Permission.READ_DIRECTORY):
        counts = _counts()
    if may_somewhere(Permission.READ_LOGS):
        recent, _ = logs.provisioning(desk(), LogQuery(limit=ENTRIES))
        since = flask.g.now - _FAILURES_SINCE
        failed = LogQuery(status=LogStatus.FAILURE.value, since=since, limit=FAILURES)
        failures, _ = logs.provisioning(desk(), failed)
    return flask.render_template(
        "home.html",
        shelves=shelves,
        counts=counts,
        recent=recent,
        failures=failures,
        statuses=STATUSES,
        actions=ACTIONS,
        entry_address=entry_address,
    )


def _counts() -> list[Figure]:
    def count(kind: ObjectKind, lifecycle: Lifecycle) -> int | None:
        return people.search(desk(), DirectoryQuery(kind=kind, lifecycles=(lifecycle,), counted=True, limit=1)).total

    return [
        (gettext("Users"), count(ObjectKind.USER, Lifecycle.PRESENT), "/users", "users"),
        (gettext("Groups"), count(ObjectKind.GROUP, Lifecycle.PRESENT), "/groups", "users-group"),
        (gettext("Deleted users"), count(ObjectKind.USER, Lifecycle.SOFT_DELETED), "/users?state=deleted", "user-off"),
    ]
