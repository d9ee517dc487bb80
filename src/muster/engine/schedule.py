"""Which job is due: by interval, by a change in its source, by an end of waiting."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.engine.parts import EngineStores
from muster.engine.resting import rests
from muster.engine.stopping import is_asked_for
from muster.model.durations import has_passed
from muster.model.hold import HoldState
from muster.model.job import WAKE_UP_SETTING, Cycle, CycleKind, QuarantineReason, ScheduleState, SynchronizationJob
from muster.planning.health import QUARANTINE_LADDER, UNREAD_RETRY
from muster.planning.terms import reconcile_every, retry_terms
from muster.ports.world import Clock

DEBOUNCE = timedelta(seconds=1)
# Job setting: with "false" a change waits for the interval instead of waking the job.

_LOOKED_BACK = 200


def _carries_the_directory(_: SynchronizationJob) -> None:
    return None


@dataclass(slots=True)
class _Seen:
    """The end of the feed when it last moved, and since when it stands there."""

    latest: int
    since: datetime


class Schedule:
    """Tells what to run now. A check that finds nothing new reads three numbers and starts nothing."""

    def __init__(
        self,
        stores: EngineStores,
        clock: Clock,
        latest: Callable[[], int],
        read_every: Callable[[SynchronizationJob], timedelta | None] = _carries_the_directory,
    ) -> None:
        """Takes what it looks at.

        Args:
            latest: the end of the directory's feed.
            read_every: how often a job's source outside is asked for news; None: its source is the directory.
        """
        self._stores = stores
        self._clock = clock
        self._latest = latest
        self._read_every = read_every
        # When a source outside was last asked, as far as this process knows.
        self._read: dict[str, datetime] = {}
        self._seen: _Seen | None = None
        # When a job's references were last asked for.
        self._asked: dict[str, datetime] = {}
        # When a job was last reconciled, as far as this process knows.
        self._reconciled: dict[str, datetime] = {}

    def due(self) -> list[tuple[SynchronizationJob, Cycle | None]]:
        """Returns jobs that are due, each with the unfinished cycle to go on with, if there is one."""
        now, latest = self._clock.now(), self._latest()
        if self._seen is None:
            self._seen = _Seen(latest=latest, since=now - DEBOUNCE)
        elif self._seen.latest != latest:
            self._seen = _Seen(latest=latest, since=now)
        quiet = has_passed(DEBOUNCE, self._seen.since, now)
        found: list[tuple[SynchronizationJob, Cycle | None]] = []
        for job in self._stores.jobs.list():
            is_active = job.schedule_state is ScheduleState.ACTIVE
            running = self._stores.cycles.running(job.id)
            if running is not None and (is_active or is_asked_for(running)):
                if not rests(running, now):
                    found.append((job, running))
            elif is_active and running is None and self._is_due(job, now, latest, quiet):
                found.append((job, None))
        return found

    def _is_due(self, job: SynchronizationJob, now: datetime, latest: int, quiet: bool) -> bool:
        every = self._read_every(job)
        unread = job.quarantine is not None and job.quarantine.reason is QuarantineReason.QUARANTINE_EXCEPTION
        if every is not None and (job.quarantine is None or unread):
            # A source is only asked for news: one that is there again is not left waiting for long.
            return self._is_to_be_read(job, now, max(every, UNREAD_RETRY) if unread else every)
        longest = retry_terms(job.settings).longest
        if job.quarantine is not None:
            # Never further ahead than the last rung: then it was another time of the clock's.
            if now < job.quarantine.next_attempt_at <= now + QUARANTINE_LADDER[-1]:
                # What an administrator let go does not wait for the rest.
                is_let_go = job.quarantine.reason is QuarantineReason.TOO_MANY_DELETES and self._has_approved(job)
                return is_let_go and bool(self._stores.links.due_escrows(job.id, now, 1, None, longest))
            if job.quarantine.reason is QuarantineReason.QUARANTINE_EXCEPTION:
                # Nothing new may have come: whether the application can be worked with again is asked all the same.
                return True
        if job.watermark is None:
            return True
        if self._stores.links.due_escrows(job.id, now, 1, None, longest) or self.is_reconciliation_due(job):
            return True
        rested = job.last_cycle_began_at is None or has_passed(job.interval, job.last_cycle_began_at, now)
        if latest <= job.watermark or not quiet:
            # A manager or member that the target refused is tried again once an interval, not only after a change.
            return rested and self._has_references_to_set(job, now)
        wakes = job.settings.get(WAKE_UP_SETTING, "true").lower() != "false"
        return wakes or rested

    def _has_approved(self, job: SynchronizationJob) -> bool:
        return HoldState.APPROVED in self._stores.holds.count(job.id)

    def _is_to_be_read(self, job: SynchronizationJob, now: datetime, every: timedelta) -> bool:
        """Whether a source outside is to be asked: nobody but itself knows whether there is anything new."""
        if not has_passed(every, self._read.get(job.id, now - every), now):
            return False
        self._read[job.id] = now
        return True

    def is_reconciliation_due(self, job: SynchronizationJob) -> bool:
        """Whether the next cycle of a job is to be a reconciliation, by its own schedule."""
        every = reconcile_every(job.settings)
        if every is None or job.watermark is None:
            # The first full pass has yet to come: it compares everything as well.
            return False
        now = self._clock.now()
        last = self._reconciled.get(job.id)
        if last is None or has_passed(every, last, now):
            # Asked again before it counts as due: somebody may have wanted one since, in another process perhaps.
            full = (CycleKind.RECONCILIATION, CycleKind.INITIAL)
            began = (each.began_at for each in self._stores.cycles.history(job.id, _LOOKED_BACK) if each.kind in full)
            last = self._reconciled[job.id] = next(began, job.created_at)
        return has_passed(every, last, now)

    def _has_references_to_set(self, job: SynchronizationJob, now: datetime) -> bool:
        """Asks once an interval, not at each round."""
        if not has_passed(job.interval, self._asked.get(job.id, now - job.interval), now):
            return False
        self._asked[job.id] = now
        return bool(self._stores.links.open_references(job.id, 1, None)[0])
