"""How fast a source fills the directory: a file of people through mirror, engine and directory; then one change of it.

    python bench/sources.py [PEOPLE]

Judged by processor time: the machine may be busy with other things.
"""

import csv
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muster.administration import jobs, sources
from muster.administration.access import OPERATOR
from muster.bootstrap.assembly import make_engine, make_services
from muster.bootstrap.house import House, open_house
from muster.model.job import Cycle
from muster.settings import load_settings

PEOPLE = 20_000
_NAMES = ("employeeId", "userPrincipalName", "displayName", "givenName", "surname", "mail", "department", "manager")


def main() -> None:
    """Prints seconds of processor time and people a second."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, _house(Path(folder)) as house:
        inbox = Path(folder) / "imports" / "hr"
        inbox.mkdir(parents=True)
        desk = make_services(house).desk(OPERATOR)
        made = sources.add_source(desk, "folder", "HR", {"Server": "hr"})
        jobs.start(desk, made.application.service_principal_id, made.job.id)
        _write(inbox / "1.csv", people, "Sales")
        _told("first read, all new", people, house, made.job.id)
        _write(inbox / "2.csv", people, "Sales", other=people // 2)
        _told("read again, one changed", people, house, made.job.id)
        print(f"memory at its highest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _told(what: str, people: int, house: House, job_id: str) -> None:
    engine = make_engine(house)
    began, wall = time.process_time(), time.monotonic()
    cycle = engine.begin(job_id)
    read = time.process_time() - began
    while cycle is not None and engine.advance(cycle.id):
        pass
    spent, passed = time.process_time() - began, time.monotonic() - wall
    found: Cycle | None = None if cycle is None else house.store.cycles.get(cycle.id)
    counted = "nothing" if found is None else f"{found.counters.created} created, {found.counters.updated} updated"
    print(
        f"{what}: {spent:.2f} s of processor time ({read:.2f} s of it reading), {passed:.2f} s; "
        f"{people / spent:,.0f} people a second, {spent / people * 1e6:.0f} µs each; {counted}"
    )


def _write(path: Path, people: int, department: str, other: int | None = None) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_NAMES)
        for number in range(1, people + 1):
            where = "Law" if number == other else department
            name = f"p{number}@lantaarn.example"
            boss = "" if number == 1 else str(number // 10 or 1)
            rows.writerow((number, name, f"Person {number}", "Per", f"Son {number}", name, where, boss))
    os.utime(path, (1_000_000_000, 1_000_000_000))


@contextmanager
def _house(folder: Path) -> Iterator[House]:
    house = open_house(load_settings(data=folder), folder)
    try:
        yield house
    finally:
        house.database.close()


if __name__ == "__main__":
    main()
