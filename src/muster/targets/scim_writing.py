"""Writing to a SCIM application: what it refuses in one way is said in another, before it counts as refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from muster.model.counting import number_of
from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import OperationRefused, TargetObjectGone, ValueRefused
from muster.model.operation import AttributeChange, MappedValue, Verb
from muster.ports.target import UnknownOutcome, Written
from muster.scim.client import (
    AnswerUnreadable,
    ClientRequest,
    form_change,
    form_create,
    form_delete,
    read_document,
    read_error,
    read_resource,
    resource_id,
)
from muster.scim.dialect import UpdateMethod
from muster.scim.mapping_paths import MappingPathInvalid, get_member
from muster.scim.updates import AttributeOperation, PatchVerb, form_patch_bodies, form_put_body, needs_current
from muster.targets.scim_failures import Errand, Purpose, failure_of, failure_of_content
from muster.targets.scim_reading import ScimReader
from muster.targets.scim_session import ScimSession, named
from muster.targets.scim_silence import SILENT_TRIES, absent_in, known_by, says_nothing, shows_on, switches_off
from muster.targets.scim_versions import DEMANDS, TRIES, Versions

# How a service may answer a PATCH that it does not know; the first two leave no doubt.
_NO_PATCH = (405, 501, 400, 403, 404, 415)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """A change on its way to the application; `answers` are those that have said so far that it was done."""

    kind: ObjectKind
    target_id: str
    operations: Sequence[AttributeOperation]
    errand: Errand
    answers: list[HttpResponse] = field(default_factory=list)


class ScimWriter:
    """Writes; raises ProvisioningFailure, and UnknownOutcome when nobody knows what came of a request."""

    def __init__(self, session: ScimSession, reader: ScimReader) -> None:
        self._session = session
        self._reader = reader
        self._versions = Versions(session)

    # ------------------------------------------------------------ create, delete

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object. Raises: UnknownOutcome when it is confirmed without an id to know it by."""
        request, errand = self.form_creation(kind, values)
        return self.created(kind, self._send(request, errand), errand)

    def form_creation(self, kind: ObjectKind, values: Sequence[MappedValue]) -> tuple[ClientRequest, Errand]:
        """Returns the request that creates an object. Raises: ValueRefused."""
        hidden = [item.value for item in values if item.redacted]
        errand = self._session.errand(Purpose.CREATE, f"a {kind.value.lower()}", hidden)
        try:
            given = {item.attribute: item.value for item in values}
            return form_create(kind.value, given, self._session.dialect), errand
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error

    def created(self, kind: ObjectKind, response: HttpResponse, errand: Errand) -> Written:
        """Returns what an answer says of a creation. Raises as `create`."""
        if not 200 <= response.status < 300:
            raise failure_of(response, errand)
        try:
            return self._written(kind, read_resource(response.body))
        except AnswerUnreadable as error:
            path = self._session.dialect.paths[kind.value]
            target_id = id_in_location(response.headers.get("location", ""), path)
            if target_id is not None:
                return Written(target_id=target_id)
            raise UnknownOutcome(f"The application confirmed {errand.subject} without its id. {error}") from error

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Deletes an object; 404 and 410 mean that it is done.

        What is confirmed by 200 without content is looked for, as changes are. Who is still there, but switched off
        (some applications do no more), counts as deleted in the end.
        """
        request, errand = self.form_deletion(kind, target_id)
        left: Mapping[str, Any] = {}
        for _ in range(SILENT_TRIES):
            response = self._versions.send(request, errand)
            self._reader.forget_lists()
            self.deleted(kind, response, errand)
            if not says_nothing(response) or self._session.confirms_in_silence:
                return
            found = self._reader.read_document(kind, target_id)
            if found is None:
                # Who was not seen there before may have been gone already.
                self._session.confirms_in_silence |= bool(left)
                return
            left = found
        if get_member(left, "active") is not False:
            sentence = "The deletion was confirmed without content (HTTP 200), and the object is still there."
            raise failure_of_content(sentence, 200, errand)

    def form_deletion(self, kind: ObjectKind, target_id: str) -> tuple[ClientRequest, Errand]:
        """Returns the request that deletes an object."""
        errand = self._session.errand(Purpose.DELETE, named(kind, target_id))
        return form_delete(kind.value, target_id, self._session.dialect), errand

    def deleted(self, kind: ObjectKind, response: HttpResponse, errand: Errand) -> None:
        """Takes an answer to a deletion. Raises ProvisioningFailure unless it is done."""
        if response.status in (405, 501) and kind is ObjectKind.USER:
            self._session.learn("it deletes no accounts", can_delete=False)
        if not 200 <= response.status < 300 and response.status not in (404, 410):
            raise failure_of(response, errand)
        if response.body.lstrip()[:1] == b"<":
            sentence = "A page came in its place: a sign-in page or a proxy answers."
            raise failure_of_content(sentence, response.status, errand)

    def _send(self, request: ClientRequest, errand: Errand) -> HttpResponse:
        try:
            return self._session.wire.send(request, errand)
        finally:
            self._reader.forget_lists()

    # ------------------------------------------------------------ update

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes attributes or references, in several requests where members are many.

        200 without content is no answer that SCIM knows: a change so confirmed is looked for until the application has
        shown that it means it, and sent again, for an answer has come. What it does not show even then it drops; but
        that somebody is switched off is never taken for done unless it is shown, nor where the contrary is.
        """
        update = self._update_of(kind, target_id, changes)
        try:
            return self._update_and_look(update)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error
        finally:
            self._reader.forget_lists()

    def _update_and_look(self, update: _Update) -> Written:
        session = self._session
        # Where an answer was silent before, it is worth a look to learn what that means.
        trusts = session.confirms_in_silence
        looks = session.falls_silent and not trusts
        before = self._absent(update) if looks else frozenset()
        for _ in range(SILENT_TRIES):
            tried = replace(update, answers=[])
            written = self._update(tried)
            session.falls_silent = any(says_nothing(answer) for answer in tried.answers)
            if not session.falls_silent or trusts:
                return self._as_switched(update, written)
            absent = self._absent(update)
            session.confirms_in_silence |= bool(before - absent)
            stays_on = any(switches_off(update.operations[place]) for place in absent)
            if not absent or (session.confirms_in_silence and not stays_on):
                return written
            before = absent
        if stays_on:
            sentence = "The change was confirmed without content (HTTP 200), and the account is not switched off."
            raise failure_of_content(sentence, 200, update.errand)
        return written

    def _as_switched(self, update: _Update, written: Written) -> Written:
        """Returns what was written, looked at again where the answer shows that whoever is switched off has access.

        Lenient: some answer with the resource as it was before the change.
        """
        if not shows_on(update.operations, written.resource):
            return written
        written = self._written(update.kind, self._current(update, with_members=False))
        if shows_on(update.operations, written.resource):
            raise failure_of_content(
                "The change was confirmed, and the account is not switched off.", 200, update.errand
            )
        return written

    def _update(self, update: _Update) -> Written:
        """Changes, and notes the answers that said it was done."""
        if self._session.dialect.update is UpdateMethod.PUT:
            return self._put(update)
        try:
            return self._patch(update)
        except _PatchUnknown as refused:
            return self._put_instead(update, refused.response)

    def _absent(self, update: _Update) -> frozenset[int]:
        """Returns which of the changes, by their places, the application does not show."""
        with_members = any(item.is_reference and item.multivalued for item in update.operations)
        current = self._current(update, with_members=with_members)
        return absent_in(update.kind.value, current, update.operations, self._session.dialect)

    def form_update(
        self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]
    ) -> tuple[ClientRequest, Errand] | None:
        """Returns the one request that carries all changes; None: the object is to be read before, or it takes several.

        Raises: ValueRefused.
        """
        dialect = self._session.dialect
        update = self._update_of(kind, target_id, changes)
        try:
            if dialect.update is UpdateMethod.PUT or needs_current(update.operations, dialect):
                return None
            bodies = form_patch_bodies(update.operations, dialect)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error
        return (form_change(kind.value, target_id, bodies[0], dialect), update.errand) if len(bodies) == 1 else None

    def updated(self, kind: ObjectKind, target_id: str, response: HttpResponse, errand: Errand) -> Written:
        """Returns what an answer says of a change. Raises ProvisioningFailure."""
        return self._confirmed(_Update(kind=kind, target_id=target_id, operations=(), errand=errand), response)

    def _update_of(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> _Update:
        hidden = [value for change in changes if change.redacted for value in (change.old, change.new)]
        errand = self._session.errand(Purpose.UPDATE, named(kind, target_id), hidden)
        operations = tuple(operation_of(change) for change in changes)
        return _Update(kind=kind, target_id=target_id, operations=operations, errand=errand)

    def _put(self, update: _Update) -> Written:
        # What somebody else changes meanwhile would be undone: then all is formed anew.
        for _ in range(1 + TRIES):
            current, version = self._current_version(update, with_members=True)
            body = form_put_body(update.kind.value, current, update.operations, self._session.dialect)
            request = form_change(update.kind.value, update.target_id, body, self._session.dialect)
            response = self._versions.send_formed(request, version, update.errand)
            if version is None or response.status not in DEMANDS:
                break
        return self._confirmed(update, response)

    def _put_instead(self, update: _Update, refusal: HttpResponse) -> Written:
        """Writes the whole resource where PATCH seems to be unknown; what PUT refuses too, PATCH was refused for."""
        try:
            written = self._put(update)
        except (OperationRefused, TargetObjectGone) as also:
            raise failure_of(refusal, update.errand) from also
        self._session.learn("it takes no PATCH", update=UpdateMethod.PUT)
        return written

    def _patch(self, update: _Update) -> Written:
        if needs_current(update.operations, self._session.dialect):
            return self._patch_as_it_stands(update)
        written = Written(target_id=update.target_id)
        for response in self._sent(update, form_patch_bodies(update.operations, self._session.dialect)):
            if self._lacks_target(response):
                # An element that was taken to be there is not: look, and say the same of what there is.
                return self._patch_as_it_stands(update)
            written = self._patched(update, response)
        return written

    def _patch_as_it_stands(self, update: _Update) -> Written:
        takes_members_away = any(item.multivalued and item.verb is PatchVerb.REMOVE for item in update.operations)
        current = self._current(update, with_members=takes_members_away)
        written = Written(target_id=update.target_id)
        bodies = form_patch_bodies(update.operations, self._session.dialect, current=current)
        for response in self._sent(update, bodies):
            written = self._patched(update, response)
        return written

    def _sent(self, update: _Update, bodies: Sequence[Mapping[str, Any]]) -> Iterable[HttpResponse]:
        """Sends bodies in order and gives their answers; one with too many members is halved until it is taken."""
        left = list(bodies)
        while left:
            body = left.pop(0)
            response = self._change(update, body)
            halves = _halves(body) if response.status in (400, 413) and not self._lacks_target(response) else None
            if halves is None:
                yield response
                continue
            self._take_fewer_members(response, halves)
            left = [*halves, *left]

    def _take_fewer_members(self, response: HttpResponse, halves: Sequence[Mapping[str, Any]]) -> None:
        # Else it may be one member that is refused, and there is no limit to learn.
        if response.status == 413 or read_error(response.body)[0] == "tooMany":
            size = _size(halves[0])
            self._session.learn(
                f"it takes no more than {number_of(size, 'member')} at once", members_per_request=max(size, 1)
            )

    def _lacks_target(self, response: HttpResponse) -> bool:
        return self._session.is_standard and response.status == 400 and read_error(response.body)[0] == "noTarget"

    def _patched(self, update: _Update, response: HttpResponse) -> Written:
        """Returns what a PATCH came to. Raises _PatchUnknown where the application may not know PATCH at all."""
        if response.status in _NO_PATCH:
            says_why = read_error(response.body)[0] is not None
            if response.status in (405, 501) or (not says_why and self._session.configuration().patch is False):
                raise _PatchUnknown(response)
        return self._confirmed(update, response)

    def _current(self, update: _Update, *, with_members: bool) -> dict[str, Any]:
        return self._current_version(update, with_members=with_members)[0]

    def _current_version(self, update: _Update, *, with_members: bool) -> tuple[dict[str, Any], str | None]:
        current = self._reader.read_version(update.kind, update.target_id, with_members=with_members)
        if current is None:
            raise TargetObjectGone(f"The application no longer has {named(update.kind, update.target_id)}.", status=404)
        return current

    def _change(self, update: _Update, body: Mapping[str, Any]) -> HttpResponse:
        request = form_change(update.kind.value, update.target_id, body, self._session.dialect)
        return self._versions.send(request, update.errand)

    def _confirmed(self, update: _Update, response: HttpResponse) -> Written:
        if not 200 <= response.status < 300:
            raise failure_of(response, update.errand)
        update.answers.append(response)
        if not response.body.strip():
            return Written(target_id=update.target_id)
        try:
            document = read_document(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, update.errand) from error
        # Lenient: some services answer a change with a note of their own, which shows nothing.
        if resource_id(document) is None:
            return Written(target_id=update.target_id)
        return self._written(update.kind, document)

    def _written(self, kind: ObjectKind, document: Mapping[str, Any]) -> Written:
        resource = self._session.resource(kind, document)
        return Written(target_id=resource.target_id, resource=resource)


class _PatchUnknown(Exception):
    """A PATCH was answered as by a service that has none."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


def id_in_location(location: str, path: str) -> str | None:
    """Returns the id that a Location ends in: absolute, relative, or nothing but the id; None if it names nobody."""
    where = urlsplit(location).path.strip("/")
    _, found, tail = f"/{where}".rpartition(f"/{path.strip('/')}/")
    # An id with an unescaped slash is everything after the path; without the path it is the last part.
    named_id = tail if found else f"/{where}".rpartition("/")[2]
    return unquote(named_id) if named_id and named_id != path.strip("/") else None


def _halves(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Returns a PATCH of several members as two of half as many; None for any other."""
    operations = body.get("Operations", ())
    parts: list[Mapping[str, Any]] = list(operations)
    if len(parts) == 1 and isinstance(parts[0].get("value"), list) and str(parts[0].get("path", "")) == "members":
        parts = [{**parts[0], "value": [element]} for element in parts[0]["value"]]
    if len(parts) < 2 or not all(str(part.get("path", "")).startswith("members") for part in parts):
        return None
    if any(part["op"].lower() == "replace" for part in parts):
        return None
    middle = (len(parts) + 1) // 2
    return _joined(body, parts[:middle]), _joined(body, parts[middle:])


def _joined(body: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the body with the operations of several members: one where they are values of one list."""
    if isinstance(parts[0].get("value"), list):
        together = {**parts[0], "value": [element for part in parts for element in part["value"]]}
        return {**body, "Operations": [together]}
    return {**body, "Operations": list(parts)}


def _size(body: Mapping[str, Any]) -> int:
    operations = body["Operations"]
    value = operations[0].get("value")
    return len(value) if len(operations) == 1 and isinstance(value, list) else len(operations)


def operation_of(change: AttributeChange) -> AttributeOperation:
    """Returns a change as the client writes it."""
    value = change.new
    if change.is_reference and change.multivalued:
        old, new = _ids_of(change.old), _ids_of(change.new)
        match change.verb:
            case Verb.ADD:
                value = tuple(item for item in new if item not in set(old))
            case Verb.REMOVE:
                value = tuple(item for item in old if item not in set(new)) if old else new
            case Verb.REPLACE:
                value = new
    elif change.multivalued and change.verb is Verb.ADD:
        held = {known_by(item) for item in change.old} if isinstance(change.old, tuple | list) else set()
        value = tuple(item for item in change.new if known_by(item) not in held) or change.new
    return AttributeOperation(
        verb=PatchVerb(change.verb.value),
        path=change.attribute,
        value=value,
        is_reference=change.is_reference,
        multivalued=change.multivalued,
    )


def _ids_of(value: Any) -> tuple[str, ...]:
    return () if value is None else tuple(value) if isinstance(value, tuple | list) else (str(value),)
