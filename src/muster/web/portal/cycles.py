"""Cycles as the pages show them: how far, how fast, when done, and what came of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.administration.jobs import JobStatus
from muster.model.job import Counters, Cycle, CycleKind, CyclePhase, CycleState, JobCode, ScheduleState
from muster.planning.progress import progress_of, rests_until
from muster.ui.language import gettext, marked
from muster.web.portal.paths import address

BAR_UNITS = 1_000
_LEAST_UNITS = 6

_KINDS = {
    CycleKind.INITIAL: marked("Initial cycle"),
    CycleKind.INCREMENTAL: marked("Incremental cycle"),
    CycleKind.RECONCILIATION: marked("Reconciliation"),
    CycleKind.PLAN: marked("Plan"),
    CycleKind.ON_DEMAND: marked("Provision on demand"),
    CycleKind.ROLLBACK: marked("Rollback"),
}
_PHASES = {
    CyclePhase.CENSUS: marked("Reading what the application has"),
    CyclePhase.USERS: marked("Users"),
    CyclePhase.GROUPS: marked("Groups"),
    CyclePhase.RETRIES: marked("Trying failed objects again"),
    CyclePhase.REMOVALS: marked("Removals"),
    CyclePhase.REFERENCES: marked("Managers and members"),
    CyclePhase.DISCOVERY: marked("Accounts that nobody manages"),
    CyclePhase.CLOSING: marked("Closing"),
    CyclePhase.DONE: marked("Done"),
}
_STATES = {
    CycleState.RUNNING: (marked("Running"), "running"),
    CycleState.SUCCEEDED: (marked("Succeeded"), "good"),
    CycleState.FAILED: (marked("Failed"), "bad"),
    CycleState.ENTRY_LEVEL_ERRORS: (marked("Completed with failures"), "warn"),
    CycleState.STOPPED: (marked("Stopped"), "idle"),
}
_CODES = {
    JobCode.NOT_CONFIGURED: (marked("Not started"), "idle"),
    JobCode.NOT_RUN: (marked("Not run yet"), "idle"),
    JobCode.ACTIVE: (marked("On"), "good"),
    JobCode.PAUSED: (marked("Paused"), "warn"),
    JobCode.QUARANTINE: (marked("Quarantine"), "bad"),
}
# Counter -> name, colour, and the entries of the log it counts (action, status); None: not logged one by one.
_OUTCOMES: tuple[tuple[str, str, str, tuple[str | None, str] | None], ...] = (
    ("created", marked("Created"), "create", ("create", "success")),
    ("updated", marked("Updated"), "update", ("update", "success")),
    ("disabled", marked("Disabled"), "disable", ("disable", "success")),
    ("deleted", marked("Deleted"), "delete", ("delete", "success")),
    ("unchanged", marked("Unchanged"), "same", None),
    ("skipped", marked("Skipped"), "skip", (None, "skipped")),
    ("held", marked("Held"), "held", (None, "held")),
    ("failed", marked("Failed"), "fail", (None, "failure")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A state in a word and a tone: good, warn, bad, running, idle."""

    word: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One outcome: its count, its stretch of the bar (of a thousand), and the log entries it counts."""

    name: str
    shade: str
    count: int
    at: int
    width: int
    to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleView:
    """A cycle with what is reckoned from its counters."""

    cycle: Cycle
    kind: str
    phase: str
    badge: Badge
    took: timedelta
    done: int
    total: int
    percent: int
    # Objects a second over the whole cycle; None before it says anything.
    rate: float | None
    left: timedelta | None
    segments: tuple[Segment, ...]
    # Its page, and its entries of the log.
    to: str
    log: str

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.cycle.state is CycleState.RUNNING


def view_cycle(cycle: Cycle, now: datetime, sp: str) -> CycleView:
    """Returns a cycle as it is shown."""
    counted = cycle.counters
    took = max(timedelta(0), (cycle.ended_at or now) - cycle.began_at)
    progress = progress_of(cycle)
    done, total, rate = progress.done, progress.total, progress.per_second
    if cycle.state in (CycleState.FAILED, CycleState.STOPPED):
        # It did not come to all that it found.
        done = min(counted.settled, total)
    is_running = cycle.state is CycleState.RUNNING
    left = timedelta(seconds=max(1, round((total - done) / rate))) if is_running and rate and done < total else None
    word, tone = _STATES[cycle.state]
    return CycleView(
        cycle=cycle,
        kind=cycle_kind(cycle),
        phase=_phase(cycle, now),
        badge=Badge(word=gettext(word), tone=tone),
        took=took,
        done=done,
        total=total,
        percent=100 * done // total if total else 0 if is_running else 100,
        rate=rate,
        left=left,
        segments=_segments(counted, cycle.id, sp),
        to=address("applications", sp, "cycles", cycle.id),
        log=address("applications", sp, "logs", cycle=cycle.id),
    )


def _phase(cycle: Cycle, now: datetime) -> str:
    until = rests_until(cycle)
    if until is not None and until > now:
        time = until.strftime("%H:%M")
        return gettext("Rests until %(time)s UTC, as the application asks", time=time)
    return gettext(_PHASES.get(cycle.phase, cycle.phase.value))


def cycle_kind(cycle: Cycle) -> str:
    """Returns what sort of cycle it is, in words."""
    return gettext(_KINDS.get(cycle.kind, cycle.kind.value))


def job_badge(status: JobStatus | None) -> Badge:
    """Returns where an application's provisioning stands, in a word."""
    if status is None:
        return Badge(word=gettext("Not set up"), tone="idle")
    if status.latest is not None and status.latest.state is CycleState.RUNNING and status.job.quarantine is None:
        return Badge(word=gettext("Running"), tone="running")
    word, tone = _CODES[status.code]
    return Badge(word=gettext(word), tone=tone)


def next_cycle_at(status: JobStatus) -> datetime | None:
    """Returns when the interval brings the next cycle; None while none is due (paused, running, never run)."""
    job = status.job
    if job.quarantine is not None:
        return job.quarantine.next_attempt_at
    if job.schedule_state is not ScheduleState.ACTIVE or job.last_cycle_ended_at is None:
        return None
    return job.last_cycle_ended_at + job.interval


def _segments(counted: Counters, cycle_id: str, sp: str) -> tuple[Segment, ...]:
    counts = [(getattr(counted, field), gettext(name), shade, logged) for field, name, shade, logged in _OUTCOMES]
    shown = [entry for entry in counts if entry[0]]
    whole = sum(entry[0] for entry in shown)
    # Few among many stay visible: everything gets a least width, the rest is shared.
    free = BAR_UNITS - _LEAST_UNITS * len(shown)
    segments: list[Segment] = []
    at = 0
    for number, (count, name, shade, logged) in enumerate(shown, start=1):
        width = BAR_UNITS - at if number == len(shown) else _LEAST_UNITS + free * count // whole
        to = None
        if logged is not None:
            to = address("applications", sp, "logs", cycle=cycle_id, action=logged[0], status=logged[1])
        segments.append(Segment(name=name, shade=shade, count=count, at=at, width=width, to=to))
        at += width
    return tuple(segments)
