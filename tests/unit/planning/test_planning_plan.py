"""What a plan's hash covers, what a plan costs, and how two plans differ."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import AmbiguousMatch, LinkedElsewhere, MappingFailed, ObjectFailure, ValueRefused
from muster.model.job import Counters, Plan, PlannedOperation, PlanPart, PlanSums, PlanTally
from muster.model.operation import LinkState, Operation, OperationKind, Verb, WantedReference
from muster.model.values import Value
from muster.planning.plan import (
    difference_of_plans,
    group_key,
    group_of,
    lookups_needed,
    plan_hash,
    requests_needed,
    summary_of,
    time_needed,
)
from muster.planning.references import plan_references
from unit.planning.making import NOBODY, link, linked, person, plan

CREATE = plan(person(), NOBODY)
UPDATE = plan(person(jobTitle="Lead"), linked(link()))
SKIP = plan(person(), linked(link()))
LINK = plan(person(), linked(link(LinkState.RELEASED)))
BOSS = WantedReference(attribute="manager", kind=ObjectKind.USER, multivalued=False, source_ids=("s-1",))


@pytest.mark.parametrize(
    "same",
    [
        replace(UPDATE, change_id="another"),
        replace(UPDATE, reason="in other words"),
        replace(UPDATE, target_name="renamed"),
        replace(UPDATE, source_name="Ada King"),
        replace(UPDATE, source_seq=99),
    ],
)
def test_words_and_ids_of_one_reading_stay_out_of_the_hash(same: Operation) -> None:
    assert plan_hash([same], []) == plan_hash([UPDATE], [])


@pytest.mark.parametrize(
    "other",
    [
        replace(UPDATE, kind=OperationKind.DISABLE),
        replace(UPDATE, object_kind=ObjectKind.GROUP),
        replace(UPDATE, source_id="s-bob"),
        replace(UPDATE, target_id="t-2"),
        replace(UPDATE, changes=()),
        replace(UPDATE, link_state=LinkState.RELEASED),
        replace(UPDATE, link_state=None),
        replace(UPDATE, references=(BOSS,)),
        replace(UPDATE, references=(replace(BOSS, source_ids=("s-2",)),)),
        *(
            replace(UPDATE, changes=(replace(UPDATE.changes[0], **other),))
            for other in ({"attribute": "nick"}, {"verb": Verb.ADD}, {"old": "Clerk"}, {"new": "Boss"})
        ),
    ],
)
def test_whatever_an_operation_does_is_in_the_hash(other: Operation) -> None:
    hashes = {plan_hash([item], []) for item in (UPDATE, other, replace(UPDATE, references=(BOSS,)))}
    assert len(hashes) == (2 if other.references == (BOSS,) else 3)


def test_the_order_and_what_is_held_count() -> None:
    hashes = {
        plan_hash([CREATE, UPDATE], []),
        plan_hash([UPDATE, CREATE], []),
        plan_hash([CREATE], [UPDATE]),
        plan_hash([], [CREATE, UPDATE]),
    }
    assert len(hashes) == 4


def test_only_what_writes_costs_a_request_and_long_lists_cost_one_a_part() -> None:
    members = plan_references(
        change_id="c",
        kind=ObjectKind.GROUP,
        source_id="s-g",
        source_name="Staff",
        target_id="t-g",
        attribute="members",
        multivalued=True,
        add=tuple((f"s-{number}", f"t-{number}") for number in range(5)),
        remove=(),
        members_per_request=2,
    )
    assert requests_needed([]) == 0
    assert requests_needed([SKIP, LINK]) == 0
    assert requests_needed([CREATE, UPDATE, SKIP]) == 2
    assert requests_needed([CREATE, members]) == 4


def test_what_a_created_object_refers_to_is_counted_too() -> None:
    crew = WantedReference(attribute="members", kind=ObjectKind.USER, multivalued=True, source_ids=("1", "2", "3"))
    nobody = replace(BOSS, source_ids=())
    assert requests_needed([replace(CREATE, references=(BOSS,))]) == 2
    assert requests_needed([replace(CREATE, references=(nobody,))]) == 1
    assert requests_needed([replace(CREATE, references=(crew,))], members_per_request=2) == 3
    assert requests_needed([replace(UPDATE, references=(BOSS,))]) == 1


def test_whoever_is_created_or_taken_over_is_looked_for() -> None:
    assert lookups_needed([UPDATE, SKIP]) == 0
    assert lookups_needed([CREATE, replace(CREATE, kind=OperationKind.UPDATE, adopts=True)]) == 2


@pytest.mark.parametrize(
    ("requests", "rate", "seconds"), [(0, None, 0), (50, None, 2), (50, 10.0, 5), (1, 3.0, 0.3), (25, 0.0, 1)]
)
def test_the_time_is_counted_at_the_applications_rate_or_at_25_a_second(
    requests: int, rate: float | None, seconds: float
) -> None:
    assert time_needed(requests, rate) == timedelta(seconds=seconds)


def test_two_plans_differ_in_what_is_gone_changed_and_new() -> None:
    bob = replace(CREATE, source_id="s-bob", source_name="Bob")
    eve = replace(UPDATE, source_id="s-eve", source_name="Eve")
    assert difference_of_plans([CREATE, bob], [UPDATE, eve]) == (
        "Ada Lovelace: was create, is now update",
        "Bob: create is no longer needed",
        "Eve: update has come up since",
    )
    assert difference_of_plans([CREATE, bob], [replace(CREATE, change_id="x"), bob]) == ()
    staff = replace(CREATE, object_kind=ObjectKind.GROUP)
    assert len(difference_of_plans([CREATE], [staff])) == 2


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ((("title", "Boss"),), "update with other values: title “Lead” → “Boss”"),
        ((), "update with other values: title “Lead” → not sent"),
        ((("title", None),), "update with other values: title “Lead” → removed"),
        (
            (("title", "Lead"), ("nick", "A")),
            "update with other values: nick not sent → “A”",
        ),
        (
            (("title", True), ("a", "1"), ("b", ("1", "2")), ("c", "3"), ("d", "4")),
            "update with other values: title “Lead” → “True”, a not sent → “1”, b not sent → “1; 2”, and 2 more",
        ),
    ],
)
def test_other_values_are_told_by_attribute(now: tuple[tuple[str, Value], ...], told: str) -> None:
    change = UPDATE.changes[0]
    other = replace(UPDATE, changes=tuple(replace(change, attribute=name, new=value) for name, value in now))
    assert difference_of_plans([UPDATE], [other]) == (f"Ada Lovelace: {told}",)


def test_a_difference_tells_no_redacted_value() -> None:
    change = replace(UPDATE.changes[0], redacted=True)
    other = replace(UPDATE, changes=(replace(change, new="secret"),))
    assert difference_of_plans([replace(UPDATE, changes=(change,))], [other]) == (
        "Ada Lovelace: update with other values: title [Redact] → [Redact]",
    )


def test_a_difference_in_no_value_is_one_of_the_account_or_of_references() -> None:
    (told,) = difference_of_plans([UPDATE], [replace(UPDATE, references=(BOSS,))])
    assert told == "Ada Lovelace: update is of another account, or with other managers or members"


@pytest.mark.parametrize(
    ("operations", "held", "said"),
    [
        ((), (), "nobody new, changed or gone"),
        ((CREATE, CREATE, UPDATE, SKIP), (), "2 hires, 1 change"),
        (
            (replace(UPDATE, kind=OperationKind.DISABLE), replace(UPDATE, kind=OperationKind.FAIL)),
            (),
            "1 leaver, 1 conflict",
        ),
        ((CREATE,), (replace(UPDATE, kind=OperationKind.DELETE),), "1 hire, 1 leaver (1 held)"),
        ((replace(CREATE, object_kind=ObjectKind.GROUP),), (), "1 change of groups"),
    ],
)
def test_a_plan_of_a_source_is_summed_up_in_people(
    operations: tuple[Operation, ...], held: tuple[Operation, ...], said: str
) -> None:
    counted = Counter(
        (part, each.kind, each.object_kind)
        for part, several in ((PlanPart.SENT, operations), (PlanPart.HELD, held))
        for each in several
    )
    tallies = (
        PlanTally(part=part, kind=kind, object_kind=object_kind, count=count)
        for (part, kind, object_kind), count in counted.items()
    )
    assert summary_of(PlanSums(tallies=tuple(tallies))) == said


def test_a_plan_counts_what_may_go_and_what_is_held() -> None:
    tally = PlanTally(part=PlanPart.SENT, kind=OperationKind.CREATE, object_kind=ObjectKind.USER, count=2)
    sums = PlanSums(tallies=(tally, replace(tally, part=PlanPart.HELD, count=1), replace(tally, part=PlanPart.PASSED)))
    made = Plan(
        id="p",
        job_id="j",
        hash="h",
        made_at=datetime(2026, 1, 5, tzinfo=UTC),
        counters=Counters(),
        requests=2,
        duration=timedelta(0),
        sums=sums,
    )
    assert (made.operation_count, made.held_count) == (2, 1)


CAUSE = Cause(kind=CauseKind.UNASSIGNED, sentence="the role was taken away")


def test_operations_of_one_cause_belong_together_and_else_those_of_one_reason() -> None:
    ada = replace(CREATE, cause=None, reason=f"{CREATE.source_name} is new")
    bob = replace(ada, source_name="Bob", reason="Bob is new")
    assert group_key(ada) == group_key(bob) == "is new"
    assert group_key(replace(ada, cause=CAUSE)) == "unassigned"


def failing(name: str, failure: ObjectFailure) -> Operation:
    return replace(
        CREATE,
        kind=OperationKind.FAIL,
        cause=None,
        source_name=name,
        reason=failure.sentence,
        failure=failure.record(),
    )


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (LinkedElsewhere("The account 17 belongs to Eve."), LinkedElsewhere("The account abc belongs to Fay.")),
        (
            AmbiguousMatch(attribute="userName", value="ada", target_ids=["a-1", "a-2"]),
            AmbiguousMatch(attribute="userName", value="bob", target_ids=["b", "c", "d"]),
        ),
        (
            ValueRefused("5f-1 was refused: “x” is no site."),
            ValueRefused("ab@c.example was refused: “y z” is no site."),
        ),
    ],
)
def test_failures_that_name_accounts_are_one_cause(one: ObjectFailure, another: ObjectFailure) -> None:
    ada, bob = failing("Ada", one), failing("Bob", another)
    assert group_key(ada) == group_key(bob)
    told = group_of(PlanPart.SENT, "", 2, PlannedOperation(number=1, operation=ada)).sentence
    assert told == group_of(PlanPart.SENT, "", 2, PlannedOperation(number=1, operation=bob)).sentence
    assert group_of(PlanPart.SENT, "", 1, PlannedOperation(number=1, operation=ada)).sentence == one.sentence


def test_failures_for_different_reasons_are_different_causes() -> None:
    keys = {
        group_key(failing(name, failure))
        for name, failure in (
            ("Ada", MappingFailed("Ada cannot be created: no value for the required title.")),
            ("Bob", MappingFailed("Bob cannot be created: no value for the required title.")),
            ("Cy", MappingFailed("Cy cannot be created: no value for the required site.")),
            ("Dee", LinkedElsewhere("The account 1 is Eve's.", remedy="Wait.")),
            ("Fay", LinkedElsewhere("The account 2 is Eve's.")),
        )
    }
    assert len(keys) == 4
    assert "cannot be created: no value for the required title." in keys


@pytest.mark.parametrize("is_caused", [False, True])
def test_a_long_cause_is_one_by_its_beginning_and_a_hash_of_it_all(is_caused: bool) -> None:
    def key_of(words: str) -> str:
        cause = replace(CAUSE, subject=words) if is_caused else None
        return group_key(replace(CREATE, cause=cause, reason=words))

    long, other = key_of("x" * 9_999), key_of("x" * 9_998)
    assert long != other
    assert long == key_of("x" * 9_999)
    assert len(long) == len(other) == 163


def test_the_key_of_a_group_is_never_empty_and_has_no_blanks_at_its_end() -> None:
    assert group_key(replace(CREATE, cause=None, reason="")) == "create"
    assert group_key(replace(CREATE, cause=None, reason="is new \n")) == "is new"


def test_those_whose_sign_in_is_blocked_belong_together() -> None:
    names = ("Ada Lovelace", "Bob Stone")
    skipped = [plan(person(displayName=name, accountEnabled=False), NOBODY) for name in names]
    assert [each.source_name for each in skipped] == list(names)
    assert {group_key(each) for each in skipped} == {"is blocked from sign-in in the directory."}


def test_a_group_is_told_by_its_first_operation() -> None:
    ada = PlannedOperation(number=1, operation=replace(CREATE, cause=None, reason="Ada is new", source_name="Ada"))
    told = group_of(PlanPart.SENT, "is new", 3, ada)
    assert (told.kind, told.key, told.count, told.sentence, told.name) == (
        OperationKind.CREATE,
        "is new",
        3,
        "Ada is new",
        "Ada",
    )
    caused = group_of(PlanPart.SENT, "unassigned", 3, replace(ada, operation=replace(ada.operation, cause=CAUSE)))
    assert (caused.sentence, caused.name) == ("the role was taken away", "")
    held = group_of(PlanPart.HELD, "StagedDelete", 3, replace(ada, part=PlanPart.HELD, reason="too many"))
    assert (held.sentence, held.name) == ("too many", "")


def test_a_person_and_each_reference_of_theirs_are_compared_apart() -> None:
    refer = replace(UPDATE, kind=OperationKind.REFER, references=(BOSS,))
    team = replace(refer, references=(replace(BOSS, attribute="members"),))
    assert difference_of_plans([UPDATE, refer, team], [UPDATE, refer, team]) == ()
    (told,) = difference_of_plans([UPDATE, refer, team], [UPDATE, refer])
    assert told == f"{team.source_name}: refer is no longer needed"


def test_rows_that_cannot_be_read_are_compared_by_what_is_wrong_with_them() -> None:
    rows = [replace(CREATE, kind=OperationKind.FAIL, source_id="", reason=reason) for reason in ("one", "two")]
    assert len(difference_of_plans(rows, rows[:1])) == 1
