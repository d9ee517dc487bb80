"""A revision of the tables that was released stays as it is: who has it would never get what is changed in it."""

import re
import subprocess
from pathlib import Path

import pytest

from documents.reading import ROOT

_RELEASE = re.compile(r"v\d+\.\d+\.\d+")
_REVISION = re.compile(r"src/muster/\w+/migrations/r\d+_\w+\.py")


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def find_changed(root: Path) -> list[str]:
    """The released revisions that are gone or other than in a release, by the tags of the repository."""
    found = set()
    for tag in filter(_RELEASE.fullmatch, git(root, "tag", "--list").split()):
        for path in filter(_REVISION.fullmatch, git(root, "ls-tree", "-r", "--name-only", tag).splitlines()):
            here = root / path
            if not here.is_file() or here.read_text(encoding="utf-8") != git(root, "show", f"{tag}:{path}"):
                found.add(f"{path} is not as it was in {tag}: make a new revision beside it")
    return sorted(found)


def test_no_released_revision_has_changed() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: there are no tags to compare with")
    assert find_changed(ROOT) == []


def test_a_change_of_a_released_revision_is_found(tmp_path: Path) -> None:
    first = tmp_path / "src/muster/store/migrations/r0001_tables.py"
    first.parent.mkdir(parents=True)

    def keep(text: str) -> None:
        first.write_text(text, encoding="utf-8")
        git(tmp_path, "add", ".")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "a", "--no-gpg-sign")

    git(tmp_path, "init", "-q")
    keep("one")
    git(tmp_path, "tag", "rehearsal")
    keep("two")
    assert find_changed(tmp_path) == [], "not yet released"
    git(tmp_path, "tag", "v0.1.0")
    first.with_name("r0002_more.py").write_text("more", encoding="utf-8")
    assert find_changed(tmp_path) == [], "a new one beside it is how it is done"
    keep("three")
    (problem,) = find_changed(tmp_path)
    assert "r0001_tables.py is not as it was in v0.1.0" in problem
    first.unlink()
    assert len(find_changed(tmp_path)) == 1
