"""The files under `deploy/`: they can be read, and what they run and set exists."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from documents.reading import ROOT, commands, options
from muster.settings import Settings

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
_COMMANDS = commands()
_SETTINGS = {f"MUSTER_{name.upper()}" for name in Settings.model_fields}


def _yaml(name: str) -> list[Any]:
    return list(YAML(typ="safe").load_all((DEPLOY / name).read_text(encoding="utf-8")))


def _containers() -> list[dict[str, Any]]:
    found = []
    for document in _yaml("kubernetes.yaml"):
        if document["kind"] == "Deployment":
            found += document["spec"]["template"]["spec"]["containers"]
    return found


def _run() -> list[list[str]]:
    """The words of every command of ours that one of the files runs."""
    (compose,) = _yaml("compose.yaml")
    run = [[str(word) for word in each["command"]] for each in compose["services"].values() if "command" in each]
    run += [[str(word) for word in each["args"]] for each in _containers()]
    for unit in UNITS:
        line = re.search(r"^ExecStart=\S*/muster (.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        assert line is not None, unit
        run.append(shlex.split(line[1]))
    return run


@pytest.mark.parametrize("words", _run(), ids=" ".join)
def test_what_a_file_runs_exists_with_its_options(words: list[str]) -> None:
    names = [name for name in _COMMANDS if words[: len(name.split())] == name.split()]
    assert names, words
    given = {word for word in words if word.startswith("--")}
    assert given <= options(_COMMANDS[max(names, key=len)])


@pytest.mark.parametrize(
    "path", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_every_setting_that_a_file_gives_exists(path: Path) -> None:
    assert set(re.findall(r"MUSTER_[A-Z_]+", path.read_text(encoding="utf-8"))) <= _SETTINGS


def test_every_container_runs_without_rights_it_does_not_need() -> None:
    assert len(_containers()) == 2
    for container in _containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_a_worker_of_the_compose_file_is_given_no_volume_that_would_outlive_it() -> None:
    (volume,) = re.findall(r"^VOLUME (.+)$", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    (compose,) = _yaml("compose.yaml")
    assert compose["services"]["worker"]["volumes"] == [{"type": "tmpfs", "target": volume}]


def test_what_the_compose_file_has_one_make_is_kept_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    head = (DEPLOY / "compose.yaml").read_text(encoding="utf-8").partition("\nname:")[0]
    for path in ("muster.key", "deploy/.env"):
        assert f"> {path}" in head and f"/{path}" in ignored


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_says_how_it_is_put_in_place(unit: Path) -> None:
    put, begun = "/etc/systemd/system/", "systemctl enable --now "
    head = unit.read_text(encoding="utf-8").partition("[Unit]")[0]
    assert f" {unit.name} {put}" in head and begun in head.partition(put)[2]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_can_be_read(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8").replace("/opt/muster/bin/muster", "/bin/true")
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(text.replace("User=muster", "User=root"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if copy.name in line] == []
