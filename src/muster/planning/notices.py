"""What is told of a job, to whom, and when a telling that failed is tried again."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from muster.model.clients import Expiring
from muster.model.job import Cycle, Quarantine, QuarantineReason, SynchronizationJob
from muster.model.notice import Cause, JobAudience, Notice, NoticeKind

CAUSES_SHOWN = 3
# Waits after the first, second, … failed attempt; after the last it is given up: three days in all.
DELIVERY_LADDER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24),
)
DIGEST_EVERY = timedelta(hours=24)
# How long before a token or secret ends it is told of, the shortest first.
EXPIRY_STEPS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))


def notice_of_quarantine(
    job: SynchronizationJob,
    after: Quarantine | None,
    *,
    at: datetime,
    cycle_id: str | None = None,
    causes: Sequence[Cause] = (),
    held: int = 0,
) -> Notice | None:
    """Returns what is told when a job's quarantine becomes `after`: on entering, on another reason, on its end.

    One that lasts for the same reason was told before: None.

    Source: entra-docs, application-provisioning-quarantine-status: one mail on entering, one when the reason changes.
    """
    before = job.quarantine
    if after is None:
        if before is None:
            return None
        return _notice(job, NoticeKind.QUARANTINE_LIFTED, before, at, cycle_id, ())
    if before is not None and before.reason is after.reason:
        return None
    if after.reason is QuarantineReason.TOO_MANY_DELETES:
        return _notice(job, NoticeKind.DELETIONS_HELD, after, at, cycle_id, causes, held)
    kind = NoticeKind.QUARANTINED if before is None else NoticeKind.QUARANTINE_CHANGED
    return _notice(job, kind, after, at, cycle_id, causes, sum(cause.count for cause in causes))


def notice_of_approval(
    job: SynchronizationJob, count: int, causes: Sequence[Cause], at: datetime, cycle_id: str
) -> Notice:
    """Returns what is told when a cycle of a job that asks for approval waits for it; once a cycle."""
    return Notice(
        id=f"{cycle_id}:{NoticeKind.APPROVAL_AWAITED}",
        kind=NoticeKind.APPROVAL_AWAITED,
        at=at,
        service_principal_id=job.service_principal_id,
        job_id=job.id,
        cycle_id=cycle_id,
        causes=tuple(causes[:CAUSES_SHOWN]),
        count=count,
    )


def notice_of_disabling(job: SynchronizationJob, quarantine: Quarantine, at: datetime) -> Notice:
    """Returns what is told when a job is disabled because its quarantine has lasted too long."""
    return _notice(job, NoticeKind.JOB_DISABLED, quarantine, at, None, ())


def notice_of_standstill(job: SynchronizationJob, cycle: Cycle, stands_since: datetime, at: datetime) -> Notice:
    """Returns what is told of a cycle that makes no progress; once for each standstill."""
    return Notice(
        id=f"{cycle.id}:{NoticeKind.NO_PROGRESS}:{stands_since.isoformat()}",
        kind=NoticeKind.NO_PROGRESS,
        at=at,
        service_principal_id=job.service_principal_id,
        job_id=job.id,
        cycle_id=cycle.id,
        count=int((at - stands_since).total_seconds() // 60),
        since=stands_since,
    )


def digest_of_failures(
    job: SynchronizationJob, causes: Sequence[Cause], since: datetime, until: datetime
) -> Notice | None:
    """Returns a day's digest of failures; None for a day without any."""
    if not causes:
        return None
    return Notice(
        id=f"{job.id}:{NoticeKind.FAILURES_DIGEST}:{until:%Y-%m-%d}",
        kind=NoticeKind.FAILURES_DIGEST,
        at=until,
        service_principal_id=job.service_principal_id,
        job_id=job.id,
        causes=tuple(causes),
        count=sum(cause.count for cause in causes),
        since=since,
    )


def notice_of_expiry(credential: Expiring, at: datetime) -> Notice | None:
    """Returns what is told of a token or secret that will soon end: once a month, a week and a day before it does."""
    left = credential.expires_at - at
    step = next((step for step in EXPIRY_STEPS if left <= step), None)
    if step is None or left <= timedelta(0):
        return None
    return Notice(
        id=f"{credential.id}:{NoticeKind.CREDENTIAL_EXPIRES}:{credential.expires_at.isoformat()}:{step.days}",
        kind=NoticeKind.CREDENTIAL_EXPIRES,
        at=at,
        service_principal_id=credential.service_principal_id,
        count=max(1, left.days),
        next_attempt_at=credential.expires_at,
        concerns=credential.name,
    )


def next_delivery(attempts: int, at: datetime) -> datetime | None:
    """Returns when a delivery that has failed so many times is tried again; None: it is given up."""
    return at + DELIVERY_LADDER[attempts - 1] if attempts <= len(DELIVERY_LADDER) else None


def read_notification_settings(text: str | None) -> Mapping[str, Any]:
    """Returns Graph's SyncNotificationSettings, a JSON object in a text; nothing for one that cannot be read."""
    try:
        settings = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def audience_of(settings: Mapping[str, Any]) -> JobAudience:
    """Returns whom a job's notification settings name: nobody unless they are enabled."""
    if settings.get("Enabled") is not True:
        return JobAudience()
    return JobAudience(
        recipients=addresses_in(str(settings.get("Recipients") or "")), digest=settings.get("Digest") is True
    )


def addresses_in(text: str) -> tuple[str, ...]:
    """Returns the mail addresses of a list with commas or semicolons, each once."""
    parts = (part.strip() for part in text.replace(";", ",").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def is_mail_address(text: str) -> bool:
    """Whether a text can stand in a mail's envelope and header as one address. Ours is stricter than RFC 5321."""
    name, at, domain = text.rpartition("@")
    return (
        bool(name and at and domain)
        and len(text) <= 254
        and "@" not in name
        and text.isascii()
        and not any(mark.isspace() or not mark.isprintable() or mark in '<>(),:;"[]\\' for mark in text)
        and not domain.startswith(("-", "."))
        and ".." not in text
    )


def _notice(
    job: SynchronizationJob,
    kind: NoticeKind,
    quarantine: Quarantine,
    at: datetime,
    cycle_id: str | None,
    causes: Sequence[Cause],
    count: int = 0,
) -> Notice:
    return Notice(
        # The series tells one quarantine from the next for the same reason; its count, one reason from its return.
        id=f"{job.id}:{kind}:{quarantine.reason}:{quarantine.series_began_at.isoformat()}:{quarantine.series_count}",
        kind=kind,
        at=at,
        service_principal_id=job.service_principal_id,
        job_id=job.id,
        cycle_id=cycle_id,
        reason=quarantine.reason.value,
        failure=quarantine.failure,
        causes=tuple(causes[:CAUSES_SHOWN]),
        count=count,
        since=quarantine.series_began_at,
        next_attempt_at=quarantine.next_attempt_at,
    )
