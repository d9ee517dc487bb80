"""What flows: typed by the target's attribute, defaults, empty values, and failures that say what to do."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from muster.model.directory import AttributeType
from muster.model.failures import MappingFailed
from muster.model.operation import MappedValue, MatchingValue
from muster.model.rules import FlowBehavior, FlowType
from muster.model.values import Attributes, Value
from muster.planning.mapping import ObjectLeftOut, flowing_values, map_row, map_values, matching_values
from unit.planning.making import AT, ENVIRONMENT, USER_NAME, Row, compiled, row

BOOLEAN, INTEGER, INSTANT = AttributeType.BOOLEAN, AttributeType.INTEGER, AttributeType.DATE_TIME


def mapped(item: Row, **attributes: Value) -> MappedValue | None:
    """Returns what one mapping gives."""
    rules = compiled([item])
    values = map_values(rules.values, attributes, ENVIRONMENT)
    at_once = map_row(rules, attributes, ENVIRONMENT)
    assert (tuple(at_once), len(at_once)) == (values, len(values))
    return values[0] if values else None


def given(item: Row, **attributes: Value) -> Value:
    found = mapped(item, **attributes)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("item", "attributes", "value"),
    [
        (row("a", "[x]"), {"x": "text"}, "text"),
        (row("a", "[x]"), {"x": True}, "True"),
        (row("a", "[x]"), {"x": False}, "False"),
        (row("a", "[x]"), {"x": 12}, "12"),
        (row("a", "[x]"), {"x": AT}, "1/5/2026 8:00:00 AM"),
        (row("a", "[x]"), {"x": {"value": "v"}}, {"value": "v"}),
        (row("a", "[x]"), {"x": ("only",)}, "only"),
        (row("a", "[x]"), {}, None),
        (row("a", "[x]"), {"x": ""}, None),
        (row("a", "[x]"), {"x": ()}, None),
        (row("a", "[x]"), {"x": ("",)}, None),
        (row("a", "[x]", multivalued=True), {"x": "one"}, ("one",)),
        (row("a", "[x]", multivalued=True), {"x": ("one", None, "", True)}, ("one", "True")),
        (row("a", "[x]", multivalued=True), {"x": ("", None)}, None),
        (row("a", "[x]", multivalued=True, kind=INTEGER), {"x": ("1", "2")}, (1, 2)),
        *((row("a", "[x]", kind=BOOLEAN), {"x": text}, True) for text in (True, "True", "true", " 1 ", "yes", 1)),
        *((row("a", "[x]", kind=BOOLEAN), {"x": text}, False) for text in (False, "False", "false", "0", "No", 0)),
        (row("a", "[x]", kind=INTEGER), {"x": "012"}, 12),
        (row("a", "[x]", kind=INTEGER), {"x": 12}, 12),
        (row("a", "[x]", kind=INSTANT), {"x": AT}, "2026-01-05T08:00:00Z"),
        (
            row("a", "[x]", kind=INSTANT),
            {"x": datetime(2026, 1, 5, 9, tzinfo=timezone(timedelta(hours=1)))},
            "2026-01-05T08:00:00Z",
        ),
        (row("a", "[x]", kind=INSTANT), {"x": AT.replace(tzinfo=None)}, "2026-01-05T08:00:00Z"),
        (row("a", "[x]", kind=INSTANT), {"x": "2026-01-05T08:00:00Z"}, "2026-01-05T08:00:00Z"),
    ],
)
def test_a_value_takes_the_type_of_its_target_attribute(item: Row, attributes: Attributes, value: Value) -> None:
    assert given(item, **attributes) == value
    assert type(given(item, **attributes)) is type(value)


@pytest.mark.parametrize(
    ("item", "attributes", "code", "sentence"),
    [
        (
            row("a", "[x]"),
            {"x": ("1", "2")},
            "SchemaPropertyCanOnlyAcceptValue",
            "a takes one value, and the mapping gave 2.",
        ),
        (
            row("a", "[x]", kind=BOOLEAN),
            {"x": "Maybe"},
            "InvalidValue",
            "a takes True or False, and the mapping gave “Maybe”.",
        ),
        (
            row("a", "[x]", kind=INTEGER),
            {"x": "twelve"},
            "InvalidValue",
            "a takes a whole number, and the mapping gave “twelve”.",
        ),
        (
            row("a", "[x]", kind=INTEGER),
            {"x": {"value": 1}},
            "InvalidValue",
            "a takes a whole number, and the mapping gave “{'value': 1}”.",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_to_do(
    item: Row, attributes: Attributes, code: str, sentence: str
) -> None:
    with pytest.raises(MappingFailed) as refused:
        mapped(item, **attributes)
    assert (refused.value.code, refused.value.sentence) == (code, sentence)
    assert refused.value.remedy != MappingFailed.remedy


def test_a_redacted_value_that_does_not_fit_does_not_show_in_the_failure() -> None:
    for kind in (BOOLEAN, INTEGER):
        with pytest.raises(MappingFailed) as refused:
            mapped(row("a", "Redact([x])", kind=kind), x="hunter2")
        assert "hunter2" not in refused.value.sentence
        assert "[Redact]" in refused.value.sentence


def test_an_expression_that_fails_names_the_target_attribute_the_function_and_the_remedy() -> None:
    with pytest.raises(MappingFailed) as refused:
        mapped(row("a", "CDate([x])"), x="nonsense")
    assert refused.value.code == "MappingFailed"
    assert refused.value.sentence.startswith("The mapping of a failed: CDate")
    assert "nonsense" in refused.value.sentence
    assert refused.value.remedy == "Correct the source attribute of this person, or the expression."


@pytest.mark.parametrize(
    ("item", "attributes", "expected"),
    [
        (row("a", "[x]", default="d"), {"x": "v"}, ("v", False, False)),
        (row("a", "[x]", default="d"), {}, ("d", True, False)),
        (row("a", "[x]", default="d"), {"x": ""}, ("d", True, False)),
        (row("a", '"constant"'), {}, ("constant", False, False)),
        (row("a", "[x]", flow=FlowType.OBJECT_ADD_ONLY), {"x": "v"}, ("v", True, False)),
        (row("a", None, default="d"), {}, ("d", False, True)),
        (row("a", None, default="d", flow=FlowType.OBJECT_ADD_ONLY), {}, ("d", True, True)),
        (row("a", "[x]", default="7", kind=INTEGER), {}, (7, True, False)),
    ],
    ids=["value", "null", "empty", "constant", "creation only", "none", "none, creation only", "typed default"],
)
def test_when_a_value_or_its_default_is_sent(
    item: Row, attributes: Attributes, expected: tuple[Value, bool, bool]
) -> None:
    found = mapped(item, **attributes)
    assert found is not None
    assert (found.value, found.create_only, found.fills_empty) == expected


def test_mapping_type_none_without_a_default_gives_nothing() -> None:
    assert mapped(row("a", None), x="v") is None


def test_a_flow_that_is_to_be_ignored_takes_no_default_either() -> None:
    assert mapped(row("a", "IgnoreAttributeFlow", default="d")) is None


def test_an_object_that_is_to_be_ignored_stops_the_mapping() -> None:
    with pytest.raises(ObjectLeftOut, match="The mapping of a asks to leave this object out"):
        mapped(row("a", "IgnoreObjectFlow"))


def test_a_redacted_value_flows_plain_and_is_marked() -> None:
    found = mapped(row("a", "Redact([x])"), x="hunter2")
    assert found is not None
    assert (found.value, found.redacted) == ("hunter2", True)
    assert type(found.value) is str
    several = mapped(row("a", "Redact([x])", multivalued=True), x=("one", "two"))
    assert several is not None
    assert (several.value, several.redacted) == (("one", "two"), True)
    assert all(type(part) is str for part in several.value)
    plain = mapped(row("a", "[x]"), x="hunter2")
    assert plain is not None
    assert not plain.redacted


def test_life_signs_and_what_always_flows_are_marked() -> None:
    rules = compiled(
        [USER_NAME, row("active", "Not([IsSoftDeleted])"), row("a", "[x]", behavior=FlowBehavior.FLOW_ALWAYS)]
    )
    values = map_values(rules.values, {"userPrincipalName": "u", "IsSoftDeleted": False, "x": "v"}, ENVIRONMENT)
    assert [(item.attribute, item.is_life_sign, item.always_flows) for item in values] == [
        ("userName", False, False),
        ("active", True, False),
        ("a", False, True),
    ]


def test_matching_values_come_in_order_of_precedence_without_the_empty_ones() -> None:
    rules = compiled(
        [
            row("third", "[c]", matching=3),
            row("second", "Redact([b])", matching=2, case_exact=True),
            row("plain", "[d]"),
            row("first", "[a]", matching=1, kind=BOOLEAN),
        ]
    )
    values = map_values(rules.values, {"a": True, "b": "secret", "d": "x"}, ENVIRONMENT)
    found = matching_values(rules.matching, values)
    assert found == (
        MatchingValue(attribute="first", value="True"),
        MatchingValue(attribute="second", value="secret", case_exact=True, redacted=True),
    )
    assert [item.shown for item in found] == ["True", "[Redact]"]
    at_once = map_row(rules, {"a": True, "b": "secret", "d": "x"}, ENVIRONMENT)
    assert matching_values(rules.matching, at_once) == found
    assert values[0] in at_once
    assert flowing_values(values) == flowing_values(at_once)


@pytest.mark.parametrize("expression", ['IIF([x], IgnoreAttributeFlow, "v")', "Redact([x])", "[x]", "Left([x], 2)"])
@pytest.mark.parametrize("default", [None, "some"])
@pytest.mark.parametrize("kind", [AttributeType.STRING, BOOLEAN, INTEGER])
@pytest.mark.parametrize("value", [None, "", "true", "12", True, 3, ("a", "b")])
def test_computed_at_once_values_flow_or_fail_as_they_do_one_by_one(
    expression: str, default: str | None, kind: AttributeType, value: Value
) -> None:
    rules = compiled([row("first", "[x]"), row("a", expression, kind=kind, default=default)])

    def outcome(computed: Callable[[], Iterable[MappedValue]]) -> object:
        try:
            return tuple(computed())
        except MappingFailed as failed:
            return failed.sentence

    at_once = outcome(lambda: map_row(rules, {"x": value}, ENVIRONMENT))
    assert at_once == outcome(lambda: map_values(rules.values, {"x": value}, ENVIRONMENT))


def test_what_is_kept_of_the_shapes_of_rows_has_an_end() -> None:
    rules = compiled([row("a", "[x]")])
    rules.row.unfit.update({(int,) * number: () for number in range(2, 1_026)})
    assert [value.value for value in map_row(rules, {"x": "v"}, ENVIRONMENT)] == ["v"]
    assert (str,) not in rules.row.unfit


def test_the_environment_is_what_the_expression_sees() -> None:
    assert given(row("a", "Now()")) == "1/5/2026 8:00:00 AM"
    assert ENVIRONMENT.now.tzinfo is UTC


@pytest.mark.parametrize(
    ("sent", "just"),
    [({"a": "x", "n": 1}, True), ({"a": "x", "n": True}, False), ({"a": "x", "n": 2}, False), ({"a": "x"}, False)],
    ids=["the same", "true equals one, and is another value", "another", "one is missing"],
)
def test_a_row_is_just_what_was_sent_when_value_and_type_are(sent: Attributes, just: bool) -> None:
    rules = compiled([row("a", "[x]"), row("n", "[y]", kind=INTEGER)])
    assert map_row(rules, {"x": "x", "y": "1"}, ENVIRONMENT).is_just(sent) is just
