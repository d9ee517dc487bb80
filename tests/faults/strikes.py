"""What goes wrong at a target: each kind of fault, armed for a kind of request, strikes once and is counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fakes.scim_service import ScimService
from fakes.world import StillClock
from muster.model.exchange import ConnectionFailed, HttpRequest, HttpResponse, TransportTimeout
from trip.playing import ADDRESS

Send = Callable[[], HttpResponse]
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MANAGER = f"{ENTERPRISE}:manager"
# Attributes that a careless target drops or rewrites; never the life sign.
FLEETING = {"title": "jobTitle", f"{ENTERPRISE}:department": "department", "name.givenName": "givenName"}
_PROBE = re.compile(r'"00000000-0000-4000-8000-\d{12}"')

READS = ("probe", "lookup", "read", "list")
WRITES = ("create", "update", "disable", "member", "delete")
BULK = ("bulk",)
# Which fault can strike which request.
APPLICABLE: dict[str, tuple[str, ...]] = {
    "busy": READS + WRITES + BULK,
    "busy for hours": READS + WRITES + BULK,
    "server error": READS + WRITES + BULK,
    "refused token": READS + WRITES + BULK,
    "web page": READS + WRITES + BULK,
    "swallowed": READS + WRITES + BULK,
    "slow": READS + WRITES + BULK,
    "reset": READS + WRITES + BULK,
    "lost request": READS + WRITES + BULK,
    "lost answer": WRITES + BULK,
    "late": ("update", "create", "delete", "member", "disable", "bulk"),
    "done in part": BULK,
    "answered in part": BULK,
    "throttled in part": BULK,
    "another order": BULK,
    "too large": BULK,
    "duplicate page": ("list",),
    "truncated list": ("list",),
    "stale": ("lookup", "read", "list"),
    "ignored filter": ("lookup",),
    "ignored attribute": ("create", "update"),
    "rewritten attribute": ("create", "update"),
    "created meanwhile": ("create",),
    "deleted meanwhile": ("read", "update", "disable", "member", "delete"),
    "changed meanwhile": ("update", "delete"),
}
# After these the target is not what it said it was: only a full pass can see it.
LIES = frozenset({"stale", "deleted meanwhile"})


@dataclass(slots=True)
class Armed:
    fault: str
    operation: str
    # How many such requests it lets pass first.
    wait: int


@dataclass(slots=True)
class Storm:
    """Stands between the engine and the target."""

    service: ScimService
    clock: StillClock
    armed: list[Armed] = field(default_factory=list)
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Source attributes that the target did not keep: they are to be given again.
    tainted: set[tuple[str, str]] = field(default_factory=set)
    late: list[Send] = field(default_factory=list)
    before: Snapshot | None = None
    pages: dict[str, HttpResponse] = field(default_factory=dict)
    # Ids of what others deleted.
    deleted: set[str] = field(default_factory=set)

    def send(self, request: HttpRequest, send: Send) -> HttpResponse:
        """Returns what the caller sees of a request."""
        operation = operation_of(request)
        for armed in self.armed:
            if armed.operation != operation:
                continue
            if armed.wait > 0:
                armed.wait -= 1
                continue
            exchange = _Exchange(storm=self, request=request, send=send)
            strike = _STRIKES[armed.fault]
            if not exchange.can_be_struck_by(armed.fault):
                continue
            self.armed.remove(armed)
            self.struck[armed.fault, operation] += 1
            return strike(exchange)
        answer = send()
        if operation == "list":
            self.pages[urlsplit(request.url).path] = answer
        return answer

    def remember(self) -> None:
        """Keeps the target's state: what a stale read will show."""
        self.before = Snapshot.of(self.service)

    def arrive(self) -> None:
        """Lets requests arrive that their sender has given up."""
        while self.late:
            self.late.pop(0)()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a target at some time."""

    documents: Any
    members: Any

    @classmethod
    def of(cls, service: ScimService) -> Snapshot:
        repository = service.repository
        return cls(
            {name: dict(documents) for name, documents in repository._documents.items()},
            {group: dict(members) for group, members in repository._members.items()},
        )

    def during(self, service: ScimService, call: Send) -> HttpResponse:
        """Returns the answer that the target would have given then."""
        repository = service.repository
        now = repository._documents, repository._members
        repository._documents, repository._members = self.documents, self.members
        try:
            return call()
        finally:
            repository._documents, repository._members = now


def operation_of(request: HttpRequest) -> str:
    """Returns the kind of a request, as faults name it."""
    parts = urlsplit(request.url)
    path = parts.path.removeprefix(urlsplit(ADDRESS).path)
    match request.method:
        case "GET" if "filter" in parse_qs(parts.query):
            return "probe" if _PROBE.search(unquote(parts.query)) else "lookup"
        case "GET" if path == "/ServiceProviderConfig":
            return "configuration"
        case "GET":
            return "list" if path in ("/Users", "/Groups") else "read"
        case "POST":
            return "bulk" if path == "/Bulk" else "create"
        case "DELETE":
            return "delete"
    paths = {item.get("path") for item in body_of(request).get("Operations", [])}
    if MANAGER in paths or any(str(each).startswith("members") for each in paths):
        return "member"
    return "disable" if is_switching_off(request) else "update"


def parts_of(request: HttpRequest) -> list[HttpRequest]:
    """Returns the requests that one carries: itself, unless it is a bulk."""
    if operation_of(request) != "bulk":
        return [request]
    return [
        HttpRequest(
            method=item["method"],
            url=f"{ADDRESS}{item['path']}",
            body=json.dumps(item["data"]).encode() if "data" in item else None,
        )
        for item in body_of(request)["Operations"]
    ]


def is_switching_off(request: HttpRequest) -> bool:
    """Whether a request switches an account off."""
    operations = body_of(request).get("Operations", [])
    return any(item.get("path") == "active" and item.get("value") in (False, "False") for item in operations)


def body_of(request: HttpRequest) -> dict[str, Any]:
    return json.loads(request.body) if request.body else {}


@dataclass(frozen=True, slots=True)
class _Exchange:
    storm: Storm
    request: HttpRequest
    send: Send

    @property
    def place(self) -> tuple[str, str]:
        """Kind and id of the object that the request names."""
        parts = urlsplit(self.request.url).path.removeprefix(urlsplit(ADDRESS).path).strip("/").split("/")
        return parts[0].removesuffix("s"), parts[1] if len(parts) > 1 else ""

    def can_be_struck_by(self, fault: str) -> bool:
        """Whether the fault would make a difference here."""
        service = self.storm.service
        match fault:
            case "duplicate page":
                return _start_of(self.request) > 1 and urlsplit(self.request.url).path in self.storm.pages
            case "truncated list":
                return len(json.loads(self.send().body).get("Resources", ())) > 0
            case "stale":
                if self.storm.before is None:
                    return False
                return self.storm.before.during(service, self.send).body != self.send().body
            case "ignored filter":
                return json.loads(_everybody(self).body)["totalResults"] > len(
                    json.loads(self.send().body).get("Resources", ())
                )
            case "ignored attribute" | "rewritten attribute":
                return any(name in _named_values(body_of(self.request)) for name in FLEETING)
            case "created meanwhile":
                return self.place[0] == "User"
            case "changed meanwhile":
                return self.place[0] == "User" and "If-Match" in self.request.headers
            case "deleted meanwhile":
                return service.repository.get(*self.place) is not None
        return True


def _busy(_: _Exchange) -> HttpResponse:
    return _answer(429, retry_after="3")


def _busy_for_hours(exchange: _Exchange) -> HttpResponse:
    until = exchange.storm.clock.now() + timedelta(hours=2)
    return _answer(429, retry_after=format_datetime(until, usegmt=True))


def _server_error(_: _Exchange) -> HttpResponse:
    return _answer(503, b"busy")


def _refused_token(_: _Exchange) -> HttpResponse:
    return _answer(401)


def _web_page(_: _Exchange) -> HttpResponse:
    return _answer(200, b"<html>We are working on it</html>", content_type="text/html")


def _swallowed(_: _Exchange) -> HttpResponse:
    return _answer(200)


def _slow(exchange: _Exchange) -> HttpResponse:
    exchange.storm.clock.advance(timedelta(seconds=20))
    return exchange.send()


def _reset(_: _Exchange) -> HttpResponse:
    raise ConnectionFailed("the connection was reset", sent=False)


def _lost_request(_: _Exchange) -> HttpResponse:
    raise TransportTimeout("the deadline passed", sent=True)


def _lost_answer(exchange: _Exchange) -> HttpResponse:
    exchange.send()
    raise TransportTimeout("the deadline passed", sent=True)


def _late(exchange: _Exchange) -> HttpResponse:
    exchange.storm.late.append(exchange.send)
    raise TransportTimeout("the deadline passed", sent=True)


def _duplicate_page(exchange: _Exchange) -> HttpResponse:
    return exchange.storm.pages[urlsplit(exchange.request.url).path]


def _truncated_list(exchange: _Exchange) -> HttpResponse:
    def cut(document: dict[str, Any]) -> None:
        document["Resources"].pop()
        document["itemsPerPage"] = len(document["Resources"])

    return _edited(exchange.send(), cut)


def _stale(exchange: _Exchange) -> HttpResponse:
    assert exchange.storm.before is not None
    return exchange.storm.before.during(exchange.storm.service, exchange.send)


def _ignored_filter(exchange: _Exchange) -> HttpResponse:
    return _everybody(exchange)


def _ignored_attribute(exchange: _Exchange) -> HttpResponse:
    return _with_other_body(exchange, lambda _: None)


def _rewritten_attribute(exchange: _Exchange) -> HttpResponse:
    return _with_other_body(exchange, lambda value: f"{value} (as we write it)")


def _created_meanwhile(exchange: _Exchange) -> HttpResponse:
    body = {
        "userName": body_of(exchange.request)["userName"],
        "name": {"givenName": "Some", "familyName": "Body"},
        "emails": [{"value": "somebody@other.example", "type": "work"}],
        "active": True,
    }
    exchange.storm.service.ask("POST", "/Users", body)
    return exchange.send()


def _deleted_meanwhile(exchange: _Exchange) -> HttpResponse:
    exchange.storm.service.repository.delete(*exchange.place)
    exchange.storm.deleted.add(exchange.place[1])
    return exchange.send()


def _changed_meanwhile(exchange: _Exchange) -> HttpResponse:
    """Somebody else changes what is ours to leave alone: the version that the sender knows is an old one."""
    storm, (kind, target_id) = exchange.storm, exchange.place
    body = {"schemas": [PATCH_URN], "Operations": [{"op": "add", "path": "nickName", "value": f"{storm.clock.now()}"}]}
    storm.service.ask("PATCH", f"/{kind}s/{target_id}", body)
    return exchange.send()


def _done_in_part(exchange: _Exchange) -> HttpResponse:
    body = body_of(exchange.request)
    _ask_bulk(exchange, body["Operations"][:-1])
    return _answer(503, b"busy")


def _answered_in_part(exchange: _Exchange) -> HttpResponse:
    return _edited(exchange.send(), lambda document: document["Operations"].pop(0))


def _throttled_in_part(exchange: _Exchange) -> HttpResponse:
    first, *others = body_of(exchange.request)["Operations"]
    answer = _ask_bulk(exchange, others)
    refused = {"method": first["method"], "status": "429", "location": f"{ADDRESS}{first['path']}"}
    if "bulkId" in first:
        refused["bulkId"] = first["bulkId"]
    return _edited(answer, lambda document: document["Operations"].append(refused))


def _another_order(exchange: _Exchange) -> HttpResponse:
    return _edited(exchange.send(), lambda document: document["Operations"].reverse())


def _too_large(_: _Exchange) -> HttpResponse:
    return _answer(413)


def _ask_bulk(exchange: _Exchange, operations: list[Any]) -> HttpResponse:
    got = exchange.storm.service.ask("POST", "/Bulk", {**body_of(exchange.request), "Operations": operations})
    return _answer(got.status, got.body, content_type="application/scim+json")


_STRIKES: Mapping[str, Callable[[_Exchange], HttpResponse]] = {
    "busy": _busy,
    "busy for hours": _busy_for_hours,
    "server error": _server_error,
    "refused token": _refused_token,
    "web page": _web_page,
    "swallowed": _swallowed,
    "slow": _slow,
    "reset": _reset,
    "lost request": _lost_request,
    "lost answer": _lost_answer,
    "late": _late,
    "done in part": _done_in_part,
    "answered in part": _answered_in_part,
    "throttled in part": _throttled_in_part,
    "another order": _another_order,
    "too large": _too_large,
    "duplicate page": _duplicate_page,
    "truncated list": _truncated_list,
    "stale": _stale,
    "ignored filter": _ignored_filter,
    "ignored attribute": _ignored_attribute,
    "rewritten attribute": _rewritten_attribute,
    "created meanwhile": _created_meanwhile,
    "deleted meanwhile": _deleted_meanwhile,
    "changed meanwhile": _changed_meanwhile,
}


def _answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=named, body=body, elapsed=timedelta())


def _edited(answer: HttpResponse, edit: Callable[[dict[str, Any]], object]) -> HttpResponse:
    document = json.loads(answer.body)
    edit(document)
    return HttpResponse(
        status=answer.status, headers=answer.headers, body=json.dumps(document).encode(), elapsed=answer.elapsed
    )


def _start_of(request: HttpRequest) -> int:
    return int(parse_qs(urlsplit(request.url).query).get("startIndex", ["1"])[0])


def _everybody(exchange: _Exchange) -> HttpResponse:
    got = exchange.storm.service.ask("GET", f"{urlsplit(exchange.request.url).path.rpartition('/v2')[2]}?count=50")
    return _answer(200, got.body, content_type="application/scim+json")


def _named_values(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the attributes that a body sets, by mapping path."""
    found = {item["path"]: item.get("value") for item in body.get("Operations", []) if "path" in item}
    if "Operations" not in body:
        found = {"title": body.get("title"), "name.givenName": body.get("name", {}).get("givenName")}
        found[f"{ENTERPRISE}:department"] = body.get(ENTERPRISE, {}).get("department")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _with_other_body(exchange: _Exchange, other: Callable[[str], str | None]) -> HttpResponse:
    """Sends the request as the target understands it: one attribute has another value, or none."""
    body = body_of(exchange.request)
    values = _named_values(body)
    name = next(name for name in FLEETING if name in values)
    value = other(values[name])
    operations = body.get("Operations")
    if operations is not None:
        kept = [{**item, "value": value} if item.get("path") == name else item for item in operations]
        body["Operations"] = [item for item in kept if item.get("value") is not None or item["op"] == "remove"]
    else:
        holder = body if name == "title" else body["name"] if name == "name.givenName" else body[ENTERPRISE]
        holder[name.replace(":", ".").rpartition(".")[2]] = value
        if value is None:
            del holder[name.replace(":", ".").rpartition(".")[2]]
    service, (kind, target_id) = exchange.storm.service, exchange.place
    path = f"/{kind}s/{target_id}".rstrip("/")
    if operations is not None and not body["Operations"]:
        got = service.ask("GET", path)
    else:
        got = service.ask(exchange.request.method, path, body)
    if isinstance(got.json, dict) and "id" in got.json:
        exchange.storm.tainted.add((got.json["id"], FLEETING[name]))
    return HttpResponse(
        status=got.status,
        headers={key.lower(): text for key, text in got.headers.items()},
        body=got.body,
        elapsed=timedelta(),
    )
