"""My Apps and a person's own account."""

import re
from datetime import timedelta

import pytest

from faces.house import House
from faces.person_visit import PASSWORD, PeopleSite, PersonVisit
from muster.administration import second_factors

OTHER = "another long passphrase"
ACCOUNT = "/myapps/account"


@pytest.fixture
def site(house: House) -> PeopleSite:
    return PeopleSite(house)


def _code(secret: str, house: House) -> str:
    return second_factors._codes(secret.replace(" ", "")).generate(int(house.clock.at.timestamp())).decode()


def _set_up(visit: PersonVisit) -> tuple[str, list[str]]:
    """Returns the secret and the recovery codes of an app that was set up on the page."""
    visit.post(f"{ACCOUNT}/app/begin", on=ACCOUNT)
    page = visit.get(ACCOUNT).text
    assert 'src="data:image/svg+xml' in page
    found = re.search(r'class="key">([A-Z2-7 ]+)<', page)
    assert found is not None
    done = visit.post(f"{ACCOUNT}/app", on=ACCOUNT, code=_code(found.group(1), visit.house))
    assert done.status_code == 200
    return found.group(1), re.findall(r"<li><code>([A-Z2-7-]{19})</code>", done.text)


def test_whoever_has_no_application_is_told_so(site: PeopleSite) -> None:
    site.person()
    assert "No applications yet" in site.signed_in().get("/myapps").text


def test_an_application_that_is_hidden_or_disabled_has_no_tile(site: PeopleSite) -> None:
    person, house = site.person(), site.house
    sp = house.application()["id"]
    role = house.call("GET", f"/servicePrincipals/{sp}").body["appRoles"][0]["id"]
    given = {"principalId": person, "resourceId": sp, "appRoleId": role}
    assert house.call("POST", f"/servicePrincipals/{sp}/appRoleAssignedTo", given).status == 201
    visit = site.signed_in()
    assert "8x8" in visit.get("/myapps").text
    assert "No application fits" in visit.get("/myapps?search=other").text
    for change, is_shown in (
        ({"tags": ["HideApp"]}, False),
        ({"displayName": "8x8"}, False),
        ({"tags": []}, True),
        ({"accountEnabled": False}, False),
    ):
        assert house.call("PATCH", f"/servicePrincipals/{sp}", change).status == 204
        assert ("8x8" in visit.get("/myapps").text) is is_shown, change


def test_a_password_is_changed_and_other_sessions_end(site: PeopleSite) -> None:
    site.person()
    visit, other = site.signed_in(), site.signed_in()
    answer = visit.post(f"{ACCOUNT}/password", on=ACCOUNT, current=PASSWORD, password=OTHER)
    assert answer.headers["Location"] == f"{ACCOUNT}?said=password"
    assert "Your password is changed." in visit.get(f"{ACCOUNT}?said=password").text
    assert other.get("/myapps").status_code == 303
    assert site.signed_in(password=OTHER)


@pytest.mark.parametrize(
    ("current", "new", "part"),
    [("wrong", OTHER, "not this one"), (PASSWORD, "short", "at least 12"), (PASSWORD, PASSWORD, "the old one")],
)
def test_a_password_that_will_not_do_is_not_kept(site: PeopleSite, current: str, new: str, part: str) -> None:
    site.person()
    answer = site.signed_in().post(f"{ACCOUNT}/password", on=ACCOUNT, current=current, password=new)
    assert answer.status_code == 400 and part in answer.text
    assert site.signed_in()


def test_an_app_is_set_up_with_a_code_and_ten_recovery_codes(site: PeopleSite) -> None:
    site.person()
    secret, codes = _set_up(site.signed_in())
    assert len(set(codes)) == 10
    site.house.clock.sleep(timedelta(seconds=30))
    visit = site.visitor()
    assert visit.sign_in().headers["Location"].startswith("/signin/code")
    assert visit.post("/signin/code", code=_code(secret, site.house)).status_code == 303
    page = visit.get(ACCOUNT).text
    assert "10 recovery codes are left" in page
    assert secret not in page and codes[0] not in page


def test_an_app_that_was_not_confirmed_asks_for_nothing(site: PeopleSite) -> None:
    site.person()
    visit = site.signed_in()
    visit.post(f"{ACCOUNT}/app/begin", on=ACCOUNT)
    assert visit.post(f"{ACCOUNT}/app", on=ACCOUNT, code="000000").status_code == 400
    assert site.signed_in()


@pytest.mark.parametrize("proof", ["wrong", "", "000000"])
def test_an_open_browser_alone_removes_no_app_and_shows_no_codes(site: PeopleSite, proof: str) -> None:
    site.person()
    visit = site.signed_in()
    _set_up(visit)
    for action in ("app/remove", "codes"):
        assert visit.post(f"{ACCOUNT}/{action}", on=ACCOUNT, proof=proof).status_code == 400
    assert visit.post(f"{ACCOUNT}/app/begin", on=ACCOUNT).status_code == 409


def test_codes_are_renewed_and_the_app_removed_by_who_proves_it(site: PeopleSite) -> None:
    site.person()
    visit = site.signed_in()
    secret, codes = _set_up(visit)
    renewed = visit.post(f"{ACCOUNT}/codes", on=ACCOUNT, proof=PASSWORD)
    assert codes[0] not in renewed.text and "Keep these recovery codes" in renewed.text
    site.house.clock.sleep(timedelta(seconds=30))
    assert visit.post(f"{ACCOUNT}/app/remove", on=ACCOUNT, proof=_code(secret, site.house)).status_code == 303
    assert site.signed_in()
    audit = site.house.call("GET", "/auditLogs/directoryAudits").body["value"]
    assert [each["activityDisplayName"] for each in audit][:3] == [
        "Remove second factor",
        "Renew recovery codes",
        "Add second factor",
    ]


def test_guessing_the_proof_is_braked(site: PeopleSite) -> None:
    site.person()
    visit = site.signed_in()
    _set_up(visit)
    for _ in range(4):
        visit.post(f"{ACCOUNT}/app/remove", on=ACCOUNT, proof="guess")
    answer = visit.post(f"{ACCOUNT}/app/remove", on=ACCOUNT, proof=PASSWORD)
    assert answer.status_code == 400 and "Too many attempts" in answer.text
