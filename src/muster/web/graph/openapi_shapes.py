"""How a JSON schema of the API's document is written."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
MAYBE: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
INSTANT: Schema = {"type": "string", "format": "date-time"}
MAYBE_INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
ANY: Schema = {}


def thing(properties: Schema, *required: str) -> Schema:
    """Returns an object; only those properties that are named are always there."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def whole(properties: Schema) -> Schema:
    """Returns an object that always has all its properties."""
    return thing(properties, *properties)


def texts(*names: str) -> Schema:
    """Returns properties that are texts."""
    return dict.fromkeys(names, TEXT)


def listed(item: Schema) -> Schema:
    """Returns a list."""
    return {"type": "array", "items": item}


def mapped(value: Schema) -> Schema:
    """Returns an object with keys of any name."""
    return {"type": "object", "additionalProperties": value}


def one_of(choices: Iterable[StrEnum]) -> Schema:
    """Returns a text that is one of those."""
    return {"enum": [choice.value for choice in choices]}


def or_null(schema: Schema) -> Schema:
    """Returns what may be null instead."""
    return {"anyOf": [schema, {"type": "null"}]}


def named(name: str) -> Schema:
    """Returns a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}
