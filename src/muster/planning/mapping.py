"""From a source object's attributes to the values of a target object."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Final

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
from muster.planning.rules import CompiledMapping, Evaluation, KindRules

_MAX_REMEMBERED = 1_024
# A value of this class is as the attribute takes it.
_FITTING: Final[Mapping[AttributeType, type]] = {
    AttributeType.STRING: str,
    AttributeType.DATE_TIME: str,
    AttributeType.BOOLEAN: bool,
    AttributeType.INTEGER: int,
}
# As expressions write them.
_BOOLEANS: Final[Mapping[str, bool]] = {"True": True, "False": False}


class ObjectLeftOut(MappingFailed):
    """A mapping asks to leave the whole object alone (IgnoreObjectFlow): no failure, nothing is done."""


class MappedRow(Collection[MappedValue]):
    """What flows of an object's values, computed all at once; a value is described only when it is asked for.

    Most objects of a pass have not changed: of these nobody asks.
    """

    __slots__ = ("_described", "_raw", "_rules", "_wanted")

    def __init__(self, rules: KindRules, raw: Sequence[Value], wanted: Sequence[Value]) -> None:
        self._rules = rules
        self._raw = raw
        self._wanted = wanted
        self._described: tuple[MappedValue, ...] | None = None

    def __contains__(self, value: object) -> bool:
        return value in self._all()

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[MappedValue]:
        return iter(self._all())

    def matching(self) -> tuple[MatchingValue, ...]:
        """The non-empty values of matching attributes in order of precedence."""
        found = []
        for place, name, case_exact in self._rules.row.matching:
            value, raw = self._wanted[place], self._raw[place]
            if value is not None and value is not IGNORE_ATTRIBUTE_FLOW:
                found.append(
                    MatchingValue(
                        attribute=name,
                        value=value if value.__class__ is str else plain_text(value),
                        case_exact=case_exact,
                        redacted=raw.__class__ is not str and is_redacted(raw),
                    )
                )
        return tuple(found)

    def flowing(self) -> list[tuple[str, Value, bool]]:
        """Attribute, value and whether it is redacted of what has a value, without describing it."""
        return [
            (item.attribute, wanted, raw.__class__ is not str and is_redacted(raw))
            for item, raw, wanted in zip(self._rules.values, self._raw, self._wanted, strict=True)
            if wanted is not None and wanted is not IGNORE_ATTRIBUTE_FLOW
        ]

    def is_just(self, sent: Attributes) -> bool:
        """Whether the values are to the letter those that were sent, so that none is sent again."""
        row, wanted = self._rules.row, self._wanted
        held = list(map(sent.get, row.places))
        if held != wanted or row.always_flows:
            return False
        # True equals 1, and is another value.
        for place in row.not_texts:  # noqa: SIM110  a generator takes longer to begin than this takes in all
            if held[place].__class__ is not wanted[place].__class__:
                return False
        return True

    def _all(self) -> tuple[MappedValue, ...]:
        if self._described is None:
            described = [
                _described(item, raw, wanted)
                for item, raw, wanted in zip(self._rules.values, self._raw, self._wanted, strict=True)
                # Most of what is empty stays so, which needs no description.
                if wanted is not None or item.clears
            ]
            self._described = tuple(value for value in described if value is not None)
        return self._described


def map_row(rules: KindRules, attributes: Attributes, environment: Environment) -> Collection[MappedValue]:
    """Returns what flows of all values, as `map_values` does. Raises MappingFailed; ObjectLeftOut."""
    try:
        raw = rules.row.run(attributes, environment)
    except EvaluationError:
        # One by one, so that the mapping that failed is named.
        return map_values(rules.values, attributes, environment)
    classes = tuple(map(type, raw))
    unfit = rules.row.unfit.get(classes)
    if unfit is None:
        unfit = _unfit(rules.values, classes)
        if len(rules.row.unfit) < _MAX_REMEMBERED:
            rules.row.unfit[classes] = unfit
    wanted = list(raw)
    for place in range(len(raw)) if "" in raw else unfit:
        wanted[place] = _wanted(rules.values[place], raw[place])
    return MappedRow(rules, raw, wanted)


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
        described = _described(item, value, _wanted(item, value))
        if described is not None:
            mapped.append(described)
    return tuple(mapped)


def flowing_values(values: Collection[MappedValue]) -> list[tuple[str, Value, bool]]:
    """Returns attribute, value and whether it is redacted of what has a value: all that a creation needs to know."""
    if isinstance(values, MappedRow):
        return values.flowing()
    return [(value.attribute, value.value, value.redacted) for value in values if value.value is not None]


def matching_values(mappings: Sequence[CompiledMapping], values: Collection[MappedValue]) -> tuple[MatchingValue, ...]:
    """Returns the non-empty values of matching attributes in order of precedence."""
    if isinstance(values, MappedRow):
        return values.matching()
    by_name = {value.attribute: value for value in values}
    found = ((item, by_name.get(item.attribute)) for item in mappings)
    return tuple(
        MatchingValue(
            attribute=item.attribute,
            value=plain_text(mapped.value),
            case_exact=item.definition.case_exact,
            redacted=mapped.redacted,
        )
        for item, mapped in found
        if mapped is not None and mapped.value is not None
    )


def _unfit(mappings: Sequence[CompiledMapping], classes: Sequence[type]) -> tuple[int, ...]:
    """The places of values that are not yet as their attribute takes them, by their class alone."""
    return tuple(
        place
        for place, (item, its_class) in enumerate(zip(mappings, classes, strict=True))
        if not (item.mapping.default_value is None if its_class is NoneType else _fits(item, its_class))
    )


def _fits(item: CompiledMapping, its_class: type) -> bool:
    return _FITTING.get(item.definition.type) is its_class and not item.definition.multivalued


def _wanted(item: CompiledMapping, value: Value) -> Value:
    """Returns the value in the type of the target attribute, or the default; None for everything empty."""
    if value.__class__ is str and item.is_switch and value in _BOOLEANS:
        return _BOOLEANS[value]
    if value is IGNORE_ATTRIBUTE_FLOW:
        return value
    if value is IGNORE_OBJECT_FLOW:
        raise ObjectLeftOut(f"The mapping of {item.attribute} asks to leave this object out (IgnoreObjectFlow).")
    wanted = _typed(value, item)
    return _typed(item.mapping.default_value, item) if wanted is None else wanted


def _described(item: CompiledMapping, value: Value, wanted: Value) -> MappedValue | None:
    if value is IGNORE_ATTRIBUTE_FLOW:
        return None
    if wanted is None and (not item.clears or item.is_create_only or item.run is None):
        return None
    defaulted = item.mapping.default_value is not None and _typed(value, item) is None
    return MappedValue(
        attribute=item.attribute,
        value=wanted,
        create_only=item.is_create_only or (defaulted and item.run is not None and not item.mapping.clear_when_null),
        fills_empty=item.fills_empty,
        adds_only=item.adds_only,
        is_life_sign=item.is_life_sign,
        always_flows=item.always_flows,
        redacted=is_redacted(value),
    )


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
