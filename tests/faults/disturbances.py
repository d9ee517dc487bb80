"""What disturbs a company: faults, kills, doubts about the source, and administrators who run the job themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from faults.strikes import APPLICABLE, ENTERPRISE, Armed, body_of, is_switching_off, operation_of, parts_of
from muster.engine.parts import RECONCILE
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpRequest
from muster.model.job import CycleState, ScheduleState
from trip.playing import JOB

OFFLINE = (ScheduleState.PAUSED, ScheduleState.DISABLED)
LONG = timedelta(hours=25)


def arm(machine: Any, one: int, two: int, three: int) -> None:
    never = set() if machine.is_bulk else {"bulk"}
    if machine.is_put:
        # Whatever changes is written whole.
        never |= {"disable", "member"}
    applicable = {
        fault: [each for each in several if each not in never]
        for fault, several in APPLICABLE.items()
        if machine.is_put or fault != "changed meanwhile"
    }
    faults = sorted(fault for fault, several in applicable.items() if several)
    fault = faults[one % len(faults)]
    operations = applicable[fault]
    if "bulk" in operations and two % 2:
        operations = ["bulk"]
    machine.storm.armed.append(Armed(fault, operations[two % len(operations)], three % 3))


def arm_kill(machine: Any, one: int, two: int, three: int) -> None:
    machine.reaper.countdown, machine.reaper.hangs = one % 60, False


def arm_hang(machine: Any, one: int, two: int, three: int) -> None:
    machine.reaper.countdown, machine.reaper.hangs = one % 60, True


def break_source(machine: Any, one: int, two: int, three: int) -> None:
    machine.trouble.breaks_off = True
    machine.cycle(0, 0, 0)
    machine.trouble.breaks_off = False


def doubt_source(machine: Any, one: int, two: int, three: int) -> None:
    if machine.store.cycles.running(JOB) is not None:
        return
    machine.trouble.is_incomplete = True
    before = _active(machine)
    cycle, sent = machine.run_cycle()
    machine.trouble.is_incomplete = False
    parts = [part for request in sent for part in parts_of(request)]
    removals = [request for request in parts if request.method == "DELETE" or is_switching_off(request)]
    if cycle is not None and cycle.state is not CycleState.RUNNING:
        assert not removals, f"removals after an incomplete read: {removals}"
        lost = before - _active(machine) - machine.storm.deleted
        assert not lost, f"accounts lost after an incomplete read: {lost}"


def _active(machine: Any) -> set[str]:
    """Returns the ids of accounts that are there and switched on."""
    return {
        target_id
        for target_id, user in machine.service.repository._documents["User"].items()
        if user.get("active") is not False
    }


def pause(machine: Any, one: int, two: int, three: int) -> None:
    machine.schedule = OFFLINE[one % 2]
    machine.store.jobs.set_schedule(JOB, machine.schedule)


def wait(machine: Any, one: int, two: int, three: int) -> None:
    machine.clock.advance((timedelta(minutes=40), timedelta(hours=7), LONG)[one % 3])


def restart_full(machine: Any, one: int, two: int, three: int) -> None:
    machine.store.jobs.set_watermark(JOB, None)


def reconcile(machine: Any, one: int, two: int, three: int) -> None:
    if machine.schedule is ScheduleState.ACTIVE:
        machine.run_cycle(options=RECONCILE)


def part_of_cycle(machine: Any, one: int, two: int, three: int) -> None:
    machine.run_cycle(pieces=1 + one % 8)


def undo_unanswered(machine: Any, one: int, two: int, three: int) -> None:
    """The answer to a change of members is lost, and the change is taken back before it could be sent again."""
    squad, person = machine._pick_group(one), machine._pick(two)
    if squad is None or person is None:
        return
    was_in = person.id in squad.members

    def turn(comes: bool) -> None:
        there, gone = ([person.id], []) if comes else ([], [person.id])
        machine.store.directory.change_members(squad.id, add=there, remove=gone)
        (squad.members.add if comes else squad.members.discard)(person.id)

    turn(not was_in)
    # Whatever changes is written whole there.
    operation = "update" if machine.is_put else "member"
    machine.storm.armed.append(Armed(("lost answer", "lost request")[three % 2], operation, 0))
    machine.cycle(0, 0, 0)
    turn(was_in)


def provision(machine: Any, one: int, two: int, three: int) -> None:
    kind = ObjectKind.GROUP if machine.has_groups and two % 4 == 0 else ObjectKind.USER
    chosen = machine._pick_group(one) if kind is ObjectKind.GROUP else machine._pick(one)
    if chosen is not None:
        machine.work(lambda process: process.control.provision_on_demand(JOB, kind, chosen.id))
        machine.storm.arrive()


def plan_and_apply(machine: Any, one: int, two: int, three: int) -> None:
    if machine.schedule is not ScheduleState.ACTIVE:
        return
    is_new = machine.store.links.count_links(JOB) == 0
    plan = machine.work(lambda process: process.planner.make(JOB))
    if plan is None:
        return
    if one % 4 == 0:
        machine.change_attribute(two, three, two)
    struck = machine.strikes
    cycle = machine.work(lambda process: process.planner.apply(plan.id))
    if cycle is None:
        return
    ended, sent = machine.run_cycle()
    machine.tally.steps["applied"] += 1
    if machine.strikes == struck and ended is not None and ended.id == cycle.id:
        writes = writes_of(machine, sent)
        if not is_new:
            # References of those who are there already are not counted before their other end is known to be.
            writes = [each for each in writes if operation_of(each) != "member" and not _may_refer(each)]
        budget = plan.requests - plan.counters.requests
        assert len(writes) <= budget, f"{len(writes)} requests that write, planned were {budget}"


def writes_of(machine: Any, sent: Sequence[HttpRequest]) -> list[HttpRequest]:
    """Returns the requests that write, each by itself, but for the one by which a version is found to be demanded."""
    writes = [part for each in sent for part in parts_of(each) if part.method != "GET"]
    if machine.is_put:
        # The first of a cycle, which has none, is refused.
        writes = [each for each in writes if each.method == "POST" or "If-Match" in each.headers]
    return writes


def _may_refer(request: HttpRequest) -> bool:
    """Whether somebody is written whole, and with them the references of the second wave."""
    return request.method == "PUT" and ("/Groups/" in request.url or "manager" in body_of(request).get(ENTERPRISE, {}))
