"""Files in a folder as a source: added by the API, read, planned, carried into the directory; leavers leave."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster.bootstrap.house import open_house
from muster.bootstrap.local import open_site
from muster.cli.api import ApiError, LocalApi
from muster.settings import load_settings
from waiting import eventually

HEAD = "employeeId,userPrincipalName,displayName,department,manager\n"
PEOPLE = {
    number: f"{number},p{number}@lantaarn.example,Person {number},Sales,{'' if number == 1 else 1}\n"
    for number in range(1, 11)
}


class Installation:
    """An installation with one source over a folder."""

    def __init__(self, api: LocalApi, folder: Path) -> None:
        self.api = api
        self.folder = folder
        made = api.call("POST", "/applicationTemplates/folder/instantiate", {"displayName": "HR"})
        self.sp = made["servicePrincipal"]["id"]
        self.sync = f"/servicePrincipals/{self.sp}/synchronization"
        self.job = api.call("POST", f"{self.sync}/jobs", {"templateId": "folder"})["id"]
        self.job_path = f"{self.sync}/jobs/{self.job}"

    def connect(self, **values: str) -> None:
        given = {"Server": "hr", **values}
        body = {"value": [{"key": key, "value": value} for key, value in given.items()]}
        self.api.call("PUT", f"{self.sync}/secrets", body)

    def put(self, name: str, text: str) -> None:
        """A file that was written a while ago."""
        path = self.folder / name
        path.write_text(text)
        os.utime(path, (1_000_000_000, 1_000_000_000))

    def run(self) -> Any:
        """A cycle now; its counters, or None when there was nothing to do."""
        return self._answer(self.api.call("POST", f"{self.job_path}/cycles"))

    def _answer(self, work: Any) -> Any:
        assert eventually(lambda: self.api.get(f"/work/{work['id']}")["state"] not in ("queued", "running"))
        done = self.api.get(f"/work/{work['id']}")
        assert done["state"] == "done", done
        return done["answer"].get("counters")

    def users(self) -> dict[str, Any]:
        return {each["employeeId"]: each for each in self.api.get("/users?$top=999&$expand=manager")["value"]}

    def problems(self) -> list[str]:
        found = self.api.get(f"/auditLogs/provisioning?$filter=jobId%20eq%20'{self.job}'")["value"]
        told = [each["provisioningStatusInfo"]["errorInformation"] for each in found]
        return [each["reason"] for each in told if each]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    settings = load_settings(data=tmp_path)
    open_house(settings, tmp_path).database.close()
    folder = tmp_path / "imports" / "hr"
    folder.mkdir(parents=True)
    with open_site(settings) as (site, secret):
        yield Installation(LocalApi(site, secret), folder)


def test_snapshots_hire_change_and_let_go(installation: Installation) -> None:
    installation.connect()
    installation.api.call("POST", f"{installation.job_path}/validateCredentials", {"useSavedCredentials": True})
    installation.api.call("POST", f"{installation.job_path}/start")
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    assert installation.run()["created"] == 10
    users = installation.users()
    assert set(users) == {str(number) for number in PEOPLE}
    assert users["2"]["manager"]["id"] == users["1"]["id"]
    assert [path.name.split(".")[0] for path in (installation.folder / "processed").iterdir()] == ["01"]
    assert installation.run() is None
    left = {**PEOPLE, 3: PEOPLE[3].replace("Sales", "Law")}
    del left[10]
    installation.put("02.csv", HEAD + "".join(left.values()))
    counters = installation.run()
    assert (counters["updated"], counters["disabled"], counters["created"]) == (1, 1, 0)
    assert set(installation.users()) == {str(number) for number in range(1, 10)}
    assert installation.users()["3"]["department"] == "Law"
    # Who comes back is the same person, out of the recycle bin.
    before = users["10"]["id"]
    installation.put("03.csv", HEAD + "".join(PEOPLE.values()))
    assert installation.run()["updated"] == 2
    assert installation.users()["10"]["id"] == before


def test_half_a_file_removes_nobody_and_says_why(installation: Installation) -> None:
    installation.connect()
    installation.api.call("POST", f"{installation.job_path}/start")
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    half = [PEOPLE[number] for number in range(1, 6)]
    installation.put("02.csv", HEAD + "".join(half) + "11,p11@lantaarn.example,New,Sales,1\n")
    counters = installation.run()
    assert (counters["created"], counters["disabled"]) == (1, 0)
    assert len(installation.users()) == 11
    assert any("5 of 10 are missing (50%" in sentence for sentence in installation.problems())


def test_a_file_that_cannot_be_read_goes_aside_and_says_why(installation: Installation) -> None:
    installation.connect()
    installation.api.call("POST", f"{installation.job_path}/start")
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    installation.put("02.json", '{"users": [')
    installation.run()
    (moved, told) = sorted((installation.folder / "failed").iterdir())
    assert moved.name.startswith("02.") and "no JSON" in told.read_text()
    assert any("02.json" in sentence for sentence in installation.problems())
    assert len(installation.users()) == 10


def test_a_file_that_is_being_written_waits(installation: Installation) -> None:
    installation.connect()
    installation.api.call("POST", f"{installation.job_path}/start")
    (installation.folder / "01.csv.part").write_text(HEAD)
    far = installation.folder / "02.csv"
    far.write_text(HEAD + PEOPLE[1])
    installation.run()
    assert far.exists()


def test_changes_add_update_and_remove_whom_they_name(installation: Installation) -> None:
    installation.connect(FileContent="changes")
    installation.api.call("POST", f"{installation.job_path}/start")
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    installation.put(
        "02.csv",
        "employeeId,userPrincipalName,jobTitle,isSoftDeleted\n"
        "2,p2@lantaarn.example,Chief,\n"
        "3,p3@lantaarn.example,,true\n",
    )
    counters = installation.run()
    assert (counters["updated"], counters["disabled"]) == (1, 1)
    users = installation.users()
    assert len(users) == 9 and "3" not in users
    assert (users["2"]["jobTitle"], users["2"]["department"]) == ("Chief", "Sales")


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/etc", "no folder that files may be read from"), ("nowhere", "cannot be opened"), ("../..", "may be read from")],
)
def test_a_folder_that_may_not_be_read_is_refused(installation: Installation, folder: str, said: str) -> None:
    installation.connect(Server=folder)
    with pytest.raises(ApiError, match=said):
        installation.api.call("POST", f"{installation.job_path}/validateCredentials", {"useSavedCredentials": True})


def test_a_source_without_its_folder_is_not_started(installation: Installation) -> None:
    with pytest.raises(ApiError, match=r"no Folder \(Server\) yet"):
        installation.api.call("POST", f"{installation.job_path}/start")


def test_a_plan_says_what_the_next_file_would_do(installation: Installation) -> None:
    installation.connect()
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    work = installation.api.call("POST", f"{installation.job_path}/plans")
    assert eventually(lambda: installation.api.get(f"/work/{work['id']}")["state"] == "done")
    plan = installation.api.get(f"/work/{work['id']}")["answer"]["hash"]
    shown = installation.api.get(f"{installation.job_path}/plans/{plan}")
    assert shown["counters"]["created"] == 10
    assert installation.users() == {}
