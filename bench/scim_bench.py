"""Requests a second of our SCIM endpoint against scim2-server and scimmy: one process and one core each, in one run.

    make bench            or: .venv/bin/python bench/scim_bench.py [--users 10000] [--slices 9] [--seconds 1] [--json]

Ours runs as it is installed: bearer authentication, ETags, the call log and `synchronous=FULL`; the peers keep users
in memory. wrk, or scim_load.py where wrk is not installed, asks from another core over 16 connections, in short slices
that alternate between the servers. A rate is the median of a server's slices: a moment in which the machine stands
still falls into one slice and decides nothing, whomever it meets. What such moments cost stands beside it: the rate
over all slices, p50 and p99 of all their answers, and what a request used of the processor. A slice begins once the
server before is at rest: what it still has to do when nobody waits any more counts as its own, and takes no core from
the next.
"""

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scim_servers import BENCH, Served, serve_ours, serve_scim2_server, serve_scimmy

GOALS = {"GET by id": 12.0, "filter userName eq": 12.0, "PATCH one attribute": 8.0, "POST": 8.0, "list 100": 300.0}
CONNECTIONS = 16
LOAD_REQUESTS = 60_000  # more than any server answers in a slice of a second
DONE = """
done = function(summary, latency)
  local taken = {}
  for i = 1, #latency do local us, count = latency(i); taken[i] = "[" .. us .. "," .. count .. "]" end
  io.write(string.format('\\n{"requests": %d, "seconds": %f, "bad": %d, "taken_us": [%s]}',
    summary.requests, summary.duration / 1e6, summary.errors.status, table.concat(taken, ",")))
end"""
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def make_user(name: str) -> dict[str, Any]:
    """A user as an identity provider sends one."""
    return {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": name,
        "externalId": str(uuid.uuid4()),
        "active": True,
        "title": "Agent",
        "displayName": "Pat Lee",
        "name": {"givenName": "Pat", "familyName": "Lee"},
        "emails": [{"type": "work", "value": name, "primary": True}],
        "phoneNumbers": [{"type": "work", "value": "+31201234567"}, {"type": "mobile", "value": "+31612345678"}],
        "locale": "nl-NL",
        ENTERPRISE_URN: {"department": "Sales", "employeeNumber": "17"},
    }


def fill(served: Served, count: int) -> tuple[list[str], list[str]]:
    """Ids and names of the users made."""
    names = [f"user{number}.{uuid.uuid4().hex[:6]}@contoso.example" for number in range(count)]
    return [served.ask("POST", "/Users", make_user(name))["id"] for name in names], names


def write_script(operation: str, served: Served, ids: list[str], names: list[str]) -> str:
    """The requests of one operation for wrk, in Lua."""
    base = re.sub(r"^https?://[^/]+", "", served.url)
    head = [
        f'local base = "{base}/Users"; local n = 0; math.randomseed(os.time())',
        f'wrk.headers["Authorization"] = "Bearer {served.token}"',
        'wrk.headers["Content-Type"] = "application/scim+json"',
    ]
    chosen = ids if operation in ("GET by id", "PATCH one attribute") else names
    head.append("local all = {" + ",".join(f'"{each}"' for each in chosen) + "}")
    match operation:
        case "GET by id":
            body = 'return wrk.format("GET", base .. "/" .. all[math.random(#all)])'
        case "filter userName eq":
            body = 'return wrk.format("GET", base .. "?filter=userName%20eq%20%22" .. all[math.random(#all)] .. "%22")'
        case "list 100":
            body = 'return wrk.format("GET", base .. "?count=100")'
        case "PATCH one attribute":
            change = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "title", "value": "@@"}]}
            head.append(f"local sent = {json.dumps(change)!r}")
            body = 'n = n + 1; local s = sent:gsub("@@", "t" .. n .. os.time()); '
            body += 'return wrk.format("PATCH", base .. "/" .. all[math.random(#all)], nil, s)'
        case _:
            head.append(f"local sent = {json.dumps(make_user('@@'))!r}")
            body = f'n = n + 1; local s = sent:gsub("@@", "{uuid.uuid4().hex[:8]}" .. n .. "@contoso.example"); '
            body += 'return wrk.format("POST", base, nil, s)'
    return "\n".join([*head, f"request = function() {body} end", DONE])


def prepare_requests(operation: str, served: Served, ids: list[str], names: list[str], count: int) -> bytes:
    """The requests of one operation for scim_load.py, each with its length before it."""
    where = urlsplit(served.url)
    head = f" HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {served.token}"
    head += "\r\nContent-Type: application/scim+json"
    tag = uuid.uuid4().hex[:8]
    prepared = []
    for number in range(count):
        method, path, document = "GET", "/Users", None
        match operation:
            case "GET by id":
                path += "/" + random.choice(ids)
            case "filter userName eq":
                path += f"?filter=userName%20eq%20%22{random.choice(names)}%22"
            case "list 100":
                path += "?count=100"
            case "PATCH one attribute":
                change = {"op": "replace", "path": "title", "value": f"t{number}{tag}"}
                method, document = "PATCH", {"schemas": [PATCH_URN], "Operations": [change]}
                path += "/" + random.choice(ids)
            case _:
                method, document = "POST", make_user(f"{tag}{number}@contoso.example")
        body = b"" if document is None else json.dumps(document).encode()
        length = f"\r\nContent-Length: {len(body)}" if body else ""
        request = f"{method} {where.path}{path}{head}{length}\r\n\r\n".encode() + body
        prepared.append(len(request).to_bytes(4) + request)
    return b"".join(prepared)


def measure(
    operation: str, served: Served, filled: tuple[list[str], list[str]], seconds: int, connections: int
) -> dict[str, Any]:
    """One slice: `requests`, `seconds`, `bad` (neither 2xx nor 3xx), `taken_us` (how long, and how many took so long)
    and `processor`, the seconds of it that the server used."""
    if shutil.which("wrk") is None:
        count = LOAD_REQUESTS * seconds if connections > 1 else LOAD_REQUESTS * seconds // 10
        content = prepare_requests(operation, served, *filled, count)
        command = [sys.executable, str(BENCH / "scim_load.py"), urlsplit(served.url).netloc, str(connections)]
        return _load(served, [*command, str(seconds)], content)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(write_script(operation, served, *filled))
        file.flush()
        terms = ("-t1", f"-c{connections}", "--timeout", "30s", f"-d{seconds}s", "-s", file.name)
        return _load(served, ["wrk", *terms, served.url], b"")


def _load(served: Served, command: list[str], content: bytes) -> dict[str, Any]:
    pinned = ["taskset", "-c", "1"] if shutil.which("taskset") else []
    before = served.processor_seconds()
    said = subprocess.run([*pinned, *command], input=content, check=True, stdout=subprocess.PIPE).stdout
    used = served.used_until_rest() - before
    return {**json.loads(said.splitlines()[-1]), "processor": used}


def sum_up(slices: list[dict[str, Any]]) -> dict[str, float]:
    """What a server's slices of one operation say: rates by the median and over all, latencies of all answers."""
    taken: Counter[int] = Counter()
    for each in slices:
        for us, count in each["taken_us"]:
            taken[us] += count
    requests, seconds = (sum(each[name] for each in slices) for name in ("requests", "seconds"))
    return {
        "rate": statistics.median(each["requests"] / each["seconds"] for each in slices),
        "over all": requests / seconds,
        "p50": _percentile(taken, 50),
        "p99": _percentile(taken, 99),
        "processor": 1e6 * sum(each["processor"] for each in slices) / max(1, requests),
        "bad": sum(each["bad"] for each in slices),
        "requests": requests,
    }


def _percentile(taken: Counter[int], percent: int) -> float:
    """Milliseconds within which so many answers came."""
    left = taken.total() * percent // 100
    for us in sorted(taken):
        left -= taken[us]
        if left < 0:
            return us / 1000
    return 0.0


def main() -> int:
    """0 when every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1, help="of a slice; four times as many of lists")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: asking with bench/scim_load.py, which itself takes 20 µs a request", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-bench-")))
        with ExitStack() as first:
            ours = first.enter_context(serve_ours(folder))
            filled = {"ours": fill(ours, options.users)}
            peers = [stack.enter_context(serve_scim2_server()), stack.enter_context(serve_scimmy())]
            servers = [ours, *(peer for peer in peers if peer is not None)]
            for peer in servers[1:]:
                filled[peer.name] = fill(peer, options.users)
            print("commits:", *re.findall(r"commits are kept with (.+)", (folder / "bench.log").read_text()))
            results: dict[str, dict[str, dict[str, float]]] = {}
            for operation in GOALS:
                slices: dict[str, list[dict[str, Any]]] = {each.name: [] for each in servers}
                # A peer takes half a second for a list: one after the other, and for longer, so that some end.
                terms = (4 * options.seconds, 1) if operation == "list 100" else (options.seconds, CONNECTIONS)
                for _ in range(options.slices):
                    for each in servers:
                        slices[each.name].append(measure(operation, each, filled[each.name], *terms))
                results[operation] = {name: sum_up(kept) for name, kept in slices.items()}
            posted = options.users + int(results["POST"]["ours"]["requests"] - results["POST"]["ours"]["bad"])
        with serve_ours(folder) as again:
            total = again.ask("GET", "/Users?count=0")["totalResults"]
            print(f"after a restart {total} users are there; {posted} POSTs were answered 201")
    return report(results, as_json=options.json, is_whole=total >= posted)


def report(results: dict[str, dict[str, dict[str, float]]], *, as_json: bool, is_whole: bool) -> int:
    """Prints the tables; 0 when every goal is met and nothing was lost."""
    rows = []
    for operation, servers in results.items():
        mine, theirs = servers["ours"], servers["scim2-server"]
        row: dict[str, Any] = {"operation": operation, "goal": GOALS[operation]}
        for name in ("rate", "over all"):
            row[name] = mine[name] / theirs[name] if theirs[name] else float("inf")
        row["processor"] = theirs["processor"] / mine["processor"]
        rows.append({**row, "servers": servers})
    is_met = is_whole and all(row["rate"] >= row["goal"] and not row["servers"]["ours"]["bad"] for row in rows)
    if as_json:
        print(json.dumps(rows, indent=1))
        return int(not is_met)
    print("| operation | server | requests/s | over all | p50 ms | p99 ms | processor µs | refused |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        for name, each in row["servers"].items():
            numbers = [each[key] for key in ("rate", "over all", "p50", "p99", "processor", "bad")]
            print(f"| {row['operation']} | {name} |", " | ".join(f"{number:,.1f}" for number in numbers), "|")
    print("\n| operation | ratio of rates | over all | of processor time | goal |\n|---|---:|---:|---:|---:|")
    for row in rows:
        ratios = " | ".join(f"{row[name]:.1f}×" for name in ("rate", "over all", "processor"))
        print(f"| {row['operation']} | {ratios} | {row['goal']:g}× |")
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
