"""The way back of a cycle: from what the log says it did to operations that undo it, and what cannot be undone.

Undone is the net effect on each object: the value before its first change, if the account still has the value after the
last one. A created account is switched off, as whoever deletes it cannot bring it back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from muster.model.cause import Cause, CauseKind
from muster.model.copies import replace
from muster.model.directory import AttributeType, ObjectKind
from muster.model.job import Irreversible
from muster.model.log import LogEntry, LogStatus, ProvisioningAction
from muster.model.operation import AttributeChange, Link, LinkState, Operation, OperationKind, Verb
from muster.model.rules import AttributeDefinition, Mutability, ObjectAction
from muster.model.values import Value
from muster.planning.difference import SWITCHES, are_equal, is_off, switched_off
from muster.planning.rules import KindRules

HIDDEN = "[Redact]"
_SEPARATOR = "; "
_WRITES = frozenset(
    {
        ProvisioningAction.CREATE,
        ProvisioningAction.UPDATE,
        ProvisioningAction.DISABLE,
        ProvisioningAction.DELETE,
    }
)
_DELETED = (
    "it was deleted at the application, and what is deleted there does not come back: provision the person on demand, "
    "who then gets a new account"
)


@dataclass(slots=True)
class History:
    """What a cycle did to one object, over all of its entries."""

    kind: ObjectKind
    source_id: str
    source_name: str
    is_created: bool = False
    is_deleted: bool = False
    # By attribute: the text before the first change and after the last one.
    values: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    # By attribute: why the last change was made.
    reasons: dict[str, str] = field(default_factory=dict)
    # By reference attribute: target ids that came, and that went.
    came: dict[str, set[str]] = field(default_factory=dict)
    went: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """How an object's history is undone: an operation, if there is one, and what stays."""

    operation: Operation | None
    irreversible: tuple[Irreversible, ...]


def read_histories(entries: Iterable[LogEntry], references: Mapping[ObjectKind, frozenset[str]]) -> list[History]:
    """Returns what was done to each object, in the order of their first entries.

    Args:
        entries: of one cycle, oldest first.
        references: the reference attributes of each kind.
    """
    found: dict[tuple[str, str], History] = {}
    for entry in entries:
        if entry.status is not LogStatus.SUCCESS or entry.action not in _WRITES:
            continue
        kind = ObjectKind(entry.object_kind)
        history = found.setdefault(
            (entry.object_kind, entry.source_id),
            History(kind=kind, source_id=entry.source_id, source_name=entry.source_name),
        )
        if entry.action is ProvisioningAction.DELETE:
            history.is_deleted = True
        elif entry.action is ProvisioningAction.CREATE:
            history.is_created, history.is_deleted = True, False
        else:
            _add_values(history, entry, references.get(kind, frozenset()))
    return list(found.values())


def _add_values(history: History, entry: LogEntry, references: frozenset[str]) -> None:
    for item in entry.modified:
        name = item.display_name
        if name not in references:
            # Empty, nothing was known of it: so stands what another source has let go of.
            first = history.values.get(name, (item.old_value or None, None))[0]
            history.values[name] = (first, item.new_value)
            history.reasons[name] = entry.reason or ""
            continue
        gone, come = _ids(item.old_value), _ids(item.new_value)
        came, went = history.came.setdefault(name, set()), history.went.setdefault(name, set())
        # Whoever came and went within the cycle was not there before.
        went |= gone - came
        came -= gone
        came |= come - went
        went -= come


def was_switched_off(history: History, name: str) -> bool:
    """Whether an attribute is a switch that the cycle has turned off."""
    before, after = history.values[name]
    return name in SWITCHES and is_off(after) and not is_off(before)


def undo(
    history: History,
    link: Link | None,
    rules: KindRules | None,
    *,
    change_id: str,
    cycle_id: str,
    kept_out: str | None = None,
) -> Undone:
    """Returns how an object's attributes go back; references are another matter.

    Args:
        link: as it stands now; None: the account is no longer ours, or no longer there.
        kept_out: why it is not to be there now, as the cycle would have said it; None: it is.
    """
    if history.is_deleted:
        return _stays(history, _DELETED) if not history.is_created else Undone(operation=None, irreversible=())
    if link is None:
        touched = history.is_created or history.values
        return (
            _stays(history, "its account is no longer linked") if touched else Undone(operation=None, irreversible=())
        )
    if rules is None:
        return _stays(history, f"the rules no longer carry objects of type {history.kind.value}")
    if history.is_created:
        return _unmake(history, link, rules, change_id, cycle_id)
    changes, irreversible = _changes_back(history, link, rules, kept_out)
    if not changes:
        return Undone(operation=None, irreversible=irreversible)
    kind = OperationKind.DISABLE if switched_off(changes) else OperationKind.UPDATE
    operation = _operation(history, link, kind, changes, change_id, cycle_id)
    return Undone(operation=operation, irreversible=irreversible)


def _unmake(history: History, link: Link, rules: KindRules, change_id: str, cycle_id: str) -> Undone:
    """Switches a created account off; deletes what cannot be switched off, such as a group."""
    switches = [
        item.attribute
        for item in rules.values
        if item.is_life_sign and item.definition.type is AttributeType.BOOLEAN and rules.soft_deletes
    ]
    if switches:
        sent = link.acknowledged.sent
        changes = tuple(
            AttributeChange(attribute=name, verb=Verb.REPLACE, old=sent[name], new=not sent[name])
            for name in switches
            if isinstance(sent.get(name), bool) and sent[name]
        )
        if not changes:
            # Switched off meanwhile.
            return Undone(operation=None, irreversible=())
        operation = _operation(history, link, OperationKind.DISABLE, changes, change_id, cycle_id)
        return Undone(operation=operation, irreversible=())
    if link.owned is not LinkState.MANAGED or not rules.does(ObjectAction.DELETE):
        return _stays(history, "it can neither be switched off nor may it be deleted")
    deletion = _operation(history, link, OperationKind.DELETE, (), change_id, cycle_id)
    return Undone(operation=replace(deletion, link_state=None, owned=None), irreversible=())


def _changes_back(
    history: History, link: Link, rules: KindRules, kept_out: str | None
) -> tuple[tuple[AttributeChange, ...], tuple[Irreversible, ...]]:
    changes: list[AttributeChange] = []
    irreversible: list[Irreversible] = []
    for name, (before, after) in history.values.items():
        definition = rules.definitions.get(name)
        why = _why_not(name, before, after, definition, link)
        if (
            why is None
            and kept_out is not None
            and was_switched_off(history, name)
            and not history.reasons[name].startswith(kept_out)
        ):
            # What the cycle did by mistake is taken back; not what others have decided since.
            why = f"it would be switched on, and is kept out by now for another reason: {kept_out}"
        if why is not None:
            irreversible.append(_irreversible(history, why, name))
            continue
        old, new = read_value(after, definition), read_value(before, definition)
        if are_equal(old, new, definition):
            continue
        verb = Verb.REMOVE if new is None else Verb.ADD if old is None else Verb.REPLACE
        several = isinstance(new if new is not None else old, tuple)
        changes.append(AttributeChange(attribute=name, verb=verb, old=old, new=new, multivalued=several))
    return tuple(changes), tuple(irreversible)


def _why_not(
    name: str, before: str | None, after: str | None, definition: AttributeDefinition | None, link: Link
) -> str | None:
    """Returns why an attribute cannot go back, None if it can."""
    if definition is None:
        return "the rules no longer map it"
    if HIDDEN in (before, after):
        return "its value is not kept in the log"
    if definition.mutability in (Mutability.IMMUTABLE, Mutability.READ_ONLY):
        return "the application does not change it after creation"
    if not are_equal(link.acknowledged.sent.get(name), read_value(after, definition), definition):
        return "it was changed since"
    if before is None and link.owned is not LinkState.MANAGED:
        return "the application had not shown a value before, so nobody knows whether there was one"
    return None


def read_value(text: str | None, definition: AttributeDefinition | None) -> Value:
    """Returns the value that the log shows as this text."""
    if text is None or definition is None:
        return text
    if definition.multivalued:
        return tuple(_single(part, definition) for part in text.split(_SEPARATOR))
    return _single(text, definition)


def _single(text: str, definition: AttributeDefinition) -> Value:
    if definition.type is AttributeType.BOOLEAN and text in ("True", "False"):
        return text == "True"
    if definition.type is AttributeType.INTEGER and text.removeprefix("-").isdecimal():
        return int(text)
    return text


def _ids(text: str | None) -> set[str]:
    return set() if text is None else set(text.split(_SEPARATOR))


def _operation(
    history: History,
    link: Link,
    kind: OperationKind,
    changes: tuple[AttributeChange, ...],
    change_id: str,
    cycle_id: str,
) -> Operation:
    return Operation(
        change_id=change_id,
        kind=kind,
        object_kind=history.kind,
        source_id=history.source_id,
        source_name=history.source_name,
        reason=f"Takes back what the cycle {cycle_id} did.",
        target_id=link.target_id,
        target_name=link.display_name,
        changes=changes,
        # A released account is ours again, and the rules decide about it from then on.
        link_state=link.state if kind is OperationKind.DISABLE else link.owned,
        owned=link.owned,
        acknowledged=link.acknowledged,
        cause=Cause(kind=CauseKind.ROLLBACK, subject=cycle_id, sentence="a cycle is taken back"),
    )


def _stays(history: History, reason: str) -> Undone:
    return Undone(operation=None, irreversible=(_irreversible(history, reason),))


def _irreversible(history: History, reason: str, attribute: str | None = None) -> Irreversible:
    return Irreversible(
        source_id=history.source_id, source_name=history.source_name, attribute=attribute, reason=reason
    )
