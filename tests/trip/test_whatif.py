"""What-if: rules and scope that are not saved are tried on everybody, and nothing is written anywhere."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playing import APP, JOB, Trip

from muster.bootstrap.house import House, open_house
from muster.engine import weighing
from muster.engine.weighing import weigh_safeguards
from muster.engine.whatif import compare_rules
from muster.gallery.catalogue import find
from muster.model.application import DEFAULT_ACCESS, AppRoleAssignment, EnterpriseApplication
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import EngineFault
from muster.model.job import DEFAULT_INTERVAL, TRANSITIVE_GROUPS_SETTING, ScheduleState, SynchronizationJob
from muster.model.operation import OperationKind
from muster.model.schema_document import read_schema
from muster.model.whatif import OtherScope, Transition, WhatIf
from muster.planning.comparison import in_words
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.protection import Protections
from muster.planning.rules import compile_rules
from muster.ports.directory import DirectoryQuery, ObjectWrite
from muster.ports.target import Capabilities
from muster.settings import load_settings
from muster.targets.untouched import UntouchedTarget


def digest(folder: Path) -> str:
    """Returns a digest of every row of every table in a folder's database."""
    total = hashlib.sha256()
    with sqlite3.connect(folder / "muster.db") as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (name,) in names:
            total.update(name.encode())
            rows = connection.execute(f'SELECT * FROM "{name}"')  # noqa: S608  names of our own tables
            for row in sorted(map(repr, rows)):
                total.update(row.encode())
    return total.hexdigest()


def changed(document: Mapping[str, Any], **users: Any) -> dict[str, Any]:
    """Returns rules whose mapping of users has other properties."""
    other: dict[str, Any] = json.loads(json.dumps(document))
    other["synchronizationRules"][0]["objectMappings"][0].update(users)
    return other


def mapped(document: Mapping[str, Any], target: str, expression: str) -> dict[str, Any]:
    """Returns rules with another expression for a target attribute."""
    other: dict[str, Any] = json.loads(json.dumps(document))
    for item in other["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]:
        if item["targetAttributeName"] == target:
            item["source"] = {"expression": expression, "type": "Function", "name": "x", "parameters": []}
    return other


def scope(attribute: str, value: str) -> dict[str, Any]:
    clause = {"sourceOperandName": attribute, "operatorName": "EQUALS", "targetOperand": {"values": [value]}}
    return {"groups": [{"name": "scope", "clauses": [clause]}], "inputFilterGroups": [], "categoryFilterGroups": []}


def try_rules(trip: Trip, document: Mapping[str, Any], limit: int = 100) -> WhatIf:
    before = replace(trip.open_job(JOB, {}), target=UntouchedTarget(Capabilities()))
    after = replace(before, rules=compile_rules(read_schema(document)))
    return compare_rules(before, after, trip.stores, trip.clock, trip.ids, limit=limit)


@pytest.fixture
def trip(tmp_path: Path) -> Trip:
    made = Trip(tmp_path)
    for name, department in (("Ada", "Sales"), ("Bob", "Sales"), ("Cy", "Legal")):
        made.hire(name, department=department, jobTitle="Clerk")
    made.run()
    made.transport.forget()
    return made


def test_another_mapping_changes_an_attribute_of_everybody_and_writes_nothing(trip: Trip, tmp_path: Path) -> None:
    rules = trip.store.jobs.schema(JOB).document
    before = digest(tmp_path)
    found = try_rules(trip, mapped(rules, "title", 'Join(" ", "Senior", [jobTitle])'))
    assert digest(tmp_path) == before
    assert trip.transport.requests == []
    assert in_words(found.summary) == "3 change title"
    assert (found.considered, found.affected, found.requests, found.held) == (3, 3, 3, ())
    first = found.objects[0]
    assert (first.source_name, first.after) == ("Ada Tester", OperationKind.UPDATE)
    assert [(each.attribute, each.old, each.new) for each in first.changes] == [("title", "Clerk", "Senior Clerk")]


def test_another_scoping_filter_takes_people_out_and_tells_the_clause(trip: Trip, tmp_path: Path) -> None:
    before = digest(tmp_path)
    found = try_rules(trip, changed(trip.store.jobs.schema(JOB).document, scope=scope("department", "Sales")))
    assert digest(tmp_path) == before
    assert trip.transport.requests == []
    assert in_words(found.summary) == "1 leaves scope and is disabled"
    (one,) = found.objects
    assert (one.source_name, one.transition) == ("Cy Tester", Transition.LEAVES_SCOPE)
    assert one.cause is not None
    assert "department" in one.cause.sentence


def test_the_firewall_says_what_it_would_hold(trip: Trip) -> None:
    trip.threshold = RemovalThreshold(count=2)
    found = try_rules(trip, changed(trip.store.jobs.schema(JOB).document, scope=scope("department", "Nobody")))
    assert in_words(found.summary) == "3 leave scope and are disabled"
    assert found.held == (
        "This cycle would disable or delete 3 accounts; the job's accidental-deletion threshold is 2.",
    )


def test_a_mapping_that_switches_everybody_off_is_told_as_removals(trip: Trip) -> None:
    trip.threshold, trip.protections = RemovalThreshold(count=1), Protections(users=("cy@*",))
    found = try_rules(trip, mapped(trip.store.jobs.schema(JOB).document, "active", "[IsSoftDeleted]"))
    assert "2 are disabled then" in in_words(found.summary)
    assert "changes active" not in in_words(found.summary)
    assert found.held == (
        "This cycle would disable or delete 2 accounts; the job's accidental-deletion threshold is 1.",
    )
    assert [(each.attribute, each.new) for each in found.objects[0].changes] == [("active", False)]


def test_protected_accounts_are_left_alone_in_a_what_if_too(trip: Trip) -> None:
    trip.protections = Protections(users=("cy@*",))
    found = try_rules(trip, changed(trip.store.jobs.schema(JOB).document, scope=scope("department", "Sales")))
    assert in_words(found.summary) == "1 leaves scope and is left as they are"


@pytest.mark.parametrize("skips", [True, False])
def test_leaving_alone_whoever_is_out_says_what_becomes_of_those_who_are(trip: Trip, *, skips: bool) -> None:
    ada = next(each for each in trip.store.directory.search(trip.everybody()).objects if "Ada" in each.display_name)
    trip.unassign(ada.object_id)
    job = replace(trip.open_job(JOB, {}), target=UntouchedTarget(Capabilities()))
    kept = replace(job, terms=replace(job.terms, skip_out_of_scope_deletions=not skips))
    other = replace(job, terms=replace(job.terms, skip_out_of_scope_deletions=skips))
    found = compare_rules(kept, other, trip.stores, trip.clock, trip.ids, limit=10)
    assert [(one.source_name, one.after) for one in found.objects] == [
        ("Ada Tester", OperationKind.SKIP if skips else OperationKind.DISABLE)
    ]


def weigh(trip: Trip, **safeguards: Any) -> Any:
    parts = replace(trip.open_job(JOB, {}), target=UntouchedTarget(Capabilities()), **safeguards)
    return weigh_safeguards(parts, trip.stores, trip.clock, trip.ids)


def test_safeguards_say_what_they_would_let_through_and_write_nothing(trip: Trip, tmp_path: Path) -> None:
    people = sorted(trip.store.directory.search(trip.everybody()).objects, key=lambda each: each.display_name)
    for person in people[:2]:
        trip.unassign(person.object_id)
    before = digest(tmp_path)
    let = weigh(trip)
    assert (let.considered, let.removals, let.held, let.protected, let.reasons) == (3, 2, 0, 0, ())
    held = weigh(trip, threshold=RemovalThreshold(count=1))
    assert (held.removals, held.held) == (2, 2)
    assert held.reasons == (
        "This cycle would disable or delete 2 accounts; the job's accidental-deletion threshold is 1.",
    )
    kept = weigh(trip, threshold=RemovalThreshold(count=1), protections=Protections(users=("ada@*", "cy@*")))
    assert (kept.removals, kept.held, kept.protected, kept.spared) == (1, 0, 2, 1)
    assert weigh(trip, approval=Approval.REMOVALS).held == 2
    everything = weigh(trip, approval=Approval.ALL)
    assert (everything.held, everything.writes_held) == (2, 0)
    trip.edit(people[2].object_id, surname="Changed")
    before = digest(tmp_path)
    assert weigh(trip, approval=Approval.ALL).writes_held == 1
    assert (digest(tmp_path), trip.transport.requests) == (before, [])


def test_only_so_many_are_looked_at(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "PAGE", 2)
    parts = replace(trip.open_job(JOB, {}), target=UntouchedTarget(Capabilities()))
    found = weigh_safeguards(parts, trip.stores, trip.clock, trip.ids, looked_at=2)
    assert (found.considered, found.is_partial) == (2, True)


def test_what_waits_to_be_sent_anyway_is_no_difference(trip: Trip) -> None:
    for person in trip.store.directory.search(trip.everybody()).objects:
        trip.edit(person.object_id, surname="Changed")
    found = try_rules(trip, mapped(trip.store.jobs.schema(JOB).document, "title", "ToUpper([jobTitle])"))
    assert in_words(found.summary) == "3 change title"


def test_more_are_counted_than_told(trip: Trip) -> None:
    found = try_rules(trip, mapped(trip.store.jobs.schema(JOB).document, "title", "ToUpper([jobTitle])"), limit=1)
    assert (found.affected, len(found.objects)) == (3, 1)


def test_a_target_on_which_rules_are_tried_refuses_every_request() -> None:
    target = UntouchedTarget(Capabilities())
    for ask in (
        lambda: target.probe("userName"),
        lambda: target.find(ObjectKind.USER, None),  # type: ignore[arg-type]  # nothing is looked at
        lambda: target.read(ObjectKind.USER, "1"),
        lambda: target.list_page(ObjectKind.USER, None),
        lambda: target.create(ObjectKind.USER, ()),
        lambda: target.update(ObjectKind.USER, "1", ()),
        lambda: target.delete(ObjectKind.USER, "1"),
    ):
        with pytest.raises(EngineFault):
            ask()
    assert target.requests_made() == 0


# ---------------------------------------------------------------- the whole house


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A service whose application has no credentials yet: two people, one of them assigned."""
    made = open_house(load_settings(data=str(tmp_path)), tmp_path)
    page = find("8x8")
    assert page is not None
    now = made.clock.now()
    made.store.applications.add(
        EnterpriseApplication(
            service_principal_id=APP,
            application_id="22222222-2222-4222-8222-222222222222",
            app_id="33333333-3333-4333-8333-333333333333",
            template_id=page.id,
            display_name="8x8",
            app_roles=page.app_roles,
            accepts_default_access=page.accepts_default_access,
            created_at=now,
        )
    )
    job = SynchronizationJob(
        id=JOB,
        service_principal_id=APP,
        template_id=page.job_template_id,
        schedule_state=ScheduleState.DISABLED,
        interval=DEFAULT_INTERVAL,
        watermark=None,
        schema_version="1",
        created_at=now,
    )
    made.store.jobs.add(job, page.schema_document(), "test")
    for name in ("ada", "bob"):
        attributes = {"userPrincipalName": f"{name}@x.example", "displayName": name, "accountEnabled": True}
        attributes |= {"mail": f"{name}@x.example", "givenName": name, "surname": name}
        write = ObjectWrite(kind=ObjectKind.USER, object_id=None, attributes=attributes, is_new=True)
        (person,) = made.store.directory.write([write], now)
        if name == "ada":
            user = next(role for role in page.app_roles if role.display_name == "User")
            assignment = AppRoleAssignment(
                id="a-1",
                service_principal_id=APP,
                principal_id=person.object_id,  # type: ignore[union-attr]  # it was written
                principal_kind=ObjectKind.USER,
                principal_display_name=name,
                role_id=user.id,
                created_at=now,
            )
            made.store.applications.assign([assignment])
    return made


def test_a_wider_scope_is_tried_without_credentials_and_leaves_every_row_as_it_was(
    house: House, tmp_path: Path
) -> None:
    before = digest(tmp_path)
    found = house.what_if(JOB, None, OtherScope(sync_all=True), 10)
    assert digest(tmp_path) == before
    assert in_words(found.summary) == "1 enters scope and is created"
    assert [one.source_name for one in found.objects] == ["bob"]
    nothing = house.what_if(JOB, None, OtherScope(), 10)
    assert (in_words(nothing.summary), nothing.considered) == ("nothing changes", 1)


def test_safeguards_that_are_not_saved_are_weighed_without_credentials(house: House, tmp_path: Path) -> None:
    before = digest(tmp_path)
    found = house.weigh(JOB, {"ProtectedUsers": "ada@*\nbob@*"}, {"DeleteThresholdValue": 0})
    assert digest(tmp_path) == before
    assert (found.considered, found.removals, found.protected) == (1, 0, 1)


def test_a_saved_switch_for_those_out_of_scope_is_no_other_scope(house: House) -> None:
    assert house.what_if(JOB, None, OtherScope(skip_out_of_scope_deletions=True), 10).affected == 0
    assert not OtherScope(skip_out_of_scope_deletions=False).is_saved


def nested(house: House, name: str) -> None:
    """Puts a person into a group within a group that is assigned."""
    now = house.clock.now()

    def group(called: str) -> str:
        attributes = {"displayName": called, "securityEnabled": True}
        write = ObjectWrite(kind=ObjectKind.GROUP, object_id=None, attributes=attributes, is_new=True)
        (made,) = house.store.directory.write([write], now)
        return made.object_id  # type: ignore[union-attr]  # it was written

    outer, inner = group("Outer"), group("Inner")
    (person,) = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER, search=name, limit=1)).objects
    house.store.directory.change_members(outer, add=[inner], remove=[])
    house.store.directory.change_members(inner, add=[person.object_id], remove=[])
    role = next(each for each in house.store.applications.get(APP).app_roles if each.display_name == "User")  # type: ignore[union-attr]  # it was made
    house.store.applications.assign(
        [
            AppRoleAssignment(
                id="a-2",
                service_principal_id=APP,
                principal_id=outer,
                principal_kind=ObjectKind.GROUP,
                principal_display_name="Outer",
                role_id=role.id,
                created_at=now,
            )
        ]
    )


def test_groups_within_assigned_groups_are_tried_before_they_count(house: House, tmp_path: Path) -> None:
    nested(house, "bob")
    before = digest(tmp_path)
    found = house.what_if(JOB, None, OtherScope(transitive=True), 10)
    assert digest(tmp_path) == before
    assert in_words(found.summary) == "1 enters scope and is created"
    assert [one.source_name for one in found.objects] == ["bob"]
    assert house.what_if(JOB, None, OtherScope(transitive=False), 10).affected == 0
    house.store.jobs.set_settings(JOB, {TRANSITIVE_GROUPS_SETTING: "true"})
    back = house.what_if(JOB, None, OtherScope(transitive=False), 10)
    assert (in_words(back.summary), back.considered) == ("1 leaves scope and is not carried", 2)


def test_default_access_is_tried_before_it_entitles(house: House) -> None:
    (bob,) = house.store.directory.search(DirectoryQuery(kind=ObjectKind.USER, search="bob", limit=1)).objects
    house.store.applications.assign(
        [
            AppRoleAssignment(
                id="a-3",
                service_principal_id=APP,
                principal_id=bob.object_id,
                principal_kind=ObjectKind.USER,
                principal_display_name="bob",
                role_id=DEFAULT_ACCESS,
                created_at=house.clock.now(),
            )
        ]
    )
    found = house.what_if(JOB, None, OtherScope(accepts_default_access=True), 10)
    assert in_words(found.summary) == "1 enters scope and is created"
