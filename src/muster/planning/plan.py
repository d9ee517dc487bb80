"""What makes a plan: its hash, its groups, and the requests and minutes it needs."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from muster.model.directory import ObjectKind
from muster.model.failures import AmbiguousMatch, FailureRecord, LinkedElsewhere
from muster.model.job import PlanGroup, PlannedOperation, PlanPart, PlanSums
from muster.model.log import shown
from muster.model.operation import AttributeChange, Operation, OperationKind
from muster.model.values import canonical_json, content_hash

# So many attributes of one object are told in a sentence.
_NAMES_TOLD = 3
# Of a longer key so much is kept, with a hash of all of it: index rows and addresses of the portal have their limits.
_KEY_LENGTH = 150
_HASH_LENGTH = 12
# What is of one object only in the sentence of a failure: values in quotes, and whatever holds a digit or an @.
_OWN = re.compile(r"“[^”]*”|[^\s“”(),;:]*[\d@][^\s“”(),;:]*(?<!\.)")
_OF_ANOTHER = (AmbiguousMatch.code, LinkedElsewhere.code)


class PlanHash:
    """The hash of what the operations of a plan do, in the order in which they are added.

    Ids and sentences of one reading stay out of it.
    """

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, operation: Operation, *, is_held: bool = False) -> None:
        """Takes in one operation."""
        # The canonical form holds no line end: where one operation ends is never in doubt.
        self._digest.update((b"-" if is_held else b"+") + canonical_json(_essence(operation)) + b"\n")

    @property
    def digits(self) -> str:
        """The hash of what was added so far: 32 hex digits."""
        return self._digest.hexdigest()


def plan_hash(operations: Iterable[Operation], held: Iterable[Operation]) -> str:
    """Returns the hash of operations that may go and of those that are held."""
    made = PlanHash()
    for operation in operations:
        made.add(operation)
    for operation in held:
        made.add(operation, is_held=True)
    return made.digits


def group_key(operation: Operation) -> str:
    """Returns what operations of one cause have in common: its key, else the reason without the name before it.

    Of what fails the reason counts without ids and values, by which each would be a cause of its own. Never empty,
    without blanks at its end, and of at most 163 characters.
    """
    if operation.cause is not None:
        key = operation.cause.key.rstrip()
    else:
        # Reasons begin with the name: without it those of a company are a few, and with it one each.
        reason = operation.reason.removeprefix(f"{operation.source_name} ")
        key = _in_common(operation.failure, reason).rstrip()
    if len(key) > _KEY_LENGTH:
        return f"{key[:_KEY_LENGTH]} {content_hash(key)[:_HASH_LENGTH]}"
    return key or operation.kind.value


def group_of(part: PlanPart, key: str, count: int, first: PlannedOperation) -> PlanGroup:
    """Returns a group of a plan's operations, told by its first."""
    operation = first.operation
    if part is PlanPart.HELD:
        sentence, name = first.reason, ""
    elif operation.cause is not None:
        sentence, name = operation.cause.sentence, ""
    else:
        # Of several the values of none are shown: they stand with each.
        sentence = operation.reason if count == 1 else _in_common(operation.failure, operation.reason)
        name = operation.source_name
    return PlanGroup(part=part, kind=operation.kind, key=key, count=count, sentence=sentence, name=name)


def _in_common(failure: FailureRecord | None, reason: str) -> str:
    """Returns the reason; of what fails without what is of this object only."""
    if failure is None:
        return reason
    if failure.code in _OF_ANOTHER:
        # Named are accounts and whom they belong to; what to do next is what these have in common.
        return failure.remedy
    return _OWN.sub("…", reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePlanned:
    """What a plan of a source does, counted in people; of the leavers so many are held."""

    hires: int
    changes: int
    leavers: int
    groups: int
    conflicts: int
    held: int


def count_people(sums: PlanSums) -> PeoplePlanned:
    """Returns what a plan of a source does to people and groups."""
    both = (PlanPart.SENT, PlanPart.HELD)

    def people(*kinds: OperationKind, parts: Sequence[PlanPart] = both) -> int:
        return sum(sums.count(part, *kinds, object_kind=ObjectKind.USER) for part in parts)

    return PeoplePlanned(
        hires=people(OperationKind.CREATE),
        changes=people(OperationKind.UPDATE),
        leavers=people(OperationKind.DISABLE, OperationKind.DELETE),
        groups=sums.count(PlanPart.SENT, object_kind=ObjectKind.GROUP),
        conflicts=sums.count(PlanPart.SENT, OperationKind.FAIL),
        held=sums.count(PlanPart.HELD, OperationKind.DISABLE, OperationKind.DELETE),
    )


def summary_of(sums: PlanSums) -> str:
    """Returns what a plan of a source does to people, as a sentence: “12 hires, 3 leavers, 1 conflict”."""
    counted = count_people(sums)
    counts = (
        (counted.hires, "hire", "hires"),
        (counted.changes, "change", "changes"),
        (counted.leavers, "leaver", "leavers"),
        (counted.groups, "change of groups", "changes of groups"),
        (counted.conflicts, "conflict", "conflicts"),
    )
    told = ", ".join(f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count)
    return (told or "nobody new, changed or gone") + (f" ({counted.held:,} held)" if counted.held else "")


def operation_hash(operation: Operation) -> str:
    """Returns the hash of what one operation does: what an administrator approves."""
    return content_hash(_essence(operation))


def requests_needed(operations: Sequence[Operation], *, members_per_request: int = 100) -> int:
    """Returns how many requests the operations send: one each, and one more a further part of a long list.

    A created object's managers and members follow in the second wave and are counted here; those whose other end is
    not there by then are waited for and cost nothing yet.
    """
    return sum(_requests(item, members_per_request) for item in operations if item.kind.writes)


def lookups_needed(operations: Sequence[Operation]) -> int:
    """Returns by how many requests at most objects are looked for before they are created or taken over."""
    return sum(len(item.tries) for item in operations)


def _requests(operation: Operation, members_per_request: int) -> int:
    if operation.kind is OperationKind.REFER:
        return len(operation.changes)
    if operation.kind is not OperationKind.CREATE:
        return 1
    return 1 + sum(
        -(-len(reference.source_ids) // members_per_request) if reference.multivalued else bool(reference.source_ids)
        for reference in operation.references
    )


def time_needed(requests: int, requests_per_second: float | None) -> timedelta:
    """Returns how long that takes at the application's rate; with no known rate, at 25 a second (Entra's minimum)."""
    return timedelta(seconds=round(requests / (requests_per_second or 25.0), 1))


def difference_of_plans(planned: Sequence[Operation], now: Sequence[Operation]) -> tuple[str, ...]:
    """Returns sentences that tell what differs between an approved plan and the world as it is now.

    Parts of two plans are compared if either holds all operations of the objects of the other.
    """
    before = {_place(item): item for item in planned}
    after = {_place(item): item for item in now}
    sentences = []
    for key, item in before.items():
        other = after.get(key)
        if other is None:
            sentences.append(f"{item.source_name}: {item.kind.value} is no longer needed")
        elif _essence(other) != _essence(item):
            sentences.append(f"{item.source_name}: {_what_differs(item, other)}")
    sentences += [
        f"{item.source_name}: {item.kind.value} has come up since" for key, item in after.items() if key not in before
    ]
    return tuple(sentences)


def _place(operation: Operation) -> tuple[object, ...]:
    """Returns what a plan has one operation of: an object, and each of its references; a row that cannot be read."""
    said = operation.reason if not operation.source_id else ""
    return (
        operation.object_kind,
        operation.source_id,
        said,
        *(item.attribute for item in operation.references if operation.kind is OperationKind.REFER),
    )


def _what_differs(planned: Operation, now: Operation) -> str:
    """Returns what is no longer as it was planned: the kind of operation, else values, else what they belong to."""
    if now.kind is not planned.kind:
        return f"was {planned.kind.value}, is now {now.kind.value}"
    before = {item.attribute: item for item in planned.changes}
    after = {item.attribute: item for item in now.changes}
    names = [name for name in dict.fromkeys((*before, *after)) if _sent(before.get(name)) != _sent(after.get(name))]
    if not names:
        return f"{planned.kind.value} is of another account, or with other managers or members"
    told = ", ".join(f"{name} {_told(before.get(name))} → {_told(after.get(name))}" for name in names[:_NAMES_TOLD])
    more = len(names) - _NAMES_TOLD
    return f"{planned.kind.value} with other values: {told}" + (f", and {more} more" if more > 0 else "")


def _sent(change: AttributeChange | None) -> object:
    return None if change is None else (change.verb, change.old, change.new)


def _told(change: AttributeChange | None) -> str:
    if change is None:
        return "not sent"
    if change.redacted:
        return "[Redact]"
    return "removed" if change.new is None else f"“{shown(change.new)}”"


def _essence(operation: Operation) -> list[object]:
    return [
        operation.kind.value,
        operation.object_kind.value,
        operation.source_id,
        operation.target_id,
        [[item.attribute, item.verb.value, item.old, item.new] for item in operation.changes],
        operation.link_state.value if operation.link_state is not None else None,
        [[item.attribute, *sorted(item.source_ids)] for item in operation.references],
    ]
