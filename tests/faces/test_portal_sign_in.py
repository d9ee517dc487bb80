"""The portal's pages about how people sign in."""

import re

import pytest

from faces.house import House
from faces.person_visit import PASSWORD, PeopleSite
from faces.portal_visit import Visit
from muster.administration import passwords, second_factors
from muster.model.roles import Role


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


def test_a_password_is_given_and_a_weak_one_is_not(visit: Visit) -> None:
    user = visit.house.user("ada")["id"]
    page = f"/users/{user}/sign-in"
    assert "No password" in visit.text(page)
    weak = visit.post(f"{page}/password", password="P@ssw0rd1234", change="on")
    assert weak.status_code == 400 and "tried first" in weak.text
    short = visit.post(f"{page}/password", password="kf83-vnq2-x", change="on")
    assert short.status_code == 400 and "at least 12" in short.text
    assert visit.post(f"{page}/password", password=" kf83-vnq2-x7wd", change="on").status_code == 303
    assert "at the next sign-in" in visit.text(page)
    people = PeopleSite(visit.house)
    assert people.visitor().sign_in(password=" kf83-vnq2-x7wd").headers["Location"].startswith("/signin/password")


def test_a_link_is_shown_once_and_opens_a_page_for_a_password(visit: Visit) -> None:
    user = visit.house.user("ada")["id"]
    page = f"/users/{user}/sign-in"
    found = re.search(r"http://localhost(/signin/link/[\w-]+)", visit.post(f"{page}/link").text)
    assert found is not None
    assert "/signin/link/" not in visit.text(page)
    assert PeopleSite(visit.house).visitor().get(found.group(1)).status_code == 200


def test_sessions_password_and_app_are_taken_away(visit: Visit) -> None:
    people = PeopleSite(visit.house)
    user = people.person()
    page = f"/users/{user}/sign-in"
    person = people.signed_in()
    assert visit.post(f"{page}/sessions").status_code == 303
    assert person.get("/myapps").status_code == 303
    stores, now = visit.house.stores, visit.house.clock.at
    secret = second_factors.begin(stores, user)
    code = second_factors._codes(secret).generate(int(now.timestamp())).decode()
    assert second_factors.confirm(stores, user, code, now)
    assert visit.post(f"{page}/factor").status_code == 303
    assert visit.post(f"{page}/factor").status_code == 400
    assert visit.post(f"{page}/password/remove").status_code == 303
    assert people.visitor().sign_in().status_code == 401


@pytest.mark.parametrize("action", ["password", "password/remove", "link", "sessions", "factor"])
def test_a_reader_changes_nothing(house: House, action: str) -> None:
    user = house.user("ada")["id"]
    passwords.set_password(house.desk, user, PASSWORD)
    visit = Visit(house, Role.GLOBAL_READER)
    page = f"/users/{user}/sign-in"
    assert "Set password" not in visit.text(page)
    assert visit.post(f"{page}/{action}", password="kf83-vnq2-x7wd").status_code in (400, 403)
    assert house.stores.credentials.get(user) is not None


def test_the_log_shows_who_signed_in_and_why_somebody_was_refused(visit: Visit) -> None:
    assert "Nobody has signed in yet" in visit.text("/sign-ins")
    people = PeopleSite(visit.house)
    user = people.person()
    people.visitor().sign_in(password="<b>guess</b>")
    people.visitor().sign_in("<script>@example.com")
    people.signed_in()
    shown = visit.text("/sign-ins")
    assert "Name or password is wrong." in shown and "50126" in shown
    assert "<script>@" not in shown and "&lt;script&gt;@" in shown and "guess" not in shown
    assert "50126" not in visit.text("/sign-ins?result=success")
    assert "&lt;script&gt;" not in visit.text(f"/sign-ins?person={user}")
    assert "Nothing fits" in visit.text("/sign-ins?search=nobody-of-this-name")
