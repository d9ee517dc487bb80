"""Files of a folder, one by one: which is taken, and where it goes."""

import os
from datetime import UTC, datetime
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


def test_a_file_that_takes_another_ones_place_while_that_is_kept_is_read_next(tmp_path: Path) -> None:
    folder = WatchedFolder(path=tmp_path, content=FileContent.CHANGES, allowed=(tmp_path,))
    reader = FolderReader(folder, StillClock(datetime(2026, 1, 1, tzinfo=UTC)))
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
    *_, last = FolderReader(folder, StillClock(datetime(2026, 1, 1, tzinfo=UTC))).read(None)
    assert set(last.kinds) == kinds
