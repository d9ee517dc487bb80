"""The compiler: the forms it writes out, limits, and that nothing of the world is within reach."""

import pytest

from muster.expression.compile import compile_expression, compile_row
from muster.expression.evaluate import EvaluationError, evaluate
from muster.expression.syntax import MAX_DEPTH, parse_expression
from muster.expression.values import Redacted
from unit.expression.expression_support import an_environment


def test_a_row_answers_all_expressions() -> None:
    row = compile_row([parse_expression(text) for text in ("[a]", 'Append([a], "x")', "Redact([a])", "Not([b])")])
    answers = row({"a": "v", "b": False}, an_environment())
    assert answers == ("v", "vx", "v", True)
    assert isinstance(answers[2], Redacted)


def test_an_empty_row_is_answered() -> None:
    assert compile_row([])({}, an_environment()) == ()


def test_the_first_error_of_a_row_ends_it() -> None:
    row = compile_row([parse_expression("[a]"), parse_expression('Error("no")')])
    with pytest.raises(EvaluationError, match="no"):
        row({}, an_environment())


def test_the_deepest_choice_compiles() -> None:
    text = 'IIF([a] = "x", 1, ' * (MAX_DEPTH - 1) + "2" + ")" * (MAX_DEPTH - 1)
    node = parse_expression(text)
    assert compile_expression(node)({"a": "y"}, an_environment()) == 2


def test_a_long_switch_is_one_look_up() -> None:
    keys = ", ".join(f'"k{number}", "v{number}"' for number in range(500))
    node = parse_expression(f'Switch([a], "d", {keys}, "k7", "late")')
    assert compile_expression(node)({"a": "k7"}, an_environment()) == "v7"
    assert compile_expression(node)({}, an_environment()) == "d"


@pytest.mark.parametrize("name", ["__builtins__", "environment", 'x"); import os; ("', "T1", "\n", "ünï"])
def test_names_and_texts_of_admins_stay_data(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    node = parse_expression(f'Append([a], "{escaped}")')
    assert compile_expression(node)({"a": "v"}, an_environment()) == f"v{name}"


def test_an_attribute_of_any_name_is_read() -> None:
    node = parse_expression("[__import__('os').system('x')]")
    assert compile_expression(node)({"__import__('os').system('x')": 1}, an_environment()) == 1


@pytest.mark.parametrize(
    "text",
    [
        'Append(5, "x")',
        'Prepend([a], "x")',
        'Prepend("x", [a])',
        'Left("abc", 2)',
        "Left([a], -1)",
        "Left([a], [b])",
        'Mid("abc", 2)',
        "Mid([a], 1, [b])",
        'ToLower("ABC")',
        'ToLower([a], "tr")',
        'StripSpaces("a b")',
        "Not(True)",
        'IsPresent("")',
        "IsNull([a])",
        "IsNothing(Null)",
        'IIF("a" = "a", 1, 2)',
        "IIF([a] = [b], 1, 2)",
        "IIF([a] = 1, 1, 2)",
        'Join(" ", [a], 1, Null, True)',
        'Join(" ", [a], "' + "x" * 9000 + '", "' + "y" * 500 + '")',
        "Switch([a], IIF([b] = 1, 2, 3), 1, [a])",
        "Switch([a], 1, IgnoreObjectFlow, 2)",
        'Coalesce(Switch([a], , "v", IgnoreAttributeFlow), "x")',
        'Append(Coalesce([z], IgnoreAttributeFlow), "x")',
    ],
)
def test_what_is_written_out_answers_like_the_interpreter(text: str) -> None:
    node = parse_expression(text)
    for attributes in ({}, {"a": "v"}, {"a": "", "b": 1}, {"a": ("p",), "b": 2}, {"a": "é I", "b": "é I"}):

        def outcome(compute: object, given: dict[str, object] = attributes) -> object:  # type: ignore[assignment]
            try:
                return compute(given, an_environment())  # type: ignore[operator]  # either way of computing
            except EvaluationError as failure:
                return failure.sentence

        assert outcome(compile_expression(node)) == outcome(lambda given, world: evaluate(node, given, world))
