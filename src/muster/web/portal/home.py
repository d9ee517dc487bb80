"""The start page: what needs attention, where provisioning stands, how much there is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import logs, people
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.log import LogStatus
from muster.model.roles import Permission
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryQuery
from muster.web.portal.applications import shelf
from muster.web.portal.logs import ACTIONS, STATUSES, entry_address
from muster.web.portal.paths import desk

ENTRIES = 8
_FAILURES_SINCE = timedelta(hours=24)


def show() -> Any:
    """GET /"""
    may = flask.g.me.may
    shelves, counts, recent, failures = (), (), (), ()
    if may(Permission.READ_CONFIGURATION):
        shelves = [each for each in map(shelf, registry.applications(desk())) if not each.is_own]  # type: ignore[assignment]
    if may(Permission.READ_DIRECTORY):
        counts = _counts()  # type: ignore[assignment]
    if may(Permission.READ_LOGS):
        query = LogQuery(limit=ENTRIES)
        recent, _ = logs.provisioning(desk(), query)  # type: ignore[assignment]
        since = flask.g.now - _FAILURES_SINCE
        failures, _ = logs.provisioning(  # type: ignore[assignment]
            desk(), replace(query, status=LogStatus.FAILURE.value, since=since, limit=5)
        )
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


def _counts() -> list[tuple[str, int | None, str, str]]:
    """Name, number, address and icon."""

    def count(kind: ObjectKind, lifecycle: Lifecycle) -> int | None:
        return people.search(desk(), DirectoryQuery(kind=kind, lifecycles=(lifecycle,), limit=1)).total

    return [
        ("Users", count(ObjectKind.USER, Lifecycle.PRESENT), "/users", "users"),
        ("Groups", count(ObjectKind.GROUP, Lifecycle.PRESENT), "/groups", "users-group"),
        ("Deleted users", count(ObjectKind.USER, Lifecycle.SOFT_DELETED), "/users?state=deleted", "user-off"),
    ]
