"""What a look for due jobs costs when nothing has changed, with many people in the directory and linked.

The store is a real one, filled by SQL; the look is the daemon's own, with the durable runner. It must start no run and
open no job: without an opened job there is no request.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from muster.bootstrap.assembly import make_daemon, make_engine, report_crash
from muster.bootstrap.house import House, open_house
from muster.database.connection import open_database
from muster.engine.daemon import Daemon
from muster.gallery.catalogue import find
from muster.model.application import EnterpriseApplication
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import DEFAULT_INTERVAL, ScheduleState, SynchronizationJob
from muster.runs.dbos import DurableRuns
from muster.settings import Settings
from muster.store.tables import feed, jobs, links, objects

JOB = "job.1"
BLOCK = 20_000
LIMIT_MILLISECONDS = 5.0


def main() -> None:
    """Prints what was measured; fails above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=300, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        house = open_house(Settings(), folder)
        _fill(house, options.people)
        runs, daemon = _start(house, folder)
        try:
            took = _look(daemon, options.rounds)
            assert not runs.active(), "a run was started"
        finally:
            runs.stop(timedelta(seconds=3))
    assert not house.store.cycles.history(JOB, 1), "a cycle began"
    median, slowest = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{options.people:,} people linked, nothing changed, {machine}")
    print(f"due check: {median:.2f} ms of processor, p99 {slowest:.2f} ms; no run started, no job opened")
    assert median < LIMIT_MILLISECONDS, f"the limit is {LIMIT_MILLISECONDS} ms"


def _look(daemon: Daemon, rounds: int) -> list[float]:
    daemon.start_due()
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        daemon.take_work()
        daemon.start_due()
        took.append((time.thread_time() - began) * 1e3)
    return took


def _start(house: House, folder: Path) -> tuple[DurableRuns, Daemon]:
    engine = make_engine(house)
    runs = DurableRuns(open_database(folder / "runs.db"), engine.advance, report_crash(engine), is_alone=True)
    runs.start()
    return runs, make_daemon(house, engine, runs, runs.executor_id)


def _fill(house: House, people: int) -> None:
    """Adds a job that is up to date and everybody with a link."""
    now = house.clock.now()
    page = find("Custom")
    assert page is not None
    application = EnterpriseApplication(
        service_principal_id=house.ids.new_id(),
        application_id=house.ids.new_id(),
        app_id=house.ids.new_id(),
        template_id=page.id,
        display_name=page.display_name,
        app_roles=page.app_roles,
        accepts_default_access=True,
        created_at=now,
    )
    house.store.applications.add(application)
    job = SynchronizationJob(
        id=JOB,
        service_principal_id=application.service_principal_id,
        template_id=page.job_template_id,
        schedule_state=ScheduleState.ACTIVE,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=now,
    )
    house.store.jobs.add(job, page.schema_document(), "bench")
    for start in range(1, people + 1, BLOCK):
        keys = range(start, min(people + 1, start + BLOCK))
        with house.database.write() as connection:
            key = connection.execute(jobs.select().where(jobs.c.job_id == JOB)).one().key
            connection.execute(objects.insert(), [_person(number, now) for number in keys])
            connection.execute(links.insert(), [_link(number, key) for number in keys])
    with house.database.write() as connection:
        connection.execute(feed.update().values(seq=people))
    house.store.jobs.set_watermark(JOB, house.store.feed.latest())


def _person(number: int, now: object) -> Mapping[str, object]:
    name = f"p{number:07}@example.com"
    return {
        "key": number,
        "object_id": f"{number:08x}-0000-4000-8000-000000000000",
        "kind": ObjectKind.USER.value,
        "lifecycle": Lifecycle.PRESENT.value,
        "seq": number,
        "name": f"Person {number}",
        "folded_name": f"person {number}",
        "principal_name": name,
        "mail": name,
        "security_enabled": True,
        "content": {"userPrincipalName": name, "displayName": f"Person {number}", "accountEnabled": True},
        "content_hash": f"{number:032x}",
        "created_at": now,
    }


def _link(number: int, job: int) -> Mapping[str, object]:
    return {
        "job_key": job,
        "kind": ObjectKind.USER.value,
        "source_id": f"{number:08x}-0000-4000-8000-000000000000",
        "source_key": number,
        "target_id": f"t-{number}",
        "state": "managed",
        "owned": "managed",
        "display_name": f"Person {number}",
        "acknowledged": b'{"sent":{},"seen":{}}',
    }


if __name__ == "__main__":
    main()
