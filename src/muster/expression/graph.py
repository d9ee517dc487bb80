"""Expressions in Graph's JSON form: the source of an attribute mapping, written and read."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from muster.expression.nodes import (
    Attribute,
    Call,
    Combination,
    Comparison,
    Concatenation,
    Empty,
    Node,
    Number,
    Text,
    Word,
)
from muster.expression.render import quote, render_expression
from muster.expression.syntax import MAX_DEPTH, ExpressionSyntaxError, parse_expression
from muster.expression.table import FUNCTIONS
from muster.expression.values import plain_text


class GraphSourceError(ValueError):
    """A JSON value that is no attribute mapping source; the sentence says where and what is wrong."""


def to_graph(node: Node) -> dict[str, Any]:
    """The tree as `attributeMappingSource`; numbers are constants in quotes, empty arguments are left out.

    Source: Microsoft Graph, attributeMappingSource.
    """
    match node:
        case Attribute():
            return _source(render_expression(node), node.name, "Attribute", [])
        case Text():
            return _source(quote(node.value), node.value, "Constant", [])
        case Number():
            spelled = plain_text(node.value)
            return _source(quote(spelled), spelled, "Constant", [])
        case Word():
            return _source(node.name, node.name, "Constant", [])
        case Call():
            function = FUNCTIONS[node.function]
            parameters = [
                {
                    "key": function.parameter_at(index).key or function.parameter_at(index).name,
                    "value": to_graph(argument),
                }
                for index, argument in enumerate(node.arguments)
                if not isinstance(argument, Empty)
            ]
            return _source(render_expression(node), node.function, "Function", parameters)
        case Comparison():
            sides = [{"key": "left", "value": to_graph(node.left)}, {"key": "right", "value": to_graph(node.right)}]
            return _source(render_expression(node), node.operator.value, "Function", sides)
        case Combination():
            terms = [{"key": "source", "value": to_graph(term)} for term in node.terms]
            return _source(render_expression(node), node.conjunction.value, "Function", terms)
        case Concatenation():
            parts = [{"key": "source", "value": to_graph(part)} for part in node.parts]
            return _source(render_expression(node), "&", "Function", parts)
        case Empty():
            return _source("", "", "Constant", [])
        case _:  # pragma: no cover - every kind of node is above
            assert_never(node)


def _source(expression: str, name: str, kind: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expression": expression, "name": name, "type": kind, "parameters": parameters}


_TYPES: Final = ("Attribute", "Constant", "Function")


def from_graph(source: Mapping[str, Any]) -> Node:
    """The tree of an `attributeMappingSource`: its expression's, or one built of its parts where it has none.

    Raises:
        GraphSourceError: it is neither.
        ExpressionSyntaxError: its expression cannot be read.
    """
    return parse_expression(_text_of(source, depth=0))


def _text_of(source: Any, *, depth: int) -> str:
    if not isinstance(source, Mapping):
        raise GraphSourceError("An attribute mapping source must be an object with expression, name and type.")
    if depth > MAX_DEPTH:
        raise GraphSourceError(f"An attribute mapping source has at most {MAX_DEPTH} levels of parameters.")
    expression = source.get("expression")
    name = source.get("name")
    kind = source.get("type")
    if isinstance(expression, str) and expression.strip():
        # A constant may come unquoted; then its text is the value.
        if kind == "Constant" and depth == 0 and not _is_readable(expression):
            return quote(expression)
        return expression
    if not isinstance(name, str) or not name:
        raise GraphSourceError("An attribute mapping source needs an expression or a name.")
    match kind:
        case "Attribute":
            return f"[{name}]"
        case "Constant":
            return quote(name)
        case "Function":
            return _call_text(name, source.get("parameters") or (), depth=depth)
        case _:
            raise GraphSourceError(f"The type of a source must be one of {', '.join(_TYPES)}, got {kind!r}.")


def _is_readable(expression: str) -> bool:
    try:
        parse_expression(expression)
    except ExpressionSyntaxError:
        return False
    return True


def _call_text(name: str, parameters: Any, *, depth: int) -> str:
    function = FUNCTIONS.get(name)
    if not isinstance(parameters, (list, tuple)):
        raise GraphSourceError(f"The parameters of {name} must be a list of key and value.")
    if function is None:
        # The parser says which name was meant.
        return f"{name}()"
    places = {(parameter.key or parameter.name).lower(): at for at, parameter in enumerate(function.parameters)}
    places |= {parameter.name.lower(): at for at, parameter in enumerate(function.parameters)}
    arguments: list[str] = []
    for given in parameters:
        key = given.get("key") if isinstance(given, Mapping) else None
        if not isinstance(key, str) or key.lower() not in places:
            known = ", ".join(parameter.key or parameter.name for parameter in function.parameters)
            raise GraphSourceError(f"{name} has no parameter {key!r}; it has {known or 'none'}.")
        place = places[key.lower()]
        arguments.extend([""] * (place - len(arguments)))
        written = _text_of(given.get("value"), depth=depth + 1)
        if place < len(arguments) and not function.parameters[place].multiple:
            arguments[place] = written
        else:
            arguments.append(written)
    return f"{name}({', '.join(arguments)})"
