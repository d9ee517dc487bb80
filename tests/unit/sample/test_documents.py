import csv
import json
from pathlib import Path

import pytest

from muster.sample.__main__ import main
from muster.sample.documents import render_groups_csv, render_json, render_users_csv, shipped_document
from muster.sample.people import make_directory


def test_the_shipped_document_is_what_the_generator_makes() -> None:
    assert shipped_document() == render_json(make_directory())


def test_the_json_document_holds_sites_users_and_groups() -> None:
    document = json.loads(shipped_document())
    assert [len(document[name]) for name in ("sites", "users")] == [11, 1_000]
    assert document["sites"][0] == {
        "name": "Rotterdam HQ",
        "country": "NL",
        "city": "Rotterdam",
        "timezone": "Europe/Amsterdam",
    }


def test_the_csv_documents_hold_the_same_values() -> None:
    directory = make_directory(60)
    users = list(csv.DictReader(render_users_csv(directory).decode().splitlines()))
    assert [row["userPrincipalName"] for row in users] == [user["userPrincipalName"] for user in directory.users]
    assert users[0]["accountEnabled"] == "true"
    assert users[0]["proxyAddresses"] == ";".join(directory.users[0]["proxyAddresses"])
    groups = list(csv.DictReader(render_groups_csv(directory).decode().splitlines()))
    assert next(row for row in groups if row["displayName"] == "Empty group")["memberId"] == ""
    assert sum(1 for row in groups if row["memberId"]) == sum(len(group["members"]) for group in directory.groups)


@pytest.mark.parametrize(("name", "written"), [("a.json", ["a.json"]), ("a.csv", ["a.csv", "a.groups.csv"])])
def test_the_command_writes_by_the_ending_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, written: list[str]
) -> None:
    assert main(["--users", "20", "--out", str(tmp_path / name)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    assert capsys.readouterr().out.startswith("20 users, ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--out", "a.xml"], "neither in .json nor in .csv"), (["--users", "0", "--out", "a.json"], "1 to 1,000,000")],
)
def test_the_command_refuses_what_it_cannot_write(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert sentence in capsys.readouterr().err
