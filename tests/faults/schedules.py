"""Schedules: made by chance from a seed, played, and cut down to what fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from faults.machine import Machine, Step, Tally

STEPS_AT_LEAST, STRIKES_AT_LEAST = 20, 3
STEPS_AT_MOST = 200

EVERYWHERE = {
    "hire": 4, "rename": 3, "change": 6, "clear": 1, "block": 2, "unblock": 2, "assign": 3, "unassign": 3,
    "set manager": 2, "clear manager": 1, "soft-delete": 2, "restore": 2, "purge": 1,
    "change filter": 1, "change mapping": 1, "change flow": 1, "change actions": 1, "switch scope": 1,
    "switch firewall": 1, "fault": 16, "kill": 4, "hang": 3, "break source": 1, "doubt source": 1, "pause": 1,
    "resume": 2, "wait": 2, "restart": 1, "cycle": 9, "part of cycle": 3, "reconcile": 2, "on demand": 2,
    "plan and apply": 2, "account": 2, "restart scope": 2, "switch approval": 2, "decide": 3, "roll back": 2,
}  # fmt: skip
WITH_GROUPS = {
    "found": 1, "join": 4, "leave": 2, "undo unanswered": 3,
    "rename group": 1, "assign group": 1, "unassign group": 1,
    "delete group": 1, "restore group": 1, "purge group": 1,
}  # fmt: skip
# What a schedule goes on with that has not met enough faults.
STORMY = ("fault", "fault", "fault", "hire", "change", "resume", "restart", "cycle", "cycle", "on demand")
WEIGHTS = {
    "8x8": EVERYWHERE,
    "scim": EVERYWHERE | WITH_GROUPS,
    "bulk": EVERYWHERE | WITH_GROUPS,
    "put": EVERYWHERE | WITH_GROUPS,
}


def play_by_chance(seed: int, page: str, tally: Tally) -> list[Step]:
    """Plays a schedule of a seed, adds up what happened, and returns its steps. Raises Failed."""
    chance = random.Random(f"{page} {seed}")
    names, weights = list(WEIGHTS[page]), list(WEIGHTS[page].values())
    steps: list[Step] = []

    def more(machine: Machine) -> Step | None:
        if len(steps) >= STEPS_AT_MOST or (len(steps) >= STEPS_AT_LEAST and machine.strikes >= STRIKES_AT_LEAST):
            return None
        is_long = len(steps) >= STEPS_AT_LEAST
        name = chance.choice(STORMY) if is_long else chance.choices(names, weights)[0]
        steps.append((name, chance.randrange(10_000), chance.randrange(10_000), chance.randrange(10_000)))
        return steps[-1]

    machine = _play(page, more, tally, steps)
    assert machine.strikes >= STRIKES_AT_LEAST, f"seed {seed}: only {machine.strikes} faults struck"
    return steps


def play(steps: Sequence[Step], page: str, tally: Tally | None = None) -> Machine:
    """Plays given steps and checks the end. Raises Failed."""
    left = list(steps)
    return _play(page, lambda _: left.pop(0) if left else None, tally or Tally(), list(steps))


class Failed(AssertionError):
    """A schedule that ends in what must not be."""

    def __init__(self, page: str, steps: Sequence[Step], reason: str) -> None:
        super().__init__(f"{reason}\n  page = {page!r}\n  steps = {list(steps)!r}")
        self.page, self.steps, self.reason = page, list(steps), reason

    def __reduce__(self) -> tuple[type[Failed], tuple[str, list[Step], str]]:
        """How it comes back from another process whole."""
        return Failed, (self.page, self.steps, self.reason)


def _play(page: str, more: Callable[[Machine], Step | None], tally: Tally, steps: list[Step]) -> Machine:
    machine = Machine(page)
    try:
        while (step := more(machine)) is not None:
            machine.do(step)
        machine.settle()
    except Exception as error:
        raise Failed(page, steps, f"{type(error).__name__}: {error}") from error
    tally.add(machine.tally)
    return machine


def cut_down(failed: Failed) -> Failed:
    """Returns the failure with as few steps as still fail in the same way."""
    best = failed
    size = max(1, len(best.steps) // 2)
    while size:
        at = 0
        while at < len(best.steps):
            fewer = best.steps[:at] + best.steps[at + size :]
            try:
                play(fewer, best.page)
                at += size
            except Failed as again:
                if again.reason[:40] != best.reason[:40]:
                    at += size
                else:
                    best = again
        size //= 2
    return best
