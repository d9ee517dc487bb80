"""A small SCIM server with bad manners: written without a line of ours, so that it shares none of our mistakes.

Each manner is one that some product has. Without any it is a plain server that takes everything.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from muster.model.exchange import HttpRequest, HttpResponse

MANNERS = {
    "PATCH is 501": "only PUT changes anything, and ServiceProviderConfig is silent",
    "PATCH is 405": "the same in other words",
    "PATCH is 400 and the configuration says so": "patch.supported is false",
    "filters are ignored": "a query is answered with everybody",
    "filters are 400": "invalidFilter",
    "filters are 501": "not implemented",
    "filters ignored and pages repeat": "nobody can be found but on the first page",
    "ids are numbers": "as JSON numbers",
    "ids are awkward": "with slash, blank, percent sign, question mark and letters of all kinds",
    "201 without Location": "the body has the id",
    "201 without body": "the Location has the id",
    "201 without body, relative Location": "from the root of the host",
    "201 without body, bare Location": "nothing but the id",
    "201 without body or Location": "the account has to be found",
    "PATCH is 204": "no body",
    "PATCH is an empty 200": "no body either",
    "PATCH answers without id": "a note instead of the resource",
    "PATCH answers the id only": "not complete",
    "the title is dropped": "in silence",
    "the title is rewritten": "in silence",
    "texts are trimmed and lower": "names and e-mails",
    "members at most two": "a request with more is 400",
    "members at most two, 413": "a request with more is too large",
    "members one by one": "however they come",
    "pages repeat": "startIndex is ignored",
    "pages overlap": "each begins with the last of the page before",
    "pages count from zero": "the first of each page but the first is lost",
    "pages hold two": "whatever count says",
    "the total is the page's": "totalResults counts this page",
    "the total is too large": "by two",
    "the total is missing": "no totalResults",
    "the total is a text": "in quotes",
    "Resources missing when empty": "as RFC 7644 allows",
    "Resources null when empty": "as it does not",
    "a page past the end is 400": "startIndex is checked",
    "errors are web pages": "HTML whatever is asked for",
    "names in capitals": "UserName, Active, Emails",
    "single e-mail without its list": "an object",
    "booleans as text": "True and False",
    "DELETE switches off": "the account stays in every list",
    "DELETE is 405": "accounts can be switched off only",
    "DELETE is 501": "likewise",
    "no uniqueness": "a second account of the same name is taken",
    "duplicates are 400": "uniqueness by scimType",
    "duplicates are 500": "the database says so",
    "nulls for everything": "attributes without value are shown as null",
    "unknown attributes": "of its own, deeply nested",
    "manager as a text": "in answers",
    "extension attributes flat": "urn:…:department as a member of its own",
    "strict paths": "noTarget where an element is missing",
    "media type text": "text/plain",
    "POST is 200": "not 201",
    "POST is 202": "accepted, without body or Location, and done at once",
    "DELETE is 202": "with a note",
    "an empty list is 404": "with the ListResponse as its body",
    "PATCH answers as it was": "the resource before the change",
    "If-Match demanded, 428": "whoever changes something names the version, shown in meta",
    "If-Match demanded, 412": "likewise, shown as ETag",
    "telephone numbers in one form": "only digits and the plus",
    "ids are long": "more than a thousand characters",
    "answers begin with a BOM": "as text editors write files",
    "names told twice": "the old value first",
    "lists show ids only": "attributes come with the resource alone",
    "lists show names only": "id, userName, displayName and active",
    "the total is minus one": "nobody has counted",
    "switched off are hidden": "from lists and queries; by its id each is shown",
    "members who are off drop out": "of groups, and come back by themselves with nobody",
    "lists are newest first": "and so the order of pages changes when somebody comes",
    "ids in capitals within references": "managers and members are shown so",
    "DELETE of a member is refused": "409 until it is in no group",
    "members come and go unseen": "groups never show them",
    "meta and externalId are dropped": "and schemas, too",
    "wants excludedAttributes not": "400 for a parameter that it does not know",
    "everybody is made switched off": "whatever was asked for, and is switched on by a second request",
}
_SINGLE = re.compile(r"^(?P<attribute>[\w.:-]+)(?:\[(?P<marks>[^\]]*)\](?:\.(?P<inner>\w+))?)?$")
_COMPARISON = re.compile(r'([\w.:\[\]" ]+?) eq ("(?:[^"\\]|\\.)*"|true|false)\s*$', re.S)
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_AWKWARD = ("a/b {}", "100% {}?", "Ünïcødé #{}", "..{}", "{}&x=y", "a+b {}")


@dataclass(slots=True)
class OddService:
    """A transport that answers by itself. `manners` are keys of MANNERS."""

    manners: frozenset[str] = frozenset()
    root: str = "/scim/v2"
    kept: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"Users": {}, "Groups": {}})
    made: int = 0
    # Requests come from several threads.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        unknown = self.manners - set(MANNERS)
        assert not unknown, unknown

    def has(self, manner: str) -> bool:
        return manner in self.manners

    # ------------------------------------------------------------ the wire

    def send(self, request: HttpRequest, *, deadline: timedelta) -> HttpResponse:
        parts = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path = parts.path.removeprefix(self.root).strip("/")
        kind, _, raw_id = path.partition("/")
        body = self._understood(json.loads(request.body)) if request.body else {}
        told = {name.lower(): value for name, value in request.headers.items()}
        try:
            with self.lock:
                self._check_version(request.method, kind, unquote(raw_id), told.get("if-match"))
                status, headers, document = self._answer(request.method, kind, unquote(raw_id), query, body)
        except _Refused as refused:
            status, headers = refused.status, {}
            document = {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": str(refused.status),
                "detail": refused.detail,
                **({"scimType": refused.scim_type} if refused.scim_type else {}),
            }
            if self.has("errors are web pages"):
                return _response(refused.status, {"content-type": "text/html"}, b"<html><body>Oh no</body></html>")
        content = b"" if document is None else json.dumps(document).encode()
        kind_of_text = "text/plain" if self.has("media type text") else "application/scim+json"
        if self.has("answers begin with a BOM") and content:
            content = b"\xef\xbb\xbf" + content
        if self.has("names told twice") and content.startswith(b"{"):
            content = b'{"userName": "old", "active": null, "totalResults": 99, ' + content[1:]
        return _response(status, {"content-type": kind_of_text, **headers}, content)

    def _check_version(self, method: str, kind: str, target_id: str, version: str | None) -> None:
        """Who changes something names its version, where that is demanded; each change makes a new one."""
        demanded = next((manner for manner in self.manners if manner.startswith("If-Match")), None)
        if demanded is None or method not in ("PUT", "PATCH", "DELETE") or target_id not in self.kept.get(kind, {}):
            return
        if version is None:
            raise _Refused(int(demanded[-3:]), "If-Match is missing")
        if version != self._version(kind, target_id):
            raise _Refused(412, "another version")

    def _version(self, kind: str, target_id: str) -> str:
        return f'W/"{zlib.crc32(json.dumps(self.kept[kind][target_id], sort_keys=True).encode())}"'

    def _answer(
        self, method: str, kind: str, target_id: str, query: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], Any]:
        if kind == "ServiceProviderConfig" and self.has("PATCH is 400 and the configuration says so"):
            return 200, {}, {"patch": {"supported": False}, "filter": {"supported": True, "maxResults": 50}}
        if kind not in self.kept:
            raise _Refused(404, "no such endpoint")
        if self.has("wants excludedAttributes not") and "excludedAttributes" in query:
            raise _Refused(400, "unknown parameter excludedAttributes")
        match method, bool(target_id):
            case "GET", False:
                listed = self._list(kind, query)
                nobody = self.has("an empty list is 404") and not listed["Resources"]
                return (404 if nobody else 200), {}, listed
            case "POST", False:
                return self._create(kind, body)
            case "GET", True:
                shown = self._shown(kind, self._found(kind, target_id))
                return 200, {"etag": self._version(kind, target_id)}, shown
            case "PUT", True:
                kept = self._found(kind, target_id)
                self._check_unique(kind, body, but=target_id)
                self._keep(kind, target_id, {**body, "id": kept["id"]})
                return 200, {}, self._shown(kind, self.kept[kind][target_id])
            case "PATCH", True:
                return self._patch(kind, target_id, body)
            case "DELETE", True:
                return self._delete(kind, target_id)
        raise _Refused(405, "not so")

    def _understood(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body as this server names things: it takes what it gives."""
        if self.has("names in capitals"):
            body = _lowered(body)
        if self.has("extension attributes flat"):
            prefix = f"{_ENTERPRISE}:"
            for name in [name for name in body if name.startswith(prefix)]:
                assert name.removeprefix(prefix) not in body.get(_ENTERPRISE, {}), "one attribute, told twice"
                body.setdefault(_ENTERPRISE, {})[name.removeprefix(prefix)] = body.pop(name)
        return body

    # ------------------------------------------------------------ reading

    def _list(self, kind: str, query: Mapping[str, str]) -> Any:
        everybody = list(self.kept[kind].values())
        if self.has("lists are newest first"):
            everybody.reverse()
        if self.has("switched off are hidden"):
            everybody = [item for item in everybody if item.get("active") is not False]
        if "filter" in query:
            if self.has("filters are 400"):
                raise _Refused(400, "no filters here", "invalidFilter")
            if self.has("filters are 501"):
                raise _Refused(501, "no filters here")
            if not self.has("filters are ignored") and not self.has("filters ignored and pages repeat"):
                everybody = [item for item in everybody if _satisfies(item, query["filter"])]
        start, count = int(query.get("startIndex", 1)), int(query.get("count", 100))
        if self.has("a page past the end is 400") and start > len(everybody) and start > 1:
            raise _Refused(400, "startIndex is past the end", "invalidValue")
        if self.has("pages hold two"):
            count = min(count, 2)
        first = start - 1
        if self.has("pages repeat") or self.has("filters ignored and pages repeat"):
            first = 0
        elif self.has("pages overlap") and start > 1:
            first -= 1
        elif self.has("pages count from zero") and start > 1:
            first += 1
        page = [self._shown(kind, item, in_list=True) for item in everybody[first : first + count]]
        answer: dict[str, Any] = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": len(everybody),
            "startIndex": start,
            "itemsPerPage": len(page),
            "Resources": page,
        }
        if self.has("the total is the page's"):
            answer["totalResults"] = len(page)
        if self.has("the total is too large"):
            answer["totalResults"] += 2 if "filter" not in query else 0
        if self.has("the total is missing"):
            del answer["totalResults"]
        if self.has("the total is minus one"):
            answer["totalResults"] = -1
        if self.has("the total is a text"):
            answer["totalResults"] = str(answer["totalResults"])
        if not page and self.has("Resources missing when empty"):
            del answer["Resources"]
        if not page and self.has("Resources null when empty"):
            answer["Resources"] = None
        return _in_capitals(answer) if self.has("names in capitals") else answer

    def _found(self, kind: str, target_id: str) -> dict[str, Any]:
        if target_id not in self.kept[kind]:
            raise _Refused(404, f"there is no {target_id}")
        return self.kept[kind][target_id]

    def _shown(self, kind: str, kept: dict[str, Any], *, in_list: bool = False) -> Any:
        shown = copy.deepcopy(kept)
        brief = ("id",) if self.has("lists show ids only") else ("id", "userName", "displayName", "active")
        if in_list and (self.has("lists show ids only") or self.has("lists show names only")):
            shown = {name: shown[name] for name in brief if name in shown}
        if self.has("members come and go unseen"):
            shown.pop("members", None)
        if self.has("If-Match demanded, 428"):
            shown["meta"] = {"version": self._version(kind, str(kept["id"]))}
        if self.has("meta and externalId are dropped"):
            shown = {name: value for name, value in shown.items() if name not in ("meta", "externalId", "schemas")}
        if self.has("single e-mail without its list") and len(shown.get("emails") or ()) == 1:
            shown["emails"] = shown["emails"][0]
        if self.has("booleans as text") and "active" in shown:
            shown["active"] = str(shown["active"])
        if self.has("nulls for everything"):
            shown = {"title": None, "nickName": None, "emails": None, "addresses": None, "roles": None} | shown
        if self.has("unknown attributes"):
            shown["acme"] = {"level": [{"x": [[1]]}], "urn:acme:1": None}
        extension = shown.get(_ENTERPRISE, {})
        if self.has("ids in capitals within references"):
            for item in (*(shown.get("members") or ()), extension.get("manager") or {}):
                if "value" in item:
                    item["value"] = str(item["value"]).upper()
        if self.has("manager as a text") and isinstance(extension.get("manager"), dict):
            extension["manager"] = extension["manager"].get("value")
        if self.has("extension attributes flat"):
            for name, value in (shown.pop(_ENTERPRISE, None) or {}).items():
                shown[f"{_ENTERPRISE}:{name}"] = value
        return _in_capitals(shown) if self.has("names in capitals") and not in_list else shown

    # ------------------------------------------------------------ writing

    def _create(self, kind: str, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        self._check_unique(kind, body)
        self.made += 1
        target_id: Any = f"id-{self.made}"
        if self.has("ids are numbers"):
            target_id = self.made
        if self.has("ids are awkward"):
            target_id = _AWKWARD[self.made % len(_AWKWARD)].format(self.made)
        if self.has("ids are long"):
            target_id = f"{'long/' * 220}{self.made}"
        self._check_members(body)
        if kind == "Users" and self.has("everybody is made switched off"):
            body = {**body, "active": False}
        self._keep(kind, str(target_id), {**body, "id": target_id})
        where = f"{self.root}/{kind}/{quote(str(target_id), safe='')}"
        shown = self._shown(kind, self.kept[kind][str(target_id)])
        if self.has("201 without Location"):
            return 201, {}, shown
        if self.has("201 without body"):
            return 201, {"location": f"https://scim.example{where}"}, None
        if self.has("201 without body, relative Location"):
            return 201, {"location": where}, None
        if self.has("201 without body, bare Location"):
            return 201, {"location": quote(str(target_id), safe="")}, None
        if self.has("201 without body or Location"):
            return 201, {}, None
        if self.has("POST is 202"):
            return 202, {}, None
        if self.has("POST is 200"):
            return 200, {}, shown
        return 201, {"location": f"https://scim.example{where}"}, shown

    def _patch(self, kind: str, target_id: str, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        if self.has("PATCH is 501"):
            raise _Refused(501, "PATCH is not implemented")
        if self.has("PATCH is 405"):
            raise _Refused(405, "PATCH is not allowed")
        if self.has("PATCH is 400 and the configuration says so"):
            raise _Refused(400, "what is this?")
        document = copy.deepcopy(self._found(kind, target_id))
        before = self._shown(kind, document)
        for operation in body["Operations"]:
            self._check_members({"members": operation.get("value")} if operation.get("path") == "members" else {})
            self._apply(document, operation)
        self._check_unique(kind, document, but=target_id)
        self._keep(kind, target_id, document)
        if self.has("PATCH is 204"):
            return 204, {}, None
        if self.has("PATCH is an empty 200"):
            return 200, {}, None
        if self.has("PATCH answers without id"):
            return 200, {}, {"result": "updated"}
        if self.has("PATCH answers as it was"):
            return 200, {}, before
        if self.has("PATCH answers the id only"):
            return 200, {}, {"id": document["id"]}
        return 200, {}, self._shown(kind, self.kept[kind][target_id])

    def _delete(self, kind: str, target_id: str) -> tuple[int, dict[str, str], Any]:
        kept = self._found(kind, target_id)
        members = (item for group in self.kept["Groups"].values() for item in group.get("members") or ())
        if self.has("DELETE of a member is refused") and any(str(item["value"]) == target_id for item in members):
            raise _Refused(409, "still a member of a group")
        if self.has("DELETE is 405"):
            raise _Refused(405, "nothing is ever deleted here")
        if self.has("DELETE is 501"):
            raise _Refused(501, "nothing is ever deleted here")
        if self.has("DELETE switches off") and kind == "Users":
            kept["active"] = False
        else:
            del self.kept[kind][target_id]
            for group in self.kept["Groups"].values():
                group["members"] = [item for item in group.get("members") or () if str(item["value"]) != target_id]
        return (202, {}, {"note": "under way"}) if self.has("DELETE is 202") else (204, {}, None)

    def _check_unique(self, kind: str, body: dict[str, Any], *, but: str | None = None) -> None:
        if self.has("no uniqueness"):
            return
        name = "userName" if kind == "Users" else "displayName"
        for target_id, kept in self.kept[kind].items():
            if target_id != but and str(kept.get(name)).lower() == str(body.get(name)).lower():
                if self.has("duplicates are 400"):
                    raise _Refused(400, "taken", "uniqueness")
                if self.has("duplicates are 500"):
                    raise _Refused(500, "duplicate key value violates unique constraint")
                raise _Refused(409, "taken", "uniqueness")

    def _check_members(self, body: dict[str, Any]) -> None:
        members = body.get("members") or ()
        if not isinstance(members, list) or len(members) <= 2:
            return
        if self.has("members at most two"):
            raise _Refused(400, "too many members in one request", "tooMany")
        if self.has("members at most two, 413"):
            raise _Refused(413, "too large")

    def _keep(self, kind: str, target_id: str, document: dict[str, Any]) -> None:
        if self.has("the title is dropped"):
            document.pop("title", None)
        if self.has("the title is rewritten") and document.get("title"):
            document["title"] = document["title"].removeprefix("* ").join(("* ", ""))
        if self.has("telephone numbers in one form"):
            for item in document.get("phoneNumbers") or ():
                item["value"] = re.sub(r"[^+\d]", "", item["value"])
        if self.has("texts are trimmed and lower"):
            for name in ("userName",):
                if document.get(name):
                    document[name] = document[name].strip().lower()
            for item in document.get("emails") or ():
                item["value"] = item["value"].strip().lower()
        self.kept[kind][target_id] = document
        if self.has("members who are off drop out"):
            off = {str(user["id"]) for user in self.kept["Users"].values() if user.get("active") is False}
            for group in self.kept["Groups"].values():
                group["members"] = [item for item in group.get("members") or () if str(item["value"]) not in off]

    def _apply(self, document: dict[str, Any], operation: dict[str, Any]) -> None:
        verb, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
        if path is None:
            for name, part in value.items():
                self._apply(document, {"op": verb, "path": name, "value": part})
            return
        holder = document
        if path.lower().startswith("urn:"):
            urn, _, path = path.rpartition(":")
            holder = document.setdefault(urn, {})
        name, _, inner = path.partition(".") if "[" not in path else (path, "", "")
        found = _SINGLE.match(path)
        if "[" in path and found is not None:
            self._apply_to_element(holder, found, verb, value)
        elif inner:
            part = holder.setdefault(name, {})
            if verb == "remove":
                part.pop(inner, None)
            else:
                part[inner] = value
        elif verb == "remove":
            if isinstance(value, list):
                gone = {str(item["value"]) for item in value}
                holder[name] = [item for item in holder.get(name) or () if str(item["value"]) not in gone]
            else:
                holder.pop(name, None)
        elif isinstance(value, list) and verb == "add":
            held = holder.get(name) or []
            known = {str(item.get("value")) for item in held if isinstance(item, dict) and "value" in item}
            holder[name] = [*held, *(item for item in value if str(item.get("value")) not in known or not known)]
        elif name == "active":
            holder[name] = str(value).lower() == "true"
        else:
            holder[name] = value

    def _apply_to_element(self, holder: dict[str, Any], found: re.Match[str], verb: str, value: Any) -> None:
        name, inner = found["attribute"], found["inner"]
        marks = dict(re.findall(r'(\w+) eq "((?:[^"\\]|\\.)*)"', found["marks"]))
        marks = {key: json.loads(f'"{text}"') for key, text in marks.items()}
        held = holder.get(name) or []
        hit = [item for item in held if all(str(item.get(key)) == text for key, text in marks.items())]
        if not hit and self.has("strict paths"):
            raise _Refused(400, f"no element {found.group()}", "noTarget")
        if verb == "remove":
            if inner:
                for item in hit:
                    item.pop(inner, None)
            else:
                holder[name] = [item for item in held if item not in hit]
            return
        if not hit:
            hit = [dict(marks)]
            holder[name] = [*held, *hit]
        for item in hit:
            item[inner or "value"] = value


class _Refused(Exception):
    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type


def _response(status: int, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    return HttpResponse(status=status, headers=headers, body=body, elapsed=timedelta(milliseconds=5))


def _satisfies(document: Mapping[str, Any], text: str) -> bool:
    found = re.match(r'^(.*?) eq (".*"|true|false)(\])?$', text, re.S)
    assert found is not None, text
    path, wanted = found[1], json.loads(found[2])
    value: Any = document
    name = path.partition("[")[0]
    for part in name.split("."):
        value = (value or {}).get(part) if isinstance(value, dict) else None
    if isinstance(value, list):
        return any(str(item.get("value")).lower() == str(wanted).lower() for item in value)
    return value is not None and str(value).lower() == str(wanted).lower()


def _in_capitals(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name if name.startswith("urn:") else name[:1].upper() + name[1:]: _in_capitals(part)
            for name, part in value.items()
        }
    return [_in_capitals(item) for item in value] if isinstance(value, list) else value


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        names = [name if name == "Operations" else name[:1].lower() + name[1:] for name in value]
        assert len(set(names)) == len(names), "one attribute, told twice"
        return {name: _lowered(part) for name, part in zip(names, value.values(), strict=True)}
    return [_lowered(item) for item in value] if isinstance(value, list) else value
