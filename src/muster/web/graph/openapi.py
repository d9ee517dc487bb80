"""The API as an OpenAPI 3.1 document: made from the table of routes, so that no call is in one and not in the other."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from muster.web.graph.call import Route
from muster.web.graph.openapi_calls import ANSWERS, BODIES
from muster.web.graph.openapi_schemas import SCHEMAS
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
_QUERIES: dict[tuple[str, str], tuple[tuple[str, bool, str], ...]] = {
    ("POST", "/imports"): (
        ("fileName", True, "Its end says what it is: .csv, .json."),
        ("preview", False, "true: plan it only."),
    ),
    ("GET", "/servicePrincipals/{sp}/synchronization/jobs/{job}/explain"): (("user", True, "Id or principal name."),),
}
_SUCCESS = {"GET": ("200",), "PUT": ("204",), "PATCH": ("204",), "DELETE": ("204",)}
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
    "2XX": "It was done.",
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
    if route.method in ("POST", "PUT", "PATCH"):
        found["requestBody"] = _body(route)
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
    if is_collection(route):
        found += [
            {"name": name, "in": "query", "description": text, "schema": schema or {"type": "string"}}
            for name, (text, schema) in _OPTIONS.items()
        ]
    elif route.method == "GET" and not route.path.endswith("$count"):
        found.append(
            {"name": "$select", "in": "query", "description": _OPTIONS["$select"][0], "schema": {"type": "string"}}
        )
    for name, required, text in _QUERIES.get((route.method, route.path), ()):
        found.append(
            {"name": name, "in": "query", "required": required, "description": text, "schema": {"type": "string"}}
        )
    return found


def _body(route: Route) -> Document:
    if route.path == "/imports":
        content: Document = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        return {"required": True, "content": content}
    name = BODIES.get((route.method, route.path))
    schema: Document = {"type": "object"} if name is None else _reference(name)
    return {"required": name is not None, "content": {"application/json": {"schema": schema}}}


def _responses(route: Route) -> Document:
    name = ANSWERS.get((route.method, route.path))
    statuses: Sequence[str] = _SUCCESS.get(route.method, ("2XX",))
    if name is not None and ":" in name:
        status, _, name = name.partition(":")
        statuses = (status,)
    elif name is None:
        statuses = ("2XX",)
    found: Document = {}
    for status in statuses:
        found[status] = {"description": _DESCRIPTIONS[status]}
        if route.path.endswith("$count"):
            found[status]["content"] = {"text/plain": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
        elif name:
            found[status]["content"] = {"application/json": {"schema": _answer_schema(name)}}
    if route.method == "GET":
        found["304"] = {"description": _DESCRIPTIONS["304"]}
    for status, text in _REFUSALS.items():
        found[status] = {"description": text, "content": {"application/json": {"schema": _reference("error")}}}
    return found


def _answer_schema(name: str) -> Document:
    if not name.endswith("[]"):
        return _reference(name)
    return {
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string"},
            "@odata.count": {"type": "integer"},
            "@odata.nextLink": {"type": "string"},
            "value": {"type": "array", "items": _reference(name.removesuffix("[]"))},
        },
    }


def _reference(name: str) -> Document:
    if name not in SCHEMAS:
        raise KeyError(f"the document has no schema {name}")
    return {"$ref": f"#/components/schemas/{name}"}
