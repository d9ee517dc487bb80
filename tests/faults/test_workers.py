"""Several workers on one PostgreSQL, killed, cut off and left without it: nothing lost, nothing done twice."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from played_configuration_manager import PlayedCustomer, PlayedManager, configuration_manager
from played_installation import (
    Between,
    PlayedApplication,
    PlayedService,
    add_application,
    between,
    command,
    names_of,
    people_csv,
    service,
    users_at,
    worker,
)
from played_postgres import PlayedServer
from waiting import PATIENCE, eventually

PEOPLE = 200
WORKERS = 4
JOBS = 3
# A write in the middle of the first cycle.
AMID = 60


@dataclass(kw_only=True)
class Gate:
    """A way to the database that can be cut, as a network is: what is sent then comes nowhere, and nothing is said."""

    target: tuple[str, int]
    port: int = 0
    is_cut: bool = False
    sockets: list[socket.socket] = field(default_factory=list)

    def carry(self, reader: socket.socket, writer: socket.socket) -> None:
        with suppress(OSError):
            while content := reader.recv(65536):
                if self.is_cut:
                    continue  # it never arrives
                writer.sendall(content)
        for end in (reader, writer):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Ends every connection, as a router that restarts does."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()


@contextmanager
def gate_to(port: int) -> Iterator[Gate]:
    """A gate before a port of loopback, until the block ends."""
    gate = Gate(target=("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gate.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection(gate.target)
                    gate.sockets += [near, far]
                    for ends in ((near, far), (far, near)):
                        threading.Thread(target=gate.carry, args=ends, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield gate
        listener.shutdown(socket.SHUT_RDWR)
        gate.end()


@dataclass(kw_only=True)
class Scene:
    """A service without an engine, on a database of its own, with people in its directory; and a target."""

    server: PlayedServer
    manager: PlayedManager
    service: PlayedService
    database: str

    def through(self, gate: Gate) -> str:
        """The database's URL by way of a gate."""
        url = make_url(self.database)
        return url.set(host="127.0.0.1", port=gate.port, query={}).render_as_string(hide_password=False)


@contextmanager
def scene_on(server: PlayedServer, folder: Path) -> Iterator[Scene]:
    name = server.create()
    url = server.url_of(name)
    options = ("--database", url, "--web-only")
    with configuration_manager(folder / "target") as manager, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_DATABASE", url)
        with service(folder / "service", options=options) as running:
            people = people_csv(folder / "people.csv", PEOPLE, managers=False)
            imported = command("import", people, "--data", running.folder, "--json")
            assert imported.json["counters"]["created"] == PEOPLE, imported.err
            yield Scene(server=server, manager=manager, service=running, database=url)


@pytest.fixture(scope="module")
def scene(own_server: PlayedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_on(own_server, tmp_path_factory.mktemp("workers")) as made:
        yield made


@dataclass(kw_only=True)
class Started:
    """A started job with a target of its own, whose requests are counted."""

    application: PlayedApplication
    customer: PlayedCustomer
    gate: Between

    def check_the_end(self) -> None:
        """Everybody once at the target, in the log and on the wire; a second full pass writes nothing."""
        cycle = self.application.ended(within=400)
        assert cycle["state"] == "Succeeded", cycle
        assert cycle["counters"]["created"] == PEOPLE, cycle
        assert [user["userName"] for user in users_at(self.customer)] == names_of(PEOPLE)
        told = Counter(entry["sourceIdentity"]["id"] for entry in self.application.log(action="create"))
        assert len(told) == PEOPLE
        assert set(told.values()) == {1}
        # Who was created is not created again, nor asked to be: the target's answers were all read, or looked for.
        assert self.gate.created == PEOPLE
        assert self.gate.counts["POST"] == PEOPLE, self.gate.counts
        writes = self.gate.writes
        self.application.restart()
        compared = self.application.ended({cycle["id"]}, within=400)
        assert (compared["kind"], compared["counters"]["unchanged"]) == ("initial", PEOPLE)
        assert self.gate.writes == writes


@contextmanager
def started(scene: Scene, name: str, *, holds_from: int | None = None) -> Iterator[Started]:
    """`holds_from`: answers to writes are kept back from this one on, until the gate is opened."""
    customer = scene.manager.customer(name)
    with between(customer.url) as gate:
        gate.holds_from = holds_from
        secrets = {"BaseAddress": gate.url, "SecretToken": customer.token, "SyncAll": "true"}
        application = add_application(scene.service.api, "Custom", **secrets)
        application.start()
        yield Started(application=application, customer=customer, gate=gate)


def kill(process: psutil.Process) -> None:
    """Ends a worker, its supervisor first, as a machine that loses its power does."""
    everyone = [process, *process.children(recursive=True)]
    for each in everyone:
        with suppress(psutil.NoSuchProcess):
            each.kill()


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


def test_workers_go_on_by_themselves_once_the_database_that_was_stopped_is_there_again(scene: Scene) -> None:
    folder = scene.service.folder
    with (
        started(scene, "stopped", holds_from=AMID) as job,
        worker(folder, scene.database),
        worker(folder, scene.database),
    ):
        assert job.gate.holding.wait(PATIENCE)
        scene.server.stop()
        job.gate.holds_from = None
        job.gate.opened.set()
        assert eventually(lambda: job.gate.under_way == 0, 3 * PATIENCE)
        scene.server.start()
        job.check_the_end()
