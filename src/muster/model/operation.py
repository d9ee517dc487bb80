"""The five values of the trip: Change → Intent → TargetObject → Operation → Outcome.

Each is decided from the one before it, frozen, and can be stored, shown and compared.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from muster.model.application import RoleGrant
from muster.model.cause import Cause
from muster.model.copies import replace
from muster.model.directory import Lifecycle, ObjectKind
from muster.model.failures import FailureRecord
from muster.model.log import LogStatus, SkipReason, Step
from muster.model.values import Attributes, Value

# ---------------------------------------------------------------- 1. Change


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An object of the source as it stands now, with what is known of its way to the application."""

    source_id: str
    kind: ObjectKind
    lifecycle: Lifecycle
    seq: int
    # The whole object, never a part: a mapping is always evaluated on everything.
    attributes: Attributes
    grants: tuple[RoleGrant, ...] = ()
    # Reference attributes by name (`manager`, `members`) to source ids.
    references: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    @property
    def display_name(self) -> str:
        """The name that people and the log know it by."""
        get = self.attributes.get
        return str(get("displayName") or get("userPrincipalName") or get("mail") or get("cn") or self.source_id)


# ---------------------------------------------------------------- 2. Intent


class Presence(StrEnum):
    """What the rules want at the target."""

    PRESENT = "present"
    # There, but not created for it: an account that is switched off at the source.
    PRESENT_IF_LINKED = "presentIfLinked"
    DISABLED = "disabled"
    ABSENT = "absent"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the object is provisioned, and the one sentence that says why."""

    presence: Presence
    reason: str
    skip_reason: SkipReason | None = None
    # Left the job's scope (not assigned, not entitled, filter): disabled once, then no longer managed.
    left_scope: bool = False
    # The clause of the scoping filter that keeps it out.
    clause: str | None = None
    # Of somebody whom nothing but memberships keeps out: ids of the groups that they would have to be in.
    missing_groups: tuple[str, ...] = ()
    # What the scoping step shows: "Assigned to the application" -> "True" …
    details: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_soft_deleted(self) -> bool:
        """The computed attribute IsSoftDeleted (spec: unassigned, out of scope, soft-deleted, or sign-in blocked)."""
        return self.presence is not Presence.PRESENT


class MappedValue(msgspec.Struct, frozen=True, kw_only=True):
    """What one mapping gave. `value` None: the target's value is taken away, because the mapping asks for it."""

    attribute: str
    value: Value
    # Sent on creation only (ObjectAddOnly, or a default value).
    create_only: bool = False
    # Sent only where the target has nothing (mapping type None with a default value; flow type AttributeAddOnly).
    fills_empty: bool = False
    # Values are added to those the target has; none is ever taken away.
    adds_only: bool = False
    # Depends on IsSoftDeleted: the only ones that flow when somebody leaves scope.
    is_life_sign: bool = False
    always_flows: bool = False
    redacted: bool = False


class MatchingValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value to look the object up by, in order of matching precedence."""

    attribute: str
    value: str
    case_exact: bool = False
    redacted: bool = False
    # Of what was tried: the account that has it was there before.
    was_there: bool = False

    @property
    def shown(self) -> str:
        """The value as logs and failures may show it."""
        return "[Redact]" if self.redacted else self.value


class WantedReference(msgspec.Struct, frozen=True, kw_only=True):
    """A reference attribute of the target and the source ids it should point to."""

    attribute: str
    kind: ObjectKind
    multivalued: bool
    source_ids: tuple[str, ...]


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What ought to be at the target for one object, before anybody looks there."""

    change: Change
    verdict: Verdict
    values: Collection[MappedValue] = ()
    matching: tuple[MatchingValue, ...] = ()
    references: tuple[WantedReference, ...] = ()
    # Why nothing is to be done whatever is there: a mapping said IgnoreObjectFlow.
    left_out: str | None = None
    # No values could be computed. It never stands in the way of what needs none, such as a deletion.
    failure: FailureRecord | None = None


# ---------------------------------------------------------------- 3. TargetObject


class LinkState(StrEnum):
    """How far an object at the target is ours."""

    # Found at the target, never written.
    SEEN = "seen"
    # Found, matched and in scope: updated and disabled, never deleted until promoted.
    ADOPTED = "adopted"
    # Made by us, or promoted: all operations.
    MANAGED = "managed"
    # Left the scope and was disabled: not touched again until it comes back.
    RELEASED = "released"


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """What the target last confirmed, limited to mapped attributes.

    `sent` is what we wrote; `seen` holds only those that the target gave back otherwise (it rewrote or dropped them),
    so that such an attribute never causes an endless update. `repeated` does the same for references: a digest of what
    the target showed of them when they were sent again for it, by attribute.
    """

    sent: Attributes = msgspec.field(default_factory=dict)
    seen: Attributes = msgspec.field(default_factory=dict)
    repeated: Mapping[str, str] = msgspec.field(default_factory=dict)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Source anchor ↔ target anchor within one job."""

    source_id: str
    kind: ObjectKind
    target_id: str
    state: LinkState
    # The state to come back to when a released object returns.
    owned: LinkState
    acknowledged: Acknowledged
    display_name: str | None = None


class TargetResource(msgspec.Struct, frozen=True, kw_only=True):
    """An object as the target shows it, limited to mapped attributes."""

    target_id: str
    attributes: Attributes
    references: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    display_name: str | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """An object at the target that matches one source object and is linked to another of the same job."""

    by_source_id: str
    resource: TargetResource
    matched_by: str


class TargetObject(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the object at the target when the operation is decided.

    `resource` is what the target itself said in this cycle; None: not asked (the acknowledged projection counts) or
    not there. `exists` tells the two apart. `matched_by` names the matching attribute that found it.
    """

    link: Link | None = None
    resource: TargetResource | None = None
    exists: bool = False
    matched_by: str | None = None
    failure: FailureRecord | None = None
    # As an operation's.
    tried: tuple[MatchingValue, ...] = ()
    # Besides a failure: the object that was found, and the source object of this job that it is linked to.
    taken: Taken | None = None
    # It is handed over once it has been taken away from somebody who is gone for good.
    is_to_come: bool = False

    @property
    def target_id(self) -> str | None:
        """The target anchor, if the object is there."""
        if self.resource is not None:
            return self.resource.target_id
        return self.link.target_id if self.link is not None and self.exists else None


# ---------------------------------------------------------------- 4. Operation


class OperationKind(StrEnum):
    """What is done at the target."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"
    # Nothing is sent; the link or its state changes.
    LINK = "link"
    SKIP = "skip"
    # Could not be decided: see `failure`.
    FAIL = "fail"
    # Second wave: references only.
    REFER = "refer"

    @property
    def writes(self) -> bool:
        """Whether a request that writes goes out."""
        return self in _WRITING


_REMOVING = frozenset({OperationKind.DISABLE, OperationKind.DELETE})
_WRITING = frozenset(
    {OperationKind.CREATE, OperationKind.UPDATE, OperationKind.DISABLE, OperationKind.DELETE, OperationKind.REFER}
)


class Verb(StrEnum):
    """How one attribute is changed (RFC 7644 §3.5.2)."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


class AttributeChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attribute's change. For references `old`/`new` are target ids (tuples when multi-valued).

    `new` is the whole value; with verb ADD and a multi-valued `old` it is added to what is there.
    """

    attribute: str
    verb: Verb
    old: Value
    new: Value
    redacted: bool = False
    is_reference: bool = False
    multivalued: bool = False


class ShownReferences(msgspec.Struct, frozen=True, kw_only=True):
    """What the target shows of a reference attribute, which is not what it confirmed: target ids of the other ends."""

    attribute: str
    kind: ObjectKind
    multivalued: bool
    target_ids: tuple[str, ...]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about one object. Stored in plans, shown to admins, sent as it stands."""

    change_id: str
    kind: OperationKind
    object_kind: ObjectKind
    source_id: str
    source_name: str
    reason: str
    target_id: str | None = None
    target_name: str | None = None
    changes: tuple[AttributeChange, ...] = ()
    # Where an unknown outcome is looked up, and how a conflict is adopted.
    matching: tuple[MatchingValue, ...] = ()
    # State of the link once this has succeeded; None: the link is dropped.
    link_state: LinkState | None = None
    owned: LinkState | None = None
    # Acknowledged before this operation: what `sent`/`seen` are merged into.
    acknowledged: Acknowledged = msgspec.field(default_factory=Acknowledged)
    references: tuple[WantedReference, ...] = ()
    skip_reason: SkipReason | None = None
    failure: FailureRecord | None = None
    steps: tuple[Step, ...] = ()
    source_seq: int = 0
    # Under these a creation, or a first request to an account that was there, was sent without an answer before.
    tried: tuple[MatchingValue, ...] = ()
    # The first request to an account that was found: with it, it is taken over.
    adopts: bool = False
    # What brought it about; only where somebody may have to approve it.
    cause: Cause | None = None
    # A deletion that waits for the end of a grace period: since when, and when it is decided anew.
    waits_since: datetime | None = None
    waits_until: datetime | None = None
    # Attributes that somebody changed at the target; only a reconciliation looks for them.
    drifted: tuple[str, ...] = ()
    # Drops the link of an account that is still there, or goes to another: what points to it is to be taken away.
    account_stays: bool = False
    # References that were changed there and are to be set again.
    shown: tuple[ShownReferences, ...] = ()

    @property
    def removes(self) -> bool:
        """Whether somebody loses something by it: what the deletion firewall counts."""
        return self.kind in _REMOVING

    @property
    def tries(self) -> tuple[MatchingValue, ...]:
        """The values to look for an account by that is ours if this has arrived, should its answer be lost."""
        if self.kind is OperationKind.CREATE:
            return self.matching
        return tuple(replace(value, was_there=True) for value in self.matching) if self.adopts else ()


# ---------------------------------------------------------------- 5. Outcome


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an operation."""

    operation: Operation
    status: LogStatus
    at: datetime
    duration: timedelta = timedelta(0)
    target_id: str | None = None
    # Of a failed operation: what the target took of it all the same, with what it had.
    acknowledged: Acknowledged | None = None
    failure: FailureRecord | None = None
    # The request may have arrived, or may yet: looked for once more before it is sent again.
    is_open: bool = False
    # Something else is to be done by now, for a gate to let go: that is decided at once, whatever failed before.
    is_due: bool = False
    steps: tuple[Step, ...] = ()
    requests: int = 0
