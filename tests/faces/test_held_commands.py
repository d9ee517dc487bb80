"""`muster held | approve | reject | plans | plan --rules`: what waits, decided from the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from muster.bootstrap.house import House, open_house
from muster.cli.console import Failed
from muster.cli.holds import approve, held, plans, reject
from muster.cli.provisioning import plan, show_plan
from muster.gallery.catalogue import find
from muster.model.application import EnterpriseApplication
from muster.model.cause import Cause, CauseKind
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.hold import Hold, HoldCode
from muster.model.job import (
    DEFAULT_INTERVAL,
    Counters,
    Cycle,
    CycleKind,
    CyclePhase,
    CycleState,
    ScheduleState,
    SynchronizationJob,
)
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb
from muster.ports.cycles import Settlement
from muster.ports.directory import ObjectWrite
from muster.settings import load_settings

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
SALES = Cause(kind=CauseKind.GROUP_DELETED, subject="g1", sentence="the group Sales-Temp was deleted")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the application 8x8, of whose job three removals are held."""
    house = open_house(load_settings(data=tmp_path), tmp_path)
    _prepare(house)
    house.database.close()
    return tmp_path


def _prepare(house: House) -> None:
    page = find("8x8")
    assert page is not None
    house.store.applications.add(
        EnterpriseApplication(
            service_principal_id="sp",
            application_id="a-1",
            app_id="a-2",
            template_id=page.id,
            display_name="8x8",
            app_roles=page.app_roles,
            accepts_default_access=page.accepts_default_access,
            created_at=AT,
        )
    )
    job = SynchronizationJob(
        id="job",
        service_principal_id="sp",
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=AT,
    )
    house.store.jobs.add(job, page.schema_document(), "test")
    cycle = Cycle(
        id="cycle",
        job_id="job",
        kind=CycleKind.INCREMENTAL,
        state=CycleState.RUNNING,
        phase=CyclePhase.CLOSING,
        position=None,
        window_after=0,
        window_until=0,
        epoch=1,
        counters=Counters(),
        began_at=AT,
    )
    house.store.cycles.begin(cycle)
    holds = [_hold(name) for name in ("Ada Long", "Ada Short", "Bob Vos")]
    settlements = [Settlement(kind=each.kind, source_id=each.source_id, hold=each) for each in holds]
    house.store.cycles.settle(cycle, settlements)


def _hold(name: str) -> Hold:
    operation = Operation(
        change_id=name,
        kind=OperationKind.DISABLE,
        object_kind=ObjectKind.USER,
        source_id=f"id of {name}",
        source_name=name,
        reason="left",
        target_id=f"t {name}",
        changes=(AttributeChange(attribute="active", verb=Verb.REPLACE, old=True, new=False),),
        cause=SALES,
    )
    return Hold(
        id=name,
        kind=ObjectKind.USER,
        source_id=operation.source_id,
        operation=operation,
        code=HoldCode.TOO_MANY,
        reason="too many at once",
        held_at=AT,
        cause=SALES,
    )


def waiting(folder: Path, capsys: Any, state: str = "held") -> list[str]:
    held("8x8", state=state, data=folder, as_json=True)
    return [item["operation"]["sourceName"] for item in json.loads(capsys.readouterr().out)]


def test_what_is_held_is_shown_by_cause_and_one_by_one(folder: Path, capsys: Any) -> None:
    held("8x8", data=folder)
    shown = capsys.readouterr().out
    for text in ("by cause", "groupDeleted:g1", "Sales-Temp", "Bob Vos", "too many at once"):
        assert text in " ".join(shown.split()), shown
    held("8x8", state="waiting", data=folder)
    assert "Nothing is waiting for 8x8" in capsys.readouterr().out


def test_people_are_decided_by_name_a_cause_as_one(folder: Path, capsys: Any) -> None:
    approve("8x8", ["Bob"], data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"approved": 1, "undecided": 2}
    reject("8x8", ["Bob Vos"], data=folder)
    assert "1 rejected; 2 still wait." in capsys.readouterr().out
    approve("8x8", cause="groupDeleted:g1", data=folder)
    assert "2 approved." in capsys.readouterr().out
    assert waiting(folder, capsys, "approved") == ["Ada Long", "Ada Short"]
    assert waiting(folder, capsys, "rejected") == ["Bob Vos"]
    reject("8x8", everything=True, data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["rejected"] == 0


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({}, "Say which"),
        ({"users": ["Ada Long"], "everything": True}, "Say which"),
        ({"users": ["Nobody"]}, "Nothing is held of “Nobody”"),
        ({"users": ["Ada"]}, "“Ada” is several: Ada Long, Ada Short"),
        ({"users": ["nobody@x.example"]}, "Nobody is called “nobody@x.example”"),
        ({"kind": "nonsense"}, "kind takes one of"),
        ({"cause": "groupDeleted:g2"}, "Nothing is held for that"),
    ],
)
def test_a_decision_that_is_not_clear_is_refused_in_a_sentence(
    folder: Path, capsys: Any, said: dict[str, Any], answer: str
) -> None:
    with pytest.raises(Failed, match=answer):
        approve("8x8", data=folder, **said)
    assert len(waiting(folder, capsys)) == 3


@pytest.mark.parametrize("is_deleted", [False, True])
def test_somebody_is_decided_by_their_principal_name(folder: Path, capsys: Any, is_deleted: bool) -> None:
    house = open_house(load_settings(data=folder), folder)
    ada = ObjectWrite(
        kind=ObjectKind.USER,
        object_id="id of Ada Long",
        attributes={"userPrincipalName": "ada.long@lantaarn.example", "displayName": "Ada Long"},
        is_new=True,
    )
    house.store.directory.write([ada], AT)
    if is_deleted:
        house.store.directory.set_lifecycle(ObjectKind.USER, "id of Ada Long", Lifecycle.SOFT_DELETED, AT)
    house.database.close()
    approve("8x8", ["ada.long@lantaarn.example"], data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"approved": 1, "undecided": 2}
    assert waiting(folder, capsys, "approved") == ["Ada Long"]


def test_an_application_without_plans_says_what_to_do(folder: Path, capsys: Any) -> None:
    plans("8x8", data=folder)
    assert "make one with muster plan" in capsys.readouterr().out
    plans("8x8", data=folder, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_a_scope_that_is_not_saved_is_tried_without_credentials(folder: Path, capsys: Any) -> None:
    plan("8x8", scope="all", data=folder)
    assert "nothing changes, of 0. Nothing was saved or sent." in " ".join(capsys.readouterr().out.split())
    with pytest.raises(Failed, match="--scope takes all or assigned"):
        plan("8x8", scope="some", data=folder)
    with pytest.raises(Failed, match="cannot be read as a synchronization schema"):
        plan("8x8", rules=folder / "nothing.json", data=folder)
    (folder / "rules.json").write_text('{"synchronizationRules": []}')
    with pytest.raises(Failed):
        plan("8x8", rules=folder / "rules.json", data=folder)


def _made(count: int, kind: str = "cycle", operations: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    names = ("created", "updated", "disabled", "deleted", "held", "unchanged", "skipped", "failed")
    due = "2026-01-05T14:30:00Z" if count else None
    return {
        "hash": "abcd",
        "kind": kind,
        "operations": list(operations),
        "operationCount": len(operations),
        "held": [],
        "irreversible": [],
        "counters": dict.fromkeys(names, 0),
        "requests": 0,
        "duration": "PT0S",
        "failedWaiting": {"count": count, "nextAttemptDateTime": due},
    }


UPDATE = {"kind": "update", "sourceName": "Ada", "changes": [], "reason": "changed"}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (_made(0), "Nothing to do: 8x8 is as the directory and the rules want it."),
        (_made(1), "Nothing is due now; 1 failed and waits, next try at 2026-01-05 14:30 UTC."),
        (_made(3), "Nothing is due now; 3 failed and wait, next try at 2026-01-05 14:30 UTC."),
        (_made(3, operations=(UPDATE,)), "3 failed and wait, next try at 2026-01-05 14:30 UTC."),
        (_made(3, kind="rollback"), "Nothing is left to take back."),
    ],
)
def test_an_empty_plan_says_whether_all_is_well(made: dict[str, Any], said: str, capsys: Any) -> None:
    show_plan(made, "8x8")
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert ("Nothing to do" in shown) == (made["failedWaiting"]["count"] == 0)
