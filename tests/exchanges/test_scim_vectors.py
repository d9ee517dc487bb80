"""Filters and patches as data, against the SCIM server: our own and, where there are any, other people's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from fakes.scim_exchange import OWN, peers_folder, plain, read_lines
from fakes.scim_service import Answer, ScimService

FILTERS: dict[str, Any] = json.loads((OWN / "filters.json").read_text(encoding="utf-8"))
PATCHES: dict[str, Any] = json.loads((OWN / "patches.json").read_text(encoding="utf-8"))
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def _peers(name: str) -> list[dict[str, Any]]:
    folder = peers_folder()
    return read_lines(folder / name) if folder is not None else [{}]


def _load(users: dict[str, Any]) -> tuple[ScimService, dict[str, str]]:
    service = ScimService()
    names = {}
    for key, user in users.items():
        answer = service.ask("POST", "/Users", user)
        assert answer.status == 201, answer.json
        names[answer.json["id"]] = key
    return service, names


@pytest.fixture(scope="module")
def directory() -> tuple[ScimService, dict[str, str]]:
    return _load(FILTERS["users"])


@pytest.fixture(scope="module")
def peers_directory() -> tuple[ScimService, dict[str, str]]:
    return _load(_peers("filters.jsonl")[0].get("resources", {}))


def _find(directory: tuple[ScimService, dict[str, str]], text: str) -> tuple[Answer, list[str]]:
    service, names = directory
    answer = service.ask("GET", f"/Users?count=100&filter={quote(text, safe='')}")
    return answer, sorted(names[found["id"]] for found in answer.json.get("Resources", []))


@pytest.mark.parametrize("case", FILTERS["cases"], ids=lambda case: case["filter"][:70])
def test_a_filter_finds_what_it_says(directory: tuple[ScimService, dict[str, str]], case: dict[str, Any]) -> None:
    answer, found = _find(directory, case["filter"])
    if "refused" in case:
        assert (answer.status, answer.scim_type) == (400, case["refused"])
        assert answer.json["detail"]
    else:
        assert answer.status == 200, answer.json
        assert found == case["finds"]


@pytest.mark.parametrize("vector", _peers("filters.jsonl")[1:], ids=lambda vector: vector["id"])
def test_a_filter_of_another_suite_finds_what_it_says(
    peers_directory: tuple[ScimService, dict[str, str]], vector: dict[str, Any]
) -> None:
    answer, found = _find(peers_directory, vector["filter"])
    wanted = vector.get("any_of") or [vector]
    assert any(
        (answer.status == 200 and outcome.get("ids") == found)
        or ("error" in outcome and answer.status == 400 and answer.scim_type == outcome["error"])
        for outcome in wanted
    ) or vector.get("ambiguous"), (answer.json, wanted)


def _fill(value: Any, known: dict[str, str]) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    for name, filled in known.items():
        text = text.replace(name, filled)
    return json.loads(text)


def _patched(kind: str, before: Any, operations: Any, people: list[str]) -> Iterator[Any]:
    """Gives what the placeholders stand for, the answer to the patch, the resource before and after it."""
    service = ScimService()
    known = {f"<{name}>": service.make_user(f"person-{name}") for name in people}
    made = service.ask("POST", f"/{kind}s", _fill(before, known))
    assert made.status == 201, made.json
    known["<self>"] = made.json["id"]
    where = f"/{kind}s/{made.json['id']}"
    body = {"schemas": [PATCH_URN], "Operations": _fill(operations, known)}
    earlier = service.ask("GET", where)
    yield known
    yield service.ask("PATCH", where, body)
    yield earlier
    yield service.ask("GET", where)


@pytest.mark.parametrize("case", PATCHES["cases"], ids=lambda case: case["name"])
def test_a_patch_changes_what_it_says(case: dict[str, Any]) -> None:
    before = PATCHES["resources"][case["resource"]]
    kind = case["resource"].capitalize()
    known, answer, earlier, later = _patched(kind, before, case["operations"], ["a", "b", "c"])
    if "refused" in case:
        assert (answer.status, answer.scim_type) == (case["status"], case["refused"]), answer.json
        assert later.json == earlier.json
        return
    assert answer.status == (200 if kind == "User" else 204), answer.json
    expected = {**_fill(before, known), **_fill(case["changed"], known)}
    assert plain(later.json) == plain(expected)
    unchanged = not case["changed"]
    assert (later.json["meta"]["version"] == earlier.json["meta"]["version"]) is unchanged
    if kind == "User":
        assert answer.json == later.json


@pytest.mark.parametrize("vector", _peers("patch.jsonl")[1:], ids=lambda vector: vector["id"])
def test_a_patch_of_another_suite_changes_what_it_says(vector: dict[str, Any]) -> None:
    filled = _fill({key: vector.get(key) for key in ("before", "ops", "after", "any_of")}, {"~": "tag"})
    known, answer, earlier, later = _patched(
        vector.get("kind", "User"), filled["before"], filled["ops"], vector.get("people", [])
    )
    outcomes = filled["any_of"] or [{"after": filled["after"]} if filled["after"] else {"error": vector["error"]}]
    ok = vector.get("ambiguous", False)
    for outcome in outcomes:
        if "after" in outcome:
            ok |= answer.status in (200, 204) and plain(later.json) == plain(_fill(outcome["after"], known))
        else:
            refused = answer.status >= 400 and later.json == earlier.json
            ok |= refused and outcome["error"] in ("any", answer.scim_type)
    assert ok, answer.json
