"""Targets with bad manners: everyone exactly once, a second cycle writes nothing, nobody wrongly removed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playing import JOB, Trip, WatchedTransport

from fakes.odd_service import MANNERS, OddService
from muster.engine.parts import RECONCILE
from muster.model.copies import replace
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.job import LEARNED, Cycle, CycleState
from muster.model.log import LogStatus, ProvisioningAction
from muster.model.operation import LinkState
from muster.scim.dialect import ENTRA, ENTRA_LEGACY, Dialect

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
# What a target does is the same to any store.
STORES = ("sqlite",)
NAMES = ("Ada", "Bob", "Cyd", "Dan", "Eve", "Fay", "Gus")


class OddTrip(Trip):
    """A company whose application is an odd server."""

    def __init__(self, folder: Path, *manners: str, dialect: Dialect) -> None:
        super().__init__(folder, page="scim")
        self.page = replace(self.page, dialect=replace(dialect, page_size=3))
        self.odd = OddService(frozenset(manners))
        self.transport = WatchedTransport(self.odd)
        self.people: dict[str, str] = {}

    def found_company(self) -> None:
        for name in NAMES:
            mail = f"{name}.Tester@Lantaarn.example"
            self.people[name] = self.hire(name, jobTitle="Clerk", department="Sales", mail=mail, mobile="+31 6 1234")
        for name in NAMES[1:4]:
            self.set_manager(self.people[name], self.people["Ada"])
        self.crew = self.found("Crew", [self.people[name] for name in NAMES[:6]])

    def full(self) -> Cycle:
        self.clock.advance(timedelta(hours=25))
        self.store.jobs.set_watermark(JOB, None)
        cycle = self.run()
        assert cycle is not None
        return cycle

    def account_of(self, name: str) -> dict[str, Any]:
        """The one account of a person."""
        wanted = f"{name.lower()}@lantaarn.example"
        found = [item for item in self.odd.kept["Users"].values() if item["userName"].lower() == wanted]
        assert len(found) == 1, (name, found)
        return found[0]

    def members(self) -> set[str]:
        groups = list(self.odd.kept["Groups"].values())
        assert len(groups) == 1, groups
        return {str(item["value"]) for item in groups[0].get("members") or ()}

    def ids_of(self, *names: str) -> set[str]:
        return {str(self.account_of(name)["id"]) for name in names}

    def failures(self) -> list[Any]:
        return [(entry.source_name, entry.failure) for entry in self.log() if entry.failure]


TOGETHER = (
    ("no uniqueness", "the total is the page's", "pages hold two"),
    ("no uniqueness", "the total is missing", "201 without body"),
    ("no uniqueness", "filters are ignored", "the total is the page's", "201 without body or Location"),
    ("filters are 501", "PATCH is 501", "DELETE is 405", "ids are awkward", "Resources missing when empty"),
    ("filters are 400", "pages overlap", "duplicates are 500", "ids are numbers"),
    ("the total is too large", "names in capitals", "nulls for everything", "booleans as text"),
    ("PATCH is 405", "extension attributes flat", "names in capitals", "single e-mail without its list"),
    ("wants excludedAttributes not", "members at most two, 413", "errors are web pages", "PATCH is 204"),
    ("lists show names only", "filters are 501", "PATCH answers as it was", "If-Match demanded, 412"),
    (
        "If-Match demanded, 428",
        "PATCH is 405",
        "ids are awkward",
        "answers begin with a BOM",
    ),
    ("an empty list is 404", "POST is 202", "If-Match demanded, 428", "members at most two", "DELETE is 202"),
    (
        "names told twice",
        "ids are numbers",
        "the total is minus one",
        "pages hold two",
        "meta and externalId are dropped",
    ),
)


# Where the way of writing a PATCH makes a difference.
WRITTEN_OTHERWISE = (
    "PATCH is 501",
    "PATCH is 204",
    "PATCH answers without id",
    "members at most two",
    "booleans as text",
)
CASES = [
    *((Dialect(), manners) for manners in ((), *((manner,) for manner in MANNERS), *TOGETHER)),
    *((dialect, (manner,)) for dialect in (ENTRA, ENTRA_LEGACY) for manner in WRITTEN_OTHERWISE),
]


@pytest.mark.parametrize(
    ("dialect", "manners"),
    CASES,
    ids=[f"{dialect.patch_form.value}: {' + '.join(manners) or 'well-mannered'}" for dialect, manners in CASES],
)
def test_everyone_comes_and_goes_as_with_any_other_target(
    tmp_path: Path, dialect: Dialect, manners: tuple[str, ...]
) -> None:
    trip = OddTrip(tmp_path, *manners, dialect=dialect)
    stranger = {"id": "stranger", "userName": "stranger@other.example", "active": True}
    trip.odd.kept["Users"]["stranger"] = stranger
    trip.found_company()
    cycle = trip.run()
    assert cycle is not None and cycle.state is CycleState.SUCCEEDED, (cycle, trip.failures())
    assert [trip.account_of(name)["active"] for name in NAMES] == [True] * 7
    assert trip.members() == trip.ids_of(*NAMES[:6])
    for name in NAMES[1:4]:
        manager = trip.account_of(name)[ENTERPRISE]["manager"]
        assert str(manager["value"] if isinstance(manager, dict) else manager) in trip.ids_of("Ada")
    check_rest(trip)

    trip.edit(trip.people["Ada"], jobTitle="Chief", mobile=None)
    trip.edit(trip.people["Bob"], displayName="Robert", department="Law", telephoneNumber="+31 20 1")
    trip.edit(trip.people["Cyd"], accountEnabled=False)
    trip.unassign(trip.people["Gus"])
    trip.soft_delete(trip.people["Fay"])
    trip.store.directory.change_members(trip.crew, add=[trip.people["Gus"]], remove=[trip.people["Bob"]])
    trip.set_manager(trip.people["Dan"], trip.people["Eve"])
    cycle = trip.run()
    assert cycle is not None and cycle.state is CycleState.SUCCEEDED, (cycle, trip.failures())
    assert trip.account_of("Bob")["displayName"] == "Robert"
    assert trip.account_of("Bob")[ENTERPRISE]["department"] == "Law"
    if not {"the title is dropped", "the title is rewritten"} & set(manners):
        assert trip.account_of("Ada")["title"] == "Chief"
    for name, active in {"Ada": True, "Bob": True, "Cyd": False, "Gus": True, "Fay": False}.items():
        # Gus comes back through the group.
        assert trip.account_of(name)["active"] is active, name
    assert not trip.ids_of("Bob") & trip.members()
    assert trip.ids_of("Ada", "Gus", "Eve") <= trip.members()
    check_rest(trip)

    trip.hard_delete(trip.people["Fay"])
    trip.edit(trip.people["Cyd"], accountEnabled=True)
    trip.hire("Hal")
    cycle = trip.run()
    assert cycle is not None and cycle.counters.failed == 0, (cycle, trip.failures())
    gone = [item for item in trip.odd.kept["Users"].values() if item["userName"] == "fay@lantaarn.example"]
    assert [item["active"] for item in gone] in ([], [False])
    assert trip.account_of("Cyd")["active"] is True
    assert trip.account_of("Hal")["active"] is True
    assert len(trip.ids_of(*NAMES[:5], "Gus", "Hal")) == 7
    check_rest(trip)
    assert trip.odd.kept["Users"]["stranger"] == stranger


def check_rest(trip: OddTrip) -> None:
    """An unchanged directory sends nothing, whether little or everything is compared; an odd one needs one turn."""
    assert trip.run() is None, trip.failures()
    first, second = trip.full(), trip.full()
    assert trip.transport.writes == [], (first, second)
    assert second.counters.failed == 0, trip.failures()
    assert len({item["userName"] for item in trip.odd.kept["Users"].values()}) == len(trip.odd.kept["Users"])


def test_what_an_application_turned_out_to_do_otherwise_is_kept_with_the_cycle(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, "PATCH is 501", dialect=Dialect(bulk=True))
    trip.found_company()
    cycle = trip.run()
    assert cycle is not None
    found = trip.store.cycles.get(cycle.id)
    assert found is not None
    assert json.loads(found.options[LEARNED]) == {"update": "put", "bulk": False}


TAKEN = (
    (409, b"", True),
    (409, b"<html>Conflict</html>", True),
    (409, b'{"scimType": "mutability", "detail": "no"}', True),
    (400, b'{"scimType": "uniqueness"}', True),
    (400, b'{"detail": "User with this userName already exists"}', True),
    (422, b'{"message": "email has already been taken"}', True),
    (422, b'{"error": "Username must be unique"}', True),
    (500, b'{"detail": "duplicate key value violates unique constraint"}', False),
    (400, b'{"detail": "userName is too short"}', False),
)


@pytest.mark.parametrize(("status", "body", "at_once"), TAKEN, ids=[f"{case[0]} {case[1].decode()}" for case in TAKEN])
def test_an_account_that_is_there_already_is_found_however_the_application_says_so(
    tmp_path: Path, status: int, body: bytes, at_once: bool
) -> None:
    trip = OddTrip(tmp_path, dialect=Dialect(can_list=False))
    ada = trip.hire("Ada")

    def taken(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "POST" or trip.odd.kept["Users"]:
            return None
        trip.odd.kept["Users"]["theirs"] = {"id": "theirs", "userName": "ada@lantaarn.example", "active": True}
        return HttpResponse(status=status, headers={}, body=body, elapsed=timedelta())

    trip.transport.fault = taken
    trip.run()
    assert (trip.link(ada) is not None) is at_once
    # Nobody makes a second one; at the latest the next try finds it. Somebody else made it: it is no more than adopted.
    trip.full()
    link = trip.link(ada)
    assert link is not None and (link.target_id, link.state) == ("theirs", LinkState.ADOPTED)
    assert trip.account_of("Ada")["displayName"] == "Ada Tester"
    check_rest(trip)


def test_accounts_that_are_made_some_time_after_they_were_accepted_are_ours_in_the_end(tmp_path: Path) -> None:
    """202, nothing to be found at once: an application that carries out later what it is asked for."""
    trip = OddTrip(tmp_path, "no uniqueness", dialect=Dialect(can_list=False))
    trip.found_company()
    later: list[Any] = []

    def accept(request: HttpRequest, send: Any) -> HttpResponse | None:
        if request.method != "POST":
            return None
        later.append(send)
        return HttpResponse(status=202, headers={}, body=b"", elapsed=timedelta())

    trip.transport.fault = accept
    trip.run()
    assert trip.odd.kept["Users"] == {}
    # The crew, too, and nobody twice while it may still be under way.
    assert len(later) == len(NAMES) + 1
    for send in later:
        send()
    trip.transport.fault = None
    trip.full()
    trip.full()
    assert len(trip.odd.kept["Users"]) == len(NAMES)
    links = [trip.link(person) for person in trip.people.values()]
    assert [link and link.state for link in links] == [LinkState.MANAGED] * len(NAMES)
    assert trip.members() == trip.ids_of(*NAMES[:6])
    check_rest(trip)


class KeepsReferencesItsOwnWay(OddService):
    """Takes every reference, and shows it otherwise or drops it without a word."""

    way = ""

    def _name_of(self, target_id: object) -> object:
        user = self.kept["Users"].get(str(target_id))
        return target_id if user is None else user["userName"]

    def _shown(self, kind: str, kept: dict[str, Any], *, in_list: bool = False) -> dict[str, Any]:
        shown = super()._shown(kind, kept, in_list=in_list)
        manager = (shown.get(ENTERPRISE) or {}).get("manager")
        if self.way == "managers by name" and manager:
            manager["value"] = self._name_of(manager["value"])
        members = shown.get("members") or []
        if self.way == "members by name" and members:
            shown["members"] = [{"value": self._name_of(item["value"])} for item in members]
        if self.way == "three members" and members:
            shown["members"] = members[:3]
        return shown

    def _keep(self, kind: str, target_id: str, document: dict[str, Any]) -> None:
        if self.way == "one manager dropped" and str(document.get("userName")).startswith("bob"):
            (document.get(ENTERPRISE) or {}).pop("manager", None)
        if self.way == "one member dropped" and document.get("members"):
            bob = {str(user["id"]) for user in self.kept["Users"].values() if user["userName"].startswith("bob")}
            document["members"] = [item for item in document["members"] if str(item["value"]) not in bob]
        super()._keep(kind, target_id, document)


def reconcile(trip: OddTrip) -> Cycle:
    cycle = trip.engine.begin(JOB, RECONCILE)
    assert cycle is not None
    while trip.engine.advance(cycle.id):
        pass
    ended = trip.store.cycles.get(cycle.id)
    assert ended is not None
    return ended


@pytest.mark.parametrize("way", ["restart", "reconciliation"])
@pytest.mark.parametrize(
    "manner", ["managers by name", "one manager dropped", "members by name", "one member dropped", "three members"]
)
def test_references_that_are_not_kept_as_sent_are_sent_again_once_and_not_in_every_pass(
    tmp_path: Path, manner: str, way: str
) -> None:
    trip = OddTrip(tmp_path, dialect=Dialect())
    trip.odd = KeepsReferencesItsOwnWay()
    trip.odd.way = manner
    trip.transport = WatchedTransport(trip.odd)
    trip.found_company()
    trip.run()

    def again() -> int:
        trip.transport.forget()
        if way == "restart":
            trip.full()
        else:
            reconcile(trip)
        return len(trip.transport.writes)

    assert again() > 0
    assert [again(), again()] == [0, 0]
    # Something else is wanted: that is sent, and what is shown of it is looked at anew.
    trip.set_manager(trip.people["Bob"], trip.people["Eve"])
    trip.store.directory.change_members(trip.crew, add=[trip.people["Gus"]], remove=[trip.people["Dan"]])
    trip.run()
    assert {write.split("/")[1] for write in trip.transport.writes} == {"Users", "Groups"}
    again()
    assert [again(), again()] == [0, 0]
    assert not trip.failures()


def test_a_member_taken_out_by_hand_again_and_again_is_put_back_each_time(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, dialect=Dialect())
    trip.found_company()
    trip.run()
    for _ in range(2):
        group = next(iter(trip.odd.kept["Groups"].values()))
        group["members"] = [item for item in group["members"] if str(item["value"]) not in trip.ids_of("Bob")]
        trip.full()
        assert trip.members() == trip.ids_of(*NAMES[:6])
        # A pass has seen it as it should be: whoever takes them out after that is somebody.
        trip.full()
        trip.full()
        assert trip.transport.writes == []


def test_members_whom_an_application_takes_out_while_they_are_off_are_not_put_back_meanwhile(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, "members who are off drop out", dialect=Dialect())
    trip.found_company()
    trip.run()
    trip.edit(trip.people["Bob"], accountEnabled=False)
    trip.run()
    assert trip.members() == trip.ids_of(*NAMES[:6]) - trip.ids_of("Bob")
    trip.full()
    assert trip.transport.writes == []


def sentences(trip: OddTrip, person: str) -> list[str]:
    (made, *_) = reversed(trip.log(trip.people[person]))
    assert made.action is ProvisioningAction.CREATE
    return [step.description for step in made.steps]


def test_who_is_made_switched_off_is_switched_on_by_the_same_operation(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, "everybody is made switched off", dialect=ENTRA)
    trip.found_company()
    trip.run()
    assert all(trip.account_of(name)["active"] for name in NAMES)
    assert any("which a second request has put right" in each for each in sentences(trip, "Ada"))
    trip.full()
    assert trip.transport.writes == []


def test_who_stays_switched_off_is_not_switched_on_again_and_again(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, "everybody is made switched off", dialect=ENTRA)
    trip.found_company()

    def unmoved(request: HttpRequest, _: Any) -> HttpResponse | None:
        if request.method != "PATCH" or "/Users/" not in request.url:
            return None
        return trip.odd.send(replace(request, method="GET", body=None), deadline=timedelta(seconds=9))

    trip.transport.fault = unmoved
    trip.run()
    assert any("a second request did not change that" in each for each in sentences(trip, "Ada"))
    trip.full()
    trip.full()
    # References, which this application does not keep either, are not what is asked here.
    assert not [each for each in trip.transport.requests if b'"active"' in (each.body or b"")]


def test_who_cannot_be_switched_on_at_once_is_so_by_the_next_attempt(tmp_path: Path) -> None:
    trip = OddTrip(tmp_path, "everybody is made switched off", dialect=ENTRA)
    trip.found_company()
    busy = HttpResponse(status=500, headers={}, body=b"", elapsed=timedelta())
    trip.transport.fault = lambda request, _: busy if request.method == "PATCH" else None
    trip.run()
    last = trip.log(trip.people["Ada"])[0]
    assert last.status is LogStatus.FAILURE
    assert not trip.account_of("Ada")["active"]
    trip.transport.fault = None
    trip.clock.advance(timedelta(hours=3))
    trip.run()
    assert all(trip.account_of(name)["active"] for name in NAMES)
    link = trip.link(trip.people["Ada"])
    assert link is not None
    assert link.state is LinkState.MANAGED
