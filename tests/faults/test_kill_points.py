"""Kill -9 at every boundary of a cycle, before and after each commit and each request: everyone exactly once.

So it is where a process hangs there, is taken for dead, and goes on once another has done its work.
`make test` kills at every seventeenth boundary, `make faults` at each of them, shared out among the cores.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import pytest

from faults.machine import Machine, Step, small_pages
from muster.engine.parts import RECONCILE
from muster.model.log import LogStatus, ProvisioningAction
from muster.ports.cycles import LogQuery
from trip.playing import JOB

EVERY = os.environ.get("MUSTER_KILL_POINTS") == "all"
CORES = os.cpu_count() or 1
AT_LEAST = 200
AN_END = 1_000
HUNG = ", hung"

BEFORE: list[Step] = [
    *(("hire", number, number, 1) for number in range(4, 9)),
    *(("assign", number, 0, 0) for number in range(9)),
    *(("set manager", number, number + 1, 0) for number in range(4)),
    *(("join", number, number % 2, 0) for number in range(6)),
    ("assign group", 0, 0, 0),
    ("assign group", 1, 0, 0),
]
EDITS: list[Step] = [
    ("rename", 0, 1, 0),
    ("change", 1, 2, 3),
    ("change", 2, 5, 7),
    ("block", 3, 0, 0),
    ("unassign", 4, 0, 0),
    ("soft-delete", 5, 0, 0),
    ("purge", 0, 0, 0),
    ("leave", 0, 0, 0),
    ("join", 7, 1, 0),
    ("rename group", 0, 3, 0),
    ("set manager", 1, 6, 0),
    ("hire", 11, 5, 1),
    ("assign", 8, 0, 0),
]


def initial(machine: Machine, kill: Callable[[], None]) -> None:
    for step in BEFORE:
        machine.do(step)
    kill()
    machine.run_cycle()


def incremental(machine: Machine, kill: Callable[[], None]) -> None:
    initial(machine, lambda: None)
    for step in EDITS:
        machine.do(step)
    kill()
    machine.run_cycle()


def reconciliation(machine: Machine, kill: Callable[[], None]) -> None:
    initial(machine, lambda: None)
    for step in EDITS:
        machine.do(step)
    for person in list(machine.wanted.people.values())[:2]:
        link = machine.link(person.id)
        if link is not None and link.target_id in machine.service.repository._documents["User"]:
            machine.service.repository._documents["User"][link.target_id]["title"] = "Changed there"
    kill()
    machine.run_cycle(options=RECONCILE)


def plan(machine: Machine, kill: Callable[[], None]) -> None:
    initial(machine, lambda: None)
    for step in EDITS:
        machine.do(step)
    kill()
    machine.do(("plan and apply", 1, 0, 0))


CYCLES = {"initial": initial, "incremental": incremental, "reconciliation": reconciliation, "plan and apply": plan}
# The same with several operations in one request.
CYCLES |= {"initial in bulk": initial, "incremental in bulk": incremental}
# The same where the process hangs rather than dies.
CYCLES |= {f"{name}{HUNG}": play for name, play in CYCLES.items()}


def kill_at(name: str, boundary: int) -> Counter[str]:
    """Plays up to the n-th boundary, kills there, lets the next process go on, and checks the end."""
    machine = Machine("bulk" if "in bulk" in name else "scim")

    def kill() -> None:
        machine.reaper.countdown, machine.reaper.hangs = boundary, name.endswith(HUNG)

    CYCLES[name](machine, kill)
    struck = machine.reaper.struck.copy()
    machine.reaper.countdown = None
    machine.settle()
    entries = machine.store.log.search(LogQuery(job_id=JOB, limit=1000))[0]
    made = Counter(
        entry.target_id
        for entry in entries
        if entry.action is ProvisioningAction.CREATE and entry.status is LogStatus.SUCCESS
    )
    twice = [target_id for target_id, count in made.items() if count > 1]
    assert not twice, f"made twice, by the log: {twice}"
    return struck


def kill_at_some(name: str, boundaries: range) -> Counter[str]:
    """Kills a cycle at these boundaries up to its end, and returns where that was."""
    struck: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        small_pages(patch)
        for boundary in boundaries:
            here = kill_at(name, boundary)
            if not here:
                break
            struck += here
    return struck


@pytest.mark.parametrize("name", CYCLES)
def test_whatever_the_last_act_was_everyone_is_there_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if EVERY:
        shares = [range(first, AN_END, CORES) for first in range(CORES)]
        with ProcessPoolExecutor(CORES) as pool:
            struck = sum(pool.map(kill_at_some, repeat(name), shares), Counter[str]())
    else:
        struck = kill_at_some(name, range(0, AN_END, 17))
    kinds = len(struck)
    assert kinds >= (6 if EVERY else 3), struck
    with capsys.disabled():
        shown = ", ".join(f"{where} {count}" for where, count in sorted(struck.items())) if EVERY else ""
        print(f"\n{name}: killed {struck.total()} times at boundaries of {kinds} kinds {shown}")
    KILLS.update(struck)


KILLS: Counter[str] = Counter()


@pytest.mark.skipif(not EVERY, reason="counted when every boundary is tried: make faults")
def test_there_were_two_hundred_kill_points() -> None:
    assert KILLS.total() >= AT_LEAST, KILLS
