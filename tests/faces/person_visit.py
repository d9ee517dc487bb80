"""A person of the directory at a browser without a screen: keeps cookies, reads forms, signs in."""

import re
from dataclasses import replace
from typing import Any

from werkzeug.test import Client, TestResponse

from faces.house import House
from muster.administration import passwords
from muster.web.openid.app import PREFIX, make_openid_face
from muster.web.person.app import PATHS, make_person_face
from muster.web.persons import Persons
from muster.web.portal.app import make_portal
from muster.web.site import make_site

PASSWORD = "correct horse battery"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class PeopleSite:
    """The service with the pages of people; every visitor is another browser."""

    def __init__(self, house: House, public_url: str | None = None) -> None:
        self.house = house
        services = replace(house.services, public_url=public_url)
        self.persons = Persons(services)
        faces: dict[str, Any] = {"": make_portal(services)}
        faces |= dict.fromkeys(PATHS, make_person_face(services, self.persons))
        faces[PREFIX] = make_openid_face(services, self.persons)
        self.site = make_site(services, faces)

    def person(self, name: str = "ada", password: str | None = PASSWORD, **properties: Any) -> str:
        """Returns the id of a new person with a password of their own."""
        person_id: str = self.house.user(name, **properties)["id"]
        if password is not None:
            passwords.set_password(self.house.desk, person_id, password, must_change=False)
        return person_id

    def visitor(self) -> "PersonVisit":
        return PersonVisit(self)

    def signed_in(self, name: str = "ada", password: str = PASSWORD) -> "PersonVisit":
        visit = self.visitor()
        answer = visit.sign_in(name, password)
        assert answer.status_code == 303, answer.text
        return visit


class PersonVisit:
    """Somebody at the pages of people."""

    def __init__(self, site: PeopleSite) -> None:
        self.site = site
        self.house = site.house
        self.client = Client(site.site)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def token(self, path: str) -> str:
        found = _TOKEN.search(self.get(path).text)
        assert found is not None, path
        return found.group(1)

    def post(self, path: str, *, on: str | None = None, token: str | None = None, **fields: str) -> TestResponse:
        """Sends a form; its seal is taken from the page `on` (the same address unless it is given)."""
        seal = self.token(on or path) if token is None else token
        return self.client.post(path, data={"csrf_token": seal, **fields})

    def sign_in(self, name: str = "ada", password: str = PASSWORD, **fields: str) -> TestResponse:
        full = name if "@" in name or not name else f"{name}@example.com"
        return self.post("/signin", name=full, password=password, **fields)

    def log(self) -> list[tuple[int, str]]:
        """Codes and names of the sign-in log, the newest first."""
        found = self.house.call("GET", "/auditLogs/signIns").body["value"]
        return [(each["status"]["errorCode"], each["userPrincipalName"]) for each in found]
