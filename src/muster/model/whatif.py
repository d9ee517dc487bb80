"""What other rules would change: a comparison of what a job would do under the saved rules and under others."""

from dataclasses import dataclass
from enum import StrEnum

from muster.model.cause import Cause
from muster.model.directory import ObjectKind
from muster.model.operation import AttributeChange, OperationKind


class Transition(StrEnum):
    """What the other rules mean for one object."""

    ENTERS_SCOPE = "entersScope"
    LEAVES_SCOPE = "leavesScope"
    CHANGES = "changes"
    # Something else is done with it: it fails, is created, or is left alone.
    OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherScope:
    """Other settings that say who is in scope, and what becomes of whoever leaves it; None: as saved."""

    sync_all: bool | None = None
    # Members of groups within assigned groups count too.
    transitive: bool | None = None
    accepts_default_access: bool | None = None
    # Whoever leaves the scope is neither disabled nor deleted.
    skip_out_of_scope_deletions: bool | None = None

    @property
    def is_saved(self) -> bool:
        """Whether nothing is set otherwise."""
        return self == OtherScope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One object that the other rules treat otherwise; `changes` lead from the values under the saved rules."""

    source_id: str
    source_name: str
    kind: ObjectKind
    transition: Transition
    # What the next look at this object would do under each; None: the rules do not carry it.
    before: OperationKind | None
    after: OperationKind | None
    reason: str
    changes: tuple[AttributeChange, ...] = ()
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfLine:
    """A line of the summary: so many objects, and what it means for them."""

    transition: Transition
    count: int
    sentence: str
    attribute: str | None = None
    # What is done with them under the other rules; None: nothing, or it is told by the attribute.
    after: OperationKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What other rules would change. Nothing was written, and nothing was asked of the target."""

    job_id: str
    considered: int
    affected: int
    summary: tuple[WhatIfLine, ...]
    # The first of those affected, in the source's order.
    objects: tuple[Affected, ...]
    # Why the firewall would hold what is taken away.
    held: tuple[str, ...] = ()
    # Requests that the difference needs.
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What other safeguards would let through now, if everybody was looked at. Nothing was written or asked."""

    considered: int = 0
    # Whether there are more objects than were looked at: what is counted is then the least.
    is_partial: bool = False
    # Accounts and groups that a full pass would disable or delete, and those held of them.
    removals: int = 0
    held: int = 0
    # Members that it would take out of groups that stay, and those of them that are held.
    members_removed: int = 0
    members_held: int = 0
    # Why: of accounts and groups, then of members.
    reasons: tuple[str, ...] = ()
    # People and groups that nobody takes anything from, and those of them who would else lose something now.
    protected: int = 0
    spared: int = 0
    # Deletions that wait out their grace.
    waiting: int = 0
    # Whatever else a full pass would write and hold for approval.
    writes_held: int = 0
