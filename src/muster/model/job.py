"""Synchronization jobs and their cycles, in Graph's words (synchronizationJob, synchronizationStatus)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from muster.model.directory import ObjectKind
from muster.model.failures import FailureRecord
from muster.model.hold import HoldCode
from muster.model.operation import MatchingValue, Operation, OperationKind

DEFAULT_INTERVAL = timedelta(minutes=40)
# A job's setting (ours): members of groups within assigned groups count, at any depth.
TRANSITIVE_GROUPS_SETTING = "TransitiveGroups"
# Whether a change in the directory wakes the job.
WAKE_UP_SETTING = "WakeUpOnChange"
# A job's setting (ours): what DefaultDomain() gives.
DEFAULT_DOMAIN_SETTING = "DefaultDomain"
# A job's settings (ours): how often it is reconciled by itself, and what becomes of values changed at the target.
RECONCILE_EVERY_SETTING = "ReconcileEvery"
DRIFT_POLICY_SETTING = "DriftPolicy"
# The option of an ended cycle that holds, as JSON, what the application did otherwise than its dialect says.
LEARNED = "learned"
# The option of a running cycle that says until when the application wants to be left alone.
RESTS_UNTIL = "restsUntil"


class ScheduleState(StrEnum):
    """Graph synchronizationSchedule.state."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    PAUSED = "Paused"


class JobCode(StrEnum):
    """Graph synchronizationStatus.code."""

    NOT_CONFIGURED = "NotConfigured"
    NOT_RUN = "NotRun"
    ACTIVE = "Active"
    PAUSED = "Paused"
    QUARANTINE = "Quarantine"


class QuarantineReason(StrEnum):
    """Graph synchronizationQuarantine.reason."""

    BASE_ESCROW_THRESHOLD = "EncounteredBaseEscrowThreshold"
    TOTAL_ESCROW_THRESHOLD = "EncounteredTotalEscrowThreshold"
    ESCROW_PROPORTION_THRESHOLD = "EncounteredEscrowProportionThreshold"
    QUARANTINE_EXCEPTION = "EncounteredQuarantineException"
    QUARANTINED_ON_DEMAND = "QuarantinedOnDemand"
    TOO_MANY_DELETES = "TooManyDeletes"
    INGESTION_INTERRUPTED = "IngestionInterrupted"
    UNKNOWN = "Unknown"

    @property
    def counts_failures(self) -> bool:
        """Whether many objects failed, rather than the job as a whole."""
        return self.value.endswith("Threshold")


class ResetScope(StrEnum):
    """What a restart forgets (Graph synchronizationJobRestartScope)."""

    NONE = "None"
    CONNECTOR_DATA_STORE = "ConnectorDataStore"
    ESCROWS = "Escrows"
    WATERMARK = "Watermark"
    QUARANTINE_STATE = "QuarantineState"
    FULL = "Full"
    FORCE_DELETES = "ForceDeletes"


class CycleKind(StrEnum):
    """What a cycle reads."""

    INITIAL = "initial"
    INCREMENTAL = "incremental"
    # Everything compared with what the target has, whoever changed it; and accounts there that nobody manages.
    RECONCILIATION = "reconciliation"
    # Read and planned whole, nothing sent (muster plan, what-if).
    PLAN = "plan"
    ON_DEMAND = "onDemand"
    # Takes back what another cycle has done.
    ROLLBACK = "rollback"


class CyclePhase(StrEnum):
    """Where a cycle stands; each phase ends in a committed checkpoint."""

    CENSUS = "census"
    USERS = "users"
    GROUPS = "groups"
    RETRIES = "retries"
    REMOVALS = "removals"
    REFERENCES = "references"
    # Of a reconciliation: accounts that nobody manages.
    DISCOVERY = "discovery"
    CLOSING = "closing"
    DONE = "done"


class CycleState(StrEnum):
    """Graph synchronizationTaskExecutionResult, and `Running`."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ENTRY_LEVEL_ERRORS = "EntryLevelErrors"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Why a job is slowed down, and since when."""

    reason: QuarantineReason
    failure: FailureRecord
    began_at: datetime
    series_began_at: datetime
    series_count: int
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchronizationJob:
    """A running configuration. `watermark` None: the next cycle is an initial one."""

    id: str
    service_principal_id: str
    template_id: str
    schedule_state: ScheduleState
    interval: timedelta
    watermark: int | None
    schema_version: str
    created_at: datetime
    quarantine: Quarantine | None = None
    last_cycle_began_at: datetime | None = None
    last_cycle_ended_at: datetime | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def default_domain(self) -> str | None:
        """What DefaultDomain() gives, None if nobody has set it."""
        return self.settings.get(DEFAULT_DOMAIN_SETTING) or None

    @property
    def code(self) -> JobCode:
        """The status code that Graph shows."""
        if self.schedule_state is ScheduleState.DISABLED and self.quarantine is not None:
            # Disabled because the quarantine lasted too long: what is wrong goes on being shown.
            return JobCode.QUARANTINE
        if self.schedule_state is ScheduleState.DISABLED:
            return JobCode.NOT_CONFIGURED
        if self.schedule_state is ScheduleState.PAUSED:
            return JobCode.PAUSED
        if self.quarantine is not None:
            return JobCode.QUARANTINE
        return JobCode.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a cycle has done, counted in objects; `requests` to the target, of which `writes` write."""

    evaluated: int = 0
    expected: int = 0
    created: int = 0
    updated: int = 0
    disabled: int = 0
    deleted: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    # Of those that failed: references (manager, members).
    failed_references: int = 0
    # And those whom the target had no time for (429): it is to blame, not they.
    throttled: int = 0
    held: int = 0
    references: int = 0
    # Objects with values that were changed at the target (reconciliation only).
    drifted: int = 0
    requests: int = 0
    writes: int = 0

    @property
    def settled(self) -> int:
        """Objects that have come to their end: who is decided and waits to be sent has not."""
        whole = (self.created, self.updated, self.disabled, self.deleted, self.unchanged, self.skipped, self.held)
        return sum(whole) + self.failed - self.failed_references

    def __add__(self, other: "Counters") -> "Counters":
        """Returns the sums."""
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One pass: its window over the feed, its checkpoint and its counters.

    `window_after` (exclusive) and `window_until` (inclusive) are positions of the source's feed.
    `position` is the place within the phase: the last key that was staged.
    """

    id: str
    job_id: str
    kind: CycleKind
    state: CycleState
    phase: CyclePhase
    position: str | None
    window_after: int
    window_until: int
    epoch: int
    counters: Counters
    began_at: datetime
    ended_at: datetime | None = None
    failure: FailureRecord | None = None
    # When it last came further: a commit of a page or of outcomes.
    progressed_at: datetime | None = None
    # The read was complete: without it nobody is removed.
    complete: bool = True
    # What this cycle was asked for besides: `file` (an import's upload), `forced` (deletes allowed), `census`.
    options: Mapping[str, str] = field(default_factory=dict)


class StagedState(StrEnum):
    """Where a staged operation stands."""

    RELEASED = "released"
    HELD = "held"
    # The request may be out: without an outcome it is looked up, never blindly repeated.
    SENDING = "sending"
    # It is out and its end is open; looked up once nobody sends for the cycle any more.
    OPEN = "open"
    DONE = "done"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedOperation:
    """An operation in the store, in the order in which it was decided (`number`)."""

    number: int
    operation: Operation
    state: StagedState
    hold_code: str | None = None
    hold_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """A failed object that waits for its next attempt."""

    source_id: str
    kind: str
    failure: FailureRecord
    attempts: int
    first_failed_at: datetime
    next_attempt_at: datetime
    # Under these a creation was sent whose outcome nobody knows: what is found by them is ours.
    tried: tuple[MatchingValue, ...] = ()


class PlanKind(StrEnum):
    """What a plan would do."""

    # What the next cycle would do.
    CYCLE = "cycle"
    # What a cycle of a job that asks for approval has held: applying it approves it.
    APPROVAL = "approval"
    # Take back what a cycle has done.
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Irreversible:
    """Something that a rollback cannot take back, and why."""

    source_id: str
    source_name: str
    # None: the whole object.
    attribute: str | None
    reason: str


class PlanPart(StrEnum):
    """What becomes of an operation of a plan."""

    # It may go.
    SENT = "sent"
    # It is held, or left alone, and is shown with the reason.
    HELD = "held"
    # Nothing is sent and nothing is shown: written down once the plan is applied.
    PASSED = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOperation:
    """An operation of a plan, in the order in which it was decided (`number`, from 1); held ones with their reason."""

    number: int
    operation: Operation
    part: PlanPart = PlanPart.SENT
    hold_code: HoldCode | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTally:
    """How many operations of a plan are of one sort."""

    part: PlanPart
    kind: OperationKind
    object_kind: ObjectKind
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGroup:
    """Operations of a plan of one kind and one cause; held ones: held for one reason. `key`: see `group_key`.

    Sentence and name are those of the first; the name is empty where the sentence is of no single object.
    """

    part: PlanPart
    kind: OperationKind
    key: str
    count: int
    sentence: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSums:
    """What a plan does, in numbers: all of it, and the largest groups."""

    tallies: tuple[PlanTally, ...] = ()
    groups: tuple[PlanGroup, ...] = ()

    def count(self, part: PlanPart, *kinds: OperationKind, object_kind: ObjectKind | None = None) -> int:
        """Returns how many operations are of a part, of these kinds (none: of any)."""
        return sum(
            each.count
            for each in self.tallies
            if each.part is part
            and (not kinds or each.kind in kinds)
            and (object_kind is None or each.object_kind is object_kind)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The head of a stored plan: what a cycle would do. `hash` covers what every operation does, in order.

    Its operations are read from the store page by page: there may be millions.
    """

    id: str
    job_id: str
    hash: str
    made_at: datetime
    counters: Counters
    # Requests that applying it sends, those that look before, too, and how long they take at the application's rate.
    requests: int
    duration: timedelta
    # The stretch of the feed that was read: where the watermark stands once it is applied.
    window_after: int = 0
    window_until: int = 0
    applied_at: datetime | None = None
    kind: PlanKind = PlanKind.CYCLE
    # Of a rollback: the cycle that it takes back, and what it cannot.
    cycle_id: str | None = None
    irreversible: tuple[Irreversible, ...] = ()
    sums: PlanSums = field(default_factory=PlanSums)

    @property
    def operation_count(self) -> int:
        """How many operations may go."""
        return self.sums.count(PlanPart.SENT)

    @property
    def held_count(self) -> int:
        """How many are held, or left alone for a reason that whoever reads the plan looks for."""
        return self.sums.count(PlanPart.HELD)
