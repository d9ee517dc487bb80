"""The endpoint of one resource type: what each method does with the repository.

Source: RFC 7644 §3.3 to §3.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from muster.scim.bodies import compile_body_reader
from muster.scim.cursors import CursorDesk, turn
from muster.scim.errors import MutabilityViolation, PreconditionFailed, ResourceNotFound
from muster.scim.evaluation import bound_filter
from muster.scim.filters import AttributePath, Comparison, FilterOperator
from muster.scim.members import split_members
from muster.scim.messages import (
    MEDIA_TYPE,
    ScimRequest,
    ScimResponse,
    answer_with,
    answer_without_body,
    etag,
    read_body,
    read_etags,
    write_list,
)
from muster.scim.operations import read_operations
from muster.scim.parameters import SearchParameters, read_query, read_search
from muster.scim.patch import apply_operations
from muster.scim.profile import ServerProfile
from muster.scim.projection import Projection, compile_projection, split_names, wants
from muster.scim.readers import ReadingRules
from muster.scim.references import References
from muster.scim.replacement import merge_for_replacement
from muster.scim.repository import Document, Repository, ResourcePage, ResourceQuery, StoredResource
from muster.scim.resources import ResourceType
from muster.scim.sorting import bound_sort
from muster.scim.validation import complete

Handler = Callable[[ScimRequest, str], ScimResponse]


_OTHER_VERSION = "The resource has another version than If-Match asks for. Read it again."


def _is_named(stored: StoredResource, versions: tuple[str, ...]) -> bool:
    return stored.version in versions or "*" in versions


class ResourceEndpoint:
    """Answers for one resource type; everything that depends on the type alone is compiled here once."""

    def __init__(
        self, profile: ServerProfile, resource_type: ResourceType, repository: Repository, desk: CursorDesk
    ) -> None:
        self.type = resource_type
        self._profile = profile
        self._repository = repository
        self._desk = desk
        self._whole = compile_projection(resource_type, (), (), profile.limits)
        self._references = References(resource_type, profile.resource_types)
        self._rules = ReadingRules(strict=profile.strict, limits=profile.limits)
        self._read_body = compile_body_reader(resource_type, self._rules)
        self._has_members = resource_type.members is not None
        self._deactivates = profile.delete_deactivates and "active" in resource_type.by_name
        self.collection: dict[str, Handler] = {"GET": self._list, "POST": self._create}
        self.single: dict[str, Handler] = {
            "GET": self._get,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        self.search: dict[str, Handler] = {"POST": self._search}

    def bind(self, parameters: SearchParameters) -> ResourceQuery:
        """The query for the repository. Raises: InvalidFilter, InvalidPath, InvalidValue."""
        self._projection(parameters)  # refuses too many names before anything is read
        names = parameters.attributes, parameters.excluded
        limits = self._profile.limits
        return ResourceQuery(
            filter=None if parameters.filter is None else bound_filter(parameters.filter, self.type, limits),
            sort_by=self.bind_sort(parameters.sort_by),
            descending=parameters.descending,
            start_index=parameters.start_index,
            limit=parameters.limit,
            with_members=self._has_members and wants(self.type, "members", *names),
        )

    def bind_sort(self, sort_by: str | None) -> AttributePath | None:
        """What the list is ordered by. Raises: InvalidPath."""
        return None if sort_by is None else bound_sort(sort_by, self.type)

    def read(self, query: ResourceQuery) -> ResourcePage:
        """One page of the type's resources."""
        return self._repository.query(self.type.name, query)

    def find_id(self, user_name: str) -> str | None:
        """The id of the resource with that userName, or None; for /Me."""
        named = Comparison(
            attribute=AttributePath(attribute="userName"), operator=FilterOperator.EQUAL, value=user_name
        )
        found = self.read(ResourceQuery(filter=named, limit=1)).resources
        return found[0].id if found else None

    def write(self, stored: StoredResource, parameters: SearchParameters, base_url: str) -> bytes:
        """The JSON of a resource on a list."""
        return self._write_listed(stored, base_url, self._projection(parameters))

    def show(self, resource_id: str, base_url: str) -> ScimResponse | None:
        """The resource whole, None when there is none of that id."""
        stored = self._repository.get(self.type.name, resource_id)
        return None if stored is None else self._answer(200, stored, base_url, self._whole)

    def find(self, text: str, base_url: str) -> ScimResponse:
        """The first page of what a filter finds. Raises: InvalidFilter."""
        limits = self._profile.limits
        page = self.read(ResourceQuery(bound_filter(text, self.type, limits), limit=limits.default_page_size))
        bodies = self._write_all(page.resources, base_url, self._whole)
        return answer_with(200, write_list(bodies, total=page.total, startIndex=1))

    def _projection(self, parameters: SearchParameters) -> Projection | None:
        return self._compile(parameters.attributes, parameters.excluded)

    def _compile(self, attributes: tuple[str, ...], excluded: tuple[str, ...]) -> Projection | None:
        if not attributes and not excluded:
            return self._whole
        return compile_projection(self.type, attributes, excluded, self._profile.limits)

    def _list(self, request: ScimRequest, _: str) -> ScimResponse:
        return self._answer_list(read_query(request.query, self._profile.limits), request)

    def _search(self, request: ScimRequest, _: str) -> ScimResponse:
        limits = self._profile.limits
        parameters = read_search(read_body(request.body, limits), limits, strict=self._profile.strict)
        return self._answer_list(parameters, request)

    def _answer_list(self, parameters: SearchParameters, request: ScimRequest) -> ScimResponse:
        query = self.bind(parameters)
        project = self._projection(parameters)
        if parameters.cursor is None:
            page = self.read(query)
            bodies = self._write_all(page.resources, request.base_url, project)
            return answer_with(200, write_list(bodies, total=page.total, startIndex=parameters.start_index))
        where, now = self.type.endpoint, request.asked_at
        cursor = self._desk.open(parameters, where, by_place=query.sort_by is None, now=now)
        page = self.read(cursor.bound_to(query))
        turned = turn(cursor, len(page.resources), page.places)
        bodies = self._write_all(page.resources[turned.shown], request.base_url, project)
        previous, following = (
            None if beside is None else self._desk.write(beside, parameters, where, now=now)
            for beside in (turned.previous, turned.following)
        )
        return answer_with(200, write_list(bodies, total=page.total, previousCursor=previous, nextCursor=following))

    def _get(self, request: ScimRequest, resource_id: str) -> ScimResponse:
        names = self._shown_names(request)
        stored = self._find(resource_id, names)
        asked, held = (read_etags(request.headers.get(name)) for name in ("if-match", "if-none-match"))
        if asked is not None and not _is_named(stored, asked):
            raise PreconditionFailed(_OTHER_VERSION)
        if held is not None and _is_named(stored, held):
            return answer_without_body(304, ETag=etag(stored.version))
        return self._answer(200, stored, request.base_url, self._compile(*names))

    def _find(self, resource_id: str, names: tuple[tuple[str, ...], tuple[str, ...]]) -> StoredResource:
        """The resource, with its members if these names show them. Raises: ResourceNotFound."""
        with_members = self._has_members and wants(self.type, "members", *names)
        stored = self._repository.get(self.type.name, resource_id, with_members=with_members)
        if stored is None:
            raise self._not_found(resource_id)
        return stored

    def _read(self, request: ScimRequest) -> Document:
        """The resource that was sent. Raises: ScimError."""
        return self._references.strip(self._read_body(request.body), request.base_url)

    def _create(self, request: ScimRequest, _: str) -> ScimResponse:
        project = self._compile(*self._shown_names(request))
        document = self._read(request)
        finished = self._ruled(document, None)
        stored = self._reactivate(document) or self._repository.insert(self.type.name, finished)
        return self._answer(201, stored, request.base_url, project)

    def _reactivate(self, document: Document) -> StoredResource | None:
        """The deactivated account with the same externalId, brought back with what was sent; None when there is none.

        A service that keeps what it was told to delete takes a second POST of the same person for a return, under
        another name, too.
        """
        external_id = document.get("externalId")
        if not self._deactivates or not external_id:  # an empty text is nobody's
            return None
        # Whether they are active is asked of those found: by the index of that, everybody who ever left would be read.
        named = Comparison(
            attribute=AttributePath(attribute="externalId"), operator=FilterOperator.EQUAL, value=external_id
        )
        found = self._repository.query(
            self.type.name, ResourceQuery(filter=named, limit=self._profile.limits.default_page_size)
        )
        away = [each.id for each in found.resources if each.document.get("active") is False]
        if len(away) != 1:
            return None
        active = {"active": True, **document}
        try:
            return self._repository.replace(self.type.name, away[0], lambda present: self._replaced(active, present))
        except MutabilityViolation as refused:
            raise MutabilityViolation(
                f"The deactivated account {away[0]} has this externalId and would come back, but: {refused.detail}"
            ) from None

    def _replace(self, request: ScimRequest, resource_id: str) -> ScimResponse:
        project = self._compile(*self._shown_names(request))
        sent = self._read(request)
        stored = self._repository.replace(
            self.type.name,
            resource_id,
            lambda present: self._replaced(sent, present),
            if_version=self._asked_version(request, resource_id),
        )
        return self._answer(200, stored, request.base_url, project)

    def _replaced(self, sent: Document, present: Document) -> Document:
        result = merge_for_replacement(sent, present, self.type)
        return present if result is present else self._ruled(result, present)

    def _patch(self, request: ScimRequest, resource_id: str) -> ScimResponse:
        names = self._shown_names(request)
        project = self._compile(*names)  # refuses too many names before anything is written
        operations = read_operations(read_body(request.body, self._profile.limits), self.type, self._rules)
        split = split_members(operations, self.type, self._rules)
        members, remaining = (None, operations) if split is None else split

        def transform(present: Document) -> Document:
            result = apply_operations(present, remaining, self.type, self._rules)
            return present if result is present else self._ruled(result, present)

        stored = self._repository.change(
            self.type.name,
            resource_id,
            transform,
            members=members,
            with_members=split is None,
            if_version=self._asked_version(request, resource_id),
        )
        if not self._has_members:
            return self._answer(200, stored, request.base_url, project)
        if names == ((), ()):
            # A group may be large: the client asks for it if it wants it (RFC 7644 §3.5.2 allows either).
            return answer_without_body(204, ETag=etag(stored.version))
        # The condition held for what was there before: it is not asked again of what was written.
        return self._answer(200, self._find(resource_id, names), request.base_url, project)

    def _delete(self, request: ScimRequest, resource_id: str) -> ScimResponse:
        version = self._asked_version(request, resource_id)
        if self._deactivates:
            self._repository.change(self.type.name, resource_id, self._deactivated, if_version=version)
        else:
            self._repository.delete(self.type.name, resource_id, if_version=version)
        return answer_without_body(204)

    def _deactivated(self, present: Document) -> Document:
        if present.get("active") is False:
            return present
        return self._ruled(complete({**present, "active": False}, self.type), present)

    def _ruled(self, document: Document, present: Document | None) -> Document:
        rule = self._profile.rule
        if rule is None:
            return document
        result = complete(rule(self.type.name, document, present), self.type)
        return present if present is not None and result == present else result

    def _asked_version(self, request: ScimRequest, resource_id: str) -> str | None:
        """The version that a resource has to have still when it is written, None for any.

        Raises: PreconditionFailed, ResourceNotFound. Source: RFC 9110 §13.1.1, §13.1.2.
        """
        headers = request.headers
        asked = read_etags(headers.get("if-match"))
        unwanted = read_etags(headers.get("if-none-match")) if "if-none-match" in headers else None
        if unwanted is None:
            if asked is None or asked == ("*",):
                return None
            if len(asked) == 1:
                return asked[0]
        stored = self._repository.get(self.type.name, resource_id, with_members=False)
        if stored is None:
            raise self._not_found(resource_id)
        if asked is not None and not _is_named(stored, asked):
            raise PreconditionFailed(_OTHER_VERSION)
        if unwanted is not None and _is_named(stored, unwanted):
            raise PreconditionFailed("The resource is there in a version that If-None-Match excludes. Read it again.")
        return stored.version

    def _not_found(self, resource_id: str) -> ResourceNotFound:
        return ResourceNotFound(f"There is no {self.type.name} with the id {resource_id[:80]!r}.")

    @staticmethod
    def _shown_names(request: ScimRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if not request.query:
            return (), ()
        given = {name.lower(): value for name, value in request.query.items()}
        return split_names(given.get("attributes")), split_names(given.get("excludedattributes"))

    def _location(self, base_url: str, resource_id: str) -> str:
        return f"{base_url}{self.type.endpoint}/{resource_id}"

    def _answer(self, status: int, stored: StoredResource, base_url: str, project: Projection | None) -> ScimResponse:
        location = self._location(base_url, stored.id)
        body = self._write(stored, location, base_url, project)
        return ScimResponse(
            status, {"Content-Type": MEDIA_TYPE, "ETag": f'W/"{stored.version}"', "Location": location}, body
        )

    def _write_all(self, resources: Sequence[StoredResource], base_url: str, project: Projection | None) -> list[bytes]:
        """The JSON of resources on a list: what `_write` says, without a call for each if all are shown as stored."""
        if project is not None or self._references.may_concern(b"".join([stored.body for stored in resources])):
            return [self._write_listed(stored, base_url, project) for stored in resources]
        before = b',"location":' + orjson.dumps(self._location(base_url, ""))[:-1]
        return [b'%b%b%b"}}' % (stored.body[:-2], before, stored.id.encode()) for stored in resources]

    def _write_listed(self, stored: StoredResource, base_url: str, project: Projection | None) -> bytes:
        return self._write(stored, self._location(base_url, stored.id), base_url, project)

    def _write(self, stored: StoredResource, location: str, base_url: str, project: Projection | None) -> bytes:
        """The JSON of a resource with its location: the stored bytes themselves when all of it is shown."""
        if project is None and not self._references.may_concern(stored.body):
            return b'%b,"location":%b}}' % (stored.body[:-2], orjson.dumps(location))
        shown = self._references.show(stored.document, base_url)
        document: dict[str, Any] = {**shown, "meta": {**shown["meta"], "location": location}}
        return orjson.dumps(document if project is None else project(document))
