"""One process of the service that can be killed or hang between any two of its acts, and the next that takes over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from faults.strikes import Storm, operation_of
from muster.engine.control import Control
from muster.engine.cycle import CycleEngine
from muster.engine.parts import EngineStores, JobParts
from muster.engine.planner import Planner
from muster.model.copies import replace
from muster.model.exchange import HttpRequest, HttpResponse
from muster.model.failures import SystemUnreachable

# Acts that change the store: the process can be killed before and after each.
_COMMITS = frozenset(
    {
        "begin",
        "take_over",
        "stage",
        "mark",
        "settle",
        "close",
        "set_watermark",
        "set_quarantine",
        "add",
        "mark_applied",
        "decide",
        "keep",
        "drop_others",
    }
)


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing of it runs afterwards."""


@dataclass(slots=True)
class Reaper:
    """Kills at the n-th boundary from now, or has the process hang there."""

    countdown: int | None = None
    hangs: bool = False
    struck: Counter[str] = field(default_factory=Counter)

    def pass_by(self, boundary: str) -> bool:
        """Returns whether the process hangs here. Raises Killed when its time has come."""
        if self.countdown is None:
            return False
        if self.countdown > 0:
            self.countdown -= 1
            return False
        self.countdown = None
        self.struck[f"hung {boundary}" if self.hangs else boundary] += 1
        if not self.hangs:
            raise Killed
        return True


@dataclass(slots=True)
class SourceTrouble:
    """What goes wrong at the source: a read that breaks off, or that cannot be proven whole."""

    breaks_off: bool = False
    is_incomplete: bool = False


class Process:
    """Engine, planner and control over stores and a transport that end with the process."""

    def __init__(self, trip: Any, storm: Storm, reaper: Reaper, trouble: SourceTrouble) -> None:
        self.is_dead = False
        # Whether it was away for so long that others may have taken it for dead, as its own clock tells it.
        self.was_away = False
        self.sent: list[HttpRequest] = []
        self._trip, self._storm, self._reaper, self._trouble = trip, storm, reaper, trouble
        stores = trip.stores
        kept = EngineStores(
            jobs=self._guarded(stores.jobs, "job"),
            cycles=self._guarded(stores.cycles, "cycle"),
            links=self._guarded(stores.links, "link"),
            census=self._guarded(stores.census, "census"),
            plans=self._guarded(stores.plans, "plan"),
            holds=self._guarded(stores.holds, "hold"),
            discovery=self._guarded(stores.discovery, "discovery"),
            log=stores.log,
            notifier=stores.notifier,
        )
        self.engine = CycleEngine(kept, self._open_job, trip.clock, trip.ids, is_overtaken=lambda: self.was_away)
        self.planner = Planner(kept, self._open_job, trip.clock, trip.ids, alone=self.engine.lock)
        self.control = Control(self.engine, kept, self._open_job, trip.clock, trip.ids)

    def send(self, request: HttpRequest, *, deadline: Any) -> HttpResponse:
        """A transport whose every request can be the process's last act."""
        operation = operation_of(request)
        self._pass_by(f"before {operation}")
        self.sent.append(request)
        answer = self._storm.send(request, lambda: self._trip.transport.send(request, deadline=deadline))
        self._pass_by(f"after {operation}")
        return answer

    def _pass_by(self, boundary: str) -> None:
        if self.is_dead:
            raise Killed
        try:
            hangs = self._reaper.pass_by(boundary)
        except Killed:
            self.is_dead = True
            raise
        if hangs:
            self.was_away = True
            self._trip.take_over()

    def _open_job(self, job_id: str, _options: Mapping[str, str]) -> JobParts:
        parts = self._trip.open_parts(job_id, self)
        return replace(parts, source=TroubledSource(parts.source, self._trouble))

    def _guarded(self, store: Any, name: str) -> Any:
        return Guarded(store, name, self._pass_by)


class Guarded:
    """A store whose every commit can be the last act of its process, before or after it."""

    def __init__(self, store: Any, name: str, pass_by: Callable[[str], None]) -> None:
        self._store, self._name, self._pass_by = store, name, pass_by

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._store, method)
        if method not in _COMMITS:
            return inner

        def guarded(*arguments: Any, **named: Any) -> Any:
            self._pass_by(f"before {self._name} {method}")
            answer = inner(*arguments, **named)
            self._pass_by(f"after {self._name} {method}")
            return answer

        return guarded


class Versioned:
    """A transport to an application that takes changes only with the version that they change (RFC 6585 §3)."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, request: HttpRequest, *, deadline: Any) -> HttpResponse:
        if request.method in ("PUT", "PATCH", "DELETE") and "If-Match" not in request.headers:
            return HttpResponse(status=428, headers={}, body=b"", elapsed=timedelta())
        answer: HttpResponse = self._inner.send(request, deadline=deadline)
        return answer


class TroubledSource:
    """A source that breaks off, or cannot prove that it was read whole."""

    def __init__(self, source: Any, trouble: SourceTrouble) -> None:
        self._source, self._trouble = source, trouble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def is_complete(self) -> bool:
        return not self._trouble.is_incomplete and self._source.is_complete()

    def read(self, *arguments: Any) -> Any:
        if self._trouble.breaks_off:
            raise SystemUnreachable("The source system broke off.")
        return self._source.read(*arguments)
