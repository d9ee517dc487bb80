"""How an initial cycle on PostgreSQL compares with one on SQLite, and what more workers bring to several jobs.

    PYTHONPATH=tests python bench/workers.py --users 1000

Each row provisions the same people to as many customers of one Configuration Manager as there are jobs, side by side.
On a machine with few cores all processes (engines, target, both databases) share them: then more workers can show that
they do not hinder each other, and little more.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from played_configuration_manager import PlayedManager, configuration_manager
from played_installation import PlayedService, add_application, command, people_csv, service, worker
from played_postgres import PlayedServer, postgres_server
from waiting import eventually

ROW = "{:<34}{:>6}{:>10}{:>10}{:>11}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000, help="people (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=4, help="jobs side by side (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, postgres_server() as server, ExitStack() as stack:
        assert server is not None, "no PostgreSQL here"
        folder = Path(name)
        manager = stack.enter_context(configuration_manager(folder / "target"))
        people = people_csv(folder / "people.csv", options.users, managers=False)
        print(f"{options.users:,} people to {options.jobs} targets, {os.cpu_count()} cores")
        print(ROW.format("", "jobs", "objects", "seconds", "objects/s"))
        with on_sqlite(folder / "sqlite", people) as running:
            measure("SQLite, one engine", manager, running, options.users, options.jobs)
        for count in (1, 2, 4):
            with on_postgresql(folder / f"pg{count}", people, server, count) as running:
                measure(f"PostgreSQL, {count} workers", manager, running, options.users, options.jobs)
    print(f"Load {os.getloadavg()[0]:.1f}.")


@contextmanager
def on_sqlite(folder: Path, people: Path) -> Iterator[PlayedService]:
    """The service on SQLite, with the people in its directory."""
    with service(folder) as running:
        assert command("import", people, "--data", folder).status == 0
        yield running


@contextmanager
def on_postgresql(folder: Path, people: Path, server: PlayedServer, workers: int) -> Iterator[PlayedService]:
    """The service on PostgreSQL with so many workers, and the people in its directory."""
    database = server.url_of(server.create())
    os.environ["MUSTER_DATABASE"] = database
    try:
        with service(folder, options=("--database", database, "--web-only")) as running, ExitStack() as stack:
            assert command("import", people, "--data", folder).status == 0
            for _ in range(workers):
                stack.enter_context(worker(folder, database))
            yield running
    finally:
        del os.environ["MUSTER_DATABASE"]


def measure(name: str, manager: PlayedManager, running: PlayedService, users: int, jobs: int) -> None:
    """Prints a row: from the start of the jobs to the end of the last one."""
    applications = []
    for number in range(jobs):
        customer = manager.customer(f"{name.replace(' ', '-').replace(',', '')}-{number}".lower())
        secrets = {"BaseAddress": customer.url, "SecretToken": customer.token, "SyncAll": "true"}
        applications.append(add_application(running.api, "Custom", **secrets))
    began_at = time.perf_counter()
    for application in applications:
        application.start()
    for application in applications:
        assert eventually(lambda: (application.cycles() or [{"state": "Running"}])[0]["state"] == "Succeeded", 600)  # noqa: B023  called at once
    seconds = time.perf_counter() - began_at
    objects = users * jobs
    print(ROW.format(name, jobs, f"{objects:,}", f"{seconds:.1f}", f"{objects / seconds:.0f}"))


if __name__ == "__main__":
    main()
