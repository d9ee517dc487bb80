"""Mutated requests against the Configuration Manager's own WSGI application: what is sent is answered, in SCIM's form.

`python -m fuzz.scim_requests --requests 200000` prints the histogram of statuses and exits with 1 on a finding.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fakes.scim_exchange import OWN, peers_folder, read_lines
from fakes.scim_site import PlayedSite, open_site
from fuzz.mutations import mutate_bytes, mutate_text, mutate_value
from muster.configuration_manager.customers import Profile

CHAPTER = 1_500  # requests until the customers are new and empty again
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
METHODS = ("GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "PÄTCH")
MEDIA = (
    "application/scim+json",
    "application/scim+json; charset=utf-8",
    "application/json",
    "text/xml",
    "",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
)
TAGS = ('W/"1"', 'W/"2"', "*", '"1"', 'W/"', '""', ",", 'W/"1", W/"2"', "é", '"' * 50)
ACCEPTED = ("application/scim+json", "*/*", "text/html", "application/json;q=0.1", ";;,", "application/*")
PARAMETERS = ("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes")
VALUES = (
    'userName eq "a"',
    "title pr",
    "emails.value",
    "descending",
    "-1",
    "0",
    "2",
    "99999999999999999999",
    "",
    "userName",
    "meta.lastModified",
    "members",
    "name",
    'emails[type eq "work" and value co "x"]',
    'meta.created gt "2011-05-13T04:42:34Z"',
    "not (active eq true)",
)
LEAKS = re.compile(
    rb"Traceback|File \\?\"|sqlalchemy|sqlite3|psycopg|orjson|falcon|JSONDecode|site-packages|IntegrityError|"
    rb"KeyError|TypeError|ValueError|AttributeError|IndexError|RecursionError|<class|object at 0x|INSERT INTO|SELECT "
)


@dataclass
class Report:
    """What came of a run."""

    statuses: Counter[int] = field(default_factory=Counter)
    routed: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.statuses.total()


@dataclass
class Request:
    """One request as HTTP carries it: the path is relative and encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None


@dataclass
class Seed:
    """A request that makes sense."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any


@dataclass
class Played:
    """A customer with the ids that were given out."""

    name: str
    token: str
    ids: dict[str, list[str]] = field(default_factory=lambda: {"User": [], "Group": []})
    cursors: list[str] = field(default_factory=list)


def read_seeds() -> list[Seed]:
    """Every request of the exchanges, and each filter and patch of the vectors as a request."""
    steps: list[dict[str, Any]] = []
    for path in sorted(OWN.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        steps += document.get("steps", [])
        for case in document.get("cases", []):
            if "filter" in case:
                steps.append({"method": "GET", "path": f"/Users?filter={case['filter']}"})
            else:
                message = {
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": case["operations"],
                }
                kind = case["resource"].capitalize()
                steps.append({"method": "PATCH", "path": f"/{kind}s/{{{{id}}}}", "body": message})
    folder = peers_folder()
    for path in sorted((folder / "transcripts").glob("*.jsonl")) if folder is not None else []:
        steps += read_lines(path)
    return [_seed(step) for step in steps if "method" in step and "raw" not in step]


def _seed(step: dict[str, Any]) -> Seed:
    path, _, query = step["path"].partition("?")
    pairs = [piece.partition("=")[::2] for piece in re.split(r"&(?=[A-Za-z]+=)", query) if piece]
    return Seed(method=step["method"], path=path, query=pairs, body=step.get("body"))


def run(folder: Path, *, requests: int, seed: int) -> Report:
    """The report of so many requests; the same seed sends the same ones but for the ids that the service chooses."""
    chance = random.Random(seed)
    seeds = read_seeds()
    report = Report()
    with open_site(folder) as site:
        while report.requests < requests:
            played = _new_customers(site, chapter=report.requests)
            for _ in range(min(CHAPTER, requests - report.requests)):
                customer = chance.choice(played)
                request = _make_request(chance, chance.choice(seeds), customer)
                status, headers, body = site.ask(
                    customer.name, request.method, request.path, request.query, request.headers, request.body
                )
                _remember(customer, status, body)
                _judge(report, request, status, body, headers)
    return report


def _new_customers(site: PlayedSite, *, chapter: int) -> list[Played]:
    played = []
    kinds = (("g", Profile.GENERIC, False), ("s", Profile.GENERIC, True), ("e", Profile.EIGHT_BY_EIGHT, False))
    for name, profile, strict in kinds:
        customer, token = site.create_customer(f"{name}{chapter}", profile, strict=strict)
        played.append(Played(name=customer.name, token=token))
    return [played[0], *played]  # the generic one twice as often


def _make_request(chance: random.Random, seed: Seed, customer: Played) -> Request:
    kind = "Group" if seed.path.startswith("/Groups/") else "User"

    def fill(text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda match: _word(chance, customer, match.group(1), kind), text)

    body = seed.body
    path, method, query = fill(seed.path), seed.method, [(name, fill(value)) for name, value in seed.query]
    if body is not None:
        body = json.loads(fill(json.dumps(body)))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        match chance.randrange(8):
            case 0 | 1 | 2 if body is not None:
                body = mutate_value(chance, body)
            case 3 | 4:
                query = _mutate_query(chance, query, customer)
            case 5 if chance.random() < 0.4:
                path = mutate_text(chance, path)
            case 6 if chance.random() < 0.4:
                method = chance.choice(METHODS)
            case _ if body is None and chance.random() < 0.3:
                body = {"userName": "x"}
    content = None if body is None else json.dumps(body, ensure_ascii=chance.random() < 0.5).encode(errors="replace")
    if content and chance.random() < 0.06:
        content = mutate_bytes(chance, content)
    written = "&".join(
        f"{name}={value if chance.random() < 0.02 else quote(value, safe='', errors='replace')}"
        for name, value in query
    )
    return Request(method, quote(path, safe="/%:", errors="replace"), written, _headers(chance, customer), content)


def _word(chance: random.Random, customer: Played, name: str, kind: str) -> str:
    if name.startswith("rand"):
        return f"{chance.randrange(400):x}"
    ids = customer.ids[kind if chance.random() < 0.9 else "User"]
    return chance.choice(ids) if ids and chance.random() < 0.97 else "unknown"


def _mutate_query(chance: random.Random, query: list[tuple[str, str]], customer: Played) -> list[tuple[str, str]]:
    changed = list(query)
    if changed and chance.random() < 0.5:
        at = chance.randrange(len(changed))
        name, value = changed[at]
        changed[at] = (name, mutate_text(chance, value))
    else:
        name = chance.choice(PARAMETERS)
        value = chance.choice(VALUES)
        if name == "cursor" and customer.cursors:
            value = chance.choice(customer.cursors)
        changed.append((name, value if chance.random() < 0.7 else mutate_text(chance, value)))
    return changed


def _headers(chance: random.Random, customer: Played) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {customer.token}", "Content-Type": MEDIA[0]}
    if chance.random() < 0.03:
        headers["Authorization"] = chance.choice(("", "Bearer", "Basic eDp5", f"Bearer {customer.token}x", "Bearer é"))
    if chance.random() < 0.08:
        headers["Content-Type"] = chance.choice(MEDIA)
    if chance.random() < 0.08:
        headers[chance.choice(("If-Match", "If-None-Match"))] = chance.choice(TAGS)
    if chance.random() < 0.05:
        headers["Accept"] = chance.choice(ACCEPTED)
    return headers


def _remember(customer: Played, status: int, body: bytes) -> None:
    if status not in (200, 201) or not body:
        return
    document = json.loads(body)
    for name in ("nextCursor", "previousCursor"):
        if name in document:
            customer.cursors = [*customer.cursors[-5:], document[name]]
    if status == 201 and isinstance(document.get("id"), str):
        kind = "Group" if "displayName" in document and "userName" not in document else "User"
        customer.ids[kind] = [*customer.ids[kind][-30:], document["id"]]


def _judge(report: Report, request: Request, status: int, body: bytes, headers: dict[str, str]) -> None:
    report.statuses[status] += 1
    problems = []
    document: Any = None
    try:
        document = json.loads(body) if body else None
    except ValueError:
        problems.append("the body is no JSON")
    unrouted = status in (401, 405) or (status == 404 and b"no such endpoint" in body)
    report.routed += not unrouted and not (status == 403 and b"another customer" in body)
    named = re.match(r"/+(?:Me|Bulk)(?:/|$)", request.path)
    if status >= 500 and not (status == 501 and named):
        problems.append(f"status {status}")
    if body and headers.get("content-type") != MEDIA[0]:
        problems.append(f"content type {headers.get('content-type')}")
    if status >= 400 and request.method != "HEAD":
        wanted = isinstance(document, dict) and document.get("schemas") == [ERROR_URN]
        if not wanted or document.get("status") != str(status) or not document.get("detail"):
            problems.append("no SCIM error body")
    for leak in LEAKS.findall(body):
        if leak not in (request.body or b"") and leak not in request.query.encode() + request.path.encode():
            problems.append(f"leaks {leak!r}")
    if problems and len(report.findings) < 50:
        report.findings.append(f"{', '.join(problems)}: {request} -> {body[:300]!r}")


def main() -> int:
    """Runs and prints; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), requests=given.requests, seed=given.seed)
    for status, number in sorted(report.statuses.items()):
        sys.stdout.write(f"{status}  {number:>8}  {'#' * round(60 * number / report.requests)}\n")
    sys.stdout.write(
        f"{report.requests} requests in {time.monotonic() - started:.0f} s (seed {given.seed}); "
        f"{report.routed / report.requests:.1%} passed authentication and routing; {len(report.findings)} findings\n"
    )
    for finding in report.findings:
        sys.stdout.write(f"FOUND {finding}\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
