"""The web process of the service: its faces as one WSGI application."""

from typing import Any

from muster.bootstrap.assembly import enter_house, make_services
from muster.web.site import make_site


def create_web(**arguments: Any) -> Any:
    """Returns the WSGI application of the service; runs in the web process."""
    return make_site(make_services(enter_house(arguments)))
