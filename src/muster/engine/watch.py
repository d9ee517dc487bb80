"""The watch over jobs: cycles that stand still, quarantines that last too long, a day's failures."""

from collections.abc import Callable
from datetime import datetime, timedelta

from muster.engine.parts import EngineStores
from muster.engine.quarantining import disable_if_overdue
from muster.model.job import ScheduleState
from muster.model.notice import Cause
from muster.planning.health import standstill
from muster.planning.notices import DIGEST_EVERY, digest_of_failures, notice_of_standstill
from muster.ports.cycles import LogStore
from muster.ports.notifier import Notifier
from muster.ports.world import Clock, Ids

WATCH_EVERY = timedelta(seconds=10)
DIGEST_LOOK_EVERY = timedelta(minutes=10)
# Written in the morning, of the day before (UTC).
_DIGEST_HOUR = 6
_DIGEST_CAUSES = 10


class Watch:
    """Looks after all jobs."""

    def __init__(
        self,
        stores: EngineStores,
        log: LogStore,
        notifier: Notifier,
        wants_digest: Callable[[str], bool],
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Args:
        wants_digest: service principal id -> whether its notification settings ask for a digest.
        """
        self._stores = stores
        self._log = log
        self._notifier = notifier
        self._wants_digest = wants_digest
        self._clock = clock
        self._ids = ids
        self._last_digest_until: datetime | None = None

    def look(self) -> bool:
        """Disables jobs whose quarantine has lasted too long and tells of cycles that stand still."""
        now = self._clock.now()
        for job in self._stores.jobs.list():
            if disable_if_overdue(self._stores, job, now, self._ids.new_id()):
                continue
            running = self._stores.cycles.running(job.id)
            since = None if running is None else standstill(job, running, now)
            if running is not None and since is not None:
                # One standstill is one notice, however often it is seen.
                self._notifier.notify(notice_of_standstill(job, running, since, now))
        return False

    def digest(self) -> bool:
        """Tells, once a day, those who ask for it which failures the day had."""
        now = self._clock.now()
        until = now.replace(hour=_DIGEST_HOUR, minute=0, second=0, microsecond=0)
        if now < until:
            until -= DIGEST_EVERY
        if until == self._last_digest_until:
            return False
        for job in self._stores.jobs.list():
            if job.schedule_state is ScheduleState.ACTIVE and self._wants_digest(job.service_principal_id):
                notice = digest_of_failures(job, self._causes(job.id, until), until - DIGEST_EVERY, until)
                if notice is not None:
                    self._notifier.notify(notice)
        self._last_digest_until = until
        return False

    def _causes(self, job_id: str, until: datetime) -> tuple[Cause, ...]:
        return tuple(self._log.causes(job_id, until - DIGEST_EVERY, until, _DIGEST_CAUSES))
