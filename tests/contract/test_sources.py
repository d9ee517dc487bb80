"""What every source promises, asked of our directory and of files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from muster.model.directory import Lifecycle, ObjectKind
from muster.model.operation import Change
from muster.ports.directory import JobView
from muster.ports.source import Source, Window
from muster.sample.documents import render_json, render_users_csv
from muster.sample.people import make_directory
from muster.sources.directory import DirectorySource
from muster.sources.files import read_file

PEOPLE = make_directory(57)
VIEW = JobView(job_id="job", service_principal_id="sp", sync_all=True, kinds=(ObjectKind.USER, ObjectKind.GROUP))


class ListedFeed:
    """A directory feed in memory: one page order, the place in the list as key."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def latest(self) -> int:
        return max(change.seq for change in self._changes)

    def count(self, view: JobView, kind: ObjectKind, window: Window | None) -> int:
        return len(self._bearing(kind, window))

    def read(
        self, view: JobView, kind: ObjectKind, window: Window | None, after: str | None, limit: int
    ) -> tuple[Sequence[Change], str | None]:
        rows = self._bearing(kind, window)
        start = 0 if after is None else int(after) + 1
        page = rows[start : start + limit]
        return page, str(start + limit - 1) if start + limit < len(rows) else None

    def read_one(self, view: JobView, kind: ObjectKind, source_id: str) -> Change | None:
        wanted = (source_id, source_id.casefold())
        for change in self._bearing(kind, None):
            if change.source_id == source_id or str(change.attributes.get("userPrincipalName")).casefold() in wanted:
                return change
        return None

    def _bearing(self, kind: ObjectKind, window: Window | None) -> Sequence[Change]:
        window = window or Window(after=0, until=self.latest())
        return [change for change in self._changes if change.kind is kind and window.after < change.seq <= window.until]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    source: Source
    users: int


def _feed() -> ListedFeed:
    return ListedFeed(
        [
            Change(
                source_id=user["objectId"],
                kind=ObjectKind.USER,
                lifecycle=Lifecycle.PRESENT,
                seq=number + 1,
                attributes=user,
                references={"manager": ()},
            )
            for number, user in enumerate(PEOPLE.users)
        ]
    )


@pytest.fixture(params=["directory", "json", "csv"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    match request.param:
        case "directory":
            yield Case(source=DirectorySource(_feed(), VIEW), users=57)
        case "json":
            source = read_file("people.json", render_json(PEOPLE))
            yield Case(source=source, users=57)
            source.close()
        case _:
            source = read_file("people.csv", render_users_csv(PEOPLE))
            yield Case(source=source, users=57)
            source.close()


def read_all(source: Source, kind: ObjectKind, window: Window | None, limit: int) -> list[Change]:
    changes: list[Change] = []
    after: str | None = None
    while True:
        page = source.read(kind, window, after, limit)
        assert len(page.changes) <= limit
        changes.extend(page.changes)
        if page.next_after is None:
            return changes
        after = page.next_after


@pytest.mark.parametrize("limit", [1, 10, 19, 57, 500])
def test_pages_give_every_object_once_and_in_one_order(case: Case, limit: int) -> None:
    changes = read_all(case.source, ObjectKind.USER, None, limit)
    assert [change.source_id for change in changes] == [user["objectId"] for user in PEOPLE.users]
    assert case.source.count(ObjectKind.USER, None) == case.users


def test_a_page_can_be_read_again_after_a_crash(case: Case) -> None:
    first = case.source.read(ObjectKind.USER, None, None, 10)
    again = [case.source.read(ObjectKind.USER, None, first.next_after, 10) for _ in range(2)]
    assert again[0] == again[1]
    assert not {change.source_id for change in again[0].changes} & {change.source_id for change in first.changes}


def test_a_change_holds_the_whole_object(case: Case) -> None:
    changes = read_all(case.source, ObjectKind.USER, None, 500)
    for change, user in zip(changes, PEOPLE.users, strict=True):
        expected = {name: value for name, value in user.items() if name != "manager"}
        expected = {name: tuple(value) if isinstance(value, list) else value for name, value in expected.items()}
        shown = {name: value for name, value in change.attributes.items() if name != "manager"}
        assert {name: tuple(value) if isinstance(value, list) else value for name, value in shown.items()} == expected
        assert change.kind is ObjectKind.USER
        assert change.lifecycle is Lifecycle.PRESENT


def test_a_window_that_begins_at_the_end_of_the_feed_is_empty(case: Case) -> None:
    latest = case.source.latest()
    window = Window(after=latest, until=latest)
    assert case.source.count(ObjectKind.USER, window) == 0
    assert read_all(case.source, ObjectKind.USER, window, 10) == []


def test_a_window_over_the_whole_feed_gives_everything(case: Case) -> None:
    window = Window(after=0, until=case.source.latest())
    assert len(read_all(case.source, ObjectKind.USER, window, 10)) == case.users


@pytest.mark.parametrize("name", ["objectId", "userPrincipalName"])
def test_one_object_is_found_by_id_or_principal_name(case: Case, name: str) -> None:
    wanted = PEOPLE.users[20]
    change = case.source.read_one(ObjectKind.USER, wanted[name])
    assert change is not None
    assert change.source_id == wanted["objectId"]


def test_an_object_that_the_source_never_had_is_none(case: Case) -> None:
    assert case.source.read_one(ObjectKind.USER, "nobody@nowhere.example") is None


def test_a_read_without_faults_is_complete(case: Case) -> None:
    page = case.source.read(ObjectKind.USER, None, None, 500)
    assert page.problems == ()
    assert case.source.is_complete()


def test_the_directory_gives_no_kind_that_the_job_does_not_carry() -> None:
    view = JobView(job_id="job", service_principal_id="sp", sync_all=True, kinds=(ObjectKind.GROUP,))
    source = DirectorySource(_feed(), view)
    assert source.count(ObjectKind.USER, None) == 0
    assert source.read(ObjectKind.USER, None, None, 10).changes == ()
