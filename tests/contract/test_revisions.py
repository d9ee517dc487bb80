"""Filled databases of every released revision come up to date, whole, on both databases and for both parties.

The databases are kept as text in `revisions`; `revisions/dump.py` makes them. What an upgraded one is must be what an
empty one becomes: so a revision that is released can no longer be changed in passing.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from fakes.store import store_on
from muster.bootstrap import configuration_manager, parties
from muster.bootstrap.installation import assemble
from muster.bootstrap.upkeep import Party
from muster.database.connection import Database, open_database
from muster.database.migration import VERSION_TABLE, migrate
from muster.model.directory import ObjectKind
from muster.model.job import PlanPart
from muster.ports.cycles import LogQuery
from muster.ports.directory import ObjectWrite
from muster.settings import Settings
from played_installation import command
from played_postgres import NO_POSTGRES, PlayedServer

DUMPS = sorted(Path(__file__).with_name("revisions").glob("*.sql"))
REMAKE = "PYTHONPATH=tests:tests/trip .venv/bin/python -m contract.revisions.dump"
NEW = {"userPrincipalName": "new@lantaarn.example", "displayName": "New", "accountEnabled": True}
VERSIONS = sa.table(VERSION_TABLE, sa.column("version_num"))
_NAME = re.compile(r"^(service|configuration-manager)-(\d+)\.(sqlite|postgresql)$")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A loaded database of an earlier revision."""

    party: Party
    revision: str
    location: str | Path
    # What a command that works on it is given.
    options: tuple[object, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return ("migrate",) if self.party.mark == "jobs" else ("configuration-manager", "migrate")


@pytest.fixture(params=DUMPS, ids=lambda path: path.stem)
def kept(request: pytest.FixtureRequest, tmp_path: Path, server: PlayedServer | None) -> Iterator[Kept]:
    dump: Path = request.param
    found = _NAME.match(dump.stem)
    assert found is not None, dump
    settings = Settings(data=tmp_path)
    party = parties.service_party(settings) if found[1] == "service" else configuration_manager.as_party(settings)
    text = dump.read_text(encoding="utf-8")
    if found[3] == "sqlite":
        with closing(sqlite3.connect(party.file)) as connection:
            connection.executescript(text)
        yield Kept(party=party, revision=found[2], location=party.file, options=("--data", tmp_path))
        return
    if server is None:
        pytest.skip(NO_POSTGRES)
    name = server.create()
    url = server.url_of(name)
    with psycopg.connect(url, autocommit=True) as there:
        there.execute(text.encode())
    yield Kept(party=party, revision=found[2], location=url, options=("--database", url, "--data", tmp_path))
    server.drop(name)


def shape_of(database: Database) -> dict[str, Any]:
    """Every table with its columns, keys and indexes."""
    with database.read() as connection:
        inspector = sa.inspect(connection)
        shape = {}
        for table in inspector.get_table_names():
            columns = {
                each["name"]: (str(each["type"]), each["nullable"] and "null", str(each["default"] or ""))
                for each in inspector.get_columns(table)
            }
            indexes = {
                (each["name"], tuple(map(str, each["column_names"])), bool(each["unique"]))
                for each in inspector.get_indexes(table)
            }
            unique = {tuple(each["column_names"]) for each in inspector.get_unique_constraints(table)}
            keys = tuple(inspector.get_pk_constraint(table)["constrained_columns"])
            foreign = {
                (tuple(each["constrained_columns"]), each["referred_table"])
                for each in inspector.get_foreign_keys(table)
            }
            shape[table] = (columns, keys, indexes, unique, foreign)
        return shape


def counts_of(database: Database, tables: Iterator[str]) -> dict[str, int]:
    with database.read() as connection:
        return {
            name: int(connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one())
            for name in tables
        }


def test_both_parties_have_one_of_each_revision_on_both_databases() -> None:
    names = {path.stem for path in DUMPS}
    for party in ("service", "configuration-manager"):
        of_party = {name for name in names if name.startswith(party)}
        revisions = {name[len(party) + 1 :].partition(".")[0] for name in of_party}
        assert "0001" in revisions
        assert of_party == {f"{party}-{each}.{kind}" for each in revisions for kind in ("sqlite", "postgresql")}


def test_the_command_brings_it_to_what_a_new_one_is_and_keeps_every_row(
    kept: Kept, tmp_path: Path, server: PlayedServer | None
) -> None:
    with closing(open_database(kept.location)) as database:
        before = counts_of(database, iter(shape_of(database)))
    assert sum(before.values()) > 10
    done = command(*kept.words, *kept.options, "--json")
    assert done.status == 0, done.err
    assert done.json["revision"] >= kept.revision
    is_shared, fresh = isinstance(kept.location, str), None
    if is_shared and server is not None:
        fresh = server.create()
    new_location = server.url_of(fresh) if server is not None and fresh is not None else tmp_path / "new.db"
    with closing(open_database(new_location)) as new, closing(open_database(kept.location)) as database:
        migrate(new, kept.party.migrations)
        assert shape_of(database) == shape_of(new), (
            f"revision {kept.revision} is not what it was when its dump was made. Released: leave it as it was, and "
            f"add a revision. Not released yet: {REMAKE}"
        )
        assert counts_of(database, iter(before)) == before
    if server is not None and fresh is not None:
        server.drop(fresh)


def test_what_it_holds_is_read_and_written_as_before(kept: Kept) -> None:
    with closing(open_database(kept.location)) as database:
        migrate(database, kept.party.migrations)
        if kept.party.mark != "jobs":
            _check_manager(database)
            return
        store = store_on(database)
        (job,) = store.jobs.list()
        secrets = store.secrets.get(job.service_principal_id)
        assert secrets["SecretToken"], "sealed before, and opened now"
        assert {entry.status.value for entry in store.log.search(LogQuery(job_id=job.id, limit=100))[0]} >= {"success"}
        assert store.links.count_links(job.id) >= 2
        assert store.links.count_escrows(job.id) == 1
        (plan,) = store.plans.list(job.id, 10)[0]
        assert store.plans.operations(plan.id, PlanPart.SENT, 10)
        before = store.feed.latest()
        write = ObjectWrite(kind=ObjectKind.USER, object_id=None, attributes=NEW, is_new=True)
        store.directory.write([write], datetime.now(UTC))
        assert store.feed.latest() == before + 1
        ada = store.directory.get(ObjectKind.USER, "ada@lantaarn.example")
        assert ada is not None
        assert store.links.links(job.id, ObjectKind.USER, [ada.object_id])[ada.object_id].target_id


def _check_manager(database: Database) -> None:
    installation = assemble(database, "https://cm.example")
    assert {each.name for each in installation.customers.list_customers()} == {"generic", "lantaarn"}
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM resources")).scalar() == 2
        assert connection.execute(sa.text("SELECT count(*) FROM members")).scalar() == 1


def test_a_database_of_a_newer_version_is_refused_with_what_to_do_and_left_as_it_is(kept: Kept) -> None:
    with closing(open_database(kept.location)) as database, database.write() as connection:
        connection.execute(sa.update(VERSIONS).values(version_num="9999"))
    done = command(*kept.words, *kept.options)
    assert done.status == 1
    assert "written by a newer version of Muster: install that one or restore a backup" in done.err
    with closing(open_database(kept.location)) as database, database.read() as connection:
        assert connection.execute(sa.select(VERSIONS.c.version_num)).scalar() == "9999"
