"""The members of a group in a PATCH: taken out as a change of their own, so that its cost is that of the change.

Source: RFC 7644 §3.5.2; the split is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.scim.operations import PatchOperation, PatchOperator
from muster.scim.readers import ReadingRules, compile_reader
from muster.scim.repository import MembersChange
from muster.scim.resources import ResourceType


@dataclass(slots=True)
class _Collected:
    """The change so far, in the order of the operations."""

    clear: bool = False
    removed: dict[str, None] = field(default_factory=dict)
    added: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, elements: Sequence[dict[str, Any]]) -> None:
        for element in elements:
            self.added[element["value"]] = element

    def remove(self, ids: Sequence[str]) -> None:
        for member_id in ids:
            self.added.pop(member_id, None)
            self.removed[member_id] = None

    def empty(self) -> None:
        self.clear = True
        self.removed.clear()
        self.added.clear()


def split_members(
    operations: Sequence[PatchOperation], resource_type: ResourceType, rules: ReadingRules
) -> tuple[MembersChange | None, tuple[PatchOperation, ...]] | None:
    """The change of the members and the operations that remain; the change is None when no member is touched.

    None in place of the pair: an operation asks for what only the whole list can answer (a filter on anything but
    `value`, a sub-attribute), so the patch has to see all members. Raises: InvalidValue.
    """
    attribute = resource_type.members
    if attribute is None:
        return None, tuple(operations)
    collected = _Collected()
    touched = False
    rest: list[PatchOperation] = []
    read = compile_reader(attribute, rules)

    def write(operator: PatchOperator, value: Any) -> None:
        elements = (read(value if isinstance(value, list) else [value]) if value is not None else None) or []
        if operator is PatchOperator.REPLACE:
            collected.empty()
        collected.add(elements)

    for operation in operations:
        path = operation.path
        if path is None:
            if _reaches_into_members(operation.value):
                return None
            mine, others = _split_object(operation.value)
            if mine:
                touched = True
                for value in mine:
                    write(operation.operator, value)
                operation = operation._replace(value=others)
            rest.append(operation)
        elif path.attribute is not attribute:
            rest.append(operation)
        elif path.sub_attribute is not None:
            return None
        elif path.selects is not None:
            if operation.operator is not PatchOperator.REMOVE or path.wanted_values is None:
                return None
            touched = True
            collected.remove(path.wanted_values)
        elif operation.operator is PatchOperator.REMOVE:
            touched = True
            if operation.has_value:
                value = operation.value
                elements = read(value if isinstance(value, list) else [value]) or []
                collected.remove([element["value"] for element in elements])
            else:
                collected.empty()
        else:
            touched = True
            write(operation.operator, operation.value)
    if not touched:
        return None, tuple(rest)
    change = MembersChange(clear=collected.clear, remove=tuple(collected.removed), add=tuple(collected.added.values()))
    return change, tuple(rest)


def _split_object(value: Any) -> tuple[list[Any], Any]:
    """The members in a pathless value, and the value without them."""
    if not isinstance(value, dict):
        return [], value
    mine = [item for key, item in value.items() if key.lower() == "members"]
    return mine, {key: item for key, item in value.items() if key.lower() != "members"}


def _reaches_into_members(value: Any) -> bool:
    """Whether a key of a pathless value is a path to parts of members, such as `members[value eq "1"].display`."""
    return isinstance(value, dict) and any(key.lower().startswith(("members[", "members.")) for key in value)
