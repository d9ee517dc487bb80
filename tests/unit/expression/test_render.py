"""Expressions written as text."""

import pytest

from muster.expression.nodes import Call, Empty
from muster.expression.render import render_expression
from muster.expression.syntax import parse_expression


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('Append( [a],"x" )', 'Append([a], "x")'),
        ('Switch([a],,"k","v")', 'Switch([a], , "k", "v")'),
        ('"a\\"b\\\\d"', '"a\\"b\\\\d"'),
        ("&HF", "15"),
        ("1.50", "1.5"),
        ('IIF(([a]="x" or [b]>1) and [c]<=2,1,2)', 'IIF(([a] = "x" OR [b] > 1) AND [c] <= 2, 1, 2)'),
        ('IIF(([a]=[b])=("x"&[c]),1,2)', 'IIF(([a] = [b]) = ("x" & [c]), 1, 2)'),
        ('"a" & ("b" & [c])', '"a" & ("b" & [c])'),
        ("Now()", "Now()"),
        ('InStr("a","b",,vbTextCompare)', 'InStr("a", "b", , vbTextCompare)'),
    ],
)
def test_an_expression_is_written_in_one_way(text: str, rendered: str) -> None:
    node = parse_expression(text)
    assert render_expression(node) == rendered
    assert parse_expression(rendered) == node


def test_a_single_empty_argument_is_written_with_its_comma() -> None:
    assert render_expression(Call(function="Coalesce", arguments=(Empty(),))) == "Coalesce(,)"
