"""From a source object's attributes to the values of a target object."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from muster.expression.values import (
    IGNORE_ATTRIBUTE_FLOW,
    IGNORE_OBJECT_FLOW,
    Environment,
    EvaluationError,
    is_redacted,
    plain_text,
    reveal,
)
from muster.model.directory import AttributeType
from muster.model.failures import MappingFailed
from muster.model.operation import MappedValue, MatchingValue
from muster.model.values import Attributes, Value
from muster.planning.rules import CompiledMapping, Evaluation


class ObjectLeftOut(MappingFailed):
    """A mapping asks to leave the whole object alone (IgnoreObjectFlow): no failure, nothing is done."""


def map_values(
    mappings: Sequence[CompiledMapping], attributes: Attributes, environment: Environment
) -> tuple[MappedValue, ...]:
    """Returns what flows, in the order of the mappings; what comes out empty does not flow (its default on creation).

    A mapping that clears what has become empty gives None, which takes the target's value away; if it has a default,
    that is what an empty source means, on updates too.
    Raises MappingFailed naming the target attribute, the function and the value that failed; ObjectLeftOut.
    Source: "Default value if null" applies on creation only; null source values are never sent; mapping type None
    leaves the target alone but fills an empty attribute with its default value.
    """
    mapped: list[MappedValue] = []
    for item in mappings:
        value = None if item.run is None else _evaluated(item, item.run, attributes, environment)
        if value is IGNORE_ATTRIBUTE_FLOW:
            continue
        if value is IGNORE_OBJECT_FLOW:
            raise ObjectLeftOut(f"The mapping of {item.attribute} asks to leave this object out (IgnoreObjectFlow).")
        wanted = _typed(value, item)
        defaulted = wanted is None and item.mapping.default_value is not None
        if defaulted:
            wanted = _typed(item.mapping.default_value, item)
        if wanted is not None or (item.clears and not item.is_create_only and item.run is not None):
            mapped.append(
                MappedValue(
                    attribute=item.attribute,
                    value=wanted,
                    create_only=item.is_create_only
                    or (defaulted and item.run is not None and not item.mapping.clear_when_null),
                    fills_empty=item.fills_empty,
                    adds_only=item.adds_only,
                    is_life_sign=item.is_life_sign,
                    always_flows=item.always_flows,
                    redacted=is_redacted(value),
                )
            )
    return tuple(mapped)


def matching_values(mappings: Sequence[CompiledMapping], values: Sequence[MappedValue]) -> tuple[MatchingValue, ...]:
    """Returns the non-empty values of matching attributes in order of precedence."""
    by_name = {value.attribute: value for value in values}
    found = []
    for item in mappings:
        value = by_name.get(item.attribute)
        if value is not None and value.value is not None:
            found.append(
                MatchingValue(
                    attribute=item.attribute,
                    value=plain_text(value.value),
                    case_exact=item.definition.case_exact,
                    redacted=value.redacted,
                )
            )
    return tuple(found)


def _evaluated(item: CompiledMapping, run: Evaluation, attributes: Attributes, environment: Environment) -> Value:
    try:
        return run(attributes, environment)
    except EvaluationError as error:
        raise MappingFailed(
            f"The mapping of {item.attribute} failed: {error}",
            code="MappingFailed",
            remedy="Correct the source attribute of this person, or the expression.",
        ) from error


def _typed(value: Value, item: CompiledMapping) -> Value:
    """Returns the value in the type of the target attribute, revealed; None for everything empty.

    Until then it may be redacted: what a refusal prints of it is hidden.
    """
    if value is None or value in ("", (), []):
        return None
    definition = item.definition
    if isinstance(value, tuple | list):
        if definition.multivalued:
            return tuple(_single(part, item) for part in value if part not in (None, "")) or None
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
            return reveal(value) if isinstance(value, Mapping) else plain_text(value)


def _boolean(value: Value, item: CompiledMapping) -> bool:
    if isinstance(value, bool):
        return value
    text = plain_text(value).strip().lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise MappingFailed(
        f"{item.attribute} takes True or False, and the mapping gave “{value}”.",
        code="InvalidValue",
        remedy="Map it with Not([IsSoftDeleted]), or with Switch to True and False.",
    )


def _integer(value: Value, item: CompiledMapping) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise MappingFailed(
            f"{item.attribute} takes a whole number, and the mapping gave “{value}”.",
            code="InvalidValue",
            remedy="Correct the source attribute, or map to an attribute of type String.",
        ) from None


def _instant(value: Value) -> str:
    if isinstance(value, datetime):
        at = value.astimezone(UTC) if value.tzinfo is not None else value
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return plain_text(value)
