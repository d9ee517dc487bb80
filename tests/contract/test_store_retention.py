"""The contract of dropping old records: what is over and old goes, a batch at a time; what is not over stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.company import NOW, Company
from fakes.world import StillClock
from muster.engine.retention import Sweep
from muster.model.directory import ObjectKind
from muster.model.job import Counters, CycleState, Plan, PlanPart
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.notice import Channel, Notice, NoticeKind
from muster.model.operation import Operation, OperationKind
from muster.model.roles import Caller
from muster.ports.administration import AuditEntry, Work, WorkKind
from muster.ports.cycles import LogQuery, Settlement
from muster.ports.notifier import NewDelivery
from muster.ports.retention import Kept, Retention
from muster.store import plans as stored_plans
from muster.store import retention
from muster.store.open import Store

DAY = timedelta(days=1)
OPERATION = Operation(
    change_id="c", kind=OperationKind.UPDATE, object_kind=ObjectKind.USER, source_id="s", source_name="Ann", reason="r"
)


def _entry(number: int) -> LogEntry:
    return LogEntry(
        id=f"e{number}",
        at=NOW + number * DAY,
        job_id="job",
        cycle_id="cycle",
        change_id=f"c{number}",
        service_principal_id="sp",
        action=ProvisioningAction.CREATE,
        status=LogStatus.SUCCESS,
        object_kind="User",
        source_id=f"s{number}",
        source_name="Ada",
        target_id=None,
        target_name=None,
        steps=(),
        modified=(),
        duration=timedelta(0),
    )


@pytest.fixture
def logged(store: Store) -> Store:
    company = Company(store).found()
    cycle = company.begin()
    entries = [_entry(number) for number in range(10)]
    store.cycles.settle(
        cycle, [Settlement(kind=ObjectKind.USER, source_id=entry.source_id, entry=entry) for entry in entries]
    )
    return store


def test_the_oldest_lines_of_the_log_go_first_a_batch_at_a_time(logged: Store) -> None:
    assert logged.records.drop_older(Kept.LOG, NOW, 100) == 0
    assert logged.records.drop_older(Kept.LOG, NOW + 5 * DAY, 3) == 3
    assert logged.records.drop_older(Kept.LOG, NOW + 5 * DAY, 3) == 2
    assert logged.records.drop_older(Kept.LOG, NOW + 5 * DAY, 3) == 0
    assert [entry.id for entry in logged.log.search(LogQuery())[0]] == ["e9", "e8", "e7", "e6", "e5"]


def test_a_cycle_that_runs_stays(logged: Store) -> None:
    (cycle,) = logged.cycles.history("job", 10)
    assert logged.records.drop_older(Kept.CYCLES, NOW + 99 * DAY, 10) == 0
    logged.cycles.close(replace(cycle, state=CycleState.SUCCEEDED, ended_at=NOW + DAY), None)
    assert logged.records.drop_older(Kept.CYCLES, NOW + DAY, 10) == 0
    assert logged.records.drop_older(Kept.CYCLES, NOW + 2 * DAY, 10) == 1
    assert logged.cycles.history("job", 10) == []


def test_old_audit_entries_plans_and_finished_work_go(store: Store) -> None:
    by = Caller(id="1", display_name="Ann", roles=frozenset())
    work = Work(id="w1", kind=WorkKind.PLAN, job_id="job", payload={}, asked_by="Ann", asked_at=NOW, state="queued")
    store.audit.add(
        AuditEntry(id="a", at=NOW, activity="x", category="y", by=by, target_type="t", target_id="i", target_name="n")
    )
    store.plans.add(
        Plan(
            id="p",
            job_id="job",
            hash="0" * 64,
            made_at=NOW,
            counters=Counters(),
            requests=0,
            duration=timedelta(0),
        )
    )
    store.work.add(work)
    for kind in (Kept.AUDIT, Kept.PLANS):
        assert store.records.drop_older(kind, NOW + DAY, 10) == 1
    assert store.records.drop_older(Kept.WORK, NOW + DAY, 10) == 0
    store.work.finish("w1", "done", {})
    assert store.records.drop_older(Kept.WORK, NOW + DAY, 10) == 1
    assert store.work.get("w1") is None


def test_a_plan_is_seen_by_nobody_once_its_operations_begin_to_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_plans, "CUT_AT_ONCE", 2)
    monkeypatch.setattr(retention, "CUT_AT_ONCE", 2)
    plan = Plan(
        id="p", job_id="job", hash="0" * 64, made_at=NOW, counters=Counters(), requests=0, duration=timedelta(0)
    )
    store.plans.add(plan, [OPERATION] * 3)
    assert store.records.drop_older(Kept.PLANS, NOW + DAY, 10) == 2
    assert (store.plans.get("p"), store.plans.get("0" * 64), store.plans.list("job", 10)[0]) == (None, None, [])
    assert store.records.drop_older(Kept.PLANS, NOW + DAY, 10) == 1
    assert store.plans.operations("p", PlanPart.SENT, 9) == []


def test_a_notice_stays_until_it_is_told(store: Store) -> None:
    store.outbox.notify(Notice(id="n", kind=NoticeKind.TEST, at=NOW))
    assert store.records.drop_older(Kept.NOTICES, NOW + DAY, 10) == 0
    store.outbox.address("n", [NewDelivery(id="d", channel=Channel.MAIL, recipient="a@x.nl")], NOW)
    assert store.records.drop_older(Kept.NOTICES, NOW + DAY, 10) == 0
    store.outbox.sent("d", NOW)
    assert store.records.drop_older(Kept.NOTICES, NOW + DAY, 10) == 1
    assert store.outbox.recent(10) == []


def test_the_sweep_goes_on_while_a_batch_is_full_and_leaves_what_is_kept_for_ever(
    logged: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.engine.retention.BATCH", 4)
    clock = StillClock(NOW + 30 * DAY)
    sweep = Sweep(logged.records, Retention(spans={Kept.LOG: 20 * DAY, Kept.AUDIT: DAY}), clock)
    assert [sweep.sweep(), sweep.sweep(), sweep.sweep()] == [True, True, False]
    assert len(logged.log.search(LogQuery())[0]) == 0
    assert len(logged.cycles.history("job", 10)) == 1
