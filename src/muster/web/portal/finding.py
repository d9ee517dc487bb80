"""The command palette: pages, those of applications too, deeds, applications, people and groups.

A line fits if each word that was written is a part of its name: `8x8 map` finds the mappings of 8x8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import flask

from muster.administration import applications as registry
from muster.administration import people
from muster.model.directory import ObjectKind
from muster.model.roles import Permission
from muster.ports.directory import DirectoryQuery
from muster.ui.language import gettext
from muster.web.portal.paths import address, desk, text
from muster.web.portal.places import may_somewhere, places
from muster.web.portal.shelves import shelf

SHOWN = 6
# How many applications' pages are looked through.
APPLICATIONS = 50


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
    found = (*_application_pages(wanted), *_pages(wanted), *_objects(wanted))
    return flask.render_template("found.html", found=found, wanted=wanted)


def _fits(wanted: str, name: str) -> bool:
    folded = name.casefold()
    return all(word in folded for word in wanted.split())


def _pages(wanted: str) -> Iterator[Found]:
    may = flask.g.me.may
    lines = [Found(name=name, about=gettext("Page"), to=to, icon=icon) for to, name, icon in places()]
    lines.append(Found(name=gettext("My account"), about=gettext("Page"), to="/account", icon="user-cog"))
    if may(Permission.READ_CONFIGURATION):
        name = gettext("Identity provider")
        lines.append(Found(name=name, about=gettext("Page"), to="/identity-provider", icon="shield-check"))
    if may(Permission.READ_DIRECTORY):
        deleted = address("users", state="deleted")
        lines.append(Found(name=gettext("Deleted users"), about=gettext("Page"), to=deleted, icon="trash"))
    deeds = (
        (Permission.WRITE_CONFIGURATION, gettext("New application"), "/applications/new", "plus"),
        (Permission.WRITE_CONFIGURATION, gettext("New source"), "/sources/new", "database-import"),
        (Permission.WRITE_DIRECTORY, gettext("New user"), "/users/new", "user-plus"),
        (Permission.WRITE_DIRECTORY, gettext("New group"), "/groups/new", "users-group"),
        (Permission.WRITE_DIRECTORY, gettext("Import people from a file"), "/import", "upload"),
    )
    lines += [
        Found(name=name, about=gettext("Action"), to=to, icon=icon) for needed, name, to, icon in deeds if may(needed)
    ]
    yield from (line for line in lines if _fits(wanted, line.name))


def _application_pages(wanted: str) -> Iterator[Found]:
    """The pages of the application whose page the palette was opened on, and of those that are named."""
    here = urlsplit(flask.request.headers.get("HX-Current-URL", "")).path.split("/")
    shown = here[2] if here[1:2] == ["applications"] and len(here) > 2 else None
    if not may_somewhere(Permission.READ_CONFIGURATION) or not (wanted or shown):
        return
    known = sorted(registry.applications(desk()), key=lambda each: each.service_principal_id != shown)
    words = wanted.split()
    for application in known[:APPLICATIONS]:
        # Its name alone finds the application itself.
        is_named = len(words) > 1 and any(word in application.display_name.casefold() for word in words)
        if not is_named and application.service_principal_id != shown:
            continue
        for name, to, icon in shelf(application).places():
            if _fits(wanted, f"{name} {application.display_name}" if is_named else name):
                yield Found(name=name, about=application.display_name, to=to, icon=icon)


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
