"""What our SCIM endpoint takes at a million users against ten thousand: lists, filters, a large group, memory, disk.

    .venv/bin/python bench/scim_scale.py [--users 1000000] [--members 500000] [--repeats 31]

Users are written through the repository, many to a transaction; everything that is measured goes over HTTP to the
server as it is installed, one request at a time, to both sizes in turns; each number is the median of the repeats. The
exit status is 0 when every goal is met.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from scim_bench import PATCH_URN, make_user
from scim_servers import Served, run_ours, serve_ours
from sqlalchemy import Connection

from muster.bootstrap.configuration_manager import DATABASE_NAME
from muster.bootstrap.configuration_manager_web import make_resource_id
from muster.configuration_manager.customers import Customers
from muster.configuration_manager.resources import SqlRepository, open_resource_store
from muster.configuration_manager.writer import Writer
from muster.database.connection import Database, open_database
from muster.scim.repository import MembersChange
from muster.scim.resources import GENERIC_USER_TYPE, GROUP_TYPE

SMALL = 10_000
BLOCK = 10_000
STARTS = 5
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"


class LoadingWriter(Writer):
    """Runs all work in the transaction that is open."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.connection: Connection | None = None

    def run(self, work: Callable[[Connection], Any]) -> Any:
        """What the work returned; kept when the block of users is."""
        assert self.connection is not None
        return work(self.connection)


@contextmanager
def loading(folder: Path) -> Iterator[tuple[SqlRepository, LoadingWriter, Database]]:
    """The repository of the customer `bench`."""
    database = open_database(folder / DATABASE_NAME)
    writer = LoadingWriter(database)
    customer = Customers(database, writer).require_customer("bench")
    store = open_resource_store(database, writer, now=lambda: datetime.now(UTC), new_id=make_resource_id)
    yield (
        SqlRepository(
            store,
            customer_key=customer.key,
            unique_scope=customer.unique_scope,
            resource_types=(GENERIC_USER_TYPE, GROUP_TYPE),
            base_url="",
        ),
        writer,
        database,
    )
    database.close()


def load(folder: Path, count: int, members: int) -> dict[str, str]:
    """Makes the users and two groups, of 500 members and of `members`; returns the ids of the groups."""
    ids: list[str] = []
    with loading(folder) as (repository, writer, database):
        for start in range(0, count, BLOCK):
            with database.write() as writer.connection:
                for number in range(start, min(count, start + BLOCK)):
                    user = make_user(f"user{number:07}@contoso.example")
                    user |= {"displayName": f"Pat Lee {number:07}", "externalId": f"e{number:07}"}
                    user |= {"active": number % 10 != 0}
                    ids.append(repository.insert("User", user).id)
            repository.take_changes()
        groups = {}
        for name, size in (("small", min(500, count)), ("large", min(members, count))):
            with database.write() as writer.connection:
                group = repository.insert("Group", {"schemas": [GROUP_URN], "displayName": name}).id
                for start in range(0, size, BLOCK):
                    added = tuple({"value": each} for each in ids[start : min(size, start + BLOCK)])
                    repository.change("Group", group, lambda same: same, members=MembersChange(add=added))
            groups[name] = group
    return groups


Asked = Callable[[int], Any]


def take(repeats: int, asked: dict[str, Asked]) -> dict[str, float]:
    """The median times of a request to each server in milliseconds; they are asked in turns, so that whatever else
    the machine does concerns both."""
    times: dict[str, list[float]] = {name: [] for name in asked}
    for repeat in range(-1, repeats):
        for name, ask in asked.items():
            start = time.perf_counter()
            ask(repeat)
            if repeat >= 0:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A server with so many users and two groups."""

    served: Served
    count: int
    groups: dict[str, str]

    def find(self, text: str, wanted: range) -> Asked:
        """Asks for the first hundred that a filter finds, each time of another user."""

        def ask(repeat: int) -> None:
            number = (repeat * 7919 + 1) % self.count
            filled = text.replace("@7", f"{number:07}").replace("@5", f"{number:07}"[:5])
            answer = self.served.ask("GET", "/Users?count=100&filter=" + quote(filled))
            assert answer["totalResults"] in wanted, (filled, answer["totalResults"])

        return ask

    def list(self, _: int) -> None:
        """Asks for the first hundred."""
        self.served.ask("GET", "/Users?count=100")

    def add(self, group: str) -> Asked:
        """Adds one more member to a group each time."""
        outside = self.served.ask("GET", f"/Users?count=100&startIndex={self.count - 99}")["Resources"]

        def ask(repeat: int) -> None:
            change = {"op": "add", "path": "members", "value": [{"value": outside[repeat + 1]["id"]}]}
            document = {"schemas": [PATCH_URN], "Operations": [change]}
            self.served.ask("PATCH", f"/Groups/{self.groups[group]}", document)

        return ask


FEW = (
    'userName eq "user@7@contoso.example"',
    'externalId eq "e@7"',
    'displayName eq "Pat Lee @7"',
    'userName sw "user@5"',
    'externalId sw "e@5"',
    'displayName sw "Pat Lee @5"',
)
BROAD = (
    "active eq true",
    "active eq false",
    'meta.lastModified gt "2020-01-01T00:00:00Z"',
    'userName gt "user0000300"',
    'userName co "r00"',
    'displayName co "lee 0"',
)
LIST = "list of 100"


class Row(NamedTuple):
    """Times in milliseconds, and what they are to be at most."""

    name: str
    small: float
    large: float
    times: float | None = None
    within_ms: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the goals are reached."""
        is_quick = self.within_ms is None or self.large <= self.within_ms
        return is_quick and (self.times is None or self.large <= self.times * self.small)

    @property
    def goal(self) -> str:
        """The goals as they are printed."""
        goals = [f"≤ {self.times:g}×"] if self.times else []
        return ", ".join([*goals, *([f"≤ {self.within_ms:g} ms"] if self.within_ms else [])])


def measure(small: Filled, large: Filled, repeats: int) -> list[Row]:
    """All operations with their goals."""

    def both(ask: Callable[[Filled], Asked]) -> tuple[float, float]:
        taken = take(repeats, {"small": ask(small), "large": ask(large)})
        return taken["small"], taken["large"]

    rows = []
    for text in FEW:
        rows.append(Row(f"`{text}`", *both(methodcaller("find", text, range(1, 101))), times=2.0))
    for text in BROAD:
        rows.append(Row(f"`{text}`", *both(methodcaller("find", text, range(101, 10**9))), within_ms=150.0))
    rows.append(Row(LIST, *both(lambda each: each.list), times=2.0))
    members = take(repeats, {name: large.add(name) for name in large.groups})
    rows.append(Row("add a member: group of 500, large group", *members.values(), times=1.5, within_ms=10.0))
    return rows


HELD = {  # what it takes to hold them: less than this at the large size
    "users loaded a second": None,
    "start-up s": 1.0,
    "memory of the largest process MB": 250.0,
    "disk bytes a user": 2500.0,
}


@contextmanager
def filled_server(folder: Path, count: int, members: int, port: int) -> Iterator[tuple[Filled, dict[str, float]]]:
    """A server with the users, and what loading, disk and start-up took."""
    folder.mkdir()
    run_ours("customer", "create", "seed", folder=folder)
    with serve_ours(folder, port=port):
        pass  # makes the customer
    start = time.perf_counter()
    groups = load(folder, count, members)
    held = {"users loaded a second": count / (time.perf_counter() - start)}
    held["disk bytes a user"] = sum(file.stat().st_size for file in folder.iterdir()) / count
    starts = []
    for _ in range(STARTS - 1):
        start = time.perf_counter()
        with serve_ours(folder, port=port, core=None):
            starts.append(time.perf_counter() - start)
    start = time.perf_counter()
    with serve_ours(folder, port=port, core=None) as served:
        starts.append(time.perf_counter() - start)
        held["start-up s"] = statistics.median(starts)
        yield Filled(served=served, count=count, groups=groups), held
        held["memory of the largest process MB"] = max(served.memory_bytes().values()) / 1e6


def main() -> int:
    """Prints the tables; 0 when every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-scale-") as name, ExitStack() as stack:
        folder = Path(name)
        small, small_held = stack.enter_context(filled_server(folder / "small", SMALL, SMALL // 2, 9311))
        large, large_held = stack.enter_context(filled_server(folder / "large", options.users, options.members, 9314))
        rows = measure(small, large, options.repeats)
        stack.close()
    print(f"| operation | at {SMALL:,} users, ms | at {options.users:,} users, ms | ratio | goal | |")
    print("|---|---:|---:|---:|---|---|")
    for row in rows:
        print(
            f"| {row.name} | {row.small:.2f} | {row.large:.2f} | {row.large / row.small:.1f}× | {row.goal} |", end=" "
        )
        print("met |" if row.is_met else "missed |")
    print(f"\n| | at {SMALL:,} users | at {options.users:,} users | goal |\n|---|---:|---:|---|")
    is_held = True
    for what, limit in HELD.items():
        is_held &= limit is None or large_held[what] < limit
        goal = "" if limit is None else f"< {limit:,g}"
        print(f"| {what} | {small_held[what]:,.2f} | {large_held[what]:,.2f} | {goal} |")
    return int(not (is_held and all(row.is_met for row in rows)))


if __name__ == "__main__":
    sys.exit(main())
