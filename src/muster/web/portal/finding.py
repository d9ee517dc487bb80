"""The command palette: pages, applications, people and groups by a part of their name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration import people
from muster.model.directory import ObjectKind
from muster.model.roles import Permission
from muster.ports.directory import DirectoryQuery
from muster.ui.language import gettext
from muster.web.portal.paths import address, desk, text
from muster.web.portal.places import may_somewhere, places

SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One line of the palette."""

    name: str
    about: str
    to: str
    icon: str


def find() -> Any:
    """GET /find?q=: the lines that fit, as a part of every page."""
    wanted = (text("q") or "").casefold()
    return flask.render_template("found.html", found=tuple(_pages(wanted)) + tuple(_objects(wanted)), wanted=wanted)


def _pages(wanted: str) -> Iterator[Found]:
    may = flask.g.me.may
    lines = [Found(name=name, about=gettext("Page"), to=to, icon=icon) for to, name, icon in places()]
    deeds = (
        (Permission.WRITE_CONFIGURATION, gettext("New application"), "/applications/new", "plus"),
        (Permission.WRITE_DIRECTORY, gettext("New user"), "/users/new", "user-plus"),
        (Permission.WRITE_DIRECTORY, gettext("New group"), "/groups/new", "users-group"),
        (Permission.WRITE_DIRECTORY, gettext("Import people from a file"), "/import", "upload"),
    )
    lines += [
        Found(name=name, about=gettext("Action"), to=to, icon=icon) for needed, name, to, icon in deeds if may(needed)
    ]
    yield from (line for line in lines if wanted in line.name.casefold())


def _objects(wanted: str) -> Iterator[Found]:
    may = flask.g.me.may
    if may_somewhere(Permission.READ_CONFIGURATION):
        named = (each for each in registry.applications(desk()) if wanted in each.display_name.casefold())
        for application in list(named)[:SHOWN]:
            to = address("applications", application.service_principal_id)
            yield Found(name=application.display_name, about=gettext("Application"), to=to, icon="apps")
    if wanted and may(Permission.READ_DIRECTORY):
        for kind, place, about, icon in (
            (ObjectKind.USER, "users", gettext("User"), "user"),
            (ObjectKind.GROUP, "groups", gettext("Group"), "users-group"),
        ):
            page = people.search(desk(), DirectoryQuery(kind=kind, search=wanted, limit=SHOWN))
            for each in page.objects:
                yield Found(name=each.display_name, about=about, to=address(place, each.object_id), icon=icon)
