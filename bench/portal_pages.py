"""What the portal's pages cost with many people, and what open overview pages do to the API.

The pages are asked of the portal in this process, over the store of an installation: 100,000 people, all linked, and as
many entries of the log. What counts is the processor's time of an answer, the median of some: what a page takes on a
machine at rest. Then a service runs as a process, a hundred overview pages ask once a second for what is new, as they
do while a cycle runs, and the API is called beside them.
"""

import argparse
import http.client
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from reevaluation import batches, prepare
from werkzeug.test import Client

from muster.administration.access import OPERATOR, create_administrator, create_token
from muster.bootstrap.assembly import make_services
from muster.bootstrap.house import House, open_house
from muster.model.directory import ObjectKind
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.roles import Role
from muster.ports.cycles import Settlement
from muster.settings import Settings
from muster.web.portal.app import make_portal
from muster.web.site import make_site
from played_installation import service

NAME, PASSWORD = "bench", "a long enough pass phrase"
PAGE_LIMIT_MILLISECONDS = 150
API_LIMIT_MILLISECONDS = 100
_SEAL = re.compile(r'name="csrf_token" value="([^"]+)"')


def main() -> None:
    """Prints both tables; ends with status 1 when a limit is missed and `--check` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--pages", type=int, default=100, help="open overview pages (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="of each measurement of the API (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="answers a page (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="fail when a limit is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        prepare(folder, options.people)
        house = open_house(Settings(data=folder), folder)
        fill(house, options.people)
        slow = measure_pages(house, options.people, options.rounds)
        token = prepare_access(house)
        house.database.close()
        slowest = measure_api(folder, token, options.pages, options.seconds)
    if options.check and (slow or slowest > API_LIMIT_MILLISECONDS):
        sys.exit("A limit was missed.")


# ---------------------------------------------------------------- pages


def measure_pages(house: House, people: int, rounds: int) -> list[str]:
    """Prints what each page takes; returns those above the limit."""
    services = make_services(house)
    create_administrator(services.desk(OPERATOR), NAME, PASSWORD, frozenset({Role.GLOBAL_ADMINISTRATOR}))
    client = Client(make_site(services, {"": make_portal(services)}))
    sign_in(client)
    sp = house.store.jobs.list()[-1].service_principal_id
    print(f"{people:,} people, linked; {people:,} entries of the log. Milliseconds of processor an answer, median:")
    slow = []
    for path in pages(sp, people):
        took = []
        for _ in range(rounds):
            began = time.process_time()
            answer = client.get(path)
            took.append((time.process_time() - began) * 1e3)
            assert answer.status_code == 200, (path, answer.status_code)
        median = statistics.median(took)
        mark = "" if median < PAGE_LIMIT_MILLISECONDS else f"  above {PAGE_LIMIT_MILLISECONDS}"
        print(f"  {path.replace(sp, '…'):<62}{median:>8.1f}{mark}", flush=True)
        slow += [path] if mark else []
    return slow


def pages(sp: str, people: int) -> Iterator[str]:
    """The pages that many people could make slow: lists, their ends, searches, details, logs."""
    app = f"/applications/{sp}"
    yield from ("/", "/applications", "/users", "/users?search=given+777", "/users?search=nobody", "/groups")
    yield from (f"/users/{ids(people // 2)}", f"/users/{ids(people // 2)}/edit", "/find?q=given+99")
    yield from (app, f"{app}/live", f"{app}/users-and-groups", f"{app}/users-and-groups/add?search=given")
    yield from (f"{app}/provisioning", f"{app}/provisioning/accounts", f"{app}/provisioning/accounts?state=adopted")
    yield from (f"{app}/provisioning/accounts/waiting", f"{app}/mappings", f"{app}/mappings/0/scope", f"{app}/plans")
    yield from ("/logs", "/logs?status=failure", "/logs?search=person+777", "/logs?search=nobody", f"{app}/logs")
    yield from (
        f"{app}/logs?action=create&status=success&span=24h",
        f"/logs?source={ids(people // 2)}",
        "/logs/entry-777?change=change-777",
    )
    yield from (f"{app}/insights?span=30d", "/insights", "/audit")


def ids(number: int) -> str:
    """By what a person of the bench is found."""
    return f"person.{number}@example.org"


def sign_in(client: Client) -> None:
    """Signs in, as a browser does."""
    found = _SEAL.search(client.get("/sign-in").text)
    assert found is not None
    answer = client.post("/sign-in", data={"csrf_token": found[1], "name": NAME, "password": PASSWORD})
    assert answer.status_code == 303, answer.status_code


def fill(house: House, people: int) -> None:
    """Writes a cycle that made everybody, with an entry of the log for each."""
    job = house.store.jobs.list()[-1]
    now = house.clock.now()
    counters = Counters(expected=people, evaluated=people, created=people, requests=people, writes=people)
    cycle = Cycle(
        id="cycle-1",
        job_id=job.id,
        kind=CycleKind.INITIAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.USERS,
        position=None,
        window_after=0,
        window_until=people,
        epoch=1,
        counters=counters,
        began_at=now - timedelta(hours=1),
    )
    house.store.cycles.begin(cycle)
    for numbers in batches(people):
        settled = [
            Settlement(
                kind=ObjectKind.USER,
                source_id=ids(number),
                entry=LogEntry(
                    id=f"entry-{number}",
                    at=now - timedelta(seconds=people - number),
                    job_id=job.id,
                    cycle_id=cycle.id,
                    change_id=f"change-{number}",
                    service_principal_id=job.service_principal_id,
                    action=ProvisioningAction.CREATE,
                    status=LogStatus.FAILURE if number % 1_000 == 0 else LogStatus.SUCCESS,
                    object_kind="User",
                    source_id=ids(number),
                    source_name=f"Person {number}",
                    target_id=f"t-{number}",
                    target_name=f"person{number}@example.com",
                    steps=(),
                    modified=(),
                    duration=timedelta(milliseconds=5),
                ),
            )
            for number in numbers
        ]
        house.store.cycles.settle(cycle, settled)
    house.store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED, ended_at=now), people)


# ---------------------------------------------------------------- the API beside open pages


def prepare_access(house: House) -> str:
    """Returns a token; the job is paused, so that the service has nothing else to do."""
    desk = make_services(house).desk(OPERATOR)
    return create_token(desk, "bench", (Role.GLOBAL_ADMINISTRATOR,))[1]


def measure_api(folder: Path, token: str, pages: int, seconds: int) -> float:
    """Prints the API's times without and with open pages; returns the slow end of the latter in milliseconds."""
    with service(folder, token=token) as served:
        address = urlsplit(served.url).netloc
        sp = served.api.get("/servicePrincipals?$filter=displayName eq '8x8'".replace(" ", "%20"))["value"][0]["id"]
        cookie = cookie_of(address)
        alone = call_api(address, token, seconds)
        with open_pages(address, f"/applications/{sp}/live", cookie, pages) as asked:
            began = time.perf_counter()
            beside = call_api(address, token, seconds)
            answers = len(asked) / (time.perf_counter() - began)
    print(f"\nThe API, 20 calls a second; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Milliseconds:")
    for name, took in (("alone", alone), (f"beside {pages} open overview pages", beside)):
        print(f"  {name:<40}median {statistics.median(took):>6.1f}   p99 {slow_end(took):>6.1f}")
    print(f"  {answers:.0f} answers a second to the pages")
    return slow_end(beside)


def cookie_of(address: str) -> str:
    """Signs in over HTTP; returns the session's cookie."""
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/sign-in")
    answer = connection.getresponse()
    form = answer.headers["Set-Cookie"].partition(";")[0]
    found = _SEAL.search(answer.read().decode())
    assert found is not None
    body = urlencode({"csrf_token": found[1], "name": NAME, "password": PASSWORD})
    headers = {"Cookie": form, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", body, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303, answer.status
    return next(each for each in answer.headers.get_all("Set-Cookie") or () if "session" in each).partition(";")[0]


@contextmanager
def open_pages(address: str, path: str, cookie: str, count: int) -> Iterator[list[int]]:
    """So many pages that look once a second; the block gets the statuses of their answers."""
    over, answers = threading.Event(), list[int]()

    def look(start: float) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        headers = {"Cookie": cookie, "HX-Request": "true"}
        over.wait(start)
        while not over.wait(1):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 304), answer.status
            answers.append(answer.status)
            headers["If-None-Match"] = answer.headers["ETag"]

    threads = [threading.Thread(target=look, args=(number / count,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    answers.clear()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def call_api(address: str, token: str, seconds: int) -> list[float]:
    """Calls the API 20 times a second; returns what each call took, in milliseconds."""
    connection = http.client.HTTPConnection(address, timeout=60)
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
    calls: tuple[Callable[[int], str], ...] = (
        lambda number: f"/v1.0/users/{ids(number * 97 % 1_000 + 1)}",
        lambda _number: "/v1.0/users?$top=20",
        lambda _number: "/v1.0/auditLogs/provisioning?$top=20",
    )
    took = []
    for number in range(seconds * 20):
        began = time.perf_counter()
        connection.request("GET", calls[number % len(calls)](number), headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1e3)
        assert answer.status == 200, (answer.status, number)
        time.sleep(max(0.0, 0.05 - (time.perf_counter() - began)))
    return took


def slow_end(took: list[float]) -> float:
    """The 99th percentile."""
    return sorted(took)[int(len(took) * 0.99)]


if __name__ == "__main__":
    main()
