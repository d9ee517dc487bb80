"""What ought to be at the target, said again in the simplest way; and what must hold of links and log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from faults.strikes import ENTERPRISE
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.job import Cycle
from muster.model.log import LogStatus, ProvisioningAction
from muster.model.operation import LinkState
from muster.ports.cycles import LogQuery
from trip.playing import JOB

OURS = (LinkState.ADOPTED, LinkState.MANAGED)


@dataclass(slots=True)
class Person:
    id: str
    nick: str
    attributes: dict[str, Any]
    assigned: bool = False
    manager: str | None = None
    life: Lifecycle = Lifecycle.PRESENT

    @property
    def name(self) -> str:
        return str(self.attributes["userPrincipalName"])

    def external_id(self, page: str) -> str:
        return self.id if page == "8x8" else self.nick


@dataclass(slots=True)
class Squad:
    id: str
    name: str
    members: set[str] = field(default_factory=set)
    assigned: bool = False
    life: Lifecycle = Lifecycle.PRESENT


@dataclass(slots=True)
class Wanted:
    """Directory and rules as they were set, and what follows from them."""

    page: str
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Squad] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    only_department: str | None = None
    title_prefix: str = ""
    title_flows: bool = True
    actions: frozenset[str] = frozenset(("Add", "Update", "Delete"))
    sync_all: bool = False
    # Values that the target did not keep and that were not given again.
    forgiven: set[tuple[str, str]] = field(default_factory=set)
    unsettled: dict[str, Any] = field(default_factory=dict)

    def purge(self, object_id: str) -> None:
        """Takes somebody out of everything."""
        for group in self.groups.values():
            group.members.discard(object_id)
        for person in self.people.values():
            if person.manager == object_id:
                person.manager = None
        if object_id in self.groups:
            self.groups[object_id].members.clear()
        if object_id in self.people:
            self.people[object_id].assigned = False

    def is_entitled(self, person: Person) -> bool:
        """Whether somebody is in scope before life and sign-in count."""
        if self.only_department is not None and person.attributes.get("department") != self.only_department:
            return False
        through = [
            group
            for group in self.groups.values()
            if group.assigned and group.life is Lifecycle.PRESENT and person.id in group.members
        ]
        return self.sync_all or person.assigned or bool(through)

    def is_wanted(self, person: Person) -> bool:
        """Whether somebody has an active account."""
        enabled = person.attributes.get("accountEnabled") is not False
        return person.life is Lifecycle.PRESENT and enabled and self.is_entitled(person)

    def is_group_wanted(self, group: Squad) -> bool:
        return group.life is Lifecycle.PRESENT and (self.sync_all or group.assigned)


def check_links(machine: Any) -> set[str]:
    """No two people share an account; returns the ids of those that are somebody's."""
    ids = list(machine.wanted.people)
    links = machine.store.links.links(JOB, ObjectKind.USER, ids)
    shared = [target for target, count in Counter(link.target_id for link in links.values()).items() if count > 1]
    assert not shared, f"an account is linked twice: {[link for link in links.values() if link.target_id in shared]}"
    return {link.target_id for link in links.values()}


def check_log(machine: Any, cycle: Cycle) -> None:
    """Every log entry of a closed cycle has its outcome, and the counters say the same."""
    entries = machine.store.log.search(LogQuery(job_id=JOB, cycle_id=cycle.id, limit=1000))[0]
    for entry in entries:
        assert entry.status is not LogStatus.FAILURE or entry.failure is not None, entry
    done = Counter(entry.action for entry in entries if entry.status is LogStatus.SUCCESS)
    assert done[ProvisioningAction.CREATE] == cycle.counters.created, (cycle, entries)
    failed = sum(entry.status is LogStatus.FAILURE for entry in entries)
    assert failed >= cycle.counters.failed, (cycle, entries)


def check_target(machine: Any) -> None:
    """The target is as directory and rules want it."""
    wanted: Wanted = machine.wanted
    documents = machine.service.repository._documents
    users = {user["id"]: user for user in documents["User"].values()}
    by_external = {user["externalId"]: user for user in users.values() if user.get("externalId")}
    links = machine.store.links.links(JOB, ObjectKind.USER, list(wanted.people))
    for person in wanted.people.values():
        account = by_external.get(person.external_id(wanted.page))
        if not wanted.is_wanted(person):
            assert account is None or account.get("active") is False, f"{person} is active: {account}"
            continue
        if _is_in_conflict(machine, person, users, links):
            continue
        assert account is not None, f"{person} has no account; {wanted.unsettled}"
        assert links[person.id].target_id == account["id"], f"{person} is linked to another account"
        differing = _differences(wanted, person, account)
        assert not differing, f"{person}: {differing}, at the target {account}; link {links[person.id]}"
        if machine.has_groups:
            _check_manager(wanted, person, account, by_external)
    if machine.has_groups:
        _check_groups(machine, wanted, by_external)


def hindered_accounts(machine: Any) -> set[str]:
    """Returns the accounts of people whose name another account has: every full pass asks again for what is refused."""
    users = {user["id"]: user for user in machine.service.repository._documents["User"].values()}
    people: dict[str, Person] = machine.wanted.people
    links = machine.store.links.links(JOB, ObjectKind.USER, list(people))
    # Blocked people, too: their accounts follow the directory.
    hindered = [person for person in people.values() if _is_hindered(machine, person, users, links)]
    return {account for person in hindered if (account := _account_of(machine, person, users, links)) is not None}


def _account_of(machine: Any, person: Person, users: dict[str, Any], links: dict[str, Any]) -> str | None:
    """Returns the account of a person. One that was made without our knowing, and cannot get the name that it should
    have by now, is not linked yet."""
    if person.id in links:
        return str(links[person.id].target_id)
    external_id = person.external_id(machine.wanted.page)
    return next((str(user["id"]) for user in users.values() if user.get("externalId") == external_id), None)


def _is_in_conflict(machine: Any, person: Person, users: dict[str, Any], links: dict[str, Any]) -> bool:
    """Whether somebody else's account has the name: a named failure that an administrator settles, not we."""
    if not _is_hindered(machine, person, users, links):
        return False
    failures = [entry.failure for entry in machine.log(person.id)[:3] if entry.failure]
    assert failures, f"{person} is in conflict with another account, and nothing says so"
    return True


def _is_hindered(machine: Any, person: Person, users: dict[str, Any], links: dict[str, Any]) -> bool:
    name = person.name.lower()
    holder = next((user for user in users.values() if user["userName"].lower() == name), None)
    if holder is None:
        return False
    others = {link.target_id: source for source, link in links.items() if source != person.id}
    owner = others.get(holder["id"])
    if owner is None:
        # A stray account that we did not make (or no longer have) hinders those who have one of their own already.
        account = _account_of(machine, person, users, links)
        return account is not None and account in users and account != holder["id"]
    return (
        not machine.wanted.is_wanted(machine.wanted.people[owner]) or machine.wanted.people[owner].name.lower() != name
    )


def _differences(wanted: Wanted, person: Person, account: dict[str, Any]) -> dict[str, Any]:
    attributes = person.attributes
    title = attributes.get("jobTitle")
    pairs: dict[str, tuple[Any, Any]] = {
        "userName": (person.name.lower(), account["userName"].lower()),
        "active": (True, account.get("active")),
        "givenName": (attributes["givenName"], account.get("name", {}).get("givenName")),
    }
    if wanted.title_flows and title:
        pairs["jobTitle"] = (f"{wanted.title_prefix}{title}", account.get("title"))
    if attributes.get("department"):
        pairs["department"] = (attributes["department"], account.get(ENTERPRISE, {}).get("department"))
    if attributes.get("telephoneNumber"):
        phones = [item["value"] for item in account.get("phoneNumbers", ()) if item.get("type") == "work"]
        pairs["telephoneNumber"] = (attributes["telephoneNumber"], phones[0] if phones else None)
    return {
        name: pair for name, pair in pairs.items() if pair[0] != pair[1] and (person.id, name) not in wanted.forgiven
    }


def _check_manager(wanted: Wanted, person: Person, account: dict[str, Any], by_external: dict[str, Any]) -> None:
    held = account.get(ENTERPRISE, {}).get("manager", {}).get("value")
    if person.manager is None:
        assert held is None, f"{person} has no manager, and at the target {held}"
        return
    manager = wanted.people[person.manager]
    chief = by_external.get(manager.external_id(wanted.page))
    if wanted.is_wanted(manager) and chief is not None:
        assert held == chief["id"], f"{person} has the manager {manager}, and at the target {held}"


def _check_groups(machine: Any, wanted: Wanted, by_external: dict[str, Any]) -> None:
    groups = machine.service.repository._documents["Group"].values()
    kept = machine.service.repository._members
    for squad in wanted.groups.values():
        found = [group for group in groups if group.get("externalId") == squad.id]
        if not wanted.is_group_wanted(squad):
            assert not found, f"{squad} is still there"
            continue
        assert len(found) == 1, f"{squad} is there {len(found)} times"
        assert found[0]["displayName"] == squad.name
        members = set(kept.get(found[0]["id"], {}))
        for person in wanted.people.values():
            account = by_external.get(person.external_id(wanted.page))
            if account is None:
                continue
            is_in = account["id"] in members
            if wanted.is_wanted(person) and person.id in squad.members:
                assert is_in, f"{person} is not in {squad}"
            if person.id not in squad.members:
                assert not is_in, f"{person} is in {squad} at the target"
