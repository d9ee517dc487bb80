"""Writes filled databases of the newest revision as SQL text, for both parties and both databases.

    PYTHONPATH=tests:tests/trip .venv/bin/python -m contract.revisions.dump

Once for each revision, when it is released; those that are there already are kept for ever. Before the first release,
while the tables of 0001 still change, the files of 0001 are written anew.
"""

import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from muster.bootstrap.configuration_manager import DATABASE_NAME as MANAGER_DATABASE
from muster.bootstrap.house import DATABASE_NAME
from played_configuration_manager import configuration_manager
from played_installation import command
from played_postgres import PlayedServer, find_programs, postgres_server

HERE = Path(__file__).parent
# What a dump says beside tables and rows, which no other version of the server may know.
_ASIDE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*)$")


def main() -> None:
    """Writes the files."""
    sys.path.insert(0, str(HERE.parents[1] / "trip"))
    with tempfile.TemporaryDirectory() as made, postgres_server() as server:
        if server is None:
            raise SystemExit("no PostgreSQL here")
        service, manager = Path(made) / "service", Path(made) / "manager"
        service.mkdir()
        fill_service(service)
        fill_manager(manager)
        write("service", service, DATABASE_NAME, ("migrate",), server)
        write("configuration-manager", manager, MANAGER_DATABASE, ("configuration-manager", "migrate"), server)


def fill_service(folder: Path) -> None:
    """A company of three with a group: an account, one that waits in escrow, a leaver; a plan, credentials, the log."""
    from playing import JOB, Trip

    trip = Trip(folder)
    ada, leaver = trip.hire("Ada"), trip.hire("Eve")
    trip.hire("Bob", physicalDeliveryOfficeName="Nowhere")
    trip.set_manager(ada, leaver)
    trip.found("Sales", [ada])
    trip.run()
    trip.unassign(leaver)
    trip.run()
    trip.hire("Dan")
    trip.planner.make(JOB)


def fill_manager(folder: Path) -> None:
    """Customers of both profiles, accounts, a group and an administrator."""
    with configuration_manager(folder) as manager:
        generic = manager.customer("generic")
        person = generic.ask("POST", "/Users", {"userName": "ada", "active": True})
        members = [{"value": person.json["id"]}]
        assert generic.ask("POST", "/Groups", {"displayName": "Sales", "members": members}).status == 201
        manager.customer("lantaarn", profile="8x8", sites=("London",))
        made = manager.run("admin", "create", "anna", "--password-stdin", given="correct horse battery\n")
        assert made.returncode == 0, made.stderr


def write(name: str, folder: Path, database: str, migrate: tuple[str, ...], server: PlayedServer) -> None:
    """Writes a party's database as it is, and as it is on PostgreSQL."""
    with closing(sqlite3.connect(folder / database)) as connection:
        text = "\n".join(connection.iterdump()) + "\n"
    revision = re.search(r'INSERT INTO "muster_schema_version" VALUES\(\'(\d+)\'\)', text)
    assert revision is not None
    (HERE / f"{name}-{revision[1]}.sqlite.sql").write_text(text, encoding="utf-8")
    there = server.create()
    moved = command(*migrate, "--to", server.url_of(there), "--data", folder)
    assert moved.status == 0, moved.err
    options = ("--no-owner", "--no-privileges", "--inserts", "--schema=public")
    programs = find_programs()
    assert programs is not None
    pg_dump = Path(programs[0]).resolve().with_name("pg_dump")
    done = subprocess.run(
        [pg_dump, *options, "--dbname", server.url_of(there)],
        capture_output=True,
        text=True,
        check=True,
    )
    kept = [line for line in done.stdout.splitlines() if not _ASIDE.match(line) and line != "CREATE SCHEMA public;"]
    (HERE / f"{name}-{revision[1]}.postgresql.sql").write_text("\n".join(kept) + "\n", encoding="utf-8")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
