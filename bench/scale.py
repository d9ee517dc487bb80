"""A whole installation at growing sizes: real processes, real HTTP, and the Configuration Manager as the application.

    make bench-scale                        # 10,000 and 100,000 people
    make bench-scale ARGS="1000000"         # about an hour on two cores

For each size a directory of so many people, a hundredth as many groups, one of them with half of all people. Time is by
the clock; what the engine used of the processor and how much memory it had at most stand beside. The rest of both cores
is taken by the application and by this script.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from muster.cli.api import query
from played_configuration_manager import configuration_manager
from played_installation import PlayedApplication, PlayedService, add_application, command, service

SAMPLE_SECONDS = 0.2
WITHIN_SECONDS = 4 * 3600.0
CHANGED = 1_000
# An upload takes 64 MiB.
PEOPLE_IN_A_FILE = 150_000
PAGES = 9


@dataclass(kw_only=True)
class Measured:
    """What a step took: seconds by the clock, the engine's seconds of processor time, its most memory in MB."""

    name: str
    seconds: float
    engine: float = 0.0
    memory: float = 0.0
    count: int = 0


@dataclass(kw_only=True)
class Size:
    """All steps of one size."""

    people: int
    steps: list[Measured] = field(default_factory=list)


def write_directory(folder: Path, people: int) -> Iterator[Path]:
    """Writes a directory as JSON files of a size that can be uploaded, a line an object: people first, then groups."""
    path = folder / "directory.json"
    for start in range(0, people, PEOPLE_IN_A_FILE):
        write_objects(
            path, "users", (person(each, None) for each in range(start, min(people, start + PEOPLE_IN_A_FILE)))
        )
        yield path
    write_objects(path, "groups", (group(each, people) for each in range(max(1, people // 100))))
    yield path


def write_objects(path: Path, kind: str, objects: Iterable[dict[str, Any]]) -> None:
    """Writes objects of one kind."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"{kind}": [\n')
        for number, each in enumerate(objects):
            file.write((",\n" if number else "") + json.dumps(each))
        file.write("\n]}")


def group(number: int, people: int) -> dict[str, Any]:
    """A group of twenty; the first has half of all people."""
    chosen = range(people // 2) if number == 0 else range(number * 100, number * 100 + 20)
    members = [name(each) for each in chosen]
    return {"displayName": f"Group {number:06}", "mailNickname": f"group{number:06}", "members": members}


def name(number: int) -> str:
    """A person's principal name."""
    return f"person{number:07}@lantaarn.example"


def person(number: int, department: str | None) -> dict[str, Any]:
    """A person as a personnel system has one."""
    return {
        "userPrincipalName": name(number),
        "mailNickname": f"person{number:07}",
        "mail": name(number),
        "displayName": f"Person {number:07}",
        "givenName": "Person",
        "surname": f"No {number:07}",
        "jobTitle": "Clerk",
        "department": department or f"Department {number % 40}",
        "accountEnabled": True,
    }


@contextmanager
def watched(served: PlayedService, found: Measured) -> Iterator[None]:
    """Fills in what the engine takes while the block runs."""
    engine = served.process("engine")
    stopped = threading.Event()

    def sample() -> None:
        while not stopped.wait(SAMPLE_SECONDS):
            with suppress(psutil.Error):
                found.memory = max(found.memory, engine.memory_info().rss / 1e6)

    before, began = sum(engine.cpu_times()[:2]), time.perf_counter()
    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        found.seconds = time.perf_counter() - began
        found.engine = sum(engine.cpu_times()[:2]) - before
        stopped.set()
        thread.join()


def measure(people: int, folder: Path) -> Size:
    """Carries out every step and returns what each took."""
    size = Size(people=people)
    with (
        configuration_manager(folder / "configuration-manager") as manager,
        service(folder / "service") as served,
    ):
        customer = manager.customer("Scale")

        def step(title: str, act: Callable[[], int | None]) -> None:
            found = Measured(name=title, seconds=0.0)
            with watched(served, found):
                found.count = act() or 0
            size.steps.append(found)
            print(
                f"  {title}: {found.seconds:,.1f} s, engine {found.engine:,.1f} s, {found.memory:,.0f} MB", flush=True
            )

        def load(files: Iterable[Path]) -> None:
            for path in files:
                done = command("import", path, "--url", served.url, "--token", served.token, "--json")
                assert done.status == 0, done.err

        def load_changes() -> None:
            path = folder / "changes.json"
            write_objects(path, "users", (person(number, "Moved") for number in range(CHANGED)))
            load([path])

        step("import of everybody and the groups", lambda: load(write_directory(folder, people)))
        application = add_application(
            served.api, "Custom", BaseAddress=customer.url, SecretToken=customer.token, SyncAll="true"
        )
        step("plan of the initial cycle", lambda: plan(served, application))
        step("initial cycle", lambda: cycle(application))
        # Nothing changed, so that no cycle would begin by itself: it is asked to look at everybody anew.
        step("everybody looked at again", lambda: cycle(application, application.restart))
        # Else the cycle of the changes is over before anybody asks how long it took.
        application.pause()
        step(f"import of {CHANGED:,} changes", load_changes)
        step(f"cycle of {CHANGED:,} changes", lambda: cycle(application))
        step("reconciliation", lambda: reconcile(application))
        size.steps += [*calls(served, application)]
    return size


def plan(served: PlayedService, application: PlayedApplication) -> int:
    """Plans the next cycle and returns how many accounts it would make."""
    done = command("plan", application.service_principal_id, "--url", served.url, "--token", served.token)
    assert done.status == 0, done.err
    made = served.api.get(f"{application.job}/plans" + query(top=1))["value"][0]
    return int(made["counters"]["created"])


def cycle(application: PlayedApplication, begin: Callable[[], None] | None = None) -> int:
    """Runs a cycle and returns how many requests it sent."""
    known = {each["id"] for each in application.cycles()}
    (begin or application.start)()
    ended = application.ended(known, within=WITHIN_SECONDS)
    assert ended["state"] == "Succeeded", ended
    return int(ended["counters"]["requests"])


def reconcile(application: PlayedApplication) -> int:
    """Runs a reconciliation and returns how many requests it sent."""
    known = {each["id"] for each in application.cycles()}
    application.api.post(f"{application.job}/cycles", {"kind": "reconciliation"})
    return int(application.ended(known, within=WITHIN_SECONDS)["counters"]["requests"])


def calls(served: PlayedService, application: PlayedApplication) -> Iterator[Measured]:
    """What look-ups in the log and in the directory take, the median of nine."""
    where = urlsplit(served.url)
    connection = HTTPConnection(where.netloc, timeout=60)
    log, job = "/auditLogs/provisioning?$top=50&$filter=", f"jobId eq '{application.job_id}'"
    group = served.api.get("/groups" + query(filter="displayName eq 'Group 000000'"))["value"][0]["id"]
    looked = {
        "log, newest first": log + quote(job),
        "log, failures of the application": log + quote(f"{job} and provisioningStatusInfo/status eq 'failure'"),
        "log of a person": log + quote("sourceIdentity/displayName eq 'Person 0000007'"),
        "users, a page": "/users?$top=50",
        "users by the beginning of a name": "/users?$top=50&$filter=" + quote("startswith(displayName,'Person 00000')"),
        "members of the largest group, a page": f"/groups/{group}/members?$top=50",
        "the job with its status": application.job,
    }
    for title, path in looked.items():
        times = []
        for _ in range(PAGES):
            began = time.perf_counter()
            connection.request("GET", f"/v1.0{path}", headers={"Authorization": f"Bearer {served.token}"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (path, body[:300])
            times.append(time.perf_counter() - began)
        yield Measured(name=title, seconds=statistics.median(times))


def main() -> None:
    """Prints a table: for each step its seconds at each size, and what each object took of the engine's processor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=int, nargs="*", default=[10_000, 100_000], help="sizes (default: %(default)s)")
    sizes = []
    for people in parser.parse_args().people:
        print(f"{people:,} people, load {os.getloadavg()[0]:.1f}", flush=True)
        with tempfile.TemporaryDirectory(prefix="muster-scale-") as folder:
            sizes.append(measure(people, Path(folder)))
    heads = "".join(f" {size.people:,} people: s | µs each | MB |" for size in sizes)
    print(f"\n| step |{heads}\n|---|{'---:|---:|---:|' * len(sizes)}")
    for number, first in enumerate(sizes[0].steps):
        cells = ""
        for size in sizes:
            found = size.steps[number]
            each = f"{1e6 * found.engine / size.people:,.0f}" if found.engine else ""
            seconds = f"{found.seconds:,.1f}" if found.engine else f"{found.seconds:.3f}"
            cells += f" {seconds} | {each} | {f'{found.memory:,.0f}' if found.memory else ''} |"
        print(f"| {first.name} |{cells}")


if __name__ == "__main__":
    main()
