"""A look at everybody that takes its time: a page is told how far it is, and a change begins it anew."""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from muster.model.roles import Role
from muster.model.whatif import Weighed
from muster.web.portal import looking
from waiting import eventually

WAIT = re.compile(r'hx-get="([^"]+/looking/[^"]+)"')


class Slow(House):
    """Looks at everybody page by page, as far as the test lets it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.may_go_on = threading.Event()
        self.ended: list[str] = []

    def weigh(
        self, job_id: str, settings: Mapping[str, str], notification: Mapping[str, object], told: Any = None
    ) -> Weighed:
        try:
            told(23_000)
            while not self.may_go_on.wait(0.01):
                told(23_000)
        except BaseException:
            self.ended.append(settings["ProtectedUsers"])
            raise
        return super().weigh(job_id, settings, notification)


@pytest.fixture
def house(tmp_path: Path) -> Slow:
    return Slow(tmp_path)


def ask(visit: Visit, job: Started, names: str) -> str:
    """Protects people, unsaved, and returns where the page is told to ask on."""
    path = f"/applications/{job.sp}/provisioning/safeguards/weigh"
    found = WAIT.search(visit.post(path, ProtectedUsers=names).text)
    assert found is not None
    return found[1]


def test_a_look_that_takes_its_time_is_asked_about_until_it_is_done(
    house: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 0.0)
    job, visit = Started(house), Visit(house, Role.GLOBAL_ADMINISTRATOR)
    to = ask(visit, job, "ada@*")
    assert eventually(lambda: "23,000 objects were looked at" in visit.text(to))
    house.may_go_on.set()
    assert eventually(lambda: "would hold 12 of the 30 accounts" in visit.text(to))


def test_a_change_ends_the_look_before_it_and_another_reader_sees_neither(
    house: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 0.0)
    job, visit = Started(house), Visit(house, Role.GLOBAL_ADMINISTRATOR)
    first = ask(visit, job, "ada@*")
    assert eventually(lambda: "23,000" in visit.text(first))
    second = ask(visit, job, "bob@*")
    assert "was ended" in visit.text(first)
    assert eventually(lambda: house.ended == ["ada@*"])
    assert looking._LOOKS.find("another", second.rpartition("/")[2]) is None
    house.may_go_on.set()
    assert eventually(lambda: "would hold 12 of the 30 accounts" in visit.text(second))


def test_a_look_nobody_asks_about_ends_by_itself(house: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 0.0)
    job, visit = Started(house), Visit(house, Role.GLOBAL_ADMINISTRATOR)
    to = ask(visit, job, "ada@*")
    monkeypatch.setattr(looking, "_UNASKED_SECONDS", 0.0)
    assert eventually(lambda: house.ended == ["ada@*"])
    assert eventually(lambda: "was ended" in visit.text(to)), "and says so to whoever asks late"
