"""What it costs to look at everybody again: a whole incremental cycle over people who all stand in the feed.

Nobody is skipped by a hash: everybody is read from the store, scoped, mapped and compared with what the target last
confirmed, and nothing is sent, since no account differs. The engine is that of an installation, the store SQLite, the
rules those of 8x8 with a scoping filter. The cycle runs in a process of its own, so that its memory counts alone;
processor time counts, not the clock. The calibration loop beside says how fast the core was.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rules_bench import calibration

from muster.administration.access import OPERATOR
from muster.administration.applications import instantiate
from muster.administration.credentials import put_secrets
from muster.administration.jobs import create_job, start
from muster.administration.rules import replace_schema
from muster.bootstrap.assembly import make_engine, make_services
from muster.bootstrap.house import House, open_house
from muster.bootstrap.processes import settle_memory
from muster.engine.parts import environment
from muster.model.directory import ObjectKind
from muster.model.operation import Acknowledged, LinkState
from muster.planning.intent import form_intent
from muster.ports.directory import ObjectWrite
from muster.ports.source import Window
from muster.settings import Settings
from muster.store.encoding import encode
from muster.store.jobs import job_key
from muster.store.tables import links

BATCH = 1_000
DEPARTMENTS = ("Sales", "Service", "Support", "Law")


def main() -> None:
    """Prints the table; ends with status 1 when a limit is missed and `--check` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000, help="people in the directory (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="fail when a limit is missed")
    parser.add_argument("--pass", dest="folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        print(json.dumps(look_at_everybody(options.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        prepare(folder, options.people)
        turns = calibration()
        run = subprocess.run(
            [sys.executable, __file__, "--pass", str(folder)], check=True, capture_output=True, text=True
        )
        found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    each = found["seconds"] / options.people
    print(
        f"Calibration: a million turns of an empty loop, {turns * 1e3:.1f} ms before, {calibration() * 1e3:.1f} after."
    )
    print(f"{options.people:,} people read, scoped, mapped and compared: {found['counters']}")
    print(f"{'':<34}{'measured':>10}{'a million':>12}{'limit':>8}")
    print(f"{'processor seconds':<34}{found['seconds']:>10.1f}{each * 1e6:>12.1f}{30:>8}")
    print(f"{'memory, MB at most':<34}{found['megabytes']:>10.0f}{'':>12}{500:>8}")
    if options.check and (each * 1e6 > 30 or found["megabytes"] > 500):
        sys.exit("A limit was missed.")


def prepare(folder: Path, people: int) -> None:
    """Makes an installation with people, an application for all of them, and the links that a first cycle leaves."""
    house = open_house(Settings(data=folder), folder)
    desk = make_services(house).desk(OPERATOR)
    application = instantiate(desk, "8x8", "8x8").service_principal_id
    secrets = {"BaseAddress": "https://scim.example.com/v2", "SecretToken": "token", "SyncAll": "true"}
    put_secrets(desk, application, secrets)
    job = create_job(desk, application, "8x8").id
    document = json.loads(json.dumps(house.store.jobs.schema(job).document))
    document["synchronizationRules"][0]["objectMappings"][0]["scope"] = {
        "groups": [scope_of(name) for name in DEPARTMENTS]
    }
    replace_schema(desk, application, job, document)
    for numbers in batches(people):
        house.store.directory.write([person(number) for number in numbers], datetime.now(UTC))
    link_everybody(house, job)
    start(desk, application, job)
    house.database.close()


def scope_of(department: str) -> dict[str, Any]:
    """A scoping filter for a department."""
    clauses = (("department", "EQUALS", [department]), ("country", "NOT EQUALS", ["FR"]), ("mail", "IS NOT NULL", []))
    return {
        "name": department,
        "clauses": [
            {"sourceOperandName": name, "operatorName": operator, "targetOperand": {"values": values}}
            for name, operator, values in clauses
        ],
    }


def link_everybody(house: House, job: str) -> None:
    """Writes the links of accounts that are as the rules want them."""
    parts = house.open_job(job, {})
    rules, around = parts.rules.kinds[ObjectKind.USER], environment(parts.job, house.clock, house.ids)
    window, after = Window(after=0, until=house.store.feed.latest()), None
    while True:
        page = parts.source.read(ObjectKind.USER, window, after, BATCH)
        rows = []
        for change in page.changes:
            sent = {value.attribute: value.value for value in form_intent(change, rules, parts.terms, around).values}
            rows.append(
                {
                    "source_id": change.source_id,
                    "target_id": f"t-{change.source_id}",
                    "acknowledged": encode(Acknowledged(sent=sent)),
                }
            )
        with house.database.write() as connection:
            managed = LinkState.MANAGED.value
            same = {
                "job_key": job_key(connection, job),
                "kind": ObjectKind.USER.value,
                "state": managed,
                "owned": managed,
            }
            connection.execute(sa.insert(links), [{**same, **row} for row in rows])
        after = page.next_after
        if after is None:
            return


def look_at_everybody(folder: Path) -> dict[str, Any]:
    """Runs the cycle and returns its processor seconds, its peak of memory and its counters."""
    house = open_house(Settings(data=folder), folder)
    job = next(item for item in house.store.jobs.list(None) if item.template_id == "8x8")
    house.store.jobs.set_watermark(job.id, 0)
    engine = make_engine(house)
    settle_memory()
    began = time.process_time()
    cycle = engine.begin(job.id)
    if cycle is None:
        sys.exit("There was nothing to do.")
    while engine.advance(cycle.id):
        pass
    seconds = time.process_time() - began
    ended = house.store.cycles.get(cycle.id)
    counters = (
        {}
        if ended is None
        else {
            "state": ended.state.value,
            "evaluated": ended.counters.evaluated,
            "skipped": ended.counters.skipped,
            "requests": ended.counters.requests,
        }
    )
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "counters": counters,
    }


def batches(people: int) -> Iterator[Sequence[int]]:
    """The numbers of people, a thousand at a time."""
    for first in range(0, people, BATCH):
        yield range(first, min(first + BATCH, people))


def person(number: int) -> ObjectWrite:
    """A person with the attributes that the rules read."""
    name = f"person.{number}@example.org"
    attributes = {
        "userPrincipalName": name,
        "mailNickname": f"person.{number}",
        "mail": name,
        "displayName": f"Given {number} Name{number % 977}",
        "givenName": f"Given {number}",
        "surname": f"Name{number % 977}",
        "jobTitle": "Engineer",
        "department": DEPARTMENTS[number % len(DEPARTMENTS)],
        "telephoneNumber": f"+49 30 {number}",
        "mobile": f"+49 170 {number}",
        "physicalDeliveryOfficeName": "London",
        "country": "DE",
        "accountEnabled": True,
    }
    return ObjectWrite(kind=ObjectKind.USER, object_id=None, attributes=attributes, is_new=True)


if __name__ == "__main__":
    main()
