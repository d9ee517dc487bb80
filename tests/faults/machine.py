"""A company whose directory, rules, target and engine are disturbed step by step; what must hold is checked throughout.

A schedule is a list of steps, each a name and three numbers, so that any part of a schedule is a schedule, too. Numbers
choose among what is there when the step comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import muster.engine.cycle
import muster.engine.run
import muster.engine.waves
from fakes.scim_service import TOKEN
from faults import administrators, disturbances
from faults.company import ACTIONS, Company
from faults.house import Killed, Process, Reaper, SourceTrouble, Versioned
from faults.oracle import Person, Wanted, check_links, check_log, check_target, hindered_accounts
from faults.strikes import LIES, Storm, operation_of, parts_of
from muster.engine.parts import JobParts
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.exchange import HttpRequest
from muster.model.failures import Fenced, ProvisioningFailure
from muster.model.hold import HoldState
from muster.model.job import Cycle, CycleKind, CycleState, ScheduleState
from muster.model.schema_document import read_schema
from muster.planning.entitlement import EntitlementRules
from muster.planning.health import QuarantineTerms
from muster.planning.intent import JobTerms
from muster.planning.policy import Approval, RemovalThreshold
from muster.planning.rules import compile_rules
from muster.ports.directory import JobView
from muster.scim.dialect import UpdateMethod
from muster.sources.directory import DirectorySource
from muster.targets.authorization import bearer
from muster.targets.scim import ScimTarget
from muster.targets.scim_names import mapped_attributes
from trip.playing import ADDRESS, APP, JOB

Step = tuple[str, int, int, int]

ACCOUNTS_LIMIT = 3


def small_pages(patch: pytest.MonkeyPatch) -> None:
    """Makes pages and batches so small that a company of nine has several of each, until the patch is undone."""
    patch.setattr(muster.engine.cycle, "PAGE", 3)
    patch.setattr(muster.engine.waves, "PAGE", 3)
    patch.setattr(muster.engine.run, "BATCH", 3)
    patch.setattr(muster.engine.waves, "REFERENCES_A_BATCH", 2)


@dataclass(slots=True)
class Tally:
    """What happened in all schedules."""

    schedules: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    cycles: int = 0
    requests: int = 0

    def add(self, other: Tally) -> None:
        """Adds what happened elsewhere."""
        self.schedules += other.schedules
        self.steps += other.steps
        self.faults += other.faults
        self.kills += other.kills
        self.cycles += other.cycles
        self.requests += other.requests


class Machine(Company):
    """One company on its way through one schedule."""

    def __init__(self, page: str) -> None:
        """`page`: of the gallery; `bulk` is the page `scim` with several operations in one request, `put` the same with
        whole resources instead of changes, each with the version that it replaces."""
        self.is_bulk, self.is_put = page == "bulk", page == "put"
        page = "scim" if self.is_bulk or self.is_put else page
        super().__init__(Path(), page)
        dialect = replace(self.page.dialect, concurrency=1, page_size=3, bulk=self.is_bulk)
        if self.is_put:
            dialect = replace(dialect, update=UpdateMethod.PUT)
            self.transport: Any = Versioned(self.transport)
        self.page = replace(self.page, dialect=dialect)
        self.page_name = page
        self.wanted = Wanted(page=page)
        self.storm = Storm(service=self.service, clock=self.clock)
        self.reaper = Reaper()
        self.trouble = SourceTrouble()
        self.tally = Tally()
        self._compiled: dict[str, Any] = {}
        self._names = 0
        # What others sent while a process hung.
        self._sent_meanwhile: list[HttpRequest] = []
        self.schedule = ScheduleState.ACTIVE
        self.process = self._new_process()
        self.strangers = [self.account(f"stranger{number}@other.example") for number in range(2)]
        self._strangers = self._documents_of_strangers()
        # Accounts that wait for whoever gets their name: as they were, until they are somebody's.
        self._waiting: dict[str, Any] = {}
        self._found: set[str] = set()
        for number in range(4):
            self.do(("hire", number, number % 2, 0))
        if page == "scim":
            for number in range(2):
                self.do(("found", number, number, 0))

    @property
    def has_groups(self) -> bool:
        return self.page_name == "scim"

    @property
    def strikes(self) -> int:
        """How many faults and kills have really struck."""
        return self.storm.struck.total() + self.reaper.struck.total()

    @property
    def _endings(self) -> int:
        """How often a request may have been sent for nothing: a process that hung sends what it had at hand, too, after
        the next has looked at what it left open."""
        hung = sum(count for boundary, count in self.reaper.struck.items() if boundary.startswith("hung"))
        return self.strikes + hung

    # ------------------------------------------------------------ parts

    def _new_process(self) -> Process:
        return Process(self, self.storm, self.reaper, self.trouble)

    def open_parts(self, job_id: str, process: Process) -> JobParts:
        """As `open_job`, with the process's own transport and rules compiled once a version."""
        job = self.store.jobs.get(job_id)
        assert job is not None
        kept = self.store.jobs.schema(job_id)
        if kept.version not in self._compiled:
            schema = read_schema(kept.document)
            self._compiled[kept.version] = compile_rules(schema), mapped_attributes(schema)
        rules, attributes = self._compiled[kept.version]
        sync_all = self.wanted.sync_all
        return JobParts(
            job=job,
            rules=rules,
            terms=JobTerms(
                entitlement=EntitlementRules(sync_all=sync_all, accepts_default_access=self.page.accepts_default_access)
            ),
            threshold=self.threshold,
            approval=self.approval,
            quarantine_terms=QuarantineTerms(),
            source=DirectorySource(
                self.store.feed,
                JobView(job_id=job_id, service_principal_id=APP, sync_all=sync_all, kinds=tuple(rules.kinds)),
            ),
            target=ScimTarget(
                transport=process,
                address=ADDRESS,
                authorization=bearer(TOKEN),
                dialect=self.page.dialect,
                attributes=attributes,
                clock=self.clock,
                ids=self.ids,
            ),
        )

    # ------------------------------------------------------------ steps

    def do(self, step: Step) -> None:
        """Does one step, and checks what must hold after every step."""
        name, one, two, three = step
        self.tally.steps[name] += 1
        self.clock.advance(timedelta(seconds=1))
        STEPS[name](self, one, two, three)
        self.check()

    def check(self) -> None:
        """Checks what holds at any time: no account twice, strangers untouched, nobody shares an account."""
        assert self._documents_of_strangers() == self._strangers, "an account that is not ours was touched"
        users = self.service.repository._documents["User"].values()
        for attribute in ("userName", "externalId"):
            twice = [
                value
                for value, count in Counter(str(user.get(attribute)).lower() for user in users).items()
                if count > 1 and value != "none"
            ]
            assert not twice, f"two accounts have the {attribute} {twice}"
        linked = check_links(self)
        kept = self.service.repository._documents["User"]
        for target_id in self._found - self.storm.deleted:
            assert target_id in kept, f"{target_id} was deleted, and we have not made it"
        # Whoever has the name may be on the way to it.
        names = {person.name for person in self.wanted.people.values()}
        taken = [each for each, document in self._waiting.items() if each in linked or document["userName"] in names]
        for target_id in taken:
            del self._waiting[target_id]
        for target_id, document in self._waiting.items():
            assert target_id in self.storm.deleted or kept[target_id] == document, f"{target_id} was changed"

    def add_account(self, one: int, two: int, three: int) -> None:
        """An account that is there before the person: whoever is hired under its name, or gets it, has a use for it."""
        if len(self._found) >= ACCOUNTS_LIMIT:
            return
        name = self._fresh_name(one)
        self.wanted.names.add(name)
        target_id = self.account(name)
        self._found.add(target_id)
        self._waiting[target_id] = dict(self.service.repository._documents["User"][target_id])

    def _documents_of_strangers(self) -> list[Any]:
        kept = self.service.repository._documents["User"]
        return [dict(kept[each]) for each in self.strangers]

    def take_over(self) -> None:
        """Another process takes a hung one for dead and does what there is to do; then the hung one goes on."""
        self.clock.advance(timedelta(minutes=1))
        self._bury()
        _, sent = self.run_cycle()
        self._sent_meanwhile += sent

    def resume(self, one: int = 0, two: int = 0, three: int = 0) -> None:
        self.schedule = ScheduleState.ACTIVE
        self.store.jobs.set_schedule(JOB, self.schedule)

    def cycle(self, one: int, two: int, three: int) -> None:
        self.run_cycle()

    def work(self, call: Callable[[Process], Any]) -> Any:
        """Returns what a process gives; None when it fails or is killed."""
        self.storm.remember()
        try:
            return call(self.process)
        except ProvisioningFailure:
            return None
        except Killed:
            self._bury()
            return None

    def _bury(self) -> None:
        self.tally.requests += len(self.process.sent)
        self.process = self._new_process()

    def run_cycle(
        self, pieces: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Cycle | None, Sequence[HttpRequest]]:
        """Runs a cycle to its end, or some pieces of it; a process that is killed is followed by another."""
        self.storm.remember()
        struck = self._endings
        sent: list[HttpRequest] = []
        self._sent_meanwhile.clear()
        found: Cycle | None = None
        left = [each for each in self.store.cycles.history(JOB, 9) if each.state is CycleState.RUNNING]
        # What a dead process had asked for on demand is brought to its end, and tried once more by the cycle after it.
        left_on_demand = sum(each.kind is CycleKind.ON_DEMAND for each in left)
        while True:
            process, first = self.process, len(self.process.sent)
            try:
                found = self.store.cycles.running(JOB) or process.engine.begin(JOB, options)
                while found is not None and process.engine.advance(found.id):
                    pieces = None if pieces is None else pieces - 1
                    if pieces == 0:
                        break
                break
            except Killed:
                self._bury()
            except Fenced:
                # Whoever had hung has begun one meanwhile: as the daemon does, that is gone on with.
                assert self.store.cycles.running(JOB) is not None
            finally:
                sent += process.sent[first:]
        sent += self._sent_meanwhile
        self._sent_meanwhile.clear()
        self.storm.arrive()
        self.tally.cycles += 1
        parts = [part for each in sent for part in parts_of(each) if part.method != "GET"]
        told = [(operation_of(each), each.method, each.url, each.body, each.headers.get("If-Match")) for each in parts]
        writes = [each[1:] for each in told]
        repeated = Counter(each[0] == "member" for each in told) - Counter(each[0] == "member" for each in set(told))
        together = (
            muster.engine.run.BATCH if self.is_bulk else muster.engine.waves.REFERENCES_A_BATCH if self.is_put else 1
        )
        if found is not None and found.kind is CycleKind.ROLLBACK:
            # What takes values back is sent anew where a kill cut it off: the rules cannot say what is left of it.
            together = muster.engine.run.BATCH
        allowed = (self._endings - struck) * together + left_on_demand
        assert repeated[False] <= allowed, f"sent again without need: {writes}"
        # Setting references again is harmless: those of the batch that a kill has cut off are.
        a_batch = muster.engine.waves.REFERENCES_A_BATCH
        assert repeated[True] <= (self._endings - struck) * a_batch, f"sent again without need: {writes}"
        found = None if found is None else self.store.cycles.get(found.id)
        if self.schedule is not ScheduleState.ACTIVE:
            # What was asked for on demand is brought to its end, whatever the schedule, if its process died.
            assert found is None or not writes or left_on_demand or "plan" in found.options, "a paused job writes"
        if found is not None and found.state is not CycleState.RUNNING:
            check_log(self, found)
        return found, sent

    # ------------------------------------------------------------ the end

    def settle(self) -> None:
        """Ends all disturbances and checks that the company comes to rest as it should."""
        self.storm.armed.clear()
        self.reaper.countdown = None
        self.threshold, self.approval = RemovalThreshold(enabled=False), Approval.NONE
        self.resume()
        self._give_again()
        if self.wanted.actions == frozenset(ACTIONS) and not any(fault in LIES for fault, _ in self.storm.struck):
            self._come_to_rest()
            check_target(self)
        if self.wanted.actions != frozenset(ACTIONS):
            self.wanted.actions = frozenset(ACTIONS)
            self.save_rules()
        self.store.jobs.set_watermark(JOB, None)
        self._come_to_rest()
        check_target(self)
        for watermark in (None, -1):
            if watermark is None:
                self.store.jobs.set_watermark(JOB, None)
            _, sent = self.run_cycle()
            hindered = hindered_accounts(self)
            writes = [
                f"{each.method} {urlsplit(each.url).path} {each.body!r}"
                for request in sent
                for each in parts_of(request)
                if each.method != "GET" and urlsplit(each.url).path.rpartition("/")[2] not in hindered
            ]
            assert not writes, f"a further cycle writes: {writes}"
        left = [cycle for cycle in self.store.cycles.history(JOB, 200) if cycle.state is CycleState.RUNNING]
        assert not left, f"cycles that nobody ends: {left}"
        self.tally.schedules = 1
        self.tally.faults = self.storm.struck
        self.tally.kills = self.reaper.struck
        self.tally.requests += len(self.process.sent)

    def _give_again(self) -> None:
        """Changes what the target did not keep: it is not asked for the same value for ever."""
        for target_id, attribute in sorted(self.storm.tainted):
            user = self.service.repository._documents["User"].get(target_id, {})
            for person in self.wanted.people.values():
                if person.life is Lifecycle.PRESENT and person.external_id(self.page_name) == user.get("externalId"):
                    value = person.attributes.get(attribute)
                    if value and attribute != "department":
                        self.change_by_id(person, {attribute: f"{value} anew"})
                    elif value:
                        self.wanted.forgiven.add((person.id, attribute))

    def change_by_id(self, person: Person, attributes: dict[str, Any]) -> None:
        if self._put(ObjectKind.USER, person.id, attributes):
            person.attributes.update(attributes)

    def _come_to_rest(self) -> None:
        for turn in range(12):
            self.clock.advance(disturbances.LONG)
            # What the firewall held goes once an administrator has looked at it.
            self.approve(states=(HoldState.HELD, HoldState.REJECTED))
            cycle, _ = self.run_cycle()
            self.check()
            if cycle is None or (
                turn and cycle.state is CycleState.SUCCEEDED and not self.store.links.count_escrows(JOB)
            ):
                return
        self.wanted.unsettled = {entry.source_id: entry.failure for entry in self.log()[:20] if entry.failure}


STEPS: dict[str, Callable[[Machine, int, int, int], None]] = {
    "hire": Machine.hire_one,
    "rename": Machine.rename,
    "change": Machine.change_attribute,
    "clear": Machine.clear,
    "block": Machine.block,
    "unblock": Machine.unblock,
    "assign": Machine.assign_one,
    "unassign": Machine.unassign_one,
    "set manager": Machine.set_manager_of,
    "clear manager": Machine.clear_manager,
    "soft-delete": Machine.delete_softly,
    "restore": Machine.restore_one,
    "purge": Machine.purge_one,
    "change filter": Machine.change_filter,
    "change mapping": Machine.change_mapping,
    "change flow": Machine.change_flow,
    "change actions": Machine.change_actions,
    "switch scope": Machine.switch_scope,
    "switch firewall": Machine.switch_firewall,
    "account": Machine.add_account,
    "fault": disturbances.arm,
    "kill": disturbances.arm_kill,
    "hang": disturbances.arm_hang,
    "break source": disturbances.break_source,
    "doubt source": disturbances.doubt_source,
    "pause": disturbances.pause,
    "resume": Machine.resume,
    "wait": disturbances.wait,
    "restart": disturbances.restart_full,
    "cycle": Machine.cycle,
    "part of cycle": disturbances.part_of_cycle,
    "reconcile": disturbances.reconcile,
    "on demand": disturbances.provision,
    "plan and apply": disturbances.plan_and_apply,
    "restart scope": administrators.restart,
    "switch approval": administrators.switch_approval,
    "decide": administrators.decide,
    "roll back": administrators.roll_back,
    "found": Machine.found_one,
    "join": Machine.join,
    "leave": Machine.leave,
    "undo unanswered": disturbances.undo_unanswered,
    "rename group": Machine.rename_group,
    "assign group": Machine.assign_group,
    "unassign group": Machine.unassign_group,
    "delete group": Machine.delete_group,
    "restore group": Machine.restore_group,
    "purge group": Machine.purge_group,
}
