"""Two decisions about one object under two sets of rules: what the second changes."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from muster.model.operation import AttributeChange, Intent, Operation, OperationKind, Presence
from muster.model.whatif import Affected, Transition, WhatIfLine
from muster.planning.plan import operation_hash

_IN = (Presence.PRESENT,)
_ORDER = (Transition.CHANGES, Transition.ENTERS_SCOPE, Transition.LEAVES_SCOPE, Transition.OTHERWISE)
_APART = (OperationKind.CREATE, OperationKind.FAIL)
_DONE = {
    OperationKind.CREATE: "created",
    OperationKind.UPDATE: "updated",
    OperationKind.DISABLE: "disabled",
    OperationKind.DELETE: "deleted",
    OperationKind.LINK: "linked",
    OperationKind.SKIP: "left as they are",
    OperationKind.FAIL: "failing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What some rules decide about an object."""

    intent: Intent
    operation: Operation


def compare(before: Decided | None, after: Decided | None) -> Affected | None:
    """Returns what the rules of `after` change for an object, None if nothing.

    A decision is None where the rules do not carry objects of the kind.
    """
    known = after or before
    if known is None:
        return None
    old = None if before is None else before.operation
    new = None if after is None else after.operation
    changes = _differences(old, new) if old is not None and new is not None and _are_alike(old, new) else ()
    was_in, is_in = _is_in(before), _is_in(after)
    if was_in != is_in:
        transition = Transition.ENTERS_SCOPE if is_in else Transition.LEAVES_SCOPE
    elif changes and _removes(old) == _removes(new):
        transition = Transition.CHANGES
    elif _essence(old) != _essence(new):
        transition = Transition.OTHERWISE
    else:
        return None
    return Affected(
        source_id=known.operation.source_id,
        source_name=known.operation.source_name,
        kind=known.operation.object_kind,
        transition=transition,
        before=None if old is None else old.kind,
        after=None if new is None else new.kind,
        reason=new.reason if new is not None else "The other rules do not carry objects of this kind.",
        changes=changes,
        cause=None if new is None else new.cause,
    )


class Summary:
    """Counts what is affected, line by line."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Transition, str | None, OperationKind | None], int] = {}

    def add(self, affected: Affected) -> None:
        """Counts one object: once for each attribute that changes, else once."""
        if affected.transition is Transition.CHANGES:
            for name in dict.fromkeys(change.attribute for change in affected.changes):
                self._count(Transition.CHANGES, name, None)
        else:
            self._count(affected.transition, None, affected.after)

    def lines(self) -> tuple[WhatIfLine, ...]:
        """Returns the lines, attributes first, the most frequent first."""
        found = sorted(self._counts.items(), key=lambda item: (_ORDER.index(item[0][0]), -item[1], str(item[0][1])))
        return tuple(
            WhatIfLine(
                transition=transition,
                attribute=name,
                after=after,
                count=count,
                sentence=_sentence(transition, name, after, count),
            )
            for (transition, name, after), count in found
        )

    def _count(self, transition: Transition, name: str | None, after: OperationKind | None) -> None:
        key = (transition, name, after)
        self._counts[key] = self._counts.get(key, 0) + 1


def in_words(lines: Iterable[WhatIfLine]) -> str:
    """Returns the summary in one sentence: `412 change department, 3 leave scope and are disabled`."""
    return ", ".join(line.sentence for line in lines) or "nothing changes"


def _sentence(transition: Transition, name: str | None, after: OperationKind | None, count: int) -> str:
    one = count == 1
    done = "not carried" if after is None else _DONE.get(after, after.value)
    are = "is" if one else "are"
    if transition is Transition.CHANGES:
        return f"{count} {'changes' if one else 'change'} {(name or '').rsplit(':', 1)[-1]}"
    if transition is Transition.OTHERWISE:
        return f"{count} {are} {done} then"
    verb = "enter" if transition is Transition.ENTERS_SCOPE else "leave"
    return f"{count} {verb}{'s' if one else ''} scope and {are} {done}"


def _are_alike(old: Operation, new: Operation) -> bool:
    """Whether what differs is a matter of values: not so where one creates, or fails, and the other does not."""
    return (old.kind in _APART or new.kind in _APART) == (old.kind is new.kind and old.kind in _APART)


def _is_in(decided: Decided | None) -> bool:
    return decided is not None and decided.intent.verdict.presence in _IN


def _removes(operation: Operation | None) -> bool:
    return operation is not None and operation.removes


def _essence(operation: Operation | None) -> str:
    return "" if operation is None else f"{operation.kind.value} {operation_hash(operation)}"


def _differences(old: Operation, new: Operation) -> tuple[AttributeChange, ...]:
    """Returns the values that the new decision sends and the old one does not, or sends otherwise.

    What only the old one would send is a change too: the account keeps what it has.
    """
    before = {change.attribute: change for change in old.changes}
    after = {change.attribute: change for change in new.changes}
    found = []
    for name, change in after.items():
        known = before.get(name)
        if known is None:
            found.append(change)
        elif known.new != change.new:
            found.append(structs.replace(change, old=known.new, redacted=change.redacted or known.redacted))
    for name, change in before.items():
        if name not in after and old.kind is new.kind:
            found.append(structs.replace(change, old=change.new, new=change.old))
    return tuple(found)
