"""What the tests of expressions share: a fixed environment and the vectors of the peers' suite, where there is one."""

import json
import os
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muster.expression.evaluate import Environment
from muster.expression.values import FlowMarker, plain_text

NOW = datetime(2021, 8, 25, 17, 41, 18, tzinfo=UTC)


def an_environment(*, now: datetime = NOW, seed: int = 7, is_taken: Callable[[str], bool] | None = None) -> Environment:
    chance = random.Random(seed)
    return Environment(
        now=now,
        new_guid=lambda: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        draw=chance.randrange,
        is_taken=is_taken,
        default_domain="example.org",
    )


def peers_folder() -> Path | None:
    named = os.environ.get("MUSTER_PEERS")
    folder = Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared" / "peers"
    return folder if folder.is_dir() else None


def vectors(name: str) -> list[dict[str, Any]]:
    folder = peers_folder()
    if folder is None or not (folder / name).is_file():
        return []
    rows = [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines() if line.strip()]
    return rows[1:]


def as_values(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's attributes as the language has them: lists are tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in attributes.items()}


def agrees(got: Any, wanted: Any) -> bool:
    """Whether an answer is the wanted one: a boolean, number or date equals its text."""
    if isinstance(wanted, list):
        return isinstance(got, (tuple, list)) and len(got) == len(wanted) and all(map(agrees, got, wanted))
    if isinstance(wanted, dict):
        return isinstance(got, Mapping) and all(key in got and agrees(got[key], item) for key, item in wanted.items())
    if isinstance(got, FlowMarker):
        return False
    if got is None or wanted is None:
        return got is wanted
    return plain_text(got) == plain_text(wanted)
