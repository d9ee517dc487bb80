"""The contract of cycles: checkpoints, staged operations, fencing, the watermark; and of the census."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.company import NOW, Company, cycle_of, id_of, settlement
from fakes.store import store_on
from muster.database.connection import Database
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord, Fenced
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, StagedState
from muster.model.log import LogStatus, Step, StepType
from muster.model.operation import (
    Acknowledged,
    AttributeChange,
    MatchingValue,
    Operation,
    OperationKind,
    TargetResource,
    Verb,
    WantedReference,
)
from muster.ports.cycles import NewOperation
from muster.ports.sharing import EndKind
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store).found()


def _operation(name: str, kind: OperationKind = OperationKind.CREATE) -> Operation:
    return Operation(
        change_id=f"change-{name}",
        kind=kind,
        object_kind=USER,
        source_id=id_of(name),
        source_name=name,
        reason="assigned",
        changes=(
            AttributeChange(attribute="emails", verb=Verb.ADD, old=None, new=({"value": "a@x", "list": (1, 2)},)),
            AttributeChange(attribute="active", verb=Verb.REPLACE, old=("a", "b"), new=True, redacted=True),
        ),
        matching=(MatchingValue(attribute="userName", value="ann"),),
        acknowledged=Acknowledged(sent={"a": ("x",)}, seen={"b": 1.5}),
        references=(WantedReference(attribute="manager", kind=USER, multivalued=False, source_ids=("1",)),),
        failure=FailureRecord(code="c", sentence="s", remedy="r", status=400),
        steps=(Step(name="n", type=StepType.IMPORT, status=LogStatus.SUCCESS, description="d", details={"k": "v"}),),
        source_seq=4,
    )


def test_a_cycle_comes_back_as_it_was_given(company: Company) -> None:
    cycle = replace(
        cycle_of("c", "job", CycleKind.INITIAL),
        position="12",
        counters=Counters(created=3, writes=7),
        failure=FailureRecord(code="c", sentence="s", remedy="r"),
        complete=False,
    )
    company.store.cycles.begin(cycle)
    assert company.store.cycles.get("c") == cycle
    assert company.store.cycles.running("job") == cycle
    assert company.store.cycles.get("x") is None
    assert company.store.jobs.get("job").last_cycle_began_at == NOW  # type: ignore[union-attr]  # it is there


def test_one_pass_of_a_job_runs_at_a_time_beside_plans_and_single_people(company: Company) -> None:
    company.begin("plan", CycleKind.PLAN)
    company.begin("one", CycleKind.ON_DEMAND)
    assert company.store.cycles.running("job") is None
    company.begin("first", CycleKind.INITIAL)
    with pytest.raises(Fenced):
        company.begin("second", CycleKind.INCREMENTAL)
    running = company.store.cycles.running("job")
    assert running is not None
    assert running.id == "first"
    company.store.cycles.close(replace(running, state=CycleState.FAILED), None)
    company.begin("second", CycleKind.INCREMENTAL)
    assert [each.id for each in company.store.cycles.history("job", 3)] == ["second", "first", "one"]


def test_staged_operations_come_back_equal_and_in_order_with_the_checkpoint(company: Company) -> None:
    cycle = company.begin()
    first, second, third = (_operation(name) for name in ("ann", "bob", "cid"))
    moved = replace(cycle, position="3", phase=CyclePhase.GROUPS, counters=Counters(evaluated=2), options={"a": "b"})
    company.store.cycles.stage(
        moved, [NewOperation(operation=first, wave=1), NewOperation(operation=second, wave=2)], []
    )
    held = NewOperation(operation=third, wave=1, state=StagedState.HELD, hold_code="TooMany", hold_reason="too many")
    company.store.cycles.stage(moved, [held, NewOperation(operation=third, wave=1)], [])
    assert company.store.cycles.get("cycle") == moved
    staged = company.store.cycles.staged("cycle", StagedState.RELEASED, 1, 10)
    assert [(each.number, each.operation) for each in staged] == [(1, first), (4, third)]
    assert [each.number for each in company.store.cycles.staged("cycle", StagedState.RELEASED, 1, 1)] == [1]
    assert [each.operation for each in company.store.cycles.staged("cycle", StagedState.RELEASED, 2, 10)] == [second]
    (waiting,) = company.store.cycles.staged("cycle", StagedState.HELD, 1, 10)
    assert (waiting.hold_code, waiting.hold_reason) == ("TooMany", "too many")


def test_staged_operations_are_counted_by_kind(company: Company) -> None:
    cycle = company.begin()
    kinds = [(OperationKind.CREATE, 1), (OperationKind.CREATE, 1), (OperationKind.DISABLE, 2)]
    operations = [NewOperation(operation=_operation("a", kind), wave=wave) for kind, wave in kinds]
    company.store.cycles.stage(cycle, operations, [])
    assert company.store.cycles.count_staged("cycle", StagedState.RELEASED) == {"create": 2, "disable": 1}
    assert company.store.cycles.count_staged("cycle", StagedState.RELEASED, 2) == {"disable": 1}
    assert company.store.cycles.count_staged("cycle", StagedState.SENDING) == {}


def test_intent_is_noted_before_and_the_outcome_after(company: Company) -> None:
    cycle = company.begin()
    company.store.cycles.stage(cycle, [NewOperation(operation=_operation(name), wave=1) for name in "abc"], [])
    company.store.cycles.mark(cycle, [1, 2], StagedState.SENDING, None, None)
    assert [each.number for each in company.store.cycles.staged("cycle", StagedState.SENDING, 1, 9)] == [1, 2]
    company.store.cycles.mark(cycle, [], StagedState.SENDING, None, None)
    counted = replace(cycle, counters=Counters(created=1))
    company.store.cycles.settle(counted, [replace(settlement("a"), number=1)])
    assert [each.number for each in company.store.cycles.staged("cycle", StagedState.SENDING, 1, 9)] == [2]
    # What is done is in the log and no longer staged.
    assert not company.store.cycles.staged("cycle", StagedState.DONE, 1, 9)
    assert company.store.cycles.get("cycle") == counted


WRITES: dict[str, Callable[[Store, Cycle], object]] = {
    "stage": lambda store, cycle: store.cycles.stage(cycle, [], [settlement("ann")]),
    "settle": lambda store, cycle: store.cycles.settle(cycle, [settlement("ann")]),
    "mark": lambda store, cycle: store.cycles.mark(cycle, [1], StagedState.DONE, None, None),
    "close": lambda store, cycle: store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), 7),
}


@pytest.mark.parametrize("write", WRITES)
def test_who_was_fenced_out_writes_nothing(company: Company, write: str) -> None:
    old = company.begin()
    company.store.cycles.stage(old, [NewOperation(operation=_operation("ann"), wave=1)], [])
    new = company.store.cycles.take_over("cycle")
    assert new == replace(old, epoch=2)
    with pytest.raises(Fenced):
        WRITES[write](company.store, replace(old, counters=Counters(created=99)))
    assert company.store.cycles.get("cycle") == new
    assert company.store.links.count_links("job") == 0
    assert len(company.store.cycles.staged("cycle", StagedState.RELEASED, 1, 9)) == 1
    WRITES[write](company.store, new)


def test_an_unknown_cycle_cannot_be_taken_over_or_written(company: Company) -> None:
    with pytest.raises(LookupError):
        company.store.cycles.take_over("x")
    with pytest.raises(Fenced):
        company.store.cycles.settle(cycle_of("x", "job", CycleKind.INITIAL), [])


def test_two_processes_that_take_over_at_once_get_different_epochs(company: Company, store_database: Database) -> None:
    company.begin()
    epochs: list[int] = []

    def take() -> None:
        epochs.append(store_on(store_database).cycles.take_over("cycle").epoch)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == [2, 3, 4, 5]


CLOSINGS = [
    (CycleKind.INITIAL, CycleState.SUCCEEDED, 7, 7),
    (CycleKind.INCREMENTAL, CycleState.ENTRY_LEVEL_ERRORS, 7, 7),
    (CycleKind.INCREMENTAL, CycleState.FAILED, 7, 5),
    (CycleKind.INCREMENTAL, CycleState.SUCCEEDED, None, 5),
    (CycleKind.ON_DEMAND, CycleState.SUCCEEDED, 7, 5),
]


@pytest.mark.parametrize(("kind", "state", "watermark", "expected"), CLOSINGS)
def test_a_pass_that_succeeded_moves_the_watermark(
    company: Company, kind: CycleKind, state: CycleState, watermark: int | None, expected: int
) -> None:
    company.store.jobs.set_watermark("job", 5)
    cycle = company.begin(kind=kind)
    ended = replace(cycle, state=state, phase=CyclePhase.DONE, ended_at=NOW + timedelta(minutes=1))
    company.store.cycles.close(ended, watermark)
    job = company.store.jobs.get("job")
    assert job is not None
    assert job.watermark == expected
    assert job.last_cycle_ended_at == (None if kind is CycleKind.ON_DEMAND else ended.ended_at)
    assert company.store.cycles.get("cycle") == ended
    assert company.store.cycles.running("job") is None


@pytest.mark.parametrize(
    "restart",
    [
        lambda store: store.jobs.set_watermark("job", None),
        lambda store: store.jobs.save_schema("job", {}, "me", NOW),
    ],
)
def test_an_initial_cycle_that_was_asked_for_meanwhile_is_not_forgotten(
    company: Company, restart: Callable[[Store], object]
) -> None:
    cycle = company.begin()
    restart(company.store)
    company.store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), 7)
    job = company.store.jobs.get("job")
    assert job is not None
    assert job.watermark is None


def test_a_closed_cycle_drops_what_was_staged_and_listed(company: Company) -> None:
    cycle = company.begin()
    states = [StagedState.RELEASED, StagedState.HELD, StagedState.DONE, StagedState.REJECTED]
    operations = [NewOperation(operation=_operation("a"), wave=1, state=state) for state in states]
    company.store.cycles.stage(cycle, operations, [])
    company.store.census.add("cycle", USER, [TargetResource(target_id="t", attributes={})], [])
    company.store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), 7)
    kept = {state: len(company.store.cycles.staged("cycle", state, 1, 9)) for state in states}
    assert [kept[state] for state in states] == [0, 0, 0, 0]
    assert company.store.census.by_id("cycle", USER, ["t"]) == {}


@pytest.fixture
def census(company: Company) -> Company:
    company.begin()
    resources = [
        TargetResource(
            target_id=f"t{number}",
            attributes={"userName": name, "emails": ("a@x", f"{name}@x"), "active": True, "weights": (1, ("n",))},
            references={"manager": ("t0",)},
            display_name=name,
        )
        for number, name in enumerate(["Ann", "ANN", "Bob"])
    ]
    company.store.census.add("cycle", USER, resources, ["userName", "emails", "nothing"])
    return company


def test_the_census_forgets_what_is_no_longer_as_it_was_listed(census: Company) -> None:
    kept = census.store.census
    kept.forget("cycle", GROUP, ["t2"])
    assert kept.by_id("cycle", USER, ["t2"])
    kept.forget("cycle", USER, ["t2", "unknown"])
    assert kept.by_id("cycle", USER, ["t2"]) == {}
    assert kept.find("cycle", USER, "userName", ["bob"]) == {}
    assert kept.count("cycle", USER) == 2


def test_the_census_finds_by_value_without_case(census: Company) -> None:
    assert (census.store.census.count("cycle", USER), census.store.census.count("cycle", GROUP)) == (3, 0)
    found = census.store.census.find("cycle", USER, "userName", ["ann", "BOB", "cid"])
    assert {name: [each.target_id for each in several] for name, several in found.items()} == {
        "ann": ["t0", "t1"],
        "BOB": ["t2"],
    }
    assert found["BOB"][0].attributes["weights"] == (1, ("n",))
    assert census.store.census.find("cycle", GROUP, "userName", ["ann"]) == {}
    assert census.store.census.find("cycle", USER, "displayName", ["ann"]) == {}


def test_the_census_finds_by_each_of_several_values_and_by_both_spellings_asked(census: Company) -> None:
    assert len(census.store.census.find("cycle", USER, "emails", ["A@X"])["A@X"]) == 3
    assert set(census.store.census.find("cycle", USER, "userName", ["bob", "BOB"])) == {"bob", "BOB"}


def test_the_census_finds_by_id(census: Company) -> None:
    found = census.store.census.by_id("cycle", USER, ["t2", "t9"])
    assert list(found) == ["t2"]
    assert found["t2"].references == {"manager": ("t0",)}


def test_an_object_that_is_listed_twice_counts_once(census: Company) -> None:
    again = TargetResource(target_id="t2", attributes={"userName": "Bob", "city": "Bern"})
    census.store.census.add("cycle", USER, [again, again], ["userName"])
    (found,) = census.store.census.find("cycle", USER, "userName", ["bob"])["bob"]
    assert found.attributes == again.attributes
    with pytest.raises(LookupError, match="no cycle x"):
        census.store.census.add("x", USER, [], [])


@pytest.mark.parametrize(
    ("state", "code", "kind", "is_kept"),
    [
        (StagedState.SENDING, None, CycleKind.INITIAL, True),
        (StagedState.OPEN, EndKind.LOST, CycleKind.INITIAL, True),
        (StagedState.OPEN, EndKind.CONFLICT, CycleKind.INITIAL, False),
        (StagedState.RELEASED, None, CycleKind.INITIAL, False),
        (StagedState.SENDING, None, CycleKind.ROLLBACK, False),
    ],
)
def test_of_a_creation_whose_end_nobody_knows_the_names_outlive_the_cycle(
    company: Company, state: StagedState, code: EndKind | None, kind: CycleKind, *, is_kept: bool
) -> None:
    cycle = company.begin("c", kind)
    cycles = company.store.cycles
    first = cycles.stage(cycle, [NewOperation(operation=_operation("ann"), wave=1)], ())
    cycles.mark(cycle, [first], state, code, None)
    cycles.close(replace(cycle, state=CycleState.FAILED, ended_at=NOW), None)
    tried = company.store.links.tried("job", USER, [id_of("ann")], "next")
    assert tried == ({id_of("ann"): (MatchingValue(attribute="userName", value="ann"),)} if is_kept else {})
    assert company.store.links.count_escrows("job") == int(is_kept)


def test_a_creation_that_was_refused_for_somebody_elses_account_was_sent_under_no_name(company: Company) -> None:
    cycle = company.begin("c", CycleKind.INITIAL)
    cycles = company.store.cycles
    first = cycles.stage(cycle, [NewOperation(operation=_operation(name), wave=1) for name in ("ann", "bob")], ())
    cycles.mark(cycle, [first], StagedState.SENDING, EndKind.CONFLICT, None)
    cycles.mark(cycle, [first + 1], StagedState.SENDING, None, None)
    assert company.store.links.tried("job", USER, [id_of("ann"), id_of("bob")], "other").keys() == {id_of("bob")}
