"""The wire log of an application: its requests and answers as they went, switched on for some minutes."""

import json
from typing import Any

from muster.administration import wire_log
from muster.model.wire import WireKind
from muster.ui.language import marked
from muster.web.portal.forms import chosen, done
from muster.web.portal.paths import choice, desk, text
from muster.web.portal.shelves import find_shelf, show

ROWS = 200
SPANS = {
    "15": marked("15 minutes"),
    "60": marked("1 hour"),
    "480": marked("8 hours"),
    "1440": marked("24 hours"),
}
RESULTS = {
    WireKind.FAILED.value: marked("Failed ones"),
    WireKind.WRITES.value: marked("Writes"),
    WireKind.WAITS.value: marked("Asked to wait"),
}


def show_requests(sp: str) -> Any:
    """GET /applications/<sp>/provisioning/requests"""
    found = find_shelf(sp)
    source, cycle, result = text("source"), text("cycle"), choice("result", RESULTS)
    kind = None if result is None else WireKind(result)
    shown = wire_log.wire_exchanges(desk(), found.sp, found.job.id, source, ROWS, cycle_id=cycle, kind=kind)
    return show(
        "provisioning/requests.html",
        found,
        until=wire_log.wire_log_until(desk(), found.sp, found.job.id),
        exchanges=shown,
        is_kept=bool(shown or wire_log.wire_exchanges(desk(), found.sp, found.job.id, None, 1)),
        kept=wire_log.exchanges_kept(desk(), found.sp, found.job.id, cycle, kind) if cycle else len(shown),
        source=source,
        cycle=cycle,
        result=result,
        results=RESULTS,
        spans=SPANS,
        pretty=pretty,
    )


def switch(sp: str) -> Any:
    """POST /applications/<sp>/provisioning/requests: for so many minutes from now; 0 ends it."""
    found = find_shelf(sp)
    minutes = int(chosen("minutes", ("0", *SPANS)))
    until = wire_log.switch_wire_log(desk(), found.sp, found.job.id, minutes)
    return done(found.to("provisioning", "requests"), "unwatched" if until is None else "watched")


def pretty(body: str) -> str:
    """Returns a body as it is read best: JSON in lines, anything else (a page, JSON that was cut off) as it came."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
