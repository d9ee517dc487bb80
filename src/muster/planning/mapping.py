"""From a source object's attributes to the values of a target object."""

from collections.abc import Sequence
from datetime import UTC, datetime

from muster.expression.evaluate import Environment, EvaluationError
from muster.expression.values import IGNORE_ATTRIBUTE_FLOW, IGNORE_OBJECT_FLOW, Redacted, reveal
from muster.model.directory import AttributeType
from muster.model.failures import MappingFailed
from muster.model.operation import MappedValue, MatchingValue
from muster.model.values import Attributes, Value
from muster.planning.rules import CompiledMapping


def map_values(
    mappings: Sequence[CompiledMapping], attributes: Attributes, environment: Environment
) -> tuple[MappedValue, ...]:
    """Returns what flows, in the order of the mappings; what comes out empty does not flow (its default on creation).

    Raises MappingFailed naming the target attribute, the function and the value that failed.
    Source: "Default value if null" applies on creation only; null source values are never sent.
    """
    mapped: list[MappedValue] = []
    for item in mappings:
        value = None if item.run is None else _evaluated(item, attributes, environment)
        if value is IGNORE_OBJECT_FLOW:
            raise MappingFailed(
                f"The mapping of {item.attribute} asks to leave this object out (IgnoreObjectFlow).",
                code="EntrySynchronizationSkipped",
            )
        redacted = _is_redacted(value)
        value = reveal(value)
        wanted = None if value is IGNORE_ATTRIBUTE_FLOW else _typed(value, item)
        create_only = item.is_create_only
        if wanted is None and item.mapping.default_value is not None and value is not IGNORE_ATTRIBUTE_FLOW:
            wanted = _typed(item.mapping.default_value, item)
            # A constant in Graph's older form (no source, a default value) flows like any constant.
            create_only = create_only or item.run is not None
        if wanted is not None:
            mapped.append(
                MappedValue(
                    attribute=item.attribute,
                    value=wanted,
                    create_only=create_only,
                    is_life_sign=item.is_life_sign,
                    always_flows=item.always_flows,
                    redacted=redacted,
                )
            )
    return tuple(mapped)


def matching_values(mappings: Sequence[CompiledMapping], values: Sequence[MappedValue]) -> tuple[MatchingValue, ...]:
    """Returns the non-empty values of matching attributes in order of precedence."""
    by_name = {value.attribute: value for value in values}
    found = []
    for item in mappings:
        value = by_name.get(item.attribute)
        if value is not None:
            found.append(
                MatchingValue(
                    attribute=item.attribute, value=as_text(value.value), case_exact=item.definition.case_exact
                )
            )
    return tuple(found)


def as_text(value: Value) -> str:
    """Returns a value as a text attribute takes it: booleans as True and False, instants as Entra shows them."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, datetime):
        hour = value.hour % 12 or 12
        half = "AM" if value.hour < 12 else "PM"
        return f"{value.month}/{value.day}/{value.year} {hour}:{value.minute:02d}:{value.second:02d} {half}"
    return str(value)


def _is_redacted(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(_is_redacted(part) for part in value)
    return isinstance(value, Redacted)


def _evaluated(item: CompiledMapping, attributes: Attributes, environment: Environment) -> Value:
    assert item.run is not None  # noqa: S101  the caller has looked
    try:
        return item.run(attributes, environment)
    except EvaluationError as error:
        raise MappingFailed(
            f"The mapping of {item.attribute} failed: {error}",
            code="MappingFailed",
            remedy="Correct the source attribute of this person, or the expression.",
        ) from error


def _typed(value: Value, item: CompiledMapping) -> Value:
    """Returns the value in the type of the target attribute; None for everything empty."""
    if value is None or value == "" or value == ():
        return None
    definition = item.definition
    if isinstance(value, tuple):
        if definition.multivalued:
            return tuple(_single(part, item) for part in value if part not in (None, ""))
        if len(value) > 1:
            raise MappingFailed(
                f"{item.attribute} takes one value, and the mapping gave {len(value)}.",
                code="SchemaPropertyCanOnlyAcceptValue",
                remedy="Pick one with Item(), Join() or SingleAppRoleAssignment(), or map to a multi-valued attribute.",
            )
        return _typed(value[0], item)
    single = _single(value, item)
    return (single,) if definition.multivalued else single


def _single(value: Value, item: CompiledMapping) -> Value:
    match item.definition.type:
        case AttributeType.BOOLEAN:
            return _boolean(value, item)
        case AttributeType.INTEGER:
            return _integer(value, item)
        case AttributeType.DATE_TIME:
            return _instant(value)
        case _:
            return value if isinstance(value, dict) else as_text(value)


def _boolean(value: Value, item: CompiledMapping) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise MappingFailed(
        f"{item.attribute} takes True or False, and the mapping gave “{text}”.",
        code="InvalidValue",
        remedy="Map it with Not([IsSoftDeleted]), or with Switch to True and False.",
    )


def _integer(value: Value, item: CompiledMapping) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise MappingFailed(
            f"{item.attribute} takes a whole number, and the mapping gave “{as_text(value)}”.",
            code="InvalidValue",
            remedy="Correct the source attribute, or map to an attribute of type String.",
        ) from None


def _instant(value: Value) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return as_text(value)
