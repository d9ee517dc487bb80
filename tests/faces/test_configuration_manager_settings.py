"""What an administrator switches for a customer, over real HTTP: by the commands and seen by the next request."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from played_configuration_manager import Answer, PlayedCustomer, PlayedManager, configuration_manager

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PASSWORD = "a long password of one's own\n"


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("settings") / "data") as running:
        yield running


def _user(user_name: str, **others: Any) -> dict[str, Any]:
    return {"userName": user_name, "name": {"givenName": "Ada", "familyName": "Lovelace"}, "active": True, **others}


def _patch(path: str, value: Any) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": path, "value": value}]}


def _set(manager: PlayedManager, customer: PlayedCustomer, *options: str) -> dict[str, Any]:
    done = manager.run("customer", "set", customer.name, *options, "--json")
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _other_token(manager: PlayedManager, customer: PlayedCustomer, *options: str) -> PlayedCustomer:
    done = manager.run("token", "create", customer.name, *options, "--json")
    assert done.returncode == 0, done.stderr
    return PlayedCustomer(name=customer.name, url=customer.url, token=json.loads(done.stdout)["token"])


def _refusal(answer: Answer, status: int) -> str:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json["status"] == str(status)
    return str(answer.json["detail"])


def test_the_settings_are_shown_as_they_are(manager: PlayedManager) -> None:
    customer = manager.customer("shown", profile="8x8")
    assert json.loads(manager.run("customer", "show", customer.name, "--json").stdout) == {
        "customer": "shown",
        "profile": "8x8",
        "strict": False,
        "retrieval": "all",
        "limits": "lenient",
        "oneWriter": True,
        "writingClient": None,
        "rateLimit": None,
        "licences": None,
        "licencesInUse": 0,
        "licenceLimit": False,
    }


def test_strictness_is_a_switch_that_the_next_request_sees(manager: PlayedManager) -> None:
    customer = manager.customer("strictness")
    capital = {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "title", "value": "x"}]}
    where = f"/Users/{customer.ask('POST', '/Users', _user('s@x.example')).json['id']}"
    assert customer.ask("PATCH", where, capital).status == 200
    assert _set(manager, customer, "--strict")["strict"] is True
    assert customer.ask("PATCH", where, capital).status == 400
    _set(manager, customer, "--no-strict")
    assert customer.ask("PATCH", where, capital).status == 200


# One writing client


def test_a_second_client_may_only_read_and_is_told_who_writes(manager: PlayedManager) -> None:
    first = manager.customer("writers", profile="8x8")
    second = _other_token(manager, first, "--client", "reporting")
    made = first.ask("POST", "/Users", _user("w1@x.example"))
    assert made.status == 201
    for method, path in (("POST", "/Users"), ("DELETE", f"/Users/{made.json['id']}")):
        detail = _refusal(second.ask(method, path, _user("w2@x.example")), 403)
        assert "'identity provider' holds the right to write" in detail
    assert second.ask("GET", "/Users").json["totalResults"] == 1
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}
    assert second.ask("POST", "/Users/.search", search).status == 200
    assert _set(manager, first, "--writing-client", "reporting")["writingClient"] == "reporting"
    assert second.ask("POST", "/Users", _user("w2@x.example")).status == 201
    assert "'reporting' holds" in _refusal(first.ask("POST", "/Users", _user("w3@x.example")), 403)
    _set(manager, first, "--no-one-writer")
    assert first.ask("POST", "/Users", _user("w3@x.example")).status == 201


def test_a_rotated_token_is_the_same_client(manager: PlayedManager) -> None:
    first = manager.customer("rotating", profile="8x8")
    assert first.ask("POST", "/Users", _user("r1@x.example")).status == 201
    token = json.loads(manager.run("token", "rotate", "rotating", "--json").stdout)["token"]
    second = PlayedCustomer(name=first.name, url=first.url, token=token)
    assert [each.ask("POST", "/Users", _user(f"{each.token}@x.example")).status for each in (first, second)] == [
        201,
        201,
    ]


def test_a_client_that_is_not_there_cannot_be_given_the_right(manager: PlayedManager) -> None:
    manager.customer("nobody", profile="8x8")
    done = manager.run("customer", "set", "nobody", "--writing-client", "ghost")
    assert (done.returncode, "no client named 'ghost'" in done.stderr) == (1, True)


# Which users are retrieved


def test_users_made_by_hand_are_hidden_when_only_the_providers_own_are_retrieved(manager: PlayedManager) -> None:
    customer = manager.customer("retrieved")
    # The same switch at the repository is in the contract's suite, where users are made by hand.
    assert customer.ask("POST", "/Users", _user("own@x.example")).status == 201
    _set(manager, customer, "--retrieval", "provisioned")
    assert customer.ask("GET", "/Users").json["totalResults"] == 1


# Limits


@pytest.fixture(scope="module")
def documented(manager: PlayedManager) -> PlayedCustomer:
    customer = manager.customer("documented", profile="8x8", sites=("London",))
    _set(manager, customer, "--limits", "documented")
    return customer


@pytest.fixture(scope="module")
def lenient(manager: PlayedManager) -> PlayedCustomer:
    return manager.customer("lenient", profile="8x8", sites=("London",))


REFUSED_ALWAYS = [
    ({"name": {"givenName": " ", "familyName": "B"}}, "name.givenName: must not be blank"),
    ({"name": {"givenName": "Ada", "familyName": "L" * 31}}, "name.familyName: size must be between"),
    ({"name": {"givenName": "A" * 129, "familyName": "Li"}}, "name.givenName: size must be between"),
    ({"userName": "u" * 71}, "userName: size must be between"),
    ({"title": "t" * 255}, "title: size must be between"),
    ({"emails": [{"value": "no address", "type": "work"}]}, "must be a well-formed email address"),
    ({"timezone": "Europe/Atlantis"}, "IANA"),
    ({"locale": "en_US_!"}, "locale"),
    ({"phoneNumbers": [{"value": "call me", "type": "work"}]}, "phone number"),
]
REFUSED_WHEN_DOCUMENTED = [
    ({"userName": "ab"}, "userName: size must be between 3 and 70"),
    ({"userName": "ext#ext#@x.example"}, "userName: may hold"),
    ({"name": {"givenName": "佳怡", "familyName": "Li"}}, "name.givenName: may hold"),
    ({"name": {"givenName": "Ada", "familyName": "何"}}, "name.familyName: size must be between 2 and 30"),
    ({"locale": "tr-TR"}, "locale: must be one of da-DK"),
    ({"emails": [{"value": "a@x.example", "type": "work"}, {"value": "b@x.example", "type": "home"}]}, "only one"),
    ({"phoneNumbers": [{"value": "+44 1", "type": "home"}]}, "mobile"),
    ({"phoneNumbers": [{"value": "1 ext. 2", "type": "work"}]}, "phoneNumbers.value: may hold"),
]


@pytest.mark.parametrize(("wrong", "sentence"), REFUSED_ALWAYS + REFUSED_WHEN_DOCUMENTED)
def test_what_8x8_documents_is_held_where_it_is_switched_on(
    documented: PlayedCustomer, wrong: dict[str, Any], sentence: str
) -> None:
    answer = documented.ask("POST", "/Users", _user("limits@x.example") | wrong)
    assert sentence in _refusal(answer, 400)
    assert answer.json["scimType"] == "invalidValue"


@pytest.mark.parametrize(("wrong", "sentence"), REFUSED_ALWAYS)
def test_what_no_8x8_account_can_be_is_refused_by_every_customer(
    lenient: PlayedCustomer, wrong: dict[str, Any], sentence: str
) -> None:
    assert sentence in _refusal(lenient.ask("POST", "/Users", _user("always@x.example") | wrong), 400)


@pytest.mark.parametrize("number", range(len(REFUSED_WHEN_DOCUMENTED)))
def test_any_script_and_language_is_taken_by_default(lenient: PlayedCustomer, number: int) -> None:
    kept = _user(f"lenient{number}@x.example") | REFUSED_WHEN_DOCUMENTED[number][0]
    assert lenient.ask("POST", "/Users", kept).status == 201


def test_an_account_from_before_the_switch_may_still_be_changed(manager: PlayedManager) -> None:
    customer = manager.customer("switched", profile="8x8")
    kept = customer.ask("POST", "/Users", _user("宏@x.example", name={"givenName": "宏", "familyName": "森"}))
    _set(manager, customer, "--limits", "documented")
    where = f"/Users/{kept.json['id']}"
    assert customer.ask("PATCH", where, _patch("title", "Agent")).status == 200
    assert "may hold" in _refusal(customer.ask("PATCH", where, _patch("name.familyName", "森森")), 400)


@pytest.mark.parametrize("primary", [{"primary": True}, {"primary": False}, {}])
def test_primary_is_ignored_as_8x8_says(lenient: PlayedCustomer, primary: dict[str, bool]) -> None:
    name = f"primary{primary.get('primary')}@x.example"
    emails = [{"value": "a@x.example", "type": "work", **primary}]
    phones = [{"value": "1", "type": "work", **primary}, {"value": "2", "type": "mobile"}]
    made = lenient.ask("POST", "/Users", _user(name, emails=emails, phoneNumbers=phones)).json
    assert made["emails"][0]["primary"] is True
    assert [each["primary"] for each in made["phoneNumbers"]] == [False, True]
    replaced = _user(name, phoneNumbers=[*phones[:1], {"value": "3", "type": "home"}])
    shown = lenient.ask("PUT", f"/Users/{made['id']}", replaced).json["phoneNumbers"]
    assert [each.get("primary") for each in shown] == [False, None]
    capitals = _user(name, phoneNumbers=[{**each, "type": each["type"].title()} for each in phones])
    shown = lenient.ask("PUT", f"/Users/{made['id']}", capitals).json["phoneNumbers"]
    assert [each["primary"] for each in shown] == [False, True]


def test_the_schema_says_what_8x8_documents_where_that_is_held(documented: PlayedCustomer) -> None:
    schema = documented.ask("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").json
    attributes = {each["name"]: each for each in schema["attributes"]}
    kind = next(each for each in attributes["phoneNumbers"]["subAttributes"] if each["name"] == "type")
    assert (kind["required"], kind["canonicalValues"]) == (True, ["mobile", "work"])
    assert len(attributes["locale"]["canonicalValues"]) == 21
    assert "3 to 70 characters: letters A to Z" in attributes["userName"]["description"]


# Rate


def test_a_rate_limit_answers_429_and_says_when_to_come_again(manager: PlayedManager) -> None:
    customer = manager.customer("rated")
    assert "x-ratelimit-limit" not in customer.ask("GET", "/Users").headers
    _set(manager, customer, "--rate-limit", "15")
    answers = [customer.ask("GET", "/Users") for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert "15 requests a minute, and 3 in ten seconds," in _refusal(answers[3], 429)
    assert 1 <= int(answers[3].headers["retry-after"]) <= 10
    assert answers[3].headers["x-ratelimit-reset"] == answers[3].headers["retry-after"]
    _set(manager, customer, "--rate-limit", "0")
    assert customer.ask("GET", "/Users").status == 200


# Licences


def test_a_licence_limit_refuses_one_more_and_names_itself(manager: PlayedManager) -> None:
    customer = manager.customer("licensed", profile="8x8")
    _set(manager, customer, "--licences", "2", "--licence-limit")
    made = [customer.ask("POST", "/Users", _user(f"l{number}@x.example")) for number in range(3)]
    assert [answer.status for answer in made] == [201, 201, 403]
    assert "LicenceLimitReached: all 2 licences" in _refusal(made[2], 403)
    assert customer.ask("POST", "/Users", _user("off@x.example", active=False)).status == 201
    where = f"/Users/{made[0].json['id']}"
    assert customer.ask("DELETE", where).status == 204
    assert customer.ask("POST", "/Users", _user("l3@x.example")).status == 201
    assert "LicenceLimitReached" in _refusal(customer.ask("PATCH", where, _patch("active", True)), 403)
    shown = json.loads(manager.run("customer", "show", customer.name, "--json").stdout)
    assert (shown["licences"], shown["licencesInUse"]) == (2, 2)
    _set(manager, customer, "--no-licence-limit")
    assert customer.ask("PATCH", where, _patch("active", True)).status == 200


def test_a_licence_limit_needs_a_number(manager: PlayedManager) -> None:
    manager.customer("unlicensed")
    done = manager.run("customer", "set", "unlicensed", "--licence-limit")
    assert (done.returncode, "number of licences" in done.stderr) == (1, True)


# Administrators


def test_a_token_ends_with_its_administrators_role_and_the_last_administrator_stays(manager: PlayedManager) -> None:
    customer = manager.customer("roles", profile="8x8")
    for name in ("ada@x.example", "grace@x.example"):
        assert manager.run("admin", "create", name, "--password-stdin", given=PASSWORD).returncode == 0
    token = _other_token(manager, customer, "--administrator", "grace@x.example", "--client", "identity provider")
    where = f"/Users/{token.ask('POST', '/Users', _user('ada@x.example')).json['id']}"
    assert token.ask("DELETE", where).status == 204, "there is another administrator"
    assert token.ask("PATCH", where, _patch("active", True)).status == 200
    assert manager.run("admin", "set-role", "grace@x.example", "reader").returncode == 0
    detail = _refusal(token.ask("GET", "/ServiceProviderConfig"), 401)
    assert "'grace@x.example', who no longer has the role of administrator" in detail
    for refused in (
        customer.ask("DELETE", where),
        customer.ask("PATCH", where, _patch("active", False)),
        customer.ask("PATCH", where, _patch("userName", "eve@x.example")),
    ):
        assert "last administrator" in _refusal(refused, 403)
    assert customer.ask("PATCH", where, _patch("title", "Countess")).status == 200
    done = manager.run("admin", "set-role", "ada@x.example", "none")
    assert (done.returncode, "last administrator" in done.stderr) == (1, True)
    assert manager.run("admin", "set-role", "grace@x.example", "administrator").returncode == 0
    assert token.ask("GET", "/Users").status == 200
    assert customer.ask("DELETE", where).status == 204
    listed = json.loads(manager.run("admin", "list", "--json").stdout)
    assert {each["name"]: each["role"] for each in listed} == {
        "ada@x.example": "administrator",
        "grace@x.example": "administrator",
    }


def test_a_second_post_of_somebody_deactivated_brings_the_account_back(manager: PlayedManager) -> None:
    customer = manager.customer("returning", profile="8x8")
    sent = _user("back@x.example", externalId="e-1", title="Agent")
    made = customer.ask("POST", "/Users", sent).json
    assert customer.ask("POST", "/Users", sent).status == 409, "while active it is a duplicate"
    customer.ask("DELETE", f"/Users/{made['id']}")
    again = customer.ask("POST", "/Users", sent | {"title": "Lead"})
    assert (again.status, again.json["id"], again.json["active"], again.json["title"]) == (
        201,
        made["id"],
        True,
        "Lead",
    )
    customer.ask("DELETE", f"/Users/{made['id']}")
    renamed = customer.ask("POST", "/Users", sent | {"userName": "returned@x.example"})
    assert (renamed.status, renamed.json["id"], renamed.json["userName"]) == (201, made["id"], "returned@x.example")
    assert customer.ask("GET", "/Users").json["totalResults"] == 1, "nobody has two accounts"
