"""What our SCIM endpoint takes at a million users against ten thousand: lists, filters, a large group, memory, disk.

    .venv/bin/python bench/scim_scale.py [--users 1000000] [--members 500000] [--repeats 15]

Users are written through the repository, many to a transaction; everything that is measured goes over HTTP to the
server as it is installed, one request at a time, and each number is the median of the repeats.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
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


def take(repeats: int, ask: Callable[[int], Any]) -> float:
    """The median time of a request in milliseconds."""
    ask(-1)
    times = []
    for repeat in range(repeats):
        start = time.perf_counter()
        ask(repeat)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def measure(served: Served, count: int, groups: dict[str, str], repeats: int) -> dict[str, float]:
    """The median times of all operations in milliseconds."""
    found: dict[str, float] = {}

    def find(text: str, wanted: range, size: int = 100) -> Callable[[int], None]:
        def ask(repeat: int) -> None:
            number = (repeat * 7919 + 1) % count
            filled = text.replace("@7", f"{number:07}").replace("@5", f"{number:07}"[:5])
            answer = served.ask("GET", f"/Users?count={size}&filter=" + quote(filled))
            assert answer["totalResults"] in wanted, (filled, answer["totalResults"])

        return ask

    few, many = range(1, 101), range(101, count + 1)
    for text, wanted in (
        ('userName eq "user@7@contoso.example"', few),
        ('externalId eq "e@7"', few),
        ('displayName eq "Pat Lee @7"', few),
        ('userName sw "user@5"', few),
        ('externalId sw "e@5"', few),
        ('displayName sw "Pat Lee @5"', few),
        ("active eq true", many),
        ("active eq false", many),
        ('meta.lastModified gt "2020-01-01T00:00:00Z"', many),
        ('userName gt "user0000300"', many),
        ('userName co "r00"', many),
        ('displayName co "lee 0"', many),
    ):
        found[text] = take(repeats, find(text, wanted))
    found["list of 100"] = take(repeats, lambda _: served.ask("GET", "/Users?count=100"))
    for name, group in groups.items():
        outside = served.ask("GET", f"/Users?count=100&startIndex={count - 99}")["Resources"]

        def add(repeat: int, group: str = group, outside: list[Any] = outside) -> None:
            change = {"op": "add", "path": "members", "value": [{"value": outside[repeat + 1]["id"]}]}
            served.ask("PATCH", f"/Groups/{group}", {"schemas": [PATCH_URN], "Operations": [change]})

        found[f"add a member to the {name} group"] = take(repeats, add)
    return found


def run(folder: Path, count: int, members: int, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Times in milliseconds, and what it takes to hold them."""
    folder.mkdir()
    run_ours("customer", "create", "seed", folder=folder)
    with serve_ours(folder):
        pass  # makes the customer
    start = time.perf_counter()
    groups = load(folder, count, members)
    loaded = time.perf_counter() - start
    size = sum(file.stat().st_size for file in folder.iterdir())
    start = time.perf_counter()
    with serve_ours(folder, core=None) as served:
        started = time.perf_counter() - start
        times = measure(served, count, groups, repeats)
        memory = max(served.memory_bytes().values())
    held = {
        "users loaded a second": count / loaded,
        "start-up s": started,
        "memory of the largest process MB": memory / 1e6,
        "disk bytes a user": size / count,
    }
    return times, held


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-scale-") as folder:
        small, small_held = run(Path(folder) / "small", SMALL, SMALL // 2, options.repeats)
        large, large_held = run(Path(folder) / "large", options.users, options.members, options.repeats)
    print(f"| operation | at {SMALL:,} users, ms | at {options.users:,} users, ms | ratio |\n|---|---|---|---|")
    for name, taken in small.items():
        print(f"| `{name}` | {taken:.2f} | {large[name]:.2f} | {large[name] / taken:.1f}× |")
    print(f"\n| | at {SMALL:,} users | at {options.users:,} users |\n|---|---|---|")
    for name, value in small_held.items():
        print(f"| {name} | {value:,.2f} | {large_held[name]:,.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
