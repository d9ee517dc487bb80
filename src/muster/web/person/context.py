"""What every page of people reaches: the house, the sessions, and who is signed in."""

from dataclasses import dataclass

import flask

from muster.web.person.entrance import Entrance
from muster.web.persons import Persons, SignedIn
from muster.web.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the face was made with."""

    services: Services
    persons: Persons
    entrance: Entrance


def rooms() -> Rooms:
    """Returns what this request's face was made with."""
    found: Rooms = flask.current_app.extensions["rooms"]
    return found


def signed_in() -> SignedIn:
    """Returns who is signed in; the check before every page has let nobody else through."""
    found: SignedIn = flask.g.me
    return found
