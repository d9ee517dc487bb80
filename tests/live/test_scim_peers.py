"""Other people's transcripts, vectors and client over real HTTP against generic customers, where there are any."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scim_exchange import peers_folder
from played_configuration_manager import PlayedManager, configuration_manager

FOLDER = peers_folder()
PROGRAMS = {
    "transcripts": ("player.py", *sorted(str(path) for path in FOLDER.glob("transcripts/*.jsonl"))) if FOLDER else (),
    "vectors": ("vectors_http.py", "both"),
    "client": ("client_scim2.py",),
}

pytestmark = pytest.mark.skipif(FOLDER is None, reason="there is no folder of other people's vectors")


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedManager]:
    with configuration_manager(tmp_path_factory.mktemp("cm") / "data") as running:
        yield running


@pytest.mark.parametrize("name", PROGRAMS)
def test_everything_of_another_suite_passes(manager: PlayedManager, name: str) -> None:
    program, *arguments = PROGRAMS[name]
    customer = manager.customer(name)
    done = subprocess.run(
        [sys.executable, Path(str(FOLDER)) / program, customer.url, customer.token, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    counts = re.findall(r"(\d+) passed, (\d+) failed", done.stdout)
    assert counts, done.stdout + done.stderr
    assert all(failed == "0" for _, failed in counts), done.stdout
    assert int(counts[-1][0]) > 0
