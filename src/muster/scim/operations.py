"""The operations of a PATCH message: read, checked and bound to a resource type.

Source: RFC 7644 §3.5.2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from muster.scim.errors import InvalidPath, InvalidSyntax, InvalidValue, NoTarget
from muster.scim.messages import PATCH_URN
from muster.scim.paths import BoundPath, bound_path
from muster.scim.readers import ReadingRules, json_name
from muster.scim.resources import ResourceType

# The values of a filter, whose letter case may tell them apart.
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')


class PatchOperator(StrEnum):
    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


class PatchOperation(NamedTuple):  # a frozen dataclass takes six times as long to make, at every PATCH
    """One operation. `has_value` tells null from absent. `capitalised` is how Entra without aadOptscim062020 writes
    `Replace`, by which it means: add where there is nothing to replace."""

    operator: PatchOperator
    path: BoundPath | None
    value: Any = None
    has_value: bool = False
    capitalised: bool = False


_OPERATORS = {operator.value: operator for operator in PatchOperator}


def read_operations(body: Any, resource_type: ResourceType, rules: ReadingRules) -> tuple[PatchOperation, ...]:
    """The operations of a PatchOp message.

    Raises: InvalidSyntax, InvalidValue, InvalidPath, InvalidFilter, NoTarget.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"The body must be a PatchOp object; {json_name(body)} was sent.")
    # Lenient: letter case of the message's own names, as RFC 7643 §2.1 has it for attributes.
    message = {key.lower(): value for key, value in body.items()}
    _check_message_schema(message.get("schemas"), strict=rules.strict)
    operations = message.get("operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("Operations must be a list of at least one operation.")
    if len(operations) > rules.limits.patch_operations:
        raise InvalidValue(
            f"Operations has {len(operations)} entries; the limit (operations) is {rules.limits.patch_operations}."
        )
    read = tuple([_read_operation(item, resource_type, rules) for item in operations])
    if len(read) > 1:
        _check_elements(read, rules.limits.elements)
    return read


def _check_elements(operations: Sequence[PatchOperation], limit: int) -> None:
    """Raises InvalidValue when several operations name more values of one attribute than one may."""
    counts = Counter[str]()
    for operation in operations:
        path, value = operation.path, operation.value
        if path is not None and isinstance(value, list):
            counts["" if path.attribute is None else path.attribute.name.lower()] += len(value)
        elif path is None and isinstance(value, dict):
            counts.update({key.lower(): len(each) for key, each in value.items() if isinstance(each, list)})
    for name, count in counts.items():
        if count > limit:
            raise InvalidValue(f"The operations have {count} values of {name}; the limit (elements) is {limit}.")


def _check_message_schema(schemas: Any, *, strict: bool) -> None:
    if schemas == [PATCH_URN] or (schemas is None and not strict):
        return
    if not isinstance(schemas, list) or not any(isinstance(u, str) and u.lower() == PATCH_URN.lower() for u in schemas):
        raise InvalidSyntax(f"schemas of the message must hold {PATCH_URN}.")


def _read_operation(item: Any, resource_type: ResourceType, rules: ReadingRules) -> PatchOperation:
    if not isinstance(item, dict):
        raise InvalidSyntax(f"An operation must be an object; {json_name(item)} was sent.")
    fields = {key.lower(): value for key, value in item.items()}
    name, path, value = fields.get("op"), fields.get("path"), fields.get("value")
    # Lenient: Entra writes Add, Replace and Remove.
    operator = _OPERATORS.get(name if rules.strict else name.lower()) if isinstance(name, str) else None
    if operator is None:
        raise InvalidSyntax("op must be add, replace or remove.")
    if path is not None and not isinstance(path, str):
        raise InvalidPath(f"path must be a text; {json_name(path)} was sent.")
    if operator is PatchOperator.REMOVE:
        if not path:
            raise NoTarget("A remove operation needs a path.")
        if rules.strict and value is not None:
            raise InvalidValue("A remove operation takes no value. Select what to remove with a filter in the path.")
    elif "value" not in fields or (operator is PatchOperator.ADD and value is None):
        raise InvalidValue(f"An operation {operator.value} needs a value.")
    if not path and isinstance(value, dict):
        value = _unfolded(value, resource_type.schema.id)
    return PatchOperation(
        operator=operator,
        path=bound_path(path, resource_type, rules.limits, strict=rules.strict) if path else None,
        value=value,
        has_value=value is not None,
        capitalised=isinstance(name, str) and name[:1].isupper(),
    )


def _unfolded(value: dict[str, Any], core: str) -> dict[str, Any]:
    """The value of an operation without a path, with attributes of the core schema under their names alone: they may
    be written in full, such as `urn:ietf:params:scim:schemas:core:2.0:User:title` (RFC 7644 §3.10), or stand in an
    object under the URN, as those of an extension.

    Raises: InvalidValue.
    """
    urn = core.lower()
    if not any(key.lower().startswith(urn) for key in value):
        return spelled_once(value)
    named: list[tuple[str, Any]] = []
    for key, item in value.items():
        if key.lower() != urn:
            named.append((key[len(urn) + 1 :] if key.lower().startswith(f"{urn}:") else key, item))
        elif isinstance(item, dict):
            named.extend(item.items())
        else:
            raise InvalidValue(f"The value of {core} must be an object; {json_name(item)} was sent.")
    return _joined(named)


def spelled_once(value: dict[str, Any]) -> dict[str, Any]:
    """The value without a second spelling of a name. Raises: InvalidValue."""
    if len(value) < 2 or len(value) == len({*map(_spelling, value)}):
        return value
    return _joined(value.items())


def _spelling(name: str) -> str:
    """The name in lower case, but for the values of a filter in it."""
    if '"' not in name:
        return name.lower()
    return "".join(part if index % 2 else part.lower() for index, part in enumerate(_QUOTED.split(name)))


def _joined(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The values by name, in whatever letter case. Raises: InvalidValue when a name has two that differ."""
    result: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, item in named:
        if result.setdefault(spelled.setdefault(_spelling(name), name), item) != item:
            raise InvalidValue(f"{name} is given twice with different values.")
    return result
