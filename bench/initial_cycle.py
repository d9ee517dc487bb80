"""How fast an initial cycle is, beside a loop that sends one request after the other with scim2-client, in one run.

Both write the same people to the same Configuration Manager over HTTP on loopback, in turns, so that what else the
machine does falls on both. The cycle is what an installation does: a service process with its durable runs, journal,
links and log. The loop keeps nothing: it looks each person up and creates who is not there, as scripts do. The second
pair of rows has the same target a few milliseconds away, as targets are.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from distance import at_a_distance
from httpx2 import Client
from psutil import Process
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import SearchRequest

from played_configuration_manager import PlayedCustomer, PlayedManager, configuration_manager
from played_installation import PlayedService, add_application, command, names_of, people_csv, service, users_at

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ROW = "{:<34}{:>9}{:>10}{:>11}{:>11}{:>13}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000, help="people in each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts (default: %(default)s)")
    parser.add_argument(
        "--away", type=float, default=10, help="milliseconds to the far target and back (default: %(default)s)"
    )
    options = parser.parse_args()
    with _parties(options.users) as (manager, running):
        print(f"{options.users:,} people, median of {options.rounds} rounds, {os.cpu_count()} cores")
        print(ROW.format("", "objects", "seconds", "objects/s", "requests", "requests/s"))
        _compare("on the same machine", manager, running, options.users, options.rounds)
        with at_a_distance(manager.url, options.away / 1e3) as far:
            # The loop takes its time there: one round.
            _compare(f"{options.away:g} ms away", manager, running, options.users, 1, through=far)
        peak = max(process.memory_info().rss for process in running.everyone()) / 1e6
    print(f"The largest process of the service has {peak:.0f} MB. Load {os.getloadavg()[0]:.1f}.")


def _compare(
    where: str, manager: PlayedManager, running: PlayedService, users: int, rounds: int, *, through: str | None = None
) -> None:
    """Prints both rows for a target; `through`: where it answers."""

    def customer(name: str) -> PlayedCustomer:
        made = manager.customer(f"{name}-{where.replace(' ', '-')}")
        return made if through is None else replace(made, url=made.url.replace(manager.url, through))

    cycles, loops, burnt, requests = [], [], [], 0
    for number in range(rounds):
        seconds, cpu, requests = _cycle(running, customer(f"cycle-{number}"), users)
        cycles.append(seconds)
        burnt.append(cpu)
        loops.append(_loop(customer(f"loop-{number}"), users))
    cycle, loop = statistics.median(cycles), statistics.median(loops)
    print(f"target {where}:")
    for name, seconds, sent in (
        ("muster, initial cycle", cycle, requests),
        ("scim2-client, one after the other", loop, 2 * users),
    ):
        rates = (f"{users / seconds:,.0f}", f"{sent:,}", f"{sent / seconds:,.0f}")
        print(ROW.format(name, f"{users:,}", f"{seconds:.1f}", *rates))
    each = statistics.median(burnt) / users * 1e6
    print(
        f"The cycle is {loop / cycle:.1f} times as fast. "
        f"The engine takes {each:,.0f} µs of processor time for each person, durable runs included."
    )


@contextmanager
def _parties(users: int) -> Iterator[tuple[PlayedManager, PlayedService]]:
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        with configuration_manager(folder / "target") as manager, service(folder / "service") as running:
            people = people_csv(folder / "people.csv", users, managers=False)
            imported = command("import", people, "--data", running.folder, "--json")
            assert imported.status == 0, imported.err
            yield manager, running


def _cycle(running: PlayedService, customer: PlayedCustomer, users: int) -> tuple[float, float, int]:
    """Seconds, seconds of the engine's processor time, and requests of an initial cycle, from start to end."""
    secrets = {"BaseAddress": customer.url, "SecretToken": customer.token, "SyncAll": "true"}
    application = add_application(running.api, "Custom", **secrets)
    engine = running.process("engine")
    began, before = time.monotonic(), _cpu(engine)
    application.start()
    cycle = application.ended(within=3_600)
    seconds, burnt = time.monotonic() - began, _cpu(engine) - before
    application.pause()
    assert cycle["counters"]["created"] == users == len(users_at(customer)), cycle
    return seconds, burnt, int(cycle["counters"]["requests"])


def _cpu(process: Process) -> float:
    """Seconds of user and system time."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _loop(customer: PlayedCustomer, users: int) -> float:
    with Client(base_url=customer.url, headers={"Authorization": f"Bearer {customer.token}"}) as http:
        scim = SyncSCIMClient(http)
        scim.discover()
        user_model = scim.get_resource_model("User")
        assert user_model is not None
        began = time.monotonic()
        for number, name in enumerate(names_of(users)):
            asked = SearchRequest(filter=f'userName eq "{name}"')
            if scim.query(user_model, query_parameters=asked).total_results:
                continue
            document = {
                "schemas": [CORE],
                "userName": name,
                "displayName": f"Person {number}",
                "active": True,
                "name": {"givenName": "Person", "familyName": f"No {number}"},
                "emails": [{"type": "work", "value": name, "primary": True}],
            }
            scim.create(user_model.model_validate(document))
        seconds = time.monotonic() - began
    assert len(users_at(customer)) == users
    return seconds


if __name__ == "__main__":
    main()
