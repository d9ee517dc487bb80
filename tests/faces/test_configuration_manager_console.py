"""The console over real HTTP: set-up, sign-in, its pages, and what it refuses."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from documents.reading import SOURCE
from played_configuration_manager import Answer, PlayedManager, ask, configuration_manager
from waiting import eventually

# What somebody who is signed in can do, as the console's modules have it.
ACTIONS = sorted(
    {
        found
        for module in (SOURCE / "configuration_manager").glob("*.py")
        for found in re.findall(r'@app\.post\("(/[^"]+)"\)', module.read_text(encoding="utf-8"))
    }
    - {"/sign-in", "/setup/<token>"}
)
PASSWORD = "a long password of one's own"
LEAVER = {"userName": "leaver@x.example", "active": False, "name": {"givenName": "Léa", "familyName": "<b>Ver</b>"}}


@dataclass
class Visitor:
    """A browser without scripts: keeps the cookie and the page's form token."""

    url: str
    cookie: str | None = None
    csrf_token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self._take(ask(self.url + path, headers=self._headers()))

    def post(self, path: str, **fields: str) -> Answer:
        if self.csrf_token is not None:
            fields.setdefault("csrf_token", self.csrf_token)
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        return self._take(ask(self.url + path, "POST", urlencode(fields).encode(), headers))

    def sign_in(self) -> None:
        assert self.post("/sign-in", name="root", password=PASSWORD).status == 303
        assert self.get("/").status == 200

    def _headers(self) -> dict[str, str]:
        return {**self.headers, **({} if self.cookie is None else {"Cookie": self.cookie})}

    def _take(self, answer: Answer) -> Answer:
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        found = re.search(rb'name="csrf_token" value="([^"]+)"', answer.body)
        if found is not None:
            self.csrf_token = found[1].decode()
        return answer


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("console") / "data") as running:
        link = re.search(r"/setup/\S+", (running.folder.parent / "data.log").read_text())
        assert link is not None
        first = Visitor(running.url)
        assert first.get(link.group()).status == 200
        for weak, why in (("short", b"A password has at least 12 characters."), ("P@ssw0rd1234", b"tried first")):
            refused = first.post(link.group(), name="root", password=weak)
            assert (refused.status, why in refused.body) == (400, True), refused.body
        assert first.post(link.group(), name="root", password=PASSWORD).status == 303
        assert first.get("/").status == 200
        assert first.get(link.group()).status == 404, "the link works once"
        yield running


@pytest.fixture
def visitor(manager: PlayedManager) -> Visitor:
    return Visitor(manager.url)


@pytest.fixture
def administrator(visitor: Visitor) -> Visitor:
    visitor.sign_in()
    return visitor


def _text(answer: Answer) -> str:
    return unescape(answer.body.decode())


@pytest.mark.parametrize("path", ["/", "/customers/x/users", "/customers/x/identity", "/customers/x/calls"])
def test_nothing_is_shown_before_sign_in(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert (answer.status, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize(("name", "password"), [("root", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_or_password_is_refused_alike(visitor: Visitor, name: str, password: str) -> None:
    answer = visitor.post("/sign-in", name=name, password=password)
    assert answer.status == 401
    assert "Name and password do not fit" in _text(answer)
    assert visitor.cookie is None


def check_braked(guess: Callable[[int], int]) -> None:
    """Guesses until one is refused; on a machine that needs seconds for each the first waits are over before it."""
    statuses = [guess(number) for number in range(4)]
    while len(statuses) < 12 and statuses[-1] == 401:
        statuses.append(guess(len(statuses)))
    assert statuses == [401] * (len(statuses) - 1) + [429]
    assert len(statuses) > 4


def test_trying_passwords_out_is_stopped(visitor: Visitor) -> None:
    check_braked(lambda number: visitor.post("/sign-in", name="victim", password=str(number)).status)


def test_nobody_is_locked_out_by_guesses_from_another_machine(manager: PlayedManager, visitor: Visitor) -> None:
    address = urlsplit(manager.url)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def guess(number: int) -> int:
        # All of 127.0.0.0/8 is this machine, and another address to the console.
        connection = HTTPConnection(address.hostname or "", address.port, source_address=("127.0.0.2", 0), timeout=10)
        connection.request("POST", "/sign-in", urlencode({"name": "root", "password": str(number)}), headers)
        status = connection.getresponse().status
        connection.close()
        return status

    check_braked(guess)
    assert visitor.post("/sign-in", name="root", password=PASSWORD).status == 303


def test_every_action_wants_a_form_of_ours_and_somebody_who_is_signed_in(
    manager: PlayedManager, administrator: Visitor
) -> None:
    assert len(ACTIONS) > 10
    foreign = Visitor(manager.url, administrator.cookie, administrator.csrf_token, {"Origin": "https://evil.example"})
    for path in (action.replace("<customer>", "x") for action in ACTIONS):
        assert administrator.post(path, csrf_token="").status == 400, path
        assert administrator.post(path, csrf_token="guessed").status == 400, path
        assert foreign.post(path).status == 400, path
        answer = Visitor(manager.url).post(path)
        assert (answer.status, answer.headers["location"]) == (303, "/sign-in"), path
    assert administrator.get("/").status == 200, "nor was anybody signed out"


def test_signing_in_ends_the_session_that_the_browser_had(visitor: Visitor) -> None:
    visitor.sign_in()
    former = visitor.cookie
    visitor.sign_in()
    assert visitor.cookie != former
    assert Visitor(visitor.url, former).get("/").status == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = visitor.post("/sign-in", name="root", password=PASSWORD).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_signing_out_ends_the_session(administrator: Visitor) -> None:
    cookie = administrator.cookie
    assert administrator.post("/sign-out").status == 303
    administrator.cookie = cookie
    assert administrator.get("/").status == 303


@pytest.mark.parametrize("forgery", ["no token", "wrong token", "other origin"])
def test_a_form_of_another_site_is_refused(administrator: Visitor, forgery: str) -> None:
    match forgery:
        case "no token":
            administrator.csrf_token = None
        case "wrong token":
            administrator.csrf_token = "wrong"
        case _:
            administrator.headers["Origin"] = "https://evil.example"
    assert administrator.post("/customers", name="forged").status == 400
    administrator.headers.clear()
    assert "forged" not in _text(administrator.get("/"))


def test_pages_carry_a_policy_that_lets_no_foreign_script_in(visitor: Visitor) -> None:
    headers = visitor.get("/sign-in").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert visitor.get("/static/console.css").headers["content-type"].startswith("text/css")


def test_an_administrator_makes_a_customer_and_reads_url_and_token_once(
    administrator: Visitor, manager: PlayedManager
) -> None:
    made = administrator.post("/customers", name="acme", profile="8x8")
    assert made.headers["location"] == "/customers/acme/identity"
    closed = _text(administrator.get("/customers/acme/identity"))
    assert "Show user provisioning information" in closed
    assert "/udi/customers/" not in closed
    assert f'value="{manager.url}/udi/customers/acme/scim/v2"' in _text(
        administrator.get("/customers/acme/identity?show")
    )
    shown = _text(administrator.get("/customers/acme/identity?show"))
    token = re.search(r'id="token" readonly value="(8x8_[^"]+)"', shown)
    assert token is not None
    bearer = {"Authorization": f"Bearer {token[1]}"}
    assert ask(f"{manager.url}/udi/customers/acme/scim/v2/Users", headers=bearer).status == 401, "not kept before Save"
    saved = _text(administrator.post("/customers/acme/tokens", do="save", client="Okta"))
    assert token[1] in saved
    assert "<td>Okta</td>" in saved
    assert administrator.post("/customers/acme/tokens", do="save").status == 400, "a draft is saved once"
    again = _text(administrator.get("/customers/acme/identity?show"))
    assert token[1] not in again
    assert token[1][:10] in again
    assert ask(f"{manager.url}/udi/customers/acme/scim/v2/Users", headers=bearer).status == 200
    drafted = _text(administrator.post("/customers/acme/tokens", do="draft"))
    assert "it is kept only when this page is saved" in drafted
    assert administrator.post("/customers/acme/tokens/remove", prefix=token[1][:10]).status == 303
    assert ask(f"{manager.url}/udi/customers/acme/scim/v2/Users", headers=bearer).status == 401


def test_switching_off_asks_first_and_clears_every_token(administrator: Visitor, manager: PlayedManager) -> None:
    customer = manager.customer("leaving")
    assert "Switch user provisioning off?" in _text(administrator.get("/customers/leaving/identity?off"))
    assert administrator.post("/customers/leaving/tokens/off").status == 303
    assert customer.ask("GET", "/Users").status == 200, "not without the confirmation"
    assert administrator.post("/customers/leaving/tokens/off", confirm="yes").status == 303
    assert eventually(lambda: customer.ask("GET", "/Users").status == 401)
    assert ">Off<" in _text(administrator.get("/customers/leaving/identity"))


def test_the_console_is_read_in_dutch(manager: PlayedManager) -> None:
    assert "Aanmelden" in ask(f"{manager.url}/sign-in", headers={"Accept-Language": "nl"}).body.decode()


def test_users_are_listed_with_the_inactive_greyed_and_found_by_name(
    administrator: Visitor, manager: PlayedManager
) -> None:
    customer = manager.customer("people")
    customer.ask("POST", "/Users", LEAVER)
    for number in range(55):
        customer.ask("POST", "/Users", {"userName": f"u{number:02}@x.example", "active": True})
    first = _text(administrator.get("/customers/people/users"))
    assert '<tr class="inactive"><td>Léa <b>Ver</b></td><td>leaver@x.example</td>' in first
    for licence, state in (("None", "Inactive"), ("One", "Active")):
        row = rf'<td data-label="Licence">{licence}</td><td><span class="state(?: off)?">{state}</span></td>'
        assert re.search(row, first)
    assert b"<b>Ver</b>" not in administrator.get("/customers/people/users").body
    assert "Page 1 of 2" in first
    assert "u54@x.example" in _text(administrator.get("/customers/people/users?page=2"))
    for number in (2**53, 2**63, -(2**63), 10**30, "x"):
        for path in ("users?page=", "calls?before="):
            assert administrator.get(f"/customers/people/{path}{number}").status == 200
    found = _text(administrator.get("/customers/people/users?search=LEAVER"))
    assert "leaver@x.example" in found
    assert "u01@x.example" not in found
    assert "Nobody is called that" in _text(administrator.get("/customers/people/users?search=%25"))


def test_a_site_added_in_the_console_is_listed_and_a_second_of_its_name_refused(
    administrator: Visitor, manager: PlayedManager
) -> None:
    manager.customer("sited", profile="8x8")
    assert administrator.post("/customers/sited/sites", name="Zürich & Bern").status == 303
    assert "Zürich & Bern" in _text(administrator.get("/customers/sited/sites"))
    again = administrator.post("/customers/sited/sites", name="Zürich & Bern")
    # On the page itself, with what was entered: it can be corrected there.
    assert (again.status, 'role="alert"' in _text(again)) == (400, True)
    assert 'value="Zürich & Bern"' in _text(again)


def test_the_call_log_shows_who_asked_what_and_why_it_was_refused(
    administrator: Visitor, manager: PlayedManager
) -> None:
    customer = manager.customer("logged")
    assert "No calls yet" in _text(administrator.get("/customers/logged/calls"))
    customer.ask("POST", "/Users", {"userName": ""}, User_Agent="a-client/1")
    assert eventually(lambda: "a-client/1" in _text(administrator.get("/customers/logged/calls")))
    page = _text(administrator.get("/customers/logged/calls"))
    assert "userName is required" in page
    assert customer.token not in page


def test_the_call_log_shows_an_account_before_and_after(administrator: Visitor, manager: PlayedManager) -> None:
    customer = manager.customer("before-after", profile="8x8")
    where = f"/Users/{customer.ask('POST', '/Users', LEAVER).json['id']}"
    customer.ask("PUT", where, LEAVER | {"title": "Traveller"})
    assert eventually(lambda: "PUT" in _text(administrator.get("/customers/before-after/calls")))
    page = _text(administrator.get("/customers/before-after/calls"))
    put = page[page.index("PUT") : page.index("POST")]
    assert '"title": "Traveller"' in put[put.index("<dt>After") :]
    assert '"title":"Traveller"' not in put[put.index("<dt>Before") : put.index("<dt>After")]
    assert "identity provider · token" in put


def test_settings_are_shown_and_saved(administrator: Visitor, manager: PlayedManager) -> None:
    customer = manager.customer("set", profile="8x8")
    customer.ask("POST", "/Users", LEAVER | {"userName": "settings@x.example", "active": True})
    page = _text(administrator.get("/customers/set/settings"))
    assert "1 in use" in page
    assert "<option selected>identity provider</option>" in page
    saved = {"retrieval": "provisioned", "limits": "documented", "strict": "on", "licences": "7", "rate_limit": "90"}
    assert administrator.post("/customers/set/settings", **saved).status == 303
    page = _text(administrator.get("/customers/set/settings"))
    assert '<option value="provisioned" selected>' in page
    assert '<option value="documented" selected>' in page
    assert 'name="strict" checked' in page
    assert 'name="one_writer" checked' not in page
    assert 'value="7"' in page
    assert customer.ask("GET", "/Users").headers["x-ratelimit-limit"] == "18"
    for wrong in (
        {"licences": "-1"},
        {"licences": "many"},
        {"retrieval": "x"},
        {"licence_limit": "on", "licences": ""},
    ):
        assert administrator.post("/customers/set/settings", **(saved | wrong)).status == 400


def test_a_user_made_by_hand_is_hidden_from_a_provider_that_sees_its_own_alone(
    administrator: Visitor, manager: PlayedManager
) -> None:
    customer = manager.customer("handmade", profile="8x8")
    user = {"userName": "hand@x.example", "givenName": "Hana", "familyName": "Made", "email": "hand@x.example"}
    assert administrator.post("/customers/handmade/users", **user).status == 303
    again = administrator.post("/customers/handmade/users", **user)
    assert "1 licence in use" in _text(administrator.get("/customers/handmade/users"))
    assert (again.status, "There is a user named hand@x.example already: choose" in _text(again)) == (400, True)
    assert customer.ask("GET", "/Users").json["totalResults"] == 1
    administrator.post("/customers/handmade/settings", retrieval="provisioned", limits="lenient")
    assert customer.ask("GET", "/Users").json["totalResults"] == 0
    sent = {"userName": "hand@x.example", "name": {"givenName": "Hana", "familyName": "Made"}}
    assert customer.ask("POST", "/Users", sent).status == 409
    assert "Hana Made" in _text(administrator.get("/customers/handmade/users"))


def test_a_token_is_removed_after_it_was_asked(administrator: Visitor, manager: PlayedManager) -> None:
    customer = manager.customer("asked", profile="8x8")
    prefix = customer.token[:10]
    page = _text(administrator.get("/customers/asked/identity?show"))
    found = re.search(r'href="\?remove=([^"]+)"', page)
    assert found is not None and customer.token.startswith(found[1])
    asked = _text(administrator.get(f"/customers/asked/identity?remove={found[1]}"))
    assert "identity provider" in asked and "refused from then on" in asked
    assert customer.ask("GET", "/Users").status == 200, "asking takes nothing away"
    assert administrator.post("/customers/asked/tokens/remove", prefix=prefix).status == 303
    assert customer.ask("GET", "/Users").status == 401


def test_another_client_gets_a_token_of_its_own(administrator: Visitor, manager: PlayedManager) -> None:
    manager.customer("clients", profile="8x8")
    made = _text(administrator.post("/customers/clients/tokens", client="reports", **{"as": "other"}))
    assert re.search(r'id="token" readonly value="(8x8_[^"]+)"', made)
    page = _text(administrator.get("/customers/clients/identity?show"))
    assert '<td>reports</td><td data-label="Issued by">root</td>' in page
    assert '<td>identity provider</td><td data-label="Issued by">a command</td>' in page


def test_a_reader_looks_and_changes_nothing(administrator: Visitor, manager: PlayedManager) -> None:
    manager.customer("looked-at")
    options = ("--role", "reader", "--password-stdin")
    assert manager.run("admin", "create", "reader", *options, given=f"{PASSWORD}\n").returncode == 0
    reader = Visitor(manager.url)
    assert reader.post("/sign-in", name="reader", password=PASSWORD).status == 303
    for place in ("settings", "users", "sites", "identity?show", "sign-on"):
        shown = reader.get(f"/customers/looked-at/{place}")
        assert (shown.status, "an administrator can change it" in _text(shown)) == (200, True), place
        # Nothing to press that would be refused but the search.
        assert set(re.findall(r"<button[^>]*>([^<]+)</button>", _text(shown))) <= {"Sign out", "Search", "Copy"}, place
    assert reader.post("/customers/looked-at/sites", name="London").status == 403
    assert reader.post("/customers/looked-at/tokens").status == 403
    assert "reader" in _text(administrator.get("/administrators"))
    assert administrator.post("/administrators", name="root", role="reader").status == 400, "the last one"
    assert administrator.post("/administrators", name="reader", role="none").status == 303
    assert reader.get("/").status == 303, "signed out with the role"


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("/customers", {"name": "x" * 70_000}, 413, "That is too much at once"),
        ("/language/nl", {}, 405, "That cannot be done here"),
    ],
)
def test_what_http_refuses_is_a_page_too(
    administrator: Visitor, path: str, fields: dict[str, str], status: int, said: str
) -> None:
    answer = administrator.post(path, **fields)
    assert (answer.status, said in _text(answer), "Configuration Manager" in _text(answer)) == (status, True, True)


@pytest.mark.parametrize("path", ["/nothing", "/customers/nobody/users", "/setup/wrong", "/udi/x"])
def test_a_page_that_is_not_there_says_so(administrator: Visitor, path: str) -> None:
    answer = administrator.get(path)
    assert answer.status == 404
    assert "There is no such page" in _text(answer)
