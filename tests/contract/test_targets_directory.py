from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from fakes.store import fresh_store
from fakes.world import StillClock
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import Conflict, ObjectFailure, TargetObjectGone, ValueRefused
from muster.model.operation import (
    AttributeChange,
    MappedValue,
    MatchingValue,
    Operation,
    OperationKind,
    Verb,
)
from muster.ports.directory import DirectoryStore
from muster.ports.target import BatchTarget, Written
from muster.targets.directory import DirectoryTarget

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP


@pytest.fixture
def directory(tmp_path: Path) -> DirectoryStore:
    return fresh_store(tmp_path).directory


@pytest.fixture
def target(directory: DirectoryStore) -> DirectoryTarget:
    return DirectoryTarget(directory, StillClock())


def values(**attributes: Any) -> list[MappedValue]:
    return [MappedValue(attribute=name, value=value) for name, value in attributes.items()]


def person(name: str, **attributes: Any) -> list[MappedValue]:
    return values(userPrincipalName=f"{name}@x.example", displayName=name, accountEnabled=True, **attributes)


def change(name: str, new: Any, *, verb: Verb = Verb.REPLACE, old: Any = None, **kind: bool) -> AttributeChange:
    return AttributeChange(attribute=name, verb=verb, old=old, new=new, **kind)


def members(verb: Verb, old: Any, new: Any) -> AttributeChange:
    return change("members", new, verb=verb, old=old, is_reference=True, multivalued=True)


def operation(
    kind: OperationKind, target_id: str | None, *changes: AttributeChange, of: ObjectKind = USER
) -> Operation:
    return Operation(
        change_id=f"{kind}-{target_id}-{len(changes)}-{changes[0].new if changes else ''}",
        kind=kind,
        object_kind=of,
        source_id="s",
        source_name="S",
        reason="test",
        target_id=target_id,
        changes=changes,
    )


def test_a_person_is_created_found_in_any_letter_case_changed_and_read(target: DirectoryTarget) -> None:
    target.probe("userPrincipalName")
    written = target.create(USER, person("ada", proxyAddresses=("a", "b"), department="Sales"))
    assert written.resource is not None and written.resource.display_name == "ada"
    matching = MatchingValue(attribute="userPrincipalName", value="ADA@x.example")
    assert [item.target_id for item in target.find(USER, matching)] == [written.target_id]
    exact = MatchingValue(attribute="userPrincipalName", value="ADA@x.example", case_exact=True)
    assert target.find(USER, exact) == ()
    by_id = MatchingValue(attribute="objectId", value=written.target_id)
    assert len(target.find(USER, by_id)) == 1
    assert target.find(USER, MatchingValue(attribute="objectId", value="ada@x.example")) == ()
    target.update(USER, written.target_id, [change("department", None, verb=Verb.REMOVE), change("city", "Ulm")])
    seen = target.read(USER, written.target_id)
    assert seen is not None
    assert seen.attributes["proxyAddresses"] == ("a", "b") and seen.attributes["city"] == "Ulm"
    assert "department" not in seen.attributes and seen.attributes["isSoftDeleted"] is False
    assert target.read(USER, "ada@x.example") is None and target.read(USER, "nobody") is None
    assert target.requests_made() > 5
    assert target.capabilities.concurrency == 1


def test_a_taken_principal_name_is_a_conflict_that_names_it(target: DirectoryTarget) -> None:
    target.create(USER, person("ada"))
    with pytest.raises(Conflict, match=r"ADA@x\.example") as raised:
        target.create(USER, values(userPrincipalName="ADA@x.example", displayName="Other"))
    assert raised.value.sentence[0].isupper() and raised.value.sentence.endswith(".")
    assert raised.value.remedy


def test_a_person_whom_a_source_has_no_more_goes_into_the_recycle_bin_and_comes_back_out_of_it(
    target: DirectoryTarget, directory: DirectoryStore
) -> None:
    gone = target.create(USER, person("gone", isSoftDeleted=True)).target_id
    leaves = target.create(USER, person("leaves", isSoftDeleted="False")).target_id
    found = directory.get(USER, gone)
    assert found is not None and found.lifecycle is Lifecycle.SOFT_DELETED and found.deleted_at is not None
    assert found.deleted_at.tzinfo is UTC
    for is_deleted, lifecycle in ((True, Lifecycle.SOFT_DELETED), (False, Lifecycle.PRESENT)):
        written = target.update(USER, leaves, [change("isSoftDeleted", is_deleted)])
        assert written.resource is not None and written.resource.attributes["isSoftDeleted"] is is_deleted
        kept = directory.get(USER, leaves)
        assert kept is not None and kept.lifecycle is lifecycle
    # Who lies in the recycle bin is found, so that an import does not make a second one.
    assert target.find(USER, MatchingValue(attribute="userPrincipalName", value="gone@x.example"))


@pytest.mark.parametrize(
    ("attributes", "code", "said"),
    [
        ({"shoeSize": "41"}, "SchemaAttributeNotFound", "shoeSize"),
        ({"objectId": "x"}, "NotPermitted", "objectId"),
        ({"accountEnabled": "perhaps"}, "UnprocessableEntity", "perhaps"),
        ({"city": ("a", "b")}, "SchemaPropertyCanOnlyAcceptValue", "city"),
        ({"userPrincipalName": None}, "UnprocessableEntity", "userPrincipalName"),
        (
            {"displayName": "a" * 300},
            "UnprocessableEntity",
            "displayName takes at most 256 characters; this one has 300",
        ),
        ({"department": "Sa\0les"}, "UnprocessableEntity", "department holds a control character"),
        ({"otherMails": ("a",) * 251}, "UnprocessableEntity", "otherMails takes at most 250 values; this one has 251"),
        ({"otherMails": ("a" * 1_025,)}, "UnprocessableEntity", "otherMails takes at most 1,024 characters"),
    ],
)
def test_a_value_that_the_directory_cannot_hold_is_refused(
    target: DirectoryTarget, attributes: dict[str, Any], code: str, said: str
) -> None:
    pairs = {"userPrincipalName": "ada@x.example", "displayName": "Ada", **attributes}
    with pytest.raises(ValueRefused, match=said) as raised:
        target.create(USER, values(**pairs))
    assert raised.value.code == code
    assert target.list_page(USER, None).total == 0


def test_a_single_value_in_a_list_attribute_and_texts_of_booleans_are_taken(target: DirectoryTarget) -> None:
    written = target.create(USER, person("ada", otherMails="a@y", employeeId=7, city=""))
    target.update(USER, written.target_id, [change("accountEnabled", "False")])
    seen = target.read(USER, written.target_id)
    assert seen is not None
    assert seen.attributes["otherMails"] == ("a@y",) and seen.attributes["employeeId"] == "7"
    assert seen.attributes["accountEnabled"] is False and "city" not in seen.attributes


def test_looking_up_by_an_unknown_attribute_is_refused(target: DirectoryTarget) -> None:
    with pytest.raises(ValueRefused, match="shoeSize"):
        target.find(USER, MatchingValue(attribute="shoeSize", value="41"))


def test_managers_and_members_are_set_and_taken_away(target: DirectoryTarget, directory: DirectoryStore) -> None:
    ada, bob = (target.create(USER, person(name)).target_id for name in ("ada", "bob"))
    target.update(USER, ada, [change("manager", bob, verb=Verb.ADD, is_reference=True)])
    seen = target.read(USER, ada)
    assert seen is not None and seen.references == {"manager": (bob,)}
    target.update(USER, ada, [change("manager", None, verb=Verb.REMOVE, old=bob, is_reference=True)])
    seen = target.read(USER, ada)
    assert seen is not None and seen.references == {}

    crew = target.create(GROUP, values(displayName="Crew", securityEnabled=True)).target_id
    target.update(GROUP, crew, [members(Verb.ADD, None, (ada, bob)), change("description", "All")])
    assert {item.object_id for item in directory.members(crew, None, 10).objects} == {ada, bob}
    target.update(GROUP, crew, [members(Verb.REMOVE, (ada,), None)])
    target.update(GROUP, crew, [members(Verb.REPLACE, (bob,), (ada,))])
    assert {item.object_id for item in directory.members(crew, None, 10).objects} == {ada}
    target.update(GROUP, crew, [members(Verb.REMOVE, None, ada)])
    assert directory.members(crew, None, 10).objects == ()
    with pytest.raises(TargetObjectGone):
        target.update(GROUP, crew, [members(Verb.ADD, None, ("nobody",))])
    with pytest.raises(ValueRefused, match="Only groups"):
        target.update(USER, ada, [members(Verb.ADD, None, (bob,))])


def test_what_is_gone_is_said_to_be_gone(target: DirectoryTarget, directory: DirectoryStore) -> None:
    ada = target.create(USER, person("ada")).target_id
    target.delete(USER, ada)
    target.delete(USER, ada)
    target.delete(USER, "nobody")
    found = directory.get(USER, ada)
    assert found is not None and found.lifecycle is Lifecycle.SOFT_DELETED and found.deleted_at is not None
    directory.set_lifecycle(USER, ada, Lifecycle.HARD_DELETED, found.deleted_at)
    assert target.read(USER, ada) is None
    with pytest.raises(TargetObjectGone):
        target.update(USER, ada, [change("city", "Ulm")])
    with pytest.raises(TargetObjectGone):
        target.update(USER, "nobody", [change("city", "Ulm")])


def test_a_batch_is_written_in_one_go_and_each_operation_has_an_answer_of_its_own(
    target: DirectoryTarget, directory: DirectoryStore
) -> None:
    assert isinstance(target, BatchTarget)
    ada = target.create(USER, person("ada")).target_id
    crew = target.create(GROUP, values(displayName="Crew")).target_id
    gone = target.create(USER, person("gone")).target_id
    new = [change(item.attribute, item.value, verb=Verb.ADD) for item in person("bob")]
    before = target.requests_made()
    answers = target.write_many(
        [
            operation(OperationKind.CREATE, None, *new, change("isSoftDeleted", False, verb=Verb.ADD)),
            operation(OperationKind.CREATE, None, *new[1:], change("userPrincipalName", "ADA@x.example")),
            operation(OperationKind.CREATE, None, *new, change("shoeSize", "41")),
            operation(OperationKind.UPDATE, ada, change("city", "Ulm")),
            operation(OperationKind.UPDATE, "nobody", change("city", "Ulm")),
            operation(OperationKind.REFER, crew, members(Verb.ADD, None, (ada,)), of=GROUP),
            operation(OperationKind.REFER, crew, members(Verb.ADD, None, ("nobody",)), of=GROUP),
            operation(OperationKind.DELETE, gone),
            operation(OperationKind.LINK, ada),
        ]
    )
    assert target.requests_made() - before == 4
    kinds = [type(answer) for answer in answers]
    assert kinds == [
        Written,
        Conflict,
        ValueRefused,
        Written,
        TargetObjectGone,
        Written,
        TargetObjectGone,
        Written,
        Written,
    ]
    assert isinstance(answers[0], Written) and answers[0].resource is not None
    assert [item.object_id for item in directory.members(crew, None, 10).objects] == [ada]
    assert not any(isinstance(answer, ObjectFailure) for answer in target.write_many([]))


def test_everybody_is_listed_page_by_page_with_those_in_the_recycle_bin(target: DirectoryTarget) -> None:
    made = {target.create(USER, person(f"u{number}", isSoftDeleted=number == 3)).target_id for number in range(5)}
    page = target.list_page(USER, None)
    assert {item.target_id for item in page.resources} == made
    assert (page.total, page.next_start) == (5, None)
