"""Holds each answer that a test gets of the API to what the OpenAPI document says of its call."""

import json
import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from muster.web.graph.app import VERSIONS, plain_path
from muster.web.graph.call import Route
from muster.web.graph.openapi import operation
from muster.web.graph.openapi_schemas import SCHEMAS
from muster.web.graph.routes import ROUTES


def check_shape(method: str, version: str, target: str, status: int, content: str) -> None:
    """Fails for a successful answer with another status or another shape than the document gives its call."""
    path, _, query = target.partition("?")
    route = None if version not in VERSIONS or not 200 <= status < 300 else _route(method, plain_path(path))
    if route is None:
        return
    answers = operation(route)["responses"]
    assert str(status) in answers, f"{method} {route.path} answers {status}, and the document knows {list(answers)}"
    # What $select leaves out is not there.
    if "select" in unquote(query) or list(answers[str(status)].get("content", ())) != ["application/json"]:
        return
    for problem in _validator(method, route.path, str(status)).iter_errors(json.loads(content)):
        where = "/".join(map(str, problem.instance_path))
        raise AssertionError(f"{method} {route.path}: {where}: {problem.message}")


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Route]]:
    found = []
    # What is written out goes before what may be anything, as in the application.
    for route in sorted(ROUTES, key=lambda each: re.sub(r"\{\w+\}", "\uffff", each.path)):
        written = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path))
        found.append((route.method, re.compile(written), route))
    return found


def _route(method: str, path: str) -> Route | None:
    return next((route for its, pattern, route in _patterns() if its == method and pattern.fullmatch(path)), None)


@cache
def _validator(method: str, path: str, status: str) -> Any:
    route = next(each for each in ROUTES if (each.method, each.path) == (method, path))
    schema = operation(route)["responses"][status]["content"]["application/json"]["schema"]
    shapes = {name: _closed(each) for name, each in SCHEMAS.items()}
    return jsonschema_rs.validator_for({**_closed(schema), "components": {"schemas": shapes}})


def _closed(schema: Any) -> Any:
    """The schema with objects that always have all their properties closed to others but annotations."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict) and schema.get("required") == list(properties):
        found |= {"additionalProperties": False, "patternProperties": {"^@": {}}}
    return found
