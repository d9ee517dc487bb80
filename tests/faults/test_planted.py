"""Small wrong changes, planted one at a time: the trip tests and a short run of schedules catch each.

`first` of an error is the test that caught it when it was planted: it is tried before all others.
"""

from __future__ import annotations

import os
import re
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
    "tests/contract/test_store_cycles.py",
    "tests/faults/test_schedules.py",
)
FAILED = re.compile("^FAILED ", re.MULTILINE)
# Such an error would be noticed by anybody.
BROKEN = re.compile(
    r"^(ERROR |E +(ImportError|ModuleNotFoundError|SyntaxError|NameError|AttributeError|TypeError)\b)", re.MULTILINE
)


def test_there_are_twenty_errors_and_each_has_its_place() -> None:
    assert len(PLANTED) >= 20
    for error in PLANTED:
        text = (ROOT / "src/muster" / error["file"]).read_text()
        assert text.count(error["old"]) == 1, f"{error['name']}: the text to change is not in {error['file']} once"


@pytest.mark.parametrize("error", SHOWN, ids=[error["name"].replace(" ", "-") for error in SHOWN])
def test_a_planted_error_is_caught(tmp_path: Path, error: dict[str, str]) -> None:
    source = tmp_path / "src"
    # With what is compiled already: the time of a file, which is kept, says whether that is still true.
    shutil.copytree(ROOT / "src", source)
    planted = source / "muster" / error["file"]
    planted.write_text(planted.read_text().replace(error["old"], error["new"]))
    # Where it was caught before, it is caught in seconds; the suite is for what is caught elsewhere now.
    answer = _try(source, error.get("first", SUITE[0]))
    if answer.returncode == 0:
        answer = _try(source, *SUITE)
    told = f"{answer.stdout[-2000:]}{answer.stderr[-2000:]}"
    assert answer.returncode == 1, f"nobody noticed that {error['name']}\n{told}"
    assert FAILED.search(answer.stdout), told
    assert not BROKEN.search(answer.stdout), f"it breaks the code rather than what the code does\n{told}"


def _try(source: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    # The errors are of the engine, not of a database: one of the two is enough.
    command += ["-c", str(ROOT / "pyproject.toml"), "-k", "not postgresql", "-o", f"pythonpath={source} tests", *tests]
    environment = {**os.environ, "MUSTER_SCHEDULES": "40", "MUSTER_FIRST_SCHEDULE": "0", "PYTHONPATH": str(source)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
