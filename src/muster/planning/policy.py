"""The gate: which operations may go now, and which are held for an administrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from muster.model.counting import number_of
from muster.model.directory import ObjectKind
from muster.model.hold import HeldOperation, Hold, HoldCode, HoldState
from muster.model.operation import Operation, OperationKind, Verb
from muster.planning.plan import operation_hash


class Approval(StrEnum):
    """What of a job waits for an administrator, whatever the thresholds say."""

    NONE = "none"
    # Disables and deletes; everything else goes.
    REMOVALS = "removals"
    # Everything that writes: a cycle is planned whole and sends nothing that nobody has approved.
    ALL = "all"


class RemovalKind(StrEnum):
    """What somebody loses, as thresholds count it."""

    DISABLE = "disable"
    DELETE = "delete"
    GROUP_DELETE = "groupDelete"
    MEMBER_REMOVAL = "memberRemoval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many removals are allowed: a count, a share of what there is, or both. None: no limit of its own."""

    count: int | None = None
    share: float | None = None


# Memberships come and go by the hundred; a group that disappears takes many with it.
DEFAULT_LIMITS: Mapping[RemovalKind, Limit] = {
    RemovalKind.GROUP_DELETE: Limit(count=50, share=0.5),
    RemovalKind.MEMBER_REMOVAL: Limit(count=5_000, share=0.5),
}
# Without a word of its own, a day may bring twice what a cycle may.
ROLLING_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalThreshold:
    """How much one cycle, and the last 24 hours together, may take away.

    Held is a cycle's every removal when there are more than `count`, or more than `share` of all linked accounts;
    a share counts only from `minimum` removals on and only among `population` accounts or more, so that small
    directories can live. `by_kind` holds removals of one kind only.
    """

    count: int = 500
    share: float = 0.25
    minimum: int = 20
    enabled: bool = True
    population: int = 1
    by_kind: Mapping[RemovalKind, Limit] = field(default_factory=lambda: DEFAULT_LIMITS)
    # Over 24 hours, this cycle's included. None: `twice_a_cycle`.
    rolling: Limit | None = None

    @property
    def twice_a_cycle(self) -> int:
        """How many removals 24 hours may bring where nothing is said of them."""
        return self.count * ROLLING_FACTOR

    @property
    def day(self) -> Limit:
        """What 24 hours may bring."""
        return Limit(count=self.twice_a_cycle) if self.rolling is None else self.rolling

    @property
    def daily(self) -> "RemovalThreshold":
        """The threshold for removals that come one by one: those of 24 hours count as one cycle."""
        day = self.day
        count = self.count if day.count is None else min(self.count, day.count)
        share = self.share if day.share is None else min(self.share, day.share)
        return replace(self, count=count, share=share, rolling=Limit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What there is to lose: accounts and groups that are linked, memberships that the target has confirmed."""

    linked: int
    groups: int = 0
    members: int = 0

    def of(self, kind: RemovalKind) -> int:
        """Returns of how many a removal of this kind takes one."""
        return {RemovalKind.GROUP_DELETE: self.groups, RemovalKind.MEMBER_REMOVAL: self.members}.get(kind, self.linked)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What may go and what is held, in the order given. `tripped`: the sentence when a threshold held removals."""

    released: tuple[Operation, ...]
    held: tuple[HeldOperation, ...]
    tripped: str | None = None


_NAMES = {
    RemovalKind.DISABLE: ("disable", "accounts"),
    RemovalKind.DELETE: ("delete", "accounts"),
    RemovalKind.GROUP_DELETE: ("delete", "groups"),
    RemovalKind.MEMBER_REMOVAL: ("remove", "members from groups"),
}


def removal_kind(operation: Operation) -> RemovalKind | None:
    """Returns what an operation takes away, None for one that takes nothing away."""
    if operation.kind is OperationKind.DISABLE:
        return RemovalKind.DISABLE
    if operation.kind is OperationKind.DELETE:
        return RemovalKind.GROUP_DELETE if operation.object_kind is ObjectKind.GROUP else RemovalKind.DELETE
    return RemovalKind.MEMBER_REMOVAL if _members_removed(operation) else None


def count_removals(operations: Sequence[Operation]) -> dict[RemovalKind, int]:
    """Returns how much operations take away, by what it is: accounts and groups, and members of groups."""
    counted: dict[RemovalKind, int] = {}
    for operation in operations:
        kind = removal_kind(operation)
        if kind is not None:
            counted[kind] = counted.get(kind, 0) + (_members_removed(operation) or 1)
    return counted


def _members_removed(operation: Operation) -> int:
    if operation.kind is not OperationKind.REFER:
        return 0
    return sum(len(change.old) for change in operation.changes if change.multivalued and change.verb is Verb.REMOVE)


def removal_verdict(removals: int, linked: int, threshold: RemovalThreshold) -> str | None:
    """Returns the sentence that says why this many removals in a cycle are held, or None: they may go."""
    if not threshold.enabled:
        return None
    if removals > threshold.count:
        return (
            f"This cycle would disable or delete {number_of(removals, 'account')}; "
            f"the job's accidental-deletion threshold is {threshold.count:,}."
        )
    if _exceeds(removals, linked, threshold.share, threshold):
        return (
            f"This cycle would disable or delete {removals:,} of {number_of(linked, 'account')} "
            f"({removals / linked:.0%}); the job's threshold is {threshold.share:.0%}."
        )
    return None


def removal_verdicts(
    counted: Mapping[RemovalKind, int], population: Population, lately: int, threshold: RemovalThreshold
) -> dict[RemovalKind, str]:
    """Returns by kind why removals are held; a kind that is not there may go.

    `counted` is what this cycle would take away, `lately` what the last 24 hours have taken away, both without
    memberships in the sum over all kinds.
    """
    if not threshold.enabled:
        return {}
    accounts = {kind: count for kind, count in counted.items() if count and kind is not RemovalKind.MEMBER_REMOVAL}
    total = sum(accounts.values())
    everything = removal_verdict(total, population.linked, threshold) or _rolling_verdict(
        total, lately, population, threshold
    )
    held: dict[RemovalKind, str] = {}
    for kind, count in counted.items():
        everybody = everything if kind in accounts else None
        sentence = everybody or _own(kind, count, population, threshold)
        if sentence is not None:
            held[kind] = sentence
    return held


def _rolling_verdict(total: int, lately: int, population: Population, threshold: RemovalThreshold) -> str | None:
    if not total:
        return None
    together, day = total + lately, threshold.day
    if day.count is not None and together > day.count:
        return (
            f"With {number_of(lately, 'account')} disabled or deleted in the last 24 hours this cycle would bring it "
            f"to {together:,}; the job's threshold for 24 hours is {day.count:,}."
        )
    if day.share is not None and _exceeds(together, population.linked, day.share, threshold):
        return (
            f"With {number_of(lately, 'account')} disabled or deleted in the last 24 hours this cycle would bring it "
            f"to {together:,} of {population.linked:,} ({together / population.linked:.0%}); "
            f"the job's threshold for 24 hours is {day.share:.0%}."
        )
    return None


def _own(kind: RemovalKind, count: int, population: Population, threshold: RemovalThreshold) -> str | None:
    limit = threshold.by_kind.get(kind)
    if limit is None or not count:
        return None
    verb, noun = _NAMES[kind]
    if limit.count is not None and count > limit.count:
        return f"This cycle would {verb} {count} {noun}; the job's threshold for that is {limit.count}."
    there = population.of(kind)
    if limit.share is not None and _exceeds(count, there, limit.share, threshold):
        return (
            f"This cycle would {verb} {count} of {there} {noun} ({count / there:.0%}); "
            f"the job's threshold for that is {limit.share:.0%}."
        )
    return None


def _exceeds(count: int, there: int, share: float, threshold: RemovalThreshold) -> bool:
    return count >= threshold.minimum and there >= max(threshold.population, 1) and count / there > share


def gate(
    operations: Sequence[Operation],
    *,
    tripped: Mapping[RemovalKind, str],
    read_complete: bool,
    holds: Mapping[tuple[ObjectKind, str], Hold] | None = None,
    forced: bool = False,
    approval: Approval = Approval.NONE,
    counts_anew: bool = True,
) -> GateVerdict:
    """Returns which operations may go. Nobody is removed after a read that was not complete, whoever approved it.

    Args:
        tripped: from `removal_verdicts`.
        holds: what is known of these objects: approved operations go, rejected ones stay, if they are still the same.
        forced: an administrator's "allow deletes" for this cycle.
        counts_anew: a full pass has counted everybody. Else whoever was held stays so: the next to leave does not
            free those who left before.
    """
    known = holds or {}
    released: list[Operation] = []
    held: list[HeldOperation] = []
    for operation in operations:
        found = _found(
            operation,
            known.get((operation.object_kind, operation.source_id)),
            tripped,
            read_complete=read_complete,
            forced=forced,
            approval=approval,
            counts_anew=counts_anew,
        )
        if found is None:
            released.append(operation)
        else:
            code, reason = found
            held.append(HeldOperation(operation=operation, hold_code=code, reason=reason))
    sentence = next(iter(tripped.values()), None)
    return GateVerdict(released=tuple(released), held=tuple(held), tripped=None if forced else sentence)


def _found(
    operation: Operation,
    hold: Hold | None,
    tripped: Mapping[RemovalKind, str],
    *,
    read_complete: bool,
    forced: bool,
    approval: Approval,
    counts_anew: bool,
) -> tuple[HoldCode, str] | None:
    """Returns why an operation is held, None if it may go."""
    if not operation.kind.writes:
        return None
    kind = removal_kind(operation)
    if kind is not None and not read_complete:
        return HoldCode.INCOMPLETE_READ, "The source could not be read whole; nobody is removed."
    if hold is not None and decides(hold, operation):
        if hold.state is HoldState.APPROVED:
            return None
        return HoldCode.REJECTED, f"{hold.decided_by or 'An administrator'} rejected it. {hold.reason}"
    if approval is Approval.ALL or (approval is Approval.REMOVALS and kind is not None):
        return HoldCode.APPROVAL, "The job asks for approval of " + (
            "everything that it writes." if approval is Approval.ALL else "every removal."
        )
    if forced or kind is None:
        return None
    if kind in tripped:
        return HoldCode.TOO_MANY, tripped[kind]
    if hold is not None and hold.state is HoldState.HELD and hold.code is HoldCode.TOO_MANY and not counts_anew:
        return hold.code, hold.reason
    return None


def decides(hold: Hold, operation: Operation) -> bool:
    """Whether an administrator's decision still holds for what is to be done now.

    An approval is for what was shown and nothing else; a rejection stands until the object changes.
    """
    if hold.state is HoldState.APPROVED:
        return hold.essence == operation_hash(operation)
    if hold.state is HoldState.REJECTED:
        return hold.essence == operation_hash(operation) and hold.operation.source_seq == operation.source_seq
    return False


def undecided(operations: Sequence[Operation], holds: Mapping[tuple[ObjectKind, str], Hold]) -> list[Operation]:
    """Returns the operations about which no decision of an administrator still holds."""
    return [
        each
        for each in operations
        if (hold := holds.get((each.object_kind, each.source_id))) is None or not decides(hold, each)
    ]


def threshold_of(settings: Mapping[str, object]) -> RemovalThreshold:
    """Returns the threshold from a job's notification settings (Graph's SyncNotificationSettings).

    Without a word there, the product's own is in force: 500 accounts, or a quarter of them from 20 on.
    """
    default = RemovalThreshold()
    value = settings.get("DeleteThresholdValue")
    enabled = settings.get("DeleteThresholdEnabled")
    given = str(value).isdecimal()
    return RemovalThreshold(
        count=int(str(value)) if given else default.count,
        share=1.0 if given else default.share,
        enabled=enabled if isinstance(enabled, bool) else True,
    )
