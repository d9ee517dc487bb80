"""Addresses of pages, and what is read from the address bar: checked, never trusted."""

import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

import flask

from muster.administration.desk import Desk
from muster.administration.refusals import bad_request

TEXT_LIMIT = 200
PLACE_CHARACTERS = 2_000
_NUMBER = re.compile(r"[0-9]{1,18}")
# A key, and for lists by name the name itself (see the stores' searches).
_PLACE = re.compile(r"[0-9]{1,18}(:[^\x00]{0,1000})?", re.DOTALL)


def desk() -> Desk:
    """Returns the desk of the signed-in caller."""
    found: Desk = flask.g.desk
    return found


def address(*parts: str, **query: str | None) -> str:
    """Returns a page's address: its parts joined by slashes, each quoted; what is None or empty is left out."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def text(name: str) -> str | None:
    """Returns a text of the query without blanks around it, None if there is none. Raises: Refused."""
    value = flask.request.args.get(name, "").strip()
    if len(value) > TEXT_LIMIT or "\x00" in value:
        raise bad_request(f"“{name}” takes up to {TEXT_LIMIT} characters.")
    return value or None


def choice(name: str, choices: Iterable[str]) -> str | None:
    """Returns one of the choices, None if none is given. Raises: Refused."""
    value = text(name)
    known = tuple(choices)
    if value is not None and value not in known:
        raise bad_request(f"“{name}” is one of {', '.join(known)}.")
    return value


def place(name: str = "after") -> str | None:
    """Returns where a list goes on. Raises: Refused for anything but a key that a list has given."""
    return checked_place(flask.request.args.get(name))


def checked_place(value: str | None) -> str | None:
    """Returns where a list goes on, as it was given. Raises: Refused for anything but a key that a list has given."""
    if value is not None and not _PLACE.fullmatch(value):
        raise bad_request("The list cannot go on there: begin with its first page.")
    return value


def number(name: str) -> int | None:
    """Returns a whole number of the query, None if there is none. Raises: Refused."""
    value = text(name)
    read = None if value is None else read_number(value)
    if value is not None and read is None:
        raise bad_request(f"“{name}” is a whole number.")
    return read


def read_number(text: str) -> int | None:
    """Returns the whole number that a form or an address spells, None if it is none: “²” is a digit as well."""
    return int(text) if _NUMBER.fullmatch(text) else None


def place_text(name: str = "after") -> str | None:
    """Returns where a list by texts (ids of an application) goes on. Raises: Refused."""
    value = flask.request.args.get(name)
    if value is not None and (len(value) > PLACE_CHARACTERS or not value.isprintable()):
        raise bad_request("The list cannot go on there: begin with its first page.")
    return value or None
