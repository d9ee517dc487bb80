"""Writes a tree as the text of an expression."""

from typing import assert_never

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
from muster.expression.values import plain_text


def render_expression(node: Node) -> str:
    """The text of an expression; parsing it gives the same tree."""
    match node:
        case Attribute():
            return f"[{node.name}]"
        case Text():
            return quote(node.value)
        case Number():
            return plain_text(node.value)
        case Word():
            return node.name
        case Empty():
            return ""
        case Call():
            arguments = ", ".join(render_expression(argument) for argument in node.arguments)
            if node.arguments and isinstance(node.arguments[-1], Empty) and len(node.arguments) == 1:
                arguments = ","
            return f"{node.function}({arguments})"
        case Comparison():
            return f"{_operand(node.left)} {node.operator} {_operand(node.right)}"
        case Combination():
            return f" {node.conjunction} ".join(_term(term) for term in node.terms)
        case Concatenation():
            return " & ".join(_operand(part) for part in node.parts)
        case _:  # pragma: no cover - every kind of node is above
            assert_never(node)


def quote(value: str) -> str:
    """The text as an expression writes it, in double quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _operand(node: Node) -> str:
    rendered = render_expression(node)
    return f"({rendered})" if isinstance(node, (Comparison, Combination, Concatenation)) else rendered


def _term(node: Node) -> str:
    rendered = render_expression(node)
    return f"({rendered})" if isinstance(node, Combination) else rendered
