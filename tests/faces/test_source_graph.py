"""Microsoft Graph as a source, played by our own API as the server: everything, changes, removals, restores."""

from pathlib import Path

import pytest

from muster.cli.api import ApiError
from muster.model.roles import ROLE_IDS, Role
from played_installation import PlayedService, service
from played_outside import played_source

READER = ROLE_IDS[Role.GLOBAL_READER]


def registered(theirs: PlayedService) -> dict[str, str]:
    """A client of theirs that may read, and where it is spoken to."""
    api = theirs.api
    tenant = api.get("/organization")["value"][0]["id"]
    application = api.call("POST", "/applications", {"displayName": "Reader"})
    principal = api.get(f"/servicePrincipals(appId='{application['appId']}')")
    scope = {"principalId": principal["id"], "roleDefinitionId": READER, "directoryScopeId": "/"}
    api.call("POST", "/roleManagement/directory/roleAssignments", scope)
    body = {"passwordCredential": {"displayName": "first"}}
    secret = api.call("POST", f"/applications/{application['id']}/addPassword", body)["secretText"]
    return {
        "CompanyId": tenant,
        "ClientIdentifier": application["appId"],
        "ClientSecret": secret,
        "Server": f"{theirs.url}/v1.0",
        "Oauth2TokenExchangeUri": f"{theirs.url}/{{tenant}}/oauth2/v2.0/token",
    }


def make(theirs: PlayedService, name: str, **more: object) -> str:
    person = {"displayName": name, "userPrincipalName": f"{name}@x.example", "mailNickname": name, **more}
    return str(theirs.api.call("POST", "/users", {"accountEnabled": True, **person})["id"])


def set_manager(theirs: PlayedService, person: str, manager: str) -> None:
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/users/{manager}"}
    theirs.api.call("PUT", f"/users/{person}/manager/$ref", reference)


def fill(theirs: PlayedService) -> dict[str, str]:
    people = {name: make(theirs, name, department="Law") for name in ("ada", "bob", "eve")}
    set_manager(theirs, people["bob"], people["ada"])
    group = theirs.api.call(
        "POST",
        "/groups",
        {
            "displayName": "Sales",
            "securityEnabled": True,
            "mailEnabled": False,
            "mailNickname": "sales",
            "members@odata.bind": [f"{theirs.url}/v1.0/users/{people[name]}" for name in ("ada", "bob")],
        },
    )
    return {**people, "sales": str(group["id"])}


def test_people_groups_and_changes_come_by_delta_query(tmp_path: Path) -> None:
    with service(tmp_path / "theirs") as theirs, played_source(tmp_path / "ours", "microsoft-graph") as source:
        ids = fill(theirs)
        connection = registered(theirs)
        source.connect(**{**connection, "ClientSecret": "wrong"})
        with pytest.raises(ApiError, match="token endpoint"):
            source.start()
        source.connect(**connection)
        source.start()
        source.run()
        users = source.users()
        assert {"ada@x.example", "bob@x.example", "eve@x.example"} <= set(users)
        assert users["bob@x.example"]["department"] == "Law"
        assert users["bob@x.example"]["manager"]["id"] == users["ada@x.example"]["id"]
        assert source.members("Sales") == {"ada", "bob"}
        assert source.run() is None
        theirs.api.call("PATCH", f"/users/{ids['ada']}", {"department": "Sales", "accountEnabled": False})
        theirs.api.call("DELETE", f"/users/{ids['eve']}")
        set_manager(theirs, ids["ada"], ids["bob"])
        theirs.api.call("DELETE", f"/users/{ids['bob']}/manager/$ref")
        theirs.api.call("DELETE", f"/groups/{ids['sales']}/members/{ids['bob']}/$ref")
        before = users["eve@x.example"]["id"]
        source.run()
        users = source.users()
        assert "eve@x.example" not in users and source.members("Sales") == {"ada"}
        ada = users["ada@x.example"]
        assert (ada["department"], ada["accountEnabled"]) == ("Sales", False)
        assert ada["manager"]["id"] == users["bob@x.example"]["id"] and not users["bob@x.example"].get("manager")
        theirs.api.call("POST", f"/directory/deletedItems/{ids['eve']}/restore")
        source.run()
        assert source.users()["eve@x.example"]["id"] == before


def test_a_source_that_is_away_keeps_its_people(tmp_path: Path) -> None:
    with played_source(tmp_path / "ours", "microsoft-graph") as source:
        with service(tmp_path / "theirs") as theirs:
            fill(theirs)
            source.connect(**registered(theirs))
            source.start()
            source.run()
        count = len(source.users())
        source.api.call("POST", f"{source.job_path}/cycles")
        assert len(source.users()) == count >= 3


def test_an_address_of_ones_own_network_is_not_called(tmp_path: Path) -> None:
    with played_source(tmp_path / "ours", "microsoft-graph") as source:
        source.connect(
            CompanyId="t",
            ClientIdentifier="c",
            ClientSecret="s",
            Server="http://10.0.0.1/v1.0",
            Oauth2TokenExchangeUri="http://10.0.0.1/t",
        )
        with pytest.raises(ApiError, match=r"10\.0\.0\.1"):
            source.start()
