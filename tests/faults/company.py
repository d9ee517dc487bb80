"""A company's directory and rules, edited step by step, and what is wanted of them kept beside."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fakes.store import Place, empty, fresh_database, place_in_use, store_on
from faults.oracle import Person, Squad, Wanted
from muster.database.connection import Database
from muster.model.directory import Lifecycle, ObjectKind
from muster.planning.policy import RemovalThreshold
from muster.ports.directory import ObjectWrite, WriteRefused
from muster.store.open import Store
from trip.playing import JOB, Trip

# A store in memory: what a power cut would do is not the question here.
MEMORY = Path("/dev/shm")  # the system's own folder of files in memory
NAMES = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ivy", "jon")
PEOPLE_LIMIT, GROUPS_LIMIT = 9, 3
DEPARTMENTS = ("Sales", "Care")
ACTIONS = ("Add", "Update", "Delete")


@functools.cache
def _kept(_place: Place | None, _process: int) -> Database:
    """One database for all schedules of a process at a place; not its parent's."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return fresh_database(folder)


def empty_store() -> Store:
    """Returns the store as it is when it is new."""
    database = _kept(place_in_use(), os.getpid())
    empty(database)
    return store_on(database)


class Company(Trip):
    """The steps that edit. Numbers choose among what is there."""

    wanted: Wanted

    def open_store(self, folder: Path) -> Store:
        """Returns the process's one store, emptied: opening one costs as much as some cycles."""
        return empty_store()

    # How many names have been given.
    _names = 0

    # ------------------------------------------------------------ edits

    def _pick(self, number: int, *lives: Lifecycle) -> Person | None:
        people = [person for person in self.wanted.people.values() if person.life in (lives or (Lifecycle.PRESENT,))]
        return people[number % len(people)] if people else None

    def _pick_group(self, number: int, *lives: Lifecycle) -> Squad | None:
        groups = [group for group in self.wanted.groups.values() if group.life in (lives or (Lifecycle.PRESENT,))]
        return groups[number % len(groups)] if groups else None

    def hire_one(self, one: int, two: int, three: int) -> None:
        if len(self.wanted.people) >= PEOPLE_LIMIT:
            return
        name = self._fresh_name(one) if three % 4 else self._used_name(one)
        nick = f"nick{len(self.wanted.people)}"
        attributes = {
            "userPrincipalName": name,
            "mail": f"{nick}@lantaarn.example",
            "mailNickname": nick,
            "displayName": nick.title(),
            "givenName": "Given",
            "surname": "Tester",
            "department": DEPARTMENTS[two % 2],
            "jobTitle": f"Job {one % 3}",
            "accountEnabled": True,
            "physicalDeliveryOfficeName": "London",
        }
        person = Person(id=self.ids.new_id(), nick=nick, attributes=attributes)
        if not self._put(ObjectKind.USER, person.id, attributes, is_new=True):
            return
        self.wanted.people[person.id] = person
        if two % 3:
            self.assign_one(len([each for each in self.wanted.people.values() if each.life is Lifecycle.PRESENT]) - 1)

    def _fresh_name(self, number: int) -> str:
        self._names += 1
        return f"{NAMES[number % len(NAMES)]}{self._names}@lantaarn.example"

    def _used_name(self, number: int) -> str:
        """A name that somebody had who is purged or has got another: people are hired again, names are reused."""
        held = {person.name for person in self.wanted.people.values() if person.life is not Lifecycle.HARD_DELETED}
        free = sorted(self.wanted.names - held)
        return free[number % len(free)] if free else self._fresh_name(number)

    def _put(self, kind: ObjectKind, object_id: str, attributes: dict[str, Any], **named: Any) -> bool:
        write = ObjectWrite(
            kind=kind, object_id=object_id, attributes=attributes, is_new=named.pop("is_new", False), **named
        )
        answer = self.store.directory.write([write], self.clock.now())[0]
        if not isinstance(answer, WriteRefused) and "userPrincipalName" in attributes:
            self.wanted.names.add(attributes["userPrincipalName"])
        return not isinstance(answer, WriteRefused)

    def change(self, one: int, attributes: dict[str, Any]) -> None:
        person = self._pick(one)
        if person is not None and self._put(ObjectKind.USER, person.id, attributes):
            person.attributes.update(attributes)

    def rename(self, one: int, two: int, three: int) -> None:
        self.change(one, {"userPrincipalName": self._fresh_name(two) if three % 4 else self._used_name(two)})

    def change_attribute(self, one: int, two: int, three: int) -> None:
        values = {
            "jobTitle": f"Job {two % 5}",
            "department": DEPARTMENTS[two % 2],
            "givenName": f"Given {two % 4}",
            "telephoneNumber": f"+31 10 {two % 4}",
        }
        name = sorted(values)[three % 4]
        self.change(one, {name: values[name]})

    def clear(self, one: int, two: int, three: int) -> None:
        self.change(one, {("jobTitle", "telephoneNumber", "department")[two % 3]: None})

    def block(self, one: int, two: int, three: int) -> None:
        self.change(one, {"accountEnabled": False})

    def unblock(self, one: int, two: int, three: int) -> None:
        self.change(one, {"accountEnabled": True})

    def assign_one(self, one: int, two: int = 0, three: int = 0) -> None:
        person = self._pick(one)
        if person is not None and not person.assigned:
            self.assign(person.id)
            person.assigned = True

    def unassign_one(self, one: int, two: int, three: int) -> None:
        person = self._pick(one)
        if person is not None:
            self.unassign(person.id)
            person.assigned = False

    def set_manager_of(self, one: int, two: int, three: int) -> None:
        person, manager = self._pick(one), self._pick(two)
        if person and manager and self._put(ObjectKind.USER, person.id, {}, manager_id=manager.id):
            person.manager = manager.id

    def clear_manager(self, one: int, two: int, three: int) -> None:
        person = self._pick(one)
        if person and self._put(ObjectKind.USER, person.id, {}, manager_id=""):
            person.manager = None

    def _live(self, target: Person | Squad | None, life: Lifecycle) -> None:
        if target is None:
            return
        kind = ObjectKind.USER if isinstance(target, Person) else ObjectKind.GROUP
        self.store.directory.set_lifecycle(kind, target.id, life, self.clock.now())
        target.life = life
        if life is Lifecycle.HARD_DELETED:
            self.wanted.purge(target.id)

    def delete_softly(self, one: int, two: int, three: int) -> None:
        self._live(self._pick(one), Lifecycle.SOFT_DELETED)

    def restore_one(self, one: int, two: int, three: int) -> None:
        self._live(self._pick(one, Lifecycle.SOFT_DELETED), Lifecycle.PRESENT)

    def purge_one(self, one: int, two: int, three: int) -> None:
        self._live(self._pick(one, Lifecycle.SOFT_DELETED, Lifecycle.PRESENT), Lifecycle.HARD_DELETED)

    def found_one(self, one: int, two: int, three: int) -> None:
        if len(self.wanted.groups) >= GROUPS_LIMIT:
            return
        squad = Squad(id=self.ids.new_id(), name=f"Squad {len(self.wanted.groups)}")
        self._put(ObjectKind.GROUP, squad.id, {"displayName": squad.name, "securityEnabled": True}, is_new=True)
        self.wanted.groups[squad.id] = squad
        number = [each for each in self.wanted.groups.values() if each.life is Lifecycle.PRESENT].index(squad)
        for person in range(one % 3):
            self.join(number, one + person, 0)
        if two % 3:
            self.assign_group(number, 0, 0)

    def join(self, one: int, two: int, three: int) -> None:
        squad, person = self._pick_group(one), self._pick(two)
        if squad and person:
            self.store.directory.change_members(squad.id, add=[person.id], remove=[])
            squad.members.add(person.id)

    def leave(self, one: int, two: int, three: int) -> None:
        squad = self._pick_group(one)
        if squad and squad.members:
            person = sorted(squad.members)[two % len(squad.members)]
            self.store.directory.change_members(squad.id, add=[], remove=[person])
            squad.members.discard(person)

    def rename_group(self, one: int, two: int, three: int) -> None:
        squad = self._pick_group(one)
        if squad:
            name = f"{squad.name.partition(':')[0]}: {two % 4}"
            self._put(ObjectKind.GROUP, squad.id, {"displayName": name})
            squad.name = name

    def assign_group(self, one: int, two: int, three: int) -> None:
        squad = self._pick_group(one)
        if squad and not squad.assigned:
            self.assign(squad.id, ObjectKind.GROUP)
            squad.assigned = True

    def unassign_group(self, one: int, two: int, three: int) -> None:
        squad = self._pick_group(one)
        if squad:
            self.unassign(squad.id)
            squad.assigned = False

    def delete_group(self, one: int, two: int, three: int) -> None:
        self._live(self._pick_group(one), Lifecycle.SOFT_DELETED)

    def restore_group(self, one: int, two: int, three: int) -> None:
        self._live(self._pick_group(one, Lifecycle.SOFT_DELETED), Lifecycle.PRESENT)

    def purge_group(self, one: int, two: int, three: int) -> None:
        self._live(self._pick_group(one, Lifecycle.SOFT_DELETED), Lifecycle.HARD_DELETED)

    # ------------------------------------------------------------ rules

    def save_rules(self) -> None:
        """Saves the rules as they are wanted: the next cycle is an initial one."""
        document = self.page.schema_document()
        for mapping in document["synchronizationRules"][0]["objectMappings"]:
            mapping["flowTypes"] = ", ".join(action for action in ACTIONS if action in self.wanted.actions)
            if mapping["sourceObjectName"] != "User":
                continue
            if self.wanted.only_department is not None:
                operand = {"values": [self.wanted.only_department]}
                clause = {"sourceOperandName": "department", "operatorName": "EQUALS", "targetOperand": operand}
                mapping["scope"] = {"groups": [{"name": "Department", "clauses": [clause]}]}
            for item in mapping["attributeMappings"]:
                if item["targetAttributeName"] == "title":
                    item["flowType"] = "Always" if self.wanted.title_flows else "ObjectAddOnly"
                    if self.wanted.title_prefix:
                        expression = f'Append("{self.wanted.title_prefix}", [jobTitle])'
                        item["source"] = {"expression": expression, "name": "Append", "type": "Function"}
        self.store.jobs.save_schema(JOB, document, "test", self.clock.now())

    def change_filter(self, one: int, two: int, three: int) -> None:
        self.wanted.only_department = (None, None, *DEPARTMENTS)[one % 4]
        self.save_rules()

    def change_mapping(self, one: int, two: int, three: int) -> None:
        self.wanted.title_prefix = ("", "Dr. ", "Ms. ")[one % 3]
        self.save_rules()

    def change_flow(self, one: int, two: int, three: int) -> None:
        self.wanted.title_flows = bool(one % 2)
        self.save_rules()

    def change_actions(self, one: int, two: int, three: int) -> None:
        off = {ACTIONS[two % 3]} if one % 2 else set()
        self.wanted.actions = frozenset(ACTIONS) - off
        self.save_rules()

    def switch_scope(self, one: int, two: int, three: int) -> None:
        self.wanted.sync_all = not self.wanted.sync_all
        self.store.jobs.set_watermark(JOB, None)

    def switch_firewall(self, one: int, two: int, three: int) -> None:
        self.threshold = RemovalThreshold(enabled=False) if one % 2 else RemovalThreshold(count=1, minimum=1)
