"""The API as an OpenAPI 3.1 document: made from the table of routes, so that no call is in one and not in the other."""

import re
from importlib.metadata import version
from typing import Any

from muster.web.graph.call import Route
from muster.web.graph.openapi_calls import ANSWER_TYPES, ANSWERS, BODIES, BODY_TYPES, SOMETIMES
from muster.web.graph.openapi_ours import OURS
from muster.web.graph.openapi_schemas import SCHEMAS
from muster.web.graph.openapi_shapes import named
from muster.web.graph.routes import ROUTES

Document = dict[str, Any]

_PART = re.compile(r"\{(\w+)\}")
_OPTIONS: dict[str, tuple[str, Document]] = {
    "$filter": ("Which objects: `eq ne gt ge lt le in`, startswith, endswith, contains, and, or, not, any, all.", {}),
    "$search": ('Words of names: `"displayName:ada" OR "mail:ada"`.', {}),
    "$orderby": ("The order: a property, then asc or desc.", {}),
    "$top": ("How many a page holds.", {"type": "integer", "minimum": 1, "maximum": 1000}),
    "$skiptoken": ("Where the page begins: from @odata.nextLink.", {}),
    "$count": ("Whether to say how many there are.", {"type": "boolean"}),
    "$select": ("Which properties are shown, separated by commas.", {}),
    "$expand": ("What is shown with each object.", {}),
}
_JOB = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
_HELD = (
    ("state", False, "held, approved, rejected or waiting; without it held."),
    ("code", False, "Why it is held."),
    ("cause", False, "The key of a cause."),
    ("kind", False, "create, update, disable, delete …"),
    ("objectType", False, "User or Group."),
    ("search", False, "A part of a name or id."),
)
_QUERIES: dict[tuple[str, str], tuple[tuple[str, bool, str], ...]] = {
    ("POST", "/imports"): (
        ("fileName", True, "Its end says what it is: .csv, .json."),
        ("preview", False, "true: plan it only."),
    ),
    ("GET", f"{_JOB}/explain"): (("user", True, "Id or principal name."),),
    ("GET", f"{_JOB}/links"): (("state", False, "seen, adopted, managed or released."),),
    ("GET", f"{_JOB}/discoveredAccounts"): (("standing", False, "local, unassigned or assigned."),),
    ("GET", f"{_JOB}/wireLog"): (
        ("sourceId", False, "Of this object only."),
        ("cycleId", False, "Of this cycle only."),
    ),
    ("GET", f"{_JOB}/heldOperations"): _HELD,
    ("GET", f"{_JOB}/heldOperations/causes"): _HELD,
    ("GET", "/configuration"): (("name", False, "Of this application only."),),
    ("GET", "/auditLogs/provisioning/export"): (
        ("format", False, "csv or json."),
        ("part", False, "Of CSV: logs, steps or modifiedProperties."),
    ),
}
_SUCCESS = {"PUT": "204", "PATCH": "204", "DELETE": "204"}
_REFUSALS = {
    "4XX": "Refused: the message says what is wrong and what to do.",
    "503": "The engine does not answer in time.",
}
_VERBS = {"POST": "Make or do", "PUT": "Set", "PATCH": "Change", "DELETE": "Remove"}
_DESCRIPTIONS = {
    "200": "What was asked for.",
    "201": "It was made.",
    "202": "The engine does it; ask at Location how it stands.",
    "204": "It was done.",
    "304": "It is as the caller has it (If-None-Match).",
}


def make_document(public_url: str, tenant_id: str) -> Document:
    """Returns the document of the installation at an address."""
    paths: Document = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Muster",
            "version": version("muster"),
            "summary": "Automatic user provisioning, in the names and shapes of Microsoft Graph.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{public_url}/v1.0"}, {"url": f"{public_url}/beta"}],
        "security": [{"token": []}, {"client": []}],
        "tags": [{"name": tag} for tag in sorted({tag_of(route) for route in ROUTES})],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "From muster token create."},
                "client": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{public_url}/{tenant_id}/oauth2/v2.0/token",
                            "scopes": {f"{public_url}/.default": "What the roles of the app registration give."},
                        }
                    },
                },
            },
        },
    }


def operation(route: Route) -> Document:
    """Returns the description of one call."""
    found: Document = {
        "operationId": operation_id(route),
        "summary": summary_of(route),
        "tags": [tag_of(route)],
        "parameters": _parameters(route),
        "responses": _responses(route),
        "x-permission": route.permission.value,
    }
    body = _body(route) if route.method in ("POST", "PUT", "PATCH") else None
    if body is not None:
        found["requestBody"] = body
    return found


def operation_id(route: Route) -> str:
    """Returns a name of its own for a call: getUsersById."""
    words = [part for part in re.split(r"[^\w]+", _PART.sub(r"by-\1", route.path).replace("$", "")) if part]
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def summary_of(route: Route) -> str:
    """Returns what a call does, from its handler's first line: what stands there after the path."""
    line = (route.handler.__doc__ or "").strip().partition("\n")[0]
    said = re.sub(r"^[A-Z]+ \S+( and \S+)?( \(ours\))?[:,;]? ?", "", line).strip().rstrip(".")
    if said:
        return said[:1].upper() + said[1:]
    words = [part for part in route.path.split("/") if part and not _PART.fullmatch(part)]
    verb = _VERBS.get(route.method) or ("List" if is_collection(route) else "Show")
    return f"{verb}: {' / '.join(words[-2:])}"


def tag_of(route: Route) -> str:
    """Returns the part of the API that a call belongs to."""
    first = route.path.split("/")[1]
    return "synchronization" if "/synchronization" in route.path else first.lstrip("$")


def is_collection(route: Route) -> bool:
    """Whether the call lists, so that it takes the query options."""
    return route.method == "GET" and ANSWERS.get((route.method, route.path), "").endswith("[]")


def _parameters(route: Route) -> list[Document]:
    found: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PART.findall(route.path)
    ]
    if route.method == "GET":
        taken = set(route.options)
        if is_collection(route):
            taken |= {"$top", "$skiptoken", "$count"}
        # Our own shapes are whole, so that their properties can be relied on; $select cuts them down all the same.
        if not route.path.endswith("$count") and _name_of(route) not in OURS:
            taken.add("$select")
        found += [
            {"name": name, "in": "query", "description": text, "schema": schema or {"type": "string"}}
            for name, (text, schema) in _OPTIONS.items()
            if name in taken
        ]
    for name, required, text in _QUERIES.get((route.method, route.path), ()):
        found.append(
            {"name": name, "in": "query", "required": required, "description": text, "schema": {"type": "string"}}
        )
    return found


def _body(route: Route) -> Document | None:
    kind = BODY_TYPES.get((route.method, route.path))
    if kind is not None:
        schema: Document = {"type": "object"} if kind.endswith("json") else {"type": "string", "format": "binary"}
        return {"required": True, "content": {kind: {"schema": schema}}}
    name = BODIES[route.method, route.path]
    if not name:
        return None
    wanted = named(name.removesuffix("?"))
    return {"required": not name.endswith("?"), "content": {"application/json": {"schema": wanted}}}


def _responses(route: Route) -> Document:
    status, answered = _answer(route)
    found: Document = {status: {"description": _DESCRIPTIONS[status], **answered}}
    if route.method == "GET":
        found["304"] = {"description": _DESCRIPTIONS["304"]}
    status, _, name = SOMETIMES.get((route.method, route.path), "").partition(":")
    if name:
        found[status] = {"description": _DESCRIPTIONS[status], **_json(name)}
    for status, text in _REFUSALS.items():
        found[status] = {"description": text, "content": {"application/json": {"schema": named("error")}}}
    return found


def _name_of(route: Route) -> str:
    return ANSWERS.get((route.method, route.path), "").rpartition(":")[2].removesuffix("[]")


def _answer(route: Route) -> tuple[str, Document]:
    """The status of success, and what the answer holds."""
    usual = _SUCCESS.get(route.method, "200")
    if route.path.endswith("$count"):
        return usual, {"content": {"text/plain": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}}
    types = ANSWER_TYPES.get((route.method, route.path))
    if types is not None:
        return usual, {"content": {kind: {"schema": {}} for kind in types}}
    status, _, name = ANSWERS[route.method, route.path].rpartition(":")
    return status or usual, _json(name) if name else {}


def _json(name: str) -> Document:
    return {"content": {"application/json": {"schema": _answer_schema(name)}}}


def _answer_schema(name: str) -> Document:
    if not name.endswith("[]"):
        return named(name)
    return {
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string"},
            "@odata.count": {"type": "integer"},
            "@odata.nextLink": {"type": "string"},
            "value": {"type": "array", "items": named(name.removesuffix("[]"))},
        },
    }
