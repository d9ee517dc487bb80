"""What other rules, or another scope, would change, shown before they are saved."""

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import flask

from muster.administration import rules
from muster.administration.refusals import RefusalKind, Refused
from muster.model.operation import OperationKind
from muster.model.roles import Permission
from muster.model.whatif import Affected, OtherScope, Transition, WhatIf, WhatIfLine
from muster.ports.engine_room import Told
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import gettext, marked, ngettext
from muster.web.portal.looking import find_look, look_at_everybody
from muster.web.portal.paths import desk, number
from muster.web.portal.plans import KINDS
from muster.web.portal.shelves import Shelf, find_shelf, show

# So many of those affected are shown at once.
SHOWN = 25
SAVED = OtherScope()

TRANSITIONS = {
    Transition.ENTERS_SCOPE: (marked("Enters scope"), "good"),
    Transition.LEAVES_SCOPE: (marked("Leaves scope"), "warn"),
    Transition.CHANGES: (marked("Changes"), "running"),
    Transition.OTHERWISE: (marked("Done otherwise"), "idle"),
}
_DONE = {
    OperationKind.CREATE: marked("created"),
    OperationKind.UPDATE: marked("updated"),
    OperationKind.DISABLE: marked("disabled"),
    OperationKind.DELETE: marked("deleted"),
    OperationKind.LINK: marked("linked"),
    OperationKind.SKIP: marked("left alone"),
    OperationKind.FAIL: marked("failing"),
}


def are_asked() -> bool:
    """Whether a form asks what it would do instead of saying that it be done."""
    return flask.request.form.get("do") == "review"


def consequences(found: Shelf, document: Mapping[str, Any] | None, scope: OtherScope = SAVED) -> str:
    """Returns the part of a page that says what would change for whom; nothing is saved."""
    who = desk()

    def make(told: Told) -> WhatIf:
        return rules.what_if(who, found.sp, found.job.id, document, scope=scope, limit=sys.maxsize, told=told)

    def tell(made: WhatIf | Refused, name: str) -> str:
        return refused_consequences(found, made) if isinstance(made, Refused) else _show(found, made, name=name)

    return look_at_everybody(found, make, tell)


def show_affected(sp: str, name: str) -> Any:
    """GET /applications/<sp>/looking/<name>/affected: whom a line of a look's summary counts, or all of them."""
    found = find_shelf(sp)
    desk().require(Permission.READ_DIRECTORY)
    look = find_look(name)
    made = None if look is None else look.found
    line = number("line")
    if not isinstance(made, WhatIf) or (line is not None and line >= len(made.summary)):
        template = "looking.html" if is_fragment_wanted() else "mappings/affected.html"
        # What would follow in a list is asked for from a row of it.
        page = show(template, found, look=None, name=None, is_row=is_fragment_wanted() and number("after") is not None)
        # htmx takes in no answer that is an error.
        return page if is_fragment_wanted() else (page, 404)
    values = _affected(found, made, name, line, number("after") or 0)
    return show("mappings/affected_rows.html" if is_fragment_wanted() else "mappings/affected.html", found, **values)


def refused_consequences(found: Shelf, refusal: Refused) -> str:
    """Returns the part of a page that says why rules cannot be saved, or cannot be tried just now."""
    # Who may not look at people, or must wait, can save all the same.
    is_wrong = refusal.kind not in (RefusalKind.FORBIDDEN, RefusalKind.TOO_MANY)
    return _show(found, None, refusal, is_wrong=is_wrong)


def _show(
    found: Shelf, made: WhatIf | None, refusal: Refused | None = None, *, name: str = "", is_wrong: bool = False
) -> str:
    values = {} if made is None else _affected(found, made, name, None, 0)
    return flask.render_template(
        "mappings/consequences.html",
        shelf=found,
        made=made,
        lines=() if made is None else tuple(_lines(found, made, name)),
        refusal=refusal,
        is_wrong=is_wrong,
        **values,
    )


def _affected(found: Shelf, made: WhatIf, name: str, line: int | None, after: int) -> dict[str, Any]:
    """What a page of those whom a line counts (None: all) is made of."""
    counted = made.objects if line is None else (each for each in made.objects if _is_counted(made.summary[line], each))
    page = list(islice(counted, after, after + SHOWN + 1))
    return {
        "name": name,
        "line": None if line is None else _words(made.summary[line]),
        "total": made.affected if line is None else made.summary[line].count,
        "objects": page[:SHOWN],
        "is_first": after == 0,
        "following": _to(found, name, line, after + SHOWN) if len(page) > SHOWN else None,
        "everybody": _to(found, name, None),
        "transitions": TRANSITIONS,
        "kinds": KINDS,
    }


def _to(found: Shelf, name: str, line: int | None, after: int = 0) -> str:
    return found.to(
        "looking", name, "affected", line=None if line is None else str(line), after=str(after) if after else None
    )


def _is_counted(line: WhatIfLine, affected: Affected) -> bool:
    if affected.transition is not line.transition:
        return False
    if line.attribute is not None:
        return any(change.attribute == line.attribute for change in affected.changes)
    return affected.after is line.after


def _lines(found: Shelf, made: WhatIf, name: str) -> Iterator[tuple[int, str, str, str]]:
    """The summary in the reader's language: a number, what it means, the tone of it, and where those are."""
    for at, line in enumerate(made.summary):
        yield line.count, _words(line), TRANSITIONS[line.transition][1], _to(found, name, at)


def _words(line: WhatIfLine) -> str:
    count = line.count
    done = gettext("not carried") if line.after is None else gettext(_DONE.get(line.after, line.after.value))
    match line.transition:
        case Transition.CHANGES:
            name = (line.attribute or "").rsplit(":", 1)[-1]
            return ngettext("gets another %(name)s", "get another %(name)s", count, name=name)
        case Transition.ENTERS_SCOPE:
            return ngettext("enters scope and is %(done)s", "enter scope and are %(done)s", count, done=done)
        case Transition.LEAVES_SCOPE:
            return ngettext("leaves scope and is %(done)s", "leave scope and are %(done)s", count, done=done)
        case _:
            return ngettext("is %(done)s then", "are %(done)s then", count, done=done)
