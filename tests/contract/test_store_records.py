"""The contract of the log, plans, queued work, the audit log and access."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from fakes.company import NOW, Company, cycle_of, id_of
from fakes.store import store_on
from muster.database.connection import Database
from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HeldOperation, HoldCode
from muster.model.job import Counters, CycleKind, Plan, PlannedOperation, PlanPart
from muster.model.log import LogEntry, LogStatus, ModifiedProperty, ProvisioningAction, SkipReason, Step, StepType
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.model.roles import Caller, Role
from muster.ports.administration import ApiToken, AuditEntry, Work, WorkKind
from muster.ports.cycles import LogQuery, Settlement
from muster.store import plans as stored_plans
from muster.store.encoding import encode
from muster.store.open import Store, prepare_tables

ADMIN = Caller(id="1", display_name="Ann", roles=frozenset({Role.GLOBAL_ADMINISTRATOR, Role.GLOBAL_READER}))


def _entry(number: int, **values: object) -> LogEntry:
    entry = LogEntry(
        id=f"entry-{number}",
        at=NOW + timedelta(minutes=number),
        job_id="job",
        cycle_id="cycle",
        change_id=f"change-{number}",
        service_principal_id="sp",
        action=ProvisioningAction.CREATE,
        status=LogStatus.SUCCESS,
        object_kind="User",
        source_id=id_of(f"n{number}"),
        source_name=f"Näme {number}",
        target_id=f"t{number}",
        target_name=None,
        steps=(Step(name="s", type=StepType.EXPORT, status=LogStatus.SUCCESS, description="d", details={"a": "b"}),),
        modified=(ModifiedProperty(display_name="userName", old_value=None, new_value="n"),),
        duration=timedelta(milliseconds=1234),
        skip_reason=SkipReason.NOT_ASSIGNED,
        failure=FailureRecord(code="c", sentence="s", remedy="r"),
    )
    return replace(entry, **values)  # type: ignore[arg-type]  # fields by name


def test_what_is_stored_of_steps_and_properties_names_all_that_they_have() -> None:
    step = Step(name="s", type=StepType.EXPORT, status=LogStatus.SUCCESS, description="d")
    change = AttributeChange(attribute="title", verb=Verb.ADD, old=None, new=("a", True))
    modified = ModifiedProperty(display_name="title", old_value=None, new_value="n")
    assert encode([step, change, modified]) == (
        b'[{"name":"s","type":"export","status":"success","description":"d","details":{}},'
        b'{"attribute":"title","verb":"add","old":null,"new":["a",true],'
        b'"redacted":false,"is_reference":false,"multivalued":false},'
        b'{"display_name":"title","old_value":null,"new_value":"n"}]'
    )


@pytest.fixture
def logged(store: Store) -> Store:
    company = Company(store).found()
    cycle = company.begin()
    entries = [
        _entry(1),
        _entry(2, status=LogStatus.FAILURE),
        _entry(3, action=ProvisioningAction.DISABLE, cycle_id="other", job_id="gone"),
        _entry(4, service_principal_id="another", target_name="50%"),
    ]
    settlements = [Settlement(kind=ObjectKind.USER, source_id=entry.source_id, entry=entry) for entry in entries]
    store.cycles.settle(cycle, settlements)
    return store


QUERIES = [
    (LogQuery(), [4, 3, 2, 1]),
    (LogQuery(job_id="job"), [2, 1]),
    (LogQuery(job_id="gone"), [3]),
    (LogQuery(cycle_id="cycle"), [2, 1]),
    (LogQuery(cycle_id="other"), [3]),
    (LogQuery(service_principal_id="another"), [4]),
    (LogQuery(change_id="change-2"), [2]),
    (LogQuery(source_id=id_of("n3")), [3]),
    (LogQuery(action="disable"), [3]),
    (LogQuery(status="failure"), [2]),
    (LogQuery(source_name="NÄME 1"), [1]),
    (LogQuery(source_name="Näme"), []),
    (LogQuery(source_name="Näme 1", service_principal_id="another"), []),
    (LogQuery(identity="NÄME 1"), [1]),
    (LogQuery(identity="T2"), [2]),
    (LogQuery(identity="50%"), [4]),
    (LogQuery(identity="5_%"), []),
    (LogQuery(identity="change-2"), [2]),
    (LogQuery(identity="Change-1", newest=2), []),
    (LogQuery(identity="näme", newest=2), [4, 3]),
    (LogQuery(identity="näme", newest=2, until=NOW + timedelta(minutes=3)), [3, 2]),
    (LogQuery(identity="näme", newest=2, since=NOW + timedelta(minutes=4)), [4]),
    # By the whole name everything is looked through.
    (LogQuery(identity="Näme 1", newest=2), [1]),
    (LogQuery(identity="Näme 1", newest=2, service_principal_id="another"), []),
    (LogQuery(identity="Näme 1", newest=2, ascending=True), [1]),
    (LogQuery(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=3)), [3, 2]),
    (LogQuery(limit=2), [4, 3]),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_the_log_is_searched_newest_first(logged: Store, query: LogQuery, expected: list[int]) -> None:
    found, _ = logged.log.search(query)
    assert [int(entry.id.removeprefix("entry-")) for entry in found] == expected


def test_the_newest_and_a_whole_name_before_them_are_one_search(logged: Store) -> None:
    query = LogQuery(identity="Näme 4", newest=2, limit=1)
    cycle = logged.cycles.running("job")
    assert cycle is not None
    again = [_entry(n, source_name="Näme 4", source_id=id_of("n4")) for n in (5, 6, 7)]
    settlements = [Settlement(kind=ObjectKind.USER, source_id=each.source_id, entry=each) for each in again]
    logged.cycles.settle(cycle, settlements)
    found, after = [], None
    while True:
        page, after = logged.log.search(replace(query, after=after))
        found += [entry.id for entry in page]
        if after is None:
            break
    assert found == ["entry-7", "entry-6", "entry-5", "entry-4"]
    assert logged.log.count(query) == 4
    assert [each.id for each in logged.log.search(replace(query, ascending=True, limit=9))[0]] == found[::-1]
    assert logged.log.leaves_out(query)
    assert not logged.log.leaves_out(replace(query, since=NOW + timedelta(minutes=6)))
    assert not logged.log.leaves_out(replace(query, newest=7)) and not logged.log.leaves_out(LogQuery())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (LogQuery(status="failure", service_principal_id="sp"), "log_failures_of_application"),
        (LogQuery(status="failure", service_principal_id="sp", since=NOW, after="9"), "log_failures_of_application"),
        (LogQuery(status="failure"), "log_failures"),
        (LogQuery(error_code="EntryConflict"), "log_by_error"),
        (LogQuery(service_principal_id="sp"), "log_of_application"),
        (LogQuery(cycle_id="cycle"), "log_of_cycle"),
        (LogQuery(source_id="source"), "source_id"),
        (LogQuery(source_name="Näme 1"), "log_of_name"),
        (LogQuery(source_name="Näme 1", service_principal_id="sp"), "log_of_name"),
    ],
)
def test_what_is_rare_among_a_million_lines_is_found_by_an_index(
    store: Store, store_database: Database, query: LogQuery, index: str
) -> None:
    if store_database.dialect.name != "sqlite":
        pytest.skip("PostgreSQL chooses by its statistics")
    asked: list[tuple[str, Any]] = []
    engine = store_database._reading  # its statements are looked at, not its rows
    sa.event.listen(engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    store.log.search(query)
    statement, parameters = next(pair for pair in asked if "log.entry" in pair[0])
    with store_database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    shown = " ".join(str(row[3]) for row in plan)
    assert f"{index} " in f"{shown} ".replace("ix_log_", ""), shown
    assert "TEMP B-TREE" not in shown, shown


def test_an_entry_comes_back_as_it_was_written(logged: Store) -> None:
    assert logged.log.search(LogQuery(change_id="change-1"))[0] == [_entry(1)]


def test_the_log_is_read_in_pages(logged: Store) -> None:
    first, after = logged.log.search(LogQuery(limit=3))
    rest, end = logged.log.search(LogQuery(limit=3, after=after))
    assert [entry.id for entry in (*first, *rest)] == ["entry-4", "entry-3", "entry-2", "entry-1"]
    assert end is None


def test_the_log_outlives_its_application(logged: Store) -> None:
    logged.applications.remove("sp")
    assert len(logged.log.search(LogQuery(job_id="job"))[0]) == 3


OPERATION = Operation(
    change_id="c",
    kind=OperationKind.UPDATE,
    object_kind=ObjectKind.USER,
    source_id="1",
    source_name="Ann",
    reason="r",
    changes=(AttributeChange(attribute="a", verb=Verb.REPLACE, old=("x",), new=({"y": (1,)},)),),
)
HELD = HeldOperation(operation=OPERATION, hold_code=HoldCode.TOO_MANY, reason="too many")


def _plan(plan_id: str, digest: str, job_id: str = "job") -> Plan:
    return Plan(
        id=plan_id,
        job_id=job_id,
        hash=digest,
        made_at=NOW,
        counters=Counters(updated=1),
        requests=1,
        duration=timedelta(seconds=0.5),
    )


def test_a_plan_comes_back_as_it_was_kept(store: Store) -> None:
    plan = store.plans.add(_plan("p1", "abcdef0123456789"), [OPERATION], [HELD])
    assert (plan.operation_count, plan.held_count) == (1, 1)
    for name in ("p1", "abcdef0123456789", "abcdef01", "ABCDEF01"):
        assert store.plans.get(name) == plan
    for name in ("abcdef0", "abcdef02", "p2"):
        assert store.plans.get(name) is None
    assert store.plans.operations("p1", PlanPart.SENT, 5) == [PlannedOperation(number=1, operation=OPERATION)]
    assert store.plans.operations("p1", PlanPart.HELD, 5) == [
        PlannedOperation(
            number=2, operation=OPERATION, part=PlanPart.HELD, hold_code=HoldCode.TOO_MANY, reason="too many"
        )
    ]
    store.plans.mark_applied("p1", NOW)
    assert store.plans.get("p1") == replace(plan, applied_at=NOW)
    with pytest.raises(LookupError):
        store.plans.mark_applied("p2", NOW)
    with pytest.raises(LookupError):
        store.plans.put("p2", [PlannedOperation(number=1, operation=OPERATION)])


def test_a_plan_is_seen_once_it_is_finished_and_gone_once_it_is_dropped(store: Store) -> None:
    store.plans.begin("p", "job", NOW)
    store.plans.put("p", [_planned(1), _planned(2, OperationKind.DISABLE), _planned(3, part=PlanPart.PASSED)])
    assert (store.plans.get("p"), store.plans.list("job", 5)) == (None, ([], None))
    (disable,) = store.plans.at("p", [2])
    held = replace(disable, part=PlanPart.HELD, hold_code=HoldCode.TOO_MANY, reason="too many")
    store.plans.hold("p", [held])
    assert store.plans.of_objects("p", ["1", "2", "3"]) == [_planned(1), held]
    assert [each.number for each in store.plans.operations("p", PlanPart.PASSED, 5)] == [3]
    store.plans.finish(_plan("p", "a" * 32))
    assert store.plans.get("p") == _plan("p", "a" * 32)
    store.plans.discard("p")
    assert store.plans.get("p") is None
    assert store.plans.operations("p", PlanPart.SENT, 5) == []
    store.plans.discard("p")


def test_what_was_begun_a_day_before_and_never_finished_goes_with_the_next_plan(store: Store) -> None:
    for plan_id, ago in (("old", 25), ("young", 23)):
        store.plans.begin(plan_id, "job", NOW - timedelta(hours=ago))
        store.plans.put(plan_id, [_planned(1)])
    store.plans.begin("new", "job", NOW)
    left = [each for each in ("old", "young") if store.plans.operations(each, PlanPart.SENT, 5)]
    assert left == ["young"]


def test_a_plan_is_summed_up_by_kind_and_by_cause_the_largest_first(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(stored_plans, "GROUPS_TOLD", 2)
    reasons = ["rare", "often", "often", "seldom", "seldom", "other"]
    store.plans.begin("p", "job", NOW)
    store.plans.put("p", [_planned(number, reason=f"Ann {reason}") for number, reason in enumerate(reasons, 1)])
    store.plans.put("p", [_planned(number, part=PlanPart.PASSED) for number in (7, 8)])
    sums = store.plans.sum_up("p")
    assert [(each.kind, each.object_kind, each.count) for each in sums.tallies] == [
        (OperationKind.UPDATE, ObjectKind.USER, 6)
    ]
    often, seldom, others = sums.groups
    assert (often.key, often.count, often.sentence, often.name) == ("often", 2, "Ann often", "Ann")
    assert (seldom.key, others.key, others.count) == ("seldom", "", 2)
    read = store.plans.operations
    assert [each.number for each in read("p", PlanPart.SENT, 5, group=often)] == [2, 3]
    assert [each.number for each in read("p", PlanPart.SENT, 5, 2, group=often)] == [3]
    assert [each.number for each in read("p", PlanPart.SENT, 9, group=others)] == [1, 2, 3, 4, 5, 6]
    told = [often.key, seldom.key]
    assert [each.number for each in read("p", PlanPart.SENT, 9, group=others, besides=told)] == [1, 6]


def test_a_plan_that_is_there_stays_as_it_is_and_one_that_cannot_be_added_whole_is_not(
    store: Store, monkeypatch: Any
) -> None:
    def fail(_: str) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.plans, "sum_up", fail)
        with pytest.raises(KeyboardInterrupt):
            store.plans.add(_plan("p", "a" * 32), [OPERATION])
    first = store.plans.add(_plan("p", "b" * 32), [OPERATION], [HELD])
    assert store.plans.add(_plan("p", "c" * 32)) == first
    assert store.plans.get("p") == first
    assert len(store.plans.operations("p", PlanPart.SENT, 9)) == 1


def test_a_plan_takes_a_cause_of_any_length(store: Store) -> None:
    # Random: what can be compressed would fit into an index row of PostgreSQL.
    long = random.Random(1).randbytes(9_000).hex()
    store.plans.begin("p", "job", NOW)
    cause = Cause(kind=CauseKind.UNASSIGNED, sentence="s", subject=long)
    store.plans.put("p", [replace(_planned(1), operation=replace(OPERATION, cause=cause))])
    (group,) = store.plans.sum_up("p").groups
    assert [each.number for each in store.plans.operations("p", PlanPart.SENT, 9, group=group)] == [1]


def test_a_long_plan_is_dropped_piece_by_piece(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(stored_plans, "CUT_AT_ONCE", 2)
    store.plans.add(_plan("p", "a" * 32), [OPERATION] * 5)
    store.plans.discard("p")
    assert store.plans.operations("p", PlanPart.SENT, 9) == []


def _planned(
    number: int, kind: OperationKind = OperationKind.UPDATE, *, part: PlanPart = PlanPart.SENT, reason: str = "r"
) -> PlannedOperation:
    operation = replace(OPERATION, source_id=str(number), kind=kind, reason=reason)
    return PlannedOperation(number=number, operation=operation, part=part)


def test_the_beginning_of_two_hashes_names_no_plan_and_the_newest_of_one_hash_counts(store: Store) -> None:
    for plan_id, digest in [("1", "abcdefgh1"), ("2", "abcdefgh2"), ("3", "abcdefgh2")]:
        store.plans.add(_plan(plan_id, digest))
    assert store.plans.get("abcdefgh") is None
    assert store.plans.get("abcdefgh2") == _plan("3", "abcdefgh2")


def test_the_plans_of_a_job_are_listed_newest_first(store: Store) -> None:
    assert store.plans.list("job", 5) == ([], None)
    for plan_id, job_id in [("1", "job"), ("2", "job"), ("3", "other")]:
        store.plans.add(_plan(plan_id, plan_id * 16, job_id))
    (newest,), after = store.plans.list("job", 1)
    assert newest == _plan("2", "2" * 16)
    assert store.plans.list("job", 1, after) == ([_plan("1", "1" * 16)], None)


def _work(name: str) -> Work:
    return Work(
        id=name,
        kind=WorkKind.PROVISION_ON_DEMAND,
        job_id="job",
        payload={"objectId": "1", "list": (1, 2)},
        asked_by="Ann",
        asked_at=NOW,
        state="queued",
    )


def test_work_is_taken_in_order_once_and_answered(store: Store) -> None:
    assert store.work.take("engine") is None
    store.work.add(_work("first"))
    store.work.add(_work("second"))
    assert store.work.get("first") == _work("first")
    assert store.work.take("engine") == replace(_work("first"), state="running")
    assert store.work.take("engine") == replace(_work("second"), state="running")
    assert store.work.take("engine") is None
    store.work.finish("first", "done", {"cycleId": "c", "n": [1]})
    assert store.work.get("first") == replace(_work("first"), state="done", answer={"cycleId": "c", "n": [1]})
    assert store.work.get("x") is None
    with pytest.raises(LookupError):
        store.work.finish("x", "done", {})


def test_what_a_dead_engine_was_at_ends_and_what_is_queued_stays(store: Store) -> None:
    for name in ("done", "begun", "waiting"):
        store.work.add(_work(name))
    for _ in ("done", "begun"):
        store.work.take("dead")
    store.work.finish("done", "done", {"cycleId": "1"})
    assert store.work.abandon({"code": "Interrupted"}) == 1
    ended = {name: store.work.get(name) for name in ("done", "begun")}
    assert ended["done"] is not None and ended["done"].state == "done"
    assert ended["begun"] is not None and ended["begun"].state == "failed"
    assert ended["begun"].answer == {"code": "Interrupted"}
    assert store.work.take("living") == replace(_work("waiting"), state="running")


def test_only_what_the_dead_engine_was_at_ends_while_another_works_on(store: Store) -> None:
    for name in ("first", "second"):
        store.work.add(_work(name))
    store.work.take("dead")
    store.work.take("living")
    assert set(store.work.engines()) == {"dead", "living"}
    assert store.work.abandon({"code": "Interrupted"}, ["dead"]) == 1
    assert set(store.work.engines()) == {"living"}


def test_of_a_kind_that_is_spared_nothing_is_taken_and_what_waits_is_counted(store: Store) -> None:
    for name, kind in (("file", WorkKind.IMPORT), ("more", WorkKind.IMPORT), ("cycle", WorkKind.RUN_CYCLE)):
        store.work.add(replace(_work(name), kind=kind))
    assert (store.work.waiting(WorkKind.IMPORT), store.work.waiting(WorkKind.PLAN)) == (2, 0)
    taken = store.work.take("engine", spared=WorkKind.IMPORT)
    assert taken is not None and taken.id == "cycle"
    assert store.work.take("engine", spared=WorkKind.IMPORT) is None
    taken = store.work.take("engine")
    assert taken is not None and taken.id == "file" and store.work.waiting(WorkKind.IMPORT) == 1


def test_imports_of_several_engines_follow_each_other(store: Store) -> None:
    for name, kind in (("file", WorkKind.IMPORT), ("more", WorkKind.IMPORT), ("cycle", WorkKind.RUN_CYCLE)):
        store.work.add(replace(_work(name), kind=kind))
    taken = [store.work.take(engine) for engine in ("one", "two", "two")]
    assert [each and each.id for each in taken] == ["file", "cycle", None]
    store.work.finish("file", "done", {})
    taken = [store.work.take("two")]
    assert [each and each.id for each in taken] == ["more"]


def test_an_import_that_has_not_begun_is_queued_again_once(store: Store) -> None:
    Company(store).found()
    work = replace(_work("file"), kind=WorkKind.IMPORT, payload={"file": "uploads/1.csv"})
    store.work.add(work)
    store.work.take("dead")
    assert store.work.abandon({"code": "Interrupted"}, ["dead"]) == 0
    found = store.work.take("living")
    assert found is not None and (found.id, found.payload["file"]) == ("file", "uploads/1.csv")
    assert store.work.abandon({"code": "Interrupted"}) == 1 and store.work.take("living") is None
    # Of this one a cycle has begun: it goes on, and nobody waits for it any more.
    store.work.add(replace(work, id="begun"))
    store.work.take("dead")
    store.cycles.begin(replace(cycle_of("c", "job", CycleKind.INCREMENTAL), options={"file": "uploads/1.csv"}))
    assert store.work.abandon({"code": "Interrupted"}) == 1


def test_each_piece_of_work_is_taken_by_one_engine_only(store: Store, store_database: Database) -> None:
    names = [f"w{number:02}" for number in range(20)]
    for name in names:
        store.work.add(_work(name))
    taken: list[str] = []

    def engine(name: str) -> None:
        own = store_on(store_database)
        while len(taken) < len(names):
            work = own.work.take(name)
            if work is not None:
                taken.append(work.id)

    threads = [threading.Thread(target=engine, args=(f"engine-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == names


def test_the_audit_log_is_read_newest_first_in_pages(store: Store) -> None:
    entries = [
        AuditEntry(
            id=str(number),
            at=NOW,
            activity="Update application",
            category="ApplicationManagement",
            by=ADMIN,
            target_type="Application",
            target_id="sp",
            target_name="8x8",
            changes=(("displayName", None, "8x8"), ("notes", "a", None)),
        )
        for number in range(3)
    ]
    for entry in entries:
        store.audit.add(entry)
    first, after = store.audit.search(after=None, limit=2)
    rest, end = store.audit.search(after=after, limit=2)
    assert [*first, *rest] == list(reversed(entries))
    assert end is None


TOKEN = ApiToken(
    id="t", name="script", roles=frozenset({Role.GLOBAL_READER}), created_at=NOW, expires_at=None, last_used_at=None
)


def test_a_token_is_found_by_its_hash_until_it_expires_or_is_removed(store: Store) -> None:
    limited = replace(TOKEN, id="limited", expires_at=NOW + timedelta(days=1))
    store.access.add_token(TOKEN, "hash")
    store.access.add_token(limited, "limited hash")
    assert store.access.token("hash", NOW) == TOKEN
    assert store.access.token("limited hash", NOW) == limited
    assert store.access.token("limited hash", NOW + timedelta(days=1)) is None
    assert store.access.token("other", NOW) is None
    assert {each.id for each in store.access.tokens()} == {"t", "limited"}
    assert store.access.remove_token("t")
    assert not store.access.remove_token("t")
    assert store.access.token("hash", NOW) is None


def test_a_tokens_use_is_noted_to_the_minute(store: Store) -> None:
    store.access.add_token(TOKEN, "hash")
    for seconds in (0, 30, 59):
        store.access.token("hash", NOW + timedelta(seconds=seconds))
    assert store.access.tokens()[0].last_used_at == NOW
    store.access.token("hash", NOW + timedelta(seconds=60))
    assert store.access.tokens()[0].last_used_at == NOW + timedelta(seconds=60)


def test_administrators_sign_in_by_name_without_case(store: Store) -> None:
    assert store.access.count_administrators() == 0
    store.access.add_administrator(ADMIN, "hash")
    assert store.access.administrator("ANN") == (ADMIN, "hash")
    assert store.access.administrator("bob") is None
    assert store.access.count_administrators() == 1
    with pytest.raises(ValueError, match="choose another name"):
        store.access.add_administrator(replace(ADMIN, id="2", display_name="ann"), "hash")


def test_the_tenant_is_fixed_when_the_tables_are_made(store: Store, store_database: Database) -> None:
    tenant = store.access.tenant_id()
    assert len(tenant) == 36
    assert prepare_tables(store_database) == tenant
    assert store_on(store_database).access.tenant_id() == tenant


def test_plan_cycles_and_single_people_leave_the_jobs_history_in_order(store: Store) -> None:
    company = Company(store).found()
    for cycle_id in ("1", "2", "3"):
        company.begin(cycle_id, CycleKind.ON_DEMAND)
    assert [cycle.id for cycle in store.cycles.history("job", 2)] == ["3", "2"]
