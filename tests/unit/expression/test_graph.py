"""Graph's JSON form of a source, and the functions as Graph lists them."""

from typing import Any

import pytest

from muster.expression.graph import GraphSourceError, from_graph, to_graph
from muster.expression.nodes import Empty
from muster.expression.render import render_expression
from muster.expression.syntax import MAX_DEPTH, ExpressionSyntaxError, parse_expression
from muster.expression.table import FUNCTIONS, functions_as_graph


def test_a_function_has_its_parameters_by_graphs_keys() -> None:
    assert to_graph(parse_expression('Replace([preferredLanguage], "-", , , "_", , )')) == {
        "expression": 'Replace([preferredLanguage], "-", , , "_", , )',
        "name": "Replace",
        "type": "Function",
        "parameters": [
            {
                "key": "source",
                "value": {
                    "expression": "[preferredLanguage]",
                    "name": "preferredLanguage",
                    "type": "Attribute",
                    "parameters": [],
                },
            },
            {"key": "Find", "value": {"expression": '"-"', "name": "-", "type": "Constant", "parameters": []}},
            {"key": "Replacement", "value": {"expression": '"_"', "name": "_", "type": "Constant", "parameters": []}},
        ],
    }


def test_a_number_is_a_constant_in_quotes() -> None:
    assert to_graph(parse_expression('Mid([a], 1, "2")'))["parameters"][1]["value"] == {
        "expression": '"1"',
        "name": "1",
        "type": "Constant",
        "parameters": [],
    }


@pytest.mark.parametrize(
    ("text", "name", "keys"),
    [
        ('Switch([a], , "k", "v")', "Switch", ["source", "switchValue", "switchValue"]),
        ('"x" & [a]', "&", ["source", "source"]),
        ("vbTextCompare", "vbTextCompare", []),
    ],
)
def test_other_nodes_have_a_form(text: str, name: str, keys: list[str]) -> None:
    form = to_graph(parse_expression(text))
    assert (form["name"], [item["key"] for item in form["parameters"]]) == (name, keys)
    assert from_graph(form) == parse_expression(text)


def test_a_condition_has_a_form() -> None:
    form = to_graph(parse_expression('IIF([a] = "x" OR [b] > 1, 1, 2)'))
    assert form["parameters"][0]["value"]["name"] == "OR"
    assert form["parameters"][0]["value"]["parameters"][1]["value"]["name"] == ">"


def test_an_empty_argument_alone_is_an_empty_constant() -> None:
    assert to_graph(Empty()) == {"expression": "", "name": "", "type": "Constant", "parameters": []}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"expression": "[mail]"}, "[mail]"),
        ({"name": "mail", "type": "Attribute"}, "[mail]"),
        ({"name": 'a"b', "type": "Constant"}, '"a\\"b"'),
        ({"expression": "plain words", "name": "plain words", "type": "Constant"}, '"plain words"'),
        ({"expression": '"quoted"', "name": "quoted", "type": "Constant"}, '"quoted"'),
        ({"expression": " ", "name": "Now", "type": "Function"}, "Now()"),
        (
            {
                "name": "Replace",
                "type": "Function",
                "parameters": [
                    {"key": "source", "value": {"name": "a", "type": "Attribute"}},
                    {"key": "Template", "value": {"name": "x", "type": "Constant"}},
                    {"key": "Find", "value": {"name": "y", "type": "Constant"}},
                ],
            },
            'Replace([a], "y", , , , , "x")',
        ),
        (
            {
                "name": "Switch",
                "type": "Function",
                "parameters": [
                    {"key": "source", "value": {"name": "a", "type": "Attribute"}},
                    {"key": "switchValue", "value": {"expression": '"k"'}},
                    {"key": "switchValue", "value": {"expression": '"v"'}},
                ],
            },
            'Switch([a], , "k", "v")',
        ),
    ],
)
def test_a_source_is_read(source: dict[str, Any], text: str) -> None:
    assert render_expression(from_graph(source)) == text


def nested(levels: int) -> dict[str, Any]:
    source: dict[str, Any] = {"name": "a", "type": "Attribute"}
    for _ in range(levels):
        source = {"name": "Trim", "type": "Function", "parameters": [{"key": "value", "value": source}]}
    return source


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("[mail]", "must be an object"),
        ({}, "needs an expression or a name"),
        ({"name": "x", "type": "Thing"}, "must be one of Attribute, Constant, Function, got 'Thing'"),
        ({"name": "Trim", "type": "Function", "parameters": {"key": "x"}}, "must be a list of key and value"),
        ({"name": "Trim", "type": "Function", "parameters": [{"key": "x"}]}, "Trim has no parameter 'x'; it has value"),
        ({"name": "Now", "type": "Function", "parameters": ["x"]}, "Now has no parameter None; it has none"),
        (nested(MAX_DEPTH + 1), "at most 100 levels"),
    ],
)
def test_a_source_that_is_none_is_refused(source: Any, told: str) -> None:
    with pytest.raises(GraphSourceError, match=told):
        from_graph(source)


def test_an_unknown_function_is_named_by_the_parser() -> None:
    with pytest.raises(ExpressionSyntaxError) as mistake:
        from_graph({"name": "Trimm", "type": "Function", "parameters": []})
    assert mistake.value.suggestion == "Trim"


def test_every_function_is_listed_for_graph() -> None:
    listed = {item["name"]: item["parameters"] for item in functions_as_graph()}
    assert list(listed) == list(FUNCTIONS)
    assert listed["Join"] == [
        {"name": "separator", "required": True, "allowMultipleOccurrences": False, "type": "String"},
        {"name": "source", "required": True, "allowMultipleOccurrences": True, "type": "String"},
    ]
    assert listed["Replace"][1]["name"] == "Find"
