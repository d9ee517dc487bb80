"""What other rules, or another scope, would change, shown before they are saved."""

from collections.abc import Mapping
from typing import Any

import flask

from muster.administration import rules
from muster.administration.refusals import RefusalKind, Refused
from muster.model.operation import OperationKind
from muster.model.whatif import OtherScope, Transition, WhatIf
from muster.ports.engine_room import Told
from muster.ui.language import gettext, marked, ngettext, number_text
from muster.web.portal.looking import look_at_everybody
from muster.web.portal.paths import desk
from muster.web.portal.plans import KINDS
from muster.web.portal.shelves import Shelf

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
        return rules.what_if(who, found.sp, found.job.id, document, scope=scope, limit=SHOWN, told=told)

    def show(made: WhatIf | Refused) -> str:
        return refused_consequences(found, made) if isinstance(made, Refused) else _show(found, made)

    return look_at_everybody(found, make, show)


def refused_consequences(found: Shelf, refusal: Refused) -> str:
    """Returns the part of a page that says why rules cannot be saved, or cannot be tried just now."""
    # Who may not look at people, or must wait, can save all the same.
    is_wrong = refusal.kind not in (RefusalKind.FORBIDDEN, RefusalKind.TOO_MANY)
    return _show(found, None, refusal, is_wrong=is_wrong)


def _show(found: Shelf, made: WhatIf | None, refusal: Refused | None = None, *, is_wrong: bool = False) -> str:
    return flask.render_template(
        "mappings/consequences.html",
        shelf=found,
        made=made,
        lines=() if made is None else tuple(_lines(made)),
        refusal=refusal,
        is_wrong=is_wrong,
        transitions=TRANSITIONS,
        kinds=KINDS,
    )


def _lines(made: WhatIf) -> Any:
    """The summary in the reader's language: a number, what it means, and the tone of it."""
    counts: dict[tuple[Transition, str | None, OperationKind | None], int] = {}
    for line in made.summary:
        key = (line.transition, line.attribute, line.after)
        counts[key] = counts.get(key, 0) + line.count
    for (transition, attribute, after), count in counts.items():
        yield number_text(count), _sentence(transition, attribute, after, count), TRANSITIONS[transition][1]


def _sentence(transition: Transition, attribute: str | None, after: OperationKind | None, count: int) -> str:
    done = gettext("not carried") if after is None else gettext(_DONE.get(after, after.value))
    match transition:
        case Transition.CHANGES:
            name = (attribute or "").rsplit(":", 1)[-1]
            return ngettext("gets another %(name)s", "get another %(name)s", count, name=name)
        case Transition.ENTERS_SCOPE:
            return ngettext("enters scope and is %(done)s", "enter scope and are %(done)s", count, done=done)
        case Transition.LEAVES_SCOPE:
            return ngettext("leaves scope and is %(done)s", "leave scope and are %(done)s", count, done=done)
        case _:
            return ngettext("is %(done)s then", "are %(done)s then", count, done=done)
