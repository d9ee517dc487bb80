"""A target in memory that keeps every call: for tests of the engine, and to rehearse rules without an application."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.model.directory import ObjectKind
from muster.model.failures import Conflict, ProvisioningFailure, TargetObjectGone
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, TargetResource, Verb
from muster.ports.target import Capabilities, ListedPage, UnknownOutcome, Written

WRITES = frozenset({"create", "update", "delete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call: its name, its object and what was written."""

    name: str
    kind: ObjectKind | None = None
    target_id: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Held:
    attributes: dict[str, Any]
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)


class RecordedTarget:
    """Implements `ports.target.Target` over dictionaries. Ids count from 1 for each kind: `user-1`, `group-1`.

    `unique` names attributes whose values may not occur twice. A failure given to `fail_next` is raised by the next
    call of that name; an `UnknownOutcome` is raised after the write has been carried out, as when an answer is lost.
    """

    def __init__(
        self, *, capabilities: Capabilities | None = None, unique: Sequence[str] = ("userName", "displayName")
    ) -> None:
        self._capabilities = capabilities or Capabilities()
        self._unique = unique
        self._held: dict[ObjectKind, dict[str, _Held]] = {kind: {} for kind in ObjectKind}
        self._made = dict.fromkeys(ObjectKind, 0)
        self._failures: dict[str, list[ProvisioningFailure | UnknownOutcome]] = {}
        self._lock = threading.RLock()
        self.calls: list[RecordedCall] = []

    @property
    def capabilities(self) -> Capabilities:
        """What was given."""
        return self._capabilities

    @property
    def writes(self) -> list[RecordedCall]:
        """The calls that wrote."""
        return [call for call in self.calls if call.name in WRITES]

    def requests_made(self) -> int:
        """Returns how many calls there were."""
        return len(self.calls)

    def fail_next(self, name: str, *failures: ProvisioningFailure | UnknownOutcome) -> None:
        """Lets the next calls of a name fail."""
        self._failures.setdefault(name, []).extend(failures)

    def put(self, kind: ObjectKind, attributes: Mapping[str, Any]) -> str:
        """Places an object there without a call, as somebody at the application would; returns its id."""
        with self._lock:
            self._made[kind] += 1
            target_id = f"{kind.value.lower()}-{self._made[kind]}"
            self._held[kind][target_id] = _Held(attributes=dict(attributes))
            return target_id

    def drop(self, kind: ObjectKind, target_id: str) -> None:
        """Takes an object away without a call."""
        self._held[kind].pop(target_id, None)

    def all_of(self, kind: ObjectKind) -> dict[str, TargetResource]:
        """Returns everything of a kind by id, without a call."""
        return {target_id: _shown(target_id, held) for target_id, held in self._held[kind].items()}

    def probe(self, matching_attribute: str) -> None:
        """Records the call."""
        self._note("probe", values={"matching": matching_attribute})

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns all objects with the value."""
        with self._lock:
            self._note("find", kind, values={matching.attribute: matching.value})
            return tuple(
                _shown(target_id, held)
                for target_id, held in self._held[kind].items()
                if _equal(held.attributes.get(matching.attribute), matching.value, case_exact=matching.case_exact)
            )

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object."""
        with self._lock:
            self._note("read", kind, target_id)
            held = self._held[kind].get(target_id)
            return None if held is None else _shown(target_id, held)

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page in the order of creation."""
        with self._lock:
            self._note("list_page", kind)
            everything = list(self._held[kind].items())
            first = int(start or 0)
            page = everything[first : first + self._capabilities.page_size]
            following = first + len(page)
            return ListedPage(
                resources=tuple(_shown(target_id, held) for target_id, held in page),
                next_start=str(following) if following < len(everything) else None,
                total=len(everything),
            )

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object."""
        attributes = {item.attribute: item.value for item in values}
        with self._lock:
            lost = self._note("create", kind, values=attributes)
            for name in self._unique:
                if any(_equal(held.attributes.get(name), attributes.get(name)) for held in self._held[kind].values()):
                    raise Conflict(f"Another {kind.value.lower()} has {name} “{attributes[name]}”.", status=409)
            target_id = self.put(kind, attributes)
            return self._answer(kind, target_id, lost)

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes an object."""
        with self._lock:
            lost = self._note("update", kind, target_id, {change.attribute: change.new for change in changes})
            held = self._held[kind].get(target_id)
            if held is None:
                raise TargetObjectGone(f"There is no {kind.value.lower()} {target_id}.", status=404)
            for change in changes:
                _apply(held, change)
            return self._answer(kind, target_id, lost)

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Deletes an object."""
        with self._lock:
            lost = self._note("delete", kind, target_id)
            self.drop(kind, target_id)
            if lost is not None:
                raise lost

    def _answer(self, kind: ObjectKind, target_id: str, lost: UnknownOutcome | None) -> Written:
        if lost is not None:
            raise lost
        return Written(target_id=target_id, resource=_shown(target_id, self._held[kind][target_id]))

    def _note(
        self,
        name: str,
        kind: ObjectKind | None = None,
        target_id: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> UnknownOutcome | None:
        """Records a call; raises the failure that waits for it, or returns the one to raise once it is done."""
        with self._lock:
            self.calls.append(RecordedCall(name=name, kind=kind, target_id=target_id, values=dict(values or {})))
            waiting = self._failures.get(name)
            failure = waiting.pop(0) if waiting else None
        if isinstance(failure, ProvisioningFailure):
            raise failure
        return failure


def _apply(held: _Held, change: AttributeChange) -> None:
    if change.is_reference:
        present = held.references.get(change.attribute, ())
        new = _ids_of(change.new)
        match change.verb:
            case Verb.ADD if change.multivalued:
                result = (*present, *(item for item in new if item not in present))
            case Verb.REMOVE if change.multivalued:
                gone = set(_ids_of(change.old) or new)
                result = tuple(item for item in present if item not in gone)
            case Verb.REMOVE:
                result = ()
            case _:
                result = new
        held.references[change.attribute] = result
    elif change.verb is Verb.REMOVE:
        held.attributes.pop(change.attribute, None)
    elif change.verb is Verb.ADD and isinstance(change.old, tuple | list):
        present = held.attributes.get(change.attribute, ())
        held.attributes[change.attribute] = (*present, *(item for item in change.new if item not in present))
    else:
        held.attributes[change.attribute] = change.new


def _shown(target_id: str, held: _Held) -> TargetResource:
    name = held.attributes.get("displayName") or held.attributes.get("userName")
    return TargetResource(
        target_id=target_id,
        attributes={key: value for key, value in held.attributes.items() if value is not None},
        references=dict(held.references),
        display_name=None if name is None else str(name),
    )


def _ids_of(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, tuple | list) else (str(value),)


def _equal(held: Any, wanted: Any, *, case_exact: bool = False) -> bool:
    if held is None or wanted is None:
        return False
    return str(held) == str(wanted) if case_exact else str(held).casefold() == str(wanted).casefold()
