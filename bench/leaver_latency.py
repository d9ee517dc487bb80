"""How long somebody who leaves keeps an account while an initial cycle of many people runs.

The real engine and store carry people to an application that allows so many requests a second and takes its time to
answer. The clock runs faster than the machine's, five times if nothing else is said, so that a cycle of more than an
hour is over in minutes; what the engine and the database need themselves therefore counts five times. The application
counts what comes faster than it allows. Now and then one of the people, whether already created or not, is switched off
in the directory; measured is the time from there until the application was told, or, for those without an account,
whether they got one.
"""

import argparse
import os
import random
import statistics
import tempfile
import threading
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from muster.engine.cycle import CycleEngine
from muster.engine.schedule import DEBOUNCE
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest, HttpResponse
from muster.ports.directory import ObjectWrite
from trip.playing import JOB, Trip

BLOCK = 1_000


class FastClock:
    """The machine's time, so many times faster."""

    def __init__(self, times: float) -> None:
        self._times = times
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Returns the instant."""
        return self._began_at + timedelta(seconds=(time.monotonic() - self._began) * self._times)

    def sleep(self, duration: timedelta) -> None:
        """Waits."""
        time.sleep(duration.total_seconds() / self._times)


class Application:
    """Answers as a SCIM application would: 429 above its rate, else after a while."""

    def __init__(self, clock: FastClock, rate: float, answers_in: timedelta) -> None:
        self._clock = clock
        self._rate = rate
        self._answers_in = answers_in
        self._lock = threading.Lock()
        self._recent: deque[datetime] = deque()
        self._names: dict[str, str] = {}
        self.requests = 0
        self.refused = 0
        self.leaves: Any = None
        self.created_at: dict[str, datetime] = {}
        self.disabled_at: dict[str, datetime] = {}

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:  # noqa: ARG002 (the port's)
        """The answer to a request."""
        self.leaves()
        with self._lock:
            now = self._clock.now()
            while self._recent and now - self._recent[0] > timedelta(seconds=1):
                self._recent.popleft()
            # A second's worth may come at once, and one second's worth after it.
            refused = len(self._recent) >= 2 * self._rate
            self.requests += 1
            self.refused += refused
            if not refused:
                self._recent.append(now)
        if refused:
            return self._answer(429, {"detail": "slow down"})
        self._clock.sleep(self._answers_in)
        return self._take(request)

    def _take(self, request: HttpRequest) -> HttpResponse:
        body = orjson.loads(request.body) if request.body else {}
        if request.method == "POST":
            identifier = f"t-{body['userName']}"
            self.created_at[body["userName"]] = self._clock.now()
            return self._answer(201, {**body, "id": identifier})
        if request.method == "PATCH":
            if any(_switches_off(operation) for operation in body["Operations"]):
                self.disabled_at[request.url.rpartition("/t-")[2].replace("%40", "@")] = self._clock.now()
            return self._answer(204, None)
        return self._answer(200, {"totalResults": 0, "Resources": []})

    def _answer(self, status: int, document: Any) -> HttpResponse:
        content = b"" if document is None else orjson.dumps(document)
        headers = {"content-type": "application/scim+json"}
        return HttpResponse(status=status, headers=headers, body=content, elapsed=self._answers_in)


def _switches_off(operation: dict[str, Any]) -> bool:
    value = operation.get("value")
    wanted = value.get("active") if isinstance(value, dict) else value if operation.get("path") == "active" else None
    return str(wanted).lower() == "false"


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5_000, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=25, help="requests a second it allows (default: %(default)s)")
    parser.add_argument("--answers-in", type=float, default=0.2, help="seconds (default: %(default)s)")
    parser.add_argument("--every", type=float, default=5, help="seconds between two leavers (default: %(default)s)")
    parser.add_argument("--times", type=float, default=5, help="how much faster the clock runs (default: %(default)s)")
    parser.add_argument("--managers", action="store_true", help="each reports to somebody: a second wave of requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        _measure(Path(folder), options)


def _measure(folder: Path, options: argparse.Namespace) -> None:
    chance = random.Random(1)
    trip = Trip(folder, page="Custom", sync_all=True)
    clock = FastClock(options.times)
    application = Application(clock, options.rate, timedelta(seconds=options.answers_in))
    trip.page = replace(trip.page, dialect=replace(trip.page.dialect, requests_per_second=options.rate))
    trip.clock, trip.transport = clock, application  # type: ignore[assignment]  (played in another way)
    people = _hire(trip, options.people, managers=options.managers)
    names = list(people)
    engine = trip.new_engine()
    left_at: dict[str, datetime] = {}
    next_at = [clock.now() + timedelta(seconds=options.every)]
    guard = threading.Lock()

    def leaves() -> None:
        with guard:
            if clock.now() < next_at[0] or not people:
                return
            next_at[0] = clock.now() + timedelta(seconds=chance.expovariate(1 / options.every))
            name = chance.choice(names)
            identifier = people.pop(name, None)
            if identifier is None:
                return
            write = ObjectWrite(
                kind=ObjectKind.USER, object_id=identifier, attributes={"accountEnabled": False}, is_new=False
            )
            trip.store.directory.write([write], clock.now())
            left_at[name] = clock.now()

    application.leaves = leaves
    began, began_at, processor = time.monotonic(), clock.now(), time.process_time()
    _run(engine)
    ended_at, seconds = clock.now(), time.monotonic() - began
    processor = time.process_time() - processor
    # Who left in the last moment wakes the next cycle, once the feed has rested.
    people.clear()
    clock.sleep(DEBOUNCE)
    _run(engine)
    _report(application, left_at, (ended_at - began_at).total_seconds(), seconds, processor, options)


def _run(engine: CycleEngine) -> None:
    cycle = engine.begin(JOB)
    while cycle is not None and engine.advance(cycle.id):
        pass


def _hire(trip: Trip, count: int, *, managers: bool) -> dict[str, str]:
    identifiers = [trip.ids.new_id() for _ in range(count)]
    names = [f"p{number:06}@example.com" for number in range(count)]
    for start in range(0, count, BLOCK):
        writes = [
            ObjectWrite(
                kind=ObjectKind.USER,
                object_id=identifiers[number],
                is_new=True,
                manager_id=identifiers[number // 10] if managers and number else None,
                attributes={
                    "userPrincipalName": names[number],
                    "displayName": f"Person {number}",
                    "givenName": "Person",
                    "surname": f"No {number}",
                    "mail": names[number],
                    "accountEnabled": True,
                },
            )
            for number in range(start, min(count, start + BLOCK))
        ]
        trip.store.directory.write(writes, trip.clock.now())
    return dict(zip(names, identifiers, strict=True))


def _report(
    application: Application,
    left_at: dict[str, datetime],
    duration: float,
    seconds: float,
    processor: float,
    options: argparse.Namespace,
) -> None:
    waits, forgotten, never = [], [], 0
    for name, left in left_at.items():
        if name in application.disabled_at:
            waits.append((application.disabled_at[name] - max(left, application.created_at[name])).total_seconds())
        elif name in application.created_at:
            forgotten.append(name)
        else:
            never += 1
    assert waits, "nobody left who had an account: more people, or leavers more often"
    waits.sort()
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    rate = application.requests / duration
    print(f"{options.people:,} people, {options.rate:g} requests/s allowed, {machine}")
    print(f"{duration:,.0f} s by the fast clock, {seconds:.0f} s by the machine's, {processor:.0f} s of processor")
    print(f"{application.requests:,} requests, {rate:.1f} a second, {application.refused} refused")
    print(f"{len(left_at):,} left: {never:,} before they had an account, and got none; {len(forgotten)} forgotten")
    print(
        f"{len(waits):,} had one, which was switched off after: median {statistics.median(waits):.1f} s, "
        f"p99 {waits[int(len(waits) * 0.99)]:.1f} s, longest {waits[-1]:.1f} s"
    )


if __name__ == "__main__":
    main()
