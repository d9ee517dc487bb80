"""Uploaded files: kept for the engine alone, and rid of."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from muster.bootstrap.uploads import FolderUploads

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


def test_an_upload_is_kept_for_its_owner_alone_until_it_is_dropped(tmp_path: Path) -> None:
    uploads = FolderUploads(tmp_path / "uploads")
    path = Path(uploads.keep("1", "People.CSV", b"x"))
    assert (path.name, path.read_bytes()) == ("1.csv", b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    uploads.drop(str(path))
    uploads.drop(str(path))
    assert not path.exists()


def test_nothing_but_uploads_is_dropped(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_bytes(b"x")
    uploads = FolderUploads(tmp_path / "uploads")
    uploads.drop(str(own))
    uploads.drop(str(tmp_path / "uploads" / ".." / "own.csv"))
    uploads.drop_older(NOW)
    assert own.exists()


def test_uploads_that_were_forgotten_are_dropped_by_their_age(tmp_path: Path) -> None:
    uploads = FolderUploads(tmp_path)
    old, young = Path(uploads.keep("1", "a.csv", b"x")), Path(uploads.keep("2", "b.csv", b"x"))
    for path, age in ((old, timedelta(days=2)), (young, timedelta(0))):
        os.utime(path, times=((NOW - age).timestamp(),) * 2)
    uploads.drop_older(NOW - timedelta(days=1))
    assert [path.name for path in tmp_path.iterdir()] == ["2.csv"]
