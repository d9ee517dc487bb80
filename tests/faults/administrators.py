"""What administrators do to a running job: restart it, ask for approval, decide what is held, take a cycle back."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields
from typing import Any

from faults.disturbances import writes_of
from muster.administration import holds, jobs
from muster.administration.access import OPERATOR
from muster.administration.desk import Desk, Stores
from muster.model.hold import HoldFilter, HoldState
from muster.model.job import CycleState, ResetScope, ScheduleState
from muster.planning.policy import Approval
from trip.playing import APP, JOB

# Not ConnectorDataStore: whoever forgets which account is whose cannot tell a leaver's account from a stranger's.
SCOPES: tuple[frozenset[ResetScope], ...] = (
    frozenset(),
    *(
        frozenset({scope})
        for scope in (ResetScope.WATERMARK, ResetScope.ESCROWS, ResetScope.QUARANTINE_STATE, ResetScope.FORCE_DELETES)
    ),
)
APPROVALS = (Approval.NONE, Approval.REMOVALS, Approval.ALL)


def desk_of(machine: Any) -> Desk:
    """Returns the desk of an operator at whose stores a machine, or a trip, works."""
    stores: dict[str, Any] = {item.name: getattr(machine.store, item.name, None) for item in fields(Stores)}
    given: dict[str, Any] = dict.fromkeys(item.name for item in fields(Desk))
    given |= {"caller": OPERATOR, "stores": Stores(**stores), "clock": machine.clock, "ids": machine.ids}
    return Desk(**{**given, "together": nullcontext})


def restart(machine: Any, one: int, two: int, three: int) -> None:
    """Restarts the job as a call or the portal does; a cycle under way ends."""
    jobs.restart(desk_of(machine), APP, JOB, SCOPES[one % len(SCOPES)])
    machine.resume()


def switch_approval(machine: Any, one: int, two: int, three: int) -> None:
    machine.approval = APPROVALS[one % len(APPROVALS)]


def decide(machine: Any, one: int, two: int, three: int) -> None:
    """Approves some of what is held, or rejects it."""
    held = machine.holds(states=(HoldState.HELD, HoldState.REJECTED))
    say, state = (holds.reject, HoldState.REJECTED) if one % 3 == 0 else (holds.approve, HoldState.APPROVED)
    chosen = tuple(hold.id for number, hold in enumerate(held) if (number + two) % 2 and hold.state is not state)
    if chosen:
        decided = say(desk_of(machine), APP, JOB, HoldFilter(ids=chosen))
        assert decided.count == len(chosen)
        machine.tally.steps[f"decided: {state.value}"] += 1


def roll_back(machine: Any, one: int, two: int, three: int) -> None:
    """Takes a cycle back that has ended, by a plan; nothing more than the plan says is sent."""
    ended = [each for each in machine.store.cycles.history(JOB, 9) if each.state is not CycleState.RUNNING]
    if not ended or machine.schedule is not ScheduleState.ACTIVE:
        return
    chosen = ended[one % len(ended)].id
    plan = machine.work(lambda process: process.planner.make_rollback(JOB, chosen))
    if plan is None:
        return
    struck = machine.strikes
    cycle = machine.work(lambda process: process.planner.apply(plan.id))
    if cycle is None:
        return
    _, sent = machine.run_cycle()
    machine.tally.steps["rolled back"] += 1
    if machine.strikes == struck:
        writes = writes_of(machine, sent)
        assert len(writes) <= plan.requests, f"{len(writes)} requests, planned to take back were {plan.requests}"
