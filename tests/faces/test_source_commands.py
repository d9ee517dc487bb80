"""`muster source`: a source from its kind to its end, by commands alone."""

import io
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faces.played_sources import HEAD, PEOPLE
from muster.bootstrap.house import open_house
from muster.cli import configuration, sources
from muster.cli.console import Failed, Misused
from muster.cli.provisioning import apply
from muster.model.directory import Lifecycle, ObjectKind
from muster.ports.directory import DirectoryQuery
from muster.settings import load_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    open_house(load_settings(data=tmp_path), tmp_path).database.close()
    (tmp_path / "imports" / "hr").mkdir(parents=True)
    return tmp_path


def put(folder: Path, name: str, numbers: range, more: str = "") -> None:
    path = folder / "imports" / "hr" / name
    text = HEAD + "".join(PEOPLE[number] for number in numbers)
    path.write_text(text.replace("\n", f",{more}\n") if more else text)
    os.utime(path, (1_000_000_000, 1_000_000_000))


def said(capsys: Any) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_source_from_its_kind_to_its_end(folder: Path, capsys: Any) -> None:
    sources.kinds(data=folder)
    assert "Files in a folder" in said(capsys)
    sources.add("folder", "HR", ["Server=nowhere"], data=folder)
    assert "HR was added" in said(capsys)
    with pytest.raises(Failed, match="cannot be opened"):
        sources.test("HR", data=folder)
    sources.set_values("HR", ["Server=hr", "Precedence=10"], data=folder)
    sources.test("HR", data=folder)
    assert "HR can be read." in (tested := said(capsys)) and "0 files wait there." in tested
    put(folder, "01.csv", range(1, 11))
    sources.test("HR", data=folder)
    assert "01.csv has 10 users and 0 groups; 0 problems in it." in said(capsys)
    sources.preview("HR", data=folder)
    told = said(capsys)
    assert "10 hires" in told and "Person 1" in told
    sources.start("HR", data=folder)
    sources.read("HR", data=folder)
    assert "10 0 0" in said(capsys)
    put(folder, "015.csv", range(1, 11), more="salary")
    sources.read("HR", data=folder)
    assert "! 015.csv: Line 1, column 6: “salary” is no attribute of a user." in said(capsys)
    hr = folder / "imports" / "hr"
    hr.rename(folder / "away")
    with pytest.raises(Failed, match="cannot be opened"):
        sources.read("HR", data=folder)
    sources.show("HR", data=folder)
    assert "State Quarantine" in (shown := said(capsys)) and "cannot be opened" in shown
    sources.show("HR", data=folder, as_json=True)
    told = json.loads(capsys.readouterr().out)["quarantine"]
    began, following = (datetime.fromisoformat(told[name]) for name in ("currentBegan", "nextAttempt"))
    assert following - began == timedelta(minutes=2)
    (folder / "away").rename(hr)
    put(folder, "02.csv", range(1, 6))
    with pytest.raises(Failed, match="1 entry of HR failed"):
        sources.read("HR", data=folder, as_json=True)
    mirror = json.loads(capsys.readouterr().out)["mirror"]
    assert mirror["missing"] == 5 and "5 of 10 are missing" in mirror["incompleteBecause"]
    sources.accept("HR", data=folder)
    sources.preview("HR", data=folder, as_json=True)
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert plan["summary"].startswith("5 leavers")
    sources.list_sources(data=folder)
    assert "HR folder Active 10 5 0" in said(capsys)
    sources.show("HR", data=folder)
    assert "Connection: Server hr" in said(capsys)
    sources.pause("HR", data=folder)
    sources.remove("HR", "delete", data=folder)
    assert "in the recycle bin" in said(capsys)
    with pytest.raises(Failed, match=r"no source “HR”. Add one"):
        sources.show("HR", data=folder)


def test_a_plan_of_a_source_is_applied_as_it_was_shown(folder: Path, capsys: Any) -> None:
    sources.add("folder", "HR", ["Server=hr"], data=folder)
    put(folder, "01.csv", range(1, 4))
    capsys.readouterr()
    sources.preview("HR", data=folder, as_json=True)
    plan = json.loads(capsys.readouterr().out)
    apply(plan["hash"], data=folder)
    sources.remove("HR", "keep", data=folder)
    assert "0 people went with it" in said(capsys)


def test_wrong_usage_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misused, match="NAME=VALUE, and Server is not"):
        sources.add("folder", "HR", ["Server"], data=folder)
    with pytest.raises(Failed, match="is an application, no source"):
        sources.add("8x8", "HR", data=folder)
    with pytest.raises(Failed, match=r"no kind of source “floder”: the kinds are .*folder"):
        sources.add("floder", "HR", data=folder)
    with pytest.raises(Failed, match=r"no key of synchronization secrets"):
        sources.add("folder", "HR", ["Sever=hr"], data=folder)
    with pytest.raises(Failed, match="FileContent takes snapshot or changes"):
        sources.add("folder", "HR", ["Server=hr", "FileContent=all"], data=folder)
    monkeypatch.setattr("sys.stdin", io.StringIO("hr\n"))
    sources.add("folder", "HR", stdin="Server", data=folder)
    with pytest.raises(Misused, match="at least one"):
        sources.set_values("HR", data=folder)
    with pytest.raises(Failed, match="Precedence: takes a whole number"):
        sources.set_values("HR", ["Precedence=first"], data=folder)
    with pytest.raises(Failed, match="Nobody is missing"):
        sources.accept("HR", data=folder)


def test_sources_are_part_of_a_configuration_and_are_made_from_one(
    folder: Path, tmp_path_factory: Any, capsys: Any
) -> None:
    sources.add("folder", "HR", ["Server=hr"], data=folder)
    sources.set_values("HR", ["Precedence=10", "ReadEvery=PT10S"], data=folder)
    file = folder / "muster.yaml"
    capsys.readouterr()
    configuration.export(data=folder)
    file.write_text(capsys.readouterr().out)
    assert "Files in a folder" in file.read_text()
    other = tmp_path_factory.mktemp("other")
    open_house(load_settings(data=other), other).database.close()
    configuration.apply(file, yes=True, data=other)
    capsys.readouterr()
    sources.show("HR", data=other, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["connection"]["Server"], shown["precedence"]) == ("hr", 10)


def test_the_people_of_a_removed_source_go_unless_another_source_has_them(folder: Path, capsys: Any) -> None:
    (folder / "imports" / "payroll").mkdir()
    for name, people in (("hr", range(1, 5)), ("payroll", range(4, 6))):
        sources.add("folder", name, [f"Server={name}"], data=folder)
        path = folder / "imports" / name / "01.csv"
        path.write_text(HEAD + "".join(PEOPLE[number] for number in people))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        sources.start(name, data=folder)
        sources.read(name, data=folder)
    capsys.readouterr()
    sources.remove("hr", "delete", data=folder)
    assert "3" in said(capsys)
    house = open_house(load_settings(data=folder), folder)
    try:
        page = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER, limit=50))
        there = {each.attributes["userPrincipalName"]: each.lifecycle for each in page.objects}
    finally:
        house.database.close()
    names = [PEOPLE[number].split(",")[1] for number in range(1, 6)]
    assert [name for name in names if there.get(name) is Lifecycle.PRESENT] == names[3:]
