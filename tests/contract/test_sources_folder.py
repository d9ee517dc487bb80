"""Files of a folder, one by one: which is taken, and where it goes."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.world import StillClock
from muster.model.directory import ObjectKind
from muster.sources.folder import FileContent, FolderReader, WatchedFolder

HEAD = "employeeId,userPrincipalName\n"
LONG_AGO = (1_000_000_000, 1_000_000_000)


def put(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, LONG_AGO)


def read_folder(folder: WatchedFolder) -> FolderReader:
    return FolderReader(folder, StillClock(datetime(2026, 1, 1, tzinfo=UTC)), lambda _kind, _name: None)


def test_a_file_that_takes_another_ones_place_while_that_is_kept_is_read_next(tmp_path: Path) -> None:
    folder = WatchedFolder(path=tmp_path, content=FileContent.CHANGES, allowed=(tmp_path,))
    reader = read_folder(folder)
    put(tmp_path / "staff.csv", f"{HEAD}1,ada@x.example\n")

    def names() -> list[str]:
        pages = list(reader.read(None))
        return [str(entry.attributes["userPrincipalName"]) for page in pages for entry in page.entries]

    assert names() == ["ada@x.example"]
    put(tmp_path / "new.part", f"{HEAD}2,bob@x.example\n")
    (tmp_path / "new.part").rename(tmp_path / "staff.csv")
    reader.acknowledge("folder")
    assert names() == ["bob@x.example"]
    reader.acknowledge("folder")
    assert names() == [] and len(list((tmp_path / "processed").iterdir())) == 1


@pytest.mark.parametrize("wrong", [30, -30])
def test_a_file_that_grows_is_not_read_whatever_the_clock_of_its_server_says(tmp_path: Path, wrong: int) -> None:
    class Writing(StillClock):
        """Somebody writes while we wait."""

        def sleep(self, duration: timedelta) -> None:
            super().sleep(duration)
            if rows:
                write(rows.pop())

    def write(row: str) -> None:
        with file.open("a") as opened:
            opened.write(row)
        os.utime(file, (clock.now().timestamp() + wrong,) * 2)

    def read() -> list[str]:
        return [entry.source_id for page in reader.read(None) for entry in page.entries]

    file, rows, clock = tmp_path / "staff.csv", ["3,cem@x.example\n", "2,bob@x.example\n"], Writing()
    folder = WatchedFolder(path=tmp_path, content=FileContent.SNAPSHOT, allowed=(tmp_path,))
    reader = FolderReader(folder, clock, lambda _kind, _name: None)
    write(f"{HEAD}1,ada@x.example\n")
    assert (read(), read(), read()) == ([], [], ["1", "2", "3"])
    waited = len(clock.slept)
    os.utime(file, LONG_AGO)
    assert read() == ["1", "2", "3"] and len(clock.slept) == waited


def test_how_a_file_was_guessed_to_be_written_is_said_before_and_after_it_is_read(tmp_path: Path) -> None:
    reader = read_folder(WatchedFolder(path=tmp_path, content=FileContent.SNAPSHOT, allowed=(tmp_path,)))
    put(tmp_path / "a.csv", "displayName\nAda\n")
    assert "1 file waits there. a.csv: The header (line 1) has no column userPrincipalName" in reader.probe()
    text = "userPrincipalName,displayName\nj@x.example,Jörg Müller\nada,Ada\n"
    (tmp_path / "a.csv").write_bytes(text.encode("mac_roman"))
    os.utime(tmp_path / "a.csv", LONG_AGO)
    said = reader.probe()
    guess = "read as Mac Roman, in which it has words such as “Jörg”, “Müller”. If they are wrong, save it as UTF-8."
    assert "a.csv has 1 user and 0 groups; 1 problem in it. Line 3, column 1" in said and guess in said
    *_, last = reader.read(None)
    reader.acknowledge(last.cursor)
    (beside,) = (tmp_path / "processed").glob("*.problems.txt")
    assert guess in beside.read_text() and "Line 3, column 1" in beside.read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.json",
            '{"groups": [{"displayName": "a"}, {"displayName": "b", "members": ["1"]}]}',
            [{}, {"members": ("1",)}],
        ),
        # An empty list says that nobody is in it.
        ("a.json", '{"groups": [{"displayName": "a", "members": []}]}', [{"members": ()}]),
        ("a.csv", "displayName,members\na,\nb,1;2\na,\n", [{}, {"members": ("1", "2")}]),
        ("a.csv", "displayName,memberId\na,\na,1\n", [{"members": ("1",)}]),
        (
            "a.json",
            '{"users": [{"userPrincipalName": "a@x.example", "manager": null}, {"userPrincipalName": "b@x.example"}]}',
            [{"manager": ()}, {}],
        ),
        ("a.csv", f"{HEAD[:-1]},manager\n1,a@x.example,\n2,b@x.example,1\n", [{}, {"manager": ("1",)}]),
    ],
)
def test_a_file_of_changes_says_nothing_of_managers_and_members_that_it_leaves_out(
    tmp_path: Path, name: str, text: str, said: list[dict[str, tuple[str, ...]]]
) -> None:
    folder = WatchedFolder(path=tmp_path, content=FileContent.CHANGES, allowed=(tmp_path,))
    put(tmp_path / name, text)
    pages = read_folder(folder).read(None)
    assert [dict(entry.references) for page in pages for entry in page.entries] == said


@pytest.mark.parametrize(
    ("name", "text", "kinds"),
    [
        ("staff.csv", f"{HEAD}1,ada@x.example\n", {ObjectKind.USER}),
        ("groups.csv", "groupId,displayName,memberId\n", {ObjectKind.GROUP}),
        ("staff.json", '{"users": []}', {ObjectKind.USER}),
        ("staff.json", '{"users": [], "groups": []}', set(ObjectKind)),
        ("staff.ldif", "dn: cn=all,o=x\nobjectClass: groupOfNames\ncn: all\nmember: cn=ada\n", {ObjectKind.GROUP}),
    ],
)
def test_a_snapshot_is_whole_of_the_kinds_it_speaks_of(
    tmp_path: Path, name: str, text: str, kinds: set[ObjectKind]
) -> None:
    folder = WatchedFolder(path=tmp_path, content=FileContent.SNAPSHOT, allowed=(tmp_path,))
    put(tmp_path / name, text)
    *_, last = read_folder(folder).read(None)
    assert set(last.kinds) == kinds
