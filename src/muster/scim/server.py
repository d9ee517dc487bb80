"""The SCIM service provider: answers a request value over a repository.

Source: RFC 7644 §3.2, §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from muster.scim.bulk import BulkEndpoint
from muster.scim.discovery import describe_resource_type, describe_schema, describe_service, published_schemas
from muster.scim.endpoint import Handler, ResourceEndpoint
from muster.scim.errors import (
    Forbidden,
    InvalidFilter,
    InvalidPath,
    MethodNotAllowed,
    NotImplementedByServer,
    ResourceNotFound,
    ScimError,
    UnsupportedMediaType,
)
from muster.scim.messages import (
    ScimRequest,
    ScimResponse,
    answer_error,
    answer_with,
    read_body,
    write_list,
)
from muster.scim.parameters import SearchParameters, read_query, read_search
from muster.scim.profile import ServerProfile
from muster.scim.repository import (
    Document,
    MembersChange,
    Repository,
    ResourcePage,
    ResourceQuery,
    StoredResource,
    Transform,
)

__all__ = [
    "Document",
    "MembersChange",
    "Repository",
    "ResourcePage",
    "ResourceQuery",
    "ScimRequest",
    "ScimResponse",
    "ScimServer",
    "ServerProfile",
    "StoredResource",
    "Transform",
]

_MEDIA_TYPES = frozenset({"application/scim+json", "application/json"})


class ScimServer:
    """One SCIM service: a profile over the repository of one customer. The caller has checked the token."""

    def __init__(self, profile: ServerProfile, repository: Repository) -> None:
        self._profile = profile
        self._endpoints = {
            resource_type.endpoint.strip("/"): ResourceEndpoint(profile, resource_type, repository)
            for resource_type in profile.resource_types
        }
        self._schemas = published_schemas(profile)
        self._types = {resource_type.name.lower(): resource_type for resource_type in profile.resource_types}
        self._services: dict[str, Mapping[str, Handler]] = {
            "": {"GET": self._list_everything},
            ".search": {"POST": self._search_everything},
            "ServiceProviderConfig": {"GET": self._show_service},
            "ResourceTypes": {"GET": self._show_resource_types},
            "Schemas": {"GET": self._show_schemas},
        }
        if profile.bulk:
            self._services["Bulk"] = {"POST": BulkEndpoint(profile, self.answer).answer}

    def answer(self, request: ScimRequest) -> ScimResponse:
        """The answer to a request; every refusal is one too. What is not a ScimError is a fault of ours and is left
        to the caller."""
        try:
            handlers, rest = self._route(request.path)
            handler = handlers.get(request.method)
            if handler is None:
                raise MethodNotAllowed(
                    f"{request.method[:20]} is not possible here. Possible: {', '.join(handlers)}.",
                    allowed=tuple(handlers),
                )
            if request.body and self._profile.strict:
                _check_media_type(request.headers.get("content-type"))
            return handler(request, rest)
        except ScimError as refused:
            return answer_error(refused)

    def _route(self, path: str) -> tuple[Mapping[str, Handler], str]:
        """The handlers of a path and what follows the endpoint in it. Raises: ResourceNotFound."""
        head, slash, rest = path.strip("/").partition("/")
        endpoint = self._endpoints.get(head)
        if endpoint is not None:
            if not rest:
                return endpoint.collection, ""
            if rest == ".search":
                return endpoint.search, ""
            return endpoint.single, rest
        if head == "Me" or (head == "Bulk" and not self._profile.bulk):
            raise NotImplementedByServer(f"/{head} is not offered by this service.")
        handlers = self._services.get(head)
        if handlers is None or (slash and head not in ("ResourceTypes", "Schemas")):
            raise ResourceNotFound("There is no such endpoint. Look at /ResourceTypes for those there are.")
        return handlers, rest

    def _list_everything(self, request: ScimRequest, _: str) -> ScimResponse:
        return self._find_everything(read_query(request.query, self._profile.limits), request.base_url)

    def _search_everything(self, request: ScimRequest, _: str) -> ScimResponse:
        limits = self._profile.limits
        parameters = read_search(read_body(request.body, limits), limits, strict=self._profile.strict)
        return self._find_everything(parameters, request.base_url)

    def _find_everything(self, parameters: SearchParameters, base_url: str) -> ScimResponse:
        """One list over all types, type by type; a type without the attributes asked for adds nothing.

        Source: RFC 7644 §3.4.2.1.
        """
        total, resources = 0, list[bytes]()
        refused: ScimError | None = None
        answered = False
        for endpoint in self._endpoints.values():
            skipped = max(0, parameters.start_index - 1 - total)
            part = SearchParameters(
                filter=parameters.filter,
                sort_by=parameters.sort_by,
                descending=parameters.descending,
                start_index=skipped + 1,
                count=parameters.count - len(resources),
                attributes=parameters.attributes,
                excluded=parameters.excluded,
            )
            try:
                found, page = endpoint.find(part, base_url)
            except (InvalidFilter, InvalidPath) as error:
                refused = refused or error
                continue
            answered = True
            total += found
            resources += page
        if refused is not None and not answered:
            raise refused
        return answer_with(200, write_list(resources, total=total, start_index=parameters.start_index))

    def _show_service(self, request: ScimRequest, _: str) -> ScimResponse:
        return answer_with(200, orjson.dumps(describe_service(self._profile, request.base_url)))

    def _show_resource_types(self, request: ScimRequest, name: str) -> ScimResponse:
        if name:
            found = self._types.get(name.lower())
            if found is None:
                raise ResourceNotFound(f"There is no resource type {name[:80]!r}.")
            return answer_with(200, orjson.dumps(describe_resource_type(found, request.base_url)))
        return _answer_documents(
            request, [describe_resource_type(item, request.base_url) for item in self._types.values()]
        )

    def _show_schemas(self, request: ScimRequest, urn: str) -> ScimResponse:
        if urn:
            found = self._schemas.get(urn.lower())
            if found is None:
                raise ResourceNotFound(f"There is no schema {urn[:200]!r}.")
            return answer_with(200, orjson.dumps(describe_schema(found, request.base_url)))
        return _answer_documents(request, [describe_schema(item, request.base_url) for item in self._schemas.values()])


def _answer_documents(request: ScimRequest, documents: list[dict[str, Any]]) -> ScimResponse:
    """The whole list in one page; these lists cannot be filtered. Source: RFC 7644 §4."""
    if any(name.lower() == "filter" for name in request.query):
        raise Forbidden("This list cannot be filtered. Ask without filter.")
    resources = [orjson.dumps(document) for document in documents]
    return answer_with(200, write_list(resources, total=len(resources), start_index=1))


def _check_media_type(content_type: str | None) -> None:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaType("The body must be application/scim+json.")
