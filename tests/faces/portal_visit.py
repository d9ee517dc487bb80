"""A browser without a screen: keeps cookies, reads the forms of pages, and signs in."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from werkzeug.test import Client, TestResponse

from faces.house import House
from muster.administration.access import create_administrator
from muster.model.roles import Role
from muster.sealing import hash_token
from muster.web.portal.app import make_portal
from muster.web.site import make_site

NAME, PASSWORD = "Ada Admin", "correct horse battery"
SET_UP_TOKEN = "set-up-token"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def explained(job_id: str, user: str) -> Mapping[str, Any]:
    """What the engine says of a person, as plain data."""
    tree = {"expression": "[mail]", "value": "ada@example.com", "error": None, "parts": []}
    return {
        "source": {"id": user, "displayName": "Ada", "type": "User"},
        "verdict": {
            "presence": "present",
            "inScope": False,
            "reason": "Ada holds only Default Access.",
            "skipReason": "NotEffectivelyEntitled",
            "details": {"User has the required role": "False"},
        },
        "grants": [{"role": "Default Access", "via": "direct"}],
        "failure": None,
        "matching": [],
        "mappings": [
            {
                "targetAttribute": "userName",
                "expression": "ToLower([mail])",
                "flowType": "Always",
                "value": "ada@example.com",
                "lastSent": None,
                "tree": {
                    "expression": "ToLower([mail])",
                    "value": "ada@example.com",
                    "error": None,
                    "parts": [tree],
                },
            }
        ],
        "link": None,
    }


class Visit:
    """Somebody at the portal."""

    def __init__(
        self, house: House, *roles: Role, public_url: str | None = None, live_for: timedelta = timedelta(0)
    ) -> None:
        self.house = house
        house.explain = explained  # type: ignore[method-assign]  # what the portal's pages are held to
        services = replace(house.services, public_url=public_url)
        portal = make_portal(services, set_up_hash=hash_token(SET_UP_TOKEN), live_for=live_for)
        self.client = Client(make_site(services, {"": portal}))
        if roles:
            create_administrator(house.desk, NAME, PASSWORD, frozenset(roles))
            assert self.sign_in().status_code == 303

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text

    def token(self, path: str) -> str:
        """The seal of the first form on a page."""
        found = _TOKEN.search(self.get(path).text)
        assert found is not None
        return found.group(1)

    def post(self, path: str, *, token: str | None = None, **fields: str) -> TestResponse:
        """Sends a form; its seal is taken from the start page unless it is given."""
        return self.client.post(path, data={"csrf_token": self.token("/") if token is None else token, **fields})

    def sign_in(self, name: str = NAME, password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/sign-in", token=self.token("/sign-in"), name=name, password=password, **fields)
