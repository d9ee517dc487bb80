"""A copy of a value of the model with some fields changed, be it a dataclass or a `msgspec.Struct` (see decision 6)."""

import dataclasses
from typing import Any, TypeVar

import msgspec

_Value = TypeVar("_Value")


def replace(value: _Value, /, **changes: Any) -> _Value:
    """Returns the copy. As Python 3.13 has it for both (`copy.replace`); what `dataclasses` has refuses structs."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]
