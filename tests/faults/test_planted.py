"""Small wrong changes, planted one at a time: the trip tests and a short run of schedules catch each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANTED = tomllib.loads((Path(__file__).parent / "planted" / "errors.toml").read_text())["error"]
# `make planted` shows all; `make test` only that they are still errors of today's code, and two of them.
SHOWN = PLANTED if os.environ.get("MUSTER_PLANTED") == "all" else PLANTED[1:2]
SUITE = (
    "tests/trip",
    "tests/faults/test_schedules_found.py",
    "tests/contract/test_targets_scim.py",
    "tests/contract/test_targets_bulk.py",
    "tests/faults/test_schedules.py",
)


def test_there_are_twenty_errors_and_each_has_its_place() -> None:
    assert len(PLANTED) >= 20
    for error in PLANTED:
        text = (ROOT / "src/muster" / error["file"]).read_text()
        assert text.count(error["old"]) == 1, f"{error['name']}: the text to change is not in {error['file']} once"


@pytest.mark.parametrize("error", SHOWN, ids=[error["name"].replace(" ", "-") for error in SHOWN])
def test_a_planted_error_is_caught(tmp_path: Path, error: dict[str, str]) -> None:
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    planted = source / "muster" / error["file"]
    planted.write_text(planted.read_text().replace(error["old"], error["new"]))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    command += ["-c", str(ROOT / "pyproject.toml"), "-o", f"pythonpath={source} tests", *SUITE]
    environment = {**os.environ, "MUSTER_SCHEDULES": "40", "MUSTER_FIRST_SCHEDULE": "0", "PYTHONPATH": str(source)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert answer.returncode == 1, (
        f"nobody noticed that {error['name']}\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}"
    )
    assert "FAILED" in answer.stdout, answer.stdout[-2000:]
