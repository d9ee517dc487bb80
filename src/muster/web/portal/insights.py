"""Insights: charts of what provisioning did, by action and day, with the commonest failures."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask

from muster.administration.insights import OUTCOMES, Bucket, Insights, insights
from muster.ui.language import gettext, marked
from muster.web.portal.logs import applications_by_id, between
from muster.web.portal.paths import address, choice, desk, text
from muster.web.portal.shelves import Shelf, find_shelf

SPANS = {
    "24h": (marked("Last 24 hours"), timedelta(hours=24), timedelta(hours=1)),
    "7d": (marked("Last 7 days"), timedelta(days=7), timedelta(hours=6)),
    "30d": (marked("Last 30 days"), timedelta(days=30), timedelta(days=1)),
}
NAMES = {
    "created": (marked("Created"), "create", ("create", "success")),
    "updated": (marked("Updated"), "update", ("update", "success")),
    "disabled": (marked("Disabled"), "disable", ("disable", "success")),
    "deleted": (marked("Deleted"), "delete", ("delete", "success")),
    "failed": (marked("Failed"), "fail", (None, "failure")),
}


def show_all() -> Any:
    """GET /insights"""
    return _show(None, text("application"))


def show_for_application(sp: str) -> Any:
    """GET /applications/<sp>/insights"""
    found = find_shelf(sp)
    return _show(found, found.sp)


def _show(shelf: Shelf | None, application: str | None) -> Any:
    span = choice("span", SPANS) or "7d"
    _, length, step = SPANS[span]
    found = insights(desk(), application, flask.g.now - length, step)

    def log_of(bucket: Bucket, action: str | None = None, status: str | None = None) -> str:
        """The entries that a bar counts: of its stretch of time, action and status."""
        query = {"action": action, "status": status, "between": between(bucket.at, bucket.at + step)}
        return shelf.to("logs", **query) if shelf else address("logs", application=application, **query)

    return flask.render_template(
        "insights/page.html",
        shelf=shelf,
        application=application,
        applications=applications_by_id(),
        found=found,
        span=span,
        spans=SPANS,
        names=NAMES,
        outcomes=_chart(found, log_of),
        durations=_durations(found, log_of),
        log_of=log_of,
    )


def _chart(found: Insights, log_of: Callable[..., str]) -> str:
    """The data of the chart of outcomes: seconds, then a series an outcome, each value with the log that it counts."""
    return json.dumps(
        {
            "x": [round(bucket.at.timestamp()) for bucket in found.buckets],
            "series": [
                {
                    "label": gettext(NAMES[name][0]),
                    "shade": NAMES[name][1],
                    "values": [bucket.counts[name] for bucket in found.buckets],
                    "links": [log_of(bucket, *NAMES[name][2]) for bucket in found.buckets],
                }
                for name in OUTCOMES
            ],
            "kind": "bars",
        }
    )


def _durations(found: Insights, log_of: Callable[..., str]) -> str:
    return json.dumps(
        {
            "x": [round(bucket.at.timestamp()) for bucket in found.buckets],
            "series": [
                {
                    "label": gettext("Seconds a cycle"),
                    "shade": "update",
                    "values": [
                        round(bucket.took.total_seconds() / bucket.cycles, 2) if bucket.cycles else None
                        for bucket in found.buckets
                    ],
                    "links": [log_of(bucket) for bucket in found.buckets],
                }
            ],
            "kind": "line",
        }
    )
