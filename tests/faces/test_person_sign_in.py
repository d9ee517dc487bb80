"""People of the directory sign in: what lets them in, what keeps them out, and what the log says."""

import re
from datetime import timedelta

import pytest

from faces.house import House
from faces.person_visit import PASSWORD, PeopleSite
from muster.administration import passwords, people, second_factors
from muster.model.sign_in import SignInCode

OTHER = "another long passphrase"


@pytest.fixture
def site(house: House) -> PeopleSite:
    return PeopleSite(house)


# ---------------------------------------------------------------- in and out


def test_a_person_signs_in_and_out(site: PeopleSite) -> None:
    person_id = site.person()
    visit = site.signed_in()
    assert "Ada Example" in visit.get("/myapps").text
    assert visit.log() == [(0, "ada@example.com")]
    shown = site.house.call("GET", f"/auditLogs/signIns?$filter=userId eq '{person_id}'").body["value"]
    assert [each["authenticationMethodsUsed"] for each in shown] == [["pwd"]]
    assert visit.post("/signout", on="/myapps").status_code == 303
    assert visit.get("/myapps").headers["Location"] == "/signin?next=%2Fmyapps"


def test_the_principal_name_is_taken_in_any_case(site: PeopleSite) -> None:
    site.person()
    assert site.visitor().sign_in("ADA@Example.COM").status_code == 303


def test_an_object_id_is_no_name_to_sign_in_with(site: PeopleSite) -> None:
    person_id = site.person()
    visit = site.visitor()
    assert visit.post("/signin", name=person_id, password=PASSWORD).status_code == 401


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("ada@example.com", "wrong", SignInCode.WRONG_PASSWORD),
        ("nobody@example.com", PASSWORD, SignInCode.NOBODY),
        ("grace@example.com", "", SignInCode.WRONG_PASSWORD),
        ("x" * 5_000, PASSWORD, SignInCode.NOBODY),
        ("ada@example.com", "y" * 5_000, SignInCode.WRONG_PASSWORD),
        ("blocked@example.com", "wrong", SignInCode.WRONG_PASSWORD),
    ],
)
def test_whoever_does_not_get_in_learns_nothing_and_the_log_says_why(
    site: PeopleSite, name: str, password: str, code: SignInCode
) -> None:
    site.person()
    site.person("grace", None)
    site.person("blocked", accountEnabled=False)
    visit = site.visitor()
    answer = visit.post("/signin", name=name, password=password)
    assert answer.status_code == 401
    assert "Name and password do not fit." in answer.text
    assert [each[0] for each in visit.log()] == [code]


def test_the_page_is_the_same_for_a_name_that_is_known_and_one_that_is_not(site: PeopleSite) -> None:
    site.person()

    def page(name: str) -> str:
        text = site.visitor().post("/signin", name=name, password="guess").text
        return re.sub(r'(csrf_token" value=")[^"]+', r"\1", text.replace(name, "NAME"))

    assert page("ada@example.com") == page("eve@example.com")


def test_blocked_is_said_to_whoever_knows_the_password(site: PeopleSite) -> None:
    site.person(accountEnabled=False)
    visit = site.visitor()
    answer = visit.sign_in()
    assert answer.status_code == 403 and "blocked" in answer.text
    assert visit.log() == [(50057, "ada@example.com")]


# ---------------------------------------------------------------- sessions


def _block(house: House, person_id: str) -> None:
    people.update_user(house.desk, person_id, {"accountEnabled": False})


def _block_and_enable(house: House, person_id: str) -> None:
    _block(house, person_id)
    people.update_user(house.desk, person_id, {"accountEnabled": True})


def _delete_and_restore(house: House, person_id: str) -> None:
    people.delete_user(house.desk, person_id)
    people.restore_user(house.desk, person_id)


@pytest.mark.parametrize(
    "end",
    [
        _block,
        _block_and_enable,
        _delete_and_restore,
        lambda house, person_id: people.delete_user(house.desk, person_id),
        lambda house, person_id: passwords.set_password(house.desk, person_id, OTHER),
        lambda house, person_id: passwords.remove_password(house.desk, person_id),
        lambda house, person_id: house.call("POST", f"/users/{person_id}/revokeSignInSessions"),
        lambda house, _: house.clock.sleep(timedelta(hours=1)),
    ],
)
def test_a_session_ends_with_what_it_stood_on(site: PeopleSite, end: object) -> None:
    person_id = site.person()
    visit = site.signed_in()
    assert visit.get("/myapps").status_code == 200
    assert callable(end)
    end(site.house, person_id)
    assert visit.get("/myapps").status_code == 303


def test_a_session_that_was_there_before_signing_in_is_not_taken_over(site: PeopleSite) -> None:
    site.person()
    site.person("eve")
    visit = site.signed_in("eve")
    fixed = visit.client.get_cookie("muster_person")
    assert fixed is not None
    assert visit.post("/signout", on="/myapps").status_code == 303
    visit.client.set_cookie("muster_person", fixed.value)
    assert visit.sign_in("ada").status_code == 303
    after = visit.client.get_cookie("muster_person")
    assert after is not None and after.value != fixed.value
    visit.client.set_cookie("muster_person", fixed.value)
    assert visit.get("/myapps").status_code == 303


def test_the_session_s_cookie_is_exchanged_and_kept_from_scripts(site: PeopleSite) -> None:
    site.person()
    visit = site.visitor()
    cookies = visit.sign_in().headers.getlist("Set-Cookie")
    assert any("muster_person=" in each and "HttpOnly" in each and "SameSite=Lax" in each for each in cookies)
    site.house.clock.sleep(timedelta(minutes=16))
    assert "muster_person=" in visit.get("/myapps").headers["Set-Cookie"]


def test_cookies_are_secure_behind_https(house: House) -> None:
    site = PeopleSite(house, public_url="https://muster.example.com")
    site.person()
    assert all("Secure" in each for each in site.visitor().get("/signin").headers.getlist("Set-Cookie"))


# ---------------------------------------------------------------- attacks


@pytest.mark.parametrize(
    "to",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "", "x"],
)
def test_nobody_is_sent_to_another_site_after_signing_in(site: PeopleSite, to: str) -> None:
    site.person()
    assert site.visitor().sign_in(next=to).headers["Location"] == "/myapps"


def test_a_path_of_this_site_is_gone_to_without_a_redirect_that_a_form_could_not_follow(site: PeopleSite) -> None:
    site.person()
    answer = site.visitor().sign_in(next='/saml2/x?a=1&b="')
    assert answer.status_code == 200
    assert 'content="0; url=/saml2/x?a=1&amp;b=&#34;"' in answer.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/signin", {}),
        ("/signin", {"Origin": "https://evil.example"}),
        ("/signin", {"Sec-Fetch-Site": "cross-site"}),
        ("/signin/code", {}),
        ("/signin/password", {}),
        ("/signin/link/x", {}),
        ("/signout", {}),
    ],
)
def test_a_form_of_another_site_does_nothing(site: PeopleSite, path: str, headers: dict[str, str]) -> None:
    site.person()
    visit = site.visitor()
    token = visit.token("/signin") if headers else "made-up"
    fields = {"name": "ada@example.com", "password": PASSWORD, "csrf_token": token}
    answer = visit.client.post(path, data=fields, headers=headers)
    assert answer.status_code == 400
    assert visit.get("/myapps").status_code == 303


def test_guessing_is_braked_and_others_are_not_locked_out(site: PeopleSite) -> None:
    site.person()
    site.person("eve")
    visit = site.visitor()
    for _ in range(4):
        assert visit.sign_in(password="guess").status_code == 401
    braked = visit.sign_in()
    assert braked.status_code == 429 and braked.headers["Retry-After"] == "1"
    assert visit.log()[0] == (50053, "ada@example.com")
    assert visit.sign_in("eve").status_code == 303
    site.house.clock.sleep(timedelta(seconds=2))
    assert site.visitor().sign_in().status_code == 303


def test_a_password_is_in_no_log(site: PeopleSite, caplog: pytest.LogCaptureFixture) -> None:
    person_id = site.person()
    site.visitor().sign_in(password="guess-this-one")
    shown = (
        site.house.call("GET", "/auditLogs/signIns").text + site.house.call("GET", "/auditLogs/directoryAudits").text
    )
    shown += site.house.call("GET", f"/users/{person_id}").text + caplog.text
    assert "guess-this-one" not in shown and PASSWORD not in shown and "argon2" not in shown


# ---------------------------------------------------------------- passwords


def test_a_given_password_is_changed_at_the_first_sign_in(site: PeopleSite) -> None:
    given = {"password": "kf83-vnq2-x7wd"}
    made = site.house.user("ada", passwordProfile=given)
    assert "passwordProfile" not in made
    visit = site.visitor()
    step = visit.sign_in(password="kf83-vnq2-x7wd", next="/myapps?search=x")
    assert step.headers["Location"] == "/signin/password?next=/myapps?search%3Dx"
    assert visit.get("/myapps").status_code == 303
    page = step.headers["Location"]
    for current, new, part in (
        ("wrong", OTHER, "not this one"),
        ("kf83-vnq2-x7wd", "kf83-vnq2-x7wd", "the old one"),
        ("kf83-vnq2-x7wd", "short", "at least 12"),
        ("kf83-vnq2-x7wd", "ada@example.com", "name of the person"),
    ):
        answer = visit.post("/signin/password", on=page, current=current, password=new)
        assert answer.status_code == 400 and part in answer.text
    site.house.clock.sleep(timedelta(seconds=3))
    done = visit.post("/signin/password", on=page, current="kf83-vnq2-x7wd", password=OTHER, next="/myapps?search=x")
    assert done.status_code == 200 or done.headers["Location"] == "/myapps?search=x"
    assert visit.get("/myapps").status_code == 200
    assert site.signed_in(password=OTHER).get("/myapps").status_code == 200


@pytest.mark.parametrize(
    ("profile", "part"),
    [
        ({"password": "x"}, "complexity requirements. A password has at least 12"),
        ({"password": "P@ssw0rd1234"}, "tried first"),
        ({"password": "ada-Example-7"}, "name of the person"),
        ({"password": 5}, "takes a text"),
        ({"password": "kf83-vnq2-x7wd", "forceChangePasswordNextSignIn": "yes"}, "true or false"),
        ({"pasword": "kf83-vnq2-x7wd"}, "passwordProfile takes"),
        ("kf83-vnq2-x7wd", "passwordProfile takes"),
        ({"forceChangePasswordNextSignIn": True}, "has no password"),
    ],
)
def test_a_password_profile_that_will_not_do_changes_nothing(house: House, profile: object, part: str) -> None:
    person_id = house.user("ada", displayName="Ada Example")["id"]
    answer = house.call("PATCH", f"/users/{person_id}", {"passwordProfile": profile, "displayName": "Ada Example"})
    assert answer.status == 400 and part in answer.message
    assert house.call("GET", f"/users/{person_id}/authentication/methods").body["value"] == []


def test_a_weak_password_makes_no_user(house: House) -> None:
    body = {"accountEnabled": True, "displayName": "A", "mailNickname": "a", "userPrincipalName": "a@example.com"}
    assert house.call("POST", "/users", {**body, "passwordProfile": {"password": "x"}}).status == 400
    assert house.call("GET", "/users/a@example.com").status == 404


def test_a_change_can_be_asked_for_and_a_password_taken_away(house: House) -> None:
    profile = {"password": "kf83-vnq2-x7wd", "forceChangePasswordNextSignIn": False}
    path = f"/users/{house.user('ada', passwordProfile=profile)['id']}"
    methods = f"{path}/authentication/methods"
    (shown,) = house.call("GET", methods).body["value"]
    assert (shown["@odata.type"], shown["forceChangePasswordNextSignIn"], shown["password"]) == (
        "#microsoft.graph.passwordAuthenticationMethod",
        False,
        None,
    )
    asked = {"passwordProfile": {"forceChangePasswordNextSignIn": True}}
    assert house.call("PATCH", path, asked).status == 204
    assert house.call("GET", methods).body["value"][0]["forceChangePasswordNextSignIn"] is True
    assert house.call("DELETE", f"{methods}/{shown['id']}").status == 204
    assert house.call("GET", methods).body["value"] == []
    assert house.call("DELETE", f"{methods}/unknown").status == 404
    assert house.call("DELETE", f"{methods}/softwareOath").status == 404


def test_a_link_sets_a_password_once(site: PeopleSite) -> None:
    person_id = site.person(password=None)
    made = site.house.call("POST", f"/users/{person_id}/createPasswordLink").body
    assert made["expirationDateTime"] == "2026-05-05T08:00:00Z"
    path = made["link"].partition("/signin")[1] + made["link"].partition("/signin")[2]
    visit = site.visitor()
    assert "ada@example.com" in visit.get(path).text
    assert visit.post(path, password="short").status_code == 400
    assert visit.post(path, password=OTHER).headers["Location"] == "/myapps"
    assert visit.get("/myapps").status_code == 200
    assert site.visitor().get(path).status_code == 404
    assert site.signed_in(password=OTHER)


@pytest.mark.parametrize(
    "end",
    [
        lambda house, person_id: house.clock.sleep(timedelta(hours=24)),
        lambda house, person_id: house.call("POST", f"/users/{person_id}/createPasswordLink"),
        lambda house, person_id: passwords.set_password(house.desk, person_id, OTHER),
        _block,
        _block_and_enable,
    ],
)
def test_a_link_ends_by_time_another_link_a_password_and_a_block(site: PeopleSite, end: object) -> None:
    person_id = site.person(password=None)
    token, _ = passwords.create_link(site.house.desk, person_id)
    assert site.visitor().get(f"/signin/link/{token}").status_code == 200
    assert callable(end)
    end(site.house, person_id)
    assert site.visitor().get(f"/signin/link/{token}").status_code == 404


# ---------------------------------------------------------------- the second factor


def _with_factor(site: PeopleSite, person_id: str) -> tuple[str, tuple[str, ...]]:
    stores, now = site.house.stores, site.house.clock.at
    secret = second_factors.begin(stores, person_id)
    codes = second_factors.confirm(stores, person_id, _code(secret, site.house), now)
    assert codes is not None
    site.house.clock.sleep(timedelta(seconds=30))
    return secret, codes


def _code(secret: str, house: House, shift: int = 0) -> str:
    return second_factors._codes(secret).generate(int(house.clock.at.timestamp()) + shift * 30).decode()


def test_the_second_factor_is_asked_for_after_the_password(site: PeopleSite) -> None:
    secret, _ = _with_factor(site, site.person())
    visit = site.visitor()
    assert visit.sign_in().headers["Location"] == "/signin/code?next=/myapps"
    assert visit.get("/myapps").status_code == 303
    assert visit.get("/signin/password").headers["Location"] == "/signin"
    assert visit.post("/signin/code", code=_code(secret, site.house)).headers["Location"] == "/myapps"
    assert visit.get("/myapps").status_code == 200
    found = site.house.call("GET", "/auditLogs/signIns").body["value"]
    assert [each["status"]["errorCode"] for each in found] == [0, 50076]
    assert found[0]["authenticationRequirement"] == "multiFactorAuthentication"


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_clock_may_be_half_a_minute_off(site: PeopleSite, shift: int) -> None:
    person_id = site.person()
    secret, _ = _with_factor(site, person_id)
    site.house.clock.sleep(timedelta(minutes=1))
    visit = site.visitor()
    visit.sign_in()
    assert visit.post("/signin/code", code=_code(secret, site.house, shift)).status_code == 303


@pytest.mark.parametrize("shift", [-3, -2, 2, 3])
def test_a_code_of_another_time_is_refused(site: PeopleSite, shift: int) -> None:
    secret, _ = _with_factor(site, site.person())
    site.house.clock.sleep(timedelta(minutes=5))
    visit = site.visitor()
    visit.sign_in()
    assert visit.post("/signin/code", code=_code(secret, site.house, shift)).status_code == 401
    assert visit.log()[0][0] == SignInCode.SECOND_FACTOR_WRONG


def test_a_code_works_once_and_none_before_it_after(site: PeopleSite) -> None:
    secret, _ = _with_factor(site, site.person())
    code, before = _code(secret, site.house), _code(secret, site.house, -1)
    first, second = site.visitor(), site.visitor()
    first.sign_in()
    second.sign_in()
    assert first.post("/signin/code", code=code).status_code == 303
    for used in (code, before):
        assert second.post("/signin/code", code=used).status_code == 401


def test_a_recovery_code_works_once_however_it_is_written(site: PeopleSite) -> None:
    _, (first, second, *_) = _with_factor(site, site.person())
    for given, status in ((first, 303), (first, 401), (second.replace("-", " ").lower(), 303), ("AAAA-BBBB", 401)):
        visit = site.visitor()
        visit.sign_in()
        assert visit.post("/signin/code", code=given).status_code == status, given


def test_guessing_codes_is_braked(site: PeopleSite) -> None:
    secret, _ = _with_factor(site, site.person())
    visit = site.visitor()
    visit.sign_in()
    for number in range(4):
        assert visit.post("/signin/code", code=f"00000{number}").status_code == 401
    assert visit.post("/signin/code", code=_code(secret, site.house)).status_code == 429


def test_whoever_is_on_the_way_in_is_out_after_ten_minutes_and_once_blocked(site: PeopleSite) -> None:
    person_id = site.person()
    _with_factor(site, person_id)
    visit, other = site.visitor(), site.visitor()
    visit.sign_in()
    site.house.clock.sleep(timedelta(minutes=11))
    assert visit.get("/signin/code").headers["Location"] == "/signin"
    other.sign_in()
    _block(site.house, person_id)
    assert other.get("/signin/code").headers["Location"] == "/signin"


def test_a_link_does_not_pass_the_second_factor_by(site: PeopleSite) -> None:
    person_id = site.person()
    _with_factor(site, person_id)
    token, _ = passwords.create_link(site.house.desk, person_id)
    visit = site.visitor()
    answer = visit.post(f"/signin/link/{token}", password=OTHER)
    assert answer.headers["Location"].startswith("/signin/code")
    assert visit.get("/myapps").status_code == 303


def test_an_administrator_removes_the_second_factor_of_who_lost_it(site: PeopleSite) -> None:
    person_id = site.person()
    _with_factor(site, person_id)
    methods = f"/users/{person_id}/authentication/methods"
    shown = site.house.call("GET", methods).body["value"]
    assert [each["id"] for each in shown][1:] == ["softwareOath"] and "secret" not in str(shown).replace(
        "secretKey", ""
    )
    assert site.house.call("DELETE", f"{methods}/softwareOath").status == 204
    assert site.signed_in()
    audit = site.house.call("GET", "/auditLogs/directoryAudits").body["value"]
    assert "Remove second factor" in [each["activityDisplayName"] for each in audit]


def test_nothing_of_a_purged_person_is_left(site: PeopleSite) -> None:
    person_id = site.person()
    _with_factor(site, person_id)
    people.delete_user(site.house.desk, person_id)
    people.purge_user(site.house.desk, person_id)
    assert site.house.stores.credentials.get(person_id) is None
    assert site.house.stores.second_factors.get(person_id) is None


# ---------------------------------------------------------------- the log


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("userPrincipalName eq 'ada@example.com'", 2),
        ("status/errorCode eq 0", 2),
        ("status/errorCode eq 50126", 1),
        ("status/errorCode eq 0 and userPrincipalName eq 'eve@example.com'", 1),
        ("createdDateTime ge 2030-01-01T00:00:00Z", 0),
    ],
)
def test_the_log_is_searched(site: PeopleSite, wanted: str, found: int) -> None:
    site.person()
    site.person("eve")
    site.visitor().sign_in(password="guess")
    site.signed_in()
    site.signed_in("eve")
    answer = site.house.call("GET", f"/auditLogs/signIns?$filter={wanted}")
    assert len(answer.body["value"]) == found
    assert len(site.house.call("GET", "/auditLogs/signIns?$top=2").body["value"]) == 2
