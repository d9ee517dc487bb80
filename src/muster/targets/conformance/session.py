"""One examination of a SCIM server: requests that are asked once, and what is known from their answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse
from muster.scim.client import AnswerUnreadable, ClientRequest, TenantAddress, form_url, read_document
from muster.scim.mapping_paths import get_member

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
DEADLINE = timedelta(seconds=30)
REQUESTS_LIMIT = 300


class Presented(StrEnum):
    """Which credentials go with a request."""

    OURS = "ours"
    NONE = "none"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as probes judge it; `document` None: the body is no JSON object."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    document: Mapping[str, Any] | None

    @property
    def media_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def total(self) -> int | None:
        """totalResults, if it is a number."""
        found = get_member(self.document or {}, "totalResults")
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @property
    def resources(self) -> list[Mapping[str, Any]] | None:
        """Resources of a list, empty where an empty page leaves them out; None: this is no list."""
        if self.status != 200 or self.total is None:
            return None
        found = get_member(self.document or {}, "Resources")
        if found is None:
            return []
        return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else None

    @property
    def ids(self) -> list[str]:
        """The ids of the resources listed."""
        return [str(get_member(item, "id")) for item in self.resources or []]

    def shown(self) -> str:
        """The answer in a few words, for evidence."""
        if self.resources is not None:
            return f"HTTP {self.status}, totalResults {self.total}, {len(self.resources)} shown"
        kind = self.media_type or "no content type"
        return f"HTTP {self.status}, {kind}, {len(self.body)} bytes"


# (request, which credentials) -> the answer. Raises: ExchangeFailed.
Send = Callable[[HttpRequest, Presented], HttpResponse]


class Session:
    """Asks a server; the same question only once. Raises: ExchangeFailed."""

    def __init__(self, address: TenantAddress, send: Send, *, mark: str) -> None:
        """`mark` is a random text that no account has, and by which those that are made here are known."""
        self.address = address
        self.mark = mark
        self.requests = 0
        self._send = send
        self._known: dict[tuple[str, str, Presented], Reply] = {}

    def get(self, path: str, *, presented: Presented = Presented.OURS, **query: str) -> Reply:
        """Returns the answer to a GET; `query` are its parameters."""
        url = form_url(self.address, ClientRequest(method="GET", path=path, query=tuple(query.items())))
        return self._asked(url, presented)

    def get_raw(self, path: str) -> Reply:
        """Returns the answer to a GET whose path and query are written as they go out."""
        return self._asked(f"{self.address.base}{path}", Presented.OURS)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Returns the answer to a request that may change something."""
        request = ClientRequest(method=method, path=path, body=body)
        return self._sent(
            HttpRequest(
                method=method,
                url=form_url(self.address, request),
                headers={"content-type": "application/scim+json"} if body is not None else {},
                body=request.body_bytes(),
            ),
            Presented.OURS,
        )

    def _asked(self, url: str, presented: Presented) -> Reply:
        key = ("GET", url, presented)
        if key not in self._known:
            self._known[key] = self._sent(HttpRequest(method="GET", url=url), presented)
        return self._known[key]

    def _sent(self, request: HttpRequest, presented: Presented) -> Reply:
        self.requests += 1
        if self.requests > REQUESTS_LIMIT:
            raise ExchangeFailed(f"The examination ends after {REQUESTS_LIMIT} requests.", sent=False)
        response = self._send(request, presented)
        try:
            document: Mapping[str, Any] | None = read_document(response.body)
        except AnswerUnreadable:
            document = None
        return Reply(status=response.status, headers=response.headers, body=response.body, document=document)

    # ------------------------------------------------------------ what is known

    @cached_property
    def service(self) -> Mapping[str, Any]:
        """The ServiceProviderConfig, empty if there is none."""
        answer = self.get("/ServiceProviderConfig")
        return answer.document if answer.status == 200 and answer.document is not None else {}

    def offers(self, feature: str) -> bool | None:
        """Whether the ServiceProviderConfig says that a feature is supported; None: it does not say."""
        found = get_member(get_member(self.service, feature) or {}, "supported")
        return found if isinstance(found, bool) else None

    @cached_property
    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """The published schemas by URN."""
        found = self.get("/Schemas").resources or []
        return {str(get_member(item, "id")): item for item in found}

    @cached_property
    def types(self) -> Sequence[Mapping[str, Any]]:
        """The published resource types."""
        return self.get("/ResourceTypes").resources or []

    @cached_property
    def sample(self) -> Mapping[str, Any] | None:
        """An account of the server to compare answers with; None: it lists nobody."""
        return next(iter(self.get("/Users", startIndex="1", count="2").resources or []), None)

    @cached_property
    def has_groups(self) -> bool:
        """Whether groups are offered: said by the resource types, or by a list."""
        endpoints = [str(get_member(item, "endpoint") or "") for item in self.types]
        if endpoints:
            return any(endpoint.rstrip("/").endswith("/Groups") for endpoint in endpoints)
        return self.get("/Groups", startIndex="1", count="1").resources is not None

    def user_attribute(self, name: str) -> Mapping[str, Any] | None:
        """The definition of an attribute in the core user schema."""
        listed = get_member(self.schemas.get(CORE_USER, {}), "attributes")
        attributes = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        return next((item for item in attributes if str(get_member(item, "name")).lower() == name.lower()), None)
