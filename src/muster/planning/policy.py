"""The gate: which operations may go now, and which are held for an administrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muster.model.operation import HeldOperation, Operation

HELD_DELETIONS = "StagedDelete"
HELD_INCOMPLETE_READ = "IncompleteRead"
HELD_APPROVAL = "ApprovalRequired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalThreshold:
    """How many accounts one cycle may disable or delete.

    Held is a cycle's every removal when there are more than `count`, or more than `share` of all linked accounts;
    the share counts only from `minimum` removals on, so that small directories can live.
    """

    count: int = 500
    share: float = 0.25
    minimum: int = 20
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What may go and what is held, in the order given. `tripped`: the sentence when the threshold held removals."""

    released: tuple[Operation, ...]
    held: tuple[HeldOperation, ...]
    tripped: str | None = None


def removal_verdict(removals: int, linked: int, threshold: RemovalThreshold) -> str | None:
    """Returns the sentence that says why this many removals are held, or None: they may go."""
    if not threshold.enabled:
        return None
    if removals > threshold.count:
        return (
            f"This cycle would disable or delete {removals} accounts; "
            f"the job's accidental-deletion threshold is {threshold.count}."
        )
    if removals >= threshold.minimum and linked and removals / linked > threshold.share:
        return (
            f"This cycle would disable or delete {removals} of {linked} accounts "
            f"({removals / linked:.0%}); the job's threshold is {threshold.share:.0%}."
        )
    return None


def gate(
    operations: Sequence[Operation],
    *,
    removals_so_far: int,
    linked: int,
    threshold: RemovalThreshold,
    read_complete: bool,
    forced: bool = False,
    approval: bool = False,
) -> GateVerdict:
    """Returns which operations may go. Nobody is removed after a read that was not complete.

    `forced` is an administrator's "allow deletes" for this cycle.
    """
    removals = removals_so_far + sum(operation.removes for operation in operations)
    tripped = None if forced else removal_verdict(removals, linked, threshold)
    released: list[Operation] = []
    held: list[HeldOperation] = []
    for operation in operations:
        if approval and operation.kind.writes:
            held.append(_held(operation, HELD_APPROVAL, "The job asks for approval of every plan."))
        elif operation.removes and not read_complete:
            held.append(
                _held(operation, HELD_INCOMPLETE_READ, "The source could not be read whole; nobody is removed.")
            )
        elif operation.removes and tripped is not None:
            held.append(_held(operation, HELD_DELETIONS, tripped))
        else:
            released.append(operation)
    return GateVerdict(released=tuple(released), held=tuple(held), tripped=tripped)


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


def _held(operation: Operation, code: str, reason: str) -> HeldOperation:
    return HeldOperation(operation=operation, hold_code=code, reason=reason)
