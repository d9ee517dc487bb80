"""SCIM clients as sources at `/scim/v2`: what they give and find again, who may, and what the directory makes of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from played_sources import HEAD, PEOPLE, FolderSource, open_installation
from scim_clients import ENTERPRISE, GROUP, PATCH, USER, Client

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import LocalApi
from muster.settings import load_settings
from played_installation import service
from waiting import eventually


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[Client, LocalApi]]:
    settings = load_settings(data=tmp_path)
    open_house(settings, tmp_path).database.close()
    with open_site(settings) as (site, secret):
        yield Client(site, secret), LocalApi(site, secret)


ADA = {
    "externalId": "hr-17",
    "displayName": "Ada Long",
    "name": {"givenName": "Ada", "familyName": "Long", "honorificPrefix": "Dr."},
    "title": "Head",
    "active": True,
    "password": "never kept",
    "emails": [{"value": "ada@home.example", "type": "home"}, {"value": "ada@x.example", "type": "work"}],
    "phoneNumbers": [{"value": "+44 1", "type": "work"}, {"value": "+44 2", "type": "mobile"}],
    "addresses": [{"type": "work", "formatted": "London", "locality": "London", "country": "GB"}],
    ENTERPRISE: {"employeeNumber": "17", "department": "Law", "costCenter": "c1"},
}


def test_a_person_comes_into_the_directory_and_the_client_finds_again_what_it_gave(
    played: tuple[Client, LocalApi],
) -> None:
    client, api = played
    made = client.make("ada@x.example", **ADA)
    person = api.get(f"/users/{made['id']}")
    assert (person["mail"], person["givenName"], person["surname"], person["jobTitle"]) == (
        *("ada@x.example", "Ada", "Long", "Head"),
    )
    assert (person["employeeId"], person["department"], person["mobilePhone"]) == ("17", "Law", "+44 2")
    assert (person["officeLocation"], person["city"], person["country"]) == ("London", "London", "GB")
    _, found = client.ask("GET", f"/Users/{made['id']}")
    given = {name: value for name, value in ADA.items() if name != "password"}
    assert {name: found[name] for name in given} == given and "password" not in found
    assert found["meta"]["location"] == f"https://muster.example/scim/v2/Users/{made['id']}"
    for wanted in ('userName eq "ADA@x.example"', 'externalId eq "hr-17"', f'id eq "{made["id"]}"'):
        assert [each["id"] for each in client.find("Users", wanted.replace(" ", "%20").replace('"', "%22"))] == [
            made["id"]
        ]
    assert client.find("Users", "emails.value%20eq%20%22ada@home.example%22")[0]["id"] == made["id"]
    origins = {each["attribute"]: each for each in api.get(f"/users/{made['id']}/provenance")["value"]}
    assert origins["department"]["source"].startswith("SCIM client ") and origins["mail"]["sourceId"] == "hr-17"
    audit = api.get("/auditLogs/directoryAudits")["value"]
    assert any(each["activityDisplayName"] == "Add user" for each in audit)


def test_patch_and_put_change_the_directory_and_nothing_else(played: tuple[Client, LocalApi]) -> None:
    client, api = played
    ada = client.make("ada@x.example", **ADA)
    bob = client.make("bob@x.example", displayName="Bob")
    path = f"/Users/{ada['id']}"
    # Entra's forms: title-case operations, booleans as text, a filter in the path, the manager as a bare text.
    status, _ = client.patch(
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "long@x.example"},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": bob["id"]},
    )
    assert status in (200, 204)
    person = api.get(f"/users/{ada['id']}?$expand=manager")
    assert (person["mail"], person["accountEnabled"], person["manager"]["id"]) == ("long@x.example", False, bob["id"])
    assert client.ask("GET", path)[1]["emails"][0]["value"] == "ada@home.example"
    # What somebody changes here, the client sees.
    api.call("PATCH", f"/users/{ada['id']}", {"jobTitle": "Founder", "city": "Paris"})
    found = client.ask("GET", path)[1]
    assert found["title"] == "Founder" and found["addresses"][0]["locality"] == "Paris"
    status, put = client.ask("PUT", path, {"schemas": [USER], "userName": "ada@x.example", "displayName": "A"})
    assert status == 200 and "title" not in put and "emails" not in put
    person = api.get(f"/users/{ada['id']}?$expand=manager")
    assert (person["displayName"], person["jobTitle"], person["mail"]) == ("A", None, None)
    assert person.get("manager") is None
    # Nobody is switched on by what is left out.
    bare = {"schemas": [USER], "userName": "ada@x.example"}
    for ask, shown in (
        (lambda: client.ask("PUT", path, bare), False),
        (lambda: client.patch(path, {"op": "remove", "path": "active"}), None),
        (lambda: client.patch(path, {"op": "replace", "path": "nickName", "value": "A"}), None),
        (lambda: client.patch(path, {"op": "replace", "path": "active", "value": None}), None),
        (lambda: client.ask("PUT", path, bare), False),
    ):
        status, _ = ask()
        assert status in (200, 204)
        assert api.get(f"/users/{ada['id']}")["accountEnabled"] is False
        assert client.ask("GET", path)[1].get("active") is shown
    assert client.ask("PUT", path, {**bare, "active": True})[1]["active"] is True
    # Of somebody who is on it goes, and whoever switches them off shows it again.
    client.patch(path, {"op": "remove", "path": "active"})
    assert "active" not in client.ask("GET", path)[1]
    assert api.get(f"/users/{ada['id']}")["accountEnabled"] is True


def test_who_is_deleted_is_restorable_and_comes_back_when_created_anew(played: tuple[Client, LocalApi]) -> None:
    client, api = played
    ada = client.make("ada@x.example", **ADA)
    assert client.ask("DELETE", f"/Users/{ada['id']}")[0] == 204
    assert client.ask("GET", f"/Users/{ada['id']}")[0] == 404
    assert [each["id"] for each in api.get("/directory/deletedItems/microsoft.graph.user")["value"]] == [ada["id"]]
    back = client.make("ada@x.example", displayName="Ada Again")
    assert back["id"] == ada["id"] and api.get(f"/users/{ada['id']}")["displayName"] == "Ada Again"


def test_who_comes_with_the_name_of_somebody_who_left_but_another_number_is_somebody_else(
    played: tuple[Client, LocalApi],
) -> None:
    client, api = played
    ada = client.make("ada@x.example", **{ENTERPRISE: {"employeeNumber": "A-1"}})
    client.ask("DELETE", f"/Users/{ada['id']}")
    other = {"schemas": [USER], "userName": "ada@x.example", ENTERPRISE: {"employeeNumber": "A-2"}}
    status, said = client.ask("POST", "/Users", other)
    assert (status, said["scimType"]) == (409, "uniqueness")
    assert "(employeeNumber A-1)" in said["detail"] and "(employeeNumber A-2)" in said["detail"]
    assert "recycle bin" in said["detail"] and client.ask("GET", f"/Users/{ada['id']}")[0] == 404
    api.call("DELETE", f"/directory/deletedItems/{ada['id']}")
    assert client.ask("POST", "/Users", other)[1]["id"] != ada["id"]


def test_who_comes_back_as_another_of_the_client_s_people_has_no_password(
    played: tuple[Client, LocalApi], tmp_path: Path
) -> None:
    client, api = played
    ada = client.make("ada@x.example", externalId="hr-1")
    profile = {"password": "correct horse battery 7", "forceChangePasswordNextSignIn": False}
    api.call("PATCH", f"/users/{ada['id']}", {"passwordProfile": profile})
    for external_id, has_password in (("hr-1", True), ("hr-2", False)):
        client.ask("DELETE", f"/Users/{ada['id']}")
        assert client.make("ada@x.example", externalId=external_id)["id"] == ada["id"]
        with closing(sqlite3.connect(tmp_path / "muster.db")) as database:
            ((kept,),) = database.execute("SELECT password_hash FROM person_credentials").fetchall()
        assert (kept is not None) is has_password


def test_what_a_client_gave_goes_with_who_is_deleted_for_good(played: tuple[Client, LocalApi], tmp_path: Path) -> None:
    client, api = played
    ada = client.make("ada@x.example", **ADA)
    client.ask("DELETE", f"/Users/{ada['id']}")
    api.call("DELETE", f"/directory/deletedItems/{ada['id']}")
    anew = client.make("ada@x.example")
    assert anew["id"] != ada["id"] and "title" not in anew
    with closing(sqlite3.connect(tmp_path / "muster.db")) as database:
        kept = [row[0] for row in database.execute("SELECT content FROM scim_records")]
    assert len(kept) == 1 and b"Dr." not in kept[0]


def test_groups_and_members(played: tuple[Client, LocalApi]) -> None:
    client, api = played
    ada, bob = client.make("ada@x.example")["id"], client.make("bob@x.example")["id"]
    status, group = client.ask(
        "POST", "/Groups", {"schemas": [GROUP], "displayName": "Sales", "members": [{"value": ada}]}
    )
    assert status == 201 and [each["value"] for each in group["members"]] == [ada]
    path = f"/Groups/{group['id']}"
    assert client.patch(path, {"op": "add", "path": "members", "value": [{"value": bob}]})[0] == 204
    assert client.patch(path, {"op": "remove", "path": f'members[value eq "{ada}"]'})[0] == 204
    assert [each["id"] for each in api.get(f"/groups/{group['id']}/members")["value"]] == [bob]
    assert client.find("Groups", "displayName%20eq%20%22sales%22")[0]["id"] == group["id"]
    assert client.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "SALES"})[0] == 409
    unknown = {"op": "add", "path": "members", "value": [{"value": "nobody"}]}
    assert client.patch(path, unknown)[0] == 400
    assert client.patch(path, {"op": "add", "path": "members", "value": [{"value": ada}]})[0] == 204
    assert client.ask("PUT", path, {"schemas": [GROUP], "displayName": "Sales", "members": []})[0] == 200
    assert api.get(f"/groups/{group['id']}/members")["value"] == []
    # However many go, it is one change; whoever is no member is passed over.
    latest = api.get("/auditLogs/directoryAudits?$top=1")["value"][0]
    assert latest["activityDisplayName"] == "Remove member from group"
    gone = {each["oldValue"] for each in latest["targetResources"][0]["modifiedProperties"]}
    assert gone == {ada, bob}
    assert client.patch(path, {"op": "remove", "path": f'members[value eq "{ada}"]'})[0] == 204
    assert client.ask("DELETE", path)[0] == 204 and client.ask("GET", path)[0] == 404


def test_a_list_is_paged_sorted_and_filtered(played: tuple[Client, LocalApi]) -> None:
    client, _ = played
    for number in range(25):
        client.make(f"p{number:02}@x.example", title="even" if number % 2 == 0 else "odd")
    _, page = client.ask("GET", "/Users?startIndex=11&count=10")
    assert page["totalResults"] == 25 and [each["userName"][:3] for each in page["Resources"]][:2] == ["p10", "p11"]
    _, page = client.ask("GET", "/Users?filter=title%20eq%20%22odd%22&sortBy=userName&sortOrder=descending&count=2")
    assert page["totalResults"] == 12 and [each["userName"][:3] for each in page["Resources"]] == ["p23", "p21"]
    _, page = client.ask("GET", "/Users?cursor&count=20")
    _, rest = client.ask("GET", f"/Users?cursor={page['nextCursor']}&count=20")
    assert len(page["Resources"]) == 20 and len(rest["Resources"]) == 5 and "nextCursor" not in rest


def test_what_cannot_be_is_refused_and_changes_nothing(played: tuple[Client, LocalApi]) -> None:
    client, api = played
    ada = client.make("ada@x.example")
    for status, name, document in (
        (409, "taken", {"schemas": [USER], "userName": "ADA@x.example"}),
        (400, "blank", {"schemas": [USER], "userName": "a b@x.example"}),
        (400, "long", {"schemas": [USER], "userName": f"{'a' * 120}@x.example"}),
        (400, "none", {"schemas": [USER], "displayName": "A"}),
        (400, "manager", {"schemas": [USER], "userName": "c@x.example", ENTERPRISE: {"manager": {"value": "no"}}}),
    ):
        assert client.ask("POST", "/Users", document)[0] == status, name
    assert client.ask("PATCH", f"/Users/{ada['id']}", {"schemas": [PATCH], "Operations": []}, if_match='W/"9.9"')[
        0
    ] in (400, 412)
    assert len(api.get("/users")["value"]) == 1


def test_a_token_without_the_role_reads_at_most(played: tuple[Client, LocalApi], tmp_path: Path) -> None:
    client, api = played
    made = client.make("ada@x.example")
    token = api.call("POST", "/tokens", {"name": "reader", "roles": ["Global Reader"]})
    reader = Client(client.site, token.get("secretText") or token["token"])
    assert reader.ask("GET", f"/Users/{made['id']}")[0] == 200
    assert reader.ask("POST", "/Users", {"schemas": [USER], "userName": "b@x.example"})[0] == 403
    assert reader.ask("DELETE", f"/Users/{made['id']}")[0] == 403
    assert Client(client.site, "wrong").ask("GET", "/Users")[0] == 401


def test_what_a_source_supplies_a_client_cannot_change(tmp_path: Path) -> None:
    with open_installation(tmp_path / "data") as api:
        source = FolderSource(api, tmp_path / "data" / "imports" / "hr")
        source.connect()
        source.start()
        source.put("01.csv", HEAD + "".join(PEOPLE.values()))
        source.run()
        client = Client(api._application, api._token)
        found = client.find("Users", "userName%20eq%20%22p2@lantaarn.example%22")[0]
        department = f"{ENTERPRISE}:department"
        status, said = client.patch(f"/Users/{found['id']}", {"op": "replace", "path": department, "value": "Law"})
        assert status == 400 and "comes from the source HR" in said["detail"]
        # What it does not supply is free.
        status, _ = client.patch(f"/Users/{found['id']}", {"op": "replace", "path": "title", "value": "Chief"})
        assert status == 200 and api.get(f"/users/{found['id']}")["jobTitle"] == "Chief"


def test_another_installation_provisions_into_this_one(tmp_path: Path) -> None:
    """Their outbound job, our `/scim/v2`: hire, change, manager, group, leaver."""
    with service(tmp_path / "ours") as ours, open_installation(tmp_path / "theirs", allow_targets="127.0.0.0/8") as api:
        made = api.call("POST", "/applicationTemplates/scim/instantiate", {"displayName": "Ours"})
        sync = f"/servicePrincipals/{made['servicePrincipal']['id']}/synchronization"
        secrets = {"BaseAddress": f"{ours.url}/scim/v2", "SecretToken": ours.token, "SyncAll": "true"}
        value = [{"key": key, "value": text} for key, text in secrets.items()]
        api.call("PUT", f"{sync}/secrets", {"value": value})
        job = f"{sync}/jobs/{api.call('POST', f'{sync}/jobs', {'templateId': 'scim'})['id']}"
        people = {}
        for name in ("ada", "bob"):
            person = {"displayName": name, "userPrincipalName": f"{name}@x.example", "mailNickname": name}
            people[name] = api.call("POST", "/users", {**person, "accountEnabled": True, "department": "Law"})["id"]
        manager = {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{people['ada']}"}
        api.call("PUT", f"/users/{people['bob']}/manager/$ref", manager)
        api.call("POST", f"{job}/validateCredentials", {"useSavedCredentials": True})
        api.call("POST", f"{job}/start")

        def run() -> None:
            work = api.call("POST", f"{job}/cycles")
            assert eventually(lambda: api.get(f"/work/{work['id']}")["state"] == "done")

        def there() -> dict[str, Any]:
            found = ours.api.get("/users?$top=999&$expand=manager")["value"]
            return {each["userPrincipalName"]: each for each in found}

        run()
        assert {"ada@x.example", "bob@x.example"} <= set(there())
        assert there()["bob@x.example"]["department"] == "Law"
        assert there()["bob@x.example"]["manager"]["id"] == there()["ada@x.example"]["id"]
        api.call("PATCH", f"/users/{people['ada']}", {"department": "Sales"})
        api.call("PATCH", f"/users/{people['bob']}", {"accountEnabled": False})
        run()
        assert there()["ada@x.example"]["department"] == "Sales"
        assert there()["bob@x.example"]["accountEnabled"] is False
