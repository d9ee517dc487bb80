"""Several workers on one PostgreSQL, killed, cut off and left without it: nothing lost, nothing done twice."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from faults.played_workers import Scene, gate_to, kill, scene_on, started
from muster.database.connection import open_database
from played_installation import command, worker
from played_postgres import PlayedServer
from waiting import PATIENCE, eventually

PEOPLE = 200
WORKERS = 4
JOBS = 3
# A write in the middle of the first cycle.
AMID = 60


@pytest.fixture(scope="module")
def scene(own_server: PlayedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_on(own_server, tmp_path_factory.mktemp("workers"), PEOPLE) as made:
        yield made


def test_workers_killed_at_random_amid_several_jobs_lose_nothing_and_do_nothing_twice(scene: Scene) -> None:
    chance = random.Random(20261126)
    folder = scene.service.folder
    with ExitStack() as stack:
        jobs = [stack.enter_context(started(scene, f"killed{number}", holds_from=AMID)) for number in range(JOBS)]
        alive = [psutil.Process(stack.enter_context(worker(folder, scene.database)).pid) for _ in range(WORKERS)]
        # Every job is amid its cycle, and its answers are on their way.
        assert all(job.gate.holding.wait(PATIENCE) for job in jobs)
        for _ in range(WORKERS - 1):
            kill(alive.pop(chance.randrange(len(alive))))
        for job in jobs:
            job.gate.holds_from = None
            job.gate.opened.set()
        alive.append(psutil.Process(stack.enter_context(worker(folder, scene.database)).pid))
        for job in jobs:
            job.check_the_end()


def test_a_worker_that_is_cut_off_amid_a_cycle_is_followed_by_another_and_may_come_back(scene: Scene) -> None:
    folder = scene.service.folder
    with (
        gate_to(scene.server.port) as way,
        started(scene, "cut", holds_from=AMID) as job,
        worker(folder, scene.through(way)),
    ):
        assert job.gate.holding.wait(PATIENCE)
        way.is_cut = True
        # Its answers come, and it can tell nobody.
        job.gate.holds_from = None
        job.gate.opened.set()
        with worker(folder, scene.database):
            assert eventually(lambda: job.application.cycles()[0]["state"] != "Running", 300)
            # The network is there again: what the first one still has to say comes too late.
            way.is_cut = False
            way.end()
            job.check_the_end()


def test_workers_go_on_once_the_database_that_was_stopped_is_there_again_though_a_newer_version_has_been_there(
    scene: Scene, tmp_path: Path
) -> None:
    folder = scene.service.folder
    with (
        started(scene, "stopped", holds_from=AMID) as job,
        worker(folder, scene.database),
        worker(folder, scene.database),
    ):
        assert job.gate.holding.wait(PATIENCE)
        with visited_by_a_newer_version(scene):
            refused = command("worker", "--database", scene.database, "--data", tmp_path)
            assert refused.status == 1
            assert "newer version of Muster" in refused.err
            scene.server.stop()
            job.gate.holds_from = None
            job.gate.opened.set()
            assert eventually(lambda: job.gate.under_way == 0, 3 * PATIENCE)
            scene.server.start()
            job.check_the_end()


@contextmanager
def visited_by_a_newer_version(scene: Scene) -> Iterator[None]:
    """Until the block ends, the tables are as the first process of a newer version leaves them."""

    def name(version: str) -> None:
        database = open_database(scene.database)
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE muster_schema_version SET version_num = %s", (version,))
        database.close()  # the server is stopped meanwhile

    name("9999")
    try:
        yield
    finally:
        name("0001")
