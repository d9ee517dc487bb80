"""The tap of a job's wire: open as long as the job's setting says, blind to what its mappings redact."""

from collections.abc import Callable, Collection
from datetime import datetime

from muster.bootstrap.connections import Tap
from muster.model.rules import SynchronizationSchema
from muster.model.wire import WIRE_LOG_UNTIL_SETTING
from muster.ports.applications import JobStore
from muster.ports.transport import Transport
from muster.ports.wire import WireLog
from muster.ports.world import Clock
from muster.targets.wire_tap import TappedTransport

_REDACTS = "redact("


def make_tap(log: WireLog, jobs: JobStore, clock: Clock, job_id: str, schema: SynchronizationSchema) -> Tap:
    """Returns what puts the tap onto a transport."""

    def open_until() -> datetime | None:
        job = jobs.get(job_id)
        text = "" if job is None else job.settings.get(WIRE_LOG_UNTIL_SETTING, "")
        try:
            until = datetime.fromisoformat(text)
        except ValueError:
            return None
        return until if until.tzinfo is not None else None

    def tap(transport: Transport, secrets: Callable[[], Collection[str]]) -> Transport:
        return TappedTransport(
            transport,
            log=log,
            job_id=job_id,
            open_until=open_until,
            redacted=_redacted(schema),
            secrets=secrets,
            clock=clock,
        )

    return tap


def _redacted(schema: SynchronizationSchema) -> frozenset[str]:
    return frozenset(
        attribute.target_attribute
        for rule in schema.rules
        for mapping in rule.object_mappings
        for attribute in mapping.attribute_mappings
        if _REDACTS in (attribute.expression or "").lower().replace(" ", "")
    )
