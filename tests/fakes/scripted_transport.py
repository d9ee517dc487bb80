"""Transports without a socket: one that plays scripted answers, one that joins a SCIM server in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fakes.scim_service import BASE_URL, ScimService
from muster.model.exchange import ExchangeFailed, HttpRequest, HttpResponse

ELAPSED = timedelta(milliseconds=5)


def reply(
    status: int, body: Any = None, *, headers: Mapping[str, str] | None = None, raw: bytes | None = None
) -> HttpResponse:
    """An answer; `body` is written as JSON."""
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    return HttpResponse(status=status, headers=dict(headers or {}), body=content, elapsed=ELAPSED)


def listing(*resources: Mapping[str, Any], total: int | None = None, start: int = 1) -> HttpResponse:
    """A ListResponse."""
    return reply(
        200,
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": len(resources) if total is None else total,
            "startIndex": start,
            "itemsPerPage": len(resources),
            "Resources": list(resources),
        },
    )


@dataclass(slots=True)
class ScriptedTransport:
    """Plays answers (or raises failures) in order and keeps what was sent."""

    script: list[HttpResponse | ExchangeFailed] = field(default_factory=list)
    sent: list[HttpRequest] = field(default_factory=list)

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        self.sent.append(request)
        assert deadline > timedelta(), "a request without deadline"
        assert self.script, f"nothing is scripted for {request.method} {request.url}"
        answer = self.script.pop(0)
        if isinstance(answer, ExchangeFailed):
            raise answer
        return answer

    def bodies(self) -> list[Any]:
        """The bodies of all requests that had one, as JSON."""
        return [json.loads(request.body) for request in self.sent if request.body is not None]


@dataclass(slots=True)
class JoinedTransport:
    """Hands every request to a SCIM service in this process. Answers to methods in `lose_answers_of` get lost."""

    service: ScimService
    sent: list[HttpRequest] = field(default_factory=list)
    lose_answers_of: set[str] = field(default_factory=set)

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        self.sent.append(request)
        parts = urlsplit(request.url)
        assert request.url.startswith(BASE_URL), request.url
        path = parts.path.removeprefix(urlsplit(BASE_URL).path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answered, body = self.service.send(
            request.method, f"{path}?{parts.query}" if parts.query else path, headers, request.body
        )
        if request.method in self.lose_answers_of:
            raise ExchangeFailed("the connection broke before the answer", sent=True)
        return HttpResponse(status=status, headers=answered, body=body, elapsed=ELAPSED)

    def queries(self) -> list[dict[str, str]]:
        """The decoded queries of all requests."""
        return [dict(parse_qsl(urlsplit(request.url).query)) for request in self.sent]
