"""What open pages share: made once for all who ask at the same time, and anew once it is too old."""

import threading
from datetime import timedelta

import pytest

from faces.house import House, Started
from faces.portal_visit import PASSWORD, Visit
from muster.administration.access import create_administrator
from muster.model.roles import Role
from muster.web.portal.shared import Shared
from waiting import eventually


def test_who_asks_while_it_is_being_made_waits_for_it() -> None:
    shared = Shared[int](timedelta(hours=1))
    made: list[int] = []
    may_go_on = threading.Event()

    def make() -> int:
        may_go_on.wait(60)
        made.append(1)
        return len(made)

    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(shared.get("a", make))) for _ in range(20)]
    for thread in threads:
        thread.start()
    may_go_on.set()
    for thread in threads:
        thread.join(60)
    assert (made, got) == ([1], [1] * 20)
    assert shared.get("b", lambda: 7) == 7


def test_it_is_made_anew_once_it_is_too_old_and_each_time_if_it_lasts_for_nothing() -> None:
    counted = iter(range(1_000_000))
    shared = Shared[int](timedelta(milliseconds=1))
    first = shared.get("a", lambda: next(counted))
    assert eventually(lambda: shared.get("a", lambda: next(counted)) > first)
    unshared = Shared[int](timedelta(0))
    assert unshared.get("a", lambda: next(counted)) != unshared.get("a", lambda: next(counted))


def test_what_failed_is_not_kept() -> None:
    shared = Shared[int](timedelta(hours=1))

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        shared.get("a", fail)
    assert shared.get("a", lambda: 7) == 7


def test_open_overviews_share_what_they_are_told_and_only_who_may_see_it_is_told(house: House, job: Started) -> None:
    visit = Visit(house, Role.GLOBAL_ADMINISTRATOR, live_for=timedelta(hours=1))
    create_administrator(house.desk, "Eve", PASSWORD, frozenset({Role.USER_ADMINISTRATOR}))
    path = f"/applications/{job.sp}/live"
    first = visit.text(path)
    job.cycle()
    assert visit.text(path) == first
    assert visit.get(path, Accept_Language="nl").text != first
    visit.client.delete_cookie("muster_session")
    assert visit.get(path).status_code == 303
    assert visit.sign_in("Eve").status_code == 303
    assert visit.get(path).status_code == 403
