"""`muster import`: what a file does, said before and after."""

import json
from pathlib import Path
from typing import Any

import pytest

from muster.bootstrap.house import open_house
from muster.cli.console import Failed
from muster.cli.directory import import_
from muster.model.directory import ObjectKind
from muster.ports.cycles import LogQuery
from muster.ports.directory import DirectoryQuery
from muster.settings import load_settings

ROWS = "userPrincipalName,displayName\nada@lantaarn.example,Ada Long\n,Nobody\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an empty directory, and a file whose line 3 is wrong."""
    open_house(load_settings(data=tmp_path), tmp_path).database.close()
    (tmp_path / "people.csv").write_text(ROWS)
    return tmp_path


def test_a_preview_names_the_rows_that_the_import_leaves_out(folder: Path, capsys: Any) -> None:
    with pytest.raises(Failed, match=r"1 entry of people.csv would not be imported; the others would"):
        import_(folder / "people.csv", plan=True, data=folder)
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("Line 3, column 1 (userPrincipalName)", "1 created", "1 failed", "Ada Long", "1 hire, 1 conflict"):
        assert text in shown
    with pytest.raises(Failed, match=r"1 entry was not imported from people.csv; the others were"):
        import_(folder / "people.csv", data=folder)
    assert "Line 3, column 1 (userPrincipalName)" in " ".join(capsys.readouterr().out.split())


def test_it_is_said_which_character_set_was_guessed(folder: Path, capsys: Any) -> None:
    file = folder / "people.csv"
    file.write_bytes("userPrincipalName,displayName\nzoe@x.example,Zoë\n".encode("cp1252"))
    import_(file, plan=True, data=folder)
    assert "read as Windows-1252" in " ".join(capsys.readouterr().out.split())
    import_(file, data=folder)
    assert "read as Windows-1252" in " ".join(capsys.readouterr().out.split())
    import_(file, data=folder, as_json=True)
    (told,) = json.loads(capsys.readouterr().out)["notices"]
    assert "“Zoë”" in told


@pytest.mark.parametrize("names", ["bcd", "bac", "cab"])
def test_names_pass_from_one_to_the_next_in_one_file(folder: Path, names: str) -> None:
    """Along a row, exchanged, and around in a circle."""
    head, file = "employeeId,userPrincipalName,displayName\n", folder / "people.csv"
    for given in ("abc", names):
        file.write_text(head + "".join(f"{number},{name}@x.example,{number}\n" for number, name in enumerate(given)))
        import_(file, data=folder)
    house = open_house(load_settings(data=folder), folder)
    found = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER)).objects
    by_number = {str(each.attributes["employeeId"]): str(each.attributes["userPrincipalName"])[0] for each in found}
    house.database.close()
    assert "".join(by_number[str(number)] for number in range(len(names))) == names


def test_a_name_that_is_given_up_in_the_same_file_goes_to_somebody_new_at_the_next_import(
    folder: Path, capsys: Any
) -> None:
    head, file = "employeeId,userPrincipalName,displayName\n", folder / "people.csv"
    file.write_text(f"{head}1,a@x.example,One\n")
    import_(file, data=folder)
    file.write_text(f"{head}1,b@x.example,One\n2,a@x.example,Two\n")
    with pytest.raises(Failed, match="1 entry was not imported"):
        import_(file, data=folder)
    assert "import the file again" in " ".join(capsys.readouterr().out.split())
    import_(file, data=folder)


def test_a_text_that_is_too_long_is_named_by_line_and_column(folder: Path, capsys: Any) -> None:
    file = folder / "people.csv"
    file.write_text(f"userPrincipalName,displayName\nada@x.example,Ada\nbob@x.example,{'B' * 300}\n")
    with pytest.raises(Failed, match="1 entry was not imported"):
        import_(file, data=folder)
    said = " ".join(capsys.readouterr().out.split())
    assert "Line 3, column 2 (displayName): takes at most 256 characters. The row is not read." in said


def test_an_unknown_manager_takes_nobody_s_manager_away(folder: Path, capsys: Any) -> None:
    head, file = "userPrincipalName,displayName,manager\n", folder / "people.csv"

    def put(manager: str) -> tuple[str | None, str]:
        file.write_text(f"{head}ada@x.example,Ada,{manager}\n")
        import_(file, data=folder)
        said = " ".join(capsys.readouterr().out.split())
        house = open_house(load_settings(data=folder), folder)
        directory, log = house.store.directory, house.store.log
        ada = directory.get(ObjectKind.USER, "ada@x.example")
        assert ada is not None
        told = [each.reason or "" for each in log.search(LogQuery(status="warning"))[0]]
        found = None if ada.manager_id is None else directory.by_ids([ada.manager_id])[0].display_name
        house.database.close()
        return found, said + " ".join(told)

    file.write_text(f"{head}boss@x.example,Boss,\nada@x.example,Ada,boss@x.example\n")
    import_(file, data=folder)
    manager, said = put("nobody@x.example")
    assert manager == "Boss" and "1 manager not found yet: nobody@x.example" in said
    assert "Ada: the manager “nobody@x.example” is not known, so the one who is there stays." in said
    # Whoever names none takes it away, and whoever comes later is set.
    file.write_text(f"{head}nobody@x.example,New,boss@x.example\n")
    import_(file, data=folder)
    assert put("nobody@x.example")[0] == "New"
    assert put("")[0] is None


def test_a_manager_who_is_not_there_yet_is_named_until_they_come(folder: Path, capsys: Any) -> None:
    file = folder / "people.csv"
    file.write_text("userPrincipalName,displayName,manager\nada@lantaarn.example,Ada,boss@lantaarn.example\n")
    import_(file, plan=True, data=folder)
    assert "1 manager not found yet: boss@lantaarn.example." in " ".join(capsys.readouterr().out.split())
    import_(file, data=folder)
    assert "1 manager not found yet: boss@lantaarn.example." in " ".join(capsys.readouterr().out.split())
    import_(file, plan=True, data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["managersNotFound"] == {"count": 1, "names": ["boss@lantaarn.example"]}
    import_(file, data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["managersNotFound"] == {"count": 1, "names": ["boss@lantaarn.example"]}
    file.write_text("userPrincipalName,displayName,manager\nboss@lantaarn.example,Boss,\n")
    import_(file, plan=True, data=folder)
    import_(file, data=folder)
    assert "not found" not in capsys.readouterr().out


def test_a_preview_as_json_holds_the_same_problems_as_the_import(folder: Path, capsys: Any) -> None:
    with pytest.raises(Failed):
        import_(folder / "people.csv", plan=True, data=folder, as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert planned["counters"]["failed"] == 1
    assert [item["kind"] for item in planned["operations"]] == ["create", "fail"]
    assert len(planned["problems"]) == 1
    assert planned["problems"][0].startswith("Line 3, column 1 (userPrincipalName)")


def test_a_preview_of_nothing_but_wrong_rows_does_not_say_that_all_is_well(folder: Path, capsys: Any) -> None:
    (folder / "people.csv").write_text("userPrincipalName,displayName\n,Nobody\n")
    with pytest.raises(Failed, match=r"1 entry of people.csv would not"):
        import_(folder / "people.csv", plan=True, data=folder)
    assert "Nothing to do" not in capsys.readouterr().out


def test_a_problem_of_an_import_names_whom_it_is_about(folder: Path, capsys: Any) -> None:
    file = folder / "people.csv"
    file.write_text("employeeId,userPrincipalName,displayName,manager\n7,ada@lantaarn.example,Ada Long,7\n")
    with pytest.raises(Failed, match="1 entry was not imported"):
        import_(file, data=folder, as_json=True)
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith("Ada Long (7): Nobody can be their own manager. Correct the row")


def test_people_of_an_ldif_file_are_imported_with_groups_within_groups(folder: Path, capsys: Any) -> None:
    file = folder / "staff.ldif"
    file.write_text(
        "dn: uid=ada,dc=x\nobjectClass: inetOrgPerson\ncn: Ada\nmail: ada@lantaarn.example\n\n"
        "dn: cn=All,dc=x\nobjectClass: groupOfNames\ncn: All\nmember: cn=Sales,dc=x\n\n"
        "dn: cn=Sales,dc=x\nobjectClass: groupOfNames\ncn: Sales\nmember: uid=ada,dc=x\n"
    )
    import_(file, data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["counters"]["created"] == 3
    house = open_house(load_settings(data=folder), folder)
    groups = house.store.directory.search(DirectoryQuery(kind=ObjectKind.GROUP)).objects
    by_name = {str(each.attributes["displayName"]): each.object_id for each in groups}
    within = house.store.directory.members(by_name["All"], None, 10).objects
    house.database.close()
    assert [each.object_id for each in within] == [by_name["Sales"]]
    # What is not said of one group is not taken for nobody where another one has members.
    file = folder / "groups.json"
    file.write_text(
        '{"groups": [{"displayName": "All", "mail": "all@x.example"}, {"displayName": "Sales", "members": []}]}'
    )
    import_(file, data=folder)
    house = open_house(load_settings(data=folder), folder)
    directory = house.store.directory
    left = {name: directory.members(group_id, None, 10).objects for name, group_id in by_name.items()}
    house.database.close()
    assert [each.object_id for each in left["All"]] == [by_name["Sales"]] and not left["Sales"]
