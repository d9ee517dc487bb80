"""What differs between wanted and current values, attribute by attribute."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from muster.model.directory import AttributeType
from muster.model.operation import Acknowledged, AttributeChange, MappedValue, TargetObject, Verb
from muster.model.rules import AttributeDefinition
from muster.model.values import Attributes, Value, canonical_json
from muster.planning.mapping import MappedRow
from muster.planning.rules import KindRules

# What lets somebody in, whatever the rules map it with: at SCIM applications, and in our own directory.
SWITCHES = frozenset({"active", "accountEnabled"})


def differences(wanted: Collection[MappedValue], target: TargetObject, rules: KindRules) -> tuple[AttributeChange, ...]:
    """Returns the changes that bring an existing object to the wanted values.

    When the target was asked, its own answer counts, but for what it rewrote or dropped when it confirmed the same
    value before; else the acknowledged projection. Values for creation only are left out.
    """
    acknowledged = target.link.acknowledged if target.link is not None else Acknowledged()
    if target.resource is None and isinstance(wanted, MappedRow) and wanted.is_just(acknowledged.sent):
        return ()
    current: Attributes = target.resource.attributes if target.resource is not None else acknowledged.sent
    changes = []
    for value in wanted:
        definition = rules.definitions.get(value.attribute)
        now = current.get(value.attribute)
        if value.create_only or (value.fills_empty and not are_equal(now, None, definition)):
            continue
        same = _is_held(value, now, definition)
        if not same and target.resource is not None:
            same = _confirmed_otherwise(value, now, acknowledged, definition)
        if not same or (value.always_flows and value.value is not None):
            changes.append(_change(value, now))
    return tuple(changes)


def switched_off(changes: Sequence[AttributeChange]) -> tuple[str, ...]:
    """Returns the switches by which changes take access from somebody who has it, as far as is known.

    Of other life signs a false may let in (`isSoftDeleted`): which way they mean it, no rule tells.
    """
    return tuple(
        change.attribute
        for change in changes
        if change.attribute in SWITCHES and is_off(change.new) and not is_off(change.old)
    )


def is_off(value: Value) -> bool:
    """Whether a switch with this value lets nobody in. Lenient: some targets keep booleans as text."""
    return str(value).lower() == "false"


def _change(value: MappedValue, now: Value) -> AttributeChange:
    """Returns the change to a wanted value: whole, or (verb ADD with `old`) to be added to what is there."""
    new = value.value
    if new is None:
        verb = Verb.REMOVE
    elif now is None or value.adds_only:
        verb = Verb.ADD
    else:
        verb = Verb.REPLACE
    return AttributeChange(
        attribute=value.attribute,
        verb=verb,
        old=now,
        new=new,
        redacted=value.redacted,
        multivalued=isinstance(new if new is not None else now, tuple | list),
    )


def _is_held(value: MappedValue, now: Value, definition: AttributeDefinition | None) -> bool:
    """Whether the target has what is wanted; of values that are only added, whether it has all of them."""
    if value.adds_only:
        return not _missing(value.value, now, definition)
    return are_equal(value.value, now, definition)


def _missing(wanted: Value, now: Value, definition: AttributeDefinition | None) -> tuple[Value, ...]:
    held = {_element(part, definition) for part in _parts(now)}
    return tuple(part for part in _parts(wanted) if _element(part, definition) not in held)


def _parts(value: Value) -> tuple[Value, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def acknowledge(
    before: Acknowledged, sent: Attributes, shown: Attributes | None, definitions: KindRules
) -> Acknowledged:
    """Returns the acknowledged projection after a confirmed write. `shown` None: the target did not show the object.

    Only what was written now, or was rewritten before, counts as rewritten: anything else that the target shows
    otherwise was changed there by somebody, and a full pass is to correct it.
    """
    merged = {**before.sent, **sent}
    if shown is None:
        # The same value sent again: what the target made of it the last time still stands.
        seen = {
            name: value
            for name, value in before.seen.items()
            if name not in sent or are_equal(before.sent.get(name), sent[name], definitions.definitions.get(name))
        }
    else:
        seen = {
            name: shown.get(name)
            for name in {**before.seen, **sent}
            if not are_equal(merged.get(name), shown.get(name), definitions.definitions.get(name))
        }
    return Acknowledged(sent=merged, seen=seen, repeated=before.repeated)


def take_over(
    before: Acknowledged,
    wanted: Collection[MappedValue],
    shown: Attributes,
    changes: Sequence[AttributeChange],
    rules: KindRules,
) -> Acknowledged:
    """Returns the projection once the target has shown the object, before `changes` are sent.

    What it shows takes the place of what was sent. But a value that was sent before, is shown otherwise and is sent
    again may be one that the target rewrites: for a target that shows nothing after a write this is noted here, so that
    it is sent again once and not in every full pass.
    """
    sent, seen = dict(before.sent), dict(before.seen)
    again = {change.attribute for change in changes}
    for value in wanted:
        name = value.attribute
        now, definition = shown.get(name), rules.definitions.get(name)
        if name in again and are_equal(before.sent.get(name), value.value, definition):
            seen[name] = now
        elif are_equal(now, value.value, definition):
            sent[name] = now
            seen.pop(name, None)
        elif now is not None and name not in before.seen:
            sent[name] = now
    return Acknowledged(sent=sent, seen=seen, repeated=before.repeated)


def are_equal(one: Value, other: Value, definition: AttributeDefinition | None) -> bool:
    """Whether two values are the same for the target: by type, letter case only where caseExact, lists as sets."""
    if one is other or (one.__class__ is str and one == other):
        return True
    return bool(_comparable(one, definition) == _comparable(other, definition))


def _confirmed_otherwise(
    value: MappedValue, now: Value, acknowledged: Acknowledged, definition: AttributeDefinition | None
) -> bool:
    """Whether the target confirmed this very value before and showed then what it shows now.

    Never of whoever is to be switched off and is shown as switched on: that is no other way to write it.
    """
    name = value.attribute
    if value.is_life_sign and are_equal(value.value, False, definition) and are_equal(now, True, definition):
        return False
    return (
        name in acknowledged.seen
        and are_equal(value.value, acknowledged.sent.get(name), definition)
        and are_equal(now, acknowledged.seen[name], definition)
    )


def _comparable(value: Value, definition: AttributeDefinition | None) -> Value:
    if value is None or value in ("", (), []):
        return None
    if isinstance(value, tuple | list):
        return sorted({_element(part, definition) for part in value})
    if isinstance(value, dict):
        return {key: part for key, part in value.items() if part is not None}
    kind = definition.type if definition is not None else AttributeType.STRING
    if isinstance(value, bool) or kind is AttributeType.BOOLEAN:
        # Lenient: some targets keep booleans as text.
        return str(value).lower()
    if kind is AttributeType.DATE_TIME:
        return _instant(str(value))
    text = str(value)
    return text if definition is not None and definition.case_exact else text.casefold()


def _element(part: Value, definition: AttributeDefinition | None) -> bytes:
    """Returns one spelling for equal elements of a list. An element with a value is known by it (roles, for one):
    the target may add to the rest of it, or drop that."""
    known_by = part.get("value") if isinstance(part, Mapping) else None
    return canonical_json(_comparable(part if known_by is None else known_by, definition))


def _instant(text: str) -> str:
    """Returns one spelling for equal instants (no zone: UTC); a text that is none stays as it is."""
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text
