"""`muster backup`, `restore` and `migrate`: what comes back is what was there, and nothing is put at risk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from muster.bootstrap.folder import take_folder
from muster.bootstrap.house import DATABASE_NAME, House, open_house
from muster.bootstrap.parties import service_party
from muster.bootstrap.upkeep import move
from muster.database.connection import open_database
from muster.model.directory import ObjectKind
from muster.ports.directory import ObjectWrite
from muster.settings import Settings
from muster.store.tables import METADATA, jobs, objects
from played_installation import command
from played_postgres import NO_POSTGRES, PlayedServer

PEOPLE = 2_500
NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with people and a sealed credential."""
    folder = tmp_path / "service"
    house = open_house(Settings(data=folder), folder)
    with closing(house.database):
        hire(house, *(f"p{number:04}@example.com" for number in range(PEOPLE)))
        house.store.secrets.put(application_of(house), {"SecretToken": "very secret"})
    return folder


@pytest.fixture
def empty(server: PlayedServer | None) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    if server is None:
        pytest.skip(NO_POSTGRES)
    name = server.create()
    yield server.url_of(name)
    server.drop(name)


def hire(house: House, *names: str) -> None:
    writes = [
        ObjectWrite(
            kind=ObjectKind.USER,
            object_id=None,
            attributes={"userPrincipalName": name, "displayName": name, "accountEnabled": True},
            is_new=True,
        )
        for name in names
    ]
    house.store.directory.write(writes, NOW)


def application_of(house: House) -> str:
    job = house.store.jobs.get(house.import_job_id())
    assert job is not None
    return job.service_principal_id


def count_people(folder: Path) -> int:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as connection:
        return int(connection.execute("SELECT count(*) FROM objects").fetchone()[0])


def test_a_backup_is_taken_while_the_installation_is_written_to_and_comes_back_with_everybody(
    folder: Path, tmp_path: Path
) -> None:
    house = open_house(Settings(data=folder), folder)
    with closing(house.database), take_folder(folder, purpose="muster serve"):
        with house.database.write() as connection:
            # Begun and not committed: it is no part of the copy.
            connection.execute(sa.update(objects).values(name="changed meanwhile"))
            taken = command("backup", tmp_path / "copy.db", "--data", folder, "--json")
        assert taken.status == 0, taken.err
    assert taken.json["keyFile"] == str(folder / "secret.key")
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert b"very secret" not in (tmp_path / "copy.db").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret.key").write_bytes((folder / "secret.key").read_bytes())
    restored = command("restore", tmp_path / "copy.db", "--data", other)
    assert restored.status == 0, restored.err
    assert "sealing key" not in restored.out
    keyless = command("restore", tmp_path / "copy.db", "--data", tmp_path / "keyless")
    assert "put your copy of it there before muster serve" in " ".join(keyless.out.split())
    assert count_people(other) == PEOPLE
    house = open_house(Settings(data=other), other)
    with closing(house.database), house.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(objects.c.name == "changed meanwhile")) == 0
        # The applications may have moved on since: the next cycle of every job compares with what they have.
        assert set(connection.execute(sa.select(jobs.c.watermark)).scalars()) == {None}
        assert house.store.secrets.get(application_of(house)) == {"SecretToken": "very secret"}


def test_what_is_there_is_never_replaced_unasked_and_is_kept_when_it_is(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert command("backup", copy, "--data", folder).status == 0
    assert "is there already" in command("backup", copy, "--data", folder).err
    house = open_house(Settings(data=folder), folder)
    with closing(house.database):
        hire(house, "later@example.com")
    refused = command("restore", copy, "--data", folder)
    assert refused.status == 1
    assert "--replace" in refused.err
    assert count_people(folder) == PEOPLE + 1
    replaced = command("restore", copy, "--data", folder, "--replace")
    assert replaced.status == 0, replaced.err
    assert count_people(folder) == PEOPLE
    with closing(sqlite3.connect(folder / f"{DATABASE_NAME}.before-restore")) as connection:
        assert connection.execute("SELECT count(*) FROM objects").fetchone() == (PEOPLE + 1,)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no database at all" * 100, "no backup of Muster"),
        (None, "There is no backup"),
    ],
)
def test_a_file_that_is_no_backup_changes_nothing(
    folder: Path, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "file.db"
    if content is not None:
        file.write_bytes(content)
    refused = command("restore", file, "--data", folder, "--replace")
    assert refused.status == 1
    assert sentence in refused.err.replace("\n", " ")
    assert count_people(folder) == PEOPLE


def test_a_damaged_backup_and_that_of_the_other_party_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    command("backup", copy, "--data", folder)
    content = bytearray(copy.read_bytes())
    content[8192:40960] = bytes(32768)
    copy.write_bytes(content)
    damaged = command("restore", copy, "--data", folder, "--replace")
    assert damaged.status == 1
    manager = tmp_path / "manager"
    made = command("configuration-manager", "customer", "create", "lantaarn", "--data", manager, "--json")
    assert made.status == 0, made.err
    assert command("configuration-manager", "backup", tmp_path / "m.db", "--data", manager).status == 0
    other = command("restore", tmp_path / "m.db", "--data", folder, "--replace")
    assert other.status == 1
    assert "another party" in other.err
    assert count_people(folder) == PEOPLE
    assert command("configuration-manager", "restore", tmp_path / "m.db", "--data", tmp_path / "m2").status == 0
    listed = command("configuration-manager", "customer", "list", "--data", tmp_path / "m2", "--json")
    assert "lantaarn" in listed.out


def test_nothing_is_restored_or_moved_while_it_runs(folder: Path, tmp_path: Path, empty: str) -> None:
    copy = tmp_path / "copy.db"
    command("backup", copy, "--data", folder)
    with take_folder(folder, purpose="muster serve"):
        for arguments in (("restore", copy, "--replace"), ("migrate",), ("migrate", "--to", empty)):
            refused = command(*arguments, "--data", folder)
            assert refused.status == 1
            assert "in use by" in refused.err
    assert count_people(folder) == PEOPLE


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_installation_moves_to_postgresql_with_its_key_and_the_same_digests(
    folder: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A move that is interrupted leaves nothing there, and is begun again by the same command.
    monkeypatch.setattr("muster.database.copying._digest", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        move(service_party(Settings(data=folder)), empty)
    monkeypatch.undo()
    # One that ends once the rows are there, and the file is still in its place, is ended by it, too; until then
    # nobody begins.
    monkeypatch.setattr("muster.bootstrap.upkeep._set_aside", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        move(service_party(Settings(data=folder)), empty)
    monkeypatch.undo()
    for arguments in (("serve", "--port", "0"), ("serve", "--port", "0", "--database", empty), ("source", "list")):
        refused = command(*arguments, "--data", folder)
        assert refused.status == 1
        assert "migrate --to again" in refused.err
    before = open_database(folder / DATABASE_NAME)
    with before.read() as connection:
        counts = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in METADATA.sorted_tables
        }
    before.close()
    moved = command("migrate", "--to", empty, "--data", folder, "--json")
    assert moved.status == 0, moved.err
    assert {table["name"]: table["rows"] for table in moved.json["tables"]} == counts
    assert not (folder / DATABASE_NAME).exists()
    assert (folder / f"{DATABASE_NAME}.moved").is_file()
    take_folder(folder, purpose="muster serve").release()
    house = open_house(Settings(data=folder, database=empty), folder)
    with closing(house.database):
        assert house.store.secrets.get(application_of(house)) == {"SecretToken": "very secret"}
        # Numbers go on after those that were copied.
        hire(house, "new@example.com")
        house.store.jobs.set_settings(house.import_job_id(), {"a": "b"})
        with house.database.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(objects)) == PEOPLE + 1


def test_a_database_that_holds_something_is_not_moved_into(folder: Path, empty: str, tmp_path: Path) -> None:
    other = open_database(empty)
    with other.write() as connection:
        connection.execute(sa.text("CREATE TABLE somebodys (id integer)"))
    other.close()
    refused = command("migrate", "--to", empty, "--data", folder)
    assert refused.status == 1
    assert "not empty" in refused.err
    assert count_people(folder) == PEOPLE
    nowhere = sa.make_url(empty).set(database="nowhere").render_as_string(hide_password=False)
    assert 'database "nowhere" does not exist' in command("migrate", "--to", nowhere, "--data", folder).err
    assert command("migrate", "--to", f"sqlite:///{tmp_path}/x.db", "--data", folder).status == 1
    assert count_people(folder) == PEOPLE


def test_migrate_tells_the_revision(folder: Path) -> None:
    told = command("migrate", "--data", folder, "--json")
    assert told.status == 0, told.err
    assert told.json["revision"] >= "0001"
