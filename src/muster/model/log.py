"""Log entries and their steps, in Graph's words (provisioningObjectSummary)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from muster.model.failures import FailureRecord
from muster.model.values import Value, canonical_json


class ProvisioningAction(StrEnum):
    """What an operation was, as the log names it."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    DISABLE = "disable"
    STAGED_DELETE = "stagedDelete"
    OTHER = "other"


class LogStatus(StrEnum):
    """What came of it."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


class StepType(StrEnum):
    """The stations of the trip."""

    IMPORT = "import"
    SCOPING = "scoping"
    MATCHING = "matching"
    PROCESSING = "processing"
    REFERENCE_RESOLUTION = "referenceResolution"
    EXPORT = "export"


class SkipReason(StrEnum):
    """Why nothing was done."""

    NOT_ASSIGNED = "NotAssigned"
    NOT_EFFECTIVELY_ENTITLED = "NotEffectivelyEntitled"
    OUT_OF_SCOPE_FILTER = "OutOfScopeFilter"
    INACTIVE_AT_SOURCE = "InactiveAtSource"
    REDUNDANT_EXPORT = "RedundantExport"
    ACTION_DISABLED = "ActionDisabled"
    SKIP_OUT_OF_SCOPE_DELETION = "SkipOutOfScopeDeletion"
    NOT_MANAGED = "NotManaged"
    # Found by a reconciliation that reports and does not correct.
    DRIFT_REPORTED = "DriftReported"
    REFERENCE_UNRESOLVED = "ReferenceUnresolved"
    MATCHING_ATTRIBUTE_MISSING = "ImportSkipped"
    LEFT_OUT = "EntrySynchronizationSkipped"
    PROTECTED = "ProtectedAccount"
    GRACE_PERIOD = "GracePeriod"


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One station: what was looked at and found there."""

    name: str
    type: StepType
    status: LogStatus
    description: str
    details: Mapping[str, str] = msgspec.field(default_factory=dict)


class ModifiedProperty(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attribute's old and new value, redacted ones as `[Redact]`."""

    display_name: str
    old_value: str | None
    new_value: str | None


class InitiatorType(StrEnum):
    """What had an operation carried out."""

    USER = "user"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiator:
    """Who asked for the cycle that an operation belongs to."""

    type: InitiatorType
    id: str
    display_name: str


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the provisioning log."""

    id: str
    at: datetime
    job_id: str
    cycle_id: str
    change_id: str
    service_principal_id: str
    action: ProvisioningAction
    status: LogStatus
    object_kind: str
    source_id: str
    source_name: str
    target_id: str | None
    target_name: str | None
    steps: tuple[Step, ...]
    modified: tuple[ModifiedProperty, ...]
    duration: timedelta
    skip_reason: SkipReason | None = None
    reason: str | None = None
    failure: FailureRecord | None = None
    # None: the schedule, or a change in the directory.
    initiator: Initiator | None = None


def shown(value: Value) -> str | None:
    """Returns a value as the log shows it: None for absent, texts bare, lists joined with `; `."""
    if value is None or value.__class__ is str:
        # Nearly all are texts.
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, tuple | list):
        return "; ".join(shown(item) or "" for item in value)
    if isinstance(value, Mapping):
        return canonical_json(value).decode()
    return str(value)
