"""My Apps: a tile for each application that a person is assigned to."""

from typing import Any

import flask

from muster.administration.my_apps import applications_of, launched
from muster.web.person.context import rooms, signed_in

SEARCH_CHARACTERS = 100


def show_my_apps() -> Any:
    """GET /myapps"""
    found = applications_of(rooms().persons.reception, signed_in().person)
    search = flask.request.args.get("search", "").strip()[:SEARCH_CHARACTERS]
    shown = [each for each in found if search.casefold() in each.display_name.casefold()]
    return flask.render_template(
        "my_apps.html",
        applications=shown,
        launched=launched(rooms().persons.reception, shown),
        search=search,
        has_any=bool(found),
    )
