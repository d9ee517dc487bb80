"""Explain whole: the chain back to who caused a disable, when values were sent, the way by groups, the outlook."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from faces.house import House, Started
from faces.portal_visit import Visit
from faces.portal_visit import explained as explain_as_the_engine
from muster.administration.explaining import with_path
from muster.cli.provisioning import show_explanation
from muster.gallery.catalogue import FILE_TEMPLATE_ID, find
from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import Hold, HoldCode
from muster.model.job import Counters, CycleState, Escrow, QuarantineReason
from muster.model.log import Initiator, InitiatorType, LogEntry, LogStatus, ModifiedProperty, ProvisioningAction
from muster.model.operation import Acknowledged, Link, LinkState, Operation, OperationKind
from muster.model.roles import Role
from muster.planning.health import quarantine
from muster.ports.cycles import Settlement

USER = ObjectKind.USER


def entry(house: House, job: Started, source_id: str, action: ProvisioningAction, **more: Any) -> LogEntry:
    return LogEntry(
        id=house.services.ids.new_id(),
        at=house.clock.now(),
        job_id=job.id,
        cycle_id="c-1",
        change_id=house.services.ids.new_id(),
        service_principal_id=job.sp,
        action=action,
        status=LogStatus.SUCCESS,
        object_kind="User",
        source_id=source_id,
        source_name="Ada",
        target_id="t-1",
        target_name=None,
        steps=(),
        modified=more.get("modified", ()),
        duration=timedelta(0),
        reason=more.get("reason", "It was so."),
    )


def settle(house: House, job: Started, *settlements: Settlement) -> None:
    cycle = house.stores.cycles.running(job.id) or job.cycle()
    house.stores.cycles.settle(cycle, settlements)


def explained(house: House, job: Started, user: str) -> dict[str, Any]:
    answer = house.call("GET", f"{job.path}/explain?user={user}")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def test_a_disable_is_told_back_to_the_change_and_to_who_made_it(house: House, job: Started) -> None:
    ada = house.user("ada")
    title = ModifiedProperty(display_name="title", old_value=None, new_value="Clerk")
    created = entry(house, job, ada["id"], ProvisioningAction.CREATE, modified=(title,))
    house.clock.at += timedelta(minutes=1)
    house.call("PATCH", f"/users/{ada['id']}", {"accountEnabled": False})
    house.clock.at += timedelta(minutes=1)
    disabled = entry(house, job, ada["id"], ProvisioningAction.DISABLE, reason="Ada was unassigned.")
    settle(
        house,
        job,
        Settlement(kind=USER, source_id=ada["id"], entry=created),
        Settlement(kind=USER, source_id=ada["id"], entry=disabled),
    )
    house.clock.at += timedelta(minutes=1)
    house.call("PATCH", f"/users/{ada['id']}", {"jobTitle": "Later"})
    shown = explained(house, job, ada["id"])
    assert [link["what"] for link in shown["chain"]] == ["application", "decision", "directory"]
    application, decision, directory = shown["chain"]
    assert application["sentence"] == "Ada was unassigned."
    assert decision["sentence"] == "not assigned to the application"
    assert "accountEnabled" in directory["sentence"] and directory["by"]
    assert [told["action"] for told in shown["history"]] == ["disable", "create"]
    rows = {row["targetAttribute"]: row["lastSentDateTime"] for row in shown["mappings"]}
    assert rows == {"title": shown["history"][1]["activityDateTime"], "nickName": None}


def test_who_took_somebody_out_of_a_group_is_told_in_dutch_too(
    house: House, job: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, sales = house.user("ada"), house.group("Sales")
    assert (
        house.call(
            "POST", f"/groups/{sales['id']}/members/$ref", {"@odata.id": f"/directoryObjects/{ada['id']}"}
        ).status
        == 204
    )
    house.clock.at += timedelta(minutes=1)
    assert house.call("DELETE", f"/groups/{sales['id']}/members/{ada['id']}/$ref").status == 204
    house.clock.at += timedelta(minutes=1)
    disabled = entry(house, job, ada["id"], ProvisioningAction.DISABLE, reason="not assigned to the application")
    settle(house, job, Settlement(kind=USER, source_id=ada["id"], entry=disabled))
    visit = Visit(house, Role.GLOBAL_READER)
    told = explain_as_the_engine(job.id, ada["id"])
    absent = {**told, "verdict": {**told["verdict"], "presence": "absent"}}
    monkeypatch.setattr(house, "explain", lambda _job, _user: absent)
    assert "Remove member from group: Sales" in visit.text(f"/users/{ada['id']}/why/{job.sp}")
    why = visit.get(f"/users/{ada['id']}/why/{job.sp}", Accept_Language="nl").text
    assert "Lid uit groep verwijderd: Sales" in why
    assert "Remove member" not in why


def test_a_change_that_a_file_brought_is_told_with_who_imported_it(house: House, job: Started) -> None:
    ada = house.user("ada")
    page = find(FILE_TEMPLATE_ID)
    assert page is not None
    application = house.stores.applications.get(job.sp)
    own = house.stores.jobs.get(job.id)
    assert application is not None and own is not None
    imports = replace(
        application, service_principal_id="imp-sp", application_id="imp", app_id="imp", template_id=page.id
    )
    house.stores.applications.add(replace(imports, display_name=page.display_name, app_roles=()))
    house.stores.jobs.add(
        replace(own, id="file.1", service_principal_id="imp-sp", template_id=page.job_template_id),
        page.schema_document(),
        "operator",
    )
    house.clock.at += timedelta(minutes=1)
    change = ModifiedProperty(display_name="accountEnabled", old_value="True", new_value="False")
    imported = msgspec.structs.replace(
        entry(house, job, "ada@example.com", ProvisioningAction.UPDATE, modified=(change,)),
        job_id="file.1",
        service_principal_id="imp-sp",
        initiator=Initiator(type=InitiatorType.USER, id="ann-1", display_name="Ann Admin"),
    )
    link = Link(
        source_id="ada@example.com",
        kind=USER,
        target_id=ada["id"],
        state=LinkState.MANAGED,
        owned=LinkState.MANAGED,
        acknowledged=Acknowledged(),
    )
    cycle = job.cycle(id="cycle-2", job_id="file.1")
    house.stores.cycles.settle(cycle, [Settlement(kind=USER, source_id=link.source_id, link=link, entry=imported)])
    house.clock.at += timedelta(minutes=1)
    disabled = entry(house, job, ada["id"], ProvisioningAction.DISABLE)
    settle(house, job, Settlement(kind=USER, source_id=ada["id"], entry=disabled))
    directory = explained(house, job, ada["id"])["chain"][2]
    assert directory["sentence"] == f"{page.display_name}: Ada (accountEnabled: True → False)"
    assert directory["by"] == "Ann Admin"


@pytest.mark.parametrize(
    ("named", "is_told"),
    [
        ("1: disable Ann", True),
        ("3: disable Bob, disable Ann and 1 more", True),
        ("2: disable Ann, disable Bob", True),
        ("1: disable Mary Ann", False),
        ("2: disable Ann Lee, disable Bob", False),
    ],
)
def test_a_decision_about_somebody_else_is_not_told(house: House, job: Started, named: str, is_told: bool) -> None:
    ann = house.user("ann", displayName="Ann")
    house.clock.at += timedelta(minutes=1)
    target = ("SynchronizationJob", job.id, "8x8")
    house.desk.note("Approve held operations", "ProvisioningManagement", target=target, changes=(("x", None, named),))
    house.clock.at += timedelta(minutes=1)
    disabled = entry(house, job, ann["id"], ProvisioningAction.DISABLE)
    settle(house, job, Settlement(kind=USER, source_id=ann["id"], entry=disabled))
    directory = explained(house, job, ann["id"])["chain"][2]
    assert ("Approve held operations" in directory["sentence"]) is is_told


def test_a_disable_that_was_undone_since_is_not_told(house: House, job: Started) -> None:
    ada = house.user("ada")
    did = [ProvisioningAction.DISABLE, ProvisioningAction.UPDATE, ProvisioningAction.OTHER]
    for action in did:
        house.clock.at += timedelta(minutes=1)
        told = entry(house, job, ada["id"], action)
        settle(house, job, Settlement(kind=USER, source_id=ada["id"], entry=told))
        assert bool(explained(house, job, ada["id"])["chain"]) is (action is ProvisioningAction.DISABLE)


def waiting_for_a_retry(house: House, person_id: str) -> Escrow:
    """Four times in vain so far, and again in six hours."""
    at = house.clock.now()
    return Escrow(
        source_id=person_id,
        kind="User",
        failure=FailureRecord(code="EntryConflict", sentence="The name is taken.", remedy="Free it.", retry=True),
        attempts=4,
        first_failed_at=at,
        next_attempt_at=at + timedelta(hours=6),
    )


def test_somebody_who_waits_for_a_retry_is_told_when(house: House, job: Started) -> None:
    ada = house.user("ada")
    settle(house, job, Settlement(kind=USER, source_id=ada["id"], escrow=waiting_for_a_retry(house, ada["id"])))
    outlook = explained(house, job, ada["id"])["outlook"]
    assert (outlook["state"], outlook["nextAttempt"]["attempts"]) == ("waitsForRetry", 4)
    assert outlook["expectedDateTime"] == outlook["nextAttempt"]["dateTime"]
    assert outlook["nextAttempt"]["recommendedAction"] == "Free it."
    # Nothing is tried again before the job itself is.
    failure = waiting_for_a_retry(house, ada["id"]).failure
    kept = quarantine(failure, QuarantineReason.QUARANTINE_EXCEPTION, None, house.clock.now() + timedelta(hours=9))
    house.stores.jobs.set_quarantine(job.id, kept)
    outlook = explained(house, job, ada["id"])["outlook"]
    expected = kept.next_attempt_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert outlook["expectedDateTime"] == outlook["nextAttempt"]["dateTime"] == expected


def test_somebody_whose_operation_is_held_is_told_so_on_the_page_too(house: House, job: Started) -> None:
    ada = house.user("ada")
    left = Operation(
        kind=OperationKind.DISABLE,
        object_kind=USER,
        change_id="ch-1",
        source_id=ada["id"],
        source_name="Ada",
        reason="Ada was unassigned.",
    )
    hold = Hold(
        id="h-1",
        kind=USER,
        source_id=ada["id"],
        operation=left,
        code=HoldCode.TOO_MANY,
        reason="This cycle would disable 25 accounts.",
        held_at=house.clock.now(),
    )
    settle(house, job, Settlement(kind=USER, source_id=ada["id"], hold=hold))
    outlook = explained(house, job, ada["id"])["outlook"]
    assert outlook["state"] == "held"
    held = outlook["hold"]
    assert (held["operation"], held["code"], held["state"]) == ("disable", "StagedDelete", "held")
    assert held["reason"] == "This cycle would disable 25 accounts."
    why = Visit(house, Role.GLOBAL_READER).text(f"/users/{ada['id']}/why/{job.sp}")
    assert "Waits for a decision" in why
    assert "This cycle would disable 25 accounts." in why
    assert f"/applications/{job.sp}/held" in why


def test_a_page_says_what_failed_and_when_it_is_tried_again(house: House, job: Started) -> None:
    ada = house.user("ada")
    created = entry(house, job, ada["id"], ProvisioningAction.CREATE, reason="Ada was created.")
    settle(
        house,
        job,
        Settlement(kind=USER, source_id=ada["id"], escrow=waiting_for_a_retry(house, ada["id"]), entry=created),
    )
    visit = Visit(house, Role.GLOBAL_READER)
    why = visit.text(f"/users/{ada['id']}/why/{job.sp}")
    for told in ("Failed 4 times", "The name is taken.", "Free it.", "in 6 hours", f"/logs/{created.id}"):
        assert told in why
    house.call("POST", f"{job.path}/pause")
    why = visit.text(f"/users/{ada['id']}/why/{job.sp}")
    assert "Provisioning is paused" in why
    assert "provisioning on demand and an applied plan do" in why


def test_what_happened_leads_to_its_entry_however_old_it_is(house: House, job: Started) -> None:
    ada = house.user("ada")
    created = entry(house, job, ada["id"], ProvisioningAction.CREATE, reason="Ada was created.")
    others = [entry(house, job, f"u-{n}", ProvisioningAction.CREATE) for n in range(101)]
    settle(house, job, *(Settlement(kind=USER, source_id=each.source_id, entry=each) for each in (created, *others)))
    visit = Visit(house, Role.GLOBAL_READER)
    to = f"/logs/{created.id}"
    assert f'href="{to}"' in visit.text(f"/users/{ada['id']}/why/{job.sp}")
    assert "Ada was created." in visit.text(to)


def test_in_a_cycle_those_before_are_counted_and_the_end_is_expected(house: House, job: Started) -> None:
    ada = house.user("ada")
    cycle = job.cycle()
    # 40 are decided, and 25 of them sent.
    counters = Counters(expected=100, evaluated=40, created=25)
    house.clock.at = cycle.began_at + timedelta(seconds=50)
    house.stores.cycles.stage(replace(cycle, counters=counters, progressed_at=house.clock.at), [], [])
    outlook = explained(house, job, ada["id"])["outlook"]
    assert (outlook["state"], outlook["objectsBefore"]) == ("inCycle", 75)
    expected = house.clock.now() + timedelta(seconds=150)
    assert outlook["expectedDateTime"] == expected.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("watermark", "state"), [(0, "waitsForCycle"), (5, "done")])
def test_between_cycles_it_is_known_whether_a_change_waits(
    house: House, job: Started, watermark: int, state: str
) -> None:
    ada = house.user("ada")
    house.stores.cycles.close(replace(job.cycle(), state=CycleState.SUCCEEDED), watermark)
    outlook = explained(house, job, ada["id"])["outlook"]
    assert outlook["state"] == state
    assert (outlook["expectedDateTime"] is None) is (state == "done")
    house.call("POST", f"{job.path}/pause")
    assert explained(house, job, ada["id"])["outlook"]["state"] == "stopped"


def test_the_way_by_nested_groups_is_shown(house: House, job: Started) -> None:
    ada, inner, outer, other = house.user("ada"), house.group("Team"), house.group("Sales"), house.group("Other")
    for group, member in ((inner, ada), (outer, inner), (other, ada), (inner, outer)):
        house.stores.directory.change_members(group["id"], add=[member["id"]], remove=[])
    granted = {"role": "User", "via": "Sales", "viaId": outer["id"]}
    assert with_path(house.desk, ada["id"], granted)["path"] == ["Team", "Sales"]
    unknown = {"role": "User", "via": "Gone", "viaId": "g-0"}
    assert with_path(house.desk, ada["id"], unknown)["path"] == ["Gone"]
    direct = {"role": "User", "via": "direct", "viaId": None}
    assert with_path(house.desk, ada["id"], direct) == direct


def test_the_command_says_by_which_way_a_role_is_held(capsys: pytest.CaptureFixture[str], house: House) -> None:
    found = {
        **house.explain("job", house.user("ada")["id"]),
        "link": None,
        "failure": None,
        "outlook": {"state": "done", "expectedDateTime": None, "nextAttempt": None},
        "matching": [],
        "mappings": [],
        "grants": [
            {"role": "User", "via": "direct", "viaId": None},
            {"role": "Lead", "via": "Sales", "viaId": "g", "path": ["North", "Sales"]},
        ],
    }
    found["verdict"] = {**found["verdict"], "details": {}}
    show_explanation(found)
    printed = capsys.readouterr().out
    assert "role User, directly" in printed and "role Lead, by North › Sales" in printed
