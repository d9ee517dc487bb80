"""Servers of other people, also through a proxy that breaks: everyone exactly once, and then at rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from played_foreign import FAULTS, Flaky, Foreign, NotHere, flaky, scim2_server, scimmy
from played_installation import (
    PlayedService,
    add_application,
    command,
    names_of,
    people_csv,
    service,
)

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PEOPLE = 30
# In bulk there are few requests that something can happen to: more of them are struck.
BREAKS, BREAKS_IN_BULK = 0.12, 0.3
ROUNDS = 12
# Rounds in a storm, at most, until each kind of fault has struck.
STORM_ROUNDS = 40


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedService]:
    with service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what has to be installed is, once for all tests."""
    return tmp_path_factory.mktemp("packages")


@contextmanager
def server(name: str, packages: Path) -> Iterator[Foreign]:
    try:
        with scim2_server() if name == "scim2-server" else scimmy(packages) as foreign:
            yield foreign
    except NotHere as reason:
        pytest.skip(str(reason))


class Company:
    """People of one department in the directory, and the application that carries them to a foreign server."""

    def __init__(self, running: PlayedService, foreign: Foreign, proxy: Flaky, folder: Path, mark: str) -> None:
        self.api, self.foreign, self.proxy = running.api, foreign, proxy
        self.names = [name.replace("@", f".{mark}@") for name in names_of(PEOPLE)]
        people = people_csv(folder / "people.csv", PEOPLE)
        people.write_text(people.read_text().replace("@", f".{mark}@"))
        assert command("import", people, "--data", running.folder, "--json").json["counters"]["created"] == PEOPLE
        secrets = {"BaseAddress": proxy.url, "SecretToken": foreign.token, "SyncAll": "false"}
        self.application = add_application(running.api, "Custom", **secrets)
        self.ids = {name: self.api.get(f"/users/{name}")["id"] for name in self.names}
        group = {
            "displayName": f"Crew {mark}",
            "mailEnabled": False,
            "mailNickname": f"c{mark}",
            "securityEnabled": True,
        }
        self.crew = self.api.post("/groups", group)["id"]
        for name in self.names:
            self.api.post(f"/groups/{self.crew}/members/$ref", {"@odata.id": f"/users/{self.ids[name]}"})
        self.assign(self.crew)

    def assign(self, principal: str) -> str:
        path = self.application.path
        role = self.api.get(path)["appRoles"][0]["id"]
        body = {"principalId": principal, "resourceId": self.application.service_principal_id, "appRoleId": role}
        return str(self.api.post(f"{path}/appRoleAssignedTo", body)["id"])

    def full(self) -> dict[str, Any]:
        """A full cycle at its end."""
        known = {cycle["id"] for cycle in self.application.cycles()}
        self.application.restart()
        return self.application.ended(known, within=180)

    def rest(self) -> None:
        """Full cycles until one has failed for nobody; then the second one writes nothing."""
        for _ in range(ROUNDS):
            cycle = self.full()
            if cycle["state"] == "Succeeded" and not cycle["counters"]["writes"]:
                break
        assert cycle["state"] == "Succeeded", (cycle, self.application.log(status="failure")[:3])
        before = self.proxy.writes
        cycle = self.full()
        assert cycle["state"] == "Succeeded", cycle
        assert self.proxy.writes == before, (cycle, self.application.log()[:3])

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Those of the company by name; nobody is there twice."""
        found = self.foreign.everybody()
        assert len({item["userName"].lower() for item in found}) == len(found), found
        return {item["userName"]: item for item in found}

    def change(self, number: int, **properties: Any) -> None:
        self.api.patch(f"/users/{self.ids[self.names[number]]}", properties)


@pytest.mark.parametrize("breaks", [False, True], ids=["in peace", "through a flaky proxy"])
@pytest.mark.parametrize("in_bulk", [False, True], ids=["one by one", "in bulk"])
@pytest.mark.parametrize("name", ["scim2-server", "SCIMMY"])
def test_everyone_is_there_once_and_a_second_cycle_writes_nothing(
    installation: PlayedService, packages: Path, tmp_path: Path, name: str, in_bulk: bool, breaks: bool
) -> None:
    with server(name, packages) as foreign, flaky(foreign.url) as proxy:
        foreign.ask("POST", "/Users", {"schemas": [USER], "userName": "stranger@other.example", "active": True})
        share = (BREAKS_IN_BULK if in_bulk else BREAKS) if breaks else 0.0
        mark = f"{name[:5].lower()}{int(share * 100)}{'b' if in_bulk else ''}"
        company = Company(installation, foreign, proxy, tmp_path, mark)
        if in_bulk:
            company.application.api.patch(f"{company.application.path}/synchronization/dialect", {"bulk": True})
        proxy.share = share
        company.application.start()
        company.application.ended(within=180)
        if in_bulk and not share:
            assert 0 < proxy.writes < PEOPLE
        settle(company)
        accounts = company.accounts()
        assert set(accounts) == {*company.names, "stranger@other.example"}
        assert all(accounts[each]["active"] for each in company.names)
        for number, each in enumerate(company.names[1:], 1):
            manager = accounts[each][ENTERPRISE]["manager"]["value"]
            assert manager == accounts[company.names[number // 10]]["id"]
        assert members(foreign) == {accounts[each]["id"] for each in company.names}

        proxy.share = share
        company.change(3, jobTitle="Chief", displayName="Zoë Chief")
        company.change(4, accountEnabled=False)
        company.api.delete(f"/users/{company.ids[company.names[5]]}")
        company.api.delete(f"/users/{company.ids[company.names[6]]}")
        company.api.delete(f"/directory/deletedItems/{company.ids[company.names[6]]}")
        company.api.delete(f"/groups/{company.crew}/members/{company.ids[company.names[7]]}/$ref")
        company.full()
        settle(company)
        accounts = company.accounts()
        active = {each: account["active"] for each, account in accounts.items() if each in company.names}
        assert (accounts[company.names[3]]["title"], accounts[company.names[3]]["displayName"]) == (
            "Chief",
            "Zoë Chief",
        )
        assert [each for each in company.names if not active.get(each)] == company.names[4:8]
        assert company.names[6] not in accounts
        assert accounts["stranger@other.example"]["active"] is True
        gone = {accounts[each]["id"] for each in (company.names[5], company.names[7])}
        assert not members(foreign) & gone
        company.application.pause()


def settle(company: Company) -> None:
    """More rounds in the storm until it has done everything it can, then the storm is over."""
    proxy = company.proxy
    if proxy.share:
        before = proxy.struck.copy()
        for _ in range(STORM_ROUNDS):
            company.full()
            if all(proxy.struck[fault] > before[fault] for fault in FAULTS):
                break
        # Each cycle sends two requests at least, and each kind comes up before any comes again.
        assert set(proxy.struck - before) == set(FAULTS), proxy.struck
    proxy.share = 0.0
    company.rest()


def members(foreign: Foreign) -> set[str]:
    groups = foreign.everybody("Groups")
    assert len(groups) == 1, groups
    return {member["value"] for member in groups[0].get("members") or ()}
