"""The contract of holds: kept over cycles, found, grouped by cause, decided by filter, ended by what settles them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.company import NOW, Company, id_of
from muster.model.cause import Cause, CauseKind
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import Hold, HoldCode, HoldFilter, HoldState
from muster.model.job import Counters, Cycle, CycleState, Escrow, StagedState
from muster.model.operation import AttributeChange, MatchingValue, Operation, OperationKind, Verb
from muster.ports.cycles import NewOperation, ReferenceSettled, Settlement
from muster.store.open import Store

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP
SALES = Cause(kind=CauseKind.GROUP_DELETED, subject="g1", sentence="the group Sales-Temp was deleted")
BLOCKED = Cause(kind=CauseKind.SIGN_IN_BLOCKED, sentence="sign-in is blocked")
LATER = NOW + timedelta(hours=1)


def hold(name: str, cause: Cause | None = SALES, **values: object) -> Hold:
    operation = Operation(
        change_id=f"c-{name}",
        kind=OperationKind.DISABLE,
        object_kind=USER,
        source_id=id_of(name),
        source_name=f"Näme {name}",
        reason="left",
        target_id=f"t-{name}",
        changes=(AttributeChange(attribute="emails", verb=Verb.REPLACE, old=("a",), new=({"x": (1,)},)),),
        cause=cause,
    )
    made = Hold(
        id=f"h-{name}",
        kind=USER,
        source_id=id_of(name),
        operation=operation,
        code=HoldCode.TOO_MANY,
        reason="too many",
        held_at=NOW,
        essence="e",
        cause=cause,
        cycle_id="cycle",
    )
    return replace(made, **values)  # type: ignore[arg-type]  # fields by name


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store).found()


@pytest.fixture
def cycle(company: Company) -> Cycle:
    return company.begin()


def keep(company: Company, cycle: Cycle, *holds: Hold) -> None:
    settlements = [Settlement(kind=each.kind, source_id=each.source_id, hold=each) for each in holds]
    company.store.cycles.settle(cycle, settlements)


def names(company: Company, **wanted: object) -> list[str]:
    found, _ = company.store.holds.list("job", HoldFilter(**wanted), 100, None)  # type: ignore[arg-type]  # by name
    return [each.id for each in found]


def test_a_hold_comes_back_as_it_was_kept_and_outlives_its_cycle(company: Company, cycle: Cycle) -> None:
    kept = hold("a", due_at=LATER, decided_by=None)
    keep(company, cycle, kept)
    company.store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), 1)
    assert company.store.holds.find("job", USER, [id_of("a"), id_of("b")]) == {(id_of("a"), ""): kept}
    assert company.store.holds.find("job", GROUP, [id_of("a")]) == {}


def test_an_object_has_one_hold_and_one_a_reference_attribute(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a"), hold("a", id="h-members", attribute="members"))
    keep(company, cycle, hold("a", id="h-again", reason="again"))
    found = company.store.holds.find("job", USER, [id_of("a")])
    assert {place[1]: each.id for place, each in found.items()} == {"": "h-again", "members": "h-members"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["h-a", "h-b", "h-c"]),
        ({"ids": ("h-b", "h-x")}, ["h-b"]),
        ({"ids": ()}, []),
        ({"states": (HoldState.WAITING,)}, ["h-d"]),
        ({"states": (HoldState.WAITING, HoldState.HELD)}, ["h-a", "h-b", "h-c", "h-d"]),
        ({"code": HoldCode.APPROVAL}, ["h-c"]),
        ({"cause": "groupDeleted:g1"}, ["h-a", "h-b"]),
        ({"operation_kind": "delete"}, []),
        ({"object_kind": GROUP}, []),
        ({"identity": "NÄME B"}, ["h-b"]),
        ({"identity": "t-c"}, ["h-c"]),
        ({"identity": "%"}, []),
    ],
)
def test_holds_are_found_by_filter(
    company: Company, cycle: Cycle, wanted: dict[str, object], expected: list[str]
) -> None:
    approval = hold("c", BLOCKED, code=HoldCode.APPROVAL)
    keep(company, cycle, hold("a"), hold("b"), approval, hold("d", None, state=HoldState.WAITING, code=HoldCode.GRACE))
    assert names(company, **wanted) == expected


def test_holds_are_listed_in_pages_and_counted(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a"), hold("b"), hold("c", state=HoldState.WAITING))
    first, after = company.store.holds.list("job", HoldFilter(), 1, None)
    rest, end = company.store.holds.list("job", HoldFilter(), 1, after)
    assert ([each.id for each in (*first, *rest)], end) == (["h-a", "h-b"], None)
    assert company.store.holds.count("job") == {HoldState.HELD: 2, HoldState.WAITING: 1}


def test_holds_are_grouped_by_cause_the_largest_first(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a", BLOCKED), hold("b"), hold("c"), hold("d", None))
    groups = company.store.holds.groups("job", HoldFilter())
    assert [(each.cause, each.count) for each in groups] == [(SALES, 2), (BLOCKED, 1), (None, 1)]
    assert company.store.holds.groups("job", HoldFilter(cause="nothing")) == []


def test_what_is_approved_is_due_at_once_and_says_by_whom(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a"), hold("b", BLOCKED), hold("a", id="h-members", attribute="members"))
    wanted = HoldFilter(cause="groupDeleted:g1")
    assert company.store.holds.decide("job", wanted, HoldState.APPROVED, "anna", LATER) == 2
    assert names(company) == ["h-b"]
    approved = company.store.holds.find("job", USER, [id_of("a")])[id_of("a"), ""]
    assert (approved.state, approved.decided_by, approved.decided_at) == (HoldState.APPROVED, "anna", LATER)
    (due,) = company.store.links.due_escrows("job", LATER, 10, None)
    assert (due.source_id, due.failure.code) == (id_of("a"), "Approved")
    # It has not failed.
    assert company.store.links.count_escrows("job") == 0
    assert company.store.holds.decide("job", wanted, HoldState.APPROVED, "anna", LATER) == 0


def test_what_is_rejected_is_not_due(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a"))
    assert company.store.holds.decide("job", HoldFilter(), HoldState.REJECTED, "anna", LATER) == 1
    assert company.store.links.due_escrows("job", LATER, 10, None) == []


def test_approving_does_not_forget_under_which_names_an_account_may_have_been_made(
    company: Company, cycle: Cycle
) -> None:
    tried = (MatchingValue(attribute="userName", value="a@x"),)
    escrow = Escrow(
        source_id=id_of("a"),
        kind=USER.value,
        failure=FailureRecord(code="ApprovalRequired", sentence="s", remedy="r"),
        attempts=1,
        first_failed_at=NOW,
        next_attempt_at=NOW + timedelta(days=9),
        tried=tried,
    )
    kept = Settlement(kind=USER, source_id=id_of("a"), hold=hold("a"), escrow=escrow)
    company.store.cycles.settle(cycle, [kept])
    company.store.holds.decide("job", HoldFilter(), HoldState.APPROVED, "anna", LATER)
    (due,) = company.store.links.due_escrows("job", LATER, 10, None)
    assert due.tried == tried


@pytest.mark.parametrize(
    ("settlement", "left"),
    [
        (Settlement(kind=USER, source_id=id_of("a"), clear_escrow=True), {"members"}),
        (Settlement(kind=USER, source_id=id_of("a")), {"", "members"}),
        (Settlement(kind=USER, source_id=id_of("b"), clear_escrow=True), {"", "members"}),
        (Settlement(kind=GROUP, source_id=id_of("a"), clear_escrow=True), {"", "members"}),
        (
            Settlement(
                kind=USER,
                source_id=id_of("a"),
                references=(ReferenceSettled(attribute="members", source_id=id_of("b"), target_id=None),),
            ),
            {""},
        ),
        (
            Settlement(
                kind=USER,
                source_id=id_of("a"),
                keeps_hold=True,
                references=(ReferenceSettled(attribute="members", source_id=id_of("b"), target_id=None),),
            ),
            {"", "members"},
        ),
    ],
)
def test_a_hold_ends_when_its_object_or_its_reference_is_settled(
    company: Company, cycle: Cycle, settlement: Settlement, left: set[str]
) -> None:
    keep(company, cycle, hold("a"), hold("a", id="h-members", attribute="members"))
    company.store.cycles.settle(cycle, [settlement])
    assert {place[1] for place in company.store.holds.find("job", USER, [id_of("a")])} == left


def test_a_hold_of_references_that_differ_no_more_ends(company: Company, cycle: Cycle) -> None:
    company.store.cycles.settle(cycle, [])
    keep(company, cycle, hold("a"), hold("a", id="h-members", attribute="members"))
    assert company.store.holds.end_settled("job") == 1
    assert names(company) == ["h-a"]
    assert company.store.holds.end_settled("job") == 0
    company.store.links.reset("job", links=True, escrows=True)
    assert company.store.holds.end_settled("job") == 0


def test_holds_go_with_the_links_of_a_restart_and_with_their_job(company: Company, cycle: Cycle) -> None:
    keep(company, cycle, hold("a"))
    company.store.links.reset("job", links=False, escrows=True)
    assert names(company) == ["h-a"]
    company.store.links.reset("job", links=True, escrows=False)
    assert names(company) == []
    keep(company, cycle, hold("a"))
    company.store.cycles.close(replace(cycle, state=CycleState.SUCCEEDED), None)
    company.store.jobs.remove("job")
    with pytest.raises(LookupError):
        names(company)


def test_what_a_day_has_counted_is_the_sum_of_its_cycles(company: Company, cycle: Cycle) -> None:
    company.store.cycles.settle(replace(cycle, counters=Counters(disabled=2, deleted=1)), [])
    assert company.store.cycles.counted_since("job", NOW) == Counters(disabled=2, deleted=1)
    ended = replace(cycle, counters=Counters(disabled=3), state=CycleState.SUCCEEDED, ended_at=LATER)
    company.store.cycles.close(ended, None)
    assert company.store.cycles.counted_since("job", LATER).disabled == 3
    assert company.store.cycles.counted_since("job", LATER + timedelta(seconds=1)) == Counters()
    assert company.store.cycles.counted_since("nothing", NOW) == Counters()


def test_staged_operations_are_read_on_after_a_number(company: Company, cycle: Cycle) -> None:
    staged = [NewOperation(operation=hold(name).operation, wave=2) for name in "abc"]
    company.store.cycles.stage(cycle, staged, [])
    first = company.store.cycles.staged("cycle", StagedState.RELEASED, 2, 2)
    rest = company.store.cycles.staged("cycle", StagedState.RELEASED, 2, 2, first[-1].number)
    assert [each.operation.source_id for each in (*first, *rest)] == [id_of(name) for name in "abc"]
