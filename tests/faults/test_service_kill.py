"""Both parties as they are installed, and kill -9 in the middle of the initial cycle: everyone exactly once."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from muster.bootstrap.folder import is_folder_taken, probe_port
from played_configuration_manager import PlayedCustomer, PlayedManager, configuration_manager
from played_installation import (
    ENVIRONMENT,
    MUSTER,
    Between,
    PlayedApplication,
    PlayedService,
    add_application,
    between,
    command,
    is_alive,
    names_of,
    people_csv,
    service,
    users_at,
)
from waiting import PATIENCE, eventually

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PEOPLE = 200
AMID_CREATION = 90
AMID_REFERENCES = 290


@dataclass(kw_only=True)
class Scene:
    """A service with people in its directory, and a target."""

    manager: PlayedManager
    service: PlayedService


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("parties")
    with configuration_manager(folder / "target") as manager, service(folder / "service") as running:
        people = people_csv(folder / "people.csv", PEOPLE)
        imported = command("import", people, "--data", running.folder, "--json")
        assert imported.json["counters"]["created"] == PEOPLE, imported.err
        yield Scene(manager=manager, service=running)


@dataclass(kw_only=True)
class Cycle:
    """A started application whose initial cycle is held in the middle of a write, and its target."""

    application: PlayedApplication
    customer: PlayedCustomer
    gate: Between

    def check_the_end(self, application: PlayedApplication) -> None:
        """Everyone once at the target and once in the log; nothing left to do."""
        cycle = application.ended()
        assert cycle["state"] == "Succeeded", cycle
        users = users_at(self.customer)
        assert [user["userName"] for user in users] == names_of(PEOPLE)
        ids = {user["userName"]: user["id"] for user in users}
        for number, user in enumerate(users[1:], 1):
            assert user[ENTERPRISE]["manager"]["value"] == ids[names_of(PEOPLE)[number // 10]]
        assert cycle["counters"]["created"] == PEOPLE
        assert cycle["counters"]["failed"] == 0
        told = Counter(entry["sourceIdentity"]["id"] for entry in application.log(action="create", status="success"))
        assert len(told) == PEOPLE
        assert set(told.values()) == {1}
        assert application.log(status="failure") == []
        # What was under way is looked up: nobody is created a second time. References are set again: that is harmless.
        assert self.gate.created == PEOPLE
        writes = self.gate.writes
        application.restart()
        compared = application.ended({cycle["id"]})
        assert (compared["kind"], compared["counters"]["unchanged"]) == ("initial", PEOPLE)
        assert self.gate.writes == writes
        # Requests of a process that is dead may reach the target at any time.
        self.gate.opened.set()
        assert eventually(lambda: self.gate.under_way == 0)
        assert [user["userName"] for user in users_at(self.customer)] == names_of(PEOPLE)


@contextmanager
def cycle_held_at(scene: Scene, name: str, write: int, *, late: bool = False) -> Iterator[Cycle]:
    """An initial cycle that waits for the answer to a write, which has come about at the target, or is yet to."""
    customer = scene.manager.customer(name)
    with between(customer.url) as gate:
        gate.holds_from = write
        gate.holds_requests = late
        secrets = {"BaseAddress": gate.url, "SecretToken": customer.token, "SyncAll": "true"}
        application = add_application(scene.service.api, "Custom", **secrets)
        application.start()
        assert gate.holding.wait(2 * PATIENCE), application.cycles()
        yield Cycle(application=application, customer=customer, gate=gate)


def test_a_folder_and_a_port_are_served_once(scene: Scene, tmp_path: Path) -> None:
    same_folder = _serve("--data", scene.service.folder, "--port", 0)
    assert same_folder.returncode == 1
    assert f"in use by process {scene.service.popen.pid} (muster serve)" in _one_line(same_folder)
    same_port = _serve("--data", tmp_path / "other", "--port", scene.service.port)
    assert same_port.returncode == 1
    assert f"127.0.0.1:{scene.service.port} is in use by another process" in _one_line(same_port)
    assert _answers(scene.service)


@pytest.mark.parametrize(
    ("role", "write", "late"),
    [
        ("engine", AMID_CREATION, False),
        ("engine", AMID_CREATION, True),
        ("engine", AMID_REFERENCES, False),
        ("web", AMID_CREATION, False),
    ],
    ids=[
        "engine amid creation",
        "engine amid creation, its requests come late",
        "engine amid references",
        "web",
    ],
)
def test_after_kill_9_of_a_child_amid_the_initial_cycle_everyone_is_at_the_target_once(
    scene: Scene, role: str, write: int, late: bool
) -> None:
    with cycle_held_at(scene, f"{role.replace(' ', '-')}-{write}-{late}", write, late=late) as cycle:
        everyone = scene.service.everyone()
        victim = scene.service.process(role)
        ended = [victim, *victim.children()]
        victim.kill()
        assert eventually(lambda: not any(is_alive(process) for process in ended))
        if not late:
            cycle.gate.opened.set()
        assert eventually(lambda: _answers(scene.service))
        cycle.check_the_end(cycle.application)
        cycle.application.pause()
    assert len(everyone) == 3
    assert eventually(lambda: len(scene.service.everyone()) == 3)
    assert victim not in scene.service.everyone()


def test_after_kill_9_of_the_supervisor_amid_the_initial_cycle_the_next_start_ends_it(scene: Scene) -> None:
    with cycle_held_at(scene, "supervisor", AMID_CREATION) as cycle:
        everyone = scene.service.everyone()
        scene.service.process("supervisor").kill()
        scene.service.popen.wait(PATIENCE)
        assert eventually(lambda: not any(is_alive(process) for process in everyone)), "orphans"
        # A killed process lets go of its files when the last of its threads has ended.
        assert eventually(lambda: not is_folder_taken(scene.service.folder))
        cycle.gate.opened.set()
        with service(scene.service.folder, token=scene.service.token, port=scene.service.port) as again:
            cycle.check_the_end(cycle.application)
            everyone = again.everyone()
            assert len(everyone) == 3
            cycle.application.pause()
            again.popen.terminate()
            assert again.popen.wait(PATIENCE) == 0
            assert not [process for process in everyone if is_alive(process)]
            assert eventually(lambda: not is_folder_taken(scene.service.folder))
            assert probe_port("127.0.0.1", scene.service.port) == scene.service.port


def _serve(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MUSTER, "serve", *map(str, options)], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def _answers(running: PlayedService) -> bool:
    try:
        return bool(running.api.get("/servicePrincipals")["value"])
    except Exception:
        return False
