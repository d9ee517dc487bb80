"""The Configuration Manager over real HTTP: who gets in, what both profiles answer, what the log keeps."""

import json
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from muster.configuration_manager.customers import TOKEN_PREFIX
from played_configuration_manager import (
    ENVIRONMENT,
    Answer,
    PlayedCustomer,
    PlayedManager,
    ask,
    configuration_manager,
    run,
)
from waiting import eventually

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SITE = "urn:ietf:params:scim:schemas:extension:8x8:1.1:User"
SITE_8X8 = "urn:8x8:scim:schemas:extension:8x8user:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ADA: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE, SITE],
    "userName": "ada@x.example",
    "externalId": "o-1",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada@x.example", "type": "work", "primary": True}],
    "active": True,
    "title": "Countess",
    "locale": "en-GB",
    "timezone": "Europe/London",
    "phoneNumbers": [
        {"value": "+44 1", "type": "mobile", "primary": True},
        {"value": "+44 2", "type": "work", "primary": False},
    ],
    ENTERPRISE: {"department": "Engines"},
    SITE: {"site": "London"},
}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("cm") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def generic(manager: PlayedManager) -> PlayedCustomer:
    return manager.customer("generic")


@pytest.fixture(scope="module")
def eight(manager: PlayedManager) -> PlayedCustomer:
    return manager.customer("eight", profile="8x8", sites=("London", "Den Haag"))


def _named(user_name: str, **others: Any) -> dict[str, Any]:
    return {**ADA, "userName": user_name, "externalId": user_name, **others}


def _patch(**operation: Any) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": [operation]}


def _by_name(user_name: str) -> str:
    return "/Users?filter=" + quote(f'userName eq "{user_name}"')


def _assert_refused(answer: Answer, status: int, scim_type: str | None = None) -> str:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json["schemas"] == [ERROR]
    assert answer.json["status"] == str(status)
    assert answer.json.get("scimType") == scim_type
    return str(answer.json["detail"])


# What cannot even be read


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, b"nonsense\r\n\r\n"),
        (400, b"GET /udi/customers/generic/scim/v2/Users HTTP/1.1\r\n\r\n"),
        (413, b"POST /udi/customers/generic/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"),
        (414, b"GET /udi/customers/generic/scim/v2/Users/" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (431, b"GET /udi/customers/generic/scim/v2/Users HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"),
        (505, b"GET /udi/customers/generic/scim/v2/Users HTTP/2.0\r\nHost: x\r\n\r\n"),
    ],
)
def test_what_is_no_http_is_refused_in_scim_form_too(manager: PlayedManager, status: int, sent: bytes) -> None:
    where = urlsplit(manager.url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=60) as client:
        client.sendall(sent)
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"content-type: application/scim+json" in head.lower()
    error = json.loads(body)
    assert (error["schemas"], error["status"]) == ([ERROR], str(status))
    assert error["detail"].endswith(".")


def test_many_slow_bodies_hold_up_nobody(manager: PlayedManager, generic: PlayedCustomer) -> None:
    where = urlsplit(manager.url)
    head = b"POST /udi/customers/generic/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    slow = [socket.create_connection((str(where.hostname), int(where.port or 0))) for _ in range(50)]
    for client in slow:
        client.sendall(head)
    assert generic.ask("POST", "/Users", _named("quick@x.example")).status == 201
    assert generic.ask("GET", "/Users?filter=title%20pr").status == 200
    assert ask(f"{manager.url}/sign-in").status == 200
    for client in slow:
        client.close()


# Who gets in


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "Bearer {token}x", "Bearer é", "{token}"],
)
def test_a_missing_or_wrong_token_is_refused_in_scim_form(generic: PlayedCustomer, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.format(token=generic.token)}
    answer = ask(f"{generic.url}/Users", headers=headers)
    _assert_refused(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_token_of_one_customer_does_not_open_another(generic: PlayedCustomer, eight: PlayedCustomer) -> None:
    answer = ask(f"{eight.url}/Users", headers={"Authorization": f"Bearer {generic.token}"})
    _assert_refused(answer, 403)


def test_no_one_learns_which_customers_exist_without_a_token(manager: PlayedManager, generic: PlayedCustomer) -> None:
    known = ask(f"{generic.url}/Users")
    unknown = ask(f"{manager.url}/udi/customers/nobody/scim/v2/Users")
    assert (known.status, known.body) == (unknown.status, unknown.body)


def test_two_tokens_hold_while_they_overlap_and_a_removed_one_ends_at_once(manager: PlayedManager) -> None:
    first = manager.customer("rotating")
    shown = manager.run("token", "rotate", "rotating", "--json")
    second = PlayedCustomer(name="rotating", url=first.url, token=json.loads(shown.stdout)["token"])
    assert [each.ask("GET", "/Users").status for each in (first, second)] == [200, 200]
    assert manager.run("token", "remove", "rotating", first.token[:10]).returncode == 0
    assert [each.ask("GET", "/Users").status for each in (first, second)] == [401, 200]
    assert manager.run("token", "rotate", "rotating", "--overlap-hours", "0").returncode == 0
    assert second.ask("GET", "/Users").status == 401


def test_a_token_is_listed_by_how_it_begins_and_when_it_was_used(manager: PlayedManager) -> None:
    customer = manager.customer("listed")
    customer.ask("GET", "/Users")

    def listed() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(manager.run("token", "list", "listed", "--json").stdout)
        return rows

    assert eventually(lambda: listed()[0]["lastUsedDateTime"])
    rows = listed()
    assert len(rows) == 1
    assert customer.token.startswith(rows[0]["prefix"])
    assert rows[0]["prefix"].startswith(TOKEN_PREFIX)
    assert len(rows[0]["prefix"]) < 12


def test_the_database_holds_no_token(manager: PlayedManager, generic: PlayedCustomer) -> None:
    for file in manager.folder.iterdir():
        assert generic.token.encode() not in file.read_bytes(), file


# What HTTP asks


@pytest.mark.parametrize("path", ["/Nothing", "/Users/unknown", "x", "/Users/a/b"])
def test_what_is_not_there_answers_404_in_scim_form(generic: PlayedCustomer, path: str) -> None:
    _assert_refused(generic.ask("GET", path), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_that_is_not_possible_answers_405(generic: PlayedCustomer, method: str) -> None:
    answer = generic.ask(method, "/Users", {})
    _assert_refused(answer, 405)
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"null", b"{}" + b" " * 10 + b"{}"])
def test_a_body_that_is_no_json_object_is_refused(generic: PlayedCustomer, body: bytes) -> None:
    answer = generic.ask("POST", "/Users", body)
    assert answer.json["scimType"] in ("invalidSyntax", "invalidValue")
    _assert_refused(answer, 400, answer.json["scimType"])


def test_a_body_over_the_limit_is_refused_and_the_limit_named(generic: PlayedCustomer) -> None:
    detail = _assert_refused(generic.ask("POST", "/Users", b'{"x":"' + b"a" * 4_200_000 + b'"}'), 413)
    assert "4194304" in detail


def test_a_query_over_the_limit_is_refused(generic: PlayedCustomer) -> None:
    _assert_refused(generic.ask("GET", "/Users?filter=" + "a" * 20_000), 400, "invalidSyntax")


def test_a_filter_may_be_encoded_with_plus_or_percent(generic: PlayedCustomer) -> None:
    generic.ask("POST", "/Users", _named("plus@x.example"))
    for encoded in ("userName+eq+%22plus%40x.example%22", "userName%20eq%20%22plus@x.example%22"):
        assert generic.ask("GET", f"/Users?filter={encoded}").json["totalResults"] == 1


def test_head_answers_as_get_without_the_body(generic: PlayedCustomer) -> None:
    made = generic.ask("POST", "/Users", _named("head@x.example")).json
    shown, headed = (generic.ask(method, f"/Users/{made['id']}") for method in ("GET", "HEAD"))
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["etag"] == shown.headers["etag"]


def test_health_is_answered_to_everyone(manager: PlayedManager) -> None:
    assert ask(f"{manager.url}/healthz").status == 200


# The generic profile


def test_a_user_is_made_read_changed_and_deleted(generic: PlayedCustomer) -> None:
    made = generic.ask("POST", "/Users", _named("life@x.example"))
    assert made.status == 201
    where = f"/Users/{made.json['id']}"
    assert made.headers["location"] == made.json["meta"]["location"] == generic.url + where
    assert generic.ask("GET", where).json == made.json
    changed = generic.ask("PATCH", where, _patch(op="Replace", path="active", value="False"))
    assert (changed.status, changed.json["active"]) == (200, False)
    assert changed.headers["etag"] != made.headers["etag"]
    assert generic.ask("PUT", where, _named("life@x.example", title="Lady")).json["title"] == "Lady"
    assert generic.ask("DELETE", where).status == 204
    _assert_refused(generic.ask("GET", where), 404)


def test_a_passed_version_is_refused_and_a_present_one_not_sent_again(generic: PlayedCustomer) -> None:
    made = generic.ask("POST", "/Users", _named("version@x.example"))
    where, tag = f"/Users/{made.json['id']}", made.headers["etag"]
    assert generic.ask("GET", where, If_None_Match=tag).status == 304
    change = _patch(op="replace", path="title", value="x")
    assert generic.ask("PATCH", where, change, If_Match=tag).status == 200
    _assert_refused(generic.ask("PATCH", where, change, If_Match=tag), 412)


def test_of_sixteen_that_post_one_user_name_one_is_answered_201(generic: PlayedCustomer) -> None:
    barrier = threading.Barrier(16)

    def post(number: int) -> int:
        barrier.wait()
        return generic.ask("POST", "/Users", _named("race@x.example", externalId=str(number))).status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(post, range(16)))
    assert sorted(statuses) == [201] + [409] * 15
    found = generic.ask("GET", _by_name("RACE@x.example"))
    assert found.json["totalResults"] == 1


def test_groups_hold_members_with_their_addresses(generic: PlayedCustomer) -> None:
    user = generic.ask("POST", "/Users", _named("member@x.example")).json
    made = generic.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "G", "members": [{"value": user["id"]}]})
    assert made.json["members"][0]["$ref"] == user["meta"]["location"]
    where = f"/Groups/{made.json['id']}"
    assert "members" not in generic.ask("GET", f"{where}?excludedAttributes=members").json
    assert generic.ask("GET", f"/Users/{user['id']}").json["groups"][0]["value"] == made.json["id"]
    removal = _patch(op="Remove", path="members", value=[{"value": user["id"]}])
    assert generic.ask("PATCH", where, removal).status == 204
    assert generic.ask("GET", where).json.get("members", []) == []


# The 8x8 profile


def test_all_thirteen_attributes_of_the_tutorial_are_kept(eight: PlayedCustomer) -> None:
    made = eight.ask("POST", "/Users", _named("thirteen@x.example"))
    assert made.status == 201, made.body
    shown = eight.ask("GET", f"/Users/{made.json['id']}").json
    for name in set(ADA) - {"schemas", "userName", "externalId"}:
        assert shown[name] == ADA[name], name
    assert shown[SITE_8X8] == {"site": "London"}


@pytest.mark.parametrize("urn", [SITE, SITE_8X8])
def test_both_names_of_the_site_are_taken_and_shown(eight: PlayedCustomer, urn: str) -> None:
    user = {key: value for key, value in _named(f"{urn[-12:-9]}@x.example").items() if key != SITE}
    made = eight.ask("POST", "/Users", {**user, urn: {"site": "Den Haag"}})
    assert (made.status, made.json[SITE], made.json[SITE_8X8]) == (201, {"site": "Den Haag"}, {"site": "Den Haag"})


@pytest.mark.parametrize("site", ["Atlantis", "london", " London"])
def test_a_site_that_does_not_exist_is_refused_by_name(eight: PlayedCustomer, site: str) -> None:
    detail = _assert_refused(
        eight.ask("POST", "/Users", _named("s@x.example", **{SITE: {"site": site}})), 400, "invalidValue"
    )
    assert repr(site) in detail
    assert "Add it in the console" in detail


def test_a_site_added_while_the_server_runs_is_known_at_once(manager: PlayedManager, eight: PlayedCustomer) -> None:
    user = _named("new-site@x.example", **{SITE: {"site": "Oslo"}})
    assert eight.ask("POST", "/Users", user).status == 400
    assert manager.run("site", "add", "eight", "Oslo").returncode == 0
    assert eight.ask("POST", "/Users", user).status == 201


def test_a_site_cannot_be_changed_once_set(eight: PlayedCustomer) -> None:
    made = eight.ask("POST", "/Users", _named("moving@x.example")).json
    where = f"/Users/{made['id']}"
    moves = (
        _patch(op="replace", path=f"{SITE}:site", value="Den Haag"),
        _patch(op="replace", path=f"{SITE_8X8}:site", value="Den Haag"),
        _patch(op="remove", path=f"{SITE}:site"),
    )
    for move in moves:
        _assert_refused(eight.ask("PATCH", where, move), 400, "mutability")
    _assert_refused(
        eight.ask("PUT", where, _named("moving@x.example", **{SITE: {"site": "Den Haag"}})), 400, "mutability"
    )
    same = _patch(op="replace", path=f"{SITE}:site", value="London")
    assert eight.ask("PATCH", where, same).status == 200
    assert eight.ask("GET", where).json[SITE] == {"site": "London"}


def test_a_site_may_be_set_later_once(eight: PlayedCustomer) -> None:
    user = {key: value for key, value in _named("later@x.example").items() if key != SITE}
    where = f"/Users/{eight.ask('POST', '/Users', user).json['id']}"
    assert eight.ask("PATCH", where, _patch(op="add", path=f"{SITE}:site", value="London")).status == 200
    move = _patch(op="replace", path=f"{SITE}:site", value="Den Haag")
    _assert_refused(eight.ask("PATCH", where, move), 400, "mutability")


def test_delete_deactivates_and_keeps(eight: PlayedCustomer) -> None:
    where = f"/Users/{eight.ask('POST', '/Users', _named('leaver@x.example')).json['id']}"
    assert eight.ask("DELETE", where).status == 204
    assert eight.ask("GET", where).json["active"] is False
    found = eight.ask("GET", _by_name("leaver@x.example")).json
    assert found["totalResults"] == 1


def test_user_names_are_unique_across_customers(manager: PlayedManager, eight: PlayedCustomer) -> None:
    other = manager.customer("eight-two", profile="8x8", sites=("London",))
    assert eight.ask("POST", "/Users", _named("shared@x.example")).status == 201
    _assert_refused(other.ask("POST", "/Users", _named("Shared@x.example")), 409, "uniqueness")
    assert other.ask("GET", "/Users").json["totalResults"] == 0


@pytest.mark.parametrize("name", [{}, {"givenName": "A"}, {"familyName": "B"}, {"givenName": " ", "familyName": "B"}])
def test_first_and_last_name_are_mandatory(eight: PlayedCustomer, name: dict[str, str]) -> None:
    detail = _assert_refused(eight.ask("POST", "/Users", _named("nameless@x.example", name=name)), 400, "invalidValue")
    assert "must not be blank" in detail or "is required and is missing" in detail


@pytest.mark.parametrize("emails", [None, [], [{"type": "work"}], [{"type": "work", "value": None}]])
def test_a_user_without_an_address_or_status_gets_those_of_8x8(
    eight: PlayedCustomer, emails: list[dict[str, None]] | None
) -> None:
    user = _named(f"bare{id(emails)}@x.example", emails=emails, active=None, locale=None)
    made = eight.ask("POST", "/Users", user).json
    assert made["active"] is True
    default = [{"value": "noreply@8x8.com", "type": "work", "primary": True}]
    assert (made["emails"], made["locale"]) == (default, "en-US")
    for method, sent in (("PUT", user), ("PATCH", _patch(op="remove", path="locale"))):
        assert eight.ask(method, f"/Users/{made['id']}", sent).json["meta"] == made["meta"]
    own = [{"value": "a@x.example", "type": "work", "primary": True}]
    patch: dict[str, Any] = {"Operations": [{"op": "add", "path": "emails", "value": own}]}
    assert eight.ask("PATCH", f"/Users/{made['id']}", patch).status == 200
    patch["Operations"] = [{"op": "remove", "path": "emails"}]
    assert eight.ask("PATCH", f"/Users/{made['id']}", patch).json["emails"] == default


def test_the_schema_of_8x8_says_what_is_required(eight: PlayedCustomer) -> None:
    schema = eight.ask("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").json
    attributes = {each["name"]: each for each in schema["attributes"]}
    parts = {each["name"]: each["required"] for each in attributes["name"]["subAttributes"]}
    assert attributes["name"]["required"]
    assert {name for name, required in parts.items() if required} == {"givenName", "familyName"}
    assert attributes["userName"]["uniqueness"] == "global"
    assert attributes["userName"]["description"].endswith("It has 1 to 70 characters.")
    assert "canonicalValues" not in attributes["locale"]


def test_8x8_has_no_groups(eight: PlayedCustomer) -> None:
    _assert_refused(eight.ask("GET", "/Groups"), 404)
    types = eight.ask("GET", "/ResourceTypes").json["Resources"]
    assert [each["name"] for each in types] == ["User"]


# The log of calls


def test_every_call_is_logged_and_no_password_with_it(manager: PlayedManager) -> None:
    customer = manager.customer("logged")
    made = customer.ask("POST", "/Users", _named("logged@x.example"))
    customer.ask("POST", "/Users", _named("logged2@x.example", password="hunter2-hunter2"))
    escaped = json.dumps(_named("logged3@x.example")).replace('"title"', '"\\u0070assword"').encode()
    customer.ask("POST", "/Users", escaped)
    customer.ask("GET", "/Users/unknown", User_Agent="a-client/1")

    def logged() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(manager.folder / "configuration-manager.db")) as connection:
            return connection.execute(
                "SELECT method, path, status, user_agent, request_body, after_body, error FROM calls JOIN customers "
                "ON customers.key = calls.customer_key WHERE name = 'logged' ORDER BY calls.key"
            ).fetchall()

    assert eventually(lambda: len(logged()) >= 4)
    rows = logged()
    assert [row[:3] for row in rows] == [
        ("POST", "/Users", 201),
        ("POST", "/Users", 201),
        ("POST", "/Users", 201),
        ("GET", "/Users/unknown", 404),
    ]
    assert json.loads(rows[0][4])["userName"] == "logged@x.example"
    after, shown = json.loads(rows[0][5]), made.json
    assert shown["meta"].pop("location").endswith(shown["id"])
    assert after == shown
    assert rows[3][3] == "a-client/1"
    assert "unknown" in rows[3][6]
    assert b"password" in rows[1][4]
    assert b"hunter2" not in rows[1][4]
    assert b"Countess" not in rows[2][4]


# Commands


def test_a_second_server_on_the_folder_is_refused_by_a_sentence(manager: PlayedManager) -> None:
    second = manager.run("serve", "--port", "0")
    assert second.returncode == 1
    assert str(manager.process.pid) in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("customer", "create", "a/b"), "cannot be a customer's name"),
        (("customer", "create", "generic"), "already"),
        (("token", "create", "nobody"), "no customer named nobody"),
        (("token", "remove", "generic", "zzz"), "no token"),
        (("site", "add", "eight", "London"), "already"),
        (("site", "add", "eight", ""), "1 to 128 characters"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_in_one_line(
    manager: PlayedManager, generic: PlayedCustomer, eight: PlayedCustomer, arguments: tuple[str, ...], sentence: str
) -> None:
    done = manager.run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_customer_made_before_the_first_start_has_the_default_address(tmp_path: Any) -> None:
    shown = run("customer", "create", "early", "--data", str(tmp_path / "cm"), "--json")
    assert json.loads(shown.stdout)["url"] == "http://127.0.0.1:8088/udi/customers/early/scim/v2"


def test_what_was_stored_is_there_after_a_restart(tmp_path: Any) -> None:
    folder = tmp_path / "cm"
    with configuration_manager(folder) as first:
        customer = first.customer("lasting")
        made = customer.ask("POST", "/Users", _named("lasting@x.example")).json
        first.process.kill()
        first.process.wait()
    with configuration_manager(folder) as second:
        again = PlayedCustomer(name="lasting", url=customer.url.replace(first.url, second.url), token=customer.token)
        assert again.ask("GET", f"/Users/{made['id']}").json["userName"] == "lasting@x.example"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("muster.bootstrap.configuration_manager", ("flask",)),
        ("muster.bootstrap.configuration_manager_web", ("muster.engine", "muster.store", "muster.web", "dbos")),
        ("muster.cli.configuration_manager", ("flask", "httptools", "dbos")),
    ],
)
def test_a_process_loads_nothing_that_it_has_no_part_in(module: str, absent: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
