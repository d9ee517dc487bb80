"""Requests a second of our SCIM endpoint against scim2-server and scimmy: one process and one core each, in one run.

    make bench            or: .venv/bin/python bench/scim_bench.py [--users 10000] [--rounds 3] [--seconds 3] [--json]

Ours runs as it is installed: bearer authentication, ETags, the call log and `synchronous=FULL`; the peers keep users in
memory. wrk, or scim_load.py where wrk is not installed, asks from another core over 16 connections; rounds alternate
between the servers, and each number is the median of the rounds. Beside the rate stands what a request used of the
processor, which a busy machine disturbs less.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scim_servers import BENCH, Served, serve_ours, serve_scim2_server, serve_scimmy

GOALS = {"GET by id": 12.0, "filter userName eq": 12.0, "PATCH one attribute": 8.0, "POST": 8.0, "list 100": 300.0}
CONNECTIONS = 16
LOAD_REQUESTS = 60_000  # more than any server answers in a round of three seconds
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
    return "\n".join([*head, f"request = function() {body} end"])


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
) -> dict[str, float]:
    """Rate, latencies and processor time of one round."""
    if shutil.which("wrk") is None:
        return _measure_by_hand(operation, served, filled, seconds, connections)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(write_script(operation, served, *filled))
        file.flush()
        terms = ("-t1", f"-c{connections}", "--timeout", "30s", f"-d{seconds}s", "--latency", "-s", file.name)
        before = served.processor_seconds()
        said = subprocess.run(
            [*_pinned(), "wrk", *terms, served.url], check=True, capture_output=True, text=True
        ).stdout
        used = served.processor_seconds() - before
    requests = int(found[1]) if (found := re.search(r"(\d+) requests in", said)) else 0
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "rate": float(found[1]) if (found := re.search(r"Requests/sec:\s*([\d.]+)", said)) else 0.0,
        "p50": _milliseconds(said, "50%"),
        "p99": _milliseconds(said, "99%"),
        "processor": 1e6 * used / max(1, requests),
        "requests": requests,
        "bad": int(bad[1]) if bad else 0,
    }


def _measure_by_hand(
    operation: str, served: Served, filled: tuple[list[str], list[str]], seconds: int, connections: int
) -> dict[str, float]:
    content = prepare_requests(operation, served, *filled, LOAD_REQUESTS if connections > 1 else LOAD_REQUESTS // 10)
    command = [*_pinned(), sys.executable, str(BENCH / "scim_load.py"), urlsplit(served.url).netloc]
    before = served.processor_seconds()
    said = json.loads(
        subprocess.run(
            [*command, str(connections), str(seconds)], input=content, check=True, stdout=subprocess.PIPE
        ).stdout
    )
    used = served.processor_seconds() - before
    return {**said, "rate": said["requests"] / said["seconds"], "processor": 1e6 * used / max(1, said["requests"])}


def _pinned() -> list[str]:
    return ["taskset", "-c", "1"] if shutil.which("taskset") else []


def _milliseconds(said: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", said)
    return 0.0 if found is None else float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def main() -> int:
    """0 when every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
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
            results: dict[str, dict[str, list[dict[str, float]]]] = {}
            for operation in GOALS:
                rounds: dict[str, list[dict[str, float]]] = {each.name: [] for each in servers}
                # A peer takes half a second for a list: one after the other, and for longer, so that some end.
                terms = (4 * options.seconds, 1) if operation == "list 100" else (options.seconds, CONNECTIONS)
                for _ in range(options.rounds):
                    for each in servers:
                        rounds[each.name].append(measure(operation, each, filled[each.name], *terms))
                results[operation] = rounds
                if operation == "POST":
                    posted = options.users + sum(int(each["requests"] - each["bad"]) for each in rounds["ours"])
        with serve_ours(folder) as again:
            total = again.ask("GET", "/Users?count=0")["totalResults"]
            print(f"after a restart {total} users are there; {posted} POSTs were answered 201")
    return report(results, as_json=options.json, is_whole=total >= posted)


def report(results: dict[str, dict[str, list[dict[str, float]]]], *, as_json: bool, is_whole: bool) -> int:
    """Prints the table; 0 when every goal is met and nothing was lost."""
    rows, short = [], not is_whole
    for operation, rounds in results.items():
        middle = {
            name: {key: statistics.median(each[key] for each in kept) for key in kept[0]}
            for name, kept in rounds.items()
        }
        mine, theirs = middle["ours"], middle["scim2-server"]
        ratio = mine["rate"] / theirs["rate"] if theirs["rate"] else float("inf")
        by_processor = theirs["processor"] / mine["processor"] if theirs["rate"] else float("inf")
        short |= ratio < GOALS[operation] or mine["bad"] > 0
        rows.append({"operation": operation, "goal": GOALS[operation], "ratio": ratio, "by processor": by_processor})
        rows[-1]["servers"] = middle
    if as_json:
        print(json.dumps(rows, indent=1))
        return int(short)
    print(
        "| operation | server | requests/s | p50 ms | p99 ms | processor µs | refused |\n|---|---|---|---|---|---|---|"
    )
    for row in rows:
        for name, each in row["servers"].items():
            numbers = (each["rate"], each["p50"], each["p99"], each["processor"], each["bad"])
            print(f"| {row['operation']} | {name} |", " | ".join(f"{number:,.1f}" for number in numbers), "|")
    print("\n| operation | ratio of rates | ratio of processor time | goal |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['operation']} | {row['ratio']:.1f}× | {row['by processor']:.1f}× | {row['goal']:g}× |")
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
