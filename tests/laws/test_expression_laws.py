"""Laws of the expression language over random expressions and attributes."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from laws.cases import cases
from muster.expression.compile import compile_expression, compile_row
from muster.expression.evaluate import Environment, EvaluationError, evaluate, explain
from muster.expression.graph import from_graph, to_graph
from muster.expression.nodes import (
    Attribute,
    Call,
    Combination,
    Comparison,
    ComparisonOperator,
    Concatenation,
    Conjunction,
    Empty,
    Node,
    Number,
    Text,
    Word,
)
from muster.expression.render import render_expression
from muster.expression.syntax import ExpressionSyntaxError, parse_expression
from muster.expression.table import FUNCTIONS, WORDS
from muster.expression.values import is_redacted

LAW = cases(400)

NAMES = ("givenName", "surname", "mail", "IsSoftDeleted", "level", "groups", "hired", "none")
TEXTS = (
    "",
    " ",
    "a",
    "A",
    "John",
    "ß",
    "İstanbul",
    "1",
    "-3",
    "True",
    "2020-03-16-07:00",
    "a, b",
    "${x}",
    "(a)",
    '\\"',
    "d",
    "yyyy",
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.sampled_from(TEXTS),
    st.text(max_size=12),
    st.booleans(),
    st.integers(-5, 600),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.just(datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    st.lists(st.sampled_from(TEXTS), max_size=3).map(tuple),
    st.just(({"id": "1", "value": "Admin", "displayName": "Administrator"},)),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)

LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from(NAMES).map(lambda name: Attribute(name=name)),
    st.sampled_from(TEXTS).map(lambda value: Text(value=value)),
    st.text(max_size=8).map(lambda value: Text(value=value)),
    st.integers(-3, 9).map(lambda value: Number(value=value)),
    st.sampled_from([1.5, -0.25]).map(lambda value: Number(value=value)),
    st.sampled_from(list(WORDS)).map(lambda name: Word(name=name)),
)


@st.composite
def conditions(draw: Any, nodes: st.SearchStrategy[Node]) -> Node:
    def comparison() -> Node:
        return Comparison(operator=draw(st.sampled_from(list(ComparisonOperator))), left=draw(nodes), right=draw(nodes))

    if draw(st.booleans()):
        return comparison()
    terms = [comparison() if draw(st.booleans()) else draw(nodes) for _ in range(draw(st.integers(2, 3)))]
    return Combination(conjunction=draw(st.sampled_from(list(Conjunction))), terms=tuple(terms))


@st.composite
def calls(draw: Any, nodes: st.SearchStrategy[Node]) -> Node:
    function = draw(st.sampled_from([item for item in FUNCTIONS.values() if not item.top_level_only]))
    least, most = function.least_arguments, function.most_arguments
    count = draw(st.integers(least, most if most is not None else least + 4))
    if function.in_pairs and count % 2:
        count += 1
    arguments: list[Node] = []
    for index in range(count):
        parameter = function.parameter_at(index)
        last = index == count - 1
        if parameter.words:
            arguments.append(Word(name=draw(st.sampled_from(parameter.words))))
        elif parameter.condition:
            arguments.append(draw(st.one_of(nodes, conditions(nodes))))
        elif not parameter.required and not last and draw(st.booleans()):
            arguments.append(Empty())
        else:
            arguments.append(draw(nodes))
    return Call(function=function.name, arguments=tuple(arguments))


NODES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda nodes: st.one_of(
        calls(nodes),
        calls(nodes),
        st.lists(nodes, min_size=2, max_size=3).map(lambda parts: Concatenation(parts=tuple(parts))),
    ),
    max_leaves=12,
)


def an_environment(seed: int = 1) -> Environment:
    chance = random.Random(seed)
    return Environment(
        now=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        new_guid=lambda: str(uuid.UUID(int=chance.getrandbits(128))),
        draw=chance.randrange,
        is_taken=lambda value: len(value) % 2 == 0,
        default_domain="example.org",
    )


def outcome(compute: Any) -> Any:
    """What came of it: the value with its class and redaction, or the error's sentence."""
    try:
        value = compute()
    except EvaluationError as failure:
        return ("error", failure.function, failure.argument, failure.sentence)
    return ("value", type(value), repr(value), is_redacted(value), value)


@LAW
@given(node=NODES, attributes=ATTRIBUTES)
def test_compiled_and_interpreted_agree(node: Node, attributes: dict[str, Any]) -> None:
    interpreted = outcome(lambda: evaluate(node, attributes, an_environment()))
    compiled = compile_expression(node)
    assert outcome(lambda: compiled(attributes, an_environment())) == interpreted
    row = compile_row([node])
    assert outcome(lambda: row(attributes, an_environment())[0]) == interpreted


@LAW
@given(first=NODES, second=NODES, attributes=ATTRIBUTES)
def test_a_unique_value_is_chosen_alike_by_both(first: Node, second: Node, attributes: dict[str, Any]) -> None:
    node = Call(function="SelectUniqueValue", arguments=(first, second))
    compiled = compile_expression(node)
    assert outcome(lambda: compiled(attributes, an_environment())) == outcome(
        lambda: evaluate(node, attributes, an_environment())
    )


@LAW
@given(node=NODES)
def test_parsing_what_was_rendered_gives_the_same_tree(node: Node) -> None:
    assert parse_expression(render_expression(node)) == node


@LAW
@given(node=NODES)
def test_graphs_form_holds_the_same_tree(node: Node) -> None:
    if not isinstance(node, Number):
        assert from_graph(to_graph(node)) == node


@LAW
@given(node=NODES, attributes=ATTRIBUTES)
def test_explaining_computes_what_evaluating_does(node: Node, attributes: dict[str, Any]) -> None:
    explained = explain(node, attributes, an_environment())
    kind = outcome(lambda: evaluate(node, attributes, an_environment()))[0]
    assert (kind == "value") == explained.evaluated
    assert (kind == "error") == (explained.error is not None)


@LAW
@given(node=NODES, secret=st.text(alphabet="ƛƕƣ", min_size=8, max_size=12))
def test_a_redacted_attribute_never_shows(node: Node, secret: str) -> None:
    assume(secret not in render_expression(node))
    hidden = Call(function="Coalesce", arguments=(node, Call(function="Redact", arguments=(Attribute(name="none"),))))
    attributes = {"none": secret}
    shown = repr(explain(hidden, attributes, an_environment()))
    try:
        shown += repr(evaluate(hidden, attributes, an_environment()))
    except EvaluationError as failure:
        shown += f"{failure} {failure.value}"
    assert secret not in shown


@LAW
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet='IF(Append)[a]",=<>& \\1-', max_size=40)))
def test_any_text_is_an_expression_or_a_named_mistake(text: str) -> None:
    try:
        node = parse_expression(text)
    except ExpressionSyntaxError as mistake:
        assert 0 <= mistake.position <= len(text)
        assert mistake.sentence.startswith("At character ")
    else:
        assert parse_expression(render_expression(node)) == node
