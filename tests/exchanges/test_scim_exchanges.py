"""Exchanges with the SCIM server, a file each: our own and, where there are any, other people's transcripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.scim_exchange import OWN, peers_folder, play, read_lines
from fakes.scim_service import ScimService, generic_profile, profile_8x8

VECTORS = {"filters.json", "patches.json"}


def _transcripts() -> list[Path]:
    folder = peers_folder()
    return sorted((folder / "transcripts").glob("*.jsonl")) if folder is not None else []


@pytest.mark.parametrize("name", sorted({path.name for path in OWN.glob("*.json")} - VECTORS))
def test_an_exchange_goes_as_recorded(name: str) -> None:
    exchange = json.loads((OWN / name).read_text(encoding="utf-8"))
    profile = profile_8x8() if exchange["profile"] == "8x8" else generic_profile(strict=exchange["strict"])
    assert play(exchange["steps"], ScimService(profile).send) == []


@pytest.mark.parametrize("path", _transcripts(), ids=lambda path: path.stem)
def test_a_transcript_of_another_suite_goes_as_recorded(path: Path) -> None:
    assert play(read_lines(path), ScimService().send) == []
