"""Notices: what happened to a job that somebody should hear of, to whom it is told, and what came of the telling."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from muster.model.failures import FailureRecord
from muster.model.language import Language


class NoticeKind(StrEnum):
    """What happened; a webhook's body names it so."""

    QUARANTINED = "quarantined"
    QUARANTINE_CHANGED = "quarantineReasonChanged"
    QUARANTINE_LIFTED = "quarantineLifted"
    DELETIONS_HELD = "deletionsHeld"
    APPROVAL_AWAITED = "approvalAwaited"
    JOB_DISABLED = "jobDisabled"
    NO_PROGRESS = "noProgress"
    FAILURES_DIGEST = "failuresDigest"
    CREDENTIAL_EXPIRES = "credentialExpires"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A frequent failure: its code, an example of it in words, what to do, and how many objects it concerns."""

    code: str
    sentence: str
    remedy: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event to tell. Two with the same `id` are the same event, told once.

    `count` is in the unit of its kind: removals held, objects that failed, minutes without progress. A notice without a
    job concerns the installation.
    """

    id: str
    kind: NoticeKind
    at: datetime
    service_principal_id: str | None = None
    job_id: str | None = None
    cycle_id: str | None = None
    # Graph's quarantine reason.
    reason: str | None = None
    failure: FailureRecord | None = None
    causes: tuple[Cause, ...] = ()
    count: int = 0
    since: datetime | None = None
    next_attempt_at: datetime | None = None
    # What it concerns if that is no job: the name of a token or secret.
    concerns: str | None = None


class Channel(StrEnum):
    """A way to tell."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "givenUp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice to one recipient: a mail address, or the address of a webhook."""

    id: str
    notice: Notice
    channel: Channel
    recipient: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    sent_at: datetime | None = None
    # Why the last attempt failed.
    trouble: str | None = None


class MailSecurity(StrEnum):
    """How the way to the mail server is kept from others."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The mail server that takes our mail, and as whom we write. Without a user it takes mail unasked."""

    host: str
    port: int
    security: MailSecurity
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told everything, and the secret that signs what it is told (`whsec_` and base64)."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """How an installation tells. `recipients` hear of every job, besides those whom a job's own settings name; mails
    are written in one language for all (None: English), as an organisation's are in Entra."""

    mail: MailServer | None = None
    webhook: Webhook | None = None
    recipients: tuple[str, ...] = ()
    language: Language | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAudience:
    """Whom a job's notification settings name (Graph's SyncNotificationSettings), and whether they want a digest."""

    recipients: tuple[str, ...] = ()
    digest: bool = False
    # Who hears that the application's signing certificate ends.
    expiry: tuple[str, ...] = ()
