"""What other programs send to the Graph-shaped API, in their order, and what they wait for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from faces.house import House

FOLDER = Path(__file__).parent / "graph"
FILES = sorted(FOLDER.glob("*.json"))
# The version that each client asks for; Terraform's provider uses both.
VERSIONS = ("v1.0", "beta")


def filled(value: Any, known: dict[str, str]) -> Any:
    """A body or path with what was saved in the place of ${name}."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda name: known[name[1]], value)
    if isinstance(value, dict):
        return {name: filled(each, known) for name, each in value.items()}
    return [filled(each, known) for each in value] if isinstance(value, list) else value


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[int(name)] if name.isdigit() else document[name]
    return document


def answer_work(house: House) -> None:
    """Takes the place of the engine."""
    taken = house.stores.work.take("engine")
    if taken is not None:
        house.stores.work.finish(taken.id, "done", {})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_client_s_requests_are_answered_as_it_expects(tmp_path: Path, file: Path, version: str) -> None:
    house = House(tmp_path)
    house.clock.while_waiting = lambda: answer_work(house)
    known: dict[str, str] = {}
    for number, step in enumerate(json.loads(file.read_text())["steps"], 1):
        path, body = filled(step["path"], known), filled(step.get("body"), known)
        answer = house.call(step["method"], path, body, version=version)
        assert answer.status == step["status"], f"step {number}: {step['method']} {path}: {answer.text}"
        if "length" in step:
            assert len(answer.body["value"]) == step["length"], f"step {number}"
        for name, value in filled(step.get("has", {}), known).items():
            assert answer.body[name] == value, f"step {number}: {name}"
        for name, place in step.get("save", {}).items():
            known[name] = at(answer.body, place)
