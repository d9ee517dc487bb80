"""A page of people goes into the directory and is written down as done in one transaction: all of it, or nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from muster.bootstrap.assembly import make_engine
from muster.bootstrap.house import House, open_house
from muster.engine.cycle import CycleEngine
from muster.model.directory import ObjectKind
from muster.model.job import Cycle, CycleState
from muster.model.operation import LinkState
from muster.ports.cycles import LogQuery, NewOperation, Settlement
from muster.ports.directory import DirectoryQuery
from muster.settings import load_settings

PEOPLE = 30
CSV = "userPrincipalName,displayName,manager\n" + "".join(
    f"p{number}@lantaarn.example,Person {number},{'' if number == 0 else 'p0@lantaarn.example'}\n"
    for number in range(PEOPLE)
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = open_house(load_settings(data=tmp_path), tmp_path)
    yield opened
    opened.database.close()


class PowerCut(Exception):
    """Ends the process, as far as the store can tell."""


@pytest.mark.parametrize("cut_at", range(1, 3))
def test_a_page_that_is_cut_short_leaves_nothing_and_is_carried_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    options = {"file": _uploaded(house, tmp_path)}
    job_id = house.import_job_id()
    first = make_engine(house)
    cycle = first.begin(job_id, options)
    assert cycle is not None
    _cut(house, monkeypatch, cut_at)
    with pytest.raises(PowerCut):
        _finish(first, cycle.id)
    monkeypatch.undo()
    # The first cut comes before anybody is there, the second before anybody has a manager; nothing is half done.
    people = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER)).objects
    assert len(people) == (0 if cut_at == 1 else PEOPLE)
    assert not any(person.manager_id for person in people)
    _finish(make_engine(house), cycle.id)
    ended = house.store.cycles.get(cycle.id)
    assert ended is not None
    assert (ended.state, ended.counters.created, ended.counters.failed) == (CycleState.SUCCEEDED, PEOPLE, 0)
    people = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER)).objects
    assert sum(person.manager_id is not None for person in people) == PEOPLE - 1
    # Theirs from the start: nobody was found there and adopted.
    entries, _ = house.store.log.search(LogQuery(cycle_id=cycle.id, limit=500))
    links = house.store.links.links(job_id, ObjectKind.USER, [entry.source_id for entry in entries])
    assert [link.owned for link in links.values()] == [LinkState.MANAGED] * PEOPLE
    assert len(entries) == PEOPLE + PEOPLE - 1


def _finish(engine: CycleEngine, cycle_id: str) -> None:
    while engine.advance(cycle_id):
        pass


def _cut(house: House, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Has the power fail when people, or their managers, have been written and are to be written down as done."""
    cycles = house.store.cycles
    settled, staged = cycles.settle, cycles.stage

    def settle(cycle: Cycle, settlements: Sequence[Settlement]) -> None:
        settled(cycle, settlements)
        raise PowerCut

    def stage(cycle: Cycle, operations: Sequence[NewOperation], settlements: Sequence[Settlement]) -> int:
        number = staged(cycle, operations, settlements)
        if any(each.references for each in settlements):
            raise PowerCut
        return number

    if at == 1:
        monkeypatch.setattr(cycles, "settle", settle)
    else:
        monkeypatch.setattr(cycles, "stage", stage)


def _uploaded(house: House, folder: Path) -> str:
    return house.uploads().keep(house.ids.new_id(), "people.csv", CSV.encode())
