"""The portal as a WSGI application: every page, the door before them, and what all pages know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask

from muster.administration.refusals import RefusalKind, Refused
from muster.model.roles import Permission
from muster.ui.frame import make_face, message
from muster.web.portal import applications, directory, door, home, logs
from muster.web.portal.paths import address
from muster.web.services import Services

View = Callable[..., Any]

TEMPLATES = Path(__file__).with_name("templates")

# rule, endpoint, view. Every endpoint needs a session but those the door names.
PAGES: tuple[tuple[str, str, View], ...] = (
    ("/", "home", home.show),
    ("/applications", "applications", applications.show_list),
    ("/applications/<sp>", "application", applications.show_overview),
    ("/applications/<sp>/live", "application_live", applications.show_live),
    ("/applications/<sp>/users-and-groups", "assignments", applications.show_assignments),
    ("/applications/<sp>/mappings", "mappings", applications.show_mappings),
    ("/applications/<sp>/logs", "application_logs", logs.show_for_application),
    ("/logs", "logs", logs.show),
    ("/logs/<entry_id>", "log_entry", logs.show_entry),
    ("/users", "users", directory.show_users),
    ("/users/<user_id>", "user", directory.show_user),
    ("/users/<user_id>/why/<sp>", "why", directory.show_why),
    ("/groups", "groups", directory.show_groups),
    ("/groups/<group_id>", "group", directory.show_group),
)
ACTIONS: tuple[tuple[str, str, View], ...] = (
    ("/applications/<sp>/start", "start", applications.start),
    ("/applications/<sp>/pause", "pause", applications.pause),
)

_STATUS = {
    RefusalKind.NOT_FOUND: (404, "That is not here"),
    RefusalKind.BAD_REQUEST: (400, "That cannot be done"),
    RefusalKind.FORBIDDEN: (403, "Your role does not allow this"),
    RefusalKind.CONFLICT: (409, "That cannot be done now"),
    RefusalKind.TOO_LARGE: (413, "That is too much at once"),
    RefusalKind.TOO_MANY: (429, "Too many requests"),
    RefusalKind.NOT_AVAILABLE: (503, "That is not available now"),
}


def make_portal(services: Services, *, set_up_hash: str | None = None) -> flask.Flask:
    """Returns the portal. `set_up_hash`: the hash of the one-time token with which the first administrator is made."""
    app = make_face(__name__, TEMPLATES)
    door.hang(app, services, set_up_hash)
    for rule, endpoint, view in PAGES:
        app.add_url_rule(rule, endpoint, view, methods=["GET"])
    for rule, endpoint, view in ACTIONS:
        app.add_url_rule(rule, endpoint, view, methods=["POST"])
    app.register_error_handler(Refused, _show_refusal)
    app.jinja_env.globals.update(address=address)
    app.context_processor(_known_to_all)
    return app


def _known_to_all() -> dict[str, Any]:
    me = flask.g.get("me")
    return {
        "me": me,
        "now": flask.g.get("now"),
        "csrf_token": flask.g.session.csrf_token if flask.g.get("session") is not None else "",
        "path": flask.request.path,
        "places": _places() if me is not None else (),
    }


def _places() -> tuple[tuple[str, str, str], ...]:
    """The main navigation: address, name, icon of what the caller may read."""
    places = (
        (None, "/", "Home", "home"),
        (Permission.READ_CONFIGURATION, "/applications", "Enterprise applications", "apps"),
        (Permission.READ_DIRECTORY, "/users", "Users", "users"),
        (Permission.READ_DIRECTORY, "/groups", "Groups", "users-group"),
        (Permission.READ_LOGS, "/logs", "Provisioning logs", "list-details"),
    )
    may = flask.g.me.may
    return tuple((to, name, icon) for needed, to, name, icon in places if needed is None or may(needed))


def _show_refusal(refused: Refused) -> Any:
    status, title = _STATUS[refused.kind]
    return message(status, title, refused.sentence)
