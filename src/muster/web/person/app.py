"""The face of people as a WSGI application: signing in and out, My Apps, their own account."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
from werkzeug.wrappers import Response

from muster.ui.frame import FORM_PARTS, is_fragment_wanted, make_face, message
from muster.ui.language import gettext
from muster.web.person import account, my_apps
from muster.web.person.context import Rooms, rooms
from muster.web.person.entrance import Entrance
from muster.web.persons import Persons
from muster.web.services import Services

TEMPLATES = Path(__file__).with_name("templates")
# What the site sends here.
PATHS = ("/signin", "/signout", "/myapps")
# Endpoints that need nobody signed in.
OPEN = frozenset(
    {"asset", "choose_language", "show_sign_in", "sign_in", "show_code", "code", "show_password", "password"}
    | {"show_link", "use_link", "go_to_provider", "come_from_provider"}
)

View = Callable[..., Any]
PAGES: tuple[tuple[str, str, View], ...] = (
    ("/myapps", "my_apps", my_apps.show_my_apps),
    ("/myapps/account", "account", account.show_account),
)
ACTIONS: tuple[tuple[str, str, View], ...] = (
    ("/myapps/account/password", "save_password", account.save_password),
    ("/myapps/account/app/begin", "begin_app", account.begin_app),
    ("/myapps/account/app", "confirm_app", account.confirm_app),
    ("/myapps/account/app/remove", "remove_app", account.remove_app),
    ("/myapps/account/codes", "renew_codes", account.renew_codes),
)


def make_person_face(services: Services, persons: Persons) -> flask.Flask:
    """Returns the face; `persons` are the sessions that other faces ask, too."""
    app = make_face(__name__, TEMPLATES)
    entrance = Entrance(services, persons)
    app.extensions["rooms"] = Rooms(services=services, persons=persons, entrance=entrance)
    app.before_request(_check)
    app.after_request(_rotate)
    for rule, endpoint, view in (*entrance.pages, *PAGES):
        app.add_url_rule(rule, endpoint, view, methods=["GET"])
    for rule, endpoint, view in (*entrance.actions, *ACTIONS):
        app.add_url_rule(rule, endpoint, view, methods=["POST"])
    app.context_processor(_known_to_all)
    return app


def _check() -> Any:
    """Names the person, refuses forms that are not ours, and sends strangers to the sign-in page."""
    request, context = flask.request, flask.g
    persons = rooms().persons
    context.now = persons.reception.now()
    context.me = persons.who(request.environ, is_seen=not is_fragment_wanted())
    if request.method not in ("GET", "HEAD"):
        request.max_form_parts = FORM_PARTS
        session = context.me.session if context.me is not None else None
        if not rooms().entrance.is_own_form(session):
            return message(
                400, gettext("The form is out of date"), gettext("Go back, load the page anew and send it again.")
            )
    if context.me is not None or request.endpoint in OPEN or request.endpoint is None:
        return None
    if is_fragment_wanted():
        return flask.Response(status=401, headers={"HX-Redirect": "/signin"})
    to = request.full_path.removesuffix("?") if request.method == "GET" else "/myapps"
    return flask.redirect(persons.sign_in_address(to), 303)


def _rotate(response: Response) -> Response:
    me = flask.g.get("me")
    return response if me is None else rooms().persons.guard.rotate(response, me.session, flask.g.now)


def _known_to_all() -> dict[str, Any]:
    me = flask.g.get("me")
    return {
        "me": None if me is None else me.person,
        "now": flask.g.get("now"),
        "csrf_token": "" if me is None else me.session.csrf_token,
        "path": flask.request.path,
        "here": flask.request.full_path.removesuffix("?"),
        "said": None,
    }
