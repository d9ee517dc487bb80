"""Checkpoints on a thread of their own: the log is copied into the file without any writer's help, and begins anew."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from muster.database.checkpoints import DUE_AFTER_ROWS
from muster.database.connection import Database, Synchronous, open_database
from waiting import eventually

TABLE = sa.Table("notes", sa.MetaData(), sa.Column("key", sa.Integer, primary_key=True), sa.Column("text", sa.Text))


def _write(database: Database, count: int) -> None:
    with database.write() as connection:
        connection.execute(sa.insert(TABLE), [{"text": "x" * 200}] * count)


def _pages_in_log(database: Database) -> int:
    with database.write() as connection:
        path = connection.exec_driver_sql("PRAGMA database_list").one()[2]
    reading = sa.create_engine(f"sqlite:///{path}").connect()
    with reading:
        return int(reading.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()[1])


@pytest.mark.parametrize("synchronous", Synchronous)
def test_what_was_written_comes_into_the_file_and_the_log_begins_anew(tmp_path: Path, synchronous: Synchronous) -> None:
    database = open_database(tmp_path / "notes.db", synchronous=synchronous, checkpoints_apart=True)
    with database.write() as connection:
        TABLE.create(connection)
    _write(database, DUE_AFTER_ROWS)
    assert eventually(lambda: (tmp_path / "notes.db").stat().st_size > 200 * DUE_AFTER_ROWS)

    def begins_anew() -> bool:
        _write(database, 1)
        return _pages_in_log(database) < 100

    assert eventually(begins_anew)
    database.close()


def test_nobody_waits_for_a_reader_of_an_earlier_state(tmp_path: Path) -> None:
    database = open_database(tmp_path / "notes.db", checkpoints_apart=True)
    with database.write() as connection:
        TABLE.create(connection)
    count = sa.select(sa.func.count()).select_from(TABLE)
    with database.read() as reader:
        assert reader.scalar(count) == 0
        for _ in range(3):
            _write(database, DUE_AFTER_ROWS)
        assert reader.scalar(count) == 0
    _write(database, DUE_AFTER_ROWS)
    assert eventually(lambda: (tmp_path / "notes.db").stat().st_size > 4 * 200 * DUE_AFTER_ROWS)
    with database.read() as reader:
        assert reader.scalar(count) == 4 * DUE_AFTER_ROWS
    database.close()
