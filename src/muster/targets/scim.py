"""A SCIM application as a target: drives the SCIM client in the application's dialect over a transport."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from muster.model.directory import ObjectKind
from muster.model.exchange import HttpResponse
from muster.model.failures import SchemaRefused, SystemUnreachable, TargetObjectGone, ValueRefused
from muster.model.operation import AttributeChange, MappedValue, MatchingValue, TargetResource, Verb
from muster.model.rules import AttributeDefinition
from muster.ports.target import Capabilities, ListedPage, UnknownOutcome, Written
from muster.ports.transport import Transport
from muster.ports.world import Clock, Ids
from muster.scim.client import (
    AddressInvalid,
    AnswerUnreadable,
    ClientRequest,
    form_change,
    form_create,
    form_delete,
    form_listing,
    form_lookup,
    form_read,
    is_match,
    project,
    project_references,
    read_address,
    read_document,
    read_error,
    read_list,
    read_resource,
    resource_id,
)
from muster.scim.dialect import Dialect, PatchForm, UpdateMethod
from muster.scim.mapping_paths import MappingPathInvalid, get_member
from muster.scim.updates import AttributeOperation, PatchVerb, form_patch_bodies, form_put_body, needs_current
from muster.targets.pace import Pace
from muster.targets.scim_failures import (
    Errand,
    Purpose,
    failure_of,
    failure_of_content,
    ignored_filter,
    unsendable,
)
from muster.targets.scim_names import NO_NAMES, AttributesByKind, read_names
from muster.targets.scim_schemas import propose_attributes
from muster.targets.scim_wire import ScimWire


class ScimTarget:
    """Implements `ports.target.Target` for one application; calls may come from several threads."""

    def __init__(
        self,
        *,
        transport: Transport,
        address: str,
        token: str | None,
        dialect: Dialect,
        attributes: AttributesByKind,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Raises: SystemUnreachable when the Tenant URL cannot be used."""
        try:
            self._address = read_address(address)
        except AddressInvalid as error:
            raise SystemUnreachable(str(error), remedy="Correct the Tenant URL, then press Test Connection.") from error
        self._token = token or None
        self._dialect = dialect.with_flags(self._address.flags)
        self._names = {kind: read_names(mapped) for kind, mapped in attributes.items()}
        self._ids = ids
        self._wire = ScimWire(
            transport=transport,
            address=self._address,
            token=self._token,
            media_type=self._dialect.media_type,
            pace=Pace(clock, self._dialect.requests_per_second),
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect says."""
        return Capabilities(
            can_list=self._dialect.can_list,
            page_size=self._dialect.page_size,
            concurrency=self._dialect.concurrency,
            requests_per_second=self._dialect.requests_per_second,
            members_per_request=self._dialect.members_per_request,
        )

    def requests_made(self) -> int:
        """Returns how many requests were sent."""
        return self._wire.requests

    # ------------------------------------------------------------ reading

    def probe(self, matching_attribute: str) -> None:
        """Asks for a user with a random value; nobody may be found. Raises JobFailure."""
        request = form_lookup(ObjectKind.USER.value, matching_attribute, self._ids.new_id(), self._dialect)
        errand = self._errand(Purpose.PROBE, request.path)
        response = self._wire.send(request, errand)
        if response.status != 200:
            raise failure_of(response, errand)
        try:
            answer = read_list(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error
        if answer.total > 0 or answer.resources:
            found = max(answer.total, len(answer.resources))
            sentence = f"The application ignores the filter on {matching_attribute}: it found {found} accounts."
            raise failure_of_content(sentence, response.status, errand)

    def describe(self) -> Mapping[ObjectKind, Sequence[AttributeDefinition]]:
        """Returns the attributes that the application publishes. Raises JobFailure when it publishes none."""
        schemas, types = self._published("/Schemas"), self._published("/ResourceTypes", optional=True)
        found = propose_attributes(schemas, types)
        if not found:
            raise SchemaRefused(
                "The application publishes no schema of users or groups (/Schemas).",
                code="DiscoveryNotSupported",
                remedy="Add attributes to the list by hand.",
            )
        return found

    def _published(self, path: str, *, optional: bool = False) -> list[Mapping[str, Any]]:
        errand = self._errand(Purpose.LIST, path)
        response = self._wire.send(ClientRequest(method="GET", path=path), errand)
        if response.status in (404, 405, 501) or (optional and response.status != 200):
            return []
        if response.status != 200:
            raise failure_of(response, errand)
        try:
            document = read_document(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error
        listed = get_member(document, "Resources")
        return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []

    def find(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        """Returns all objects that really have the value."""
        if not self._dialect.may_filter(kind.value, matching.attribute) and self._dialect.can_list:
            return self._find_in_list(kind, matching)
        subject = f"{kind.value}s with {matching.attribute} = “{matching.shown}”"
        errand = self._errand(Purpose.LOOKUP, subject, (matching.value,) if matching.redacted else ())
        try:
            request = form_lookup(kind.value, matching.attribute, matching.value, self._dialect)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error
        except TypeError as error:
            raise unsendable(errand) from error
        response = self._wire.send(request, errand)
        if response.status != 200:
            raise failure_of(response, errand)
        try:
            answer = read_list(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error
        found = [item for item in answer.resources if self._matches(item, matching)]
        if len(found) < len(answer.resources) < answer.total:
            # The one asked for may be on another page: to call it absent would create it twice.
            raise ignored_filter(matching.attribute, errand)
        return tuple(self._resource(kind, item) for item in found)

    def _find_in_list(self, kind: ObjectKind, matching: MatchingValue) -> tuple[TargetResource, ...]:
        found: list[TargetResource] = []
        start: str | None = None
        while True:
            documents, start, _ = self._page(kind, start)
            found.extend(self._resource(kind, item) for item in documents if self._matches(item, matching))
            if start is None:
                return tuple(found)

    @staticmethod
    def _matches(document: Mapping[str, Any], matching: MatchingValue) -> bool:
        return is_match(document, matching.attribute, matching.value, case_exact=matching.case_exact)

    def read(self, kind: ObjectKind, target_id: str) -> TargetResource | None:
        """Returns an object, or None on 404 and 410."""
        document = self._read(kind, target_id)
        return None if document is None else self._resource(kind, document)

    def _read(self, kind: ObjectKind, target_id: str, *, with_members: bool = False) -> dict[str, Any] | None:
        errand = self._errand(Purpose.READ, _named(kind, target_id))
        response = self._wire.send(form_read(kind.value, target_id, self._dialect, with_members=with_members), errand)
        if response.status in (404, 410):
            return None
        if response.status != 200:
            raise failure_of(response, errand)
        try:
            return read_resource(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error

    def list_page(self, kind: ObjectKind, start: str | None) -> ListedPage:
        """Returns a page of all objects. Raises: JobFailure, for half a census is none."""
        documents, next_start, total = self._page(kind, start)
        return ListedPage(
            resources=tuple(self._resource(kind, item) for item in documents), next_start=next_start, total=total
        )

    def _page(self, kind: ObjectKind, start: str | None) -> tuple[Sequence[Mapping[str, Any]], str | None, int]:
        """A page, the key of the next one, and the total. The key is `index id`, the id being the page's first."""
        index, _, first_before = (start or "1").partition(" ")
        request = form_listing(kind.value, int(index), self._dialect)
        errand = self._errand(Purpose.LIST, request.path)
        response = self._wire.send(request, errand)
        if response.status != 200:
            raise failure_of(response, errand)
        try:
            answer = read_list(response.body)
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error
        first = resource_id(answer.resources[0]) if answer.resources else None
        following = int(index) + len(answer.resources)
        if first is not None and first == first_before:
            raise failure_of_content("It ignores startIndex: the same page comes again.", response.status, errand)
        if not answer.resources and following <= answer.total:
            sentence = f"It counts {answer.total} and stops after {following - 1}."
            raise failure_of_content(sentence, response.status, errand)
        next_start = f"{following} {first}" if following <= answer.total else None
        return answer.resources, next_start, answer.total

    # ------------------------------------------------------------ writing

    def create(self, kind: ObjectKind, values: Sequence[MappedValue]) -> Written:
        """Creates an object. Raises: UnknownOutcome when it is confirmed without an id to know it by."""
        hidden = [item.value for item in values if item.redacted]
        errand = self._errand(Purpose.CREATE, f"a {kind.value.lower()}", hidden)
        try:
            request = form_create(kind.value, {item.attribute: item.value for item in values}, self._dialect)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error
        response = self._wire.send(request, errand)
        if not 200 <= response.status < 300:
            raise failure_of(response, errand)
        try:
            return self._written(kind, read_resource(response.body))
        except AnswerUnreadable as error:
            named = unquote(urlsplit(response.headers.get("location", "")).path.rstrip("/").rpartition("/")[2])
            if named and named != self._dialect.paths[kind.value].strip("/"):
                return Written(target_id=named)
            raise UnknownOutcome(f"The application confirmed {errand.subject} without its id. {error}") from error

    def update(self, kind: ObjectKind, target_id: str, changes: Sequence[AttributeChange]) -> Written:
        """Changes attributes or references, in several requests where members are many."""
        operations = [_operation(change) for change in changes]
        hidden = [value for change in changes if change.redacted for value in (change.old, change.new)]
        errand = self._errand(Purpose.UPDATE, _named(kind, target_id), hidden)
        try:
            if self._dialect.update is UpdateMethod.PUT:
                return self._put(kind, target_id, operations, errand)
            return self._patch(kind, target_id, operations, errand)
        except MappingPathInvalid as error:
            raise ValueRefused(str(error), code="SchemaAttributeNotFound") from error

    def _put(
        self, kind: ObjectKind, target_id: str, operations: Sequence[AttributeOperation], errand: Errand
    ) -> Written:
        current = self._current(kind, target_id, with_members=True)
        body = form_put_body(kind.value, current, operations, self._dialect)
        return self._confirmed(kind, target_id, self._change(kind, target_id, body, errand), errand)

    def _patch(
        self, kind: ObjectKind, target_id: str, operations: Sequence[AttributeOperation], errand: Errand
    ) -> Written:
        if needs_current(operations, self._dialect):
            return self._patch_as_it_stands(kind, target_id, operations, errand)
        written = Written(target_id=target_id)
        for body in form_patch_bodies(operations, self._dialect):
            response = self._change(kind, target_id, body, errand)
            if self._lacks_target(response):
                # An element that was taken to be there is not: look, and say the same of what there is.
                return self._patch_as_it_stands(kind, target_id, operations, errand)
            written = self._confirmed(kind, target_id, response, errand)
        return written

    def _lacks_target(self, response: HttpResponse) -> bool:
        is_standard = self._dialect.patch_form is PatchForm.STANDARD
        return is_standard and response.status == 400 and read_error(response.body)[0] == "noTarget"

    def _patch_as_it_stands(
        self, kind: ObjectKind, target_id: str, operations: Sequence[AttributeOperation], errand: Errand
    ) -> Written:
        takes_members_away = any(item.multivalued and item.verb is PatchVerb.REMOVE for item in operations)
        current = self._current(kind, target_id, with_members=takes_members_away)
        written = Written(target_id=target_id)
        for body in form_patch_bodies(operations, self._dialect, current=current):
            written = self._confirmed(kind, target_id, self._change(kind, target_id, body, errand), errand)
        return written

    def _current(self, kind: ObjectKind, target_id: str, *, with_members: bool) -> dict[str, Any]:
        current = self._read(kind, target_id, with_members=with_members)
        if current is None:
            raise TargetObjectGone(f"The application no longer has {_named(kind, target_id)}.", status=404)
        return current

    def _change(self, kind: ObjectKind, target_id: str, body: Mapping[str, Any], errand: Errand) -> HttpResponse:
        return self._wire.send(form_change(kind.value, target_id, body, self._dialect), errand)

    def _confirmed(self, kind: ObjectKind, target_id: str, response: HttpResponse, errand: Errand) -> Written:
        if not 200 <= response.status < 300:
            raise failure_of(response, errand)
        if not response.body.strip():
            return Written(target_id=target_id)
        try:
            return self._written(kind, read_resource(response.body))
        except AnswerUnreadable as error:
            raise failure_of_content(str(error), response.status, errand) from error

    def delete(self, kind: ObjectKind, target_id: str) -> None:
        """Deletes an object; 404 and 410 mean that it is done."""
        errand = self._errand(Purpose.DELETE, _named(kind, target_id))
        response = self._wire.send(form_delete(kind.value, target_id, self._dialect), errand)
        if not 200 <= response.status < 300 and response.status not in (404, 410):
            raise failure_of(response, errand)
        if response.body.lstrip()[:1] == b"<":
            sentence = "A page came in its place: a sign-in page or a proxy answers."
            raise failure_of_content(sentence, response.status, errand)

    # ------------------------------------------------------------ pieces

    def _written(self, kind: ObjectKind, document: Mapping[str, Any]) -> Written:
        resource = self._resource(kind, document)
        return Written(target_id=resource.target_id, resource=resource)

    def _resource(self, kind: ObjectKind, document: Mapping[str, Any]) -> TargetResource:
        shown = get_member(document, "displayName") or get_member(document, "userName")
        names = self._names.get(kind, NO_NAMES)
        return TargetResource(
            target_id=resource_id(document) or "",
            attributes=project(document, names.values, booleans=names.booleans),
            references=project_references(document, names.references),
            display_name=str(shown) if shown else None,
        )

    def _errand(self, purpose: Purpose, subject: str, redacted: Sequence[Any] = ()) -> Errand:
        return Errand(
            purpose=purpose,
            subject=subject,
            address=self._address.base,
            token=self._token,
            redacted=tuple(value for value in redacted if isinstance(value, str) and value),
        )


def _named(kind: ObjectKind, target_id: str) -> str:
    return f"{kind.value.lower()} {target_id}"


def _operation(change: AttributeChange) -> AttributeOperation:
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
        held = {_known_by(item) for item in change.old} if isinstance(change.old, tuple | list) else set()
        value = tuple(item for item in change.new if _known_by(item) not in held) or change.new
    return AttributeOperation(
        verb=PatchVerb(change.verb.value),
        path=change.attribute,
        value=value,
        is_reference=change.is_reference,
        multivalued=change.multivalued,
    )


def _known_by(element: Any) -> str:
    """What an element of a list is known by: its `value`, if it is an object that has one."""
    value = element.get("value") if isinstance(element, Mapping) else None
    return str(element if value is None else value)


def _ids_of(value: Any) -> tuple[str, ...]:
    return () if value is None else tuple(value) if isinstance(value, tuple | list) else (str(value),)
