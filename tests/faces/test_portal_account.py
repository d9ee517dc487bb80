"""Administrators with an authenticator app: set up, asked for, replayed, lost."""

import re
from datetime import timedelta

import pytest

from faces.house import House
from faces.portal_visit import NAME, PASSWORD, Visit
from muster.administration import second_factors
from muster.model.roles import Role


def _code(secret: str, house: House) -> str:
    return second_factors._codes(secret.replace(" ", "")).generate(int(house.clock.at.timestamp())).decode()


@pytest.fixture
def visit(house: House) -> Visit:
    return Visit(house, Role.GLOBAL_ADMINISTRATOR)


@pytest.fixture
def secret(visit: Visit) -> str:
    """The secret of the administrator's app, set up on the page; they are signed out by it no more than others."""
    assert visit.post("/account/app/begin").status_code == 303
    found = re.search(r'class="key">([A-Z2-7 ]+)<', visit.text("/account"))
    assert found is not None
    assert visit.post("/account/app", code="000000").status_code == 400
    done = visit.post("/account/app", code=_code(found.group(1), visit.house))
    assert len(re.findall(r"<li><code>[A-Z2-7-]{19}</code>", done.text)) == 10
    visit.house.clock.sleep(timedelta(seconds=30))
    return found.group(1)


def _stranger(visit: Visit) -> Visit:
    return Visit(visit.house)


def test_the_code_is_asked_for_after_the_password_and_nothing_opens_before(visit: Visit, secret: str) -> None:
    other = _stranger(visit)
    assert other.sign_in(next="/users").headers["Location"] == "/sign-in/code?next=/users"
    assert other.get("/users").status_code == 303
    token = other.token("/sign-in/code")
    done = other.post("/sign-in/code", token=token, code=_code(secret, visit.house), next="/users")
    assert done.headers["Location"] == "/users"
    assert other.get("/users").status_code == 200


@pytest.mark.parametrize("code", ["000000", "", "AAAA-BBBB-CCCC-DDDD"])
def test_a_wrong_code_does_not_let_in(visit: Visit, secret: str, code: str) -> None:
    other = _stranger(visit)
    other.sign_in()
    assert other.post("/sign-in/code", token=other.token("/sign-in/code"), code=code).status_code == 401
    assert other.get("/").status_code == 303


def test_a_code_is_not_taken_twice(visit: Visit, secret: str) -> None:
    code = _code(secret, visit.house)
    for status in (303, 401):
        other = _stranger(visit)
        other.sign_in()
        assert other.post("/sign-in/code", token=other.token("/sign-in/code"), code=code).status_code == status


def test_codes_are_braked_and_the_way_in_ends_after_ten_minutes(visit: Visit, secret: str) -> None:
    other = _stranger(visit)
    other.sign_in()
    for _ in range(4):
        other.post("/sign-in/code", token=other.token("/sign-in/code"), code="000000")
    right = _code(secret, visit.house)
    assert other.post("/sign-in/code", token=other.token("/sign-in/code"), code=right).status_code == 429
    visit.house.clock.sleep(timedelta(minutes=11))
    assert other.get("/sign-in/code").headers["Location"] == "/sign-in"


def test_the_code_s_form_wants_its_own_seal(visit: Visit, secret: str) -> None:
    other = _stranger(visit)
    other.sign_in()
    assert other.post("/sign-in/code", token="made-up", code=_code(secret, visit.house)).status_code == 400


@pytest.mark.parametrize("proof", ["wrong", ""])
def test_an_open_browser_alone_removes_nothing(visit: Visit, secret: str, proof: str) -> None:
    assert visit.post("/account/app/remove", proof=proof).status_code == 400
    assert visit.post("/account/codes", proof=proof).status_code == 400
    assert second_factors.is_required(visit.house.stores, visit.house.stores.access.administrators()[0].id)


def test_the_app_is_removed_by_who_proves_it(visit: Visit, secret: str) -> None:
    assert visit.post("/account/app/remove", proof=PASSWORD).status_code == 303
    assert _stranger(visit).sign_in().headers["Location"] == "/"


@pytest.mark.parametrize("by", ["name", "api"])
def test_a_lost_app_is_removed_by_another_administrator(visit: Visit, secret: str, by: str) -> None:
    house = visit.house
    if by == "name":
        second_factors.remove_of_administrator(house.desk, NAME)
    else:
        found = house.stores.access.administrators()[0].id
        assert house.call("DELETE", f"/administrators/{found}/secondFactor").status == 204
        assert house.call("DELETE", f"/administrators/{found}/secondFactor").status == 404
        assert house.call("DELETE", "/administrators/unknown/secondFactor").status == 404
    assert _stranger(visit).sign_in().headers["Location"] == "/"
    audit = house.call("GET", "/auditLogs/directoryAudits").text
    assert "Remove second factor" in audit and secret.replace(" ", "") not in audit
