"""Holds: operations that may not go yet, each with its reason and what an administrator has decided about it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muster.model.cause import Cause
from muster.model.directory import ObjectKind
from muster.model.operation import Operation


class HoldCode(StrEnum):
    """Why an operation is held."""

    # More removals than the job's thresholds allow.
    TOO_MANY = "StagedDelete"
    INCOMPLETE_READ = "IncompleteRead"
    APPROVAL = "ApprovalRequired"
    # A deletion that waits for the end of the grace period; the account is disabled meanwhile.
    GRACE = "GracePeriod"
    PROTECTED = "ProtectedAccount"
    REJECTED = "Rejected"


class HoldState(StrEnum):
    """What has become of a held operation."""

    # Waits for an administrator.
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    # Waits for a time, not for an administrator.
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOperation:
    """An operation that may not go yet, and why: what the gate says before anything is stored."""

    operation: Operation
    hold_code: HoldCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An object's operation that is held. A job has at most one an object, and one a reference attribute of it."""

    id: str
    kind: ObjectKind
    source_id: str
    operation: Operation
    code: HoldCode
    reason: str
    held_at: datetime
    state: HoldState = HoldState.HELD
    # The reference attribute it is about; "": the object itself.
    attribute: str = ""
    # Equal for operations that do the same.
    essence: str = ""
    cause: Cause | None = None
    cycle_id: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None
    # When the object is decided anew by itself (grace period).
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """Which holds are meant: all that agree with everything that is given."""

    ids: tuple[str, ...] | None = None
    states: tuple[HoldState, ...] = (HoldState.HELD,)
    code: HoldCode | None = None
    cause: str | None = None
    # Kind of the operation (disable, delete …) and of the object.
    operation_kind: str | None = None
    object_kind: ObjectKind | None = None
    # A part of the name or id on either side, without case.
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldGroup:
    """How many holds have one cause, code and state."""

    state: HoldState
    code: HoldCode
    cause: Cause | None
    operation_kind: str
    count: int
