"""A cycle's progress, live in the terminal."""

import time
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from muster.cli.api import Api, query
from muster.cli.applications import Named
from muster.cli.console import err
from muster.model.counting import number_of

_POLL_SECONDS = 0.2
_PHASES = {
    "census": "listing the target",
    "users": "users",
    "groups": "groups",
    "retries": "retries",
    "removals": "removals",
    "references": "references",
    "closing": "closing",
    "done": "done",
}


def watch_cycle(api: Api, application: Named, cycle_id: str, *, quiet: bool) -> dict[str, Any]:
    """Shows a bar, counted in objects, until the cycle ends; returns the ended cycle."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=err, disable=quiet, transient=False) as progress:
        task = progress.add_task("starting", total=None, rate="")
        while True:
            cycle = _cycle(api, application, cycle_id)
            counters = cycle["counters"]
            done = settled(counters)
            seconds = max(time.monotonic() - began, 0.001)
            progress.update(
                task,
                description=f"{cycle['kind']} cycle: {_PHASES.get(cycle['phase'], cycle['phase'])}",
                total=max(counters["expected"], done) or None,
                completed=done,
                rate=f"{done / seconds:.0f}/s · {number_of(counters['requests'], 'request')}",
            )
            if cycle["state"] != "Running":
                return cycle
            time.sleep(_POLL_SECONDS)


def settled(counters: dict[str, int]) -> int:
    """Returns how many objects of a cycle have come to their end."""
    names = ("created", "updated", "disabled", "deleted", "unchanged", "skipped", "failed", "held")
    return sum(counters[name] for name in names)


def _cycle(api: Api, application: Named, cycle_id: str) -> dict[str, Any]:
    for cycle in api.get(f"{application.job_path}/cycles" + query(top=5))["value"]:
        if cycle["id"] == cycle_id:
            return dict(cycle)
    return {"id": cycle_id, "state": "Stopped", "kind": "", "phase": "done", "failure": None, "counters": _none()}


def _none() -> dict[str, int]:
    names = ("created", "updated", "disabled", "deleted", "unchanged", "skipped", "failed", "held")
    return dict.fromkeys((*names, "expected", "evaluated", "requests", "writes", "references"), 0)
