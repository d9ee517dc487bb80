"""The SCIM service provider: answers a request value over a repository.

Source: RFC 7644 §3.2, §4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from muster.scim.bulk import AnswerFault, BulkEndpoint
from muster.scim.cursors import CursorDesk
from muster.scim.discovery import describe_resource_type, describe_schema, describe_service, published_schemas
from muster.scim.endpoint import Handler, ResourceEndpoint
from muster.scim.errors import (
    Forbidden,
    MethodNotAllowed,
    NotAcceptable,
    NotImplementedByServer,
    ResourceNotFound,
    ScimError,
    UnsupportedMediaType,
)
from muster.scim.everything import Everything
from muster.scim.messages import (
    ScimRequest,
    ScimResponse,
    answer_error,
    answer_with,
    answer_without_body,
    read_body,
    write_list,
)
from muster.scim.parameters import read_query, read_search
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
# Lenient: curl and Python's urllib name the form type of a body when they are told none; text/json is an old name.
_TOLERATED_TYPES = frozenset({"", "application/x-www-form-urlencoded", "text/json"})
_UNWANTED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)")  # not acceptable, as the client says: of weight nought
_ACCEPTED_RANGES = _MEDIA_TYPES | {"application/*", "*/*"}


def _leave_to_caller(error: Exception, _: ScimRequest) -> ScimResponse:
    raise error


class ScimServer:
    """One SCIM service: a profile over the repository of one customer. The caller has checked the token.

    `answer_fault` is the caller's answer to one operation of a Bulk that met a fault; every other fault it gets itself.
    """

    def __init__(
        self, profile: ServerProfile, repository: Repository, answer_fault: AnswerFault = _leave_to_caller
    ) -> None:
        self._profile = profile
        desk = CursorDesk(profile.cursor_key, profile.limits)
        self._endpoints = {
            each.endpoint.strip("/"): ResourceEndpoint(
                profile, replace(each, bare_names={}) if profile.strict else each, repository, desk
            )
            for each in profile.resource_types
        }
        self._everything = Everything(tuple(self._endpoints.values()), desk, profile.limits)
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
            self._services["Bulk"] = {"POST": BulkEndpoint(profile, self.answer, answer_fault).answer}

    def answer(self, request: ScimRequest) -> ScimResponse:
        """The answer to a request; every refusal is one too. What is not a ScimError is a fault of ours and is left
        to the caller."""
        try:
            handlers, rest = self._route(request)
            method = request.method
            handler = handlers.get("GET" if method == "HEAD" else method)
            if handler is None:
                allowed = (*handlers, "OPTIONS", *(("HEAD",) if "GET" in handlers else ()))
                if method == "OPTIONS":
                    return answer_without_body(204, Allow=", ".join(allowed))
                raise MethodNotAllowed(
                    f"{method[:20]} is not possible here. Possible: {', '.join(handlers)}.", allowed=allowed
                )
            if request.body:
                _check_media_type(request.headers.get("content-type"), strict=self._profile.strict)
            if self._profile.strict:
                _check_accept(request.headers.get("accept"))
            answered = handler(request, rest)
            return answered._replace(body=b"") if method == "HEAD" else answered
        except ScimError as refused:
            return answer_error(refused)

    def show(self, endpoint: str, resource_id: str, base_url: str) -> ScimResponse | None:
        """What GET of `/Users/{id}` answers, for one endpoint ("Users") without an argument or a condition; None where
        nothing is found. For who has read the address already. Raises: ScimError."""
        return self._endpoints[endpoint].show(resource_id, base_url)

    def find(self, endpoint: str, text: str, base_url: str) -> ScimResponse:
        """What GET of `/Users?filter=…` answers, likewise. Raises: ScimError."""
        return self._endpoints[endpoint].find(text, base_url)

    def _route(self, request: ScimRequest) -> tuple[Mapping[str, Handler], str]:
        """The handlers of a path and what follows the endpoint in it. Raises: ResourceNotFound."""
        head, slash, rest = request.path.strip("/").partition("/")
        endpoint = self._endpoints.get(head)
        if endpoint is not None:
            if not rest:
                return endpoint.collection, ""
            if rest == ".search":
                return endpoint.search, ""
            return endpoint.single, rest
        if head == "Me" and not slash:
            return self._route_me(request)
        if head == "Bulk" and not self._profile.bulk:
            raise NotImplementedByServer("/Bulk is not offered by this service.")
        handlers = self._services.get(head)
        if handlers is None or (slash and head not in ("ResourceTypes", "Schemas")):
            raise ResourceNotFound("There is no such endpoint. Look at /ResourceTypes for those there are.")
        return handlers, rest

    def _list_everything(self, request: ScimRequest, _: str) -> ScimResponse:
        return self._everything.answer(read_query(request.query, self._profile.limits), request)

    def _search_everything(self, request: ScimRequest, _: str) -> ScimResponse:
        limits = self._profile.limits
        parameters = read_search(read_body(request.body, limits), limits, strict=self._profile.strict)
        return self._everything.answer(parameters, request)

    def _route_me(self, request: ScimRequest) -> tuple[Mapping[str, Handler], str]:
        """The handlers and the id of the user who asks. Raises: NotImplementedByServer, ResourceNotFound.

        Source: RFC 7644 §3.11.
        """
        users = next((each for each in self._endpoints.values() if "username" in each.type.by_name), None)
        if request.subject is None or users is None:
            raise NotImplementedByServer("/Me is not offered: the token does not belong to a user of this service.")
        resource_id = users.find_id(request.subject)
        if resource_id is None:
            raise ResourceNotFound(
                "The owner of the token has no user here, so there is no /Me. Create the user first."
            )
        return users.single, resource_id

    def _show_service(self, request: ScimRequest, _: str) -> ScimResponse:
        _refuse_filter(request)
        return answer_with(200, orjson.dumps(describe_service(self._profile, request.base_url)))

    def _show_resource_types(self, request: ScimRequest, name: str) -> ScimResponse:
        _refuse_filter(request)
        if name:
            found = self._types.get(name.lower())
            if found is None:
                raise ResourceNotFound(f"There is no resource type {name[:80]!r}.")
            return answer_with(200, orjson.dumps(describe_resource_type(found, request.base_url)))
        return _answer_documents([describe_resource_type(item, request.base_url) for item in self._types.values()])

    def _show_schemas(self, request: ScimRequest, urn: str) -> ScimResponse:
        _refuse_filter(request)
        if urn:
            found = self._schemas.get(urn.lower())
            if found is None:
                raise ResourceNotFound(f"There is no schema {urn[:200]!r}.")
            return answer_with(200, orjson.dumps(describe_schema(found, request.base_url)))
        return _answer_documents([describe_schema(item, request.base_url) for item in self._schemas.values()])


def _refuse_filter(request: ScimRequest) -> None:
    """Raises Forbidden: what describes the service cannot be filtered. Source: RFC 7644 §4."""
    if any(name.lower() == "filter" for name in request.query):
        raise Forbidden("What describes the service cannot be filtered. Ask without filter.")


def _answer_documents(documents: list[dict[str, Any]]) -> ScimResponse:
    """The whole list in one page."""
    resources = [orjson.dumps(document) for document in documents]
    return answer_with(200, write_list(resources, total=len(resources), startIndex=1))


def _check_media_type(content_type: str | None, *, strict: bool) -> None:
    """Raises: UnsupportedMediaType. Source: RFC 7644 §3.8."""
    if content_type in _MEDIA_TYPES:
        return
    media_type = _media_type(content_type or "")
    if media_type in _MEDIA_TYPES or (not strict and (media_type in _TOLERATED_TYPES or media_type.endswith("+json"))):
        return
    raise UnsupportedMediaType("The body must be application/scim+json. Say so in Content-Type.")


def _check_accept(accept: str | None) -> None:
    """Raises: NotAcceptable when the client takes nothing that this service writes. Source: RFC 9110 §12.5.1."""
    ranges = [part for part in (accept or "").lower().split(",") if part.strip()]
    wanted = {_media_type(part) for part in ranges if not _UNWANTED.search(part)}
    if ranges and not _ACCEPTED_RANGES & wanted:
        raise NotAcceptable("Answers are application/scim+json. Take it in Accept, or leave Accept out.")


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()
