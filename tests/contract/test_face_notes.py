"""The contract of notes that faces keep of browsers, in a process or shared by several."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.store import fresh_database
from muster.database.connection import Database
from muster.store.notes import SqlNotes
from muster.ui import notes as notes_module
from muster.ui.notes import Notes, OwnNotes
from played_postgres import NO_POSTGRES

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["own", "sqlite", "postgresql"])
def notes(request: pytest.FixtureRequest, tmp_path: Path, postgres_database: Database | None) -> Iterator[Notes]:
    if request.param == "own":
        yield OwnNotes()
    elif request.param == "sqlite":
        database = fresh_database(tmp_path)
        yield SqlNotes(database, "face")
        database.close()
    elif postgres_database is None:
        pytest.skip(NO_POSTGRES)
    else:
        yield SqlNotes(postgres_database, request.node.name)


def test_notes_are_given_once_in_their_order_and_by_key(notes: Notes) -> None:
    for note in (b"1", b"2", b"2"):
        notes.add("a", note, NOW + MINUTE, NOW)
    notes.add("b", b"3", NOW + MINUTE, NOW)
    assert notes.take("a", NOW) == [b"1", b"2", b"2"]
    assert notes.take("a", NOW) == []
    assert notes.take("b", NOW) == [b"3"]
    assert notes.take("c", NOW) == []


def test_what_has_expired_is_given_to_nobody(notes: Notes) -> None:
    notes.add("a", b"old", NOW + MINUTE, NOW)
    notes.add("a", b"new", NOW + 2 * MINUTE, NOW)
    assert notes.take("a", NOW + MINUTE) == [b"new"]
    notes.add("a", b"old", NOW + MINUTE, NOW)
    notes.add("b", b"other", NOW + 3 * MINUTE, NOW + 2 * MINUTE)
    assert notes.take("a", NOW) == [], "dropped when the other was added"


def test_of_many_who_take_at_once_one_gets_it(notes: Notes) -> None:
    notes.add("a", b"1", NOW + MINUTE, NOW)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: notes.take("a", NOW), range(16)))
    assert sorted(given, key=len)[-1] == [b"1"]
    assert sum(len(each) for each in given) == 1


def test_a_process_of_its_own_forgets_the_oldest_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "LIMIT_KEYS", 3)
    notes = OwnNotes()
    for number in range(5):
        notes.add(str(number), b"n", NOW + MINUTE, NOW)
    assert [len(notes.take(str(number), NOW)) for number in range(5)] == [0, 0, 1, 1, 1]
