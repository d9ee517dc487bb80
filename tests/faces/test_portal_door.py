"""Who comes in: sign-in, sessions, forms, the set-up link, and what every answer says to the browser."""

from datetime import timedelta

import pytest

from faces.house import House
from faces.portal_visit import NAME, PASSWORD, SET_UP_TOKEN, Visit
from muster.administration.access import create_administrator
from muster.model.roles import Role
from muster.web.portal.app import ACTIONS, PAGES

ADMIN = Role.GLOBAL_ADMINISTRATOR


def path_of(rule: str) -> str:
    """A rule with something in its places."""
    places = ("1" if part.startswith("<int:") else "x" if part.startswith("<") else part for part in rule.split("/"))
    return "/".join(places)


# Back from an application, whose strangers are told that they are signed out: test_portal_credentials.py.
GUARDED = [rule for rule, _, _ in PAGES if rule != "/oauth2/callback"]


@pytest.fixture
def stranger(house: House) -> Visit:
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    return Visit(house)


# Tables of all addresses are tried by one stranger and one administrator each: nothing that they do changes anything.
@pytest.fixture(scope="module")
def one_stranger(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    house = House(tmp_path_factory.mktemp("stranger"))
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    return Visit(house)


@pytest.fixture(scope="module")
def one_administrator(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    return Visit(House(tmp_path_factory.mktemp("administrator")), ADMIN)


@pytest.mark.parametrize("rule", GUARDED)
def test_a_page_sends_a_stranger_to_the_sign_in_page(one_stranger: Visit, rule: str) -> None:
    answer = one_stranger.get(path_of(rule))
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("rule", GUARDED)
def test_a_fragment_sends_the_whole_page_of_a_stranger_to_the_sign_in_page(one_stranger: Visit, rule: str) -> None:
    answer = one_stranger.get(path_of(rule), HX_Request="true")
    assert (answer.status_code, answer.headers["HX-Redirect"], answer.text) == (401, "/sign-in", "")


@pytest.mark.parametrize("rule", [rule for rule, _, _ in ACTIONS])
def test_an_action_of_a_stranger_is_refused(one_stranger: Visit, rule: str) -> None:
    assert one_stranger.post(path_of(rule), token="made-up").status_code == 400


@pytest.mark.parametrize("rule", [rule for rule, _, _ in ACTIONS])
@pytest.mark.parametrize("token", ["", "made-up", "é"])
def test_a_form_without_its_seal_is_refused(one_administrator: Visit, rule: str, token: str) -> None:
    assert one_administrator.post(path_of(rule), token=token).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_form_from_another_site_is_refused(house: House, headers: dict[str, str]) -> None:
    visit = Visit(house, ADMIN)
    answer = visit.client.post("/sign-out", data={"csrf_token": visit.token("/")}, headers=headers)
    assert answer.status_code == 400
    assert visit.get("/").status_code == 200


def test_the_sign_in_form_is_sealed_too(stranger: Visit) -> None:
    answer = stranger.client.post("/sign-in", data={"name": NAME, "password": PASSWORD, "csrf_token": "made-up"})
    assert answer.status_code == 400


@pytest.mark.parametrize("name", [NAME, NAME.upper(), f" {NAME} "])
def test_an_administrator_signs_in(stranger: Visit, name: str) -> None:
    answer = stranger.sign_in(name)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert NAME in stranger.text("/")


@pytest.mark.parametrize(
    ("name", "password"),
    [(NAME, "wrong"), (NAME, ""), ("nobody", PASSWORD), ("", ""), ("x" * 5_000, "y"), (NAME, "z" * 5_000)],
)
def test_a_wrong_name_or_password_is_refused_in_the_same_words(stranger: Visit, name: str, password: str) -> None:
    answer = stranger.sign_in(name, password)
    assert answer.status_code == 401
    assert "Name and password do not fit." in answer.text
    assert stranger.get("/").status_code == 303


def test_guessing_is_braked_and_the_brake_wears_off(stranger: Visit) -> None:
    for _ in range(4):
        assert stranger.sign_in(password="guess").status_code == 401
    braked = stranger.sign_in()
    assert (braked.status_code, braked.headers["Retry-After"]) == (429, "1")
    stranger.house.clock.at += timedelta(seconds=2)
    assert stranger.sign_in().status_code == 303


def test_each_further_guess_doubles_the_wait(stranger: Visit) -> None:
    waits = []
    for _ in range(8):
        answer = stranger.sign_in(password="guess")
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            stranger.house.clock.at += timedelta(seconds=waits[-1] + 1)
            stranger.sign_in(password="guess")
    assert waits == [1, 2, 4, 8][: len(waits)]
    assert len(waits) >= 2


@pytest.mark.parametrize("public_url", [None, "https://muster.example.com"])
def test_the_session_cookie_is_kept_from_scripts_and_other_sites(house: House, public_url: str | None) -> None:
    create_administrator(house.desk, NAME, PASSWORD, frozenset({ADMIN}))
    base = public_url or "http://localhost"
    visit = Visit(house, public_url=public_url)
    form = visit.client.get("/sign-in", base_url=base).text
    token = form.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = visit.client.post(
        "/sign-in", data={"name": NAME, "password": PASSWORD, "csrf_token": token}, base_url=base
    )
    cookie = next(each for each in answer.headers.getlist("Set-Cookie") if each.startswith("muster_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ("Secure" in cookie) == (public_url is not None)


def test_signing_out_ends_the_session_and_not_the_cookie_alone(house: House) -> None:
    visit = Visit(house, ADMIN)
    cookie = visit.client.get_cookie("muster_session")
    assert cookie is not None
    assert visit.post("/sign-out").headers["Location"] == "/sign-in"
    visit.client.set_cookie("muster_session", cookie.value)
    assert visit.get("/").status_code == 303


def test_the_secret_of_a_session_is_exchanged_and_the_old_one_ends(house: House) -> None:
    visit = Visit(house, ADMIN)
    before = visit.client.get_cookie("muster_session")
    house.clock.at += timedelta(minutes=20)
    assert visit.get("/").status_code == 200
    after = visit.client.get_cookie("muster_session")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    house.clock.at += timedelta(minutes=1)
    assert visit.get("/").status_code == 200
    visit.client.set_cookie("muster_session", before.value)
    assert visit.get("/").status_code == 303


def test_a_session_ends_when_nobody_acts_even_if_a_page_refreshes_itself(house: House) -> None:
    visit = Visit(house, ADMIN)
    for _ in range(7):
        house.clock.at += timedelta(minutes=10)
        visit.get("/applications/x/live", HX_Request="true")
    assert visit.get("/").status_code == 303


def test_a_session_ends_after_half_a_day(house: House) -> None:
    visit = Visit(house, ADMIN)
    for _ in range(12 * 60 // 30 - 1):
        house.clock.at += timedelta(minutes=30)
        assert visit.get("/").status_code == 200
    house.clock.at += timedelta(minutes=30)
    assert visit.get("/").status_code == 303


@pytest.mark.parametrize(
    ("wanted", "to"),
    [
        ("/users", "/users"),
        ("/logs?status=failure", "/logs?status=failure"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nb", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_goes_on_within_this_site_only(stranger: Visit, wanted: str, to: str) -> None:
    assert stranger.sign_in(next=wanted).headers["Location"] == to


def test_a_link_from_elsewhere_asks_again_so_that_the_strict_cookie_comes_along(stranger: Visit) -> None:
    answer = stranger.get("/users?search=x%22%3E", Sec_Fetch_Site="cross-site")
    assert answer.status_code == 200
    assert 'content="0; url=/users?search=x%22%3E"' in answer.text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/assets/muster.css", "/set-up/x"])
def test_every_answer_forbids_inline_scripts_frames_and_sniffing(stranger: Visit, path: str) -> None:
    headers = stranger.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_the_set_up_link_makes_the_first_administrator_and_works_once(house: House) -> None:
    visit = Visit(house)
    path = f"/set-up/{SET_UP_TOKEN}"
    assert "muster admin create" in visit.text("/sign-in")
    short = visit.post(path, token=visit.token(path), name=NAME, password="short")
    assert (short.status_code, "at least 12 characters" in short.text) == (400, True)
    form = {"csrf_token": visit.token(path), "name": NAME, "password": "short"}
    dutch = visit.client.post(path, data=form, headers={"Accept-Language": "nl"})
    assert "Een wachtwoord heeft minstens 12 tekens." in dutch.text
    made = visit.post(path, token=visit.token(path), name=NAME, password=PASSWORD)
    assert (made.status_code, made.headers["Location"]) == (303, "/")
    assert "Global Administrator" in visit.text("/")
    assert visit.get(path).status_code == 404
    assert Visit(house).get(path).status_code == 404


def test_another_set_up_link_is_none(house: House) -> None:
    visit = Visit(house)
    assert visit.get("/set-up/guess").status_code == 404
    answer = visit.post("/set-up/guess", token=visit.token(f"/set-up/{SET_UP_TOKEN}"), name="x", password=PASSWORD)
    assert answer.status_code == 404
    assert house.stores.access.count_administrators() == 0


def test_assets_are_kept_for_a_year_under_their_version_and_compressed(stranger: Visit) -> None:
    page = stranger.text("/sign-in")
    address = page.partition('href="/assets/muster.css')[2].partition('"')[0]
    answer = stranger.get(f"/assets/muster.css{address}", Accept_Encoding="gzip")
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert stranger.get("/assets/muster.css").headers["Cache-Control"] == "no-cache"
    assert stranger.get("/assets/muster.css", If_None_Match=answer.headers["ETag"]).status_code == 304
    for path in ("/assets/none.css", "/assets/../frame.py", "/assets/%2e%2e/frame.py", "/assets/vendor/README.md"):
        assert stranger.get(path).status_code == 404


def test_an_owner_comes_to_the_pages_of_their_application_and_no_other(house: House) -> None:
    mine, other = house.application()["id"], house.application("Slack")["id"]
    visit = Visit(house, Role.APPLICATION_OWNER)
    (owner,) = house.stores.access.administrators()
    house.stores.owners.add(mine, owner.id)
    assert visit.get(f"/applications/{mine}").status_code == 200
    assert visit.get(f"/applications/{other}").status_code == 403
    assert "/applications/new/" not in visit.text(f"/applications/{mine}/properties")
    listed = visit.get("/applications").text
    assert mine in listed
    assert other not in listed
