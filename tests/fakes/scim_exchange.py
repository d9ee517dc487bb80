"""Plays recorded exchanges and vectors against a SCIM service, whatever carries the requests.

A step: method, path (its query in plain text), headers?, body? or raw?, auth? ("none"), expect, save?, optional?.
`expect`: status (one or several), json (a fragment), absent (dotted paths), headers (patterns), empty.
In a fragment an object is matched as a subset, a list by finding a match for each wanted element; texts that begin
with $ are matchers: $any $absent $nonempty $number $bool $string $list $ci:TEXT $re:PATTERN $len:N $not:TEXT.
{{name}} is filled from `vars`, from what was saved, and from {{rand}} and {{guid1}} to {{guid9}}.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from fakes.scim_service import TOKEN, Send

REPOSITORY = Path(__file__).parents[2]
OWN = REPOSITORY / "tests" / "exchanges" / "scim"


def peers_folder() -> Path | None:
    """The folder of other people's vectors, where there is one."""
    named = os.environ.get("MUSTER_PEERS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "peers"
    return folder if folder.is_dir() else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file (a list) or a file of JSON lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def fill(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with {{name}} replaced in every text and key."""
    if isinstance(value, str):
        whole = re.fullmatch(r"\{\{(\w+)\}\}", value)
        if whole and whole.group(1) in known:
            return known[whole.group(1)]
        return re.sub(r"\{\{(\w+)\}\}", lambda match: str(known.get(match.group(1), match.group(0))), value)
    if isinstance(value, list):
        return [fill(item, known) for item in value]
    if isinstance(value, dict):
        return {fill(key, known): fill(item, known) for key, item in value.items()}
    return value


def dig(document: Any, path: str) -> tuple[Any, bool]:
    """What is at a dotted path, and whether anything is."""
    for part in re.findall(r"\"[^\"]+\"|[^.\[\]]+|\[\d+\]", path):
        if part.startswith("["):
            if not isinstance(document, list) or int(part[1:-1]) >= len(document):
                return None, False
            document = document[int(part[1:-1])]
        else:
            name = part.strip('"')
            if not isinstance(document, dict) or name not in document:
                return None, False
            document = document[name]
    return document, True


_MATCHERS: dict[str, Callable[[Any, str], bool]] = {
    "any": lambda got, _: True,
    "nonempty": lambda got, _: got not in (None, "", [], {}),
    "number": lambda got, _: isinstance(got, int | float) and not isinstance(got, bool),
    "bool": lambda got, _: isinstance(got, bool),
    "string": lambda got, _: isinstance(got, str),
    "list": lambda got, _: isinstance(got, list),
    "ci": lambda got, wanted: isinstance(got, str) and got.casefold() == wanted.casefold(),
    "re": lambda got, wanted: isinstance(got, str) and re.search(wanted, got) is not None,
    "len": lambda got, wanted: hasattr(got, "__len__") and len(got) == int(wanted),
    "not": lambda got, wanted: bool(got != wanted),
}


def mismatch(want: Any, got: Any, where: str = "$") -> str | None:
    """A sentence on how `got` differs from the wanted fragment, or None."""
    if isinstance(want, str) and want.startswith("$"):
        name, _, argument = want[1:].partition(":")
        matcher = _MATCHERS.get(name)
        if matcher is not None:
            return None if matcher(got, argument) else f"{where}: {got!r} does not satisfy {want}"
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return f"{where}: expected an object, got {got!r}"
        for key, sub in want.items():
            if sub == "$absent":
                if got.get(key) not in (None, [], {}):
                    return f"{where}.{key}: should not be there, is {got[key]!r}"
            elif key not in got:
                return f"{where}.{key}: missing in {got!r}"
            elif (bad := mismatch(sub, got[key], f"{where}.{key}")) is not None:
                return bad
        return None
    if isinstance(want, list):
        if not isinstance(got, list):
            return f"{where}: expected a list, got {got!r}"
        for index, sub in enumerate(want):
            if all(mismatch(sub, item) for item in got):
                return f"{where}[{index}]: no element matches {json.dumps(sub)[:120]} in {json.dumps(got)[:300]}"
        return None
    if isinstance(want, bool) or isinstance(got, bool) or want is None:
        return None if want is got else f"{where}: expected {want!r}, got {got!r}"
    return None if want == got else f"{where}: expected {want!r}, got {got!r}"


def encode(path: str) -> str:
    """The path with its query values percent-encoded."""
    head, mark, query = path.partition("?")
    if not mark:
        return quote(path, safe="/:%$-_.~!*'()@,;=+")
    pairs = []
    for piece in re.split(r"&(?=[A-Za-z]+=)", query):
        name, _, value = piece.partition("=")
        pairs.append(f"{name}={quote(value, safe='')}")
    return f"{encode(head)}?{'&'.join(pairs)}"


def play(steps: Iterable[Mapping[str, Any]], send: Send) -> list[str]:
    """A sentence for everything that is not as the steps expect."""
    known: dict[str, Any] = {"rand": uuid4().hex[:8], **{f"guid{n}": str(uuid4()) for n in range(1, 10)}}
    problems: list[str] = []
    for number, step in enumerate(steps, 1):
        if "method" not in step:
            for name, value in step.get("vars", {}).items():
                known[name] = fill(value, known)
            continue
        label = f"{step.get('id', number)} {step['method']} {step['path']}"
        found = _judge(step, known, send)
        if not step.get("optional"):
            problems += [f"{label}: {problem}" for problem in found]
    return problems


def _judge(step: Mapping[str, Any], known: dict[str, Any], send: Send) -> list[str]:
    headers = {"accept": "application/scim+json"}
    if step.get("auth") == "bad":
        headers["authorization"] = "Bearer not-the-token"
    elif step.get("auth") != "none":
        headers["authorization"] = f"Bearer {TOKEN}"
    data: bytes | None = None
    if "raw" in step:
        data = str(fill(step["raw"], known)).encode()
    elif "body" in step:
        data = json.dumps(fill(step["body"], known), ensure_ascii=False).encode()
    if data is not None:
        headers["content-type"] = "application/scim+json; charset=utf-8"
    headers |= {
        name.lower(): value for name, value in fill(step.get("headers", {}), known).items() if value is not None
    }
    status, answered, content = send(step["method"], encode(fill(step["path"], known)), headers, data)
    text = content.decode()
    expected = fill(step.get("expect", {}), known)
    problems: list[str] = []
    allowed = expected.get("status", [])
    allowed = allowed if isinstance(allowed, list) else [allowed]
    if allowed and status not in allowed:
        problems.append(f"status {status}, expected {allowed}: {text[:200]}")
    document = json.loads(text) if text.strip() else None
    if expected.get("empty") and text:
        problems.append("the body should be empty")
    unread = status == 204 and 200 in allowed
    if "json" in expected and not problems and not unread:
        bad = mismatch(expected["json"], document)
        if bad is not None:
            problems.append(bad)
    for path in expected.get("absent", []):
        value, there = dig(document, path)
        if there and value not in (None, [], {}):
            problems.append(f"{path} should not be there, is {value!r}")
    for name, pattern in expected.get("headers", {}).items():
        if not re.search(pattern, answered.get(name.lower(), ""), re.IGNORECASE):
            problems.append(f"header {name}: {answered.get(name.lower())!r} does not match {pattern}")
    for name, path in step.get("save", {}).items():
        if path.startswith("header:"):
            known[name] = answered.get(path[7:].lower(), "")
            continue
        value, there = dig(document, path)
        if there:
            known[name] = value
        else:
            problems.append(f"cannot save {name}: {path} is not in the answer")
    return problems


def plain(value: Any) -> Any:
    """The value without what a service may add or reorder; lists are sorted."""
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            if key == "members" and isinstance(item, list):
                item = [{"value": member.get("value")} if isinstance(member, dict) else member for member in item]
            if key == "manager" and isinstance(item, dict):
                item = {"value": item.get("value")}
            item = plain(item)
            dropped = key in ("id", "meta", "schemas", "$ref", "groups") or (key == "primary" and item is False)
            if not dropped and item not in (None, [], {}):
                kept[key] = item
        return kept
    if isinstance(value, list):
        return sorted((plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
