"""The reference page of the API as Markdown, made from the OpenAPI document: `make reference` writes it."""

import sys
from pathlib import Path
from typing import Any

from muster.web.graph.openapi import make_document

_HEAD = """# API reference

Made from the table of routes by `make reference`; a test holds it to them. [The API](api.md) says in words what each
call does. A running installation serves the same as OpenAPI 3.1 at `/openapi.json`, without a token.

Every call can be answered with an error in the shape `error`. Properties that are not listed may be added.
"""


def make_reference() -> str:
    """Returns the page."""
    document = make_document("https://muster.example", "TENANT")
    parts = [_HEAD]
    for tag in (each["name"] for each in document["tags"]):
        parts.append(f"## {tag}\n")
        for path, calls in document["paths"].items():
            parts += [_call(method, path, call) for method, call in calls.items() if call["tags"] == [tag]]
    parts.append("## Shapes\n")
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    lines = [f"### {method.upper()} {path}", "", f"{call['summary']}. Needs `{call['x-permission']}`.", ""]
    options = [each["name"] for each in call["parameters"] if each["in"] == "query"]
    if options:
        lines.append(f"- takes {', '.join(f'`{name}`' for name in options)}")
    body = call.get("requestBody")
    if body is not None:
        lines.append(f"- body: {_content(body)}{'' if body['required'] else ', optional'}")
    for status, answer in call["responses"].items():
        if status.startswith("2"):
            lines.append(f"- {status}: {_content(answer)}")
    return "\n".join([*lines, ""])


def _content(holder: dict[str, Any]) -> str:
    for kind, content in holder.get("content", {}).items():
        return _type(content["schema"]) if kind == "application/json" else kind
    return "nothing"


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    lines = [f"### {name}", ""]
    lines += [
        f"- `{key}`: {_type(each)}{' (required)' if key in required else ''}"
        for key, each in schema.get("properties", {}).items()
    ]
    if "properties" not in schema:
        lines.append(_type(schema))
    return "\n".join([*lines, ""])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    kinds = schema.get("type", "anything")
    kind = " or ".join(kinds) if isinstance(kinds, list) else kinds
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    listed = schema.get("properties", {})
    if kind == "object" and "value" in listed and "@odata.nextLink" in listed:
        return f"page of {_type(listed['value']['items'])}"
    if kind == "object" and listed:
        return "{" + ", ".join(f"`{key}`" for key in listed) + "}"
    return kind


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(make_reference(), encoding="utf-8")
