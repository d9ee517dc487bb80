"""Files in a folder as a source: added by the API, read, planned, carried into the directory; leavers leave."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faces.played_sources import HEAD, PEOPLE, FolderSource, open_installation
from muster.cli.api import ApiError
from waiting import eventually


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[FolderSource]:
    with open_installation(tmp_path) as api:
        yield FolderSource(api, tmp_path / "imports" / "hr")


def test_snapshots_hire_change_and_let_go(installation: FolderSource) -> None:
    installation.connect()
    installation.api.call("POST", f"{installation.job_path}/validateCredentials", {"useSavedCredentials": True})
    installation.start()
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


def test_a_file_without_the_column_leaves_managers_as_they_are(installation: FolderSource) -> None:
    installation.connect()
    installation.start()
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    rows = [f"{number},p{number}@lantaarn.example,Person {number}\n" for number in PEOPLE]
    installation.put("02.csv", "employeeId,userPrincipalName,displayName\n" + "".join(rows))
    installation.run()
    users = installation.users()
    assert users["2"]["manager"]["id"] == users["1"]["id"]
    installation.put("03.csv", HEAD + "".join(row.replace("Sales,1\n", "Sales,\n") for row in PEOPLE.values()))
    installation.run()
    assert installation.users()["2"]["manager"] is None


def test_half_a_file_removes_nobody_and_says_why(installation: FolderSource) -> None:
    installation.connect()
    installation.start()
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    half = [PEOPLE[number] for number in range(1, 6)]
    installation.put("02.csv", HEAD + "".join(half) + "11,p11@lantaarn.example,New,Sales,1\n")
    counters = installation.run()
    assert (counters["created"], counters["disabled"]) == (1, 0)
    assert len(installation.users()) == 11
    assert any("5 of 10 are missing (50%" in sentence for sentence in installation.problems())


@pytest.mark.parametrize(
    ("head", "leavers"),
    [("employeeId,userPrincipalName,salary", 1), ("employeId,userPrincipalName,displayName", 0)],
)
def test_whoever_is_missing_leaves_though_a_column_is_unknown_unless_it_may_say_who_is_who(
    installation: FolderSource, head: str, leavers: int
) -> None:
    # So that nothing but the column keeps anybody.
    installation.set(MissingShareThreshold="1")
    installation.connect()
    installation.start()
    rows = [f"{number},p{number}@lantaarn.example,100\n" for number in PEOPLE]
    installation.put("01.csv", "employeeId,userPrincipalName,displayName\n" + "".join(rows))
    installation.run()
    installation.put("02.csv", f"{head}\n" + "".join(rows[:-1]))
    counters = installation.run()
    assert counters["disabled"] == leavers
    assert len(installation.users()) == len(PEOPLE) - leavers
    # A column that costs nobody anything is told, and fails nothing.
    assert (counters["failed"] == 0) is bool(leavers)
    told = installation.api.get(f"{installation.job_path}/mirror")["problems"]
    assert any("is no attribute of a user" in sentence for sentence in told)


def test_a_file_that_cannot_be_read_goes_aside_and_says_why(installation: FolderSource) -> None:
    installation.connect()
    installation.start()
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    installation.run()
    installation.put("02.json", '{"users": [')
    installation.run()
    (moved, told) = sorted((installation.folder / "failed").iterdir())
    assert moved.name.startswith("02.") and "no JSON" in told.read_text()
    assert any("02.json" in sentence for sentence in installation.problems())
    assert len(installation.users()) == 10


def test_a_file_that_is_being_written_waits(installation: FolderSource) -> None:
    installation.connect()
    installation.start()
    (installation.folder / "01.csv.part").write_text(HEAD)
    far = installation.folder / "02.csv"
    far.write_text(HEAD + PEOPLE[1])
    installation.run()
    assert far.exists()


def test_changes_add_update_and_remove_whom_they_name(installation: FolderSource) -> None:
    installation.connect(FileContent="changes")
    installation.start()
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
    # Whoever is called by another of their names is the same, and a name that nobody has is told.
    head = "userPrincipalName,isSoftDeleted\n"
    installation.put("03.csv", f"{head}P4@lantaarn.example,true\nnobody@lantaarn.example,1\n")
    counters = installation.run()
    assert (counters["disabled"], counters["failed"]) == (1, 1) and "4" not in installation.users()
    assert any("03.csv: Line 3: no earlier file has “nobody@" in sentence for sentence in installation.problems())
    leaver = "dn: uid=p5,dc=x\nchangetype: delete\nobjectClass: inetOrgPerson\nmail: p5@lantaarn.example\n"
    installation.put("04.ldif", leaver)
    assert installation.run()["disabled"] == 1 and "5" not in installation.users()
    # Those who are gone are known; whoever has another number is somebody else.
    installation.put("05.csv", f"employeeId,{head}5,p5@lantaarn.example,1\n77,p6@lantaarn.example,1\n")
    counters = installation.run()
    assert (counters["disabled"], counters["failed"]) == (0, 1) and len(installation.users()) == 7


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("/etc", "no folder that files may be read from"),
        ("/nowhere/at/all", "no folder that files may be read from"),
        ("nowhere", "cannot be opened"),
        ("../..", "may be read from"),
    ],
)
def test_a_folder_that_may_not_be_read_is_refused(installation: FolderSource, folder: str, said: str) -> None:
    installation.connect(Server=folder)
    with pytest.raises(ApiError, match=said):
        installation.api.call("POST", f"{installation.job_path}/validateCredentials", {"useSavedCredentials": True})


def test_a_source_without_its_folder_is_not_started(installation: FolderSource) -> None:
    with pytest.raises(ApiError, match=r"no Folder \(Server\) yet"):
        installation.api.call("POST", f"{installation.job_path}/start")


def test_a_plan_says_what_the_next_file_would_do(installation: FolderSource) -> None:
    installation.connect()
    installation.put("01.csv", HEAD + "".join(PEOPLE.values()))
    work = installation.api.call("POST", f"{installation.job_path}/plans")
    assert eventually(lambda: installation.api.get(f"/work/{work['id']}")["state"] == "done")
    plan = installation.api.get(f"/work/{work['id']}")["answer"]["hash"]
    shown = installation.api.get(f"{installation.job_path}/plans/{plan}")
    assert shown["counters"]["created"] == 10
    assert installation.users() == {}


def test_a_manager_who_is_refused_is_not_tried_with_every_look_at_the_source(installation: FolderSource) -> None:
    installation.connect()
    installation.start()
    installation.put("01.csv", HEAD + PEOPLE[1] + "2,p2@lantaarn.example,Person 2,Sales,2\n")
    counters = installation.run()
    assert (counters["created"], counters["failed"]) == (2, 1)
    assert any("their own manager" in sentence for sentence in installation.problems())
    assert installation.run() is None


def test_groups_within_groups_of_an_ldif_file_are_so_in_the_directory_and_leave_again(
    installation: FolderSource,
) -> None:
    person = "objectClass: inetOrgPerson\nuid: {0}\ncn: {0}\nmail: {0}@lantaarn.example\nemployeeNumber: {0}\n\n"
    staff = "".join(f"dn: uid={name},dc=x\n{person.format(name)}" for name in ("ada", "bob"))
    group = "dn: cn={0},dc=x\nobjectClass: groupOfNames\ncn: {0}\nmember: uid={1},dc=x\n"
    sales, everyone = group.format("Sales", "bob"), group.format("Everyone", "ada")

    def members(name: str, through: str = "members") -> set[str]:
        (found,) = installation.api.get(f"/groups?$filter=displayName%20eq%20'{name}'")["value"]
        return {each["displayName"] for each in installation.api.get(f"/groups/{found['id']}/{through}")["value"]}

    installation.connect()
    installation.start()
    installation.put("01.ldif", f"{staff}{everyone}member: cn=Sales,dc=x\n\n{sales}")
    assert installation.run()["created"] == 4
    assert members("Everyone") == {"ada", "Sales"} and members("Sales") == {"bob"}
    assert members("Everyone", "transitiveMembers") == {"ada", "bob", "Sales"}
    installation.put("02.ldif", f"{staff}{everyone}\n{sales}")
    installation.run()
    assert members("Everyone") == {"ada"} and members("Sales") == {"bob"}


@pytest.mark.parametrize("name", ["02.ldif", "02.csv"])
def test_a_group_that_a_file_calls_deleted_leaves_and_is_not_emptied_or_made(
    installation: FolderSource, name: str
) -> None:
    group = "objectClass: groupOfNames\ncn: {0}\nmember: uid=ada,dc=x\n\n"
    ada = "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nmail: ada@x.example\n\n"
    both = "".join(f"dn: cn={each},dc=x\n{group.format(each)}" for each in ("Law", "Sales"))
    gone = {
        "02.ldif": "".join(
            f"dn: cn={each},dc=x\nchangetype: delete\n{group.format(each)}" for each in ("Sales", "Unknown")
        ),
        "02.csv": "displayName,securityEnabled,isSoftDeleted\nSales,true,true\nUnknown,true,true\n",
    }
    installation.connect(FileContent="changes")
    installation.start()
    installation.put("01.ldif", f"{ada}{both}")
    assert installation.run()["created"] == 3
    installation.put(name, gone[name])
    installation.run()
    (left,) = installation.api.get("/groups")["value"]
    assert left["displayName"] == "Law"
    (member,) = installation.api.get(f"/groups/{left['id']}/members")["value"]
    assert member["displayName"] == "Ada"
