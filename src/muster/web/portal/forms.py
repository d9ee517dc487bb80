"""What forms say: texts within limits, ticks, choices; and the way back once they are done."""

from collections.abc import Iterable
from typing import Any

import flask
from werkzeug.wrappers import Response

from muster.administration.refusals import Refused, bad_request
from muster.ui.frame import is_fragment_wanted
from muster.ui.language import marked

TEXT_CHARACTERS = 2_000

# What a page says once, after something was done: by key, as the address carries it.
SAID = {
    "saved": marked("Saved."),
    "unchanged": marked("Nothing was changed."),
    "created": marked("Created."),
    "removed": marked("Removed."),
    "assigned": marked("Assigned. The next cycle provisions who is new."),
    "unassigned": marked("Taken away. The next cycle disables who has no other assignment."),
    "started": marked("Provisioning is started."),
    "paused": marked("Provisioning is paused. A cycle that runs is finished."),
    "restarted": marked("Restarted. The next cycle looks at everybody."),
    "asked": marked("Asked for. The engine takes it up in a moment."),
    "resync": marked("Saved. The next cycle looks at everybody in scope."),
    "restored": marked("Restored."),
    "disabled": marked("The account is disabled. It is carried to the applications in seconds."),
    "enabled": marked("The account is enabled."),
    "deleted": marked("Deleted. It can be restored for 30 days."),
    "purged": marked("Deleted for good."),
    "approved": marked("Approved. The next cycle carries it out."),
    "approved-now": marked("Approved. It is done."),
    "rejected": marked("Rejected. It is not sent."),
    "signed-out": marked("Signed out wherever they were signed in."),
    "applied": marked("The plan is being applied."),
    "watched": marked("Requests are kept from now on."),
    "unwatched": marked("No more requests are kept."),
    "authorised": marked("The application has let us in. Its tokens are kept."),
    "promoted": marked("Promoted: these accounts may be deleted too from now on."),
}


def field(name: str, limit: int = TEXT_CHARACTERS) -> str:
    """Returns a field's text without blanks around it; "" if it is not there. Raises: Refused if it is too long."""
    value = flask.request.form.get(name, "").strip()
    if len(value) > limit or "\x00" in value:
        raise bad_request(f"“{name}” takes up to {limit:,} characters.")
    return value


def fields(name: str, limit: int = 1_000) -> tuple[str, ...]:
    """Returns all values of a field that may come several times. Raises: Refused for too many."""
    values = tuple(flask.request.form.getlist(name))
    if len(values) > limit or any(len(value) > TEXT_CHARACTERS for value in values):
        raise bad_request(f"“{name}” takes up to {limit:,} values.")
    return values


def is_ticked(name: str) -> bool:
    """Whether a box is ticked."""
    return name in flask.request.form


def chosen(name: str, choices: Iterable[str]) -> str:
    """Returns one of the choices. Raises: Refused."""
    value, known = flask.request.form.get(name, ""), tuple(choices)
    if value not in known:
        raise bad_request(f"“{name}” is one of {', '.join(known)}.")
    return value


def done(to: str, said: str) -> Response:
    """Returns the way on after something was done: the page there says it once."""
    joint = "&" if "?" in to else "?"
    target = f"{to}{joint}said={said}"
    if is_fragment_wanted():
        response = flask.Response(status=204)
        response.headers["HX-Redirect"] = target
        return response
    return flask.redirect(target, 303)


def refused_page(page: Any, refused: Refused) -> Any:
    """Returns the page with its form as it was filled in, the refusal above it."""
    return page, (409 if refused.kind == "conflict" else 403 if refused.kind == "forbidden" else 400)
