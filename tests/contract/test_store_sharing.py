"""The contract of shared passes: what is claimed is the claimer's alone, and is written once."""

import pytest

from fakes.company import Company, id_of, settlement
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, Fenced
from muster.model.job import Counters, Cycle, CycleKind, CycleState, ScheduleState, StagedState
from muster.model.operation import Operation, OperationKind
from muster.ports.cycles import NewOperation
from muster.ports.sharing import SHARED_WAVE, EndKind, OpenEnd, PartEnd, Standing
from muster.store.open import Store

LOST = FailureRecord(code="Timeout", sentence="The answer was lost.", remedy="Nothing.")


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store).found()


def _cycle(company: Company, *names: str) -> Cycle:
    """A running cycle that shares the creation of these people."""
    cycle = company.begin("c", CycleKind.INITIAL)
    operations = [
        NewOperation(
            operation=Operation(
                change_id=f"change-{name}",
                kind=OperationKind.CREATE,
                object_kind=ObjectKind.USER,
                source_id=id_of(name),
                source_name=name,
                reason="assigned",
            ),
            wave=SHARED_WAVE,
        )
        for name in names
    ]
    company.store.cycles.stage(cycle, operations, ())
    return cycle


def _end(numbers: list[int], **kept: object) -> PartEnd:
    done = [replace(settlement(f"p{number}"), number=number) for number in numbers]
    return replace(PartEnd(settlements=done, open_ends=(), untried=(), counters=Counters(created=len(done))), **kept)  # type: ignore[arg-type]  # fields by name


def _names(found: object) -> list[str]:
    return [item.operation.source_name for item in found]  # type: ignore[attr-defined]  # staged operations


def test_what_one_engine_has_claimed_no_other_gets(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob", "cyd")
    shares = company.store.shares
    assert _names(shares.claim(cycle, "one", 2)) == ["ann", "bob"]
    assert _names(shares.claim(cycle, "two", 2)) == ["cyd"]
    assert shares.claim(cycle, None, 2) == []
    assert shares.standing("c") == Standing(released=0, open_ends=0, senders=frozenset({"one", "two"}))
    # What is marked as being sent is looked up by whoever takes over, as any other.
    assert _names(company.store.cycles.staged("c", StagedState.SENDING, SHARED_WAVE, 9)) == ["ann", "bob", "cyd"]


def test_a_part_ends_in_outcomes_open_ends_and_what_goes_back(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob", "cyd")
    shares = company.store.shares
    claimed = [item.number for item in shares.claim(cycle, "one", 3)]
    lost = OpenEnd(number=claimed[1], kind=EndKind.LOST, failure=LOST)
    shares.end_part(cycle, "one", _end(claimed[:1], open_ends=(lost,), untried=claimed[2:]))
    assert shares.standing("c") == Standing(released=1, open_ends=1, senders=frozenset())
    ((item, end),) = shares.open_ends("c", 9)
    assert (item.operation.source_name, item.operation.failure, end) == ("bob", None, lost)
    assert _names(shares.claim(cycle, "two", 9)) == ["cyd"]


def test_what_parts_have_counted_is_added_once(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    for sender in ("one", "two"):
        shares.end_part(cycle, sender, _end([shares.claim(cycle, sender, 1)[0].number]))
    assert shares.absorb(cycle) == Counters(created=2)
    assert shares.absorb(cycle) == Counters()
    kept = company.store.cycles.get("c")
    assert kept is not None
    assert kept.counters == cycle.counters + Counters(created=2)


def test_what_a_dead_engine_has_claimed_is_an_open_end_that_it_cannot_write_any_more(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    claimed = [item.number for item in shares.claim(cycle, "dead", 1)]
    shares.claim(cycle, "alive", 1)
    shares.interrupt("c", ["dead"])
    assert shares.standing("c") == Standing(released=0, open_ends=1, senders=frozenset({"alive"}))
    ((_, end),) = shares.open_ends("c", 9)
    assert end.kind is EndKind.INTERRUPTED
    with pytest.raises(Fenced):
        shares.end_part(cycle, "dead", _end(claimed))
    assert shares.absorb(cycle) == Counters()


def test_the_engine_that_carried_a_cycle_before_claims_and_writes_nothing(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    claimed = [item.number for item in shares.claim(cycle, None, 1)]
    company.store.cycles.take_over("c")
    for late in (
        lambda: shares.claim(cycle, None, 1),
        lambda: shares.end_part(cycle, None, _end(claimed)),
        lambda: shares.absorb(cycle),
    ):
        with pytest.raises(Fenced):
            late()


def test_an_engine_that_helps_goes_on_under_whoever_takes_the_cycle_over(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    claimed = [item.number for item in shares.claim(cycle, "one", 1)]
    taken = company.store.cycles.take_over("c")
    shares.end_part(cycle, "one", _end(claimed))
    assert shares.absorb(taken) == Counters(created=1)


def test_of_somebody_who_has_left_what_waits_is_taken_back_and_what_is_sent_is_told(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob", "cyd")
    shares = company.store.shares
    shares.claim(cycle, "one", 1)
    assert not shares.withdraw("c", {id_of("bob")})
    assert set(shares.withdraw("c", {id_of("ann"), id_of("cyd")})) == {id_of("ann")}
    assert not shares.withdraw("c", set())
    assert shares.claim(cycle, "two", 9) == []


def test_a_conflict_stays_one_when_its_look_up_is_interrupted(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    first, second = (item.number for item in shares.claim(cycle, None, 2))
    conflict = OpenEnd(number=first, kind=EndKind.CONFLICT, failure=LOST)
    lost = OpenEnd(number=second, kind=EndKind.LOST, failure=LOST)
    shares.end_part(cycle, None, _end([], open_ends=(conflict, lost)))
    for end in (conflict, lost):
        company.store.cycles.mark(cycle, [end.number], StagedState.SENDING, end.kind, None)
    shares.interrupt("c", [None])
    assert [end.kind for _, end in shares.open_ends("c", 9)] == [EndKind.CONFLICT, EndKind.INTERRUPTED]


def test_what_is_given_back_to_a_cycle_that_ends_is_nobodys(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    shares = company.store.shares
    claimed = [item.number for item in shares.claim(cycle, "one", 2)]
    taken = company.store.cycles.take_over("c")
    shares.retract("c")
    shares.end_part(cycle, "one", _end([], untried=claimed))
    assert shares.claim(cycle, "two", 9) == []
    assert [item.number for item in shares.claim(taken, "two", 9)] == claimed


def test_nothing_is_offered_once_it_is_taken_back_the_job_stops_or_the_cycle_has_ended(company: Company) -> None:
    cycle = _cycle(company, "ann", "bob")
    store = company.store
    assert [offer.id for offer in store.shares.offers()] == ["c"]
    store.jobs.set_schedule("job", ScheduleState.PAUSED)
    assert store.shares.offers() == []
    store.jobs.set_schedule("job", ScheduleState.ACTIVE)
    claimed = [item.number for item in store.shares.claim(cycle, "one", 1)]
    store.shares.retract("c")
    assert store.shares.offers() == []
    store.cycles.close(replace(cycle, state=CycleState.FAILED), None)
    with pytest.raises(Fenced):
        store.shares.end_part(cycle, "one", _end(claimed))
