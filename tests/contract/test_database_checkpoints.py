"""Checkpoints on a thread of their own: the log is copied into the file without any writer's help, and begins anew."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from muster.database import checkpoints
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


def test_readers_who_follow_each_other_closely_do_not_keep_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LIMIT_WAIT_MS", 60_000)
    database = open_database(tmp_path / "notes.db")
    with database.write() as connection:
        TABLE.create(connection)
    apart = checkpoints.Checkpoints(database._reading, threading.Lock())

    def begin_reading() -> ExitStack:
        reading = ExitStack()
        reading.enter_context(database.read()).execute(sa.select(TABLE.c.key).limit(1)).all()
        return reading

    reading = begin_reading()
    _write(database, 2_000)
    copying = threading.Thread(target=apart._copy_between, args=(checkpoints.STARVED_PAGES + 1,))
    copying.start()
    copying.join(0.1)  # it waits for the first of them

    def is_copied() -> bool:
        nonlocal reading
        following = begin_reading()
        reading.close()
        reading = following
        return not copying.is_alive()

    assert eventually(is_copied)
    reading.close()
    _write(database, 1)
    assert _pages_in_log(database) < 10
    apart.close()
    database.close()


def test_whoever_reads_for_long_is_not_waited_for_time_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(tmp_path / "notes.db")
    with database.write() as connection:
        TABLE.create(connection)
    monkeypatch.setattr(checkpoints, "LIMIT_WAIT_MS", 10)
    apart = checkpoints.Checkpoints(database._reading, threading.Lock())
    begun: list[bool] = []
    begin_anew = apart._begin_anew
    monkeypatch.setattr(apart, "_begin_anew", lambda: begun.append(begin_anew()) or begun[-1])
    with database.read() as reader:
        reader.execute(sa.select(TABLE))
        _write(database, 10)
        for pages in (checkpoints.STARVED_PAGES + 1, 2 * checkpoints.STARVED_PAGES, 2 * checkpoints.STARVED_PAGES + 2):
            apart._copy_between(pages)
        assert begun == [False, False]
    apart._copy_between(4 * checkpoints.STARVED_PAGES)
    assert begun == [False, False, True]
    apart.close()
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
