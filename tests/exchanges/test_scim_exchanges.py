"""Exchanges with the SCIM server, a file each: our own and, where there are any, other people's transcripts.

Each is played twice: against the server over memory, and against the Configuration Manager's own application over SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fakes.scim_exchange import OWN, peers_folder, play, read_lines
from fakes.scim_service import ScimService, Send, generic_profile, profile_8x8
from fakes.scim_site import PlayedSite, open_site
from muster.configuration_manager.customers import Profile

VECTORS = {"filters.json", "patches.json"}
Open = Callable[[str, bool], Send]
_numbers = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedSite]:
    with open_site(tmp_path_factory.mktemp("site")) as opened:
        yield opened


def _in_memory(profile: str, strict: bool) -> Send:
    return ScimService(profile_8x8() if profile == "8x8" else generic_profile(strict=strict)).send


@pytest.fixture(params=["memory", "site"])
def connect(request: pytest.FixtureRequest, site: PlayedSite) -> Open:
    if request.param == "memory":
        return _in_memory
    return lambda profile, strict: site.sender(f"c{next(_numbers)}", Profile(profile), strict=strict)


def _transcripts() -> list[Path]:
    folder = peers_folder()
    return sorted((folder / "transcripts").glob("*.jsonl")) if folder is not None else []


def _read(name: str) -> dict[str, Any]:
    exchange: dict[str, Any] = json.loads((OWN / name).read_text(encoding="utf-8"))
    return exchange


@pytest.mark.parametrize("name", sorted({path.name for path in OWN.glob("*.json")} - VECTORS))
def test_an_exchange_goes_as_recorded(name: str, connect: Open) -> None:
    exchange = _read(name)
    assert play(exchange["steps"], connect(exchange["profile"], exchange["strict"])) == []


@pytest.mark.parametrize("path", _transcripts(), ids=lambda path: path.stem)
def test_a_transcript_of_another_suite_goes_as_recorded(path: Path, connect: Open) -> None:
    assert play(read_lines(path), connect("generic", False)) == []
