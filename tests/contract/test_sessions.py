"""The contract of sessions, kept in a process or shared by several."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.store import fresh_database
from muster.database.connection import Database
from muster.store.sessions import SqlShelf
from muster.ui.sessions import GRACE, IDLE, LONGEST, ROTATED_AFTER, SEEN_EVERY, OwnShelf, Sessions, SessionShelf
from played_postgres import NO_POSTGRES

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture(params=["own", "sqlite", "postgresql"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, postgres_database: Database | None) -> Iterator[SessionShelf]:
    if request.param == "own":
        yield OwnShelf()
    elif request.param == "sqlite":
        database = fresh_database(tmp_path)
        yield SqlShelf(database, "face")
        database.close()
    elif postgres_database is None:
        pytest.skip(NO_POSTGRES)
    else:
        shelf = SqlShelf(postgres_database, "face")
        yield shelf
        shelf.drop_before(NOW + timedelta(days=1))


def test_a_session_is_found_by_its_secret_at_every_process_until_it_ends_at_one(shelf: SessionShelf) -> None:
    here, there = Sessions(shelf), Sessions(shelf)
    secret = here.begin("ada", "stamp", NOW, ("pwd",), NOW - IDLE)
    found = there.find(secret, NOW, is_seen=True)
    assert found is not None
    assert (found.name, found.stamp, found.methods, found.shown_at) == ("ada", "stamp", ("pwd",), NOW - IDLE)
    assert there.find("another", NOW, is_seen=True) is None
    there.end(secret)
    assert here.find(secret, NOW, is_seen=True) is None


def test_acting_at_one_process_keeps_the_session_alive_at_all(shelf: SessionShelf) -> None:
    here, there = Sessions(shelf), Sessions(shelf)
    secret = here.begin("ada", "stamp", NOW)
    later = NOW + IDLE - SEEN_EVERY
    assert there.find(secret, later, is_seen=True) is not None
    assert here.find(secret, later + IDLE - SEEN_EVERY, is_seen=False) is not None
    assert here.find(secret, later + IDLE, is_seen=False) is None


def test_no_session_lasts_longer_than_the_longest(shelf: SessionShelf) -> None:
    sessions = Sessions(shelf)
    secret = sessions.begin("ada", "stamp", NOW)
    for minutes in range(30, int(LONGEST.total_seconds()) // 60, 30):
        assert sessions.find(secret, NOW + timedelta(minutes=minutes), is_seen=True) is not None
    assert sessions.find(secret, NOW + LONGEST, is_seen=True) is None


def test_an_exchanged_secret_ends_after_a_moment_and_signing_out_ends_both(shelf: SessionShelf) -> None:
    here, there = Sessions(shelf), Sessions(shelf)
    first = here.begin("ada", "stamp", NOW)
    assert here.rotate(first, NOW) is None
    now = NOW + ROTATED_AFTER
    second = here.rotate(first, now)
    assert second is not None
    assert there.rotate(first, now) is None
    assert there.find(first, now + GRACE / 2, is_seen=True) is not None
    assert there.find(first, now + GRACE, is_seen=True) is None
    there.end(first)
    assert here.find(second, now, is_seen=True) is None


def test_what_was_ended_elsewhere_meanwhile_does_not_come_back(shelf: SessionShelf) -> None:
    sessions = Sessions(shelf)
    secret = sessions.begin("ada", "stamp", NOW)
    seen = sessions.find(secret, NOW, is_seen=False)
    assert seen is not None
    key = next(iter(shelf._sessions)) if isinstance(shelf, OwnShelf) else _only_key(shelf)
    sessions.end(secret)
    assert shelf.change(key, seen, was=seen, also=("other", seen)) is False
    assert shelf.get(key) is None
    assert shelf.get("other") is None


class _Late:
    """A shelf of a request that another overtakes between its reading and its writing."""

    def __init__(self, shelf: SessionShelf, meanwhile: Callable[[], object]) -> None:
        self._shelf = shelf
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shelf, name)

    def change(self, *given: Any, **named: Any) -> bool:
        self._meanwhile()
        return self._shelf.change(*given, **named)


def test_an_exchanged_secret_ends_though_another_request_was_under_way(shelf: SessionShelf) -> None:
    here = Sessions(shelf)
    secret = here.begin("ada", "stamp", NOW)
    now = NOW + ROTATED_AFTER
    fresh: list[str | None] = []
    there = Sessions(_Late(shelf, lambda: fresh.append(here.rotate(secret, now))))
    # The request that comes too late is answered, in the moment's grace; it exchanges nothing.
    assert there.find(secret, now, is_seen=True) is not None
    assert there.rotate(secret, now) is None
    assert len(fresh) == 1
    assert fresh[0] is not None
    assert here.find(fresh[0], now + GRACE, is_seen=False) is not None
    assert here.find(secret, now + GRACE, is_seen=False) is None


def test_of_two_requests_one_exchanges_the_secret(shelf: SessionShelf) -> None:
    here = Sessions(shelf)
    secret = here.begin("ada", "stamp", NOW)
    now = NOW + ROTATED_AFTER
    there = Sessions(_Late(shelf, lambda: here.rotate(secret, now)))
    assert there.rotate(secret, now) is None


def test_a_request_of_somebody_who_signs_out_meanwhile_finds_no_session(shelf: SessionShelf) -> None:
    here = Sessions(shelf)
    secret = here.begin("ada", "stamp", NOW)
    there = Sessions(_Late(shelf, lambda: here.end(secret)))
    assert there.find(secret, NOW + SEEN_EVERY, is_seen=True) is None


def _only_key(shelf: SessionShelf) -> str:
    assert isinstance(shelf, SqlShelf)
    with shelf._database.read() as connection:
        return str(connection.exec_driver_sql("SELECT hash FROM sessions").scalar_one())


def test_the_secret_of_one_face_opens_no_other(tmp_path: Path) -> None:
    database = fresh_database(tmp_path)
    secret = Sessions(SqlShelf(database, "step")).begin("ada", "stamp", NOW)
    assert Sessions(SqlShelf(database, "portal")).find(secret, NOW, is_seen=True) is None
    database.close()
