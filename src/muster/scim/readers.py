"""Readers of the values that clients send, compiled once from the schema: they check types and give the canonical form.

A reader raises InvalidValue naming the attribute, and gives None for what counts as no value (null, an empty list).
Source: RFC 7643 §2.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from muster.scim.attributes import AttributeDefinition, AttributeType, Mutability
from muster.scim.errors import InvalidValue
from muster.scim.limits import DEFAULT_LIMITS, Limits
from muster.scim.values import parse_instant

Reader = Callable[[Any], Any]


class NamedReader(NamedTuple):
    """How the value of one attribute is read, and the name it is kept under. A text within the limit is what the reader
    of `is_plain` would give back: it need not be called."""

    name: str
    read: Reader
    is_plain: bool


_BOOLEAN_TEXTS = {"true": True, "false": False}
_JSON_NAMES = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """How strictly values are read, and within which limits."""

    strict: bool = False
    limits: Limits = DEFAULT_LIMITS

    def __hash__(self) -> int:
        return hash(self.strict)


def json_name(value: object) -> str:
    """The kind of a JSON value in words."""
    return _JSON_NAMES.get(type(value), "null")


def _refusal(definition: AttributeDefinition, wanted: str, value: object) -> InvalidValue:
    return InvalidValue(f"{definition.name} must be {wanted}; {json_name(value)} was sent.")


@lru_cache(maxsize=4096)
def compile_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    """The reader of a whole attribute value."""
    element = compile_element_reader(definition, rules)
    return _compile_list_reader(definition, element, rules) if definition.multi_valued else element


@lru_cache(maxsize=4096)
def compile_element_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    """The reader of one value of an attribute, single or one of several."""
    match definition.type:
        case AttributeType.COMPLEX:
            return _compile_complex_reader(definition, rules)
        case AttributeType.BOOLEAN:
            return _compile_boolean_reader(definition, rules)
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return _compile_number_reader(definition)
        case _:
            return _compile_text_reader(definition, rules)


def takes_any_text(definition: AttributeDefinition) -> bool:
    """Whether a text of its values is kept as it was sent, which is nearly all that clients send."""
    return definition.type in (AttributeType.STRING, AttributeType.REFERENCE) and not definition.enforced


def holds_each_once(definition: AttributeDefinition) -> bool:
    """Whether it is a list of references, such as members, which holds each id once."""
    value = definition.sub_attribute("value")
    return value is not None and value.required and not value.multi_valued and value.mutability is Mutability.IMMUTABLE


def _compile_text_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    limit = rules.limits.string_characters
    check = _TEXT_CHECKS.get(definition.type)
    allowed = frozenset(definition.canonical_values) if definition.enforced else None
    unwrap = definition.multi_valued and not rules.strict

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            if unwrap and isinstance(value, dict) and isinstance(value.get("value"), str):
                # Lenient: Entra sends the values of a plain list as objects, `[{"value": "1"}]`.
                return read(value["value"])
            raise _refusal(definition, "a text", value)
        if len(value) > limit:
            raise InvalidValue(f"{definition.name} is longer than the limit (text length) of {limit} characters.")
        if check is not None and value:
            check(definition, value)
        if allowed is not None and value not in allowed:
            raise InvalidValue(f"{definition.name} must be one of {', '.join(sorted(allowed))}.")
        return value

    return read


def _check_instant(definition: AttributeDefinition, value: str) -> None:
    if parse_instant(value) is None:
        raise InvalidValue(f"{definition.name} must be a date and time such as 2026-01-31T08:00:00Z.")


def _check_binary(definition: AttributeDefinition, value: str) -> None:
    try:
        binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except ValueError:
        raise InvalidValue(f"{definition.name} must be bytes in base64.") from None


_TEXT_CHECKS = {AttributeType.DATE_TIME: _check_instant, AttributeType.BINARY: _check_binary}


def _compile_boolean_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    texts: Mapping[str, bool] = {} if rules.strict else _BOOLEAN_TEXTS

    def read(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        # Lenient: Entra without aadOptscim062020 sends "True" and "False".
        if isinstance(value, str) and value.lower() in texts:
            return texts[value.lower()]
        raise _refusal(definition, "true or false", value)

    return read


def _compile_number_reader(definition: AttributeDefinition) -> Reader:
    whole = definition.type is AttributeType.INTEGER

    def read(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise _refusal(definition, "a whole number" if whole else "a number", value)
        return value

    return read


def _compile_complex_reader(definition: AttributeDefinition, rules: ReadingRules) -> Reader:
    readers: dict[str, NamedReader] = {}
    ignored: set[str] = set()
    for sub in definition.sub_attributes:
        if sub.mutability is Mutability.READ_ONLY:
            ignored.add(sub.name.lower())
            continue
        readers[sub.name] = readers[sub.name.lower()] = named_reader(sub, rules)
    required = tuple(sub.name for sub in definition.sub_attributes if sub.required)
    read_named = compile_object_reader(f"{definition.name}.", readers, rules, ignored)
    single_value = not rules.strict and not definition.multi_valued and "value" in readers

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            if value is None:
                return None
            if not single_value:
                raise _refusal(definition, "an object", value)
            if value == "":
                return None
            # Lenient: Entra sends the manager as a bare id, or as a list of one.
            if isinstance(value, str):
                value = {"value": value}
            elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
                value = value[0]
            else:
                raise _refusal(definition, "an object", value)
        result = read_named(value)
        for name in required:
            if result.get(name) in (None, ""):
                raise InvalidValue(f"{definition.name}.{name} is required and is missing.")
        return result or None

    return read


def compile_object_reader(
    owner: str, readers: Mapping[str, NamedReader], rules: ReadingRules, ignored: Container[str] = ()
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The reader of the attributes within an object, each by its name as it stands or in lower case.

    Args:
        owner: what stands before a name in a refusal, with its sign.
        ignored: names in lower case that are passed over, in strict reading, too.
    """
    strict, limit = rules.strict, rules.limits.string_characters

    def read(value: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            found = readers.get(key) or readers.get(key.lower())
            if found is None:
                if strict and key.lower() not in ignored:
                    raise InvalidValue(f"{owner}{key} is unknown. Look at /Schemas for the names.")
                continue
            name, read_item, is_plain = found
            if is_plain and type(item) is str and len(item) <= limit:
                canonical = item
            else:
                try:
                    canonical = read_item(item)
                except InvalidValue as refused:
                    raise InvalidValue(f"{owner}{refused.detail}") from None
            if canonical is not None:
                if name in result:
                    raise InvalidValue(f"{owner}{name} is given twice, in different letter case.")
                result[name] = canonical
        return result

    return read


def _compile_list_reader(definition: AttributeDefinition, element: Reader, rules: ReadingRules) -> Reader:
    limit = rules.limits.elements
    has_primary = definition.sub_attribute("primary") is not None
    distinct = holds_each_once(definition)

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise _refusal(definition, "a list", value)
        if len(value) > limit:
            raise InvalidValue(f"{definition.name} has {len(value)} values; the limit (elements) is {limit}.")
        result = [canonical for item in value if (canonical := element(item)) is not None]
        if has_primary and len(result) > 1 and sum(1 for item in result if item.get("primary") is True) > 1:
            raise InvalidValue(f"{definition.name} has more than one value with primary true; only one may have it.")
        if distinct:
            result = list({item["value"]: item for item in result}.values())
        return result or None

    return read


def named_reader(definition: AttributeDefinition, rules: ReadingRules) -> NamedReader:
    is_plain = takes_any_text(definition) and not definition.multi_valued
    return NamedReader(definition.name, compile_reader(definition, rules), is_plain)
