"""Schedules of edits, faults and kills over the real engine and store: `make faults` plays 10,000, `make test` some."""

from __future__ import annotations

import gc
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import pytest

from faults.machine import Tally, small_pages
from faults.schedules import WEIGHTS, Failed, cut_down, play_by_chance
from faults.strikes import APPLICABLE

SCHEDULES = int(os.environ.get("MUSTER_SCHEDULES", "24"))
FIRST = int(os.environ.get("MUSTER_FIRST_SCHEDULE", "0"))
# From so many on, every fault has met every kind of request: of 2,000 a deletion met only nine of eleven faults.
ENOUGH = 10_000
CHUNK = 10
CORES = os.cpu_count() or 1


def prepare() -> None:
    """Has a process that does nothing but play spend its time on that: nobody reads its log, and what it has loaded
    is no garbage."""
    logging.disable()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def play_some(seeds: range, page: str) -> tuple[Tally, Failed | None]:
    """Plays schedules of a page; ends at the first that fails, cut down to what shows the fault."""
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch:
        small_pages(patch)
        for seed in seeds:
            try:
                play_by_chance(seed, page, tally)
            except Failed as failed:
                return tally, cut_down(failed)
    return tally, None


def test_every_schedule_comes_to_rest_as_directory_and_rules_want_it(capsys: pytest.CaptureFixture[str]) -> None:
    last = FIRST + -(-SCHEDULES // len(WEIGHTS))
    chunks = [range(start, min(start + CHUNK, last)) for start in range(FIRST, last, CHUNK)]
    total = Tally()
    with ProcessPoolExecutor(min(CORES, len(chunks)), initializer=prepare) as pool:
        for tally, failed in pool.map(play_some, *zip(*product(chunks, WEIGHTS), strict=True)):
            if failed is not None:
                pool.shutdown(cancel_futures=True)
                pytest.fail(str(failed))
            total.add(tally)
    with capsys.disabled():
        sys.stdout.write(f"\n{total.schedules} schedules, {total.cycles} cycles, {total.requests} requests\n")
        if total.schedules >= ENOUGH:
            sys.stdout.write(f"{table(total)}\n")
    if total.schedules >= ENOUGH:
        never = [
            f"{fault} × {on}" for fault, several in APPLICABLE.items() for on in several if not total.faults[fault, on]
        ]
        assert not never, f"never struck: {', '.join(never)}"


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_schedules_come_to_rest_on_postgresql_too(place: str) -> None:
    for page in WEIGHTS:
        _, failed = play_some(range(FIRST, FIRST + 1), page)
        assert failed is None, str(failed)


def table(tally: Tally) -> str:
    """Returns how often each fault struck each kind of request, and where processes were killed."""
    lines = [
        f"  {fault:20} " + "  ".join(f"{operation} {tally.faults[fault, operation]}" for operation in operations)
        for fault, operations in APPLICABLE.items()
    ]
    kills = ", ".join(f"{boundary} {count}" for boundary, count in sorted(tally.kills.items()))
    return "\n".join([*lines, f"  kills at {len(tally.kills)} boundaries: {tally.kills.total()} ({kills})"])
