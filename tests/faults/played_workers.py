"""A service on PostgreSQL whose engines are workers, and jobs whose requests are counted."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
)
from played_postgres import PlayedServer


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
    people: int

    def through(self, gate: Gate) -> str:
        """The database's URL by way of a gate."""
        url = make_url(self.database)
        return url.set(host="127.0.0.1", port=gate.port, query={}).render_as_string(hide_password=False)


@contextmanager
def scene_on(server: PlayedServer, folder: Path, people: int) -> Iterator[Scene]:
    """A scene with so many people, until the block ends."""
    name = server.create()
    url = server.url_of(name)
    options = ("--database", url, "--web-only")
    with configuration_manager(folder / "target") as manager, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_DATABASE", url)
        with service(folder / "service", options=options) as running:
            file = people_csv(folder / "people.csv", people, managers=False)
            imported = command("import", file, "--data", running.folder, "--json")
            assert imported.json["counters"]["created"] == people, imported.err
            # Customers are made in this process, too, and by the other party, whose database is another.
            patch.delenv("MUSTER_DATABASE")
            yield Scene(server=server, manager=manager, service=running, database=url, people=people)


@dataclass(kw_only=True)
class Started:
    """A started job with a target of its own, whose requests are counted."""

    application: PlayedApplication
    customer: PlayedCustomer
    gate: Between
    people: int

    def check_the_end(self) -> None:
        """Everybody once at the target, in the log and on the wire; a second full pass writes nothing."""
        cycle = self.application.ended(within=400)
        assert cycle["state"] == "Succeeded", cycle
        assert cycle["counters"]["created"] == self.people, cycle
        assert [user["userName"] for user in users_at(self.customer)] == names_of(self.people)
        told = Counter(entry["sourceIdentity"]["id"] for entry in self.application.log(action="create"))
        assert len(told) == self.people
        assert set(told.values()) == {1}
        # Who was created is not created again, nor asked to be: the target's answers were all read, or looked for.
        assert self.gate.created == self.people
        assert self.gate.counts["POST"] == self.people, (self.gate.counts, self.gate.in_vain)
        writes = self.gate.writes
        self.application.restart()
        compared = self.application.ended({cycle["id"]}, within=400)
        assert (compared["kind"], compared["counters"]["unchanged"]) == ("initial", self.people)
        assert self.gate.writes == writes


@contextmanager
def started(
    scene: Scene, name: str, *, holds_from: int | None = None, requests_per_second: int | None = None
) -> Iterator[Started]:
    """`holds_from`: answers to writes are kept back from this one on, until the gate is opened."""
    customer = scene.manager.customer(name)
    with between(customer.url) as gate:
        gate.holds_from = holds_from
        secrets = {"BaseAddress": gate.url, "SecretToken": customer.token, "SyncAll": "true"}
        application = add_application(scene.service.api, "Custom", **secrets)
        if requests_per_second is not None:
            application.api.patch(
                f"{application.path}/synchronization/dialect", {"requests_per_second": requests_per_second}
            )
        application.start()
        yield Started(application=application, customer=customer, gate=gate, people=scene.people)


def kill(process: psutil.Process) -> None:
    """Ends a worker, its supervisor first, as a machine that loses its power does."""
    everyone = [process, *process.children(recursive=True)]
    for each in everyone:
        with suppress(psutil.NoSuchProcess):
            each.kill()
