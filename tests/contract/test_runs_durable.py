"""Durable runs over the death of processes, and what a page costs."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dbos._sys_db import SystemDatabase
from sqlalchemy.exc import OperationalError

from muster.database.connection import Database, open_database
from muster.runs.dbos import DurableRuns
from muster.runs.executors import Executors
from waiting import eventually

SOURCES = Path(__file__).parents[2] / "src"
PATIENCE = 60.0

# One engine process: a page writes a line and takes a while. Ends when no run is left, or stays.
ENGINE = """
import sys, time
from datetime import timedelta
from pathlib import Path
from muster.database.connection import open_database
from muster.runs.dbos import DurableRuns

folder, mode, submit = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]

def advance(run_id):
    done = len((folder / run_id).read_text().splitlines()) if (folder / run_id).exists() else 0
    with (folder / run_id).open("a") as file:
        file.write(f"{done} {runs.executor_id}\\n")
    time.sleep(0.01)
    return done < 49

runs = DurableRuns(
    open_database(folder / "runs.db"), advance, lambda *told: print(*told, flush=True),
    is_alone=mode == "alone", poll=timedelta(milliseconds=50),
    # Two who live must not seem dead on a busy machine; who waits for a death does not wait long.
    beat=timedelta(seconds=5) if mode == "shares" and len(submit) > 1 else timedelta(milliseconds=200),
)
runs.start()
for name in submit:
    assert runs.submit(name, f"job of {name}")
print("started", flush=True)
while mode == "stays" or runs.active():
    time.sleep(0.2)
print(runs.stop(timedelta(seconds=5)), flush=True)
"""


@pytest.fixture
def engines() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for engine in started:
        if engine.poll() is None:
            engine.kill()
        engine.wait(PATIENCE)
        assert engine.stdout is not None
        engine.stdout.close()


def start_engine(engines: list[subprocess.Popen[str]], folder: Path, mode: str, *submit: str) -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(folder), mode, *submit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )
    engines.append(engine)
    return engine


def pages_of(folder: Path, run_id: str) -> list[tuple[int, str]]:
    lines = (folder / run_id).read_text().splitlines() if (folder / run_id).exists() else []
    return [(int(number), executor) for number, executor in map(str.split, lines)]


def wait_for_pages(folder: Path, run_id: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(pages_of(folder, run_id)) < count:
        assert time.monotonic() < deadline, pages_of(folder, run_id)
        time.sleep(0.01)


def kill(engine: subprocess.Popen[str]) -> None:
    engine.send_signal(signal.SIGKILL)
    engine.wait(PATIENCE)


def test_a_run_whose_process_was_killed_is_ended_by_the_next_one(
    tmp_path: Path, engines: list[subprocess.Popen[str]]
) -> None:
    first = start_engine(engines, tmp_path, "alone", "run")
    wait_for_pages(tmp_path, "run", 20)
    kill(first)
    before = len(pages_of(tmp_path, "run"))
    assert before < 45
    second = start_engine(engines, tmp_path, "alone")
    assert second.wait(PATIENCE) == 0
    pages = pages_of(tmp_path, "run")
    assert [number for number, _ in pages] == list(range(50))
    assert len({executor for _, executor in pages}) == 2
    # It is over: a third process finds nothing to do, and the same run is not begun again.
    third = start_engine(engines, tmp_path, "alone", "run")
    assert third.wait(PATIENCE) == 0
    assert len(pages_of(tmp_path, "run")) == 50
    assert third.stdout is not None
    assert third.stdout.read() == "started\nTrue\n"


def test_a_run_survives_being_killed_again_and_again(tmp_path: Path, engines: list[subprocess.Popen[str]]) -> None:
    kill_at = [3, 17, 18]
    for count in kill_at:
        engine = start_engine(engines, tmp_path, "alone", "run")
        wait_for_pages(tmp_path, "run", count)
        kill(engine)
    assert start_engine(engines, tmp_path, "alone", "run").wait(PATIENCE) == 0
    assert [number for number, _ in pages_of(tmp_path, "run")] == list(range(50))


def test_a_living_process_takes_up_what_a_dead_one_left(tmp_path: Path, engines: list[subprocess.Popen[str]]) -> None:
    first = start_engine(engines, tmp_path, "shares", "run")
    wait_for_pages(tmp_path, "run", 5)
    start_engine(engines, tmp_path, "stays")
    wait_for_pages(tmp_path, "run", 15)
    kill(first)
    wait_for_pages(tmp_path, "run", 50)
    pages = pages_of(tmp_path, "run")
    assert [number for number, _ in pages] == list(range(50))
    executors = [executor for _, executor in pages]
    assert len(dict.fromkeys(executors)) == 2
    assert executors == sorted(executors, key=executors.index)


def test_two_living_processes_never_share_a_run(tmp_path: Path, engines: list[subprocess.Popen[str]]) -> None:
    names = [f"run{number}" for number in range(3)]
    pair = [start_engine(engines, tmp_path, "shares", *names) for _ in range(2)]
    ended = [(engine.wait(PATIENCE), engine.stdout.read() if engine.stdout else "") for engine in pair]
    assert [status for status, _ in ended] == [0, 0], ended
    for name in names:
        pages = pages_of(tmp_path, name)
        assert [number for number, _ in pages] == list(range(50))
        assert len({executor for _, executor in pages}) == 1


def test_ended_runs_are_forgotten_after_a_while(tmp_path: Path) -> None:
    database = open_database(tmp_path / "runs.db")
    pages: list[str] = []

    def advance(run_id: str) -> bool:
        pages.append(run_id)
        return False

    def make(keep: timedelta) -> DurableRuns:
        poll, beat = timedelta(seconds=0.02), timedelta(seconds=0.05)
        return DurableRuns(database, advance, print, is_alone=True, poll=poll, beat=beat, keep=keep)

    for keep, expected in ((timedelta(days=7), 1), (timedelta(days=7), 1), (timedelta(seconds=-60), 2)):
        runs = make(keep)
        runs.start()
        time.sleep(0.5)  # what is kept is not forgotten meanwhile

        def has_ended(expected: int = expected, runs: DurableRuns = runs) -> bool:
            """Whether it ran as often as expected: one that is known and has ended is not submitted again."""
            return runs.submit("run", "job") and not runs.active() and len(pages) == expected

        assert eventually(has_ended), pages
        runs.stop(timedelta(seconds=5))
        assert len(pages) == expected


@pytest.mark.parametrize("late", ["nothing", "a page", "what is beside it"])
def test_a_process_signs_out_only_when_nothing_of_it_is_under_way(tmp_path: Path, late: str) -> None:
    """Others take whoever is signed out for dead, and send again what they find was not made."""
    database = open_database(tmp_path / "runs.db")
    at_work, over = threading.Event(), threading.Event()

    def advance(_: str) -> bool:
        at_work.set()
        return bool(over.wait(PATIENCE)) and False

    runs = DurableRuns(database, advance, lambda *_: None, is_alone=False, poll=timedelta(milliseconds=20))
    runs.start()
    if late == "a page":
        runs.submit("run", "job")
        assert at_work.wait(PATIENCE)
    in_time = runs.stop(timedelta(milliseconds=100), beside=lambda _: late != "what is beside it")
    assert in_time is (late == "nothing")
    assert (runs.executor_id in runs.executors.beats()) is not in_time
    over.set()
    database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "runs.db")
    yield database
    database.close()


def test_an_executor_is_dead_when_it_is_silent_or_unknown(database: Database) -> None:
    elapsed = [0.0]
    executors = Executors(database, silent_for=timedelta(seconds=10), elapsed=lambda: elapsed[0])
    executors.beat("a")
    executors.beat("b")
    assert executors.dead_among(["a", "b", "c"]) == ["c"]
    executors.sign_out("b")
    assert executors.dead_among(["a", "b"]) == ["b"]
    elapsed[0] = 11.0
    executors.beat("b")
    assert executors.dead_among(["a", "b"]) == ["a"]
    executors.beat("a")
    executors.sign_out_others("b")
    assert executors.dead_among(["a", "b"]) == ["a"]


def test_nobody_is_taken_for_dead_because_the_database_was_away(database: Database) -> None:
    elapsed = [0.0]
    executors = Executors(
        database, silent_for=timedelta(seconds=18), unwatched_after=timedelta(seconds=10), elapsed=lambda: elapsed[0]
    )
    executors.beat("a")
    assert executors.living() == ["a"]
    elapsed[0] = 25.0  # nobody could look, and nobody could count on
    assert executors.living() == ["a"]
    for elapsed[0] in (30.0, 39.0):
        assert executors.living() == ["a"]
    elapsed[0] = 44.0
    assert executors.dead_among(executors.beats()) == ["a"]
    executors.beat("b")
    elapsed[0] = 60.0  # who was dead before the database was away leads nobody after it
    assert executors.living() == ["b"]
    executors.beat("a")
    assert executors.living() == ["a", "b"]


def test_twenty_jobs_that_take_long_do_not_keep_another_waiting(tmp_path: Path) -> None:
    """Two places, twenty runs without an end: each makes way after its turn, and comes back behind the others."""
    database = open_database(tmp_path / "runs.db")
    over = threading.Event()
    yielded: list[str] = []

    def advance(run_id: str) -> bool:
        if run_id.startswith("short"):
            over.set()
            return False
        time.sleep(0.01)
        return not over.is_set()

    runs = DurableRuns(
        database,
        advance,
        lambda *_: None,
        is_alone=True,
        at_once=2,
        poll=timedelta(milliseconds=20),
        beat=timedelta(milliseconds=50),
        turn=timedelta(milliseconds=50),
        on_yield=yielded.append,
    )
    runs.start()
    try:
        for number in range(20):
            assert runs.submit(f"long{number}", f"slow {number}")
        assert runs.submit("short", "quick")
        assert eventually(over.is_set)
        # All who stood before it in the queue had a turn.
        assert len(set(yielded)) >= 18
        assert eventually(lambda: not runs.active())
    finally:
        over.set()
        runs.stop(timedelta(seconds=PATIENCE))
        database.close()


@pytest.mark.parametrize("where", ["record_operation_result", "update_workflow_outcome"])
def test_a_run_whose_record_finds_no_room_is_dropped_so_that_its_job_can_be_submitted_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    database = open_database(tmp_path / "runs.db")
    done: list[str] = []

    def advance(run_id: str) -> bool:
        done.append(run_id)
        return False

    def full(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    beat = timedelta(milliseconds=50)
    runs = DurableRuns(
        database,
        advance,
        lambda *_: None,
        is_alone=True,
        poll=timedelta(milliseconds=20),
        beat=beat,
        lost_after=timedelta(milliseconds=200),
    )
    runs.start()
    with monkeypatch.context() as patched:
        # The library's own records alone: a disk cannot be filled for it and not for us.
        patched.setattr(SystemDatabase, where, full)
        assert runs.submit("first", "job")
        assert eventually(lambda: done == ["first"])
        if where == "record_operation_result":
            patched.setattr(SystemDatabase, "update_workflow_outcome", full)
        assert eventually(lambda: not runs.active())
    assert runs.submit("second", "job")
    assert eventually(lambda: done == ["first", "second"] and not runs.active())
    runs.stop(timedelta(seconds=5))
    database.close()
