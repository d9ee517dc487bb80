"""Our own directory as a target: where inbound jobs (files, LDAP, Graph) write."""

from collections.abc import Mapping, Sequence
from typing import Any

from muster.model.copies import replace
from muster.model.directory import (
    ATTRIBUTES_OF,
    MEMBER_GROUPS,
    MEMBERS,
    VALUES_LIMIT,
    AttributeType,
    DirectoryAttribute,
    DirectoryObject,
    Lifecycle,
    ObjectKind,
    why_text_is_refused,
)
from muster.model.failures import Conflict, ObjectFailure, TargetObjectGone, ValueRefused
from muster.model.operation import (
    AttributeChange,
    MappedValue,
    MatchingValue,
    Operation,
    OperationKind,
    TargetResource,
    Verb,
)
from muster.ports.directory import DirectoryQuery, DirectoryStore, ObjectWrite, WriteRefused
from muster.ports.target import Capabilities, ListedPage, Written
from muster.ports.world import Clock

PAGE_SIZE = 500
MANAGER = "manager"
_NUMBERS = ("employeeId", "objectId")
_MEMBERS = (MEMBERS, MEMBER_GROUPS)
_STRING = AttributeType.STRING
# Whom a source no longer has goes into the recycle bin, and comes back out of it with the source.
SOFT_DELETED = "isSoftDeleted"

_LIVING = (Lifecycle.PRESENT, Lifecycle.SOFT_DELETED)
_REMEDY = "Correct the row in the source, then import again."


class DirectoryTarget:
    """Implements `ports.target.Target` and `BatchTarget` over a directory store."""

    def __init__(self, store: DirectoryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._requests = 0

    @property
    def capabilities(self) -> Capabilities:
        """One writer, pages of five hundred."""
        return Capabilities(page_size=PAGE_SIZE, concurrency=1, members_per_request=10_000)

    def requests_made(self) -> int:
        """Returns how many times the store was asked."""
        return self._requests

    def probe(self, matching_attribute: str) -> str | None:  # noqa: ARG002  nobody is looked for
        """Does nothing: our own directory is there as long as we are."""
        return None

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns objects that are not hard-deleted and have the value; deleted groups are not taken up again."""
        self._requests += 1
        if matching.attribute == "objectId":
            found = self._store.get(kind, matching.value)
            objects: tuple[DirectoryObject, ...] = (
                () if found is None or found.object_id != matching.value else (found,)
            )
        else:
            _check_attribute(kind, matching.attribute)
            comparison = (matching.attribute, "eq", matching.value)
            lifecycles = _LIVING if kind is ObjectKind.USER else (Lifecycle.PRESENT,)
            query = DirectoryQuery(kind=kind, comparisons=(comparison,), lifecycles=lifecycles)
            objects = self._store.search(query).objects
        return tuple(
            _shown(item)
            for item in objects
            if item.lifecycle in _LIVING
            and (not matching.case_exact or item.attributes.get(matching.attribute) == matching.value)
        )

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object, or None once it is hard-deleted."""
        self._requests += 1
        found = self._store.get(kind, target_id)
        if found is None or found.object_id != target_id or found.lifecycle is Lifecycle.HARD_DELETED:
            return None
        return _shown(found)

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page of all objects that are not hard-deleted."""
        self._requests += 1
        lifecycles = _LIVING if kind is ObjectKind.USER else (Lifecycle.PRESENT,)
        # As of any target, the first page says how many there are: whether listing is worth it hangs on that.
        is_first = start is None
        query = DirectoryQuery(kind=kind, lifecycles=lifecycles, counted=is_first, after=start, limit=PAGE_SIZE)
        page = self._store.search(query)
        return ListedPage(
            resources=tuple(_shown(item) for item in page.objects), next_start=page.next_after, total=page.total
        )

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object. Raises: Conflict naming the principal name that is taken; ValueRefused."""
        write = _new_object(kind, {item.attribute: item.value for item in values})
        return _raised(self._write([write])[0])

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes attributes, the manager or direct members."""
        write = _changed_object(kind, target_id, changes)
        written = Written(target_id=target_id)
        if write is not None:
            written = _raised(self._write([write])[0])
        for change in changes:
            if change.attribute in _MEMBERS:
                _raised(self._change_members(kind, target_id, change))
        return written

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Moves an object into the recycle bin; the life sign isSoftDeleted does the same for people."""
        self._requests += 1
        found = self._store.get(kind, target_id)
        if found is not None and found.lifecycle is Lifecycle.PRESENT:
            self._store.set_lifecycle(kind, found.object_id, Lifecycle.SOFT_DELETED, self._clock.now())

    def write_many(self, operations: Sequence[Operation]) -> Sequence[Written | ObjectFailure]:
        """Writes attributes and managers of all operations in one transaction, then members group by group."""
        answers: dict[int, Written | ObjectFailure] = {}
        writes: dict[int, ObjectWrite] = {}
        for number, operation in enumerate(operations):
            try:
                write = _write_of(operation)
            except ObjectFailure as failure:
                answers[number] = failure
                continue
            answers[number] = Written(target_id=operation.target_id or "")
            if write is not None:
                writes[number] = write
        if writes:
            answers.update(zip(writes, self._write(list(writes.values())), strict=True))
        for number, operation in enumerate(operations):
            if not isinstance(answers[number], ObjectFailure):
                answers[number] = self._finish(operation, answers[number])
        return [answers[number] for number in range(len(operations))]

    def _finish(self, operation: Operation, answer: Written | ObjectFailure) -> Written | ObjectFailure:
        """Does what is no write of attributes: deletions and members."""
        if operation.kind is OperationKind.DELETE:
            self.delete(operation.object_kind, operation.target_id or "")
            return answer
        for change in operation.changes:
            if change.attribute in _MEMBERS:
                result = self._change_members(operation.object_kind, operation.target_id or "", change)
                if isinstance(result, ObjectFailure):
                    return result
        return answer

    def _write(self, writes: Sequence[ObjectWrite]) -> list[Written | ObjectFailure]:
        self._requests += 1
        answers = self._store.write(writes, self._clock.now())
        return [_refusal(answer) if isinstance(answer, WriteRefused) else _confirmed(answer) for answer in answers]

    def _change_members(self, kind: ObjectKind, target_id: str, change: AttributeChange) -> Written | ObjectFailure:
        if kind is not ObjectKind.GROUP:
            return ValueRefused("Only groups have members.", code="SchemaAttributeNotFound", remedy=_REMEDY)
        old, new = _ids_of(change.old), _ids_of(change.new)
        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()
        match change.verb:
            case Verb.ADD:
                add = new
            case Verb.REMOVE:
                remove = old or new
            case Verb.REPLACE:
                add, remove = new, tuple(item for item in old if item not in set(new))
        self._requests += 1
        try:
            self._store.change_members(target_id, add=add, remove=remove)
        except LookupError as error:
            # The group or a member was deleted meanwhile.
            return TargetObjectGone(f"Members of group {target_id} cannot be changed: {error.args[0]}.")
        return Written(target_id=target_id)


# ---------------------------------------------------------------- operations to writes


def _write_of(operation: Operation) -> ObjectWrite | None:
    match operation.kind:
        case OperationKind.CREATE:
            values = {change.attribute: change.new for change in operation.changes if not change.is_reference}
            return _new_object(operation.object_kind, values)
        case OperationKind.UPDATE | OperationKind.DISABLE | OperationKind.REFER:
            write = _changed_object(operation.object_kind, operation.target_id or "", operation.changes)
            if write is None or not operation.adopts:
                return write
            return replace(write, taken_up_by=_numbers_of(operation))
        case _:
            return None


def _numbers_of(operation: Operation) -> tuple[tuple[str, str], ...]:
    """What proves that whoever is found is the same person; names and addresses go from one to the next."""
    return tuple((each.attribute, each.value) for each in operation.matching if each.attribute in _NUMBERS)


def _new_object(kind: ObjectKind, values: Mapping[str, Any]) -> ObjectWrite:
    is_deleted = kind is ObjectKind.USER and values.get(SOFT_DELETED) in (True, "True")
    known = ATTRIBUTES_OF[kind]
    attributes = {name: _checked(kind, known, name, value) for name, value in values.items() if name != SOFT_DELETED}
    return ObjectWrite(
        kind=kind,
        object_id=None,
        attributes={name: value for name, value in attributes.items() if value is not None},
        lifecycle=Lifecycle.SOFT_DELETED if is_deleted else None,
        is_new=True,
    )


def _changed_object(kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> ObjectWrite | None:
    """The write that changes carry; None when they concern members alone."""
    manager_id: str | None = None
    lifecycle: Lifecycle | None = None
    attributes: dict[str, Any] = {}
    for change in changes:
        if change.attribute == MANAGER and kind is ObjectKind.USER:
            manager_id = "" if change.verb is Verb.REMOVE or change.new is None else str(change.new)
        elif change.attribute == SOFT_DELETED and kind is ObjectKind.USER:
            is_deleted = _boolean(SOFT_DELETED, change.new) if change.new is not None else False
            lifecycle = Lifecycle.SOFT_DELETED if is_deleted else Lifecycle.PRESENT
        elif change.attribute not in _MEMBERS:
            value = None if change.verb is Verb.REMOVE else change.new
            if change.verb is Verb.ADD and isinstance(change.old, tuple | list):
                value = (*change.old, *(item for item in change.new if item not in change.old))
            attributes[change.attribute] = _checked(kind, ATTRIBUTES_OF[kind], change.attribute, value)
    if not attributes and manager_id is None and lifecycle is None:
        return None
    return ObjectWrite(
        kind=kind,
        object_id=target_id,
        attributes=attributes,
        manager_id=manager_id,
        lifecycle=lifecycle,
        is_new=False,
    )


def _check_attribute(kind: ObjectKind, name: str) -> None:
    if name not in ATTRIBUTES_OF[kind]:
        raise _unknown_attribute(kind, name)


def _unknown_attribute(kind: ObjectKind, name: str) -> ValueRefused:
    return ValueRefused(
        f"The directory has no attribute {name} for a {kind.value.lower()}.",
        code="SchemaAttributeNotFound",
        remedy="Correct the target attribute of the mapping.",
    )


def _checked(kind: ObjectKind, known: Mapping[str, DirectoryAttribute], name: str, value: Any) -> Any:
    attribute = known.get(name)
    if attribute is None:
        raise _unknown_attribute(kind, name)
    if not attribute.writable:
        raise ValueRefused(
            f"The directory gives out {name} itself; it cannot be written.",
            code="NotPermitted",
            remedy="Remove the mapping of this target attribute.",
        )
    if value is None or value == "" or value == ():
        return None
    if value.__class__ is str and attribute.type is _STRING and not attribute.multivalued:
        # Nearly all are one text.
        return _text(name, value)
    if attribute.multivalued:
        texts = tuple(str(item) for item in value) if isinstance(value, tuple | list) else (str(value),)
        if len(texts) > VALUES_LIMIT:
            raise _refused(name, f"takes at most {VALUES_LIMIT} values", f"has {len(texts):,}")
        for text in texts:
            _text(name, text)
        return texts
    if attribute.type is AttributeType.BOOLEAN:
        return _boolean(name, value)
    if isinstance(value, tuple | list | dict):
        raise ValueRefused(f"{name} takes one value.", code="SchemaPropertyCanOnlyAcceptValue", remedy=_REMEDY)
    return _text(name, str(value))


def _text(name: str, text: str) -> str:
    """Returns a text as the directory takes it from whoever writes to it."""
    problem = why_text_is_refused(name, text)
    if problem is not None:
        raise _refused(name, problem, f"has {len(text):,}" if "at most" in problem else "")
    return text


def _refused(name: str, problem: str, found: str) -> ValueRefused:
    return ValueRefused(f"{name} {problem}{f'; this one {found}' if found else ''}.", remedy=_REMEDY)


def _boolean(name: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueRefused(f"{name} takes True or False, not “{str(value)[:60]}”.", remedy=_REMEDY)
    return text == "true"


def _ids_of(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, tuple | list) else (str(value),)


# ---------------------------------------------------------------- answers


def _shown(found: DirectoryObject) -> TargetResource:
    attributes: dict[str, Any] = {name: value for name, value in found.attributes.items() if value is not None}
    if found.kind is ObjectKind.USER:
        attributes[SOFT_DELETED] = found.lifecycle is Lifecycle.SOFT_DELETED
    return TargetResource(
        target_id=found.object_id,
        attributes=attributes,
        references={} if found.manager_id is None else {MANAGER: (found.manager_id,)},
        display_name=found.display_name,
    )


def _confirmed(found: DirectoryObject) -> Written:
    return Written(target_id=found.object_id, resource=_shown(found))


def _refusal(refused: WriteRefused) -> ObjectFailure:
    sentence = f"{refused.sentence[:1].upper()}{refused.sentence[1:]}".rstrip(".") + "."
    remedy = refused.remedy or _REMEDY
    match refused.code:
        case "ObjectConflict":
            return Conflict(sentence, remedy=remedy)
        case "Request_ResourceNotFound":
            return TargetObjectGone(sentence)
        case _:
            return ValueRefused(sentence, remedy=remedy)


def _raised(answer: Written | ObjectFailure) -> Written:
    if isinstance(answer, ObjectFailure):
        raise answer
    return answer
