"""The web process of the service: its faces as one application."""

from datetime import timedelta
from typing import Any

from muster.bootstrap.assembly import enter_house, make_services
from muster.http_server.wsgi import WsgiFace
from muster.web.openid.app import PREFIX as OPENID
from muster.web.openid.app import make_openid_face
from muster.web.person.app import PATHS, make_person_face
from muster.web.persons import Persons
from muster.web.portal.app import make_portal
from muster.web.saml.app import PATH as SAML_PATH
from muster.web.saml.app import make_saml_face
from muster.web.site import WsgiApp, make_site

# Open overviews look once a second while a cycle runs: a hundred of them cost what one does.
_LIVE_FOR = timedelta(milliseconds=900)


def create_web(*, set_up_hash: str | None = None, **arguments: Any) -> WsgiFace:
    """Returns the application of the service; runs in the web process.

    `set_up_hash`: the hash of the token in the set-up link, for an installation without administrators.
    """
    services = make_services(enter_house(arguments))
    # One for all faces that ask who of the directory is signed in.
    persons = Persons(services)
    faces: dict[str, WsgiApp] = {"": make_portal(services, set_up_hash=set_up_hash, live_for=_LIVE_FOR)}
    faces |= dict.fromkeys(PATHS, make_person_face(services, persons))
    faces[SAML_PATH] = make_saml_face(services, persons)
    faces[OPENID] = make_openid_face(services, persons)
    return WsgiFace(make_site(services, faces), behind_proxy=services.behind_proxy)
