"""One large pass sent by several workers: everybody is created by one request, whoever dies in between."""

import re
from collections.abc import Iterator

import psutil
import pytest

from faults.played_workers import Scene, kill, scene_on, started
from played_configuration_manager import ask
from played_installation import AT_ONCE, worker
from played_postgres import PlayedServer
from waiting import eventually

# Enough to be shared (engine/sharing.py), in two pages.
PEOPLE = 1_000
# A write in the middle of the pass.
AMID = 300
RATE = 150


@pytest.fixture(scope="module")
def scene(own_server: PlayedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_on(own_server, tmp_path_factory.mktemp("shared"), PEOPLE) as made:
        yield made


def test_workers_that_are_killed_amid_a_shared_pass_are_followed_and_nobody_is_created_twice(scene: Scene) -> None:
    folder = scene.service.folder
    with (
        worker(folder, scene.database) as first,
        worker(folder, scene.database) as second,
        started(scene, "killed", holds_from=AMID) as job,
    ):
        # Both are at it: more requests are under way than one of them sends side by side.
        assert eventually(lambda: job.gate.held >= 2 * AT_ONCE)
        # One carries the pass, the other helps: a third finds what both of them left.
        for victim in (first, second):
            kill(psutil.Process(victim.pid))
        job.gate.holds_from = None
        job.gate.opened.set()
        with worker(folder, scene.database):
            job.check_the_end()


def posts_told(scene: Scene) -> list[float]:
    """How many accounts each engine says that it has made."""
    page = ask(f"{scene.service.url}/metrics").body.decode()
    counted = r'^muster_target_request_seconds_count\{method="POST",outcome="2xx",.*\} (\S+)$'
    return [float(found) for found in re.findall(counted, page, re.MULTILINE)]


def test_a_pass_that_several_workers_send_keeps_the_one_rate_of_its_target(scene: Scene) -> None:
    folder = scene.service.folder
    with (
        worker(folder, scene.database),
        worker(folder, scene.database),
        started(scene, "paced", requests_per_second=RATE) as job,
    ):
        cycle = job.application.ended(within=400)
        assert cycle["counters"]["created"] == PEOPLE, cycle
        assert (job.gate.created, job.gate.counts["POST"]) == (PEOPLE, PEOPLE)
        # Both workers tell what they have sent, by whichever web process is asked.
        assert eventually(lambda: sum(sent := posts_told(scene)) >= PEOPLE and len(sent) >= 2), posts_told(scene)
    told = "".join(log.read_text() for log in folder.parent.glob("worker-*.log"))
    assert f"operations of the cycle {cycle['id']}" in told, "the other worker has sent a part"
    # However slow this machine is: so many need so long at the rate, and half of it if each had a rate of its own.
    assert job.gate.written_at[-1] - job.gate.written_at[0] >= 0.97 * (PEOPLE - 1) / RATE
