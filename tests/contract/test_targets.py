"""What the engine may rely on with every target, whatever it drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.scim_service import BASE_URL, TOKEN, ScimService, generic_profile
from fakes.scripted_transport import JoinedTransport
from fakes.store import fresh_store
from fakes.world import CountingIds, StillClock
from muster.model.directory import AttributeType, ObjectKind
from muster.model.failures import Conflict, TargetBusy, TargetObjectGone
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, Verb
from muster.model.rules import AttributeDefinition
from muster.ports.target import Capabilities, Target, UnknownOutcome
from muster.scim.dialect import Dialect
from muster.targets.authorization import bearer
from muster.targets.directory import DirectoryTarget
from muster.targets.recorded import RecordedTarget
from muster.targets.scim import ScimTarget

USER, GROUP = ObjectKind.USER, ObjectKind.GROUP
ENTERPRISE_MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"


@dataclass(frozen=True)
class Case:
    """A target and the names its attributes have there."""

    target: Target
    name: str
    title: str
    manager: str
    # Whether a deleted object is no longer shown (our directory keeps it for thirty days).
    forgets: bool = True

    def make(self, name: str, **attributes: Any) -> str:
        pairs = {self.name: name, "displayName": name, **attributes}
        return self.target.create(USER, [MappedValue(attribute=key, value=pairs[key]) for key in pairs]).target_id

    def find(self, name: str) -> list[str]:
        return [item.target_id for item in self.target.find(USER, MatchingValue(attribute=self.name, value=name))]


def scim_case(folder: Path) -> Case:
    attributes = {
        USER: (
            *(AttributeDefinition(name=name) for name in ("userName", "displayName", "title")),
            AttributeDefinition(name=ENTERPRISE_MANAGER, type=AttributeType.REFERENCE),
        ),
        GROUP: (AttributeDefinition(name="displayName"),),
    }
    target = ScimTarget(
        transport=JoinedTransport(ScimService(generic_profile())),
        address=BASE_URL,
        authorization=bearer(TOKEN),
        dialect=Dialect(page_size=2),
        attributes=attributes,
        clock=StillClock(),
        ids=CountingIds(),
    )
    return Case(target, "userName", "title", ENTERPRISE_MANAGER)


def directory_case(folder: Path) -> Case:
    target = DirectoryTarget(fresh_store(folder).directory, StillClock())
    return Case(target, "userPrincipalName", "jobTitle", "manager", forgets=False)


def recorded_case(folder: Path) -> Case:
    target = RecordedTarget(capabilities=Capabilities(page_size=2), unique=("userName",))
    return Case(target, "userName", "title", "manager")


@pytest.fixture(params=[scim_case, directory_case, recorded_case], ids=["scim", "directory", "recorded"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    make: Callable[[Path], Case] = request.param
    return make(tmp_path)


def test_who_was_created_is_found_whatever_the_letter_case_and_nobody_else(case: Case) -> None:
    case.target.probe(case.name)
    ada = case.make("ada@x.example")
    case.make("bob@x.example")
    assert case.find("ADA@x.example") == [ada]
    assert case.find("eve@x.example") == []


def test_a_created_object_shows_what_was_sent(case: Case) -> None:
    ada = case.make("ada@x.example", **{case.title: "Chief"})
    seen = case.target.read(USER, ada)
    assert seen is not None
    assert seen.attributes[case.name] == "ada@x.example" and seen.attributes[case.title] == "Chief"
    assert seen.display_name


def test_the_same_name_twice_is_a_conflict(case: Case) -> None:
    case.make("ada@x.example")
    with pytest.raises(Conflict):
        case.make("ADA@x.example")


def test_changes_arrive_and_removals_too(case: Case) -> None:
    ada = case.make("ada@x.example", **{case.title: "Chief"})
    rename = AttributeChange(attribute=case.name, verb=Verb.REPLACE, old="ada@x.example", new="eve@x.example")
    clear = AttributeChange(attribute=case.title, verb=Verb.REMOVE, old="Chief", new=None)
    assert case.target.update(USER, ada, [rename, clear]).target_id == ada
    seen = case.target.read(USER, ada)
    assert seen is not None
    assert seen.attributes[case.name] == "eve@x.example" and case.title not in seen.attributes


def test_a_manager_is_set_changed_and_taken_away(case: Case) -> None:
    ada, bob, eve = (case.make(f"{name}@x.example") for name in ("ada", "bob", "eve"))
    for verb, old, new, after in (
        (Verb.ADD, None, bob, (bob,)),
        (Verb.REPLACE, bob, eve, (eve,)),
        (Verb.REMOVE, eve, None, ()),
    ):
        change = AttributeChange(attribute=case.manager, verb=verb, old=old, new=new, is_reference=True)
        case.target.update(USER, ada, [change])
        seen = case.target.read(USER, ada)
        assert seen is not None
        assert seen.references.get(case.manager, ()) == after


def test_changing_who_is_not_there_says_so(case: Case) -> None:
    change = AttributeChange(attribute=case.title, verb=Verb.REPLACE, old=None, new="x")
    with pytest.raises(TargetObjectGone):
        case.target.update(USER, "00000000-0000-4000-8000-00000000dead", [change])


def test_deleting_twice_is_deleting_once(case: Case) -> None:
    ada = case.make("ada@x.example")
    case.target.delete(USER, ada)
    case.target.delete(USER, ada)
    assert case.target.read(USER, "00000000-0000-4000-8000-00000000dead") is None
    assert (case.target.read(USER, ada) is None) is case.forgets


def test_a_list_shows_everybody_once(case: Case) -> None:
    made = [case.make(f"u{number}@x.example") for number in range(5)]
    seen: list[str] = []
    start: str | None = None
    while True:
        page = case.target.list_page(USER, start)
        seen += [item.target_id for item in page.resources]
        start = page.next_start
        if start is None:
            break
    assert sorted(seen) == sorted(made)


def test_every_call_is_counted(case: Case) -> None:
    before = case.target.requests_made()
    case.make("ada@x.example")
    case.find("ada@x.example")
    assert case.target.requests_made() - before == 2


# ---------------------------------------------------------------- the recorder's own abilities


def members(verb: Verb, old: Any, new: Any) -> AttributeChange:
    return AttributeChange(attribute="members", verb=verb, old=old, new=new, is_reference=True, multivalued=True)


def test_the_recorder_keeps_every_call_in_order() -> None:
    target = RecordedTarget()
    crew = target.put(GROUP, {"displayName": "Crew"})
    target.update(GROUP, crew, [members(Verb.ADD, None, ("a", "b"))])
    target.update(GROUP, crew, [members(Verb.ADD, None, ("b", "c"))])
    target.update(GROUP, crew, [members(Verb.REMOVE, ("a",), None)])
    assert target.all_of(GROUP)[crew].references == {"members": ("b", "c")}
    assert target.capabilities.page_size == 100
    target.update(GROUP, crew, [members(Verb.REMOVE, None, "c")])
    assert target.all_of(GROUP)[crew].references == {"members": ("b",)}
    target.read(GROUP, crew)
    target.delete(GROUP, crew)
    assert [call.name for call in target.calls] == ["update"] * 4 + ["read", "delete"]
    assert [call.name for call in target.writes] == ["update"] * 4 + ["delete"]
    assert target.all_of(GROUP) == {}
    assert target.all_of(USER) == {}


def test_the_recorder_fails_as_it_is_told_and_loses_answers_after_the_deed() -> None:
    target = RecordedTarget()
    values = [MappedValue(attribute="userName", value="ada")]
    target.fail_next("create", TargetBusy("down"), UnknownOutcome("lost"))
    with pytest.raises(TargetBusy):
        target.create(USER, values)
    assert target.all_of(USER) == {}
    with pytest.raises(UnknownOutcome):
        target.create(USER, values)
    assert list(target.all_of(USER)) == ["user-1"]
    target.fail_next("delete", UnknownOutcome("lost"))
    with pytest.raises(UnknownOutcome):
        target.delete(USER, "user-1")
    assert target.all_of(USER) == {}


def test_the_recorder_compares_exactly_when_asked_to() -> None:
    target = RecordedTarget()
    target.put(USER, {"userName": "Ada"})
    assert not target.find(USER, MatchingValue(attribute="userName", value="ada", case_exact=True))
    assert target.find(USER, MatchingValue(attribute="userName", value="ada"))
