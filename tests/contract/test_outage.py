"""A disk that is full and a database that is away interrupt a run, and are told in a sentence; nothing is a fault."""

import errno
import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from fakes.world import StillClock
from muster.database.connection import Database, open_database
from muster.database.outage import outage_of
from muster.database.saying import Trouble
from muster.engine.chores import AFTER_FAILURE, Chore, Chores
from muster.runs.pages import PageOutcome, do_page
from played_postgres import PlayedServer
from waiting import eventually


def wrapped(error: BaseException) -> OperationalError:
    return OperationalError("INSERT", None, error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (wrapped(sqlite3.OperationalError("database or disk is full")), "full"),
        (wrapped(sqlite3.OperationalError("database is locked")), "locked"),
        (wrapped(sqlite3.OperationalError("disk I/O error")), "disk"),
        (wrapped(psycopg.errors.DiskFull("no space left")), "full"),
        (wrapped(psycopg.errors.AdminShutdown("terminating connection")), "57P01"),
        (wrapped(psycopg.errors.SerializationFailure("could not serialize")), "40001"),
        (wrapped(psycopg.OperationalError("connection refused")), "cannot be reached"),
        (sa.exc.TimeoutError("QueuePool limit"), "came free"),
    ],
)
def test_what_passes_by_itself_is_told_in_a_sentence(error: BaseException, said: str) -> None:
    assert said in (outage_of(error) or "")
    wrapping = ValueError("while it was written")
    wrapping.__cause__ = error
    assert outage_of(wrapping) == outage_of(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault of ours"),
        wrapped(sqlite3.OperationalError("no such table: people")),
        wrapped(psycopg.errors.UndefinedTable("no such table")),
        OSError(errno.ENOENT, "no such file"),
    ],
)
def test_a_fault_of_ours_is_none(error: BaseException) -> None:
    assert outage_of(error) is None


def full_database(folder: Path) -> Database:
    """A database that may not grow, as on a disk without room."""
    database = open_database(folder / "full.db")
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE kept (content TEXT)"))
        pages = connection.execute(sa.text("PRAGMA page_count")).scalar_one()
        connection.execute(sa.text(f"PRAGMA max_page_count = {pages + 8}"))
    return database


def test_a_run_whose_disk_is_full_is_interrupted_and_goes_on_once_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = full_database(tmp_path)
    crashes: list[object] = []

    def advance(_: str) -> bool:
        with database.write() as connection:
            for _number in range(100):
                connection.execute(sa.text("INSERT INTO kept VALUES (:content)"), {"content": "x" * 4000})
        return False

    with caplog.at_level(logging.ERROR):
        assert do_page(advance, lambda *told: crashes.append(told), "run", "job") is PageOutcome.INTERRUPTED
    assert "the disk of the database is full" in caplog.text
    assert crashes == []
    with database.write() as connection:
        # Nothing of it was kept, and the database can be read and written.
        assert connection.execute(sa.text("SELECT count(*) FROM kept")).scalar() == 0
        connection.execute(sa.text("PRAGMA max_page_count = 1000000"))
    assert do_page(advance, lambda *told: crashes.append(told), "run", "job") is PageOutcome.OVER
    database.close()


def test_a_trouble_that_lasts_is_said_once_a_minute_an_outage_without_its_traceback_and_its_end_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    trouble = Trouble(logging.getLogger("muster.test.rounds"), "the round", lambda: now[0])
    restarting = ("terminating connection", psycopg.errors.AdminShutdown), ("refused", psycopg.OperationalError)
    for number in range(61):
        text, kind = restarting[number % 2]
        trouble.fails(wrapped(kind(text)))
        trouble.fails(ValueError("ours"))
        assert trouble.lasts
        now[0] += 1.0
    trouble.works()
    trouble.works()
    assert not trouble.lasts
    told = [(record.getMessage(), record.exc_info is not None) for record in caplog.records]
    outage = "the round cannot be done: the database does not answer now (57P01): work goes on by itself"
    failed = [(outage, False), ("the round cannot be done", True)]
    assert told == [*failed, *failed, ("the round is done again, after 61 s without", False)]


def test_a_chore_says_in_a_line_that_the_server_is_away_and_that_it_is_there_again_without_waiting_for_its_hour(
    own_server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(own_server.url_of(own_server.create()))

    def look() -> bool:
        with database.read() as connection:
            return bool(connection.execute(sa.text("SELECT 1 = 0")).scalar_one())

    clock = StillClock()
    chores = Chores((Chore(name="look", every=timedelta(hours=1), do=look),), clock)

    def is_back() -> bool:
        clock.advance(AFTER_FAILURE)
        chores.work()
        return "again" in caplog.text

    chores.work()
    assert caplog.records == []
    own_server.stop()
    try:
        for _ in range(3):
            clock.advance(timedelta(hours=1))
            chores.work()
    finally:
        own_server.start()
    assert eventually(is_back)
    database.close()
    assert [record.exc_info for record in caplog.records] == [None, None]
    away, back = caplog.messages
    assert away.startswith("the chore look cannot be done: the database ")
    assert back.startswith("the chore look is done again, after ")
